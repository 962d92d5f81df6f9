/*
 * page_core.c - chunks and nodes of the page allocator: taking blocks out and giving them back.
 *
 * Keeps the invariants of page_core.h. Level 1 nodes have slots of 512 pages, level 0 of one page;
 * the node of chunk c is node[dense * 513], that of its 2 MiB slot s is node[dense * 513 + 1 + s].
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/page_core.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/page_node.h"

/* --- lists of nodes by their best order ---------------------------------------------------- */

static unsigned node_level(uint32_t id) { return id % NODES_PER_CHUNK == 0 ? 1 : 0; }

/* Where a node of this place in memory is listed, by its best order. */
static uint32_t *node_lists(struct page_core *c, uint32_t id)
{
	return c->list[c->chunk[c->node[id].first_pfn >> CHUNK_ORDER].zone][node_level(id)];
}

static void list_remove(struct page_core *c, uint32_t id)
{
	struct page_node *n = &c->node[id];

	if (n->best < 0)
		return;
	if (n->prev != NODE_NIL)
		c->node[n->prev].next = n->next;
	else
		node_lists(c, id)[n->best] = n->next;
	if (n->next != NODE_NIL)
		c->node[n->next].prev = n->prev;
	n->best = -1;
}

/* Put the node where its best order belongs. */
static void list_update(struct page_core *c, uint32_t id)
{
	struct page_node *n = &c->node[id];
	int best = node_best_order(n);

	if (best == n->best)
		return;
	list_remove(c, id);
	if (best < 0)
		return;
	uint32_t *head = &node_lists(c, id)[best];

	n->best = (int16_t)best;
	n->prev = NODE_NIL;
	n->next = *head;
	if (*head != NODE_NIL)
		c->node[*head].prev = id;
	*head = id;
}

/* --- nodes --------------------------------------------------------------------------------- */

static uint32_t chunk_node(const struct page_core *c, uint64_t chunk)
{
	return c->chunk[chunk].dense * NODES_PER_CHUNK;
}

/* Start using the node of a whole chunk, all of whose slots belong to @owner. */
static uint32_t chunk_split(struct page_core *c, uint64_t chunk, uint8_t owner)
{
	uint32_t id = chunk_node(c, chunk);

	node_reset(&c->node[id], owner);
	c->node[id].first_pfn = chunk << CHUNK_ORDER;
	c->chunk[chunk].owner = OWNER_SPLIT;
	return id;
}

static uint32_t slot_split(struct page_core *c, uint32_t parent, unsigned slot, uint8_t owner)
{
	uint32_t id = parent + 1 + slot;

	node_reset(&c->node[id], owner);
	c->node[id].first_pfn = c->node[parent].first_pfn + slot * (uint64_t)NODE_SLOTS;
	c->node[parent].owner[slot] = OWNER_SPLIT;
	return id;
}

static void chunk_push_free(struct page_core *c, uint64_t chunk)
{
	uint32_t *head = &c->free_chunks[c->chunk[chunk].zone];

	c->chunk[chunk].owner = PAGE_FREE;
	c->chunk[chunk].next = *head;
	*head = (uint32_t)chunk;
}

/* Level 1 node @id gained free slots: back to the chunk table if it is all free now. */
static void settle_chunk(struct page_core *c, uint32_t id)
{
	if (node_all_free(&c->node[id])) {
		list_remove(c, id);
		chunk_push_free(c, c->node[id].first_pfn >> CHUNK_ORDER);
	} else {
		list_update(c, id);
	}
}

/* Level 0 node of @slot of @parent gained free slots: back to the parent if it is all free now. */
static void settle_slot(struct page_core *c, uint32_t parent, unsigned slot)
{
	uint32_t id = parent + 1 + slot;

	if (node_all_free(&c->node[id])) {
		list_remove(c, id);
		node_free(&c->node[parent], slot, 0);
		settle_chunk(c, parent);
	} else {
		list_update(c, id);
	}
}

/* --- size and start ------------------------------------------------------------------------ */

static uint64_t runs_chunks(const struct page_run *runs, size_t n)
{
	return n ? (runs[n - 1].pfn + runs[n - 1].count + CHUNK_PAGES - 1) >> CHUNK_ORDER : 0;
}

static uint64_t runs_dense(const struct page_run *runs, size_t n)
{
	uint64_t dense = 0, next = 0; /* next: first chunk not counted yet */

	for (size_t i = 0; i < n; i++) {
		uint64_t first = runs[i].pfn >> CHUNK_ORDER;
		uint64_t end = (runs[i].pfn + runs[i].count + CHUNK_PAGES - 1) >> CHUNK_ORDER;

		if (first < next)
			first = next;
		if (end > first) {
			dense += end - first;
			next = end;
		}
	}
	return dense;
}

