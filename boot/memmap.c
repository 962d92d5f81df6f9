/*
 * memmap.c - a firmware's memory map made orderly: ascending, no overlaps, joined.
 *
 * Invariants
 *   - Where two ranges overlap the usable one gives way: memory that anybody else may own is
 *     never handed out.
 *   - Works in place: leaving boot services needs no allocation.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/memmap.h"

/* UEFI specification, table "Memory Type Usage after ExitBootServices()". */
static const uint8_t kind_of_type[] = {
	BOOT_MEM_RESERVED,     /* EfiReservedMemoryType */
	BOOT_MEM_USABLE,       /* EfiLoaderCode: this program, finished when the kernel runs */
	BOOT_MEM_TAIN,         /* EfiLoaderData: ours alone */
	BOOT_MEM_USABLE,       /* EfiBootServicesCode */
	BOOT_MEM_USABLE,       /* EfiBootServicesData */
	BOOT_MEM_RUNTIME,      /* EfiRuntimeServicesCode */
	BOOT_MEM_RUNTIME,      /* EfiRuntimeServicesData */
	BOOT_MEM_USABLE,       /* EfiConventionalMemory */
	BOOT_MEM_UNUSABLE,     /* EfiUnusableMemory */
	BOOT_MEM_ACPI_RECLAIM, /* EfiACPIReclaimMemory */
	BOOT_MEM_ACPI_NVS,     /* EfiACPIMemoryNVS */
	BOOT_MEM_MMIO,         /* EfiMemoryMappedIO */
	BOOT_MEM_MMIO,         /* EfiMemoryMappedIOPortSpace */
	BOOT_MEM_RESERVED,     /* EfiPalCode */
	BOOT_MEM_RESERVED,     /* EfiPersistentMemory */
	BOOT_MEM_RESERVED,     /* EfiUnacceptedMemoryType */
};

enum boot_mem_kind memmap_kind(uint32_t type)
{
	return type < ARRAY_LEN(kind_of_type) ? kind_of_type[type] : BOOT_MEM_RESERVED;
}

/* Nearly sorted as a rule, so insertion is linear. */
static void sort(struct boot_mem *map, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct boot_mem m = map[i];
		size_t at = i;

		for (; at && map[at - 1].base > m.base; at--)
			map[at] = map[at - 1];
		map[at] = m;
	}
}

static uint64_t end_of(const struct boot_mem *m) { return m->base + m->size; }

/* Page-align inwards for usable memory, outwards for all else; an impossible range becomes empty.
 */
static void align(struct boot_mem *m)
{
	bool usable = m->kind == BOOT_MEM_USABLE;
	uint64_t base = usable ? align_up(m->base, PAGE_SIZE) : align_down(m->base, PAGE_SIZE);
	uint64_t end = m->base + m->size;

	if (end < m->base || end > ~UINT64_C(0) - PAGE_SIZE) {
		m->size = 0;
		return;
	}
	end = usable ? align_down(end, PAGE_SIZE) : align_up(end, PAGE_SIZE);
	m->base = base;
	m->size = end > base ? end - base : 0;
}

/* Drop what @m has below @from. */
static void begin_at(struct boot_mem *m, uint64_t from)
{
	m->size = end_of(m) > from ? end_of(m) - from : 0;
	m->base = from;
}

/*
 * Part @prev and @next, which began no lower before this pass moved anything. Where @prev is usable
 * it ends at @next (what is behind an inner @next is given up rather than split); else @next begins
 * at its end. So only ranges that gave way to unusable ones move up, and what a later range has
 * below @prev is covered by such a one.
 */
static void cut_overlap(struct boot_mem *prev, struct boot_mem *next)
{
	uint64_t end = end_of(prev);

	if (next->base < prev->base)
		begin_at(next, prev->base);
	if (!next->size || next->base >= end)
		return;
	if (prev->kind != BOOT_MEM_USABLE) {
		begin_at(next, end);
		return;
	}
	if (next->kind == BOOT_MEM_USABLE && end_of(next) < end)
		next->size = end - next->base;
	prev->size = next->base - prev->base;
}

static bool joins(const struct boot_mem *a, const struct boot_mem *b)
{
	return end_of(a) == b->base && a->kind == b->kind && a->attr == b->attr;
}

size_t memmap_tidy(struct boot_mem *map, size_t count)
{
	size_t out = 0;

	for (size_t i = 0; i < count; i++)
		align(&map[i]);
	sort(map, count);
	for (size_t i = 0; i < count; i++) {
		struct boot_mem m = map[i];

		if (!m.size)
			continue;
		/* An emptied predecessor uncovers the one before it, which ends no later than it.
		 */
		while (out) {
			cut_overlap(&map[out - 1], &m);
			if (map[out - 1].size)
				break;
			out--;
		}
		if (!m.size)
			continue;
		if (out && joins(&map[out - 1], &m))
			map[out - 1].size += m.size;
		else
			map[out++] = m;
	}
	return out;
}
