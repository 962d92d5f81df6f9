/*
 * paging.h - the format of the CPU's 4-level page tables.
 *
 * Bits: SDM volume 3A, "Format of a Page-Table Entry that Maps a 4-KByte Page" and following.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_PAGING_H
#define TAIN_MACHINE_PAGING_H

#include "kernel/machine/port.h"

#define PTE_PRESENT  BIT64(0)
#define PTE_WRITE    BIT64(1)
#define PTE_PWT      BIT64(3)
#define PTE_PCD      BIT64(4)
#define PTE_ACCESSED BIT64(5)
#define PTE_DIRTY    BIT64(6)
#define PTE_LARGE    BIT64(7)
#define PTE_ADDRESS  BITS64(51, 12)
#define PTE_NX       BIT64(63)

#define PAGING_ENTRIES 512

static inline unsigned paging_index(uint64_t address, int level)
{
	return (unsigned)(address >> (PAGE_SHIFT + 9 * (level - 1))) % PAGING_ENTRIES;
}

/* The entry of @address at @leaf level; @descend makes or refuses tables on the way. */
static inline uint64_t *paging_slot(hpa_t pml4, uint64_t address, int leaf,
				    uint64_t *(*descend)(uint64_t *entry))
{
	uint64_t *table = hpa_to_ptr(pml4);

	for (int level = LEVEL_512G; level > leaf; level--) {
		table = descend(&table[paging_index(address, level)]);
		if (!table)
			return NULL;
	}
	return &table[paging_index(address, leaf)];
}

#endif
