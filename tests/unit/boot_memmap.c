/*
 * boot_memmap.c - a firmware's memory map comes out ascending, apart, joined, and never kinder.
 *
 * links: boot/memmap.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/memmap.h"

#define P(n) ((uint64_t)(n) * PAGE_SIZE)

static struct boot_mem range(uint64_t first, uint64_t end, enum boot_mem_kind kind)
{
	return (struct boot_mem){ .base = P(first), .size = P(end - first), .kind = kind, .attr = 15 };
}

static void expect(const struct boot_mem *m, uint64_t first, uint64_t end, enum boot_mem_kind kind)
{
	assert_int_equal(m->base, P(first));
	assert_int_equal(m->base + m->size, P(end));
	assert_int_equal(m->kind, kind);
}

static void neighbours_of_one_kind_are_joined(void **state)
{
	struct boot_mem map[] = { range(4, 6, BOOT_MEM_USABLE), range(0, 2, BOOT_MEM_USABLE),
				  range(2, 4, BOOT_MEM_USABLE), range(6, 7, BOOT_MEM_TAIN) };

	(void)state;
	assert_int_equal(memmap_tidy(map, 4), 2);
	expect(&map[0], 0, 6, BOOT_MEM_USABLE);
	expect(&map[1], 6, 7, BOOT_MEM_TAIN);
}

static void other_attributes_stay_apart(void **state)
{
	struct boot_mem map[] = { range(0, 2, BOOT_MEM_USABLE), range(2, 4, BOOT_MEM_USABLE) };

	(void)state;
	map[1].attr = 1;
	assert_int_equal(memmap_tidy(map, 2), 2);
}

static void usable_memory_gives_way(void **state)
{
	struct boot_mem before[] = { range(0, 8, BOOT_MEM_USABLE), range(6, 10, BOOT_MEM_RESERVED) };
	struct boot_mem behind[] = { range(0, 8, BOOT_MEM_RUNTIME), range(6, 10, BOOT_MEM_USABLE) };
	struct boot_mem inside[] = { range(0, 8, BOOT_MEM_USABLE), range(3, 4, BOOT_MEM_TAIN) };
	struct boot_mem same[] = { range(3, 5, BOOT_MEM_USABLE), range(3, 5, BOOT_MEM_RESERVED) };

	(void)state;
	assert_int_equal(memmap_tidy(before, 2), 2);
	expect(&before[0], 0, 6, BOOT_MEM_USABLE);
	assert_int_equal(memmap_tidy(behind, 2), 2);
	expect(&behind[1], 8, 10, BOOT_MEM_USABLE);
	assert_int_equal(memmap_tidy(inside, 2), 2);
	expect(&inside[0], 0, 3, BOOT_MEM_USABLE);
	expect(&inside[1], 3, 4, BOOT_MEM_TAIN);
	assert_int_equal(memmap_tidy(same, 2), 1);
	expect(&same[0], 3, 5, BOOT_MEM_RESERVED);
}

static void odd_ranges_are_made_whole_pages_or_dropped(void **state)
{
	struct boot_mem map[] = {
		{ .base = 100, .size = P(2), .kind = BOOT_MEM_USABLE },
		{ .base = P(8) + 1, .size = 1, .kind = BOOT_MEM_RESERVED },
		{ .base = P(20), .size = 0, .kind = BOOT_MEM_USABLE },
		{ .base = ~UINT64_C(0) - 5, .size = P(4), .kind = BOOT_MEM_USABLE },
	};

	(void)state;
	assert_int_equal(memmap_tidy(map, 4), 2);
	expect(&map[0], 1, 2, BOOT_MEM_USABLE);
	expect(&map[1], 8, 9, BOOT_MEM_RESERVED);
}

/* Against a page-by-page model: no page is usable unless nobody says otherwise. */
static void random_maps_keep_every_promise(void **state)
{
	enum { PAGES = 64, RANGES = 12 };

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		struct boot_mem map[RANGES];
		uint8_t usable[PAGES] = { 0 }, other[PAGES] = { 0 };
		uint64_t end = 0;
		size_t n;

		for (unsigned i = 0; i < RANGES; i++) {
			uint64_t first = (uint64_t)rand() % PAGES, last = first + (uint64_t)rand() % 8;
			enum boot_mem_kind kind = rand() & 1 ? BOOT_MEM_USABLE : BOOT_MEM_RESERVED;

			last = last > PAGES ? PAGES : last;
			map[i] = range(first, last, kind);
			for (uint64_t p = first; p < last; p++)
				(kind == BOOT_MEM_USABLE ? usable : other)[p] = 1;
		}
		n = memmap_tidy(map, RANGES);
		assert_true(n <= RANGES);
		for (size_t i = 0; i < n; i++) {
			assert_true(map[i].size && map[i].base >= end);
			end = map[i].base + map[i].size;
			for (uint64_t p = map[i].base >> PAGE_SHIFT; p < end >> PAGE_SHIFT; p++) {
				if (map[i].kind == BOOT_MEM_USABLE)
					assert_true(usable[p] && !other[p]);
				else
					assert_true(other[p]);
				other[p] = 0;
			}
		}
		for (unsigned p = 0; p < PAGES; p++)
			assert_false(other[p]); /* nothing reserved was lost */
	}
}

static void unknown_types_are_reserved(void **state)
{
	(void)state;
	assert_int_equal(memmap_kind(7), BOOT_MEM_USABLE);
	assert_int_equal(memmap_kind(15), BOOT_MEM_RESERVED);
	assert_int_equal(memmap_kind(0x80000001), BOOT_MEM_RESERVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_of_one_kind_are_joined),
		cmocka_unit_test(other_attributes_stay_apart),
		cmocka_unit_test(usable_memory_gives_way),
		cmocka_unit_test(odd_ranges_are_made_whole_pages_or_dropped),
		cmocka_unit_test(random_maps_keep_every_promise),
		cmocka_unit_test(unknown_types_are_reserved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
