/*
 * tdload.h - what the TD loader (boot/tdload) and the one who builds it into a TD (tdx/tdload_plan.c)
 * agree on: where things lie, and the page of parameters.
 *
 * A TD that is started without firmware has, right below 4 GiB, where a firmware would be:
 *
 *     TDLOAD_RSDP    ACPI: the pointer to the tables     made by the host, measured
 *     TDLOAD_ACPI    ACPI tables                         made by the host, measured
 *     TDLOAD_PARAMS  struct tdload_params                made by the host, measured
 *     TDLOAD_WORK    page tables, stacks, AP mailbox     zero
 *     TDLOAD_IMAGE   the loader, reset vector last       measured
 *
 * and in its RAM the kernel, the initrd, boot parameters and command line, all added and measured.
 * Every vCPU starts in the loader, which accepts the rest of the RAM; then the first one enters the
 * kernel, and the others wait at the mailbox of the ACPI multiprocessor wake-up structure.
 *
 * Invariants
 *   - All that decides what runs is measured: the MRTD stands for kernel, initrd, command line,
 *     memory and vCPUs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_TDLOAD_H
#define TAIN_BASE_TDLOAD_H

#include "kernel/base/types.h"

#define TDLOAD_TOP          UINT64_C(0x100000000)
#define TDLOAD_IMAGE_BYTES  UINT64_C(0x2000)
#define TDLOAD_IMAGE        (TDLOAD_TOP - TDLOAD_IMAGE_BYTES)
#define TDLOAD_WORK_BYTES   UINT64_C(0x1a000)
#define TDLOAD_WORK         (TDLOAD_IMAGE - TDLOAD_WORK_BYTES)
#define TDLOAD_MAILBOX      TDLOAD_WORK /* its first page */
#define TDLOAD_PARAMS_BYTES UINT64_C(0x1000)
#define TDLOAD_PARAMS       (TDLOAD_WORK - TDLOAD_PARAMS_BYTES)
#define TDLOAD_ACPI_BYTES   UINT64_C(0x2000)
#define TDLOAD_ACPI         (TDLOAD_PARAMS - TDLOAD_ACPI_BYTES)
#define TDLOAD_RSDP         (TDLOAD_ACPI - UINT64_C(0x1000))
#define TDLOAD_BOTTOM       TDLOAD_RSDP

#define TDLOAD_MAGIC      UINT64_C(0x31444f4c44544e54) /* "TNTDLOD1" */
#define TDLOAD_RANGES_MAX 32
#define TDLOAD_VCPUS_MAX  64

/* One page; the loader reads it and nobody writes it. */
struct tdload_params {
	uint64_t magic;
	uint64_t entry;       /* the kernel's 64-bit entry */
	uint64_t boot_params; /* RSI there */
	uint32_t vcpus;
	uint32_t range_count;
	struct {
		uint64_t start, end;
	} range[TDLOAD_RANGES_MAX]; /* RAM to accept, whole pages */
	/* SHA-384 of the command line: goes to RTMR 2, as a boot loader would put it there. */
	uint8_t cmdline_digest[48] ALIGNED(64);
};
_Static_assert(sizeof(struct tdload_params) <= TDLOAD_PARAMS_BYTES, "one page");

#endif
