/*
 * mmu_direct.c - the direct root: what a fault maps, what a removal leaves, what is flushed
 * (rules A4, B4, B8, D, E).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/change.h"
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })
#define G1   (UINT64_C(1) << 18) /* frames of 1 GiB */

static struct sept s;
static struct fake_slot slot;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void vm_with(struct mmu_config c)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start_with(&s, c);
	fake_slot_add(&s, &slot, BASE, 4 * G1);
}

static const struct mmu_config plain = { .name = "vm",
					 .levels = 4,
					 .max_level = LEVEL_1G,
					 .memtype = SPTE_MEMTYPE_WB,
					 .ad = MMU_AD_HARDWARE };

static void vm(void) { vm_with(plain); }

static int fault_at(gfn_t gfn, unsigned access)
{
	struct mmu_fault f = { .gfn = gfn, .root = MMU_DIRECT, .access = access };

	return mmu_handle_fault(&s.mmu, &f);
}

static spte_t leaf_at(gfn_t gfn, int *level)
{
	spte_t leaf = mmu_lookup(&s.mmu, MMU_DIRECT, gfn, level);

	if (!spte_is_accessible_leaf(leaf))
		*level = 0;
	return leaf;
}

static int level_at(gfn_t gfn)
{
	int level;

	leaf_at(gfn, &level);
	return level;
}

TEST(A4_a_leaf_says_what_the_slot_allows)
{
	int level;

	vm();
	CHECK_INT(fault_at(at(0), MMU_WRITE), 0);
	spte_t leaf = leaf_at(at(0), &level);

	CHECK_INT(level, LEVEL_1G);
	CHECK((leaf.raw & SPTE_RWX) == SPTE_RWX);
	CHECK(leaf.raw & SPTE_HOST_WRITABLE && leaf.raw & SPTE_MMU_WRITABLE);
	CHECK(leaf.raw & SPTE_ACCESSED && leaf.raw & SPTE_DIRTY);
	CHECK_INT(leaf.raw & SPTE_MEMTYPE, SPTE_MEMTYPE_WB);
	CHECK_INT(spte_pfn(leaf).v, slot.first.v);
	sept_end(&s);
}

TEST(D1_the_level_is_what_slot_backing_and_configuration_allow)
{
	static const struct {
		int largest, max, want;
	} rows[] = {
		{ LEVEL_1G, LEVEL_1G, LEVEL_1G }, { LEVEL_2M, LEVEL_1G, LEVEL_2M },
		{ LEVEL_1G, LEVEL_2M, LEVEL_2M }, { LEVEL_4K, LEVEL_1G, LEVEL_4K },
		{ LEVEL_1G, LEVEL_4K, LEVEL_4K },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mmu_config c = plain;

		c.max_level = (uint8_t)rows[i].max;
		vm_with(c);
		slot.largest = rows[i].largest;
		CHECK_INT(fault_at(at(777), MMU_READ), 0);
		CHECK_INT(level_at(at(777)), rows[i].want);
		sept_end(&s);
	}
}

TEST(D1_a_block_that_the_slot_does_not_hold_whole_is_mapped_smaller)
{
	struct fake_slot odd, late;

	vm();
	fake_slot_add(&s, &odd, (gfn_t){ 3 }, 1024);
	CHECK_INT(fault_at((gfn_t){ 4 }, MMU_READ), 0);
	CHECK_INT(level_at((gfn_t){ 4 }), LEVEL_4K);
	CHECK_INT(fault_at((gfn_t){ 600 }, MMU_READ), 0);
	CHECK_INT(level_at((gfn_t){ 600 }), LEVEL_2M);
	CHECK_INT(fault_at((gfn_t){ 1026 }, MMU_READ), 0);
	CHECK_INT(level_at((gfn_t){ 1026 }), LEVEL_4K);
	CHECK_INT(fault_at((gfn_t){ 2 }, MMU_READ), -ENOENT);
	CHECK_INT(fault_at((gfn_t){ 1027 }, MMU_READ), -ENOENT);
	fake_slot_add(&s, &late, (gfn_t){ 2051 }, 1021); /* ends with a whole block */
	CHECK_INT(fault_at((gfn_t){ 2100 }, MMU_READ), 0);
	CHECK_INT(level_at((gfn_t){ 2100 }), LEVEL_4K);
	CHECK_INT(fault_at((gfn_t){ 3071 }, MMU_READ), 0);
	CHECK_INT(level_at((gfn_t){ 3071 }), LEVEL_2M);
	sept_end(&s);
}

