/*
 * tdx_seamldr.c - modules loaded and replaced by the software P-SEAMLDR: every status that it can give,
 * on every CPU; the files that tools/module-file makes, good and spoilt.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tdx/abi/explain.h"
#include "tdx/abi/leaf.h"
#include "tdx/keyid.h"
#include "tdx/seamldr.h"
#include "tdx/state.h"
#include "tdx/tdh.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY   (UINT64_C(2) << 30)
#define CPUS     4u
#define ORDER    6 /* room for a file */
#define FILE_MAX (PAGE_SIZE << ORDER)

static char why[SEAMLDR_WHY];

/* ---- files ---- */

/* A file in pages of the desk machine, zero filled, as the loader leaves it. */
struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes read_whole(const char *path)
{
	struct bytes b = { hpa_to_ptr(pages_alloc(PAGE_KERNEL, ORDER)), 0 };
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	b.size = fread(b.data, 1, FILE_MAX, file);
	fclose(file);
	return b;
}

/* What tools/module-file makes of @words. @sig: where the signature structure goes, if in its own file. */
static struct bytes made_by_tool(const char *words, struct bytes *sig)
{
	char command[400], path[60], beside[80];
	struct bytes b;

	snprintf(path, sizeof(path), "/tmp/tain-module-%d", (int)getpid());
	snprintf(beside, sizeof(beside), "%s.sigstruct", path);
	snprintf(command, sizeof(command), "tools/module-file %s %s", words, path);
	assert_int_equal(system(command), 0);
	b = read_whole(path);
	unlink(path);
	if (sig)
		*sig = read_whole(beside);
	unlink(beside);
	return b;
}

static int check_bytes(struct module_file *m, struct bytes b, const struct bytes *sig)
{
	return seamldr_check_file(m, b.data, b.size, sig ? sig->data : NULL, sig ? sig->size : 0, why);
}

static struct module_file file(const char *words)
{
	struct module_file m;

	if (check_bytes(&m, made_by_tool(words, NULL), NULL))
		fail_msg("%s: %s", words, why);
	return m;
}

static void empty_machine(unsigned cpus)
{
	softmod_start(MEMORY, cpus, 52);
	machine_threads(true);
	softmod_empty();
	tdx_state = (struct tdx_state){ .phase = TDX_ABSENT };
	seamldr_attach(softmod_host());
}

static void ready(unsigned cpus)
{
	softmod_start(MEMORY, cpus, 52);
	machine_threads(true);
	assert_int_equal(tdx_init(softmod_host()), 0);
}

static void each_form_of_file_is_read(void **state)
{
	struct module_file m;
	struct bytes b, sig;
	char text[100];

	(void)state;
	empty_machine(1);
	m = file("--form v1 --svn 3 --pages 5");
	assert_int_equal(m.page_count, 5);
	assert_string_equal(module_file_text(&m, text, sizeof(text)),
			    "SVN 3, built 2026-11-21, 5 pages, handoff version 0");
	m = file("--form v2 --pages 2");
	assert_int_equal(m.page_count, 2);
	b = made_by_tool("--form split --pages 7", &sig);
	assert_int_equal(check_bytes(&m, b, &sig), 0);
	assert_int_equal(m.page_count, 7);
	assert_int_equal(check_bytes(&m, b, NULL), -EINVAL);
	assert_non_null(strstr(why, "neither a TDX-BLOB"));
	sig.size--;
	assert_int_equal(check_bytes(&m, b, &sig), -EINVAL);
	assert_non_null(strstr(why, "2047 bytes"));
}

