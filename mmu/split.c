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
	struct mmu_page *sp = pool_get(mmu, w->root, w->level - 1, at);

	if (!sp)
		return NULL;
	uint64_t raw = first_child(mmu, w).raw, step = level_size(w->level - 1);

	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		sp->entries[i].raw = raw + i * step;
	sp->population = TABLE_ENTRIES * POPULATION_LEAF;
	return sp;
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
	assert(w->root == MMU_DIRECT);
	struct mmu_page *sp = make_children(mmu, w);

	if (!sp)
		return -ENOMEM;
	spte_t made_from = w->old;

	change_direct(mmu, w, spte_make_table(sp->table));
	/* A bit that the CPU set in the last moment is lost for ageing only: D was made up above. */
	if ((w->old.raw ^ made_from.raw) & SPTE_DIRTY)
		for (unsigned i = 0; i < TABLE_ENTRIES; i++)
			__atomic_fetch_or(&sp->entries[i].raw, SPTE_DIRTY, __ATOMIC_RELAXED);
	w->old = spte_make_table(sp->table);
	return 0;
}
