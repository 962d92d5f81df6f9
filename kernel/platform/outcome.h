/*
 * outcome.h - what one bounded stay of a vCPU ends with, the same for plain guests and TDs.
 *
 * Invariants
 *   - A stay never blocks: a vCPU that has nothing to do returns RUN_WAIT with the time at which
 *     it wants to be looked at again.
 *   - Whoever sets a request bit kicks the CPU afterwards, and the CPU that runs the vCPU looks at
 *     the bits after it could no longer miss the kick; so a request is never lost, at most seen
 *     twice.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_OUTCOME_H
#define TAIN_PLATFORM_OUTCOME_H

#include "kernel/base/types.h"
#include "kernel/platform/vcpu_debug.h"

enum vcpu_outcome {
	RUN_AGAIN,   /* the slice is over, the vCPU could go on */
	RUN_WAIT,    /* nothing to do before an event or vcpu_run.wake_tsc */
	RUN_STOPPED, /* the guest ended itself in an orderly way: vcpu_run.reason */
	RUN_DEAD,    /* the guest must not go on: vcpu_run.reason */
	RUN_TRAPPED, /* an event of the debugger's: vcpu_run.debug */
};

/* Requests to a vCPU, set by others in vcpu_run.requests. Any bit ends the stay at once. */
enum {
	VCPU_REQ_STOP = BIT32(0),  /* give the CPU back: somebody wants to stop the guest */
	VCPU_REQ_KICK = BIT32(1),  /* come out once (a flush, a stale translation), then go on */
	VCPU_REQ_EVENT = BIT32(2), /* an interrupt or input may be there to deliver */
	VCPU_REQ_HOLD = BIT32(3),  /* begin no stay while this stands: a debugger looks */
};

#define WAKE_NEVER (~UINT64_C(0))

/* The conversation between the run loop and the one who runs the vCPU. */
struct vcpu_run {
	uint32_t requests;   /* VCPU_REQ_*, atomic; the word the entry stub looks at */
	uint64_t slice_tsc;  /* in: longest stay, TSC ticks */
	uint64_t wake_tsc;   /* out with RUN_WAIT: TSC, or WAKE_NEVER for an event only */
	char reason[128];    /* out with RUN_STOPPED and RUN_DEAD: one understandable line */
	struct vcpu_debug debug;
	/* Look at this vCPU soon, on the CPU that has it. Set by the run loop; any CPU, not from NMI. */
	void (*wake)(struct vcpu_run *run);
	void *waker; /* the run loop's */
	/*
	 * Hand over what waits for the guest at its devices: called in the middle of a stay that
	 * VCPU_REQ_EVENT has interrupted, by who runs the vCPU, no lock held. NULL: nothing ever does.
	 */
	void (*attend)(struct vcpu_run *run);
};

static inline uint32_t vcpu_requests(const struct vcpu_run *run)
{
	return __atomic_load_n(&run->requests, __ATOMIC_ACQUIRE);
}

/* Set by anyone; the caller kicks the CPU that runs the vCPU afterwards. */
static inline void vcpu_request(struct vcpu_run *run, uint32_t bits)
{
	__atomic_fetch_or(&run->requests, bits, __ATOMIC_SEQ_CST);
}

/* Something came for a vCPU that may be waiting; publish what it is before. */
static inline void vcpu_wake(struct vcpu_run *run)
{
	vcpu_request(run, VCPU_REQ_EVENT);
	if (run->wake)
		run->wake(run);
}

/* Only by the CPU that runs the vCPU. */
static inline uint32_t vcpu_take_requests(struct vcpu_run *run, uint32_t bits)
{
	return __atomic_fetch_and(&run->requests, ~bits, __ATOMIC_SEQ_CST) & bits;
}

/* @taken are requests that were just taken, in the middle of a stay. */
static inline void vcpu_attend(struct vcpu_run *run, uint32_t taken)
{
	if ((taken & VCPU_REQ_EVENT) && run->attend)
		run->attend(run);
}

#endif