TEST(D4_a_spurious_fault_writes_nothing_and_flushes_nothing)
{
	vm();
	CHECK_INT(fault_at(at(0), MMU_WRITE), 0);
	int level;
	spte_t before = leaf_at(at(0), &level);
	unsigned traced = s.traced_direct;
	struct mmu_fault f = { .gfn = at(5), .access = MMU_WRITE };

	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK(f.spurious);
	CHECK_INT(f.pfn.v, slot.first.v + 5);
	CHECK(spte_equal(leaf_at(at(0), &level), before));
	CHECK_INT(s.traced_direct, traced);
	CHECK_INT(s.flushes[MMU_DIRECT], 0);
	sept_end(&s);
}

TEST(D4_a_spurious_fault_does_not_wait_for_a_writer)
{
	vm();
	CHECK_INT(fault_at(at(0), MMU_WRITE), 0);
	mmu_write_lock(&s.mmu.lock); /* a lock taken for read would never be had */
	CHECK_INT(fault_at(at(0), MMU_WRITE), 0);
	mmu_write_unlock(&s.mmu.lock);
	sept_end(&s);
}

TEST(a_write_to_a_read_only_slot_is_reported)
{
	vm();
	slot.slot.flags |= MEMSLOT_READONLY;
	CHECK_INT(fault_at(at(0), MMU_READ), 0);
	CHECK_INT(fault_at(at(0), MMU_EXEC), 0);
	CHECK_INT(fault_at(at(0), MMU_WRITE), -EACCES);
	/* At once, also where nothing is mapped yet. */
	CHECK_INT(fault_at(at(3 * G1), MMU_WRITE), -EACCES);
	CHECK_INT(level_at(at(3 * G1)), 0);
	int level;

	CHECK(!(leaf_at(at(0), &level).raw & (SPTE_W | SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE)));
	sept_end(&s);
}

TEST(D5_mapping_ahead_overwrites_nothing)
{
	uint64_t done;

	vm();
	slot.largest = LEVEL_4K;
	CHECK_INT(fault_at(at(3), MMU_WRITE), 0);
	int level;
	spte_t before = leaf_at(at(3), &level);

	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 1500, LEVEL_1G, &done), 0);
	CHECK_INT(done, 1500);
	CHECK(spte_equal(leaf_at(at(3), &level), before));
	for (unsigned i = 0; i < 1500; i++) {
		spte_t leaf = leaf_at(at(i), &level);

		CHECK_INT(level, LEVEL_4K);
		CHECK_INT(spte_pfn(leaf).v, slot.first.v + i);
	}
	CHECK_INT(level_at(at(1500)), 0);
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 1500);
	sept_end(&s);
}

TEST(mapping_ahead_uses_large_pages_and_stops_at_an_error)
{
	uint64_t done;

	vm();
	slot.largest = LEVEL_2M;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(100), 2000, LEVEL_2M, &done), 0);
	CHECK_INT(done, 2000);
	CHECK_INT(level_at(at(100)), LEVEL_2M);
	slot.fail = -ENOMEM;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(2560), 2000, LEVEL_2M, &done), -ENOMEM);
	CHECK_INT(done, 0);
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(2000), 2000, LEVEL_2M, &done), -ENOMEM);
	CHECK_INT(done, 560);
	sept_end(&s);
}

TEST(E1_a_removal_flushes_once_and_leaves_nothing)
{
	uint64_t done;

	vm();
	slot.largest = LEVEL_4K;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 3000, LEVEL_4K, &done), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(10), 100), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], 1);
	for (unsigned i = 0; i < 3000; i++)
		CHECK_INT(level_at(at(i)), i >= 10 && i < 110 ? 0 : LEVEL_4K);
	/* Nothing there: nothing owed. */
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(10), 100), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], 1);
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_DIRECT), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], 2);
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 0);
	CHECK_INT(stats.tables[MMU_DIRECT][LEVEL_4K], 0);
	CHECK_INT(stats.tables[MMU_DIRECT][LEVEL_512G], 1);
	sept_end(&s);
}

