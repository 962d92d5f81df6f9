/*
 * mmu_paths.c - the ways of a fault, of mapping ahead, of splitting and removal, where single conditions
 * and constants decide; mutation showed that no other test did. Each test is about one function of
 * mmu/, named in its first word.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include <time.h>

#include "tests/fake/rig.h"

/* ---- dirty.c ---- */

/* Two direct roots, and the first cannot be split: the second one's success does not hide it. */
TEST(track_that_fails_in_one_root_fails)
{
	vm(MMU_AD_HARDWARE, 4096);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	slot.largest = LEVEL_2M;
	touch(0, MMU_WRITE);
	mmu_track_start(&s.mmu, &slot.slot, bitmap);
	uint64_t room = s.mmu.pool.first->free;

	machine_fail_alloc(1);
	s.mmu.pool.first->free = 0;
	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(5)), -ENOMEM);
	CHECK(!bit(bitmap, 5));
	CHECK(direct(5).raw & SPTE_W);
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
	mmu_track_start(&s.mmu, &slot.slot, NULL);
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

/* ---- fault.c ---- */

TEST(largest_level_is_not_above_the_hole)
{
	vm(MMU_AD_HARDWARE, 4 * G1);
	touch(0, MMU_WRITE); /* 4K: there are tables now */
	slot.largest = LEVEL_1G;
	touch(M2 + 3, MMU_WRITE);
	struct walk w = walk_of(MMU_DIRECT, M2 + 3);

	CHECK_INT(w.level, LEVEL_2M);
	CHECK_INT(walk_pfn(&w, at(M2 + 3)).v, slot.first.v + M2 + 3);
	touch(7, MMU_WRITE);
	w = walk_of(MMU_DIRECT, 7);
	CHECK_INT(w.level, LEVEL_4K);
	CHECK_INT(spte_pfn(w.old).v, slot.first.v + 7);
	sept_end(&s);
}

/* A slot that counts how often it is asked, and can say no. */
static unsigned asked;
static const struct memslot_ops *real_slot;

static int resolve_counted(struct memslot *of, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	asked++;
	return real_slot->resolve(of, root, gfn, pfn, level);
}

static void count_resolves(struct fake_slot *f)
{
	static struct memslot_ops counted;

	asked = 0;
	real_slot = f->slot.ops;
	counted = *real_slot;
	counted.resolve = resolve_counted;
	f->slot.ops = &counted;
}

TEST(link_down_makes_all_tables_in_one_go)
{
	vm(MMU_AD_HARDWARE, 4096);
	fake_slot_add(&s, &slot2, at(8 * G1), 4096);
	slot2.largest = LEVEL_4K;
	count_resolves(&slot2);
	touch(8 * G1 + 3, MMU_WRITE);
	CHECK_INT(asked, 1);
	touch(8 * G1 + 3, MMU_WRITE); /* spurious */
	CHECK_INT(asked, 1);
	sept_end(&s);
}

/*
 * Somebody is faster: what another CPU may do between two steps of ours is done by the callbacks that
 * we call between them.
 */
static struct mmu_ops busy_ops;
static bool was_faster;

static spte_t rival_leaf(gfn_t gfn, uint64_t access)
{
	spte_t plain = leaf_make_plain(&s.mmu, (pfn_t){ slot.first.v + gfn.v - BASE.v });

	return (spte_t){ (plain.raw & ~SPTE_W) | access };
}

static void rival_install(gfn_t gfn, int level, uint64_t access)
{
	struct walk w = walk_to(&s.mmu, MMU_DIRECT, gfn, level);

	w.entry->raw = rival_leaf(w.gfn, access).raw;
	page_of_entry(w.entry)->population += POPULATION_LEAF;
	was_faster = true;
}

static int resolve_raced(struct memslot *of, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	if (!was_faster)
		rival_install(gfn, LEVEL_4K, 0);
	return resolve_counted(of, root, gfn, pfn, level);
}

