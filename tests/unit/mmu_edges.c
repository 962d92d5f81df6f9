/*
 * mmu_edges.c - the second slot, the third chunk, the fifth level: promises at the places where the other
 * tests of mmu/ have only the first one. Each test is about one function, named in its first words.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include <pthread.h>
#include <unistd.h>

#include "mmu/root.h"
#include "tests/fake/rig.h"

static uint64_t findings(void) { return mmu_check(&s.mmu, NULL, NULL); }

static void vm_with(struct mmu_config config, uint64_t frames)
{
	machine_start(UINT64_C(1) << 30, 4);
	config.name = "vm";
	config.max_level = LEVEL_1G;
	config.memtype = SPTE_MEMTYPE_WB;
	config.ad = MMU_AD_HARDWARE;
	sept_start_with(&s, config);
	fake_slot_add(&s, &slot, BASE, frames);
	slot.largest = LEVEL_4K;
}

/* ---- walk.h ---- */

TEST(walk_down_of_five_levels)
{
	vm_with((struct mmu_config){ .levels = 5 }, 4 * G1);
	fake_slot_add(&s, &slot2, (gfn_t){ UINT64_C(3) << 36 }, 4096);
	for (unsigned i = 0; i < 4; i++) {
		touch(i * (M2 + 1), MMU_WRITE);
		touch(i * (M2 + 1) + 7, MMU_WRITE); /* by what the CPU remembers */
		CHECK_INT(fault_in(MMU_DIRECT, gfn_add(slot2.slot.base, i * M2), MMU_READ, LEVEL_4K), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		CHECK_INT(walk_of(MMU_DIRECT, i * (M2 + 1) + 7).level, LEVEL_4K);
		CHECK_INT(spte_pfn(direct(i * (M2 + 1) + 7)).v, slot.first.v + i * (M2 + 1) + 7);
	}
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

/* The number of a 2M table is that of another 4K table: they must not be taken for each other. */
TEST(walk_down_tells_tables_of_two_levels_apart)
{
	const gfn_t low = { 512 + 7 }; /* in 4K table 1 */

	CHECK_INT(BASE.v >> 18, 1); /* in 2M table 1 */
	for (unsigned turn = 0; turn < 2; turn++) {
		gfn_t first = turn ? low : at(0), second = turn ? at(512 + 3) : low;

		vm(MMU_AD_HARDWARE, 4096);
		fake_slot_add(&s, &slot2, (gfn_t){ 0 }, 4096);
		slot2.largest = LEVEL_4K;
		/* The second fault there finds tables, and the CPU remembers them. */
		for (unsigned i = 0; i < 2; i++)
			CHECK_INT(fault_in(MMU_DIRECT, gfn_add(first, i), MMU_WRITE, 0), 0);
		CHECK_INT(fault_in(MMU_DIRECT, second, MMU_WRITE, 0), 0);
		struct walk w = walk_to(&s.mmu, MMU_DIRECT, second, LEVEL_4K);

		CHECK_INT(w.level, LEVEL_4K);
		CHECK(spte_is_accessible_leaf(w.old));
		CHECK_INT(findings(), 0);
		sept_end(&s);
	}
}

/* ---- fault.c ---- */

TEST(map_hole_releases_no_frame_that_it_was_not_given)
{
	td();
	map_private(0, LEVEL_4K);
	uint64_t out = slot.out;

	slot.fail = -ENOMEM;
	CHECK_INT(fault_in(MMU_MIRROR, at(1), MMU_WRITE, LEVEL_4K), -ENOMEM);
	CHECK_INT(slot.out, out);
	CHECK(!spte_is_present(mirror(1)));
	CHECK_INT(fault_in(MMU_DIRECT, at(G1), MMU_WRITE, LEVEL_4K), -ENOMEM);
	CHECK(!spte_is_present(direct(G1)));
	slot.fail = 0;
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

/* ---- pool.c ---- */

static unsigned chunks(void) { return (unsigned)(pool_bytes(&s.mmu.pool) / CHUNK_SIZE); }

TEST(pool_finds_room_behind_chunks_that_are_full)
{
	vm(MMU_AD_HARDWARE, G1);
	for (unsigned i = 0; i < 133; i++) /* two chunks full, ten tables in the third */
		touch(i * M2, MMU_WRITE);
	CHECK_INT(chunks(), 3);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(100 * M2), M2), 0); /* one of the second */
	for (unsigned i = 0; i < 54; i++)
		touch((200 + i) * M2, MMU_WRITE);
	CHECK_INT(chunks(), 3);
	touch(300 * M2, MMU_WRITE);
	CHECK_INT(chunks(), 4);
	sept_end(&s);
}

/* A chunk that is full steps back although it had come to the front. */
TEST(pool_goes_on_with_a_chunk_that_has_room)
{
	vm(MMU_AD_HARDWARE, G1);
	for (unsigned i = 0; i < 70; i++)
		touch(i * M2, MMU_WRITE);
	CHECK_INT(chunks(), 2);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(5 * M2), M2), 0); /* one of the first */
	for (unsigned i = 0; i < 20; i++)
		touch((200 + i) * M2, MMU_WRITE);
	CHECK_INT(chunks(), 2);
	sept_end(&s);
}

