/*
 * root.h - the roots of an MMU: found by role, counted, put out of use, zapped later.
 *
 *     none --> valid (in mmu->root[], the MMU holds a reference) --> invalid (in mmu->retired)
 *                                                                       | zapped in passes
 *                                                                       v
 *                                                     freed when the last reference is dropped
 *
 * Invariants
 *   - A valid root has at least the MMU's own reference; a root without one is gone and no
 * reference to it can be had any more (rule F1).
 *   - Roots become invalid with the write side held, and what they map is dropped under the read
 *     side. No walk begins at an invalid root, and a vCPU that had it loaded was kicked and loads
 *     another before it enters again: so nothing in it owes a flush (rule E3).
 *   - All direct roots map the same slots. What is done to a range of the direct half is done in
 *     each valid one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_ROOT_H
#define TAIN_MMU_ROOT_H

#include "mmu/mmu.h"

static inline bool root_is_direct(unsigned root) { return root != MMU_MIRROR; }

/* Each direct root that is there; with the lock held. */
static inline unsigned direct_root_from(const struct mmu *mmu, unsigned root)
{
	while (root < MMU_ROOTS && (!root_is_direct(root) || !mmu->root[root]))
		root++;
	return root;
}

#define for_each_direct_root(mmu, r)                                          \
	for (unsigned r = direct_root_from((mmu), MMU_DIRECT); r < MMU_ROOTS; \
	     r = direct_root_from((mmu), r + 1))

/* A root of this role, with the MMU's own reference. NULL: out of memory. */
struct mmu_page *root_new(struct mmu *mmu, unsigned root) MUST_CHECK;

/* @fn for each table of the tree under @sp, @sp included, parents first. With the lock held. */
void tree_each(struct mmu *mmu, struct mmu_page *sp, void (*fn)(struct mmu_page *sp, void *arg),
	       void *arg);

/* The end of the MMU: nobody runs; the retired roots go, whoever forgot a reference. */
void roots_free_retired(struct mmu *mmu);

#endif