TEST(install_that_lost_goes_on_with_what_is_there)
{
	static struct memslot_ops raced;

	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_WRITE);
	count_resolves(&slot);
	raced = *slot.slot.ops;
	raced.resolve = resolve_raced;
	slot.slot.ops = &raced;
	was_faster = false;
	touch(7, MMU_WRITE); /* a read-only leaf came first: it must be made writable */
	CHECK(was_faster);
	CHECK_INT(asked, 1);
	CHECK(direct(7).raw & SPTE_W);
	CHECK_INT(page_leaves(page_of_entry(walk_of(MMU_DIRECT, 7).entry)), 2);
	s.mmu.ops->trace(&s.mmu, MMU_DIRECT, at(7), SPTE_NONE, direct(7), LEVEL_4K, 1); /* the rival's */
	sept_end(&s);
}

static void trace_raced(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
			unsigned count)
{
	(void)mmu;
	(void)root;
	(void)old;
	(void)count;
	if (!was_faster && level == LEVEL_1G && spte_has_table(new))
		rival_install(gfn, LEVEL_2M, SPTE_W);
}

TEST(link_down_sees_what_was_put_into_its_new_table)
{
	vm(MMU_AD_HARDWARE, 4096);
	busy_ops = *s.mmu.ops;
	busy_ops.trace = trace_raced;
	s.mmu.ops = &busy_ops;
	was_faster = false;
	struct mmu_fault f = { .gfn = at(5), .root = MMU_DIRECT, .access = MMU_WRITE };

	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK(was_faster);
	CHECK_INT(f.level, LEVEL_2M);
	CHECK(f.spurious);
	CHECK_INT(f.pfn.v, slot.first.v + 5);
	CHECK_INT(walk_of(MMU_DIRECT, 5).level, LEVEL_2M);
	sept_end(&s);
}

TEST(map_hole_says_that_it_was_not_spurious)
{
	struct mmu_fault f = { .root = MMU_DIRECT, .access = MMU_READ, .spurious = true };

	vm(MMU_AD_HARDWARE, 4096);
	f.gfn = at(1);
	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK(!f.spurious);
	CHECK_INT(f.level, LEVEL_4K);
	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK(f.spurious);
	sept_end(&s);
}

TEST(loosen_needs_memory_to_split)
{
	vm(MMU_AD_WRPROT, 4096);
	slot.largest = LEVEL_2M;
	touch(0, MMU_WRITE);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	uint64_t room = s.mmu.pool.first->free;

	machine_fail_alloc(1);
	s.mmu.pool.first->free = 0;
	CHECK_INT(fault_in(MMU_DIRECT, at(5), MMU_WRITE, 0), -ENOMEM);
	CHECK(!bit(bitmap, 5));
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
	touch(5, MMU_WRITE);
	CHECK_INT(walk_of(MMU_DIRECT, 5).level, LEVEL_4K);
	CHECK_INT(bits_in(bitmap, 64), 1);
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

TEST(loosen_marks_a_page_as_used)
{
	uint64_t done;

	vm(MMU_AD_HARDWARE, 4096);
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 8, LEVEL_4K, &done), 0);
	CHECK_INT(mmu_wrprotect(&s.mmu, at(0), 8), 8);
	CHECK(!(direct(3).raw & SPTE_ACCESSED));
	struct mmu_fault f = { .gfn = at(3), .root = MMU_DIRECT, .access = MMU_WRITE, .spurious = true };

	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK(!f.spurious);
	CHECK_INT(f.level, LEVEL_4K);
	CHECK((direct(3).raw & (SPTE_ACCESSED | SPTE_DIRTY | SPTE_W)) == (SPTE_ACCESSED | SPTE_DIRTY | SPTE_W));
	CHECK(!(direct(4).raw & (SPTE_ACCESSED | SPTE_W)));
	sept_end(&s);
}

