/*
 * change.c - the path of every change. Order and invariants: see change.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/change.h"

#include <errno.h>

#include "kernel/base/log.h"

/* How often a busy hook is tried again with the write side held (rule C12: then it must succeed).
 */
#define HOOK_TRIES 1000

void mmu_bug(struct mmu *mmu, const char *why, gfn_t gfn, int level)
{
	if (__atomic_exchange_n(&mmu->is_bugged, true, __ATOMIC_RELAXED))
		return;
	log_error("mmu: %s: %s (gfn %#llx, level %d)", mmu->name, why, (unsigned long long)gfn.v,
		  level);
	if (mmu->ops->bugged)
		mmu->ops->bugged(mmu, why);
}

void check_replacement(spte_t old, spte_t new)
{
	if (spte_is_present(old))
		assert(!spte_has_leaf(old) || !spte_has_leaf(new) ||
		       spte_pfn(old).v == spte_pfn(new).v);
	else
		assert(spte_is_mmio(old) || spte_is_mmio(new));
}

/*
 * Rule C4: the child that is being linked must be what it says. Each fault is reported as itself.
 */
static const char *child_fault(const struct walk *w, const struct mmu_page *child)
{
	if (hpa_is_none(child->external))
		return "a mirror child without an external page";
	if (child->level != w->level - 1)
		return "a mirror child of another level than one below";
	if (child->gfn.v != w->gfn.v)
		return "a mirror child for another GFN";
	return NULL;
}

static const char *step_fault(const struct mmu *mmu, const struct walk *w, spte_t new)
{
	enum spte_step step = spte_step(w->old, new);

	if (step == STEP_ILLEGAL)
		return "no such step in the life of a mirror entry";
	if (step == STEP_ADD_TABLE || step == STEP_SPLIT)
		return child_fault(w, page_of_entry(table_of(mmu, new)));
	return NULL;
}

int hook_refused(struct mmu *mmu, gfn_t gfn, int level, int err)
{
	if (err == -EBUSY || err == -EOPNOTSUPP || err == -EOWNERDEAD || err == -ENOMEM)
		return err;
	/* Nothing may be left behind when the KeyID is gone: what cannot be reclaimed is leaked. */
	if (mmu->phase == MMU_RELEASED)
		return -EOWNERDEAD;
	mmu_bug(mmu, "the external table refused a change", gfn, level);
	return -EIO;
}

/* Who remembers a table that was entered through this entry must not go there again. */
static inline void count_cut(struct mmu *mmu, spte_t old)
{
	if (spte_is_open_table(old))
		mmu_count_cut(&mmu->lock);
}

/* One change of a mirror entry that we froze and that was w->old. */
static int change_frozen(struct mmu *mmu, struct walk *w, spte_t new)
{
	spte_t old = w->old;
	const char *fault = step_fault(mmu, w, new);

	if (unlikely(fault)) {
		unfreeze(w->entry, old);
		mmu_bug(mmu, fault, w->gfn, w->level);
		return -EIO;
	}
	int err = carry(mmu, w->entry, w->gfn, w->level, old, new);

	if (err && err != -EOWNERDEAD)
		return err;
	/* Nothing below can fail. */
	count_cut(mmu, old);
	account(mmu, w, old, new);
	unfreeze(w->entry, new);
	return err;
}

int change_shared(struct mmu *mmu, struct walk *w, spte_t new)
{
	if (w->root != MMU_MIRROR)
		return change_direct_shared(mmu, w, new) ? 0 : -EBUSY;
	if (unlikely(mmu->is_bugged))
		return -EIO;
	if (!exchange_if(w, SPTE_FROZEN))
		return -EBUSY;
	int err = change_frozen(mmu, w, new);

	if (!err)
		w->old = new;
	return err;
}

void change_direct(struct mmu *mmu, struct walk *w, spte_t new)
{
	/* The CPU may still set A or D: exchange, so that none is lost. */
	w->old.raw = __atomic_exchange_n(&w->entry->raw, new.raw, __ATOMIC_ACQ_REL);
	assert(!spte_is_frozen(w->old));
	check_direct(w->old, new);
	count_cut(mmu, w->old);
	account(mmu, w, w->old, new);
}

/* With the write side held: the entry is what we read. */
static inline void freeze(spte_t *entry, spte_t old)
{
	spte_t seen = { __atomic_exchange_n(&entry->raw, SPTE_FROZEN_RAW, __ATOMIC_ACQ_REL) };

	assert(spte_equal(seen, old));
}

int change_exclusive(struct mmu *mmu, struct walk *w, spte_t new)
{
	assert(mmu_write_held(&mmu->lock));
	if (w->root != MMU_MIRROR) {
		change_direct(mmu, w, new);
		return 0;
	}
	if (mmu->is_bugged && mmu->phase != MMU_RELEASED)
		return -EIO;
	int err = -EBUSY;

	for (unsigned i = 0; err == -EBUSY && i < HOOK_TRIES; i++) {
		freeze(w->entry, w->old);
		err = change_frozen(mmu, w, new);
	}
	return err == -EBUSY ? -EAGAIN : err;
}

