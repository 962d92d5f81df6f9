/*
 * cmd_bench.c - what operations cost on this machine, measured where they run.
 *
 * `bench mmu` builds a page table that no guest has, for a slot without memory behind it, and
 * counts ticks of the TSC around each operation. Its flush is nothing: no CPU ever walked that
 * table.
 *
 * Invariant: whatever was built is gone when the command returns, and each row's table has proved
 * itself (mmu_check) before its figure is printed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/monitor/bench_guest.h"
#include "kernel/monitor/bench_trace.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "mmu/mmu.h"

#define BASE      ((gfn_t){ UINT64_C(1) << 18 })
#define FRAMES    UINT64_C(8192) /* 32 MiB in 4K pages */
#define FRAMES_2M UINT64_C(512)
#define BLOCKS    UINT64_C(256) /* 2M pages */

/* ------------------------------------------------------------------ the scratch MMU */

static struct scratch {
	struct mmu mmu;
	struct memslot slot;
	int largest; /* level that the backing offers */
} scratch;

static int resolve(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	const struct scratch *s = slot->owner;

	(void)root;
	if (*level > s->largest)
		*level = s->largest;
	*pfn = (pfn_t){ gfn.v };
	return 0;
}

static int flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	(void)mmu, (void)root, (void)start, (void)frames;
	return 0;
}

static const struct memslot_ops slot_ops = { .resolve = resolve };
static const struct mmu_ops ops = { .flush = flush };

static int start(int largest)
{
	const struct mmu_config config = { .ops = &ops,
					   .name = "bench",
					   .levels = 4,
					   .max_level = LEVEL_1G,
					   .memtype = SPTE_MEMTYPE_WB,
					   .ad = MMU_AD_HARDWARE };
	int err = mmu_init(&scratch.mmu, &config);

	if (err)
		return err;
	scratch.largest = largest;
	scratch.slot = (struct memslot){
		.base = BASE, .frames = BLOCKS * FRAMES_2M, .ops = &slot_ops, .owner = &scratch
	};
	err = mmu_slot_add(&scratch.mmu, &scratch.slot);
	if (err)
		(void)mmu_fini(&scratch.mmu);
	return err;
}

/* ------------------------------------------------------------------ operations */

static int fault_each(uint64_t count, uint64_t step)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < count; i++) {
		struct mmu_fault f = { .gfn = gfn_add(BASE, i * step),
				       .root = MMU_DIRECT,
				       .access = MMU_WRITE };

		err = mmu_handle_fault(&scratch.mmu, &f);
	}
	return err;
}

static int map_each_4k(void) { return fault_each(FRAMES, 1); }
static int fault_2m(void) { return fault_each(BLOCKS, FRAMES_2M); }

static int map_ahead(void)
{
	uint64_t done;

	return mmu_map_range(&scratch.mmu, MMU_DIRECT, BASE, FRAMES, LEVEL_4K, &done);
}

/* Leaf by leaf: each table keeps its first and last entry, or it would be cut whole. */
static int zap(void)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < FRAMES; i += FRAMES_2M)
		err = mmu_zap_range(&scratch.mmu, MMU_DIRECT, gfn_add(BASE, i + 1), FRAMES_2M - 2);
	return err;
}

static int split(void) { return mmu_split_range(&scratch.mmu, BASE, BLOCKS * FRAMES_2M, LEVEL_4K); }

static int walk(void)
{
	struct mmu_walk_step steps[5];
	unsigned missed = 0;

	for (uint64_t i = 0; i < FRAMES; i++)
		missed += mmu_walk(&scratch.mmu, MMU_DIRECT, gfn_add(BASE, i), steps) != 4;
	return missed ? -1 : 0;
}

