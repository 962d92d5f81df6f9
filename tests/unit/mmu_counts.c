/*
 * mmu_counts.c - what an operation costs in calls, exactly: hooks by kind, tracks, flushes. What
 * the same operations cost in SEAMCALLs and kicks is in tests/unit/tdx_counts.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include <sys/mman.h>

#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })
#define M2   UINT64_C(512) /* frames of 2 MiB */
#define G1   (M2 * 512)    /* frames of 1 GiB */

/* Page-aligned, so that a test can take its pages away from every writer. */
static union {
	struct sept s;
	uint8_t pages[(sizeof(struct sept) + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE];
} fake ALIGNED(4096);
#define s (fake.s)

static struct fake_slot slot;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

/* All that can be counted, since begin(). */
static struct {
	unsigned steps[STEP_COUNT], calls, tracks, flushes, traced_direct;
} was;

static void begin(void)
{
	memcpy(was.steps, s.steps, sizeof(was.steps));
	was.calls = s.calls;
	was.tracks = s.flushes[MMU_MIRROR];
	was.flushes = s.flushes[MMU_DIRECT];
	was.traced_direct = s.traced_direct;
}

static unsigned steps(enum spte_step step) { return s.steps[step] - was.steps[step]; }
static unsigned tracks(void) { return s.flushes[MMU_MIRROR] - was.tracks; }
static unsigned flushes(void) { return s.flushes[MMU_DIRECT] - was.flushes; }
/* The log has a line for each hook and each track: what is in it beyond @n was not expected. */
static unsigned calls(void) { return s.calls - was.calls; }

static void td(void)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4 * G1);
	slot.largest = LEVEL_2M;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
	begin();
}

static void vm(enum mmu_ad_policy ad, int largest)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start_with(&s, (struct mmu_config){ .name = "vm",
						 .levels = 4,
						 .max_level = LEVEL_2M,
						 .memtype = SPTE_MEMTYPE_WB,
						 .ad = ad });
	fake_slot_add(&s, &slot, BASE, 4 * G1);
	slot.largest = largest;
	begin();
}

static int fault(enum mmu_root root, gfn_t gfn, int max_level, bool *spurious)
{
	struct mmu_fault f = {
		.gfn = gfn, .root = root, .access = MMU_WRITE, .max_level = (uint8_t)max_level
	};
	int err = mmu_handle_fault(&s.mmu, &f);

	if (spurious)
		*spurious = f.spurious;
	return err;
}

static void touch(enum mmu_root root, gfn_t gfn, int max_level)
{
	bool spurious;

	CHECK_INT(fault(root, gfn, max_level, &spurious), 0);
	CHECK(!spurious);
}

static void end(void)
{
	if (s.mmu.root[MMU_MIRROR])
		CHECK(sept_compare(&s) == NULL);
	sept_end(&s);
}

/* Which calls of the log, from the @first since begin(), are @count times @step (or a track)? */
static void expect_run(unsigned *first, enum spte_step step, int level, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct sept_call *call = &s.log[was.calls + (*first)++];

		CHECK_INT(call->result, 0);
		CHECK_INT(call->step, step);
		if (step != STEP_NOTHING)
			CHECK_INT(call->level, level);
	}
}

#define TRACK(first) expect_run(&(first), STEP_NOTHING, 0, 1)

/* ---- 1 GiB of private memory ---- */

static void populate(uint64_t frames, int level)
{
	for (uint64_t i = 0; i < frames; i += level_frames(level))
		touch(MMU_MIRROR, at(i), level);
}

TEST(populating_1GiB_at_2M_is_512_leaf_hooks_and_one_per_missing_table)
{
	td();
	populate(G1, LEVEL_2M);
	CHECK_INT(steps(STEP_ADD_LEAF), 512);
	CHECK_INT(steps(STEP_ADD_TABLE), 2); /* below the root, nothing was there */
	CHECK_INT(calls(), 512 + 2);
	begin();
	for (uint64_t i = 0; i < G1; i += M2)
		touch(MMU_MIRROR, at(G1 + i), LEVEL_2M);
	CHECK_INT(steps(STEP_ADD_LEAF), 512);
	CHECK_INT(steps(STEP_ADD_TABLE), 1); /* the neighbour shares the upper one */
	CHECK_INT(calls(), 512 + 1);
	CHECK_INT(tracks() + flushes(), 0);
	end();
}

