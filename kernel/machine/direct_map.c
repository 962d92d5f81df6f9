/*
 * direct_map.c - the kernel's own page tables, built once, and the pages that leave them.
 *
 * Invariants (beside those of direct_map.h)
 *   - The upper half's top-level entries are all made at start, so that tables which share them
 *     (the AP trampoline's, the one for firmware calls) stay in step for ever.
 *   - A direct-map entry changes by compare-and-exchange; a large page is split by filling a whole
 *     table first and then putting it in its place. Tables are never taken out again.
 *   - A hidden page's entry is PTE_HIDDEN | address: not present, and telling why.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/direct_map.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/base/boot_info.h"
#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/paging.h"
#include "kernel/machine/room.h"

#define PF_PRESENT BIT64(0) /* error code: not a missing page but a forbidden access */
#define PF_WRITE   BIT64(1)

#define PTE_HIDDEN BIT64(9) /* ignored by the CPU; only in entries that are not present */

#define STACK_STRIDE    (UINT64_C(64) << 10)
#define STACK_BYTES_ALL (UINT64_C(4) * CPU_MAX * STACK_STRIDE)

#define EFI_RUNTIME_MMIO 11 /* EfiMemoryMappedIO: a device that runtime services use */

static struct {
	hpa_t pml4, efi_pml4;
	bool huge; /* 1 GiB pages */
	uint64_t mmio_next;
	spinlock_t mmio_lock;
	uint64_t generation; /* raised by each hide */

	spinlock_t pool_lock; /* interrupts off */
	hpa_t pool;           /* next table of the current piece */
	uint64_t pool_left, pool_total;
	unsigned pool_pieces;
	hpa_t pool_piece[64];
	uint64_t pool_piece_pages[64];
} map = { .pml4 = { ~UINT64_C(0) }, .efi_pml4 = { ~UINT64_C(0) }, .mmio_next = MMIO_MAP_BASE };

/* --- building ------------------------------------------------------------------------------ */

static uint64_t *table_of(uint64_t entry) { return hpa_to_ptr((hpa_t){ entry & PTE_ADDRESS }); }

/* The table below @entry, made if there is none. NULL: out of memory. */
static uint64_t *descend(uint64_t *entry)
{
	if (!(*entry & PTE_PRESENT)) {
		hpa_t t = page_alloc(PAGE_TABLES);

		if (hpa_is_none(t))
			return NULL;
		*entry = t.v | PTE_PRESENT | PTE_WRITE;
	}
	return table_of(*entry);
}

/* Largest level at which both addresses and the length allow one entry. */
static int fitting_level(uint64_t virt, uint64_t hpa, uint64_t bytes)
{
	if (map.huge && is_aligned(virt | hpa, SIZE_1G) && bytes >= SIZE_1G)
		return LEVEL_1G;
	return is_aligned(virt | hpa, SIZE_2M) && bytes >= SIZE_2M ? LEVEL_2M : LEVEL_4K;
}

/* Map into @pml4; -ENOMEM leaves a part mapped. Entries that exist are overwritten. */
static int map_range(hpa_t pml4, uint64_t virt, uint64_t hpa, uint64_t bytes, uint64_t flags)
{
	while (bytes) {
		int leaf = fitting_level(virt, hpa, bytes);
		uint64_t size = level_size(leaf), *entry = paging_slot(pml4, virt, leaf, descend);
		uint64_t room = PAGING_ENTRIES - paging_index(virt, leaf), want = bytes / size;
		uint64_t e = hpa | flags | PTE_PRESENT | (leaf > LEVEL_4K ? PTE_LARGE : 0);

		if (!entry)
			return -ENOMEM;
		/* A larger page fits at the end of this table at the earliest. */
		for (uint64_t n = want < room ? want : room; n; n--, e += size) {
			*entry++ = e;
			virt += size;
			hpa += size;
			bytes -= size;
		}
	}
	return 0;
}

int kernel_map(uint64_t virt, uint64_t hpa, uint64_t bytes, uint64_t flags)
{
	return map_range(map.pml4, virt, hpa, bytes, flags);
}

static bool is_ram(uint32_t kind)
{
	return kind == BOOT_MEM_USABLE || kind == BOOT_MEM_TAIN || kind == BOOT_MEM_RUNTIME ||
	       kind == BOOT_MEM_ACPI_RECLAIM || kind == BOOT_MEM_ACPI_NVS;
}

