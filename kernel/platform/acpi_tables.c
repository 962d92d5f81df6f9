/*
 * acpi_tables.c - the tables, byte by byte, and the script that places them.
 *
 * Order in the file: DSDT, FADT, MADT, MCFG, XSDT; each begins on a 64-byte boundary.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/acpi_tables.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform/aml.h"
#include "kernel/platform/intr.h"
#include "kernel/platform/memory.h"
#include "kernel/platform/pci.h"
#include "kernel/platform/pmtimer.h"

#define HEADER_BYTES  36
#define SUM_AT        9 /* checksum in a table's header */
#define LENGTH_AT     4
#define TABLE_ALIGN   64

#define FADT_BYTES    276
#define RSDP_SUM_AT   8  /* over the first 20 bytes */
#define RSDP_OLD_BYTES 20
#define RSDP_XSDT_AT  24
#define RSDP_SUM2_AT  32 /* over all */

#define LAPIC_GPA     0xfee00000u

enum loader_command { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
#define LOADER_ENTRY  128
#define LOADER_NAME   56
#define ZONE_HIGH     1
#define ZONE_FSEG     2
#define TABLES_FILE   "etc/acpi/tables"
#define RSDP_FILE     "etc/acpi/rsdp"

struct builder {
	struct acpi_tables *t;
	const struct acpi_tables_config *c;
	uint64_t base;
	bool script; /* write the loader script, leave the sums to firmware */
	struct aml out;
};

/* ---- little things ---- */

static void put(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

static uint8_t sum_of(const uint8_t *at, uint32_t bytes)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + at[i]);
	return (uint8_t)-sum;
}

static uint8_t *loader_entry(struct builder *b, enum loader_command command)
{
	static uint8_t nowhere[LOADER_ENTRY];
	struct acpi_tables *t = b->t;

	if (!b->script || t->loader_size + LOADER_ENTRY > sizeof(t->loader)) {
		b->out.overflow |= b->script;
		return nowhere;
	}

	uint8_t *e = t->loader + t->loader_size;

	memset(e, 0, LOADER_ENTRY);
	t->loader_size += LOADER_ENTRY;
	put(e, command, 4);
	return e;
}

static void loader_allocate(struct builder *b, const char *file, uint32_t align, uint8_t zone)
{
	uint8_t *e = loader_entry(b, LOADER_ALLOCATE);

	memcpy(e + 4, file, strlen(file) + 1);
	put(e + 4 + LOADER_NAME, align, 4);
	e[4 + LOADER_NAME + 4] = zone;
}

static void loader_sum(struct builder *b, const char *file, uint32_t at, uint32_t start, uint32_t n)
{
	uint8_t *e = loader_entry(b, LOADER_ADD_CHECKSUM);

	memcpy(e + 4, file, strlen(file) + 1);
	put(e + 4 + LOADER_NAME, at, 4);
	put(e + 4 + LOADER_NAME + 4, start, 4);
	put(e + 4 + LOADER_NAME + 8, n, 4);
}

static void loader_pointer(struct builder *b, const char *file, uint32_t at, uint8_t bytes)
{
	uint8_t *e = loader_entry(b, LOADER_ADD_POINTER);

	memcpy(e + 4, file, strlen(file) + 1);
	memcpy(e + 4 + LOADER_NAME, TABLES_FILE, sizeof(TABLES_FILE));
	put(e + 4 + 2 * LOADER_NAME, at, 4);
	e[4 + 2 * LOADER_NAME + 4] = bytes;
}

/* ---- frames of tables ---- */

static uint32_t begin_table(struct builder *b, const char *signature, uint8_t revision)
{
	static const uint8_t zeros[TABLE_ALIGN];
	uint8_t header[HEADER_BYTES] = { 0 };

	aml_bytes(&b->out, zeros, (uint32_t)(align_up(b->out.used, TABLE_ALIGN) - b->out.used));

	uint32_t at = b->out.used;

	memcpy(header, signature, 4);
	header[8] = revision;
	memcpy(header + 10, "TAIN  ", 6);
	memcpy(header + 16, "TAINPC  ", 8);
	put(header + 24, 1, 4);
	memcpy(header + 28, "TAIN", 4);
	put(header + 32, 1, 4);
	aml_bytes(&b->out, header, HEADER_BYTES);
	return at;
}

