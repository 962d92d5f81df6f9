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

/* The guest got somewhere since it was entered: whatever it faulted on is history. */
void zero_step_note_exit(struct guest *g)
{
	struct tdvps *vp = g->vp;

	if (guest_vmread(g, F_RIP) != vp->entry_rip)
		vp->epf_idx = vp->epf_count = 0;
}

static void note_fault(struct guest *g, uint64_t gpa)
{
	struct tdvps *vp = g->vp;

	zero_step_note_exit(g);
	if (vp->epf_count < EPF_LIMIT) {
		vp->epf_count++;
		return;
	}
	for (unsigned i = 0; i < vp->epf_idx; i++)
		if (vp->epf_gpa[i] == gpa)
			return;
	if (vp->epf_idx < EPF_LIST_LEN)
		vp->epf_gpa[vp->epf_idx++] = gpa;
}

#define QUAL_WRITE        BIT64(1)
#define QUAL_FETCH        BIT64(2)
#define QUAL_SHADOW_STACK BIT64(13)

/* A GPA with bits above SHARED set is a reserved bit in the guest's page table. */
static enum guest_next inject_reserved_bit(struct guest *g)
{
	uint64_t qual = g->x.qualification;
	uint32_t error = 1 | 1u << 3;

	if (qual & QUAL_WRITE)
		error |= 1u << 1;
	if (guest_cpl(g) == 3)
		error |= 1u << 2;
	if (qual & QUAL_FETCH)
		error |= 1u << 4;
	if (qual & QUAL_SHADOW_STACK)
		error |= 1u << 6;
	return guest_inject_pf(g, g->x.gla, error);
}

enum guest_next guest_ept_violation(struct guest *g)
{
	const struct tdcs *t = g->td.tdcs;
	uint64_t gpa = g->x.gpa, qual = g->x.qualification;
	struct sept_ref at;

	if (qual & QUAL_NMI_UNBLOCK)
		guest_vmwrite(g, F_INTERRUPTIBILITY,
			      guest_vmread(g, F_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
	if (!sept_gpa_valid(t, gpa) && (qual & QUAL_GLA_VALID))
		return inject_reserved_bit(g);
	if (gpa & sept_shared_bit(t))
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
	if (!(g->x.gpa & sept_shared_bit(g->td.tdcs))) {
		call_halt(g->c, "misconfigured S-EPT entry");
		return guest_leave(g, TDX_NON_RECOVERABLE_TD, 0, 0, g->x.gpa, 0);
	}
	return guest_leave(g, TDX_SUCCESS, 0, 0, g->x.gpa, 0);
}

#define NOTIFY_EPT_FAULTS BIT64(0)
#define EXIT_BASIC        0xffff

/* The last exit was a fault on private memory, and nothing stands against a #VE now. */
static bool can_notify(const struct guest *g)
{
	const struct tdvps *vp = g->vp;

	return (vp->last_exit.reason & EXIT_BASIC) == SOFT_EXIT_EPT_VIOLATION &&
	       !(vp->last_exit.gpa & sept_shared_bit(g->td.tdcs)) &&
	       !(guest_vmread(g, F_INTERRUPTIBILITY) & BLOCKING_BY_NMI) &&
	       !(vp->last_exit.qualification & QUAL_NMI_UNBLOCK) &&
	       !(guest_vmread(g, F_IDT_INFO) & BIT32(31)) && !vp->v.ve.valid;
}

/*
 * Before an entry: a vCPU that kept faulting at one place does not go on until all that it faulted
 * on is there (@refused: the host's registers tell it what is missing). A guest that asked for it
 * learns by #VE that its host may be stepping it.
 */
tdx_status_t zero_step_filter(struct guest *g, bool *refused)
{
	struct tdvps *vp = g->vp;
	struct call *c = g->c;
	struct sept_ref at;

	*refused = false;
	vp->entry_rip = guest_vmread(g, F_RIP);
	if (vp->epf_idx == 0)
		return OK;
	TRY(call_take(c, &g->td.tdcs->tree_lock, EXCLUSIVE, PLAIN, OP_SEPT_TREE));
	for (unsigned i = 0; i < vp->epf_idx; i++) {
		sept_walk(c, &g->td, vp->epf_gpa[i], 0, &at);
		if (sept_accessible(at.copy))
			continue;
		uint64_t rbp = c->r->rbp, rsp = c->r->rsp;

		*c->r = (struct soft_regs){ .rcx = QUAL_WRITE,
					    .r8 = align_down(vp->epf_gpa[i], PAGE_SIZE),
					    .rbp = rbp,
					    .rsp = rsp };
		vp->last_td_exit = EXIT_ASYNC_FAULT;
		*refused = true;
		return OK;
	}
	if ((g->td.tdcs->notify_enables & NOTIFY_EPT_FAULTS) && can_notify(g)) {
		g->x = vp->last_exit;
		(void)guest_inject_ve_ept(g, vp->last_exit.qualification, 0, vp->last_exit.gpa);
	}
	return OK;
}
