/*
 * main.c - build/host/mmu-bench: what the operations of mmu/ cost, natively.
 *
 *     mmu-bench [--op NAME|all] [--threads N] [--gib G] [--repeat R] [--csv]
 *     mmu-bench --mark OP     for tools/mmu-bench/shared-words: two CPUs in turn, marked
 *
 * Each operation is a row: what to prepare, what to measure, and what one unit of it is. Threads
 * share the range and work on their own parts of it. Memory is only bookkeeping: no guest frame is
 * touched, and the hook does nothing but count. Between repeats everything is built anew.
 *
 * Invariant: after each repeat of a row the MMU proves itself by mmu_check(); a finding ends the
 * program with status 1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/base/log.h"
#include "mmu/mmu.h"
#include "tests/host/machine.h"

#define MAX_THREADS 64u
#define MAX_REPEAT  101u
#define BASE        ((gfn_t){ UINT64_C(1) << 18 })
#define FRAMES_1G   (UINT64_C(1) << 18)
#define FRAMES_2M   UINT64_C(512)

struct bench {
	struct mmu mmu;
	struct memslot slot;
	uint64_t frames;  /* of the range */
	int largest;      /* level that the backing offers */
	uint64_t *bitmap; /* for the log */
	unsigned threads;
	uint64_t hooks, flushes; /* of all threads, since measuring began */
};

/* Of this thread: what is counted must cost next to nothing, for it is in every row. */
static _Thread_local uint64_t hooks, flushes;

/* What is measured: part [from, to) of the range, in frames. */
typedef void (*run_fn)(struct bench *b, uint64_t from, uint64_t to);

static void check(int err, const char *what)
{
	if (err) {
		fprintf(stderr, "mmu-bench: %s failed (%d)\n", what, err);
		exit(1);
	}
}

/*
 * What stands behind the MMU
 */
static int set_external(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level)
{
	(void)mmu, (void)gfn, (void)old, (void)new, (void)level;
	hooks++;
	return 0;
}

static void free_external(struct mmu *mmu, struct mmu_page *sp)
{
	(void)mmu;
	page_free(sp->external, PAGE_TDX_SEPT);
	sp->external = HPA_NONE;
}

static int flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	(void)mmu, (void)root, (void)start, (void)frames;
	flushes++;
	return 0;
}

static const struct mmu_ops ops = { .set_external_spte = set_external,
				    .free_external_spt = free_external,
				    .flush = flush };

static int resolve(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	const struct bench *b = slot->owner;

	(void)root;
	if (*level > b->largest)
		*level = b->largest;
	*pfn = (pfn_t){ gfn.v + (UINT64_C(1) << 28) };
	return 0;
}

static void release(struct memslot *slot, gfn_t gfn, pfn_t pfn, int level)
{
	(void)slot, (void)gfn, (void)pfn, (void)level;
}

static const struct memslot_ops slot_ops = { .resolve = resolve, .release = release };

static void start(struct bench *b, bool td, int largest)
{
	const struct mmu_config config = { .ops = &ops,
					   .name = "bench",
					   .levels = 4,
					   .shared_bit = td ? 47 : 0,
					   .has_mirror = td,
					   .max_level = LEVEL_1G,
					   .mirror_max_level = LEVEL_2M,
					   .memtype = SPTE_MEMTYPE_WB,
					   .ad = td ? MMU_AD_NONE : MMU_AD_HARDWARE };

	b->largest = largest;
	check(mmu_init(&b->mmu, &config), "init");
	b->slot =
		(struct memslot){ .base = BASE, .frames = b->frames, .ops = &slot_ops, .owner = b };
	check(mmu_slot_add(&b->mmu, &b->slot), "slot");
	if (td)
		mmu_set_phase(&b->mmu, MMU_RUNNING);
}

static unsigned check_mmu(struct bench *b) { return mmu_check(&b->mmu, NULL, NULL); }

