/*
 * mmu_details.c - promises that single conditions and constants keep: mutation showed that no other
 * test did. Each test is about one function of mmu/, named in its first word.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/dead.h"
#include "tests/fake/rig.h"

#define TRIES 1000 /* calls of a hook that stays busy, with the write side held */

/* ---- a room above that wants nothing ---- */

static struct mmu_ops few;

static void want_nothing(void)
{
	const struct mmu_ops *all = s.mmu.ops;

	few = (struct mmu_ops){ .set_external_spte = all->set_external_spte,
				.free_external_spt = all->free_external_spt,
				.flush = all->flush };
	s.mmu.ops = &few;
}

TEST(ops_that_may_be_missing_are_not_called_by_a_vm)
{
	static struct memslot_ops plain;
	uint64_t done;

	vm(MMU_AD_HARDWARE, 4096);
	want_nothing();
	plain = (struct memslot_ops){ .resolve = slot.slot.ops->resolve };
	slot.slot.ops = &plain;
	slot.largest = LEVEL_2M;
	touch(0, MMU_READ);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	touch(1, MMU_WRITE);
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(600), 900, LEVEL_4K, &done), 0);
	mmu_log_harvest(&s.mmu, &slot.slot);
	mmu_log_clear(&s.mmu, &slot.slot, 0, ~UINT64_C(0));
	mmu_log_stop(&s.mmu, &slot.slot);
	mmu_track_start(&s.mmu, &slot.slot, bitmap2);
	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(700)), 0);
	mmu_untrack(&s.mmu, &slot.slot, at(700));
	mmu_track_start(&s.mmu, &slot.slot, NULL);
	CHECK(mmu_age(&s.mmu, BASE, 4096) > 0);
	CHECK(mmu_wrprotect(&s.mmu, BASE, 4096) > 0);
	CHECK(mmu_recover_range(&s.mmu, BASE, 4096) > 0);
	CHECK_INT(mmu_split_range(&s.mmu, BASE, 4096, LEVEL_4K), 0);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(3), 700), 0);
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	sept_end(&s);
}

TEST(ops_that_may_be_missing_are_not_called_by_a_td)
{
	static struct memslot_ops plain;

	td();
	want_nothing();
	plain = (struct memslot_ops){ .resolve = slot.slot.ops->resolve };
	slot.slot.ops = &plain;
	map_private(0, LEVEL_2M);
	map_private(M2, LEVEL_4K);
	map_private(0, LEVEL_4K); /* split */
	CHECK_INT(mmu_join_private(&s.mmu, BASE, LEVEL_2M), 0);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 2 * M2), 0);
	sept_fail(&s, STEP_ADD_LEAF, 1, 1, SEPT_REFUSE);
	CHECK_INT(fault_in(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), -EIO);
	CHECK(s.bugged == NULL); /* nobody to tell */
	CHECK(machine_logged("refused a change"));
	sept_end(&s);
}

/* ---- change.c ---- */

TEST(change_shared_tells_what_it_lost_to_and_what_is_there_now)
{
	struct mmu_cpu *me;

	td();
	map_private(0, LEVEL_4K);
	map_private(2, LEVEL_4K);
	me = mmu_read_lock(&s.mmu.lock);
	struct walk w = walk_of(MMU_MIRROR, 1);
	spte_t leaf = spte_make_private((pfn_t){ UINT64_C(1) << 30 }), there = mirror(0);
	unsigned calls = s.calls;

	/* Somebody was faster: it says so, and calls nobody. */
	struct walk late = { walk_of(MMU_MIRROR, 0).entry, SPTE_NONE, at(0), LEVEL_4K, MMU_MIRROR };

	CHECK_INT(change_shared(&s.mmu, &late, leaf), -EBUSY);
	CHECK(spte_equal(late.old, there));
	CHECK(spte_equal(mirror(0), there));
	CHECK_INT(s.calls, calls);
	/* A busy hook: the entry is as before. */
	sept_fail(&s, STEP_ADD_LEAF, 1, 1, SEPT_BUSY);
	CHECK_INT(change_shared(&s.mmu, &w, leaf), -EBUSY);
	CHECK(spte_equal(mirror(1), SPTE_NONE) && spte_equal(w.old, SPTE_NONE));
	CHECK_INT(change_shared(&s.mmu, &w, leaf), 0);
	CHECK(spte_equal(w.old, leaf) && spte_equal(mirror(1), leaf));
	mmu_read_unlock(&s.mmu.lock, me);
	slot.out++; /* the frame was ours */
	sept_end(&s);
}

