/*
 * boot.h - the front door of the loader: from the firmware's call to the kernel's first
 * instruction.
 *
 *   main.c     the order of things            report.c  telling a failure on screen and COM1
 *   files.c    tain.cfg and what it names     survey.c  RSDP, SMBIOS, CPUs, framebuffer
 *   memory.c   allocation, the memory map     memmap.c  sorting and joining it (no EFI inside)
 *   elf.c      the kernel's ELF image         paging.c  the tables of the first minute
 *   kept.c     the log of the boot before
 *   mode.asm   out of 5-level paging          payload.asm  the kernel's bytes
 *   jump.asm   the step across
 *
 * Invariants
 *   - All memory that the kernel is told of is EfiLoaderData, and we allocate nothing else of
 *     that type: so the map itself says what is ours (BOOT_MEM_TAIN).
 *   - A failure says what failed on the screen and on COM1; the firmware gets control back as long
 *     as boot services live.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BOOT_BOOT_H
#define TAIN_BOOT_BOOT_H

#include <efi.h>
#include <efilib.h>

#include "kernel/base/boot_info.h"
#include "kernel/base/types.h"

/* What every part of the loader needs; made once in main.c. */
struct boot_ctx {
	EFI_HANDLE image;
	EFI_SYSTEM_TABLE *st;
	EFI_BOOT_SERVICES *bs; /* NULL once boot services are left */
	struct boot_info *bi;
};

/* report.c */
/* One line "tain: loader: WHAT: STATUS" on the screen and on COM1. Returns @status. */
EFI_STATUS boot_fail(const struct boot_ctx *ctx, const char *what, EFI_STATUS status);
/* Remember a remark for the kernel's log; the first one is kept. */
void boot_note(struct boot_info *bi, const char *text, const char *detail);

/* memory.c */
/* @bytes of zeroed EfiLoaderData, page aligned; 0 when there is none. */
EFI_PHYSICAL_ADDRESS boot_alloc(const struct boot_ctx *ctx, UINT64 bytes) MUST_CHECK;
/* The same, below 4 GiB: for what 32-bit code touches. */
EFI_PHYSICAL_ADDRESS boot_alloc_low(const struct boot_ctx *ctx, UINT64 bytes) MUST_CHECK;
/* The same, anywhere, not zeroed and aligned to @align (a power of two, at least a page). */
EFI_PHYSICAL_ADDRESS boot_alloc_aligned(const struct boot_ctx *ctx, UINT64 bytes,
					UINT64 align) MUST_CHECK;
/* Get room for the map, so that leaving needs no allocation. */
EFI_STATUS boot_memory_prepare(const struct boot_ctx *ctx) MUST_CHECK;
/* Leave boot services and fill bi->mem_*; ctx->bs is NULL afterwards if they are gone. */
EFI_STATUS boot_memory_leave(struct boot_ctx *ctx) MUST_CHECK;
/* Call @fn for each range of the firmware's present map. */
EFI_STATUS boot_memory_each(const struct boot_ctx *ctx,
			    void (*fn)(void *arg, UINT64 base, UINT64 size), void *arg) MUST_CHECK;

/* kept.c: write the log that the boot before left, reserve the place of this one's. */
void boot_kept_log(const struct boot_ctx *ctx);

/* files.c: read the configuration and the files; what is missing is recorded, never fatal. */
/* The root of the volume that the loader came from, or NULL. */
EFI_FILE_HANDLE boot_open_volume(const struct boot_ctx *ctx);
EFI_STATUS boot_files_read(const struct boot_ctx *ctx) MUST_CHECK;

/* survey.c: all of these are optional facts; nothing can fail. */
void boot_survey(const struct boot_ctx *ctx);

/* elf.c */
/*
 * Check the ELF image @elf of @size bytes; *@span is its size in memory and *@entry its entry, as
 * an offset from KERNEL_VIRT_BASE. Returns NULL or what is wrong.
 */
const char *elf_check(const void *elf, size_t size, uint64_t *span, uint64_t *entry) MUST_CHECK;
/* Lay out a checked image at @to (*@span bytes), .bss cleared. */
void elf_place(const void *elf, void *to, uint64_t span);

/* paging.c */
/* 4-level tables with identity, direct map and kernel image: CR3's value, or 0 without memory. */
EFI_PHYSICAL_ADDRESS boot_paging(const struct boot_ctx *ctx) MUST_CHECK;
/* Switch to them where the firmware runs with five levels. Boot services are left. */
void boot_paging_levels(const struct boot_ctx *ctx, uint64_t cr3);

/* mode.asm: position-independent, to be copied below 4 GiB and called there */
typedef void (*boot_mode_fn)(uint64_t cr3, uint64_t cr4, void *self);
extern const uint8_t boot_mode_start[], boot_mode_end[];

/* jump.asm */
void boot_port_write(uint16_t port, uint8_t value);
uint8_t boot_port_read(uint16_t port);
uint64_t boot_read_cr4(void);
NORETURN void boot_jump(uint64_t cr3, uint64_t entry, uint64_t boot_info_va);

#endif
