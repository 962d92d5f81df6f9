/*
 * mmu_corners.c - more promises that single conditions and constants keep (see mmu_details.c):
 * slots, the pool, statistics, splitting and recovery, what is left blocked.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/change.h"
#include "mmu/mirror.h"
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })
#define M2   UINT64_C(512)
#define G1   (M2 * 512)

static struct sept s;
static struct fake_slot slot;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void td(void)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4 * G1);
	slot.largest = LEVEL_2M;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
}

static void vm(enum mmu_ad_policy ad, enum mmu_mmio_policy mmio)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start_with(&s, (struct mmu_config){ .name = "vm",
						 .levels = 4,
						 .max_level = LEVEL_1G,
						 .memtype = SPTE_MEMTYPE_WB,
						 .ad = ad,
						 .mmio = mmio });
	fake_slot_add(&s, &slot, BASE, 4 * G1);
	slot.largest = LEVEL_4K;
}

static int fault(enum mmu_root root, gfn_t gfn, unsigned access, int max_level)
{
	struct mmu_fault f = {
		.gfn = gfn, .root = root, .access = access, .max_level = (uint8_t)max_level
	};

	return mmu_handle_fault(&s.mmu, &f);
}

static struct walk walk_of(enum mmu_root root, uint64_t offset)
{
	return walk_to(&s.mmu, root, at(offset), LEVEL_4K);
}

static struct mmu_stats stats(void)
{
	struct mmu_stats st;

	mmu_stats(&s.mmu, &st);
	return st;
}

/* ---- slots ---- */

TEST(a_slot_may_fill_the_address_space_and_the_array)
{
	static struct fake_slot many[MMU_MAX_SLOTS];
	struct memslot bad = { .base = { 0 }, .frames = 1 };

	vm(MMU_AD_HARDWARE, MMU_MMIO_REPORT);
	uint64_t limit = mmu_gfn_limit(&s.mmu);

	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	fake_slot_add(&s, &slot, (gfn_t){ 0 }, limit); /* all of it */
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	slot.slot.base.v = limit - 1;
	slot.slot.frames = 2;
	CHECK_INT(mmu_slot_add(&s.mmu, &slot.slot), -EINVAL);
	CHECK_INT(mmu_slot_add(&s.mmu, &bad), -EINVAL); /* no ops */
	bad.ops = &(const struct memslot_ops){ NULL, NULL, NULL };
	CHECK_INT(mmu_slot_add(&s.mmu, &bad), -EINVAL); /* no resolve */
	for (unsigned i = 0; i < MMU_MAX_SLOTS; i++) {
		/* From the top down, side by side: each goes before all others. */
		fake_slot_add(&s, &many[i], at(64 * (MMU_MAX_SLOTS - i)), 64);
		CHECK(mmu_slot_find(&s.mmu, at(64 * (MMU_MAX_SLOTS - i))) == &many[i].slot);
	}
	slot.slot.base = at(G1);
	CHECK_INT(mmu_slot_add(&s.mmu, &slot.slot), -ENOSPC);
	CHECK_INT(s.mmu.slot_count, MMU_MAX_SLOTS);
	for (unsigned i = 1; i < MMU_MAX_SLOTS; i++)
		CHECK(s.mmu.slots[i - 1]->base.v < s.mmu.slots[i]->base.v);
	CHECK_INT(mmu_slot_remove(&s.mmu, &many[3].slot), 0);
	CHECK(mmu_slot_find(&s.mmu, many[3].slot.base) == NULL);
	CHECK(mmu_slot_find(&s.mmu, many[2].slot.base) == &many[2].slot);
	CHECK(mmu_slot_find(&s.mmu, many[4].slot.base) == &many[4].slot);
	sept_end(&s);
}

TEST(a_slot_that_went_can_come_back)
{
	vm(MMU_AD_HARDWARE, MMU_MMIO_REPORT);
	CHECK_INT(fault(MMU_DIRECT, at(0), MMU_WRITE, 0), 0);
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	CHECK_INT(fault(MMU_DIRECT, at(0), MMU_WRITE, 0), -ENOENT);
	CHECK_INT(mmu_slot_add(&s.mmu, &slot.slot), 0);
	CHECK_INT(fault(MMU_DIRECT, at(0), MMU_WRITE, 0), 0);
	sept_end(&s);
}

