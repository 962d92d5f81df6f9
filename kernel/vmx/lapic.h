/*
 * lapic.h - the local APIC of a plain guest's vCPU: xAPIC registers in memory, x2APIC registers as
 * MSRs, timer, and what others send to it.
 *
 * Others only put into the inbox (lapic_post(), lapic_event()) and wake; the vCPU's own CPU takes it
 * over when it is about to enter the guest (lapic_pull()). So nothing here has a lock.
 *
 * Invariants
 *   - An accepted vector stands in exactly one of inbox, IRR and ISR until the guest ends it, however
 *     often it was sent meanwhile.
 *   - Only the CPU of the vCPU touches what is not marked atomic.
 *   - The timer counts at LAPIC_BUS_HZ, which CPUID 15h tells as the crystal's rate.
 *
 * SDM volume 3A, chapter "Advanced Programmable Interrupt Controller (APIC)".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_LAPIC_H
#define TAIN_VMX_LAPIC_H

#include "kernel/base/types.h"
#include "kernel/machine/vtimer.h"
#include "kernel/platform/intr.h"

#define LAPIC_BUS_HZ UINT64_C(1000000000) /* what stock firmware assumes */
#define LAPIC_GPA    UINT64_C(0xfee00000)

#define APIC_BASE_BSP    BIT64(8)
#define APIC_BASE_X2APIC BIT64(10)
#define APIC_BASE_ENABLE BIT64(11)

/* events */
enum {
	LAPIC_NMI = BIT32(0),
	LAPIC_INIT = BIT32(1),
	LAPIC_STARTUP = BIT32(2), /* vector in startup_vector */
	LAPIC_EXTINT = BIT32(3),  /* the 8259s ask */
};

enum lapic_shorthand { LAPIC_TO_DEST, LAPIC_TO_SELF, LAPIC_TO_ALL, LAPIC_TO_OTHERS };

enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

struct lapic;

struct lapic_ops {
	void (*wake)(struct lapic *l);               /* something is in the inbox; any CPU */
	void (*send)(struct lapic *l, const struct intr_message *m, enum lapic_shorthand to);
	void (*eoi)(struct lapic *l, uint8_t vector); /* of a level-triggered interrupt */
	void (*armed)(struct lapic *l, uint64_t tsc); /* its timer was set to fire then */
};

struct lapic {
	const struct lapic_ops *ops;
	uint32_t id;
	uint64_t base; /* IA32_APIC_BASE; atomic, as are ldr and dfr: senders look at them */
	uint32_t ldr, dfr;
	uint32_t tpr, svr, esr, divide, initial, lvt[LVT_COUNT];
	uint64_t icr;
	uint64_t irr[4], isr[4], tmr[4];

	struct vtimer timer;
	uint64_t period;      /* TSC ticks; 0: fires once */
	uint64_t due;         /* TSC at which it fires */
	uint64_t deadline;    /* IA32_TSC_DEADLINE, guest TSC */
	uint64_t tsc_offset;  /* guest TSC less ours */

	uint64_t inbox[4], inbox_level[4]; /* atomic */
	uint32_t events;                   /* atomic */
	uint8_t startup_vector;
	uint64_t accepted, fired;
};

void lapic_init(struct lapic *l, const struct lapic_ops *ops, uint32_t id);
void lapic_fini(struct lapic *l);

/* INIT: all but the id and IA32_APIC_BASE as after reset. */
void lapic_reset(struct lapic *l);

/* ---- for senders: any CPU ---- */

/* Is it in the destination of @m? */
bool lapic_is_hit(const struct lapic *l, const struct intr_message *m);

/* Give it @m, whatever its mode. */
void lapic_accept(struct lapic *l, const struct intr_message *m);

void lapic_event(struct lapic *l, uint32_t event);
void lapic_event_off(struct lapic *l, uint32_t event);

/* ---- for its own CPU ---- */

/* The inbox into the IRR. */
void lapic_pull(struct lapic *l);

/* The vector that may be delivered now, or -1. */
int lapic_pending(const struct lapic *l);

/* The CPU takes @vector, which lapic_pending() gave. */
void lapic_taken(struct lapic *l, uint8_t vector);

static inline uint32_t lapic_events(const struct lapic *l)
{
	return __atomic_load_n(&l->events, __ATOMIC_ACQUIRE);
}

/* LINT0 lets the 8259s through. */
bool lapic_lets_extint(const struct lapic *l);

static inline bool lapic_is_x2(const struct lapic *l)
{
	return (l->base & APIC_BASE_X2APIC) != 0;
}

/* Does it decode the page at LAPIC_GPA? */
static inline bool lapic_in_memory(const struct lapic *l)
{
	return (l->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}

uint32_t lapic_mmio_read(struct lapic *l, uint32_t offset);
void lapic_mmio_write(struct lapic *l, uint32_t offset, uint32_t value);

/* MSRs 800h to 8FFh, 1Bh and 6E0h; false: #GP. */
bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value);

uint32_t lapic_cr8(const struct lapic *l);
void lapic_set_cr8(struct lapic *l, uint32_t cr8);

#endif
