/*
 * mmu_object.c - the MMU as a whole: its configuration, its end, what it tells about itself, and the pool
 * of its tables; promises that single conditions keep. Each test is about one function of mmu/.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/split.h"
#include "tests/fake/rig.h"

static int init_mirror(uint8_t mirror_max_level, enum mmu_ad_policy ad, enum mmu_mmio_policy mmio,
		       const struct mmu_ops *ops)
{
	static struct mmu other;
	int err = mmu_init(&other, &(struct mmu_config){ .ops = ops,
							  .name = "other",
							  .levels = 4,
							  .shared_bit = 47,
							  .has_mirror = true,
							  .max_level = LEVEL_1G,
							  .mirror_max_level = mirror_max_level,
							  .memtype = SPTE_MEMTYPE_WB,
							  .ad = ad,
							  .mmio = mmio });

	if (!err)
		CHECK_INT(mmu_fini(&other), 0);
	return err;
}

/* For tests that leave without telling it of all that goes. */
static void want_no_trace(void)
{
	static struct mmu_ops silent;

	silent = *s.mmu.ops;
	silent.trace = NULL;
	s.mmu.ops = &silent;
}

TEST(config_of_a_mirror)
{
	struct mmu_ops ops;

	td();
	ops = *s.mmu.ops;
	ops.trace = NULL;
	CHECK_INT(init_mirror(LEVEL_4K, MMU_AD_NONE, MMU_MMIO_VE, &ops), 0);
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_NONE, MMU_MMIO_REPORT, &ops), 0);
	CHECK_INT(init_mirror(LEVEL_1G, MMU_AD_NONE, MMU_MMIO_VE, &ops), -EINVAL);
	CHECK_INT(init_mirror(0, MMU_AD_NONE, MMU_MMIO_VE, &ops), -EINVAL);
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_WRPROT, MMU_MMIO_VE, &ops), -EINVAL);
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_NONE, MMU_MMIO_MISCONFIG, &ops), -EINVAL);
	ops.set_external_spte = NULL;
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_NONE, MMU_MMIO_VE, &ops), -EINVAL);
	sept_end(&s);
}

TEST(init_makes_leaves_that_cause_no_VE)
{
	td();
	touch(0, MMU_WRITE);
	CHECK(direct(0).raw & SPTE_SUPPRESS_VE);
	CHECK_INT(mmu_eptp(&s.mmu), mmu_root_hpa(&s.mmu, MMU_DIRECT).v | 6 | 3 << 3);
	sept_end(&s);
}

TEST(fini_leaks_what_an_external_table_keeps)
{
	td();
	map_private(0, LEVEL_4K);
	sept_fail(&s, STEP_BLOCK, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_fini(&s.mmu), 4); /* the mirror's tables of all levels */
	CHECK(page_count(PAGE_LEAKED) > 0);
	CHECK(s.mmu.root[MMU_DIRECT] == NULL && s.mmu.root[MMU_MIRROR] == NULL);
	CHECK_INT(s.mmu.slot_count, 0);
	free(s.entries);
}

TEST(lookup_in_a_root_that_is_not_there_finds_nothing)
{
	int level;

	vm(MMU_AD_HARDWARE, 4096);
	CHECK(spte_equal(mmu_lookup(&s.mmu, MMU_DIRECT_2, at(0), &level), SPTE_NONE));
	CHECK_INT(level, 4);
	sept_end(&s);
}

