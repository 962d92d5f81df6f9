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
#include "kernel/monitor/command.h"
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

static int fault_4k(void) { return fault_each(FRAMES, 1); }
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
	{ "map 4K", LEVEL_4K, NULL, fault_4k, FRAMES },
	{ "map 2M", LEVEL_2M, NULL, fault_2m, BLOCKS },
	{ "spurious fault", LEVEL_4K, fault_4k, fault_4k, FRAMES },
	{ "map ahead, a 4K page", LEVEL_4K, NULL, map_ahead, FRAMES },
	{ "zap, a 4K page", LEVEL_4K, fault_4k, zap, FRAMES / FRAMES_2M *(FRAMES_2M - 2) },
	{ "split, a 2M page", LEVEL_2M, fault_2m, split, BLOCKS },
	{ "walk", LEVEL_4K, fault_4k, walk, FRAMES },
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

/* ------------------------------------------------------------------ bench */

static int cmd_bench(struct call *c)
{
	const char *failed = NULL;
	unsigned found = 0;

	if (strcmp(c->argv[0], "mmu") != 0)
		return command_fail(c, "expected: bench mmu");
	out_table(c->out);
	for (size_t i = 0; i < ARRAY_LEN(operations) && !failed; i++) {
		const struct operation *op = &operations[i];
		uint64_t ticks = 0;
		unsigned findings = 0;

		if (measure(op, &ticks, &findings)) {
			failed = op->name;
			continue;
		}
		found += findings;
		out_row(c->out);
		out_text(c->out, "operation", op->name);
		out_number(c->out, "units", op->units);
		out_number(c->out, "ticks-per-unit", ticks / op->units);
	}
	out_end(c->out);
	if (failed)
		return command_fail(c, "%s: it could not be measured", failed);
	return found ? command_fail(c, "%u findings in the tables that were measured", found) : 0;
}

/* clang-format off */
const struct command bench_commands[] = {
	{ "bench", "mmu", "measure what operations on page tables cost here", cmd_bench, 1, 1,
	  COMPLETE_NOTHING, COMMAND_JSON,
	  "Ticks of the TSC per unit, on a page table that no guest has. In an emulator they are the\n"
	  "emulator's. Guests of this CPU wait meanwhile." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
