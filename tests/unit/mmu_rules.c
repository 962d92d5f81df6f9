/*
 * mmu_rules.c - the rules that no other test has under its number: what the change path, the hook and
 * the fault path promise each, seen from behind the hooks (A1, B1, B3, B7, B8, C3, C6, C12, C15, D2,
 * D6, D8, E2). docs/mmu.md has the table of all rules.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/change.h"
#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })
#define G1   (UINT64_C(1) << 18)

static struct sept s;
static struct fake_slot slot;
static struct mmu_ops ops; /* the fake's, some of them watched */
static const struct mmu_ops *fake;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void begin(enum sept_kind kind, int largest)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start(&s, kind);
	fake_slot_add(&s, &slot, BASE, 2 * G1);
	slot.largest = largest;
	if (kind == SEPT_TD)
		mmu_set_phase(&s.mmu, MMU_RUNNING);
	fake = s.mmu.ops;
	ops = *fake;
	s.mmu.ops = &ops;
}

static int fault_at(enum mmu_root root, uint64_t offset, unsigned access, int max)
{
	struct mmu_fault f = { .gfn = at(offset),
			       .root = root,
			       .access = access,
			       .max_level = (uint8_t)max };

	return mmu_handle_fault(&s.mmu, &f);
}

static struct walk walk(enum mmu_root root, uint64_t offset)
{
	return walk_to(&s.mmu, root, at(offset), LEVEL_4K);
}

TEST(A1_a_leaf_is_aligned_to_its_level_whatever_the_fault)
{
	for (int level = LEVEL_4K; level <= LEVEL_1G; level++) {
		begin(SEPT_VM, level);
		CHECK_INT(fault_at(MMU_DIRECT, 12345, MMU_READ, 0), 0);
		struct walk w = walk(MMU_DIRECT, 12345);

		CHECK_INT(w.level, level);
		CHECK(is_aligned(w.gfn.v, level_frames(level)));
		CHECK(is_aligned(spte_pfn(w.old).v, level_frames(level)));
		sept_end(&s);
	}
}

TEST(A1_backing_that_is_not_aligned_is_a_bug_that_is_caught)
{
	begin(SEPT_VM, LEVEL_2M);
	slot.first.v++;
	if (EXPECT_PANIC()) {
		CHECK_INT(fault_at(MMU_DIRECT, 0, MMU_READ, 0), 0);
		machine_no_panic();
	}
	CHECK(machine_panicked() != NULL);
	mmu_cpus[0].inside = NULL; /* the panic left it inside */
	slot.first.v--;
	sept_end(&s);
}

TEST(B1_what_the_cpu_sets_until_the_last_moment_is_seen)
{
	begin(SEPT_VM, LEVEL_4K);
	CHECK_INT(fault_at(MMU_DIRECT, 0, MMU_READ, 0), 0);
	mmu_write_lock(&s.mmu.lock);
	struct walk w = walk(MMU_DIRECT, 0);

	w.entry->raw &= ~SPTE_DIRTY;
	w.old.raw &= ~SPTE_DIRTY;
	w.entry->raw |= SPTE_DIRTY; /* the CPU, after we read */
	change_direct(&s.mmu, &w, SPTE_NONE);
	CHECK(w.old.raw & SPTE_DIRTY);
	mmu_write_unlock(&s.mmu.lock);
	sept_end(&s);
}

/* What trace saw */
static struct seen {
	spte_t old, new, entry;
	int level;
	unsigned count;
} seen[8];
static unsigned seen_count;

static void watch_trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new,
			int level, unsigned count)
{
	struct walk w = walk_to(mmu, root, gfn, level);

	if (seen_count < ARRAY_LEN(seen))
		seen[seen_count++] = (struct seen){ old, new, w.old, level, count };
}

TEST(B3_a_change_is_told_by_its_values_while_the_entry_is_frozen)
{
	begin(SEPT_TD, LEVEL_4K);
	CHECK_INT(fault_at(MMU_MIRROR, 1, 0, 0), 0);
	ops.trace = watch_trace;
	seen_count = 0;
	CHECK_INT(fault_at(MMU_MIRROR, 0, 0, 0), 0);
	CHECK_INT(seen_count, 1);
	CHECK_INT(spte_kind(seen[0].old), SPTE_IS_NONE);
	CHECK(spte_equal(seen[0].new, walk(MMU_MIRROR, 0).old));
	CHECK(spte_is_frozen(seen[0].entry));
	ops.trace = NULL;
	sept_end(&s);
}

