/*
 * page_node.c - buddy bitmaps of one node, packed into 1024 bits.
 *
 * Order k has 512 >> k bits. Orders 0 to 3 fill words 0-7, 8-11, 12-13 and 14; orders 4 to 8 share
 * word 15 as 32, 16, 8, 4 and 2 bits. So the bit of a block stands at order_base[k] + slot >> k.
 *
 * Keeps the invariants of page_node.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/page_node.h"

#include <string.h>

#define TOP_ORDER (NODE_ORDERS - 1)

static const uint16_t order_base[NODE_ORDERS] = { 0, 512, 768, 896, 960, 992, 1008, 1016, 1020 };

static bool test_bit(const struct page_node *n, unsigned bit)
{
	return (n->free[bit / 64] & BIT64(bit % 64)) != 0;
}

static void block_set(struct page_node *n, unsigned slot, unsigned order)
{
	unsigned bit = order_base[order] + (slot >> order);

	n->free[bit / 64] |= BIT64(bit % 64);
	n->free_blocks[order]++;
}

static void block_clear(struct page_node *n, unsigned slot, unsigned order)
{
	unsigned bit = order_base[order] + (slot >> order);

	n->free[bit / 64] &= ~BIT64(bit % 64);
	n->free_blocks[order]--;
}

/* Lowest free block of exactly @order, which has one. */
static unsigned first_block(const struct page_node *n, unsigned order)
{
	unsigned word = order_base[order] / 64;
	uint64_t bits = n->free[word] >> (order_base[order] % 64);

	if (order >= 4)
		bits &= BITS64((512u >> order) - 1, 0);
	unsigned skipped = 0;

	while (!bits) {
		bits = n->free[++word];
		skipped += 64;
	}
	return (skipped + (unsigned)__builtin_ctzll(bits)) << order;
}

void node_reset(struct page_node *n, uint8_t owner)
{
	memset(n->free, 0, sizeof(n->free));
	memset(n->free_blocks, 0, sizeof(n->free_blocks));
	memset(n->owner, owner, sizeof(n->owner));
	n->best = -1;
	n->next = n->prev = NODE_NIL;
}

int node_alloc(struct page_node *n, uint8_t owner, unsigned order)
{
	unsigned k = order;

	while (k < NODE_ORDERS && !n->free_blocks[k])
		k++;
	if (k == NODE_ORDERS)
		return -1;
	unsigned slot = first_block(n, k);

	block_clear(n, slot, k);
	while (k > order) {
		k--;
		block_set(n, slot + (1u << k), k);
	}
	memset(n->owner + slot, owner, (size_t)1 << order);
	return (int)slot;
}

void node_free(struct page_node *n, unsigned slot, unsigned order)
{
	memset(n->owner + slot, PAGE_FREE, (size_t)1 << order);
	while (order < TOP_ORDER) {
		unsigned buddy = slot ^ (1u << order);

		if (!test_bit(n, order_base[order] + (buddy >> order)))
			break;
		block_clear(n, buddy, order);
		slot &= ~(1u << order);
		order++;
	}
	block_set(n, slot, order);
}

void node_free_run(struct page_node *n, unsigned slot, unsigned count)
{
	while (count) {
		unsigned order = slot ? (unsigned)__builtin_ctz(slot) : TOP_ORDER;

		if (order > TOP_ORDER)
			order = TOP_ORDER;
		while ((1u << order) > count)
			order--;
		node_free(n, slot, order);
		slot += 1u << order;
		count -= 1u << order;
	}
}

bool node_all_free(const struct page_node *n) { return n->free_blocks[TOP_ORDER] == 2; }

int node_best_order(const struct page_node *n)
{
	for (int k = TOP_ORDER; k >= 0; k--)
		if (n->free_blocks[k])
			return k;
	return -1;
}

const char *node_check(const struct page_node *n)
{
	uint8_t seen[NODE_SLOTS] = { 0 };

	for (unsigned k = 0; k < NODE_ORDERS; k++) {
		unsigned blocks = 0;

		for (unsigned slot = 0; slot < NODE_SLOTS; slot += 1u << k) {
			if (!test_bit(n, order_base[k] + (slot >> k)))
				continue;
			blocks++;
			if (k < TOP_ORDER && test_bit(n, order_base[k] + ((slot ^ (1u << k)) >> k)))
				return "two free buddies were not joined";
			for (unsigned i = 0; i < 1u << k; i++)
				if (seen[slot + i]++)
					return "a slot is free twice";
		}
		if (blocks != n->free_blocks[k])
			return "the count of free blocks is wrong";
	}
	for (unsigned slot = 0; slot < NODE_SLOTS; slot++)
		if ((n->owner[slot] == PAGE_FREE) != (seen[slot] == 1))
			return "owner and free bitmap disagree";
	return n->best == node_best_order(n) ? NULL : "best order is stale";
}