/* Only a #VE entry has to be taken away: nobody looks at its generation. */
TEST(a_new_slot_voids_MMIO_entries)
{
	unsigned generation;

	td();
	gfn_t beside = at(4 * G1);

	CHECK_INT(fault(MMU_DIRECT, beside, MMU_READ, 0), 0);
	CHECK(spte_is_mmio(walk_to(&s.mmu, MMU_DIRECT, beside, LEVEL_4K).old));
	CHECK_INT(spte_mmio_generation(walk_to(&s.mmu, MMU_DIRECT, beside, LEVEL_4K).old),
		  s.mmu.mmio_generation);
	/* An accessed leaf has MMIO's mark, and is none. */
	CHECK(!spte_is_mmio((spte_t){ SPTE_PRESENT | SPTE_LEAF | SPTE_ACCESSED }));
	static struct fake_slot more;

	generation = s.mmu.mmio_generation;
	fake_slot_add(&s, &more, beside, 1);
	CHECK_INT(s.mmu.mmio_generation, generation + 1);
	CHECK(!spte_is_mmio(walk_to(&s.mmu, MMU_DIRECT, beside, LEVEL_4K).old));
	CHECK_INT(fault(MMU_DIRECT, beside, MMU_READ, 0), 0);
	CHECK(spte_is_accessible_leaf(walk_to(&s.mmu, MMU_DIRECT, beside, LEVEL_4K).old));
	sept_end(&s);
	/* The generation goes round within its bits. */
	vm(MMU_AD_HARDWARE, MMU_MMIO_MISCONFIG);
	s.mmu.mmio_generation = SPTE_MMIO_GEN_MASK;
	fake_slot_add(&s, &more, at(4 * G1), 1);
	CHECK_INT(s.mmu.mmio_generation, 0);
	sept_end(&s);
}

/* ---- the pool, the statistics ---- */

