/*
 * sched.h - the run loop: who runs what.
 *
 * Each CPU has one queue of vCPUs and runs sched_run() for ever: input (boot CPU), reaping of
 * guests that ended, timers, then one slice of the next runnable vCPU; with nothing to do it halts
 * until an interrupt or NMI. There are no threads: a console command that must wait calls
 * sched_poll() again and again.
 *
 * Invariants
 *   - A vCPU belongs to one CPU from sched_add() to sched_remove(); only that CPU runs it.
 *   - Runnable vCPUs take turns; a waiting one is not looked at before its wake-up time or event.
 *   - A wake-up is not lost: sched_wake() sets the event, then kicks; the CPU halts only if no
 *     event came since it last looked.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_SCHED_H
#define TAIN_GUEST_SCHED_H

#include "kernel/base/types.h"
#include "kernel/platform/outcome.h"

#define SCHED_SLICE_US 5000

enum sched_state { SCHED_OFF, SCHED_RUNNABLE, SCHED_WAITING };

struct guest;

struct sched_vcpu {
	struct sched_vcpu *next; /* in the queue of its CPU */
	struct guest *guest;
	unsigned index; /* of the vCPU in its guest */
	unsigned cpu;
	enum sched_state state; /* only its CPU writes it after sched_add() */
	uint32_t event;         /* atomic: woken since it was last looked at */
	uint32_t in_slice;      /* atomic: set before the last look at VCPU_REQ_HOLD */
	uint32_t end;           /* enum vcpu_outcome, kept back while a debugger looks; or RUN_AGAIN */
	struct vcpu_run *run;
	uint64_t slices, waits, run_ticks;
	uint64_t watch_exits, watch_ticks; /* watch.c: as seen last, and run_ticks when that was new */
	bool watch_said;
	uint16_t trace_id; /* its guest in trace records */
};

/* Once, on the boot CPU, with all CPUs known. 0 or -ENOMEM. */
int sched_init(void) MUST_CHECK;

/* Called in each round on the boot CPU, interrupts on: the monitor's input and output. */
void sched_set_poll_hook(void (*hook)(void));

/*
 * The network's turn in each round on the boot CPU, interrupts on, also while a command waits; and the
 * TSC at which it wants the next one if nothing else happens. Before sched_run().
 */
void sched_set_net_hook(void (*poll)(void), uint64_t (*next)(void));

/* The loop of every CPU. Entered once, with interrupts off. */
NORETURN void sched_run(void);

/* One round on the calling (boot) CPU: for commands that wait. Nothing of it may call it again. */
void sched_poll(void);

/* Hand @v (state RUNNABLE, cpu set by sched_place()) to its CPU. */
void sched_add(struct sched_vcpu *v);

/* The CPU with the fewest vCPUs: for vCPUs that are to be added. */
unsigned sched_place(void);

/* Something may have happened for @v: look at it soon. Any CPU, any context but NMI. */
void sched_wake(struct sched_vcpu *v);

/* Bring CPU @cpu out of a guest or of idle. */
void sched_kick(unsigned cpu);

/* Busy and idle ticks of CPU @cpu since start, slices given. For `cpus` and `stats`. */
struct sched_stats {
	uint64_t slices, idle_ticks, rounds, kicks;
	uint64_t total_ticks; /* since this CPU entered the loop */
	uint64_t busy_ticks;  /* of them; a round under way on another CPU is not in it yet */
	unsigned vcpus;
};
void sched_stats(unsigned cpu, struct sched_stats *out);

#endif