static void vm_with_mmio(uint64_t frames)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start(&s, SEPT_VM);
	fake_slot_add(&s, &slot, BASE, frames);
}

static int level_of_mmio(gfn_t gfn)
{
	int level = 0;

	CHECK_INT(fault_in(MMU_DIRECT, gfn, MMU_READ, 0), -ENOENT);
	CHECK(spte_is_mmio(mmu_lookup(&s.mmu, MMU_DIRECT, gfn, &level)));
	CHECK_INT(mmu_handle_misconfig(&s.mmu, gfn), -ENOENT);
	return level;
}

TEST(mmio_level_is_what_no_slot_reaches_into)
{
	vm_with_mmio(100);
	touch(0, MMU_WRITE);
	CHECK_INT(level_of_mmio(at(100)), LEVEL_4K);
	CHECK_INT(level_of_mmio(at(M2 + 1)), LEVEL_2M);
	CHECK_INT(level_of_mmio(at(G1)), LEVEL_1G);
	CHECK_INT(level_of_mmio(at(600 * G1)), LEVEL_1G); /* of a hole of 512G */
	CHECK_INT(level_of_mmio((gfn_t){ BASE.v - 1 }), LEVEL_1G);
	/* A slot at the end of such a block, and one behind it. */
	fake_slot_add(&s, &slot2, at(3 * G1 - 1), 2);
	CHECK_INT(level_of_mmio(at(2 * G1)), LEVEL_2M);
	CHECK_INT(level_of_mmio(at(3 * G1 - 2)), LEVEL_4K);
	CHECK_INT(level_of_mmio(at(3 * G1 + 1)), LEVEL_4K);
	CHECK_INT(level_of_mmio(at(3 * G1 + M2)), LEVEL_2M);
	sept_end(&s);
}

static uint64_t no_memory(void)
{
	uint64_t room = s.mmu.pool.first->free;

	machine_fail_alloc(1);
	s.mmu.pool.first->free = 0;
	return room;
}

static void memory_again(uint64_t room)
{
	machine_fail_alloc(0);
	s.mmu.pool.first->free = room;
}

TEST(outside_slots_an_entry_tells_of_a_write)
{
	int level;

	vm_with_mmio(100);
	CHECK_INT(fault_in(MMU_DIRECT, at(G1), MMU_WRITE, 0), -ENOENT);
	CHECK_INT(fault_in(MMU_DIRECT, at(2 * G1), MMU_READ, 0), -ENOENT);
	CHECK(mmu_lookup(&s.mmu, MMU_DIRECT, at(G1), &level).raw & SPTE_MMIO_WRITE);
	CHECK(!(mmu_lookup(&s.mmu, MMU_DIRECT, at(2 * G1), &level).raw & SPTE_MMIO_WRITE));
	sept_end(&s);
}

TEST(outside_slots_it_may_want_memory)
{
	vm_with_mmio(100);
	touch(0, MMU_WRITE);
	uint64_t room = no_memory();

	CHECK_INT(fault_in(MMU_DIRECT, at(600 * G1), MMU_READ, 0), -ENOMEM);
	memory_again(room);
	CHECK_INT(fault_in(MMU_DIRECT, at(600 * G1), MMU_READ, 0), -ENOENT);
	sept_end(&s);
}

static void trace_raced_mmio(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
			     unsigned count)
{
	struct walk w = walk_to(mmu, root, gfn, LEVEL_2M);

	(void)old;
	(void)count;
	if (!was_faster && level == LEVEL_1G && spte_has_table(new)) {
		was_faster = true;
		for (unsigned i = 0; i < TABLE_ENTRIES; i++)
			w.entry[i] = spte_make_mmio(gfn, mmu->mmio_generation, false);
	}
}

