/*
 * sept.c - the fake external table. Invariants: see sept.h.
 *
 * Each rule that a call can break has its own complaint, so that a test can tell which one it was.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/sept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/log.h"
#include "mmu/walk.h"
#include "tests/host/machine.h"

static struct sept *sept_of(struct mmu *mmu) { return container_of(mmu, struct sept, mmu); }

/*
 * The model: a hash table of entries
 */
static uint64_t key_of(gfn_t gfn, int level) { return gfn.v << 3 | (unsigned)level; }

static uint64_t place_of(const struct sept *s, uint64_t key)
{
	uint64_t i = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & (s->room - 1);

	while (s->entries[i].key != 0 && s->entries[i].key != key)
		i = (i + 1) & (s->room - 1);
	return i;
}

static struct sept_entry *find(const struct sept *s, gfn_t gfn, int level)
{
	struct sept_entry *e = &s->entries[place_of(s, key_of(gfn, level))];

	return e->key ? e : NULL;
}

const struct sept_entry *sept_find(struct sept *s, gfn_t gfn, int level)
{
	return find(s, gfn, level);
}

static void grow(struct sept *s)
{
	struct sept_entry *old = s->entries;
	uint64_t room = s->room;

	s->room = room ? 2 * room : 4096;
	s->entries = calloc(s->room, sizeof(*s->entries));
	if (!s->entries)
		abort();
	for (uint64_t i = 0; i < room; i++)
		if (old[i].key)
			s->entries[place_of(s, old[i].key)] = old[i];
	free(old);
}

static struct sept_entry *parent_of(const struct sept *s, gfn_t gfn, int level)
{
	return find(s, gfn_align(gfn, level + 1), level + 1);
}

/* May move entries: pointers from find() are stale afterwards. */
static void insert(struct sept *s, struct sept_entry e, gfn_t gfn, int level)
{
	if (2 * (s->count + 1) > s->room)
		grow(s);
	e.key = key_of(gfn, level);
	s->entries[place_of(s, e.key)] = e;
	s->count++;
	if (e.leaf)
		s->frames += level_frames(level);
	if (level < s->mmu.levels)
		parent_of(s, gfn, level)->children++;
}

static void delete (struct sept *s, gfn_t gfn, int level)
{
	uint64_t i = place_of(s, key_of(gfn, level));

	if (s->entries[i].leaf)
		s->frames -= level_frames(level);
	if (level < s->mmu.levels)
		parent_of(s, gfn, level)->children--;
	s->entries[i].key = 0;
	s->count--;
	/* Entries that were pushed on by this one move up. */
	for (i = (i + 1) & (s->room - 1); s->entries[i].key; i = (i + 1) & (s->room - 1)) {
		struct sept_entry e = s->entries[i];

		s->entries[i].key = 0;
		s->entries[place_of(s, e.key)] = e;
	}
}

/*
 * The rules: each returns what is wrong, or NULL after having done it
 */
struct call {
	struct sept *s;
	gfn_t gfn;
	int level;
	spte_t old, new;
	struct sept_entry *e; /* what is there, or NULL */
};

static const char *parent_fault(const struct call *c)
{
	for (int level = c->level + 1; level <= c->s->mmu.levels; level++) {
		struct sept_entry *p = find(c->s, gfn_align(c->gfn, level), level);

		if (!p || p->leaf)
			return "child without its parent";
		if (p->blocked)
			return "below a blocked table";
	}
	return NULL;
}

static bool tracked(const struct call *c)
{
	return c->s->mmu.phase != MMU_RUNNING || (c->e->blocked && c->s->epoch > c->e->blocked_in);
}

static const char *add(struct call *c, bool leaf, pfn_t page)
{
	if (c->e)
		return "an entry is there already";
	if (leaf && c->s->mmu.phase == MMU_BUILDING && c->level != LEVEL_4K)
		return "before finalisation only 4K pages are added";
	if (leaf && c->level > LEVEL_2M)
		return "larger than 2M";
	insert(c->s, (struct sept_entry){ .leaf = leaf, .pfn = page }, c->gfn, c->level);
	return NULL;
}