TEST(E1_zapping_part_of_a_large_page_keeps_the_rest)
{
	vm();
	CHECK_INT(fault_at(at(0), MMU_WRITE), 0);
	CHECK_INT(level_at(at(0)), LEVEL_1G);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(1000), 1), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], 1);
	CHECK_INT(level_at(at(999)), LEVEL_4K);
	CHECK_INT(level_at(at(1000)), 0);
	CHECK_INT(level_at(at(1001)), LEVEL_4K);
	CHECK_INT(level_at(at(1024)), LEVEL_2M);
	int level;

	for (unsigned i = 0; i < 4096; i += 37) {
		spte_t leaf = leaf_at(at(i), &level);

		if (i == 1000)
			continue;
		CHECK_INT(spte_pfn(leaf).v + (i & (level_frames(level) - 1)), slot.first.v + i);
	}
	sept_end(&s);
}

TEST(F2_a_long_zap_yields_between_passes)
{
	uint64_t done;

	vm();
	slot.largest = LEVEL_4K;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 20000, LEVEL_4K, &done), 0);
	/* Not covered whole at the upper levels, so that it goes leaf by leaf at the edges. */
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(1), 19998), 0);
	CHECK_INT(level_at(at(0)), LEVEL_4K);
	CHECK_INT(level_at(at(19999)), LEVEL_4K);
	for (unsigned i = 1; i < 19999; i++)
		CHECK_INT(level_at(at(i)), 0);
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 2);
	CHECK_INT(stats.tables[MMU_DIRECT][LEVEL_4K], 2);
	sept_end(&s);
}

TEST(zapping_sparse_memory_of_many_passes_removes_all)
{
	vm();
	slot.largest = LEVEL_4K;
	/* One page in each 2M block of 2 GiB: 1024 tables. Each pass ends in the middle of something. */
	for (unsigned i = 0; i < 1024; i++)
		for (unsigned k = 0; k < 8; k++)
			CHECK_INT(fault_at(at(i * 512 + k * 3), MMU_WRITE), 0);
	for (unsigned part = 0; part < 1024; part += 128)
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(part * 512 + 1), 128 * 512 - 2), 0);
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 8); /* the first of each part */
	sept_end(&s);
}

TEST(F2_more_tables_than_one_pass_takes_are_all_removed)
{
	struct fake_slot big;
	const uint64_t base = UINT64_C(1) << 24, blocks = 6144; /* 12 GiB, one page in each 2M */
	struct mmu_stats stats;

	vm();
	fake_slot_add(&s, &big, (gfn_t){ base }, blocks * 512);
	big.largest = LEVEL_4K;
	for (uint64_t i = 0; i < blocks; i++)
		CHECK_INT(fault_at((gfn_t){ base + i * 512 + i % 512 }, MMU_WRITE), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, (gfn_t){ base }, blocks * 512), 0);
	CHECK(s.flushes[MMU_DIRECT] > 1);
	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 0);
	CHECK_INT(stats.tables[MMU_DIRECT][LEVEL_4K], 0);
	sept_end(&s);
}

TEST(D7_no_slot_is_mmio_and_the_entry_says_so)
{
	struct mmu_config c = plain;
	gfn_t gfn = { 0xfee00 };

	c.mmio = MMU_MMIO_MISCONFIG;
	vm_with(c);
	gfn.v = 0x20;
	CHECK_INT(fault_at(gfn, MMU_READ), -ENOENT);
	int level;
	spte_t entry = mmu_lookup(&s.mmu, MMU_DIRECT, gfn, &level);

	CHECK_INT(spte_kind(entry), SPTE_IS_MMIO);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, gfn), -ENOENT);
	/* A slot comes: the entry is out of date. */
	struct fake_slot late;

	fake_slot_add(&s, &late, (gfn_t){ 0 }, 64);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, gfn), 0);
	CHECK_INT(fault_at(gfn, MMU_WRITE), 0);
	CHECK_INT(level_at(gfn), LEVEL_4K);
	sept_end(&s);
}

