/*
 * drivers_acpi.c - what the reader of ACPI tables promises, with tables made here.
 *
 * links: drivers/acpi.c kernel/machine/cpu_table.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/acpi.h"
#include "kernel/machine/cpu_table.h"

#define MEMORY 65536u
#define RSDP   0x1000u

static uint8_t memory[MEMORY];
static uint32_t next, xsdt_entries;
static struct acpi acpi;
static struct acpi_madt madt;

static const void *map(uint64_t hpa, uint64_t bytes)
{
	return hpa < MEMORY && bytes <= MEMORY - hpa ? memory + hpa : NULL;
}

static void put16(uint32_t at, uint32_t v)
{
	memory[at] = (uint8_t)v, memory[at + 1] = (uint8_t)(v >> 8);
}
static void put32(uint32_t at, uint32_t v) { put16(at, v), put16(at + 2, v >> 16); }
static void put64(uint32_t at, uint64_t v)
{
	put32(at, (uint32_t)v), put32(at + 4, (uint32_t)(v >> 32));
}

static void sum(uint32_t at, uint32_t bytes, uint32_t field)
{
	memory[field] = 0;
	uint8_t s = 0;

	for (uint32_t i = 0; i < bytes; i++)
		s = (uint8_t)(s + memory[at + i]);
	memory[field] = (uint8_t)-s;
}

/* A table of @bytes; its address. seal() when the body is there. */
static uint32_t table(const char *signature, uint32_t bytes)
{
	uint32_t at = next;

	memcpy(memory + at, signature, 4);
	put32(at + 4, bytes);
	next += (bytes + 15) & ~15u;
	assert_true(next < MEMORY);
	return at;
}

static void seal(uint32_t at) { sum(at, memory[at + 4] | memory[at + 5] << 8, at + 9); }

#define XSDT 0x1100u

static void list(uint32_t at)
{
	put64(XSDT + 36 + 8 * xsdt_entries++, at);
	put32(XSDT + 4, 36 + 8 * xsdt_entries);
	seal(XSDT);
}

static void begin(void)
{
	memset(memory, 0, sizeof(memory));
	xsdt_entries = 0;
	next = 0x2000;
	memcpy(memory + RSDP, "RSD PTR ", 8);
	memory[RSDP + 15] = 2;
	put32(RSDP + 20, 36);
	put64(RSDP + 24, XSDT);
	sum(RSDP, 20, RSDP + 8);
	sum(RSDP, 36, RSDP + 32);
	memcpy(memory + XSDT, "XSDT", 4);
	put32(XSDT + 4, 36);
	seal(XSDT);
}

static void no_rsdp_is_enoent(void **state)
{
	(void)state;
	begin();
	assert_int_equal(acpi_init(&acpi, 0, map), -ENOENT);
	assert_int_equal(acpi_init(&acpi, 0x500, map), -ENOENT);
	assert_int_equal(acpi_init(&acpi, UINT64_MAX - 3, map), -ENOENT);
	memory[RSDP + 9] ^= 1;
	assert_int_equal(acpi_init(&acpi, RSDP, map), -ENOENT);
}

static void bad_tables_are_left_out_with_a_reason(void **state)
{
	uint32_t good, length;

	(void)state;
	begin();
	good = table("GOOD", 64);
	seal(good), list(good);
	uint32_t sumless = table("SUMX", 64);

	memory[sumless + 40] = 1;
	list(sumless);
	uint32_t endless = table("LONG", 64);

	put32(endless + 4, 0xfffffff0);
	list(endless);
	uint32_t brief = table("SHRT", 40);

	put32(brief + 4, 8);
	list(brief);
	list(0xfffffff0);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	assert_int_equal(acpi.count, 1);
	assert_int_equal(acpi.rejected, 4);
	assert_string_not_equal(acpi.note, "");
	assert_ptr_equal(acpi_find(&acpi, "GOOD", 0, &length), memory + good);
	assert_int_equal(length, 64);
	assert_null(acpi_find(&acpi, "GOOD", 1, &length));
	assert_null(acpi_find(&acpi, "SUMX", 0, &length));
}

static void add_cpu(void *ctx, const struct acpi_cpu *c)
{
	if (c->enabled)
		assert_true(cpu_table_add(ctx, c->apic_id) >= 0);
}