TEST(outside_slots_somebody_may_be_faster)
{
	vm_with_mmio(100);
	fake_slot_add(&s, &slot2, at(3 * G1 - 1), 1);
	busy_ops = *s.mmu.ops;
	busy_ops.trace = trace_raced_mmio;
	s.mmu.ops = &busy_ops;
	was_faster = false;
	CHECK_INT(fault_in(MMU_DIRECT, at(2 * G1), MMU_READ, 0), -ENOENT);
	CHECK(was_faster);
	sept_end(&s);
}

TEST(outside_slots_a_leaf_is_for_somebody_else_to_remove)
{
	vm_with_mmio(100);
	touch(0, MMU_WRITE);
	spte_t *entry = walk_of(MMU_DIRECT, 200).entry;

	CHECK_INT(walk_of(MMU_DIRECT, 200).level, LEVEL_4K);
	*entry = rival_leaf(at(200), 0);
	CHECK_INT(fault_in(MMU_DIRECT, at(200), MMU_WRITE, 0), -EAGAIN);
	CHECK(spte_equal(*entry, rival_leaf(at(200), 0)));
	*entry = SPTE_NONE;
	sept_end(&s);
}

TEST(attempt_waits_for_a_slot_that_goes)
{
	vm(MMU_AD_HARDWARE, 4096);
	touch(0, MMU_READ);
	slot.slot.flags |= MEMSLOT_GOING;
	CHECK_INT(fault_in(MMU_DIRECT, at(1), MMU_READ, 0), -EAGAIN);
	CHECK_INT(fault_in(MMU_DIRECT, at(1), MMU_WRITE, 0), -EAGAIN);
	CHECK(spte_equal(direct(1), SPTE_NONE));
	slot.slot.flags = MEMSLOT_READONLY;
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	CHECK_INT(fault_in(MMU_DIRECT, at(1), MMU_WRITE, 0), -EACCES);
	CHECK_INT(fault_in(MMU_DIRECT_2, at(1), MMU_WRITE, 0), -EACCES);
	CHECK_INT(fault_in(MMU_DIRECT_2, at(1), MMU_READ, 0), 0);
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(attempt_removes_an_MMIO_entry_that_is_older_than_the_slot)
{
	vm_with_mmio(4096);
	slot.largest = LEVEL_4K;
	touch(0, MMU_WRITE);
	walk_of(MMU_DIRECT, 9).entry->raw = spte_make_mmio(at(9), s.mmu.mmio_generation, false).raw;
	touch(9, MMU_WRITE);
	CHECK(spte_is_accessible_leaf(direct(9)));
	CHECK_INT(page_leaves(page_of_entry(walk_of(MMU_DIRECT, 9).entry)), 2);
	sept_end(&s);
}

TEST(attempt_again_ends_after_sixteen)
{
	unsigned calls;

	td();
	map_private(1, LEVEL_4K);
	calls = s.calls;
	sept_fail(&s, STEP_ADD_LEAF, 1, ~0u, SEPT_BUSY);
	CHECK_INT(fault_in(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), -EAGAIN);
	CHECK_INT(s.calls - calls, 1 + 16);
	sept_fail(&s, STEP_ADD_LEAF, 1, 16, SEPT_BUSY);
	map_private(0, LEVEL_4K);
	s.fail_in = 0;
	sept_end(&s);
}

TEST(attempt_alone_may_want_memory)
{
	td();
	map_private(0, LEVEL_2M);
	uint64_t room = no_memory();

	CHECK_INT(fault_in(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), -ENOMEM);
	memory_again(room);
	CHECK(spte_is_accessible_leaf(mirror(0)));
	map_private(0, LEVEL_4K);
	CHECK_INT(walk_of(MMU_MIRROR, 0).level, LEVEL_4K);
	sept_end(&s);
}

TEST(attempt_settles_what_is_blocked_and_no_more)
{
	td();
	map_private(0, LEVEL_2M);
	sept_fail(&s, STEP_REMOVE_LEAF, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), M2), -EAGAIN);
	s.fail_in = 0;
	CHECK(spte_is_blocked(mirror(0)));
	map_private(0, 0);
	CHECK_INT(walk_of(MMU_MIRROR, 0).level, LEVEL_2M);
	CHECK(spte_is_accessible_leaf(mirror(0)));
	sept_end(&s);
}