TEST(change_exclusive_names_a_step_that_does_not_exist)
{
	td();
	map_private(0, LEVEL_4K);
	struct walk w = walk_to(&s.mmu, MMU_MIRROR, BASE, LEVEL_2M);
	spte_t table = w.old;
	unsigned calls = s.calls;

	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_exclusive(&s.mmu, &w, spte_make_private((pfn_t){ 512 })), -EIO);
	mmu_write_unlock(&s.mmu.lock);
	CHECK(machine_logged("no such step"));
	CHECK(spte_equal(spte_read(w.entry), table));
	CHECK_INT(s.calls, calls);
	sept_end(&s);
}

TEST(change_exclusive_of_a_direct_entry_returns_what_was_there)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_WRITE);
	struct walk w = walk_of(MMU_DIRECT, 0);
	spte_t was = w.old;

	w.old = SPTE_NONE;
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_exclusive(&s.mmu, &w, SPTE_NONE), 0);
	mmu_write_unlock(&s.mmu.lock);
	CHECK(spte_equal(w.old, was));
	CHECK(spte_equal(direct(0), SPTE_NONE));
	CHECK_INT(s.calls, 0);
	sept_end(&s);
}

TEST(change_of_a_bugged_guest_calls_nobody)
{
	td();
	map_private(0, LEVEL_4K);
	map_private(M2, LEVEL_2M);
	struct walk w = walk_of(MMU_MIRROR, 0);
	unsigned calls;

	sept_fail(&s, STEP_BLOCK, 1, 1, SEPT_REFUSE);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), -EIO);
	calls = s.calls;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), -EIO);
	CHECK_INT(mmu_join_private(&s.mmu, BASE, LEVEL_2M), -EINVAL);
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_exclusive(&s.mmu, &w, spte_make_blocked(w.old, SPTE_FOR_REMOVAL)), -EIO);
	mmu_write_unlock(&s.mmu.lock);
	CHECK_INT(s.calls, calls);
	/* Said once. */
	machine_log_clear();
	mmu_bug(&s.mmu, "again", BASE, LEVEL_4K);
	CHECK(!machine_logged("again"));
	sept_end(&s); /* the key is released: now it goes all the same */
	CHECK_INT(slot.out, 0);
}

TEST(change_tries_a_busy_hook_a_thousand_times_and_not_more)
{
	unsigned calls;

	td();
	map_private(0, LEVEL_4K);
	calls = s.calls;
	sept_fail(&s, STEP_BLOCK, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), -EAGAIN);
	CHECK_INT(s.calls - calls, TRIES);
	/* One less is enough. */
	calls = s.calls;
	sept_fail(&s, STEP_BLOCK, 1, TRIES - 1, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), 0);
	/* The same for an entry by itself: the table above. */
	map_private(0, LEVEL_4K);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), 0);
	map_private(0, LEVEL_2M);
	calls = s.calls;
	sept_fail(&s, STEP_SPLIT, 1, ~0u, SEPT_BUSY);
	CHECK_INT(fault_in(MMU_MIRROR, BASE, MMU_WRITE, LEVEL_4K), -EAGAIN);
	CHECK_INT(s.calls - calls, 1 + 1 + TRIES + 1); /* block, track, tries, unblock */
	s.fail_in = 0;
	sept_end(&s);
}