TEST(stats_leave_retired_roots_out)
{
	struct mmu_stats stats;

	vm(MMU_AD_HARDWARE, 4096);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	touch(0, MMU_WRITE);
	CHECK_INT(fault_in(MMU_DIRECT_2, at(1), MMU_WRITE, 0), 0);
	CHECK_INT(fault_in(MMU_DIRECT_2, at(2), MMU_WRITE, 0), 0);
	s.mmu.root[MMU_DIRECT_2] = NULL;
	s.mmu.retired = two;
	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT_2][LEVEL_4K], 0);
	CHECK_INT(stats.tables[MMU_DIRECT_2][LEVEL_4K], 0);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 1);
	CHECK_INT(stats.retired_roots, 1);
	s.mmu.root[MMU_DIRECT_2] = two;
	s.mmu.retired = NULL;
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(read_external_asks_while_there_is_a_key)
{
	struct mmu_external e = { .kind = SPTE_IS_FROZEN };
	struct mmu_ops silent;
	const struct mmu_ops *was;

	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4096);
	CHECK_INT(mmu_map_private(&s.mmu, at(0), (pfn_t){ 0x777000 }), 0);
	slot.out++;
	for (unsigned phase = MMU_BUILDING; phase <= MMU_RUNNING; phase++) {
		mmu_set_phase(&s.mmu, phase);
		e.kind = SPTE_IS_FROZEN;
		CHECK_INT(mmu_read_external(&s.mmu, at(0), LEVEL_4K, &e), 0);
		CHECK_INT(e.kind, SPTE_IS_LEAF);
		CHECK_INT(e.pfn.v, 0x777000);
	}
	was = s.mmu.ops;
	silent = *was;
	silent.read_external = NULL;
	s.mmu.ops = &silent;
	CHECK_INT(mmu_read_external(&s.mmu, at(0), LEVEL_4K, &e), -ENOSYS);
	s.mmu.ops = was;
	mmu_set_phase(&s.mmu, MMU_RELEASED);
	CHECK_INT(mmu_read_external(&s.mmu, at(0), LEVEL_4K, &e), -ENOSYS);
	sept_end(&s);
}

static unsigned chunks(void)
{
	unsigned n = 0;

	for (struct mmu_chunk *c = s.mmu.pool.first; c; c = c->next)
		n++;
	CHECK_INT(pool_bytes(&s.mmu.pool), n * CHUNK_SIZE);
	return n;
}

TEST(pool_fills_what_became_free)
{
	vm(MMU_AD_HARDWARE, 4 * G1);
	for (unsigned i = 0; i < 186; i++) /* with three above them all of three chunks */
		touch(i * M2, MMU_WRITE);
	CHECK_INT(chunks(), 3);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), 40 * M2), 0);
	for (unsigned i = 0; i < 40; i++)
		touch((200 + i) * M2, MMU_WRITE);
	CHECK_INT(chunks(), 3);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), 4 * G1), 0);
	CHECK(chunks() <= 2);
	touch(0, MMU_WRITE);
	CHECK(chunks() <= 2);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

/* ---- root.c ---- */

TEST(invalidate_keeps_one_dirty_page)
{
	vm(MMU_AD_HARDWARE, 4096);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	touch(3, MMU_READ);
	walk_of(MMU_DIRECT, 3).entry->raw |= SPTE_DIRTY;
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK(bit(bitmap, 3));
	CHECK_INT(bits_in(bitmap, 66), 1);
	CHECK_INT(s.flushed.v, 0);
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

TEST(invalidate_whose_flush_fails_fails)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(3, MMU_WRITE);
	s.flush_result = -EIO;
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), -EIO);
	s.flush_result = 0;
	CHECK(s.mmu.retired != NULL);
	CHECK_INT(page_tables(s.mmu.retired), 1); /* as it was, until the end */
	want_no_trace();
	CHECK_INT(mmu_fini(&s.mmu), 0);
	CHECK_INT(page_count(PAGE_MMU), 0);
	free(s.entries);
}

/* ---- slot.c ---- */

static unsigned going_flushes;

static int flush_going(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	going_flushes += (slot.slot.flags & MEMSLOT_GOING) != 0;
	(void)mmu;
	(void)root;
	(void)start;
	(void)frames;
	return 0;
}

TEST(slot_remove_takes_the_slot_out_while_it_goes)
{
	static struct mmu_ops ops;

	vm(MMU_AD_HARDWARE, 4096);
	fake_slot_add(&s, &slot2, at(G1), 4096);
	touch(3, MMU_WRITE);
	ops = *s.mmu.ops;
	ops.flush = flush_going;
	s.mmu.ops = &ops;
	going_flushes = 0;
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	CHECK_INT(going_flushes, 1);
	CHECK(mmu_slot_find(&s.mmu, at(3)) == NULL);
	CHECK(mmu_slot_at(&s.mmu, 0) == &slot2.slot);
	CHECK(mmu_slot_at(&s.mmu, 1) == NULL);
	want_no_trace();
	sept_end(&s);
}

TEST(slot_remove_says_that_the_mirror_has_some)
{
	td();
	map_private(0, LEVEL_4K);
	sept_fail(&s, STEP_BLOCK, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), -EAGAIN);
	CHECK(mmu_slot_find(&s.mmu, at(0)) == &slot.slot);
	s.fail_in = 0;
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	sept_end(&s);
}

