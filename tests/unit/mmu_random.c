/*
 * mmu_random.c - random operations against a reference that is too simple to be wrong: for each
 * frame of a small range, is it mapped, and to what. Compared after every step, in both roots, with
 * the self-check every so often. A failing seed is printed and replays exactly; MMU_RANDOM_SEEDS=N in
 * the environment makes it the seeds 1 to N.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include <stdio.h>

#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE   ((gfn_t){ 0x40000 - 512 }) /* across a 1 GiB border */
#define FRAMES 2048u
#define STEPS  1500u
#define SEEDS  12u

static struct sept s;
static struct fake_slot slot;
static uint64_t rng;

/* The reference: the frame behind each GFN, 0 for none. */
static uint64_t expected[MMU_ROOTS][FRAMES];

static uint64_t rnd(uint64_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % below;
}

static gfn_t at(uint64_t i) { return gfn_add(BASE, i); }

/* What the MMU says is behind frame @i, and how large. */
static uint64_t actual(enum mmu_root root, uint64_t i, int *level)
{
	spte_t leaf = mmu_lookup(&s.mmu, root, at(i), level);

	if (!spte_is_accessible_leaf(leaf))
		return 0;
	return spte_pfn(leaf).v + (at(i).v & (level_frames(*level) - 1));
}

static void do_fault(void)
{
	enum mmu_root root = rnd(2) ? MMU_MIRROR : MMU_DIRECT;
	uint64_t i = rnd(FRAMES);
	struct mmu_fault f = { .gfn = at(i),
			       .root = root,
			       .access = rnd(2) ? MMU_WRITE : MMU_READ,
			       .max_level = (uint8_t)rnd(3) };
	bool was = expected[root][i] != 0;

	slot.largest = LEVEL_4K + (int)rnd(2);
	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	if (was)
		CHECK_INT(f.pfn.v, expected[root][i]);
	/* A new leaf covers its block, of which nothing was mapped. */
	uint64_t first = gfn_align(at(i), f.level).v - BASE.v;

	for (uint64_t k = 0; !was && k < level_frames(f.level); k++) {
		CHECK_INT(expected[root][first + k], 0);
		expected[root][first + k] = f.pfn.v - (i - first) + k;
	}
	if (root == MMU_MIRROR && f.max_level)
		CHECK(f.level <= f.max_level);
}

static void do_zap(void)
{
	enum mmu_root root = rnd(2) ? MMU_MIRROR : MMU_DIRECT;
	uint64_t from = rnd(FRAMES), n = 1 + rnd(rnd(4) ? 40 : 900);

	if (n > FRAMES - from)
		n = FRAMES - from;
	CHECK_INT(mmu_zap_range(&s.mmu, root, at(from), n), 0);
	memset(&expected[root][from], 0, n * sizeof(uint64_t));
}

static void do_map_ahead(void)
{
	uint64_t from = rnd(FRAMES), n = 1 + rnd(600), done;

	if (n > FRAMES - from)
		n = FRAMES - from;
	CHECK_INT(mmu_map_range(&s.mmu, MMU_DIRECT, at(from), n, LEVEL_4K, &done), 0);
	CHECK_INT(done, n);
	for (uint64_t i = from; i < from + n; i++)
		expected[MMU_DIRECT][i] = slot.first.v + i;
}

static void do_join(void)
{
	uint64_t block = rnd(FRAMES / 512) * 512, first = expected[MMU_MIRROR][block];
	bool run = first != 0 && is_aligned(first, 512);
	int level;

	for (unsigned i = 0; i < 512; i++)
		run = run && expected[MMU_MIRROR][block + i] == first + i;
	run = run && actual(MMU_MIRROR, block, &level) && level == LEVEL_4K;
	CHECK_INT(mmu_join_private(&s.mmu, at(block), LEVEL_2M), run ? 0 : -EINVAL);
}

static void do_split_or_recover(void)
{
	uint64_t from = rnd(FRAMES), n = FRAMES - from;

	if (rnd(2)) {
		CHECK_INT(mmu_split_range(&s.mmu, at(from), n, LEVEL_4K), 0);
		return;
	}
	slot.largest = LEVEL_2M;
	(void)mmu_recover_range(&s.mmu, at(from), n);
	/* A block that had something in it may be mapped whole now; nothing else may have changed. */
	for (uint64_t i = 0; i < FRAMES; i++) {
		int level;

		if (!expected[MMU_DIRECT][i] && actual(MMU_DIRECT, i, &level)) {
			CHECK_INT(level, LEVEL_2M);
			expected[MMU_DIRECT][i] = slot.first.v + i;
		}
	}
}

static void do_trouble(void)
{
	static const enum spte_step steps[] = { STEP_ADD_TABLE,   STEP_ADD_LEAF,     STEP_BLOCK,
						STEP_REMOVE_LEAF, STEP_REMOVE_TABLE, STEP_SPLIT };

	/* Busy a few times: every operation gets over it. */
	sept_fail(&s, steps[rnd(ARRAY_LEN(steps))], 1 + (unsigned)rnd(20), 1 + (unsigned)rnd(8),
		  SEPT_BUSY);
}

static void compare_all(void)
{
	int level;

	for (unsigned root = 0; root < MMU_ROOTS; root++)
		for (uint64_t i = 0; i < FRAMES; i++)
			if (actual(root, i, &level) != expected[root][i])
				fail_msg("root %u, frame %llu", root, (unsigned long long)i);
	if (s.complaint)
		fail_msg("%s", s.complaint);
	CHECK(sept_compare(&s) == NULL);
	CHECK(sept_account(&s) == NULL);
	CHECK_INT(slot.out, s.frames);
}

static void found(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	printf("G%u at %#llx: %s\n", f->rule, (unsigned long long)f->gfn.v, f->what);
}

static void run(uint64_t seed)
{
	rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	memset(expected, 0, sizeof(expected));
	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	s.mmu.max_level[MMU_DIRECT] = LEVEL_2M;
	fake_slot_add(&s, &slot, BASE, FRAMES);
	mmu_set_phase(&s.mmu, MMU_RUNNING);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t kind = rnd(100);

		if (kind < 70)
			do_fault();
		else if (kind < 85)
			do_zap();
		else if (kind < 90)
			do_map_ahead();
		else if (kind < 94)
			do_join();
		else if (kind < 97)
			do_split_or_recover();
		else
			do_trouble();
		compare_all();
		if (step % 100 == 99)
			CHECK_INT(mmu_check(&s.mmu, found, NULL), 0);
	}
	sept_end(&s);
	CHECK_INT(slot.out, 0);
}

TEST(random_operations_agree_with_a_map_from_gfn_to_frame)
{
	const char *count = getenv("MMU_RANDOM_SEEDS");
	uint64_t seeds = count ? strtoull(count, NULL, 0) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		printf("seed %llu\n", (unsigned long long)seed);
		run(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_a_map_from_gfn_to_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
