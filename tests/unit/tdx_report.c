/*
 * tdx_report.c - what the host side says of itself: the module, its leaves, a TD; and what it says
 * when a start goes wrong in a way of its own.
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

#include <cmocka.h>

#include "kernel/base/trace.h"
#include "tdx/abi/leaf.h"
#include "tdx/keyid.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(256) << 20)

static char text[20000];

static void take(void *ctx, const char *line)
{
	(void)ctx;
	if (strlen(text) + strlen(line) + 2 < sizeof(text)) {
		strcat(text, line);
		strcat(text, "\n");
	}
}

static void says(const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

/* The number behind @name at the start of a line. */
static uint64_t number(const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		fail_msg("no '%s' in:\n%s", name, text);
	return strtoull(at + strlen(name), NULL, 10);
}

/* ---- the module ---- */

static void the_module_is_described(void **state)
{
	const struct soft_profile *p = softmod_profile;
	char line[200];

	(void)state;
	softmod_start(MEMORY, 4, 52);
	text[0] = 0;
	tdx_describe(take, NULL);
	says("not ready");
	if (p == &soft_profiles[0]) { /* else the version before was there */
		says("not started");
		assert_string_equal(tdx_module_text(line, sizeof(line)), "no TDX module");
	}
	assert_int_equal(tdx_init(softmod_host()), 0);
	text[0] = 0;
	tdx_describe(take, NULL);
	snprintf(line, sizeof(line), "TDX module %u.%u.%02u", p->major, p->minor, p->update);
	says(line);
	says("NO_RBP_MOD");
	says("keyids    32 private from 32, 0 in use by TDs, 0 leaked");
	snprintf(line, sizeof(line), "limits    %u TDMRs, %u reserved areas each", p->max_tdmrs,
		 p->max_reserved);
	says(line);
	if (p->features0 & SOFT_F_SYS_DISABLE)
		says("SYS_DISABLE");
	says("cmr 0     0x100000000 to 0x110000000");
	says("tdmr 0    0x100000000 to 0x140000000, 2 reserved areas, usable below 0x140000000");
	tdx_fini();
	text[0] = 0;
	tdx_describe(take, NULL);
	says("not ready");
}

static void leaves_are_counted(void **state)
{
	struct tdx_leaf_counts n;
	static struct trace_reader reader;
	uint64_t before = trace_count(), lost = 0, word, next;
	struct trace_record r[4];

	(void)state;
	softmod_start(MEMORY, 2, 52);
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_true(trace_count() > before);
	trace_from_now(&reader);
	for (unsigned i = 0; i < 3; i++)
		(void)!tdx_ok(tdh_sys_rd(MD_SYS_MAX_TDMRS, &word, &next));
	(void)!tdx_ok(tdh_sys_rd(12345, &word, &next));
	assert_int_equal(trace_read(&reader, UINT64_MAX, r, ARRAY_LEN(r), &lost), 4);
	assert_int_equal(r[0].leaf, TDH_SYS_RD);
	assert_int_equal(r[0].a[1], MD_SYS_MAX_TDMRS);
	assert_int_equal(r[0].a[5], softmod_profile->max_tdmrs);
	text[0] = 0;
	tdx_stats(take, NULL);
	assert_int_equal(number("TDH.SYS.INIT calls "), 1);
	assert_int_equal(number("TDH.SYS.LP.INIT calls "), 2);
	assert_int_equal(number("TDH.SYS.TDMR.INIT calls "), SIZE_1G / softmod_profile->tdmr_init_bytes);
	assert_true(number("TDH.SYS.RD errors ") >= 1);
	assert_true(number("TDH.SYS.RD ticks: min ") <= number("TDH.SYS.RD ticks: median "));
	assert_true(number("TDH.SYS.RD ticks: median ") <= number("TDH.SYS.RD ticks: max "));
	assert_true(tdx_leaf_counts(TDH_SYS_TDMR_INIT, &n));
	assert_string_equal(n.name, "TDH.SYS.TDMR.INIT");
	assert_int_equal(n.calls, SIZE_1G / softmod_profile->tdmr_init_bytes);
	assert_true(n.ticks_min <= n.ticks_median && n.ticks_median <= n.ticks_max);
	assert_false(tdx_leaf_counts(TDH_LEAF_LIMIT, &n));
	assert_true(seamcall_count_here() > SIZE_1G / softmod_profile->tdmr_init_bytes);
}

