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

static enum guest_next exit_triple_fault(struct guest *g);

#define EXIT_BUS_LOCK BIT32(26)

/* An exit that the module makes up: what it keeps of the real one is the bus lock. */
static void set_reason(struct guest *g, uint32_t basic)
{
	g->x.reason = basic | (g->x.reason & EXIT_BUS_LOCK);
}

static void set_event(struct guest *g, uint32_t info, uint32_t error)
{
	guest_vmwrite(g, F_ENTRY_INTR, info);
	if (info & INTR_ERROR_CODE)
		guest_vmwrite(g, F_ENTRY_ERROR, error);
	g->injected = true;
}

static enum guest_next inject(struct guest *g, enum vector vector, bool has_error, uint32_t error)
{
	uint32_t info = INTR_VALID | INTR_HARD_EXC << 8 | (uint32_t)vector;

	guest_vmwrite(g, F_RFLAGS, guest_vmread(g, F_RFLAGS) | RFLAGS_RF);
	set_event(g, has_error ? info | INTR_ERROR_CODE : info, error);
	return RESUME;
}

enum guest_next guest_inject(struct guest *g, enum vector vector, bool error_code)
{
	return inject(g, vector, error_code, 0);
}

static bool exception_waits(const struct guest *g, enum vector vector)
{
	uint32_t info = g->injected ? (uint32_t)guest_vmread(g, F_ENTRY_INTR) : 0;

	return (info & INTR_VALID) && INTR_TYPE(info) == INTR_HARD_EXC && (info & 0xff) == vector;
}

/* #PF on top of an event that is being delivered becomes #DF, or shuts the vCPU down. */
enum guest_next guest_inject_pf(struct guest *g, uint64_t gla, uint32_t error)
{
	g->vp->v.cr2 = gla;
	if (exception_waits(g, VEC_DF)) {
		set_reason(g, SOFT_EXIT_TRIPLE_FAULT);
		return exit_triple_fault(g);
	}
	if (exception_waits(g, VEC_PF) || exception_waits(g, VEC_VE))
		return guest_inject(g, VEC_DF, true);
	return inject(g, VEC_PF, true, error);
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

#define DEBUGCTL_BTF   BIT64(1)
#define PENDING_DBG_BS BIT64(14)

/* The instruction is done: step over it, and end the shadow of STI or MOV SS. */
void guest_advance(struct guest *g)
{
	uint64_t shadow = guest_vmread(g, F_INTERRUPTIBILITY);
	uint64_t pending = guest_vmread(g, F_PENDING_DBG), now = pending & ~PENDING_DBG_BS;

	guest_vmwrite(g, F_RIP, guest_vmread(g, F_RIP) + g->x.instr_len);
	if (shadow & 3)
		guest_vmwrite(g, F_INTERRUPTIBILITY, shadow & ~UINT64_C(3));
	/* A debugger inside the guest that steps by instructions, not by branches. */
	if ((guest_vmread(g, F_RFLAGS) & RFLAGS_TF) &&
	    !(guest_vmread(g, F_DEBUGCTL) & DEBUGCTL_BTF))
		now |= PENDING_DBG_BS;
	if (now != pending)
		guest_vmwrite(g, F_PENDING_DBG, now);
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
	if (code == TDX_SUCCESS)
		g->vp->last_td_exit = EXIT_ASYNC_FAULT;
	g->status = tdx_status(code, g->x.reason);
	return LEAVE;
}

/* The TDCALL is done, but the host shall know: no exit reason, and no execution again. */
enum guest_next guest_leave_trap(struct guest *g, enum tdx_code code)
{
	g->x.reason = 0;
	(void)guest_leave(g, code, 0, 0, 0, 0);
	g->vp->last_td_exit = EXIT_ASYNC_TRAP;
	return LEAVE;
}

#define QUAL_EPT_HIDDEN BITS64(12, 7)

enum guest_next guest_leave_ept(struct guest *g, uint64_t qual, uint64_t ext, uint64_t gpa)
{
	set_reason(g, SOFT_EXIT_EPT_VIOLATION);
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

#define SMI_QUAL_MACHINE_CHECK BIT64(0)

static enum guest_next exit_smi(struct guest *g)
{
	if (g->x.qualification & SMI_QUAL_MACHINE_CHECK)
		return leave_dead(g, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	return exit_interrupt(g);
}

#define NOTIFY_QUAL_INVALID BIT64(0)
#define QUAL_NMI_UNBLOCK    BIT64(12)
#define BLOCKING_BY_NMI     BIT64(3)

static void block_nmi(struct guest *g, bool on)
{
	uint64_t shadow = guest_vmread(g, F_INTERRUPTIBILITY);

	guest_vmwrite(g, F_INTERRUPTIBILITY,
		      on ? shadow | BLOCKING_BY_NMI : shadow & ~BLOCKING_BY_NMI);
}

static enum guest_next exit_notify(struct guest *g)
{
	if (g->x.qualification & QUAL_NMI_UNBLOCK)
		block_nmi(g, true);
	if (g->x.qualification & NOTIFY_QUAL_INVALID)
		return leave_dead(g, TDX_NON_RECOVERABLE_TD);
	return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, 0);
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

/* With performance monitoring RDPMC exits only for a debugger. */
static enum guest_next exit_rdpmc(struct guest *g)
{
	if (!(g->td.tdcs->attributes & ATTR_PERFMON))
		return exit_gp(g);
	if (!(g->td.tdcs->attributes & ATTR_DEBUG))
		call_halt(g->c, "RDPMC exit of a TD that has performance monitoring");
	return guest_unexpected(g);
}

/* The page-modification log is a debugger's. */
static enum guest_next exit_pml_full(struct guest *g)
{
	if (!(g->td.tdcs->attributes & ATTR_DEBUG))
		call_halt(g->c, "page-modification log of a production TD");
	return guest_unexpected(g);
}

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
	[SOFT_EXIT_SMI]           = { exit_smi, "SMI" },
	[SOFT_EXIT_NMI_WINDOW]    = { exit_nmi_window, "NMI window" },
	[SOFT_EXIT_TASK_SWITCH]   = { exit_plain, "task switch" },
	[SOFT_EXIT_CPUID]         = { guest_cpuid, "CPUID" },
	[SOFT_EXIT_GETSEC]        = { exit_ud, "GETSEC" },
	[SOFT_EXIT_HLT]           = { exit_ve, "HLT" },
	[SOFT_EXIT_INVD]          = { exit_ve, "INVD" },
	[SOFT_EXIT_RDPMC]         = { exit_rdpmc, "RDPMC" },
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
	[SOFT_EXIT_PML_FULL]      = { exit_pml_full, "PML full" },
	[SOFT_EXIT_PCONFIG]       = { exit_ve, "PCONFIG" },
	[SOFT_EXIT_ENCLV]         = { exit_ud, "ENCLV" },
	[SOFT_EXIT_ENQCMD]        = { exit_gp, "ENQCMD" },
	[SOFT_EXIT_ENQCMDS]       = { exit_ud, "ENQCMDS" },
	[SOFT_EXIT_BUS_LOCK]      = { exit_plain, "bus lock" },
	[SOFT_EXIT_NOTIFY]        = { exit_notify, "notification" },
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

/* The event is delivered again after this exit; an NMI is not blocked by itself then. */
static void keep_cut_event(struct guest *g, uint32_t info)
{
	if (INTR_TYPE(info) == INTR_NMI)
		block_nmi(g, false);
	set_event(g, info & ~BIT32(12), (uint32_t)guest_vmread(g, F_IDT_ERROR));
	guest_vmwrite(g, F_ENTRY_LEN, g->x.instr_len);
}

/* Exits that cannot cut a delivery short did so nevertheless. */
static enum guest_next exit_in_delivery(struct guest *g)
{
	if (!(g->td.tdcs->attributes & ATTR_DEBUG))
		call_halt(g->c, "exit in the middle of event delivery");
	return guest_leave(g, TDX_SUCCESS, g->x.qualification, 0, 0, 0);
}

static enum guest_next handle(struct guest *g)
{
	uint32_t basic = EXIT_BASIC(g->x.reason);
	uint32_t idt = g->x.not_entered ? 0 : (uint32_t)guest_vmread(g, F_IDT_INFO);