/* 512 CPUs with ids of 32 bits, each listed twice as firmware does; two that are off. */
static void madt_with_512_cpus(void **state)
{
	static struct cpu_table cpus;
	uint32_t at, e;

	(void)state;
	begin();
	at = table("APIC", 44 + 514 * 16 + 2 * 12 + 10 + 8);
	put32(at + 36, 0xfee00000);
	put32(at + 40, 1);
	e = at + 44;
	for (uint32_t i = 0; i < 514; i++, e += 16) {
		memory[e] = 9, memory[e + 1] = 16;
		put32(e + 4, i < 256 ? i * 2 : 0x10000 + i);
		put32(e + 8, i < 512);
	}
	memory[e] = 0, memory[e + 1] = 8, memory[e + 3] = 4; /* id 4 again, as a LAPIC entry */
	put32(e + 4, 1);
	e += 8;
	for (uint32_t i = 0; i < 2; i++, e += 12) {
		memory[e] = 1, memory[e + 1] = 12;
		put32(e + 4, 0xfec00000 + i * 0x1000);
		put32(e + 8, i * 24);
	}
	memory[e] = 2, memory[e + 1] = 10, memory[e + 3] = 4; /* IRQ 4 goes to GSI 20, level */
	put32(e + 4, 20);
	memory[e + 8] = 0xd;
	seal(at), list(at);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	cpu_table_init(&cpus, 0);
	assert_int_equal(acpi_read_madt(&acpi, &madt, add_cpu, &cpus), 0);
	assert_int_equal(cpus.count, 512);
	assert_int_equal(cpu_table_find(&cpus, 0x10000 + 511), 511);
	assert_int_equal(cpu_table_find(&cpus, 0x10000 + 512), -ENOENT);
	assert_int_equal(cpu_table_find(&cpus, 4), 2);
	assert_int_equal(madt.ioapic_count, 2);
	assert_int_equal(madt.ioapic[1].gsi_base, 24);
	assert_int_equal(madt.isa_gsi[4], 20);
	assert_int_equal(madt.isa_flags[4], 0xd);
	assert_int_equal(madt.isa_gsi[3], 3);
	assert_true(madt.has_pic);
}

static void a_full_cpu_table_refuses(void **state)
{
	static struct cpu_table cpus;

	(void)state;
	cpu_table_init(&cpus, 7);
	for (uint32_t i = 1; i < CPU_MAX; i++)
		assert_int_equal(cpu_table_add(&cpus, 1000 + i), i);
	assert_int_equal(cpu_table_add(&cpus, 1), -ENOSPC);
	assert_int_equal(cpu_table_add(&cpus, 7), 0);
	assert_int_equal(cpu_table_add(&cpus, 1005), 5);
}

static void madt_entries_that_lie_end_the_walk(void **state)
{
	static struct cpu_table cpus;
	uint32_t at;

	(void)state;
	begin();
	at = table("APIC", 44 + 16 + 4);
	memory[at + 44] = 9, memory[at + 45] = 16;
	put32(at + 48, 300);
	put32(at + 52, 1);
	memory[at + 60] = 9, memory[at + 61] = 16; /* reaches beyond the table */
	seal(at), list(at);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	cpu_table_init(&cpus, 0);
	assert_int_equal(acpi_read_madt(&acpi, &madt, add_cpu, &cpus), 0);
	assert_int_equal(cpus.count, 2);
	memory[at + 61] = 0; /* an entry of no length must not be walked for ever */
	seal(at);
	assert_int_equal(acpi_read_madt(&acpi, &madt, NULL, NULL), 0);
}

static void fadt_gives_timer_reset_and_s5(void **state)
{
	static const uint8_t s5[] = { 0x08, '_',  'S',  '5',  '_',  0x12, 0x08,
				      0x04, 0x0a, 0x05, 0x01, 0x00, 0x00 };
	struct acpi_fadt f;
	uint32_t dsdt, at;

	(void)state;
	begin();
	dsdt = table("DSDT", 36 + 20 + sizeof(s5));
	memcpy(memory + dsdt + 50, s5, sizeof(s5));
	seal(dsdt);
	at = table("FACP", 244);
	put32(at + 40, dsdt);
	put16(at + 46, 9);
	put32(at + 64, 0x604);
	put32(at + 76, 0x608);
	memory[at + 91] = 4;
	put32(at + 112, BIT32(10) | BIT32(8));
	memory[at + 116] = 1, memory[at + 117] = 8;
	put64(at + 120, 0xcf9);
	memory[at + 128] = 0x0f;
	seal(at), list(at);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	assert_int_equal(acpi_read_fadt(&acpi, &f), 0);
	assert_int_equal(f.pm_timer_port, 0x608);
	assert_true(f.pm_timer_32bit && f.reset_supported && f.has_s5);
	assert_int_equal(f.pm1a_control.address, 0x604);
	assert_int_equal(f.reset.address, 0xcf9);
	assert_int_equal(f.reset_value, 0x0f);
	assert_int_equal(f.s5_a, 5);
	assert_int_equal(f.s5_b, 1);
	memory[dsdt + 20] ^= 1; /* a DSDT that does not add up gives no S5, but leaves the rest */
	assert_int_equal(acpi_read_fadt(&acpi, &f), 0);
	assert_false(f.has_s5);
	assert_int_equal(f.pm_timer_port, 0x608);
}