static void end(struct bench *b)
{
	if (b->mmu.root[MMU_MIRROR])
		mmu_set_phase(&b->mmu, MMU_RELEASED);
	check((int)mmu_fini(&b->mmu), "fini");
}

/*
 * What is measured
 */
static void fault_at(struct bench *b, enum mmu_root root, uint64_t i)
{
	struct mmu_fault f = { .gfn = gfn_add(BASE, i), .root = root, .access = MMU_WRITE };

	check(mmu_handle_fault(&b->mmu, &f), "fault");
}

static void map_4k(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		fault_at(b, MMU_DIRECT, i);
}

/* Each frame once, in an order that jumps: an odd multiplier permutes a power of two. */
static void map_4k_random(struct bench *b, uint64_t from, uint64_t to)
{
	uint64_t n = UINT64_C(1) << (63 - __builtin_clzll(to - from));

	for (uint64_t i = 0; i < n; i++)
		fault_at(b, MMU_DIRECT, from + (i * UINT64_C(0x9e3779b1)) % n);
	for (uint64_t i = from + n; i < to; i++) /* no power of two: the rest in order */
		fault_at(b, MMU_DIRECT, i);
}

static void map_2m(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i += FRAMES_2M)
		fault_at(b, MMU_DIRECT, i);
}

static void mirror_4k(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		fault_at(b, MMU_MIRROR, i);
}

static void mirror_2m(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i += FRAMES_2M)
		fault_at(b, MMU_MIRROR, i);
}

static void map_ahead(struct bench *b, uint64_t from, uint64_t to)
{
	uint64_t done;

	check(mmu_map_range(&b->mmu, MMU_DIRECT, gfn_add(BASE, from), to - from, LEVEL_4K, &done),
	      "map ahead");
}

/* Leaf by leaf: each table keeps its first and last entry. */
static void zap_range(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i += FRAMES_2M)
		check(mmu_zap_range(&b->mmu, MMU_DIRECT, gfn_add(BASE, i + 1), FRAMES_2M - 2),
		      "zap");
}

static void zap_mirror(struct bench *b, uint64_t from, uint64_t to)
{
	check(mmu_zap_range(&b->mmu, MMU_MIRROR, gfn_add(BASE, from), to - from), "zap");
}

static void zap_root(struct bench *b, uint64_t from, uint64_t to)
{
	if (from == 0)
		check(mmu_zap_all(&b->mmu, MMU_DIRECT), "zap");
	(void)to;
}

static void wrprot(struct bench *b, uint64_t from, uint64_t to)
{
	(void)mmu_wrprotect(&b->mmu, gfn_add(BASE, from), to - from);
}

static void clear_dirty(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i += 64)
		(void)mmu_log_clear(&b->mmu, &b->slot, i, ~UINT64_C(0));
}

static void harvest(struct bench *b, uint64_t from, uint64_t to)
{
	if (from == 0)
		(void)mmu_log_harvest(&b->mmu, &b->slot);
	(void)to;
}

static void split(struct bench *b, uint64_t from, uint64_t to)
{
	check(mmu_split_range(&b->mmu, gfn_add(BASE, from), to - from, LEVEL_4K), "split");
}

static void recover(struct bench *b, uint64_t from, uint64_t to)
{
	(void)mmu_recover_range(&b->mmu, gfn_add(BASE, from), to - from);
}

static void age(struct bench *b, uint64_t from, uint64_t to)
{
	(void)mmu_age(&b->mmu, gfn_add(BASE, from), to - from);
}

static void walk(struct bench *b, uint64_t from, uint64_t to)
{
	int level;

	for (uint64_t i = from; i < to; i++)
		(void)mmu_lookup(&b->mmu, MMU_DIRECT, gfn_add(BASE, i), &level);
}

static void write_side(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i += FRAMES_2M) {
		mmu_write_lock(&b->mmu.lock);
		mmu_write_unlock(&b->mmu.lock);
	}
}

/*
 * What is prepared
 */

/* So many CPUs ran this guest: a writer looks at the slot of each. */
static void run_on(struct bench *b, unsigned cpus)
{
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		machine_cpu(cpu);
		walk(b, 0, 1);
	}
	machine_cpu(0);
}

