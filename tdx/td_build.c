/*
 * td_build.c - make a TD, from nothing to runnable.
 *
 *   image - parameters - KeyID - MNG.CREATE, KEY.CONFIG, ADDCX, INIT - MMU - vCPUs - pages, in the
 *   order that defines the MRTD - MR.FINALIZE - pages that are wanted before the first run
 *
 * Invariants
 *   - One table of steps; the first that fails says why, and td_teardown() undoes all of them.
 *   - What was hashed here, now or when the same was built before, or what tain.cfg names, must be
 *     what the module measured; else the TD never runs.
 *
 * Facts: TDX module 1.5 ABI, "TD Build Sequence".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/operand.h"
#include "tdx/keyid.h"
#include "tdx/measure_known.h"
#include "tdx/reclaim.h"
#include "tdx/retry.h"
#include "tdx/tdhob.h"
#include "tdx/tdload_plan.h"
#include "tdx/td_impl.h"

/* Pages added between two looks at interrupts. */
#define BREATH_PAGES 64

_Static_assert(GUEST_HIGH_BASE == TDVF_TOP, "high RAM begins where firmware ends");

int td_fail(struct td *td, int err, const char *fmt, ...)
{
	va_list ap;

	if (td->why[0])
		return err;
	va_start(ap, fmt);
	vsnprintf(td->why, sizeof(td->why), fmt, ap);
	va_end(ap);
	return err;
}

int td_refused(struct td *td, const char *leaf, tdx_status_t st)
{
	char text[120];
	int err = tdx_to_errno(st);

	return td_fail(td, err, "%s: %s", leaf, tdx_status_text(st, text, sizeof(text)));
}

/* ---- control pages ---- */

hpa_t td_control_page(struct td *td)
{
	hpa_t page;

	if (td->control_count == td->control_max)
		return HPA_NONE;
	page = tdx_pages_get(PAGE_TDX_CONTROL, 0);
	if (!hpa_is_none(page))
		td->control[td->control_count++] = page;
	return page;
}

void td_control_drop(struct td *td)
{
	tdx_pages_free(td->control[--td->control_count], PAGE_TDX_CONTROL, 0);
}

/* ---- the steps ---- */

/* Without firmware: our own loader and a kernel, as if they were a firmware's sections. */
static int plan_loader(struct td *td)
{
	const struct guest_config *c = td->config;
	char why[TDVF_WHY_MAX];

	if (!c->kernel.data)
		return td_fail(td, -EINVAL, "nothing to run: firmware = or kernel =");
	td->tdload = heap_alloc(sizeof(*td->tdload));
	if (!td->tdload)
		return td_fail(td, -ENOMEM, "no memory for the plan of its kernel");
	if (tdload_plan_make(td->tdload, &td->tdvf, c, why) ||
	    tdvf_check_memory(&td->tdvf, guest_config_ram(c), why))
		return td_fail(td, -EINVAL, "%s", why);
	return 0;
}

static int read_image(struct td *td)
{
	const struct guest_config *c = td->config;
	char why[TDVF_WHY_MAX];

	if (!c->firmware.data)
		return plan_loader(td);
	if (tdvf_parse(c->firmware.data, c->firmware.size, &td->tdvf, why) ||
	    tdvf_check_memory(&td->tdvf, guest_config_ram(c), why))
		return td_fail(td, -EINVAL, "%s: %s", c->firmware.path, why);
	return 0;
}

static int take_keyid(struct td *td)
{
	if (keyid_alloc(&td->keyid))
		return td_fail(td, -EBUSY, "no private KeyID is free: every TD needs one");
	td->stage = TD_HAS_KEYID;
	return 0;
}

static int create(struct td *td)
{
	tdx_status_t st;

	td->tdr.page = td_control_page(td);
	if (hpa_is_none(td->tdr.page))
		return td_fail(td, -ENOMEM, "no memory for its root page");
	spin_lock(&tdx_state.key_lock);
	st = TDX_RETRY(tdh_mng_create(td->tdr, td->keyid));
	spin_unlock(&tdx_state.key_lock);
	if (!tdx_ok(st)) {
		td_control_drop(td);
		return td_refused(td, "TDH.MNG.CREATE", st);
	}
	td->stage = TD_CREATED;
	return 0;
}

struct key_call {
	tdr_t tdr;
	tdx_status_t st;
};

static void key_config_here(void *arg)
{
	struct key_call *call = arg;
	tdx_status_t st = TDX_RETRY(tdh_mng_key_config(call->tdr));

	if (!tdx_ok(st) && tdx_ok(call->st))
		call->st = st;
}