/* What is there before, what is measured, and how many units of it that is. */
static const struct operation {
	const char *name;
	int largest;
	int (*before)(void), (*measured)(void);
	uint64_t units;
} operations[] = {
	{ "map 4K", LEVEL_4K, NULL, map_each_4k, FRAMES },
	{ "map 2M", LEVEL_2M, NULL, fault_2m, BLOCKS },
	{ "spurious fault", LEVEL_4K, map_each_4k, map_each_4k, FRAMES },
	{ "map ahead, a 4K page", LEVEL_4K, NULL, map_ahead, FRAMES },
	{ "zap, a 4K page", LEVEL_4K, map_each_4k, zap, FRAMES / FRAMES_2M *(FRAMES_2M - 2) },
	{ "split, a 2M page", LEVEL_2M, fault_2m, split, BLOCKS },
	{ "walk", LEVEL_4K, map_each_4k, walk, FRAMES },
};

/* 0 and *ticks of all units together, or -errno; the number of findings of the proof in *findings.
 */
static int measure(const struct operation *op, uint64_t *ticks, unsigned *findings)
{
	int err = start(op->largest);

	if (err)
		return err;
	if (op->before)
		err = op->before();
	uint64_t from = tsc_now();

	if (!err)
		err = op->measured();
	*ticks = tsc_now() - from;
	*findings = mmu_check(&scratch.mmu, NULL, NULL);
	(void)mmu_fini(&scratch.mmu);
	return err;
}

/* ------------------------------------------------------------------ under a guest */

#define AREA_GFN  ((gfn_t){ BENCH_AREA >> PAGE_SHIFT })
#define MAP_WORDS ((BENCH_AREA + BENCH_BYTES) >> PAGE_SHIFT >> 6)

static uint64_t log_map[MAP_WORDS], log_round[MAP_WORDS];

static int take_all_away(void)
{
	return mmu_zap_range(bench_guest_mmu(), MMU_DIRECT, AREA_GFN, BENCH_FRAMES);
}

static int ticks_of(int (*fn)(void), uint64_t *ticks)
{
	uint64_t from = tsc_now();
	int err = fn();

	*ticks = tsc_now() - from;
	return err;
}

static int violation_4k(uint64_t *ticks)
{
	return take_all_away() || bench_guest_write(PAGE_SIZE, BENCH_FRAMES, ticks);
}

/* The part of a violation that is the MMU's: no exit, no entry, no trace of the exit. */
static int fault_area(void)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < BENCH_FRAMES; i++) {
		struct mmu_fault f = { .gfn = gfn_add(AREA_GFN, i), .access = MMU_WRITE };

		err = mmu_handle_fault(bench_guest_mmu(), &f);
	}
	return err;
}

static int fault_4k(uint64_t *ticks) { return take_all_away() || ticks_of(fault_area, ticks); }

static int violation_2m(uint64_t *ticks)
{
	return take_all_away() || bench_guest_write(SIZE_2M, BENCH_BLOCKS, ticks);
}

static int map_area(void)
{
	uint64_t done;

	return mmu_map_range(bench_guest_mmu(), MMU_DIRECT, AREA_GFN, BENCH_FRAMES, LEVEL_4K, &done);
}

static int ahead_4k(uint64_t *ticks) { return take_all_away() || ticks_of(map_area, ticks); }

/* Leaf by leaf: each table keeps two entries, or it would be cut whole. */
static int zap_leaves(void)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < BENCH_FRAMES; i += FRAMES_2M)
		err = mmu_zap_range(bench_guest_mmu(), MMU_DIRECT, gfn_add(AREA_GFN, i + 1),
				    FRAMES_2M - 2);
	return err;
}

static int removal_4k(uint64_t *ticks) { return map_area() || ticks_of(zap_leaves, ticks); }

static int start_log(void)
{
	mmu_log_start(bench_guest_mmu(), bench_guest_slot(), log_map);
	return 0;
}

static int stop_log(int err)
{
	mmu_log_stop(bench_guest_mmu(), bench_guest_slot());
	return err;
}

