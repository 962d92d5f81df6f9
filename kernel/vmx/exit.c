/*
 * exit.c - the exit table: for each exit reason its handler and name; the counters are per vCPU.
 *
 * A reason without a row ends the guest: our controls do not ask for it.
 *
 * SDM volume 3D, appendix "VMX Basic Exit Reasons".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/log.h"
#include "kernel/base/trace.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

#define VEC_UD 6
#define VEC_GP 13

enum exit_action inject_exception(struct vm_vcpu *v, unsigned vector)
{
	(void)v;
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO,
		   INTR_INFO_VALID | INTR_TYPE_HW_EXCEPTION << 8 | vector);
	return EXIT_RESUME;
}

enum exit_action inject_gp(struct vm_vcpu *v)
{
	bool real_mode = !(vmcs_read(VMCS_GUEST_CR0) & CR0_PE);

	if (real_mode) /* no error codes there */
		return inject_exception(v, VEC_GP);
	vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0);
	return inject_exception(v, INTR_INFO_HAS_ERROR | VEC_GP);
}

enum exit_action leave(struct vm_vcpu *v, enum vcpu_outcome outcome, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(v->run->reason, sizeof(v->run->reason), fmt, args);
	va_end(args);
	v->outcome = outcome;
	return EXIT_LEAVE;
}

/* ---- handlers of few words ---- */

static enum exit_action exit_ud(struct vm_vcpu *v)
{
	return inject_exception(v, VEC_UD);
}

static enum exit_action exit_skip(struct vm_vcpu *v)
{
	return skip_instruction(v);
}

static enum exit_action exit_external_interrupt(struct vm_vcpu *v)
{
	(void)v;
	irq_window(); /* it is still pending at the LAPIC: take it now */
	return EXIT_RESUME;
}

static enum exit_action exit_preemption_timer(struct vm_vcpu *v)
{
	v->outcome = RUN_AGAIN;
	return EXIT_LEAVE;
}

/* Three lines that say where it stood: for the guest's author. */
static void show_registers(const struct vm_vcpu *v)
{
	const uint64_t *g = v->regs.gpr;
	const char *name = v->vm->config->name;

#define U(x) ((unsigned long long)(x))
	log_warn("%s: vcpu%u RIP %llx RSP %llx RFLAGS %llx CR0 %llx CR2 %llx CR3 %llx CR4 %llx EFER %llx",
		 name, v->index, U(vmcs_read(VMCS_GUEST_RIP)), U(vmcs_read(VMCS_GUEST_RSP)),
		 U(vmcs_read(VMCS_GUEST_RFLAGS)), U(vmcs_read(VMCS_GUEST_CR0)), U(cr2_read()),
		 U(vmcs_read(VMCS_GUEST_CR3)), U(vmcs_read(VMCS_GUEST_CR4)),
		 U(vmcs_read(VMCS_GUEST_IA32_EFER)));
	log_warn("%s: RAX %llx RBX %llx RCX %llx RDX %llx RSI %llx RDI %llx RBP %llx R8 %llx", name,
		 U(g[REG_RAX]), U(g[REG_RBX]), U(g[REG_RCX]), U(g[REG_RDX]), U(g[REG_RSI]),
		 U(g[REG_RDI]), U(g[REG_RBP]), U(g[REG_R8]));
	log_warn("%s: R9 %llx R10 %llx R11 %llx R12 %llx R13 %llx R14 %llx R15 %llx CS %llx IDT %llx", name,
		 U(g[REG_R9]), U(g[REG_R10]), U(g[REG_R11]), U(g[REG_R12]), U(g[REG_R13]),
		 U(g[REG_R14]), U(g[REG_R15]), U(vmcs_read(VMCS_GUEST_CS_SELECTOR)),
		 U(vmcs_read(VMCS_GUEST_IDTR_BASE)));
#undef U
}

static enum exit_action exit_triple_fault(struct vm_vcpu *v)
{
	show_registers(v);
	return leave(v, RUN_DEAD, "triple fault at RIP %#llx",
		     (unsigned long long)vmcs_read(VMCS_GUEST_RIP));
}