static int resolve_once(struct memslot *of, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	return asked > 0 ? -ENOMEM : resolve_counted(of, root, gfn, pfn, level);
}

TEST(attempt_again_says_what_the_last_attempt_said)
{
	static struct memslot_ops once;

	td();
	map_private(1, LEVEL_4K);
	count_resolves(&slot);
	once = *slot.slot.ops;
	once.resolve = resolve_once;
	slot.slot.ops = &once;
	sept_fail(&s, STEP_ADD_LEAF, 1, 1, SEPT_BUSY);
	CHECK_INT(fault_in(MMU_MIRROR, at(0), MMU_WRITE, LEVEL_4K), -ENOMEM);
	CHECK_INT(asked, 1);
	CHECK(spte_equal(mirror(0), SPTE_NONE));
	sept_end(&s);
}

TEST(map_private_puts_page_beside_page)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4 * G1);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(mmu_map_private(&s.mmu, at(i), (pfn_t){ 0x777000 + i }), 0);
	CHECK_INT(mmu_map_private(&s.mmu, at(1), (pfn_t){ 0x777010 }), -EEXIST);
	CHECK_INT(mmu_map_private(&s.mmu, (gfn_t){ 5 }, (pfn_t){ 0x777010 }), -ENOENT);
	slot.out += 3;
	CHECK(mmu_cpus[0].inside == NULL);
	CHECK_INT(spte_pfn(mirror(2)).v, 0x777002);
	sept_end(&s);
	CHECK_INT(slot.out, 0);
}

TEST(misconfig_at_memory_is_no_entry_of_ours)
{
	vm_with_mmio(100);
	touch(0, MMU_WRITE);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, at(0)), -EIO);
	CHECK_INT(mmu_handle_misconfig(&s.mmu, at(50)), 0);
	sept_end(&s);
}

/* ---- map.c ---- */

TEST(map_range_asks_twice_a_table)
{
	uint64_t done;

	vm(MMU_AD_HARDWARE, 4096);
	slot.largest = LEVEL_4K;
	touch(300, MMU_WRITE); /* stays as it is */
	slot.largest = LEVEL_2M;
	count_resolves(&slot);
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(10), 1000, LEVEL_4K, &done), 0);
	CHECK_INT(done, 1000);
	CHECK_INT(asked, 4);
	for (unsigned i = 10; i < 1010; i++) {
		struct walk w = walk_of(MMU_DIRECT, i);

		CHECK_INT(w.level, LEVEL_4K);
		CHECK_INT(spte_pfn(w.old).v, slot.first.v + i);
		CHECK_INT((w.old.raw & SPTE_ACCESSED) != 0, i == 300);
	}
	CHECK(spte_equal(direct(9), SPTE_NONE) && spte_equal(direct(1010), SPTE_NONE));
	CHECK_INT(page_leaves(page_of_entry(walk_of(MMU_DIRECT, 10).entry)), M2 - 10);
	/* One by the fault and one behind it. */
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(2000), 2, LEVEL_4K, &done), 0);
	CHECK_INT(page_leaves(page_of_entry(walk_of(MMU_DIRECT, 2000).entry)), 2);
	sept_end(&s);
}

TEST(map_range_tells_how_far_it_came)
{
	static struct memslot_ops once;
	uint64_t done;

	vm(MMU_AD_HARDWARE, 4096);
	count_resolves(&slot);
	once = *slot.slot.ops;
	once.resolve = resolve_once;
	slot.slot.ops = &once;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(10), 100, LEVEL_4K, &done), -ENOMEM);
	CHECK_INT(done, 1);
	CHECK(spte_equal(direct(11), SPTE_NONE));
	sept_end(&s);
}

