/*
 * mmu_root.c - roots: found by role, counted, invalidated, dropped in passes (rules E3, F1 to F3).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })
#define G1   (UINT64_C(1) << 18) /* frames of 1 GiB */

static struct sept s;
static struct fake_slot slot;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void vm(void)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start(&s, SEPT_VM);
	fake_slot_add(&s, &slot, BASE, 8 * G1);
	slot.largest = LEVEL_4K;
}

static int fault(enum mmu_root root, uint64_t offset, unsigned access)
{
	struct mmu_fault f = { .gfn = at(offset), .root = root, .access = access };

	return mmu_handle_fault(&s.mmu, &f);
}

static spte_t leaf(enum mmu_root root, uint64_t offset)
{
	int level;

	return mmu_lookup(&s.mmu, root, at(offset), &level);
}

static void print_finding(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	print_message("G%u gfn %#llx level %d: %s\n", f->rule, (unsigned long long)f->gfn.v,
		      f->level, f->what);
}

static unsigned findings(void) { return mmu_check(&s.mmu, print_finding, NULL); }

static struct mmu_stats stats(void)
{
	struct mmu_stats now;

	mmu_stats(&s.mmu, &now);
	return now;
}

TEST(F1_a_root_is_found_by_role_and_counted)
{
	vm();
	struct mmu_page *one = mmu_root_get(&s.mmu, MMU_DIRECT);
	struct mmu_page *again = mmu_root_get(&s.mmu, MMU_DIRECT);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	CHECK(one == again && one == s.mmu.root[MMU_DIRECT]);
	CHECK(two && two != one);
	CHECK_INT(one->refs, 3); /* and the MMU's own */
	CHECK_INT(two->refs, 2);
	CHECK(mmu_root_is_valid(one) && mmu_root_is_valid(two));
	CHECK_INT(mmu_root_eptp(&s.mmu, one), mmu_eptp(&s.mmu));
	CHECK(mmu_root_eptp(&s.mmu, two) != mmu_eptp(&s.mmu));
	CHECK(mmu_root_get(&s.mmu, MMU_MIRROR) == NULL); /* a VM has none */
	mmu_root_put(&s.mmu, one);
	mmu_root_put(&s.mmu, again);
	mmu_root_put(&s.mmu, two);
	/* The MMU's reference keeps both. */
	CHECK(s.mmu.root[MMU_DIRECT] == one && s.mmu.root[MMU_DIRECT_2] == two);
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(F1_no_reference_to_a_root_that_is_gone)
{
	vm();
	struct mmu_page *old = mmu_root_get(&s.mmu, MMU_DIRECT);

	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK(!mmu_root_is_valid(old));
	CHECK_INT(old->refs, 1); /* ours; the MMU's went */
	struct mmu_page *new = mmu_root_get(&s.mmu, MMU_DIRECT);

	CHECK(new != old &&mmu_root_is_valid(new));
	mmu_root_put(&s.mmu, new);
	mmu_root_put(&s.mmu, old);
	CHECK(s.mmu.retired == NULL);
	sept_end(&s);
}

TEST(F1_no_memory_for_a_root_changes_nothing)
{
	vm();
	struct mmu_page *used[CHUNK_PAGES];
	unsigned n = 0;

	while (s.mmu.pool.first->free) /* the chunk is used up: the next table needs another */
		used[n++] = pool_get(&s.mmu, MMU_DIRECT, LEVEL_4K, BASE);
	machine_fail_alloc(1);
	struct mmu_page *was = s.mmu.root[MMU_DIRECT];

	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), -ENOMEM);
	CHECK(s.mmu.root[MMU_DIRECT] == was && mmu_root_is_valid(was));
	machine_fail_alloc(1);
	CHECK(mmu_root_get(&s.mmu, MMU_DIRECT_2) == NULL);
	CHECK_INT(s.flushes[MMU_DIRECT], 0);
	while (n > 0)
		pool_put(&s.mmu, used[--n]);
	sept_end(&s);
}

