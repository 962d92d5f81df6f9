/*
 * apic.h - the local APIC of the calling CPU, in xAPIC or x2APIC mode.
 *
 * Invariants
 *   - x2APIC is used wherever the CPU has it; all CPUs use the same mode.
 *   - The timer is one-shot: TSC deadline where there is one, else the counter.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_APIC_H
#define TAIN_MACHINE_APIC_H

#include "kernel/base/types.h"

/* Enable the calling CPU's LAPIC. */
void apic_init_cpu(void);

bool apic_is_x2(void);
uint32_t apic_id(void);
void apic_eoi(void);

/* Fixed interrupt @vector, or an NMI, to the CPU with @apic_id. Interrupts off in xAPIC mode. */
void apic_send_ipi(uint32_t apic_id, uint8_t vector);
void apic_send_nmi(uint32_t apic_id);
void apic_send_nmi_all_others(void);
void apic_send_init(uint32_t apic_id);
void apic_send_sipi(uint32_t apic_id, uint8_t page);

/* Interrupt VEC_TIMER when the TSC reaches @deadline (at once if it has); 0 cancels. */
void timer_set(uint64_t deadline_tsc);

/* Let the PIC interrupt this CPU through LINT0, or not. */
void apic_extint(bool on);

/* What VEC_TIMER does besides ending a stay in a guest or in cpu_idle(). One per machine. */
void timer_on_tick(void (*fn)(void));

/* Is @vector requested (IRR) or in service (ISR) here? */
bool apic_irr(uint8_t vector);
bool apic_isr(uint8_t vector);

#endif
