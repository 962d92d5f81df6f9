/*
 * mmu_backing.c - a plain guest's memory and its page tables together: 1G leaves where the memory is
 * backed by whole GiBs, and what splitting, logging and removal make of them.
 *
 * links: mmu/[a-z]*.c kernel/platform/memory.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/platform/memory.h"
#include "mmu/mmu.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define GIB UINT64_C(0x40000) /* frames */
#define MIB2 UINT64_C(512)

static struct guest_memory m;
static struct mmu mmu;
static struct memslot slot;
static unsigned flushes;

static int flush(struct mmu *of, enum mmu_root root, gfn_t start, uint64_t frames)
{
	(void)of, (void)root, (void)start, (void)frames;
	flushes++;
	return 0;
}

/* As a plain VM does it: kernel/vmx/vm.c. */
static int resolve(struct memslot *s, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	int max = *level;

	(void)s, (void)root;
	return guest_memory_frame(&m, gfn, max, pfn, level);
}

static const struct mmu_ops ops = { .flush = flush };
static const struct memslot_ops slot_ops = { .resolve = resolve };

static void begin(uint64_t machine_bytes, gfn_t base, uint64_t frames)
{
	const struct mmu_config config = { .ops = &ops, .name = "vm", .levels = 4,
					   .max_level = LEVEL_1G, .memtype = SPTE_MEMTYPE_WB,
					   .ad = MMU_AD_HARDWARE, .mmio = MMU_MMIO_MISCONFIG };

	machine_start(machine_bytes, 2);
	guest_memory_init(&m);
	CHECK_INT(guest_memory_add(&m, base, frames, false), 0);
	CHECK_INT(guest_memory_back_1g(&m), 0);
	CHECK_INT(mmu_init(&mmu, &config), 0);
	slot = (struct memslot){ .base = base, .frames = frames, .ops = &slot_ops };
	CHECK_INT(mmu_slot_add(&mmu, &slot), 0);
	flushes = 0;
}

static void end(void)
{
	CHECK_INT(mmu_check(&mmu, NULL, NULL), 0);
	CHECK_INT(mmu_fini(&mmu), 0);
	guest_memory_fini(&m);
	CHECK_INT(page_count(PAGE_GUEST), 0);
}

static int fault(uint64_t gfn, unsigned access)
{
	struct mmu_fault f = { .gfn = { gfn }, .root = MMU_DIRECT, .access = access };

	CHECK_INT(mmu_handle_fault(&mmu, &f), 0);
	return f.level;
}

static int level_at(uint64_t gfn)
{
	int level;

	CHECK(spte_is_accessible_leaf(mmu_lookup(&mmu, MMU_DIRECT, (gfn_t){ gfn }, &level)));
	return level;
}

/* The GiB in the middle is whole; what lies before and behind it comes in smaller pieces. */
TEST(a_whole_GiB_is_one_leaf)
{
	begin(UINT64_C(3) << 30, (gfn_t){ GIB - MIB2 }, GIB + 2 * MIB2 + 3);
	CHECK_INT(m.blocks_1g, 1);
	CHECK_INT(page_count(PAGE_GUEST), GIB);
	CHECK_INT(fault(GIB + 12345, MMU_WRITE), LEVEL_1G);
	CHECK_INT(fault(GIB - 1, MMU_WRITE), LEVEL_2M);
	CHECK_INT(fault(2 * GIB + 7, MMU_WRITE), LEVEL_2M);
	CHECK_INT(fault(2 * GIB + MIB2 + 1, MMU_WRITE), LEVEL_4K);
	CHECK_INT(level_at(GIB), LEVEL_1G);
	CHECK_INT(level_at(2 * GIB - 1), LEVEL_1G);

	struct mmu_stats stats;

	mmu_stats(&mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_1G], 1);
	/* Host and guest see the same frames. */
	pfn_t pfn;
	uint64_t word = UINT64_C(0x1122334455667788), back = 0;

	CHECK(guest_memory_peek(&m, (gfn_t){ GIB + 99999 }, &pfn));
	CHECK_INT(pfn.v % GIB, 99999);
	CHECK_INT(guest_memory_write(&m, gfn_to_gpa((gfn_t){ GIB + 99999 }), &word, 8), 0);
	memcpy(&back, hpa_to_ptr(pfn_to_hpa(pfn)), 8);
	CHECK(back == word);
	end();
}

