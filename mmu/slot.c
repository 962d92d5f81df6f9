/*
 * slot.c - memory slots: which GFN is backed, and by whom.
 *
 * Invariants: see slot.h. A slot leaves in three steps: no new mapping, nothing mapped, forgotten.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/slot.h"

#include <errno.h>

#include "kernel/base/log.h"

static int place_for(const struct mmu *mmu, const struct memslot *slot, unsigned *place)
{
	unsigned i = 0;

	while (i < mmu->slot_count && mmu->slots[i]->base.v < slot->base.v)
		i++;
	if (i > 0 && mmu->slots[i - 1]->base.v + mmu->slots[i - 1]->frames > slot->base.v)
		return -EEXIST;
	if (i < mmu->slot_count && slot->base.v + slot->frames > mmu->slots[i]->base.v)
		return -EEXIST;
	*place = i;
	return 0;
}

static uint8_t whole_level(const struct memslot *slot)
{
	uint8_t level = LEVEL_4K;

	while (level < LEVEL_1G && is_aligned(slot->base.v | slot->frames, level_frames(level + 1)))
		level++;
	return level;
}

int mmu_slot_add(struct mmu *mmu, struct memslot *slot)
{
	uint64_t limit = mmu_gfn_limit(mmu);

	if (slot->frames == 0 || slot->base.v >= limit || slot->frames > limit - slot->base.v ||
	    !slot->ops || !slot->ops->resolve)
		return -EINVAL;

	unsigned place;

	mmu_write_lock(&mmu->lock);
	int err = mmu->slot_count == MMU_MAX_SLOTS ? -ENOSPC : place_for(mmu, slot, &place);

	if (!err) {
		for (unsigned i = mmu->slot_count++; i > place; i--)
			mmu->slots[i] = mmu->slots[i - 1];
		mmu->slots[place] = slot;
		slot->whole = whole_level(slot);
		slot->flags &= ~(unsigned)MEMSLOT_GOING;
		/* MMIO entries made before are out of date now. */
		mmu->mmio_generation = (mmu->mmio_generation + 1) & SPTE_MMIO_GEN_MASK;
	}
	mmu_write_unlock(&mmu->lock);
	/* A #VE entry is not checked against the generation by anybody: take it away. */
	if (!err && mmu->mmio != MMU_MMIO_REPORT)
		err = mmu_zap_range(mmu, MMU_DIRECT, slot->base, slot->frames);
	return err;
}

int mmu_slot_remove(struct mmu *mmu, struct memslot *slot)
{
	mmu_write_lock(&mmu->lock);
	slot->flags |= MEMSLOT_GOING;
	mmu_write_unlock(&mmu->lock);

	for (unsigned root = MMU_DIRECT; root <= MMU_MIRROR; root++) {
		int err = mmu->root[root] ? mmu_zap_range(mmu, root, slot->base, slot->frames) : 0;

		if (err)
			return err;
	}
	mmu_write_lock(&mmu->lock);
	for (unsigned i = 0, kept = 0; i < mmu->slot_count; i++)
		if (mmu->slots[i] != slot)
			mmu->slots[kept++] = mmu->slots[i];
	mmu->slot_count--;
	mmu_write_unlock(&mmu->lock);
	return 0;
}

struct memslot *mmu_slot_find(const struct mmu *mmu, gfn_t gfn) { return slot_find(mmu, gfn); }

struct memslot *mmu_slot_at(const struct mmu *mmu, unsigned place)
{
	return place < mmu->slot_count ? mmu->slots[place] : NULL;
}
