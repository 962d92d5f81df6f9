/*
 * intr.h - how a device's interrupt finds a vCPU: lines through the 8259s and the I/O APIC,
 * messages directly, both to the one who owns the guest's local APICs.
 *
 *     device --intr_line(gsi)--> 8259 pair --------- pic() --+
 *                           \--> I/O APIC --+               +--> sink: virtual local APICs of a
 *     device --intr_msi(address, data)------+-- deliver() --+    plain VM, or posting into a TD
 *
 * Invariants
 *   - The platform's lock is held in every function here but those that say otherwise, and while
 *     the sink is called: a sink takes no platform lock, and only marks and wakes.
 *   - Without a sink interrupts go nowhere, and are counted.
 *
 * MSI: SDM volume 3A, "Message Signalled Interrupts"; GSI n is I/O APIC pin n, ISA interrupt 0 is
 * GSI 2.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_INTR_H
#define TAIN_PLATFORM_INTR_H

#include "kernel/base/types.h"
#include "kernel/platform/ioapic.h"
#include "kernel/platform/pic.h"

enum intr_mode { INTR_FIXED = 0, INTR_LOWEST = 1, INTR_SMI = 2, INTR_NMI = 4, INTR_INIT = 5,
		 INTR_STARTUP = 6, INTR_EXTINT = 7 };

/* GSIs of the devices. */
enum { GSI_TIMER = 2, GSI_COM1 = 4, GSI_RTC = 8, GSI_SCI = 9, GSI_PCI_FIRST = 16, GSI_PCI_COUNT = 4 };

struct intr_message {
	uint32_t dest; /* local APIC id, or a logical set; FFh: all, if physical */
	bool logical;
	bool level;    /* the guest's EOI is to be told by platform_eoi() */
	uint8_t mode;  /* enum intr_mode */
	uint8_t vector;
};

/* The owner of the guest's local APICs. */
struct intr_sink {
	void (*deliver)(void *ctx, const struct intr_message *m);
	/* The 8259s' INTR output changed (it goes to LINT0 of the first vCPU). NULL: not wired. */
	void (*pic)(void *ctx, bool asserted);
	void *ctx;
	bool edge_only; /* it never learns of an EOI: levels are sent as edges */
};

struct intr {
	struct intr_sink sink;
	struct ioapic ioapic;
	struct pic pic;
	bool pic_asserted;
	uint64_t msis, lost; /* lost: no sink */
};

void intr_init(struct intr *in);
void intr_set_sink(struct intr *in, const struct intr_sink *sink);

/* Set line @gsi (0 to 23) high or low. */
void intr_line(struct intr *in, unsigned gsi, bool high);

/* A device's write of @data to @address, which it was told by the guest: anything may stand there. */
void intr_msi(struct intr *in, uint64_t address, uint32_t data);

/* The 8259s changed by a register access: tell the sink. */
void intr_pic_changed(struct intr *in);

/*
 * Does the local APIC @id in x2APIC mode belong to the destination of @m? Physical: the id or all;
 * logical: cluster in bits 31:16 and a bit for each of 16, or the 8-bit flat set of an MSI.
 */
bool intr_hits_x2apic(const struct intr_message *m, uint32_t id);

#endif
