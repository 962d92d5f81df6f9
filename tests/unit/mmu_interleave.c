/*
 * mmu_interleave.c - two CPUs fault in private pages while a third removes them: every order of
 * their accesses that few preemptions can make, and many drawn ones, on the real change, fault and
 * removal code (rules B2, C2, C13, C15).
 *
 * Before each access to an entry, to the lock or to a CPU's slot in it, and around each hook, the
 * scheduler of tests/fake/interleave.h may switch. At each such place:
 *   - the external table holds no child without its parent, and nothing below a blocked table;
 *   - the mirror claims no less than the external table, and no more, but where an entry is FROZEN.
 * When all have ended: no frame is lost, no entry frozen, both tables say the same.
 *
 * MMU_INTERLEAVE_SEED=N in the environment plays the order of that seed alone and prints it.
 * MMU_INTERLEAVE_LOG=FILE writes what happened in drawn orders instead, for the model of the
 * protocol (tests/spin/frozen.pml), and checks nothing itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/check.c mmu/dirty.c mmu/map.c mmu/mmu.c mmu/root.c mmu/pool.c mmu/slot.c mmu/split.c
 * mmu/spte.c tests/fake/sept.c tests/fake/interleave.c */
#include "tests/fake/test.h"

#include <stdio.h>

/* From here on atomic accesses announce themselves: also those of the headers. */
#include "tests/fake/interleave.h"

#include "mmu/change.c"
#include "mmu/dead.c"
#include "mmu/fault.c"
#include "mmu/lock.c"
#include "mmu/mirror.c"
#include "mmu/zap.c"

#include "tests/fake/sept.h"
#include "tests/host/machine.h"

#define BASE    ((gfn_t){ 0x40000 })
#define WATCHED 2u /* entries of each table that a scenario uses: its first two */
#define RETRIES 1000

struct scenario {
	const char *name;
	uint64_t fault[2]; /* offsets from BASE */
	uint8_t accept[2]; /* max_level of each */
	uint64_t zap, frames;
	int mapped_first; /* level of a leaf at BASE that is there before */
	bool whole;       /* look at both tables whole: more than the watched entries change */
};

static struct sept s;
static struct fake_slot slot;
static struct mmu_ops ops;
static int (*carry_out)(struct mmu *, gfn_t, spte_t, spte_t, int);
static int (*flush_out)(struct mmu *, enum mmu_root, gfn_t, uint64_t);
static const struct scenario *scene;
static int results[INTERLEAVE_TASKS];

/* How often what we look for was there to be found. */
static struct {
	uint64_t orders, steps, in_hook, left_mapped, left_empty, again;
} seen;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

/*
 * The check of every step
 */
static const char *look_at(const struct walk *w, uint64_t *found)
{
	const struct sept_entry *e = sept_find(&s, w->gfn, w->level);
	const struct sept_entry *up;

	if (!e)
		return spte_is_present(w->old) ? "the mirror claims more than the external table"
					       : NULL;
	(*found)++;
	if (w->level < s.mmu.levels) {
		up = sept_find(&s, gfn_align(w->gfn, w->level + 1), w->level + 1);
		if (!up || up->leaf)
			return "a child without its parent";
		if (up->blocked)
			return "a child below a blocked table";
	}
	if (spte_is_frozen(w->old))
		return NULL;
	if (!spte_is_present(w->old))
		return "the mirror claims less than the external table";
	if (e->leaf != spte_has_leaf(w->old) || e->blocked != spte_is_blocked(w->old) ||
	    (e->leaf && e->pfn.v != spte_pfn(w->old).v))
		return "mirror and external table differ";
	return NULL;
}

/*
 * The watched entries of @sp and below. There is nothing below a FROZEN entry: only empty tables
 * are added, blocked or removed here.
 */
static const char *look_below(struct mmu_page *sp, uint64_t *found)
{
	for (unsigned i = 0; i < WATCHED; i++) {
		gfn_t gfn = gfn_add(sp->gfn, i * level_frames(sp->level));
		struct walk w = { &sp->entries[i], spte_read(&sp->entries[i]), gfn, sp->level,
				  MMU_MIRROR };
		const char *fault = look_at(&w, found);

		seen.in_hook += spte_is_frozen(w.old);
		if (!fault && spte_has_table(w.old))
			fault = look_below(page_of_entry(table_of(&s.mmu, w.old)), found);
		if (fault)
			return fault;
	}
	return NULL;
}

