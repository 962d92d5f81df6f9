/*
 * machine_pages.c - what the page allocator's tables promise, up to 8 TiB with holes.
 *
 * The tables lie in reserved memory of which only touched pages exist, so a test can also see how
 * little of them is written.
 *
 * links: kernel/machine/page_core.c kernel/machine/page_node.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "kernel/machine/page_core.h"

#define PAGES(bytes) ((bytes) >> PAGE_SHIFT)
#define GIB(n)       PAGES((uint64_t)(n) << 30)
#define MIB(n)       PAGES((uint64_t)(n) << 20)

static struct page_core core;
static void *tables;
static uint64_t table_bytes, total;

static void start(const struct page_run *runs, size_t n)
{
	table_bytes = align_up(page_core_bytes(runs, n), PAGE_SIZE);
	tables = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(tables != MAP_FAILED);
	page_core_init(&core, tables, runs, n);
	total = 0;
	for (size_t i = 0; i < n; i++) {
		page_core_add(&core, runs[i]);
		total += runs[i].count;
	}
	assert_int_equal(core.count[PAGE_FREE], total);
	assert_null(page_core_check(&core));
}

static void finish(void)
{
	assert_null(page_core_check(&core));
	munmap(tables, table_bytes);
}

static uint64_t touched_pages(void)
{
	uint64_t pages = table_bytes / PAGE_SIZE, n = 0;
	unsigned char *in = malloc(pages);

	assert_int_equal(mincore(tables, table_bytes, in), 0);
	for (uint64_t i = 0; i < pages; i++)
		n += in[i] & 1;
	free(in);
	return n;
}

/* A PC's map below 4 GiB, and memory up to 8 TiB with holes of every awkward size. */
static const struct page_run big[] = {
	{ 1, 0x9f },
	{ 0x100, MIB(1024) - 0x100 },
	{ MIB(1024) + 3, MIB(1000) },
	{ GIB(4), GIB(1) * 1000 },
	{ GIB(2000) + 1, GIB(3) + MIB(2) },
	{ GIB(4096) - MIB(6), MIB(12) },
	{ GIB(7000), GIB(1192) },
};

static const struct page_run small[] = { { 1, 0x9f },
					 { 0x100, MIB(64) - 0x100 },
					 { MIB(80) + 1, 700 } };

static bool inside(const struct page_run *runs, size_t n, uint64_t pfn, uint64_t count)
{
	for (size_t i = 0; i < n; i++)
		if (pfn >= runs[i].pfn && pfn + count <= runs[i].pfn + runs[i].count)
			return true;
	return false;
}

static void starting_on_8_tib_touches_little(void **state)
{
	(void)state;
	start(big, ARRAY_LEN(big));
	/* The chunk table (24 pages) and a node for each ragged edge. */
	assert_true(touched_pages() < 200);
	assert_true(table_bytes > UINT64_C(700) << 20);
	finish();
}

static void every_order_is_aligned_and_inside(void **state)
{
	(void)state;
	start(big, ARRAY_LEN(big));
	for (unsigned order = 0; order <= CHUNK_ORDER; order++)
		for (unsigned i = 0; i < 20; i++) {
			pfn_t p = page_core_alloc(&core, PAGE_GUEST, order);

			assert_false(pfn_is_none(p));
			assert_true(is_aligned(p.v, UINT64_C(1) << order));
			assert_true(inside(big, ARRAY_LEN(big), p.v, UINT64_C(1) << order));
			assert_int_equal(page_core_owner(&core, p), PAGE_GUEST);
		}
	assert_true(pfn_is_none(page_core_alloc(&core, PAGE_GUEST, CHUNK_ORDER + 1)));
	finish();
}

static void all_of_it_can_be_had_and_given_back(void **state)
{
	uint64_t n = 0;
	pfn_t p, *had;

	(void)state;
	start(small, ARRAY_LEN(small));
	had = calloc(total, sizeof(*had));
	while (!pfn_is_none(p = page_core_alloc(&core, PAGE_MMU, 0)))
		had[n++] = p;
	assert_int_equal(n, total);
	assert_int_equal(core.count[PAGE_FREE], 0);
	assert_null(page_core_check(&core));
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(page_core_give(&core, had[i], 0, PAGE_MMU, PAGE_FREE), 0);
	assert_int_equal(core.count[PAGE_FREE], total);
	/* Everything was joined again: the largest block that fits is there. */
	assert_false(pfn_is_none(page_core_alloc(&core, PAGE_MMU, 13)));
	free(had);
	finish();
}