static void end_table(struct builder *b, uint32_t at)
{
	uint8_t *table = b->out.at + at;
	uint32_t length = b->out.used - at;

	if (b->out.overflow)
		return;
	put(table + LENGTH_AT, length, 4);
	if (b->script)
		loader_sum(b, TABLES_FILE, at + SUM_AT, at, length);
	else
		table[SUM_AT] = sum_of(table, length);
}

/* ---- DSDT ---- */

static void dsdt_prt(struct aml *a)
{
	aml_name(a, "_PRT");

	struct aml_block all = aml_begin_package(a, 4 * PCI_SLOTS);

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		for (unsigned pin = 0; pin < 4; pin++) {
			struct aml_block one = aml_begin_package(a, 4);

			aml_integer(a, (uint64_t)slot << 16 | 0xffff);
			aml_integer(a, pin);
			aml_integer(a, 0);
			aml_integer(a, pci_intx_gsi(slot, pin));
			aml_end(a, one);
		}
	aml_end(a, all);
}

static void dsdt_pci(struct aml *a, uint64_t low_ram)
{
	struct aml_block pci = aml_begin_device(a, "PCI0");

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0A08");
	aml_name(a, "_CID");
	aml_eisa_id(a, "PNP0A03");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_name(a, "_CRS");

	struct aml_block crs = aml_begin_resources(a);

	aml_res_window_bus(a, 0, 0);
	aml_res_io(a, 0x0cf8, 8);
	aml_res_window_io(a, 0x0000, 0x0cf7);
	aml_res_window_io(a, 0x0d00, 0xffff);
	aml_res_window_memory(a, (uint32_t)pci_window_base(low_ram), (uint32_t)PCI_WINDOW_LAST);
	aml_end_resources(a, crs);
	dsdt_prt(a);
	aml_end(a, pci);
}

struct isa_device {
	const char *name, *eisa_id, *id; /* one of the two ids */
	uint16_t port;
	uint8_t ports;
	uint8_t irq; /* 0: none */
};

