/*
 * exits.c - what a VM exit of a TD means: TDCALL found among undefined instructions, interrupts as if
 * acknowledged, faults that a fresh look at the shared EPT cures.
 *
 * Invariants
 *   - What the module would not see on a TDX machine it does not see here: those exits are served
 *     and the guest is entered again.
 *   - Nothing of the guest is changed before exit_decode() returns true, but an event that was
 *     put back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/trap.h"
#include "tdx/soft/vmx/soft_vmx.h"

#define EVENT_UD  (INTR_INFO_VALID | INTR_TYPE_HW_EXCEPTION << 8 | VEC_UD)
#define EVENT_GP  (INTR_INFO_VALID | INTR_INFO_HAS_ERROR | INTR_TYPE_HW_EXCEPTION << 8 | VEC_GP)
#define EVENT_VE  (INTR_INFO_VALID | INTR_TYPE_HW_EXCEPTION << 8 | VEC_VE)
#define EVENT_NMI (INTR_INFO_VALID | INTR_TYPE_NMI << 8 | VEC_NMI)

/* 66 0F 01 with a last byte, as a little-endian word. */
#define OPCODE_TDCALL     UINT32_C(0xcc010f66)
#define OPCODE_SEAMCALL   UINT32_C(0xcf010f66)
#define VE_VALID          UINT32_C(0xffffffff)
#define SUPPRESS_VE       BIT64(63)
#define EPT_RWX           BITS64(2, 0)

static void inject(uint32_t event)
{
	(void)vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, event);
	(void)vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0);
}

static uint32_t seam_reason(uint32_t code)
{
	return code == OPCODE_TDCALL ? EXIT_REASON_TDCALL :
	       code == OPCODE_SEAMCALL ? EXIT_REASON_SEAMCALL : 0;
}

/* A #UD: TDCALL or SEAMCALL becomes an exit of that name, anything else goes back into the guest. */
static bool on_undefined(struct svmx_lp *me, struct soft_vcpu *v, struct soft_exit *x)
{
	uint32_t code, reason = guest_code(me, v, &code) ? seam_reason(code) : 0;

	if (!reason) {
		me->reflected_ud++;
		inject(EVENT_UD);
		return false;
	}
	if ((vmcs_read(VMCS_GUEST_SS_ACCESS) >> 5) & 3) { /* CPL: the CPU itself would say so */
		inject(EVENT_GP);
		return false;
	}
	*x = (struct soft_exit){ .reason = reason, .instr_len = sizeof(code) };
	return true;
}

static bool on_exception(struct svmx_lp *me, struct soft_vcpu *v, struct soft_exit *x)
{
	x->intr_info = (uint32_t)vmcs_read(VMCS_EXIT_INTERRUPTION_INFO);
	x->intr_error = (uint32_t)vmcs_read(VMCS_EXIT_INTERRUPTION_ERROR_CODE);
	if (INTR_INFO_VECTOR(x->intr_info) == VEC_DB)
		x->qualification = vmcs_read(VMCS_EXIT_QUALIFICATION); /* what DR6 would say */
	if (INTR_INFO_TYPE(x->intr_info) == INTR_TYPE_HW_EXCEPTION &&
	    INTR_INFO_VECTOR(x->intr_info) == VEC_UD)
		return on_undefined(me, v, x);
	return true;
}

/* The vector was acknowledged by the exit. The notification of posted interrupts ends here. */
static bool on_interrupt(struct soft_vcpu *v, struct soft_exit *x)
{
	struct svmx_vcpu *b = svmx_of(v);

	x->intr_info = (uint32_t)vmcs_read(VMCS_EXIT_INTERRUPTION_INFO);
	if (!(b->control[VMX_CTL_PIN] & BIT32(7)) || b->posted_by_cpu ||
	    INTR_INFO_VECTOR(x->intr_info) != (b->posted_vector & 0xff))
		return true;
	apic_eoi();
	posted_take(v);
	posted_feed(v);
	return false;
}

void exit_to_host(struct soft_exit *x)
{
	int vector = trap_capture_interrupt();

	*x = (struct soft_exit){ .reason = EXIT_REASON_EXTERNAL_INTERRUPT, .not_entered = true };
	if (vector >= 0)
		x->intr_info = INTR_INFO_VALID | (uint32_t)vector;
}