static int mmio_level_at(uint64_t gfn)
{
	int level;
	spte_t entry = mmu_lookup(&s.mmu, MMU_DIRECT, (gfn_t){ gfn }, &level);

	CHECK_INT(spte_kind(entry), SPTE_IS_MMIO);
	CHECK_INT(spte_pfn(entry).v, gfn & ~(level_frames(level) - 1));
	return level;
}

/* A guest that touches addresses at random must not cost a table for each. */
TEST(D7_a_window_is_one_entry_as_large_as_slots_let_it_be)
{
	struct mmu_config c = plain;
	uint64_t g1 = level_frames(LEVEL_1G), m2 = level_frames(LEVEL_2M), tables;
	struct fake_slot one, late;

	c.mmio = MMU_MMIO_MISCONFIG;
	vm_with(c);
	fake_slot_add(&s, &one, (gfn_t){ 40 * g1 }, 1); /* alone in its GiB */
	tables = s.mmu.pool.chunks;
	CHECK_INT(fault_at((gfn_t){ 50 * g1 + 77 }, MMU_READ), -ENOENT);
	CHECK_INT(mmio_level_at(50 * g1 + 77), LEVEL_1G);
	CHECK_INT(fault_at((gfn_t){ 40 * g1 + m2 }, MMU_WRITE), -ENOENT);
	CHECK_INT(mmio_level_at(40 * g1 + m2), LEVEL_2M);
	CHECK_INT(fault_at((gfn_t){ 40 * g1 + 1 }, MMU_READ), -ENOENT);
	CHECK_INT(mmio_level_at(40 * g1 + 1), LEVEL_4K);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, (gfn_t){ 50 * g1 + 400000 % g1 }), -ENOENT);
	/* The same entry, whoever touches it: nothing is written again. */
	int level;
	spte_t was = mmu_lookup(&s.mmu, MMU_DIRECT, (gfn_t){ 50 * g1 }, &level);

	CHECK_INT(fault_at((gfn_t){ 50 * g1 + 99 }, MMU_READ), -ENOENT);
	CHECK(spte_equal(was, mmu_lookup(&s.mmu, MMU_DIRECT, (gfn_t){ 50 * g1 }, &level)));
	for (uint64_t i = 60; i < 500; i++)
		CHECK_INT(fault_at((gfn_t){ i * g1 + i }, MMU_READ), -ENOENT);
	CHECK_INT(s.mmu.pool.chunks, tables);
	/* A slot in the middle of a window: the window goes, and comes back in smaller pieces. */
	fake_slot_add(&s, &late, (gfn_t){ 50 * g1 + 3 * m2 }, m2);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, (gfn_t){ 50 * g1 + 3 * m2 }), 0);
	CHECK_INT(fault_at((gfn_t){ 50 * g1 + 3 * m2 }, MMU_WRITE), 0);
	CHECK_INT(fault_at((gfn_t){ 50 * g1 + 4 * m2 }, MMU_WRITE), -ENOENT);
	CHECK_INT(mmio_level_at(50 * g1 + 4 * m2), LEVEL_2M);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

TEST(D7_a_generation_that_changed_makes_the_entry_void)
{
	struct mmu_config c = plain;
	gfn_t gfn = { 0x20 };
	struct fake_slot elsewhere;

	c.mmio = MMU_MMIO_MISCONFIG;
	vm_with(c);
	CHECK_INT(fault_at(gfn, MMU_READ), -ENOENT);
	/* Far away: no table of ours is touched, only the generation moves on. */
	fake_slot_add(&s, &elsewhere, (gfn_t){ UINT64_C(1) << 27 }, 64);
	int level;

	CHECK_INT(spte_kind(mmu_lookup(&s.mmu, MMU_DIRECT, gfn, &level)), SPTE_IS_MMIO);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, gfn), 0);

	CHECK_INT(spte_kind(mmu_lookup(&s.mmu, MMU_DIRECT, gfn, &level)), SPTE_IS_NONE);
	CHECK_INT(fault_at(gfn, MMU_READ), -ENOENT);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, gfn), -ENOENT);
	sept_end(&s);
}