TEST(tables_come_from_chunks_and_chunks_go_back)
{
	struct mmu_page *sp[300];

	vm(MMU_AD_HARDWARE, MMU_MMIO_REPORT);
	for (unsigned i = 0; i < ARRAY_LEN(sp); i++) {
		sp[i] = pool_get(&s.mmu, MMU_DIRECT, LEVEL_4K, at(i * M2));
		CHECK(sp[i] != NULL);
		for (unsigned e = 0; e < TABLE_ENTRIES; e++)
			CHECK(spte_equal(sp[i]->entries[e], SPTE_NONE));
	}
	CHECK_INT(page_count(PAGE_MMU), 5 * CHUNK_PAGES); /* 301 tables, 63 in each */
	CHECK_INT(stats().pool_bytes, 5 * CHUNK_SIZE);
	CHECK_INT(stats().table_bytes, 301 * (PAGE_SIZE + sizeof(struct mmu_page)));
	/* Back in an order that empties full chunks, half full ones and the first one. */
	for (unsigned step = 0; step < 7; step++)
		for (unsigned i = step; i < ARRAY_LEN(sp); i += 7)
			pool_put(&s.mmu, sp[i]);
	CHECK(page_count(PAGE_MMU) <= 2 * CHUNK_PAGES);
	/* And again: what was given back is used again. */
	for (unsigned i = 0; i < 60; i++)
		sp[i] = pool_get(&s.mmu, MMU_DIRECT, LEVEL_4K, at(i * M2));
	CHECK(page_count(PAGE_MMU) <= 2 * CHUNK_PAGES);
	for (unsigned i = 0; i < 60; i++)
		pool_put(&s.mmu, sp[i]);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

TEST(statistics_leave_out_what_is_in_invalid_roots)
{
	vm(MMU_AD_HARDWARE, MMU_MMIO_REPORT);
	struct mmu_page *old = mmu_root_get(&s.mmu, MMU_DIRECT);

	CHECK_INT(fault(MMU_DIRECT, at(0), MMU_WRITE, 0), 0);
	CHECK_INT(stats().tables[MMU_DIRECT][4], 1);
	CHECK_INT(stats().tables[MMU_DIRECT][LEVEL_4K], 1);
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK_INT(stats().retired_roots, 1);
	CHECK_INT(stats().tables[MMU_DIRECT][4], 1); /* the new one */
	CHECK_INT(stats().tables[MMU_DIRECT][LEVEL_4K], 0);
	CHECK_INT(stats().leaves[MMU_DIRECT][LEVEL_4K], 0);
	mmu_root_put(&s.mmu, old);
	sept_end(&s);
}

TEST(a_walk_of_a_root_that_is_not_there_is_empty)
{
	struct mmu_walk_step path[5];

	vm(MMU_AD_HARDWARE, MMU_MMIO_REPORT);
	CHECK_INT(mmu_walk(&s.mmu, MMU_MIRROR, at(0), path), 0);
	CHECK_INT(mmu_walk(&s.mmu, MMU_DIRECT, at(0), path), 1);
	CHECK_INT(path[0].table.v, mmu_root_hpa(&s.mmu, MMU_DIRECT).v);
	CHECK_INT(path[0].index, 0);
	CHECK_INT(fault(MMU_DIRECT, at(5), MMU_WRITE, 0), 0);
	CHECK_INT(mmu_walk(&s.mmu, MMU_DIRECT, at(5), path), 4);
	CHECK_INT(path[3].index, 5);
	CHECK_INT(path[2].index, 0);
	CHECK_INT(path[1].index, 1); /* BASE is the second GiB */
	CHECK_INT(path[1].table.v, spte_table(path[0].spte).v);
	sept_end(&s);
}

/* ---- bits of a leaf ---- */

TEST(a_leaf_that_is_made_writable_again_is_dirty)
{
	static const enum mmu_ad_policy policies[] = { MMU_AD_HARDWARE, MMU_AD_WRPROT,
						       MMU_AD_NONE };

	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		bool bits = policies[i] != MMU_AD_NONE;

		vm(policies[i], MMU_MMIO_REPORT);
		CHECK_INT(fault(MMU_DIRECT, at(0), MMU_WRITE, 0), 0);
		CHECK_INT(mmu_wrprotect(&s.mmu, at(0), 1), 1);
		spte_t *entry = walk_of(MMU_DIRECT, 0).entry;

		entry->raw &= ~(SPTE_DIRTY | SPTE_ACCESSED);
		CHECK_INT(fault(MMU_DIRECT, at(0), MMU_WRITE, 0), 0);
		CHECK(entry->raw & SPTE_W);
		CHECK_INT((entry->raw & SPTE_DIRTY) != 0, bits);
		CHECK_INT((entry->raw & SPTE_ACCESSED) != 0, bits);
		sept_end(&s);
	}
}

/* ---- splitting and recovery ---- */

TEST(recovery_stays_inside_its_range)
{
	uint64_t done;

	vm(MMU_AD_HARDWARE, MMU_MMIO_REPORT);
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 4 * M2, LEVEL_4K, &done), 0);
	slot.largest = LEVEL_2M;
	CHECK_INT(mmu_recover_range(&s.mmu, at(M2), M2), 1);
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_4K);
	CHECK_INT(walk_of(MMU_DIRECT, M2).level, LEVEL_2M);
	CHECK_INT(walk_of(MMU_DIRECT, 2 * M2).level, LEVEL_4K);
	CHECK_INT(mmu_recover_range(&s.mmu, at(M2), M2), 0);
	CHECK_INT(mmu_recover_range(&s.mmu, at(0), 4 * M2), 3);
	/* Part of it, down to what is asked for. */
	CHECK_INT(mmu_split_range(&s.mmu, at(M2 + 7), 1, LEVEL_2M), 0);
	CHECK_INT(walk_of(MMU_DIRECT, M2).level, LEVEL_2M);
	CHECK_INT(mmu_split_range(&s.mmu, at(M2 + 7), 1, LEVEL_4K), 0);
	CHECK_INT(walk_of(MMU_DIRECT, M2).level, LEVEL_4K);
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_2M);
	sept_end(&s);
}

/* ---- what is left blocked, and what cannot be done now ---- */