static int map_direct(uint64_t from, uint64_t to, uint64_t flags)
{
	return from < to ? kernel_map(DIRECT_MAP_BASE + from, from, to - from, flags | PTE_NX) : 0;
}

/* One run of RAM; what the image has as text and constants is not writable through it either. */
static int map_run(uint64_t from, uint64_t to, uint64_t image)
{
	uint64_t image_end = image + ((uint64_t)kernel_rodata_end - (uint64_t)kernel_start);
	int err;

	if (to > DIRECT_MAP_MAX)
		to = DIRECT_MAP_MAX;
	if (image < from || image_end > to)
		return map_direct(from, to, PTE_WRITE);
	err = map_direct(from, image, PTE_WRITE);
	if (!err)
		err = map_direct(image, image_end, 0);
	return err ? err : map_direct(image_end, to, PTE_WRITE);
}

/* All RAM, neighbours of different kinds joined so that large pages fit. */
static int map_ram(const struct boot_mem *mem, uint64_t count, uint64_t image)
{
	uint64_t from = 0, to = 0;

	for (uint64_t i = 0; i <= count; i++) {
		bool ram = i < count && is_ram(mem[i].kind);

		if (ram && mem[i].base == to) {
			to += mem[i].size;
			continue;
		}
		if (i < count && !ram)
			continue;
		int err = map_run(from, to, image);

		if (err)
			return err;
		if (ram) {
			from = mem[i].base;
			to = from + mem[i].size;
		}
	}
	return 0;
}

static int map_image(uint64_t hpa)
{
	const struct {
		const char *from, *to;
		uint64_t flags;
	} part[] = {
		{ kernel_text_start, kernel_text_end, 0 },
		{ kernel_rodata_start, kernel_rodata_end, PTE_NX },
		{ kernel_data_start, kernel_end, PTE_NX | PTE_WRITE },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(part) && !err; i++) {
		uint64_t from = align_down((uint64_t)part[i].from, PAGE_SIZE);
		uint64_t to = align_up((uint64_t)part[i].to, PAGE_SIZE);

		err = kernel_map(from, hpa + (from - (uint64_t)kernel_start), to - from,
				 part[i].flags);
	}
	return err;
}

static uint64_t window_address(unsigned cpu, unsigned slot)
{
	return WINDOW_BASE + ((uint64_t)cpu * WINDOW_COUNT + slot) * PAGE_SIZE;
}

/* The table of a CPU's windows, so that pointing one is a single store. 0 or -ENOMEM. */
int window_prepare(unsigned cpu)
{
	return paging_slot(map.pml4, window_address(cpu, 0), LEVEL_4K, descend) ? 0 : -ENOMEM;
}

/*
 * Map @bytes of memory as stack @number; the page below it stays absent, so that an overflow is a
 * fault and not a wrong value somewhere. Returns 0 and *@top, or -ENOMEM.
 */
int stack_map(unsigned number, hpa_t pages, uint64_t bytes, uint8_t **top)
{
	uint64_t at = STACK_BASE + (number + 1) * STACK_STRIDE - bytes;

	assert(bytes < STACK_STRIDE && (number + 1) * STACK_STRIDE <= STACK_BYTES_ALL);
	*top = (uint8_t *)(at + bytes);
	return kernel_map(at, pages.v, bytes, PTE_WRITE | PTE_NX);
}

static int make_upper_half(void)
{
	uint64_t *top = hpa_to_ptr(map.pml4);

	for (unsigned i = PAGING_ENTRIES / 2; i < PAGING_ENTRIES; i++) {
		uint64_t at = ~UINT64_C(0) << 48 | (uint64_t)i << 39;

		/* Only what we use: the others stay absent in all tables. */
		if ((at == MMIO_MAP_BASE || at == WINDOW_BASE || at == STACK_BASE) &&
		    !descend(&top[i]))
			return -ENOMEM;
	}
	return 0;
}

/* PAT: as after reset, but entry 1 is write-combining. SDM volume 3, "Page Attribute Table". */
#define MSR_PAT   UINT32_C(0x277)
#define PAT_VALUE UINT64_C(0x0007040600070106)
#define MSR_EFER  UINT32_C(0xc0000080)
#define EFER_NXE  BIT64(11)

