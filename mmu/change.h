/*
 * change.h - one entry changes: the only path (rules B and C).
 *
 *     direct                              mirror
 *     1 check the step                    1 check the step
 *     2 compare-exchange or exchange      2 compare-exchange `old` with FROZEN
 *     3 trace                             3 set_external_spte; refused: put `old` back, stop here
 *     4 population                        4 trace   5 population   6 publish `new`
 *
 * Invariants
 *   - A failure leaves entry, trace and population as they were (rule B6).
 *   - Nobody reads an entry to learn what it was: `old` and `new` travel by value (rule B3).
 *   - set_external_spte has one caller, and it is here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_CHANGE_H
#define TAIN_MMU_CHANGE_H

#include "mmu/mmu.h"
#include "mmu/walk.h"

/*
 * Change w->entry from w->old to @new, with the read side held, or, in a direct table and for what
 * rule D8 allows, only looking. 0: w->old is @new now. -EBUSY: somebody was faster or the hook is
 * busy; nothing changed, w->old is what is there now. -EIO: the hook refused; guest bugged.
 */
int change_shared(struct mmu *mmu, struct walk *w, spte_t new) MUST_CHECK;

/*
 * The same with the write side held: nobody is faster. On return w->old is what the entry was, with
 * what the CPU put into it until the last moment. Direct: returns 0. Mirror: a busy hook is tried
 * again, bounded; 0, -EAGAIN (still busy; nothing changed), -EIO (bugged; nothing changed), or
 * -EOWNERDEAD (done, and the old frame is leaked).
 */
int change_exclusive(struct mmu *mmu, struct walk *w, spte_t new)
	MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

/* A direct entry, which cannot fail. */
void change_direct(struct mmu *mmu, struct walk *w, spte_t new) MUST_HOLD_WRITE(mmu->lock);

/* This guest broke a rule, or the table behind the hook did: say so once, change nothing more. */
void mmu_bug(struct mmu *mmu, const char *why, gfn_t gfn, int level);

#endif
