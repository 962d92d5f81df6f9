/*
 * mmu_mirror.c - the mirror and the external table, together, after every single write (rules B6, C).
 *
 * The fake external table (tests/fake/sept.c) refuses what a Secure EPT refuses and compares both
 * tables before and after each call, so every test here also proves that no state in between breaks
 * the order of parents and children.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/mmu.h"

#include "mmu/change.h"
#include "mmu/mirror.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })

static struct sept s;
static struct fake_slot slot;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void td(enum mmu_phase phase)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start(&s, SEPT_TD);
	s.compare = true;
	fake_slot_add(&s, &slot, BASE, 4 * level_frames(LEVEL_1G));
	slot.largest = LEVEL_2M;
	if (phase == MMU_RUNNING)
		mmu_set_phase(&s.mmu, phase);
}

/* After it: nothing complained, both tables agree, no private frame is lost. */
static void agree(void)
{
	if (s.complaint)
		fail_msg("the external table complained: %s", s.complaint);
	const char *fault = sept_compare(&s);

	if (fault)
		fail_msg("%s", fault);
	CHECK_INT(slot.out, s.frames);
}

static void end(void)
{
	agree();
	sept_end(&s);
	CHECK_INT(slot.out, 0);
}

static int fault_at(gfn_t gfn, int max_level)
{
	struct mmu_fault f = { .gfn = gfn, .root = MMU_MIRROR, .max_level = (uint8_t)max_level };

	return mmu_handle_fault(&s.mmu, &f);
}

static spte_t entry(gfn_t gfn, int level)
{
	struct walk w = walk_to(&s.mmu, MMU_MIRROR, gfn, level);

	CHECK_INT(w.level, level);
	return w.old;
}

static int level_at(gfn_t gfn)
{
	int level;

	return spte_is_accessible_leaf(mmu_lookup(&s.mmu, MMU_MIRROR, gfn, &level)) ? level : 0;
}

/* A slice of the log as text: one letter a call. */
static const char *calls(unsigned from)
{
	static const char letter[STEP_COUNT] = {
		[STEP_NOTHING] = 'F',      [STEP_ADD_TABLE] = 'T', [STEP_ADD_LEAF] = 'L',
		[STEP_BLOCK] = 'b',        [STEP_UNBLOCK] = 'u',   [STEP_REMOVE_LEAF] = 'r',
		[STEP_REMOVE_TABLE] = 't', [STEP_SPLIT] = 's',     [STEP_JOIN] = 'j',
		[STEP_MOVE] = 'm',
	};
	static char text[256];
	unsigned n = 0;

	for (unsigned i = from; i < s.calls && n + 1 < sizeof(text); i++)
		text[n++] = s.log[i].result && s.log[i].result != -EOWNERDEAD
				    ? '!'
				    : letter[s.log[i].step];
	text[n] = '\0';
	return text;
}

TEST(C1_a_fault_adds_tables_top_down_and_then_the_leaf)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	assert_string_equal(calls(0), "TTTL");
	for (unsigned i = 0; i < 4; i++)
		CHECK_INT(s.log[i].level, 4 - (int)i);
	CHECK_INT(fault_at(at(1), LEVEL_4K), 0);
	assert_string_equal(calls(4), "L");
	end();
}

TEST(C1_steps_are_traced_once_each_after_the_hook)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	CHECK_INT(s.traced[STEP_ADD_TABLE], 3);
	CHECK_INT(s.traced[STEP_ADD_LEAF], 1);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 1), 0);
	CHECK_INT(s.traced[STEP_REMOVE_LEAF], 1);
	CHECK_INT(s.traced[STEP_REMOVE_TABLE], 3);
	CHECK_INT(s.traced[STEP_BLOCK], 4);
	end();
}

/* The hook sees the mirror entry FROZEN: nobody can put a child under it before it is there. */
static spte_t seen_in_hook;
static int (*real_hook)(struct mmu *, gfn_t, spte_t, spte_t, int);
static int peeking_hook(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level)
{
	seen_in_hook = walk_to(mmu, MMU_MIRROR, gfn, level).old;
	return real_hook(mmu, gfn, old, new, level);
}