TEST(A2_mmio_in_a_td_gives_a_ve_and_the_fault_is_done)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	CHECK_INT(fault_at((gfn_t){ 7 }, MMU_READ), 0);
	int level;
	spte_t entry = mmu_lookup(&s.mmu, MMU_DIRECT, (gfn_t){ 7 }, &level);

	CHECK_INT(spte_kind(entry), SPTE_IS_MMIO);
	CHECK(!(entry.raw & SPTE_SUPPRESS_VE));
	fake_slot_add(&s, &slot, (gfn_t){ 0 }, 64);
	CHECK_INT(fault_at((gfn_t){ 7 }, MMU_READ), 0);
	CHECK_INT(level_at((gfn_t){ 7 }), LEVEL_4K);
	sept_end(&s);
}

TEST(the_shared_half_of_a_td_is_indexed_with_the_shared_bit)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, G1);
	slot.largest = LEVEL_4K;
	CHECK_INT(fault_at(at(1), MMU_WRITE), 0);
	struct mmu_walk_step steps[5];

	CHECK_INT(mmu_walk(&s.mmu, MMU_DIRECT, at(1), steps), 4);
	CHECK_INT(steps[0].index, 256); /* bit 47 */
	CHECK_INT(steps[0].table.v, mmu_root_hpa(&s.mmu, MMU_DIRECT).v);
	CHECK_INT(steps[3].index, 1);
	CHECK(spte_is_accessible_leaf(steps[3].spte));
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(1), 1), 0);
	CHECK_INT(level_at(at(1)), 0);
	sept_end(&s);
}

TEST(B4_another_frame_without_a_hole_in_between_is_a_fatal_bug)
{
	vm();
	slot.largest = LEVEL_4K;
	CHECK_INT(fault_at(at(0), MMU_READ), 0);
	struct walk w = walk_to(&s.mmu, MMU_DIRECT, at(0), LEVEL_4K);
	spte_t other = { w.old.raw ^ UINT64_C(0x5555) << PAGE_SHIFT };

	if (EXPECT_PANIC()) {
		CHECK_INT(change_shared(&s.mmu, &w, other), 0);
		machine_no_panic();
	}
	CHECK(machine_panicked() && strstr(machine_panicked(), "spte_pfn"));
	sept_end(&s);
}

TEST(B5_absent_to_absent_only_for_mmio)
{
	vm();
	struct walk w = walk_to(&s.mmu, MMU_DIRECT, at(0), LEVEL_4K);

	if (EXPECT_PANIC()) {
		CHECK_INT(change_shared(&s.mmu, &w, SPTE_NONE), 0);
		machine_no_panic();
	}
	CHECK(machine_panicked() != NULL);
	sept_end(&s);
}

TEST(B2_who_loses_the_race_learns_what_is_there)
{
	vm();
	slot.largest = LEVEL_4K;
	struct walk stale = walk_to(&s.mmu, MMU_DIRECT, at(0), LEVEL_4K);

	CHECK_INT(fault_at(at(0), MMU_READ), 0); /* links a table where `stale` saw none */
	CHECK_INT(change_shared(&s.mmu, &stale, spte_make_private((pfn_t){ 1 })), -EBUSY);
	CHECK(spte_is_open_table(stale.old));
	sept_end(&s);
}