static void leave_blocked(uint64_t offset, enum spte_purpose purpose)
{
	struct walk w = walk_of(MMU_MIRROR, offset);

	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_exclusive(&s.mmu, &w, spte_make_blocked(w.old, purpose)), 0);
	mmu_write_unlock(&s.mmu.lock);
}

static int settle(uint64_t offset)
{
	mmu_write_lock(&s.mmu.lock);
	int err = mirror_settle(&s.mmu, at(offset));

	mmu_write_unlock(&s.mmu.lock);
	return err;
}

TEST(settling_what_somebody_settled_is_no_error)
{
	unsigned flushes;

	td();
	CHECK_INT(fault(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), 0);
	leave_blocked(0, SPTE_FOR_MOVE);
	CHECK_INT(settle(0), 0);
	CHECK(spte_is_accessible_leaf(walk_of(MMU_MIRROR, 0).old));
	flushes = s.flushes[MMU_MIRROR];
	CHECK_INT(settle(0), 0);
	CHECK_INT(s.flushes[MMU_MIRROR], flushes);
	sept_end(&s);
}

TEST(a_large_page_that_was_left_blocked_is_opened_and_split)
{
	td();
	CHECK_INT(fault(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_2M), 0);
	leave_blocked(0, SPTE_FOR_SPLIT);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(3), 1), 0);
	CHECK_INT(walk_of(MMU_MIRROR, 0).level, LEVEL_4K);
	CHECK(spte_equal(walk_of(MMU_MIRROR, 3).old, SPTE_NONE));
	CHECK_INT(slot.out, 511);
	CHECK(sept_compare(&s) == NULL);
	sept_end(&s);
}

TEST(a_move_or_a_join_that_stays_busy_changes_nothing)
{
	td();
	CHECK_INT(fault(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), 0);
	spte_t was = walk_of(MMU_MIRROR, 0).old;

	sept_fail(&s, STEP_MOVE, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_move_private(&s.mmu, at(0), (pfn_t){ 0x4242 }), -EAGAIN);
	s.fail_in = 0;
	CHECK(spte_equal(walk_of(MMU_MIRROR, 0).old, was));
	CHECK_INT(slot.out, 1);
	CHECK_INT(fault(MMU_MIRROR, at(M2), MMU_WRITE, LEVEL_2M), 0);
	CHECK_INT(fault(MMU_MIRROR, at(M2), MMU_WRITE, LEVEL_4K), 0);
	sept_fail(&s, STEP_JOIN, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_join_private(&s.mmu, at(M2), LEVEL_2M), -EAGAIN);
	s.fail_in = 0;
	CHECK_INT(walk_of(MMU_MIRROR, M2).level, LEVEL_4K);
	CHECK_INT(mmu_join_private(&s.mmu, at(M2), LEVEL_2M), 0);
	/* Before the TD runs there is nothing to join or move. */
	CHECK(sept_compare(&s) == NULL);
	sept_end(&s);
	td();
	sept_end(&s);
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, G1);
	CHECK_INT(fault(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), 0);
	CHECK_INT(mmu_move_private(&s.mmu, at(0), (pfn_t){ 0x4242 }), -EINVAL);
	CHECK_INT(mmu_join_private(&s.mmu, at(0), LEVEL_2M), -EINVAL);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_may_fill_the_address_space_and_the_array),
		cmocka_unit_test(a_slot_that_went_can_come_back),
		cmocka_unit_test(a_new_slot_voids_MMIO_entries),
		cmocka_unit_test(tables_come_from_chunks_and_chunks_go_back),
		cmocka_unit_test(statistics_leave_out_what_is_in_invalid_roots),
		cmocka_unit_test(a_walk_of_a_root_that_is_not_there_is_empty),
		cmocka_unit_test(a_leaf_that_is_made_writable_again_is_dirty),
		cmocka_unit_test(recovery_stays_inside_its_range),
		cmocka_unit_test(settling_what_somebody_settled_is_no_error),
		cmocka_unit_test(a_large_page_that_was_left_blocked_is_opened_and_split),
		cmocka_unit_test(a_move_or_a_join_that_stays_busy_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