static void dsdt_isa(struct aml *a)
{
	static const struct isa_device devices[] = {
		{ "COM1", "PNP0501", NULL, 0x3f8, 8, GSI_COM1 },
		{ "RTC0", "PNP0B00", NULL, 0x70, 2, GSI_RTC },
		{ "FWCF", NULL, "QEMU0002", 0x510, 12, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		const struct isa_device *d = &devices[i];
		struct aml_block device = aml_begin_device(a, d->name);

		aml_name(a, "_HID");
		if (d->id)
			aml_string(a, d->id);
		else
			aml_eisa_id(a, d->eisa_id);
		aml_name(a, "_UID");
		aml_integer(a, i + 1);
		aml_name(a, "_STA");
		aml_integer(a, 0x0f);
		aml_name(a, "_CRS");

		struct aml_block crs = aml_begin_resources(a);

		aml_res_io(a, d->port, d->ports);
		if (d->irq)
			aml_res_irq(a, d->irq);
		aml_end_resources(a, crs);
		aml_end(a, device);
	}
}

/* Addresses that belong to no device driver: the ECAM window, the I/O APIC, the PM block. */
static void dsdt_reserved(struct aml *a)
{
	struct aml_block device = aml_begin_device(a, "MRES");

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0C02");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_name(a, "_CRS");

	struct aml_block crs = aml_begin_resources(a);

	aml_res_memory(a, (uint32_t)PCI_ECAM_GPA, (uint32_t)PCI_ECAM_SIZE);
	aml_res_memory(a, (uint32_t)IOAPIC_GPA, (uint32_t)IOAPIC_SIZE);
	aml_res_io(a, PM_BASE, PM_SIZE);
	aml_end_resources(a, crs);
	aml_end(a, device);
}

static uint32_t dsdt(struct builder *b)
{
	struct aml *a = &b->out;
	uint32_t at = begin_table(b, "DSDT", 2);
	struct aml_block sb, s5;

	aml_name(a, "\\_S5_");
	s5 = aml_begin_package(a, 4);
	for (unsigned i = 0; i < 4; i++)
		aml_integer(a, 0); /* SLP_TYP 0 is "off" */
	aml_end(a, s5);
	sb = aml_begin_scope(a, "\\_SB_");
	dsdt_pci(a, b->c->low_ram);
	dsdt_isa(a);
	dsdt_reserved(a);
	aml_end(a, sb);
	end_table(b, at);
	return at;
}

/* ---- FADT, MADT, MCFG, XSDT, RSDP ---- */

struct field {
	uint16_t at, bytes;
	uint64_t value;
};

#define GAS_IO(bits, access) (1 | (bits) << 8 | (access) << 24) /* generic address: system I/O */

static uint32_t fadt(struct builder *b, uint32_t dsdt_at)
{
	uint64_t dsdt_gpa = b->base + dsdt_at;
	const struct field fields[] = {
		{ 40, 4, dsdt_gpa },
		{ 45, 1, 0 },                     /* preferred profile: unspecified */
		{ 46, 2, GSI_SCI },
		{ 56, 4, PM_BASE },               /* PM1a event block */
		{ 64, 4, PM_BASE + 4 },           /* PM1a control block */
		{ 76, 4, PM_BASE + 8 },           /* PM timer */
		{ 88, 1, 4 }, { 89, 1, 2 }, { 91, 1, 4 },
		{ 96, 2, 0xffff }, { 98, 2, 0xffff }, /* no C2, no C3 */
		{ 108, 1, 0x32 },                 /* century in the RTC */
		/* IA-PC boot: legacy devices; no 8042, no VGA; the RTC is there. */
		{ 109, 2, b->c->pic ? BIT32(2) | BIT32(0) : BIT32(2) },
		/* WBINVD, C1, no power and sleep button, RTC not fixed, reset register */
		{ 112, 4, BIT32(0) | BIT32(2) | BIT32(4) | BIT32(5) | BIT32(6) | BIT32(10) },
		{ 116, 4, GAS_IO(8, 1) }, { 120, 8, 0xcf9 }, { 128, 1, 0x06 },
		{ 131, 1, 3 },                    /* minor version: 6.3 */
		{ 140, 8, dsdt_gpa },
		{ 148, 4, GAS_IO(32, 2) }, { 152, 8, PM_BASE },
		{ 172, 4, GAS_IO(16, 2) }, { 176, 8, PM_BASE + 4 },
		{ 208, 4, GAS_IO(32, 3) }, { 212, 8, PM_BASE + 8 },
	};
	uint8_t body[FADT_BYTES] = { 0 };
	uint32_t at = begin_table(b, "FACP", 6);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		put(body + fields[i].at, fields[i].value, fields[i].bytes);
	aml_bytes(&b->out, body + HEADER_BYTES, FADT_BYTES - HEADER_BYTES);
	loader_pointer(b, TABLES_FILE, at + 40, 4);
	loader_pointer(b, TABLES_FILE, at + 140, 8);
	end_table(b, at);
	return at;
}

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4, MADT_WAKEUP = 16 };
#define POLARITY_HIGH 1
#define TRIGGER_EDGE  (1 << 2)
#define TRIGGER_LEVEL (3 << 2)

static void madt_override(struct aml *a, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	uint8_t e[10] = { MADT_OVERRIDE, sizeof(e), 0, irq };

	put(e + 4, gsi, 4);
	put(e + 8, flags, 2);
	aml_bytes(a, e, sizeof(e));
}

static void madt_processors(struct aml *a, unsigned vcpus)
{
	for (unsigned i = 0; i < vcpus; i++) {
		const uint8_t e[8] = { MADT_LAPIC, sizeof(e), (uint8_t)i, (uint8_t)i, 1 };

		aml_bytes(a, e, sizeof(e));
	}
}

static void madt_ioapic(struct aml *a, unsigned id)
{
	uint8_t e[12] = { MADT_IOAPIC, sizeof(e), (uint8_t)id };

	put(e + 4, IOAPIC_GPA, 4);
	aml_bytes(a, e, sizeof(e));
}