TEST(E3_an_invalidated_root_owes_one_kick_and_no_flush)
{
	uint64_t done;

	vm();
	struct mmu_page *old = mmu_root_get(&s.mmu, MMU_DIRECT);

	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(0), 5000, LEVEL_4K, &done), 0);
	unsigned traced = s.traced_direct;

	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], 1);
	CHECK_INT(s.traced_direct - traced, 5000); /* told, table by table */
	CHECK(!spte_is_present(leaf(MMU_DIRECT, 17)));
	/* Faults fill the new one; the old one stays as it is, for who has it loaded. */
	CHECK_INT(fault(MMU_DIRECT, 17, MMU_WRITE), 0);
	CHECK(spte_is_accessible_leaf(leaf(MMU_DIRECT, 17)));
	CHECK_INT(page_population(old), 0);
	CHECK_INT(stats().leaves[MMU_DIRECT][LEVEL_4K], 1);
	CHECK_INT(stats().retired_roots, 1);
	CHECK_INT(findings(), 0);
	mmu_root_put(&s.mmu, old);
	CHECK_INT(stats().retired_roots, 0);
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(E3_several_invalid_roots_wait_for_their_own_references)
{
	struct mmu_page *held[3];

	vm();
	for (unsigned i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = mmu_root_get(&s.mmu, MMU_DIRECT);
		CHECK_INT(fault(MMU_DIRECT, i, MMU_READ), 0);
		CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	}
	CHECK_INT(stats().retired_roots, 3);
	mmu_root_put(&s.mmu, held[1]); /* the middle of the list */
	CHECK_INT(stats().retired_roots, 2);
	mmu_root_put(&s.mmu, held[2]);
	mmu_root_put(&s.mmu, held[0]);
	CHECK_INT(stats().retired_roots, 0);
	CHECK_INT(findings(), 0);
	sept_end(&s);
}

TEST(F2_an_invalid_root_is_dropped_in_passes)
{
	vm();
	const unsigned blocks = 4000; /* 4K tables */

	for (unsigned i = 0; i < blocks; i++)
		CHECK_INT(fault(MMU_DIRECT, i * 512 + i % 512, MMU_WRITE), 0);
	uint64_t tables = stats().tables[MMU_DIRECT][LEVEL_4K], visits = mmu_cpus[0].visits;

	CHECK_INT(tables, blocks);
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK(mmu_cpus[0].visits - visits >= 4); /* it went outside in between */
	CHECK_INT(stats().tables[MMU_DIRECT][LEVEL_4K], 0);
	CHECK_INT(stats().tables[MMU_DIRECT][LEVEL_2M], 0);
	CHECK_INT(stats().tables[MMU_DIRECT][LEVEL_512G], 1);
	CHECK(s.mmu.retired == NULL); /* nobody held it */
	sept_end(&s);
}

TEST(F2_what_a_slot_loses_while_its_old_root_is_held_is_no_finding)
{
	vm();
	struct mmu_page *old = mmu_root_get(&s.mmu, MMU_DIRECT);

	CHECK_INT(fault(MMU_DIRECT, 5, MMU_WRITE), 0);
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	CHECK_INT(findings(), 0);
	mmu_root_put(&s.mmu, old);
	sept_end(&s);
}

TEST(F3_the_mirror_is_not_invalidated)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	struct mmu_page *was = s.mmu.root[MMU_MIRROR], *root = mmu_root_get(&s.mmu, MMU_MIRROR);

	CHECK(root == was); /* it can be held as any other */
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_MIRROR), -EINVAL);
	CHECK(s.mmu.root[MMU_MIRROR] == was && mmu_root_is_valid(was));
	mmu_root_put(&s.mmu, root);
	sept_end(&s);
}

TEST(an_invalid_root_loses_no_D_bit_that_a_log_wants)
{
	static uint64_t bitmap[8 * (1 << 18) / 64];

	vm();
	memset(bitmap, 0, sizeof(bitmap));
	for (unsigned i = 0; i < 700; i++)
		CHECK_INT(fault(MMU_DIRECT, i, MMU_READ), 0);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	for (unsigned i = 0; i < 700; i += 3) { /* what the CPU does */
		struct walk w = walk_to(&s.mmu, MMU_DIRECT, at(i), LEVEL_4K);

		w.entry->raw |= SPTE_DIRTY;
	}
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	for (unsigned i = 0; i < 700; i++)
		CHECK_INT(bitmap[i / 64] >> (i % 64) & 1, i % 3 == 0);
	sept_end(&s);
}

