/*
 * page_core.h - the tables of the page allocator, without locks and without touching a page.
 *
 *      chunk table        one entry per GiB of the address space up to the highest RAM
 *        node, level 1    512 slots of 2 MiB: a chunk that is partly used or partly there
 *          node, level 0  512 slots of 4 KiB: a 2 MiB slot that is partly used or partly there
 *
 * A node is a buddy system over its 512 slots (orders 0 to 8 of its level) with one owner byte a
 * slot. So order n is served by level n / 9, and order 18 by the chunk table.
 *
 * Invariants
 *   - Every page has exactly one owner; count[] sums them by owner at any moment between calls.
 *   - A node is written the first time its parent's slot is split, never before: booting costs the
 *     same on 1 GiB and on 8 TiB. A node whose slots are all free is given back to its parent.
 *   - No page that is managed is read or written here; the tables lie outside them.
 *   - Each chunk is in one zone. Lists of nodes and of free chunks are kept by zone, so that memory
 *     which the TDX module takes is found, and spared, without a search.
 *   - The tables' place and size follow from the memory map alone, so the number of free pages
 *     after a run is what it was before it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_PAGE_CORE_H
#define TAIN_MACHINE_PAGE_CORE_H

#include "kernel/base/types.h"
#include "kernel/machine/port.h"

#define NODE_SLOTS      512
#define NODE_ORDERS     9
#define CHUNK_ORDER     18
#define CHUNK_PAGES     (UINT64_C(1) << CHUNK_ORDER)
#define NODES_PER_CHUNK (NODE_SLOTS + 1)
#define NODE_NIL        UINT32_MAX

/* Chunks are in the first until page_core_set_zone() says otherwise. */
enum page_zone { ZONE_PLAIN, ZONE_TDX, PAGE_ZONES };

/* Owner bytes beyond enum page_owner. */
#define OWNER_SPLIT  0xfe /* ask the node below */
#define OWNER_ABSENT 0xff /* no RAM, or not ours */

struct page_node {
	uint64_t free[16]; /* buddy bitmaps of orders 0..8, packed: see node.c */
	uint16_t free_blocks[NODE_ORDERS];
	int16_t best;        /* largest order with a free block; -1: none */
	uint32_t next, prev; /* list of nodes of this level with this best */
	uint64_t first_pfn;
	uint8_t owner[NODE_SLOTS];
};

struct page_chunk {
	uint32_t dense; /* which nodes: dense * NODES_PER_CHUNK; NODE_NIL: chunk absent */
	uint32_t next;  /* list of whole free chunks */
	uint8_t owner;  /* of the whole chunk, OWNER_SPLIT or OWNER_ABSENT */
	uint8_t zone;   /* enum page_zone */
};

struct page_core {
	struct page_chunk *chunk; /* chunk_count of them */
	struct page_node *node;   /* dense_max * NODES_PER_CHUNK */
	uint32_t chunk_count, dense_count, dense_max;
	uint32_t free_chunks[PAGE_ZONES]; /* list heads */
	uint32_t list[PAGE_ZONES][2][NODE_ORDERS];
	uint64_t count[PAGE_OWNER_COUNT];
	uint64_t zone_free[PAGE_ZONES]; /* sums to count[PAGE_FREE] */
};

/* A run of usable pages; runs are ascending and do not overlap. */
struct page_run {
	uint64_t pfn, count;
};

/* Bytes of tables that these runs need. */
uint64_t page_core_bytes(const struct page_run *runs, size_t n);

/*
 * Set up tables at @memory (page_core_bytes() long, contents arbitrary) with no page in them; then
 * add runs, which lie within those that page_core_bytes() saw.
 */
void page_core_init(struct page_core *core, void *memory, const struct page_run *runs, size_t n);
void page_core_add(struct page_core *core, struct page_run run);

/*
 * First page of 2^order aligned pages that now belong to @owner; PFN_NONE when there are none. From
 * any zone, the plain one first; or from @zone only.
 */
pfn_t page_core_alloc(struct page_core *core, enum page_owner owner, unsigned order) MUST_CHECK;
pfn_t page_core_alloc_in(struct page_core *core, enum page_zone zone, enum page_owner owner,
			 unsigned order) MUST_CHECK;

/* The GiB @chunk is in @zone from now on, with all that is free in it. No such chunk: nothing. */
void page_core_set_zone(struct page_core *core, uint64_t chunk, enum page_zone zone);

/*
 * 2^order pages at @pfn go from one owner to another; to PAGE_FREE: they are free again. Returns 0,
 * or -EINVAL when a page of them is not there or not @from's: then nothing has changed.
 */
int page_core_give(struct page_core *core, pfn_t pfn, unsigned order, enum page_owner from,
		   enum page_owner to) MUST_CHECK;

/* Owner of a page, OWNER_ABSENT if it is not managed. */
uint8_t page_core_owner(const struct page_core *core, pfn_t pfn);

/* Walk everything and prove the invariants; NULL or what is wrong. For tests and `check`. */
const char *page_core_check(const struct page_core *core);

#endif