TEST(C2_the_entry_is_frozen_during_the_hook)
{
	td(MMU_RUNNING);
	struct mmu_ops ops = *s.mmu.ops;

	real_hook = ops.set_external_spte;
	ops.set_external_spte = peeking_hook;
	s.mmu.ops = &ops;
	for (int max = LEVEL_4K; max <= LEVEL_2M; max++) {
		seen_in_hook = SPTE_NONE;
		CHECK_INT(fault_at(at(512 * (uint64_t)max), max), 0);
		CHECK(spte_is_frozen(seen_in_hook));
	}
	seen_in_hook = SPTE_NONE;
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	CHECK(spte_is_frozen(seen_in_hook));
	end();
}

TEST(B6_a_refused_step_leaves_entry_trace_and_population)
{
	static const enum spte_step steps[] = { STEP_ADD_TABLE, STEP_ADD_LEAF };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct mmu_stats before, after;

		td(MMU_RUNNING);
		CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
		mmu_stats(&s.mmu, &before);
		unsigned traced = s.traced[steps[i]];

		sept_fail(&s, steps[i], 1, 1, SEPT_REFUSE);
		CHECK_INT(fault_at(at(512), LEVEL_4K), -EIO);
		CHECK(s.bugged != NULL);
		CHECK(machine_logged("refused a change"));
		CHECK_INT(s.traced[steps[i]], traced);
		mmu_stats(&s.mmu, &after);
		CHECK_INT(after.leaves[MMU_MIRROR][1], before.leaves[MMU_MIRROR][1]);
		CHECK_INT(level_at(at(512)), 0);
		agree();
		/* A bugged guest changes no more. */
		unsigned calls_before = s.calls;

		CHECK_INT(fault_at(at(513), LEVEL_4K), -EIO);
		CHECK_INT(s.calls, calls_before);
		end();
	}
}

TEST(B2_a_busy_hook_is_tried_again_and_the_frame_is_not_lost)
{
	td(MMU_RUNNING);
	sept_fail(&s, STEP_ADD_LEAF, 1, 3, SEPT_BUSY);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	assert_string_equal(calls(0), "TTT!!!L");
	sept_fail(&s, STEP_ADD_LEAF, 1, 1000, SEPT_BUSY);
	CHECK_INT(fault_at(at(1), LEVEL_4K), -EAGAIN);
	CHECK(s.bugged == NULL);
	CHECK_INT(slot.out, 1);
	s.fail_in = 0;
	end();
}

TEST(D3_a_table_that_was_not_linked_goes_back_at_once)
{
	td(MMU_RUNNING);
	uint64_t external = page_count(PAGE_TDX_SEPT);
	struct mmu_stats stats;

	sept_fail(&s, STEP_ADD_TABLE, 1, 1000, SEPT_BUSY);
	CHECK_INT(fault_at(at(0), LEVEL_4K), -EAGAIN);
	CHECK_INT(page_count(PAGE_TDX_SEPT), external);
	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.tables[MMU_MIRROR][3], 0);
	s.fail_in = 0;
	end();
}

TEST(C4_a_child_must_be_what_it_says)
{
	static const char *const why[] = { "without an external page", "another level",
					   "another GFN" };

	for (unsigned i = 0; i < ARRAY_LEN(why); i++) {
		td(MMU_RUNNING);
		struct mmu_page *sp = pool_get(&s.mmu, MMU_MIRROR, i == 1 ? LEVEL_2M : LEVEL_1G,
					       i == 2 ? (gfn_t){ UINT64_C(1) << 27 } : BASE);
		struct walk w = walk_to(&s.mmu, MMU_MIRROR, BASE, LEVEL_4K);
		hpa_t external = sp->external;

		if (i == 0)
			sp->external = HPA_NONE;
		mmu_write_lock(&s.mmu.lock);
		spte_t old = w.old;
		CHECK_INT(change_exclusive(&s.mmu, &w, spte_make_table(sp->table)), -EIO);
		mmu_write_unlock(&s.mmu.lock);
		CHECK(spte_equal(spte_read(w.entry), old));
		CHECK_INT(s.calls, 0);
		CHECK(machine_logged(why[i]));
		sp->external = external;
		pool_put(&s.mmu, sp);
		end();
	}
}