/* The window is open: what waits goes in now. */
static enum exit_action exit_window(struct vm_vcpu *v)
{
	(void)v;
	return EXIT_CHECK;
}

/* Exceptions are the guest's own; only NMIs, ours, come here, and what a debugger waits for. */
static enum exit_action exit_exception_nmi(struct vm_vcpu *v)
{
	uint32_t info = (uint32_t)vmcs_read(VMCS_EXIT_INTERRUPTION_INFO);

	enum exit_action action;

	if (INTR_INFO_TYPE(info) != INTR_TYPE_NMI && vm_debug_exception(v, info, &action))
		return action;
	if (INTR_INFO_TYPE(info) != INTR_TYPE_NMI)
		return leave(v, RUN_DEAD, "exception %u exited, which nobody asked for",
			     INTR_INFO_VECTOR(info));
	vmx_nmi_unblock();
	this_cpu()->wake = 0;
	irq_window();
	return EXIT_CHECK;
}

static enum exit_action exit_task_switch(struct vm_vcpu *v)
{
	return leave(v, RUN_DEAD, "hardware task switch at RIP %#llx: not emulated",
		     (unsigned long long)vmcs_read(VMCS_GUEST_RIP));
}

static enum exit_action exit_bad_guest_state(struct vm_vcpu *v)
{
	return leave(v, RUN_DEAD, "VM entry failed: invalid guest state (CR0 %#llx, CR4 %#llx, "
		     "RIP %#llx)", (unsigned long long)vmcs_read(VMCS_GUEST_CR0),
		     (unsigned long long)vmcs_read(VMCS_GUEST_CR4),
		     (unsigned long long)vmcs_read(VMCS_GUEST_RIP));
}

/* clang-format off */
const struct exit_row exit_rows[EXIT_REASON_COUNT] = {
	[EXIT_REASON_EXCEPTION_NMI]      = { exit_exception_nmi,      "NMI",                true },
	[EXIT_REASON_EXTERNAL_INTERRUPT] = { exit_external_interrupt, "external interrupt", true },
	[EXIT_REASON_TRIPLE_FAULT]       = { exit_triple_fault,       "triple fault",       false },
	[EXIT_REASON_INTERRUPT_WINDOW]   = { exit_window,             "interrupt window",   true },
	[EXIT_REASON_NMI_WINDOW]         = { exit_window,             "NMI window",         true },
	[EXIT_REASON_TASK_SWITCH]        = { exit_task_switch,        "task switch",        false },
	[EXIT_REASON_CPUID]              = { exit_cpuid,              "CPUID",              true },
	[EXIT_REASON_GETSEC]             = { exit_ud,                 "GETSEC",             false },
	[EXIT_REASON_HLT]                = { exit_hlt,                "HLT",                false },
	[EXIT_REASON_INVD]               = { exit_skip,               "INVD",               false },
	[EXIT_REASON_RDPMC]              = { inject_gp,               "RDPMC",              false },
	[EXIT_REASON_VMCALL]             = { exit_ud,                 "VMCALL",             false },
	[EXIT_REASON_VMCLEAR]            = { exit_ud,                 "VMCLEAR",            false },
	[EXIT_REASON_VMLAUNCH]           = { exit_ud,                 "VMLAUNCH",           false },
	[EXIT_REASON_VMPTRLD]            = { exit_ud,                 "VMPTRLD",            false },
	[EXIT_REASON_VMPTRST]            = { exit_ud,                 "VMPTRST",            false },
	[EXIT_REASON_VMREAD]             = { exit_ud,                 "VMREAD",             false },
	[EXIT_REASON_VMRESUME]           = { exit_ud,                 "VMRESUME",           false },
	[EXIT_REASON_VMWRITE]            = { exit_ud,                 "VMWRITE",            false },
	[EXIT_REASON_VMXOFF]             = { exit_ud,                 "VMXOFF",             false },
	[EXIT_REASON_VMXON]              = { exit_ud,                 "VMXON",              false },
	[EXIT_REASON_CR_ACCESS]          = { exit_cr_access,          "CR access",          false },
	[EXIT_REASON_DR_ACCESS]          = { exit_mov_dr,             "MOV DR",             false },
	[EXIT_REASON_IO]                 = { exit_io,                 "I/O instruction",    true },
	[EXIT_REASON_RDMSR]              = { exit_rdmsr,              "RDMSR",              false },
	[EXIT_REASON_WRMSR]              = { exit_wrmsr,              "WRMSR",              false },
	[EXIT_REASON_BAD_GUEST_STATE]    = { exit_bad_guest_state,    "entry failure",      false },
	[EXIT_REASON_MWAIT]              = { exit_ud,                 "MWAIT",              false },
	[EXIT_REASON_MONITOR]            = { exit_ud,                 "MONITOR",            false },
	[EXIT_REASON_EPT_VIOLATION]      = { exit_ept_violation,      "EPT violation",      true },
	[EXIT_REASON_EPT_MISCONFIG]      = { exit_ept_misconfig,      "EPT misconfiguration", false },
	[EXIT_REASON_INVEPT]             = { exit_ud,                 "INVEPT",             false },
	[EXIT_REASON_INVVPID]            = { exit_ud,                 "INVVPID",            false },
	[EXIT_REASON_PREEMPTION_TIMER]   = { exit_preemption_timer,   "preemption timer",   true },
	[EXIT_REASON_WBINVD]             = { exit_skip,               "WBINVD",             false },
	[EXIT_REASON_XSETBV]             = { exit_xsetbv,             "XSETBV",             false },
	[EXIT_REASON_VMFUNC]             = { exit_ud,                 "VMFUNC",             false },
	[EXIT_REASON_PML_FULL]           = { exit_pml_full,           "PML full",           false },
};
/* clang-format on */

