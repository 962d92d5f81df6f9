/*
 * vp_enter.c - TDH.VP.ENTER: into the guest, round its exits that the module handles, and back.
 *
 * Invariants
 *   - While the guest runs, the PAMT entries of TDVPR and TDR stay held shared, and no other lock.
 *   - A vCPU is ACTIVE on one LP at most: READY to ACTIVE is one compare-and-exchange.
 *   - The epoch's reference count goes down exactly once for each time it went up.
 *
 * Facts: ABI reference sections 3.6, 5.5, 5.7.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#define RCX_HINT      BIT64(52)
#define RCX_RESUME_L1 BIT64(53)
#define STATUS_HINT   BIT64(60) /* TDX_STATUS: HOST_RECOVERABILITY_HINT */
#define RCX_RESERVED  (BITS64(63, 54) | BITS64(11, 0))

#define MSR_MISC_ENABLE     0x1a0
#define MISC_ENABLE_MONITOR BIT64(18)

/* Rows 7 to 11 of the check list: the vCPU is associated, and must still be fit to run. */
static tdx_status_t check_entry(struct call *c, const struct td *td, const struct tdvps *vp)
{
	const struct soft_machine *mc = c->m->machine;

	if ((c->in.rcx & RCX_HINT) && vp->last_td_exit != EXIT_ASYNC_TRAP)
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (c->in.rcx & RCX_RESUME_L1)
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(check_tsc_adjust(c));
	if ((int64_t)(mc->ops->tsc(mc->ctx, c->lp) - vp->last_exit_tsc) < 0)
		return FAIL(TSC_ROLLBACK, 0);
	if ((td->tdcs->cpuid_flags & HAS_MONITOR) &&
	    !(call_rdmsr(c, MSR_MISC_ENABLE) & MISC_ENABLE_MONITOR))
		return FAIL(INCORRECT_MSR_VALUE, MSR_MISC_ENABLE);
	return OK;
}

/* What the host answers to a TDVMCALL: the registers that the guest's mask selects. */
static void take_reply(struct call *c, struct tdvps *vp)
{
	uint64_t mask = vp->v.gpr.rcx;

	vp->v.gpr.rax = 0;
#pragma GCC unroll 16
	for (unsigned i = SOFT_RDX; i < SOFT_GPRS; i++)
		if (i != SOFT_RSP)
			vp->v.gpr.r[i] = mask >> i & 1 ? c->in.r[i] : vp->v.gpr.r[i];
	if (unlikely(mask >> VMCALL_XMM_SHIFT))
		c->m->backend->ops->xmm_in(c->m->backend->ctx, c->lp, &vp->v,
					   (uint16_t)(mask >> VMCALL_XMM_SHIFT));
}

/* A TDCALL that ended in an exit of its own: the host's hint goes into its status. */
static void take_hint(struct call *c, struct tdvps *vp)
{
	vp->v.gpr.rax &= ~STATUS_HINT;
	if (c->in.rcx & RCX_HINT)
		vp->v.gpr.rax |= STATUS_HINT;
}

static void run(struct guest *g)
{
	const struct soft_backend *be = g->c->m->backend;

	for (;;) {
		guest_update_nmi_window(g);
		__atomic_fetch_sub(&g->c->m->calls_inside, 1, __ATOMIC_ACQ_REL);
		be->ops->enter(be->ctx, g->c->lp, &g->vp->v, &g->x);
		__atomic_fetch_add(&g->c->m->calls_inside, 1, __ATOMIC_ACQ_REL);

		g->vp->last_exit = g->x;

		unsigned mark = g->c->held;
		enum guest_next next = guest_exit(g);

		call_release_to(g->c, mark);
		if (next == LEAVE || __atomic_load_n(&g->c->m->halted, __ATOMIC_ACQUIRE))
			return;
	}
}

/* The vCPU counts under today's epoch; what it may still have cached from older ones goes. */
static void join_epoch(struct guest *g, bool fresh)
{
	const struct soft_backend *be = g->c->m->backend;
	uint64_t epoch = epoch_enter(g->td.tdcs);

	if (fresh || epoch != g->vp->epoch)
		be->ops->flush_tlb(be->ctx, g->c->lp, &g->vp->v);
	g->vp->epoch = epoch;
}

static tdx_status_t enter(struct call *c, struct td *td, struct tdvps *vp, bool fresh,
			  unsigned keep)
{
	const struct soft_machine *mc = c->m->machine;
	struct guest g = { .c = c, .td = *td, .vp = vp, .status = OK };
	bool refused = false;

	TRY(check_entry(c, td, vp));
	TRY(call_take(c, &td->tdcs->epoch_lock, SHARED, PLAIN, OP_TD_EPOCH));
	join_epoch(&g, fresh);

	tdx_status_t st = zero_step_filter(&g, &refused);

	if (FAILED(st) || refused) {
		epoch_leave(td->tdcs, vp->epoch);
		return refused ? tdx_status(TDX_SUCCESS, SOFT_EXIT_EPT_VIOLATION) : st;
	}
	call_release_to(c, keep);

	if (vp->last_td_exit == EXIT_TDVMCALL)
		take_reply(c, vp);
	else if (vp->last_td_exit == EXIT_ASYNC_TRAP)
		take_hint(c, vp);
	c->guest = true;
	run(&g);
	c->guest = false;

	vp->last_exit_tsc = mc->ops->tsc(mc->ctx, c->lp);
	epoch_leave(td->tdcs, vp->epoch);
	return g.status;
}

tdx_status_t leaf_vp_enter(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	struct pamt_ref page;
	bool fresh;
	uint8_t ready = VCPU_READY;

	TRY(check_cpuid_unlimited(c));
	if (c->in.rcx & RCX_RESERVED)
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(get_vp(c, c->in.rcx & BITS64(51, 12), OP_RCX, SHARED, &vp, &page, &td));

	unsigned keep = c->held;

	TRY(check_state(c, c->leaf, &td, true));
	if (!vp_pages_complete(c, vp, td.tdcs))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	if (!__atomic_compare_exchange_n(&vp->state, &ready, VCPU_ACTIVE, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return vcpu_state_wrong(c, ready);

	tdx_status_t st = vp_associate(c, &td, vp, &fresh);

	if (!FAILED(st))
		st = enter(c, &td, vp, fresh, keep);
	/* A triple fault has made it DISABLED. */
	if (vp->state == VCPU_ACTIVE)
		__atomic_store_n(&vp->state, VCPU_READY, __ATOMIC_RELEASE);
	return st;
}
