/*
 * page_node.h - the buddy system over the 512 slots of one node.
 *
 * Invariants
 *   - A bit of order k set in node->free means: the 2^k slots there are free, and their buddy of the
 *     same size is not (or k is the largest order). free_blocks[k] counts these bits.
 *   - Owner bytes of free slots are PAGE_FREE. Lists and best are kept by page_core.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_PAGE_NODE_H
#define TAIN_MACHINE_PAGE_NODE_H

#include "kernel/machine/page_core.h"

/* Nothing free; every slot belongs to @owner. */
void node_reset(struct page_node *n, uint8_t owner);

/* Slot of a block of @order for @owner, or -1 when none is free. */
int node_alloc(struct page_node *n, uint8_t owner, unsigned order);

/* Make 2^order slots at @slot free, whatever their owner, and join buddies. */
void node_free(struct page_node *n, unsigned slot, unsigned order);

/* Make the slots [slot, slot + count) free, in the largest aligned pieces. */
void node_free_run(struct page_node *n, unsigned slot, unsigned count);

bool node_all_free(const struct page_node *n);
int node_best_order(const struct page_node *n);

/* Does the free bitmap agree with the owner bytes? */
const char *node_check(const struct page_node *n);

#endif
