/*
 * mirror.c - a TD's private pages: mapping out, splitting, joining, moving.
 *
 *     running       block all  ->  ONE flush (track and kick)  ->  remove all; then again for the
 *                   tables that are empty now, bottom-up, one round per level           (C10, C13)
 *     building      remove leaves, then tables: no block, no flush                            (C10)
 *     released      the same; the hook reclaims                                               (C14)
 *
 * Invariants
 *   - A table is blocked only when nothing is left in it, and removed only when blocked and
 * flushed; joining, which wants a full table, is the exception.
 *   - What is begun is finished or undone. If the hook stays busy, the entry stays blocked and says
 *     what for; the next removal finishes it, the next fault on it undoes it (mirror_settle).
 *   - A frame goes back to its slot after the hook said that the host may touch it, never before.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/mirror.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/dead.h"
#include "mmu/slot.h"

struct removal {
	struct mmu *mmu;
	enum spte_step step; /* what leaves are taken through: STEP_BLOCK, then STEP_REMOVE_LEAF */
	uint64_t start;
	uint64_t limit;   /* end of the range, or of this batch */
	unsigned budget;  /* changes until the batch is full */
	unsigned pending; /* entries blocked for removal and not yet removed */
	struct dead_tables dead;
};

typedef int (*visit_fn)(struct removal *r, struct walk *w);

static struct mmu_page *child_of(const struct mmu *mmu, const struct walk *w)
{
	return page_of_entry(table_of(mmu, w->old));
}

static void give_back(struct mmu *mmu, gfn_t gfn, pfn_t pfn, int level)
{
	struct memslot *slot = slot_find(mmu, gfn);

	if (slot && slot->ops->release)
		slot->ops->release(slot, gfn, pfn, level);
}

/* @count entries were changed, the last of which ends at @end. */
static void spend(struct removal *r, unsigned count, uint64_t end)
{
	r->budget -= count;
	if (r->budget == 0)
		r->limit = end;
}

/*
 * A table is blocked when it is empty, or to be joined: then it is left alone until it is open
 * again, except when the key is gone and nothing opens it any more.
 */
static bool to_descend(const struct removal *r, const struct walk *w)
{
	return (r->mmu->phase == MMU_RUNNING ? spte_is_open_table(w->old)
					     : spte_has_table(w->old)) &&
	       page_population(child_of(r->mmu, w)) != 0;
}

/*
 * The leaves that follow each other in @sp from entry *i on take r->step, and *i moves on; it stays
 * where it is if the first is no leaf for that.
 */
static int visit_run(struct removal *r, struct mmu_page *sp, unsigned *i, unsigned last)
	MUST_HOLD_WRITE(r->mmu->lock)
{
	/* What was blocked is not counted again when it goes: the batch is bounded already. */
	bool counted = r->step == STEP_BLOCK || r->mmu->phase != MMU_RUNNING;
	unsigned room = counted ? *i + r->budget : last;
	struct leaf_run run = {
		.sp = sp, .at = *i, .end = room < last ? room : last, .step = r->step
	};
	int err = change_run(r->mmu, &run);

	*i = run.at;
	if (r->step == STEP_BLOCK)
		r->pending += run.count;
	if (run.count > 0 && counted)
		spend(r, run.count, sp->gfn.v + run.at * level_frames(sp->level));
	return err;
}

/*
 * For each present entry of [r->start, r->limit) in @sp, children before their parent: leaves in
 * runs, and @fn for what is no leaf, or for one that is blocked already.
 */
static int visit(struct removal *r, struct mmu_page *sp, visit_fn fn) MUST_HOLD_WRITE(r->mmu->lock)
{
	uint64_t frames = level_frames(sp->level), base = sp->gfn.v;
	unsigned i = r->start > base ? (unsigned)((r->start - base) / frames) : 0;
	int err = 0;

	while (!err && i < TABLE_ENTRIES && base + i * frames < r->limit) {
		spte_t *entry = &sp->entries[i];
		struct walk w = {
			entry, spte_read(entry), { base + i * frames }, sp->level, MMU_MIRROR
		};

		if (spte_has_leaf(w.old)) {
			uint64_t left = (r->limit - w.gfn.v + frames - 1) / frames;
			unsigned from = i;

			err = visit_run(r, sp, &i,
					left < TABLE_ENTRIES - i ? i + (unsigned)left
								 : TABLE_ENTRIES);
			if (err || i > from)
				continue;
		}
		i++;
		if (!spte_is_present(w.old))
			continue;
		if (to_descend(r, &w))
			err = visit(r, child_of(r->mmu, &w), fn);
		if (!err)
			err = fn(r, &w);
	}
	return err;
}