static const char *do_add_table(struct call *c)
{
	hpa_t page = mmu_page_of(&c->s->mmu, c->new)->external;

	if (hpa_is_none(page) || machine_owner(page) != PAGE_TDX_SEPT)
		return "no S-EPT page given";
	return add(c, false, hpa_to_pfn(page));
}

static const char *do_add_leaf(struct call *c) { return add(c, true, spte_pfn(c->new)); }

static const char *do_block(struct call *c)
{
	if (c->s->mmu.phase != MMU_RUNNING)
		return "blocked while not running";
	if (c->e->blocked)
		return "blocked already";
	c->e->blocked = true;
	c->e->blocked_in = c->s->epoch;
	return NULL;
}

static const char *do_unblock(struct call *c)
{
	if (!c->e->blocked)
		return "not blocked";
	c->e->blocked = false;
	return NULL;
}

static const char *do_remove_leaf(struct call *c)
{
	delete (c->s, c->gfn, c->level);
	return NULL;
}

static const char *do_remove_table(struct call *c)
{
	if (c->e->children)
		return "a table with children";
	delete (c->s, c->gfn, c->level);
	return NULL;
}

static const char *do_split(struct call *c)
{
	pfn_t first = c->e->pfn;
	gfn_t gfn = c->gfn;
	struct sept_entry table = { .pfn = hpa_to_pfn(mmu_page_of(&c->s->mmu, c->new)->external) };

	if (c->level == LEVEL_4K)
		return "a 4K page cannot be split";
	delete (c->s, gfn, c->level);
	insert(c->s, table, gfn, c->level);
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		uint64_t step = i * level_frames(c->level - 1);

		insert(c->s, (struct sept_entry){ .leaf = true, .pfn = pfn_add(first, step) },
		       gfn_add(gfn, step), c->level - 1);
	}
	return NULL;
}

static const char *do_join(struct call *c)
{
	pfn_t first = spte_pfn(c->new);

	if (c->e->children != TABLE_ENTRIES)
		return "joined without 512 children";
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		uint64_t step = i * level_frames(c->level - 1);
		struct sept_entry *child = find(c->s, gfn_add(c->gfn, step), c->level - 1);

		if (!child->leaf || child->blocked || child->pfn.v != first.v + step)
			return "children that are no run";
	}
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		delete (c->s, gfn_add(c->gfn, i * level_frames(c->level - 1)), c->level - 1);
	delete (c->s, c->gfn, c->level);
	insert(c->s, (struct sept_entry){ .leaf = true, .pfn = first }, c->gfn, c->level);
	return NULL;
}

static const char *do_move(struct call *c)
{
	if (c->level != LEVEL_4K)
		return "only a 4K page can be moved";
	c->e->pfn = spte_pfn(c->new);
	c->e->blocked = false;
	return NULL;
}

/* clang-format off */
static const struct rule {
	const char *(*act)(struct call *c);
	bool wants_entry, wants_tracked;
} rules[STEP_COUNT] = {
	[STEP_ADD_TABLE]    = { do_add_table,    false, false },
	[STEP_ADD_LEAF]     = { do_add_leaf,     false, false },
	[STEP_BLOCK]        = { do_block,        true,  false },
	[STEP_UNBLOCK]      = { do_unblock,      true,  true },
	[STEP_REMOVE_LEAF]  = { do_remove_leaf,  true,  true },
	[STEP_REMOVE_TABLE] = { do_remove_table, true,  true },
	[STEP_SPLIT]        = { do_split,        true,  true },
	[STEP_JOIN]         = { do_join,         true,  true },
	[STEP_MOVE]         = { do_move,         true,  true },
};
/* clang-format on */

/* What the mirror says was there must be what is there. */
static bool same(const struct mmu *mmu, const struct sept_entry *e, spte_t s)
{
	if (e->leaf != spte_has_leaf(s) || e->blocked != spte_is_blocked(s))
		return false;
	if (e->leaf)
		return e->pfn.v == spte_pfn(s).v;
	return e->pfn.v == hpa_to_pfn(page_of_entry(table_of(mmu, s))->external).v;
}

