/*
 * fields.c - the fields of a TD VMCS: the module writes what a TDX module writes, the CPU gets what
 * it can do, and the module reads back what it wrote.
 *
 * Invariants
 *   - A control bit reaches the CPU only if it is in effective_mask: bits that need fields or
 *     features that nobody emulates here are kept and no more.
 *   - Always added: #UD exits (TDCALL has no exit of its own on this CPU), the preemption timer
 *     (every stay is bounded), acknowledge-on-exit.
 *   - "IA-32e mode guest" is state: it is read from the CPU.
 *   - A KeyID in an address is kept for reading back; the CPU gets the address without it.
 *
 * SDM volume 3C, chapter "Virtual Machine Control Structures", tables of the control fields.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "tdx/soft/vmx/soft_vmx.h"

#define SLICE_US 2000 /* longest stay in a guest: the preemption timer */

#define FIELD_TYPE      0xfc00 /* width and type of a field's encoding */
#define FIELD_CONTROL32 0x4000

/* Guest state and exit information: the CPU's own, nothing of them is kept here. */
static inline bool is_plain(uint32_t field)
{
	return ((field >> 10) & 3) == 1 || ((field >> 10) & 3) == 2;
}

/* Control bits, named as in the SDM. */
#define PIN_EXTERNAL    BIT32(0)
#define PIN_NMI         BIT32(3)
#define PIN_VIRTUAL_NMI BIT32(5)
#define PIN_TIMER       BIT32(6)
#define PIN_POSTED      BIT32(7)

#define PROC_TSC_OFFSET  BIT32(3)
#define PROC_HLT         BIT32(7)
#define PROC_MWAIT       BIT32(10)
#define PROC_RDPMC       BIT32(11)
#define PROC_TPR_SHADOW  BIT32(21)
#define PROC_NMI_WINDOW  BIT32(22)
#define PROC_IO          BIT32(24)
#define PROC_MSR_BITMAPS BIT32(28)
#define PROC_MONITOR     BIT32(29)
#define PROC_SECONDARY   BIT32(31)

#define PROC2_EPT        BIT32(1)
#define PROC2_RDTSCP     BIT32(3)
#define PROC2_X2APIC     BIT32(4)
#define PROC2_VPID       BIT32(5)
#define PROC2_WBINVD     BIT32(6)
#define PROC2_UNRESTRICT BIT32(7)
#define PROC2_APIC_REGS  BIT32(8)
#define PROC2_VID        BIT32(9)
#define PROC2_INVPCID    BIT32(12)
#define PROC2_VE         BIT32(18)
#define PROC2_XSAVES     BIT32(20)
#define PROC2_TSC_SCALE  BIT32(25)

#define EXIT_DEBUG     BIT32(2)
#define EXIT_HOST_64   BIT32(9)
#define EXIT_ACK       BIT32(15)
#define EXIT_PAT       (BIT32(18) | BIT32(19))
#define EXIT_EFER      (BIT32(20) | BIT32(21))
#define ENTRY_DEBUG    BIT32(2)
#define ENTRY_IA32E    BIT32(9)
#define ENTRY_PAT      BIT32(14)
#define ENTRY_EFER     BIT32(15)

#define VEC_BIT_UD BIT32(6)

/* VPID = flag, KeyID, index: apart from those of plain guests, unique for each vCPU on this LP. */
#define VPID_FLAG      UINT32_C(0x8000)
#define VPID_INDEX_MAX 255

/* clang-format off */
/* Per control field: what no TD can do without, and what of the module's word the CPU may see. */
static const struct {
	uint32_t field, required, effective;
} controls[VMX_CTL_COUNT] = {
	[VMX_CTL_PIN]   = { VMCS_PIN_BASED_CONTROLS, PIN_EXTERNAL | PIN_NMI | PIN_VIRTUAL_NMI | PIN_TIMER,
			    PIN_POSTED },
	[VMX_CTL_PROC]  = { VMCS_PROC_BASED_CONTROLS,
			    PROC_TSC_OFFSET | PROC_HLT | PROC_TPR_SHADOW | PROC_IO |
			    PROC_MSR_BITMAPS | PROC_SECONDARY,
			    PROC_MWAIT | PROC_MONITOR | PROC_RDPMC | PROC_NMI_WINDOW },
	[VMX_CTL_PROC2] = { VMCS_PROC_BASED_CONTROLS2,
			    PROC2_EPT | PROC2_X2APIC | PROC2_WBINVD | PROC2_UNRESTRICT |
			    PROC2_APIC_REGS | PROC2_VID,
			    PROC2_RDTSCP | PROC2_VPID | PROC2_INVPCID | PROC2_VE | PROC2_XSAVES |
			    PROC2_TSC_SCALE },
	[VMX_CTL_EXIT]  = { VMCS_EXIT_CONTROLS, EXIT_HOST_64 | EXIT_ACK | EXIT_PAT | EXIT_EFER,
			    EXIT_DEBUG },
	[VMX_CTL_ENTRY] = { VMCS_ENTRY_CONTROLS, ENTRY_PAT | ENTRY_EFER, ENTRY_DEBUG },
};
/* clang-format on */

