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
 *   - set_external_spte has one caller: carry().
 *   - A run of equal changes in one table is one trace record and one count, after its last hook.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_CHANGE_H
#define TAIN_MMU_CHANGE_H

#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "mmu/walk.h"

/* Trace, then population: what is done once per change, after the step that may be refused. */
static inline void account(struct mmu *mmu, const struct walk *w, spte_t old, spte_t new)
{
	uint32_t delta = spte_population(new) - spte_population(old);

	if (unlikely(mmu->ops->trace != NULL))
		mmu->ops->trace(mmu, w->root, w->gfn, old, new, w->level, 1);
	if (delta != 0)
		__atomic_fetch_add(&page_of_entry(w->entry)->population, delta, __ATOMIC_RELAXED);
}

/*
 * Rules B4 and B5 for a direct table: another frame needs an entry that is none, and a flush, in
 * between; from absent to absent there is only MMIO.
 */
void check_replacement(spte_t old, spte_t new);

static inline void check_direct(spte_t old, spte_t new)
{
	if (unlikely(spte_is_present(old) == spte_is_present(new)))
		check_replacement(old, new);
}

/* False: w->old is what is there. */
static inline ALWAYS_INLINE bool exchange_if(struct walk *w, spte_t new)
{
	uint64_t was = w->old.raw; /* its own variable, so that *w can live in registers */
	bool done = __atomic_compare_exchange_n(&w->entry->raw, &was, new.raw, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);

	w->old.raw = was;
	return done;
}

/* change_shared() of a direct entry, in line for the fault path. False: somebody was faster. */
static inline ALWAYS_INLINE bool change_direct_shared(struct mmu *mmu, struct walk *w, spte_t new)
{
	spte_t old = w->old;

	check_direct(old, new);
	if (!exchange_if(w, new))
		return false;
	account(mmu, w, old, new);
	w->old = new;
	return true;
}

/* What a refusal of the hook comes to: -EOWNERDEAD means that the change is done all the same. */
int hook_refused(struct mmu *mmu, gfn_t gfn, int level, int err) MUST_CHECK;

/* Only for the one who froze it (rule B1). */
static inline void unfreeze(spte_t *entry, spte_t s)
{
	__atomic_store_n(&entry->raw, s.raw, __ATOMIC_RELEASE);
}

/*
 * The one call of the hook. The entry is FROZEN by us and was @old, the step exists. 0 or
 * -EOWNERDEAD: the external table has changed; account for it and publish @new. Else the entry is
 * @old again.
 */
static inline ALWAYS_INLINE int carry(struct mmu *mmu, spte_t *entry, gfn_t gfn, int level,
				      spte_t old, spte_t new)
{
	int err = mmu->ops->set_external_spte(mmu, gfn, old, new, level);

	if (unlikely(err)) {
		err = hook_refused(mmu, gfn, level, err);
		if (err != -EOWNERDEAD)
			unfreeze(entry, old);
	}
	return err;
}

/*
 * change_shared() of a mirror entry from none to a leaf, whose step needs no look at a table: the
 * other half of the fault path.
 */
static inline ALWAYS_INLINE int change_add_private(struct mmu *mmu, spte_t *entry, gfn_t gfn,
							 int level, pfn_t pfn)
{
	spte_t leaf = spte_make_private(pfn);
	uint64_t was = SPTE_NONE_RAW;

	if (unlikely(mmu->is_bugged))
		return -EIO;
	if (!__atomic_compare_exchange_n(&entry->raw, &was, SPTE_FROZEN_RAW, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -EBUSY;
	int err = carry(mmu, entry, gfn, level, SPTE_NONE, leaf);

	if (unlikely(err)) {
		if (err == -EOWNERDEAD) /* nothing is added once the KeyID is released */
			unfreeze(entry, SPTE_NONE);
		return err == -EBUSY ? -EBUSY : -EIO;
	}
	if (unlikely(mmu->ops->trace != NULL))
		mmu->ops->trace(mmu, MMU_MIRROR, gfn, SPTE_NONE, leaf, level, 1);
	__atomic_fetch_add(&page_of_entry(entry)->population, POPULATION_LEAF, __ATOMIC_RELAXED);
	unfreeze(entry, leaf);
	return 0;
}

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

/*
 * A run of leaves in one mirror table, each to the same step: the open ones to blocked for removal,
 * or those to be removed to none. Ends before the first entry that @step is not for.
 */
struct leaf_run {
	struct mmu_page *sp;
	unsigned at, end;    /* entries [at, end) in; at: the first one not done, out */
	unsigned count;      /* out: entries changed */
	enum spte_step step; /* STEP_BLOCK or STEP_REMOVE_LEAF */
};

/* 0, or as change_exclusive(), with the run done up to the entry that was refused. A frame that the
 * external table gave back has gone to its slot. */
int change_run(struct mmu *mmu, struct leaf_run *run) MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

/* A direct entry, which cannot fail. */
void change_direct(struct mmu *mmu, struct walk *w, spte_t new) MUST_HOLD_WRITE(mmu->lock);

/* This guest broke a rule, or the table behind the hook did: say so once, change nothing more. */
void mmu_bug(struct mmu *mmu, const char *why, gfn_t gfn, int level);

#endif