TEST(change_after_release_leaks_what_is_refused)
{
	td();
	map_private(0, LEVEL_4K);
	map_private(1, LEVEL_4K);
	mmu_set_phase(&s.mmu, MMU_RELEASED);
	s.complaint = NULL;
	sept_fail(&s, STEP_REMOVE_LEAF, 1, 1, SEPT_REFUSE);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 2), 0);
	CHECK(spte_equal(mirror(0), SPTE_NONE));
	CHECK_INT(slot.out, 1); /* leaked, so not given back */
	CHECK(s.bugged == NULL);
	/* The fake keeps what it refused: it is not taken down. */
	CHECK(sept_find(&s, BASE, LEVEL_4K) != NULL);
	free(s.entries);
}

TEST(change_moves_a_page_although_the_old_frame_is_kept)
{
	td();
	map_private(0, LEVEL_4K);
	sept_fail(&s, STEP_MOVE, 1, 1, SEPT_KEEP_PAGE);
	CHECK_INT(mmu_move_private(&s.mmu, BASE, (pfn_t){ 0x4242 }), 0);
	CHECK(spte_equal(mirror(0), spte_make_private((pfn_t){ 0x4242 })));
	CHECK_INT(slot.out, 1); /* the old one is not given back, the new one was ours */
	CHECK(sept_compare(&s) == NULL);
	sept_end(&s);
}

TEST(change_run_gives_each_frame_to_the_slot_that_it_came_from)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 8);
	fake_slot_add(&s, &slot2, at(8), 8);
	slot2.next_private = UINT64_C(1) << 31;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
	for (unsigned i = 0; i < 16; i++)
		map_private(i, LEVEL_4K);
	CHECK_INT(slot.out, 8);
	CHECK_INT(slot2.out, 8);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(6), 4), 0);
	CHECK_INT(slot.out, 6);
	CHECK_INT(slot2.out, 6);
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	CHECK_INT(slot.out, 0);
	CHECK_INT(slot2.out, 0);
	sept_end(&s);
}

TEST(change_run_stops_at_what_it_is_not_for)
{
	td();
	for (unsigned i = 0; i < 6; i++)
		map_private(i, LEVEL_4K);
	/* Blocked for a join that was given up: not a run's, and not forgotten. */
	struct walk w = walk_of(MMU_MIRROR, 3);
	struct leaf_run run = {
		.sp = page_of_entry(w.entry), .at = 0, .end = 6, .step = STEP_BLOCK
	};

	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_exclusive(&s.mmu, &w, spte_make_blocked(w.old, SPTE_FOR_MOVE)), 0);
	CHECK_INT(change_run(&s.mmu, &run), 0);
	CHECK_INT(run.at, 3);
	CHECK_INT(run.count, 3);
	run = (struct leaf_run){ .sp = page_of_entry(w.entry), .end = 6, .step = STEP_REMOVE_LEAF };
	CHECK_INT(owed_flush(&s.mmu, MMU_MIRROR, BASE, at(6)), 0);
	CHECK_INT(change_run(&s.mmu, &run), 0);
	CHECK_INT(run.at, 3);
	CHECK_INT(run.count, 3);
	/* A run that begins at it is empty, and says nothing to the trace. */
	run.at = 3;
	CHECK_INT(change_run(&s.mmu, &run), 0);
	CHECK_INT(run.count, 0);
	mmu_write_unlock(&s.mmu.lock);
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	CHECK(sept_account(&s) == NULL);
	sept_end(&s);
}

/* ---- dead.c ---- */

TEST(owed_flush_that_fails_ends_the_guest)
{
	struct mmu_stats stats;

	td();
	map_private(0, LEVEL_4K);
	s.flush_result = -EIO;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), -EIO);
	CHECK(machine_logged("a flush failed"));
	CHECK(machine_logged("level 1"));
	CHECK(s.bugged != NULL);
	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.flushes, s.flushes[MMU_MIRROR] + s.flushes[MMU_DIRECT]);
	s.flush_result = 0;
	sept_end(&s);
}

