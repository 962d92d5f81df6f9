/*
 * leave.c - the machine goes back to whoever comes next: reset, power-off, another program.
 *
 *   what was lent by hand - SYS.DISABLE - caches of all CPUs - pages that were private
 *
 * Invariants
 *   - After the caches were written back no SEAMCALL is made any more.
 *   - It works from every state of the bring-up and of TDs: what cannot be given back is leaked, and
 *     said, and nothing of it stops the way out.
 *
 * Facts: ABI reference sections 10.2, 10.6. What SYS.DISABLE does is known from Linux only: a module that
 * has no such leaf says OPERAND_INVALID.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/by_hand.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define DISABLE_CALLS_MAX 1000000u

static void take_back_lent(void)
{
	struct hand_counts lent = hand_lent(), n;

	if (!lent.pages && !lent.keyids)
		return;
	n = hand_cleanup();
	if (n.leaked || n.keyids_leaked)
		log_error("tdx: %llu pages and %u KeyIDs that were lent stay with the module",
			  (unsigned long long)n.leaked, n.keyids_leaked);
}

/* The module gives up all that it has, if it knows how to, and if no TD is left. */
static void disable_module(const struct tdx_state *s)
{
	tdx_status_t st;
	char text[120];

	if (!s->done.configured || s->living || s->shut_down)
		return;
	st = TDX_RETRY(tdh_sys_disable());
	for (unsigned i = 0; tdx_is(st, TDX_INTERRUPTED_RESUMABLE) && i < DISABLE_CALLS_MAX; i++) {
		if (tdx_irq_window)
			tdx_irq_window();
		st = TDX_RETRY(tdh_sys_disable());
	}
	if (tdx_ok(st))
		log_info("tdx: the module is disabled");
	else if (!tdx_is(st, TDX_OPERAND_INVALID)) /* it has no such leaf */
		log_warn("tdx: TDH.SYS.DISABLE: %s", tdx_status_text(st, text, sizeof(text)));
}

/* On CPUs where a partial write to memory that was private poisons it: the next owner writes so. */
static void clear_pamts(const struct tdx_state *s)
{
	if (!s->host.page_clear || !s->done.key_tried)
		return;
	for (unsigned i = 0; i < s->plan->count; i++)
		for (uint64_t at = s->plan->pamt[i].base; at < s->plan->pamt[i].end; at += PAGE_SIZE)
			s->host.page_clear((hpa_t){ at }, 0);
}

void tdx_fini(void)
{
	struct tdx_state *s = &tdx_state;

	if (s->phase == TDX_SHUT_DOWN || !s->plan)
		return;
	take_back_lent();
	disable_module(s);
	s->phase = TDX_SHUT_DOWN;
	tdx_write_back_caches();
	clear_pamts(s);
	tdx_plan_drop(s->done.key_tried);
	seamcall_stats_fini();
}