TEST(a_hole_in_a_1G_leaf_splits_it_and_recovery_joins_it)
{
	uint64_t hole = GIB + 5 * MIB2 + 17;

	begin(UINT64_C(3) << 30, (gfn_t){ GIB }, GIB);
	CHECK_INT(fault(hole, MMU_WRITE), LEVEL_1G);
	CHECK_INT(mmu_zap_range(&mmu, MMU_DIRECT, (gfn_t){ hole }, 1), 0);
	CHECK_INT(flushes, 1);
	CHECK_INT(level_at(GIB), LEVEL_2M);
	CHECK_INT(level_at(hole + 1), LEVEL_4K);
	CHECK_INT(fault(hole, MMU_READ), LEVEL_4K);
	CHECK(mmu_recover_range(&mmu, (gfn_t){ GIB }, GIB) > 0);
	CHECK_INT(level_at(hole), LEVEL_1G);
	/* Gone whole, it comes back whole. */
	CHECK_INT(mmu_zap_range(&mmu, MMU_DIRECT, (gfn_t){ GIB }, GIB), 0);
	CHECK_INT(fault(hole, MMU_READ), LEVEL_1G);
	end();
}

/* A log wants 4K pages; each written page and no other is in it. */
TEST(a_log_of_1G_pages_names_4K_pages)
{
	static uint64_t bitmap[GIB / 64];
	uint64_t written = GIB + 200 * MIB2 + 40, marked = 0;

	begin(UINT64_C(3) << 30, (gfn_t){ GIB }, GIB);
	CHECK_INT(fault(written, MMU_WRITE), LEVEL_1G);
	memset(bitmap, 0, sizeof(bitmap));
	mmu_log_start(&mmu, &slot, bitmap);
	CHECK_INT(mmu_split_range(&mmu, slot.base, slot.frames, LEVEL_4K), 0);
	CHECK_INT(fault(written, MMU_WRITE), LEVEL_4K);

	/* The CPU's part. */
	struct mmu_walk_step steps[5];
	unsigned n = mmu_walk(&mmu, MMU_DIRECT, (gfn_t){ written }, steps);
	spte_t *entry = (spte_t *)hpa_to_ptr(steps[n - 1].table) + steps[n - 1].index;

	__atomic_fetch_or(&entry->raw, SPTE_DIRTY, __ATOMIC_SEQ_CST);
	CHECK_INT(mmu_log_harvest(&mmu, &slot), 1);
	for (uint64_t i = 0; i < GIB / 64; i++)
		marked += (uint64_t)__builtin_popcountll(bitmap[i]);
	CHECK_INT(marked, 1);
	CHECK((bitmap[(written - GIB) / 64] >> (written - GIB) % 64) & 1);
	mmu_log_stop(&mmu, &slot);
	CHECK(mmu_recover_range(&mmu, slot.base, slot.frames) > 0);
	CHECK_INT(level_at(written), LEVEL_1G);
	end();
}

TEST(without_a_whole_GiB_in_the_machine_2M_pages_do)
{
	begin(UINT64_C(1) << 29, (gfn_t){ 0 }, GIB);
	CHECK_INT(m.blocks_1g, 0);
	CHECK_INT(page_count(PAGE_GUEST), 0);
	CHECK_INT(fault(77, MMU_WRITE), LEVEL_2M);
	end();
}

TEST(a_region_of_whole_GiBs_moves_by_whole_GiBs)
{
	begin(UINT64_C(3) << 30, (gfn_t){ GIB }, GIB);
	CHECK_INT(mmu_slot_remove(&mmu, &slot), 0);
	CHECK_INT(guest_memory_move(&m, (gfn_t){ GIB }, (gfn_t){ 3 * GIB + MIB2 }), -EINVAL);
	CHECK_INT(guest_memory_move(&m, (gfn_t){ GIB }, (gfn_t){ 3 * GIB }), 0);
	slot.base.v = 3 * GIB;
	CHECK_INT(mmu_slot_add(&mmu, &slot), 0);
	CHECK_INT(fault(3 * GIB + 5, MMU_READ), LEVEL_1G);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_GiB_is_one_leaf),
		cmocka_unit_test(a_hole_in_a_1G_leaf_splits_it_and_recovery_joins_it),
		cmocka_unit_test(a_log_of_1G_pages_names_4K_pages),
		cmocka_unit_test(without_a_whole_GiB_in_the_machine_2M_pages_do),
		cmocka_unit_test(a_region_of_whole_GiBs_moves_by_whole_GiBs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