TEST(owed_flush_covers_what_was_removed)
{
	td();
	map_private(5, LEVEL_4K);
	map_private(9, LEVEL_4K);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(5), 5), 0);
	CHECK(s.flushed.v <= at(5).v && s.flushed.v + s.flushed_frames >= at(10).v);
	touch(3, MMU_WRITE);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(3), 2), 0);
	CHECK_INT(s.flushed.v, at(3).v);
	CHECK_INT(s.flushed_frames, 2);
	sept_end(&s);
}

/* ---- dirty.c ---- */

TEST(log_clear_ends_at_the_end_of_the_slot_and_of_the_table)
{
	/* The slot begins 500 frames into a table, and its last word is not whole. */
	vm(MMU_AD_WRPROT, 1);
	fake_slot_add(&s, &slot2, at(500), 100);
	slot2.largest = LEVEL_4K;
	mmu_log_start(&s.mmu, &slot2.slot, bitmap);
	for (unsigned i = 0; i < 100; i++)
		touch(500 + i, MMU_WRITE);
	CHECK_INT(bits_in(bitmap, 2), 100);
	CHECK_INT(bitmap[2], 0);
	/* Across the border of two tables: frames 511 and 512 are bits 11 and 12. */
	CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 0, UINT64_C(3) << 11), 2);
	for (unsigned i = 0; i < 64; i++) {
		CHECK_INT(bit(bitmap, i), i != 11 && i != 12);
		CHECK_INT((direct(500 + i).raw & SPTE_W) != 0, i != 11 && i != 12);
	}
	CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 64, ~UINT64_C(0)), 36);
	CHECK_INT(bits_in(bitmap, 2), 62);
	mmu_log_stop(&s.mmu, &slot2.slot);
	/* Not logged: nothing to clear, nothing to find. */
	CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 0, ~UINT64_C(0)), 0);
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot2.slot), 0);
	sept_end(&s);
}

TEST(log_harvest_marks_what_is_dirty_and_no_more)
{
	vm(MMU_AD_HARDWARE, 4096);
	for (unsigned i = 0; i < 1024; i++)
		touch(i, MMU_WRITE);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	walk_of(MMU_DIRECT, 700).entry->raw |= SPTE_DIRTY;
	unsigned flushes = s.flushes[MMU_DIRECT];

	CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), 1);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
	CHECK(bit(bitmap, 700));
	CHECK_INT(bits_in(bitmap, 64), 1);
	CHECK(direct(700).raw & SPTE_W); /* by D bits: W stays */
	mmu_log_stop(&s.mmu, &slot.slot);
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), 0);
	sept_end(&s);
}

TEST(log_harvest_has_nothing_to_do_where_faults_mark)
{
	static const enum mmu_ad_policy policies[] = { MMU_AD_WRPROT, MMU_AD_NONE };

	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		vm(policies[i], 4096);
		mmu_log_start(&s.mmu, &slot.slot, bitmap);
		touch(3, MMU_WRITE);
		spte_t was = direct(3);
		unsigned flushes = s.flushes[MMU_DIRECT];

		CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), 0);
		CHECK(spte_equal(direct(3), was));
		CHECK_INT(s.flushes[MMU_DIRECT], flushes);
		CHECK(bit(bitmap, 3));
		mmu_log_stop(&s.mmu, &slot.slot);
		sept_end(&s);
	}
}

TEST(the_policy_is_what_was_set)
{
	vm(MMU_AD_HARDWARE, 4096);
	CHECK_INT(mmu_set_ad_policy(&s.mmu, MMU_AD_WRPROT), 0);
	CHECK_INT(s.mmu.ad, MMU_AD_WRPROT);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	CHECK_INT(mmu_set_ad_policy(&s.mmu, MMU_AD_HARDWARE), -EBUSY);
	mmu_log_stop(&s.mmu, &slot.slot);
	CHECK_INT(mmu_set_ad_policy(&s.mmu, MMU_AD_NONE), -EINVAL);
	CHECK_INT(s.mmu.ad, MMU_AD_WRPROT);
	sept_end(&s);
}

