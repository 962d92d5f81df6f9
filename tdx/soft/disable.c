/*
 * disable.c - TDH.SYS.DISABLE: the module gives up everything that it has, and could be brought up anew.
 *
 * Invariants
 *   - From its first call on no other leaf is let in, so that what was given back stays given back.
 *   - Each call gives back 2 MiB at least before an interrupt ends it: repeated, it comes to an end.
 *
 * Facts: Linux's mailing list, "x86/virt/tdx: Add SEAMCALL wrapper for TDH.SYS.DISABLE" (2026): bit 53 of
 * TDX_FEATURES0, also with TDs alive, INTERRUPTED_RESUMABLE with progress, SYS_BUSY while another LP is
 * inside, poison of partial writes cleared, then SYS.INIT once more. Assumed here: that other leaves say
 * SYS_NOT_READY meanwhile, that it is taken in every state but that after TDH.SYS.SHUTDOWN, and that it
 * looks at no operand.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "tdx/soft/module.h"

/* A vCPU's VMCS may still be this LP's current one. */
static void let_go_of_vcpu(struct call *c, uint64_t pa)
{
	struct tdvps *vp = call_map(c, pa);

	if (vp->assoc_lpid == c->lp)
		c->m->backend->ops->vcpu_flush(c->m->backend->ctx, c->lp, &vp->v);
}

static void clear_page(struct call *c, struct pamt_entry *e, uint64_t pa, unsigned level)
{
	if (e->type == PT_TDVPR)
		let_go_of_vcpu(c, pa);
	for (uint64_t at = pa; at < pa + (PAGE_SIZE << (9 * level)); at += PAGE_SIZE)
		call_page_fill(call_map(c, at), 0);
	page_give_back(c, e, pa, level);
}

static void give_back_small(struct call *c, const struct tdmr *t, uint64_t pa)
{
	struct pamt_entry *range = pamt_entry_at(c, t, pa, 1);

	if (c->m->dynamic_pamt && range->type != PT_PAMT)
		return;
	for (uint64_t at = pa; at < pa + SIZE_2M; at += PAGE_SIZE) {
		struct pamt_entry *e = pamt_entry_at(c, t, at, 0);

		if (e->type >= PT_REG)
			clear_page(c, e, at, 0);
	}
	if (c->m->dynamic_pamt)
		pair_drop(c, range);
}

/* From @pa to the end of the largest page there; how much that was. */
static uint64_t give_back(struct call *c, const struct tdmr *t, uint64_t pa)
{
	for (unsigned level = 2; level; level--) {
		struct pamt_entry *e = pamt_entry_at(c, t, pa, level);

		if (e->type != PT_REG)
			continue;
		clear_page(c, e, pa, level);
		return PAGE_SIZE << (9 * level);
	}
	give_back_small(c, t, pa);
	return SIZE_2M;
}

/* Pages lie in whole GiBs only. */
static uint64_t used_end(const struct tdmr *t) { return align_down(t->done, SIZE_1G); }

/* From where the call before stopped. */
static tdx_status_t give_back_all(struct call *c)
{
	struct soft_module *m = c->m;

	for (; m->disable_tdmr < m->tdmr_count; m->disable_tdmr++, m->disable_done = 0) {
		const struct tdmr *t = &m->tdmr[m->disable_tdmr];

		while (t->base + m->disable_done < used_end(t)) {
			m->disable_done += give_back(c, t, t->base + m->disable_done);
			if (call_irq_pending(c))
				return FAIL(INTERRUPTED_RESUMABLE, 0);
		}
	}
	return OK;
}

/* As it was loaded, but for the rules that make calls fail and for those who are inside. */
static void begin_anew(struct soft_module *m)
{
	memset(m->lp_done, 0, sizeof(m->lp_done));
	m->lps_done = 0;
	memset(m->msr, 0, sizeof(*m) - offsetof(struct soft_module, msr));
	m->hkid_shift = PA_BITS;
	m->sys_state = SYSINIT_PENDING;
}

tdx_status_t leaf_sys_disable(struct call *c)
{
	struct soft_module *m = c->m;

	if (FAILED(call_take(c, &m->sys_lock, EXCLUSIVE, PLAIN, 0)))
		return FAIL(SYS_BUSY, 0);
	__atomic_store_n(&m->sys_state, SYS_DISABLING, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&m->calls_inside, __ATOMIC_SEQ_CST) > 1)
		return FAIL(SYS_BUSY, 0);
	TRY(give_back_all(c));
	sys_config_undo(c);
	begin_anew(m);
	return OK;
}
