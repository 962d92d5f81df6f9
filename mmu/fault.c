/*
 * fault.c - mapping in: from a fault to an entry that allows the access.
 *
 *     look      spurious? nothing is written, no lock                                   (rule D4)
 *     read      hole: resolve the frame, link tables, install the leaf                  (D1, D2)
 *               leaf too strict: let writes through again, undo ageing                  (D8)
 *               leaf too large to be logged: split
 *     write     private leaf larger than the guest accepts: demote                      (C17)
 *               blocked entry that an interrupted operation left: settle                (C16)
 *
 * Invariants
 *   - One announcement (lock.h) per fault, no lock that another CPU writes, no allocation unless a
 *     table or a frame is missing.
 *   - A frame from resolve() ends in an entry or goes back to the slot (mirror).
 *   - Every loop is bounded; what is not settled then is -EAGAIN to the caller, outside the guest.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/leaf.h"
#include "mmu/mirror.h"
#include "mmu/root.h"
#include "mmu/slot.h"
#include "mmu/split.h"
#include "mmu/walk.h"

#define FAULT_TRIES 16

/* What one attempt says besides 0 and -errno. */
enum attempt {
	ATTEMPT_AGAIN = 1, /* lost a race: walk again */
	ATTEMPT_SPLIT,     /* with the write side: demote the leaf */
	ATTEMPT_SETTLE,    /* with the write side: undo what is blocked */
};

/* Which of the two kinds of fault: a constant where it matters, so that neither has the other's
 * branches. */
enum half { HALF_DIRECT, HALF_PRIVATE };

static inline ALWAYS_INLINE enum half half_of(const struct mmu_fault *f)
{
	return f->root == MMU_MIRROR ? HALF_PRIVATE : HALF_DIRECT;
}

/* A private leaf that the guest cannot accept. */
static inline ALWAYS_INLINE bool too_large(const struct mmu_fault *f, const struct walk *w)
{
	return f->max_level != 0 && w->level > f->max_level;
}

static inline ALWAYS_INLINE void found(struct mmu_fault *f, const struct walk *w, bool spurious)
{
	f->level = (uint8_t)w->level;
	f->pfn = walk_pfn(w, f->gfn);
	f->spurious = spurious;
}

/* Rule D4. A private leaf allows everything (rule C8). */
static inline ALWAYS_INLINE bool is_spurious(const struct mmu_fault *f, const struct walk *w,
					     enum half half)
{
	if (!spte_is_accessible_leaf(w->old))
		return false;
	if (half == HALF_PRIVATE)
		return !too_large(f, w);
	return leaf_allows(w->old, f->access) || f->prefetch;
}

/* The largest level that a new leaf at this hole may have (rule D1). */
static inline ALWAYS_INLINE int largest_level(const struct mmu *mmu, const struct mmu_fault *f,
					      const struct memslot *slot, int hole,
					      enum half half, bool plain)
{
	int level = mmu->max_level[f->root];

	if (hole == LEVEL_4K)
		return LEVEL_4K;
	if (level > hole)
		level = hole;
	if (f->max_level != 0 && level > f->max_level)
		level = f->max_level;
	if (half == HALF_PRIVATE ? mmu->phase == MMU_BUILDING
				 : !plain && (slot->dirty || slot->tracked))
		level = LEVEL_4K;
	while (level > LEVEL_4K && !slot_holds_block(slot, f->gfn, level))
		level--;
	return level;
}

/* A hole gets a table; *w goes down into it. */
static int link_table(struct mmu *mmu, struct walk *w, gfn_t gfn)
{
	uint64_t at = gfn.v | mmu->gfn_bits[w->root];
	struct mmu_page *sp = pool_get(mmu, w->root, w->level - 1, (gfn_t){ at });

	if (!sp)
		return -ENOMEM;
	int err = change_shared(mmu, w, spte_make_table(sp->table));

	if (err) {
		pool_put(mmu, sp);
		return err;
	}
	*w = walk_from(mmu, w->root, sp->entries, w->level - 1, gfn, w->level - 1);
	return 0;
}

