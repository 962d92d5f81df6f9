/*
 * memmap.h - a firmware's memory map made orderly: see memmap.c. Knows no EFI headers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BOOT_MEMMAP_H
#define TAIN_BOOT_MEMMAP_H

#include "kernel/base/boot_info.h"

/* What the EFI memory type @type (UEFI specification, EFI_MEMORY_TYPE) means after boot services.
 */
enum boot_mem_kind memmap_kind(uint32_t type);

/*
 * Sort @map by address, cut overlaps, join neighbours of one kind and attribute, drop what is
 * empty or wraps. Returns the new count, never more than @count.
 */
size_t memmap_tidy(struct boot_mem *map, size_t count);

#endif