/* SDM volume 3C, "Virtualization Exceptions", for a CPU without the control. */
static bool convert_to_ve(struct soft_vcpu *v, const struct soft_exit *x, uint64_t entry)
{
	if (svmx_of(v)->ve_by_cpu || v->ve.valid || (entry & (EPT_RWX | SUPPRESS_VE)) ||
	    (vmcs_read(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		return false;
	v->ve = (struct soft_ve_info){
		.reason = EXIT_REASON_EPT_VIOLATION, .valid = VE_VALID,
		.qualification = x->qualification, .gla = x->gla, .gpa = x->gpa,
	};
	inject(EVENT_VE);
	return true;
}

/*
 * An emulator that has no posted interrupts (Bochs 2.7) also delivers a virtual interrupt without noting
 * it: when the delivery is cut short, the IDT-vectoring information is that of some event before, and the
 * interrupt, in service already, would be lost. With the flag on and one in service it is that one: a
 * guest that takes interrupts has none in service, but in a handler that enabled them before its EOI. There
 * an exception may be taken for the interrupt, and comes again by itself, as its instruction is run again.
 */
static void note_virtual_interrupt(struct soft_vcpu *v)
{
	uint64_t vector;

	if (svmx_of(v)->posted_by_cpu ||
	    !(vmcs_read(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		return;
	vector = vmcs_read(VMCS_GUEST_INTERRUPT_STATUS) >> 8 & 0xff;
	if (vector && (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF))
		(void)vmwrite(VMCS_IDT_VECTORING_INFO, INTR_INFO_VALID | vector);
}

/* Put back the event whose delivery met the fault, so that the guest can be entered again. */
static void redeliver(void)
{
	uint64_t event = vmcs_read(VMCS_IDT_VECTORING_INFO);

	if (!(event & INTR_INFO_VALID))
		return;
	(void)vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, event & ~BIT64(12));
	(void)vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE));
	(void)vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static bool on_ept_violation(struct svmx_lp *me, struct soft_vcpu *v, struct soft_exit *x)
{
	x->gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	if (x->qualification & EPT_QUAL_GLA)
		x->gla = vmcs_read(VMCS_GUEST_LINEAR_ADDRESS);
	if (!(x->gpa >> (v->gpaw - 1) & 1))
		return true;
	if (shared_root_sync(svmx_of(v), v, true)) {
		me->shared_refreshes++;
		redeliver();
		return false;
	}
	return !convert_to_ve(v, x, shared_entry(v, x->gpa));
}

bool exit_decode(struct svmx_lp *me, struct soft_vcpu *v, struct soft_exit *x)
{
	uint32_t reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON);

	*x = (struct soft_exit){ .reason = reason };
	switch (reason) {
	case EXIT_REASON_EXCEPTION_NMI:
		return on_exception(me, v, x);
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		return on_interrupt(v, x);
	case EXIT_REASON_INTERRUPT_WINDOW: /* ours, both */
	case EXIT_REASON_VIRTUALIZED_EOI:
		posted_feed(v);
		return false;
	case EXIT_REASON_PREEMPTION_TIMER: /* not an exit of a TDX module */
		exit_to_host(x);
		return true;
	default:
		break;
	}
	x->qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	if (reason == EXIT_REASON_EPT_VIOLATION || reason == EXIT_REASON_EPT_MISCONFIG)
		note_virtual_interrupt(v);
	if (reason == EXIT_REASON_EPT_VIOLATION)
		return on_ept_violation(me, v, x);
	if (reason == EXIT_REASON_EPT_MISCONFIG)
		x->gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	x->instr_len = (uint32_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	x->instr_info = (uint32_t)vmcs_read(VMCS_EXIT_INSTRUCTION_INFO);
	return true;
}

void exit_kicked(struct soft_exit *x)
{
	*x = (struct soft_exit){ .reason = EXIT_REASON_EXCEPTION_NMI, .intr_info = EVENT_NMI,
				 .not_entered = true };
}

void exit_entry_failed(struct soft_vcpu *v, struct soft_exit *x)
{
	uint64_t error = vmcs_read(VMCS_VM_INSTRUCTION_ERROR);

	log_error("soft: VM entry of vCPU %u refused: %s", v->index,
		  vmx_error_text((uint32_t)error));
	*x = (struct soft_exit){ .reason = SOFT_EXIT_ENTRY_GUEST_STATE | (uint32_t)EXIT_ENTRY_FAILED };
}
