/*
 * mirror.h - what the rest of mmu/ asks of the mirror: mapping out, splitting, settling.
 *
 * Invariant: all of it runs with the write side held, so nobody is below an entry that is blocked,
 * split or removed (rule C15), and no hook of another CPU is under way.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_MIRROR_H
#define TAIN_MMU_MIRROR_H

#include "mmu/mmu.h"
#include "mmu/walk.h"

/* Entries blocked before one track (rule C16). */
#define MIRROR_BATCH 4096u

/*
 * Remove what [start, end) maps, and tables that are empty then; at most MIRROR_BATCH leaves.
 * *next: where to go on, or @end. 0, -EAGAIN, -EIO, -ENOMEM (a split needs a table).
 */
int mirror_zap(struct mmu *mmu, gfn_t start, gfn_t end, gfn_t *next)
	MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

/* Split the leaf over @gfn until none there is larger than @level. 0, -EAGAIN, -ENOMEM, -EIO. */
int mirror_split(struct mmu *mmu, gfn_t gfn, int level) MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

/* Undo what was begun and left at the blocked entry over @gfn: flush, unblock. */
int mirror_settle(struct mmu *mmu, gfn_t gfn) MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

#endif