TEST(slot_add_that_overlaps_fails_with_MMIO_entries_too)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_VM);
	fake_slot_add(&s, &slot, BASE, 4096);
	slot2.slot = (struct memslot){ .base = at(4095), .frames = 4, .ops = slot.slot.ops };
	CHECK_INT(mmu_slot_add(&s.mmu, &slot2.slot), -EEXIST);
	CHECK(mmu_slot_at(&s.mmu, 1) == NULL);
	sept_end(&s);
}

/* ---- split.c ---- */

TEST(split_of_a_logged_leaf_starts_clean_and_writable)
{
	for (unsigned readonly = 0; readonly < 2; readonly++) {
		vm(MMU_AD_HARDWARE, 4096);
		slot.largest = LEVEL_2M;
		slot.slot.flags = readonly ? MEMSLOT_READONLY : 0;
		touch(0, MMU_READ);
		mmu_log_start(&s.mmu, &slot.slot, bitmap);
		walk_of(MMU_DIRECT, 0).entry->raw |= SPTE_DIRTY;
		CHECK_INT(mmu_split_range(&s.mmu, at(0), M2, LEVEL_4K), 0);
		CHECK_INT(walk_of(MMU_DIRECT, 7).level, LEVEL_4K);
		CHECK_INT((direct(7).raw & SPTE_W) != 0, !readonly);
		if (!readonly)
			CHECK(!(direct(7).raw & SPTE_DIRTY));
		mmu_log_stop(&s.mmu, &slot.slot);
		sept_end(&s);
	}
}

/* The CPU writes between our look and our exchange. */
TEST(split_exclusive_keeps_a_D_that_came_late)
{
	for (unsigned late = 0; late < 2; late++) {
		vm(MMU_AD_HARDWARE, 4096);
		slot.largest = LEVEL_2M;
		touch(0, MMU_READ);
		struct walk w = walk_of(MMU_DIRECT, 0);

		w.entry->raw &= ~SPTE_DIRTY;
		w.old = *w.entry;
		if (late)
			w.entry->raw |= SPTE_DIRTY;
		/* The page behind the one that the new table gets. */
		struct mmu_chunk *chunk = s.mmu.pool.first;
		spte_t *behind = (spte_t *)((uintptr_t)chunk +
					    (unsigned)(__builtin_ctzll(chunk->free) + 1) * PAGE_SIZE);

		behind->raw = 0;
		mmu_write_lock(&s.mmu.lock);
		CHECK_INT(split_exclusive(&s.mmu, &w), 0);
		mmu_write_unlock(&s.mmu.lock);
		for (unsigned i = 0; i < M2; i += 73)
			CHECK_INT((direct(i).raw & SPTE_DIRTY) != 0, late);
		CHECK_INT((direct(M2 - 1).raw & SPTE_DIRTY) != 0, late);
		CHECK(walk_of(MMU_DIRECT, M2 - 1).entry + 1 == behind);
		CHECK_INT(behind->raw, 0);
		sept_end(&s);
	}
}

TEST(split_range_in_the_middle_of_a_table)
{
	vm(MMU_AD_HARDWARE, 4096);
	slot.largest = LEVEL_2M;
	for (unsigned i = 0; i < 8; i++)
		touch(i * M2, MMU_WRITE);
	CHECK_INT(mmu_split_range(&s.mmu, at(3 * M2), 2 * M2, LEVEL_4K), 0);
	for (unsigned i = 0; i < 8; i++)
		CHECK_INT(walk_of(MMU_DIRECT, i * M2 + 5).level, i == 3 || i == 4 ? LEVEL_4K : LEVEL_2M);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	uint64_t room = s.mmu.pool.first->free;

	machine_fail_alloc(1);
	s.mmu.pool.first->free = 0;
	CHECK_INT(mmu_split_range(&s.mmu, at(0), M2, LEVEL_4K), -ENOMEM);
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
	sept_end(&s);
}

