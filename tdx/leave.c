/*
 * leave.c - the machine goes back to whoever comes next: reset, power-off, another program.
 *
 *   what was lent by hand - SYS.DISABLE - caches of all CPUs - pages that are private still
 *
 * Invariants
 *   - After the caches were written back no SEAMCALL is made any more.
 *   - It works from every state of the bring-up and of TDs: what cannot be given back is leaked, and
 *     said, and nothing of it stops the way out.
 *   - A module that was disabled has cleared all that it had; of any other, the pages are cleared here
 *     on CPUs that need it, after the caches: a line that is written back later would undo it.
 *
 * Facts: ABI reference sections 10.2, 10.6. What SYS.DISABLE does is known from Linux only
 * (tdx/soft/disable.c): it is asked for blindly there too, a module that has no such leaf says so.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/by_hand.h"
#include "tdx/pairs.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define DISABLE_CALLS_MAX 1000000u

/* A module that is not ready knows no leaf that it does not have. */
static bool lacks_leaf(const struct tdx_state *s, tdx_status_t st)
{
	return tdx_is(st, TDX_OPERAND_INVALID) ||
	       (s->phase != TDX_READY && tdx_is(st, TDX_SYS_NOT_READY));
}

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

/* The module gives up all that it has, TDs that would not end too, if it knows how to. */
static bool disable_module(const struct tdx_state *s)
{
	tdx_status_t st;
	char text[120];

	if (!s->done.sys_init || s->shut_down)
		return false;
	st = TDX_RETRY(tdh_sys_disable());
	for (unsigned i = 0; tdx_is(st, TDX_INTERRUPTED_RESUMABLE) && i < DISABLE_CALLS_MAX; i++) {
		if (tdx_irq_window)
			tdx_irq_window();
		st = TDX_RETRY(tdh_sys_disable());
	}
	if (tdx_ok(st))
		log_info("tdx: the module is disabled");
	else if (!lacks_leaf(s, st))
		log_warn("tdx: TDH.SYS.DISABLE: %s", tdx_status_text(st, text, sizeof(text)));
	return tdx_ok(st);
}

static bool is_the_modules(hpa_t page)
{
	switch (page_owner_of(page)) {
	case PAGE_TDX_CONTROL:
	case PAGE_TDX_SEPT:
	case PAGE_TDX_PRIVATE:
	case PAGE_LEAKED:
		return true;
	default:
		return false;
	}
}

/*
 * On CPUs where a partial write to memory that was private poisons it, the next owner writes so: PAMTs, and
 * what TDs have that would not end, or left for good.
 */
static void clear_private(const struct tdx_state *s)
{
	const struct tdmr_plan *p = s->plan;

	if (!s->host.page_clear || !s->done.key_tried)
		return;
	for (unsigned i = 0; i < p->count; i++) {
		const struct tdmr_info *t = &p->tdmr[i];

		for (uint64_t at = p->pamt[i].base; at < p->pamt[i].end; at += PAGE_SIZE)
			s->host.page_clear((hpa_t){ at }, 0);
		for (uint64_t at = t->base; at < t->base + t->size; at += PAGE_SIZE)
			if (is_the_modules((hpa_t){ at }))
				s->host.page_clear((hpa_t){ at }, 0);
	}
	pairs_clear(s->host.page_clear);
}

void tdx_fini(void)
{
	struct tdx_state *s = &tdx_state;
	bool disabled;

	if (s->phase == TDX_SHUT_DOWN || (!s->plan && !s->done.sys_init))
		return;
	take_back_lent();
	pairs_sweep();
	disabled = disable_module(s);
	s->phase = TDX_SHUT_DOWN;
	tdx_write_back_caches();
	if (s->plan && !disabled)
		clear_private(s);
	tdx_plan_drop(s->done.key_tried && !disabled);
	seamcall_stats_fini();
}
