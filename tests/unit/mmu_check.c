/*
 * mmu_check.c - the self-check finds each planted corruption and names its rule and GFN (G1 to G7).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })

static struct sept s;
static struct fake_slot slot;
static struct mmu_finding first;
static unsigned of_rule[8];

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void note(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	if (of_rule[f->rule]++ == 0 && first.rule == 0)
		first = *f;
}

static unsigned check(void)
{
	memset(of_rule, 0, sizeof(of_rule));
	memset(&first, 0, sizeof(first));
	return mmu_check(&s.mmu, note, NULL);
}

/* A TD with some of everything: 4K and 2M leaves on both sides, a blocked one, empty tables. */
static void td(void)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4 * level_frames(LEVEL_1G));
	mmu_set_phase(&s.mmu, MMU_RUNNING);
	for (unsigned root = 0; root <= MMU_MIRROR; root++)
		for (unsigned i = 0; i < 40; i++) {
			struct mmu_fault f = { .gfn = at(i * 100),
					       .root = root,
					       .access = MMU_WRITE,
					       .max_level =
						       (uint8_t)(i % 3 ? LEVEL_4K : LEVEL_2M) };

			CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
		}
	sept_fail(&s, STEP_REMOVE_LEAF, 1, 10000, SEPT_BUSY);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, at(3900), 1), -EAGAIN);
	s.fail_in = 0;
	CHECK_INT(check(), 0);
}

/* Exactly this was found: @rule at @gfn. Then undo the damage, and nothing is found. */
#define FOUND(n, r, where)                         \
	do {                                       \
		CHECK(check() >= 1);               \
		CHECK_INT(first.rule, n);          \
		CHECK_INT(of_rule[n], 1);          \
		CHECK_INT(first.root, r);          \
		CHECK_INT(first.gfn.v, (where).v); \
	} while (0)

static struct walk leaf(enum mmu_root root, uint64_t offset)
{
	return walk_to(&s.mmu, root, at(offset), LEVEL_4K);
}

