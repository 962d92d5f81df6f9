/*
 * boot_info.h - the boot record: all that the loader tells the kernel.
 *
 * Invariants
 *   - Every pointer is a host-physical address of memory that the loader allocated and listed in
 *     the memory map as BOOT_MEM_TAIN; it stays intact until the kernel gives it back.
 *   - The layout is shared by two programs built by the same make; a change of it changes
 *     BOOT_INFO_VERSION, and the kernel refuses any other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_BOOT_INFO_H
#define TAIN_BASE_BOOT_INFO_H

#include "kernel/base/types.h"

#define BOOT_INFO_MAGIC   UINT64_C(0x4f464e494e494154) /* "TAININFO" */
#define BOOT_INFO_VERSION 3

/* Where the loader maps things before it jumps; the kernel's own tables keep the same addresses. */
#define KERNEL_VIRT_BASE UINT64_C(0xffffffff80000000) /* the image, linked here             */
#define DIRECT_MAP_BASE  UINT64_C(0xffff800000000000) /* all physical memory, by its address */

enum boot_mem_kind {
	BOOT_MEM_USABLE,          /* free RAM, boot-services memory included */
	BOOT_MEM_TAIN,            /* the kernel image, this record, files, loader page tables */
	BOOT_MEM_RUNTIME,         /* firmware runtime code and data: must stay mapped for calls */
	BOOT_MEM_ACPI_RECLAIM,    /* ACPI tables */
	BOOT_MEM_ACPI_NVS,
	BOOT_MEM_MMIO,
	BOOT_MEM_RESERVED,
	BOOT_MEM_UNUSABLE,
};

/* Ascending, not overlapping, 4 KiB aligned; neighbours of one kind and attribute are joined. */
struct boot_mem {
	uint64_t base, size;
	uint32_t kind;     /* enum boot_mem_kind */
	uint32_t efi_type; /* what the firmware called it */
	uint64_t attr;     /* EFI_MEMORY_* */
};

enum boot_file_status { BOOT_FILE_OK, BOOT_FILE_MISSING, BOOT_FILE_UNREADABLE, BOOT_FILE_NO_MEMORY };

/* One file of the start volume. tain.cfg is file 0, whatever its status. */
struct boot_file {
	char path[256];   /* as tain.cfg spells it, backslashes; NUL terminated */
	uint64_t hpa;     /* page aligned; 0 unless status is BOOT_FILE_OK */
	uint64_t size;    /* bytes */
	uint32_t status;  /* enum boot_file_status */
	uint32_t rsvd;
};

#define BOOT_DEVICE_PATH_MAX 512

enum boot_log { BOOT_LOG_NONE, BOOT_LOG_WRITTEN, BOOT_LOG_LOST };

struct boot_cpu {
	uint32_t apic_id;
	uint32_t flags; /* BOOT_CPU_* */
};
#define BOOT_CPU_BSP     BIT32(0)
#define BOOT_CPU_ENABLED BIT32(1)

struct boot_info {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* bytes of this struct */

	uint64_t kernel_hpa, kernel_bytes; /* the image with its .bss */
	uint64_t mem_hpa, mem_count;       /* struct boot_mem[] */
	uint64_t files_hpa, file_count;    /* struct boot_file[] */
	uint64_t cpus_hpa, cpu_count;      /* struct boot_cpu[] from EFI MP services; may be 0 */

	uint64_t rsdp;             /* ACPI RSDP or 0 */
	uint64_t smbios, smbios3;  /* entry points or 0 */
	uint64_t efi_system_table; /* 0: no runtime services */
	uint64_t kept_log_hpa;     /* struct kept_log, started; 0: none */
	uint64_t fb_hpa, fb_bytes; /* linear framebuffer or 0 */
	uint32_t fb_width, fb_height, fb_pixels_per_line, fb_format; /* EFI_GRAPHICS_PIXEL_FORMAT */

	uint64_t tsc_loader_entry;  /* RDTSC at efi_main */
	uint64_t tsc_kernel_entry;  /* RDTSC just before the jump */
	uint32_t exit_boot_retries; /* how often the memory map had changed */
	uint32_t secure_boot;       /* 1: firmware says Secure Boot is on */
	uint32_t kept_log;          /* enum boot_log: of the boot before */
	uint32_t rsvd;
	char firmware_vendor[64];   /* ASCII */
	uint32_t device_path_bytes; /* of device_path; 0: unknown */
	uint32_t rsvd2;
	uint8_t device_path[BOOT_DEVICE_PATH_MAX]; /* of the start volume, without its end node */
	char loader_note[256];      /* one line for the log, e.g. why no tain.cfg; may be empty */
};

#endif