static const char *obey(struct call *c, enum spte_step step)
{
	const struct rule *rule = &rules[step];
	const char *fault;

	if (!rule->act)
		return "no such step";
	c->e = find(c->s, c->gfn, c->level);
	if (!is_aligned(c->gfn.v, level_frames(c->level)))
		return "a GFN that is not aligned to its level";
	if (rule->wants_entry && (!c->e || !same(&c->s->mmu, c->e, c->old)))
		return "the mirror is wrong about what is there";
	if (c->s->mmu.phase != MMU_RELEASED) {
		fault = parent_fault(c);
		if (fault)
			return fault;
	}
	if (rule->wants_tracked && !tracked(c))
		return "not blocked, or no track after the block";
	return rule->act(c);
}

static int failure(struct sept *s, enum spte_step step)
{
	static const int errors[] = { [SEPT_BUSY] = -EBUSY,
				      [SEPT_REFUSE] = -EIO,
				      [SEPT_KEEP_PAGE] = -EOWNERDEAD,
				      [SEPT_NOT_JOINABLE] = -EOPNOTSUPP,
				      [SEPT_NO_MEMORY] = -ENOMEM };

	if (s->fail_in == 0 || s->fail_step != step)
		return 0;
	if (s->fail_in > 1) {
		s->fail_in--;
		return 0;
	}
	if (--s->fail_times == 0)
		s->fail_in = 0;
	return errors[s->fail_how];
}

static void complain(struct sept *s, const char *what, gfn_t gfn, int level)
{
	if (!what || s->complaint)
		return;
	s->complaint = what;
	log_error("sept: %s (gfn %#llx level %d)", what, (unsigned long long)gfn.v, level);
}

static void note(struct sept *s, struct sept_call call)
{
	if (s->calls < SEPT_LOG)
		s->log[s->calls] = call;
	s->calls++;
}

/*
 * The hooks
 */
static int set_external(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level)
{
	struct sept *s = sept_of(mmu);
	struct call c = { .s = s, .gfn = gfn, .level = level, .old = old, .new = new };
	enum spte_step step = spte_step(old, new);

	pthread_mutex_lock(&s->lock);
	if (s->compare)
		complain(s, sept_compare(s), gfn, level);
	int err = failure(s, step);

	if (!err || err == -EOWNERDEAD) {
		const char *fault = obey(&c, step);

		complain(s, fault, gfn, level);
		if (fault)
			err = -EIO;
		else
			s->steps[step]++;
	}
	note(s, (struct sept_call){ step, gfn, level, err });
	if (s->compare)
		complain(s, sept_compare(s), gfn, level);
	pthread_mutex_unlock(&s->lock);
	return err;
}

static void free_external(struct mmu *mmu, struct mmu_page *sp)
{
	struct sept *s = sept_of(mmu);

	if (s->keep_tables) {
		pages_reown(sp->external, 0, PAGE_TDX_SEPT, PAGE_LEAKED);
		sp->external_leaked = 1;
	} else {
		page_free(sp->external, PAGE_TDX_SEPT);
	}
	sp->external = HPA_NONE;
	s->freed_tables++;
}

static int flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	struct sept *s = sept_of(mmu);

	pthread_mutex_lock(&s->lock);
	if (frames == 0 || start.v + frames > (UINT64_C(1) << 9 * mmu->levels))
		complain(s, "a flush of nothing, or beyond the guest", start, 0);
	s->flushed = start;
	s->flushed_frames = frames;
	s->flushes[root]++;
	if (root == MMU_MIRROR) {
		s->epoch++;
		note(s, (struct sept_call){ STEP_NOTHING, start, 0, 0 });
	}
	pthread_mutex_unlock(&s->lock);
	return s->flush_result;
}

static void bugged(struct mmu *mmu, const char *why) { sept_of(mmu)->bugged = why; }

/* Leaves that come or go by one record. A dropped table tells of its leaves as FROZEN to none. */
static void count_traced(struct sept *s, enum mmu_root root, spte_t old, spte_t new, int level,
			 unsigned count)
{
	int64_t *leaves = s->traced_leaves[root], n = count;

	leaves[level] += n * (spte_has_leaf(new) - (spte_has_leaf(old) || spte_is_frozen(old)));
	if (spte_has_leaf(old) && spte_has_table(new)) /* split */
		leaves[level - 1] += n * TABLE_ENTRIES;
	if (root == MMU_MIRROR && spte_has_table(old) && spte_has_leaf(new)) /* joined */
		leaves[level - 1] -= n * TABLE_ENTRIES;
}

