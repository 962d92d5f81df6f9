/*
 * main.c - the loader's road: read, look around, lay out the kernel, leave the firmware, jump.
 *
 * Every step either succeeds, or is reported and ends in the firmware (after boot services are
 * left: in a reported stop). Nothing hangs without a word.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"

extern const uint8_t payload_start[], payload_end[];

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static EFI_STATUS load_kernel(const struct boot_ctx *ctx, uint64_t *entry)
{
	uint64_t span;
	const char *why =
		elf_check(payload_start, (size_t)(payload_end - payload_start), &span, entry);

	if (why)
		return boot_fail(ctx, why, EFI_LOAD_ERROR);
	ctx->bi->kernel_bytes = align_up(span, PAGE_SIZE);
	ctx->bi->kernel_hpa = boot_alloc_aligned(ctx, ctx->bi->kernel_bytes, SIZE_2M);
	if (!ctx->bi->kernel_hpa)
		return boot_fail(ctx, "no memory for the kernel", EFI_OUT_OF_RESOURCES);
	elf_place(payload_start, (void *)ctx->bi->kernel_hpa, ctx->bi->kernel_bytes);
	return EFI_SUCCESS;
}

static EFI_STATUS make_record(struct boot_ctx *ctx)
{
	ctx->bi = (struct boot_info *)boot_alloc(ctx, sizeof(*ctx->bi));
	if (!ctx->bi)
		return boot_fail(ctx, "no memory for the boot record", EFI_OUT_OF_RESOURCES);
	ctx->bi->magic = BOOT_INFO_MAGIC;
	ctx->bi->version = BOOT_INFO_VERSION;
	ctx->bi->size = sizeof(*ctx->bi);
	return EFI_SUCCESS;
}

/* All that needs the firmware, up to the last moment in which it can still be told. */
static EFI_STATUS prepare(struct boot_ctx *ctx, uint64_t *entry, uint64_t *cr3)
{
	EFI_STATUS status = boot_files_read(ctx);

	if (EFI_ERROR(status))
		return boot_fail(ctx, "no memory for the file table", status);
	boot_survey(ctx);
	status = load_kernel(ctx, entry);
	if (EFI_ERROR(status))
		return status;
	status = boot_memory_prepare(ctx);
	if (EFI_ERROR(status))
		return boot_fail(ctx, "no memory map", status);
	*cr3 = boot_paging(ctx);
	return *cr3 ? EFI_SUCCESS
		    : boot_fail(ctx, "no memory for page tables", EFI_OUT_OF_RESOURCES);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	uint64_t entered = __builtin_ia32_rdtsc(), entry, cr3;
	struct boot_ctx ctx = { .image = image, .st = table, .bs = table->BootServices };
	EFI_STATUS status;

	/* The firmware's watchdog is for loaders that hang; reading large files takes its time. */
	ctx.bs->SetWatchdogTimer(0, 0, 0, NULL);
	status = make_record(&ctx);
	if (EFI_ERROR(status))
		return status;
	ctx.bi->tsc_loader_entry = entered;
	boot_kept_log(&ctx);
	status = prepare(&ctx, &entry, &cr3);
	if (EFI_ERROR(status))
		return status;
	status = boot_memory_leave(&ctx);
	if (EFI_ERROR(status))
		return boot_fail(&ctx, "the firmware does not let go", status);
	boot_paging_levels(&ctx, cr3);
	ctx.bi->tsc_kernel_entry = __builtin_ia32_rdtsc();
	boot_jump(cr3, KERNEL_VIRT_BASE + entry, DIRECT_MAP_BASE + (uint64_t)ctx.bi);
}