/*
 * Runs
 */

/* Who gets the frames of a run back: as a rule one slot has them all. */
struct owner {
	struct memslot *slot;
};

static inline void give_frame(struct mmu *mmu, struct owner *to, gfn_t gfn, pfn_t pfn, int level)
{
	if (unlikely(!to->slot || gfn.v - to->slot->base.v >= to->slot->frames))
		to->slot = slot_find(mmu, gfn);
	if (likely(to->slot && to->slot->ops->release))
		to->slot->ops->release(to->slot, gfn, pfn, level);
}

static void account_run(struct mmu *mmu, const struct leaf_run *run, unsigned from, spte_t old,
			spte_t new)
{
	gfn_t first = gfn_add(run->sp->gfn, from * level_frames(run->sp->level));

	if (run->count == 0)
		return;
	if (unlikely(mmu->ops->trace != NULL))
		mmu->ops->trace(mmu, MMU_MIRROR, first, old, new, run->sp->level, run->count);
	if (!spte_is_present(new))
		__atomic_fetch_sub(&run->sp->population, run->count * POPULATION_LEAF,
				   __ATOMIC_RELAXED);
}

/* All up to @entry is done. */
static void end_run(struct mmu *mmu, struct leaf_run *run, const spte_t *entry, spte_t old,
		    spte_t new)
{
	unsigned from = run->at;

	run->at = (unsigned)(entry - run->sp->entries);
	run->count = run->at - from;
	account_run(mmu, run, from, old, new);
}

/* Open leaves are blocked for removal. */
static __attribute__((noinline)) int block_leaves(struct mmu *mmu, struct leaf_run *run)
{
	int level = run->sp->level, err = 0;
	gfn_t gfn = gfn_add(run->sp->gfn, run->at * level_frames(level));
	spte_t *entry = &run->sp->entries[run->at], *end = &run->sp->entries[run->end];
	spte_t old = SPTE_NONE, new = SPTE_NONE;

	for (; entry < end; entry++, gfn.v += level_frames(level)) {
		spte_t s = spte_read(entry);

		if (!spte_is_accessible_leaf(s))
			break;
		freeze(entry, s);
		err = carry(mmu, entry, gfn, level, s, spte_make_blocked(s, SPTE_FOR_REMOVAL));
		if (unlikely(err))
			break;
		old = s;
		new = spte_make_blocked(s, SPTE_FOR_REMOVAL);
		unfreeze(entry, new);
	}
	end_run(mmu, run, entry, old, new);
	return err;
}

/* Leaves that were blocked for it, or all when nothing needs to be blocked, are removed. */
static __attribute__((noinline)) int remove_leaves(struct mmu *mmu, struct leaf_run *run)
{
	int level = run->sp->level, err = 0;
	gfn_t gfn = gfn_add(run->sp->gfn, run->at * level_frames(level));
	spte_t *entry = &run->sp->entries[run->at], *end = &run->sp->entries[run->end];
	/* While the TD runs, those blocked for it; else all. */
	uint64_t purpose = mmu->phase == MMU_RUNNING ? SPTE_BLOCKED_FOR : 0;
	uint64_t mask = SPTE_PRESENT | SPTE_LEAF | purpose;
	uint64_t wanted =
		spte_make_blocked((spte_t){ SPTE_PRESENT | SPTE_LEAF }, SPTE_FOR_REMOVAL).raw &
		mask;
	struct owner owner = { NULL };
	spte_t old = SPTE_NONE;

	for (; entry < end; entry++, gfn.v += level_frames(level)) {
		spte_t s = spte_read(entry);

		if ((s.raw & mask) != wanted)
			break;
		freeze(entry, s);
		err = carry(mmu, entry, gfn, level, s, SPTE_NONE);
		if (unlikely(err) && err != -EOWNERDEAD)
			break;
		unfreeze(entry, SPTE_NONE);
		if (likely(!err))
			give_frame(mmu, &owner, gfn, spte_pfn(s), level);
		old = s;
		err = 0;
	}
	end_run(mmu, run, entry, old, SPTE_NONE);
	return err;
}

int change_run(struct mmu *mmu, struct leaf_run *run)
{
	unsigned count = 0, tries = 0;
	int err;

	if (mmu->is_bugged && mmu->phase != MMU_RELEASED)
		return -EIO;
	/* A busy hook is tried again; what was done before stays done, and is accounted for. */
	do {
		err = run->step == STEP_BLOCK ? block_leaves(mmu, run) : remove_leaves(mmu, run);
		count += run->count;
		tries = run->count ? 0 : tries + 1;
	} while (err == -EBUSY && tries < HOOK_TRIES);
	run->count = count;
	return err == -EBUSY ? -EAGAIN : err;
}
