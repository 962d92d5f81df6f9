/*
 * port.h - all that mmu/, tdx/ and tdx/soft/ need of the machine under them.
 *
 * The image implements it in kernel/machine; host programs in tests/host/machine.c with malloc and
 * pthreads. So the same objects run on a desk and on a server. Nothing here is inline assembly.
 *
 * Invariants
 *   - A page has one owner from allocation to return; counts by owner are exact at every moment
 *     that no allocator call is under way.
 *   - hpa_to_ptr() is valid for every RAM page, except while tdx/soft/ has taken it from the
 *     direct map (port_page_hide).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_PORT_H
#define TAIN_MACHINE_PORT_H

#include "kernel/base/types.h"

/* Who a page belongs to. PAGE_* name what it is used for; `memory` prints one row each. */
enum page_owner {
	PAGE_FREE,
	PAGE_KERNEL,      /* image, stacks, heap, boot record */
	PAGE_TABLES,      /* the host's own page tables */
	PAGE_MMU,         /* EPT and mirror page tables, descriptors */
	PAGE_GUEST,       /* memory of plain guests, shared memory of TDs, staging buffers */
	PAGE_VMX,         /* VMXON regions, VMCSs, bitmaps */
	PAGE_TDX_PAMT,    /* given to the module by TDH.SYS.CONFIG */
	PAGE_TDX_CONTROL, /* TDR, TDCS, TDVPR, TDVPX */
	PAGE_TDX_SEPT,    /* Secure EPT pages */
	PAGE_TDX_PRIVATE, /* private memory of TDs */
	PAGE_SOFT,        /* the software TDX module's own */
	PAGE_NET,         /* rings and buffers of network interfaces */
	PAGE_LEAKED,      /* the module would not give it back; never reused */
	PAGE_OWNER_COUNT,
};

/*
 * One zeroed 4 KiB page, or HPA_NONE. Pages of owners TDX_CONTROL, TDX_SEPT and TDX_PRIVATE come
 * from the ranges of page_restrict_tdx() once it was called. Locking: none needed; not from NMI.
 */
hpa_t page_alloc(enum page_owner owner) MUST_CHECK;

/*
 * 2^order contiguous pages, aligned to their size (order 9: 2 MiB, 18: 1 GiB), zeroed, or HPA_NONE.
 * Free with the same order, or piecewise page by page.
 */
hpa_t pages_alloc(enum page_owner owner, unsigned order) MUST_CHECK;

/* As pages_alloc but contents undefined: for pages that are overwritten whole or given away. */
hpa_t pages_alloc_raw(enum page_owner owner, unsigned order) MUST_CHECK;

void page_free(hpa_t page, enum page_owner owner);
void pages_free(hpa_t base, enum page_owner owner, unsigned order);

/* Hand 2^order pages from one owner to another, e.g. PAGE_TDX_SEPT to PAGE_LEAKED. */
void pages_reown(hpa_t base, unsigned order, enum page_owner from, enum page_owner to);

/*
 * From now on the TDX module takes pages of these ranges, ascending, and no others. Each call
 * replaces the one before. 0; -ENOMEM: nothing has changed.
 */
struct boot_mem;
int page_restrict_tdx(const struct boot_mem *ranges, size_t count) MUST_CHECK;

/* Free pages that the TDX module takes (all free ones, if it was never said which). */
uint64_t page_count_for_tdx(void);

/* Guests leave so many pages to their tables and to the hypervisor. */
#define GUEST_RESERVE_PAGES UINT64_C(512)

/* Whose @page is now, without a lock; of a page that is no RAM of ours, no owner that exists. */
enum page_owner page_owner_of(hpa_t page);

/* Pages that belong to @owner now (PAGE_FREE: free ones). */
uint64_t page_count(enum page_owner owner);

/* The direct map's address of @page; and back (@ptr must lie in the direct map). */
void *hpa_to_ptr(hpa_t page);
hpa_t ptr_to_hpa(const void *ptr);

/* Small objects (newlib's malloc on PAGE_KERNEL pages). NULL when out of memory. */
void *heap_alloc(size_t bytes) MUST_CHECK; /* zeroed */
void heap_free(void *p);

/* The calling CPU's index, 0 (the boot CPU) to cpu_count()-1; stable while interrupts are off. */
unsigned cpu_index(void);
unsigned cpu_count(void);

/* Did CPU @index answer at start? cpu_count() counts one that did not; it never runs. */
bool cpu_is_online(unsigned index);

/* Time-stamp counter of this CPU (synchronised across CPUs), and its rate. */
uint64_t tsc_now(void);
uint64_t tsc_hz(void);

/*
 * Run @fn(@arg) on CPU @cpu and wait until it has returned. On the calling CPU it is a plain call.
 * Any thread context, no lock held that the other CPU may wait for.
 */
void cpu_call(unsigned cpu, void (*fn)(void *arg), void *arg);

/*
 * Run @fn(@arg) on every CPU that is online, all at once, this one included, and wait until all have
 * returned. As cpu_call(); @fn takes no lock that a waiting CPU may hold.
 */
void cpu_call_all(void (*fn)(void *arg), void *arg);

#endif