static int configure_keys(struct td *td)
{
	struct key_call call = { td->tdr, { 0 } };

	tdx_on_each_package(key_config_here, &call);
	if (!tdx_ok(call.st))
		return td_refused(td, "TDH.MNG.KEY.CONFIG", call.st);
	td->stage = TD_KEYED;
	return 0;
}

static int add_control_pages(struct td *td)
{
	for (uint64_t i = 0; i < tdx_state.md.tdcs_bytes / PAGE_SIZE; i++) {
		hpa_t page = td_control_page(td);
		tdx_status_t st;

		if (hpa_is_none(page))
			return td_fail(td, -ENOMEM, "no memory for its control pages");
		st = TDX_RETRY(tdh_mng_addcx(td->tdr, page));
		if (!tdx_ok(st)) {
			td_control_drop(td);
			return td_refused(td, "TDH.MNG.ADDCX", st);
		}
	}
	return 0;
}

static int init(struct td *td)
{
	hpa_t page = page_alloc(PAGE_KERNEL);
	uint64_t where;
	tdx_status_t st;

	if (hpa_is_none(page))
		return td_fail(td, -ENOMEM, "no memory for TD_PARAMS");
	memcpy(hpa_to_ptr(page), &td->params, sizeof(td->params));
	st = TDX_RETRY(tdh_mng_init(td->tdr, page, &where));
	page_free(page, PAGE_KERNEL);
	if (tdx_ok(st)) {
		td->stage = TD_INITIALIZED;
		return 0;
	}
	if (tdx_is(st, TDX_OPERAND_INVALID) && tdx_detail(st) == TDX_OP_CPUID_CONFIG)
		return td_fail(td, -EIO,
			       "TDH.MNG.INIT: CPUID %llx.%llx has bits that are not configurable",
			       (unsigned long long)(where & UINT32_MAX),
			       (unsigned long long)(where >> 32));
	return td_refused(td, "TDH.MNG.INIT", st);
}

/* What the guest's first vCPU finds in RCX and R8: where its memory is described. */
static uint64_t boot_parameter(const struct td *td)
{
	const struct tdvf_section *hob = tdvf_hob(&td->tdvf);

	return td->tdload ? TDLOAD_PARAMS : hob ? hob->gpa : 0;
}

static int create_vcpus(struct td *td)
{
	for (unsigned i = 0; i < td->vcpu_count; i++) {
		struct td_vcpu *v = &td->vcpus[i];
		int err = td_vcpu_create(v);

		if (!err)
			err = td_vcpu_init(v, boot_parameter(td));
		if (err)
			return err;
	}
	return 0;
}

/* ---- contents ---- */

struct adder {
	struct td *td;
	hpa_t staging;
	uint8_t *contents; /* of it */
	unsigned pages;
};

static int add_page(void *ctx, const struct measure_run *run, gpa_t page)
{
	struct adder *a = ctx;
	int err;

	measure_page(run, page, a->contents);
	if (!a->td->known)
		measure_hash_add(&a->td->measured, page);
	if (++a->pages % BREATH_PAGES == 0 && tdx_state.host.irq_window)
		tdx_state.host.irq_window();
	err = td_memory_add(a->td, page, a->staging);
	if (!err)
		measure_log_add(a->td->log, page);
	return err;
}

static int extend_page(void *ctx, const struct measure_run *run, gpa_t page)
{
	struct adder *a = ctx;
	struct sept_fault fault;

	if (!a->td->known) {
		measure_page(run, page, a->contents);
		measure_hash_extend(&a->td->measured, page, a->contents);
	}
	for (uint64_t at = 0; at < PAGE_SIZE; at += MR_CHUNK_BYTES) {
		tdx_status_t st = TDX_RETRY(tdh_mr_extend(a->td->tdr, gpa_add(page, at), &fault));

		if (!tdx_ok(st))
			return td_refused(a->td, "TDH.MR.EXTEND", st);
	}
	measure_log_extend(a->td->log, page);
	return 0;
}

/* tain.cfg says what it must be: it was worked out elsewhere. */
static bool config_mrtd(struct td *td)
{
	_Static_assert(sizeof(td->predicted) == GUEST_MRTD_BYTES, "as tain.cfg has it");
	if (td->config->has_mrtd)
		memcpy(td->predicted, td->config->mrtd, sizeof(td->predicted));
	return td->config->has_mrtd;
}

