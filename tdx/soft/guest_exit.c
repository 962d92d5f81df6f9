/*
 * guest_exit.c - the exit table of a TD's vCPU, event injection, and leaving to the host.
 *
 * Invariants
 *   - One row for each exit reason that the module knows; any other kills a production TD.
 *   - Asynchronous exits never show a guest register: the host's are all written here.
 *
 * Facts: guest ABI reference sections 3.2, 3.7 and 9; ABI reference section 3.6.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#include <string.h>

#define EXIT_BASIC(r)   ((r)&0xffff)
#define EXIT_ENTRY_FAIL BIT32(31)

static void set_event(struct guest *g, uint32_t info, uint32_t error)
{
	guest_vmwrite(g, F_ENTRY_INTR, info);
	if (info & INTR_ERROR_CODE)
		guest_vmwrite(g, F_ENTRY_ERROR, error);
	g->injected = true;
}

enum guest_next guest_inject(struct guest *g, enum vector vector, bool error_code)
{
	uint32_t info = INTR_VALID | INTR_HARD_EXC << 8 | (uint32_t)vector;

	guest_vmwrite(g, F_RFLAGS, guest_vmread(g, F_RFLAGS) | RFLAGS_RF);
	set_event(g, error_code ? info | INTR_ERROR_CODE : info, 0);
	return RESUME;
}

static enum guest_next inject_ve(struct guest *g, uint32_t reason, uint64_t qual, uint64_t gla,
				 uint64_t gpa)
{
	struct soft_ve_info *ve = &g->vp->v.ve;

	if (ve->valid)
		return guest_inject(g, VEC_DF, true);
	ve->reason = reason;
	ve->qualification = qual;
	ve->gla = gla;
	ve->gpa = gpa;
	ve->eptp_index = 0;
	ve->instr_len = g->x.instr_len;
	ve->instr_info = g->x.instr_info;
	ve->valid = UINT32_C(0xffffffff);
	return guest_inject(g, VEC_VE, false);
}

enum guest_next guest_inject_ve(struct guest *g, uint64_t gla, uint64_t gpa)
{
	return inject_ve(g, EXIT_BASIC(g->x.reason), g->x.qualification, gla, gpa);
}

enum guest_next guest_inject_ve_ept(struct guest *g, uint64_t qual, uint64_t gla, uint64_t gpa)
{
	return inject_ve(g, SOFT_EXIT_EPT_VIOLATION, qual, gla, gpa);
}

/* The instruction is done: step over it, and end the shadow of STI or MOV SS. */
void guest_advance(struct guest *g)
{
	uint64_t shadow = guest_vmread(g, F_INTERRUPTIBILITY);

	guest_vmwrite(g, F_RIP, guest_vmread(g, F_RIP) + g->x.instr_len);
	if (shadow & 3)
		guest_vmwrite(g, F_INTERRUPTIBILITY, shadow & ~UINT64_C(3));
	if (guest_vmread(g, F_RFLAGS) & RFLAGS_TF)
		guest_vmwrite(g, F_PENDING_DBG, guest_vmread(g, F_PENDING_DBG) | BIT64(14));
}

unsigned guest_cpl(const struct guest *g) { return (unsigned)(guest_vmread(g, F_SS_AR) >> 5 & 3); }

enum guest_next guest_leave(struct guest *g, enum tdx_code code, uint64_t qual, uint64_t ext,
			    uint64_t gpa, uint32_t intr_info)
{
	uint64_t rsp = g->c->r->rsp;

	memset(g->c->r, 0, sizeof(*g->c->r));
	g->c->r->rsp = rsp;
	g->c->r->rcx = (uint32_t)qual;
	g->c->r->rdx = ext;
	g->c->r->r8 = gpa & ~(PAGE_SIZE - 1);
	g->c->r->r9 = intr_info;
	g->vp->last_td_exit = EXIT_ASYNC_FAULT;
	g->status = tdx_status(code, g->x.reason);
	return LEAVE;
}

#define QUAL_EPT_HIDDEN BITS64(12, 7)

