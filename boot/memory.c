/*
 * memory.c - memory while boot services live, and leaving them with the map in hand.
 *
 * Invariants
 *   - boot_memory_leave() allocates nothing: the buffers are got before, with room to spare for
 *     the ranges that their own allocation splits.
 *   - A map that changed between reading it and leaving is read again, a bounded number of times.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"
#include "boot/memmap.h"

#define SPARE_RANGES  64
#define LEAVE_RETRIES 16

/* The firmware's map, in its own stride. */
static struct raw_map {
	EFI_PHYSICAL_ADDRESS buffer;
	UINTN capacity, size, key, stride;
	UINT32 version;
} raw;

static EFI_STATUS read_map(const struct boot_ctx *ctx)
{
	raw.size = raw.capacity;
	return ctx->bs->GetMemoryMap(&raw.size, (EFI_MEMORY_DESCRIPTOR *)raw.buffer, &raw.key,
				     &raw.stride, &raw.version);
}

EFI_PHYSICAL_ADDRESS boot_alloc_aligned(const struct boot_ctx *ctx, UINT64 bytes, UINT64 align)
{
	UINT64 want = align_up(bytes, PAGE_SIZE), extra = align - PAGE_SIZE, head;
	EFI_PHYSICAL_ADDRESS at = 0, base;

	if (want < bytes || want + extra < want)
		return 0;
	if (EFI_ERROR(ctx->bs->AllocatePages(AllocateAnyPages, EfiLoaderData,
					     (want + extra) >> PAGE_SHIFT, &at)))
		return 0;
	base = align_up(at, align);
	head = base - at;
	if (head)
		ctx->bs->FreePages(at, head >> PAGE_SHIFT);
	if (extra > head)
		ctx->bs->FreePages(base + want, (extra - head) >> PAGE_SHIFT);
	return base;
}

EFI_PHYSICAL_ADDRESS boot_alloc(const struct boot_ctx *ctx, UINT64 bytes)
{
	EFI_PHYSICAL_ADDRESS at = boot_alloc_aligned(ctx, bytes, PAGE_SIZE);

	if (at)
		ctx->bs->SetMem((void *)at, align_up(bytes, PAGE_SIZE), 0);
	return at;
}

EFI_PHYSICAL_ADDRESS boot_alloc_low(const struct boot_ctx *ctx, UINT64 bytes)
{
	UINT64 pages = align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
	EFI_PHYSICAL_ADDRESS at = 0xffffffff;

	if (EFI_ERROR(ctx->bs->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, &at)))
		return 0;
	ctx->bs->SetMem((void *)at, pages << PAGE_SHIFT, 0);
	return at;
}

EFI_STATUS boot_memory_prepare(const struct boot_ctx *ctx)
{
	UINTN ranges;

	raw = (struct raw_map){ 0 };
	if (read_map(ctx) != EFI_BUFFER_TOO_SMALL || raw.stride < sizeof(EFI_MEMORY_DESCRIPTOR))
		return EFI_UNSUPPORTED;
	ranges = raw.size / raw.stride + SPARE_RANGES;
	raw.capacity = ranges * raw.stride;
	raw.buffer = boot_alloc(ctx, raw.capacity);
	ctx->bi->mem_hpa = boot_alloc(ctx, ranges * sizeof(struct boot_mem));
	return raw.buffer && ctx->bi->mem_hpa ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
}

static const EFI_MEMORY_DESCRIPTOR *range(UINTN i)
{
	return (const EFI_MEMORY_DESCRIPTOR *)(raw.buffer + i * raw.stride);
}

EFI_STATUS boot_memory_each(const struct boot_ctx *ctx,
			    void (*fn)(void *arg, UINT64 base, UINT64 size), void *arg)
{
	EFI_STATUS status = read_map(ctx);

	if (EFI_ERROR(status))
		return status;
	for (UINTN i = 0; i < raw.size / raw.stride; i++)
		fn(arg, range(i)->PhysicalStart, range(i)->NumberOfPages << PAGE_SHIFT);
	return EFI_SUCCESS;
}

static void convert(struct boot_info *bi)
{
	struct boot_mem *map = (struct boot_mem *)bi->mem_hpa;
	UINTN count = raw.size / raw.stride;

	for (UINTN i = 0; i < count; i++)
		map[i] = (struct boot_mem){
			.base = range(i)->PhysicalStart,
			.size = range(i)->NumberOfPages << PAGE_SHIFT,
			.kind = memmap_kind(range(i)->Type),
			.efi_type = range(i)->Type,
			.attr = range(i)->Attribute,
		};
	bi->mem_count = memmap_tidy(map, count);
}

EFI_STATUS boot_memory_leave(struct boot_ctx *ctx)
{
	EFI_STATUS status = EFI_SUCCESS;

	for (unsigned i = 0; i < LEAVE_RETRIES; i++) {
		status = read_map(ctx);
		if (EFI_ERROR(status))
			return status;
		status = ctx->bs->ExitBootServices(ctx->image, raw.key);
		if (!EFI_ERROR(status)) {
			ctx->bs = NULL;
			ctx->bi->exit_boot_retries = i;
			convert(ctx->bi);
			return EFI_SUCCESS;
		}
	}
	return status;
}
