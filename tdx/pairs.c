/*
 * pairs.c - page pairs of dynamic PAMT. Contract: pairs.h.
 *
 * Invariants
 *   - range.state is PAIR and a count of users, or NOTHING, or CHANGING while one CPU, and no other,
 *     brings a pair or takes it away; range.pair belongs to that CPU then. All else is one cmpxchg.
 *   - Nobody waits for more than one call of the module: who finds CHANGING holds nothing that the
 *     other CPU could want.
 *   - A pair's pages are PAGE_TDX_PAMT as long as the module may have them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/pairs.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define NOTHING    0u
#define PAIR       BIT32(31)
#define CHANGING   BIT32(30)
#define USERS      0xffffu
#define RANGE_FULL 512u

struct pair_range {
	uint32_t state; /* atomic */
	struct page_pair pair;
};

/* Ranges of one TDMR, in pages of their own. */
struct pair_table {
	uint64_t base, end;
	struct pair_range *range;
	unsigned order;
};

static struct {
	struct pair_table table[TDMR_PLAN_MAX];
	unsigned tables;
	struct pairs_counts n; /* atomic, each for itself */
} all;

static void count(uint64_t *counter, int64_t by)
{
	__atomic_fetch_add(counter, (uint64_t)by, __ATOMIC_RELAXED);
}

/* The range of @page; NULL: PAMT is static. */
static struct pair_range *range_of(hpa_t page)
{
	for (unsigned i = 0; i < all.tables; i++) {
		const struct pair_table *t = &all.table[i];

		if (page.v >= t->base && page.v < t->end)
			return &t->range[(page.v - t->base) / SIZE_2M];
	}
	assert(all.tables == 0);
	return NULL;
}

static hpa_t range_base(hpa_t page) { return (hpa_t){ align_down(page.v, SIZE_2M) }; }

int pairs_init(const struct tdmr_plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++) {
		const struct tdmr_info *info = &plan->tdmr[i];
		struct pair_table *t = &all.table[i];
		uint64_t bytes = info->size / SIZE_2M * sizeof(*t->range);
		hpa_t pages;

		*t = (struct pair_table){ .base = info->base, .end = info->base + info->size };
		while (PAGE_SIZE << t->order < bytes)
			t->order++;
		pages = pages_alloc(PAGE_KERNEL, t->order);
		if (hpa_is_none(pages)) {
			pairs_fini(false);
			return -ENOMEM;
		}
		t->range = hpa_to_ptr(pages);
		all.tables = i + 1;
	}
	return 0;
}

/* ---- a pair's pages ---- */

static void free_pages(const struct page_pair *pair, enum page_owner owner)
{
	for (unsigned i = 0; i < ARRAY_LEN(pair->page); i++) {
		if (pair->page[i].v == 0)
			continue;
		if (owner == PAGE_TDX_PAMT && tdx_state.host.page_clear)
			tdx_state.host.page_clear(pair->page[i], 0);
		page_free(pair->page[i], owner);
	}
}

/* They come from where the module takes pages; the PAMT's own owner would not say so. */
static int alloc_pages(struct page_pair *pair)
{
	*pair = NO_PAIR;
	for (unsigned i = 0; i < ARRAY_LEN(pair->page); i++) {
		hpa_t page = tdx_pages_alloc_bare(PAGE_TDX_CONTROL, 0);

		if (hpa_is_none(page)) {
			free_pages(pair, PAGE_TDX_CONTROL);
			*pair = NO_PAIR;
			return -ENOMEM;
		}
		pair->page[i] = page;
	}
	return 0;
}

static void reown(const struct page_pair *pair, enum page_owner from, enum page_owner to)
{
	for (unsigned i = 0; i < ARRAY_LEN(pair->page); i++)
		pages_reown(pair->page[i], 0, from, to);
}

/* The module has the pair for @r, which is CHANGING; opens it with @users. */
static void publish(struct pair_range *r, const struct page_pair *pair, unsigned users)
{
	r->pair = *pair;
	count(&all.n.pairs, 1);
	__atomic_store_n(&r->state, PAIR | users, __ATOMIC_RELEASE);
}

static bool is_pair(const struct page_pair *a, const struct page_pair *b)
{
	return a->page[0].v == b->page[0].v && a->page[1].v == b->page[1].v;
}