static void run_on_2(struct bench *b, uint64_t from, uint64_t to)
{
	(void)from, (void)to;
	run_on(b, 2);
}

static void run_on_512(struct bench *b, uint64_t from, uint64_t to)
{
	(void)from, (void)to;
	run_on(b, 512);
}

static void start_logging(struct bench *b, uint64_t from, uint64_t to)
{
	(void)from, (void)to;
	memset(b->bitmap, 0, (b->frames + 63) / 64 * 8);
	mmu_log_start(&b->mmu, &b->slot, b->bitmap);
	/* Every page was written since: what a CPU would have left. */
	for (uint64_t i = 0; i < b->frames; i++) {
		struct mmu_walk_step steps[5];
		unsigned n = mmu_walk(&b->mmu, MMU_DIRECT, gfn_add(BASE, i), steps);
		spte_t *table = hpa_to_ptr(steps[n - 1].table);

		table[steps[n - 1].index].raw |= SPTE_DIRTY;
	}
}

static void large_backing(struct bench *b, uint64_t from, uint64_t to)
{
	(void)from, (void)to;
	b->largest = LEVEL_2M;
}

/* clang-format off */
static const struct op {
	const char *name;
	bool td;
	int largest;       /* of the backing, while preparing and measuring */
	uint64_t unit;     /* frames */
	run_fn prepare[2]; /* over the whole range, one thread, not measured */
	run_fn run;
} op_table[] = {
	{ "map4k-seq",    false, LEVEL_4K, 1,         { NULL },                   map_4k },
	{ "map4k-random", false, LEVEL_4K, 1,         { NULL },                   map_4k_random },
	{ "map2m",        false, LEVEL_2M, FRAMES_2M, { NULL },                   map_2m },
	{ "map-ahead",    false, LEVEL_2M, 1,         { NULL },                   map_ahead },
	{ "mirror4k",     true,  LEVEL_4K, 1,         { NULL },                   mirror_4k },
	{ "mirror2m",     true,  LEVEL_2M, FRAMES_2M, { NULL },                   mirror_2m },
	{ "spurious",     false, LEVEL_4K, 1,         { map_ahead, map_4k },      map_4k },
	{ "zap-range",    false, LEVEL_4K, 1,         { map_ahead },              zap_range },
	{ "zap-mirror",   true,  LEVEL_4K, 1,         { mirror_4k },              zap_mirror },
	{ "zap-root",     false, LEVEL_4K, 1,         { map_ahead },              zap_root },
	{ "wrprot-slot",  false, LEVEL_4K, 1,         { map_ahead },              wrprot },
	{ "clear-dirty",  false, LEVEL_4K, 1,         { map_ahead, start_logging }, clear_dirty },
	{ "harvest",      false, LEVEL_4K, 1,         { map_ahead, start_logging }, harvest },
	{ "split",        false, LEVEL_2M, FRAMES_2M, { map_2m },                 split },
	{ "recover",      false, LEVEL_4K, FRAMES_2M, { map_ahead, large_backing }, recover },
	{ "age",          false, LEVEL_4K, 1,         { map_4k },                 age },
	{ "walk",         false, LEVEL_4K, 1,         { map_ahead },              walk },
	{ "writer-2cpus", false, LEVEL_4K, FRAMES_2M, { map_ahead, run_on_2 },    write_side },
	{ "writer-512cpus", false, LEVEL_4K, FRAMES_2M, { map_ahead, run_on_512 }, write_side },
};
/* clang-format on */

/*
 * Measuring
 */
