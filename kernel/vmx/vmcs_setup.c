/*
 * vmcs_setup.c - what stands in a fresh VMCS of a plain guest: controls, bitmaps, start state. All
 * of it is tables.
 *
 * Invariants
 *   - The choice of controls is made once per VM, before anything is built; what the CPU lacks is
 *     named there.
 *   - No I/O bitmap: every port access exits, there is no port that a guest may touch directly.
 *
 * SDM volume 3C, "VM-Execution Control Fields", "Checks on VMX Controls" and "Guest-State Area".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

#define RFLAGS_FIXED 0x2
#define PAT_RESET    UINT64_C(0x0007040600070406)
#define DR7_RESET    0x400
#define CR0_ET       BIT64(4)
#define EFER_LME     BIT64(8)
#define EFER_LMA     BIT64(10)

/* What a plain guest cannot do without, and what it takes where there is some. */
static const struct {
	enum vmx_control which;
	uint32_t required, wanted, forbidden;
} control_wish[VMX_CTL_COUNT] = {
	{ VMX_CTL_PIN, PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_PREEMPTION_TIMER, PIN_VIRTUAL_NMI, 0 },
	{ VMX_CTL_PROC, PROC_HLT | PROC_IO | PROC_MSR_BITMAPS | PROC_SECONDARY | PROC_MWAIT |
			PROC_MONITOR | PROC_RDPMC | PROC_CR8_LOAD | PROC_CR8_STORE,
	  PROC_TSC_OFFSETTING, PROC_CR3_LOAD | PROC_CR3_STORE },
	{ VMX_CTL_PROC2, PROC2_EPT | PROC2_UNRESTRICTED,
	  PROC2_VPID | PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES | PROC2_WBINVD, 0 },
	{ VMX_CTL_EXIT, EXIT_HOST_64BIT | EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_PAT |
			EXIT_LOAD_PAT | EXIT_SAVE_TIMER | EXIT_SAVE_DEBUG,
	  0, EXIT_ACK_INTERRUPT },
	{ VMX_CTL_ENTRY, ENTRY_LOAD_EFER | ENTRY_LOAD_PAT | ENTRY_LOAD_DEBUG, 0, ENTRY_IA32E_GUEST },
};

int vm_controls_choose(struct vm_controls *c, char *why, size_t why_size)
{
	for (size_t i = 0; i < VMX_CTL_COUNT; i++) {
		char missing[96];
		enum vmx_control which = control_wish[i].which;
		int err = vmx_adjust(vmx_caps(), which, control_wish[i].required,
				     control_wish[i].wanted, control_wish[i].forbidden,
				     &c->value[which], missing, sizeof(missing));

		if (err) {
			snprintf(why, why_size, "VMX %s controls: this CPU %s",
				 vmx_control_name(which), missing);
			return err;
		}
	}
	return 0;
}

struct segment {
	uint16_t selector;
	uint64_t base;
	uint32_t limit, access;
};

/* Access rights: type, S, DPL, P, L, D/B, G as in the descriptor; bit 16: unusable. */
#define SEG_CODE16  0x009b
#define SEG_DATA16  0x0093
#define SEG_CODE32  0xc09b
#define SEG_CODE64  0xa09b
#define SEG_DATA32  0xc093
#define SEG_LDT     0x0082
#define SEG_TSS_BUSY 0x008b

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* SDM volume 3A, "Processor State After Reset"; Multiboot specification, "Machine state". */
static const struct segment segments[][SEG_COUNT] = {
	[START_REAL] = {
		{ 0, 0, 0xffff, SEG_DATA16 }, { 0xf000, 0xffff0000, 0xffff, SEG_CODE16 },
		{ 0, 0, 0xffff, SEG_DATA16 }, { 0, 0, 0xffff, SEG_DATA16 },
		{ 0, 0, 0xffff, SEG_DATA16 }, { 0, 0, 0xffff, SEG_DATA16 },
		{ 0, 0, 0xffff, SEG_LDT },    { 0, 0, 0xffff, SEG_TSS_BUSY },
	},
	[START_LONG] = {
		{ 0x18, 0, 0xffffffff, SEG_DATA32 }, { 0x10, 0, 0xffffffff, SEG_CODE64 },
		{ 0x18, 0, 0xffffffff, SEG_DATA32 }, { 0x18, 0, 0xffffffff, SEG_DATA32 },
		{ 0x18, 0, 0xffffffff, SEG_DATA32 }, { 0x18, 0, 0xffffffff, SEG_DATA32 },
		{ 0, 0, 0xffff, SEG_LDT },           { 0, 0, 0xffff, SEG_TSS_BUSY },
	},
	[START_FLAT32] = {
		{ 0x10, 0, 0xffffffff, SEG_DATA32 }, { 0x08, 0, 0xffffffff, SEG_CODE32 },
		{ 0x10, 0, 0xffffffff, SEG_DATA32 }, { 0x10, 0, 0xffffffff, SEG_DATA32 },
		{ 0x10, 0, 0xffffffff, SEG_DATA32 }, { 0x10, 0, 0xffffffff, SEG_DATA32 },
		{ 0, 0, 0xffff, SEG_LDT },           { 0, 0, 0xffff, SEG_TSS_BUSY },
	},
};