void direct_map_cpu(void)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	wrmsr(MSR_PAT, PAT_VALUE);
	uint64_t xsave = cpuid(1, 0).ecx & BIT32(26) ? CR4_OSXSAVE : 0;

	cr4_write((cr4_read() & ~CR4_PGE & ~CR4_PCIDE) | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE |
		  xsave);
	cr0_write((cr0_read() & ~(CR0_EM | CR0_TS | CR0_CD | CR0_NW)) | CR0_WP | CR0_NE | CR0_MP);
	cr3_write(map.pml4.v);
}

void direct_map_init(const struct boot_info *bi)
{
	map.pml4 = page_alloc(PAGE_TABLES);
	map.huge = (cpuid(0x80000001, 0).edx & BIT32(26)) != 0;
	if (hpa_is_none(map.pml4) || make_upper_half() || window_prepare(0) ||
	    map_ram((const struct boot_mem *)(DIRECT_MAP_BASE + bi->mem_hpa), bi->mem_count,
		    bi->kernel_hpa) ||
	    map_image(bi->kernel_hpa))
		panic("no memory for page tables");
	*paging_slot(map.pml4, (uint64_t)boot_stack_guard, LEVEL_4K, descend) = 0;
	/* From here on the loader's tables are not used any more. */
	direct_map_cpu();
}

uint64_t kernel_cr3(void) { return map.pml4.v; }
hpa_t kernel_pml4(void) { return map.pml4; }

void *mmio_map(hpa_t base, uint64_t bytes, enum mmio_kind kind)
{
	uint64_t first = align_down(base.v, PAGE_SIZE);
	uint64_t size = align_up(base.v + bytes, PAGE_SIZE) - first;
	uint64_t cache = kind == MMIO_WRITE_COMBINING ? PTE_PWT : PTE_PCD | PTE_PWT;

	if (size > SIZE_1G * 256)
		return NULL;
	spin_lock(&map.mmio_lock);
	/* The same offset in a 2 MiB page, so that a framebuffer gets large ones. */
	uint64_t at = align_up(map.mmio_next, SIZE_2M) + (first & (SIZE_2M - 1));
	int err = kernel_map(at, first, size, PTE_WRITE | PTE_NX | cache);

	map.mmio_next = at + size + PAGE_SIZE;
	spin_unlock(&map.mmio_lock);
	return err ? NULL : (void *)(at + (base.v - first));
}

int kernel_translate(const void *addr, hpa_t *hpa)
{
	uint64_t at = (uint64_t)addr, *table = hpa_to_ptr(map.pml4);

	for (int level = LEVEL_512G;; level--) {
		uint64_t e = table[paging_index(at, level)];

		if (!(e & PTE_PRESENT))
			return -EFAULT;
		if (level == LEVEL_4K || (e & PTE_LARGE)) {
			uint64_t offset = at & (level_size(level) - 1);

			*hpa = (hpa_t){ align_down(e & PTE_ADDRESS, level_size(level)) + offset };
			return 0;
		}
		table = table_of(e);
	}
}

/* --- windows ------------------------------------------------------------------------------- */

void *window_map(unsigned slot, hpa_t page)
{
	assert(slot < WINDOW_COUNT);
	uint64_t at = window_address(cpu_index(), slot);
	uint64_t *pte = paging_slot(map.pml4, at, LEVEL_4K, descend);
	uint64_t want = (page.v & PTE_ADDRESS) | PTE_PRESENT | PTE_WRITE | PTE_NX;

	if ((*pte & ~(PTE_ACCESSED | PTE_DIRTY)) != want) {
		*pte = want;
		invlpg((void *)at);
	}
	return (void *)at;
}

/* --- pages that leave the direct map ------------------------------------------------------- */

static uint64_t ram_bytes_mapped(void)
{
	uint64_t pages = 0;

	for (unsigned owner = 0; owner < PAGE_OWNER_COUNT; owner++)
		pages += page_count(owner);
	return pages << PAGE_SHIFT;
}

/* One PT for each 2 MiB, one PD for each GiB, and some for regions that are only partly there. */
int direct_map_reserve(void)
{
	uint64_t left = ram_bytes_mapped() / SIZE_2M + ram_bytes_mapped() / SIZE_1G + 64;

	if (map.pool_total)
		return 0;
	for (int order = 15; order >= 0 && left; order--)
		while (left >= UINT64_C(1) << order) {
			hpa_t piece = pages_alloc_raw(PAGE_TABLES, (unsigned)order);

			if (hpa_is_none(piece) || map.pool_pieces == ARRAY_LEN(map.pool_piece))
				break;
			map.pool_piece[map.pool_pieces] = piece;
			map.pool_piece_pages[map.pool_pieces++] = UINT64_C(1) << order;
			map.pool_total += UINT64_C(1) << order;
			left -= UINT64_C(1) << order;
		}
	return left ? -ENOMEM : 0;
}