static int which_control(uint32_t field)
{
	if ((field & FIELD_TYPE) != FIELD_CONTROL32)
		return -1;
	for (int i = 0; i < VMX_CTL_COUNT; i++)
		if (controls[i].field == field)
			return i;
	return -1;
}

/* What the CPU gets where the module wrote @value. */
static int effective(int which, uint32_t value, uint32_t *out, char *missing, size_t size)
{
	return vmx_adjust(vmx_caps(), (enum vmx_control)which, controls[which].required,
			  value & controls[which].effective, 0, out, missing, size);
}

int svmx_controls_check(char *missing, size_t size)
{
	uint32_t ignored;

	for (int i = 0; i < VMX_CTL_COUNT; i++)
		if (effective(i, 0, &ignored, missing, size))
			return -ENOTSUP;
	return 0;
}

/* A field of the current VMCS; false: this CPU has no such field. */
static bool raw_write(uint32_t field, uint64_t value) { return vmwrite(field, value) == VMX_OK; }

static uint64_t raw_read(uint32_t field)
{
	uint64_t value = 0;

	return vmread(field, &value) == VMX_OK ? value : 0;
}

uint64_t svmx_slice(void)
{
	static uint64_t ticks;

	if (!ticks)
		ticks = tsc_hz() / 1000000 * SLICE_US;
	return ticks;
}

void svmx_load(struct svmx_lp *me, struct soft_vcpu *v)
{
	static const struct inv_descriptor everything;
	struct svmx_vcpu *b = svmx_of(v);

	me->in_use = v;
	me->td_vmcs = &b->vmcs;
	if (!vmcs_load(&b->vmcs))
		return;
	/* It comes from another LP: what this one remembers of it may be stale. */
	b->host_rsp = 0;
	tlb_drop(me);
	(void)invept(INVEPT_ALL, &everything);
}

/* The address that the CPU gets where the module wrote one with a KeyID; 0: @field is no such. */
static uint64_t plain_address(const struct soft_vcpu *v, uint32_t field, uint64_t value)
{
	switch (field) {
	case VMCS_EPTP:              return v->sept_root | (value & (PAGE_SIZE - 1));
	case VMCS_MSR_BITMAP:        return v->msr_bitmap;
	case VMCS_VIRTUAL_APIC_ADDR: return v->page[2];
	case VMCS_VE_INFO_ADDR:      return v->page[0];
	default:                     return 0;
	}
}

static void write_control(struct soft_vcpu *v, int which, uint32_t value)
{
	struct svmx_vcpu *b = svmx_of(v);
	uint32_t cpu;

	b->control[which] = value;
	if (effective(which, value, &cpu, NULL, 0))
		panic("soft: a control that was there at the start is gone");
	if (which == VMX_CTL_ENTRY)
		cpu |= value & ENTRY_IA32E;
	if (which == VMX_CTL_PROC2) {
		b->ve_by_cpu = (cpu & PROC2_VE) != 0;
		if (v->index > VPID_INDEX_MAX)
			cpu &= ~PROC2_VPID;
		(void)raw_write(VMCS_VPID, VPID_FLAG | (uint32_t)(v->hkid & 0x7f) << 8 | v->index);
	}
	if (which == VMX_CTL_PIN)
		b->posted_by_cpu = (cpu & PIN_POSTED) != 0;
	if (!raw_write(controls[which].field, cpu))
		panic("soft: VMWRITE of a control failed");
}

