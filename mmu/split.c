/*
 * split.c - one direct leaf into 512, eagerly over a range, and back to one. See split.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/split.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/dead.h"
#include "mmu/leaf.h"
#include "mmu/range.h"
#include "mmu/slot.h"

/*
 * The value of the first of the 512. While the slot is logged by D bits, the children start clean
 * and writable, whatever was taken from the large leaf to make its first write fault.
 */
static spte_t first_child(const struct mmu *mmu, const struct walk *w)
{
	const struct memslot *slot = slot_find(mmu, w->gfn);
	spte_t child = w->old;

	if (slot && slot->dirty && log_by_dirty_bit(mmu) && (child.raw & SPTE_MMU_WRITABLE))
		child.raw = (child.raw | SPTE_W) & ~SPTE_DIRTY;
	return child;
}

static struct mmu_page *make_children(struct mmu *mmu, const struct walk *w)
{
	gfn_t at = { w->gfn.v | mmu->gfn_bits[w->root] };

	return pool_get_run(mmu, w->root, w->level - 1, at, first_child(mmu, w));
}

int split_shared(struct mmu *mmu, struct walk *w)
{
	struct mmu_page *sp = make_children(mmu, w);

	if (!sp)
		return -ENOMEM;
	int err = change_shared(mmu, w, spte_make_table(sp->table));

	if (err)
		pool_put(mmu, sp);
	return err;
}

int split_exclusive(struct mmu *mmu, struct walk *w)
{
	assert(w->root != MMU_MIRROR);
	struct mmu_page *sp = make_children(mmu, w);

	if (!sp)
		return -ENOMEM;
	spte_t made_from = w->old;

	change_direct(mmu, w, spte_make_table(sp->table));
	/* A bit that the CPU set in the last moment is lost for ageing only: D was made up above.
	 */
	if ((w->old.raw ^ made_from.raw) & SPTE_DIRTY)
		for (unsigned i = 0; i < TABLE_ENTRIES; i++)
			__atomic_fetch_or(&sp->entries[i].raw, SPTE_DIRTY, __ATOMIC_RELAXED);
	w->old = spte_make_table(sp->table);
	return 0;
}

/*
 * Over a range
 */
static int split_part(struct mmu *mmu, const struct part *part, void *arg)
{
	int level = *(const int *)arg;

	if (part->level <= level)
		return 0;
	for (unsigned i = part->first; i < part->last; i++) {
		spte_t *entry = &part->sp->entries[i];
		struct walk w = { entry, spte_read(entry),
				  gfn_add(part->gfn, (i - part->first) * level_frames(part->level)),
				  part->level, part->sp->root };

		while (spte_is_accessible_leaf(w.old))
			if (split_shared(mmu, &w) == -ENOMEM)
				return -ENOMEM;
	}
	return 0;
}

int mmu_split_range(struct mmu *mmu, gfn_t start, uint64_t frames, int level)
{
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	int err = range_each(mmu, start, frames, split_part, &level);

	mmu_read_unlock(&mmu->lock, me);
	return err;
}

struct recovery {
	struct dead_tables dead;
	uint64_t joined;
};

/* The leaf that may take the place of the table at @w, or none. */
static spte_t recovered_leaf(struct mmu *mmu, struct memslot *slot, const struct walk *w)
{
	int level = w->level;
	pfn_t pfn;

	if (slot->dirty || slot->tracked || (slot->flags & MEMSLOT_GOING) ||
	    level > mmu->max_level[MMU_DIRECT] || !slot_holds_block(slot, w->gfn, level) ||
	    slot->ops->resolve(slot, MMU_DIRECT, w->gfn, &pfn, &level) || level != w->level)
		return SPTE_NONE;
	return leaf_make(mmu, slot, w->gfn, pfn, 0, false);
}

static int recover_part(struct mmu *mmu, const struct part *part, void *arg)
	MUST_HOLD_WRITE(mmu->lock)
{
	struct recovery *r = arg;

	for (unsigned i = part->first; part->level > LEVEL_4K && i < part->last; i++) {
		spte_t *entry = &part->sp->entries[i];
		struct walk w = { entry, spte_read(entry),
				  gfn_add(part->gfn, (i - part->first) * level_frames(part->level)),
				  part->level, part->sp->root };
		struct memslot *slot = spte_is_open_table(w.old) ? slot_find(mmu, w.gfn) : NULL;

		if (!slot)
			continue;
		struct mmu_page *child = page_of_entry(table_of(mmu, w.old));
		spte_t leaf = page_population(child) ? recovered_leaf(mmu, slot, &w) : SPTE_NONE;

		if (!spte_is_present(leaf))
			continue;

		change_direct(mmu, &w, leaf);
		(void)dead_add_tree(mmu, &r->dead, child);
		r->joined++;
	}
	return 0;
}

/* One hold of the write side. Rule D6: the small translations go before their tables do. */
static uint64_t recover_pass(struct mmu *mmu, gfn_t start, uint64_t frames)
{
	struct recovery r = { .joined = 0 };

	mmu_write_lock(&mmu->lock);
	int err = range_each(mmu, start, frames, recover_part, &r);

	if (r.joined > 0)
		err = owed_flush(mmu, MMU_DIRECT, start, gfn_add(start, frames));
	dead_free(mmu, &r.dead);
	mmu_write_unlock(&mmu->lock);
	return err ? 0 : r.joined;
}

uint64_t mmu_recover_range(struct mmu *mmu, gfn_t start, uint64_t frames)
{
	uint64_t joined = 0, end = start.v + frames;

	while (start.v < end) {
		uint64_t next =
			align_down(start.v, level_frames(LEVEL_1G)) + level_frames(LEVEL_1G);

		if (next > end)
			next = end;
		joined += recover_pass(mmu, start, next - start.v);
		start.v = next;
	}
	return joined;
}