static void serial_console_from_spcr_then_dbg2(void **state)
{
	struct acpi_serial s;
	uint32_t spcr, dbg2;

	(void)state;
	begin();
	dbg2 = table("DBG2", 44 + 22 + 12 + 4 + 2);
	put32(dbg2 + 36, 44);
	put32(dbg2 + 40, 1);
	put16(dbg2 + 45, 22 + 12 + 4);
	memory[dbg2 + 47] = 1;
	put16(dbg2 + 44 + 12, 0x8000);
	put16(dbg2 + 44 + 18, 22);
	memory[dbg2 + 44 + 22] = ACPI_SPACE_MEMORY;
	memory[dbg2 + 44 + 23] = 32;
	put64(dbg2 + 44 + 26, 0xfe001000);
	seal(dbg2), list(dbg2);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	assert_int_equal(acpi_read_serial(&acpi, 0, &s), 0);
	assert_string_equal(s.source, "DBG2");
	assert_int_equal(s.base.address, 0xfe001000);
	assert_int_equal(s.base.width, 32);

	spcr = table("SPCR", 80);
	memory[spcr + 40] = ACPI_SPACE_IO;
	put64(spcr + 44, 0x2f8);
	memory[spcr + 58] = 7;
	seal(spcr), list(spcr);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	assert_int_equal(acpi_read_serial(&acpi, 0, &s), 0);
	assert_string_equal(s.source, "SPCR");
	assert_int_equal(s.base.address, 0x2f8);
	assert_int_equal(s.baud, 115200);
	assert_int_equal(acpi_read_serial(&acpi, 1, &s), 0); /* if that one does not answer */
	assert_string_equal(s.source, "DBG2");
	assert_int_equal(acpi_read_serial(&acpi, 2, &s), -ENOENT);

	memory[spcr + 36] = 3; /* a PL011 is not for us: DBG2 again */
	seal(spcr);
	assert_int_equal(acpi_read_serial(&acpi, 0, &s), 0);
	assert_string_equal(s.source, "DBG2");
}

/* SPCR names a PCI function: with its address, or with none (then its BAR has it). */
static void a_serial_console_on_the_pci_bus(void **state)
{
	struct acpi_serial s;
	uint32_t spcr;

	(void)state;
	begin();
	spcr = table("SPCR", 80);
	memory[spcr + 8] = 3;
	put16(spcr + 64, 2);
	put16(spcr + 66, 0x1b36);
	memory[spcr + 68] = 3, memory[spcr + 69] = 0x10, memory[spcr + 70] = 1;
	put32(spcr + 76, 14745600);
	seal(spcr), list(spcr);
	assert_int_equal(acpi_init(&acpi, RSDP, map), 0);
	assert_int_equal(acpi_read_serial(&acpi, 0, &s), 0);
	assert_true(s.is_pci);
	assert_int_equal(s.pci.bus << 8 | s.pci.device << 3 | s.pci.function, 0x381);
	assert_int_equal(s.clock_hz, 14745600);

	memory[spcr + 75] = 1; /* another segment: nothing that we can reach */
	seal(spcr);
	assert_int_equal(acpi_read_serial(&acpi, 0, &s), -ENOENT);
	memory[spcr + 75] = 0;
	put16(spcr + 66, 0xffff); /* no PCI device, and no address */
	seal(spcr);
	assert_int_equal(acpi_read_serial(&acpi, 0, &s), -ENOENT);
}

/* Every table cut short at every length, and every byte turned over: no crash, only less. */
static void damage_only_takes_away(void **state)
{
	struct acpi_fadt f;
	struct acpi_serial s;

	(void)state;
	serial_console_from_spcr_then_dbg2(state);
	static uint8_t good[MEMORY];

	memcpy(good, memory, sizeof(good));
	for (uint32_t at = RSDP; at < next; at++) {
		memcpy(memory, good, sizeof(good));
		memory[at] ^= 0xff;
		if (acpi_init(&acpi, RSDP, map) == 0) {
			(void)!acpi_read_madt(&acpi, &madt, NULL, NULL);
			(void)!acpi_read_fadt(&acpi, &f);
			(void)!acpi_read_serial(&acpi, 0, &s);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rsdp_is_enoent),
		cmocka_unit_test(bad_tables_are_left_out_with_a_reason),
		cmocka_unit_test(madt_with_512_cpus),
		cmocka_unit_test(a_full_cpu_table_refuses),
		cmocka_unit_test(madt_entries_that_lie_end_the_walk),
		cmocka_unit_test(fadt_gives_timer_reset_and_s5),
		cmocka_unit_test(serial_console_from_spcr_then_dbg2),
		cmocka_unit_test(a_serial_console_on_the_pci_bus),
		cmocka_unit_test(damage_only_takes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