static void write_segments(const struct segment *set)
{
	/* The fields of one kind follow each other in this order, two apart. */
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		vmcs_write(VMCS_GUEST_ES_SELECTOR + 2 * i, set[i].selector);
		vmcs_write(VMCS_GUEST_ES_BASE + 2 * i, set[i].base);
		vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * i, set[i].limit);
		vmcs_write(VMCS_GUEST_ES_ACCESS + 2 * i, set[i].access);
	}
}

struct field_value {
	enum vmcs_field field;
	uint64_t value;
};

static void write_fields(const struct field_value *f, size_t count)
{
	for (size_t i = 0; i < count; i++)
		vmcs_write(f[i].field, f[i].value);
}

static void write_controls(const struct vm_vcpu *v)
{
	const uint32_t *c = v->vm->controls.value;
	/* Without a VPID of its own the vCPU does without: translations then go at each entry. */
	uint32_t proc2 = v->vpid ? c[VMX_CTL_PROC2] : c[VMX_CTL_PROC2] & ~PROC2_VPID;
	const struct field_value fields[] = {
		{ VMCS_PIN_BASED_CONTROLS, c[VMX_CTL_PIN] },
		{ VMCS_PROC_BASED_CONTROLS, c[VMX_CTL_PROC] },
		{ VMCS_PROC_BASED_CONTROLS2, proc2 },
		{ VMCS_EXIT_CONTROLS, c[VMX_CTL_EXIT] },
		{ VMCS_ENTRY_CONTROLS, c[VMX_CTL_ENTRY] },
		{ VMCS_EXCEPTION_BITMAP, 0 },
		{ VMCS_PF_ERROR_CODE_MASK, 0 },
		{ VMCS_PF_ERROR_CODE_MATCH, 0 },
		{ VMCS_CR3_TARGET_COUNT, 0 },
		{ VMCS_EXIT_MSR_STORE_COUNT, 0 },
		{ VMCS_EXIT_MSR_LOAD_COUNT, 0 },
		{ VMCS_ENTRY_MSR_LOAD_COUNT, 0 },
		{ VMCS_ENTRY_INTERRUPTION_INFO, 0 },
		{ VMCS_MSR_BITMAP, v->vm->msr_bitmap.v },
		{ VMCS_EPTP, mmu_root_eptp(&v->vm->mmu, v->root) },
		{ VMCS_VMCS_LINK_POINTER, ~UINT64_C(0) },
		{ VMCS_TSC_OFFSET, v->lapic.tsc_offset },
		{ VMCS_CR0_GUEST_HOST_MASK, GUEST_CR0_HOST_OWNED },
		{ VMCS_CR4_GUEST_HOST_MASK, GUEST_CR4_HOST_OWNED },
	};

	write_fields(fields, ARRAY_LEN(fields));
	if (proc2 & PROC2_VPID)
		vmcs_write(VMCS_VPID, v->vpid);
	if (proc2 & PROC2_XSAVES)
		vmcs_write(VMCS_XSS_EXIT_BITMAP, 0);
}

