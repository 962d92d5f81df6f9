/*
 * zap.c - mapping out of the direct root, and the front of removal for both roots.
 *
 *     cut or exchange entries  ->  one flush  ->  grace period  ->  free the tables that were cut
 *
 * Invariants
 *   - All of it happens under one hold of the write side, so nothing is owed when the lock drops.
 *     A long zap yields between such passes and goes on at the next GFN (rule F2).
 *   - An entry that leads to a table is cut first; then nobody new gets in, and the table can be
 *     dropped by its count without reading its entries (rule B8), unless its D bits are wanted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/dead.h"
#include "mmu/leaf.h"
#include "mmu/mirror.h"
#include "mmu/root.h"
#include "mmu/slot.h"
#include "mmu/split.h"

#define ZAP_BATCH 4096u /* entries changed or tables dropped before the lock is yielded */

/* GFNs here are as the table is indexed: with the SHARED bit. */
struct zap {
	struct mmu *mmu;
	enum mmu_root root;
	uint64_t start, end; /* of this pass */
	uint64_t next;       /* first GFN not done yet */
	unsigned budget;
	bool want_dirty;
	bool removed; /* a flush is owed */
	struct dead_tables dead;
};

static gfn_t guest_gfn(const struct mmu *mmu, uint64_t at)
{
	return (gfn_t){ at & ~mmu->gfn_bits[MMU_DIRECT] };
}

static void harvest(struct zap *z, gfn_t gfn, spte_t was)
{
	struct memslot *slot = slot_find(z->mmu, gfn);

	if (slot && (was.raw & SPTE_DIRTY))
		slot_mark_dirty(slot, gfn);
}

/*
 * Leaves [first, last) of a 4K table: one exchange each, then one trace record and one count. Their
 * frames belong to the slot; only the D bit may be wanted.
 */
static void zap_leaves(struct zap *z, struct mmu_page *sp, unsigned first, unsigned last)
{
	spte_t one = SPTE_NONE, *const end = &sp->entries[last];
	bool want_dirty = z->want_dirty;
	unsigned holes = 0; /* fewer than leaves, as a rule: so these are counted */

	for (spte_t *entry = &sp->entries[first]; entry < end; entry++) {
		if (spte_equal(spte_read(entry), SPTE_NONE)) {
			holes++;
			continue;
		}
		spte_t was = { __atomic_exchange_n(&entry->raw, SPTE_NONE_RAW, __ATOMIC_ACQ_REL) };

		if (unlikely(!spte_is_present(was))) {
			assert(!spte_is_frozen(was));
			holes++; /* MMIO: no translation of it is cached */
			continue;
		}
		one = was;
		if (unlikely(want_dirty))
			harvest(z, guest_gfn(z->mmu, sp->gfn.v + (uint64_t)(entry - sp->entries)),
				was);
	}
	unsigned count = last - first - holes;

	if (count == 0)
		return;
	if (unlikely(z->mmu->ops->trace != NULL))
		z->mmu->ops->trace(z->mmu, z->root, guest_gfn(z->mmu, sp->gfn.v + first), one,
				   SPTE_NONE, LEVEL_4K, count);
	__atomic_fetch_sub(&sp->population, count * POPULATION_LEAF, __ATOMIC_RELAXED);
	z->removed = true;
	z->budget -= count < z->budget ? count : z->budget;
}

static void cut(struct zap *z, struct walk *w, struct mmu_page *child) MUST_HOLD_WRITE(z->mmu->lock)
{
	change_direct(z->mmu, w, SPTE_NONE);
	unsigned tables = dead_add_tree(z->mmu, &z->dead, child);

	z->removed = true;
	z->budget -= tables < z->budget ? tables : z->budget;
}

static void zap_leaf(struct zap *z, struct walk *w) MUST_HOLD_WRITE(z->mmu->lock)
{
	change_direct(z->mmu, w, SPTE_NONE);
	if (!spte_is_present(w->old))
		return; /* MMIO: no translation of it is cached */
	z->removed = true;
	if (z->want_dirty)
		harvest(z, w->gfn, w->old);
	if (z->budget > 0)
		z->budget--;
}

static int zap_table(struct zap *z, struct mmu_page *sp) MUST_HOLD_WRITE(z->mmu->lock);

