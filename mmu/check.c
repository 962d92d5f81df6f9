/*
 * check.c - the proof: walk everything, find what does not hold (rules G1 to G7).
 *
 *     G1 a leaf's frame is its slot's          G5 no page is both free and linked, none linked
 * twice G2 levels and GFNs agree with the path   G6 the external table says the same, entry by
 * entry G3 populations equal a recount           G7 pages given equal leaves and tables G4 nothing
 * is FROZEN at rest
 *
 * Invariants
 *   - Nothing is believed before it is checked: a link is followed only to a table that the pool
 *     knows, is in use and was not seen yet. So a corrupted tree cannot lead the check astray.
 *   - The write side is held: nobody changes what is being proved.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "mmu/walk.h"

struct check {
	struct mmu *mmu;
	void (*report)(void *arg, const struct mmu_finding *f);
	void *arg;
	enum mmu_root root;
	bool retired; /* an invalid root: its frames may be another's by now */
	unsigned findings;
	uint64_t external; /* frames in mirror leaves and mirror tables below the root */
};

static gfn_t guest_gfn(const struct check *c, gfn_t gfn)
{
	return (gfn_t){ gfn.v & ~c->mmu->gfn_bits[c->root] };
}

static void find(struct check *c, unsigned rule, gfn_t gfn, int level, const char *what)
{
	struct mmu_finding f = { rule, c->root, guest_gfn(c, gfn), level, what };

	c->findings++;
	if (c->report)
		c->report(c->arg, &f);
}

/* The descriptor of the table that @s points to, or NULL if no table of ours is there. */
static struct mmu_page *known_table(const struct check *c, spte_t s)
{
	hpa_t table = spte_table(s);

	for (struct mmu_chunk *chunk = c->mmu->pool.first; chunk; chunk = chunk->next) {
		uint64_t at = table.v - ((uintptr_t)chunk - c->mmu->pool.direct_map);

		if (at < CHUNK_SIZE && at >= PAGE_SIZE)
			return (struct mmu_page *)chunk + at / PAGE_SIZE;
	}
	return NULL;
}

static void check_leaf(struct check *c, gfn_t gfn, int level, spte_t s)
{
	bool mirror = c->root == MMU_MIRROR;
	struct memslot *slot = slot_find(c->mmu, guest_gfn(c, gfn));

	if (level > LEVEL_1G || !is_aligned(spte_pfn(s).v, level_frames(level)))
		find(c, 2, gfn, level, "a leaf of a level or alignment that cannot be");
	if (!mirror && spte_is_blocked(s))
		find(c, 2, gfn, level, "a blocked leaf in a direct table");
	if (c->retired)
		return;
	if (!slot)
		find(c, 1, gfn, level, "a leaf outside of every slot");
	else if (slot->ops->owns && !slot->ops->owns(slot, mirror ? MMU_MIRROR : MMU_DIRECT,
						     guest_gfn(c, gfn), spte_pfn(s), level))
		find(c, 1, gfn, level, "a leaf maps a frame that is not its slot's");
}

static void check_external(struct check *c, gfn_t gfn, int level, spte_t s)
{
	struct mmu_external e;
	enum spte_kind kind = spte_is_present(s) ? spte_kind(s) : SPTE_IS_NONE;

	/* Beyond the private half there is nothing that the external table could be asked about. */
	if (!c->mmu->ops->read_external || c->mmu->phase == MMU_RELEASED ||
	    gfn.v >= mmu_gfn_limit(c->mmu))
		return;
	if (c->mmu->ops->read_external(c->mmu, gfn, level, &e))
		find(c, 6, gfn, level, "the external entry cannot be read");
	else if (e.kind != kind)
		find(c, 6, gfn, level, "mirror and external entry are of different kinds");
	else if (spte_has_leaf(s) && e.pfn.v != spte_pfn(s).v)
		find(c, 6, gfn, level, "mirror and external entry map different frames");
}

static void check_table(struct check *c, struct mmu_page *sp);

static void check_link(struct check *c, gfn_t gfn, int level, spte_t s)
{
	struct mmu_page *child = known_table(c, s);

	if (!child || level == LEVEL_4K) {
		find(c, 2, gfn, level, "an entry leads to what is no table");
	} else if (pool_is_free(child)) {
		find(c, 5, gfn, level, "a table is linked and free");
	} else if (child->seen) {
		find(c, 5, gfn, level, "a table is linked twice");
	} else {
		if (child->level != level - 1 || child->gfn.v != gfn.v || child->root != c->root)
			find(c, 2, gfn, level,
			     "a table says another level, GFN or root than its path");
		else
			check_table(c, child);
	}
}

static uint32_t check_entry(struct check *c, struct mmu_page *sp, unsigned i)
{
	spte_t s = spte_read(&sp->entries[i]);
	gfn_t gfn = gfn_add(sp->gfn, i * level_frames(sp->level));

	if (spte_is_frozen(s)) {
		find(c, 4, gfn, sp->level, "an entry is frozen and nobody is at work");
		return 0;
	}
	if (c->root == MMU_MIRROR)
		check_external(c, gfn, sp->level, s);
	if (spte_has_leaf(s)) {
		check_leaf(c, gfn, sp->level, s);
		c->external += c->root == MMU_MIRROR ? level_frames(sp->level) : 0;
	} else if (spte_has_table(s)) {
		check_link(c, gfn, sp->level, s);
		c->external += c->root == MMU_MIRROR;
	}
	return spte_population(s);
}

static void check_table(struct check *c, struct mmu_page *sp)
{
	uint32_t population = 0;

	sp->seen = 1;
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		population += check_entry(c, sp, i);
	if (population != page_population(sp))
		find(c, 3, sp->gfn, sp->level, "a table's population is not what it holds");
}

static void forget(struct mmu_page *sp, void *arg)
{
	(void)arg;
	sp->seen = 0;
}

static void check_seen(struct mmu_page *sp, void *arg)
{
	struct check *c = arg;

	c->root = (enum mmu_root)sp->root;
	if (!sp->seen)
		find(c, 5, sp->gfn, sp->level, "a table is in use and linked nowhere");
	sp->seen = 0;
}

unsigned mmu_check(struct mmu *mmu, void (*report)(void *arg, const struct mmu_finding *f),
		   void *arg)
{
	struct check c = { .mmu = mmu, .report = report, .arg = arg };

	mmu_write_lock(&mmu->lock);
	pool_each(&mmu->pool, forget, NULL);
	for (unsigned root = 0; root < MMU_ROOTS; root++) {
		c.root = (enum mmu_root)root;
		if (mmu->root[root])
			check_table(&c, mmu->root[root]);
	}
	if (mmu->root[MMU_MIRROR] && mmu->ops->external_pages &&
	    mmu->ops->external_pages(mmu) != c.external) {
		c.root = MMU_MIRROR;
		find(&c, 7, (gfn_t){ 0 }, mmu->levels, "pages given and mirrored do not balance");
	}
	c.retired = true;
	for (struct mmu_page *sp = mmu->retired; sp; sp = sp->next) {
		c.root = (enum mmu_root)sp->root;
		check_table(&c, sp);
	}
	pool_each(&mmu->pool, check_seen, &c);
	mmu_write_unlock(&mmu->lock);
	return c.findings;
}