struct part {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct bench *b;
	run_fn run;
	unsigned index;
	uint64_t from, to;
	uint64_t began, ended; /* ns */
	uint64_t cpu;          /* ns that this thread ran, whoever else did */
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Instruction counters look for this name: everything measured happens inside. */
__attribute__((noinline)) void mmu_bench_measured(run_fn run, struct bench *b, uint64_t from,
						  uint64_t to);
__attribute__((noinline)) void mmu_bench_measured(run_fn run, struct bench *b, uint64_t from,
						  uint64_t to)
{
	run(b, from, to);
}

static void *thread_main(void *arg)
{
	struct part *p = arg;

	machine_cpu(p->index);
	pthread_barrier_wait(p->barrier);
	hooks = flushes = 0;
	uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);

	p->began = now_ns(CLOCK_MONOTONIC);
	mmu_bench_measured(p->run, p->b, p->from, p->to);
	p->ended = now_ns(CLOCK_MONOTONIC);
	p->cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	__atomic_fetch_add(&p->b->hooks, hooks, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->b->flushes, flushes, __ATOMIC_RELAXED);
	return NULL;
}

/* Wall time of @op over all parts; *cpu: what all threads together ran for. */
static uint64_t run_parts(struct bench *b, const struct op *op, uint64_t *cpu)
{
	struct part parts[MAX_THREADS];
	pthread_barrier_t barrier;
	uint64_t began = ~UINT64_C(0), ended = 0, blocks = b->frames / FRAMES_2M;

	pthread_barrier_init(&barrier, NULL, b->threads);
	for (unsigned i = 0; i < b->threads; i++) {
		parts[i] = (struct part){ .barrier = &barrier,
					  .b = b,
					  .run = op->run,
					  .index = i,
					  .from = blocks * i / b->threads * FRAMES_2M,
					  .to = blocks * (i + 1) / b->threads * FRAMES_2M };
		if (i > 0)
			pthread_create(&parts[i].thread, NULL, thread_main, &parts[i]);
	}
	thread_main(&parts[0]);
	for (unsigned i = 0; i < b->threads; i++) {
		if (i > 0)
			pthread_join(parts[i].thread, NULL);
		*cpu += parts[i].cpu;
		began = parts[i].began < began ? parts[i].began : began;
		ended = parts[i].ended > ended ? parts[i].ended : ended;
	}
	pthread_barrier_destroy(&barrier);
	return ended - began;
}

struct result {
	double ns[MAX_REPEAT], cpu[MAX_REPEAT];
	uint64_t units, hooks, flushes, table_bytes;
};

static void measure_once(struct bench *b, const struct op *op, struct result *r, unsigned n)
{
	struct mmu_stats stats;

	start(b, op->td, op->largest);
	for (unsigned i = 0; i < ARRAY_LEN(op->prepare) && op->prepare[i]; i++)
		op->prepare[i](b, 0, b->frames);
	b->hooks = b->flushes = 0;
	mmu_stats(&b->mmu, &stats);
	r->table_bytes = stats.table_bytes;
	r->units = b->frames / op->unit;
	uint64_t cpu = 0;

	r->ns[n] = (double)run_parts(b, op, &cpu) / (double)r->units;
	r->cpu[n] = (double)cpu / (double)r->units;
	r->hooks = b->hooks;
	r->flushes = b->flushes;
	mmu_stats(&b->mmu, &stats);
	if (stats.table_bytes > r->table_bytes)
		r->table_bytes = stats.table_bytes;
	check((int)check_mmu(b), "the self-check");
	end(b);
}