TEST(C5_a_kept_table_page_is_leaked_and_counted)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	s.keep_tables = true;
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	CHECK_INT(page_count(PAGE_LEAKED), 3);
	s.keep_tables = false;
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaked_tables, 3);
	end();
}

TEST(C7_before_finalisation_faults_map_4K_and_pages_are_chosen)
{
	td(MMU_BUILDING);
	CHECK_INT(mmu_map_private(&s.mmu, at(0), (pfn_t){ 0x777 }), 0);
	slot.out++; /* the frame was ours */
	CHECK_INT(mmu_map_private(&s.mmu, at(0), (pfn_t){ 0x778 }), -EEXIST);
	CHECK_INT(mmu_map_private(&s.mmu, (gfn_t){ 5 }, (pfn_t){ 0x779 }), -ENOENT);
	CHECK_INT(fault_at(at(512), 0), 0);
	CHECK_INT(level_at(at(512)), LEVEL_4K);
	CHECK_INT(spte_pfn(entry(at(0), LEVEL_4K)).v, 0x777);
	/* No block, no flush. */
	unsigned from = s.calls;

	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 1), 0);
	assert_string_equal(calls(from), "rt");
	CHECK_INT(s.flushes[MMU_MIRROR], 0);
	end();
}

TEST(C10_removing_many_pages_is_blocks_one_track_removes)
{
	td(MMU_RUNNING);
	for (unsigned i = 0; i < 5; i++)
		CHECK_INT(fault_at(at(i), LEVEL_4K), 0);
	CHECK_INT(fault_at(at(7), LEVEL_4K), 0);
	unsigned from = s.calls;

	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 5), 0);
	assert_string_equal(calls(from), "bbbbbFrrrrr");
	CHECK_INT(slot.out, 1);
	end();
}

TEST(C13_emptied_tables_go_bottom_up_one_round_a_level)
{
	td(MMU_RUNNING);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(fault_at(at(i * 512), LEVEL_4K), 0);
	unsigned from = s.calls;

	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	assert_string_equal(calls(from), "bbbFrrr"
					 "bbbFttt"
					 "bFt"
					 "bFt");
	CHECK_INT(s.count, 0);
	CHECK_INT(s.freed_tables, 5);
	CHECK_INT(page_count(PAGE_TDX_SEPT), 0);
	end();
}

TEST(count_1GiB_at_2M_is_512_blocks_1_track_512_removes)
{
	td(MMU_RUNNING);
	s.compare = false;
	CHECK_INT(fault_at(at(level_frames(LEVEL_1G)), LEVEL_4K), 0); /* keeps the upper tables */
	memset(s.steps, 0, sizeof(s.steps));
	for (unsigned i = 0; i < 512; i++)
		CHECK_INT(fault_at(at(i * 512), LEVEL_2M), 0);
	CHECK_INT(s.steps[STEP_ADD_LEAF], 512);
	CHECK_INT(s.steps[STEP_ADD_TABLE], 1);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), level_frames(LEVEL_1G)), 0);
	CHECK_INT(s.steps[STEP_BLOCK], 512 + 1);
	CHECK_INT(s.steps[STEP_REMOVE_LEAF], 512);
	CHECK_INT(s.steps[STEP_REMOVE_TABLE], 1);
	CHECK_INT(s.flushes[MMU_MIRROR], 1 + 1);
	end();
}

TEST(C16_a_batch_has_at_most_4096_entries_between_tracks)
{
	td(MMU_RUNNING);
	s.compare = false;
	for (unsigned i = 0; i < 5000; i++)
		CHECK_INT(fault_at(at(i), LEVEL_4K), 0);
	unsigned from = s.calls, blocked = 0;

	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	for (unsigned i = from; i < s.calls; i++) {
		if (s.log[i].step == STEP_BLOCK)
			blocked++;
		else if (s.log[i].step == STEP_NOTHING)
			blocked = 0;
		CHECK(blocked <= MIRROR_BATCH);
	}
	CHECK_INT(s.count, 0);
	end();
}