TEST(map_range_of_a_read_only_slot_reads)
{
	uint64_t done;

	vm(MMU_AD_HARDWARE, 4096);
	slot.slot.flags = MEMSLOT_READONLY;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(10), 100, LEVEL_4K, &done), 0);
	CHECK_INT(done, 100);
	CHECK(!(direct(50).raw & SPTE_W));
	sept_end(&s);
}

/* ---- mirror.c ---- */

TEST(give_back_needs_nobody_who_takes)
{
	static struct memslot_ops plain;

	td();
	plain = (struct memslot_ops){ .resolve = slot.slot.ops->resolve };
	slot.slot.ops = &plain;
	map_private(0, LEVEL_4K);
	CHECK_INT(mmu_move_private(&s.mmu, at(0), (pfn_t){ 0x4242 }), 0);
	CHECK_INT(spte_pfn(mirror(0)).v, 0x4242);
	sept_end(&s);
}

/* A leaf and a table that was empty before are blocked in the same round: both are removed. */
TEST(visit_run_and_an_empty_table)
{
	td();
	sept_fail(&s, STEP_ADD_LEAF, 1, ~0u, SEPT_BUSY);
	CHECK_INT(fault_in(MMU_MIRROR, at(G1), MMU_WRITE, LEVEL_4K), -EAGAIN);
	s.fail_in = 0;
	CHECK_INT(page_population(page_of_entry(walk_of(MMU_MIRROR, G1).entry)), 0);
	map_private(2, LEVEL_4K);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), 2 * G1), 0);
	CHECK(!spte_is_present(mirror(2)));
	CHECK_INT(slot.out, 0);
	sept_end(&s);
}

/* The hook stays busy with a table: it is still linked, so it is not freed. */
TEST(remove_table_that_stays_busy_keeps_the_table)
{
	td();
	map_private(0, LEVEL_4K);
	sept_fail(&s, STEP_REMOVE_TABLE, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), M2), -EAGAIN);
	s.fail_in = 0;
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	CHECK(spte_is_blocked(walk_of(MMU_MIRROR, 0).old));
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(0), M2), 0);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

/* ---- mmu.c ---- */

static int init_with(const struct mmu_ops *ops, unsigned levels, unsigned shared_bit)
{
	static struct mmu other;
	int err = mmu_init(&other, &(struct mmu_config){ .ops = ops,
							  .name = "other",
							  .levels = levels,
							  .shared_bit = shared_bit,
							  .has_mirror = true,
							  .max_level = LEVEL_1G,
							  .mirror_max_level = LEVEL_2M,
							  .memtype = SPTE_MEMTYPE_WB,
							  .ad = MMU_AD_NONE,
							  .mmio = MMU_MMIO_VE });

	if (!err)
		CHECK_INT(mmu_fini(&other), 0);
	return err;
}

TEST(config_is_sound_up_to_its_edges)
{
	struct mmu_ops ops;

	td();
	ops = *s.mmu.ops;
	ops.trace = NULL;
	ops.external_pages = NULL;
	CHECK_INT(init_with(&ops, 4, 47), 0);
	CHECK_INT(init_with(&ops, 4, 48), -EINVAL);
	CHECK_INT(init_with(&ops, 4, 60), -EINVAL);
	CHECK_INT(init_with(&ops, 5, 51), 0);
	CHECK_INT(init_with(&ops, 4, 22), 0);
	CHECK_INT(init_with(&ops, 4, 21), -EINVAL);
	CHECK_INT(init_with(&ops, 4, 16), -EINVAL);
	ops.free_external_spt = NULL;
	CHECK_INT(init_with(&ops, 4, 47), -EINVAL);
	sept_end(&s);
}

TEST(fini_counts_what_is_leaked)
{
	vm(MMU_AD_HARDWARE, 4096);
	CHECK(pool_get(&s.mmu, MMU_DIRECT, LEVEL_4K, at(0)) != NULL);
	CHECK_INT(mmu_fini(&s.mmu), 1);
	CHECK(machine_logged("is leaked"));
	free(s.entries);
}