TEST(mapping_1GiB_ahead_costs_the_same_hooks)
{
	uint64_t done;

	td();
	CHECK_INT(mmu_map_range(&s.mmu, MMU_MIRROR, at(0), G1, LEVEL_2M, &done), 0);
	CHECK_INT(done, G1);
	CHECK_INT(steps(STEP_ADD_LEAF), 512);
	CHECK_INT(steps(STEP_ADD_TABLE), 2);
	CHECK_INT(calls(), 512 + 2);
	end();
}

TEST(removing_1GiB_at_2M_is_512_blocks_1_track_512_removes_and_a_round_for_its_table)
{
	unsigned n = 0;

	td();
	touch(MMU_MIRROR, at(G1), LEVEL_2M); /* a neighbour keeps the upper table */
	populate(G1, LEVEL_2M);
	begin();
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), G1), 0);
	expect_run(&n, STEP_BLOCK, LEVEL_2M, 512);
	TRACK(n);
	expect_run(&n, STEP_REMOVE_LEAF, LEVEL_2M, 512);
	expect_run(&n, STEP_BLOCK, LEVEL_1G, 1);
	TRACK(n);
	expect_run(&n, STEP_REMOVE_TABLE, LEVEL_1G, 1);
	CHECK_INT(calls(), n);
	CHECK_INT(flushes(), 0);
	end();
}

TEST(without_a_neighbour_each_table_above_has_a_round_too)
{
	unsigned n = 0;

	td();
	populate(G1, LEVEL_2M);
	begin();
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	expect_run(&n, STEP_BLOCK, LEVEL_2M, 512);
	TRACK(n);
	expect_run(&n, STEP_REMOVE_LEAF, LEVEL_2M, 512);
	for (int level = LEVEL_1G; level <= 4; level++) {
		expect_run(&n, STEP_BLOCK, level, 1);
		TRACK(n);
		expect_run(&n, STEP_REMOVE_TABLE, level, 1);
	}
	CHECK_INT(calls(), n);
	end();
}

TEST(removing_1GiB_at_4K_is_one_track_per_4096_pages)
{
	td();
	touch(MMU_MIRROR, at(G1), LEVEL_2M);
	populate(64 * M2, LEVEL_4K);
	begin();
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), G1), 0);
	CHECK_INT(steps(STEP_REMOVE_LEAF), 64 * M2);
	CHECK_INT(steps(STEP_REMOVE_TABLE), 64 + 1);
	CHECK_INT(steps(STEP_BLOCK), 64 * M2 + 64 + 1);
	/* Each batch of leaves, a round for the tables that it emptied, one for the table above. */
	CHECK_INT(tracks(), 2 * (64 * M2 / 4096) + 1);
	end();
}

/* ---- conversion ---- */

TEST(converting_a_2M_block_to_shared_and_back)
{
	unsigned n = 0;

	td();
	touch(MMU_MIRROR, at(0), LEVEL_2M);
	touch(MMU_MIRROR, at(M2), LEVEL_2M);
	touch(MMU_DIRECT, at(M2), LEVEL_2M); /* keeps the shared half's tables */
	begin();
	/* To shared: one block, one track, one remove; the shared leaf costs no hook. */
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), M2), 0);
	touch(MMU_DIRECT, at(0), 0);
	/* And back: one flush of the shared half, one leaf. */
	CHECK_INT(flushes(), 0);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), M2), 0);
	touch(MMU_MIRROR, at(0), LEVEL_2M);
	expect_run(&n, STEP_BLOCK, LEVEL_2M, 1);
	TRACK(n);
	expect_run(&n, STEP_REMOVE_LEAF, LEVEL_2M, 1);
	expect_run(&n, STEP_ADD_LEAF, LEVEL_2M, 1);
	CHECK_INT(calls(), n);
	CHECK_INT(flushes(), 1);
	CHECK_INT(s.traced_direct - was.traced_direct, 2); /* the shared leaf came and went */
	end();
}

/* The guest converted one page of the block: what was 2M is 511 pages and a hole. */
static void make_hole(uint64_t hole)
{
	touch(MMU_MIRROR, at(0), LEVEL_2M);
	touch(MMU_MIRROR, at(M2), LEVEL_2M);
	begin();
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(hole), 1), 0);
}

TEST(the_first_4K_hole_in_a_2M_page_is_one_split_and_one_removal)
{
	unsigned n = 0;

	td();
	make_hole(7);
	expect_run(&n, STEP_BLOCK, LEVEL_2M, 1);
	TRACK(n);
	expect_run(&n, STEP_SPLIT, LEVEL_2M, 1);
	expect_run(&n, STEP_BLOCK, LEVEL_4K, 1);
	TRACK(n);
	expect_run(&n, STEP_REMOVE_LEAF, LEVEL_4K, 1);
	CHECK_INT(calls(), n);
	end();
}