static int make_contents(struct td *td, uint8_t *hob)
{
	static const struct measure_ops ops = { add_page, extend_page };
	const struct tdvf_section *section = tdvf_hob(&td->tdvf);
	struct measure_input in = {
		.tdvf = &td->tdvf,
		.image = td->config->firmware.data,
		.hob = hob,
		.ram = guest_config_ram(td->config),
		.accept = td->config->accept,
		.order = td->config->measure,
	};
	struct adder a = { .td = td, .staging = page_alloc(PAGE_GUEST) };
	int err;

	if (hpa_is_none(a.staging))
		return td_fail(td, -ENOMEM, "no memory for a staging page");
	a.contents = hpa_to_ptr(a.staging);
	if (section) {
		uint64_t room = section->bytes < TDHOB_MAX ? section->bytes : TDHOB_MAX;

		in.hob_bytes = tdhob_build(hob, room, (gpa_t){ section->gpa }, &td->tdvf, in.ram,
					   in.accept);
	}
	if (section && !in.hob_bytes) {
		err = td_fail(td, -EINVAL, "%s: the TD_HOB section is too small for the HOB list",
			      td->config->firmware.path);
	} else {
		measure_plan_make(td->plan, &in);
		td->fingerprint = measure_fingerprint(td->plan);
		td->known = config_mrtd(td) || measure_known_get(td->fingerprint, td->predicted);
		sha384_init(&td->measured);
		err = measure_walk(td->plan, &ops, &a);
	}
	page_free(a.staging, PAGE_GUEST);
	return err;
}

static int add_contents(struct td *td)
{
	uint8_t *hob = heap_alloc(TDHOB_MAX);
	int err = -ENOMEM;

	td->plan = heap_alloc(sizeof(*td->plan));
	if (hob && td->plan)
		err = make_contents(td, hob);
	else
		(void)td_fail(td, err, "no memory for the plan of its contents");
	heap_free(td->plan);
	td->plan = NULL;
	heap_free(td->tdload);
	td->tdload = NULL;
	heap_free(hob);
	return err;
}