enum guest_next guest_leave_ept(struct guest *g, uint64_t qual, uint64_t ext, uint64_t gpa)
{
	g->x.reason = SOFT_EXIT_EPT_VIOLATION;
	return guest_leave(g, TDX_SUCCESS, qual & ~QUAL_EPT_HIDDEN, ext, gpa, 0);
}

static enum guest_next leave_dead(struct guest *g, enum tdx_code code)
{
	g->td.tdr->fatal = 1;
	return guest_leave(g, code, g->x.qualification, 0, 0, g->x.intr_info);
}

/* The row for exits that a production TD does not survive. */
enum guest_next guest_unexpected(struct guest *g)
{
	if (g->td.tdcs->attributes & ATTR_DEBUG)
		return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, 0);
	return leave_dead(g, TDX_NON_RECOVERABLE_TD);
}

static enum guest_next exit_exception(struct guest *g)
{
	uint32_t info = g->x.intr_info;

	if (INTR_TYPE(info) == INTR_NMI)
		return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, info);
	if ((info & 0xff) == VEC_MC)
		return leave_dead(g, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	if (g->td.tdcs->attributes & ATTR_DEBUG)
		return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, info);
	call_halt(g->c, "exception exit of a production TD");
	return guest_leave(g, TDX_NON_RECOVERABLE_TD, 0, 0, 0, info);
}

static enum guest_next exit_interrupt(struct guest *g)
{
	return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, g->x.intr_info);
}

static enum guest_next exit_plain(struct guest *g)
{
	return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, 0);
}

static enum guest_next exit_triple_fault(struct guest *g)
{
	g->vp->state = VCPU_DISABLED;
	return guest_leave(g, TDX_NON_RECOVERABLE_VCPU, g->x.qualification, 0, 0, 0);
}

static enum guest_next exit_nmi_window(struct guest *g)
{
	if (g->vp->pend_nmi && !g->vp->v.ve.valid) {
		g->vp->pend_nmi = 0;
		set_event(g, INTR_VALID | INTR_NMI << 8 | VEC_NMI, 0);
	}
	return RESUME;
}

void guest_update_nmi_window(struct guest *g)
{
	bool want = g->vp->pend_nmi && !g->vp->v.ve.valid;
	uint64_t controls;

	if (likely(want == g->vp->nmi_window))
		return;
	g->vp->nmi_window = want;
	controls = guest_vmread(g, F_PRIMARY) & ~PRIMARY_NMI_WINDOW;
	guest_vmwrite(g, F_PRIMARY, want ? controls | PRIMARY_NMI_WINDOW : controls);
}

static enum guest_next exit_ve(struct guest *g) { return guest_inject_ve(g, 0, 0); }
static enum guest_next exit_ud(struct guest *g) { return guest_inject(g, VEC_UD, false); }
static enum guest_next exit_gp(struct guest *g) { return guest_inject(g, VEC_GP, true); }

