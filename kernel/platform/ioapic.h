/*
 * ioapic.h - the I/O APIC: 24 pins, each with a redirection entry, at FEC00000h.
 *
 * Invariants
 *   - An edge is sent once, when the line rises and the pin is open; a rise at a masked pin is lost,
 *     as on the chip.
 *   - A level is sent once until its end of interrupt (Remote IRR); still high then, it is sent again.
 *
 * Registers: 82093AA data sheet; the EOI register as in later I/O xAPICs (version 20h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_IOAPIC_H
#define TAIN_PLATFORM_IOAPIC_H

#include "kernel/base/types.h"

#define IOAPIC_GPA  UINT64_C(0xfec00000)
#define IOAPIC_SIZE UINT64_C(0x1000)
#define IOAPIC_PINS 24

struct intr_message;

struct ioapic {
	uint32_t select, id;
	uint64_t entry[IOAPIC_PINS];
	uint32_t lines; /* bit n: pin n is high */
	uint64_t sent;
	/* No host ever sees the guest's EOI: a level counts as an edge. */
	bool edge_only;
	void (*send)(void *ctx, const struct intr_message *m);
	void *ctx;
};

void ioapic_init(struct ioapic *io, void (*send)(void *ctx, const struct intr_message *m), void *ctx);
uint64_t ioapic_read(void *ioapic, uint64_t offset, unsigned bytes);
void ioapic_write(void *ioapic, uint64_t offset, unsigned bytes, uint64_t value);
void ioapic_line(struct ioapic *io, unsigned pin, bool high);

/* A local APIC ended the level-triggered interrupt @vector. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