TEST(a_second_direct_root_is_filled_by_its_own_faults)
{
	vm();
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	CHECK_INT(fault(MMU_DIRECT, 9, MMU_WRITE), 0);
	CHECK(!spte_is_present(leaf(MMU_DIRECT_2, 9)));
	CHECK_INT(fault(MMU_DIRECT_2, 9, MMU_WRITE), 0);
	CHECK_INT(spte_pfn(leaf(MMU_DIRECT_2, 9)).v, spte_pfn(leaf(MMU_DIRECT, 9)).v);
	CHECK_INT(stats().leaves[MMU_DIRECT_2][LEVEL_4K], 1);
	CHECK_INT(findings(), 0);
	/* Invalidating the one leaves the other. */
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	CHECK(!spte_is_present(leaf(MMU_DIRECT, 9)));
	CHECK(spte_is_accessible_leaf(leaf(MMU_DIRECT_2, 9)));
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(what_is_done_to_a_range_is_done_in_every_direct_root)
{
	static uint64_t dirty[8 * (1 << 18) / 64], tracked[8 * (1 << 18) / 64];

	vm();
	memset(dirty, 0, sizeof(dirty));
	memset(tracked, 0, sizeof(tracked));
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	for (unsigned r = MMU_DIRECT; r <= MMU_DIRECT_2; r += MMU_DIRECT_2)
		for (unsigned i = 0; i < 64; i++)
			CHECK_INT(fault((enum mmu_root)r, i, MMU_WRITE), 0);
	/* Removal */
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), 8), 0);
	CHECK(!spte_is_present(leaf(MMU_DIRECT, 7)) && !spte_is_present(leaf(MMU_DIRECT_2, 7)));
	/* The log: each root's writes are found, once a page */
	mmu_log_start(&s.mmu, &slot.slot, dirty);
	walk_to(&s.mmu, MMU_DIRECT, at(10), LEVEL_4K).entry->raw |= SPTE_DIRTY;
	walk_to(&s.mmu, MMU_DIRECT_2, at(11), LEVEL_4K).entry->raw |= SPTE_DIRTY;
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot.slot), 2);
	CHECK_INT(dirty[0], BIT64(10) | BIT64(11));
	mmu_log_stop(&s.mmu, &slot.slot);
	/* Write tracking */
	mmu_track_start(&s.mmu, &slot.slot, tracked);
	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(20)), 0);
	CHECK_INT(fault(MMU_DIRECT, 20, MMU_WRITE), -EACCES);
	CHECK_INT(fault(MMU_DIRECT_2, 20, MMU_WRITE), -EACCES);
	mmu_untrack(&s.mmu, &slot.slot, at(20));
	CHECK_INT(fault(MMU_DIRECT, 20, MMU_WRITE), 0);
	CHECK_INT(fault(MMU_DIRECT_2, 20, MMU_WRITE), 0);
	/* A slot leaves both */
	CHECK_INT(mmu_slot_remove(&s.mmu, &slot.slot), 0);
	CHECK(!spte_is_present(leaf(MMU_DIRECT, 30)) && !spte_is_present(leaf(MMU_DIRECT_2, 30)));
	CHECK_INT(findings(), 0);
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(a_forgotten_reference_is_reported_at_the_end)
{
	vm();
	CHECK(mmu_root_get(&s.mmu, MMU_DIRECT) != NULL);
	CHECK_INT(fault(MMU_DIRECT, 5, MMU_WRITE), 0);
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	sept_end(&s);
	CHECK(machine_logged("a root was freed with 1 references"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(F1_a_root_is_found_by_role_and_counted),
		cmocka_unit_test(F1_no_reference_to_a_root_that_is_gone),
		cmocka_unit_test(F1_no_memory_for_a_root_changes_nothing),
		cmocka_unit_test(E3_an_invalidated_root_owes_one_kick_and_no_flush),
		cmocka_unit_test(E3_several_invalid_roots_wait_for_their_own_references),
		cmocka_unit_test(F2_an_invalid_root_is_dropped_in_passes),
		cmocka_unit_test(F2_what_a_slot_loses_while_its_old_root_is_held_is_no_finding),
		cmocka_unit_test(F3_the_mirror_is_not_invalidated),
		cmocka_unit_test(an_invalid_root_loses_no_D_bit_that_a_log_wants),
		cmocka_unit_test(a_second_direct_root_is_filled_by_its_own_faults),
		cmocka_unit_test(what_is_done_to_a_range_is_done_in_every_direct_root),
		cmocka_unit_test(a_forgotten_reference_is_reported_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
