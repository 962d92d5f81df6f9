/*
 * dead.h - tables that were cut and wait to be freed.
 *
 * Invariant: a table gets here when no entry leads to it any more; it goes back to the pool after
 * the flush (hardware walkers) and the grace period (software walkers), rule E7.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_DEAD_H
#define TAIN_MMU_DEAD_H

#include "mmu/mmu.h"

struct dead_tables {
	struct mmu_page *first;
};

static inline void dead_add(struct dead_tables *dead, struct mmu_page *sp)
{
	sp->next = dead->first;
	dead->first = sp;
}

/* The direct table @sp was cut: it and all tables below it are dead; their counts go with them. */
unsigned dead_add_tree(struct mmu *mmu, struct dead_tables *dead, struct mmu_page *sp)
	MUST_HOLD_WRITE(mmu->lock);

/* One record for all leaves of a table that nobody reaches any more (rule B8). */
void trace_dropped(struct mmu *mmu, const struct mmu_page *sp);

/* No flush is owed for them any more. Waits for software walkers, frees all. */
void dead_free(struct mmu *mmu, struct dead_tables *dead) MUST_HOLD_WRITE(mmu->lock);

/* The flush that an operation owes for [start, end) (rule E1). 0, or -EIO (bugged). */
int owed_flush(struct mmu *mmu, enum mmu_root root, gfn_t start, gfn_t end)
	MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

#endif