static const char *check_step(void)
{
	uint64_t found = 0;

	if (s.complaint)
		return s.complaint;
	if (s.bugged)
		return s.bugged;
	const char *fault = look_below(s.mmu.root[MMU_MIRROR], &found);

	if (!fault && scene->whole)
		return sept_compare(&s);
	if (!fault && found != s.count)
		return "the external table holds what no walk of the mirror finds";
	return fault;
}

/*
 * The tasks
 */
static bool matters(const volatile void *where)
{
	uintptr_t p = (uintptr_t)where;

	if (p - (uintptr_t)&s.mmu < sizeof(s.mmu) || p - (uintptr_t)mmu_cpus < sizeof(mmu_cpus))
		return true;
	/* Entries that nobody uses are none whenever they are read. */
	return p % PAGE_SIZE / sizeof(spte_t) < WATCHED;
}

static void log_hook(gfn_t gfn, int level, enum spte_step step, int err);
static void log_flush(void);

static int hook(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level)
{
	interleave_point(mmu);
	int err = carry_out(mmu, gfn, old, new, level);

	log_hook(gfn, level, spte_step(old, new), err);
	interleave_point(mmu);
	return err;
}

static int flush_hook(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	interleave_point(mmu);
	int err = flush_out(mmu, root, start, frames);

	log_flush();
	interleave_point(mmu);
	return err;
}

/* What a vCPU's loop does with a private fault: outside of the guest, again and again. */
static int fault_until_settled(gfn_t gfn, uint8_t accept)
{
	int err = -EAGAIN;

	for (unsigned i = 0; err == -EAGAIN && i < RETRIES; i++) {
		struct mmu_fault f = { .gfn = gfn, .root = MMU_MIRROR, .max_level = accept };

		err = mmu_handle_fault(&s.mmu, &f);
		if (err == -EAGAIN) {
			seen.again++;
			interleave_relax();
		}
	}
	return err;
}

static void run_task(unsigned task)
{
	results[task] = task < 2 ? fault_until_settled(at(scene->fault[task]), scene->accept[task])
				 : mmu_zap_range(&s.mmu, MMU_MIRROR, at(scene->zap), scene->frames);
}

static const struct interleave_test test = { 3, run_task, check_step, matters };

/*
 * One order, and many
 */
static void show_finding(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	printf("G%u: %s\n", f->rule, f->what);
}

static const char *after(void)
{
	for (unsigned i = 0; i < test.tasks; i++)
		if (results[i])
			return "a task was not settled";
	const char *fault = check_step();

	if (fault)
		return fault;
	if (slot.out != s.frames)
		return "a frame is lost";
	/* The proof walks everything: now and then. */
	if (seen.orders % 64 == 0 && mmu_check(&s.mmu, show_finding, NULL) != 0)
		return "the self-check found something";
	return NULL;
}

static void one_order(void)
{
	if (scene->mapped_first)
		CHECK_INT(fault_until_settled(BASE, (uint8_t)scene->mapped_first), 0);
	const char *fault = interleave_run(&test);

	if (!fault)
		fault = after();
	if (fault)
		fail_msg("%s: %s; order %llu, step %u, switches (step:task)%s", scene->name, fault,
			 (unsigned long long)seen.orders, interleave_steps(), interleave_text());
	seen.orders++;
	seen.steps += interleave_steps();
	seen.left_mapped += s.frames != 0;
	seen.left_empty += s.frames == 0;
	/* Back to the beginning: nothing mapped, the root alone. */
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, level_frames(LEVEL_1G)), 0);
	CHECK_INT(s.count, 0);
	s.calls = 0;
	/* Frames are numbers: they must not run out. */
	slot.next_private = UINT64_C(1) << 30;
}

static void begin(const struct scenario *sc)
{
	machine_start(UINT64_C(64) << 20, 4);
	machine_log_clear();
	sept_start(&s, SEPT_TD);
	ops = *s.mmu.ops;
	carry_out = ops.set_external_spte;
	flush_out = ops.flush;
	ops.set_external_spte = hook;
	ops.flush = flush_hook;
	s.mmu.ops = &ops;
	fake_slot_add(&s, &slot, BASE, level_frames(LEVEL_1G));
	slot.largest = LEVEL_2M;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
	memset(&seen, 0, sizeof(seen));
	/* A test that failed left its tasks inside. */
	memset(mmu_cpus, 0, sizeof(mmu_cpus));
	scene = sc;
}

