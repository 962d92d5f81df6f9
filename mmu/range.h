/*
 * range.h - all tables that map a range, with the part of each that does.
 *
 * Invariant: a function that is called for a table may change its leaves and split them, but not
 * free tables; tables below are visited after it, so that what it split is visited too.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_RANGE_H
#define TAIN_MMU_RANGE_H

#include "mmu/mmu.h"
#include "mmu/root.h"
#include "mmu/walk.h"

/* Part of a table: entries [first, last), of which the first maps @gfn. */
struct part {
	struct mmu_page *sp;
	unsigned first, last;
	gfn_t gfn;
	int level;
};

typedef int (*part_fn)(struct mmu *mmu, const struct part *part, void *arg);

/* [start, end) as tables are indexed, with the SHARED bit. */
static inline int range_visit(struct mmu *mmu, struct mmu_page *sp, uint64_t start, uint64_t end,
			      part_fn fn, void *arg)
{
	uint64_t frames = level_frames(sp->level);
	uint64_t from = start > sp->gfn.v ? (start - sp->gfn.v) / frames : 0;
	uint64_t to = (end - sp->gfn.v + frames - 1) / frames;
	gfn_t first = { (sp->gfn.v + from * frames) & ~mmu->gfn_bits[sp->root] };
	struct part part = { sp, (unsigned)from, to < TABLE_ENTRIES ? (unsigned)to : TABLE_ENTRIES,
			     first, sp->level };
	int err = fn(mmu, &part, arg);

	for (unsigned i = part.first; !err && sp->level > LEVEL_4K && i < part.last; i++) {
		spte_t s = spte_read(&sp->entries[i]);

		if (spte_is_open_table(s))
			err = range_visit(mmu, page_of_entry(table_of(mmu, s)), start, end, fn,
					  arg);
	}
	return err;
}

/*
 * Call @fn for each table of the direct roots that maps part of [start, start + frames), parents
 * first. Stops at the first result that is not 0 and returns it. With the lock held.
 */
static inline int range_each(struct mmu *mmu, gfn_t start, uint64_t frames, part_fn fn, void *arg)
{
	uint64_t bits = mmu->gfn_bits[MMU_DIRECT];
	int err = 0;

	for_each_direct_root(mmu, r) {
		if (!err)
			err = range_visit(mmu, mmu->root[r], start.v | bits,
					  ((start.v + frames - 1) | bits) + 1, fn, arg);
	}
	return err;
}

#endif