TEST(pml_counts_its_entries_and_finds_their_slots)
{
	vm(MMU_AD_HARDWARE, 100);
	fake_slot_add(&s, &slot2, at(1000), 100);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	mmu_log_start(&s.mmu, &slot2.slot, bitmap2);
	uint64_t gpas[6];

	gpas[0] = gfn_to_gpa(at(99)).v;
	gpas[1] = gfn_to_gpa(at(1000)).v;
	gpas[2] = gfn_to_gpa(at(100)).v; /* no slot's */
	gpas[3] = gfn_to_gpa(at(0)).v;
	gpas[4] = gfn_to_gpa(at(1099)).v;
	gpas[5] = gfn_to_gpa(at(50)).v; /* beyond the count */
	mmu_log_pml(&s.mmu, gpas, 5);
	CHECK(bit(bitmap, 99) && bit(bitmap, 0) && bit(bitmap2, 0) && bit(bitmap2, 99));
	CHECK_INT(bits_in(bitmap, 66) + bits_in(bitmap2, 66), 4);
	mmu_log_stop(&s.mmu, &slot.slot);
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

TEST(pml_of_the_shared_half_loses_the_shared_bit)
{
	td();
	memset(bitmap, 0, sizeof(bitmap));
	static uint64_t large[4 * (1u << 18) / 64];

	mmu_log_start(&s.mmu, &slot.slot, large);
	uint64_t gpa = gfn_to_gpa(at(77)).v | UINT64_C(1) << 47;

	mmu_log_pml(&s.mmu, &gpa, 1);
	CHECK_INT(large[1], UINT64_C(1) << 13);
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

TEST(wrprotect_takes_W_alone_and_flushes_if_it_took_any)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_WRITE);
	touch(1, MMU_WRITE);
	touch(2, MMU_WRITE);
	spte_t was = direct(1);
	unsigned flushes = s.flushes[MMU_DIRECT];

	CHECK_INT(mmu_wrprotect(&s.mmu, at(1), 1), 1);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
	CHECK_INT(s.flushed.v, at(1).v);
	CHECK_INT(s.flushed_frames, 1);
	CHECK_INT(direct(1).raw, was.raw & ~SPTE_W);
	CHECK((direct(0).raw & SPTE_W) && (direct(2).raw & SPTE_W));
	CHECK_INT(mmu_wrprotect(&s.mmu, at(1), 1), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
	sept_end(&s);
}

TEST(track_sets_one_bit_and_untrack_clears_that_bit)
{
	static const unsigned frames[] = { 0, 63, 64, 65, 129, 1000 };
	unsigned flushes;

	vm(MMU_AD_HARDWARE, 4096);
	mmu_track_start(&s.mmu, &slot.slot, bitmap);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		touch(frames[i], MMU_WRITE);
		flushes = s.flushes[MMU_DIRECT];
		CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(frames[i])), 0);
		CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
		CHECK_INT(s.flushed.v, at(frames[i]).v);
		CHECK_INT(s.flushed_frames, 1);
		CHECK(bit(bitmap, frames[i]));
		CHECK_INT(bits_in(bitmap, 64), i + 1);
		/* Nothing is mapped, or nothing is left to take: nothing is owed. */
		CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(2000)), 0);
		CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
		mmu_untrack(&s.mmu, &slot.slot, at(2000));
	}
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		mmu_untrack(&s.mmu, &slot.slot, at(frames[i]));
		CHECK(!bit(bitmap, frames[i]));
		CHECK_INT(bits_in(bitmap, 64), ARRAY_LEN(frames) - 1 - i);
		CHECK(direct(frames[i]).raw & SPTE_MMU_WRITABLE);
		touch(frames[i], MMU_WRITE);
	}
	/* What is not mapped stays so. */
	mmu_untrack(&s.mmu, &slot.slot, at(2000));
	CHECK(spte_equal(direct(2000), SPTE_NONE));
	mmu_track_start(&s.mmu, &slot.slot, NULL);
	sept_end(&s);
}