static void hex(char *to, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

static int read_mrtd(struct td *td)
{
	for (unsigned i = 0; i < TDX_HASH_BYTES / 8; i++) {
		uint64_t word;
		tdx_status_t st = TDX_RETRY(tdh_mng_rd(td->tdr, md_element(MD_TD_MRTD, i), &word));

		if (!tdx_ok(st))
			return td_refused(td, "TDH.MNG.RD of MRTD", st);
		memcpy(td->mrtd + 8 * i, &word, sizeof(word));
	}
	return 0;
}

/* What a reader of the console must not overlook. */
static int shout(struct td *td)
{
	char line[64 + GUEST_NAME_MAX + 2 * TDX_HASH_BYTES], text[2 * TDX_HASH_BYTES + 1];

	hex(text, td->predicted, sizeof(td->predicted));
	snprintf(line, sizeof(line), "tain: td %s: MRTD DIFFERS, predicted %s", td->name, text);
	tdx_state.host.say(line);
	return td_fail(td, -EIO, "the module's MRTD is not what %s %s",
		       td->config->has_mrtd ? "tain.cfg says:" : "was added: computed", text);
}

static int finalize(struct td *td)
{
	char line[64 + GUEST_NAME_MAX + 2 * TDX_HASH_BYTES], text[2 * TDX_HASH_BYTES + 1];
	tdx_status_t st = TDX_RETRY(tdh_mr_finalize(td->tdr));
	int err;

	if (!tdx_ok(st))
		return td_refused(td, "TDH.MR.FINALIZE", st);
	td->stage = TD_RUNNABLE;
	err = read_mrtd(td);
	if (err)
		return err;
	hex(text, td->mrtd, sizeof(td->mrtd));
	snprintf(line, sizeof(line), "tain: td %s: MRTD %s", td->name, text);
	tdx_state.host.say(line);
	if (!td->known)
		sha384_final(&td->measured, td->predicted);
	if (memcmp(td->predicted, td->mrtd, sizeof(td->mrtd)))
		return shout(td);
	if (!td->known)
		measure_known_put(td->fingerprint, td->predicted);
	return 0;
}

/* vCPUs belong to no CPU until they first run; faults are AUGs from now on. */
static int release_vcpus(struct td *td)
{
	for (unsigned i = 0; i < td->vcpu_count; i++)
		if (td_vcpu_flush(&td->vcpus[i]))
			return td_fail(td, -EIO, "vCPU %u could not be flushed", i);
	mmu_set_phase(&td->mmu, MMU_RUNNING);
	return 0;
}

/* A busy module gets this many rounds to let one page through. */
#define AHEAD_FRUITLESS_MAX 1000

/* accept = eager: all RAM is there, pending, before the first instruction. */
static int map_ahead(struct td *td)
{
	for (unsigned i = 0; i < td->slot_count && td->config->accept == TD_ACCEPT_EAGER; i++) {
		const struct memslot *slot = &td->slots[i];
		uint64_t done = 0;
		unsigned fruitless = 0; /* rounds without a page */
		int err;

		if (slot->base.v == td->tdvf.bottom >> PAGE_SHIFT)
			continue;
		do {
			uint64_t more = 0;

			err = mmu_map_range(&td->mmu, MMU_MIRROR, gfn_add(slot->base, done),
					    slot->frames - done, td->config->page_level, &more);
			done += more;
			fruitless = more ? 0 : fruitless + 1;
		} while ((err == -ENOMEM && tdx_pages_extend() == 0) ||
			 (err == -EAGAIN && fruitless < AHEAD_FRUITLESS_MAX));
		if (err)
			return td_fail(td, err, "memory could not be mapped ahead (%d)", -err);
	}
	return 0;
}

/* clang-format off */
static int (*const steps[])(struct td *td) = {
	read_image, td_params_make, take_keyid, create, configure_keys, add_control_pages, init,
	td_apic_clock, td_sides_init, td_memory_init, create_vcpus, add_contents, finalize,
	td_log_grants, release_vcpus, map_ahead, td_interrupt_connect,
};
/* clang-format on */

static struct td *new_td(const struct guest_config *config, struct platform *platform,
			 struct vcpu_run *runs)
{
	const struct tdx_metadata *md = &tdx_state.md;
	struct td *td = heap_alloc(sizeof(*td));

	if (!td)
		return NULL;
	td->config = config;
	td->name = config->name;
	td->platform = platform;
	td->vcpu_count = config->vcpus;
	td->control_max = 1 + (unsigned)(md->tdcs_bytes / PAGE_SIZE) +
			  config->vcpus * (unsigned)(md->tdvps_bytes / PAGE_SIZE);
	td->control = heap_alloc(td->control_max * sizeof(*td->control));
	td->vcpus = heap_alloc(td->vcpu_count * sizeof(*td->vcpus));
	td->reclaim = heap_alloc(sizeof(*td->reclaim));
	td->log = heap_alloc(sizeof(*td->log));
	for (unsigned i = 0; td->vcpus && i < td->vcpu_count; i++) {
		td->vcpus[i] =
			(struct td_vcpu){ .td = td, .run = &runs[i], .index = i, .cpu = NO_CPU };
		td_apic_init(&td->vcpus[i]);
	}
	return td;
}

static void free_td(struct td *td)
{
	td_interrupt_disconnect(td);
	td_sides_fini(td);
	heap_free(td->tdload);
	for (unsigned i = 0; td->vcpus && i < td->vcpu_count; i++) {
		td_apic_fini(&td->vcpus[i]);
		td_interrupt_fini(&td->vcpus[i]);
	}
	heap_free(td->control);
	heap_free(td->vcpus);
	heap_free(td->reclaim);
	heap_free(td->log);
	heap_free(td);
}

int td_create(struct td **out, const struct guest_config *config, struct platform *platform,
	      struct vcpu_run *runs, char *why, size_t why_size)
{
	uint64_t start = tsc_now();
	struct td *td;
	int err = 0;

	if (tdx_state.phase != TDX_READY) {
		snprintf(why, why_size, "no TDX module is ready%s%s",
			 tdx_state.reason[0] ? ": " : "", tdx_state.reason);
		return -ENODEV;
	}
	td = new_td(config, platform, runs);
	if (!td || !td->control || !td->vcpus || !td->reclaim || !td->log) {
		snprintf(why, why_size, "out of memory");
		if (td)
			free_td(td);
		return -ENOMEM;
	}
	__atomic_fetch_add(&tdx_state.living, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tdx_state.building, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_LEN(steps) && !err; i++)
		err = steps[i](td);
	__atomic_fetch_sub(&tdx_state.building, 1, __ATOMIC_RELAXED);
	if (err) {
		snprintf(why, why_size, "%s", td->why);
		(void)td_destroy(td);
		return err;
	}
	td->build_ticks = tsc_now() - start;
	log_debug("tdx: %s: built in %llu ticks", td->name, (unsigned long long)td->build_ticks);
	*out = td;
	return 0;
}

uint64_t td_destroy(struct td *td)
{
	uint64_t leaked = td_teardown(td);

	__atomic_fetch_sub(&tdx_state.living, 1, __ATOMIC_RELAXED);
	if (leaked)
		log_error("tdx: %s: %llu pages are leaked: the module did not give them back",
			  td->name, (unsigned long long)leaked);
	free_td(td);
	return leaked;
}