const char *sept_account(struct sept *s)
{
	struct mmu_stats stats;

	mmu_stats(&s->mmu, &stats);
	for (unsigned root = 0; root < MMU_ROOTS; root++)
		for (unsigned level = LEVEL_4K; level < 6; level++)
			if ((uint64_t)s->traced_leaves[root][level] != stats.leaves[root][level])
				return "the trace and the statistics count different leaves";
	return NULL;
}

static void trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
		  unsigned count)
{
	struct sept *s = sept_of(mmu);

	pthread_mutex_lock(&s->lock);
	if (count == 0 || spte_equal(old, new) || level < LEVEL_4K || level > mmu->levels ||
	    gfn.v >= (UINT64_C(1) << 9 * mmu->levels) || (gfn.v & mmu->gfn_bits[root]))
		complain(s, "a trace record that makes no sense", gfn, level);
	count_traced(s, root, old, new, level, count);
	if (root == MMU_MIRROR)
		s->traced[spte_step(old, new)] += count;
	else
		s->traced_direct += count;
	if (root == MMU_MIRROR && s->compare)
		complain(s, sept_compare(s), gfn, level);
	pthread_mutex_unlock(&s->lock);
}

static int read_external(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *out)
{
	struct sept *s = sept_of(mmu);
	const struct sept_entry *e = find(s, gfn, level);

	*out = (struct mmu_external){ .kind = SPTE_IS_NONE };
	if (e && e->leaf)
		*out = (struct mmu_external){ e->blocked ? SPTE_IS_BLOCKED_LEAF : SPTE_IS_LEAF,
					      e->pfn };
	else if (e)
		out->kind = e->blocked ? SPTE_IS_BLOCKED_TABLE : SPTE_IS_TABLE;
	return 0;
}

/* Frames in leaves, and one page for each table. */
static uint64_t external_pages(struct mmu *mmu)
{
	struct sept *s = sept_of(mmu);
	uint64_t tables = 0;

	for (uint64_t i = 0; i < s->room; i++)
		tables += s->entries[i].key != 0 && !s->entries[i].leaf;
	return s->frames + tables;
}

static const struct mmu_ops ops = {
	.set_external_spte = set_external,
	.free_external_spt = free_external,
	.flush = flush,
	.bugged = bugged,
	.trace = trace,
	.read_external = read_external,
	.external_pages = external_pages,
};

/*
 * Comparing both tables
 */
static uint64_t below(const struct sept *s, gfn_t gfn, int level)
{
	const struct sept_entry *e = find(s, gfn, level);
	uint64_t n = e ? 1 : 0;

	for (unsigned i = 0; e && !e->leaf && level > LEVEL_4K && i < TABLE_ENTRIES; i++)
		n += below(s, gfn_add(gfn, i * level_frames(level - 1)), level - 1);
	return n;
}

static const char *compare_table(const struct sept *s, const struct mmu_page *sp, uint64_t *seen)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		gfn_t gfn = gfn_add(sp->gfn, i * level_frames(sp->level));
		spte_t spte = spte_read(&sp->entries[i]);
		const struct sept_entry *e = find(s, gfn, sp->level);

		if (spte_is_frozen(spte)) {
			*seen += below(s, gfn, sp->level);
			continue;
		}
		if (spte_is_present(spte) != (e != NULL))
			return e ? "the mirror claims less than the external table"
				 : "the mirror claims more than the external table";
		if (!e)
			continue;
		if (!same(&s->mmu, e, spte))
			return "mirror and external table differ";
		(*seen)++;
		if (spte_has_table(spte)) {
			const char *fault =
				compare_table(s, page_of_entry(table_of(&s->mmu, spte)), seen);

			if (fault)
				return fault;
		}
	}
	return NULL;
}

const char *sept_compare(struct sept *s)
{
	uint64_t seen = 0;
	const char *fault = compare_table(s, s->mmu.root[MMU_MIRROR], &seen);

	if (!fault && seen != s->count)
		return "the external table holds what no walk of the mirror finds";
	return fault;
}

void sept_fail(struct sept *s, enum spte_step step, unsigned nth, unsigned times,
	       enum sept_fail how)
{
	s->fail_step = step;
	s->fail_in = nth;
	s->fail_times = times;
	s->fail_how = how;
}