static void a_gib_comes_back_page_by_page(void **state)
{
	static const struct page_run two[] = { { GIB(1), GIB(2) } };
	pfn_t p;

	(void)state;
	start(two, 1);
	p = page_core_alloc(&core, PAGE_TDX_PAMT, CHUNK_ORDER);
	assert_false(pfn_is_none(p));
	for (uint64_t i = 0; i < CHUNK_PAGES; i++)
		assert_int_equal(page_core_give(&core, pfn_add(p, i), 0, PAGE_TDX_PAMT, PAGE_FREE),
				 0);
	assert_int_equal(core.count[PAGE_TDX_PAMT], 0);
	assert_null(page_core_check(&core));
	assert_false(pfn_is_none(page_core_alloc(&core, PAGE_GUEST, CHUNK_ORDER)));
	assert_false(pfn_is_none(page_core_alloc(&core, PAGE_GUEST, CHUNK_ORDER)));
	finish();
}

static void a_block_may_change_hands_in_parts_and_be_freed_whole(void **state)
{
	pfn_t p;

	(void)state;
	start(small, ARRAY_LEN(small));
	p = page_core_alloc(&core, PAGE_GUEST, 10);
	assert_int_equal(page_core_give(&core, pfn_add(p, 5), 0, PAGE_GUEST, PAGE_LEAKED), 0);
	assert_int_equal(page_core_owner(&core, pfn_add(p, 5)), PAGE_LEAKED);
	assert_int_equal(page_core_owner(&core, pfn_add(p, 6)), PAGE_GUEST);
	assert_int_equal(page_core_give(&core, p, 10, PAGE_GUEST, PAGE_FREE), -EINVAL);
	assert_null(page_core_check(&core));
	assert_int_equal(page_core_give(&core, pfn_add(p, 5), 0, PAGE_LEAKED, PAGE_GUEST), 0);
	assert_int_equal(page_core_give(&core, p, 10, PAGE_GUEST, PAGE_FREE), 0);
	assert_int_equal(core.count[PAGE_FREE], total);
	finish();
}

static void what_is_not_yours_is_refused(void **state)
{
	pfn_t p;

	(void)state;
	start(small, ARRAY_LEN(small));
	p = page_core_alloc(&core, PAGE_GUEST, 0);
	assert_int_equal(page_core_give(&core, p, 0, PAGE_MMU, PAGE_FREE), -EINVAL);
	assert_int_equal(page_core_give(&core, p, 0, PAGE_GUEST, PAGE_FREE), 0);
	assert_int_equal(page_core_give(&core, p, 0, PAGE_GUEST, PAGE_FREE), -EINVAL);
	/* A hole, the end of memory, far beyond it, and a block that is not aligned. */
	assert_int_equal(page_core_give(&core, (pfn_t){ 0xa0 }, 0, PAGE_GUEST, PAGE_FREE), -EINVAL);
	assert_int_equal(page_core_give(&core, (pfn_t){ GIB(1) }, 0, PAGE_GUEST, PAGE_FREE),
			 -EINVAL);
	assert_int_equal(page_core_give(&core, (pfn_t){ GIB(900) }, 0, PAGE_GUEST, PAGE_FREE),
			 -EINVAL);
	p = page_core_alloc(&core, PAGE_GUEST, 3);
	assert_int_equal(page_core_give(&core, pfn_add(p, 1), 1, PAGE_GUEST, PAGE_FREE), -EINVAL);
	assert_int_equal(core.count[PAGE_FREE], total - 8);
	finish();
}

/* Thousands of random takes and gives beside a plain list of what is held; checked as it goes. */
static void random_use_keeps_the_books(void **state)
{
	static struct {
		pfn_t p;
		unsigned order;
		enum page_owner owner;
	} held[4000];
	unsigned n = 0, seed = 12345;
	uint64_t out = 0;

	(void)state;
	start(big, 3);
	for (unsigned step = 0; step < 60000; step++) {
		seed = seed * 1103515245u + 12345u;
		unsigned r = seed >> 8;

		if (n < ARRAY_LEN(held) && (n == 0 || r % 5 < 3)) {
			unsigned order = r / 5 % 14;
			enum page_owner owner = PAGE_KERNEL + r / 100 % (PAGE_OWNER_COUNT - 1);
			pfn_t p = page_core_alloc(&core, owner, order);

			if (pfn_is_none(p))
				continue;
			assert_true(inside(big, 3, p.v, UINT64_C(1) << order));
			held[n].p = p, held[n].order = order, held[n++].owner = owner;
			out += UINT64_C(1) << order;
		} else {
			unsigned i = r / 5 % n;

			assert_int_equal(page_core_give(&core, held[i].p, held[i].order,
							held[i].owner, PAGE_FREE),
					 0);
			out -= UINT64_C(1) << held[i].order;
			held[i] = held[--n];
		}
		assert_int_equal(core.count[PAGE_FREE], total - out);
		if (step % 50 == 0)
			page_core_set_zone(&core, r % 1100, (enum page_zone)(r / 7 % PAGE_ZONES));
		if (step % 1000 == 0)
			assert_null(page_core_check(&core));
	}
	while (n--)
		assert_int_equal(
			page_core_give(&core, held[n].p, held[n].order, held[n].owner, PAGE_FREE),
			0);
	assert_int_equal(core.count[PAGE_FREE], total);
	finish();
}

