/*
 * cmd_hardware.c - the machine's registers: MSRs, I/O ports, PCI functions, ACPI tables.
 *
 * An MSR that is not there is said to be not there: reads and writes are guarded. A port, or an MSR that
 * is written, may do anything to the machine: who types that means it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "drivers/acpi.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/look.h"

typedef unsigned long long ull;

/* ------------------------------------------------------------------ msr */

struct msr_call {
	uint32_t msr;
	bool writes;
	uint64_t value;
	int err;
};

static void msr_here(void *arg)
{
	struct msr_call *m = arg;

	m->err = m->writes ? msr_write_safe(m->msr, m->value) : msr_read_safe(m->msr, &m->value);
}

/* cpu=N, or the value to be written. False with the reason noted. */
static bool msr_word(struct call *c, const char *word, struct msr_call *m, uint64_t *cpu)
{
	if (strncmp(word, "cpu=", 4) == 0)
		return look_number(c, word + 4, cpu);
	m->writes = true;
	return look_number(c, word, &m->value);
}

static int cmd_msr(struct call *c)
{
	struct msr_call m = { 0 };
	uint64_t number, cpu = cpu_index();

	if (!look_number(c, c->argv[0], &number))
		return -1;
	for (int i = 1; i < c->argc; i++)
		if (!msr_word(c, c->argv[i], &m, &cpu))
			return -1;
	if (number > UINT32_MAX)
		return command_fail(c, "an MSR's number has 32 bits");
	if (cpu >= cpu_count() || !cpu_is_online((unsigned)cpu))
		return command_fail(c, "no CPU %llu", (ull)cpu);
	m.msr = (uint32_t)number;
	cpu_call((unsigned)cpu, msr_here, &m);
	if (m.err)
		return command_fail(c, m.writes ? "CPU %llu does not take that for MSR 0x%llx"
						: "CPU %llu has no MSR 0x%llx",
				    (ull)cpu, (ull)number);
	out_record(c->out);
	out_hex(c->out, "msr", number);
	out_number(c->out, "cpu", cpu);
	out_hex(c->out, "value", m.value);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ io */

static uint32_t port_in(uint16_t port, uint64_t bytes)
{
	return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

static void port_out(uint16_t port, uint64_t bytes, uint32_t value)
{
	if (bytes == 1)
		out8(port, (uint8_t)value);
	else if (bytes == 2)
		out16(port, (uint16_t)value);
	else
		out32(port, value);
}

static int cmd_io(struct call *c)
{
	uint64_t port, bytes = 1, value = 0;

	if (!look_number(c, c->argv[0], &port) ||
	    (c->argc > 1 && !look_number(c, c->argv[1], &bytes)) ||
	    (c->argc > 2 && !look_number(c, c->argv[2], &value)))
		return -1;
	if (port > UINT16_MAX || (bytes != 1 && bytes != 2 && bytes != 4))
		return command_fail(c, "expected: a port of 16 bits, and 1, 2 or 4 bytes");
	if (c->argc > 2)
		port_out((uint16_t)port, bytes, (uint32_t)value);
	else
		value = port_in((uint16_t)port, bytes);
	out_record(c->out);
	out_hex(c->out, "port", port);
	out_hex(c->out, "value", value);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ pci */

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  BIT32(31)
#define NOBODY         UINT32_MAX
#define MULTIFUNCTION  BIT32(23) /* of the word at 0Ch */

static uint32_t config_read(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
	uint64_t flags = irq_save();
	uint32_t value;

	out32(CONFIG_ADDRESS,
	      CONFIG_ENABLE | bus << 16 | device << 11 | function << 8 | (offset & 0xfc));
	value = in32(CONFIG_DATA);
	irq_restore(flags);
	return value;
}

/* Class codes that a server shows; PCI Code and ID Assignment Specification. */
static const char *class_name(uint32_t class_code)
{
	static const struct {
		uint16_t code;
		const char *name;
	} names[] = {
		{ 0x0100, "SCSI" },	    { 0x0101, "IDE" },	     { 0x0106, "SATA" },
		{ 0x0108, "NVMe" },	    { 0x0200, "Ethernet" },  { 0x0300, "VGA" },
		{ 0x0600, "host bridge" },  { 0x0601, "ISA bridge" }, { 0x0604, "PCI bridge" },
		{ 0x0680, "bridge" },	    { 0x0700, "serial" },    { 0x0880, "system" },
		{ 0x0c03, "USB" },	    { 0x0c05, "SMBus" },     { 0x1180, "performance" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].code == class_code >> 16)
			return names[i].name;
	return "";
}

static bool function_row(struct out *o, unsigned bus, unsigned device, unsigned function)
{
	uint32_t id = config_read(bus, device, function, 0);
	char at[16];

	if (id == NOBODY)
		return false;
	uint32_t class_code = config_read(bus, device, function, 8);

	snprintf(at, sizeof(at), "%02x:%02x.%x", bus, device, function);
	out_row(o);
	out_text(o, "at", at);
	out_hex(o, "vendor", id & 0xffff);
	out_hex(o, "device", id >> 16);
	out_hex(o, "class", class_code >> 8);
	out_text(o, "what", class_name(class_code));
	return true;
}

static int cmd_pci(struct call *c)
{
	uint64_t last = 0;

	if (c->argc == 1 && !look_number(c, c->argv[0], &last))
		return -1;
	if (last > 255)
		return command_fail(c, "buses are 0 to 255");
	out_table(c->out);
	for (unsigned bus = c->argc ? (unsigned)last : 0; bus <= last; bus++)
		for (unsigned device = 0; device < 32; device++) {
			if (!function_row(c->out, bus, device, 0) ||
			    !(config_read(bus, device, 0, 0xc) & MULTIFUNCTION))
				continue;
			for (unsigned function = 1; function < 8; function++)
				(void)function_row(c->out, bus, device, function);
		}
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ acpi */

static int dump_table(struct call *c, const char *signature)
{
	uint32_t length;
	const uint8_t *table = acpi_find(machine_acpi(), signature, 0, &length);

	if (!table)
		return command_fail(c, "no ACPI table '%.8s'", signature);
	for (uint32_t at = 0; at < length; at += 16) {
		char hex[49] = "";

		for (uint32_t i = 0; i < 16 && at + i < length; i++)
			snprintf(hex + 3 * i, 4, "%02x ", table[at + i]);
		out_printf(c->out, "%04x  %s\n", (unsigned)at, hex);
	}
	return 0;
}

static int cmd_acpi(struct call *c)
{
	const struct acpi *a = machine_acpi();

	if (c->argc == 1)
		return dump_table(c, c->argv[0]);
	out_table(c->out);
	for (unsigned i = 0; i < a->count; i++) {
		out_row(c->out);
		out_text(c->out, "table", a->table[i].signature);
		out_hex(c->out, "at", a->table[i].hpa);
		out_number(c->out, "bytes", a->table[i].length);
	}
	out_end(c->out);
	if (!a->count)
		out_printf(c->out, "the firmware gives no ACPI tables\n");
	if (a->rejected)
		out_printf(c->out, "%u left out, the last one: %s\n", a->rejected, a->note);
	return 0;
}

/* clang-format off */
const struct command hardware_commands[] = {
	{ "msr", "NUMBER [VALUE] [cpu=N]", "read or write an MSR", cmd_msr, 1, 3, COMPLETE_NOTHING,
	  COMMAND_JSON, NULL },
	{ "io", "PORT [1|2|4 [VALUE]]", "read or write an I/O port", cmd_io, 1, 3, COMPLETE_NOTHING,
	  COMMAND_JSON, NULL },
	{ "pci", "[BUS]", "the functions of a PCI bus, 0 if it is not said", cmd_pci, 0, 1,
	  COMPLETE_NOTHING, COMMAND_JSON, NULL },
	{ "acpi", "[TABLE]", "the ACPI tables, or the bytes of one", cmd_acpi, 0, 1, COMPLETE_NOTHING,
	  COMMAND_JSON, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
