/*
 * td_msr.c - MSRs and CPUID leaves that the module leaves to the host (the guest asks by TDVMCALL).
 *
 * Invariants
 *   - One row per MSR; anything else is refused, and the guest sees a #GP.
 *   - Answers agree with each other: one vCPU, one x2APIC id, in every leaf and MSR.
 *
 * Facts: TDX guest ABI notes, "MSRs", "CPUID"; MSR numbers: SDM volume 4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "tdx/td_impl.h"

enum msr_kind {
	MSR_CONSTANT, /* reads `value`; writes are ignored */
	MSR_INDEX,    /* reads the vCPU's x2APIC id */
	MSR_BASE,     /* IA32_APIC_BASE */
};

/* clang-format off */
static const struct msr_row {
	uint32_t first, last;
	enum msr_kind kind;
	uint64_t value;
} msr_rows[] = {
	{ 0x017, 0x017, MSR_CONSTANT, 0 },          /* IA32_PLATFORM_ID */
	{ 0x01b, 0x01b, MSR_BASE,     0 },          /* IA32_APIC_BASE: enabled, x2APIC */
	{ 0x03a, 0x03a, MSR_CONSTANT, 1 },          /* IA32_FEATURE_CONTROL: locked */
	{ 0x08b, 0x08b, MSR_CONSTANT, UINT64_C(1) << 32 }, /* IA32_BIOS_SIGN_ID */
	{ 0x0ce, 0x0ce, MSR_CONSTANT, 0 },          /* MSR_PLATFORM_INFO */
	{ 0x0fe, 0x0fe, MSR_CONSTANT, 0x508 },      /* IA32_MTRRCAP: 8 variable, fixed, WC */
	{ 0x140, 0x140, MSR_CONSTANT, 0 },          /* MISC_FEATURES_ENABLES */
	{ 0x179, 0x17b, MSR_CONSTANT, 0 },          /* IA32_MCG_CAP, STATUS, CTL: no banks */
	{ 0x1a0, 0x1a0, MSR_CONSTANT, 1 },          /* IA32_MISC_ENABLE: fast strings */
	{ 0x1fc, 0x1fc, MSR_CONSTANT, 0 },          /* MSR_POWER_CTL */
	{ 0x200, 0x21f, MSR_CONSTANT, 0 },          /* variable MTRRs: none in use */
	{ 0x250, 0x250, MSR_CONSTANT, UINT64_C(0x0606060606060606) }, /* fixed MTRRs: WB */
	{ 0x258, 0x259, MSR_CONSTANT, UINT64_C(0x0606060606060606) },
	{ 0x268, 0x26f, MSR_CONSTANT, UINT64_C(0x0606060606060606) },
	{ 0x2ff, 0x2ff, MSR_CONSTANT, 0xc06 },      /* IA32_MTRR_DEF_TYPE: on, WB */
	{ 0x802, 0x802, MSR_INDEX,    0 },          /* x2APIC id */
	{ 0x803, 0x803, MSR_CONSTANT, 0x50014 },    /* version: 6 LVT entries */
	{ 0x80d, 0x80d, MSR_INDEX,    0 },          /* LDR */
	{ 0x80f, 0x80f, MSR_CONSTANT, 0x1ff },      /* SPIV: enabled */
	{ 0x828, 0x828, MSR_CONSTANT, 0 },          /* ESR */
	{ 0x82f, 0x830, MSR_CONSTANT, 0x10000 },    /* LVT CMCI: masked; ICR */
	{ 0x832, 0x837, MSR_CONSTANT, 0x10000 },    /* LVTs: masked */
	{ 0x838, 0x839, MSR_CONSTANT, 0 },          /* timer counts */
	{ 0x83e, 0x83e, MSR_CONSTANT, 0 },          /* timer divide */
	{ 0xc0000080, 0xc0000080, MSR_CONSTANT, 0xd01 }, /* EFER: SCE LME LMA NXE */
};
/* clang-format on */

#define APIC_BASE_X2  UINT64_C(0xfee00c00)
#define APIC_BASE_BSP BIT64(8)

static const struct msr_row *find(uint32_t msr)
{
	for (size_t i = 0; i < ARRAY_LEN(msr_rows); i++)
		if (msr >= msr_rows[i].first && msr <= msr_rows[i].last)
			return &msr_rows[i];
	return NULL;
}

bool td_msr_read(struct td_vcpu *v, uint32_t msr, uint64_t *value)
{
	const struct msr_row *row = find(msr);

	if (!row)
		return false;
	switch (row->kind) {
	case MSR_CONSTANT:
		*value = row->value;
		break;
	case MSR_INDEX:
		*value = msr == 0x80d ? BIT64(v->index % 16) | (v->index / 16) << 16 : v->index;
		break;
	case MSR_BASE:
		*value = APIC_BASE_X2 | (v->index == 0 ? APIC_BASE_BSP : 0);
		break;
	}
	return true;
}

/* None of them keeps what is written. */
bool td_msr_write(struct td_vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	(void)value;
	return find(msr) != NULL;
}

/* Leaves that the module answers by #VE: what no row names is zero. */
void td_cpuid(const struct td_vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	static const char signature[12] = "TainTainTain";

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
		out[0] = 0x40000000;
		memcpy(&out[1], signature, sizeof(signature));
		break;
	default:
		break;
	}
}