static void end(const char *how)
{
	printf("%s, %s: %llu orders, %llu steps; an entry was seen frozen %llu times; "
	       "%llu orders end mapped, %llu empty, %llu faults came again\n",
	       scene->name, how, (unsigned long long)seen.orders, (unsigned long long)seen.steps,
	       (unsigned long long)seen.in_hook, (unsigned long long)seen.left_mapped,
	       (unsigned long long)seen.left_empty, (unsigned long long)seen.again);
	sept_end(&s);
	CHECK_INT(slot.out, 0);
}

/* clang-format off */
static const struct scenario scenes[] = {
	/* name                           faults at   accept                  zap   of    before */
	{ "the same page",                { 0, 0 },   { LEVEL_4K, LEVEL_4K }, 0,    2,    0, false },
	{ "two pages of one table",       { 0, 1 },   { LEVEL_4K, LEVEL_4K }, 0,    2,    0, false },
	{ "pages of two tables",          { 0, 512 }, { LEVEL_4K, LEVEL_4K }, 0,    513,  0, false },
	{ "one page is there already",    { 0, 1 },   { LEVEL_4K, LEVEL_4K }, 0,    2,    LEVEL_4K, false },
	{ "2M and 4K in one place",       { 0, 1 },   { LEVEL_2M, LEVEL_4K }, 0,    512,  0, true },
	{ "a 2M page is split and zapped", { 0, 1 },  { LEVEL_2M, LEVEL_4K }, 0,    512,  LEVEL_2M, true },
};
/* clang-format on */

/* Scenes that are looked at whole take too long for this: they have their seeds. */
static void every_order(unsigned preemptions)
{
	for (unsigned i = 0; i < ARRAY_LEN(scenes); i++) {
		char how[40];

		if (scenes[i].whole)
			continue;
		begin(&scenes[i]);
		interleave_first(preemptions);
		do {
			one_order();
		} while (interleave_next());
		CHECK(seen.in_hook > 0 && seen.left_mapped > 0 && seen.left_empty > 0);
		snprintf(how, sizeof(how), "all orders, preemptions at most %u", preemptions);
		end(how);
	}
}

TEST(every_order_with_one_preemption) { every_order(1); }
TEST(every_order_with_two_preemptions) { every_order(2); }

#define SEEDS       4000u
#define SEEDS_WHOLE 20u

TEST(orders_from_seeds)
{
	const char *only = getenv("MMU_INTERLEAVE_SEED");

	for (unsigned i = 0; i < ARRAY_LEN(scenes); i++) {
		uint64_t first = only ? strtoull(only, NULL, 0) : 0;
		uint64_t count = only ? 1 : scenes[i].whole ? SEEDS_WHOLE : SEEDS;

		begin(&scenes[i]);
		for (uint64_t seed = first; seed < first + count; seed++) {
			interleave_seed(seed);
			one_order();
			if (only)
				printf("seed %llu: %u steps,%s\n", (unsigned long long)seed,
				       interleave_steps(), interleave_text());
		}
		end("seeds");
	}
}

TEST(a_seed_plays_again_exactly)
{
	uint64_t hash[8];
	unsigned steps[8], differ = 0;

	for (unsigned round = 0; round < 2; round++) {
		begin(&scenes[1]);
		for (unsigned seed = 0; seed < ARRAY_LEN(hash); seed++) {
			interleave_seed(seed);
			one_order();
			if (round == 0) {
				hash[seed] = interleave_hash();
				steps[seed] = interleave_steps();
			} else {
				CHECK(hash[seed] == interleave_hash());
				CHECK_INT(interleave_steps(), steps[seed]);
			}
			differ += hash[seed] != hash[0];
		}
		end("played again");
	}
	CHECK(differ > 0);
}

/*
 * The log for the model: one line an order, numbers as in tests/spin/frozen.pml. First the three
 * watched entries as they were and the entries that the two faults want; then each event.
 */
static FILE *log_file;
static unsigned logged[3];

