/*
 * pages.c - pages for the module, and TDMR.INIT: blocks of memory are made usable when they are
 * needed, several TDMRs at a time, each by a CPU of its own.
 *
 * Invariants
 *   - No page outside an initialised, unreserved part of a TDMR is ever offered to the module.
 *   - One CPU at a time extends; who comes meanwhile waits and serves calls, then looks again.
 *   - A page that the module did not give back becomes PAGE_LEAKED.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/pairs.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

/* How many pages from elsewhere are put aside before an allocation is given up. */
#define PUT_ASIDE_MAX 64

/* TDMR.INIT of one block takes 256 calls; a module that needs so many is stuck. */
#define BLOCK_CALLS_MAX 65536u

/* Pages that are kept usable for who cannot extend: tables and pages of one operation. */
#define PROVIDE_PAGES UINT64_C(2048)

#define ORDER_2M 9u

static uint64_t tdmr_end(const struct tdmr_info *t) { return t->base + t->size; }

/* ---- TDMR.INIT ---- */

/* TDMR.INIT until @t is usable one block further than *@ready_end. 0 or -EIO. */
static int init_block(const struct tdmr_info *t, uint64_t *ready_end)
{
	uint64_t was = *ready_end, next = was;

	for (unsigned i = 0; next <= was; i++) {
		tdx_status_t st = TDX_RETRY(tdh_sys_tdmr_init((hpa_t){ t->base }, &next));

		if (!tdx_ok(st))
			return tdx_refused("memory", "TDH.SYS.TDMR.INIT", st), -EIO;
		if (tdx_is(st, TDX_TDMR_ALREADY_INITIALIZED))
			next = tdmr_end(t);
		if (next > tdmr_end(t) || !is_aligned(next, SIZE_1G) || i == BLOCK_CALLS_MAX) {
			log_error("tdx: TDH.SYS.TDMR.INIT of 0x%llx goes on at 0x%llx: absurd",
				  (unsigned long long)t->base, (unsigned long long)next);
			return -EIO;
		}
	}
	*ready_end = next;
	return 0;
}

/* TDMRs to extend, one for each CPU that takes part. */
struct extension {
	unsigned tdmr[TDMR_PLAN_MAX];
	int result[TDMR_PLAN_MAX];
	unsigned count, next; /* next: atomic */
};

static void extend_here(void *arg)
{
	struct extension *e = arg;
	struct tdx_state *s = &tdx_state;
	unsigned i;

	while ((i = __atomic_fetch_add(&e->next, 1, __ATOMIC_RELAXED)) < e->count)
		e->result[i] = init_block(&s->plan->tdmr[e->tdmr[i]], &s->ready_end[e->tdmr[i]]);
}

/* Not all of it is initialised, and the module did not refuse the last time. */
static bool is_open(const struct tdx_state *s, unsigned i)
{
	return s->ready_end[i] < tdmr_end(&s->plan->tdmr[i]) && !(s->refusing & BIT64(i));
}

/*
 * As many TDMRs as there are CPUs: with one, or one left, nobody else is disturbed. One that was
 * refused is asked again when there is no other.
 */
static void choose(struct extension *e)
{
	const struct tdx_state *s = &tdx_state;

	for (unsigned i = 0; i < s->plan->count && e->count < cpu_count(); i++)
		if (is_open(s, i))
			e->tdmr[e->count++] = i;
	for (unsigned i = 0; i < s->plan->count && e->count == 0; i++)
		if (s->ready_end[i] < tdmr_end(&s->plan->tdmr[i]))
			e->tdmr[e->count++] = i;
}

/* Tell the page allocator where pages for the module may come from. */
static int publish_ready(struct tdx_state *s)
{
	struct boot_mem *list;
	int err;

	if (!s->host.restrict_pages)
		return 0;
	list = heap_alloc(s->ready.count * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < s->ready.count; i++) {
		list[i].base = s->ready.r[i].base;
		list[i].size = s->ready.r[i].end - s->ready.r[i].base;
		list[i].kind = BOOT_MEM_USABLE;
	}
	err = s->host.restrict_pages(list, s->ready.count);
	heap_free(list);
	return err;
}

