/*
 * guest_tdcall.c - TDCALL: the table of leaves and the small ones.
 *
 * Invariants
 *   - A leaf's status goes to RAX and RIP moves on, unless the leaf asked to be executed again or
 * to leave to the host.
 *
 * Facts: guest ABI reference section 1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#include <string.h>

#include "kernel/base/log.h"
#include "kernel/base/trace.h"

#define EFER_LMA       BIT64(10)
#define CS_L           BIT64(13)
#define LEAF_VP_VMCALL 0
#define LEAF_VM_RD     7

#define MASK_RESERVED_GPRS (BIT64(SOFT_RAX) | BIT64(SOFT_RCX) | BIT64(SOFT_RSP))

/* Leaf 0: the selected registers go to the host; the reply comes with the next VP.ENTER. */
static tdx_status_t tdg_vp_vmcall(struct guest *g, enum tdcall_out *out)
{
	struct soft_regs *host = g->c->r;
	const struct soft_regs *gpr = &g->vp->v.gpr;
	uint64_t mask = gpr->rcx, forbidden = MASK_RESERVED_GPRS;
	bool keep_rbp = (g->td.tdcs->config_flags & CFG_NO_RBP_MOD) != 0;

	if (keep_rbp)
		forbidden |= BIT64(SOFT_RBP);
	if (mask >> 32 || (mask & forbidden))
		return FAIL(OPERAND_INVALID, OP_RCX);
	guest_advance(g);
#pragma GCC unroll 16
	for (unsigned i = SOFT_RDX; i < SOFT_GPRS; i++)
		if (i != SOFT_RSP && i != SOFT_RBP)
			host->r[i] = mask >> i & 1 ? gpr->r[i] : 0;
	if (!keep_rbp)
		host->rbp = mask >> SOFT_RBP & 1 ? gpr->rbp : 0;
	host->rcx = mask;
	if (unlikely(mask >> VMCALL_XMM_SHIFT))
		g->c->m->backend->ops->xmm_out(g->c->m->backend->ctx, g->c->lp, &g->vp->v,
					       (uint16_t)(mask >> VMCALL_XMM_SHIFT));
	g->vp->last_td_exit = EXIT_TDVMCALL;
	/* A bus lock on the way shows in the reason. */
	g->status = tdx_status(TDX_SUCCESS, SOFT_EXIT_TDCALL | (g->x.reason & BIT32(26)));
	*out = OUT_LEAVE;
	return OK;
}

static tdx_status_t tdg_vp_info(struct guest *g, enum tdcall_out *out)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	const struct tdcs *t = g->td.tdcs;

	(void)out;
	gpr->rcx = t->gpa_width;
	gpr->rdx = t->attributes;
	gpr->r8 = t->num_vcpus | (uint64_t)t->max_vcpus << 32;
	gpr->r9 = g->vp->v.index;
	gpr->r10 = 1;
	gpr->r11 = 0;
	return OK;
}

static tdx_status_t tdg_vp_veinfo_get(struct guest *g, enum tdcall_out *out)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	struct soft_ve_info *ve = &g->vp->v.ve;

	(void)out;
	gpr->rcx = gpr->rdx = gpr->r8 = gpr->r9 = gpr->r10 = 0;
	if (!ve->valid)
		return FAIL(NO_VALID_VE_INFO, 0);
	gpr->rcx = ve->reason;
	gpr->rdx = ve->qualification;
	gpr->r8 = ve->gla;
	gpr->r9 = ve->gpa;
	gpr->r10 = ve->instr_len | (uint64_t)ve->instr_info << 32;
	ve->valid = 0;
	return OK;
}

static tdx_status_t tdg_vp_cpuidve_set(struct guest *g, enum tdcall_out *out)
{
	uint64_t v = g->vp->v.gpr.rcx;

	(void)out;
	if (v & ~UINT64_C(3))
		return FAIL(OPERAND_INVALID, OP_RCX);
	g->vp->cpuid_supervisor_ve = v & 1;
	g->vp->cpuid_user_ve = (uint8_t)(v >> 1);
	return OK;
}

/* Nested VMs: this TD has none. */
static tdx_status_t tdg_vp_invept(struct guest *g, enum tdcall_out *out)
{
	(void)out;
	return g->vp->v.gpr.rcx ? FAIL(OPERAND_INVALID, OP_RCX) : OK;
}

static tdx_status_t tdg_no_l2(struct guest *g, enum tdcall_out *out)
{
	(void)g;
	(void)out;
	return FAIL(OPERAND_INVALID, OP_RCX);
}

/* clang-format off */
static const struct tdcall_row {
	tdx_status_t (*run)(struct guest *g, enum tdcall_out *out);
	const char *name;
} tdcalls[] = {
	[0]  = { tdg_vp_vmcall, "VP.VMCALL" },         [1]  = { tdg_vp_info, "VP.INFO" },
	[2]  = { tdg_mr_rtmr_extend, "MR.RTMR.EXTEND" }, [3] = { tdg_vp_veinfo_get, "VP.VEINFO.GET" },
	[4]  = { tdg_mr_report, "MR.REPORT" },         [5]  = { tdg_vp_cpuidve_set, "VP.CPUIDVE.SET" },
	[6]  = { tdg_mem_page_accept, "MEM.PAGE.ACCEPT" }, [7] = { tdg_vm_rd, "VM.RD" },
	[8]  = { tdg_vm_wr, "VM.WR" },                 [9]  = { tdg_vp_rd, "VP.RD" },
	[10] = { tdg_vp_wr, "VP.WR" },                 [11] = { tdg_sys_rd, "SYS.RD" },
	[12] = { tdg_sys_rdall, "SYS.RDALL" },         [22] = { tdg_mr_verifyreport, "MR.VERIFYREPORT" },
	[23] = { tdg_mem_page_attr_rd, "MEM.PAGE.ATTR.RD" },
	[24] = { tdg_mem_page_attr_wr, "MEM.PAGE.ATTR.WR" },
	[25] = { tdg_no_l2, "VP.ENTER" },              [26] = { tdg_vp_invept, "VP.INVEPT" },
	[27] = { tdg_no_l2, "VP.INVVPID" },
};
/* clang-format on */