static void a_spoilt_file_is_told_by_what_is_wrong(void **state)
{
	static const struct {
		const char *words, *why;
	} rows[] = {
		{ "--spoil hash", "does not have the hash" },
		{ "--form v2 --spoil hash", "does not have the hash" },
		{ "--spoil signature", "the signature is not good" },
		{ "--spoil cpu", "not for this CPU" },
		{ "--spoil magic", "neither a TDX-BLOB" },
		{ "--spoil length", "says 20481 bytes" },
		{ "--form v2 --spoil length", "says 6 pages" },
		{ "--spoil reserved", "a reserved field" },
		{ "--form v2 --spoil reserved", "a reserved field" },
	};

	(void)state;
	empty_machine(1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct module_file m;

		assert_int_equal(check_bytes(&m, made_by_tool(rows[i].words, NULL), NULL), -EINVAL);
		if (!strstr(why, rows[i].why))
			fail_msg("%s: %s", rows[i].words, why);
	}
}

/* Each byte of a small file matters: that of a header, a signature structure, a module. */
static void no_flipped_bit_is_taken(void **state)
{
	struct bytes b;
	struct module_file m;
	size_t taken = 0;

	(void)state;
	empty_machine(1);
	b = made_by_tool("--form v2 --pages 1", NULL);
	for (size_t at = 0; at < b.size; at += at < PAGE_SIZE ? 1 : 37) {
		b.data[at] ^= 4;
		/* The rest of the page behind the structure is nobody's; the check sum is not used. */
		bool free = (at >= PAGE_SIZE + sizeof(struct seam_sigstruct) && at < 2 * PAGE_SIZE) ||
			    at == 2 || at == 3;

		taken += free;
		if (check_bytes(&m, b, NULL) != (free ? 0 : -EINVAL))
			fail_msg("byte %zu: %s", at, why);
		b.data[at] ^= 4;
	}
	assert_true(taken > 2);
}

/* ---- loading ---- */

static void a_module_is_loaded_and_comes_up(void **state)
{
	struct module_file m;
	struct seamldr_info info;
	struct seamldr_seaminfo machine;

	(void)state;
	empty_machine(CPUS);
	m = file("--svn 259");
	assert_true(tdx_is_unreachable(tdh_sys_lp_shutdown()));
	assert_true(tdx_ok(seamldr_ask(&info)));
	assert_int_equal(info.seam_ready, 0);
	assert_int_equal(seamldr_load(&m, why), 0);
	assert_true(tdx_ok(seamldr_ask(&info)));
	assert_int_equal(info.seam_ready, 1);
	assert_int_equal(info.tee_tcb_svn[0], 3);
	assert_int_equal(info.tee_tcb_svn[1], 1);
	assert_memory_equal(info.mrseam, m.sig->seamhash, 48);
	assert_true(tdx_ok(seamldr_ask_machine(&machine)));
	assert_int_equal(machine.lps, CPUS);
	assert_int_equal(machine.packages, 2);
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(seamldr_load(&m, why), -EBUSY);
}

static void without_a_loader_nothing_is_done(void **state)
{
	struct module_file m;

	(void)state;
	empty_machine(CPUS);
	m = file("");
	softmod_loader.gone = true;
	assert_int_equal(seamldr_load(&m, why), -ENODEV);
	assert_int_equal(seamldr_shut_down(why), -ENODEV);
	empty_machine(CPUS);
	m = file("");
	machine_cpu_offline(2);
	assert_int_equal(seamldr_load(&m, why), -EIO);
	assert_non_null(strstr(why, "CPU 2 did not start"));
}

/* Statuses that end an INSTALL. */
static const uint64_t failing[] = {
	UINT64_C(0x8000000000000000), UINT64_C(0x8000000000000003), UINT64_C(0x8000000000000004),
	UINT64_C(0x8000000000010002), UINT64_C(0x8000000000010003), UINT64_C(0x8000000000010004),
	UINT64_C(0x8000000000020000), UINT64_C(0x8000000000020001),
};

/* On each CPU, each of them: it is told where and what, and the next attempt comes through. */
static void every_refusal_on_every_cpu_is_told_and_got_over(void **state)
{
	struct module_file m;

	(void)state;
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
			char where[20];

			empty_machine(CPUS);
			m = file("");
			softmod_loader.fault = (struct soft_seamldr_fault){
				cpu, SEAMLDR_INSTALL, 1, failing[i], 0
			};
			assert_int_equal(seamldr_load(&m, why), -EIO);
			snprintf(where, sizeof(where), "on CPU %u", cpu);
			if (!strstr(why, where) || !strstr(why, tdx_seamldr_text(failing[i])))
				fail_msg("%s", why);
			assert_int_equal(seamldr_load(&m, why), 0);
			assert_int_equal(tdx_init(softmod_host()), 0);
		}
}