/* The median stands in the middle, also of a few, and never outside of what was seen. */
static void the_median_is_in_the_middle(void **state)
{
	struct seamcall_stats st = { .calls = 0 };

	(void)state;
	assert_int_equal(seamcall_median(&st), 0);
	st = (struct seamcall_stats){ .calls = 1, .min = 1000, .max = 1000 };
	st.bucket[19] = 1; /* 768 to 1023 */
	assert_int_equal(seamcall_median(&st), 1000);
	st = (struct seamcall_stats){ .calls = 101, .min = 10, .max = 5000 };
	st.bucket[6] = 50;
	st.bucket[20] = 50; /* 1024 to 1535 */
	st.bucket[24] = 1;
	assert_in_range(seamcall_median(&st), 1024, 1535);
}

/* ---- a start that goes wrong ---- */

static struct tdx_host host;
static unsigned many_packages(unsigned cpu) { return cpu; }
static int no_msr(uint32_t msr, uint64_t *value)
{
	(void)msr;
	(void)value;
	return -EIO;
}
static int no_keyids(uint32_t msr, uint64_t *value)
{
	*value = msr == 0x87 ? 0x1f : 0;
	return 0;
}

static bool wrong_cpuid(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_SYS_INIT)
		return false;
	r->rax = tdx_status(TDX_INCORRECT_CPUID_VALUE, 0).raw;
	r->rcx = 7;
	r->r9 = 0x123;
	return true;
}

static bool one_cpu_is_different(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_SYS_LP_INIT || cpu_index() != 3)
		return false;
	r->rax = tdx_status(TDX_INCONSISTENT_MSR, 0xcf).raw;
	return true;
}

static void starts_that_go_wrong_say_why(void **state)
{
	(void)state;
	softmod_start(MEMORY, 12, 52);
	host = *softmod_host();
	host.package_of = many_packages;
	assert_int_equal(tdx_init(&host), -EIO);
	assert_string_equal(tdx_reason(), "packages: more than 8");

	softmod_start(MEMORY, 2, 52);
	host = *softmod_host();
	host.msr_read = no_msr;
	assert_int_equal(tdx_init(&host), -EIO);
	assert_non_null(strstr(tdx_reason(), "the CPU has no KeyID partitioning"));

	softmod_start(MEMORY, 2, 52);
	host = *softmod_host();
	host.msr_read = no_keyids;
	assert_int_equal(tdx_init(&host), -EIO);
	assert_non_null(strstr(tdx_reason(), "no private KeyIDs"));

	softmod_start(MEMORY, 2, 52);
	softmod_intercept = wrong_cpuid;
	assert_int_equal(tdx_init(softmod_host()), -EIO);
	assert_true(machine_logged("CPUID 7.0: mask"));

	softmod_start(MEMORY, 4, 52);
	softmod_intercept = one_cpu_is_different;
	assert_int_equal(tdx_init(softmod_host()), -EIO);
	assert_true(machine_logged("CPU 3 does not fit the others"));
}

/* No memory for whatever is wanted during the start: said, nothing is held, and then it goes. */
static void a_start_without_memory_is_undone(void **state)
{
	unsigned n = 0;

	(void)state;
	for (;;) {
		uint64_t before;

		softmod_start(MEMORY, 2, 52);
		softmod_lazy();
		before = page_count(PAGE_FREE);
		machine_fail_alloc(++n);
		if (tdx_init(softmod_host()) == 0)
			break;
		machine_fail_alloc(0);
		assert_true(tdx_reason()[0] != 0);
		if (!tdx_state.done.configured)
			assert_int_equal(page_count(PAGE_FREE), before);
		assert_int_equal(tdx_retry(), 0);
	}
	machine_fail_alloc(0);
	assert_true(n > 3);
}

