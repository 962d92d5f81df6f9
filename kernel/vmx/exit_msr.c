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
	MSR_APIC,  /* the local APIC's */
	MSR_MTRR,  /* kept, without effect; value: its place in vm_vcpu.mtrr */
};

/* The local APIC's in x2APIC mode. */
#define X2APIC_FIRST 0x800u
#define X2APIC_COUNT 0x100u

/* MTRRs: 8 variable pairs, fixed ranges, write combining. */
#define MTRR_CAP   0x508
#define MTRR_PAIRS_FIRST 0x200u
#define MTRR_PAIRS_COUNT 16u

/* clang-format off */
static const struct msr_row {
	uint32_t index;
	enum msr_kind kind;
	uint64_t value;
} msr_rows[] = {
	{ 0x00000010, MSR_TSC,   0 },
	{ 0x00000017, MSR_CONST, 0 },                  /* IA32_PLATFORM_ID */
	{ 0x0000001b, MSR_APIC,  0 },                  /* IA32_APIC_BASE */
	{ 0x0000003a, MSR_CONST, 1 },                  /* IA32_FEATURE_CONTROL: locked, VMX off */
	{ 0x00000079, MSR_DROP,  0 },                  /* IA32_BIOS_UPDT_TRIG */
	{ 0x0000008b, MSR_DROP,  0 },                  /* IA32_BIOS_SIGN_ID */
	{ 0x000000fe, MSR_CONST, MTRR_CAP },           /* IA32_MTRRCAP */
	{ 0x00000174, MSR_PASS,  0 },                  /* IA32_SYSENTER_CS, ESP, EIP */
	{ 0x00000175, MSR_PASS,  0 },
	{ 0x00000176, MSR_PASS,  0 },
	{ 0x000001a0, MSR_DROP,  1 },                  /* IA32_MISC_ENABLE: fast strings */
	{ 0x000001d9, MSR_DROP,  0 },                  /* IA32_DEBUGCTL */
	{ 0x00000250, MSR_MTRR,  16 },                 /* IA32_MTRR_FIX64K, FIX16K, FIX4K */
	{ 0x00000258, MSR_MTRR,  17 },
	{ 0x00000259, MSR_MTRR,  18 },
	{ 0x00000268, MSR_MTRR,  19 },
	{ 0x00000269, MSR_MTRR,  20 },
	{ 0x0000026a, MSR_MTRR,  21 },
	{ 0x0000026b, MSR_MTRR,  22 },
	{ 0x0000026c, MSR_MTRR,  23 },
	{ 0x0000026d, MSR_MTRR,  24 },
	{ 0x0000026e, MSR_MTRR,  25 },
	{ 0x0000026f, MSR_MTRR,  26 },
	{ 0x00000277, MSR_PASS,  0 },                  /* IA32_PAT */
	{ 0x000002ff, MSR_MTRR,  27 },                 /* IA32_MTRR_DEF_TYPE */
	{ 0x000006e0, MSR_APIC,  0 },                  /* IA32_TSC_DEADLINE */
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

_Static_assert(VM_MTRRS == 28, "the table's places");

static const struct msr_row *find(uint32_t index)
{
	static const struct msr_row x2apic = { X2APIC_FIRST, MSR_APIC, 0 };

	if (index - X2APIC_FIRST < X2APIC_COUNT)
		return &x2apic;
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

/* Where a MTRR is kept, or NULL: it is none. */
static uint64_t *mtrr(struct vm_vcpu *v, uint32_t index, const struct msr_row *row)
{
	if (index - MTRR_PAIRS_FIRST < MTRR_PAIRS_COUNT)
		return &v->mtrr[index - MTRR_PAIRS_FIRST];
	return row && row->kind == MSR_MTRR ? &v->mtrr[row->value] : NULL;
}

static enum exit_action unknown(struct vm_vcpu *v, const char *what)
{
	v->unknown_msrs++;
	log_debug("%s: %s of MSR %#x, which it does not have", v->vm->config->name, what,
		  (unsigned)v->regs.gpr[REG_RCX]);
	return inject_gp(v);
}

static enum exit_action answer(struct vm_vcpu *v, uint64_t value)
{
	fault_answer(v->vm->platform->config.faults, FAULT_MSR, (uint32_t)v->regs.gpr[REG_RCX], &value);
	v->regs.gpr[REG_RAX] = (uint32_t)value;
	v->regs.gpr[REG_RDX] = value >> 32;
	return skip_instruction(v);
}

bool vm_msr_is_answered(uint32_t index)
{
	const struct msr_row *row = find(index);

	return index - MTRR_PAIRS_FIRST < MTRR_PAIRS_COUNT ||
	       (row && row->kind != MSR_PASS && row->kind != MSR_TSC);
}

enum exit_action exit_rdmsr(struct vm_vcpu *v)
{
	uint32_t index = (uint32_t)v->regs.gpr[REG_RCX];
	const struct msr_row *row = find(index);
	const uint64_t *kept = mtrr(v, index, row);
	uint64_t value;

	if (kept)
		return answer(v, *kept);
	if (row && row->kind == MSR_APIC)
		return lapic_msr_read(&v->lapic, index, &value) ? answer(v, value) : inject_gp(v);
	if (!row || row->kind == MSR_PASS || row->kind == MSR_TSC)
		return unknown(v, "RDMSR");
	return answer(v, row->value);
}

/* The TSC moves for this vCPU alone; a deadline is in its own time. */
static void write_tsc(struct vm_vcpu *v, uint64_t value)
{
	v->lapic.tsc_offset = value - rdtsc();
	vmcs_write(VMCS_TSC_OFFSET, v->lapic.tsc_offset);
}

enum exit_action exit_wrmsr(struct vm_vcpu *v)
{
	uint32_t index = (uint32_t)v->regs.gpr[REG_RCX];
	const struct msr_row *row = find(index);
	uint64_t value = (v->regs.gpr[REG_RDX] << 32) | (uint32_t)v->regs.gpr[REG_RAX];
	uint64_t *kept = mtrr(v, index, row);

	if (kept) {
		*kept = value;
		return skip_instruction(v);
	}
	if (!row || row->kind == MSR_PASS)
		return unknown(v, "WRMSR");
	if (row->kind == MSR_APIC) {
		if (!lapic_msr_write(&v->lapic, index, value))
			return inject_gp(v);
		skip_instruction(v);
		return EXIT_CHECK; /* it may have sent or opened something */
	}
	if (row->kind == MSR_CONST && value != row->value)
		return inject_gp(v);
	if (row->kind == MSR_TSC)
		write_tsc(v, value);
	return skip_instruction(v);
}