/* Interrupted, or without entropy: the same CPU calls again, as often as it takes. */
static void who_may_call_again_does(void **state)
{
	const uint64_t transient[] = { SEAMLDR_EINTERRUPT, SEAMLDR_ENOENTROPY };
	struct module_file m;

	(void)state;
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (unsigned i = 0; i < 2; i++) {
			empty_machine(CPUS);
			m = file("");
			softmod_loader.fault = (struct soft_seamldr_fault){
				cpu, SEAMLDR_INSTALL, 50, transient[i], 0
			};
			assert_int_equal(seamldr_load(&m, why), 0);
			empty_machine(CPUS);
			m = file("");
			softmod_loader.fault = (struct soft_seamldr_fault){
				cpu, SEAMLDR_INSTALL, 5000, transient[i], 0
			};
			assert_int_equal(seamldr_load(&m, why), -EIO);
			softmod_loader.fault.times = 0;
			assert_int_equal(seamldr_load(&m, why), 0);
		}
}

/* What the loader itself finds wrong, where the host did not look or knows no better. */
static void the_loader_refuses_by_itself(void **state)
{
	static const struct {
		const char *words;
		uint64_t status;
		bool gone; /* the module before */
	} rows[] = {
		{ "--spoil key", UINT64_C(0x8000000000020000), false },
		{ "--profile nobody", UINT64_C(0x8000000000010003), true },
	};
	struct module_file m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		empty_machine(CPUS);
		m = file("");
		assert_int_equal(seamldr_load(&m, why), 0);
		m = file(rows[i].words);
		assert_int_equal(seamldr_load(&m, why), -EIO);
		assert_non_null(strstr(why, tdx_seamldr_text(rows[i].status)));
		assert_int_equal(strstr(why, "is gone") != NULL, rows[i].gone);
		assert_int_equal(soft_seamldr_ready(&softmod_loader), !rows[i].gone);
	}
}

/* The last CPU's call with one thing wrong in what the loader reads. */
static uint64_t install_with(const struct module_file *m, void (*spoil)(struct seamldr_params *p))
{
	hpa_t page = page_alloc(PAGE_KERNEL);
	struct seamldr_params *p = hpa_to_ptr(page);
	struct soft_regs r = { 0 };

	p->sigstruct = ptr_to_hpa(m->sig).v;
	p->pages = m->page_count;
	for (unsigned i = 0; i < m->page_count; i++)
		p->page[i] = ptr_to_hpa(m->pages + i * PAGE_SIZE).v;
	spoil(p);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		r.rax = TDX_RAX_SEAMLDR | SEAMLDR_INSTALL;
		r.rcx = page.v;
		assert_true(soft_seamldr_call(&softmod_loader, cpu, &r));
		assert_true(cpu == CPUS - 1 || r.rax == SEAMLDR_OK);
		assert_true(cpu == CPUS - 1 || !soft_seamldr_ready(&softmod_loader));
	}
	page_free(page, PAGE_KERNEL);
	return r.rax;
}

static void nothing(struct seamldr_params *p) { (void)p; }
static void version(struct seamldr_params *p) { p->version = 1; }
static void reserved(struct seamldr_params *p) { p->reserved[103] = 1; }
static void scenario(struct seamldr_params *p) { p->scenario = 2; }
static void no_pages(struct seamldr_params *p) { p->pages = 0; }
static void many_pages(struct seamldr_params *p) { p->pages = 497; }
static void crooked_page(struct seamldr_params *p) { p->page[1] += 8; }
static void far_page(struct seamldr_params *p) { p->page[1] = MACHINE_BASE + MEMORY; }
static void keyed_page(struct seamldr_params *p) { p->page[1] |= BIT64(51); }
static void seamrr_page(struct seamldr_params *p) { p->page[1] = 0xf8000000; }
static void crooked_sig(struct seamldr_params *p) { p->sigstruct += 2048; }
static void an_update(struct seamldr_params *p) { p->scenario = SEAMLDR_UPDATE; }