TEST(C16_an_interrupted_removal_can_be_finished)
{
	td(MMU_RUNNING);
	for (unsigned i = 0; i < 4; i++)
		CHECK_INT(fault_at(at(i), LEVEL_4K), 0);
	sept_fail(&s, STEP_REMOVE_LEAF, 3, 100000, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 4), -EAGAIN);
	agree();
	CHECK_INT(spte_blocked_for(entry(at(2), LEVEL_4K)), SPTE_FOR_REMOVAL);
	s.fail_in = 0;
	unsigned from = s.calls;

	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 4), 0);
	assert_string_equal(calls(from), "Frr"
					 "bFtbFtbFt");
	end();
}

TEST(C16_an_interrupted_removal_is_undone_by_the_next_fault)
{
	td(MMU_RUNNING);
	for (unsigned i = 0; i < 4; i++)
		CHECK_INT(fault_at(at(i), LEVEL_4K), 0);
	sept_fail(&s, STEP_BLOCK, 3, 100000, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 4), -EAGAIN);
	s.fail_in = 0;
	unsigned from = s.calls;

	CHECK_INT(fault_at(at(1), LEVEL_4K), 0);
	assert_string_equal(calls(from), "Fu");
	CHECK_INT(level_at(at(1)), LEVEL_4K);
	CHECK_INT(spte_kind(entry(at(0), LEVEL_4K)), SPTE_IS_BLOCKED_LEAF);
	end();
}

TEST(C10_a_kept_frame_is_not_given_back_to_the_slot)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	sept_fail(&s, STEP_REMOVE_LEAF, 1, 1, SEPT_KEEP_PAGE);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 1), 0);
	CHECK_INT(slot.out, 1);
	CHECK_INT(level_at(at(0)), 0);
	slot.out = 0;
	end();
}

TEST(C14_after_release_everything_goes_without_block_or_track)
{
	td(MMU_RUNNING);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(fault_at(at(i), LEVEL_4K), 0);
	CHECK_INT(fault_at(at(1024), LEVEL_2M), 0);
	/* One is left blocked: release takes it all the same. */
	sept_fail(&s, STEP_REMOVE_LEAF, 1, 100000, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(1), 1), -EAGAIN);
	s.fail_in = 0;
	mmu_set_phase(&s.mmu, MMU_RELEASED);
	unsigned from = s.calls;

	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	assert_string_equal(calls(from), "rrrtrtt");
	end();
}

TEST(C14_what_cannot_be_reclaimed_after_release_is_leaked_not_kept)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	CHECK_INT(fault_at(at(1), LEVEL_4K), 0);
	mmu_set_phase(&s.mmu, MMU_RELEASED);
	sept_fail(&s, STEP_REMOVE_LEAF, 1, 1, SEPT_KEEP_PAGE);
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	CHECK_INT(slot.out, 1);
	CHECK_INT(s.count, 0);
	slot.out = 0;
	end();
}

TEST(C17_a_larger_page_than_accepted_is_demoted)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_2M), 0);
	CHECK_INT(level_at(at(5)), LEVEL_2M);
	pfn_t first = spte_pfn(entry(at(0), LEVEL_2M));
	unsigned from = s.calls;

	CHECK_INT(fault_at(at(5), LEVEL_4K), 0);
	assert_string_equal(calls(from), "bFs");
	for (unsigned i = 0; i < 512; i++)
		CHECK_INT(spte_pfn(entry(at(i), LEVEL_4K)).v, first.v + i);
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_MIRROR][LEVEL_4K], 512);
	CHECK_INT(stats.leaves[MMU_MIRROR][LEVEL_2M], 0);
	end();
}

TEST(C17_a_split_that_cannot_be_done_is_undone)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_2M), 0);
	sept_fail(&s, STEP_SPLIT, 1, 100000, SEPT_BUSY);
	CHECK_INT(fault_at(at(5), LEVEL_4K), -EAGAIN);
	s.fail_in = 0;
	agree();
	CHECK_INT(level_at(at(5)), LEVEL_2M);
	CHECK(s.bugged == NULL);
	end();
}