/* More KeyIDs than the module takes; none that are left beside the shared ones; none at all. */
static void keyids_are_bounded(void **state)
{
	struct keyid_counts k;

	(void)state;
	assert_int_equal(keyid_init(UINT64_C(4000) << 32 | 63, UINT64_C(7) << 32), 0);
	k = keyid_counts();
	assert_int_equal(k.first, 64);
	assert_int_equal(k.first + k.total, 2048);
	assert_int_equal(keyid_init(UINT64_C(10) << 32 | 2047, UINT64_C(7) << 32), -ENODEV);
	assert_int_equal(keyid_init(UINT64_C(10) << 32 | 63, 0), -ENODEV);
	assert_int_equal(keyid_init(63, UINT64_C(7) << 32), -ENODEV);
}

/* ---- a TD ---- */

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[2];
static char why[200];

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static unsigned step;

static void guest_touches(struct soft_vcpu *v, struct soft_exit *x)
{
	(void)v;
	*x = (struct soft_exit){ .reason = SOFT_EXIT_EPT_VIOLATION,
				 .qualification = 0x182,
				 .gpa = 0x1000000 };
	if (step++)
		x->reason = SOFT_EXIT_TRIPLE_FAULT;
}

static bool silent(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_MNG_RD)
		return false;
	r->rax = UINT64_C(0xc000010000000001);
	return true;
}

static void a_td_is_described(void **state)
{
	const struct platform_config pc = {
		.name = "one", .memory_bytes = UINT64_C(32) << 20, .vcpus = 1, .console = console
	};
	struct td_page_counts pages;
	struct td_identity id;
	struct td *td = NULL;
	uint64_t word;

	(void)state;
	config = (struct guest_config){
		.name = "one",
		.kind = GUEST_TD,
		.memory = UINT64_C(32) << 20,
		.vcpus = 1,
		.attributes = GUEST_ATTR_DEBUG,
		.page_level = LEVEL_2M,
		.firmware = { .path = "one.fd",
			      .data = tdvf_image_make(),
			      .size = TDVF_IMAGE_SIZE },
	};
	softmod_start(MEMORY, 2, 52);
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(platform_init(&platform, &pc), 0);
	memset(runs, 0, sizeof(runs));
	runs[0].slice_tsc = UINT64_C(1) << 40;
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	assert_int_equal(td_identity(td, &id), 0);
	assert_true(id.rtmr_valid && id.mrtd_valid);
	assert_int_equal(id.attributes, 1 | softmod_profile->attributes_fixed1);
	softmod_guest = guest_touches;
	step = 0;
	assert_int_equal(td_vcpu_run(td, 0), RUN_DEAD);
	text[0] = 0;
	td_describe(td, take, NULL);
	says(softmod_profile->attributes_fixed1 ? "attributes   0x0000000010000001  debug, sept-ve-disable"
						: "attributes   0x0000000000000001  debug");
	says("gpa          48 bits, SHARED is bit 47, 4-level S-EPT");
	text[0] = 0;
	td_stats(td, take, NULL);
	assert_int_equal(number("pages: private"), 8 + 512);
	assert_int_equal(number("pages populated"), 8 + 512);
	assert_true(number("SEAMCALLs per GiB populated") > 512);
	assert_int_equal(number("PAGE.AUG"), 1);
	assert_int_equal(number("vcpu 0: exit EPT_VIOLATION"), 1);
	td_page_counts(td, &pages);
	assert_int_equal(pages.private_pages, 8 + 512);
	assert_int_equal(pages.leaked, 0);
	assert_int_equal(td_private_read(td, (gpa_t){ TDVF_TOP - 4096 }, &word), 0);
	assert_int_equal(td_private_read(td, (gpa_t){ 0x7000000 }, &word), -EFAULT);
	assert_non_null(td_mmu(td));
	assert_non_null(td_shared_memory(td));
	/* Whoever does not get an answer says so. */
	softmod_intercept = silent;
	assert_int_equal(td_identity(td, &id), -EIO);
	text[0] = 0;
	td_describe(td, take, NULL);
	says("does not answer");
	softmod_intercept = NULL;
	assert_int_equal(td_destroy(td), 0);
	assert_true(machine_logged("pages are back after"));
	platform_fini(&platform);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_module_is_described),
		cmocka_unit_test(leaves_are_counted),
		cmocka_unit_test(the_median_is_in_the_middle),
		cmocka_unit_test(starts_that_go_wrong_say_why),
		cmocka_unit_test(a_start_without_memory_is_undone),
		cmocka_unit_test(keyids_are_bounded),
		cmocka_unit_test(a_td_is_described),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
