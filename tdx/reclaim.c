/*
 * reclaim.c - PHYMEM.PAGE.RECLAIM of many pages, on all CPUs at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/reclaim.h"

#include "tdx/retry.h"
#include "tdx/td_impl.h"

#define ENTRY_ORDER BITS64(4, 0)
#define ENTRY_OWNER BITS64(11, 5)
#define OWNER_SHIFT 5

_Static_assert(PAGE_OWNER_COUNT <= (ENTRY_OWNER >> OWNER_SHIFT), "an owner fits");

/* Entries that a CPU takes at a time. */
#define TAKE 16u

/* Fewer are not worth calling the other CPUs. */
#define WORTH_CALLING 64u

static void count_down(struct td *td, enum page_owner owner, unsigned order)
{
	if (owner == PAGE_TDX_PRIVATE)
		__atomic_fetch_sub(&td->private_pages, BIT64(order), __ATOMIC_RELAXED);
	if (owner == PAGE_TDX_SEPT)
		__atomic_fetch_sub(&td->sept_pages, BIT64(order), __ATOMIC_RELAXED);
}

static void reclaim_one(struct td *td, uint64_t entry)
{
	hpa_t page = { align_down(entry, PAGE_SIZE) };
	enum page_owner owner = (enum page_owner)((entry & ENTRY_OWNER) >> OWNER_SHIFT);
	unsigned order = (unsigned)(entry & ENTRY_ORDER);
	struct page_metadata md;
	tdx_status_t st = TDX_RETRY(tdh_phymem_page_reclaim(page, &md));

	count_down(td, owner, order);
	if (tdx_ok(st)) {
		tdx_pages_free(page, owner, order);
		return;
	}
	(void)tdx_refused(td->name, "TDH.PHYMEM.PAGE.RECLAIM", st);
	tdx_pages_leak(page, owner, order);
	__atomic_fetch_add(&td->leaked, BIT64(order), __ATOMIC_RELAXED);
}

static void work(void *arg)
{
	struct td *td = arg;
	struct reclaim *r = td->reclaim;
	unsigned from;

	while ((from = __atomic_fetch_add(&r->next, TAKE, __ATOMIC_RELAXED)) < r->count)
		for (unsigned i = from; i < from + TAKE && i < r->count; i++)
			reclaim_one(td, r->entry[i]);
}

void reclaim_flush(struct td *td)
{
	struct reclaim *r = td->reclaim;
	uint64_t start = tsc_now();

	__atomic_store_n(&r->next, 0, __ATOMIC_RELEASE);
	if (r->count < WORTH_CALLING)
		work(td);
	else
		cpu_call_all(work, td);
	r->count = 0;
	r->ticks += tsc_now() - start;
}

void reclaim_add(struct td *td, hpa_t page, enum page_owner owner, unsigned order)
{
	struct reclaim *r = td->reclaim;

	r->entry[r->count++] = page.v | (uint64_t)owner << OWNER_SHIFT | order;
	r->done += BIT64(order);
	if (r->count == RECLAIM_BATCH)
		reclaim_flush(td);
}
