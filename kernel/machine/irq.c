/*
 * irq.c - I/O APIC and PIC: mask everything, route the few lines that we use.
 *
 * Keeps the invariants of irq.h. Registers: Intel 82093AA (I/O APIC) and 8259A data sheets.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/irq.h"

#include <errno.h>

#include "kernel/machine/apic.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/trap.h"

#define PIC1_CMD  0x20
#define PIC1_DATA 0x21
#define PIC2_CMD  0xa0
#define PIC2_DATA 0xa1
#define PIC_EOI   0x20

#define IOAPIC_USUAL_HPA UINT64_C(0xfec00000)
#define IOAPIC_VERSION   1
#define IOAPIC_RTE       0x10
#define RTE_MASKED       BIT32(16)
#define RTE_LEVEL        BIT32(15)
#define RTE_ACTIVE_LOW   BIT32(13)

static struct {
	volatile uint32_t *regs[ACPI_MAX_IOAPICS];
	uint32_t gsi_base[ACPI_MAX_IOAPICS], lines[ACPI_MAX_IOAPICS];
	unsigned ioapics;
	uint16_t pic_open; /* lines unmasked in the PIC */
	bool has_pic;
} irq;

/* --- PIC ----------------------------------------------------------------------------------- */

static void pic_mask(void)
{
	uint16_t mask = (uint16_t)~irq.pic_open;

	out8(PIC1_DATA, (uint8_t)mask);
	out8(PIC2_DATA, (uint8_t)(mask >> 8));
}

/* ICW1 to ICW4: edge triggered, cascade on line 2, vectors from VEC_PIC_BASE. */
static void pic_init(void)
{
	static const struct {
		uint16_t port;
		uint8_t value;
	} setup[] = {
		{ PIC1_CMD, 0x11 }, { PIC1_DATA, VEC_PIC_BASE },
		{ PIC1_DATA, 4 },   { PIC1_DATA, 1 },
		{ PIC2_CMD, 0x11 }, { PIC2_DATA, VEC_PIC_BASE + 8 },
		{ PIC2_DATA, 2 },   { PIC2_DATA, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(setup); i++)
		out8(setup[i].port, setup[i].value);
	irq.pic_open = 0;
	pic_mask();
}

/* --- I/O APIC ------------------------------------------------------------------------------ */

static uint32_t ioapic_read(unsigned n, uint32_t reg)
{
	irq.regs[n][0] = reg;
	return irq.regs[n][4];
}

static void ioapic_write(unsigned n, uint32_t reg, uint32_t value)
{
	irq.regs[n][0] = reg;
	irq.regs[n][4] = value;
}

static void ioapic_add(uint64_t hpa, uint32_t gsi_base)
{
	unsigned n = irq.ioapics;

	irq.regs[n] = mmio_map((hpa_t){ hpa }, PAGE_SIZE, MMIO_UNCACHED);
	if (!irq.regs[n])
		return;
	uint32_t version = ioapic_read(n, IOAPIC_VERSION);

	if (version == 0 || version == UINT32_MAX)
		return; /* nobody there */
	irq.gsi_base[n] = gsi_base;
	irq.lines[n] = (version >> 16 & 0xff) + 1;
	irq.ioapics++;
	for (uint32_t i = 0; i < irq.lines[n]; i++)
		ioapic_write(n, IOAPIC_RTE + 2 * i, RTE_MASKED);
}

void irq_init(const struct acpi_madt *madt)
{
	irq.has_pic = !madt || madt->has_pic;
	if (irq.has_pic)
		pic_init();
	if (!madt)
		ioapic_add(IOAPIC_USUAL_HPA, 0);
	for (unsigned i = 0; madt && i < madt->ioapic_count; i++)
		ioapic_add(madt->ioapic[i].hpa, madt->ioapic[i].gsi_base);
}

/* Write the entry of the I/O APIC that has @gsi. */
static int rte_write(uint32_t gsi, uint32_t high, uint32_t low)
{
	for (unsigned n = 0; n < irq.ioapics; n++) {
		uint32_t line = gsi - irq.gsi_base[n];

		if (gsi < irq.gsi_base[n] || line >= irq.lines[n])
			continue;
		ioapic_write(n, IOAPIC_RTE + 2 * line, RTE_MASKED);
		ioapic_write(n, IOAPIC_RTE + 2 * line + 1, high);
		ioapic_write(n, IOAPIC_RTE + 2 * line, low);
		return 0;
	}
	return -ENODEV;
}

/* MADT, "MPS INTI Flags": 3 in bits 1:0 is active low, 3 in bits 3:2 is level; else as ISA. */
static uint32_t isa_trigger(unsigned line, const struct acpi_madt *madt)
{
	uint8_t flags = madt ? madt->isa_flags[line] : 0;

	return ((flags & 3) == 3 ? RTE_ACTIVE_LOW : 0) | ((flags >> 2 & 3) == 3 ? RTE_LEVEL : 0);
}

int irq_route_isa(unsigned line, unsigned vector, unsigned way, const struct acpi_madt *madt)
{
	if (way == IRQ_BY_IOAPIC) {
		/* The entry's destination has 8 bits: a boot CPU beyond is polled. */
		if (apic_id() > 0xfe)
			return -ENODEV;
		return rte_write(madt ? madt->isa_gsi[line] : line, apic_id() << 24,
				 vector | isa_trigger(line, madt));
	}
	if (!irq.has_pic || vector != VEC_PIC_BASE + line)
		return -ENODEV;
	irq.pic_open |= (uint16_t)(1u << line | (line > 7 ? 1u << 2 : 0));
	pic_mask();
	apic_extint(true);
	return 0;
}

void irq_unroute_isa(unsigned line, unsigned way, const struct acpi_madt *madt)
{
	if (way == IRQ_BY_IOAPIC) {
		(void)!rte_write(madt ? madt->isa_gsi[line] : line, 0, RTE_MASKED);
		return;
	}
	irq.pic_open = 0;
	pic_mask();
	apic_extint(false);
}

void irq_eoi(unsigned vector)
{
	unsigned line = vector - VEC_PIC_BASE;

	/* A vector in service in the LAPIC came through it; the PIC's do not pass there. */
	if (line < 16 && (irq.pic_open >> line & 1) && !apic_isr((uint8_t)vector)) {
		if (line > 7)
			out8(PIC2_CMD, PIC_EOI);
		out8(PIC1_CMD, PIC_EOI);
		return;
	}
	apic_eoi();
}