/* Open again what is blocked for something else than what we are about. */
static int unblock(struct mmu *mmu, struct walk *w) MUST_HOLD_WRITE(mmu->lock)
{
	gfn_t end = gfn_add(w->gfn, level_frames(w->level));
	int err = owed_flush(mmu, MMU_MIRROR, w->gfn, end);

	if (err)
		return err;
	spte_t open = spte_make_unblocked(w->old);

	err = change_exclusive(mmu, w, open);
	if (!err)
		w->old = open;
	return err;
}

static int block(struct mmu *mmu, struct walk *w, enum spte_purpose purpose)
	MUST_HOLD_WRITE(mmu->lock)
{
	spte_t blocked = spte_make_blocked(w->old, purpose);
	int err = change_exclusive(mmu, w, blocked);

	if (!err)
		w->old = blocked;
	return err;
}

/* First half: leaves, and tables that were empty before this round. */
static int block_entry(struct removal *r, struct walk *w) MUST_HOLD_WRITE(r->mmu->lock)
{
	enum spte_purpose purpose = spte_blocked_for(w->old);
	int err = 0;

	if (purpose != SPTE_NOT_BLOCKED && purpose != SPTE_FOR_REMOVAL) {
		err = unblock(r->mmu, w);
		r->pending++; /* what lies below is for the next round: there must be one */
	}
	if (err || (spte_is_open_table(w->old) && page_population(child_of(r->mmu, w)) != 0))
		return err;
	if (!spte_is_blocked(w->old))
		err = block(r->mmu, w, SPTE_FOR_REMOVAL);
	if (err)
		return err;
	r->pending++;
	spend(r, 1, w->gfn.v + level_frames(w->level));
	return 0;
}

/* The entry of an empty table, and the table. (Leaves go in runs.) */
static int remove_table(struct removal *r, struct walk *w) MUST_HOLD_WRITE(r->mmu->lock)
{
	spte_t old = w->old;
	int err = change_exclusive(r->mmu, w, SPTE_NONE);

	if (err && err != -EOWNERDEAD)
		return err;
	dead_add(&r->dead, page_of_entry(table_of(r->mmu, old)));
	return 0;
}

/* Second half, after the flush. */
static int remove_blocked(struct removal *r, struct walk *w) MUST_HOLD_WRITE(r->mmu->lock)
{
	return spte_blocked_for(w->old) == SPTE_FOR_REMOVAL ? remove_table(r, w) : 0;
}

/* Nothing to block and nothing to flush: building, or released. */
static int remove_now(struct removal *r, struct walk *w) MUST_HOLD_WRITE(r->mmu->lock)
{
	if (spte_has_table(w->old) && page_population(child_of(r->mmu, w)) != 0)
		return 0;
	int err = remove_table(r, w);

	if (!err)
		spend(r, 1, w->gfn.v + level_frames(w->level));
	return err;
}

/* Rounds: leaves, then the tables that they left empty, level by level. */
static int remove_in_rounds(struct removal *r) MUST_HOLD_WRITE(r->mmu->lock)
{
	struct mmu_page *root = r->mmu->root[MMU_MIRROR];
	int err;

	do {
		r->pending = 0;
		r->budget = MIRROR_BATCH;
		r->step = STEP_BLOCK;
		err = visit(r, root, block_entry);
		if (err || r->pending == 0)
			return err;
		err = owed_flush(r->mmu, MMU_MIRROR, (gfn_t){ r->start }, (gfn_t){ r->limit });
		r->step = STEP_REMOVE_LEAF;
		if (!err)
			err = visit(r, root, remove_blocked);
	} while (!err);
	return err;
}

