/*
 * pairs.h - dynamic PAMT: who owns the page pairs that describe 4K pages, range by range of 2 MiB.
 *
 *     no pair  --first 4K page: PAMT.ADD-->  pair, n users  --last one gone: PAMT.REMOVE-->  no pair
 *     no pair  --PAGE.DEMOTE of the 2M page, with a pair-->  pair, 512 users  --PAGE.PROMOTE-->  no pair
 *
 * A user is a 4K page of the range that the module may have: from the moment before it is offered
 * until it is the host's again. Pages of 2M and more need no pair, and cannot be where one is.
 *
 * Invariants
 *   - With static PAMT all of this does nothing and succeeds.
 *   - The path on which the pair is there takes no lock and allocates nothing.
 *   - Who brings a pair where somebody else was faster gives its pages back and shares the other's.
 *   - A pair that the module does not give back stays where it is, with no users, and serves the next
 *     user; it is asked for again when a page of 2M is wanted there, and when a TD has ended.
 *
 * Facts: ABI reference section 12.2.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_PAIRS_H
#define TAIN_TDX_PAIRS_H

#include "kernel/base/types.h"
#include "tdx/tdmr.h"

/* A pair's two pages, as TDH.PHYMEM.PAMT.ADD and TDH.MEM.PAGE.DEMOTE take them. */
struct page_pair {
	hpa_t page[2];
};
#define NO_PAIR ((struct page_pair){ { { 0 }, { 0 } } }) /* no page of any pair is at 0 */

/* Counters for all ranges of @plan. 0 or -ENOMEM. Nothing is there before. */
int pairs_init(const struct tdmr_plan *plan) MUST_CHECK;

/* Zeros over the pages of all pairs that are left, by @clear. */
void pairs_clear(void (*clear)(hpa_t page, unsigned order));

/*
 * The module is gone, or will be: pairs that are left are leaked if it may still have them (@kept), else
 * freed. Then as before pairs_init().
 */
void pairs_fini(bool kept);

/*
 * @count 4K pages from @page, all of one range, are to be offered to the module. 0; -ENOMEM: no memory
 * for the pair; -EBUSY, -EIO: the module refused it. Any lock may be held; the pages are the caller's.
 */
int pairs_get(hpa_t page, unsigned count) MUST_CHECK;

/* They are the host's again, or were never taken. Cannot fail. */
void pairs_put(hpa_t page, unsigned count);

/* No pair is in 2^@order pages of 2M and more that are to be one page. */
bool pairs_vacate(hpa_t base, unsigned order) MUST_CHECK;

/* A pair for PAGE.DEMOTE of the 2M page at @range: 0 or -ENOMEM. Then the one or the other. */
int pairs_split_begin(hpa_t range, struct page_pair *pair) MUST_CHECK;
void pairs_split_done(hpa_t range, const struct page_pair *pair);
void pairs_split_failed(const struct page_pair *pair);

/* PAGE.PROMOTE has made one page of the 512 at @range: its pair, which came @back, is the host's. */
void pairs_joined(hpa_t range, const struct page_pair *back);

/* Ask once more for pairs that have no users. */
void pairs_sweep(void);

/* Pairs that are there, and those of them without users; calls of both leaves; races lost. */
struct pairs_counts {
	uint64_t pairs, idle, adds, removes, refused, races;
};
void pairs_read(struct pairs_counts *out);

/* Memory in which users are counted. */
uint64_t pairs_table_bytes(void);

#endif