static int compare(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void measure(struct bench *b, const struct op *op, unsigned repeat, bool csv)
{
	struct result r = { .units = 0 };

	for (unsigned n = 0; n < repeat; n++)
		measure_once(b, op, &r, n);
	qsort(r.ns, repeat, sizeof(r.ns[0]), compare);
	qsort(r.cpu, repeat, sizeof(r.cpu[0]), compare);
	printf(csv ? "%s,%llu,%u,%.2f,%.2f,%llu,%llu,%llu,%.2f\n"
		   : "%-13s %9llu %7u %10.2f %10.2f %9llu %8llu %10llu %10.2f\n",
	       op->name, (unsigned long long)r.units, b->threads, r.ns[0], r.ns[repeat / 2],
	       (unsigned long long)r.hooks, (unsigned long long)r.flushes,
	       (unsigned long long)(r.table_bytes * FRAMES_1G / b->frames), r.cpu[repeat / 2]);
	fflush(stdout);
}

/*
 * Two CPUs do @op in different tables, one after the other on this thread. Stores to `mark` tell
 * who reads a trace of all memory accesses where each part begins; the rest is prepared before.
 */
#define MARKED_UNITS 64u
static volatile uint64_t mark;

static void run_marked(struct bench *b, const struct op *op)
{
	/* The tables that a unit goes into map 512 of them. */
	uint64_t part = op->unit * TABLE_ENTRIES;

	b->frames = 2 * part;
	start(b, op->td, op->largest);
	for (unsigned i = 0; i < ARRAY_LEN(op->prepare) && op->prepare[i]; i++)
		op->prepare[i](b, 0, b->frames);
	for (unsigned cpu = 0; cpu < 2; cpu++) { /* its lock joined, its tables linked */
		machine_cpu(cpu);
		fault_at(b, op->td ? MMU_MIRROR : MMU_DIRECT, cpu * part);
	}
	printf("mark %#lx stack %#lx own %#lx\n", (unsigned long)(uintptr_t)&mark,
	       (unsigned long)(uintptr_t)__builtin_frame_address(0),
	       (unsigned long)(uintptr_t)&hooks);
	fflush(stdout);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		uint64_t from = cpu * part + op->unit;

		machine_cpu(cpu);
		mark = cpu + 1;
		op->run(b, from, from + MARKED_UNITS * op->unit);
	}
	mark = 3;
}

static const struct op *find_op(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(op_table); i++)
		if (!strcmp(name, op_table[i].name))
			return &op_table[i];
	return NULL;
}

static NORETURN void usage(void)
{
	fprintf(stderr,
		"usage: mmu-bench [--op NAME|all] [--threads N] [--gib G] [--repeat R] [--csv] [--mark OP]\n"
		"ops:");
	for (size_t i = 0; i < ARRAY_LEN(op_table); i++)
		fprintf(stderr, " %s", op_table[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static unsigned number(const char *text, unsigned min, unsigned max)
{
	char *stop;
	unsigned long n = text ? strtoul(text, &stop, 10) : 0;

	if (!text || *stop || n < min || n > max)
		usage();
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	static struct bench b;
	const char *name = "all", *marked = NULL;
	unsigned threads = 1, gib = 1, repeat = 5, found = 0;
	bool csv = false;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--csv")) {
			csv = true;
			continue;
		}
		if (!strcmp(argv[i], "--op") && value)
			name = value;
		else if (!strcmp(argv[i], "--mark") && value && find_op(value))
			marked = value;
		else if (!strcmp(argv[i], "--threads"))
			threads = number(value, 1, MAX_THREADS);
		else if (!strcmp(argv[i], "--gib"))
			gib = number(value, 1, 512);
		else if (!strcmp(argv[i], "--repeat"))
			repeat = number(value, 1, MAX_REPEAT);
		else
			usage();
		i++;
	}
	machine_start(UINT64_C(8) << 30, MAX_THREADS);
	b.threads = threads;
	b.frames = gib * FRAMES_1G;
	b.bitmap = calloc((b.frames + 63) / 64, 8);
	if (!b.bitmap)
		return 1;
	if (marked) {
		run_marked(&b, find_op(marked));
		return 0;
	}
	printf(csv ? "op,pages,threads,min_ns,median_ns,hooks,flushes,table_bytes_per_gib,"
		     "median_cpu_ns\n"
		   : "op                pages threads     ns min  ns median     hooks  flushes "
		     "bytes/GiB     cpu ns\n");
	for (size_t i = 0; i < ARRAY_LEN(op_table); i++)
		if (!strcmp(name, "all") || !strcmp(name, op_table[i].name)) {
			measure(&b, &op_table[i], repeat, csv);
			found++;
		}
	free(b.bitmap);
	if (!found)
		usage();
	return 0;
}
