/*
 * lapic_room.h - what lapic.c and lapic_timer.c tell each other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_LAPIC_ROOM_H
#define TAIN_VMX_LAPIC_ROOM_H

#include "kernel/vmx/lapic.h"

/* Register numbers: offset / 16 in memory, MSR - 800h. */
enum {
	REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_PPR = 0x0a, REG_EOI = 0x0b,
	REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18,
	REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR_LOW = 0x30, REG_ICR_HIGH = 0x31, REG_LVT = 0x32,
	REG_INITIAL = 0x38, REG_CURRENT = 0x39, REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f,
};

/* In x2APIC mode the logical id follows from the id: cluster of 16 and a bit in it. */
static inline uint32_t lapic_x2_ldr(const struct lapic *l)
{
	return (l->id >> 4) << 16 | BIT32(l->id & 15);
}

/* lapic_timer.c */
void lapic_timer_fired(void *lapic);
void lapic_timer_start(struct lapic *l);                  /* the initial count was written */
void lapic_timer_lvt(struct lapic *l, uint32_t was);      /* its LVT entry was written */
uint32_t lapic_timer_count(const struct lapic *l);
uint64_t lapic_timer_deadline(const struct lapic *l);
void lapic_timer_set_deadline(struct lapic *l, uint64_t guest_tsc);

#endif