TEST(slots_do_not_overlap_and_lie_inside_the_address_space)
{
	static const struct {
		uint64_t base, frames;
		int want;
	} rows[] = {
		{ 0x40000 - 1, 2, -EEXIST },
		{ 0x40000, 1, -EEXIST },
		{ 0x40000 + 4 * G1 - 1, 9, -EEXIST },
		{ 0x3ffff, 5 * G1, -EEXIST },
		{ 1, 0, -EINVAL },
		{ UINT64_C(1) << 36, 1, -EINVAL },
		{ 1, ~UINT64_C(0), -EINVAL },
		{ (UINT64_C(1) << 36) - 1, 2, -EINVAL },
		{ 0x3ffff, 1, 0 },
		{ 0x40000 + 4 * G1, 1, 0 },
	};

	vm();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct memslot extra = { .base = { rows[i].base },
					 .frames = rows[i].frames,
					 .ops = slot.slot.ops };

		CHECK_INT(mmu_slot_add(&s.mmu, &extra), rows[i].want);
		if (rows[i].want == 0)
			CHECK_INT(mmu_slot_remove(&s.mmu, &extra), 0);
	}
	CHECK(mmu_slot_find(&s.mmu, at(0)) == &slot.slot);
	CHECK(mmu_slot_find(&s.mmu, gfn_add(BASE, 4 * G1)) == NULL);
	sept_end(&s);
}

TEST(a_configuration_that_makes_no_sense_is_refused)
{
	struct mmu_config bad[] = { plain, plain, plain, plain };
	struct mmu mmu;

	vm();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i].ops = s.mmu.ops;
	bad[0].levels = 3;
	bad[1].shared_bit = 47;
	bad[2].max_level = 4;
	bad[3].has_mirror = true; /* no SHARED bit */
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(mmu_init(&mmu, &bad[i]), -EINVAL);
	sept_end(&s);
}

TEST(the_eptp_says_levels_memory_type_and_ad)
{
	vm();
	CHECK_INT(mmu_eptp(&s.mmu), mmu_root_hpa(&s.mmu, MMU_DIRECT).v | 0x5e);
	sept_end(&s);
}

TEST(no_memory_leaves_nothing_behind)
{
	struct mmu mmu;
	struct mmu_config c = plain;

	vm();
	c.ops = s.mmu.ops;
	machine_fail_alloc(1);
	CHECK_INT(mmu_init(&mmu, &c), -ENOMEM);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A4_a_leaf_says_what_the_slot_allows),
		cmocka_unit_test(D1_the_level_is_what_slot_backing_and_configuration_allow),
		cmocka_unit_test(D1_a_block_that_the_slot_does_not_hold_whole_is_mapped_smaller),
		cmocka_unit_test(D4_a_spurious_fault_writes_nothing_and_flushes_nothing),
		cmocka_unit_test(D4_a_spurious_fault_does_not_wait_for_a_writer),
		cmocka_unit_test(a_write_to_a_read_only_slot_is_reported),
		cmocka_unit_test(D5_mapping_ahead_overwrites_nothing),
		cmocka_unit_test(mapping_ahead_uses_large_pages_and_stops_at_an_error),
		cmocka_unit_test(E1_a_removal_flushes_once_and_leaves_nothing),
		cmocka_unit_test(E1_zapping_part_of_a_large_page_keeps_the_rest),
		cmocka_unit_test(F2_a_long_zap_yields_between_passes),
		cmocka_unit_test(zapping_sparse_memory_of_many_passes_removes_all),
		cmocka_unit_test(F2_more_tables_than_one_pass_takes_are_all_removed),
		cmocka_unit_test(D7_no_slot_is_mmio_and_the_entry_says_so),
		cmocka_unit_test(D7_a_window_is_one_entry_as_large_as_slots_let_it_be),
		cmocka_unit_test(D7_a_generation_that_changed_makes_the_entry_void),
		cmocka_unit_test(A2_mmio_in_a_td_gives_a_ve_and_the_fault_is_done),
		cmocka_unit_test(the_shared_half_of_a_td_is_indexed_with_the_shared_bit),
		cmocka_unit_test(B4_another_frame_without_a_hole_in_between_is_a_fatal_bug),
		cmocka_unit_test(B5_absent_to_absent_only_for_mmio),
		cmocka_unit_test(B2_who_loses_the_race_learns_what_is_there),
		cmocka_unit_test(slots_do_not_overlap_and_lie_inside_the_address_space),
		cmocka_unit_test(a_configuration_that_makes_no_sense_is_refused),
		cmocka_unit_test(the_eptp_says_levels_memory_type_and_ad),
		cmocka_unit_test(no_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
