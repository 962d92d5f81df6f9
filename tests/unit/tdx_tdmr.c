/*
 * tdx_tdmr.c - memory plans: what a module accepts, for reported maps and large ones.
 *
 * links: tdx/tdmr.c tdx/tdmr_check.c tdx/ranges.c
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

#include "tdx/abi/status.h"
#include "tdx/tdmr.h"
#include "tests/host/machine.h"

#define GIB SIZE_1G
#define MIB (UINT64_C(1) << 20)

static struct tdmr_memory memory;
static struct tdmr_limits limits;
static struct tdmr_plan plan;
static struct ranges unused; /* where PAMTs come from */
static unsigned fail_after; /* 1: every allocation from now on fails */
static uint64_t handed_out;

/* Bottom-up, as a buddy allocator that is nearly empty would. */
static hpa_t take(void *ctx, uint64_t bytes)
{
	(void)ctx;
	if (fail_after == 1)
		return HPA_NONE;
	if (fail_after > 1)
		fail_after--;
	for (size_t i = 0; i < unused.count; i++) {
		uint64_t base = unused.r[i].base;

		if (unused.r[i].end - base < bytes)
			continue;
		assert_int_equal(ranges_remove(&unused, base, base + bytes), 0);
		handed_out += bytes;
		return (hpa_t){ base };
	}
	return HPA_NONE;
}

static void give(void *ctx, hpa_t base, uint64_t bytes)
{
	(void)ctx;
	handed_out -= bytes;
	assert_int_equal(ranges_add(&unused, base.v, base.v + bytes), 0);
}

static void start(void)
{
	ranges_free(&memory.ram);
	ranges_free(&memory.cmr);
	ranges_free(&unused);
	memory.alloc = take;
	memory.free = give;
	limits = (struct tdmr_limits){ 64, 16, { 16, 16, 16 }, 0 };
	memset(&plan, 0, sizeof(plan));
	fail_after = 0;
	handed_out = 0;
}

static void ram(uint64_t base, uint64_t end)
{
	assert_int_equal(ranges_add(&memory.ram, base, end), 0);
}
static void cmr(uint64_t base, uint64_t end)
{
	assert_int_equal(ranges_add(&memory.cmr, base, end), 0);
}

static int make(void)
{
	assert_int_equal(ranges_intersect(&memory.ram, &memory.cmr, &unused), 0);
	assert_int_equal(ranges_remove(&unused, 0, TDMR_SKIP_LOW), 0);
	return tdmr_plan_make(&plan, &memory, &limits);
}

/* The plan is taken, covers all convertible RAM but @lost bytes, and gives everything back. */
static void good_plan(uint64_t lost)
{
	uint64_t why = 0;

	assert_int_equal(make(), 0);
	if (tdmr_check(plan.tdmr, plan.count, &memory.cmr, &limits, &why))
		fail_msg("the module would say %016llx", (unsigned long long)why);
	assert_true(plan.lost_bytes <= lost);
	for (size_t i = 0; i < plan.usable.count; i++)
		assert_true(
			ranges_bytes(&memory.ram, plan.usable.r[i].base, plan.usable.r[i].end) ==
			plan.usable.r[i].end - plan.usable.r[i].base);
	assert_true(handed_out == plan.pamt_bytes);
	tdmr_plan_free(&plan, &memory);
	assert_true(handed_out == 0);
}

static void a_small_machine(void **state)
{
	(void)state;
	start();
	ram(0, 0xa0000);
	ram(MIB, 512 * MIB);
	cmr(MIB, 512 * MIB);
	good_plan(0);
}

/* A server with 255 GiB: PAMT is 0.392 % of it, as its owner saw. */
static void a_server(void **state)
{
	(void)state;
	start();
	ram(MIB, 0x77800000);
	ram(4 * GIB, 4 * GIB + 254 * GIB);
	cmr(MIB, 0x77800000);
	cmr(4 * GIB, 4 * GIB + 254 * GIB);
	good_plan(0);
	assert_int_equal(make(), 0);
	assert_true(plan.pamt_bytes > 256 * 4 * MIB &&
		    plan.pamt_bytes < 257 * (4 * MIB + 64 * 1024));
	tdmr_plan_free(&plan, &memory);
}

/* "reserved areas exhausted": many firmware holes inside one convertible range. */
static void holes_inside_a_cmr_do_not_exhaust_areas(void **state)
{
	(void)state;
	start();
	for (uint64_t i = 0; i < 200; i++)
		ram(MIB + i * 4 * MIB, MIB + i * 4 * MIB + 3 * MIB);
	ram(4 * GIB, 64 * GIB);
	cmr(MIB, GIB);
	cmr(4 * GIB, 64 * GIB);
	good_plan(0);
}

/* Holes that are not convertible either, up to one area for each: TDMRs are cut between them. */
static void many_cmrs_cut_tdmrs(void **state)
{
	(void)state;
	start();
	for (uint64_t i = 0; i < 31; i++) {
		ram(GIB + i * 128 * MIB, GIB + i * 128 * MIB + 100 * MIB);
		cmr(GIB + i * 128 * MIB, GIB + i * 128 * MIB + 100 * MIB);
	}
	good_plan(0);
}

