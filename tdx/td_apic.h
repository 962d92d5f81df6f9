/*
 * td_apic.h - the part of a TD vCPU's local APIC that the module leaves to the host: timer, IPIs, the
 * local vector table and what is only remembered. Task priority, EOI and self-IPIs are the CPU's.
 *
 * Invariants
 *   - It is an x2APIC and stays one; its id is the vCPU's index.
 *   - The timer counts 25 MHz, as the TD's CPUID leaf 15h says of the crystal, or compares with the
 *     TD's own TSC.
 *   - What it sends goes by td_vcpu_post(): interrupts are edges, and none is lost.
 *
 * Facts: SDM volume 3A, "Local APIC", "APIC Timer", "x2APIC Register Address Space".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TD_APIC_H
#define TAIN_TDX_TD_APIC_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"
#include "kernel/machine/vtimer.h"

struct td;
struct td_vcpu;

/* Local vector table: CMCI, timer, thermal, performance, LINT0, LINT1, error. */
#define TD_APIC_LVTS 7

struct td_apic {
	spinlock_t lock; /* the timer fires on the CPU that armed it; the vCPU may have moved */
	uint32_t lvt[TD_APIC_LVTS];
	uint32_t spurious, divide, initial;
	uint64_t icr, tsc_deadline;
	uint64_t expires, period; /* TSC of the host; 0: the timer stands */
	struct vtimer timer;
	uint64_t fired, ipis;
};

void td_apic_init(struct td_vcpu *v);
/* The timer is off and will not fire again. No lock held. */
void td_apic_fini(struct td_vcpu *v);

/* How the TD's TSC runs against the host's; once, after MNG.INIT. 0 or -EIO, td->why says why. */
int td_apic_clock(struct td *td) MUST_CHECK;

/* RDMSR and WRMSR of x2APIC registers and of IA32_TSC_DEADLINE. False: no such register. */
bool td_apic_read(struct td_vcpu *v, uint32_t msr, uint64_t *value);
bool td_apic_write(struct td_vcpu *v, uint32_t msr, uint64_t value);

#endif