/* ---- root.c, range.h ---- */

struct getter {
	pthread_t thread;
	unsigned cpu;
	struct mmu_page *root;
};

static void *get_second_root(void *arg)
{
	struct getter *getter = arg;

	machine_cpu(getter->cpu);
	getter->root = mmu_root_get(&s.mmu, MMU_DIRECT_2);
	return NULL;
}

/* Both find none, and wait for the write side to make one. */
TEST(add_root_makes_one_for_two_who_want_it)
{
	struct getter getters[2] = { { .cpu = 1 }, { .cpu = 2 } };

	vm(MMU_AD_HARDWARE, 4096);
	spin_lock(&s.mmu.lock.writers);
	for (unsigned i = 0; i < 2; i++)
		CHECK_INT(pthread_create(&getters[i].thread, NULL, get_second_root, &getters[i]), 0);
	usleep(50000);
	CHECK(s.mmu.root[MMU_DIRECT_2] == NULL);
	spin_unlock(&s.mmu.lock.writers);
	for (unsigned i = 0; i < 2; i++)
		CHECK_INT(pthread_join(getters[i].thread, NULL), 0);
	CHECK(getters[0].root == s.mmu.root[MMU_DIRECT_2]);
	CHECK(getters[1].root == s.mmu.root[MMU_DIRECT_2]);
	CHECK_INT(getters[0].root->refs, 3);
	CHECK_INT(findings(), 0);
	mmu_root_put(&s.mmu, getters[0].root);
	mmu_root_put(&s.mmu, getters[1].root);
	sept_end(&s);
}

TEST(invalidate_of_a_root_that_is_not_there_is_no_error)
{
	vm(MMU_AD_HARDWARE, 4096);
	CHECK(s.mmu.root[MMU_DIRECT_2] == NULL);
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT_2), 0);
	sept_end(&s);
}

static uint64_t room_for_one_table(void)
{
	uint64_t room = s.mmu.pool.first->free;

	CHECK(room != 0);
	s.mmu.pool.first->free = room & -room;
	machine_fail_alloc(1);
	return room;
}

