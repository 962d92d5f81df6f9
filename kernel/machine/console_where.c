/*
 * console_where.c - which devices are the console: by ACPI, by configuration, by looking.
 *
 * Order of `console = auto`: what SPCR names, what DBG2 names, COM1, the first serial controller on the
 * PCI bus; the first that answers. COM1 is used before the tables can be read, so that everything later is seen.
 *
 * Invariants
 *   - A UART is used only after it answered; one that does not leaves the console where it is.
 *   - Nothing here waits longer than a few milliseconds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/uart.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/irq.h"
#include "kernel/machine/room.h"
#include "kernel/machine/trap.h"

#define COM1 0x3f8
#define COM2 0x2f8

#define NAMED_MOST 8u /* UARTs in SPCR and DBG2 that are tried */

static int use_uart(struct uart u, uint32_t baud, const char *name)
{
	int err = uart_init(&u, baud);

	if (!err)
		console_use(&u, name);
	return err;
}

/* Nothing can be said yet if it is not there: then text waits in the ring. */
void console_init(void) { (void)!use_uart((struct uart){ .port = COM1 }, 115200, "com1"); }

/* --- by name ------------------------------------------------------------------------------- */

static int memory_uart(struct uart *u, uint64_t hpa, unsigned shift, bool wide)
{
	uint8_t *regs = mmio_map((hpa_t){ hpa }, 8u << shift, MMIO_UNCACHED);

	if (!regs)
		return -ENOMEM;
	*u = (struct uart){ .mmio = regs, .shift = (uint8_t)shift, .wide = wide };
	return 0;
}

int console_uart_named(const char *where, struct uart *u)
{
	if (strcmp(where, "com1") == 0 || strcmp(where, "com2") == 0) {
		*u = (struct uart){ .port = where[3] == '1' ? COM1 : COM2 };
		return 0;
	}

	char *end;
	uint64_t address = strtoull(where, &end, 0);

	if (end == where || *end || address == 0)
		return -EINVAL;
	if (address > 0xfff8)
		return memory_uart(u, address, 0, false);
	*u = (struct uart){ .port = (uint16_t)address };
	return 0;
}

int console_select(const char *where, uint32_t baud)
{
	struct uart u = *console_uart();
	char name[sizeof("0x0123456789abcdef")];

	if (strcmp(where, "auto") == 0) {
		/* It is where it is; only the rate may be another one. */
		snprintf(name, sizeof(name), "%.15s", console_device());
		name[strcspn(name, " ")] = 0;
		return u.present ? use_uart(u, baud, name) : -ENODEV;
	}
	int err = console_uart_named(where, &u);

	return err ? err : use_uart(u, baud, where);
}

/* --- PCI: configuration mechanism #1 (PCI Local Bus specification 3.0, 3.2.2.3) ------------ */

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_COMMAND 4
#define PCI_CLASS   8
#define PCI_HEADER  12
#define PCI_BAR0    16
#define PCI_DECODE  3        /* I/O and memory */
#define PCI_SERIAL  0x0700   /* class communication, subclass serial */
#define PCI_16550   0x02     /* programming interfaces from here on are 16550-compatible */

static uint32_t pci_read(struct acpi_pci at, unsigned reg)
{
	out32(PCI_ADDRESS, BIT32(31) | (uint32_t)at.bus << 16 | (uint32_t)(at.device & 31) << 11 |
				   (uint32_t)(at.function & 7) << 8 | reg);
	return in32(PCI_DATA);
}

static void pci_write(struct acpi_pci at, unsigned reg, uint32_t value)
{
	(void)pci_read(at, reg); /* leaves the address there */
	out32(PCI_DATA, value);
}

/* The UART behind BAR 0 of the function at @at, its decoders switched on. */
static int pci_uart(struct acpi_pci at, struct uart *u)
{
	uint32_t low = pci_read(at, PCI_BAR0);
	uint64_t high = (low & 7) == 4 ? pci_read(at, PCI_BAR0 + 4) : 0;

	if (low == UINT32_MAX || low <= 1)
		return -ENODEV;
	pci_write(at, PCI_COMMAND, (pci_read(at, PCI_COMMAND) & 0xffff) | PCI_DECODE);
	if (!(low & 1))
		return memory_uart(u, high << 32 | (low & ~UINT32_C(15)), 0, false);
	*u = (struct uart){ .port = (uint16_t)(low & 0xfffc) };
	return 0;
}