/* Make @gfn the first GFN of whatever maps it, so that no leaf reaches over the edge of a range. */
static int split_at_edge(struct mmu *mmu, gfn_t gfn) MUST_HOLD_WRITE(mmu->lock)
{
	struct walk w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_4K);
	int err = 0;

	while (!err && spte_has_leaf(w.old) && w.gfn.v != gfn.v) {
		err = mirror_split(mmu, gfn, w.level - 1);
		w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_4K);
	}
	return err;
}

int mirror_zap(struct mmu *mmu, gfn_t start, gfn_t end, gfn_t *next)
{
	struct removal r = { .mmu = mmu,
			     .step = STEP_REMOVE_LEAF,
			     .start = start.v,
			     .limit = end.v,
			     .budget = MIRROR_BATCH };
	int err = 0;

	mmu_assert_write_held(&r.mmu->lock);
	if (mmu->phase == MMU_RUNNING) {
		err = split_at_edge(mmu, start);
		if (!err && end.v < mmu_gfn_limit(mmu))
			err = split_at_edge(mmu, end);
		if (!err)
			err = remove_in_rounds(&r);
	} else {
		err = visit(&r, mmu->root[MMU_MIRROR], remove_now);
	}
	dead_free(mmu, &r.dead);
	*next = (gfn_t){ r.limit };
	return err;
}

int mirror_settle(struct mmu *mmu, gfn_t gfn)
{
	struct walk w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_4K);

	return spte_is_blocked(w.old) ? unblock(mmu, &w) : 0;
}

/*
 * Block @w, flush, take the step to @new. If the step is refused for now, open the entry again, so
 * that the guest goes on with what it had.
 */
static int block_flush_step(struct mmu *mmu, struct walk *w, enum spte_purpose purpose, spte_t new)
	MUST_HOLD_WRITE(mmu->lock)
{
	gfn_t end = gfn_add(w->gfn, level_frames(w->level));
	int err = block(mmu, w, purpose);

	if (err)
		return err;
	err = owed_flush(mmu, MMU_MIRROR, w->gfn, end);
	if (!err)
		err = change_exclusive(mmu, w, new);
	if (err && err != -EOWNERDEAD && !mmu->is_bugged &&
	    change_exclusive(mmu, w, spte_make_unblocked(w->old)))
		log_warn("mmu: %s: gfn %#llx stays blocked", mmu->name,
			 (unsigned long long)w->gfn.v);
	return err;
}

static int split_one(struct mmu *mmu, struct walk *w) MUST_HOLD_WRITE(mmu->lock)
{
	struct mmu_page *sp = pool_get_run(mmu, MMU_MIRROR, w->level - 1, w->gfn,
					   spte_make_private(spte_pfn(w->old)));

	if (!sp)
		return -ENOMEM;
	int err = block_flush_step(mmu, w, SPTE_FOR_SPLIT, spte_make_table(sp->table));

	if (err)
		pool_put(mmu, sp);
	return err;
}

int mirror_split(struct mmu *mmu, gfn_t gfn, int level)
{
	int err = 0;

	while (!err) {
		struct walk w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_4K);

		if (spte_is_blocked(w.old))
			err = unblock(mmu, &w);
		else if (!spte_is_accessible_leaf(w.old) || w.level <= level)
			return 0;
		else
			err = split_one(mmu, &w);
	}
	return err;
}

/* Are all 512 open leaves of one aligned run of frames? Then *first is its first frame. */
static bool one_run(const struct mmu_page *sp, pfn_t *first)
{
	uint64_t frames = level_frames(sp->level);

	*first = spte_pfn(sp->entries[0]);
	if (page_leaves(sp) != TABLE_ENTRIES || !is_aligned(first->v, level_frames(sp->level + 1)))
		return false;
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		if (!spte_is_accessible_leaf(sp->entries[i]) ||
		    spte_pfn(sp->entries[i]).v != first->v + i * frames)
			return false;
	return true;
}

static int join(struct mmu *mmu, gfn_t gfn, int level) MUST_HOLD_WRITE(mmu->lock)
{
	struct walk w = walk_to(mmu, MMU_MIRROR, gfn, level);
	pfn_t first;

	if (w.level != level || !spte_is_open_table(w.old) || !one_run(child_of(mmu, &w), &first))
		return -EINVAL;
	struct dead_tables dead = { child_of(mmu, &w) };
	int err = block_flush_step(mmu, &w, SPTE_FOR_JOIN, spte_make_private(first));

	if (!err)
		dead_free(mmu, &dead);
	return err;
}

