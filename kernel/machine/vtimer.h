/*
 * vtimer.h - deadlines of virtual devices: call this function when the TSC reaches that value.
 *
 * Each CPU has a queue. A timer stands in the queue of the CPU that armed it last, so a device that
 * moves with its vCPU takes its timers along as it arms them anew. The run loop calls vtimer_run()
 * in each round, ends a stay in a guest when the next deadline comes, and sleeps no longer than that.
 *
 * Invariants
 *   - A timer is in at most one queue; it is out of it before its function is called, so the
 *     function may arm it again. It is called once for each arming, never before its time.
 *   - Functions run on the CPU of the queue, in its run loop: interrupts off, no lock held. They do
 *     not block; they may post interrupts, wake vCPUs, and arm and cancel timers.
 *   - One timer is armed and cancelled by one at a time: its owner sees to that (its vCPU's CPU, or
 *     the lock of its device).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_VTIMER_H
#define TAIN_MACHINE_VTIMER_H

#include "kernel/base/types.h"

#define VTIMER_NEVER (~UINT64_C(0))

struct vtimer {
	struct vtimer *next;
	uint64_t deadline; /* TSC */
	void (*fn)(void *ctx);
	void *ctx;
	uint32_t queue; /* 1 + the CPU in whose queue it is; 0: armed nowhere; atomic */
};

/* Once, with all CPUs known. 0 or -ENOMEM. */
int vtimer_start(void) MUST_CHECK;

void vtimer_init(struct vtimer *t, void (*fn)(void *ctx), void *ctx);

/*
 * Call it when tsc_now() >= @deadline; one that was armed already is armed anew. VTIMER_NEVER
 * cancels. Any CPU, interrupts off; a lock that fn takes may be held.
 */
void vtimer_arm(struct vtimer *t, uint64_t deadline);

/* Not any more; a call that is under way on another CPU goes on. */
void vtimer_cancel(struct vtimer *t);

/* Not any more, and no call is under way: *t may be freed. No lock held that fn takes; not from fn. */
void vtimer_fini(struct vtimer *t);

static inline bool vtimer_armed(const struct vtimer *t)
{
	return __atomic_load_n(&t->queue, __ATOMIC_ACQUIRE) != 0;
}

/* The calling CPU's: call what is due; the next deadline, or VTIMER_NEVER. */
void vtimer_run(void);
uint64_t vtimer_next(void);

#endif
