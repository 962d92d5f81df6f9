/*
 * mmu_exact.c - more promises that single conditions and constants keep; mutation showed that no other
 * test did. Each test is about one function of mmu/, named in its first word.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include <time.h>

#include "mmu/dead.h"
#include "tests/fake/rig.h"

/* ---- what the trace is told, and how the entry looks meanwhile ---- */

static struct {
	unsigned records, leaves;
	gfn_t gfn; /* of the last one */
	spte_t old, new, seen;
	int level;
} traced;
static struct mmu_ops watched;

static void watch_trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
			unsigned count)
{
	traced.records++;
	traced.leaves += count;
	traced.gfn = gfn;
	traced.old = old;
	traced.new = new;
	traced.level = level;
	traced.seen = walk_to(mmu, root, gfn, level).old;
}

static void watch(void)
{
	memset(&traced, 0, sizeof(traced));
	watched = *s.mmu.ops;
	watched.trace = watch_trace;
	s.mmu.ops = &watched;
}

/* ---- change.c ---- */

TEST(change_keeps_an_entry_frozen_until_it_is_accounted_for)
{
	td();
	map_private(0, LEVEL_4K);
	watch();
	sept_fail(&s, STEP_MOVE, 1, 1, SEPT_KEEP_PAGE); /* done, the old frame is leaked */
	CHECK_INT(mmu_move_private(&s.mmu, BASE, (pfn_t){ 0x4242 }), 0);
	CHECK_INT(traced.new.raw, spte_make_private((pfn_t){ 0x4242 }).raw);
	CHECK(spte_is_frozen(traced.seen));
	sept_end(&s);
}

TEST(change_of_a_leaf_cuts_nobody_off)
{
	vm(MMU_AD_HARDWARE, 4 * G1);
	slot.largest = LEVEL_2M;
	touch(0, MMU_WRITE);
	touch(M2, MMU_WRITE);
	uint64_t cuts = s.mmu.lock.cuts;

	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), M2), 0);
	CHECK_INT(s.mmu.lock.cuts, cuts);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), G1), 0); /* and its table */
	CHECK(s.mmu.lock.cuts != cuts);
	sept_end(&s);
}

TEST(change_add_private_leaves_what_is_there)
{
	td();
	map_private(0, LEVEL_4K);
	map_private(2, LEVEL_4K);
	struct walk there = walk_of(MMU_MIRROR, 0), hole = walk_of(MMU_MIRROR, 1);
	unsigned calls = s.calls;

	CHECK_INT(change_add_private(&s.mmu, there.entry, at(0), LEVEL_4K, (pfn_t){ 1 << 30 }), -EBUSY);
	CHECK(spte_equal(mirror(0), there.old));
	CHECK_INT(s.calls, calls);
	sept_fail(&s, STEP_ADD_LEAF, 1, 1, SEPT_BUSY);
	CHECK_INT(change_add_private(&s.mmu, hole.entry, at(1), LEVEL_4K, (pfn_t){ 1 << 30 }), -EBUSY);
	CHECK(spte_equal(mirror(1), SPTE_NONE));
	sept_end(&s);
}

TEST(change_add_private_adds_nothing_once_the_key_is_released)
{
	td();
	map_private(0, LEVEL_4K);
	map_private(2, LEVEL_4K);
	struct walk hole = walk_of(MMU_MIRROR, 1);
	unsigned leaves = page_leaves(page_of_entry(hole.entry));

	mmu_set_phase(&s.mmu, MMU_RELEASED);
	sept_fail(&s, STEP_ADD_LEAF, 1, 1, SEPT_REFUSE);
	CHECK_INT(change_add_private(&s.mmu, hole.entry, at(1), LEVEL_4K, (pfn_t){ 1 << 30 }), -EIO);
	CHECK(spte_equal(mirror(1), SPTE_NONE));
	CHECK_INT(page_leaves(page_of_entry(hole.entry)), leaves);
	sept_end(&s);
}