int mmu_join_private(struct mmu *mmu, gfn_t gfn, int level)
{
	mmu_write_lock(&mmu->lock);
	int err = mmu->phase == MMU_RUNNING ? join(mmu, gfn, level) : -EINVAL;

	mmu_write_unlock(&mmu->lock);
	return err;
}

int mmu_move_private(struct mmu *mmu, gfn_t gfn, pfn_t to)
{
	int err = -EINVAL;

	mmu_write_lock(&mmu->lock);
	struct walk w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_4K);
	pfn_t from = spte_pfn(w.old);

	if (mmu->phase == MMU_RUNNING && w.level == LEVEL_4K && spte_is_accessible_leaf(w.old)) {
		err = block_flush_step(mmu, &w, SPTE_FOR_MOVE, spte_make_private(to));
		if (!err)
			give_back(mmu, gfn, from, LEVEL_4K);
		else if (err == -EOWNERDEAD)
			err = 0; /* moved; the old frame is leaked */
	}
	mmu_write_unlock(&mmu->lock);
	return err;
}

/* Entry @i of @sp, as it is now. */
static struct walk entry_of(struct mmu_page *sp, unsigned i)
{
	gfn_t gfn = { sp->gfn.v + i * level_frames(sp->level) };

	return (struct walk){ &sp->entries[i], spte_read(&sp->entries[i]), gfn, sp->level,
			      MMU_MIRROR };
}

static bool all_are_leaves(const struct mmu_page *sp)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		if (!spte_is_accessible_leaf(spte_read(&sp->entries[i])))
			return false;
	return true;
}

static int block_all(struct mmu *mmu, struct mmu_page *sp) MUST_HOLD_WRITE(mmu->lock)
{
	int err = 0;

	for (unsigned i = 0; !err && i < TABLE_ENTRIES; i++) {
		struct walk w = entry_of(sp, i);

		err = block(mmu, &w, SPTE_FOR_MOVE);
	}
	return err;
}

/* Entry @i, blocked and flushed, moves into @to. */
static int move_one(struct mmu *mmu, struct mmu_page *sp, unsigned i, pfn_t to)
	MUST_HOLD_WRITE(mmu->lock)
{
	struct walk w = entry_of(sp, i);
	pfn_t from = spte_pfn(w.old);
	int err = change_exclusive(mmu, &w, spte_make_private(to));

	if (!err)
		give_back(mmu, w.gfn, from, sp->level);
	return err == -EOWNERDEAD ? 0 : err; /* moved; the old frame is leaked */
}

/* One flush serves all 512 (rule C10); what did not move is opened again. */
static int gather(struct mmu *mmu, struct mmu_page *sp, pfn_t to, unsigned *moved)
	MUST_HOLD_WRITE(mmu->lock)
{
	int err = block_all(mmu, sp);

	if (!err)
		err = owed_flush(mmu, MMU_MIRROR, sp->gfn, gfn_add(sp->gfn, TABLE_ENTRIES));
	while (!err && *moved < TABLE_ENTRIES) {
		err = move_one(mmu, sp, *moved, pfn_add(to, *moved));
		*moved += !err;
	}
	for (unsigned i = *moved; !mmu->is_bugged && i < TABLE_ENTRIES; i++)
		if (mirror_settle(mmu, entry_of(sp, i).gfn))
			break; /* a fault on it tries again, rule C16 */
	return err;
}

int mmu_gather_private(struct mmu *mmu, gfn_t gfn, pfn_t to, unsigned *moved)
{
	int err = -EINVAL;

	*moved = 0;
	mmu_write_lock(&mmu->lock);
	struct walk w = walk_to(mmu, MMU_MIRROR, gfn, LEVEL_2M);

	if (mmu->phase == MMU_RUNNING && w.level == LEVEL_2M && spte_is_open_table(w.old) &&
	    all_are_leaves(child_of(mmu, &w)))
		err = gather(mmu, child_of(mmu, &w), to, moved);
	mmu_write_unlock(&mmu->lock);
	return err;
}