/* What a step needs beside its own page could not be had: the guest goes on with what it had. */
TEST(C17_a_hook_without_memory_changes_nothing)
{
	td(MMU_RUNNING);
	uint64_t external = page_count(PAGE_TDX_SEPT);

	sept_fail(&s, STEP_ADD_TABLE, 2, 1, SEPT_NO_MEMORY);
	CHECK_INT(fault_at(at(0), LEVEL_2M), -ENOMEM);
	CHECK_INT(page_count(PAGE_TDX_SEPT), external + 1); /* the first table stays */
	agree();
	CHECK_INT(fault_at(at(0), LEVEL_2M), 0);
	external = page_count(PAGE_TDX_SEPT);
	sept_fail(&s, STEP_SPLIT, 1, 1, SEPT_NO_MEMORY);
	CHECK_INT(fault_at(at(5), LEVEL_4K), -ENOMEM);
	CHECK_INT(page_count(PAGE_TDX_SEPT), external);
	CHECK_INT(level_at(at(5)), LEVEL_2M);
	agree();
	CHECK(s.bugged == NULL);
	CHECK_INT(fault_at(at(5), LEVEL_4K), 0);
	CHECK_INT(level_at(at(5)), LEVEL_4K);
	end();
}

TEST(zapping_part_of_a_2M_page_splits_it_first)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_2M), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(100), 10), 0);
	for (unsigned i = 0; i < 512; i++)
		CHECK_INT(level_at(at(i)), i >= 100 && i < 110 ? 0 : LEVEL_4K);
	CHECK_INT(slot.out, 502);
	end();
}

TEST(C18_512_pages_of_one_run_become_one)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_2M), 0);
	CHECK_INT(fault_at(at(5), LEVEL_4K), 0);
	unsigned from = s.calls;
	uint64_t external = page_count(PAGE_TDX_SEPT);

	CHECK_INT(mmu_join_private(&s.mmu, at(9), LEVEL_2M), 0);
	assert_string_equal(calls(from), "bFj");
	CHECK_INT(level_at(at(5)), LEVEL_2M);
	CHECK_INT(page_count(PAGE_TDX_SEPT), external - 1);
	end();
}

TEST(C18_pages_that_are_no_run_are_not_joined)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	CHECK_INT(mmu_join_private(&s.mmu, at(0), LEVEL_2M), -EINVAL);
	slot.largest = LEVEL_4K;
	for (unsigned i = 0; i < 512; i++)
		CHECK_INT(fault_at(at(512 + i), 0), 0);
	CHECK_INT(mmu_join_private(&s.mmu, at(512), LEVEL_2M), -EINVAL);
	/* One run, but the module does not take it: the guest keeps its pages. */
	slot.largest = LEVEL_2M;
	CHECK_INT(fault_at(at(1024), LEVEL_2M), 0);
	CHECK_INT(fault_at(at(1024), LEVEL_4K), 0);
	sept_fail(&s, STEP_JOIN, 1, 1, SEPT_NOT_JOINABLE);
	CHECK_INT(mmu_join_private(&s.mmu, at(1024), LEVEL_2M), -EOPNOTSUPP);
	CHECK_INT(level_at(at(1024)), LEVEL_4K);
	CHECK(s.bugged == NULL);
	end();
}

/* A join that was refused, and whose undoing was refused too: the table stands blocked, and full. */
TEST(C16_a_removal_opens_what_a_join_left_blocked_and_empties_it)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_2M), 0);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	struct walk w = walk_to(&s.mmu, MMU_MIRROR, at(0), LEVEL_2M);
	struct sept_entry *table = (struct sept_entry *)(uintptr_t)sept_find(&s, at(0), LEVEL_2M);

	w.entry->raw = spte_make_blocked(w.old, SPTE_FOR_JOIN).raw;
	table->blocked = true;
	table->blocked_in = s.epoch;
	CHECK(sept_compare(&s) == NULL);

	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 512), 0);
	CHECK_INT(sept_find(&s, at(0), LEVEL_4K) == NULL, 1);
	CHECK_INT(sept_find(&s, at(0), LEVEL_2M) == NULL, 1);
	CHECK_INT(slot.out, 0);
	end();
}

TEST(C18_a_page_moves_to_another_frame)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
	unsigned from = s.calls;

	CHECK_INT(mmu_move_private(&s.mmu, at(0), (pfn_t){ 0x4242 }), 0);
	slot.out++; /* the new frame was ours */
	assert_string_equal(calls(from), "bFm");
	CHECK_INT(spte_pfn(entry(at(0), LEVEL_4K)).v, 0x4242);
	CHECK_INT(mmu_move_private(&s.mmu, at(1), (pfn_t){ 0x4243 }), -EINVAL);
	end();
}