bool svmx_vmwrite(void *ctx, struct soft_vcpu *v, uint32_t field, uint64_t value)
{
	struct svmx_vcpu *b = svmx_of(v);
	uint64_t address;
	int which;

	(void)ctx;
	svmx_use(v);
	if (likely(is_plain(field)))
		return raw_write(field, value);
	which = which_control(field);
	address = plain_address(v, field, value);
	if (address) {
		b->key_bits = value & ~address;
		return raw_write(field, address);
	}
	if (which >= 0) {
		write_control(v, which, (uint32_t)value);
		return true;
	}
	switch (field) {
	case VMCS_EXCEPTION_BITMAP:
		b->exceptions = (uint32_t)value;
		return raw_write(field, value | VEC_BIT_UD);
	case FIELD_PROC3:
		b->proc3 = value;
		return true;
	case FIELD_SHARED_EPTP:
		b->shared_eptp = value;
		return true;
	case FIELD_HKID:
		b->hkid = (uint16_t)value;
		return true;
	case VMCS_POSTED_INTERRUPT_DESC:
		b->posted_descriptor = value;
		(void)raw_write(field, value);
		return true;
	case VMCS_POSTED_INTERRUPT_VECTOR:
		b->posted_vector = (uint16_t)value;
		(void)raw_write(field, value);
		return true;
	case VMCS_VPID: /* ours: unique on this LP as long as the TD lives */
		return true;
	default:
		return raw_write(field, value);
	}
}

uint64_t svmx_vmread(void *ctx, struct soft_vcpu *v, uint32_t field)
{
	const struct svmx_vcpu *b = svmx_of(v);
	int which;

	(void)ctx;
	svmx_use(v);
	if (unlikely(field == VMCS_GUEST_INTERRUPT_STATUS) && !b->posted_by_cpu)
		return posted_status(v);
	if (likely(is_plain(field)))
		return raw_read(field);
	which = which_control(field);
	if (which == VMX_CTL_ENTRY)
		return (b->control[which] & ~ENTRY_IA32E) | (raw_read(field) & ENTRY_IA32E);
	if (which >= 0)
		return b->control[which];
	if (plain_address(v, field, 0))
		return raw_read(field) | b->key_bits;
	switch (field) {
	case VMCS_EXCEPTION_BITMAP:        return b->exceptions;
	case FIELD_PROC3:             return b->proc3;
	case FIELD_SHARED_EPTP:       return b->shared_eptp;
	case FIELD_HKID:              return b->hkid;
	case VMCS_POSTED_INTERRUPT_DESC:   return b->posted_descriptor;
	case VMCS_POSTED_INTERRUPT_VECTOR: return b->posted_vector;
	default:                      return raw_read(field);
	}
}

/* Fields that the module never writes because its VMCS template has them, or that are ours. */
static void write_defaults(void)
{
	static const uint32_t zero[] = {
		VMCS_CR3_TARGET_COUNT, VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_COUNT,
		VMCS_ENTRY_INTERRUPTION_INFO, VMCS_TPR_THRESHOLD, VMCS_PF_ERROR_CODE_MASK, VMCS_PF_ERROR_CODE_MATCH,
		VMCS_XSS_EXIT_BITMAP, VMCS_GUEST_INTERRUPT_STATUS, VMCS_EOI_EXIT_BITMAP_0, VMCS_EOI_EXIT_BITMAP_1,
		VMCS_EOI_EXIT_BITMAP_2, VMCS_EOI_EXIT_BITMAP_3, VMCS_GUEST_PENDING_DEBUG, VMCS_GUEST_INTERRUPTIBILITY,
		VMCS_GUEST_ACTIVITY_STATE, VMCS_GUEST_IA32_DEBUGCTL, VMCS_GUEST_SMBASE,
	};

	for (size_t i = 0; i < ARRAY_LEN(zero); i++)
		(void)raw_write(zero[i], 0);
	(void)raw_write(VMCS_VMCS_LINK_POINTER, ~UINT64_C(0));
	(void)raw_write(VMCS_TSC_MULTIPLIER, BIT64(48)); /* 1.0 */
	(void)raw_write(VMCS_PREEMPTION_TIMER, svmx_slice() >> (vmx_caps()->misc & 31));
}

void svmx_vcpu_init(void *ctx, unsigned lp, struct soft_vcpu *v)
{
	struct svmx_vcpu *b = svmx_of(v);
	uint64_t page = v->page[1];

	(void)ctx, (void)lp;
	memset(b, 0, sizeof(*b));
	memset(alias(page), 0, PAGE_SIZE);
	*(uint32_t *)alias(page) = (uint32_t)vmx_caps()->basic & 0x7fffffff; /* revision */
	if (vmclear(&page) != VMX_OK)
		panic("soft: VMCLEAR of a TD VMCS failed");
	b->vmcs = (struct vmcs){ .page = { page }, .cpu = VMCS_NOWHERE };
	svmx_use(v);
	write_defaults();
	for (int i = 0; i < VMX_CTL_COUNT; i++)
		write_control(v, i, 0);
}
