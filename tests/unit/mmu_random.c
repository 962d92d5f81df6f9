/*
 * mmu_random.c - random operations against a reference that is too simple to be wrong: for each
 * frame of a small range, is it mapped, and to what; was it written since the log was last cleared;
 * are its writes reported. Compared after every step, in each root, with the self-check every so
 * often. TDs and VMs of each A/D policy in turn; what was done is counted. A failing seed is
 * printed and replays exactly; MMU_RANDOM_SEEDS=N in the environment makes it the seeds 1 to N.
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
/* And of the direct half: written while it was logged; reported when written. */
static bool written[FRAMES], tracked[FRAMES];
static uint64_t dirty_map[FRAMES / 64], tracked_map[FRAMES / 64];
static bool td;

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

static enum mmu_root any_root(void)
{
	return td && rnd(2) ? MMU_MIRROR : !td && rnd(4) == 0 ? MMU_DIRECT_2 : MMU_DIRECT;
}

static bool direct(enum mmu_root root) { return root != MMU_MIRROR; }

/* What the guest's CPU does once it may write. */
static void guest_writes(enum mmu_root root, uint64_t i)
{
	struct walk w = walk_to(&s.mmu, root, at(i), LEVEL_4K);

	CHECK(w.old.raw & SPTE_W);
	if (s.mmu.ad != MMU_AD_NONE)
		w.entry->raw |= SPTE_DIRTY | SPTE_ACCESSED;
	if (slot.slot.dirty)
		written[i] = true;
}

static void do_fault(void)
{
	enum mmu_root root = any_root();
	uint64_t i = rnd(FRAMES);
	struct mmu_fault f = { .gfn = at(i),
			       .root = root,
			       .access = rnd(2) ? MMU_WRITE : MMU_READ,
			       .max_level = (uint8_t)rnd(3) };
	bool was = expected[root][i] != 0;

	slot.largest = LEVEL_4K + (int)rnd(2);
	int err = mmu_handle_fault(&s.mmu, &f);

	if (err == -EACCES) {
		CHECK(direct(root) && was && tracked[i] && f.access == MMU_WRITE);
		return;
	}
	CHECK_INT(err, 0);
	if (was)
		CHECK_INT(f.pfn.v, expected[root][i]);
	if (direct(root) && f.access == MMU_WRITE && !tracked[i])
		guest_writes(root, i);
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
	enum mmu_root root = any_root();
	uint64_t from = rnd(FRAMES), n = 1 + rnd(rnd(4) ? 40 : 900);

	if (n > FRAMES - from)
		n = FRAMES - from;
	CHECK_INT(mmu_zap_range(&s.mmu, root, at(from), n), 0);
	/* What is done to a range of the direct half is done in each of its roots. */
	for (unsigned r = 0; r < MMU_ROOTS; r++)
		if (direct(r) == direct(root))
			memset(&expected[r][from], 0, n * sizeof(uint64_t));
}

static void do_map_ahead(void)
{
	enum mmu_root root = any_root();
	uint64_t from = rnd(FRAMES), n = 1 + rnd(600), done;

	if (n > FRAMES - from)
		n = FRAMES - from;
	slot.largest = LEVEL_4K;
	CHECK_INT(mmu_map_range(&s.mmu, root, at(from), n, LEVEL_4K, &done), 0);
	CHECK_INT(done, n);
	for (uint64_t i = from; i < from + n; i++) {
		int level;

		if (direct(root))
			expected[root][i] = slot.first.v + i;
		else if (!expected[root][i])
			expected[root][i] = actual(root, i, &level);
		CHECK(expected[root][i] != 0);
	}
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
	/* A block that had something in it may be mapped whole now; nothing else may have changed.
	 */
	for (unsigned root = 0; root < MMU_ROOTS; root++)
		for (uint64_t i = 0; direct(root) && s.mmu.root[root] && i < FRAMES; i++) {
			int level;

			if (!expected[root][i] && actual(root, i, &level)) {
				CHECK_INT(level, LEVEL_2M);
				CHECK(!slot.slot.dirty && !slot.slot.tracked);
				expected[root][i] = slot.first.v + i;
			}
		}
}