/* ---- lock.c ---- */

static int reader; /* 1: waits, 2: is in, 3: is going */

static void *read_after_the_writer(void *arg)
{
	(void)arg;
	machine_cpu(1);
	__atomic_store_n(&reader, 1, __ATOMIC_RELEASE);
	struct mmu_cpu *me = mmu_read_lock(&s.mmu.lock);

	__atomic_store_n(&reader, 2, __ATOMIC_RELEASE);
	nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
	__atomic_store_n(&reader, 3, __ATOMIC_RELEASE);
	mmu_read_unlock(&s.mmu.lock, me);
	return NULL;
}

static void until(int what)
{
	while (__atomic_load_n(&reader, __ATOMIC_ACQUIRE) < what)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

TEST(read_lock_slowly_is_a_read_lock)
{
	pthread_t thread;

	vm(MMU_AD_HARDWARE, 4096);
	reader = 0;
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(pthread_create(&thread, NULL, read_after_the_writer, NULL), 0);
	while (__atomic_load_n(&s.mmu.lock.waiting, __ATOMIC_ACQUIRE) == 0)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	CHECK_INT(__atomic_load_n(&reader, __ATOMIC_ACQUIRE), 1);
	mmu_write_unlock(&s.mmu.lock);
	until(2);
	mmu_write_lock(&s.mmu.lock);
	CHECK_INT(__atomic_load_n(&reader, __ATOMIC_ACQUIRE), 3);
	mmu_write_unlock(&s.mmu.lock);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(s.mmu.lock.waiting, 0);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(track_that_fails_in_one_root_fails),
		cmocka_unit_test(largest_level_is_not_above_the_hole),
		cmocka_unit_test(link_down_makes_all_tables_in_one_go),
		cmocka_unit_test(install_that_lost_goes_on_with_what_is_there),
		cmocka_unit_test(link_down_sees_what_was_put_into_its_new_table),
		cmocka_unit_test(map_hole_says_that_it_was_not_spurious),
		cmocka_unit_test(loosen_needs_memory_to_split),
		cmocka_unit_test(loosen_marks_a_page_as_used),
		cmocka_unit_test(mmio_level_is_what_no_slot_reaches_into),
		cmocka_unit_test(outside_slots_an_entry_tells_of_a_write),
		cmocka_unit_test(outside_slots_it_may_want_memory),
		cmocka_unit_test(outside_slots_somebody_may_be_faster),
		cmocka_unit_test(outside_slots_a_leaf_is_for_somebody_else_to_remove),
		cmocka_unit_test(attempt_waits_for_a_slot_that_goes),
		cmocka_unit_test(attempt_removes_an_MMIO_entry_that_is_older_than_the_slot),
		cmocka_unit_test(attempt_again_ends_after_sixteen),
		cmocka_unit_test(attempt_alone_may_want_memory),
		cmocka_unit_test(attempt_settles_what_is_blocked_and_no_more),
		cmocka_unit_test(attempt_again_says_what_the_last_attempt_said),
		cmocka_unit_test(map_private_puts_page_beside_page),
		cmocka_unit_test(misconfig_at_memory_is_no_entry_of_ours),
		cmocka_unit_test(map_range_asks_twice_a_table),
		cmocka_unit_test(map_range_tells_how_far_it_came),
		cmocka_unit_test(map_range_of_a_read_only_slot_reads),
		cmocka_unit_test(give_back_needs_nobody_who_takes),
		cmocka_unit_test(visit_run_and_an_empty_table),
		cmocka_unit_test(remove_table_that_stays_busy_keeps_the_table),
		cmocka_unit_test(config_is_sound_up_to_its_edges),
		cmocka_unit_test(fini_counts_what_is_leaked),
		cmocka_unit_test(read_lock_slowly_is_a_read_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