const char *vm_exit_row_name(uint32_t basic_reason)
{
	return basic_reason < EXIT_REASON_COUNT ? exit_rows[basic_reason].name : NULL;
}

static enum exit_action unexpected(struct vm_vcpu *v, uint64_t reason)
{
	uint32_t basic = (uint32_t)(reason & EXIT_REASON_BASIC);

	return leave(v, RUN_DEAD, "unexpected exit %u (%s%s), qualification %#llx, RIP %#llx",
		     (unsigned)basic, vmx_exit_name(basic),
		     reason & EXIT_ENTRY_FAILED ? ", at VM entry" : "",
		     (unsigned long long)vmcs_read(VMCS_EXIT_QUALIFICATION),
		     (unsigned long long)vmcs_read(VMCS_GUEST_RIP));
}

void trace_exit(const struct vm_vcpu *v, uint32_t basic, uint64_t qualification, uint64_t gpa)
{
	uint64_t n;
	struct trace_slot *slot = trace_open(this_cpu()->index, &n);
	struct trace_record *r = &slot->record;

	r->tsc = rdtsc();
	r->ticks = 0;
	r->leaf = basic;
	r->kind = TRACE_VMEXIT;
	r->vcpu = (uint8_t)v->index;
	r->guest = v->vm->trace_id;
	r->cpu = this_cpu()->index;
	r->status = 0;
	r->a[0] = qualification;
	r->a[1] = gpa;
	r->a[2] = vmcs_read(VMCS_GUEST_RIP);
	r->a[3] = r->a[4] = r->a[5] = 0;
	trace_close(slot, n);
}

enum exit_action exit_loud(struct vm_vcpu *v, uint64_t reason)
{
	/* Entry failures have bits above the basic reason; one of them has a row. */
	uint32_t basic = (uint32_t)(reason & EXIT_REASON_BASIC);

	if (basic >= EXIT_REASON_COUNT || !exit_rows[basic].handle)
		return unexpected(v, reason);
	v->counts[basic]++;
	if (trace_on(TRACE_VMEXIT))
		trace_exit(v, basic, vmcs_read(VMCS_EXIT_QUALIFICATION),
			   vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS));
	return exit_rows[basic].handle(v);
}