TEST(change_direct_has_no_step_from_frame_to_frame)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_WRITE);
	struct walk w = walk_of(MMU_DIRECT, 0);
	spte_t was = w.old, other = { was.raw + PAGE_SIZE };

	mmu_write_lock(&s.mmu.lock);
	if (EXPECT_PANIC()) {
		change_direct(&s.mmu, &w, other);
		machine_no_panic();
	}
	CHECK(machine_panicked() != NULL);
	w.entry->raw = was.raw;
	mmu_write_unlock(&s.mmu.lock);
	sept_end(&s);
}

TEST(change_run_tells_where_it_began)
{
	td();
	for (unsigned i = 0; i < 8; i++)
		map_private(M2 + i, LEVEL_4K);
	for (unsigned i = 0; i < 4; i++)
		map_private((4 + i) * M2, LEVEL_2M);
	watch();
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(M2 + 5), 2), 0);
	CHECK_INT(traced.records, 2); /* block, remove */
	CHECK_INT(traced.leaves, 4);
	CHECK_INT(traced.gfn.v, at(M2 + 5).v);
	CHECK_INT(traced.level, LEVEL_4K);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(5 * M2), 2 * M2), 0);
	CHECK_INT(traced.leaves, 8);
	CHECK_INT(traced.gfn.v, at(5 * M2).v);
	CHECK_INT(traced.level, LEVEL_2M);
	sept_end(&s);
}

TEST(change_run_counts_across_busy_answers)
{
	td();
	for (unsigned i = 0; i < 6; i++)
		map_private(i, LEVEL_4K);
	struct leaf_run run = {
		.sp = page_of_entry(walk_of(MMU_MIRROR, 0).entry), .end = 6, .step = STEP_BLOCK
	};

	sept_fail(&s, STEP_BLOCK, 4, 1, SEPT_BUSY);
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_run(&s.mmu, &run), 0);
	CHECK_INT(run.count, 6);
	CHECK_INT(run.at, 6);
	mmu_write_unlock(&s.mmu.lock);
	sept_end(&s);
}

TEST(change_run_of_a_bugged_guest_does_nothing)
{
	td();
	map_private(0, LEVEL_4K);
	struct leaf_run run = {
		.sp = page_of_entry(walk_of(MMU_MIRROR, 0).entry), .end = 1, .step = STEP_BLOCK
	};

	mmu_bug(&s.mmu, "for this test", BASE, LEVEL_4K);
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(change_run(&s.mmu, &run), -EIO);
	mmu_write_unlock(&s.mmu.lock);
	CHECK(spte_is_accessible_leaf(mirror(0)));
	sept_end(&s);
}

/* ---- check.c ---- */

static struct mmu_finding found; /* the first one */

static void find(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	if (found.rule == 0)
		found = *f;
}

static unsigned findings(void)
{
	found = (struct mmu_finding){ .what = "" };
	return mmu_check(&s.mmu, find, NULL);
}

