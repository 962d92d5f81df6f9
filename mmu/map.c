/*
 * map.c - mapping ahead: a run of pages with one walk per table.
 *
 * Invariants: those of fault.c; a present entry stays as it is (rule D5). Inside one table a run of
 * leaves is one trace record and one count.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/leaf.h"
#include "mmu/slot.h"
#include "mmu/walk.h"

/* Frames that resolve() gave and that are not used up: a run that starts at @gfn. */
struct run {
	gfn_t gfn;
	pfn_t pfn;
	uint64_t frames;
};

/*
 * The frame of @gfn, from the run or from the slot; a direct slot says how far its run goes when it
 * is asked for a level above the one that is mapped.
 */
static int next_frame(struct memslot *slot, struct run *run, gfn_t gfn, pfn_t *pfn)
{
	if (gfn.v - run->gfn.v >= run->frames) {
		int level = slot_holds_block(slot, gfn, LEVEL_2M) ? LEVEL_2M : LEVEL_4K;
		int err = slot->ops->resolve(slot, MMU_DIRECT, gfn, &run->pfn, &level);

		if (err)
			return err;
		uint64_t in_block = gfn.v & (level_frames(level) - 1);

		*run = (struct run){ gfn, run->pfn, level_frames(level) - in_block };
	}
	*pfn = pfn_add(run->pfn, gfn.v - run->gfn.v);
	return 0;
}

/*
 * @count entries from @entry on get leaves of one run of frames; @raw is the first one's. Those that are
 * present stay. Returns how far it came: less than @count at an entry that is neither none nor present.
 */
static inline unsigned fill_run(spte_t *entry, unsigned count, uint64_t raw, unsigned *added)
{
	unsigned n = 0, fresh = 0;

	for (; n < count; n++, raw += PAGE_SIZE) {
		uint64_t was = SPTE_NONE_RAW;

		if (likely(__atomic_compare_exchange_n(&entry[n].raw, &was, raw, false,
						       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)))
			fresh++;
		else if (!spte_is_present((spte_t){ was }))
			break; /* an old MMIO entry: the fault path knows what to do */
	}
	*added += fresh;
	return n;
}

/*
 * Fill holes of one 4K table from @w on, at most @frames. Returns 0 or -errno; *done counts entries
 * that are present now.
 */
static int fill_table(struct mmu *mmu, struct memslot *slot, const struct walk *w, uint64_t frames,
		      uint64_t *done)
{
	struct mmu_page *sp = page_of_entry(w->entry);
	unsigned first = (unsigned)(w->entry - sp->entries), i = first, added = 0;
	unsigned last = frames < TABLE_ENTRIES - first ? first + (unsigned)frames : TABLE_ENTRIES;
	struct run run = { .frames = 0 };
	spte_t leaf = SPTE_NONE;
	int err = 0;

	while (i < last) {
		gfn_t gfn = gfn_add(w->gfn, i - first);
		pfn_t pfn;

		if (spte_is_present(spte_read(&sp->entries[i]))) {
			i++;
			continue;
		}
		err = next_frame(slot, &run, gfn, &pfn);
		if (err)
			break;
		/* Tracked pages differ one from the other. */
		uint64_t left = run.frames - (gfn.v - run.gfn.v);
		unsigned some = slot->tracked ? 1 : left < last - i ? (unsigned)left : last - i;

		leaf = leaf_make(mmu, slot, gfn, pfn, 0, true);
		unsigned filled = fill_run(&sp->entries[i], some, leaf.raw, &added);

		i += filled;
		if (filled < some)
			break;
	}
	if (added > 0) {
		if (unlikely(mmu->ops->trace != NULL))
			mmu->ops->trace(mmu, w->root, w->gfn, SPTE_NONE, leaf, LEVEL_4K, added);
		__atomic_fetch_add(&sp->population, added * POPULATION_LEAF, __ATOMIC_RELAXED);
	}
	*done += i - first;
	return err;
}

/* The rest of the table that holds @gfn, which is mapped already, at 4K and direct. */
static int map_rest_of_table(struct mmu *mmu, enum mmu_root root, gfn_t gfn, uint64_t frames, uint64_t *done)
{
	int err = 0;

	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	struct memslot *slot = slot_find(mmu, gfn);
	struct walk w = walk_to(mmu, root, gfn, LEVEL_4K);

	if (slot && !(slot->flags & MEMSLOT_GOING) && w.level == LEVEL_4K) {
		uint64_t left = slot->base.v + slot->frames - gfn.v;

		err = fill_table(mmu, slot, &w, frames < left ? frames : left, done);
	}
	mmu_read_unlock(&mmu->lock, me);
	return err;
}

int mmu_map_range(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames, int max_level,
		  uint64_t *done)
{
	*done = 0;
	while (*done < frames) {
		gfn_t gfn = gfn_add(start, *done);
		struct mmu_fault f = { .gfn = gfn,
				       .root = root,
				       .access = MMU_READ,
				       .prefetch = true,
				       .max_level = (uint8_t)max_level };
		int err = mmu_handle_fault(mmu, &f);

		if (err)
			return err;
		if (root != MMU_MIRROR && f.level == LEVEL_4K) {
			uint64_t before = *done;

			err = map_rest_of_table(mmu, root, gfn, frames - *done, done);
			if (err)
				return err;
			if (*done > before)
				continue;
		}
		*done += level_frames(f.level) - (gfn.v & (level_frames(f.level) - 1));
	}
	if (*done > frames)
		*done = frames;
	return 0;
}