static hpa_t pool_take(void)
{
	uint64_t flags = irq_save();

	spin_lock(&map.pool_lock);
	if (!map.pool_left) {
		assert(map.pool_pieces); /* direct_map_reserve() was not called */
		map.pool = map.pool_piece[--map.pool_pieces];
		map.pool_left = map.pool_piece_pages[map.pool_pieces];
	}
	hpa_t t = map.pool;

	map.pool = hpa_add(map.pool, PAGE_SIZE);
	map.pool_left--;
	spin_unlock(&map.pool_lock);
	irq_restore(flags);
	return t;
}

static void pool_give_back(hpa_t t)
{
	uint64_t flags = irq_save();

	spin_lock(&map.pool_lock);
	/* Only the newest table comes back, or it stays unused: a lost race, very rare. */
	if (map.pool.v == t.v + PAGE_SIZE) {
		map.pool = t;
		map.pool_left++;
	}
	spin_unlock(&map.pool_lock);
	irq_restore(flags);
}

/* A large page, present or hidden: something that a table of smaller entries can replace. */
static bool is_large(uint64_t e)
{
	return (e & PTE_PRESENT) ? (e & PTE_LARGE) != 0 : (e & PTE_HIDDEN) != 0;
}

/* Put a table of smaller pages where the large page @old of @level is. */
static void split(uint64_t *entry, uint64_t old, int level)
{
	hpa_t t = pool_take();
	uint64_t *table = hpa_to_ptr(t);
	uint64_t step = level_size(level - 1),
		 base = align_down(old & PTE_ADDRESS, level_size(level));
	uint64_t flags = old & ~PTE_ADDRESS & ~(level == LEVEL_2M ? PTE_LARGE : 0);

	for (unsigned i = 0; i < PAGING_ENTRIES; i++)
		table[i] = (base + i * step) | flags;
	/* A and D bits may change under us; any other change means another CPU was first. */
	while (!__atomic_compare_exchange_n(entry, &old, t.v | PTE_PRESENT | PTE_WRITE, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		if (!is_large(old)) {
			pool_give_back(t);
			return;
		}
}

/* The entry of @at at @leaf level, large pages above it split. NULL: no RAM is mapped there. */
static uint64_t *direct_slot(uint64_t at, int leaf)
{
	uint64_t *table = hpa_to_ptr(map.pml4);

	for (int level = LEVEL_512G; level > leaf; level--) {
		uint64_t *entry = &table[paging_index(at, level)];
		uint64_t e = __atomic_load_n(entry, __ATOMIC_ACQUIRE);

		if (is_large(e)) {
			split(entry, e, level);
			e = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
		}
		if (!(e & PTE_PRESENT))
			return NULL;
		table = table_of(e);
	}
	return &table[paging_index(at, leaf)];
}

/* Hide or show one entry's worth. False: it is a table (level 2M only), go one level down. */
static bool set_one(uint64_t hpa, int level, bool hidden)
{
	uint64_t *entry = direct_slot(DIRECT_MAP_BASE + hpa, level);
	uint64_t large = level == LEVEL_2M ? PTE_LARGE : 0;
	uint64_t want = hpa | large | (hidden ? PTE_HIDDEN : PTE_PRESENT | PTE_WRITE | PTE_NX);

	/* Memory that was never mapped (outside the memory map) is as good as hidden. */
	if (!entry)
		return true;
	if (level == LEVEL_2M && !is_large(__atomic_load_n(entry, __ATOMIC_ACQUIRE)))
		return false;
	/* The caller owns all of it, so nobody else changes this entry but for A and D bits. */
	__atomic_store_n(entry, want, __ATOMIC_RELEASE);
	if (hidden)
		invlpg((void *)(DIRECT_MAP_BASE + hpa));
	return true;
}

static void set_hidden(hpa_t base, unsigned order, bool hidden)
{
	assert(order <= 9 && is_aligned(base.v, PAGE_SIZE << order));
	if (order == 9 && set_one(base.v, LEVEL_2M, hidden))
		return;
	for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
		set_one(base.v + i * PAGE_SIZE, LEVEL_4K, hidden);
}

void port_page_hide(hpa_t base, unsigned order)
{
	set_hidden(base, order, true);
	/* After the entries: who sees the new number also drops what was cached before it. */
	uint64_t was = __atomic_fetch_add(&map.generation, 1, __ATOMIC_SEQ_CST);
	struct cpu *c = this_cpu();

	/* This CPU has dropped this page's translation already. */
	if (c->map_generation == was)
		c->map_generation = was + 1;
}

/* Entries that are not present are not cached: nobody has anything to drop. */
void port_page_unhide(hpa_t base, unsigned order) { set_hidden(base, order, false); }

bool page_is_hidden(hpa_t page)
{
	uint64_t at = DIRECT_MAP_BASE + page.v, *table = hpa_to_ptr(map.pml4);

	for (int level = LEVEL_512G;; level--) {
		uint64_t e = __atomic_load_n(&table[paging_index(at, level)], __ATOMIC_ACQUIRE);

		if (!(e & PTE_PRESENT))
			return (e & PTE_HIDDEN) != 0;
		if (level == LEVEL_4K || (e & PTE_LARGE))
			return false;
		table = table_of(e);
	}
}

void direct_map_sync(void)
{
	struct cpu *c = this_cpu();
	uint64_t now = __atomic_load_n(&map.generation, __ATOMIC_ACQUIRE);

	if (likely(c->map_generation == now))
		return;
	c->map_generation = now;
	c->map_flushes++;
	cr3_write(cr3_read());
}

/* A page fault in the direct map on a page that is there by now: go on. */
bool direct_map_fault(uint64_t error, uint64_t address)
{
	hpa_t now;

	return address >= DIRECT_MAP_BASE && address - DIRECT_MAP_BASE < DIRECT_MAP_MAX &&
	       !(error & PF_PRESENT) && kernel_translate((const void *)address, &now) == 0;
}

/* What a fatal page fault means, where this room knows it. */
bool direct_map_explain(uint64_t address, uint64_t error, char *text, size_t size)
{
	uint64_t hpa = address - DIRECT_MAP_BASE;
	const char *what = error & PF_WRITE ? "write" : "read";

	bool boot = align_down(address, PAGE_SIZE) == (uint64_t)boot_stack_guard;

	if (boot || (address >= STACK_BASE && address - STACK_BASE < STACK_BYTES_ALL)) {
		snprintf(text, size, "stack overflow at %#llx", (unsigned long long)address);
		return true;
	}
	if (address < DIRECT_MAP_BASE || hpa >= DIRECT_MAP_MAX)
		return false;
	snprintf(text, size, "#PF: host %s of %#llx, %s", what, (unsigned long long)hpa,
		 page_is_hidden((hpa_t){ align_down(hpa, PAGE_SIZE) }) ? "page is private to a TD"
								       : "no RAM is there");
	return true;
}

/* --- for calls into the firmware ----------------------------------------------------------- */

/*
 * CR3 of tables that share the kernel's upper half and map everything the memory map names below it
 * one to one, executable: runtime services run at physical addresses. Made at the first use. 0: no
 * memory for it.
 */
uint64_t efi_call_cr3(void)
{
	const struct boot_info *bi = boot_info();
	const struct boot_mem *mem = hpa_to_ptr((hpa_t){ bi->mem_hpa });

	if (!hpa_is_none(map.efi_pml4))
		return map.efi_pml4.v;
	hpa_t top = page_alloc(PAGE_TABLES);

	if (hpa_is_none(top))
		return 0;
	uint64_t *to = hpa_to_ptr(top), *from = hpa_to_ptr(map.pml4);

	for (unsigned i = PAGING_ENTRIES / 2; i < PAGING_ENTRIES; i++)
		to[i] = from[i];
	/* Firmware touches devices of the first 4 GiB that the map does not always name. */
	if (map_range(top, 0, 0, 4 * SIZE_1G, PTE_WRITE))
		return 0;
	for (uint64_t i = 0; i < bi->mem_count; i++)
		if (mem[i].base >= 4 * SIZE_1G &&
		    (mem[i].kind == BOOT_MEM_RUNTIME || mem[i].efi_type == EFI_RUNTIME_MMIO))
			if (map_range(top, mem[i].base, mem[i].base, mem[i].size, PTE_WRITE))
				return 0;
	map.efi_pml4 = top;
	return top.v;
}
