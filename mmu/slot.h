/*
 * slot.h - what mmu/ itself asks of memory slots.
 *
 * Invariant: slots are sorted by base and do not overlap; the array changes under the write side, so
 * whoever is inside as a reader may use what slot_find() returned until it leaves.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_SLOT_H
#define TAIN_MMU_SLOT_H

#include "mmu/mmu.h"

static inline struct memslot *slot_find(const struct mmu *mmu, gfn_t gfn)
{
	for (unsigned i = 0; i < mmu->slot_count; i++) {
		struct memslot *slot = mmu->slots[i];

		if (gfn.v - slot->base.v < slot->frames)
			return slot;
	}
	return NULL;
}

/* Nothing is special about it: no flags, no log, no tracking. */
static inline ALWAYS_INLINE bool slot_is_plain(const struct memslot *slot)
{
	return slot->flags == 0 && ((uintptr_t)slot->dirty | (uintptr_t)slot->tracked) == 0;
}

/* Frames that the roots can reach; a TD's GPAs end where the SHARED bit begins. */
static inline uint64_t mmu_gfn_limit(const struct mmu *mmu)
{
	uint64_t shared = mmu->gfn_bits[MMU_DIRECT];

	return shared ? shared : UINT64_C(1) << (9 * mmu->levels);
}

static inline bool slot_any_logged(const struct mmu *mmu)
{
	for (unsigned i = 0; i < mmu->slot_count; i++)
		if (mmu->slots[i]->dirty)
			return true;
	return false;
}

/* Does any slot have a frame of [start, start + frames)? */
static inline bool slot_touches(const struct mmu *mmu, gfn_t start, uint64_t frames)
{
	for (unsigned i = 0; i < mmu->slot_count; i++) {
		const struct memslot *slot = mmu->slots[i];

		if (slot->base.v < start.v + frames && start.v < slot->base.v + slot->frames)
			return true;
	}
	return false;
}

/* Does the aligned block of @level around @gfn, which is in @slot, lie inside it? */
static inline bool slot_holds_block(const struct memslot *slot, gfn_t gfn, int level)
{
	if (level <= slot->whole)
		return true;
	uint64_t first = align_down(gfn.v, level_frames(level));

	return first >= slot->base.v && first + level_frames(level) <= slot->base.v + slot->frames;
}

static inline bool slot_bit(const uint64_t *map, const struct memslot *slot, gfn_t gfn)
{
	uint64_t i = gfn.v - slot->base.v;

	return map && (__atomic_load_n(&map[i / 64], __ATOMIC_RELAXED) >> (i % 64)) & 1;
}

/* Note that the frame behind @gfn was or may now be written. */
static inline void slot_mark_dirty(struct memslot *slot, gfn_t gfn)
{
	uint64_t i = gfn.v - slot->base.v;

	if (slot->dirty && !slot_bit(slot->dirty, slot, gfn))
		__atomic_fetch_or(&slot->dirty[i / 64], BIT64(i % 64), __ATOMIC_RELAXED);
}

#endif