/* Tables, until the hole is of @level. */
static __attribute__((noinline)) int link_down(struct mmu *mmu, struct walk *w, gfn_t gfn,
					       int level)
{
	int err = 0;

	while (!err && w->level > level) {
		err = link_table(mmu, w, gfn);
		if (!err && spte_kind(w->old) != SPTE_IS_NONE)
			err = -EBUSY; /* somebody filled the new table before us */
	}
	return err;
}

/* The hole @w, of the leaf's level, gets the leaf. */
static inline ALWAYS_INLINE int install(struct mmu *mmu, const struct mmu_fault *f,
					struct memslot *slot, struct walk w, pfn_t first,
					enum half half, bool plain)
{
	if (half == HALF_PRIVATE)
		return change_add_private(mmu, w.entry, w.gfn, w.level, first);
	spte_t leaf = plain ? leaf_make_plain(mmu, first)
			    : leaf_make(mmu, slot, f->gfn, first, f->access, f->prefetch);

	/* Marked before it can be written: the other order could lose the write. */
	if (!plain && slot->dirty && (f->access & MMU_WRITE) && !(slot->flags & MEMSLOT_READONLY))
		slot_mark_dirty(slot, f->gfn);
	w.old = SPTE_NONE;
	return change_direct_shared(mmu, &w, leaf) ? 0 : -EBUSY;
}

static __attribute__((noinline)) int not_mapped(const struct mmu_fault *f, struct memslot *slot,
						pfn_t first, int level, int err)
{
	if (f->root == MMU_MIRROR && slot->ops->release)
		slot->ops->release(slot, gfn_align(f->gfn, level), first, level);
	return err == -EBUSY ? ATTEMPT_AGAIN : err;
}

/* The entry @w is none, and the slot is there and stays. @plain: nothing is special about it. */
static inline ALWAYS_INLINE int map_hole(struct mmu *mmu, struct mmu_fault *f, struct memslot *slot,
					 struct walk w, enum half half, bool plain)
{
	enum mmu_root root = half == HALF_PRIVATE ? MMU_MIRROR : MMU_DIRECT;
	int most = largest_level(mmu, f, slot, w.level, half, plain), level = most;
	pfn_t pfn;
	int err = slot->ops->resolve(slot, root, f->gfn, &pfn, &level);

	if (err)
		return err;
	assert(level >= LEVEL_4K && level <= most);
	pfn_t first = pfn;

	if (level > LEVEL_4K) {
		/* Both must be at the same place in their block, or it is no block. */
		uint64_t mask = level_frames(level) - 1;

		assert(((pfn.v ^ f->gfn.v) & mask) == 0);
		first.v &= ~mask;
	}
	if (unlikely(w.level > level)) {
		struct walk below = w;

		err = link_down(mmu, &below, f->gfn, level);
		w = below;
	}
	if (likely(!err))
		err = install(mmu, f, slot, w, first, half, plain);
	if (unlikely(err))
		return not_mapped(f, slot, first, level, err);
	f->level = (uint8_t)level;
	f->pfn = pfn;
	f->spurious = false;
	return 0;
}

/* A direct leaf is there and does not allow the access. */
static int loosen(struct mmu *mmu, struct mmu_fault *f, struct memslot *slot, struct walk *w)
{
	spte_t new = leaf_unage(w->old);
	bool write = (f->access & MMU_WRITE) != 0;

	if (write && !(new.raw &SPTE_W)) {
		if (!(new.raw &SPTE_MMU_WRITABLE))
			return -EACCES;
		if (slot->dirty && w->level > LEVEL_4K)
			return split_shared(mmu, w) == -ENOMEM ? -ENOMEM : ATTEMPT_AGAIN;
		new = leaf_make_writable(mmu, new);
		slot_mark_dirty(slot, f->gfn);
	}
	if (mmu->ad != MMU_AD_NONE)
		new.raw |= SPTE_ACCESSED;
	if (!leaf_allows(new, f->access))
		return -EACCES;
	if (change_shared(mmu, w, new))
		return ATTEMPT_AGAIN;
	found(f, w, false);
	return 0;
}

