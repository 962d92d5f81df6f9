/*
 * irq.h - from an ISA interrupt line to a vector, by I/O APIC or by the old PIC.
 *
 * Invariants
 *   - Every line that nobody asked for is masked in both controllers.
 *   - A vector that came through the PIC is acknowledged there, any other at the local APIC.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_IRQ_H
#define TAIN_MACHINE_IRQ_H

#include "drivers/acpi.h"
#include "kernel/base/types.h"

enum { IRQ_BY_IOAPIC, IRQ_BY_PIC };

/* Mask everything. @madt NULL: no MADT; then the PC's usual I/O APIC is tried. */
void irq_init(const struct acpi_madt *madt);

/* Route ISA line @line to @vector on the boot CPU. 0, or -ENODEV when there is no such way. */
int irq_route_isa(unsigned line, unsigned vector, unsigned way, const struct acpi_madt *madt)
	MUST_CHECK;
void irq_unroute_isa(unsigned line, unsigned way, const struct acpi_madt *madt);

/* Acknowledge @vector where it came from. */
void irq_eoi(unsigned vector);

#endif