/* Linux's boot protocol: code at 10h, data at 18h. */
static void write_linux_selectors(void)
{
	vmcs_write(VMCS_GUEST_CS_SELECTOR, 0x10);
	vmcs_write(VMCS_GUEST_SS_SELECTOR, 0x18);
	vmcs_write(VMCS_GUEST_DS_SELECTOR, 0x18);
	vmcs_write(VMCS_GUEST_ES_SELECTOR, 0x18);
}

/* SDM volume 3A, "MP Initialization Protocol": CS:IP = VV00:0000. */
static void write_startup_page(uint8_t vector)
{
	vmcs_write(VMCS_GUEST_CS_SELECTOR, (uint64_t)vector << 8);
	vmcs_write(VMCS_GUEST_CS_BASE, (uint64_t)vector << PAGE_SHIFT);
	vmcs_write(VMCS_GUEST_RIP, 0);
}

static void write_guest_state(struct vm_vcpu *v)
{
	bool wide = v->start.mode == START_LONG, real = v->start.mode != START_FLAT32 && !wide;
	uint64_t visible_cr0 = CR0_ET | (real ? CR0_CD | CR0_NW : CR0_PE) | (wide ? CR0_PG : 0);
	const struct field_value fields[] = {
		{ VMCS_GUEST_CR0, (visible_cr0 & ~(CR0_CD | CR0_NW)) | CR0_NE },
		{ VMCS_CR0_READ_SHADOW, visible_cr0 },
		{ VMCS_GUEST_CR3, wide ? v->start.cr3 : 0 },
		{ VMCS_GUEST_CR4, CR4_VMXE | (wide ? CR4_PAE : 0) },
		{ VMCS_CR4_READ_SHADOW, wide ? CR4_PAE : 0 },
		{ VMCS_GUEST_DR7, DR7_RESET },
		{ VMCS_GUEST_RSP, 0 },
		{ VMCS_GUEST_RIP, v->start.rip },
		{ VMCS_GUEST_RFLAGS, RFLAGS_FIXED },
		{ VMCS_GUEST_IA32_DEBUGCTL, 0 },
		{ VMCS_GUEST_IA32_PAT, PAT_RESET },
		{ VMCS_GUEST_IA32_EFER, wide ? EFER_LME | EFER_LMA : 0 },
		{ VMCS_GUEST_IA32_SYSENTER_CS, 0 },
		{ VMCS_GUEST_IA32_SYSENTER_ESP, 0 },
		{ VMCS_GUEST_IA32_SYSENTER_EIP, 0 },
		{ VMCS_GUEST_PENDING_DEBUG, 0 },
		{ VMCS_GUEST_INTERRUPTIBILITY, 0 },
		{ VMCS_GUEST_ACTIVITY_STATE, 0 },
		{ VMCS_GUEST_GDTR_BASE, v->start.gdt },
		{ VMCS_GUEST_GDTR_LIMIT, 0xffff },
		{ VMCS_GUEST_IDTR_BASE, 0 },
		{ VMCS_GUEST_IDTR_LIMIT, 0xffff },
		{ VMCS_PREEMPTION_TIMER, 0 },
	};

	write_fields(fields, ARRAY_LEN(fields));
	write_segments(segments[real ? START_REAL : v->start.mode]);
	if (v->start.gdt)
		write_linux_selectors();
	vmcs_write(VMCS_ENTRY_CONTROLS, v->vm->controls.value[VMX_CTL_ENTRY] |
					(wide ? ENTRY_IA32E_GUEST : 0));
	memset(v->regs.gpr, 0, sizeof(v->regs.gpr));
	v->regs.gpr[REG_RSI] = v->start.rsi;
	if (v->start.mode == START_SIPI)
		write_startup_page((uint8_t)v->start.rip);
	v->regs.gpr[REG_RAX] = v->start.rax;
	v->regs.gpr[REG_RBX] = v->start.rbx;
	v->regs.gpr[REG_RDX] = real ? cpuid(1, 0).eax : 0;
}

void vmcs_set_root(const struct vm_vcpu *v)
{
	vmcs_write(VMCS_EPTP, mmu_root_eptp(&v->vm->mmu, v->root));
}

void vmcs_setup(struct vm_vcpu *v)
{
	write_controls(v);
	write_guest_state(v);
	v->windows = 0;
	v->configured = true;
	v->debug_dr = v->stepping = false;
	v->run->debug.followed = v->run->debug.generation - 1;
}