static void clear_log(void)
{
	for (uint64_t word = 0; word < FRAMES / 64; word++)
		(void)mmu_log_clear(&s.mmu, &slot.slot, word * 64, ~UINT64_C(0));
	mmu_log_flush(&s.mmu, &slot.slot);
	memset(written, 0, sizeof(written));
}

/* On; a look and a new round, or off. */
static void do_log(void)
{
	if (!slot.slot.dirty) {
		memset(dirty_map, 0, sizeof(dirty_map));
		memset(written, 0, sizeof(written));
		mmu_log_start(&s.mmu, &slot.slot, dirty_map);
		return;
	}
	(void)mmu_log_harvest(&s.mmu, &slot.slot);
	for (uint64_t i = 0; i < FRAMES; i++)
		if (written[i] && !(dirty_map[i / 64] >> (i % 64) & 1))
			fail_msg("frame %llu was written and is not in the log",
				 (unsigned long long)i);
	clear_log();
	if (rnd(2))
		mmu_log_stop(&s.mmu, &slot.slot);
}

static void do_track(void)
{
	uint64_t i = rnd(FRAMES);

	if (!slot.slot.tracked) {
		memset(tracked_map, 0, sizeof(tracked_map));
		mmu_track_start(&s.mmu, &slot.slot, tracked_map);
	}
	if (rnd(3)) {
		CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(i)), 0);
		tracked[i] = true;
		return;
	}
	for (i = 0; i < FRAMES; i++)
		if (tracked[i])
			mmu_untrack(&s.mmu, &slot.slot, at(i));
	memset(tracked, 0, sizeof(tracked));
	mmu_track_start(&s.mmu, &slot.slot, NULL);
}

/* They change what may be done, not what is mapped. */
static void do_bits(void)
{
	uint64_t from = rnd(FRAMES), n = 1 + rnd(FRAMES - from);

	if (rnd(2)) {
		uint64_t young = mmu_age(&s.mmu, at(from), n);

		CHECK(young <= 2 * n);
		CHECK_INT(mmu_age(&s.mmu, at(from), n), 0);
	} else {
		(void)mmu_wrprotect(&s.mmu, at(from), n);
		CHECK_INT(mmu_wrprotect(&s.mmu, at(from), n), 0);
	}
}

static void do_move(void)
{
	uint64_t i = rnd(FRAMES), to;
	int level;

	if (!td)
		return;
	to = slot.next_private;
	slot.next_private += level_frames(LEVEL_2M);
	bool small = actual(MMU_MIRROR, i, &level) && level == LEVEL_4K;
	int err = mmu_move_private(&s.mmu, at(i), (pfn_t){ to });

	CHECK_INT(err, small ? 0 : -EINVAL);
	if (small) {
		expected[MMU_MIRROR][i] = to;
		slot.out++; /* it was ours */
	}
}

/* The direct root goes out of use, loaded by somebody or not. */
static void do_invalidate(void)
{
	enum mmu_root root = td || rnd(2) ? MMU_DIRECT : MMU_DIRECT_2;
	struct mmu_page *held = rnd(2) ? mmu_root_get(&s.mmu, root) : NULL;

	if (!s.mmu.root[root])
		return;
	CHECK_INT(mmu_invalidate(&s.mmu, root), 0);
	memset(expected[root], 0, sizeof(expected[root]));
	if (held)
		mmu_root_put(&s.mmu, held);
}

