/*
 * change.c - the path of every change. Order and invariants: see change.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/change.h"

#include <errno.h>

#include "kernel/base/log.h"

/* How often a busy hook is tried again with the write side held (rule C12: then it must succeed). */
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
 * Rules B4 and B5 for a direct table. Another frame needs an entry that is none, and a flush, in
 * between; from absent to absent there is only MMIO.
 */
static inline void check_direct(const struct walk *w, spte_t old, spte_t new)
{
	if (likely(spte_is_present(old) != spte_is_present(new)))
		return;
	if (spte_is_present(old)) {
		assert(!spte_has_leaf(old) || !spte_has_leaf(new) ||
		       spte_pfn(old).v == spte_pfn(new).v);
		return;
	}
	assert(spte_is_mmio(old) || spte_is_mmio(new));
	(void)w;
}

static inline bool exchange_if(struct walk *w, spte_t new)
{
	return __atomic_compare_exchange_n(&w->entry->raw, &w->old.raw, new.raw, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Only for the one who froze it (rule B1). */
static inline void unfreeze(struct walk *w, spte_t s)
{
	__atomic_store_n(&w->entry->raw, s.raw, __ATOMIC_RELEASE);
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

/* The entry is FROZEN by us and was w->old. Afterwards it is @new, or w->old again. */
static inline __attribute__((always_inline)) int carry(struct mmu *mmu, struct walk *w, spte_t new)
{
	spte_t old = w->old;
	const char *fault = step_fault(mmu, w, new);
	int err = fault ? -EIO : mmu->ops->set_external_spte(mmu, w->gfn, old, new, w->level);

	/* Nothing may be left behind when the KeyID is gone: what cannot be reclaimed is leaked. */
	if (err == -EIO && !fault && mmu->phase == MMU_RELEASED)
		err = -EOWNERDEAD;
	if (err && err != -EOWNERDEAD) {
		unfreeze(w, old);
		if (err == -EBUSY || err == -EOPNOTSUPP)
			return err;
		mmu_bug(mmu, fault ? fault : "the external table refused a change", w->gfn,
			w->level);
		return -EIO;
	}

	/* Nothing below can fail. */
	account(mmu, w, old, new);
	unfreeze(w, new);
	return err;
}

int change_shared(struct mmu *mmu, struct walk *w, spte_t new)
{
	spte_t old = w->old;

	if (w->root == MMU_MIRROR) {
		if (unlikely(mmu->is_bugged))
			return -EIO;
		if (!exchange_if(w, SPTE_FROZEN))
			return -EBUSY;
		int err = carry(mmu, w, new);

		if (!err)
			w->old = new;
		return err;
	}
	check_direct(w, old, new);
	if (!exchange_if(w, new))
		return -EBUSY;
	account(mmu, w, old, new);
	w->old = new;
	return 0;
}

void change_direct(struct mmu *mmu, struct walk *w, spte_t new)
{
	/* The CPU may still set A or D: exchange, so that none is lost. */
	w->old.raw = __atomic_exchange_n(&w->entry->raw, new.raw, __ATOMIC_ACQ_REL);
	assert(!spte_is_frozen(w->old));
	check_direct(w, w->old, new);
	account(mmu, w, w->old, new);
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
		spte_t seen = { __atomic_exchange_n(&w->entry->raw, SPTE_FROZEN_RAW,
						    __ATOMIC_ACQ_REL) };

		assert(spte_equal(seen, w->old));
		err = carry(mmu, w, new);
	}
	return err == -EBUSY ? -EAGAIN : err;
}