static uint64_t chunk_table_bytes(uint64_t chunks)
{
	return align_up(chunks * sizeof(struct page_chunk), 64);
}

uint64_t page_core_bytes(const struct page_run *runs, size_t n)
{
	return chunk_table_bytes(runs_chunks(runs, n)) +
	       runs_dense(runs, n) * NODES_PER_CHUNK * sizeof(struct page_node);
}

void page_core_init(struct page_core *c, void *memory, const struct page_run *runs, size_t n)
{
	memset(c, 0, sizeof(*c));
	c->chunk_count = (uint32_t)runs_chunks(runs, n);
	c->dense_max = (uint32_t)runs_dense(runs, n);
	c->chunk = memory;
	c->node = (void *)((char *)memory + chunk_table_bytes(c->chunk_count));
	for (unsigned zone = 0; zone < PAGE_ZONES; zone++) {
		c->free_chunks[zone] = NODE_NIL;
		for (unsigned level = 0; level < 2; level++)
			for (unsigned k = 0; k < NODE_ORDERS; k++)
				c->list[zone][level][k] = NODE_NIL;
	}
	for (uint32_t i = 0; i < c->chunk_count; i++)
		c->chunk[i] =
			(struct page_chunk){ NODE_NIL, NODE_NIL, OWNER_ABSENT, ZONE_PLAIN };
}

/* The level 1 node of @chunk, with everything absent if the chunk is seen for the first time. */
static uint32_t chunk_touch(struct page_core *c, uint64_t chunk)
{
	assert(chunk < c->chunk_count);
	if (c->chunk[chunk].dense == NODE_NIL) {
		assert(c->dense_count < c->dense_max);
		c->chunk[chunk].dense = c->dense_count++;
		return chunk_split(c, chunk, OWNER_ABSENT);
	}
	assert(c->chunk[chunk].owner == OWNER_SPLIT);
	return chunk_node(c, chunk);
}

/* Add [pfn, pfn + count), all within one 2 MiB slot and less than it. */
static void add_pages(struct page_core *c, uint64_t pfn, uint64_t count)
{
	uint32_t parent = chunk_touch(c, pfn >> CHUNK_ORDER);
	unsigned slot = (unsigned)(pfn / NODE_SLOTS % NODE_SLOTS);

	if (c->node[parent].owner[slot] == OWNER_ABSENT)
		slot_split(c, parent, slot, OWNER_ABSENT);
	assert(c->node[parent].owner[slot] == OWNER_SPLIT);
	node_free_run(&c->node[parent + 1 + slot], (unsigned)(pfn % NODE_SLOTS), (unsigned)count);
	settle_slot(c, parent, slot);
}

/* Add whole 2 MiB slots within one chunk and less than it. */
static void add_slots(struct page_core *c, uint64_t pfn, uint64_t slots)
{
	uint32_t id = chunk_touch(c, pfn >> CHUNK_ORDER);

	node_free_run(&c->node[id], (unsigned)(pfn / NODE_SLOTS % NODE_SLOTS), (unsigned)slots);
	settle_chunk(c, id);
}

static void add_chunk(struct page_core *c, uint64_t chunk)
{
	assert(chunk < c->chunk_count && c->dense_count < c->dense_max);
	assert(c->chunk[chunk].dense == NODE_NIL);
	c->chunk[chunk].dense = c->dense_count++;
	chunk_push_free(c, chunk);
}

/* Pages from @pfn up to the next multiple of @unit, at most @count. */
static uint64_t up_to_boundary(uint64_t pfn, uint64_t count, uint64_t unit)
{
	uint64_t left = unit - pfn % unit;

	return left < count ? left : count;
}

void page_core_add(struct page_core *c, struct page_run run)
{
	c->count[PAGE_FREE] += run.count;
	c->zone_free[ZONE_PLAIN] += run.count;
	while (run.count) {
		uint64_t n = up_to_boundary(run.pfn, run.count, NODE_SLOTS);

		if (n < NODE_SLOTS) {
			add_pages(c, run.pfn, n);
		} else if (run.pfn % CHUNK_PAGES == 0 && run.count >= CHUNK_PAGES) {
			n = CHUNK_PAGES;
			add_chunk(c, run.pfn >> CHUNK_ORDER);
		} else {
			n = up_to_boundary(run.pfn, align_down(run.count, NODE_SLOTS), CHUNK_PAGES);
			add_slots(c, run.pfn, n / NODE_SLOTS);
		}
		run.pfn += n;
		run.count -= n;
	}
}

