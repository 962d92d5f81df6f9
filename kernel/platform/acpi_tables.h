/*
 * acpi_tables.h - the ACPI tables of the virtual PC: RSDP, XSDT, FADT, DSDT, MADT, MCFG, made once
 * for both kinds of guests and both ways to hand them over.
 *
 *   - In place: acpi_tables_build() with the address at which the bytes will stand; the tables are
 *     complete and summed up.
 *   - To firmware: acpi_tables_build_loader(): pointers are offsets into the file and checksums are
 *     0; the loader script tells firmware what to add and to sum (fw_cfg files etc/acpi/rsdp,
 *     etc/acpi/tables, etc/table-loader).
 *
 * Invariant: what the tables say is what the devices are: the numbers come from their headers.
 *
 * ACPI specification 6.5, "ACPI Software Programming Model"; PCI firmware specification for MCFG;
 * the loader script as in QEMU's docs (bios-linker-loader).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_ACPI_TABLES_H
#define TAIN_PLATFORM_ACPI_TABLES_H

#include "kernel/base/types.h"

#define ACPI_RSDP_BYTES   36
#define ACPI_TABLES_BYTES 8192 /* room for 64 vCPUs and more */
#define ACPI_LOADER_BYTES (128 * 20)

struct acpi_tables_config {
	unsigned vcpus;         /* local APIC ids 0 to vcpus - 1 */
	uint64_t low_ram;       /* bytes below 4 GiB: the PCI window begins above them */
	bool pic;               /* the 8259 pair is there */
	bool wakeup;            /* APs are started by the multiprocessor wake-up mailbox */
	uint64_t mailbox;       /* its GPA, a page of its own */
};

struct acpi_tables {
	uint8_t rsdp[ACPI_RSDP_BYTES];
	uint8_t bytes[ACPI_TABLES_BYTES];
	uint32_t size; /* of bytes */
	uint8_t loader[ACPI_LOADER_BYTES];
	uint32_t loader_size;
};

/* For bytes that will stand at GPA @base (16-byte aligned); the RSDP may stand anywhere. 0, -ENOSPC. */
int acpi_tables_build(struct acpi_tables *t, const struct acpi_tables_config *c, uint64_t base)
	MUST_CHECK;

/* For firmware: relocatable, with the script. 0, -ENOSPC. */
int acpi_tables_build_loader(struct acpi_tables *t, const struct acpi_tables_config *c) MUST_CHECK;

#endif