static enum guest_next exit_entry_failed(struct guest *g)
{
	if (EXIT_BASIC(g->x.reason) == SOFT_EXIT_ENTRY_MC)
		return leave_dead(g, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	if (EXIT_BASIC(g->x.reason) == SOFT_EXIT_ENTRY_MSR_LOAD)
		call_halt(g->c, "VM entry failed to load MSRs");
	return guest_unexpected(g);
}

/* clang-format off */
static const struct exit_row {
	enum guest_next (*handle)(struct guest *g);
	const char *name;
} exits[] = {
	[SOFT_EXIT_EXCEPTION_NMI] = { exit_exception, "exception or NMI" },
	[SOFT_EXIT_INTR]          = { exit_interrupt, "external interrupt" },
	[SOFT_EXIT_TRIPLE_FAULT]  = { exit_triple_fault, "triple fault" },
	[SOFT_EXIT_INIT]          = { exit_plain, "INIT" },
	[SOFT_EXIT_SMI]           = { exit_interrupt, "SMI" },
	[SOFT_EXIT_NMI_WINDOW]    = { exit_nmi_window, "NMI window" },
	[SOFT_EXIT_TASK_SWITCH]   = { exit_plain, "task switch" },
	[SOFT_EXIT_CPUID]         = { guest_cpuid, "CPUID" },
	[SOFT_EXIT_GETSEC]        = { exit_ud, "GETSEC" },
	[SOFT_EXIT_HLT]           = { exit_ve, "HLT" },
	[SOFT_EXIT_INVD]          = { exit_ve, "INVD" },
	[SOFT_EXIT_RDPMC]         = { exit_gp, "RDPMC" },
	[SOFT_EXIT_RSM]           = { exit_ud, "RSM" },
	[SOFT_EXIT_VMCALL]        = { exit_ve, "VMCALL" },
	[SOFT_EXIT_VMCLEAR ... SOFT_EXIT_VMXON] = { exit_ud, "VMX instruction" },
	[SOFT_EXIT_CR]            = { guest_cr, "CR access" },
	[SOFT_EXIT_IO]            = { exit_ve, "I/O" },
	[SOFT_EXIT_RDMSR]         = { guest_rdmsr, "RDMSR" },
	[SOFT_EXIT_WRMSR]         = { guest_wrmsr, "WRMSR" },
	[SOFT_EXIT_MWAIT]         = { exit_ve, "MWAIT" },
	[SOFT_EXIT_MONITOR]       = { exit_ve, "MONITOR" },
	[SOFT_EXIT_CSTATE_SMI]    = { exit_interrupt, "C-state SMI" },
	[SOFT_EXIT_EPT_VIOLATION] = { guest_ept_violation, "EPT violation" },
	[SOFT_EXIT_EPT_MISCONFIG] = { guest_ept_misconfig, "EPT misconfiguration" },
	[SOFT_EXIT_INVEPT]        = { exit_ud, "INVEPT" },
	[SOFT_EXIT_INVVPID]       = { exit_ud, "INVVPID" },
	[SOFT_EXIT_WBINVD]        = { exit_ve, "WBINVD" },
	[SOFT_EXIT_XSETBV]        = { guest_xsetbv, "XSETBV" },
	[SOFT_EXIT_APIC_WRITE]    = { exit_ve, "APIC write" },
	[SOFT_EXIT_VMFUNC]        = { exit_ud, "VMFUNC" },
	[SOFT_EXIT_ENCLS]         = { exit_ud, "ENCLS" },
	[SOFT_EXIT_PCONFIG]       = { exit_ve, "PCONFIG" },
	[SOFT_EXIT_ENCLV]         = { exit_ud, "ENCLV" },
	[SOFT_EXIT_ENQCMD]        = { exit_gp, "ENQCMD" },
	[SOFT_EXIT_ENQCMDS]       = { exit_ud, "ENQCMDS" },
	[SOFT_EXIT_BUS_LOCK]      = { exit_plain, "bus lock" },
	[SOFT_EXIT_NOTIFY]        = { exit_plain, "notification" },
	[SOFT_EXIT_SEAMCALL]      = { exit_ud, "SEAMCALL" },
	[SOFT_EXIT_TDCALL]        = { guest_tdcall, "TDCALL" },
};
/* clang-format on */

/* These exits can cut the delivery of another event short: it is to be delivered again. */
static bool may_cut_delivery(uint32_t basic)
{
	return basic == SOFT_EXIT_TASK_SWITCH || basic == SOFT_EXIT_EPT_VIOLATION ||
	       basic == SOFT_EXIT_EPT_MISCONFIG;
}

static void keep_cut_event(struct guest *g)
{
	uint32_t info = (uint32_t)guest_vmread(g, F_IDT_INFO);

	if (!(info & INTR_VALID))
		return;
	set_event(g, info & ~BIT32(12), (uint32_t)guest_vmread(g, F_IDT_ERROR));
	guest_vmwrite(g, F_ENTRY_LEN, g->x.instr_len);
}

enum guest_next guest_exit(struct guest *g)
{
	uint32_t basic = EXIT_BASIC(g->x.reason);

	g->injected = false;
	if (g->x.reason & EXIT_ENTRY_FAIL)
		return exit_entry_failed(g);
	if (may_cut_delivery(basic))
		keep_cut_event(g);
	if (basic >= ARRAY_LEN(exits) || !exits[basic].handle)
		return guest_unexpected(g);
	return exits[basic].handle(g);
}