/* --- taking -------------------------------------------------------------------------------- */

static int64_t chunk_pop(struct page_core *c, enum page_zone zone, uint8_t owner)
{
	uint32_t chunk = c->free_chunks[zone];

	if (chunk == NODE_NIL)
		return -1;
	c->free_chunks[zone] = c->chunk[chunk].next;
	c->chunk[chunk].owner = owner;
	return chunk;
}

/* A node of @level with a free block of @order: the one that fits tightest. NODE_NIL: none. */
static uint32_t find_node(const struct page_core *c, enum page_zone zone, unsigned level,
			  unsigned order)
{
	for (unsigned k = order; k < NODE_ORDERS; k++)
		if (c->list[zone][level][k] != NODE_NIL)
			return c->list[zone][level][k];
	return NODE_NIL;
}

static pfn_t take_from(struct page_core *c, uint32_t id, uint8_t owner, unsigned order)
{
	struct page_node *n = &c->node[id];
	int slot = node_alloc(n, owner, order);

	assert(slot >= 0);
	list_update(c, id);
	return (pfn_t){ n->first_pfn + ((uint64_t)slot << (node_level(id) ? 9 : 0)) };
}

static uint32_t fresh_chunk_node(struct page_core *c, enum page_zone zone)
{
	int64_t chunk = chunk_pop(c, zone, OWNER_SPLIT);

	if (chunk < 0)
		return NODE_NIL;
	uint32_t id = chunk_split(c, (uint64_t)chunk, PAGE_FREE);

	node_free_run(&c->node[id], 0, NODE_SLOTS);
	return id;
}

static pfn_t take_slots(struct page_core *c, enum page_zone zone, uint8_t owner, unsigned order)
{
	uint32_t id = find_node(c, zone, 1, order);

	if (id == NODE_NIL)
		id = fresh_chunk_node(c, zone);
	return id == NODE_NIL ? PFN_NONE : take_from(c, id, owner, order);
}

static pfn_t take_pages(struct page_core *c, enum page_zone zone, uint8_t owner, unsigned order)
{
	uint32_t id = find_node(c, zone, 0, order);

	if (id == NODE_NIL) {
		pfn_t whole = take_slots(c, zone, OWNER_SPLIT, 0);

		if (pfn_is_none(whole))
			return PFN_NONE;
		id = slot_split(c, chunk_node(c, whole.v >> CHUNK_ORDER),
				(unsigned)(whole.v / NODE_SLOTS % NODE_SLOTS), PAGE_FREE);
		node_free_run(&c->node[id], 0, NODE_SLOTS);
	}
	return take_from(c, id, owner, order);
}

static pfn_t take_chunk(struct page_core *c, enum page_zone zone, uint8_t owner)
{
	int64_t chunk = chunk_pop(c, zone, owner);

	return chunk < 0 ? PFN_NONE : (pfn_t){ (uint64_t)chunk << CHUNK_ORDER };
}

pfn_t page_core_alloc_in(struct page_core *c, enum page_zone zone, enum page_owner owner,
			 unsigned order)
{
	pfn_t pfn = PFN_NONE;

	assert(owner > PAGE_FREE && owner < PAGE_OWNER_COUNT);
	if (order < NODE_ORDERS)
		pfn = take_pages(c, zone, (uint8_t)owner, order);
	else if (order < CHUNK_ORDER)
		pfn = take_slots(c, zone, (uint8_t)owner, order - 9);
	else if (order == CHUNK_ORDER)
		pfn = take_chunk(c, zone, (uint8_t)owner);
	if (!pfn_is_none(pfn)) {
		c->count[PAGE_FREE] -= UINT64_C(1) << order;
		c->zone_free[zone] -= UINT64_C(1) << order;
		c->count[owner] += UINT64_C(1) << order;
	}
	return pfn;
}

pfn_t page_core_alloc(struct page_core *c, enum page_owner owner, unsigned order)
{
	pfn_t pfn = PFN_NONE;

	for (unsigned zone = 0; zone < PAGE_ZONES && pfn_is_none(pfn); zone++)
		pfn = page_core_alloc_in(c, (enum page_zone)zone, owner, order);
	return pfn;
}

/* --- zones --------------------------------------------------------------------------------- */

static uint64_t node_free_slots(const struct page_node *n)
{
	uint64_t slots = 0;

	for (unsigned k = 0; k < NODE_ORDERS; k++)
		slots += (uint64_t)n->free_blocks[k] << k;
	return slots;
}