static bool is_serial(struct acpi_pci at)
{
	uint32_t class = pci_read(at, PCI_CLASS);

	return class >> 16 == PCI_SERIAL && (class >> 8 & 0xff) >= PCI_16550 &&
	       (class >> 8 & 0xff) < 0x80;
}

/* The first one of all buses; the name says where. */
static int look_on_pci(char *name, size_t size, struct uart *u)
{
	for (unsigned n = 0; n < 256 * 32 * 8; n++) {
		struct acpi_pci at = { .bus = (uint8_t)(n >> 8),
				       .device = n >> 3 & 31,
				       .function = n & 7 };
		uint32_t id = pci_read(at, 0);

		if ((id & 0xffff) == 0xffff) {
			n |= at.function == 0 ? 7 : 0; /* no function 0: no device */
			continue;
		}
		if (is_serial(at) && pci_uart(at, u) == 0) {
			snprintf(name, size, "pci %02x:%02x.%u", at.bus, at.device, at.function);
			return 0;
		}
		if (at.function == 0 && !(pci_read(at, PCI_HEADER) & BIT32(23)))
			n |= 7; /* one function only */
	}
	return -ENODEV;
}

/* --- by ACPI, then by looking -------------------------------------------------------------- */

static int acpi_uart(const struct acpi_serial *s, struct uart *u)
{
	bool wide = s->base.width == 32 || s->base.access == 3;
	int err = 0;

	if (s->is_pci) {
		struct uart bar;

		/* Its decoders may be off; where the table gives no address, the BAR does. */
		err = pci_uart(s->pci, &bar);
		if (!s->base.address) {
			*u = bar;
			return err;
		}
	}
	if (s->base.space == ACPI_SPACE_MEMORY)
		return memory_uart(u, s->base.address, wide ? 2 : 0, wide);
	*u = (struct uart){ .port = (uint16_t)s->base.address };
	return 0;
}

/* Is the console there now, because it already was or because the UART answers? */
static bool use_acpi_uart(const struct acpi_serial *s)
{
	const struct uart *now = console_uart();
	struct uart u;

	if (acpi_uart(s, &u))
		return false;
	if (now->present && !now->mmio && !u.mmio && u.port == now->port)
		return true;
	u.clock = s->clock_hz / 16;
	return use_uart(u, s->baud, s->source) == 0;
}

/* What the firmware calls the console: the first that answers. */
static void choose_by_acpi(const struct acpi *acpi)
{
	struct acpi_serial s;

	for (unsigned n = 0; n < NAMED_MOST && acpi_read_serial(acpi, n, &s) == 0; n++) {
		if (use_acpi_uart(&s))
			return;
		log_warn("console: no UART answers where %s puts one (%#llx)", s.source,
			 (unsigned long long)s.base.address);
	}
}

void console_choose(const struct acpi *acpi)
{
	char name[24];
	struct uart u;

	choose_by_acpi(acpi);
	/* A divisor for a clock that is not known: as firmware left it. */
	if (!console_uart()->present && look_on_pci(name, sizeof(name), &u) == 0 &&
	    use_uart(u, 0, name))
		log_warn("console: the UART at %s does not answer", name);
	if (!console_uart()->present)
		log_warn("console: no serial port found: the screen is the console");
}

/* --- interrupts ---------------------------------------------------------------------------- */

/* The keyboard's line, by the way that the UART's takes; who knows none polls. */
static void route_keyboard(unsigned way, const struct acpi_madt *madt)
{
	if (!console_has_keyboard() || irq_route_isa(1, VEC_KEYBOARD, way, madt))
		return;
	console_keyboard_interrupt();
}

void console_start_interrupts(const struct acpi_madt *madt)
{
	const struct uart *u = console_uart();
	bool legacy = u->present && !u->mmio && (u->port == COM1 || u->port == COM2);
	unsigned line = u->port == COM1 ? 4 : 3;

	for (unsigned way = 0; legacy && way < 2; way++) {
		char how[32];

		snprintf(how, sizeof(how), "irq %u by %s", line,
			 way == IRQ_BY_IOAPIC ? "I/O APIC" : "PIC");
		if (irq_route_isa(line, VEC_SERIAL, way, madt))
			continue;
		if (console_try_interrupt(how)) {
			route_keyboard(way, madt);
			return;
		}
		irq_unroute_isa(line, way, madt);
	}
	route_keyboard(IRQ_BY_IOAPIC, madt);
	if (legacy)
		log_warn("console: the UART's interrupt does not arrive; it is polled");
}
