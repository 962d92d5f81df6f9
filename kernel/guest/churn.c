/*
 * churn.c - random operations on the page tables of running guests. Contract: churn.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/churn.h"

#include <errno.h>

#include "kernel/guest/guest.h"
#include "kernel/guest/memlog.h"
#include "kernel/platform/memory.h"
#include "kernel/vmx/vm.h"
#include "mmu/mmu.h"
#include "tdx/td.h"

#define ZAP_FRAMES_MAX 64u
#define CHECK_ONE_IN   64u /* the self-check stops everybody: seldom */
#define SLOT_ONE_IN    16u
#define FRAMES_2M      UINT64_C(512)
#define DEMOTE_ONE_IN  4u /* these two keep all vCPUs out for long */
#define PROMOTE_ONE_IN 4u

/* The round that is under way. */
struct turn {
	struct churn *c;
	struct guest *g;
	struct mmu *mmu;
	gfn_t gfn; /* of a slot, at random */
	uint64_t left; /* frames of the slot from there on */
	struct memslot *slot;
};

static uint64_t draw(struct churn *c, uint64_t below)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return (c->random >> 11) % below;
}

/* For what costs much: always until it was done once, then one time in @one_in. */
static bool is_due(const struct turn *t, enum churn_op op, unsigned one_in)
{
	return !t->c->done[op] || !draw(t->c, one_in);
}

/* Half of the turns are for what has not been done yet, in a circle; the others are drawn. */
static enum churn_op choose(struct churn *c)
{
	if (draw(c, 2))
		for (unsigned i = 0; i < CHURN_OPS; i++) {
			c->last_missed = (c->last_missed + 1) % CHURN_OPS;
			if (!c->done[c->last_missed])
				return c->last_missed;
		}
	return (enum churn_op)draw(c, CHURN_OPS);
}

static bool aim(struct turn *t)
{
	unsigned count = 0;

	while (mmu_slot_at(t->mmu, count))
		count++;
	if (!count)
		return false;
	t->slot = mmu_slot_at(t->mmu, (unsigned)draw(t->c, count));
	t->gfn = gfn_add(t->slot->base, draw(t->c, t->slot->frames));
	t->left = t->slot->base.v + t->slot->frames - t->gfn.v;
	return true;
}

static uint64_t some_frames(struct turn *t)
{
	uint64_t frames = 1 + draw(t->c, ZAP_FRAMES_MAX);

	return frames < t->left ? frames : t->left;
}

/* The 2M block around t->gfn, as far as the slot has it. */
static uint64_t block(const struct turn *t, gfn_t *start)
{
	uint64_t first = align_down(t->gfn.v, FRAMES_2M), end = first + FRAMES_2M;

	if (first < t->slot->base.v)
		first = t->slot->base.v;
	if (end > t->gfn.v + t->left)
		end = t->gfn.v + t->left;
	*start = (gfn_t){ first };
	return end - first;
}

/* The slot's 2M blocks, each once, beginning anywhere: @op until it finds work to do. */
static int try_blocks(struct turn *t, int (*op)(struct turn *t, gfn_t first))
{
	uint64_t from = align_up(t->slot->base.v, FRAMES_2M);
	uint64_t to = align_down(t->slot->base.v + t->slot->frames, FRAMES_2M);
	uint64_t n = to > from ? (to - from) / FRAMES_2M : 0, at = n ? draw(t->c, n) : 0;
	int result = 1;

	for (uint64_t i = 0; i < n && result == 1; i++)
		result = op(t, (gfn_t){ from + (at + i) % n * FRAMES_2M });
	return result;
}

/* ---- the direct root. Each returns 0, 1: nothing to do here, or -errno. ---- */

static int zap(struct turn *t)
{
	gfn_t start = t->gfn;
	uint64_t frames = draw(t->c, 4) ? some_frames(t) : block(t, &start);

	return mmu_zap_range(t->mmu, MMU_DIRECT, start, frames);
}

static int map_ahead(struct turn *t)
{
	int level;
	uint64_t done;
	pfn_t pfn;

	/* Only what has a frame already: guests are not to be filled up by us. */
	if (!guest_memory_peek(guest_ram(t->g), t->gfn, &pfn))
		return 1;
	if (spte_is_present(mmu_lookup(t->mmu, MMU_DIRECT, t->gfn, &level)))
		return 1;

	int err = mmu_map_range(t->mmu, MMU_DIRECT, t->gfn, 1 + draw(t->c, t->left < 8 ? t->left : 8),
				LEVEL_2M, &done);

	return err == -ENOMEM || err == -EAGAIN ? 1 : err;
}

static int split(struct turn *t)
{
	gfn_t start;
	uint64_t frames = block(t, &start);

	return mmu_split_range(t->mmu, start, frames, LEVEL_4K);
}

static int recover(struct turn *t)
{
	gfn_t start;
	uint64_t frames = block(t, &start);

	return mmu_recover_range(t->mmu, start, frames) ? 0 : 1;
}

static int wrprotect_block(struct turn *t, gfn_t first)
{
	return mmu_wrprotect(t->mmu, first, FRAMES_2M) ? 0 : 1;
}

static int wrprotect(struct turn *t)
{
	if (!t->c->done[CHURN_WRPROTECT])
		return try_blocks(t, wrprotect_block);
	return mmu_wrprotect(t->mmu, t->gfn, some_frames(t)) ? 0 : 1;
}

static int age_block(struct turn *t, gfn_t first)
{
	return mmu_age(t->mmu, first, FRAMES_2M) ? 0 : 1;
}