	if (idt & INTR_VALID) {
		if (!may_cut_delivery(basic))
			return exit_in_delivery(g);
		keep_cut_event(g, idt);
	}
	if (g->x.reason & EXIT_ENTRY_FAIL)
		return exit_entry_failed(g);
	if (basic >= ARRAY_LEN(exits) || !exits[basic].handle)
		return guest_unexpected(g);
	return exits[basic].handle(g);
}

#define F_PF_MASK  0x4006
#define F_PF_MATCH 0x4008

/* A debugger sees exceptions also when the module makes them (SDM: "Exception Bitmap"). */
static bool debugger_wants(const struct guest *g)
{
	uint32_t info = (uint32_t)guest_vmread(g, F_ENTRY_INTR);

	if (!g->injected || !(g->td.tdcs->attributes & ATTR_DEBUG) || !(info & INTR_VALID) ||
	    INTR_TYPE(info) != INTR_HARD_EXC || !(guest_vmread(g, F_EXCEPTIONS) >> (info & 31) & 1))
		return false;
	return (info & 0xff) != VEC_PF ||
	       (g->x.intr_error & guest_vmread(g, F_PF_MASK)) == guest_vmread(g, F_PF_MATCH);
}

enum guest_next guest_exit(struct guest *g)
{
	bool bus_lock = (g->x.reason & EXIT_BUS_LOCK) != 0;

	g->injected = false;
	/* Another vCPU has killed the TD meanwhile. */
	if (__atomic_load_n(&g->td.tdr->fatal, __ATOMIC_ACQUIRE))
		return leave_dead(g, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	zero_step_note_exit(g);
	if (handle(g) == LEAVE)
		return LEAVE;
	if (bus_lock) {
		set_reason(g, SOFT_EXIT_BUS_LOCK);
		return guest_leave(g, TDX_SUCCESS, 0, 0, 0, 0);
	}
	if (debugger_wants(g)) {
		uint32_t info = (uint32_t)guest_vmread(g, F_ENTRY_INTR);

		set_reason(g, SOFT_EXIT_EXCEPTION_NMI);
		return guest_leave(g, TDX_SUCCESS, 0, 0, 0, info);
	}
	return RESUME;
}