TEST(B7_a_direct_table_is_cut_before_its_children)
{
	begin(SEPT_VM, LEVEL_4K);
	for (unsigned i = 0; i < 7; i++)
		CHECK_INT(fault_at(MMU_DIRECT, i, MMU_WRITE, 0), 0);
	ops.trace = watch_trace;
	seen_count = 0;
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_DIRECT), 0);
	CHECK(seen_count >= 2);
	CHECK(spte_has_table(seen[0].old) && spte_equal(seen[0].new, SPTE_NONE));
	CHECK_INT(seen[1].level, LEVEL_4K);
	CHECK_INT(seen[1].count, 7);
	ops.trace = NULL;
	sept_end(&s);
}

TEST(B8_a_table_is_dropped_by_its_count_and_no_entry_is_read)
{
	begin(SEPT_VM, LEVEL_4K);
	for (unsigned i = 0; i < 9; i++)
		CHECK_INT(fault_at(MMU_DIRECT, i, MMU_WRITE, 0), 0);
	walk(MMU_DIRECT, 4).entry->raw = SPTE_FROZEN_RAW; /* who reads it stops here */
	ops.trace = watch_trace;
	seen_count = 0;
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_DIRECT), 0);
	CHECK_INT(seen[1].count, 9);
	ops.trace = NULL;
	sept_end(&s);
}

/* What the hook saw: with which side of the lock held, and who else was inside */
static unsigned alone[STEP_COUNT], beside[STEP_COUNT];

static int watch_hook(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level)
{
	enum spte_step step = spte_step(old, new);

	if (mmu_write_held(&mmu->lock)) {
		alone[step]++;
		for (unsigned cpu = 0; cpu < 4; cpu++)
			CHECK(mmu_cpus[cpu].inside == NULL);
	} else {
		beside[step]++;
	}
	CHECK(spte_is_frozen(spte_read(walk_to(mmu, MMU_MIRROR, gfn, level).entry)));
	return fake->set_external_spte(mmu, gfn, old, new, level);
}

TEST(C3_C6_C15_one_hook_for_every_step_and_who_may_take_it)
{
	begin(SEPT_TD, LEVEL_2M);
	memset(alone, 0, sizeof(alone));
	memset(beside, 0, sizeof(beside));
	ops.set_external_spte = watch_hook;
	CHECK_INT(fault_at(MMU_MIRROR, 0, 0, LEVEL_2M), 0);
	CHECK_INT(fault_at(MMU_MIRROR, 0, 0, LEVEL_4K), 0); /* demoted */
	CHECK_INT(mmu_join_private(&s.mmu, at(0), LEVEL_2M), 0);
	CHECK_INT(fault_at(MMU_MIRROR, 0, 0, LEVEL_4K), 0);
	CHECK_INT(mmu_move_private(&s.mmu, at(3), (pfn_t){ 0x7654321 }), 0);
	sept_fail(&s, STEP_JOIN, 1, 1, SEPT_NOT_JOINABLE); /* undone: unblocked */
	CHECK_INT(mmu_move_private(&s.mmu, at(3), (pfn_t){ spte_pfn(walk(MMU_MIRROR, 2).old).v + 1 }),
		  0);
	CHECK_INT(mmu_join_private(&s.mmu, at(0), LEVEL_2M), -EOPNOTSUPP);
	CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
	for (unsigned step = STEP_ADD_TABLE; step < STEP_COUNT; step++) {
		bool adds = step == STEP_ADD_TABLE || step == STEP_ADD_LEAF;

		CHECK(adds ? beside[step] > 0 : alone[step] > 0);
		CHECK_INT(adds ? alone[step] : beside[step], 0);
	}
	CHECK(s.complaint == NULL);
	ops.set_external_spte = fake->set_external_spte;
	sept_end(&s);
}

TEST(C12_with_all_kept_out_a_busy_hook_is_tried_until_it_succeeds)
{
	static const enum spte_step steps[] = { STEP_BLOCK, STEP_REMOVE_LEAF, STEP_REMOVE_TABLE };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		begin(SEPT_TD, LEVEL_4K);
		for (unsigned k = 0; k < 20; k++)
			CHECK_INT(fault_at(MMU_MIRROR, k, 0, 0), 0);
		sept_fail(&s, steps[i], 2, 900, SEPT_BUSY);
		if (steps[i] == STEP_REMOVE_TABLE)
			sept_fail(&s, steps[i], 1, 900, SEPT_BUSY);
		CHECK_INT(mmu_zap_all(&s.mmu, MMU_MIRROR), 0);
		CHECK_INT(s.count, 0);
		CHECK_INT(s.steps[STEP_REMOVE_LEAF], 20);
		sept_end(&s);
	}
}