/* The parent entry and the first two of its table, as the model calls their states. */
static void log_states(unsigned state[3])
{
	enum { NONE, FROZEN, OPEN, BLOCKED };
	static const unsigned of_kind[SPTE_KIND_COUNT] = {
		[SPTE_IS_NONE] = NONE,
		[SPTE_IS_MMIO] = NONE,
		[SPTE_IS_FROZEN] = FROZEN,
		[SPTE_IS_TABLE] = OPEN,
		[SPTE_IS_LEAF] = OPEN,
		[SPTE_IS_BLOCKED_TABLE] = BLOCKED,
		[SPTE_IS_BLOCKED_LEAF] = BLOCKED,
	};
	struct walk parent = walk_to(&s.mmu, MMU_MIRROR, BASE, LEVEL_2M);

	state[0] = of_kind[spte_kind(parent.old)];
	state[1] = state[2] = NONE;
	for (unsigned i = 0; spte_has_table(parent.old) && i < 2; i++)
		state[1 + i] = of_kind[spte_kind(spte_read(&table_of(&s.mmu, parent.old)[i]))];
}

/* Before each access: the running task made the change since the last one, if there is one. */
static const char *log_stores(void)
{
	unsigned now[3];

	log_states(now);
	for (unsigned e = 0; e < 3; e++) {
		if (now[e] != logged[e])
			fprintf(log_file, " %u", 1000 + interleave_task() * 100 + e * 10 + now[e]);
		logged[e] = now[e];
	}
	return NULL;
}

static void log_hook(gfn_t gfn, int level, enum spte_step step, int err)
{
	static const unsigned of_step[STEP_COUNT] = { [STEP_BLOCK] = 1,
						      [STEP_UNBLOCK] = 2,
						      [STEP_REMOVE_LEAF] = 3,
						      [STEP_REMOVE_TABLE] = 3 };
	unsigned e = level == LEVEL_2M ? 0 : 1 + (unsigned)(gfn.v - BASE.v);

	if (log_file)
		fprintf(log_file, " %u",
			2000 + interleave_task() * 100 + e * 10 + of_step[step] + (err ? 5 : 0));
}

static void log_flush(void)
{
	if (log_file)
		fprintf(log_file, " %u", 3000 + interleave_task() * 100);
}

static const struct interleave_test logged_test = { 3, run_task, log_stores, matters };

/* A page beside keeps the tables above, so that the two levels of the model are all that change. */
static void log_one(uint64_t seed)
{
	static const enum spte_step busy[] = { STEP_ADD_TABLE, STEP_ADD_LEAF, STEP_BLOCK,
					       STEP_REMOVE_LEAF, STEP_REMOVE_TABLE };
	FILE *out = log_file;

	log_file = NULL;
	CHECK_INT(fault_until_settled(at(512), LEVEL_4K), 0);
	if (seed % 3 == 0)
		CHECK_INT(fault_until_settled(BASE, LEVEL_4K), 0);
	if (seed > 30 && seed % 9 == 3) { /* a removal was interrupted: the page stands blocked */
		sept_fail(&s, STEP_REMOVE_LEAF, 1, ~0u, SEPT_BUSY);
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, 1), -EAGAIN);
		s.fail_in = 0;
	}
	if (seed % 2 == 0)
		sept_fail(&s, busy[seed / 2 % ARRAY_LEN(busy)], 1 + (unsigned)(seed / 10 % 2), 1,
			  SEPT_BUSY);
	log_file = out;
	log_states(logged);
	fprintf(log_file, "%u %u %u 1 %llu", logged[0], logged[1], logged[2],
		(unsigned long long)scene->fault[1] + 1);
	interleave_seed(seed);
	(void)interleave_run(&logged_test);
	(void)log_stores();
	fputs("\n", log_file);
	log_file = NULL;
	s.fail_in = 0;
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_MIRROR, BASE, level_frames(LEVEL_1G)), 0);
	s.calls = 0;
	slot.next_private = UINT64_C(1) << 30;
	log_file = out;
}

#define LOGGED_SEEDS 110u

static int write_logs(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return 1;
	setvbuf(file, NULL, _IONBF, 0);    /* nothing is lost when a planted mistake ends us */
	for (unsigned i = 0; i < 2; i++) { /* the same page, two pages of one table */
		begin(&scenes[i]);
		log_file = file;
		for (uint64_t seed = 0; seed < LOGGED_SEEDS; seed++)
			log_one(seed);
		log_file = NULL;
		sept_end(&s);
	}
	return fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_plays_again_exactly),
		cmocka_unit_test(every_order_with_one_preemption),
		cmocka_unit_test(every_order_with_two_preemptions),
		cmocka_unit_test(orders_from_seeds),
	};
	const char *log_path = getenv("MMU_INTERLEAVE_LOG");

	if (log_path)
		return write_logs(log_path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
