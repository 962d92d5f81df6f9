/*
 * acpi.h - find ACPI tables and read the few we need. Everything in them is untrusted input.
 *
 * Invariants
 *   - No byte is read that @map did not hand out, and no table is used whose length or checksum is
 *     wrong. A malformed table is as good as absent; the reason is in acpi.note.
 *   - Knows no VM and allocates nothing: results are plain values.
 *
 * Tables: ACPI specification 6.5, "RSDP", "XSDT", "MADT", "SRAT", "FADT", "SPCR"; Microsoft DBG2; Intel VT-d, "DMAR".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_ACPI_H
#define TAIN_DRIVERS_ACPI_H

#include "kernel/base/types.h"

/* Pointer to @bytes of physical memory at @hpa, or NULL where there is no readable memory. */
typedef const void *(*acpi_map_fn)(uint64_t hpa, uint64_t bytes);

struct acpi_gas { /* generic address, decoded */
	uint8_t space; /* 0 memory, 1 I/O port */
	uint8_t width, access;
	uint64_t address;
};
enum { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1 };

#define ACPI_MAX_TABLES  128
#define ACPI_MAX_IOAPICS 64

struct acpi {
	acpi_map_fn map;
	char note[96];     /* why a table was left out, the last one; may be empty */
	unsigned rejected; /* tables left out */
	unsigned count;
	struct acpi_table {
		char signature[5];
		uint64_t hpa;
		uint32_t length;
	} table[ACPI_MAX_TABLES];
};

/* Walk RSDP and XSDT/RSDT. Returns 0; -ENOENT: no (valid) RSDP at @rsdp. */
int acpi_init(struct acpi *a, uint64_t rsdp, acpi_map_fn map) MUST_CHECK;

/* The @nth table with this signature, checked; NULL if there is none. *@length is its size. */
const uint8_t *acpi_find(const struct acpi *a, const char *signature, unsigned nth,
			 uint32_t *length);

struct acpi_cpu {
	uint32_t apic_id;
	bool enabled, online_capable;
};
struct acpi_ioapic {
	uint64_t hpa;
	uint32_t gsi_base;
};
struct acpi_madt {
	uint64_t lapic_hpa;
	bool has_pic;
	unsigned ioapic_count;
	struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
	uint32_t isa_gsi[16];  /* where ISA line n goes */
	uint8_t isa_flags[16]; /* MPS INTI flags */
};
/* Calls @cpu for each processor. Returns 0, -ENOENT without a valid MADT. */
int acpi_read_madt(const struct acpi *a, struct acpi_madt *out,
		   void (*cpu)(void *ctx, const struct acpi_cpu *c), void *ctx) MUST_CHECK;

/* A memory range of the SRAT and the proximity domain (NUMA node) that it belongs to. */
struct acpi_node {
	uint32_t node;
	uint64_t base, size;
};
/* Calls @range for each enabled memory range. Returns 0, -ENOENT without a valid SRAT. */
int acpi_read_srat(const struct acpi *a, void (*range)(void *ctx, const struct acpi_node *n),
		   void *ctx) MUST_CHECK;

/* A unit that remaps the DMA of devices; its registers' address, all of it as the table says. */
struct acpi_remapper {
	uint64_t hpa;
	uint16_t segment;
};
/* Calls @unit for each of the DMAR (Intel VT-d). Returns 0, -ENOENT without a valid DMAR. */
int acpi_read_dmar(const struct acpi *a, void (*unit)(void *ctx, const struct acpi_remapper *r),
		   void *ctx) MUST_CHECK;

struct acpi_fadt {
	uint16_t sci;
	uint16_t pm_timer_port;    /* 0: none */
	bool pm_timer_32bit, has_8042, has_rtc, has_vga, hw_reduced, reset_supported;
	struct acpi_gas pm1a_control, pm1b_control, reset;
	uint8_t reset_value;
	bool has_s5;               /* \_S5 was found in the DSDT */
	uint8_t s5_a, s5_b;        /* SLP_TYP */
};
int acpi_read_fadt(const struct acpi *a, struct acpi_fadt *out) MUST_CHECK;

struct acpi_pci {
	uint8_t bus, device, function;
};

/* A serial console: the @nth that SPCR, then DBG2 name (16550s), from 0. -ENOENT: no more. */
struct acpi_serial {
	struct acpi_gas base; /* address 0 only with is_pci: as the device's BAR 0 says */
	bool is_pci;
	struct acpi_pci pci; /* of segment 0 */
	uint32_t clock_hz;   /* of the UART; 0: not told */
	uint32_t gsi;      /* 0: no interrupt known */
	uint32_t baud;     /* 0: as firmware left it */
	const char *source; /* "SPCR" or "DBG2" */
};
int acpi_read_serial(const struct acpi *a, unsigned nth, struct acpi_serial *out) MUST_CHECK;

#endif