TEST(check_link_knows_where_a_chunk_ends)
{
	vm(MMU_AD_HARDWARE, 2 * G1);
	touch(0, MMU_WRITE);
	spte_t *entry = walk_to(&s.mmu, MMU_DIRECT, at(0), LEVEL_2M).entry, was = *entry;
	uint64_t chunk = (uintptr_t)s.mmu.pool.first - s.mmu.pool.direct_map;

	CHECK(s.mmu.pool.first->next == NULL);
	entry->raw = spte_make_table((hpa_t){ chunk + CHUNK_SIZE }).raw;
	CHECK(findings() > 0);
	CHECK(strstr(found.what, "what is no table") != NULL);
	*entry = was;
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(check_link_tells_a_free_table_from_one_that_is_linked_twice)
{
	vm(MMU_AD_HARDWARE, 2 * G1);
	touch(0, MMU_WRITE);
	struct mmu_page *sp = page_of_entry(walk_of(MMU_DIRECT, 0).entry);
	uint64_t place = BIT64(((uintptr_t)sp % PAGE_SIZE) / sizeof(*sp));

	CHECK_INT(findings(), 0);
	s.mmu.pool.first->free |= place;
	CHECK_INT(findings(), 1);
	CHECK(strstr(found.what, "linked and free") != NULL);
	s.mmu.pool.first->free &= ~place;
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(check_entry_that_is_frozen_is_one_finding)
{
	vm(MMU_AD_HARDWARE, 2 * G1);
	touch(0, MMU_WRITE);
	spte_t *entry = walk_of(MMU_DIRECT, 1).entry;

	entry->raw = SPTE_FROZEN_RAW;
	CHECK_INT(findings(), 1);
	CHECK(strstr(found.what, "frozen") != NULL);
	entry->raw = SPTE_NONE_RAW;
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

/* What a retired root maps may be another slot's, or nobody's, until it is dropped. */
TEST(check_leaf_of_a_retired_root_needs_no_slot)
{
	vm(MMU_AD_HARDWARE, 4096);
	fake_slot_add(&s, &slot2, at(2 * G1), 16);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	CHECK_INT(fault_in(MMU_DIRECT_2, at(2 * G1), MMU_WRITE, 0), 0);
	s.mmu.root[MMU_DIRECT_2] = NULL;
	s.mmu.retired = two;
	slot2.slot.base = at(3 * G1); /* its last place in the list stays */
	CHECK_INT(findings(), 0);
	s.mmu.root[MMU_DIRECT_2] = two;
	s.mmu.retired = NULL;
	CHECK_INT(findings(), 1);
	slot2.slot.base = at(2 * G1);
	CHECK_INT(findings(), 0);
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

/* More than two holds of the lock for each of two roots: nothing is looked at twice, or left out. */
TEST(check_goes_on_where_it_stopped)
{
	const uint64_t tables = 509; /* with three above them just two times what one hold takes */

	vm(MMU_AD_HARDWARE, 4 * G1);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	for (uint64_t i = 0; i < tables; i++) {
		CHECK_INT(fault_in(MMU_DIRECT, at(i * M2), MMU_WRITE, 0), 0);
		CHECK_INT(fault_in(MMU_DIRECT_2, at(i * M2), MMU_WRITE, 0), 0);
	}
	CHECK_INT(findings(), 0);
	for (unsigned root = MMU_DIRECT; root < MMU_ROOTS; root++)
		for (uint64_t i = 0; root != MMU_MIRROR && i < tables; i += 37) {
			spte_t *entry = walk_of((enum mmu_root)root, i * M2 + 1).entry;

			entry->raw = SPTE_FROZEN_RAW;
			CHECK_INT(findings(), 1);
			entry->raw = SPTE_NONE_RAW;
			entry--;
			entry->raw += PAGE_SIZE;
			CHECK_INT(findings(), 1);
			CHECK(strstr(found.what, "not its slot's") != NULL);
			CHECK_INT(found.root, root);
			entry->raw -= PAGE_SIZE;
		}
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(check_mark_names_the_root_of_a_lost_table)
{
	vm(MMU_AD_HARDWARE, 4096);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);
	struct mmu_page *lost = pool_get(&s.mmu, MMU_DIRECT, LEVEL_2M, at(0));

	CHECK_INT(findings(), 1);
	CHECK_INT(found.rule, 5);
	CHECK_INT(found.root, MMU_DIRECT);
	CHECK_INT(found.level, LEVEL_2M);
	pool_put(&s.mmu, lost);
	CHECK_INT(findings(), 0);
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

static uint64_t some_pages(struct mmu *mmu)
{
	(void)mmu;
	return 12345;
}

TEST(check_whole_balances_pages_of_a_mirror_alone)
{
	vm(MMU_AD_HARDWARE, 4096);
	watch();
	watched.external_pages = some_pages;
	CHECK_INT(findings(), 0);
	sept_end(&s);

	td();
	map_private(0, LEVEL_4K);
	touch(M2, MMU_WRITE); /* the last table is a direct one */
	CHECK_INT(findings(), 0);
	const struct mmu_ops *was = s.mmu.ops;

	watch();
	watched.external_pages = some_pages;
	CHECK_INT(findings(), 1);
	CHECK_INT(found.rule, 7);
	CHECK_INT(found.root, MMU_MIRROR);
	s.mmu.ops = was;
	sept_end(&s);
}

static bool second_is_done;

static void *second_check(void *arg)
{
	(void)arg;
	machine_cpu(1);
	(void)mmu_check(&s.mmu, NULL, NULL);
	__atomic_store_n(&second_is_done, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST(check_waits_for_another_check)
{
	pthread_t thread;

	vm(MMU_AD_HARDWARE, 4096);
	second_is_done = false;
	s.mmu.pool.new_mark = POOL_MARK_BORN;
	CHECK_INT(pthread_create(&thread, NULL, second_check, NULL), 0);
	nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
	CHECK(!__atomic_load_n(&second_is_done, __ATOMIC_ACQUIRE));
	/* The other one ends: this one comes to its end, too, and leaves the marks free. */
	for (int i = 0; i < 1000 && !__atomic_load_n(&second_is_done, __ATOMIC_ACQUIRE); i++) {
		if (i == 0)
			__atomic_store_n(&s.mmu.pool.new_mark, 0, __ATOMIC_RELEASE);
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	CHECK(__atomic_load_n(&second_is_done, __ATOMIC_ACQUIRE));
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(s.mmu.pool.new_mark, 0);
	sept_end(&s);
}

/* ---- dead.c ---- */

/* The 1G entry over BASE is cut; what was below it. */
static struct mmu_page *cut_1g(void)
{
	struct walk w = walk_to(&s.mmu, MMU_DIRECT, BASE, LEVEL_1G);
	struct mmu_page *below = page_of_entry(table_of(&s.mmu, w.old));

	change_direct(&s.mmu, &w, SPTE_NONE);
	CHECK_INT(owed_flush(&s.mmu, MMU_DIRECT, at(0), at(G1)), 0);
	return below;
}

TEST(dead_tables_are_counted_and_empty)
{
	struct dead_tables dead = { NULL };
	unsigned listed = 0;

	vm(MMU_AD_HARDWARE, 4 * G1);
	for (unsigned i = 0; i < 5; i++)
		touch(i * M2, MMU_WRITE);
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(dead_add_tree(&s.mmu, &dead, cut_1g()), 6);
	for (struct mmu_page *sp = dead.first; sp; sp = sp->next, listed++)
		CHECK_INT(page_population(sp), 0);
	CHECK_INT(listed, 6);
	dead_free(&s.mmu, &dead);
	CHECK(dead.first == NULL);
	mmu_write_unlock(&s.mmu.lock);
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

static int looker; /* 1: may begin, 2: is inside, 3: is going */

static void *look_for_a_while(void *arg)
{
	(void)arg;
	machine_cpu(1);
	while (__atomic_load_n(&looker, __ATOMIC_ACQUIRE) != 1)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	struct mmu_cpu *me = mmu_look_begin(&s.mmu.lock);

	__atomic_store_n(&looker, 2, __ATOMIC_RELEASE);
	nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
	__atomic_store_n(&looker, 3, __ATOMIC_RELEASE);
	mmu_look_end(me);
	return NULL;
}

/* Rule E7: who only looks may come in while the flag is up, and be in a table that was cut. */
TEST(dead_free_waits_for_who_only_looks)
{
	struct dead_tables dead = { NULL };
	pthread_t thread;

	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_WRITE);
	looker = 0;
	CHECK_INT(pthread_create(&thread, NULL, look_for_a_while, NULL), 0);
	mmu_write_lock(&s.mmu.lock);
	__atomic_store_n(&looker, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&looker, __ATOMIC_ACQUIRE) < 2)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	CHECK_INT(dead_add_tree(&s.mmu, &dead, cut_1g()), 2);
	dead_free(&s.mmu, &dead);
	CHECK_INT(__atomic_load_n(&looker, __ATOMIC_ACQUIRE), 3);
	mmu_write_unlock(&s.mmu.lock);
	CHECK_INT(pthread_join(thread, NULL), 0);
	sept_end(&s);
}

/* ---- dirty.c ---- */

TEST(sweep_tells_the_trace_of_one_leaf_too)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_WRITE);
	touch(600, MMU_WRITE);
	spte_t was = direct(600);

	watch();
	CHECK_INT(mmu_wrprotect(&s.mmu, at(600), 1), 1);
	CHECK_INT(traced.records, 1);
	CHECK_INT(traced.leaves, 1);
	CHECK_INT(traced.gfn.v, at(600).v);
	CHECK_INT(traced.level, LEVEL_4K);
	CHECK_INT(traced.old.raw, was.raw);
	CHECK_INT(traced.new.raw, was.raw & ~SPTE_W);
	sept_end(&s);
}

/* A slot that begins anywhere in a table: bits of one word of leaves lie in two words of its log. */
TEST(log_harvest_marks_frames_of_a_slot_that_begins_anywhere)
{
	static const unsigned begins[] = { 0, 1, 63, 64, 500, 511 };
	static const unsigned frames[] = { 0, 11, 12, 62, 63, 64, 65, 126, 127, 128, 300 };

	uint64_t *const map = calloc(5, sizeof(*map)); /* and not a word more */

	CHECK(map != NULL);
	for (size_t b = 0; b < ARRAY_LEN(begins); b++) {
		vm(MMU_AD_HARDWARE, 1);
		fake_slot_add(&s, &slot2, at(512 + begins[b]), 301);
		slot2.largest = LEVEL_4K;
		mmu_log_start(&s.mmu, &slot2.slot, map);
		for (unsigned i = 0; i <= 300; i++)
			touch(512 + begins[b] + i, MMU_WRITE);
		memset(map, 0, 5 * sizeof(*map));
		CHECK_INT(mmu_log_harvest(&s.mmu, &slot2.slot), 301);
		CHECK_INT(bits_in(map, 5), 301);
		memset(map, 0, 5 * sizeof(*map));
		for (size_t f = 0; f < ARRAY_LEN(frames); f++) {
			walk_of(MMU_DIRECT, 512 + begins[b] + frames[f]).entry->raw |= SPTE_DIRTY;
			CHECK_INT(mmu_log_harvest(&s.mmu, &slot2.slot), 1);
			CHECK(bit(map, frames[f]));
			CHECK_INT(bits_in(map, 5), f + 1);
		}
		mmu_log_stop(&s.mmu, &slot2.slot);
		sept_end(&s);
	}
	free(map);
}

TEST(log_harvest_tells_the_trace_of_a_dirty_leaf)
{
	vm(MMU_AD_HARDWARE, 4096);
	for (unsigned i = 0; i < 128; i++)
		touch(i, MMU_WRITE);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	spte_t *entry = walk_of(MMU_DIRECT, 70).entry;

	entry->raw |= SPTE_DIRTY;
	spte_t was = *entry;

	watch();
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), 1);
	CHECK_INT(traced.records, 1);
	CHECK_INT(traced.leaves, 1);
	CHECK_INT(traced.old.raw, was.raw);
	CHECK_INT(traced.new.raw, was.raw & ~SPTE_DIRTY);
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_keeps_an_entry_frozen_until_it_is_accounted_for),
		cmocka_unit_test(change_of_a_leaf_cuts_nobody_off),
		cmocka_unit_test(change_add_private_leaves_what_is_there),
		cmocka_unit_test(change_add_private_adds_nothing_once_the_key_is_released),
		cmocka_unit_test(change_direct_has_no_step_from_frame_to_frame),
		cmocka_unit_test(change_run_tells_where_it_began),
		cmocka_unit_test(change_run_counts_across_busy_answers),
		cmocka_unit_test(change_run_of_a_bugged_guest_does_nothing),
		cmocka_unit_test(check_link_knows_where_a_chunk_ends),
		cmocka_unit_test(check_link_tells_a_free_table_from_one_that_is_linked_twice),
		cmocka_unit_test(check_entry_that_is_frozen_is_one_finding),
		cmocka_unit_test(check_leaf_of_a_retired_root_needs_no_slot),
		cmocka_unit_test(check_goes_on_where_it_stopped),
		cmocka_unit_test(check_mark_names_the_root_of_a_lost_table),
		cmocka_unit_test(check_whole_balances_pages_of_a_mirror_alone),
		cmocka_unit_test(check_waits_for_another_check),
		cmocka_unit_test(dead_tables_are_counted_and_empty),
		cmocka_unit_test(dead_free_waits_for_who_only_looks),
		cmocka_unit_test(sweep_tells_the_trace_of_one_leaf_too),
		cmocka_unit_test(log_harvest_marks_frames_of_a_slot_that_begins_anywhere),
		cmocka_unit_test(log_harvest_tells_the_trace_of_a_dirty_leaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
