/*
 * exit_cr.c - writes to the bits of CR0 and CR4 that the host owns, and XSETBV.
 *
 * The guest owns every bit outside GUEST_CR0_HOST_OWNED and GUEST_CR4_HOST_OWNED and changes those
 * without an exit; a write that differs in one of ours exits as a whole, so all that the CPU would
 * have done or refused is done here.
 *
 * SDM volume 3A, "Control Registers" and "Paging"; volume 3C, "Unrestricted Guests".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/vm_room.h"

#define CR_NUMBER(q)   ((q) & 15)
#define CR_ACCESS(q)   (((q) >> 4) & 3) /* 0: MOV to CR; 3: LMSW */
#define CR_REGISTER(q) (((q) >> 8) & 15)
#define CR_LMSW(q)     (((q) >> 16) & 0xffff)

#define EFER_LME   BIT64(8)
#define EFER_LMA   BIT64(10)
#define CS_LONG    BIT64(13) /* access rights */
#define CR0_ET     BIT64(4)
#define CR3_PAE(v) ((v) & BITS64(31, 5))

static uint64_t gpr_read(const struct vm_vcpu *v, unsigned reg)
{
	return reg == REG_RSP ? vmcs_read(VMCS_GUEST_RSP) : v->regs.gpr[reg];
}

/* Legacy PAE paging reads its four top entries when it is switched on. */
static bool load_pdptes(struct vm_vcpu *v)
{
	uint64_t pdpte[4];
	gpa_t at = { CR3_PAE(vmcs_read(VMCS_GUEST_CR3)) };

	if (guest_memory_read(&v->vm->memory, pdpte, at, sizeof(pdpte)))
		return false;
	for (unsigned i = 0; i < 4; i++)
		vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
	return true;
}

static void set_long_mode(bool on)
{
	uint64_t efer = vmcs_read(VMCS_GUEST_IA32_EFER), entry = vmcs_read(VMCS_ENTRY_CONTROLS);

	vmcs_write(VMCS_GUEST_IA32_EFER, on ? efer | EFER_LMA : efer & ~EFER_LMA);
	vmcs_write(VMCS_ENTRY_CONTROLS,
		   on ? entry | ENTRY_IA32E_GUEST : entry & ~(uint64_t)ENTRY_IA32E_GUEST);
}

/* PG changes to what @cr0 says; false: the CPU would raise #GP. */
static bool switch_paging(struct vm_vcpu *v, uint64_t cr0)
{
	uint64_t efer = vmcs_read(VMCS_GUEST_IA32_EFER), cr4 = vmcs_read(VMCS_GUEST_CR4);
	bool cs_long = (vmcs_read(VMCS_GUEST_CS_ACCESS) & CS_LONG) != 0;

	if (!(cr0 & CR0_PG)) {
		if ((cr4 & CR4_PCIDE) || ((efer & EFER_LMA) && cs_long))
			return false;
		if (efer & EFER_LMA)
			set_long_mode(false);
		return true;
	}
	if (efer & EFER_LME) {
		if (!(cr4 & CR4_PAE) || cs_long)
			return false;
		set_long_mode(true);
		return true;
	}
	return !(cr4 & CR4_PAE) || load_pdptes(v);
}

static enum exit_action write_cr0(struct vm_vcpu *v, uint64_t value)
{
	uint64_t was = vmcs_read(VMCS_GUEST_CR0);

	if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
	    ((value & CR0_NW) && !(value & CR0_CD)))
		return inject_gp(v);
	if (((value ^ was) & CR0_PG) && !switch_paging(v, value))
		return inject_gp(v);
	value |= CR0_ET;
	vmcs_write(VMCS_CR0_READ_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR0, (value & ~GUEST_CR0_HOST_OWNED) | CR0_NE);
	return skip_instruction(v);
}

/* Nothing that we own of CR4 can be set: the CPU that the guest sees has none of it. */
static enum exit_action write_cr4(struct vm_vcpu *v, uint64_t value)
{
	if ((value & GUEST_CR4_HOST_OWNED) != 0)
		return inject_gp(v);
	vmcs_write(VMCS_GUEST_CR4, value | CR4_VMXE);
	vmcs_write(VMCS_CR4_READ_SHADOW, value);
	return skip_instruction(v);
}

/* CR8 is the local APIC's task priority. */
static enum exit_action move_cr8(struct vm_vcpu *v, bool from, unsigned reg)
{
	if (!from) {
		uint64_t value = gpr_read(v, reg);

		if (value >> 4)
			return inject_gp(v);
		lapic_set_cr8(&v->lapic, (uint32_t)value);
	} else if (reg == REG_RSP) {
		vmcs_write(VMCS_GUEST_RSP, lapic_cr8(&v->lapic));
	} else {
		v->regs.gpr[reg] = lapic_cr8(&v->lapic);
	}
	skip_instruction(v);
	return EXIT_CHECK;
}

enum exit_action exit_cr_access(struct vm_vcpu *v)
{
	uint64_t q = vmcs_read(VMCS_EXIT_QUALIFICATION);
	unsigned reg = (unsigned)CR_REGISTER(q);

	if (CR_ACCESS(q) == 0 && CR_NUMBER(q) == 0)
		return write_cr0(v, gpr_read(v, reg));
	if (CR_ACCESS(q) == 0 && CR_NUMBER(q) == 4)
		return write_cr4(v, gpr_read(v, reg));
	if (CR_NUMBER(q) == 8)
		return move_cr8(v, CR_ACCESS(q) == 1, reg);
	if (CR_ACCESS(q) == 3) { /* LMSW: the low four bits; it cannot clear PE */
		uint64_t visible = (vmcs_read(VMCS_GUEST_CR0) & ~GUEST_CR0_HOST_OWNED) |
				   (vmcs_read(VMCS_CR0_READ_SHADOW) & GUEST_CR0_HOST_OWNED);

		return write_cr0(v, (visible & ~UINT64_C(0xe)) | (CR_LMSW(q) & 0xf));
	}
	return leave(v, RUN_DEAD, "CR access that should not exit: qualification %#llx",
		     (unsigned long long)q);
}

/* SDM volume 1, "XSAVE-Supported Features and State-Component Bitmaps": what XCR0 may hold. */
static bool xcr0_is_valid(uint64_t value)
{
	uint64_t avx512 = value & BITS64(7, 5);

	if (!(value & 1) || (value & ~guest_xcr0_mask()))
		return false;
	if ((value & BIT64(2)) && !(value & BIT64(1)))
		return false;
	return !avx512 || (avx512 == BITS64(7, 5) && (value & BIT64(2)));
}

enum exit_action exit_xsetbv(struct vm_vcpu *v)
{
	uint64_t value = (v->regs.gpr[REG_RDX] << 32) | (uint32_t)v->regs.gpr[REG_RAX];

	if ((uint32_t)v->regs.gpr[REG_RCX] != 0 || !xcr0_is_valid(value))
		return inject_gp(v);
	v->xcr0 = value;
	xsetbv(0, value); /* the host uses none of it */
	return skip_instruction(v);
}
