/*
 * td_msr.c - MSRs and CPUID leaves that the module leaves to the host (the guest asks by TDVMCALL).
 *
 * Invariants
 *   - One row per MSR; anything else is refused, and the guest sees a #GP.
 *   - Answers agree with each other: one vCPU, one x2APIC id, in every leaf and MSR.
 *   - Registers of the local APIC are td_apic.c's.
 *
 * Facts: TDX guest ABI notes, "MSRs", "CPUID"; MSR numbers: SDM volume 4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "tdx/td_impl.h"

/* What becomes of a WRMSR. */
enum msr_write {
	WR_REFUSE, /* the guest sees #GP */
	WR_SAME,   /* only what is there already may be written */
	WR_IGNORE, /* done, nothing changes */
};

/* clang-format off */
static const struct msr_row {
	uint32_t first, last;
	enum msr_write write;
	uint64_t value;
} msr_rows[] = {
	{ 0x017, 0x017, WR_REFUSE, 0 },        /* IA32_PLATFORM_ID */
	{ 0x033, 0x034, WR_REFUSE, 0 },        /* MSR_TEST_CTRL, SMI count */
	{ 0x03a, 0x03a, WR_REFUSE, 1 },        /* IA32_FEATURE_CONTROL: locked */
	{ 0x03b, 0x03b, WR_SAME,   0 },        /* IA32_TSC_ADJUST */
	{ 0x08b, 0x08b, WR_IGNORE, UINT64_C(0xffffffff00000000) }, /* IA32_BIOS_SIGN_ID */
	{ 0x0fe, 0x0fe, WR_REFUSE, 0 },        /* IA32_MTRRCAP: none */
	{ 0x140, 0x140, WR_SAME,   0 },        /* MISC_FEATURES_ENABLES */
	{ 0x179, 0x17a, WR_SAME,   0 },        /* IA32_MCG_CAP, IA32_MCG_STATUS: no banks */
	{ 0x1a0, 0x1a0, WR_IGNORE, 1 },        /* IA32_MISC_ENABLE: fast strings; read from the module */
	{ 0x1fc, 0x1fc, WR_SAME,   0 },        /* MSR_POWER_CTL */
	{ 0x200, 0x26f, WR_SAME,   0 },        /* MTRRs */
	{ 0x2ff, 0x2ff, WR_SAME,   6 },        /* IA32_MTRR_DEF_TYPE: off, WB */
};
/* clang-format on */

#define APIC_BASE_X2  UINT64_C(0xfee00c00) /* enabled, x2APIC */
#define APIC_BASE_BSP BIT64(8)

enum { IA32_APIC_BASE = 0x1b };

static const struct msr_row *find(uint32_t msr)
{
	for (size_t i = 0; i < ARRAY_LEN(msr_rows); i++)
		if (msr >= msr_rows[i].first && msr <= msr_rows[i].last)
			return &msr_rows[i];
	return NULL;
}

bool td_msr_read(struct td_vcpu *v, uint32_t msr, uint64_t *value)
{
	const struct msr_row *row;

	if (td_apic_read(v, msr, value))
		return true;
	if (msr == IA32_APIC_BASE) {
		*value = APIC_BASE_X2 | (v->index == 0 ? APIC_BASE_BSP : 0);
		return true;
	}
	row = find(msr);
	if (row)
		*value = row->value;
	return row != NULL;
}

bool td_msr_write(struct td_vcpu *v, uint32_t msr, uint64_t value)
{
	const struct msr_row *row;
	uint64_t there;

	if (td_apic_write(v, msr, value))
		return true;
	/* It cannot be switched off, nor out of x2APIC mode. */
	if (msr == IA32_APIC_BASE)
		return td_msr_read(v, msr, &there) && value == there;
	row = find(msr);
	if (!row || row->write == WR_REFUSE)
		return false;
	return row->write == WR_IGNORE || value == row->value;
}

/* Leaves that the module answers by #VE: what no row names is zero. */
void td_cpuid(const struct td_vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	/*
	 * Linux leaves x2APIC on without interrupt remapping only under a hypervisor that it knows,
	 * and then leaves MTRRs and legacy timer checks alone too. So this one's signature comes
	 * first, with no features; ours follows where others put a second one.
	 */
	static const char known[12] = "KVMKVMKVM\0\0", ours[12] = "TainTainTain";

	memset(out, 0, 4 * sizeof(out[0]));
	switch (leaf) {
	case 0xb:
	case 0x1f: /* one thread, one core each; the id stands in EDX for every sub-leaf */
		if (subleaf < 2) {
			out[1] = subleaf == 0 ? 1 : v->td->vcpu_count;
			out[2] = subleaf | (subleaf + 1) << 8;
		} else {
			out[2] = subleaf;
		}
		out[3] = v->index;
		break;
	case 0x40000000:
		out[0] = 0x40000001; /* and 40000001h has no features */
		memcpy(&out[1], known, sizeof(known));
		break;
	case 0x40000100:
		out[0] = 0x40000100;
		memcpy(&out[1], ours, sizeof(ours));
		break;
	default:
		break;
	}
}
