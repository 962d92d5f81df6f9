/*
 * dead.c - the end of tables, and the flush before it. Invariants: see dead.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/dead.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"

void trace_dropped(struct mmu *mmu, const struct mmu_page *sp)
{
	if (unlikely(mmu->ops->trace != NULL) && page_leaves(sp) > 0)
		mmu->ops->trace(mmu, sp->root, (gfn_t){ sp->gfn.v & ~mmu->gfn_bits[sp->root] },
				SPTE_FROZEN, SPTE_NONE, sp->level, page_leaves(sp));
}

unsigned dead_add_tree(struct mmu *mmu, struct dead_tables *dead, struct mmu_page *sp)
{
	unsigned tables = 1;

	if (page_tables(sp) > 0)
		for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
			spte_t s = spte_read(&sp->entries[i]);

			if (spte_is_open_table(s))
				tables += dead_add_tree(mmu, dead, page_of_entry(table_of(mmu, s)));
		}
	trace_dropped(mmu, sp);
	sp->population = 0;
	dead_add(dead, sp);
	return tables;
}

void dead_free(struct mmu *mmu, struct dead_tables *dead)
{
	struct mmu_page *sp = dead->first, *next;

	if (!sp)
		return;
	mmu_grace_period(&mmu->lock);
	for (; sp; sp = next) {
		next = sp->next;
		if (!hpa_is_none(sp->external)) {
			mmu->ops->free_external_spt(mmu, sp);
			assert(hpa_is_none(sp->external));
			mmu->leaked_tables += sp->external_leaked;
		}
		pool_put(mmu, sp);
	}
	dead->first = NULL;
}

int owed_flush(struct mmu *mmu, enum mmu_root root, gfn_t start, gfn_t end)
{
	mmu->flushes++;
	int err = mmu->ops->flush(mmu, root, start, end.v - start.v);

	if (err)
		mmu_bug(mmu, "a flush failed", start, LEVEL_4K);
	return err ? -EIO : 0;
}
