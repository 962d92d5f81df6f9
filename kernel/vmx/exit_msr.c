/*
 * exit_msr.c - RDMSR and WRMSR of a plain guest: one row per MSR that it has. Any other is #GP,
 * as on a CPU that lacks it, and counted.
 *
 * Invariant: an MSR is passed through only if the CPU itself exchanges it at entry and exit, or
 * run.c does at the borders of a stay.
 *
 * MSRs: SDM volume 4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/vmx/vm_room.h"

enum msr_kind {
	MSR_PASS,  /* no exit */
	MSR_CONST, /* reads as value; a write of anything else is #GP */
	MSR_DROP,  /* reads as value; writes are ignored */
	MSR_TSC,
};

#define APIC_BASE_AT_RESET UINT64_C(0xfee00000)
#define APIC_BASE_BSP      BIT64(8)

/* clang-format off */
static const struct msr_row {
	uint32_t index;
	enum msr_kind kind;
	uint64_t value;
} msr_rows[] = {
	{ 0x00000010, MSR_TSC,   0 },
	{ 0x00000017, MSR_CONST, 0 },                  /* IA32_PLATFORM_ID */
	{ 0x0000001b, MSR_CONST, APIC_BASE_AT_RESET }, /* IA32_APIC_BASE: disabled; bit 8 added */
	{ 0x0000003a, MSR_CONST, 1 },                  /* IA32_FEATURE_CONTROL: locked, VMX off */
	{ 0x00000079, MSR_DROP,  0 },                  /* IA32_BIOS_UPDT_TRIG */
	{ 0x0000008b, MSR_DROP,  0 },                  /* IA32_BIOS_SIGN_ID */
	{ 0x00000174, MSR_PASS,  0 },                  /* IA32_SYSENTER_CS, ESP, EIP */
	{ 0x00000175, MSR_PASS,  0 },
	{ 0x00000176, MSR_PASS,  0 },
	{ 0x000001a0, MSR_DROP,  1 },                  /* IA32_MISC_ENABLE: fast strings */
	{ 0x000001d9, MSR_DROP,  0 },                  /* IA32_DEBUGCTL */
	{ 0x00000277, MSR_PASS,  0 },                  /* IA32_PAT */
	{ 0x00000da0, MSR_CONST, 0 },                  /* IA32_XSS */
	{ 0xc0000080, MSR_PASS,  0 },                  /* IA32_EFER */
	{ 0xc0000081, MSR_PASS,  0 },                  /* IA32_STAR, LSTAR, CSTAR, FMASK */
	{ 0xc0000082, MSR_PASS,  0 },
	{ 0xc0000083, MSR_PASS,  0 },
	{ 0xc0000084, MSR_PASS,  0 },
	{ 0xc0000100, MSR_PASS,  0 },                  /* IA32_FS_BASE, GS_BASE, KERNEL_GS_BASE */
	{ 0xc0000101, MSR_PASS,  0 },
	{ 0xc0000102, MSR_PASS,  0 },
	{ 0xc0000103, MSR_PASS,  0 },                  /* IA32_TSC_AUX */
};
/* clang-format on */

static const struct msr_row *find(uint32_t index)
{
	for (size_t i = 0; i < ARRAY_LEN(msr_rows); i++)
		if (msr_rows[i].index == index)
			return &msr_rows[i];
	return NULL;
}

/* SDM volume 3C, "MSR-Bitmap Address": read low, read high, write low, write high, 1 KiB each. */
#define BITMAP_READ  0u
#define BITMAP_WRITE 2048u
#define BITMAP_HIGH  1024u
#define HIGH_FIRST   0xc0000000u

static void let_through(uint8_t *bitmap, unsigned half, uint32_t index)
{
	if (index >= HIGH_FIRST)
		half += BITMAP_HIGH;
	index &= 0x1fff;
	bitmap[half + index / 8] &= (uint8_t)~BIT32(index % 8);
}

void msr_bitmap_build(void *bitmap)
{
	memset(bitmap, 0xff, PAGE_SIZE);
	let_through(bitmap, BITMAP_READ, 0x10); /* the TSC needs no help but its offset */
	for (size_t i = 0; i < ARRAY_LEN(msr_rows); i++) {
		if (msr_rows[i].kind != MSR_PASS)
			continue;
		let_through(bitmap, BITMAP_READ, msr_rows[i].index);
		let_through(bitmap, BITMAP_WRITE, msr_rows[i].index);
	}
}

static uint64_t constant(const struct vm_vcpu *v, const struct msr_row *row)
{
	return row->value | (row->value == APIC_BASE_AT_RESET && v->index == 0 ? APIC_BASE_BSP : 0);
}

static enum exit_action unknown(struct vm_vcpu *v, const char *what)
{
	v->unknown_msrs++;
	log_debug("%s: %s of MSR %#x, which it does not have", v->vm->config->name, what,
		  (unsigned)v->regs.gpr[REG_RCX]);
	return inject_gp(v);
}

enum exit_action exit_rdmsr(struct vm_vcpu *v)
{
	const struct msr_row *row = find((uint32_t)v->regs.gpr[REG_RCX]);

	if (!row || row->kind == MSR_PASS || row->kind == MSR_TSC)
		return unknown(v, "RDMSR");

	uint64_t value = constant(v, row);

	v->regs.gpr[REG_RAX] = (uint32_t)value;
	v->regs.gpr[REG_RDX] = value >> 32;
	return skip_instruction(v);
}

enum exit_action exit_wrmsr(struct vm_vcpu *v)
{
	const struct msr_row *row = find((uint32_t)v->regs.gpr[REG_RCX]);
	uint64_t value = (v->regs.gpr[REG_RDX] << 32) | (uint32_t)v->regs.gpr[REG_RAX];

	if (!row || row->kind == MSR_PASS)
		return unknown(v, "WRMSR");
	if (row->kind == MSR_CONST && value != constant(v, row))
		return inject_gp(v);
	if (row->kind == MSR_TSC)
		vmcs_write(VMCS_TSC_OFFSET, value - rdtsc());
	return skip_instruction(v);
}