static uint32_t madt(struct builder *b)
{
	static const uint8_t nmi[6] = { MADT_LAPIC_NMI, sizeof(nmi), 0xff, 0, 0, 1 };
	struct aml *a = &b->out;
	uint32_t at = begin_table(b, "APIC", 5);
	uint8_t head[8] = { 0 };

	put(head, LAPIC_GPA, 4);
	head[4] = b->c->pic; /* PCAT_COMPAT */
	aml_bytes(a, head, sizeof(head));
	madt_processors(a, b->c->vcpus);
	madt_ioapic(a, b->c->vcpus);
	madt_override(a, 0, GSI_TIMER, POLARITY_HIGH | TRIGGER_EDGE);
	madt_override(a, GSI_SCI, GSI_SCI, POLARITY_HIGH | TRIGGER_LEVEL);
	aml_bytes(a, nmi, sizeof(nmi));
	if (b->c->wakeup) {
		uint8_t e[16] = { MADT_WAKEUP, sizeof(e) };

		put(e + 8, b->c->mailbox, 8);
		aml_bytes(a, e, sizeof(e));
	}
	end_table(b, at);
	return at;
}

static uint32_t mcfg(struct builder *b)
{
	uint8_t body[24] = { 0 };
	uint32_t at = begin_table(b, "MCFG", 1);

	put(body + 8, PCI_ECAM_GPA, 8); /* segment 0, buses 0 to 0 */
	aml_bytes(&b->out, body, sizeof(body));
	end_table(b, at);
	return at;
}

static uint32_t xsdt(struct builder *b, const uint32_t *tables, unsigned count)
{
	uint32_t at = begin_table(b, "XSDT", 1);

	for (unsigned i = 0; i < count; i++) {
		uint8_t pointer[8];

		put(pointer, b->base + tables[i], 8);
		loader_pointer(b, TABLES_FILE, b->out.used, 8);
		aml_bytes(&b->out, pointer, sizeof(pointer));
	}
	end_table(b, at);
	return at;
}

static void rsdp(struct builder *b, uint32_t xsdt_at)
{
	uint8_t *r = b->t->rsdp;

	memset(r, 0, ACPI_RSDP_BYTES);
	memcpy(r, "RSD PTR ", 8);
	memcpy(r + 9, "TAIN  ", 6);
	r[15] = 2; /* revision */
	put(r + 20, ACPI_RSDP_BYTES, 4);
	put(r + RSDP_XSDT_AT, b->base + xsdt_at, 8);
	loader_pointer(b, RSDP_FILE, RSDP_XSDT_AT, 8);
	loader_sum(b, RSDP_FILE, RSDP_SUM_AT, 0, RSDP_OLD_BYTES);
	loader_sum(b, RSDP_FILE, RSDP_SUM2_AT, 0, ACPI_RSDP_BYTES);
	if (!b->script) {
		r[RSDP_SUM_AT] = sum_of(r, RSDP_OLD_BYTES);
		r[RSDP_SUM2_AT] = sum_of(r, ACPI_RSDP_BYTES);
	}
}

static int build(struct builder *b)
{
	uint32_t tables[3];

	b->t->loader_size = 0;
	b->out = (struct aml){ .at = b->t->bytes, .size = sizeof(b->t->bytes) };
	loader_allocate(b, RSDP_FILE, 16, ZONE_FSEG);
	loader_allocate(b, TABLES_FILE, TABLE_ALIGN, ZONE_HIGH);
	tables[0] = fadt(b, dsdt(b));
	tables[1] = madt(b);
	tables[2] = mcfg(b);
	rsdp(b, xsdt(b, tables, ARRAY_LEN(tables)));
	b->t->size = b->out.used;
	return b->out.overflow ? -ENOSPC : 0;
}

int acpi_tables_build(struct acpi_tables *t, const struct acpi_tables_config *c, uint64_t base)
{
	struct builder b = { .t = t, .c = c, .base = base };

	return build(&b);
}

int acpi_tables_build_loader(struct acpi_tables *t, const struct acpi_tables_config *c)
{
	struct builder b = { .t = t, .c = c, .script = true };

	return build(&b);
}