/* Chunks of every kind change zones: used in part, used whole, free; what is free goes with them. */
static void a_zone_gives_only_its_own(void **state)
{
	static const struct page_run runs[] = { { MIB(1), GIB(4) - MIB(1) } };
	pfn_t part, whole, p;

	(void)state;
	start(runs, 1);
	part = page_core_alloc(&core, PAGE_KERNEL, 3);
	whole = page_core_alloc(&core, PAGE_TDX_PAMT, CHUNK_ORDER);
	assert_true(pfn_is_none(page_core_alloc_in(&core, ZONE_TDX, PAGE_GUEST, 0)));
	page_core_set_zone(&core, part.v >> CHUNK_ORDER, ZONE_TDX);
	page_core_set_zone(&core, whole.v >> CHUNK_ORDER, ZONE_TDX);
	page_core_set_zone(&core, 99, ZONE_TDX);
	assert_null(page_core_check(&core));
	for (unsigned order = 0; order < CHUNK_ORDER; order += 3) {
		p = page_core_alloc_in(&core, ZONE_TDX, PAGE_GUEST, order);
		assert_int_equal(p.v >> CHUNK_ORDER, part.v >> CHUNK_ORDER);
	}
	assert_int_equal(page_core_give(&core, whole, CHUNK_ORDER, PAGE_TDX_PAMT, PAGE_FREE), 0);
	p = page_core_alloc_in(&core, ZONE_TDX, PAGE_GUEST, CHUNK_ORDER);
	assert_int_equal(p.v, whole.v);
	assert_true(pfn_is_none(page_core_alloc_in(&core, ZONE_TDX, PAGE_GUEST, CHUNK_ORDER)));
	/* Others spare it while there is something else. */
	for (unsigned i = 0; i < 2; i++) {
		p = page_core_alloc(&core, PAGE_GUEST, CHUNK_ORDER);
		assert_false(pfn_is_none(p));
	}
	p = page_core_alloc(&core, PAGE_GUEST, 0);
	assert_int_equal(p.v >> CHUNK_ORDER, part.v >> CHUNK_ORDER);
	page_core_set_zone(&core, part.v >> CHUNK_ORDER, ZONE_PLAIN);
	assert_true(pfn_is_none(page_core_alloc_in(&core, ZONE_TDX, PAGE_GUEST, 0)));
	finish();
}

/* The check itself must be able to fail. */
static void a_planted_error_is_found(void **state)
{
	pfn_t p;

	(void)state;
	start(small, ARRAY_LEN(small));
	p = page_core_alloc(&core, PAGE_GUEST, 0);
	core.count[PAGE_GUEST]++;
	assert_non_null(page_core_check(&core));
	core.count[PAGE_GUEST]--;
	struct page_node *node = &core.node[core.chunk[0].dense * NODES_PER_CHUNK + 1 + p.v / 512];

	node->owner[p.v % 512] = PAGE_FREE;
	assert_non_null(page_core_check(&core));
	node->owner[p.v % 512] = PAGE_GUEST;
	node->free_blocks[0]++;
	assert_non_null(page_core_check(&core));
	node->free_blocks[0]--;
	core.chunk[0].zone = ZONE_TDX;
	assert_non_null(page_core_check(&core));
	core.chunk[0].zone = ZONE_PLAIN;
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starting_on_8_tib_touches_little),
		cmocka_unit_test(every_order_is_aligned_and_inside),
		cmocka_unit_test(all_of_it_can_be_had_and_given_back),
		cmocka_unit_test(a_gib_comes_back_page_by_page),
		cmocka_unit_test(a_block_may_change_hands_in_parts_and_be_freed_whole),
		cmocka_unit_test(what_is_not_yours_is_refused),
		cmocka_unit_test(random_use_keeps_the_books),
		cmocka_unit_test(a_zone_gives_only_its_own),
		cmocka_unit_test(a_planted_error_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