TEST(range_each_stops_at_the_root_that_fails)
{
	vm(MMU_AD_HARDWARE, 4096);
	slot.largest = LEVEL_2M;
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	touch(0, MMU_WRITE); /* in the first root alone */
	uint64_t room = s.mmu.pool.first->free;

	s.mmu.pool.first->free = 0;
	machine_fail_alloc(1);
	CHECK_INT(mmu_split_range(&s.mmu, at(0), M2, LEVEL_4K), -ENOMEM);
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

/* ---- split.c ---- */

TEST(split_range_wants_one_table_for_a_leaf)
{
	vm(MMU_AD_HARDWARE, 4096);
	slot.largest = LEVEL_2M;
	touch(0, MMU_WRITE);
	uint64_t room = room_for_one_table();

	CHECK_INT(mmu_split_range(&s.mmu, at(0), M2, LEVEL_4K), 0);
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room & (room - 1);
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_4K);
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(recover_range_in_the_middle_of_a_table)
{
	vm(MMU_AD_HARDWARE, 4096);
	for (unsigned i = 0; i < 4; i++)
		touch(i * M2 + 9, MMU_WRITE);
	slot.largest = LEVEL_2M;
	CHECK_INT(mmu_recover_range(&s.mmu, at(1 * M2), 2 * M2), 2);
	for (unsigned i = 0; i < 4; i++)
		CHECK_INT(walk_of(MMU_DIRECT, i * M2 + 9).level, i == 1 || i == 2 ? LEVEL_2M : LEVEL_4K);
	for (unsigned i = 1; i < 3; i++)
		CHECK_INT(spte_pfn(direct(i * M2)).v, slot.first.v + i * M2);
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(recover_range_whose_flush_fails_recovers_none)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(9, MMU_WRITE);
	slot.largest = LEVEL_2M;
	s.flush_result = -EIO;
	CHECK_INT(mmu_recover_range(&s.mmu, at(0), M2), 0);
	CHECK(s.bugged != NULL);
	s.flush_result = 0;
	sept_end(&s);
}

/* ---- mirror.c ---- */

TEST(split_at_edge_looks_at_the_mirror_alone)
{
	td();
	map_private(0, LEVEL_2M);
	touch(0, MMU_WRITE);
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_2M);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(5), 1), 0);
	CHECK(!spte_is_present(mirror(5)) && spte_is_present(mirror(4)) && spte_is_present(mirror(6)));
	CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_2M);
	sept_end(&s);
}

/* ---- slot.c, slot.h ---- */

TEST(slot_add_ends_where_the_shared_half_begins)
{
	td();
	fake_slot_add(&s, &slot2, (gfn_t){ (UINT64_C(1) << 35) - 2 }, 2);
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot2.slot), 0);
	slot2.slot.frames = 3;
	CHECK_INT(mmu_slot_add(&s.mmu, &slot2.slot), -EINVAL);
	sept_end(&s);
}

TEST(slot_remove_of_the_last_keeps_the_others)
{
	static struct fake_slot last;

	vm(MMU_AD_HARDWARE, 512);
	fake_slot_add(&s, &slot2, at(1024), 512);
	fake_slot_add(&s, &last, at(2048), 512);
	CHECK_INT(mmu_slot_remove(&s.mmu, &last.slot), 0);
	CHECK(mmu_slot_find(&s.mmu, at(3)) == &slot.slot);
	CHECK(mmu_slot_find(&s.mmu, at(1030)) == &slot2.slot);
	CHECK(mmu_slot_find(&s.mmu, at(2050)) == NULL);
	CHECK(mmu_slot_at(&s.mmu, 0) == &slot.slot && mmu_slot_at(&s.mmu, 1) == &slot2.slot);
	sept_end(&s);
}

TEST(slot_any_logged_asks_the_second_slot_too)
{
	vm(MMU_AD_HARDWARE, 512);
	fake_slot_add(&s, &slot2, at(1024), 512);
	slot2.largest = LEVEL_4K;
	mmu_log_start(&s.mmu, &slot2.slot, bitmap);
	touch(1024 + 5, MMU_READ);
	walk_of(MMU_DIRECT, 1024 + 5).entry->raw |= SPTE_DIRTY;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(1024), 512), 0);
	CHECK(bit(bitmap, 5));
	CHECK_INT(bits_in(bitmap, 8), 1);
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