static void parameters_are_judged_by_the_loader(void **state)
{
	static void (*const spoils[])(struct seamldr_params *p) = {
		version, reserved, scenario, no_pages, many_pages, crooked_page, far_page,
		keyed_page, seamrr_page, crooked_sig, an_update,
	};
	struct module_file m;

	(void)state;
	empty_machine(CPUS);
	m = file("");
	for (size_t i = 0; i < ARRAY_LEN(spoils); i++) {
		assert_int_equal(install_with(&m, spoils[i]), SEAMLDR_EBADPARAM);
		assert_false(soft_seamldr_ready(&softmod_loader));
	}
	assert_int_equal(install_with(&m, nothing), SEAMLDR_OK);
	for (size_t i = 0; i + 1 < ARRAY_LEN(spoils); i++) {
		assert_int_equal(install_with(&m, spoils[i]), SEAMLDR_EBADPARAM);
		assert_true(soft_seamldr_ready(&softmod_loader));
	}
	/* A module that still runs has left nothing to take over. */
	assert_int_equal(install_with(&m, an_update), SEAMLDR_EBADHANDOFF);
}

static void calls_of_all_cpus_are_counted(void **state)
{
	struct soft_regs r = { .rax = TDX_RAX_SEAMLDR | SEAMLDR_INSTALL };
	struct module_file m;

	(void)state;
	empty_machine(CPUS);
	m = file("");
	r.rcx = page_alloc(PAGE_KERNEL).v;
	assert_true(soft_seamldr_call(&softmod_loader, 1, &r));
	assert_int_equal(r.rax, SEAMLDR_OK);
	r.rax = TDX_RAX_SEAMLDR | SEAMLDR_INSTALL;
	assert_true(soft_seamldr_call(&softmod_loader, 1, &r));
	assert_int_equal(r.rax, SEAMLDR_EBADCALL);
	r.rax = TDX_RAX_SEAMLDR | SEAMLDR_SHUTDOWN;
	assert_true(soft_seamldr_call(&softmod_loader, 2, &r));
	assert_int_equal(r.rax, SEAMLDR_EBADCALL);
	r.rax = TDX_RAX_SEAMLDR | 4;
	assert_true(soft_seamldr_call(&softmod_loader, 2, &r));
	assert_int_equal(r.rax, SEAMLDR_EBADPARAM);
	/* A second LP while one is inside is not let in. */
	softmod_loader.inside = 1;
	assert_false(soft_seamldr_call(&softmod_loader, 2, &r));
	(void)m;
}

static void the_loader_goes_and_nothing_is_reached(void **state)
{
	struct module_file m;
	struct seamldr_info info;

	(void)state;
	empty_machine(CPUS);
	m = file("");
	assert_int_equal(seamldr_load(&m, why), 0);
	assert_int_equal(seamldr_shut_down(why), 0); /* the ACM's LP, CPU 0, was last */
	assert_true(tdx_is_unreachable(seamldr_ask(&info)));
	assert_true(tdx_is_unreachable(tdh_sys_lp_shutdown()));
}

/* ---- updates ---- */

/* A TD with a key and its control pages: what must live on. */
static hpa_t tdr;
static uint16_t keyid;

static void key_config(void *arg)
{
	(void)arg;
	(void)!tdx_ok(tdh_mng_key_config((tdr_t){ tdr }));
}

static void make_td(void)
{
	tdr = tdx_pages_get(PAGE_TDX_CONTROL, 0);
	assert_int_equal(keyid_alloc(&keyid), 0);
	assert_true(tdx_ok(tdh_mng_create((tdr_t){ tdr }, keyid)));
	tdx_on_each_package(key_config, NULL);
}