static tdx_status_t dispatch(struct guest *g, enum tdcall_out *out)
{
	uint64_t rax = g->vp->v.gpr.rax;
	unsigned leaf = (unsigned)(rax & 0xffff), version = (unsigned)(rax >> 16 & 0xff);

	if (rax >> 24 || (version && leaf != LEAF_VM_RD) || leaf >= ARRAY_LEN(tdcalls) ||
	    !tdcalls[leaf].run)
		return FAIL(OPERAND_INVALID, OP_RAX);
	g->c->version = version;
	return tdcalls[leaf].run(g, out);
}

/*
 * A lock that the host waits for: the guest sees plain BUSY and tries again, but not for ever.
 * True when it is time to leave to the host.
 */
static bool host_priority_timeout(struct guest *g, tdx_status_t *st)
{
	const struct soft_machine *mc = g->c->m->machine;
	struct tdvps *vp = g->vp;

	if (!tdx_is(*st, TDX_OPERAND_BUSY_HOST_PRIORITY)) {
		vp->hp_busy = 0;
		return false;
	}
	*st = FAIL(OPERAND_BUSY, tdx_detail(*st));

	uint64_t now = mc->ops->tsc(mc->ctx, g->c->lp);

	if (!vp->hp_busy) {
		vp->hp_busy = 1;
		vp->hp_busy_start = now;
		return false;
	}
	return now - vp->hp_busy_start >= g->td.tdcs->hp_lock_ticks;
}

/* A TDVMCALL is traced by the host that answers it. */
static void trace_tdcall(const struct guest *g, uint64_t leaf, const uint64_t in[3],
			 tdx_status_t st)
{
	const struct soft_machine *mc = g->c->m->machine;
	const struct soft_regs *r = &g->vp->v.gpr;

	trace_add(&(struct trace_record){
		.tsc = mc->ops->tsc(mc->ctx, g->c->lp),
		.cpu = g->c->lp,
		.kind = TRACE_TDCALL,
		.vcpu = (uint8_t)g->vp->v.index,
		.guest = g->vp->v.hkid,
		.leaf = (uint32_t)leaf,
		.status = st.raw,
		.a = { in[0], in[1], in[2], r->rcx, r->rdx, r->r8 },
	});
}

/* What only the module sees of a guest's mistakes: one line for each vCPU and kind. */
enum note { NOTE_ACCEPTED_AGAIN = 1, NOTE_FORBIDDEN_REGISTER = 2 };

static bool first_time(struct guest *g, enum note note)
{
	bool first = !(g->vp->noted & note);

	g->vp->noted |= (uint8_t)note;
	return first;
}

static void note_mistake(struct guest *g, uint64_t leaf, uint64_t rcx, tdx_status_t st)
{
	unsigned td = g->td.tdr->hkid, vcpu = g->vp->v.index;

	if (leaf == LEAF_VP_VMCALL && FAILED(st) && first_time(g, NOTE_FORBIDDEN_REGISTER))
		log_info("soft: TD with KeyID %u, vCPU %u: TDVMCALL mask %#llx names a register that it "
			 "may not pass%s", td, vcpu, (unsigned long long)rcx,
			 (rcx & BIT64(SOFT_RBP)) ? " (RBP, by NO_RBP_MOD)" : "");
	if (tdx_is(st, TDX_PAGE_ALREADY_ACCEPTED) && first_time(g, NOTE_ACCEPTED_AGAIN))
		log_info("soft: TD with KeyID %u, vCPU %u: accepts page %#llx, which it has accepted", td,
			 vcpu, (unsigned long long)(rcx & BITS64(51, 12)));
}

enum guest_next guest_tdcall(struct guest *g)
{
	const struct soft_regs *r = &g->vp->v.gpr;
	const uint64_t leaf = r->rax & 0xffff, in[3] = { r->rcx, r->rdx, r->r8 };
	enum tdcall_out out = OUT_STATUS;

	if (!(guest_vmread(g, F_EFER) & EFER_LMA) || !(guest_vmread(g, F_CS_AR) & CS_L))
		return guest_inject(g, VEC_GP, true);

	tdx_status_t st = dispatch(g, &out);

	if (leaf != LEAF_VP_VMCALL && out != OUT_RETRY && trace_on(TRACE_TDCALL))
		trace_tdcall(g, leaf, in, st);
	if (unlikely(st.raw))
		note_mistake(g, leaf, in[0], st);
	if (out == OUT_LEAVE)
		return LEAVE;
	if (out == OUT_RETRY)
		return RESUME;
	bool leave = host_priority_timeout(g, &st);

	g->vp->v.gpr.rax = st.raw;
	guest_advance(g);
	if (!leave)
		return RESUME;
	g->vp->hp_busy = 0;
	return guest_leave_trap(g, TDX_HOST_PRIORITY_BUSY_TIMEOUT);
}