TEST(a_2M_accept_after_a_4K_hole_adds_the_missing_page_alone)
{
	td();
	make_hole(7);
	begin();
	/* 511 pages are there: 2M is asked for, one page is what it takes. */
	touch(MMU_MIRROR, at(7), LEVEL_2M);
	CHECK_INT(steps(STEP_ADD_LEAF), 1);
	CHECK_INT(calls(), 1);
	/* And everything around is spurious. */
	for (uint64_t i = 0; i < M2; i++) {
		bool spurious;

		CHECK_INT(fault(MMU_MIRROR, at(i), LEVEL_2M, &spurious), 0);
		CHECK(spurious);
	}
	CHECK_INT(calls(), 1);
	end();
}

TEST(a_2M_accept_where_one_4K_page_was_is_one_2M_leaf)
{
	td();
	touch(MMU_MIRROR, at(M2), LEVEL_2M);
	touch(MMU_MIRROR, at(7), LEVEL_4K);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(7), 1), 0);
	begin();
	/* The table that the page was in went with it, so a 2M leaf fits. */
	touch(MMU_MIRROR, at(0), LEVEL_2M);
	CHECK_INT(steps(STEP_ADD_LEAF), 1);
	CHECK_INT(calls(), 1);
	CHECK_INT(sept_find(&s, at(0), LEVEL_2M)->leaf, 1);
	end();
}

TEST(converting_2M_in_4K_pieces_is_one_split_and_a_round_per_piece)
{
	unsigned n = 0;

	td();
	touch(MMU_MIRROR, at(0), LEVEL_2M);
	touch(MMU_MIRROR, at(M2), LEVEL_2M);
	begin();
	for (uint64_t i = 0; i < M2; i++)
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(i), 1), 0);
	expect_run(&n, STEP_BLOCK, LEVEL_2M, 1);
	TRACK(n);
	expect_run(&n, STEP_SPLIT, LEVEL_2M, 1);
	for (uint64_t i = 0; i < M2; i++) {
		expect_run(&n, STEP_BLOCK, LEVEL_4K, 1);
		TRACK(n);
		expect_run(&n, STEP_REMOVE_LEAF, LEVEL_4K, 1);
	}
	expect_run(&n, STEP_BLOCK, LEVEL_2M, 1); /* the emptied table */
	TRACK(n);
	expect_run(&n, STEP_REMOVE_TABLE, LEVEL_2M, 1);
	CHECK_INT(calls(), n);
	end();
}

/* ---- the dirty log ---- */

#define LOGGED 8192u

TEST(clearing_the_log_flushes_once_however_many_entries)
{
	static const enum mmu_ad_policy policies[] = { MMU_AD_HARDWARE, MMU_AD_WRPROT,
						       MMU_AD_NONE };
	static uint64_t bitmap[4 * G1 / 64];

	for (size_t p = 0; p < ARRAY_LEN(policies); p++) {
		unsigned changed = 0;

		memset(bitmap, 0, sizeof(bitmap));
		vm(policies[p], LEVEL_4K);
		mmu_log_start(&s.mmu, &slot.slot, bitmap);
		CHECK_INT(flushes(), 1);
		for (unsigned i = 0; i < LOGGED; i++)
			touch(MMU_DIRECT, at(i), 0); /* writes: each is in the log */
		begin();
		for (unsigned word = 0; word < LOGGED / 64; word++)
			changed += mmu_log_clear(&s.mmu, &slot.slot, word * 64, ~UINT64_C(0));
		CHECK_INT(changed, LOGGED);
		CHECK_INT(flushes(), 0);
		mmu_log_flush(&s.mmu, &slot.slot);
		CHECK_INT(flushes(), 1);
		CHECK_INT(calls(), 0);
		mmu_log_stop(&s.mmu, &slot.slot);
		end();
	}
}

TEST(harvesting_the_log_flushes_once_and_only_if_there_was_any)
{
	static uint64_t bitmap[4 * G1 / 64];

	vm(MMU_AD_HARDWARE, LEVEL_4K);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	for (unsigned i = 0; i < LOGGED; i++)
		touch(MMU_DIRECT, at(i), 0);
	begin();
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), LOGGED);
	CHECK_INT(flushes(), 1);
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), 0);
	CHECK_INT(flushes(), 1);
	mmu_log_stop(&s.mmu, &slot.slot);
	end();
}

