/*
 * platform_memory.c - what a guest's memory promises: where it is, that it comes once, and that all
 * of it goes back.
 *
 * links: kernel/platform/memory.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/platform/memory.h"
#include "tests/host/machine.h"

static struct guest_memory m;

static int start(void **state)
{
	(void)state;
	machine_start(MACHINE_DEFAULT_SIZE, 1);
	guest_memory_init(&m);
	return 0;
}

static int end(void **state)
{
	(void)state;
	guest_memory_fini(&m);
	return page_count(PAGE_GUEST) != 0;
}

static gfn_t gfn(uint64_t v) { return (gfn_t){ v }; }

static void regions_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	assert_int_equal(guest_memory_add(&m, gfn(0), 0, false), -EINVAL);
	assert_int_equal(guest_memory_add(&m, gfn(1), ~UINT64_C(0), false), -EINVAL);
	assert_int_equal(guest_memory_add(&m, gfn(~UINT64_C(0)), 2, false), -EINVAL);
	assert_int_equal(guest_memory_add(&m, gfn(100), 10, false), 0);
	assert_int_equal(guest_memory_add(&m, gfn(109), 1, false), -EINVAL);
	assert_int_equal(guest_memory_add(&m, gfn(95), 6, false), -EINVAL);
	assert_int_equal(guest_memory_add(&m, gfn(90), 10, true), 0);
	assert_ptr_equal(guest_memory_find(&m, gfn(99)), &m.regions[0]);
	assert_true(m.regions[0].rom);
	assert_null(guest_memory_find(&m, gfn(110)));
	assert_null(guest_memory_find(&m, gfn(89)));
}

static void ram_leaves_the_hole_below_4g(void **state)
{
	(void)state;
	assert_int_equal(guest_memory_add_ram(&m, guest_ram_usual(UINT64_C(4) << 30)), 0);
	assert_non_null(guest_memory_find(&m, gfn(0xbffff)));
	assert_null(guest_memory_find(&m, gfn(0xc0000)));
	assert_null(guest_memory_find(&m, gfn(0xfffff)));
	assert_non_null(guest_memory_find(&m, gfn(0x100000)));
	assert_non_null(guest_memory_find(&m, gfn(0x13ffff)));
	assert_null(guest_memory_find(&m, gfn(0x140000)));
}

static void frames_come_in_blocks_of_2m_and_stay(void **state)
{
	pfn_t first, again, next;
	int level;

	(void)state;
	assert_int_equal(guest_memory_add_ram(&m, guest_ram_usual(8 << 20)), 0);
	assert_int_equal(guest_memory_frame(&m, gfn(513), LEVEL_1G, &first, &level), 0);
	assert_int_equal(level, LEVEL_2M);
	assert_int_equal(first.v % 512, 1);
	assert_int_equal(guest_memory_frame(&m, gfn(514), LEVEL_4K, &next, &level), 0);
	assert_int_equal(level, LEVEL_4K);
	assert_int_equal(next.v, first.v + 1);
	assert_int_equal(guest_memory_frame(&m, gfn(513), LEVEL_2M, &again, &level), 0);
	assert_int_equal(again.v, first.v);
	assert_int_equal(page_count(PAGE_GUEST), 512);
	assert_int_equal(guest_memory_frame(&m, gfn(2048), LEVEL_2M, &again, &level), -ENOENT);
}

static void a_region_that_holds_no_whole_block_gets_pages(void **state)
{
	pfn_t a, b;
	int level;

	(void)state;
	assert_int_equal(guest_memory_add(&m, gfn(100), 600, false), 0); /* two chunks, neither whole */
	assert_int_equal(guest_memory_frame(&m, gfn(100), LEVEL_2M, &a, &level), 0);
	assert_int_equal(level, LEVEL_4K);
	assert_int_equal(guest_memory_frame(&m, gfn(699), LEVEL_2M, &b, &level), 0);
	assert_int_equal(level, LEVEL_4K);
	assert_int_equal(page_count(PAGE_GUEST), 2);
}