static int age(struct turn *t)
{
	if (!t->c->done[CHURN_AGE])
		return try_blocks(t, age_block);
	return mmu_age(t->mmu, t->gfn, some_frames(t)) ? 0 : 1;
}

static int collect(struct turn *t)
{
	int64_t pages = memlog_collect(t->g);

	return pages == -2 ? -ENOMEM : pages < 0;
}

static int move_slot(struct turn *t)
{
	if (!t->g->vm || !is_due(t, CHURN_MOVE_SLOT, SLOT_ONE_IN))
		return 1;
	return vm_slot_renew(t->g->vm, t->slot);
}

/* A trust domain's vCPUs load its shared root once and for all. */
static int new_root(struct turn *t)
{
	if (!t->g->vm || !is_due(t, CHURN_NEW_ROOT, SLOT_ONE_IN))
		return 1;

	int err = mmu_invalidate(t->mmu, MMU_DIRECT);

	return err == -ENOMEM ? 1 : err;
}

/* ---- the mirror ---- */

static bool is_private_leaf(struct turn *t, gfn_t gfn, int level)
{
	int found;

	return spte_is_accessible_leaf(mmu_lookup(t->mmu, MMU_MIRROR, gfn, &found)) &&
	       found == level;
}

static int demote_block(struct turn *t, gfn_t first)
{
	struct mmu_fault f = { .gfn = first, .root = MMU_MIRROR, .max_level = LEVEL_4K };

	if (!is_private_leaf(t, first, LEVEL_2M))
		return 1;

	int err = mmu_handle_fault(t->mmu, &f);

	return err == -EAGAIN ? 1 : err;
}

static int demote(struct turn *t)
{
	if (!t->g->td || !is_due(t, CHURN_DEMOTE, DEMOTE_ONE_IN))
		return 1;
	return try_blocks(t, demote_block);
}

/* Its pages are wherever they are: they are gathered first. */
static int promote_block(struct turn *t, gfn_t first)
{
	if (!is_private_leaf(t, first, LEVEL_4K) ||
	    !is_private_leaf(t, gfn_add(first, FRAMES_2M - 1), LEVEL_4K))
		return 1;

	int err = td_promote(t->g->td, first);

	return err == -EINVAL || err == -EOPNOTSUPP || err == -EAGAIN || err == -ENOMEM ? 1 : err;
}

static int promote(struct turn *t)
{
	if (!t->g->td || !is_due(t, CHURN_PROMOTE, PROMOTE_ONE_IN))
		return 1;
	return try_blocks(t, promote_block);
}

static int relocate(struct turn *t)
{
	if (!t->g->td)
		return 1;

	int err = td_relocate(t->g->td, t->gfn);

	return err == -EINVAL || err == -EAGAIN || err == -ENOMEM ? 1 : err;
}

static int remove_private(struct turn *t)
{
	struct churn *c = t->c;

	if (!t->g->td || !c->lossy_frames)
		return 1;

	uint64_t at = draw(c, c->lossy_frames), frames = 1 + draw(c, ZAP_FRAMES_MAX);

	if (frames > c->lossy_frames - at)
		frames = c->lossy_frames - at;

	int err = mmu_zap_range(t->mmu, MMU_MIRROR, gfn_add(c->lossy, at), frames);

	return err == -EAGAIN ? 1 : err;
}

static int check(struct turn *t)
{
	if (!is_due(t, CHURN_CHECK, CHECK_ONE_IN))
		return 1;
	t->c->findings += mmu_check(t->mmu, NULL, NULL);
	return 0;
}

/* clang-format off */
static int (*const ops[CHURN_OPS])(struct turn *t) = {
	[CHURN_ZAP] = zap,             [CHURN_MAP_AHEAD] = map_ahead, [CHURN_SPLIT] = split,
	[CHURN_RECOVER] = recover,     [CHURN_WRPROTECT] = wrprotect, [CHURN_AGE] = age,
	[CHURN_COLLECT] = collect,     [CHURN_MOVE_SLOT] = move_slot, [CHURN_NEW_ROOT] = new_root,
	[CHURN_DEMOTE] = demote,
	[CHURN_PROMOTE] = promote,     [CHURN_RELOCATE] = relocate,   [CHURN_REMOVE] = remove_private,
	[CHURN_CHECK] = check,
};
const char *const churn_op_names[CHURN_OPS] = {
	[CHURN_ZAP] = "zap",           [CHURN_MAP_AHEAD] = "map ahead",     [CHURN_SPLIT] = "split",
	[CHURN_RECOVER] = "recover",   [CHURN_WRPROTECT] = "write-protect", [CHURN_AGE] = "age",
	[CHURN_COLLECT] = "collect",   [CHURN_MOVE_SLOT] = "move slot",     [CHURN_NEW_ROOT] = "new root",
	[CHURN_DEMOTE] = "demote",
	[CHURN_PROMOTE] = "promote",   [CHURN_RELOCATE] = "relocate",       [CHURN_REMOVE] = "remove",
	[CHURN_CHECK] = "check",
};
/* clang-format on */

static void one_operation(struct churn *c, struct guest *g)
{
	struct turn t = { .c = c, .g = g, .mmu = guest_mmu(g) };

	if (!t.mmu || !aim(&t))
		return;

	enum churn_op op = choose(c);
	int result = ops[op](&t);

	c->tried[op]++;
	c->done[op] += result == 0;
	if (result < 0 && !c->error) {
		c->failed_op = (int)op;
		c->error = result;
	}
}

void churn_round(struct churn *c)
{
	for (unsigned i = 0; i < guest_count(); i++)
		if (!guest_ended(guest_at(i)))
			one_operation(c, guest_at(i));
}