/* The largest block around @gfn, inside a hole of level @hole, that no slot reaches into. */
static int mmio_level(const struct mmu *mmu, gfn_t gfn, int hole)
{
	int level = hole < LEVEL_1G ? hole : LEVEL_1G;

	while (level > LEVEL_4K && slot_touches(mmu, gfn_align(gfn, level), level_frames(level)))
		level--;
	return level;
}

/*
 * No slot here: what the policy makes of it (rule D7). One entry, and no tables, for a device window of
 * any size: who touches addresses at random costs nobody a table for each.
 */
static int outside_slots(struct mmu *mmu, struct mmu_fault *f)
{
	if (f->root == MMU_MIRROR || mmu->mmio == MMU_MMIO_REPORT)
		return -ENOENT;
	struct walk w = walk_to(mmu, f->root, f->gfn, LEVEL_4K);
	bool is_hole = spte_kind(w.old) == SPTE_IS_NONE;
	int err = is_hole ? link_down(mmu, &w, f->gfn, mmio_level(mmu, f->gfn, w.level)) : 0;

	if (err)
		return err == -EBUSY ? ATTEMPT_AGAIN : err;
	bool ve = mmu->mmio == MMU_MMIO_VE;
	bool write = (f->access & MMU_WRITE) != 0;
	spte_t mmio = ve ? spte_make_mmio_ve(w.gfn, mmu->mmio_generation)
			 : spte_make_mmio(w.gfn, mmu->mmio_generation, write);

	if (!is_hole && !spte_is_mmio(w.old))
		return ATTEMPT_AGAIN;
	if (!spte_equal(w.old, mmio) && change_shared(mmu, &w, mmio))
		return ATTEMPT_AGAIN;
	return ve ? 0 : -ENOENT;
}

/* One attempt with the read side held. *w: where the walk ended. */
static __attribute__((noinline)) int attempt(struct mmu *mmu, struct mmu_fault *f, struct walk *w)
{
	struct memslot *slot = slot_find(mmu, f->gfn);

	if (unlikely(!slot))
		return outside_slots(mmu, f);
	if (unlikely(slot->flags)) {
		if (slot->flags & MEMSLOT_GOING)
			return -EAGAIN;
		if (f->root != MMU_MIRROR && (f->access & MMU_WRITE))
			return -EACCES;
	}
	switch (spte_kind(w->old)) {
	case SPTE_IS_MMIO: /* older than the slot: gone, or changed by somebody else */
		if (change_shared(mmu, w, SPTE_NONE))
			cpu_relax();
		return ATTEMPT_AGAIN;
	case SPTE_IS_NONE:
		return map_hole(mmu, f, slot, *w, half_of(f), false);
	case SPTE_IS_LEAF:
		if (is_spurious(f, w, half_of(f))) {
			found(f, w, true);
			return 0;
		}
		return f->root == MMU_MIRROR ? ATTEMPT_SPLIT : loosen(mmu, f, slot, w);
	case SPTE_IS_BLOCKED_TABLE:
	case SPTE_IS_BLOCKED_LEAF:
		return ATTEMPT_SETTLE;
	default: /* FROZEN, or a table that was linked just now */
		cpu_relax();
		return ATTEMPT_AGAIN;
	}
}

/* What needs the write side. 0: try again. */
static int attempt_alone(struct mmu *mmu, const struct mmu_fault *f, int why)
{
	mmu_write_lock(&mmu->lock);
	int err = why == ATTEMPT_SPLIT ? mirror_split(mmu, f->gfn, f->max_level)
				       : mirror_settle(mmu, f->gfn);

	mmu_write_unlock(&mmu->lock);
	return err;
}