/* It has given it back: @surely, if it named the pages that it got. */
static void withdraw(struct pair_range *r, bool surely)
{
	const struct page_pair pair = r->pair;

	r->pair = NO_PAIR;
	count(&all.n.pairs, -1);
	__atomic_store_n(&r->state, NOTHING, __ATOMIC_RELEASE);
	if (surely) {
		free_pages(&pair, PAGE_TDX_PAMT);
		return;
	}
	log_error("tdx: the module gave another page pair back than it got: 2 pages are leaked");
	reown(&pair, PAGE_TDX_PAMT, PAGE_LEAKED);
}

/* ---- one range ---- */

static bool exchange(struct pair_range *r, uint32_t was, uint32_t now)
{
	return __atomic_compare_exchange_n(&r->state, &was, now, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static uint32_t state_of(const struct pair_range *r)
{
	return __atomic_load_n(&r->state, __ATOMIC_ACQUIRE);
}

/* @count users more, if the pair is there; waits for who is changing it. False: there is none. */
static bool join_users(struct pair_range *r, unsigned users)
{
	for (;;) {
		uint32_t s = state_of(r);

		if (s == NOTHING)
			return false;
		if (s == CHANGING) {
			cpu_relax();
			continue;
		}
		assert((s & USERS) + users <= RANGE_FULL);
		if (!exchange(r, s, s + users))
			continue;
		if ((s & USERS) == 0)
			count(&all.n.idle, -1);
		return true;
	}
}

/* @r is CHANGING, by us, and has no pair. */
static int bring(struct pair_range *r, hpa_t range, const struct page_pair *pair, unsigned users)
{
	tdx_status_t st;

	count(&all.n.adds, 1);
	reown(pair, PAGE_TDX_CONTROL, PAGE_TDX_PAMT);
	st = TDX_RETRY(tdh_phymem_pamt_add(range, pair->page[0], pair->page[1]));
	if (tdx_ok(st)) {
		publish(r, pair, users);
		return 0;
	}
	reown(pair, PAGE_TDX_PAMT, PAGE_TDX_CONTROL);
	__atomic_store_n(&r->state, NOTHING, __ATOMIC_RELEASE);
	count(&all.n.refused, 1);
	return tdx_refused("memory", "TDH.PHYMEM.PAMT.ADD", st) == -EBUSY ? -EBUSY : -EIO;
}

int pairs_get(hpa_t page, unsigned users)
{
	struct pair_range *r = range_of(page);
	struct page_pair pair;
	int err;

	if (!r || join_users(r, users))
		return 0;
	err = alloc_pages(&pair);
	if (err)
		return err;
	while (!exchange(r, NOTHING, CHANGING))
		if (join_users(r, users)) {
			count(&all.n.races, 1);
			free_pages(&pair, PAGE_TDX_CONTROL);
			return 0;
		}
	err = bring(r, range_base(page), &pair, users);
	if (err)
		free_pages(&pair, PAGE_TDX_CONTROL);
	return err;
}

/* @r is CHANGING, by us, and has a pair without users. True: it has gone. */
static bool take_away(struct pair_range *r, hpa_t range)
{
	struct page_pair back;
	tdx_status_t st;

	count(&all.n.removes, 1);
	st = TDX_RETRY(tdh_phymem_pamt_remove(range, &back.page[0], &back.page[1]));
	if (tdx_ok(st)) {
		withdraw(r, is_pair(&back, &r->pair));
		return true;
	}
	count(&all.n.refused, 1);
	count(&all.n.idle, 1);
	__atomic_store_n(&r->state, PAIR, __ATOMIC_RELEASE);
	(void)tdx_refused("memory", "TDH.PHYMEM.PAMT.REMOVE", st);
	return false;
}

void pairs_put(hpa_t page, unsigned users)
{
	struct pair_range *r = range_of(page);

	while (r) {
		uint32_t s = state_of(r);

		/* Our users are in the count: nobody else takes the pair away. */
		assert((s & PAIR) && (s & USERS) >= users);
		if ((s & USERS) > users) {
			if (exchange(r, s, s - users))
				return;
		} else if (exchange(r, s, CHANGING)) {
			(void)take_away(r, range_base(page));
			return;
		}
	}
}

/* A pair without users is asked for again. True: there is none any more. */
static bool retire(struct pair_range *r, hpa_t range)
{
	for (;;) {
		uint32_t s = state_of(r);

		if (s == NOTHING)
			return true;
		if ((s & PAIR) && (s & USERS))
			return false;
		if (s == CHANGING) {
			cpu_relax();
			continue;
		}
		if (!exchange(r, s, CHANGING))
			continue;
		count(&all.n.idle, -1);
		return take_away(r, range);
	}
}

bool pairs_vacate(hpa_t base, unsigned order)
{
	uint64_t end = base.v + (PAGE_SIZE << order);

	for (hpa_t at = base; at.v < end; at.v += SIZE_2M) {
		struct pair_range *r = range_of(at);

		if (r && !retire(r, at))
			return false;
	}
	return true;
}

/* ---- a page of 2M and its 512 ---- */

int pairs_split_begin(hpa_t range, struct page_pair *pair)
{
	*pair = NO_PAIR;
	if (!range_of(range))
		return 0;

	int err = alloc_pages(pair);

	if (!err)
		reown(pair, PAGE_TDX_CONTROL, PAGE_TDX_PAMT);
	return err;
}

void pairs_split_done(hpa_t range, const struct page_pair *pair)
{
	struct pair_range *r = range_of(range);

	if (!r)
		return;
	assert(state_of(r) == NOTHING);
	publish(r, pair, RANGE_FULL);
}

void pairs_split_failed(const struct page_pair *pair)
{
	if (pair->page[0].v == 0)
		return;
	reown(pair, PAGE_TDX_PAMT, PAGE_TDX_CONTROL);
	free_pages(pair, PAGE_TDX_CONTROL);
}

void pairs_joined(hpa_t range, const struct page_pair *back)
{
	struct pair_range *r = range_of(range);

	if (!r)
		return;
	assert(state_of(r) == (PAIR | RANGE_FULL));
	withdraw(r, is_pair(back, &r->pair));
}

/* ---- all of them ---- */

static void each_pair(void (*fn)(struct pair_range *r, hpa_t range, void *arg), void *arg)
{
	for (unsigned i = 0; i < all.tables; i++) {
		const struct pair_table *t = &all.table[i];

		for (uint64_t at = t->base; at < t->end; at += SIZE_2M) {
			struct pair_range *r = &t->range[(at - t->base) / SIZE_2M];

			if (state_of(r) != NOTHING)
				fn(r, (hpa_t){ at }, arg);
		}
	}
}

static void retire_idle(struct pair_range *r, hpa_t range, void *arg)
{
	(void)arg;
	if (state_of(r) == PAIR)
		(void)retire(r, range); /* it has said why not */
}

void pairs_sweep(void)
{
	if (__atomic_load_n(&all.n.idle, __ATOMIC_RELAXED))
		each_pair(retire_idle, NULL);
}

static void clear_one(struct pair_range *r, hpa_t range, void *arg)
{
	void (*const *clear)(hpa_t page, unsigned order) = arg;

	(void)range;
	for (unsigned i = 0; i < ARRAY_LEN(r->pair.page); i++)
		(*clear)(r->pair.page[i], 0);
}

void pairs_clear(void (*clear)(hpa_t page, unsigned order)) { each_pair(clear_one, &clear); }

static void end_one(struct pair_range *r, hpa_t range, void *arg)
{
	const bool *kept = arg;

	(void)range;
	/* A module that was disabled has cleared them. */
	reown(&r->pair, PAGE_TDX_PAMT, *kept ? PAGE_LEAKED : PAGE_TDX_CONTROL);
	if (!*kept)
		free_pages(&r->pair, PAGE_TDX_CONTROL);
}

void pairs_fini(bool kept)
{
	each_pair(end_one, &kept);
	while (all.tables > 0) {
		struct pair_table *t = &all.table[--all.tables];

		pages_free(ptr_to_hpa(t->range), PAGE_KERNEL, t->order);
	}
	all.n = (struct pairs_counts){ 0 };
}

void pairs_read(struct pairs_counts *out)
{
	*out = (struct pairs_counts){
		.pairs = __atomic_load_n(&all.n.pairs, __ATOMIC_RELAXED),
		.idle = __atomic_load_n(&all.n.idle, __ATOMIC_RELAXED),
		.adds = __atomic_load_n(&all.n.adds, __ATOMIC_RELAXED),
		.removes = __atomic_load_n(&all.n.removes, __ATOMIC_RELAXED),
		.refused = __atomic_load_n(&all.n.refused, __ATOMIC_RELAXED),
		.races = __atomic_load_n(&all.n.races, __ATOMIC_RELAXED),
	};
}

uint64_t pairs_table_bytes(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < all.tables; i++)
		bytes += PAGE_SIZE << all.table[i].order;
	return bytes;
}
