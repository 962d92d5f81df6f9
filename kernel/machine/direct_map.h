/*
 * direct_map.h - the final page tables: kernel, direct map, per-CPU windows, device memory.
 *
 * Invariants
 *   - W^X: no address is both writable and executable. Only RAM is in the direct map.
 *   - A page that tdx/soft has hidden is absent from the direct map; an access to it is a #PF that
 *     is reported with the page's address. Hiding waits for nobody: it raises a generation, and
 *     each CPU drops its stale translations in direct_map_sync(), called at SEAMCALL return, VM
 *     exit and interrupt. Between the two a stray access of another CPU may still succeed: this
 *     detects, it does not guarantee.
 *   - Tables for splitting large pages are reserved by direct_map_reserve() before the first hide,
 *     so that hiding cannot fail and allocates nothing.
 *
 * Only tdx/soft hides pages. No global translations are used, so a write of CR3 drops them all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_DIRECT_MAP_H
#define TAIN_MACHINE_DIRECT_MAP_H

#include "kernel/base/types.h"

/* Layout of the upper half (docs/architecture.md draws it). */
#define MMIO_MAP_BASE  UINT64_C(0xffffc00000000000) /* device memory, uncached      */
#define WINDOW_BASE    UINT64_C(0xffffd00000000000) /* per-CPU windows              */
#define STACK_BASE     UINT64_C(0xffffd80000000000) /* stacks with absent pages between */
#define DIRECT_MAP_MAX (UINT64_C(1) << 46)          /* bytes of physical memory: 64 TiB */

/* Reserve the tables that hiding may need: about 2 MiB per GiB of RAM, untouched until used. */
int direct_map_reserve(void) MUST_CHECK;

/*
 * Take the 2^@order pages at @base (aligned to their size; order 0 to 9) out of the direct map,
 * and give them back. Any CPU, interrupts off or on, waits for nobody. Asserts that
 * direct_map_reserve() was called.
 */
void port_page_hide(hpa_t base, unsigned order);
void port_page_unhide(hpa_t base, unsigned order);
bool page_is_hidden(hpa_t page);

/* Drop this CPU's stale translations if pages were hidden since the last time; else two loads. */
void direct_map_sync(void);

/*
 * Windows: WINDOW_COUNT page-sized addresses per CPU through which tdx/soft reaches hidden pages.
 * A window stays until it is pointed elsewhere. Interrupts off while in use.
 */
#define WINDOW_COUNT 32
void *window_map(unsigned slot, hpa_t page);

/* Map device memory uncached (or write-combining); NULL when the address space is used up. */
enum mmio_kind { MMIO_UNCACHED, MMIO_WRITE_COMBINING };
void *mmio_map(hpa_t base, uint64_t bytes, enum mmio_kind kind);

/* What a kernel address maps to: 0 with *@hpa, or -EFAULT. */
int kernel_translate(const void *addr, hpa_t *hpa);

/* CR3 of the kernel's tables: host CR3 of every VMCS. */
uint64_t kernel_cr3(void);

#endif
