/*
 * page_fault.h - the allocator fails on demand: memory exhaustion at the n-th allocation.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_PAGE_FAULT_H
#define TAIN_MACHINE_PAGE_FAULT_H

#include "kernel/base/dice.h"

/* From now on allocations of pages and of heap memory fail as @rule says (nth 0: none). Boot CPU. */
void page_fault_set(const struct dice *rule);
void page_fault_get(struct dice *out);

/* For the allocators: does this one fail? */
bool page_fault_hit(void);

#endif
