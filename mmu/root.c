/*
 * root.c - life of roots, and what is left of one that was invalidated. Invariants: see root.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/root.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/dead.h"
#include "mmu/leaf.h"
#include "mmu/slot.h"
#include "mmu/walk.h"

#define DROP_BATCH 1024u /* tables dropped before the read side is given up for a moment */

struct mmu_page *root_new(struct mmu *mmu, unsigned root)
{
	struct mmu_page *sp = pool_get(mmu, root, mmu->levels, (gfn_t){ 0 });

	if (sp)
		sp->refs = 1;
	return sp;
}

/*
 * References
 */

/* Fails if it is gone (rule F1). */
static bool try_get(struct mmu_page *sp)
{
	uint32_t refs = __atomic_load_n(&sp->refs, __ATOMIC_RELAXED);

	while (refs != 0)
		if (__atomic_compare_exchange_n(&sp->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static bool add_root(struct mmu *mmu, unsigned root)
{
	mmu_write_lock(&mmu->lock);
	if (!mmu->root[root])
		__atomic_store_n(&mmu->root[root], root_new(mmu, root), __ATOMIC_RELEASE);
	bool there = mmu->root[root] != NULL;

	mmu_write_unlock(&mmu->lock);
	return there;
}

struct mmu_page *mmu_root_get(struct mmu *mmu, enum mmu_root root)
{
	struct mmu_page *sp;
	bool got;

	do {
		struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

		sp = mmu->root[root];
		got = sp && try_get(sp);
		mmu_read_unlock(&mmu->lock, me);
		if (!sp && (!root_is_direct(root) || !add_root(mmu, root)))
			return NULL;
	} while (!got);
	return sp;
}

/* Out of the list and back to the pool in one: the self-check never meets it in between. */
static void free_retired(struct mmu *mmu, struct mmu_page *sp)
{
	mmu_write_lock(&mmu->lock);
	struct mmu_page **at = &mmu->retired;

	while (*at != sp)
		at = &(*at)->next;
	*at = sp->next;
	pool_put(mmu, sp);
	mmu_write_unlock(&mmu->lock);
}

void mmu_root_put(struct mmu *mmu, struct mmu_page *sp)
{
	uint32_t left = __atomic_sub_fetch(&sp->refs, 1, __ATOMIC_ACQ_REL);

	assert(left != ~UINT32_C(0));
	if (left != 0)
		return;
	/* The MMU's own went last before ours: it is invalid, and empty. */
	assert(sp->invalid && page_population(sp) == 0);
	free_retired(mmu, sp);
}

bool mmu_root_is_valid(const struct mmu_page *root)
{
	return __atomic_load_n(&root->invalid, __ATOMIC_ACQUIRE) == 0;
}

/*
 * Dropping what an invalid root maps
 */
struct drop {
	struct mmu *mmu;
	unsigned budget; /* tables */
	bool want_dirty;
};

static void harvest(struct drop *d, const struct mmu_page *sp)
{
	uint64_t bits = d->mmu->gfn_bits[sp->root];

	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		spte_t s = spte_read(&sp->entries[i]);
		gfn_t gfn = { (sp->gfn.v + i * level_frames(sp->level)) & ~bits };
		struct memslot *slot;

		if (!spte_has_leaf(s) || !(s.raw & SPTE_DIRTY))
			continue;
		slot = slot_find(d->mmu, gfn);
		if (slot)
			slot_mark_dirty(slot, gfn);
	}
}

/* An empty table goes; its leaves are one record, and not looked at (rule B8). */
static void drop_table(struct drop *d, struct mmu_page *sp)
{
	if (d->want_dirty && page_leaves(sp) > 0)
		harvest(d, sp);
	trace_dropped(d->mmu, sp);
	pool_put(d->mmu, sp);
	d->budget--;
}

/*
 * Tables below @sp, 4K tables first, then what they leave empty, until the budget is used up; what
 * was dropped is not met again, so each pass gets on (rule F2). True: nothing is left below.
 */
static bool drop_below(struct drop *d, struct mmu_page *sp)
{
	for (unsigned i = 0; page_tables(sp) > 0 && i < TABLE_ENTRIES; i++) {
		spte_t s = spte_read(&sp->entries[i]);
		struct mmu_page *child;

		if (!spte_has_table(s))
			continue;
		child = page_of_entry(table_of(d->mmu, s));
		if (!drop_below(d, child) || d->budget == 0)
			return false;
		__atomic_store_n(&sp->entries[i].raw, SPTE_NONE_RAW, __ATOMIC_RELEASE);
		__atomic_fetch_sub(&sp->population, POPULATION_TABLE, __ATOMIC_RELAXED);
		drop_table(d, child);
	}
	return true;
}

/* Under the read side: faults go on, the self-check and removals wait for one pass. */
static bool drop_pass(struct mmu *mmu, struct mmu_page *root)
{
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);
	struct drop d = { .mmu = mmu,
			  .budget = DROP_BATCH,
			  .want_dirty = log_by_dirty_bit(mmu) && slot_any_logged(mmu) };
	bool done = drop_below(&d, root);

	mmu_read_unlock(&mmu->lock, me);
	return done;
}

static void zap_retired(struct mmu *mmu, struct mmu_page *root)
{
	while (!drop_pass(mmu, root))
		cpu_relax();
}

int mmu_invalidate(struct mmu *mmu, enum mmu_root root)
{
	if (!root_is_direct(root))
		return -EINVAL;
	mmu_write_lock(&mmu->lock);
	struct mmu_page *old = mmu->root[root], *fresh = old ? root_new(mmu, root) : NULL;

	if (!fresh) {
		mmu_write_unlock(&mmu->lock);
		return old ? -ENOMEM : 0;
	}
	__atomic_store_n(&mmu->root[root], fresh, __ATOMIC_RELEASE);
	__atomic_store_n(&old->invalid, 1, __ATOMIC_SEQ_CST);
	old->next = mmu->retired;
	mmu->retired = old;
	mmu_count_cut(&mmu->lock);
	/* The kick: who had it loaded is out of the guest, and finds it invalid before it is back.
	 */
	int err = owed_flush(mmu, root, (gfn_t){ 0 }, (gfn_t){ mmu_gfn_limit(mmu) });

	/* Who only looks may have begun at the old root. */
	mmu_grace_period(&mmu->lock);
	mmu_write_unlock(&mmu->lock);
	if (err)
		return err; /* somebody may still run on it: it stays as it is until the end */
	zap_retired(mmu, old);
	mmu_root_put(mmu, old);
	return 0;
}

void roots_free_retired(struct mmu *mmu)
{
	while (mmu->retired) {
		struct mmu_page *sp = mmu->retired;

		log_error("mmu: %s: a root was freed with %u references", mmu->name, sp->refs);
		mmu->retired = sp->next;
		zap_retired(mmu, sp);
		pool_put(mmu, sp);
	}
}

void tree_each(struct mmu *mmu, struct mmu_page *sp, void (*fn)(struct mmu_page *sp, void *arg),
	       void *arg)
{
	fn(sp, arg);
	for (unsigned i = 0; page_tables(sp) > 0 && i < TABLE_ENTRIES; i++) {
		spte_t s = spte_read(&sp->entries[i]);

		if (spte_has_table(s))
			tree_each(mmu, page_of_entry(table_of(mmu, s)), fn, arg);
	}
}
