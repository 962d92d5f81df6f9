/*
 * cpu.h - one logical processor as the hypervisor sees it, and how to reach another.
 *
 * Invariants
 *   - GS:0 of every CPU points to its own struct cpu, in root mode and at every VM exit (the host
 *     GS base of each VMCS is that address).
 *   - Only the CPU itself writes its struct cpu, except the fields that say otherwise.
 *   - Index 0 is the boot CPU; the others follow in the order of the firmware's list.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_CPU_H
#define TAIN_MACHINE_CPU_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/cpu_table.h"
#include "kernel/machine/port.h"

struct trap_frame;

/* What other rooms keep per CPU: a pointer slot each, so that no type of theirs is needed here. */
enum cpu_slot {
	CPU_SLOT_VMX,
	CPU_SLOT_SCHED,
	CPU_SLOT_GUEST,
	CPU_SLOT_SOFT,
	CPU_SLOT_TDX,
	CPU_SLOT_COUNT
};

struct cpu {
	struct cpu *self; /* GS:0 */
	uint32_t index;
	uint32_t apic_id;
	void *slot[CPU_SLOT_COUNT];

	/* What runs here, for the crash report: a static or long-lived string, never NULL. */
	const char *running;

	volatile uint32_t online; /* set by itself, read by all */
	volatile uint32_t wake;   /* set by anyone before a kick; cleared where it is taken */

	/* trap.c */
	uint32_t capturing;       /* trap_capture_interrupt() is open */
	int32_t captured;         /* vector it took, or -1 */
	uint64_t nmi_count;       /* NMIs taken in root mode */
	uint64_t interrupt_count; /* external interrupts handled */
	uint64_t interrupt_ticks; /* time spent in their handlers */
	uint64_t idle_ticks;      /* time spent in cpu_idle() */
	uint64_t vm_ticks;        /* in plain guests, by the preemption timer; written by kernel/vmx */
	uint64_t td_ticks;        /* in TDs, as far as it can be seen; written by tdx/soft */
	const struct trap_frame *crash_frame; /* where it was when another CPU crashed, if known */
	uint64_t beat;			      /* grows in each round: this CPU is not stuck */
	uint32_t asleep;		      /* atomic: in cpu_idle() */
	uint32_t probe;			      /* atomic: watchdog.c asks where this CPU is */
	uint64_t probe_rip, probe_rbp;
	volatile uint32_t stopped;	      /* it halts for good */

	/* direct_map.c */
	uint64_t map_generation; /* translations older than this are gone here */
	uint64_t map_flushes;

	/* cpu_call: @call_lock serialises callers; the rest is written by the holder and by us */
	spinlock_t call_lock;
	void (*volatile call_fn)(void *arg);
	void *volatile call_arg;

	uint8_t *stack_top, *nmi_stack_top, *df_stack_top, *mc_stack_top;
	uint64_t gdt[7]; /* null, code, data, TSS (2), spare */
	uint8_t tss[104] ALIGNED(16);
} ALIGNED(64);

enum { PROBE_NONE, PROBE_WANTED, PROBE_TAKEN };

#define CPU_GDT_CODE 0x08
#define CPU_GDT_DATA 0x10
#define CPU_GDT_TSS  0x18

static inline struct cpu *this_cpu(void) { return gs_self(); }

/* CPU @index, which must be online. */
struct cpu *cpu_get(unsigned index);

uint32_t cpu_apic_id(unsigned index);

/* Index of the CPU with this APIC id, or -ENOENT. */
int cpu_by_apic_id(uint32_t apic_id);

/*
 * Make CPU @index leave a guest, or leave cpu_idle(), soon: an NMI. It only causes a VM exit or an
 * early return; what to do then is found in requests that the caller published before.
 * Any context but NMI.
 */
void cpu_kick(unsigned index);
void cpu_kick_all_others(void);

/* Serve a cpu_call() made to this CPU. Called by irq_window(), cpu_idle() and while waiting. */
void cpu_serve_calls(void);

/* Open interrupts for a moment: pending ones are handled. Serves calls. Interrupts off after. */
void irq_window(void);

/* Interrupts on for one instruction, and nothing else done. */
void irq_open_once(void);

/*
 * Sleep until an interrupt, an NMI or a call, with interrupts open meanwhile. Returns at once when
 * this CPU's wake flag is set; clears the flag. Interrupts off before and after.
 */
void cpu_idle(void);

/* Say what runs here (for crash reports); returns what was said before. */
static inline const char *cpu_running(const char *what)
{
	struct cpu *c = this_cpu();
	const char *was = c->running;

	c->running = what;
	return was;
}

/* How many of cpu_count() CPUs are online. */
unsigned cpu_online_count(void);

#endif