static void do_look(void)
{
	enum mmu_root root = td && rnd(2) ? MMU_MIRROR : MMU_DIRECT;
	struct mmu_walk_step path[5];
	uint64_t i = rnd(FRAMES);
	unsigned n = mmu_walk(&s.mmu, root, at(i), path);

	CHECK(n >= 1 && n <= 4);
	for (unsigned k = 0; k < n; k++)
		CHECK_INT(path[k].level, 4 - (int)k);
	CHECK_INT(spte_is_accessible_leaf(path[n - 1].spte), expected[root][i] != 0);
	/* Beside the slot is nothing. */
	struct mmu_fault f = { .gfn = at(FRAMES + rnd(9)), .root = root, .access = MMU_READ };
	int err = mmu_handle_fault(&s.mmu, &f);

	CHECK_INT(err, td && root == MMU_DIRECT ? 0 : -ENOENT);
	if (!td)
		CHECK_INT(mmu_handle_misconfig(&s.mmu, f.gfn), -ENOENT);
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
		for (uint64_t i = 0; s.mmu.root[root] && i < FRAMES; i++)
			if (actual(root, i, &level) != expected[root][i])
				fail_msg("root %u, frame %llu", root, (unsigned long long)i);
	if (s.complaint)
		fail_msg("%s", s.complaint);
	CHECK(!td || sept_compare(&s) == NULL);
	CHECK(sept_account(&s) == NULL);
	CHECK_INT(slot.out, s.frames);
}

static void found(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	printf("G%u at %#llx: %s\n", f->rule, (unsigned long long)f->gfn.v, f->what);
}

/* clang-format off */
static struct operation {
	void (*act)(void);
	unsigned weight;
	const char *name;
	uint64_t count;
} operations[] = {
	{ do_fault,            64, "faults", 0 },
	{ do_zap,              10, "zaps", 0 },
	{ do_map_ahead,         4, "maps ahead", 0 },
	{ do_join,              3, "joins", 0 },
	{ do_split_or_recover,  3, "splits and recoveries", 0 },
	{ do_move,              2, "moves", 0 },
	{ do_log,               3, "rounds of the log", 0 },
	{ do_track,             3, "trackings", 0 },
	{ do_bits,              3, "ageings and protections", 0 },
	{ do_invalidate,        1, "invalidations", 0 },
	{ do_look,              2, "looks", 0 },
	{ do_trouble,           2, "busy hooks", 0 },
};
/* clang-format on */

static struct operation *any_operation(void)
{
	unsigned total = 0;

	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		total += operations[i].weight;
	uint64_t r = rnd(total);

	for (struct operation *op = operations;; op++) {
		if (r < op->weight)
			return op;
		r -= op->weight;
	}
}

/* Odd seeds are TDs; even ones VMs, of each A/D policy in turn. */
static void start(uint64_t seed)
{
	rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	td = seed % 2 != 0;
	memset(expected, 0, sizeof(expected));
	memset(written, 0, sizeof(written));
	memset(tracked, 0, sizeof(tracked));
	machine_start(UINT64_C(1) << 30, 4);
	if (td)
		sept_start(&s, SEPT_TD);
	else
		sept_start_with(&s, (struct mmu_config){ .name = "vm",
							 .levels = 4,
							 .max_level = LEVEL_1G,
							 .memtype = SPTE_MEMTYPE_WB,
							 .ad = (enum mmu_ad_policy)(seed / 2 % 3),
							 .mmio = MMU_MMIO_MISCONFIG });
	s.mmu.max_level[MMU_DIRECT] = LEVEL_2M;
	fake_slot_add(&s, &slot, BASE, FRAMES);
	if (td)
		mmu_set_phase(&s.mmu, MMU_RUNNING);
	else /* a second root for some of the vCPUs */
		mmu_root_put(&s.mmu, mmu_root_get(&s.mmu, MMU_DIRECT_2));
}

static void run(uint64_t seed)
{
	start(seed);
	for (unsigned step = 0; step < STEPS; step++) {
		struct operation *op = any_operation();

		op->act();
		op->count++;
		compare_all();
		if (step % 100 == 99)
			CHECK_INT(mmu_check(&s.mmu, found, NULL), 0);
	}
	if (slot.slot.dirty)
		mmu_log_stop(&s.mmu, &slot.slot);
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
	printf("%llu steps, each compared:", (unsigned long long)(seeds * STEPS));
	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		printf("%s %llu %s", i ? "," : "", (unsigned long long)operations[i].count,
		       operations[i].name);
	printf("\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_a_map_from_gfn_to_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
