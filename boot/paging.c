/*
 * paging.c - the page tables of the first minute: identity, direct map and the kernel image.
 *
 *   PML4[0..255]    identity: where the loader still runs
 *   PML4[256..]     the direct map: the same lower tables again
 *   PML4[511]       the kernel image at KERNEL_VIRT_BASE, in 2M pages
 *
 * Invariants
 *   - Every byte of the firmware's map is covered, in 1G pages where the CPU has them (2M below
 *     4 GiB, where devices and RAM mix), else in 2M pages and only for the GiB that hold anything.
 *   - Writable and executable throughout: the kernel's own tables tell permissions apart.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <cpuid.h>

#include "boot/boot.h"

#define PTE_PRESENT BIT64(0)
#define PTE_WRITE   BIT64(1)
#define PTE_LARGE   BIT64(7)
#define PTE_TABLE   (PTE_PRESENT | PTE_WRITE)
#define PTE_ADDR    BITS64(51, 12)
#define CR4_LA57    BIT64(12)
#define GIB_BITS    30
#define SMALL_GIBS  4 /* in 2M pages always */

/* Got while boot services live, for boot_paging_levels(). */
static uint64_t *mode_page, *pml5_page;

struct builder {
	const struct boot_ctx *ctx;
	uint64_t *pml4;
	bool has_1g;
	bool no_memory;
};

static uint64_t *new_table(struct builder *b)
{
	uint64_t *t = (uint64_t *)boot_alloc_low(b->ctx, PAGE_SIZE);

	b->no_memory |= !t;
	return t;
}

/* The table that @entry refers to, made when there is none; NULL without memory. */
static uint64_t *table_at(struct builder *b, uint64_t *entry)
{
	uint64_t *t;

	if (*entry)
		return (uint64_t *)(*entry & PTE_ADDR);
	t = new_table(b);
	if (t)
		*entry = (uint64_t)t | PTE_TABLE;
	return t;
}

static void map_gib(struct builder *b, uint64_t gib)
{
	uint64_t *pdpt, *pd, *entry;

	if (gib >= 256 * 512)
		return; /* beyond the identity half: the firmware names nothing we use there */
	pdpt = table_at(b, &b->pml4[gib / 512]);
	if (!pdpt)
		return;
	entry = &pdpt[gib % 512];
	if (*entry)
		return;
	if (b->has_1g && gib >= SMALL_GIBS) {
		*entry = (gib << GIB_BITS) | PTE_TABLE | PTE_LARGE;
		return;
	}
	pd = table_at(b, entry);
	for (uint64_t i = 0; pd && i < 512; i++)
		pd[i] = ((gib << GIB_BITS) + i * SIZE_2M) | PTE_TABLE | PTE_LARGE;
}

static void map_range(void *arg, UINT64 base, UINT64 size)
{
	struct builder *b = arg;

	for (uint64_t gib = base >> GIB_BITS; size && gib <= (base + size - 1) >> GIB_BITS; gib++) {
		map_gib(b, gib);
		if (b->no_memory)
			return;
	}
}

static void map_kernel(struct builder *b)
{
	uint64_t *pdpt = table_at(b, &b->pml4[KERNEL_VIRT_BASE >> 39 & 511]);
	uint64_t *pd = pdpt ? table_at(b, &pdpt[KERNEL_VIRT_BASE >> 30 & 511]) : NULL;
	const struct boot_info *bi = b->ctx->bi;

	for (uint64_t off = 0; pd && off < bi->kernel_bytes; off += SIZE_2M)
		pd[off / SIZE_2M] = (bi->kernel_hpa + off) | PTE_TABLE | PTE_LARGE;
}

static bool cpu_has_1g_pages(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000001, &a, &b, &c, &d) && (d & BIT32(26));
}

EFI_PHYSICAL_ADDRESS boot_paging(const struct boot_ctx *ctx)
{
	struct builder b = { .ctx = ctx, .has_1g = cpu_has_1g_pages() };

	b.pml4 = new_table(&b);
	if (!b.pml4)
		return 0;
	for (uint64_t gib = 0; gib < SMALL_GIBS; gib++)
		map_gib(&b, gib);
	if (EFI_ERROR(boot_memory_each(ctx, map_range, &b)))
		return 0;
	map_range(&b, ctx->bi->fb_hpa, ctx->bi->fb_bytes);
	/* The direct map of address A is A + DIRECT_MAP_BASE: the same tables, 256 entries up. */
	for (unsigned i = 0; i < 255; i++)
		b.pml4[256 + i] = b.pml4[i];
	map_kernel(&b);
	mode_page = new_table(&b);
	pml5_page = new_table(&b);
	return b.no_memory ? 0 : (EFI_PHYSICAL_ADDRESS)b.pml4;
}

/* Run the copy of boot_mode() in the low page. */
static void set_mode(uint64_t cr3, uint64_t cr4)
{
	__builtin_memcpy(mode_page, boot_mode_start, (size_t)(boot_mode_end - boot_mode_start));
	((boot_mode_fn)(uintptr_t)mode_page)(cr3, cr4, mode_page);
}

void boot_paging_levels(const struct boot_ctx *ctx, uint64_t cr3)
{
	uint64_t cr4 = boot_read_cr4();

#ifdef BOOT_TEST_LA57
	/* Stand in for a firmware with five levels: go up first. */
	pml5_page[0] = cr3 | PTE_TABLE;
	set_mode((uint64_t)pml5_page, cr4 | CR4_LA57);
	cr4 = boot_read_cr4();
#endif
	if (!(cr4 & CR4_LA57))
		return;
	set_mode(cr3, cr4 & ~CR4_LA57);
	boot_note(ctx->bi, "the firmware ran with 5-level paging: left", "");
}