static void mend(struct walk *w)
{
	w->entry->raw = w->old.raw;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

TEST(G1_a_frame_that_is_not_the_slots)
{
	td();
	struct walk w = leaf(MMU_DIRECT, 100);

	w.entry->raw += level_size(w.level);
	FOUND(1, MMU_DIRECT, w.gfn);
	mend(&w);
}

TEST(G1_a_leaf_outside_of_every_slot)
{
	td();
	uint64_t frames = slot.slot.frames;

	slot.slot.frames = 3900;
	CHECK(check() > 0);
	CHECK(of_rule[1] >= 1);
	CHECK_INT(first.rule, 1);
	slot.slot.frames = frames;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

TEST(G2_a_table_that_says_another_gfn)
{
	td();
	struct mmu_page *sp = page_of_entry(leaf(MMU_DIRECT, 100).entry);

	sp->gfn.v += 512;
	CHECK(check() >= 1);
	CHECK_INT(first.rule, 2);
	CHECK_INT(first.gfn.v, at(0).v);
	sp->gfn.v -= 512;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

TEST(G2_an_entry_that_leads_to_no_table)
{
	td();
	struct walk w = walk_to(&s.mmu, MMU_DIRECT, at(100), LEVEL_2M);

	w.entry->raw = spte_make_table((hpa_t){ 0x12345000 }).raw;
	CHECK(check() >= 1);
	CHECK_INT(first.rule, 2);
	CHECK_INT(first.gfn.v, w.gfn.v);
	mend(&w);
}

TEST(G3_a_population_that_is_wrong)
{
	td();
	struct mmu_page *sp = page_of_entry(leaf(MMU_MIRROR, 100).entry);

	sp->population++;
	FOUND(3, MMU_MIRROR, at(0));
	sp->population--;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

TEST(G4_an_entry_that_stays_frozen)
{
	td();
	struct walk w = leaf(MMU_DIRECT, 1101);

	w.entry->raw = SPTE_FROZEN_RAW;
	FOUND(4, MMU_DIRECT, at(1101));
	mend(&w);
}

TEST(G5_a_table_that_is_linked_and_free)
{
	td();
	struct mmu_page *sp = page_of_entry(leaf(MMU_DIRECT, 1100).entry);
	struct mmu_chunk *chunk = (struct mmu_chunk *)((uintptr_t)sp & ~(uintptr_t)4095);
	uint64_t bit = BIT64(((uintptr_t)sp % 4096) / sizeof(*sp));

	chunk->free |= bit;
	FOUND(5, MMU_DIRECT, at(1024));
	chunk->free &= ~bit;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

TEST(G5_a_table_that_is_linked_twice_or_nowhere)
{
	td();
	struct walk one = walk_to(&s.mmu, MMU_DIRECT, at(1100), LEVEL_2M);
	struct walk two = walk_to(&s.mmu, MMU_DIRECT, at(1600), LEVEL_2M);

	CHECK(spte_is_open_table(one.old) && spte_is_open_table(two.old));
	two.entry->raw = one.old.raw;
	CHECK(check() >= 2); /* linked twice, and the other nowhere */
	CHECK_INT(of_rule[5], 2);
	CHECK_INT(first.gfn.v, two.gfn.v);
	mend(&two);
}

TEST(G6_an_external_entry_of_another_kind_or_frame)
{
	td();
	struct walk w = leaf(MMU_MIRROR, 100);
	struct sept_entry *e = (struct sept_entry *)(uintptr_t)sept_find(&s, w.gfn, w.level);

	e->blocked = true;
	FOUND(6, MMU_MIRROR, w.gfn);
	e->blocked = false;
	e->pfn.v++;
	FOUND(6, MMU_MIRROR, w.gfn);
	e->pfn.v--;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

TEST(G6_an_external_entry_that_the_mirror_does_not_know)
{
	td();
	struct walk w = leaf(MMU_MIRROR, 100);

	w.entry->raw = SPTE_NONE_RAW;
	CHECK(check() >= 1);
	CHECK_INT(of_rule[6], 1);
	CHECK_INT(first.gfn.v, w.gfn.v);
	mend(&w);
}

TEST(G7_pages_that_do_not_balance)
{
	td();
	s.frames++;
	FOUND(7, MMU_MIRROR, ((gfn_t){ 0 }));
	s.frames--;
	CHECK_INT(check(), 0);
	sept_end(&s);
}

/* A second CPU that faults and removes while the check goes on. */
static bool stop;
static uint64_t worked;

static void *work(void *arg)
{
	(void)arg;
	machine_cpu(1);
	for (uint64_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		struct mmu_fault f = { .gfn = at(i * 97 % 3500),
				       .root = i & 1 ? MMU_MIRROR : MMU_DIRECT,
				       .access = MMU_WRITE };

		if (mmu_handle_fault(&s.mmu, &f) == 0)
			__atomic_fetch_add(&worked, 1, __ATOMIC_RELAXED);
		if (i % 8 == 0 && mmu_zap_range(&s.mmu, f.root, at(i * 31 % 3500), 40))
			break;
		if (i % 64 == 0 && mmu_invalidate(&s.mmu, MMU_DIRECT))
			break;
	}
	return NULL;
}

TEST(the_check_lets_others_through_between_its_passes)
{
	pthread_t thread;
	struct fake_slot wide;
	const unsigned blocks = 1500;

	td();
	fake_slot_add(&s, &wide, (gfn_t){ UINT64_C(1) << 24 }, blocks * 512);
	wide.largest = LEVEL_4K;
	for (unsigned i = 0; i < blocks; i++) {
		struct mmu_fault f = { .gfn = { (UINT64_C(1) << 24) + i * 512 },
				       .root = MMU_DIRECT,
				       .access = MMU_WRITE };

		CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	}
	uint32_t holds = s.mmu.lock.writers.next;

	CHECK_INT(check(), 0);
	CHECK(s.mmu.lock.writers.next - holds >= blocks / 256);
	stop = false;
	worked = 0;
	CHECK_INT(pthread_create(&thread, NULL, work, NULL), 0);
	for (unsigned i = 0; i < 3 || __atomic_load_n(&worked, __ATOMIC_RELAXED) < 100; i++)
		CHECK_INT(check(), 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK_INT(check(), 0);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(G1_a_frame_that_is_not_the_slots),
		cmocka_unit_test(G1_a_leaf_outside_of_every_slot),
		cmocka_unit_test(G2_a_table_that_says_another_gfn),
		cmocka_unit_test(G2_an_entry_that_leads_to_no_table),
		cmocka_unit_test(G3_a_population_that_is_wrong),
		cmocka_unit_test(G4_an_entry_that_stays_frozen),
		cmocka_unit_test(G5_a_table_that_is_linked_and_free),
		cmocka_unit_test(G5_a_table_that_is_linked_twice_or_nowhere),
		cmocka_unit_test(G6_an_external_entry_of_another_kind_or_frame),
		cmocka_unit_test(G6_an_external_entry_that_the_mirror_does_not_know),
		cmocka_unit_test(G7_pages_that_do_not_balance),
		cmocka_unit_test(the_check_lets_others_through_between_its_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