/* The first attempt did not settle it and said @why: go on, bounded. */
static __attribute__((noinline)) int attempt_again(struct mmu *mmu, struct mmu_fault *f, int why)
{
	for (int i = 0; i < FAULT_TRIES; i++) {
		int err = why == ATTEMPT_AGAIN ? 0 : attempt_alone(mmu, f, why);

		if (err)
			return err;
		struct mmu_cpu *me = mmu_read_lock(&mmu->lock);
		struct walk w = walk_to(mmu, f->root, f->gfn, LEVEL_4K);

		why = attempt(mmu, f, &w);
		mmu_read_unlock(&mmu->lock, me);
		if (why <= 0)
			return why;
	}
	return -EAGAIN;
}

/* The usual case apart: a hole in a slot that nothing is special about. Else all that may be. */
static inline ALWAYS_INLINE int first_attempt(struct mmu *mmu, struct mmu_fault *f, struct walk w,
					      enum half half)
{
	struct memslot *slot = slot_find(mmu, f->gfn);

	if (likely(slot && spte_equal(w.old, SPTE_NONE) &&
		   (half == HALF_PRIVATE ? slot->flags == 0 : slot_is_plain(slot) && !f->prefetch)))
		return map_hole(mmu, f, slot, w, half, true);
	struct walk copy = w;

	return attempt(mmu, f, &copy);
}

static inline ALWAYS_INLINE int handle(struct mmu *mmu, struct mmu_fault *f, enum half half)
{
	enum mmu_root root = half == HALF_PRIVATE ? MMU_MIRROR : f->root;
	struct mmu_cpu *me = mmu_look_begin(&mmu->lock);
	struct walk w = walk_down(mmu, me, root, f->gfn);
	int result = ATTEMPT_AGAIN;

	if (is_spurious(f, &w, half)) {
		found(f, &w, true);
		mmu_look_end(me);
		return 0;
	}
	if (mmu_look_to_read(&mmu->lock)) {
		result = first_attempt(mmu, f, w, half);
		mmu_read_to_look(&mmu->lock);
	}
	mmu_look_end(me);
	return likely(result <= 0) ? result : attempt_again(mmu, f, result);
}

int mmu_handle_fault(struct mmu *mmu, struct mmu_fault *f)
{
	return half_of(f) == HALF_PRIVATE ? handle(mmu, f, HALF_PRIVATE)
					  : handle(mmu, f, HALF_DIRECT);
}

int mmu_map_private(struct mmu *mmu, gfn_t gfn, pfn_t pfn)
{
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);
	struct walk w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_4K);
	int err = slot_find(mmu, gfn) ? 0 : -ENOENT;

	while (!err && w.level > LEVEL_4K && spte_kind(w.old) == SPTE_IS_NONE)
		err = link_table(mmu, &w, gfn);
	if (!err)
		err = spte_kind(w.old) == SPTE_IS_NONE
			      ? change_shared(mmu, &w, spte_make_private(pfn))
			      : -EEXIST;
	mmu_read_unlock(&mmu->lock, me);
	return err;
}

/* One root's answer: all have the same slots, so an entry of today in any of them is the truth. */
static int misconfig_in(struct mmu *mmu, enum mmu_root root, gfn_t gfn)
{
	struct walk w = walk_to(mmu, root, gfn, LEVEL_4K);

	if (spte_is_mmio(w.old)) {
		if (spte_mmio_generation(w.old) == mmu->mmio_generation)
			return -ENOENT;
		if (change_shared(mmu, &w, SPTE_NONE))
			return 0; /* changed under us: the guest finds out */
	} else if (spte_is_accessible_leaf(w.old)) {
		return -EIO;
	}
	return 0;
}

int mmu_handle_misconfig(struct mmu *mmu, gfn_t gfn)
{
	int result = -EIO;

	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	for_each_direct_root(mmu, r) {
		int here = result == -ENOENT ? result : misconfig_in(mmu, (enum mmu_root)r, gfn);

		result = here == -EIO ? result : here;
	}
	mmu_read_unlock(&mmu->lock, me);
	return result;
}
