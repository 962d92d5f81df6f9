/*
 * retry.c - busy is normal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/retry.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "kernel/machine/port.h"
#include "tdx/abi/explain.h"

#define RETRY_PAUSE_MAX 1024u /* PAUSEs between two attempts */

void (*tdx_irq_window)(void);
uint64_t tdx_retries, tdx_retries_exhausted;
unsigned tdx_retry_bound = 1000;
#ifdef TAIN_NATIVE
_Thread_local struct tdx_site *tdx_site_now;
#endif

/* Nothing was changed by a call that ended so; X(status, an interrupt must be let through first) */
#define TRANSIENT_TABLE(X)                                                          \
	X(OPERAND_BUSY, false)                                                      \
	X(SYS_BUSY, false) X(RND_NO_ENTROPY, false) X(KEY_GENERATION_FAILED, false) \
		X(INTERRUPTED_RESTARTABLE, true)

bool tdx_is_transient(tdx_status_t st)
{
	switch (tdx_code(st)) {
#define X(name, interrupt) case TDX_##name:
		TRANSIENT_TABLE(X)
#undef X
		return true;
	default:
		return false;
	}
}

static bool wants_interrupts(tdx_status_t st)
{
	switch (tdx_code(st)) {
#define X(name, interrupt) \
	case TDX_##name:   \
		return interrupt;
		TRANSIENT_TABLE(X)
#undef X
	default:
		return false;
	}
}

bool tdx_retry_again(struct tdx_retry *retry, tdx_status_t st)
{
	unsigned bound = retry->bound ? retry->bound : tdx_retry_bound;
	unsigned pauses = retry->attempts < 10 ? 1u << retry->attempts : RETRY_PAUSE_MAX;

	if (!tdx_is_transient(st))
		return false;
	if (++retry->attempts >= bound) {
		__atomic_fetch_add(&tdx_retries_exhausted, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&tdx_retries, 1, __ATOMIC_RELAXED);
	if (wants_interrupts(st) && tdx_irq_window)
		tdx_irq_window();
	while (pauses--)
		cpu_relax();
	return true;
}

void tdx_answer(struct tdx_answers *a, tdx_status_t st)
{
	spin_lock(&a->lock);
	if (!tdx_ok(st) && tdx_ok(a->st)) {
		a->st = st;
		a->cpu = cpu_index();
	}
	spin_unlock(&a->lock);
}

int tdx_to_errno(tdx_status_t st)
{
	if (tdx_ok(st))
		return 0;
	if (tdx_is_unreachable(st))
		return -ENODEV;
	return tdx_is_transient(st) ? -EBUSY : -EIO;
}

int tdx_refused(const char *who, const char *leaf, tdx_status_t st)
{
	char text[160];

	log_error("tdx: %s: %s: %s", who, leaf, tdx_status_text(st, text, sizeof(text)));
	return tdx_to_errno(st);
}