/* 512 pages in whatever frames. Returns where their run of frames would be. */
static pfn_t scattered(void)
{
	td(MMU_RUNNING);
	slot.largest = LEVEL_4K;
	for (unsigned i = 0; i < 512; i++)
		CHECK_INT(fault_at(at(i), 0), 0);
	return (pfn_t){ 0x123400 };
}

TEST(C18_pages_in_any_frames_gather_with_one_flush_and_become_one)
{
	pfn_t run = scattered();
	unsigned moved, flushes = s.flushes[MMU_MIRROR], from = s.calls;

	CHECK_INT(mmu_gather_private(&s.mmu, at(77), run, &moved), 0);
	CHECK_INT(moved, 512);
	CHECK_INT(s.calls - from, 512 + 1 + 512);
	CHECK_INT(s.flushes[MMU_MIRROR] - flushes, 1);
	slot.out += 512; /* the new frames were ours; the old ones came back */
	for (unsigned i = 0; i < 512; i++)
		CHECK_INT(spte_pfn(entry(at(i), LEVEL_4K)).v, run.v + i);
	CHECK(sept_compare(&s) == NULL);
	from = s.calls;
	CHECK_INT(mmu_join_private(&s.mmu, at(9), LEVEL_2M), 0);
	assert_string_equal(calls(from), "bFj");
	CHECK_INT(spte_pfn(entry(at(0), LEVEL_2M)).v, run.v);
	end();
}

TEST(C18_what_is_not_512_pages_does_not_gather)
{
	unsigned moved = 7, from;

	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), 0), 0); /* 2M already */
	from = s.calls;
	CHECK_INT(mmu_gather_private(&s.mmu, at(0), (pfn_t){ 0x123400 }, &moved), -EINVAL);
	CHECK_INT(moved, 0);
	slot.largest = LEVEL_4K;
	CHECK_INT(fault_at(at(512), 0), 0); /* one page of 512 */
	from = s.calls;
	CHECK_INT(mmu_gather_private(&s.mmu, at(512), (pfn_t){ 0x123400 }, &moved), -EINVAL);
	CHECK_INT(mmu_gather_private(&s.mmu, at(2048), (pfn_t){ 0x123400 }, &moved), -EINVAL);
	CHECK_INT(s.calls, from);
	end();
}

/* Busy for good at a block or a move: what moved stays moved, the rest is open again where it was. */
TEST(C16_a_gathering_that_stays_busy_opens_what_it_blocked)
{
	static const struct {
		enum spte_step step;
		unsigned nth, moved;
	} sites[] = { { STEP_BLOCK, 1, 0 },  { STEP_BLOCK, 300, 0 }, { STEP_MOVE, 1, 0 },
		      { STEP_MOVE, 200, 199 }, { STEP_MOVE, 512, 511 } };

	for (unsigned k = 0; k < ARRAY_LEN(sites); k++) {
		pfn_t run = scattered();
		unsigned moved;

		sept_fail(&s, sites[k].step, sites[k].nth, 1000, SEPT_BUSY);
		CHECK_INT(mmu_gather_private(&s.mmu, at(0), run, &moved), -EAGAIN);
		CHECK_INT(moved, sites[k].moved);
		slot.out += moved;
		for (unsigned i = 0; i < 512; i++) {
			CHECK(spte_is_accessible_leaf(entry(at(i), LEVEL_4K)));
			CHECK_INT(spte_pfn(entry(at(i), LEVEL_4K)).v == run.v + i, i < moved);
		}
		CHECK(sept_compare(&s) == NULL);
		CHECK(s.bugged == NULL);
		end();
	}
}

TEST(D1_the_largest_level_that_slot_backing_and_guest_allow)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), 0), 0);
	CHECK_INT(level_at(at(0)), LEVEL_2M);
	slot.largest = LEVEL_4K;
	CHECK_INT(fault_at(at(512), 0), 0);
	CHECK_INT(level_at(at(512)), LEVEL_4K);
	slot.largest = LEVEL_2M;
	/* A table is in the way of a 2M page. */
	CHECK_INT(fault_at(at(513), 0), 0);
	CHECK_INT(level_at(at(513)), LEVEL_4K);
	end();
}