static int add_ready(struct tdx_state *s, uint64_t base, uint64_t end)
{
	const struct ranges *u = &s->plan->usable;

	for (size_t i = 0; i < u->count; i++) {
		uint64_t from = u->r[i].base > base ? u->r[i].base : base;
		uint64_t to = u->r[i].end < end ? u->r[i].end : end;
		int err = from < to ? ranges_add(&s->ready, from, to) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* All that is initialised, anew: what an attempt before could not list for want of memory too. */
static int list_ready(struct tdx_state *s)
{
	int err = 0;

	for (unsigned i = 0; i < s->plan->count && !err; i++)
		err = add_ready(s, s->plan->tdmr[i].base, s->ready_end[i]);
	return err ? err : publish_ready(s);
}

static int extend(void)
{
	struct tdx_state *s = &tdx_state;
	struct extension e = { .count = 0 };
	int err = 0, done = 0;

	choose(&e);
	if (e.count == 0)
		return -ENOMEM;
	if (e.count == 1)
		extend_here(&e);
	else
		cpu_call_all(extend_here, &e);
	for (unsigned i = 0; i < e.count; i++) {
		const uint64_t bit = BIT64(e.tdmr[i]);

		done += e.result[i] == 0;
		s->refusing = e.result[i] ? s->refusing | bit : s->refusing & ~bit;
		err = err ? err : e.result[i];
	}
	return done ? list_ready(s) : err;
}

int tdx_pages_extend(void)
{
	struct tdx_state *s = &tdx_state;
	int err = 0;

	if (__atomic_exchange_n(&s->extending, 1, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&s->extending, __ATOMIC_ACQUIRE)) {
			if (s->host.irq_window)
				s->host.irq_window(); /* it may want this CPU */
			cpu_relax();
		}
		return 0;
	}
	err = extend();
	__atomic_store_n(&s->extending, 0, __ATOMIC_RELEASE);
	return err;
}

bool tdx_pages_more(void)
{
	const struct tdx_state *s = &tdx_state;

	for (unsigned i = 0; i < s->plan->count; i++)
		if (is_open(s, i))
			return true;
	return false;
}

void tdx_pages_provide(void)
{
	if (page_count_for_tdx() < PROVIDE_PAGES && tdx_pages_more())
		(void)!tdx_pages_extend(); /* who then finds nothing says so */
}

/* ---- pages ---- */

/* Without an allocator that was told: all TDMRs were initialised at start, and this never changes.
 */
static bool is_ready(hpa_t base, unsigned order)
{
	const struct tdx_state *s = &tdx_state;
	uint64_t end = base.v + (PAGE_SIZE << order);

	if (s->host.restrict_pages) /* the allocator has looked */
		return true;
	for (size_t i = 0; i < s->ready.count; i++)
		if (s->ready.r[i].base <= base.v && end <= s->ready.r[i].end)
			return true;
	return false;
}

/* A page of 2M or more cannot be where a page pair is. */
static bool is_whole(hpa_t base, unsigned order)
{
	return order < ORDER_2M || pairs_vacate(base, order);
}

/* One allocation; pages that the module would refuse are put aside meanwhile. */
static hpa_t alloc_ready(enum page_owner owner, unsigned order)
{
	hpa_t aside[PUT_ASIDE_MAX], base = HPA_NONE;
	unsigned n = 0;

	while (n < PUT_ASIDE_MAX) {
		base = pages_alloc_raw(owner, order);
		if (hpa_is_none(base) || (is_ready(base, order) && is_whole(base, order)))
			break;
		aside[n++] = base;
		base = HPA_NONE;
	}
	while (n > 0)
		pages_free(aside[--n], owner, order);
	return base;
}

hpa_t tdx_pages_alloc_bare(enum page_owner owner, unsigned order)
{
	hpa_t base = alloc_ready(owner, order);

	if (!hpa_is_none(base) && tdx_state.host.cache_flush)
		tdx_state.host.cache_flush(base, order);
	return base;
}

hpa_t tdx_pages_alloc(enum page_owner owner, unsigned order)
{
	hpa_t base = tdx_pages_alloc_bare(owner, order);

	if (hpa_is_none(base) || order >= ORDER_2M || pairs_get(base, 1u << order) == 0)
		return base;
	pages_free(base, owner, order);
	return HPA_NONE;
}

int tdx_pages_use_small(hpa_t block) { return pairs_get(block, 1u << ORDER_2M); }

hpa_t tdx_pages_get(enum page_owner owner, unsigned order)
{
	hpa_t base = tdx_pages_alloc(owner, order);

	while (hpa_is_none(base) && tdx_pages_extend() == 0)
		base = tdx_pages_alloc(owner, order);
	return base;
}

void tdx_pages_free(hpa_t base, enum page_owner owner, unsigned order)
{
	if (order < ORDER_2M)
		pairs_put(base, 1u << order);
	if (tdx_state.host.page_clear)
		tdx_state.host.page_clear(base, order);
	pages_free(base, owner, order);
}

void tdx_pages_leak(hpa_t base, enum page_owner owner, unsigned order)
{
	pages_reown(base, order, owner, PAGE_LEAKED);
}