static void unlink_free_chunk(struct page_core *c, uint64_t chunk)
{
	uint32_t *at = &c->free_chunks[c->chunk[chunk].zone];

	while (*at != chunk)
		at = &c->chunk[*at].next;
	*at = c->chunk[chunk].next;
}

/* Out of their lists: the nodes of a split chunk. Returns the free pages in them. */
static uint64_t unlist_nodes(struct page_core *c, uint32_t id)
{
	uint64_t pages = node_free_slots(&c->node[id]) * NODE_SLOTS;

	list_remove(c, id);
	for (unsigned i = 0; i < NODE_SLOTS; i++)
		if (c->node[id].owner[i] == OWNER_SPLIT) {
			pages += node_free_slots(&c->node[id + 1 + i]);
			list_remove(c, id + 1 + i);
		}
	return pages;
}

static void list_nodes(struct page_core *c, uint32_t id)
{
	list_update(c, id);
	for (unsigned i = 0; i < NODE_SLOTS; i++)
		if (c->node[id].owner[i] == OWNER_SPLIT)
			list_update(c, id + 1 + i);
}

void page_core_set_zone(struct page_core *c, uint64_t chunk, enum page_zone zone)
{
	uint64_t pages = 0;

	if (chunk >= c->chunk_count || c->chunk[chunk].zone == zone)
		return;
	unsigned was = c->chunk[chunk].zone;

	if (c->chunk[chunk].owner == OWNER_SPLIT) {
		uint32_t id = chunk_node(c, chunk);

		pages = unlist_nodes(c, id);
		c->chunk[chunk].zone = (uint8_t)zone;
		list_nodes(c, id);
	} else if (c->chunk[chunk].owner == PAGE_FREE) {
		pages = CHUNK_PAGES;
		unlink_free_chunk(c, chunk);
		c->chunk[chunk].zone = (uint8_t)zone;
		chunk_push_free(c, chunk);
	} else {
		c->chunk[chunk].zone = (uint8_t)zone;
	}
	c->zone_free[was] -= pages;
	c->zone_free[zone] += pages;
}

/* --- giving -------------------------------------------------------------------------------- */

static bool slots_belong(const struct page_core *c, uint32_t id, unsigned slot, unsigned count,
			 uint8_t owner)
{
	for (unsigned i = slot; i < slot + count; i++) {
		uint8_t o = c->node[id].owner[i];

		if (o == owner)
			continue;
		if (o != OWNER_SPLIT || !slots_belong(c, id + 1 + i, 0, NODE_SLOTS, owner))
			return false;
	}
	return true;
}

/* Do all 2^order pages at @pfn belong to @owner? */
static bool pages_belong(const struct page_core *c, uint64_t pfn, unsigned order, uint8_t owner)
{
	uint64_t chunk = pfn >> CHUNK_ORDER;

	if (order > CHUNK_ORDER || !is_aligned(pfn, UINT64_C(1) << order) ||
	    chunk >= c->chunk_count)
		return false;
	if (c->chunk[chunk].owner != OWNER_SPLIT)
		return c->chunk[chunk].owner == owner;
	uint32_t id = chunk_node(c, chunk);
	unsigned slot = (unsigned)(pfn / NODE_SLOTS % NODE_SLOTS);

	if (order >= 9)
		return slots_belong(c, id, slot, 1u << (order - 9), owner);
	if (c->node[id].owner[slot] != OWNER_SPLIT)
		return c->node[id].owner[slot] == owner;
	return slots_belong(c, id + 1 + slot, (unsigned)(pfn % NODE_SLOTS), 1u << order, owner);
}

/* Less than a 2 MiB slot. */
static void give_pages(struct page_core *c, uint32_t parent, uint64_t pfn, unsigned order,
		       uint8_t from, uint8_t to)
{
	unsigned slot = (unsigned)(pfn / NODE_SLOTS % NODE_SLOTS), page = pfn % NODE_SLOTS;
	uint32_t id = parent + 1 + slot;

	if (c->node[parent].owner[slot] != OWNER_SPLIT)
		slot_split(c, parent, slot, from);
	if (to != PAGE_FREE) {
		memset(c->node[id].owner + page, to, (size_t)1 << order);
		return;
	}
	node_free(&c->node[id], page, order);
	settle_slot(c, parent, slot);
}