TEST(D4_a_spurious_private_fault_calls_nobody)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), 0), 0);
	unsigned from = s.calls;
	struct mmu_fault f = { .gfn = at(3), .root = MMU_MIRROR, .access = MMU_WRITE };

	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK(f.spurious && f.level == LEVEL_2M);
	CHECK_INT(f.pfn.v, spte_pfn(entry(at(0), LEVEL_2M)).v + 3);
	CHECK_INT(s.calls, from);
	end();
}

TEST(no_memory_for_a_table_changes_nothing)
{
	for (unsigned n = 1; n <= 3; n++) {
		td(MMU_RUNNING);
		machine_fail_alloc(n);
		CHECK_INT(fault_at(at(0), LEVEL_4K), -ENOMEM);
		machine_fail_alloc(0);
		agree();
		CHECK_INT(fault_at(at(0), LEVEL_4K), 0);
		end();
	}
}

TEST(removing_a_slot_takes_its_private_pages)
{
	td(MMU_RUNNING);
	CHECK_INT(fault_at(at(0), 0), 0);
	CHECK_INT(fault_at(at(99999), 0), 0);
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	CHECK_INT(slot.out, 0);
	CHECK_INT(fault_at(at(0), 0), -ENOENT);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(C1_a_fault_adds_tables_top_down_and_then_the_leaf),
		cmocka_unit_test(C1_steps_are_traced_once_each_after_the_hook),
		cmocka_unit_test(C2_the_entry_is_frozen_during_the_hook),
		cmocka_unit_test(B6_a_refused_step_leaves_entry_trace_and_population),
		cmocka_unit_test(B2_a_busy_hook_is_tried_again_and_the_frame_is_not_lost),
		cmocka_unit_test(D3_a_table_that_was_not_linked_goes_back_at_once),
		cmocka_unit_test(C4_a_child_must_be_what_it_says),
		cmocka_unit_test(C5_a_kept_table_page_is_leaked_and_counted),
		cmocka_unit_test(C7_before_finalisation_faults_map_4K_and_pages_are_chosen),
		cmocka_unit_test(C10_removing_many_pages_is_blocks_one_track_removes),
		cmocka_unit_test(C13_emptied_tables_go_bottom_up_one_round_a_level),
		cmocka_unit_test(count_1GiB_at_2M_is_512_blocks_1_track_512_removes),
		cmocka_unit_test(C16_a_batch_has_at_most_4096_entries_between_tracks),
		cmocka_unit_test(C16_an_interrupted_removal_can_be_finished),
		cmocka_unit_test(C16_an_interrupted_removal_is_undone_by_the_next_fault),
		cmocka_unit_test(C10_a_kept_frame_is_not_given_back_to_the_slot),
		cmocka_unit_test(C14_after_release_everything_goes_without_block_or_track),
		cmocka_unit_test(C14_what_cannot_be_reclaimed_after_release_is_leaked_not_kept),
		cmocka_unit_test(C17_a_larger_page_than_accepted_is_demoted),
		cmocka_unit_test(C17_a_split_that_cannot_be_done_is_undone),
		cmocka_unit_test(C17_a_hook_without_memory_changes_nothing),
		cmocka_unit_test(zapping_part_of_a_2M_page_splits_it_first),
		cmocka_unit_test(C18_512_pages_of_one_run_become_one),
		cmocka_unit_test(C18_pages_that_are_no_run_are_not_joined),
		cmocka_unit_test(C16_a_removal_opens_what_a_join_left_blocked_and_empties_it),
		cmocka_unit_test(C18_a_page_moves_to_another_frame),
		cmocka_unit_test(C18_pages_in_any_frames_gather_with_one_flush_and_become_one),
		cmocka_unit_test(C18_what_is_not_512_pages_does_not_gather),
		cmocka_unit_test(C16_a_gathering_that_stays_busy_opens_what_it_blocked),
		cmocka_unit_test(D1_the_largest_level_that_slot_backing_and_guest_allow),
		cmocka_unit_test(D4_a_spurious_private_fault_calls_nobody),
		cmocka_unit_test(no_memory_for_a_table_changes_nothing),
		cmocka_unit_test(removing_a_slot_takes_its_private_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
