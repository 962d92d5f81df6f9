/*
 * retry.h - busy is normal: which statuses are worth another try, how often, and how that is said.
 *
 * Invariants
 *   - Every loop is bounded; attempts are spaced by a pause that doubles.
 *   - Only statuses after which nothing has changed are retried.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_RETRY_H
#define TAIN_TDX_RETRY_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"
#include "tdx/abi/status.h"
#include "tdx/call_site.h"

struct tdx_retry {
	unsigned attempts;
	unsigned bound; /* 0: the usual one */
};

/* True: @st is transient and the bound is not reached; a pause has been made. */
bool tdx_retry_again(struct tdx_retry *retry, tdx_status_t st);

/* Is it worth a retry at all? */
bool tdx_is_transient(tdx_status_t st);

/* Evaluate a tdh_ call until it gives something else than "busy", or the bound is reached. */
#define TDX_RETRY(call)                                                        \
	({                                                                     \
		struct tdx_retry tdx_retry_state_ = { 0 };                     \
		tdx_status_t tdx_retry_status_;                                \
		do                                                             \
			tdx_retry_status_ = TDX_CALL(call);                    \
		while (tdx_retry_again(&tdx_retry_state_, tdx_retry_status_)); \
		tdx_retry_status_;                                             \
	})

/*
 * 0 for success and informational statuses; -EBUSY for transient ones; -ENODEV: no module; -EIO.
 */
int tdx_to_errno(tdx_status_t st);

/* Say that @leaf was refused: one line at error level. Returns tdx_to_errno(@st). */
int tdx_refused(const char *who, const char *leaf, tdx_status_t st);

/* What several CPUs were answered at once: the first refusal, and who got it. */
struct tdx_answers {
	spinlock_t lock;
	tdx_status_t st;
	unsigned cpu;
};
void tdx_answer(struct tdx_answers *answers, tdx_status_t st);

/* Let pending interrupts through between attempts at an interruptible leaf; tdx_init() sets it. */
extern void (*tdx_irq_window)(void);

/* The usual bound on attempts. */
extern unsigned tdx_retry_bound;

/* Retries made, and retries given up, since start. */
extern uint64_t tdx_retries, tdx_retries_exhausted;

#endif