/* One entry above 4K. It is done up to @after (the end of it or of the range), or z->next says. */
static int zap_entry(struct zap *z, struct walk *w, bool covered, uint64_t after)
	MUST_HOLD_WRITE(z->mmu->lock)
{
	if (spte_has_leaf(w->old) && !covered) {
		int err = split_exclusive(z->mmu, w);

		if (err)
			return err;
	}
	if (spte_has_table(w->old)) {
		struct mmu_page *child = page_of_entry(table_of(z->mmu, w->old));

		/* A subtree of at most 1 GiB goes at once; a larger one in steps that can yield. */
		if (!covered || w->level > LEVEL_1G) {
			int err = zap_table(z, child);

			if (err || page_population(child) != 0)
				return err;
		}
		cut(z, w, child);
	} else if (!spte_equal(w->old, SPTE_NONE)) {
		zap_leaf(z, w);
	}
	z->next = after;
	return 0;
}

/* What of [z->next, z->end) lies in @sp, until the budget is used up; z->next moves on. */
static int zap_table(struct zap *z, struct mmu_page *sp) MUST_HOLD_WRITE(z->mmu->lock)
{
	uint64_t frames = level_frames(sp->level), end = sp->gfn.v + TABLE_ENTRIES * frames;

	if (end > z->end)
		end = z->end;
	/* MMIO entries are not counted; where there are none, an empty table is skipped. */
	if (page_population(sp) == 0 && z->mmu->mmio == MMU_MMIO_REPORT) {
		z->next = end;
		return 0;
	}
	if (sp->level == LEVEL_4K) {
		zap_leaves(z, sp, (unsigned)(z->next - sp->gfn.v), (unsigned)(end - sp->gfn.v));
		z->next = end;
		return 0;
	}
	int err = 0;

	while (!err && z->next < end && z->budget > 0) {
		spte_t *entry = &sp->entries[table_index(z->next, sp->level)];
		uint64_t first = align_down(z->next, frames), after = first + frames;
		struct walk w = { entry, spte_read(entry), guest_gfn(z->mmu, first), sp->level,
				  z->root };
		bool covered = first >= z->start && after <= z->end;

		err = zap_entry(z, &w, covered, after < end ? after : end);
	}
	return err;
}

/* Until the flush the CPU may have set D in tables that were cut: read them after it. */
static void harvest_dead(struct zap *z)
{
	for (struct mmu_page *sp = z->dead.first; sp; sp = sp->next)
		for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
			gfn_t gfn = guest_gfn(z->mmu, sp->gfn.v + i * level_frames(sp->level));
			spte_t s = spte_read(&sp->entries[i]);

			if (spte_has_leaf(s))
				harvest(z, gfn, s);
		}
}

/* One hold of the write side. */
static int zap_pass(struct mmu *mmu, enum mmu_root root, gfn_t start, gfn_t end, gfn_t *next)
	MUST_HOLD_WRITE(mmu->lock)
{
	uint64_t bits = mmu->gfn_bits[MMU_DIRECT];
	struct zap z = { .mmu = mmu,
			 .root = root,
			 .start = start.v | bits,
			 .next = start.v | bits,
			 .end = ((end.v - 1) | bits) + 1,
			 .budget = ZAP_BATCH,
			 .want_dirty = log_by_dirty_bit(mmu) && slot_any_logged(mmu) };
	mmu_assert_write_held(&z.mmu->lock);
	int err = zap_table(&z, mmu->root[root]);

	if (z.removed) {
		int flush_err = owed_flush(mmu, root, start, guest_gfn(mmu, z.next));

		err = err ? err : flush_err;
	}
	if (z.want_dirty)
		harvest_dead(&z);
	dead_free(mmu, &z.dead);
	*next = (gfn_t){ start.v + (z.next - (start.v | bits)) };
	return err;
}

static int zap_root(struct mmu *mmu, enum mmu_root root, gfn_t start, gfn_t end)
{
	int err = 0;

	mmu_write_lock(&mmu->lock);
	while (!err && start.v < end.v) {
		gfn_t next = start;

		err = root == MMU_MIRROR ? mirror_zap(mmu, start, end, &next)
					 : zap_pass(mmu, root, start, end, &next);
		start = next;
		if (!err && start.v < end.v)
			mmu_write_yield(&mmu->lock);
	}
	mmu_write_unlock(&mmu->lock);
	return err;
}

int mmu_zap_range(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	gfn_t end = gfn_add(start, frames);
	int err = 0;

	if (!root_is_direct(root))
		return zap_root(mmu, root, start, end);
	/* A role that once had a root always has one: without the lock this is stable enough. */
	for_each_direct_root(mmu, r) {
		if (!err)
			err = zap_root(mmu, (enum mmu_root)r, start, end);
	}
	return err;
}

int mmu_zap_all(struct mmu *mmu, enum mmu_root root)
{
	return mmu_zap_range(mmu, root, (gfn_t){ 0 }, mmu_gfn_limit(mmu));
}
