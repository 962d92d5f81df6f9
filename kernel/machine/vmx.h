/*
 * vmx.h - VMX on this machine: on and off per CPU, capabilities, VMCSs, VM entry. No policy: what
 * a guest may do is decided by kernel/vmx (plain guests) and by the software TDX module's backend.
 *
 * Files   vmx.c        VMXON on each CPU, capability MSRs
 *         vmx_ctl.c    control adjustment: what is wanted against what the CPU has
 *         vmx_vmcs.c   VMCS life, host state
 *         vmx_entry.asm  the entry stub
 *         vmcs_fields.h, vmx_exit.h   numbers and names
 *
 * Invariants
 *   - A VMCS is active on at most one CPU; vmcs_load() on another CPU than the last one panics
 *     unless vmcs_clear() was called on that one.
 *   - Host-state fields that are the same for all entries on one CPU are written when a VMCS
 *     is first loaded there; HOST_RSP is the entry stub's.
 *   - Interrupts are off from vmcs_load() to the last use of the VMCS.
 *
 * SDM volume 3C, chapters "Virtual Machine Control Structures" and "VM Entries".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_VMX_H
#define TAIN_MACHINE_VMX_H

#include "kernel/base/types.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/vmcs_fields.h"

/* ---- this machine ---- */

struct vmx_caps {
	uint64_t basic, misc, ept_vpid;
	uint64_t pin, proc, proc2, exit, entry; /* allowed-0 in 31:0, allowed-1 in 63:32 */
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

/*
 * VMXON on the calling CPU; IA32_FEATURE_CONTROL is set and locked if it was not. Each CPU calls it once,
 * interrupts off. 0; -ENODEV: no VMX; -EPERM: locked off by firmware; -ENOTSUP: something that
 * every plain guest needs is missing; -ENOMEM. vmx_reason() says it in words.
 */
int vmx_cpu_on(void) MUST_CHECK;

/* VMXOFF, before power-off or reset. */
void vmx_cpu_off(void);

/* All CPUs that ran vmx_cpu_on() are in VMX operation. */
bool vmx_available(void);

/* Why not, in one line; empty while all is well. */
const char *vmx_reason(void);

/* Of the boot CPU; valid after its vmx_cpu_on() or if VMX exists. */
const struct vmx_caps *vmx_caps(void);

/* Read the capability MSRs (false: no VMX). */
bool vmx_read_caps(struct vmx_caps *caps);

/* ---- controls ---- */

enum vmx_control { VMX_CTL_PIN, VMX_CTL_PROC, VMX_CTL_PROC2, VMX_CTL_EXIT, VMX_CTL_ENTRY,
		   VMX_CTL_COUNT };

/*
 * The value for control field @which: @required and what the CPU insists on, plus those of @wanted
 * that it has. 0; -ENOTSUP: it lacks some of @required or insists on what nobody asked for and
 * @forbidden excludes; their names are in @missing (may be NULL).
 */
int vmx_adjust(const struct vmx_caps *caps, enum vmx_control which, uint32_t required,
	       uint32_t wanted, uint32_t forbidden, uint32_t *value, char *missing,
	       size_t missing_size) MUST_CHECK;

/* "secondary processor-based", and "enable EPT" for bit 1 of it; NULL: reserved. */
const char *vmx_control_name(enum vmx_control which);
const char *vmx_control_bit_name(enum vmx_control which, unsigned bit);

/* ---- VMCS ---- */

struct vmcs {
	hpa_t page;   /* HPA_NONE: not there */
	unsigned cpu; /* where it is active; VMCS_NOWHERE */
	bool launched;
};
#define VMCS_NOWHERE (~0u)

int vmcs_init(struct vmcs *v) MUST_CHECK; /* 0 or -ENOMEM */
void vmcs_fini(struct vmcs *v);           /* not active anywhere */

/*
 * Make @v current on this CPU. True: it was active nowhere, so this CPU's host state was written
 * now; the caller forgets what it knows of HOST_RSP (vmx_regs.host_rsp = 0) and drops translations.
 */
bool vmcs_load(struct vmcs *v);

/* Flush to memory and forget: on the CPU where it is active. Does nothing if it is nowhere. */
void vmcs_clear(struct vmcs *v);

/* The current one of this CPU, or NULL. */
struct vmcs *vmcs_current(void);

/* VMXOFF on this CPU, for one that stops for good: nothing is freed, nothing said. */
void vmx_cpu_abandon(void);

/* The CPU may have forgotten which one that is: make it so again. */
void vmcs_reload(void);

NORETURN void vmcs_access_failed(const char *instruction, enum vmcs_field field);

/* Of the current VMCS. A field that this CPU lacks, or no current VMCS: panic. */
static inline uint64_t vmcs_read(enum vmcs_field field)
{
	uint64_t value;

	if (unlikely(vmread_fails(field, &value)))
		vmcs_access_failed("VMREAD", field);
	return value;
}

static inline void vmcs_write(enum vmcs_field field, uint64_t value)
{
	if (unlikely(vmwrite_fails(field, value)))
		vmcs_access_failed("VMWRITE", field);
}

/* ---- entry ---- */

/* General registers, indexed as instructions encode them. RSP, RIP, RFLAGS are in the VMCS. */
enum { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
       REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_COUNT };

struct vmx_regs {
	uint64_t gpr[REG_COUNT];
	uint64_t host_rsp;    /* what HOST_RSP of the VMCS holds; 0 after it moved to another CPU */
	/* Not 0 at entry: come back at once with VMX_KICKED. Never NULL; &this_cpu()->wake, which
	 * cpu_kick() sets, serves all purposes: clear it, then look at what was asked. */
	const volatile uint32_t *kick;
};

enum vmx_entry { VMX_EXITED, VMX_ENTRY_FAILED, VMX_KICKED };

/*
 * Enter the guest of the current VMCS by VMRESUME if @launched, else VMLAUNCH; return on its exit.
 * VMX_ENTRY_FAILED: VMfail, VM_INSTRUCTION_ERROR says why; nothing ran. VMX_KICKED: *regs->kick was
 * set, or an NMI arrived, before the guest ran. Interrupts off. vmx_entry.asm.
 *
 * A kick is not lost: who wants this CPU out sets *kick, then sends an NMI. The NMI handler finds
 * RIP in [vmx_entry_window_start, vmx_entry_window_end) and continues at vmx_entry_abort; before
 * the window the stub sees *kick; in the guest the NMI is an exit.
 */
enum vmx_entry vmx_enter(struct vmx_regs *regs, bool launched);

/* Let NMIs in again after an NMI exit (they are blocked until an IRET). */
void vmx_nmi_unblock(void);

extern char vmx_entry_window_start[], vmx_entry_window_end[], vmx_entry_abort[];

/*
 * A VPID that no other vCPU has, or 0 when there is none left or the CPU has none (VPID stays off
 * then). Its translations are dropped on each CPU where a VMCS is loaded for the first time.
 */
uint16_t vmx_vpid_alloc(void);
void vmx_vpid_free(uint16_t vpid);

/* INVEPT, single context: drop all translations of @eptp on this CPU. */
void vmx_flush_ept(uint64_t eptp);
void vmx_flush_vpid(uint16_t vpid);

#endif