TEST(recover_range_takes_whole_blocks_of_a_slot_that_stays)
{
	vm(MMU_AD_HARDWARE, 600);
	touch(3, MMU_WRITE);
	touch(520, MMU_WRITE);
	slot.largest = LEVEL_2M;
	slot.slot.flags = MEMSLOT_GOING;
	unsigned flushes = s.flushes[MMU_DIRECT];

	CHECK_INT(mmu_recover_range(&s.mmu, at(0), 1024), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes);
	slot.slot.flags = 0;
	CHECK_INT(mmu_recover_range(&s.mmu, at(0), 1024), 1);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
	CHECK_INT(walk_of(MMU_DIRECT, 3).level, LEVEL_2M);
	CHECK(direct(3).raw & SPTE_ACCESSED);
	CHECK_INT(walk_of(MMU_DIRECT, 520).level, LEVEL_4K);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

/* ---- zap.c ---- */

TEST(zap_of_MMIO_entries_owes_no_flush_and_counts_nothing)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_VM);
	fake_slot_add(&s, &slot, BASE, 100);
	touch(0, MMU_WRITE);
	touch(1, MMU_WRITE);
	CHECK_INT(fault_in(MMU_DIRECT, at(200), MMU_READ, 0), -ENOENT);
	CHECK_INT(fault_in(MMU_DIRECT, at(201), MMU_READ, 0), -ENOENT);
	CHECK_INT(fault_in(MMU_DIRECT, at(M2), MMU_READ, 0), -ENOENT); /* a window of 2M */
	struct mmu_page *sp = page_of_entry(walk_of(MMU_DIRECT, 0).entry);
	unsigned flushes = s.flushes[MMU_DIRECT];

	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(150), 100), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(M2), M2), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes);
	CHECK(spte_equal(direct(200), SPTE_NONE) && spte_equal(direct(M2), SPTE_NONE));
	CHECK_INT(page_leaves(sp), 2);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

TEST(zap_of_a_part_may_want_memory)
{
	vm(MMU_AD_HARDWARE, 4096);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	slot.largest = LEVEL_2M;
	touch(0, MMU_WRITE);
	uint64_t room = s.mmu.pool.first->free;

	machine_fail_alloc(1);
	s.mmu.pool.first->free = 0;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(3), 1), -ENOMEM);
	CHECK(spte_is_accessible_leaf(direct(3)));
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(3), 1), 0);
	CHECK(spte_equal(direct(3), SPTE_NONE) && spte_is_accessible_leaf(direct(4)));
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(zap_of_a_table_keeps_what_was_dirty_in_it)
{
	vm(MMU_AD_HARDWARE, 4096);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	touch(0, MMU_READ);
	touch(5, MMU_READ);
	touch(511, MMU_READ);
	walk_of(MMU_DIRECT, 0).entry->raw |= SPTE_DIRTY;
	walk_of(MMU_DIRECT, 511).entry->raw |= SPTE_DIRTY;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), M2), 0);
	CHECK(bit(bitmap, 0) && bit(bitmap, 511));
	CHECK_INT(bits_in(bitmap, 66), 2);
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_of_a_mirror),
		cmocka_unit_test(init_makes_leaves_that_cause_no_VE),
		cmocka_unit_test(fini_leaks_what_an_external_table_keeps),
		cmocka_unit_test(lookup_in_a_root_that_is_not_there_finds_nothing),
		cmocka_unit_test(stats_leave_retired_roots_out),
		cmocka_unit_test(read_external_asks_while_there_is_a_key),
		cmocka_unit_test(pool_fills_what_became_free),
		cmocka_unit_test(invalidate_keeps_one_dirty_page),
		cmocka_unit_test(invalidate_whose_flush_fails_fails),
		cmocka_unit_test(slot_remove_takes_the_slot_out_while_it_goes),
		cmocka_unit_test(slot_remove_says_that_the_mirror_has_some),
		cmocka_unit_test(slot_add_that_overlaps_fails_with_MMIO_entries_too),
		cmocka_unit_test(split_of_a_logged_leaf_starts_clean_and_writable),
		cmocka_unit_test(split_exclusive_keeps_a_D_that_came_late),
		cmocka_unit_test(split_range_in_the_middle_of_a_table),
		cmocka_unit_test(recover_range_takes_whole_blocks_of_a_slot_that_stays),
		cmocka_unit_test(zap_of_MMIO_entries_owes_no_flush_and_counts_nothing),
		cmocka_unit_test(zap_of_a_part_may_want_memory),
		cmocka_unit_test(zap_of_a_table_keeps_what_was_dirty_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
