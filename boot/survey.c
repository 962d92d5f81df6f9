/*
 * survey.c - what the firmware knows of the machine: ACPI, SMBIOS, CPUs, framebuffer, Secure Boot.
 *
 * Nothing here can fail the boot: an absent fact is 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "boot/boot.h"

/* PI specification, volume 2, "EFI_MP_SERVICES_PROTOCOL": the part that is used. */
struct mp_cpu_info {
	UINT64 processor_id; /* the local APIC id */
	UINT32 status;       /* MP_CPU_* */
	UINT32 package, core, thread;
	UINT32 extended[6]; /* later versions fill more, when asked to */
};
#define MP_CPU_BSP     BIT32(0)
#define MP_CPU_ENABLED BIT32(1)

struct mp_services {
	EFI_STATUS(EFIAPI *get_count)(struct mp_services *mp, UINTN *count, UINTN *enabled);
	EFI_STATUS(EFIAPI *get_info)(struct mp_services *mp, UINTN n, struct mp_cpu_info *out);
};

#define MP_SERVICES_GUID                                                                       \
	{                                                                                      \
		0x3fdda605, 0xa76e, 0x4f46, { 0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 } \
	}

static const struct table_slot {
	EFI_GUID guid;
	size_t field; /* of struct boot_info */
	bool newer;   /* wins over an older one */
} table_slots[] = {
	{ ACPI_TABLE_GUID, offsetof(struct boot_info, rsdp), false },
	{ ACPI_20_TABLE_GUID, offsetof(struct boot_info, rsdp), true },
	{ SMBIOS_TABLE_GUID, offsetof(struct boot_info, smbios), true },
	{ SMBIOS3_TABLE_GUID, offsetof(struct boot_info, smbios3), true },
};

static void find_tables(const struct boot_ctx *ctx)
{
	const EFI_CONFIGURATION_TABLE *t = ctx->st->ConfigurationTable;

	for (UINTN i = 0; i < ctx->st->NumberOfTableEntries; i++)
		for (size_t k = 0; k < ARRAY_LEN(table_slots); k++) {
			const struct table_slot *s = &table_slots[k];
			uint64_t *field = (uint64_t *)((uint8_t *)ctx->bi + s->field);

			if (!__builtin_memcmp(&t[i].VendorGuid, &s->guid, sizeof(EFI_GUID)) &&
			    (s->newer || !*field))
				*field = (uint64_t)t[i].VendorTable;
		}
}

static void list_cpus(const struct boot_ctx *ctx)
{
	EFI_GUID id = MP_SERVICES_GUID;
	struct mp_services *mp;
	struct boot_cpu *cpus;
	UINTN count, enabled;

	if (EFI_ERROR(ctx->bs->LocateProtocol(&id, NULL, (void **)&mp)) ||
	    EFI_ERROR(mp->get_count(mp, &count, &enabled)))
		return;
	cpus = (struct boot_cpu *)boot_alloc(ctx, count * sizeof(*cpus));
	if (!cpus)
		return;
	for (UINTN i = 0; i < count; i++) {
		struct mp_cpu_info info = { 0 };

		if (EFI_ERROR(mp->get_info(mp, i, &info)))
			continue;
		cpus[ctx->bi->cpu_count++] = (struct boot_cpu){
			.apic_id = (uint32_t)info.processor_id,
			.flags = (info.status & MP_CPU_BSP ? BOOT_CPU_BSP : 0) |
				 (info.status & MP_CPU_ENABLED ? BOOT_CPU_ENABLED : 0),
		};
	}
	ctx->bi->cpus_hpa = (uint64_t)cpus;
}

static void find_framebuffer(const struct boot_ctx *ctx)
{
	EFI_GUID id = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	EFI_GRAPHICS_OUTPUT_BLT_PIXEL black = { 0 };
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
	struct boot_info *bi = ctx->bi;

	if (EFI_ERROR(ctx->bs->LocateProtocol(&id, NULL, (void **)&gop)) || !gop->Mode ||
	    !gop->Mode->Info || gop->Mode->Info->PixelFormat >= PixelBltOnly)
		return;
	bi->fb_hpa = gop->Mode->FrameBufferBase;
	bi->fb_bytes = gop->Mode->FrameBufferSize;
	bi->fb_width = gop->Mode->Info->HorizontalResolution;
	bi->fb_height = gop->Mode->Info->VerticalResolution;
	bi->fb_pixels_per_line = gop->Mode->Info->PixelsPerScanLine;
	bi->fb_format = gop->Mode->Info->PixelFormat;
	/* The kernel draws what differs from a black screen. */
	gop->Blt(gop, &black, EfiBltVideoFill, 0, 0, 0, 0, bi->fb_width, bi->fb_height, 0);
}

static void note_firmware(const struct boot_ctx *ctx)
{
	EFI_GUID global = EFI_GLOBAL_VARIABLE;
	CHAR16 name[] = L"SecureBoot";
	UINT8 on = 0;
	UINTN size = sizeof(on);
	const CHAR16 *vendor = ctx->st->FirmwareVendor;

	if (!EFI_ERROR(ctx->st->RuntimeServices->GetVariable(name, &global, NULL, &size, &on)))
		ctx->bi->secure_boot = on == 1;
	for (size_t i = 0; vendor && vendor[i] && i + 1 < sizeof(ctx->bi->firmware_vendor); i++)
		ctx->bi->firmware_vendor[i] =
			vendor[i] >= 0x20 && vendor[i] < 0x7f ? (char)vendor[i] : '?';
}

/* Where the volume is, as the firmware names it: for a boot option made later. */
static void note_volume(const struct boot_ctx *ctx)
{
	EFI_GUID loaded_id = LOADED_IMAGE_PROTOCOL, path_id = DEVICE_PATH_PROTOCOL;
	EFI_LOADED_IMAGE *loaded;
	EFI_DEVICE_PATH *path, *node;
	UINT64 bytes;

	if (EFI_ERROR(ctx->bs->HandleProtocol(ctx->image, &loaded_id, (void **)&loaded)) ||
	    EFI_ERROR(ctx->bs->HandleProtocol(loaded->DeviceHandle, &path_id, (void **)&path)))
		return;
	for (node = path; !IsDevicePathEndType(node); node = NextDevicePathNode(node))
		if ((UINT64)DevicePathNodeLength(node) < sizeof(*node) ||
		    (UINT64)((UINT8 *)node - (UINT8 *)path) > BOOT_DEVICE_PATH_MAX)
			return;
	bytes = (UINT64)((UINT8 *)node - (UINT8 *)path);
	if (bytes > BOOT_DEVICE_PATH_MAX)
		return;
	ctx->bs->CopyMem(ctx->bi->device_path, path, bytes);
	ctx->bi->device_path_bytes = (uint32_t)bytes;
}

void boot_survey(const struct boot_ctx *ctx)
{
	note_volume(ctx);
	ctx->bi->efi_system_table = (uint64_t)ctx->st;
	find_tables(ctx);
	list_cpus(ctx);
	find_framebuffer(ctx);
	note_firmware(ctx);
}