TEST(zapping_a_mapped_1GiB_flushes_once_a_pass)
{
	vm(MMU_AD_HARDWARE, LEVEL_2M);
	for (uint64_t i = 0; i < G1; i += M2)
		touch(MMU_DIRECT, at(i), 0);
	begin();
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), G1), 0);
	CHECK_INT(flushes(), 1);
	/* Nothing there: nothing owed. */
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), G1), 0);
	CHECK_INT(flushes(), 1);
	end();
}

/* ---- a spurious fault ---- */

/* Every page that holds an entry, a descriptor or the object itself: nobody may write there. */
static void freeze_memory(bool frozen)
{
	int access = frozen ? PROT_READ : PROT_READ | PROT_WRITE;

	for (struct mmu_chunk *c = s.mmu.pool.first; c; c = c->next)
		CHECK_INT(mprotect(c, CHUNK_SIZE, access), 0);
	CHECK_INT(mprotect(&fake, sizeof(fake), access), 0);
}

static void spurious_in(enum mmu_root root, bool writer_inside)
{
	bool spurious = false;

	touch(root, at(3), LEVEL_2M);
	begin();
	if (writer_inside)
		__atomic_store_n(&s.mmu.lock.writing, 1, __ATOMIC_SEQ_CST);
	freeze_memory(true);
	int err = fault(root, at(3), 0, &spurious);

	freeze_memory(false);
	__atomic_store_n(&s.mmu.lock.writing, 0, __ATOMIC_SEQ_CST);
	CHECK_INT(err, 0);
	CHECK(spurious);
	CHECK_INT(calls(), 0);
	CHECK_INT(tracks() + flushes(), 0);
}

/*
 * A store or a lock word would fault: all of the MMU's memory is read-only meanwhile. A lock that
 * is waited for would hang: a writer is inside, in the second round.
 */
TEST(a_spurious_fault_stores_nothing_flushes_nothing_calls_no_hook_takes_no_lock)
{
	for (unsigned writer = 0; writer < 2; writer++) {
		td();
		spurious_in(MMU_MIRROR, writer != 0);
		spurious_in(MMU_DIRECT, writer != 0);
		end();
		vm(MMU_AD_HARDWARE, LEVEL_2M);
		spurious_in(MMU_DIRECT, writer != 0);
		end();
	}
}

TEST(looking_stores_nothing_either)
{
	struct mmu_walk_step path[5];
	int level;

	td();
	touch(MMU_MIRROR, at(3), LEVEL_4K);
	freeze_memory(true);
	spte_t leaf = mmu_lookup(&s.mmu, MMU_MIRROR, at(3), &level);
	unsigned steps_down = mmu_walk(&s.mmu, MMU_MIRROR, at(3), path);

	freeze_memory(false);
	CHECK(spte_is_accessible_leaf(leaf));
	CHECK_INT(level, LEVEL_4K);
	CHECK_INT(steps_down, 4);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(populating_1GiB_at_2M_is_512_leaf_hooks_and_one_per_missing_table),
		cmocka_unit_test(mapping_1GiB_ahead_costs_the_same_hooks),
		cmocka_unit_test(
			removing_1GiB_at_2M_is_512_blocks_1_track_512_removes_and_a_round_for_its_table),
		cmocka_unit_test(without_a_neighbour_each_table_above_has_a_round_too),
		cmocka_unit_test(removing_1GiB_at_4K_is_one_track_per_4096_pages),
		cmocka_unit_test(converting_a_2M_block_to_shared_and_back),
		cmocka_unit_test(the_first_4K_hole_in_a_2M_page_is_one_split_and_one_removal),
		cmocka_unit_test(a_2M_accept_after_a_4K_hole_adds_the_missing_page_alone),
		cmocka_unit_test(a_2M_accept_where_one_4K_page_was_is_one_2M_leaf),
		cmocka_unit_test(converting_2M_in_4K_pieces_is_one_split_and_a_round_per_piece),
		cmocka_unit_test(clearing_the_log_flushes_once_however_many_entries),
		cmocka_unit_test(harvesting_the_log_flushes_once_and_only_if_there_was_any),
		cmocka_unit_test(zapping_a_mapped_1GiB_flushes_once_a_pass),
		cmocka_unit_test(
			a_spurious_fault_stores_nothing_flushes_nothing_calls_no_hook_takes_no_lock),
		cmocka_unit_test(looking_stores_nothing_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