/*
 * Backing
 */
static int resolve(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	struct fake_slot *f = container_of(slot, struct fake_slot, slot);

	if (f->fail)
		return f->fail;
	if (*level > f->largest)
		*level = f->largest;
	uint64_t in_block = gfn.v & (level_frames(*level) - 1);

	if (root == MMU_DIRECT) {
		*pfn = pfn_add(f->first, gfn.v - slot->base.v);
		return 0;
	}
	/* One 2M block of numbers for each, so that any level is aligned. */
	uint64_t block =
		__atomic_fetch_add(&f->next_private, level_frames(LEVEL_2M), __ATOMIC_RELAXED);

	__atomic_fetch_add(&f->out, level_frames(*level), __ATOMIC_RELAXED);
	*pfn = (pfn_t){ block + in_block };
	return 0;
}

static void release(struct memslot *slot, gfn_t gfn, pfn_t pfn, int level)
{
	struct fake_slot *f = container_of(slot, struct fake_slot, slot);

	(void)gfn;
	(void)pfn;
	__atomic_fetch_sub(&f->out, level_frames(level), __ATOMIC_RELAXED);
}

static bool owns(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t pfn, int level)
{
	struct fake_slot *f = container_of(slot, struct fake_slot, slot);

	(void)level;
	if (root == MMU_DIRECT)
		return pfn.v == f->first.v + (gfn.v - slot->base.v);
	return pfn.v < f->next_private;
}

static const struct memslot_ops slot_ops = { resolve, release, owns };

void fake_slot_add(struct sept *s, struct fake_slot *f, gfn_t base, uint64_t frames)
{
	*f = (struct fake_slot){
		.slot = { .base = base, .frames = frames, .ops = &slot_ops },
		.first = { UINT64_C(1) << 28 | (base.v & (level_frames(LEVEL_1G) - 1)) },
		.next_private = UINT64_C(1) << 30,
		.largest = LEVEL_1G,
	};
	int err = mmu_slot_add(&s->mmu, &f->slot);

	if (err)
		panic("slot refused: %d", err);
}

/*
 * Start and end
 */
void sept_start_with(struct sept *s, struct mmu_config config)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	grow(s);
	s->epoch = 1;
	config.ops = &ops;
	int err = mmu_init(&s->mmu, &config);

	if (err)
		panic("mmu_init: %d", err);
}

void sept_start(struct sept *s, enum sept_kind kind)
{
	bool td = kind == SEPT_TD;

	sept_start_with(s, (struct mmu_config){
				   .name = td ? "td" : "vm",
				   .levels = 4,
				   .shared_bit = td ? 47 : 0,
				   .has_mirror = td,
				   .max_level = LEVEL_1G,
				   .mirror_max_level = LEVEL_2M,
				   .memtype = SPTE_MEMTYPE_WB,
				   .ad = td ? MMU_AD_NONE : MMU_AD_HARDWARE,
				   .mmio = td ? MMU_MMIO_VE : MMU_MMIO_MISCONFIG,
			   });
}

void sept_end(struct sept *s)
{
	if (s->mmu.root[MMU_MIRROR])
		mmu_set_phase(&s->mmu, MMU_RELEASED);
	bool traced = s->mmu.ops->trace == trace;
	uint64_t leaked = mmu_fini(&s->mmu);

	for (unsigned root = 0; traced && root < MMU_ROOTS; root++)
		for (unsigned level = 0; level < 6; level++)
			if (s->traced_leaves[root][level] != 0)
				panic("the trace tells of %lld leaves of level %u too many",
				      (long long)s->traced_leaves[root][level], level);
	if (s->complaint)
		panic("the external table complained: %s", s->complaint);
	if (s->count != 0 || leaked != page_count(PAGE_LEAKED))
		panic("%llu external entries left, %llu tables leaked",
		      (unsigned long long)s->count, (unsigned long long)leaked);
	if (page_count(PAGE_MMU) != 0 || page_count(PAGE_TDX_SEPT) != 0)
		panic("pages left: %llu MMU, %llu S-EPT", (unsigned long long)page_count(PAGE_MMU),
		      (unsigned long long)page_count(PAGE_TDX_SEPT));
	free(s->entries);
}