TEST(untrack_does_not_make_a_read_only_page_writable)
{
	vm(MMU_AD_HARDWARE, 4096);
	slot.slot.flags |= MEMSLOT_READONLY;
	mmu_track_start(&s.mmu, &slot.slot, bitmap);
	touch(0, MMU_READ);
	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(0)), 0);
	mmu_untrack(&s.mmu, &slot.slot, at(0));
	CHECK((direct(0).raw & (SPTE_MMU_WRITABLE | SPTE_W)) == 0);
	mmu_track_start(&s.mmu, &slot.slot, NULL);
	sept_end(&s);
}

TEST(track_splits_down_to_4K_or_does_nothing)
{
	vm(MMU_AD_HARDWARE, 2 * G1);
	static uint64_t large[2 * (1u << 18) / 64];

	memset(large, 0, sizeof(large));
	mmu_track_start(&s.mmu, &slot.slot, large);
	slot.largest = LEVEL_1G;
	slot.slot.tracked = NULL; /* so that a 1G leaf comes */
	touch(0, MMU_WRITE);
	mmu_track_start(&s.mmu, &slot.slot, large);
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_1G);
	uint64_t room = s.mmu.pool.first->free;

	machine_fail_alloc(1);
	s.mmu.pool.first->free = 0; /* no table is left in it either */
	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(5)), -ENOMEM);
	CHECK(!bit(large, 5));
	CHECK_INT(walk_of(MMU_DIRECT, 5).level, LEVEL_1G);
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(5)), 0);
	CHECK_INT(walk_of(MMU_DIRECT, 5).level, LEVEL_4K);
	CHECK_INT(walk_of(MMU_DIRECT, M2).level, LEVEL_2M);
	CHECK((direct(5).raw & (SPTE_W | SPTE_MMU_WRITABLE)) == 0);
	CHECK(direct(6).raw & SPTE_W);
	mmu_track_start(&s.mmu, &slot.slot, NULL);
	sept_end(&s);
}

TEST(ageing_without_A_bits_takes_all_access_and_gives_it_back)
{
	vm(MMU_AD_NONE, 4096);
	for (unsigned i = 510; i < 515; i++)
		touch(i, MMU_WRITE);
	spte_t was = direct(511);

	CHECK_INT(mmu_age(&s.mmu, at(511), 3), 3);
	CHECK_INT(mmu_age(&s.mmu, at(511), 3), 0);
	for (unsigned i = 511; i < 514; i++) {
		CHECK_INT(direct(i).raw & SPTE_RWX, 0);
		CHECK(direct(i).raw & SPTE_AGED);
	}
	CHECK_INT(direct(510).raw & SPTE_RWX, SPTE_RWX);
	CHECK_INT(direct(514).raw & SPTE_RWX, SPTE_RWX);
	touch(511, MMU_READ);
	CHECK_INT(direct(511).raw & (SPTE_RWX | SPTE_AGED | SPTE_SAVED_R | SPTE_SAVED_X),
		  SPTE_R | SPTE_X);
	touch(511, MMU_WRITE);
	CHECK_INT(direct(511).raw, was.raw);
	/* Read-only memory stays so. */
	touch(512, MMU_EXEC);
	CHECK_INT(direct(512).raw & SPTE_RWX, SPTE_R | SPTE_X);
	sept_end(&s);
}

/* ---- check.c ---- */

static unsigned told, told_rule[8];

static void tell(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	told++;
	told_rule[f->rule]++;
}

static unsigned findings(void)
{
	told = 0;
	memset(told_rule, 0, sizeof(told_rule));
	unsigned n = mmu_check(&s.mmu, tell, NULL);

	CHECK_INT(n, told);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), n);
	return n;
}

