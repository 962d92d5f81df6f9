/*
 * leaf.h - the value of a direct leaf: what the slot, the policy and the access make of it.
 *
 * Invariants
 *   - Writable implies MMU-writable implies host-writable (rule A4).
 *   - In a slot that is logged a leaf is writable only if the write will be seen: by the D bit, or
 *     because it is marked in the log right now.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_LEAF_H
#define TAIN_MMU_LEAF_H

#include "mmu/mmu.h"
#include "mmu/slot.h"

_Static_assert(MMU_READ == SPTE_R && MMU_WRITE == SPTE_W && MMU_EXEC == SPTE_X,
	       "an access is the bits it needs");

static inline bool leaf_allows(spte_t s, unsigned access) { return (s.raw & access) == access; }

/* Is a write seen by its D bit alone? */
static inline bool log_by_dirty_bit(const struct mmu *mmu) { return mmu->ad == MMU_AD_HARDWARE; }

/* What a leaf carries that depends on who may write it, while somebody wants to know of writes. */
static inline uint64_t leaf_write_bits(const struct mmu *mmu, const struct memslot *slot, gfn_t gfn,
				       unsigned access)
{
	bool seen = !slot->dirty || (access & MMU_WRITE) != 0;
	uint64_t bits = SPTE_HOST_WRITABLE;

	if (slot_bit(slot->tracked, slot, gfn))
		return bits;
	bits |= SPTE_MMU_WRITABLE;
	if (seen || log_by_dirty_bit(mmu))
		bits |= SPTE_W;
	if (seen && mmu->ad != MMU_AD_NONE)
		bits |= SPTE_DIRTY;
	return bits;
}

/* Of a slot that is neither read-only nor logged nor tracked. */
static inline ALWAYS_INLINE spte_t leaf_make_plain(const struct mmu *mmu, pfn_t pfn)
{
	/* Said again, for the compiler: it is a leaf. */
	return (spte_t){ mmu->plain_leaf | SPTE_PRESENT | SPTE_LEAF | pfn.v << PAGE_SHIFT };
}

static inline spte_t leaf_make(const struct mmu *mmu, const struct memslot *slot, gfn_t gfn,
			       pfn_t pfn, unsigned access, bool prefetch)
{
	spte_t leaf = leaf_make_plain(mmu, pfn);

	if (prefetch)
		leaf.raw &= ~SPTE_ACCESSED;
	if (likely(slot_is_plain(slot)))
		return leaf;
	leaf.raw &= ~(SPTE_HOST_WRITABLE | SPTE_MMU_WRITABLE | SPTE_W | SPTE_DIRTY);
	if (!(slot->flags & MEMSLOT_READONLY))
		leaf.raw |= leaf_write_bits(mmu, slot, gfn, access);
	return leaf;
}

/* R and X again as they were before ageing took them. */
static inline spte_t leaf_unage(spte_t s)
{
	if (!(s.raw & SPTE_AGED))
		return s;
	uint64_t rx = ((s.raw & SPTE_SAVED_R) ? SPTE_R : 0) | ((s.raw & SPTE_SAVED_X) ? SPTE_X : 0);

	return (spte_t){ (s.raw & ~(SPTE_AGED | SPTE_SAVED_R | SPTE_SAVED_X)) | rx };
}

/* Writable again; only for a leaf that is MMU-writable. */
static inline spte_t leaf_make_writable(const struct mmu *mmu, spte_t s)
{
	return (spte_t){ s.raw | SPTE_W | (mmu->ad != MMU_AD_NONE ? SPTE_DIRTY : 0) };
}

#endif