/* Every page mapped and dirty, then a log by @by. */
static int start_dirty(enum vm_log_by by, uint64_t *ticks)
{
	uint64_t unused;

	if (vm_log_by(bench_guest_vm(), by) ||
	    bench_guest_write(PAGE_SIZE, BENCH_FRAMES, &unused))
		return -1;
	memset(log_map, 0, sizeof(log_map));
	return ticks_of(start_log, ticks);
}

static int log_on(uint64_t *ticks) { return stop_log(start_dirty(VM_LOG_BY_AD, ticks)); }

static int written_by(enum vm_log_by by, uint64_t *ticks)
{
	uint64_t unused;

	return stop_log(start_dirty(by, &unused) ||
			bench_guest_write(PAGE_SIZE, BENCH_FRAMES, ticks));
}

static int written_pml(uint64_t *ticks) { return written_by(VM_LOG_BY_PML, ticks); }
static int written_wp(uint64_t *ticks) { return written_by(VM_LOG_BY_WRPROT, ticks); }

/* What a round of collecting does: take the bits, arm the pages again, flush once. */
static int collect_all(void)
{
	struct memslot *slot = bench_guest_slot();
	bool by_d = vm_log_by_d_bits(bench_guest_vm());

	if (by_d)
		(void)mmu_log_harvest(bench_guest_mmu(), slot);
	else
		vm_log_drain(bench_guest_vm());
	for (uint64_t w = 0; by_d && w < MAP_WORDS; w++)
		log_round[w] = __atomic_exchange_n(&log_map[w], 0, __ATOMIC_SEQ_CST);
	if (!by_d) {
		(void)mmu_log_take(bench_guest_mmu(), slot, log_round);
		mmu_log_flush(bench_guest_mmu(), slot);
	}
	return 0;
}

static int collected(enum vm_log_by by, uint64_t *ticks)
{
	uint64_t unused;

	return stop_log(start_dirty(by, &unused) ||
			bench_guest_write(PAGE_SIZE, BENCH_FRAMES, &unused) ||
			ticks_of(collect_all, ticks));
}

static int collected_ad(uint64_t *ticks) { return collected(VM_LOG_BY_AD, ticks); }
static int collected_pml(uint64_t *ticks) { return collected(VM_LOG_BY_PML, ticks); }

static int split_area(void)
{
	return mmu_split_range(bench_guest_mmu(), AREA_GFN, BENCH_FRAMES, LEVEL_4K);
}

static int split_2m(uint64_t *ticks)
{
	uint64_t unused;

	return violation_2m(&unused) || ticks_of(split_area, ticks);
}

/*
 * Rows under a guest that runs. The aims are ticks where a tick is an instruction; the peer's figures
 * are KVM's there, counted in the same way.
 */
static const struct guest_row {
	const char *name;
	int level; /* largest page of the guest */
	int (*measure)(uint64_t *ticks);
	uint64_t units;
	unsigned aim, peer;
} guest_rows[] = {
	{ "EPT violation, 4K", LEVEL_4K, violation_4k, BENCH_FRAMES, 300, 2864 },
	{ "of that, the MMU", LEVEL_4K, fault_4k, BENCH_FRAMES, 0, 0 },
	{ "EPT violation, 2M", LEVEL_2M, violation_2m, BENCH_BLOCKS, 300, 2739 },
	{ "mapped ahead, a 4K page", LEVEL_4K, ahead_4k, BENCH_FRAMES, 30, 2443 },
	{ "removed, a 4K page", LEVEL_4K, removal_4k, BENCH_FRAMES / FRAMES_2M *(FRAMES_2M - 2), 15,
	  223 },
	{ "dirty log on, a 4K page", LEVEL_4K, log_on, BENCH_FRAMES, 15, 235 },
	{ "first write, by PML", LEVEL_4K, written_pml, BENCH_FRAMES, 20, 72 },
	{ "first write, by protection", LEVEL_4K, written_wp, BENCH_FRAMES, 0, 1465 },
	{ "collected, by D bits", LEVEL_4K, collected_ad, BENCH_FRAMES, 20, 110 },
	{ "collected, by PML", LEVEL_4K, collected_pml, BENCH_FRAMES, 20, 110 },
	{ "split, into a 4K page", LEVEL_2M, split_2m, BENCH_FRAMES, 15, 283 },
};