TEST(slot_touches_the_first_slot_too)
{
	int level = 0;

	vm_with((struct mmu_config){ .levels = 4, .mmio = MMU_MMIO_MISCONFIG }, 100);
	CHECK_INT(fault_in(MMU_DIRECT, at(100), MMU_READ, 0), -ENOENT);
	CHECK(spte_is_mmio(mmu_lookup(&s.mmu, MMU_DIRECT, at(100), &level)));
	CHECK_INT(level, LEVEL_4K);
	touch(99, MMU_WRITE);
	sept_end(&s);
}

/* ---- zap.c ---- */

/* A table of MMIO entries has no population, and is looked through all the same. */
TEST(zap_table_finds_MMIO_entries_in_a_table_without_leaves)
{
	static const enum mmu_mmio_policy policies[] = { MMU_MMIO_MISCONFIG, MMU_MMIO_VE };

	for (unsigned i = 0; i < 2; i++) {
		vm_with((struct mmu_config){ .levels = 4, .mmio = policies[i] }, 100);
		(void)fault_in(MMU_DIRECT, at(100), MMU_READ, 0);
		CHECK(spte_is_mmio(direct(100)));
		CHECK_INT(walk_of(MMU_DIRECT, 100).level, LEVEL_4K);
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(100), 1), 0);
		CHECK(!spte_is_mmio(direct(100)));
		sept_end(&s);
	}
}

static struct {
	unsigned records;
	gfn_t gfn; /* of the last one */
	spte_t old, new;
} traced;

static void watch_trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
			unsigned count)
{
	(void)mmu, (void)root, (void)level, (void)count;
	traced.records++;
	traced.gfn = gfn;
	traced.old = old;
	traced.new = new;
}

/* Some leaves of a table, and behind them an MMIO entry, which is no leaf. */
TEST(zap_leaves_tells_the_trace_where_and_which)
{
	static struct mmu_ops watched;

	vm_with((struct mmu_config){ .levels = 4, .mmio = MMU_MMIO_MISCONFIG }, 100);
	touch(97, MMU_WRITE);
	touch(99, MMU_WRITE);
	CHECK_INT(fault_in(MMU_DIRECT, at(100), MMU_READ, 0), -ENOENT);
	CHECK(spte_is_mmio(direct(100)));
	spte_t was = direct(99);

	watched = *s.mmu.ops;
	watched.trace = watch_trace;
	s.mmu.ops = &watched;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(99), 3), 0);
	CHECK_INT(traced.records, 1);
	CHECK_INT(traced.gfn.v, at(99).v);
	CHECK_INT(traced.old.raw, was.raw);
	CHECK_INT(traced.new.raw, SPTE_NONE_RAW);
	CHECK(spte_is_present(direct(97)) && spte_equal(direct(100), SPTE_NONE));
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_down_of_five_levels),
		cmocka_unit_test(walk_down_tells_tables_of_two_levels_apart),
		cmocka_unit_test(map_hole_releases_no_frame_that_it_was_not_given),
		cmocka_unit_test(pool_finds_room_behind_chunks_that_are_full),
		cmocka_unit_test(pool_goes_on_with_a_chunk_that_has_room),
		cmocka_unit_test(add_root_makes_one_for_two_who_want_it),
		cmocka_unit_test(range_each_stops_at_the_root_that_fails),
		cmocka_unit_test(invalidate_of_a_root_that_is_not_there_is_no_error),
		cmocka_unit_test(split_range_wants_one_table_for_a_leaf),
		cmocka_unit_test(recover_range_in_the_middle_of_a_table),
		cmocka_unit_test(recover_range_whose_flush_fails_recovers_none),
		cmocka_unit_test(split_at_edge_looks_at_the_mirror_alone),
		cmocka_unit_test(slot_remove_of_the_last_keeps_the_others),
		cmocka_unit_test(slot_any_logged_asks_the_second_slot_too),
		cmocka_unit_test(slot_touches_the_first_slot_too),
		cmocka_unit_test(zap_table_finds_MMIO_entries_in_a_table_without_leaves),
		cmocka_unit_test(slot_add_ends_where_the_shared_half_begins),
		cmocka_unit_test(zap_leaves_tells_the_trace_where_and_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