/* The module says the same of it as before. */
static bool td_is_known(void)
{
	struct page_metadata md;

	return tdx_ok(tdh_phymem_page_rdmd(tdr, &md)) && md.type == 4 /* PT_TDR */ &&
	       tdx_is(tdh_mng_key_config((tdr_t){ tdr }), TDX_LIFECYCLE_STATE_INCORRECT);
}

static void a_module_is_replaced_under_a_td(void **state)
{
	struct module_file m;
	hpa_t other;

	(void)state;
	ready(CPUS);
	m = file("--svn 2");
	make_td();
	assert_int_equal(seamldr_update(&m, why), 0);
	assert_int_equal(tdx_phase(), TDX_READY);
	assert_true(td_is_known());
	/* Its KeyID is taken, others are not. */
	other = tdx_pages_get(PAGE_TDX_CONTROL, 0);
	assert_false(tdx_ok(tdh_mng_create((tdr_t){ other }, keyid)));
	assert_true(tdx_ok(tdh_mng_create((tdr_t){ other }, (uint16_t)(keyid + 1))));
	assert_int_equal(seamldr_update(&m, why), 0);
	assert_true(td_is_known());
	m = file("--svn 1");
	assert_int_equal(seamldr_update(&m, why), -EINVAL);
	assert_non_null(strstr(why, "SVN 1 is lower"));
	assert_true(td_is_known());
}

/* Each version of the module that there is comes from a file too, and is brought up as what it is. */
static void each_version_can_be_loaded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < soft_profile_count; i++) {
		const struct soft_profile *p = &soft_profiles[i];
		struct module_file m;
		char words[60];

		empty_machine(CPUS);
		snprintf(words, sizeof(words), "--profile %s", p->name);
		m = file(words);
		assert_int_equal(seamldr_load(&m, why), 0);
		assert_int_equal(tdx_init(softmod_host()), 0);
		assert_int_equal(tdx_state.md.minor, p->minor);
		assert_int_equal(tdx_state.md.features0, p->features0);
		make_td();
	}
}

/* What is replaced is another version afterwards, and the TD is still there. */
static void an_update_brings_the_new_version(void **state)
{
	struct module_file m;

	(void)state;
	ready(CPUS);
	make_td();
	m = file("--profile 1.5.05 --svn 2");
	assert_int_equal(seamldr_update(&m, why), 0);
	assert_int_equal(tdx_state.md.features0, soft_profile_find("1.5.05")->features0);
	assert_true(td_is_known());
}

static void an_update_waits_for_what_is_half_done(void **state)
{
	struct module_file m;

	(void)state;
	ready(CPUS);
	m = file("--min-hv 1 --hv 2");
	assert_int_equal(seamldr_update(&m, why), -EINVAL);
	assert_non_null(strstr(why, "reads 1 to 2"));
	m = file("");
	tdx_state.building = 1;
	assert_int_equal(seamldr_update(&m, why), -EBUSY);
	assert_non_null(strstr(why, "being built"));
	tdx_state.building = 0;
	tdx_state.md.features0 &= ~BIT64(1);
	assert_int_equal(seamldr_update(&m, why), -ENODEV);
	tdx_state.md.features0 |= BIT64(1);
	assert_int_equal(seamldr_update(&m, why), 0);
}

static void memory_is_initialised_first(void **state)
{
	struct module_file m;

	(void)state;
	softmod_start(MEMORY, 2, 52);
	machine_threads(true);
	softmod_lazy();
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_true(tdx_pages_more());
	m = file("");
	assert_int_equal(seamldr_update(&m, why), 0);
	assert_false(tdx_pages_more());
}

/*
 * A refusal on any CPU while the module is shut down: nothing is ready, and it is said; the same update
 * again saves the TDs, as long as the old module's data are there.
 */
static void an_update_that_was_refused_can_be_made_again(void **state)
{
	struct module_file m;

	(void)state;
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
			ready(CPUS);
			m = file("");
			make_td();
			softmod_loader.fault = (struct soft_seamldr_fault){
				cpu, SEAMLDR_INSTALL, 1, failing[i], 0
			};
			assert_int_equal(seamldr_update(&m, why), -EIO);
			assert_int_equal(tdx_phase(), TDX_FAILED);
			assert_int_equal(tdx_retry(), -EIO);
			assert_int_equal(seamldr_update(&m, why), 0);
			assert_int_equal(tdx_phase(), TDX_READY);
			assert_true(td_is_known());
		}
}