static int measure_guest_row(struct call *c, const struct guest_row *row, unsigned *findings)
{
	uint64_t ticks = 0, times[2] = { 0 };
	char why[120] = "";

	if (bench_guest_open(row->level, why, sizeof(why)))
		return command_fail(c, "no guest to measure with: %s", why);

	/* Twice: the first round builds tables that the second finds. */
	int err = row->measure(&times[0]) || row->measure(&times[1]);

	ticks = times[1];
	*findings += mmu_check(bench_guest_mmu(), NULL, NULL);
	bench_guest_close();
	if (err)
		return command_fail(c, "%s: it could not be measured", row->name);
	out_row(c->out);
	out_text(c->out, "operation", row->name);
	out_number(c->out, "units", row->units);
	out_number(c->out, "ticks-per-unit", ticks / row->units);
	out_number(c->out, "aim", row->aim);
	out_number(c->out, "peer", row->peer);
	return 0;
}

static int bench_under_guest(struct call *c, unsigned *findings)
{
	int err = 0;

	out_table(c->out);
	for (size_t i = 0; i < ARRAY_LEN(guest_rows) && !err && !monitor_interrupted(); i++) {
		monitor_progress("bench", i, ARRAY_LEN(guest_rows));
		err = measure_guest_row(c, &guest_rows[i], findings);
	}
	out_end(c->out);
	return err;
}

/* ------------------------------------------------------------------ bench */

static int bench_tables(struct call *c, unsigned *all_findings)
{
	const char *failed = NULL;

	out_table(c->out);
	for (size_t i = 0; i < ARRAY_LEN(operations) && !failed; i++) {
		const struct operation *op = &operations[i];
		uint64_t ticks = 0;
		unsigned findings = 0;

		monitor_progress("bench", i, ARRAY_LEN(operations));
		if (monitor_interrupted())
			break; /* the console says so */
		if (measure(op, &ticks, &findings)) {
			failed = op->name;
			continue;
		}
		*all_findings += findings;
		out_row(c->out);
		out_text(c->out, "operation", op->name);
		out_number(c->out, "units", op->units);
		out_number(c->out, "ticks-per-unit", ticks / op->units);
	}
	out_end(c->out);
	return failed ? command_fail(c, "%s: it could not be measured", failed) : 0;
}

static int cmd_bench(struct call *c)
{
	if (c->argc == 1 && strcmp(c->argv[0], "trace") == 0)
		return bench_trace(c);

	bool guest = c->argc > 1;
	unsigned found = 0;

	if (strcmp(c->argv[0], "mmu") != 0 || (guest && strcmp(c->argv[1], "guest") != 0))
		return command_fail(c, "expected: bench %s", c->row->usage);
	if (guest ? bench_under_guest(c, &found) : bench_tables(c, &found))
		return -1;
	return found ? command_fail(c, "%u findings in the tables that were measured", found) : 0;
}

/* clang-format off */
const struct command bench_commands[] = {
	{ "bench", "mmu [guest] | trace", "measure what operations on page tables, or a trace record, cost", cmd_bench, 1, 2,
	  COMPLETE_NOTHING, COMMAND_JSON,
	  "    Ticks of the TSC per unit, on a page table that no guest has; with `guest` under a plain guest\n"
	  "    of its own, from its exit to its re-entry, and what is recorded is recorded: see `trace on`.\n"
	  "    trace: ticks of a record, by the ways in which it is made.\n"
	  "    In an emulator the ticks are the emulator's. Guests of this CPU wait meanwhile." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
