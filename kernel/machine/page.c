/*
 * page.c - port.h's pages: the allocator's tables under one lock, set up from the memory map.
 *
 * Invariants
 *   - Pages are cleared outside the lock, by who asked for them.
 *   - What the loader left (image, files, its tables) and the allocator's own tables count as
 *     PAGE_KERNEL though they were never allocated.
 *   - Once page_restrict_tdx() was called, owners PAGE_TDX_* (but for the PAMT, which may lie anywhere)
 *     get pages of its ranges only; others get such pages when there are no others.
 *   - Nothing is written but the allocator's tables: memory that nobody asks for stays untouched.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/boot_info.h"
#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/machine/mc.h"
#include "kernel/machine/page_fault.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/machine/room.h"

#define MAX_RUNS      1024
#define LOW_PAGES     4
#define LOW_LIMIT_PFN 0xa0
#define FIRST_MIB_PFN 0x100

static struct {
	spinlock_t lock; /* page allocator of the lock order; interrupts off */
	struct page_core core;
	uint64_t kernel_pages; /* PAGE_KERNEL that was never allocated */
	hpa_t low;
	bool restricted;
	struct page_run *tdx; /* what the TDX module takes, ascending; NULL: nothing */
	size_t tdx_count;
} pages = { .low = { ~UINT64_C(0) } };

/* --- from the memory map ---------------------------------------------------------------------- */

static struct page_run runs[MAX_RUNS];

/* Usable memory as runs, joined where they touch; page 0 and what no map can reach stay out. */
static size_t collect_runs(const struct boot_mem *mem, uint64_t count)
{
	size_t n = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t from = mem[i].base >> PAGE_SHIFT;
		uint64_t to = (mem[i].base + mem[i].size) >> PAGE_SHIFT;

		if (mem[i].kind == BOOT_MEM_TAIN)
			pages.kernel_pages += to - from;
		if (mem[i].kind != BOOT_MEM_USABLE)
			continue;
		if (from == 0)
			from = 1;
		if (to > DIRECT_MAP_MAX >> PAGE_SHIFT)
			to = DIRECT_MAP_MAX >> PAGE_SHIFT;
		if (from >= to)
			continue;
		if (n && runs[n - 1].pfn + runs[n - 1].count == from)
			runs[n - 1].count += to - from;
		else if (n < MAX_RUNS)
			runs[n++] = (struct page_run){ from, to - from };
	}
	return n;
}

/* Cut @count pages off the end of run @i. */
static hpa_t cut(size_t i, uint64_t count)
{
	runs[i].count -= count;
	pages.kernel_pages += count;
	return (hpa_t){ (runs[i].pfn + runs[i].count) << PAGE_SHIFT };
}

static void reserve_low(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (runs[i].pfn + runs[i].count <= LOW_LIMIT_PFN && runs[i].count >= LOW_PAGES) {
			pages.low = cut(i, LOW_PAGES);
			return;
		}
}

/* Of the first MiB nothing else is handed out: it is never convertible, and some firmware uses it. */
static void drop_first_mib(size_t n)
{
	for (size_t i = 0; i < n && runs[i].pfn < FIRST_MIB_PFN; i++) {
		uint64_t below = FIRST_MIB_PFN - runs[i].pfn;

		if (below > runs[i].count)
			below = runs[i].count;
		runs[i].pfn += below;
		runs[i].count -= below;
		pages.kernel_pages += below;
	}
}

/* The tables lie at the end of the largest run, which they fit in unless the map is absurd. */
static hpa_t place_tables(size_t *n)
{
	for (; *n; --*n) {
		uint64_t need = align_up(page_core_bytes(runs, *n), PAGE_SIZE) >> PAGE_SHIFT;
		size_t best = 0;

		for (size_t i = 1; i < *n; i++)
			if (runs[i].count > runs[best].count)
				best = i;
		if (runs[best].count > need)
			return cut(best, need);
	}
	panic("no memory for the page allocator's tables");
}

void page_init(const struct boot_info *bi)
{
	size_t n = collect_runs((const struct boot_mem *)(DIRECT_MAP_BASE + bi->mem_hpa),
				bi->mem_count);

	reserve_low(n);
	drop_first_mib(n);
	hpa_t tables = place_tables(&n);

	page_core_init(&pages.core, hpa_to_ptr(tables), runs, n);
	for (size_t i = 0; i < n; i++)
		if (runs[i].count)
			page_core_add(&pages.core, runs[i]);
}

hpa_t page_low_memory(void) { return pages.low; }
const struct page_core *page_core_global(void) { return &pages.core; }

/* --- port.h ----------------------------------------------------------------------------------- */

static bool for_tdx(enum page_owner owner)
{
	return owner == PAGE_TDX_CONTROL || owner == PAGE_TDX_SEPT || owner == PAGE_TDX_PRIVATE;
}

/* All 2^order pages in one of the ranges. */
static bool tdx_takes(pfn_t pfn, unsigned order)
{
	size_t low = 0, high = pages.tdx_count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct page_run *r = &pages.tdx[mid];

		if (pfn.v < r->pfn)
			high = mid;
		else if (pfn.v >= r->pfn + r->count)
			low = mid + 1;
		else
			return pfn.v + (UINT64_C(1) << order) <= r->pfn + r->count;
	}
	return false;
}