/* More than fit into one GiB: the smallest pieces are given up, and counted. */
static void too_many_holes_lose_the_smallest(void **state)
{
	(void)state;
	start();
	limits.max_reserved = 4;
	ram(4 * GIB, 8 * GIB);
	cmr(4 * GIB, 8 * GIB);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t bytes = i == 3 ? MIB : 64 * MIB;

		ram(GIB + i * 128 * MIB, GIB + i * 128 * MIB + bytes);
		cmr(GIB + i * 128 * MIB, GIB + i * 128 * MIB + bytes);
	}
	assert_int_equal(make(), 0);
	uint64_t why;
	assert_int_equal(tdmr_check(plan.tdmr, plan.count, &memory.cmr, &limits, &why), 0);
	assert_true(plan.lost_bytes > 0 && plan.lost_bytes < 512 * MIB);
	tdmr_plan_free(&plan, &memory);
}

static void eight_tib_with_holes(void **state)
{
	(void)state;
	start();
	ram(MIB, 2 * GIB);
	cmr(MIB, 2 * GIB);
	for (uint64_t node = 0; node < 8; node++) {
		uint64_t base = 4 * GIB + node * 1024 * GIB, end = base + 1000 * GIB + 512 * MIB;

		ram(base, end);
		cmr(base, end);
	}
	good_plan(0);
}

static void few_tdmrs_join_or_give_up(void **state)
{
	(void)state;
	start();
	limits.max_tdmrs = 2;
	for (uint64_t i = 0; i < 5; i++) {
		ram(i * 8 * GIB + GIB, i * 8 * GIB + 3 * GIB);
		cmr(i * 8 * GIB + GIB, i * 8 * GIB + 3 * GIB);
	}
	good_plan(0); /* joined over the gaps */
}

static void without_memory_nothing_is_held(void **state)
{
	(void)state;
	start();
	assert_int_equal(make(), -ENODATA);
	ram(MIB, 2 * GIB); /* none of it convertible */
	assert_int_equal(make(), -ENODATA);
	cmr(MIB, 2 * GIB);
	ram(4 * GIB, 600 * GIB);
	cmr(4 * GIB, 600 * GIB);
	for (unsigned n = 1; n <= 3; n++) {
		fail_after = n;
		assert_int_equal(make(), -ENOMEM);
		assert_true(handed_out == 0);
	}
}

/* Each rule of SYS.CONFIG, broken in an otherwise good plan, is found by its status. */
static void the_checker_finds_each_mistake(void **state)
{
	struct tdmr_info t[2], *a = &t[0], *b = &t[1];
	uint64_t why;

	(void)state;
#define BROKEN(change, code, detail)                                             \
	start();                                                                 \
	ram(MIB, 2 * GIB);                                                       \
	cmr(MIB, 2 * GIB);                                                       \
	ram(4 * GIB, 6 * GIB);                                                   \
	cmr(4 * GIB, 6 * GIB);                                                   \
	assert_int_equal(make(), 0);                                             \
	assert_int_equal(plan.count, 2);                                         \
	memcpy(t, plan.tdmr, sizeof(t));                                         \
	assert_int_equal(tdmr_check(t, 2, &memory.cmr, &limits, &why), 0);       \
	change;                                                                  \
	assert_int_equal(tdmr_check(t, 2, &memory.cmr, &limits, &why), -EINVAL); \
	if (why != tdx_status(code, detail).raw)                                 \
		fail_msg("%s: %016llx", #change, (unsigned long long)why);       \
	tdmr_plan_free(&plan, &memory)

	BROKEN(b->base = ~UINT64_C(0) << 30, TDX_INVALID_TDMR, 1);
	BROKEN(a->base += PAGE_SIZE, TDX_INVALID_TDMR, 0);
	BROKEN(b->base = GIB, TDX_NON_ORDERED_TDMR, 1);
	BROKEN(b->size = 0, TDX_INVALID_TDMR, 1);
	BROKEN(a->reserved[0].size += 1, TDX_INVALID_RESERVED_IN_TDMR, 0);
	BROKEN(a->reserved[1].size = PAGE_SIZE, TDX_NON_ORDERED_RESERVED_IN_TDMR, 0x100);
	BROKEN(a->reserved[1] = a->reserved[0];
	       a->reserved[0].size = 0, TDX_NON_ORDERED_RESERVED_IN_TDMR, 0);
	BROKEN(a->pamt_4k_size -= PAGE_SIZE, TDX_INVALID_PAMT, 0);
	BROKEN(a->pamt_1g_base += 1, TDX_INVALID_PAMT, 0x200);
	BROKEN(a->pamt_2m_base = a->pamt_4k_base, TDX_PAMT_OVERLAP, 0);
	BROKEN(b->pamt_4k_base = a->pamt_4k_base, TDX_PAMT_OVERLAP, 1);
	BROKEN(a->pamt_1g_base = GIB, TDX_PAMT_OVERLAP, 0x200);
	BROKEN(a->pamt_1g_base = 3 * GIB, TDX_PAMT_OUTSIDE_CMRS, 0x200);
	BROKEN(b->size += GIB, TDX_INVALID_PAMT, 1 | 0x100);
#undef BROKEN
}

static void stop(void)
{
	ranges_free(&memory.ram);
	ranges_free(&memory.cmr);
	ranges_free(&unused);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_machine),
		cmocka_unit_test(a_server),
		cmocka_unit_test(holes_inside_a_cmr_do_not_exhaust_areas),
		cmocka_unit_test(many_cmrs_cut_tdmrs),
		cmocka_unit_test(too_many_holes_lose_the_smallest),
		cmocka_unit_test(eight_tib_with_holes),
		cmocka_unit_test(few_tdmrs_join_or_give_up),
		cmocka_unit_test(without_memory_nothing_is_held),
		cmocka_unit_test(the_checker_finds_each_mistake),
	};
	int failures = cmocka_run_group_tests(tests, NULL, NULL);

	stop();
	return failures;
}
