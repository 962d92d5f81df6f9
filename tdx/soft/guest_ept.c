/*
 * guest_ept.c - EPT violations and misconfigurations of a TD, and the filter against zero-stepping.
 *
 * Invariants
 *   - A pending private page gives #VE in the guest or an exit of type 6, by TD_CTLS; every other
 *     private violation is the host's to repair.
 *   - After EPF_LIMIT faults at one RIP the GPAs are remembered; until all of them are accessible
 * the vCPU is not entered again.
 *
 * Facts: guest ABI reference section 3.6, ABI reference section 5.7.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"
#include "tdx/soft/sept.h"

#define EPF_LIMIT          6
#define EXT_PENDING        UINT64_C(6)
#define QUAL_GLA_VALID     BIT64(7)
#define QUAL_NMI_UNBLOCK   BIT64(12)
#define BLOCKING_BY_NMI    BIT64(3)
#define PENDING_VE_DISABLE BIT64(0)

static void note_fault(struct guest *g, uint64_t gpa)
{
	struct tdvps *vp = g->vp;
	uint64_t rip = guest_vmread(g, F_RIP);

	vp->last_exit_epf = true;
	if (rip != vp->epf_rip || vp->epf_count == 0) {
		vp->epf_rip = rip;
		vp->epf_count = 0;
		vp->epf_idx = 0;
	}
	if (vp->epf_count < EPF_LIMIT) {
		vp->epf_count++;
		return;
	}
	gpa &= ~(PAGE_SIZE - 1);
	for (unsigned i = 0; i < vp->epf_idx; i++)
		if (vp->epf_gpa[i] == gpa)
			return;
	if (vp->epf_idx < EPF_LIST_LEN)
		vp->epf_gpa[vp->epf_idx++] = gpa;
}

enum guest_next guest_ept_violation(struct guest *g)
{
	const struct tdcs *t = g->td.tdcs;
	uint64_t gpa = g->x.gpa, qual = g->x.qualification;
	struct sept_ref at;

	if ((qual & QUAL_NMI_UNBLOCK) && !g->injected)
		guest_vmwrite(g, F_INTERRUPTIBILITY,
			      guest_vmread(g, F_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
	if (!sept_gpa_valid(t, gpa)) {
		if (!(qual & QUAL_GLA_VALID))
			return guest_leave_ept(g, qual, 0, gpa);
		g->vp->v.cr2 = g->x.gla;
		return guest_inject(g, VEC_PF, true);
	}
	if (!sept_gpa_private(t, gpa))
		return guest_leave_ept(g, qual, 0, gpa);
	sept_walk(g->c, &g->td, gpa, 0, &at);
	if (sept_state(at.copy) == S_PENDING || sept_state(at.copy) == S_PENDING_EXP_DIRTY) {
		if (!(t->td_ctls & PENDING_VE_DISABLE))
			return guest_inject_ve(g, g->x.gla, gpa);
		note_fault(g, gpa);
		return guest_leave_ept(g, qual, EXT_PENDING, gpa);
	}
	/* Another LP may have mapped it meanwhile: then the access only has to be tried again. */
	note_fault(g, gpa);
	return guest_leave_ept(g, qual, 0, gpa);
}

enum guest_next guest_ept_misconfig(struct guest *g)
{
	if (sept_gpa_private(g->td.tdcs, g->x.gpa)) {
		call_halt(g->c, "misconfigured S-EPT entry");
		return guest_leave(g, TDX_NON_RECOVERABLE_TD, 0, 0, g->x.gpa, 0);
	}
	return guest_leave(g, TDX_SUCCESS, 0, 0, g->x.gpa, 0);
}

tdx_status_t zero_step_filter(struct call *c, struct td *td, struct tdvps *vp, bool *refused)
{
	struct sept_ref at;

	*refused = false;
	if (vp->epf_idx == 0)
		return OK;
	if (vcpu_vmread(c, vp, F_RIP) != vp->epf_rip) {
		vp->epf_idx = 0;
		vp->epf_count = 0;
		return OK;
	}
	TRY(call_take(c, &td->tdcs->tree_lock, EXCLUSIVE, PLAIN, OP_SEPT_TREE));
	for (unsigned i = 0; i < vp->epf_idx; i++) {
		sept_walk(c, td, vp->epf_gpa[i], 0, &at);
		if (sept_accessible(at.copy))
			continue;
		uint64_t rbp = c->r->rbp, rsp = c->r->rsp;

		*c->r = (struct soft_regs){
			.rcx = 2, .r8 = vp->epf_gpa[i], .rbp = rbp, .rsp = rsp
		};
		vp->last_td_exit = EXIT_ASYNC_FAULT;
		*refused = true;
		return OK;
	}
	vp->epf_idx = 0;
	vp->epf_count = 0;
	return OK;
}