/*
 * A zone is made of whole GiB. What of one is not for the module (there is little of it) is set
 * aside for good when it is met.
 */
static pfn_t alloc_for_tdx(enum page_owner owner, unsigned order)
{
	for (;;) {
		pfn_t pfn = page_core_alloc_in(&pages.core, ZONE_TDX, owner, order);

		if (pfn_is_none(pfn) || tdx_takes(pfn, order))
			return pfn;
		if (page_core_give(&pages.core, pfn, order, owner, PAGE_KERNEL))
			panic("page allocator: a page that was just taken is not there");
	}
}

/* --- failing on demand --------------------------------------------------------------------- */

static struct dice fault;

void page_fault_set(const struct dice *rule) { fault = *rule; }
void page_fault_get(struct dice *out) { *out = fault; }
bool page_fault_hit(void) { return unlikely(fault.nth) && dice_hit(&fault); }

hpa_t pages_alloc_raw(enum page_owner owner, unsigned order)
{
	if (page_fault_hit())
		return HPA_NONE;
	uint64_t flags = irq_save();

	spin_lock(&pages.lock);
	pfn_t pfn = pages.restricted && for_tdx(owner) ? alloc_for_tdx(owner, order)
						       : page_core_alloc(&pages.core, owner, order);
	spin_unlock(&pages.lock);
	irq_restore(flags);
	return pfn_is_none(pfn) ? HPA_NONE : pfn_to_hpa(pfn);
}

int page_restrict_tdx(const struct boot_mem *ranges, size_t count)
{
	struct page_run *list = heap_alloc((count + 1) * sizeof(*list)), *was;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		list[i] = (struct page_run){ ranges[i].base >> PAGE_SHIFT,
					     ranges[i].size >> PAGE_SHIFT };
	uint64_t flags = irq_save();

	spin_lock(&pages.lock);
	was = pages.tdx;
	pages.tdx = list;
	pages.tdx_count = count;
	pages.restricted = true;
	size_t i = 0;

	for (uint64_t chunk = 0; chunk < pages.core.chunk_count; chunk++) {
		uint64_t first = chunk << CHUNK_ORDER, end = first + CHUNK_PAGES;

		while (i < count && list[i].pfn + list[i].count <= first)
			i++;
		page_core_set_zone(&pages.core, chunk,
				   i < count && list[i].pfn < end ? ZONE_TDX : ZONE_PLAIN);
	}
	spin_unlock(&pages.lock);
	irq_restore(flags);
	heap_free(was);
	return 0;
}

uint64_t page_count_for_tdx(void)
{
	return __atomic_load_n(&pages.restricted, __ATOMIC_RELAXED)
		       ? __atomic_load_n(&pages.core.zone_free[ZONE_TDX], __ATOMIC_RELAXED)
		       : page_count(PAGE_FREE);
}

hpa_t pages_alloc(enum page_owner owner, unsigned order)
{
	hpa_t base = pages_alloc_raw(owner, order);

	if (!hpa_is_none(base))
		rep_stosq(hpa_to_ptr(base), 0, (PAGE_SIZE / 8) << order);
	return base;
}

hpa_t page_alloc(enum page_owner owner) { return pages_alloc(owner, 0); }

void pages_reown(hpa_t base, unsigned order, enum page_owner from, enum page_owner to)
{
	uint64_t flags = irq_save();

	spin_lock(&pages.lock);
	int err = page_core_give(&pages.core, hpa_to_pfn(base), order, from, to);
	unsigned owner = page_core_owner(&pages.core, hpa_to_pfn(base));

	spin_unlock(&pages.lock);
	irq_restore(flags);
	if (unlikely(err))
		panic("page %#llx (order %u): owner %u cannot give it to %u, it is %u's",
		      (unsigned long long)base.v, order, from, to, owner);
}

enum page_owner page_owner_of(hpa_t page)
{
	return (enum page_owner)page_core_owner(&pages.core, hpa_to_pfn(page));
}

/* A page with an error that a machine check named is never used again. */
void pages_free(hpa_t base, enum page_owner owner, unsigned order)
{
	if (likely(!mc_is_bad(base, order))) {
		pages_reown(base, order, owner, PAGE_FREE);
		return;
	}
	for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
		hpa_t page = { base.v + (i << PAGE_SHIFT) };

		pages_reown(page, 0, owner, mc_is_bad(page, 0) ? PAGE_LEAKED : PAGE_FREE);
	}
}

void page_free(hpa_t page, enum page_owner owner) { pages_free(page, owner, 0); }

uint64_t page_count(enum page_owner owner)
{
	assert(owner < PAGE_OWNER_COUNT);
	uint64_t n = __atomic_load_n(&pages.core.count[owner], __ATOMIC_RELAXED);

	return owner == PAGE_KERNEL ? n + pages.kernel_pages : n;
}

void *hpa_to_ptr(hpa_t page) { return (void *)(DIRECT_MAP_BASE + page.v); }

hpa_t ptr_to_hpa(const void *ptr)
{
	uint64_t at = (uint64_t)ptr;

	assert(at >= DIRECT_MAP_BASE && at - DIRECT_MAP_BASE < DIRECT_MAP_MAX);
	return (hpa_t){ at - DIRECT_MAP_BASE };
}