/* Whole 2 MiB slots of one chunk; one that is split gives up its node. */
static void give_slots(struct page_core *c, uint32_t id, unsigned slot, unsigned order, uint8_t to)
{
	for (unsigned i = slot; i < slot + (1u << order); i++)
		if (c->node[id].owner[i] == OWNER_SPLIT)
			list_remove(c, id + 1 + i);
	if (to != PAGE_FREE) {
		memset(c->node[id].owner + slot, to, (size_t)1 << order);
		return;
	}
	node_free_run(&c->node[id], slot, 1u << order);
	settle_chunk(c, id);
}

static void give_chunk(struct page_core *c, uint64_t chunk, uint8_t to)
{
	if (c->chunk[chunk].owner == OWNER_SPLIT)
		list_remove(c, chunk_node(c, chunk));
	if (to == PAGE_FREE)
		chunk_push_free(c, chunk);
	else
		c->chunk[chunk].owner = to;
}

int page_core_give(struct page_core *c, pfn_t pfn, unsigned order, enum page_owner from,
		   enum page_owner to)
{
	uint64_t chunk = pfn.v >> CHUNK_ORDER;

	if (from == PAGE_FREE || from == to || !pages_belong(c, pfn.v, order, (uint8_t)from))
		return -EINVAL;

	/* Nothing below can fail. */
	if (order == CHUNK_ORDER) {
		give_chunk(c, chunk, (uint8_t)to);
	} else {
		uint32_t id = c->chunk[chunk].owner == OWNER_SPLIT
				      ? chunk_node(c, chunk)
				      : chunk_split(c, chunk, (uint8_t)from);
		if (order >= 9)
			give_slots(c, id, (unsigned)(pfn.v / NODE_SLOTS % NODE_SLOTS), order - 9,
				   (uint8_t)to);
		else
			give_pages(c, id, pfn.v, order, (uint8_t)from, (uint8_t)to);
	}
	c->count[from] -= UINT64_C(1) << order;
	c->count[to] += UINT64_C(1) << order;
	if (to == PAGE_FREE)
		c->zone_free[c->chunk[chunk].zone] += UINT64_C(1) << order;
	return 0;
}

/* --- asking -------------------------------------------------------------------------------- */

uint8_t page_core_owner(const struct page_core *c, pfn_t pfn)
{
	uint64_t chunk = pfn.v >> CHUNK_ORDER;

	if (chunk >= c->chunk_count)
		return OWNER_ABSENT;
	if (c->chunk[chunk].owner != OWNER_SPLIT)
		return c->chunk[chunk].owner;
	uint32_t id = chunk_node(c, chunk);
	unsigned slot = (unsigned)(pfn.v / NODE_SLOTS % NODE_SLOTS);

	if (c->node[id].owner[slot] != OWNER_SPLIT)
		return c->node[id].owner[slot];
	return c->node[id + 1 + slot].owner[pfn.v % NODE_SLOTS];
}

static const char *check_node(const struct page_core *c, uint32_t id, uint64_t *count)
{
	const struct page_node *n = &c->node[id];
	uint64_t pages = node_level(id) ? NODE_SLOTS : 1;
	const char *wrong = node_check(n);

	if (!wrong && node_all_free(n))
		wrong = "a free node was not given back";
	for (unsigned i = 0; i < NODE_SLOTS && !wrong; i++) {
		if (n->owner[i] == OWNER_SPLIT)
			wrong = pages == 1 ? "a page is split" : check_node(c, id + 1 + i, count);
		else if (n->owner[i] < PAGE_OWNER_COUNT)
			count[n->owner[i]] += pages;
		else if (n->owner[i] != OWNER_ABSENT)
			wrong = "an owner byte is no owner";
	}
	return wrong;
}

const char *page_core_check(const struct page_core *c)
{
	uint64_t count[PAGE_OWNER_COUNT] = { 0 }, zone_free[PAGE_ZONES] = { 0 };

	for (uint32_t i = 0; i < c->chunk_count; i++) {
		uint64_t before = count[PAGE_FREE];
		const char *wrong = NULL;

		if (c->chunk[i].owner == OWNER_SPLIT)
			wrong = check_node(c, chunk_node(c, i), count);
		else if (c->chunk[i].owner < PAGE_OWNER_COUNT)
			count[c->chunk[i].owner] += CHUNK_PAGES;
		if (wrong)
			return wrong;
		zone_free[c->chunk[i].zone] += count[PAGE_FREE] - before;
	}
	if (memcmp(zone_free, c->zone_free, sizeof(zone_free)))
		return "counts by zone are wrong";
	return memcmp(count, c->count, sizeof(count)) == 0 ? NULL : "counts by owner are wrong";
}
