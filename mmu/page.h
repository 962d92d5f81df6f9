/*
 * page.h - what we know about one page-table page.
 *
 * Invariants
 *   - Descriptors lie beside their tables: a chunk is 64 aligned pages, of which the first holds 64
 *     descriptors of 64 bytes, one per page of the chunk (the first of them describes the chunk).
 *     So a table's address gives its descriptor by arithmetic, and the memory is given back whole.
 *   - `population` counts the table's present entries; it changes with the entry, after the hook.
 *     There is no other statistic: totals by level are sums over tables, so no two CPUs that map
 *     in different tables ever write the same word.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_PAGE_H
#define TAIN_MMU_PAGE_H

#include "kernel/base/types.h"
#include "kernel/machine/port.h"
#include "mmu/spte.h"

#define TABLE_ENTRIES 512u

struct mmu_page {
	spte_t *entries;       /* the table, in the direct map */
	hpa_t table;           /* the same, as the CPU sees it */
	hpa_t external;        /* mirror: the S-EPT page, or HPA_NONE */
	gfn_t gfn;             /* first GFN it maps (a TD's shared half: with the SHARED bit) */
	uint32_t population;   /* low half: leaves, high half: tables; atomic */
	uint8_t level;         /* of its entries: LEVEL_4K to LEVEL_256T */
	uint8_t root;          /* enum mmu_root */
	uint8_t in_use;        /* 0: free, in its chunk's list */
	uint8_t reserved;
	struct mmu_page *next; /* free list, or list of dead tables */
	uint64_t spare[2];
};
_Static_assert(sizeof(struct mmu_page) == 64, "64 descriptors fill one page");

#define POPULATION_LEAF  UINT32_C(1)
#define POPULATION_TABLE UINT32_C(0x10000)

static inline unsigned page_leaves(const struct mmu_page *sp)
{
	return __atomic_load_n(&sp->population, __ATOMIC_RELAXED) & 0xffff;
}
static inline unsigned page_tables(const struct mmu_page *sp)
{
	return __atomic_load_n(&sp->population, __ATOMIC_RELAXED) >> 16;
}

#endif
