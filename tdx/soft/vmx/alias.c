/*
 * alias.c - all RAM at a second address that only the software module knows, so that it reaches
 * private pages after they left the host's direct map.
 *
 * Invariants
 *   - Only RAM is mapped: a large page is used where all of it is RAM, smaller ones at the edges,
 *     so no device memory is ever cached by accident.
 *   - Written once at start, one root entry for everything; never changed afterwards, so nobody
 *     has to drop translations.
 *   - Writable and not executable.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/boot_info.h"
#include "kernel/base/log.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "tdx/soft/vmx/soft_vmx.h"

#define PTE_P     BIT64(0)
#define PTE_W     BIT64(1)
#define PTE_PS    BIT64(7)
#define PTE_NX    BIT64(63)
#define PTE_HPA   BITS64(51, 12)
#define PTE_LEAF  (PTE_P | PTE_W | PTE_NX | BIT64(5) | BIT64(6))
#define PTE_TABLE (PTE_P | PTE_W | BIT64(5))

static int top_leaf; /* LEVEL_1G or LEVEL_2M: the largest page of this CPU */

static bool is_ram(uint32_t kind)
{
	return kind != BOOT_MEM_MMIO && kind != BOOT_MEM_RESERVED && kind != BOOT_MEM_UNUSABLE;
}

static unsigned index_of(uint64_t at, int level)
{
	return (unsigned)(at >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

/* The table below entry @index of @table, made if it is not there; NULL: no memory. */
static uint64_t *table_below(uint64_t *table, unsigned index)
{
	if (!(table[index] & PTE_P)) {
		hpa_t page = page_alloc(PAGE_SOFT);

		if (hpa_is_none(page))
			return NULL;
		table[index] = page.v | PTE_TABLE;
	}
	return hpa_to_ptr((hpa_t){ table[index] & PTE_HPA });
}

static int map_page(uint64_t *root, uint64_t hpa, int leaf)
{
	uint64_t *table = root;

	for (int level = LEVEL_512G; level > leaf; level--) {
		table = table_below(table, index_of(ALIAS_BASE + hpa, level));
		if (!table)
			return -ENOMEM;
	}
	table[index_of(ALIAS_BASE + hpa, leaf)] = hpa | PTE_LEAF | (leaf > LEVEL_4K ? PTE_PS : 0);
	return 0;
}

static int map_range(uint64_t *root, uint64_t base, uint64_t end)
{
	while (base < end) {
		int leaf = top_leaf;

		while (leaf > LEVEL_4K && (!is_aligned(base, level_size(leaf)) ||
					   end - base < level_size(leaf)))
			leaf--;
		if (map_page(root, base, leaf))
			return -ENOMEM;
		base += level_size(leaf);
	}
	return 0;
}

int alias_init(void)
{
	uint64_t *root = hpa_to_ptr((hpa_t){ kernel_cr3() & PTE_HPA });
	size_t count;
	const struct boot_mem *map = boot_mem_map(&count);

	top_leaf = (cpuid(0x80000001, 0).edx & BIT32(26)) ? LEVEL_1G : LEVEL_2M;
	for (size_t i = 0; i < count;) {
		uint64_t base = map[i].base, end = base;

		/* Neighbours are mapped as one: pages at their border stay large. */
		for (; i < count && map[i].base == end && is_ram(map[i].kind); i++)
			end += map[i].size;
		if (base == end) {
			i++;
			continue;
		}
		if (map_range(root, base, end)) {
			log_error("soft: no memory for the alias of %#llx",
				  (unsigned long long)base);
			return -ENOMEM;
		}
	}
	return 0;
}