TEST(D2_who_meets_a_frozen_entry_comes_again)
{
	begin(SEPT_VM, LEVEL_4K);
	CHECK_INT(fault_at(MMU_DIRECT, 0, MMU_WRITE, 0), 0);
	struct walk w = walk(MMU_DIRECT, 1);

	w.entry->raw = SPTE_FROZEN_RAW;
	CHECK_INT(fault_at(MMU_DIRECT, 1, MMU_WRITE, 0), -EAGAIN);
	CHECK(spte_is_frozen(spte_read(w.entry)));
	w.entry->raw = SPTE_NONE_RAW;
	CHECK_INT(fault_at(MMU_DIRECT, 1, MMU_WRITE, 0), 0);
	sept_end(&s);
}

static struct mmu_page *joined;
static unsigned flushed;

static int watch_flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	flushed++;
	CHECK(!pool_is_free(joined)); /* a CPU may still walk it */
	CHECK(start.v <= at(0).v && start.v + frames >= at(512).v);
	return fake->flush(mmu, root, start, frames);
}

TEST(D6_a_table_that_a_leaf_replaces_is_flushed_before_it_is_freed)
{
	uint64_t done;

	begin(SEPT_VM, LEVEL_2M);
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 512, LEVEL_4K, &done), 0);
	joined = page_of_entry(walk(MMU_DIRECT, 0).entry);
	ops.flush = watch_flush;
	flushed = 0;
	CHECK_INT(mmu_recover_range(&s.mmu, at(0), 512), 1);
	CHECK_INT(flushed, 1);
	CHECK(pool_is_free(joined));
	CHECK_INT(walk(MMU_DIRECT, 0).level, LEVEL_2M);
	ops.flush = fake->flush;
	sept_end(&s);
}

TEST(D8_a_repair_sets_W_where_the_mmu_may_and_nothing_else)
{
	begin(SEPT_VM, LEVEL_4K);
	CHECK_INT(fault_at(MMU_DIRECT, 0, MMU_WRITE, 0), 0);
	struct walk w = walk(MMU_DIRECT, 0);
	uint64_t full = w.old.raw;

	w.entry->raw = full & ~(SPTE_W | SPTE_DIRTY);
	CHECK_INT(fault_at(MMU_DIRECT, 0, MMU_WRITE, 0), 0);
	CHECK(walk(MMU_DIRECT, 0).old.raw == full);
	/* Not MMU-writable: reported, and left as it is. */
	w.entry->raw = full & ~(SPTE_W | SPTE_MMU_WRITABLE);
	CHECK_INT(fault_at(MMU_DIRECT, 0, MMU_WRITE, 0), -EACCES);
	CHECK(walk(MMU_DIRECT, 0).old.raw == (full & ~(SPTE_W | SPTE_MMU_WRITABLE)));
	w.entry->raw = full;
	CHECK_INT(s.flushes[MMU_DIRECT], 0);
	sept_end(&s);
}

TEST(E2_clearing_the_log_owes_one_flush_for_all)
{
	static uint64_t bitmap[2 * (1 << 18) / 64];
	unsigned cleared = 0;

	begin(SEPT_VM, LEVEL_4K);
	for (unsigned i = 0; i < 640; i++)
		CHECK_INT(fault_at(MMU_DIRECT, i, MMU_READ, 0), 0);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	for (unsigned i = 0; i < 640; i++)
		walk(MMU_DIRECT, i).entry->raw |= SPTE_DIRTY;
	unsigned before = s.flushes[MMU_DIRECT];

	for (unsigned word = 0; word < 10; word++)
		cleared += mmu_log_clear(&s.mmu, &slot.slot, word * 64, ~UINT64_C(0));
	CHECK_INT(cleared, 640);
	CHECK_INT(s.flushes[MMU_DIRECT], before);
	mmu_log_flush(&s.mmu, &slot.slot);
	CHECK_INT(s.flushes[MMU_DIRECT], before + 1);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A1_a_leaf_is_aligned_to_its_level_whatever_the_fault),
		cmocka_unit_test(A1_backing_that_is_not_aligned_is_a_bug_that_is_caught),
		cmocka_unit_test(B1_what_the_cpu_sets_until_the_last_moment_is_seen),
		cmocka_unit_test(B3_a_change_is_told_by_its_values_while_the_entry_is_frozen),
		cmocka_unit_test(B7_a_direct_table_is_cut_before_its_children),
		cmocka_unit_test(B8_a_table_is_dropped_by_its_count_and_no_entry_is_read),
		cmocka_unit_test(C3_C6_C15_one_hook_for_every_step_and_who_may_take_it),
		cmocka_unit_test(C12_with_all_kept_out_a_busy_hook_is_tried_until_it_succeeds),
		cmocka_unit_test(D2_who_meets_a_frozen_entry_comes_again),
		cmocka_unit_test(D6_a_table_that_a_leaf_replaces_is_flushed_before_it_is_freed),
		cmocka_unit_test(D8_a_repair_sets_W_where_the_mmu_may_and_nothing_else),
		cmocka_unit_test(E2_clearing_the_log_owes_one_flush_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
