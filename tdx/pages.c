/*
 * pages.c - pages for the module, and TDMR.INIT: a block of memory is made usable when
 * it is needed.
 *
 * Invariants
 *   - No page outside an initialised, unreserved part of a TDMR is ever offered to the module.
 *   - A page that the module did not give back becomes PAGE_LEAKED.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

/* How many pages from elsewhere are put aside before an allocation is given up. */
#define PUT_ASIDE_MAX 64

/* TDMR.INIT until @t is usable one block further. 0 or -EIO. Locking: lock. */
static int init_block(const struct tdmr_info *t, uint64_t *ready_end)
{
	uint64_t was = *ready_end, next = was;

	while (next <= was) {
		tdx_status_t st = TDX_RETRY(tdh_sys_tdmr_init((hpa_t){ t->base }, &next));

		if (!tdx_ok(st))
			return tdx_refused("memory", "TDH.SYS.TDMR.INIT", st), -EIO;
		if (tdx_is(st, TDX_TDMR_ALREADY_INITIALIZED))
			next = t->base + t->size;
	}
	*ready_end = next;
	return 0;
}

/* Tell the page allocator where pages for the module may come from. */
static int publish_ready(struct tdx_state *s)
{
	struct boot_mem *list;

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
	s->host.restrict_pages(list, s->ready.count);
	heap_free(list);
	return 0;
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
	return publish_ready(s);
}

int tdx_pages_extend(void)
{
	struct tdx_state *s = &tdx_state;
	int err = -ENOMEM;

	spin_lock(&s->lock);
	for (unsigned i = 0; i < s->plan->count; i++) {
		const struct tdmr_info *t = &s->plan->tdmr[i];
		uint64_t from = s->ready_end[i];

		if (from >= t->base + t->size)
			continue;
		err = init_block(t, &s->ready_end[i]);
		if (!err)
			err = add_ready(s, from, s->ready_end[i]);
		break;
	}
	spin_unlock(&s->lock);
	return err;
}

static bool is_ready(hpa_t base, unsigned order)
{
	struct tdx_state *s = &tdx_state;
	uint64_t end = base.v + (PAGE_SIZE << order);
	bool found = false;

	if (s->host.restrict_pages) /* the allocator has looked */
		return true;
	spin_lock(&s->lock);
	for (size_t i = 0; i < s->ready.count && !found; i++)
		found = s->ready.r[i].base <= base.v && end <= s->ready.r[i].end;
	spin_unlock(&s->lock);
	return found;
}

/* One allocation; pages that the module would refuse are put aside meanwhile. */
static hpa_t alloc_ready(enum page_owner owner, unsigned order)
{
	hpa_t aside[PUT_ASIDE_MAX], base = HPA_NONE;
	unsigned n = 0;

	while (n < PUT_ASIDE_MAX) {
		base = pages_alloc_raw(owner, order);
		if (hpa_is_none(base) || is_ready(base, order))
			break;
		aside[n++] = base;
		base = HPA_NONE;
	}
	while (n > 0)
		pages_free(aside[--n], owner, order);
	return base;
}

hpa_t tdx_pages_alloc(enum page_owner owner, unsigned order)
{
	hpa_t base = alloc_ready(owner, order);

	while (hpa_is_none(base) && tdx_pages_extend() == 0)
		base = alloc_ready(owner, order);
	if (!hpa_is_none(base) && tdx_state.host.cache_flush)
		tdx_state.host.cache_flush(base, order);
	return base;
}

void tdx_pages_free(hpa_t base, enum page_owner owner, unsigned order)
{
	pages_free(base, owner, order);
}

void tdx_pages_leak(hpa_t base, enum page_owner owner, unsigned order)
{
	pages_reown(base, order, owner, PAGE_LEAKED);
}