TEST(check_finds_a_large_leaf_that_is_not_aligned_and_a_direct_one_that_is_blocked)
{
	vm(MMU_AD_HARDWARE, 2 * G1);
	slot.largest = LEVEL_1G;
	touch(0, MMU_WRITE);
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_1G);
	CHECK_INT(findings(), 0);
	spte_t *entry = walk_of(MMU_DIRECT, 0).entry;
	uint64_t was = entry->raw;

	entry->raw += UINT64_C(1) << 21; /* 2M into its 1G */
	CHECK(findings() > 0);
	CHECK_INT(told_rule[2], 1);
	entry->raw = was | (uint64_t)SPTE_FOR_REMOVAL << SPTE_BLOCKED_SHIFT;
	CHECK_INT(findings(), 1);
	CHECK_INT(told_rule[2], 1);
	entry->raw = was;
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

static int cannot_read(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e)
{
	(void)mmu;
	(void)gfn;
	(void)level;
	*e = (struct mmu_external){ .kind = SPTE_IS_NONE };
	return -EIO;
}

static int beyond; /* asked about what the private half does not have */
static int (*real_read)(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e);

static int watch_read(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e)
{
	beyond += gfn.v >= mmu_gfn_limit(mmu);
	return real_read(mmu, gfn, level, e);
}

TEST(check_asks_the_external_table_only_what_it_can_answer)
{
	struct mmu_ops ops;

	td();
	map_private(0, LEVEL_4K);
	ops = *s.mmu.ops;
	real_read = ops.read_external;
	ops.read_external = watch_read;
	const struct mmu_ops *was = s.mmu.ops;

	s.mmu.ops = &ops;
	beyond = 0;
	CHECK_INT(findings(), 0);
	CHECK_INT(beyond, 0);
	ops.read_external = cannot_read;
	CHECK(findings() > 0);
	CHECK_INT(told_rule[6], told);
	/* When the key is gone nobody can be asked. */
	mmu_set_phase(&s.mmu, MMU_RELEASED);
	CHECK_INT(findings(), 0);
	s.mmu.ops = was;
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ops_that_may_be_missing_are_not_called_by_a_vm),
		cmocka_unit_test(ops_that_may_be_missing_are_not_called_by_a_td),
		cmocka_unit_test(change_shared_tells_what_it_lost_to_and_what_is_there_now),
		cmocka_unit_test(change_exclusive_names_a_step_that_does_not_exist),
		cmocka_unit_test(change_exclusive_of_a_direct_entry_returns_what_was_there),
		cmocka_unit_test(change_of_a_bugged_guest_calls_nobody),
		cmocka_unit_test(change_tries_a_busy_hook_a_thousand_times_and_not_more),
		cmocka_unit_test(change_after_release_leaks_what_is_refused),
		cmocka_unit_test(change_moves_a_page_although_the_old_frame_is_kept),
		cmocka_unit_test(change_run_gives_each_frame_to_the_slot_that_it_came_from),
		cmocka_unit_test(change_run_stops_at_what_it_is_not_for),
		cmocka_unit_test(owed_flush_that_fails_ends_the_guest),
		cmocka_unit_test(owed_flush_covers_what_was_removed),
		cmocka_unit_test(log_clear_ends_at_the_end_of_the_slot_and_of_the_table),
		cmocka_unit_test(log_harvest_marks_what_is_dirty_and_no_more),
		cmocka_unit_test(log_harvest_has_nothing_to_do_where_faults_mark),
		cmocka_unit_test(the_policy_is_what_was_set),
		cmocka_unit_test(pml_counts_its_entries_and_finds_their_slots),
		cmocka_unit_test(pml_of_the_shared_half_loses_the_shared_bit),
		cmocka_unit_test(wrprotect_takes_W_alone_and_flushes_if_it_took_any),
		cmocka_unit_test(track_sets_one_bit_and_untrack_clears_that_bit),
		cmocka_unit_test(untrack_does_not_make_a_read_only_page_writable),
		cmocka_unit_test(track_splits_down_to_4K_or_does_nothing),
		cmocka_unit_test(ageing_without_A_bits_takes_all_access_and_gives_it_back),
		cmocka_unit_test(
			check_finds_a_large_leaf_that_is_not_aligned_and_a_direct_one_that_is_blocked),
		cmocka_unit_test(check_asks_the_external_table_only_what_it_can_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