/* The old module is gone: only a fresh one helps, and the TD's pages are lost with it. */
static void after_an_unrecoverable_failure_a_fresh_module_comes_up(void **state)
{
	struct module_file m;

	(void)state;
	ready(CPUS);
	m = file("");
	make_td();
	softmod_loader.fault = (struct soft_seamldr_fault){
		CPUS - 1, SEAMLDR_INSTALL, 1, SEAMLDR_EBADHASH, SEAMLDR_UNRECOVERABLE
	};
	assert_int_equal(seamldr_update(&m, why), -EIO);
	assert_non_null(strstr(why, "is gone"));
	assert_false(soft_seamldr_ready(&softmod_loader));
	tdx_pages_leak(tdr, PAGE_TDX_CONTROL, 0);
	assert_int_equal(seamldr_load(&m, why), 0);
	assert_int_equal(tdx_retry(), 0);
	assert_int_equal(tdx_phase(), TDX_READY);
	make_td();
}

static unsigned refused_leaf;

static bool refuse(struct soft_regs *r)
{
	if (r->rax != refused_leaf)
		return false;
	r->rax = UINT64_C(0xc000050000000000); /* TDX_SYS_NOT_READY */
	return true;
}

/* The new module's own steps refused: told by name, and nothing pretends to be ready. */
static void each_step_of_an_update_names_itself(void **state)
{
	static const struct {
		unsigned leaf;
		const char *name;
		bool lost;
	} steps[] = {
		{ TDH_SYS_SHUTDOWN, "TDH.SYS.SHUTDOWN", false },
		{ TDH_SYS_INIT, "TDH.SYS.INIT", true },
		{ TDH_SYS_LP_INIT, "TDH.SYS.LP.INIT", true },
		{ TDH_SYS_UPDATE, "TDH.SYS.UPDATE", true },
	};
	struct module_file m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		ready(CPUS);
		m = file("");
		refused_leaf = steps[i].leaf;
		softmod_intercept = refuse;
		assert_int_equal(seamldr_update(&m, why), -EIO);
		softmod_intercept = NULL;
		assert_non_null(strstr(why, steps[i].name));
		assert_int_equal(tdx_phase(), steps[i].lost ? TDX_FAILED : TDX_READY);
	}
}

static int leave(void **state)
{
	(void)state;
	tdx_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_of_file_is_read),
		cmocka_unit_test(a_spoilt_file_is_told_by_what_is_wrong),
		cmocka_unit_test(no_flipped_bit_is_taken),
		cmocka_unit_test(a_module_is_loaded_and_comes_up),
		cmocka_unit_test(without_a_loader_nothing_is_done),
		cmocka_unit_test(every_refusal_on_every_cpu_is_told_and_got_over),
		cmocka_unit_test(who_may_call_again_does),
		cmocka_unit_test(the_loader_refuses_by_itself),
		cmocka_unit_test(parameters_are_judged_by_the_loader),
		cmocka_unit_test(calls_of_all_cpus_are_counted),
		cmocka_unit_test(the_loader_goes_and_nothing_is_reached),
		cmocka_unit_test(a_module_is_replaced_under_a_td),
		cmocka_unit_test(each_version_can_be_loaded),
		cmocka_unit_test(an_update_brings_the_new_version),
		cmocka_unit_test(an_update_waits_for_what_is_half_done),
		cmocka_unit_test(memory_is_initialised_first),
		cmocka_unit_test(an_update_that_was_refused_can_be_made_again),
		cmocka_unit_test(after_an_unrecoverable_failure_a_fresh_module_comes_up),
		cmocka_unit_test(each_step_of_an_update_names_itself),
	};

	return cmocka_run_group_tests(tests, NULL, leave);
}
