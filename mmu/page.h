/*
 * page.h - what we know about one page-table page, and where such pages come from.
 *
 * Invariants
 *   - Descriptors lie beside their tables: a chunk is 64 aligned pages, of which the first holds 64
 *     places of 64 bytes. Place 0 is the chunk's own, place n describes page n. So the address of
 * an entry gives its table's descriptor by arithmetic, and the memory is given back whole.
 *   - `population` counts the table's present entries; it changes with the entry, after the hook.
 *     There is no other statistic: totals by level are sums over tables, so two CPUs that map in
 *     different tables never write one word.
 *   - A table in the free map is linked nowhere. A table that was cut is put back only after flush
 *     and grace period.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_PAGE_H
#define TAIN_MMU_PAGE_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"
#include "mmu/spte.h"

struct mmu;

#define TABLE_ENTRIES 512u
#define CHUNK_PAGES   64u
#define CHUNK_ORDER   6u
#define CHUNK_SIZE    (CHUNK_PAGES * PAGE_SIZE)

struct mmu_page {
	spte_t *entries;     /* the table, in the direct map */
	hpa_t table;         /* the same, as the CPU sees it */
	hpa_t external;      /* mirror: the S-EPT page, or HPA_NONE */
	gfn_t gfn;           /* first GFN it maps, as the table is indexed (with the SHARED bit) */
	uint32_t population; /* low half: leaves, high half: tables; atomic */
	uint8_t level;       /* of its entries: LEVEL_4K to LEVEL_256T */
	uint8_t root;        /* enum mmu_root */
	uint8_t external_leaked; /* set by free_external_spt when the module keeps the page */
	uint8_t mark;            /* of the self-check (check.c) */
	struct mmu_page *next;   /* in a list of dead tables */
	/* Of a root (root.h); 0 elsewhere */
	uint32_t refs; /* atomic */
	uint8_t invalid;
	uint64_t spare;
};
_Static_assert(sizeof(struct mmu_page) * CHUNK_PAGES == PAGE_SIZE, "descriptors fill one page");

struct mmu_chunk {
	uint64_t free;                 /* bit n: page n is free; bit 0 never */
	struct mmu_chunk *next, *prev; /* in the pool's list */
	uint64_t spare[5];
};
_Static_assert(sizeof(struct mmu_chunk) == sizeof(struct mmu_page), "it takes place 0");

/* Chunks of one MMU; those with room come first. */
struct mmu_pool {
	spinlock_t lock;
	struct mmu_chunk *first, *last;
	uint64_t chunks;      /* lock */
	uint8_t new_mark;     /* what a table gets: POOL_MARK_BORN while a self-check runs; atomic */
	uintptr_t direct_map; /* pointer minus HPA: the same for every chunk */
};

#define POOL_MARK_BORN 1

#define POPULATION_LEAF  UINT32_C(1)
#define POPULATION_TABLE UINT32_C(0x10000)

static inline uint32_t page_population(const struct mmu_page *sp)
{
	return __atomic_load_n(&sp->population, __ATOMIC_RELAXED);
}
static inline unsigned page_leaves(const struct mmu_page *sp)
{
	return page_population(sp) & 0xffff;
}
static inline unsigned page_tables(const struct mmu_page *sp) { return page_population(sp) >> 16; }

/* What one entry of this value adds to its table's population. */
static inline uint32_t spte_population(spte_t s)
{
	if (!spte_is_present(s))
		return 0;
	return spte_has_leaf(s) ? POPULATION_LEAF : POPULATION_TABLE;
}

/* The descriptor of the table that @entry is in. */
static inline struct mmu_page *page_of_entry(const spte_t *entry)
{
	uintptr_t at = (uintptr_t)entry;
	struct mmu_page *places = (struct mmu_page *)(at & ~(uintptr_t)(CHUNK_SIZE - 1));

	return &places[(at / PAGE_SIZE) % CHUNK_PAGES];
}

/* The table at @table, of a pool that has at least one chunk. */
static inline spte_t *pool_entries(const struct mmu_pool *pool, hpa_t table)
{
	return (spte_t *)(pool->direct_map + table.v);
}

void pool_init(struct mmu_pool *pool);
/* A chunk that still has a table in use is leaked: somebody may walk it. */
void pool_fini(struct mmu_pool *pool);

/*
 * A table whose entries are of @level, all none, for @gfn (rounded down); a mirror child with its
 * external page unless the caller says not. NULL: out of memory.
 */
struct mmu_page *pool_get(struct mmu *mmu, unsigned root, int level, gfn_t gfn) MUST_CHECK;

/*
 * The same, but each entry is a leaf: the first is @first, the next ones map what follows. What a
 * split puts in the place of a large leaf.
 */
struct mmu_page *pool_get_run(struct mmu *mmu, unsigned root, int level, gfn_t gfn,
			      spte_t first) MUST_CHECK;

/* Back at once. An external page that is still there was never given away: it is freed. */
void pool_put(struct mmu *mmu, struct mmu_page *sp);

/* Call @fn for every table in use. With the MMU's write side held. */
void pool_each(struct mmu_pool *pool, void (*fn)(struct mmu_page *sp, void *arg), void *arg);

/* Does the free map say that @sp is free? */
bool pool_is_free(const struct mmu_page *sp);

/* Host memory that the pool holds. */
uint64_t pool_bytes(struct mmu_pool *pool);

#endif
