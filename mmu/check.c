/*
 * check.c - the proof: walk everything, find what does not hold (rules G1 to G7).
 *
 *     G1 a leaf's frame is its slot's
 *     G2 levels and GFNs agree with the path
 *     G3 populations equal a recount
 *     G4 nothing is FROZEN at rest
 *     G5 no page is both free and linked, none linked twice
 *     G6 the external table says the same, entry by entry
 *     G7 pages given equal leaves and tables
 *
 * The walk takes the write side for PASS_TABLES tables at a time and lets faults and removals through
 * in between. Each table is proved whole, under one hold; what joins tables is proved by their marks:
 *
 *     new    nobody led here yet            linked   an entry leads here, entries not looked at
 *     born   made while the check runs      checked  its entries were looked at
 *                                           done     (a root) and all below it
 *
 * Invariants
 *   - Nothing is believed before it is checked: a link is followed only to a table that the pool
 *     knows, is in use and was not linked before. So a corrupted tree cannot lead the check astray.
 *   - A table that is new in the end, and one that is linked twice, are findings. One that is born
 *     while the check runs is left to the next check.
 *   - G7 compares populations, which G3 proves, with the external count under one hold.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "mmu/walk.h"

#define PASS_TABLES 256u

enum mark { MARK_NEW, MARK_BORN, MARK_LINKED, MARK_CHECKED, MARK_DONE };
_Static_assert(MARK_BORN == POOL_MARK_BORN, "what the pool gives a table while a check runs");

struct check {
	struct mmu *mmu;
	void (*report)(void *arg, const struct mmu_finding *f);
	void *arg;
	enum mmu_root root;
	bool retired; /* an invalid root: its frames may be another's by now */
	unsigned findings;
	unsigned budget;             /* tables of this pass */
	const struct mmu_page *from; /* the root that the last pass stopped in, */
	uint64_t next;               /* and where, as its tables are indexed */
	uint64_t external;           /* frames in mirror leaves and mirror tables below the root */
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

/* An entry above 4K says that a table is below. */
static void check_link(struct check *c, gfn_t gfn, int level, spte_t s)
{
	struct mmu_page *child = known_table(c, s);

	if (!child || level == LEVEL_4K)
		find(c, 2, gfn, level, "an entry leads to what is no table");
	else if (pool_is_free(child))
		find(c, 5, gfn, level, "a table is linked and free");
	else if (child->mark >= MARK_LINKED)
		find(c, 5, gfn, level, "a table is linked twice");
	else if (child->level != level - 1 || child->gfn.v != gfn.v || child->root != c->root)
		find(c, 2, gfn, level, "a table says another level, GFN or root than its path");
	else
		child->mark = MARK_LINKED;
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
	if (spte_has_leaf(s))
		check_leaf(c, gfn, sp->level, s);
	else if (spte_has_table(s))
		check_link(c, gfn, sp->level, s);
	return spte_population(s);
}

static void check_table(struct check *c, struct mmu_page *sp)
{
	uint32_t population = 0;

	sp->mark = MARK_CHECKED;
	c->budget--;
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		population += check_entry(c, sp, i);
	if (population != page_population(sp))
		find(c, 3, sp->gfn, sp->level, "a table's population is not what it holds");
}

/* The table that @s leads to, if it is one that the check of its parent let pass. */
static struct mmu_page *trusted_child(const struct check *c, const struct mmu_page *sp, spte_t s,
				      gfn_t gfn)
{
	struct mmu_page *child = spte_has_table(s) ? known_table(c, s) : NULL;

	return child && !pool_is_free(child) && child->mark >= MARK_LINKED &&
			       child->level == sp->level - 1 && child->gfn.v == gfn.v &&
			       child->root == sp->root
		       ? child
		       : NULL;
}

/* Tables below @sp that are not checked yet. False: the pass is over, go on at c->next. */
static bool check_below(struct check *c, struct mmu_page *sp)
{
	uint64_t frames = level_frames(sp->level);
	unsigned i = c->next > sp->gfn.v ? (unsigned)((c->next - sp->gfn.v) / frames) : 0;

	for (; sp->level > LEVEL_4K && i < TABLE_ENTRIES; i++) {
		gfn_t gfn = gfn_add(sp->gfn, i * frames);
		struct mmu_page *child = trusted_child(c, sp, spte_read(&sp->entries[i]), gfn);

		if (!child)
			continue;
		if (child->mark == MARK_LINKED) {
			if (c->budget == 0) {
				c->next = gfn.v;
				return false;
			}
			check_table(c, child);
		}
		if (!check_below(c, child))
			return false;
	}
	return true;
}

static bool check_root(struct check *c, struct mmu_page *root)
{
	if (root->mark == MARK_DONE)
		return true;
	c->root = (enum mmu_root)root->root;
	if (c->from != root || root->mark != MARK_CHECKED)
		c->next = 0;
	c->from = root;
	if (root->mark != MARK_CHECKED) {
		if (c->budget == 0)
			return false;
		check_table(c, root);
	}
	if (!check_below(c, root))
		return false;
	root->mark = MARK_DONE;
	return true;
}

/* One hold of the write side. True: all is checked. */
static bool check_pass(struct check *c)
{
	bool done = true;

	c->budget = PASS_TABLES;
	c->retired = false;
	for (unsigned root = 0; done && root < MMU_ROOTS; root++)
		if (c->mmu->root[root])
			done = check_root(c, c->mmu->root[root]);
	c->retired = true;
	for (struct mmu_page *sp = c->mmu->retired; done && sp; sp = sp->next)
		done = check_root(c, sp);
	return done;
}

static void mark_new(struct mmu_page *sp, void *arg)
{
	(void)arg;
	sp->mark = MARK_NEW;
}

static void check_mark(struct mmu_page *sp, void *arg)
{
	struct check *c = arg;

	c->root = (enum mmu_root)sp->root;
	if (sp->mark == MARK_NEW)
		find(c, 5, sp->gfn, sp->level, "a table is in use and linked nowhere");
	if (sp->root == MMU_MIRROR)
		c->external += page_leaves(sp) * level_frames(sp->level) + page_tables(sp);
}

/* What can only be said of all tables together. */
static void check_whole(struct check *c)
{
	struct mmu *mmu = c->mmu;

	pool_each(&mmu->pool, check_mark, c);
	if (!mmu->root[MMU_MIRROR] || !mmu->ops->external_pages ||
	    mmu->ops->external_pages(mmu) == c->external)
		return;
	c->root = MMU_MIRROR;
	find(c, 7, (gfn_t){ 0 }, mmu->levels, "pages given and mirrored do not balance");
}

unsigned mmu_check(struct mmu *mmu, void (*report)(void *arg, const struct mmu_finding *f),
		   void *arg)
{
	struct check c = { .mmu = mmu, .report = report, .arg = arg };
	bool done = false;

	/* The marks are one check's: another waits. */
	while (__atomic_exchange_n(&mmu->pool.new_mark, MARK_BORN, __ATOMIC_ACQUIRE) != MARK_NEW)
		cpu_relax();
	mmu_write_lock(&mmu->lock);
	pool_each(&mmu->pool, mark_new, NULL);
	while (!done) {
		mmu_write_yield(&mmu->lock);
		done = check_pass(&c);
	}
	check_whole(&c);
	mmu_write_unlock(&mmu->lock);
	__atomic_store_n(&mmu->pool.new_mark, MARK_NEW, __ATOMIC_RELEASE);
	return c.findings;
}