static void without_a_free_block_pages_do(void **state)
{
	pfn_t pfn;
	int level;

	(void)state;
	assert_int_equal(guest_memory_add_ram(&m, guest_ram_usual(8 << 20)), 0);
	machine_fail_alloc(1);
	assert_int_equal(guest_memory_frame(&m, gfn(5), LEVEL_2M, &pfn, &level), 0);
	assert_int_equal(level, LEVEL_4K);
	assert_int_equal(m.pages, 1);
}

static void out_of_memory_is_said_and_harmless(void **state)
{
	pfn_t pfn;
	int level;

	(void)state;
	assert_int_equal(guest_memory_add(&m, gfn(1), 10, false), 0);
	machine_fail_alloc(1);
	assert_int_equal(guest_memory_frame(&m, gfn(1), LEVEL_2M, &pfn, &level), -ENOMEM);
	assert_int_equal(guest_memory_frame(&m, gfn(1), LEVEL_2M, &pfn, &level), 0);
}

static void a_huge_guest_costs_nothing_before_it_is_used(void **state)
{
	uint64_t before = page_count(PAGE_FREE);
	pfn_t pfn;
	int level;

	(void)state;
	assert_int_equal(guest_memory_add_ram(&m, guest_ram_usual(UINT64_C(8) << 40)), 0);
	assert_int_equal(page_count(PAGE_FREE), before);
	assert_int_equal(guest_memory_frame(&m, gfn((UINT64_C(8) << 40) >> PAGE_SHIFT), LEVEL_4K, &pfn,
					    &level), 0);
	assert_int_equal(page_count(PAGE_GUEST), 512);
}

static void a_look_finds_what_was_asked_for_before_and_makes_nothing(void **state)
{
	pfn_t pfn, seen;
	int level;

	(void)state;
	assert_int_equal(guest_memory_add(&m, gfn(1), 1024, false), 0);
	assert_false(guest_memory_peek(&m, gfn(5), &seen));
	assert_false(guest_memory_peek(&m, gfn(0), &seen));
	assert_int_equal(guest_memory_frame(&m, gfn(5), LEVEL_4K, &pfn, &level), 0);
	assert_true(guest_memory_peek(&m, gfn(5), &seen));
	assert_int_equal(seen.v, pfn.v);
	assert_false(guest_memory_peek(&m, gfn(6), &seen)); /* its chunk has single pages */
	assert_int_equal(guest_memory_frame(&m, gfn(513), LEVEL_4K, &pfn, &level), 0);
	assert_true(guest_memory_peek(&m, gfn(514), &seen)); /* its chunk is one block */
	assert_int_equal(seen.v, pfn.v + 1);
}

static void copies_cross_pages_and_stop_at_the_end(void **state)
{
	char in[9000], out[9000];

	(void)state;
	memset(in, 'x', sizeof(in));
	in[0] = 'a', in[8999] = 'z';
	assert_int_equal(guest_memory_add(&m, gfn(3), 3, false), 0);
	assert_int_equal(guest_memory_write(&m, (gpa_t){ 3 * 4096 + 100 }, in, sizeof(in)), 0);
	assert_int_equal(guest_memory_read(&m, out, (gpa_t){ 3 * 4096 + 100 }, sizeof(out)), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(guest_memory_write(&m, (gpa_t){ 5 * 4096 }, in, 4097), -ENOENT);
	assert_int_equal(guest_memory_read(&m, out, (gpa_t){ 0 }, 1), -ENOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		T(regions_that_make_no_sense_are_refused), T(ram_leaves_the_hole_below_4g),
		T(frames_come_in_blocks_of_2m_and_stay),
		T(a_region_that_holds_no_whole_block_gets_pages), T(without_a_free_block_pages_do),
		T(out_of_memory_is_said_and_harmless),
		T(a_huge_guest_costs_nothing_before_it_is_used), 
		T(a_look_finds_what_was_asked_for_before_and_makes_nothing),
		T(copies_cross_pages_and_stop_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
