/*
 * doctor_cpuid.c - the table of doctor_cpuid.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/doctor_cpuid.h"

/* clang-format off */
const struct doctor_cpuid_rule doctor_cpuid_rules[DOCTOR_CPUID_LEAVES] = {
	{ 0x0, 0, { 0, 0xffffffff, 0xffffffff, 0xffffffff }, { 0, 0x756e6547, 0x6c65746e, 0x49656e69 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x1, 0, { 0, 0xff00, 0x47faa217, 0x1fa9fbff }, { 0, 0x800, 0x47faa217, 0x1fa9fbff },
	  { 0xf000c000, 0xffff, 0xf7ffff9f, 0xffffffff } },
	{ 0x4, 0, { 0, 0xfff, 0, 0 }, { 0, 0x3f, 0, 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x4, 1, { 0, 0xfff, 0, 0 }, { 0, 0x3f, 0, 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x4, 2, { 0, 0xfff, 0, 0 }, { 0, 0x3f, 0, 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x4, 3, { 0xe0, 0xfff, 0, 0x1 }, { 0x60, 0x3f, 0, 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x4, 4, { 0x1f, 0, 0, 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x5, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x6, 0, { 0x800000, 0, 0, 0 }, { 0 }, { 0x800000, 0, 0, 0 } },
	{ 0x7, 0, { 0xffffffff, 0x219424c3, 0x99000000, 0xfc082600 }, { 0x2, 0x219424c3, 0x99000000, 0xfc080400 },
	  { 0xffffffff, 0xfffffffb, 0xbfc1ff6f, 0xffebffff } },
	{ 0x7, 1, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x7, 2, { 0, 0, 0, 0x17 }, { 0, 0, 0, 0x17 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xa, 0, { 0xff00, 0, 0xffffff80, 0x8000 }, { 0x800, 0, 0, 0x8000 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xb, 0, { 0 }, { 0 }, { 0 } },
	{ 0xb, 1, { 0 }, { 0 }, { 0 } },
	{ 0xd, 0, { 0x3, 0, 0, 0 }, { 0x3, 0, 0, 0 }, { 0xffffffff, 0, 0xffffffff, 0xffffffff } },
	{ 0xd, 1, { 0xf, 0, 0x1800, 0 }, { 0xf, 0, 0x1800, 0 },
	  { 0xffffffff, 0, 0xffffffff, 0xffffffff } },
	{ 0xd, 2, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 3, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 4, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 5, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 6, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 7, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 8, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 9, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0xa, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0xb, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0xc, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0xd, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0xe, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0xf, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0x10, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0x11, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0xd, 0x12, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x12, 0, { 0 }, { 0 }, { 0 } },
	{ 0x14, 0, { 0xffffffff, 0, 0, 0 }, { 0x1, 0, 0, 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x14, 1, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x15, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x19, 0, { 0 }, { 0 }, { 0xffffffff, 0xfffffffe, 0xffffffff, 0xffffffff } },
	{ 0x1c, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x1d, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x1d, 1, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x1e, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x1f, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0 } },
	{ 0x1f, 1, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0 } },
	{ 0x1f, 2, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0 } },
	{ 0x1f, 3, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0 } },
	{ 0x1f, 4, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0 } },
	{ 0x1f, 5, { 0, 0, 0xff00, 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0 } },
	{ 0x23, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x23, 1, { 0xffffff00, 0xfffffff0, 0, 0 }, { 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x23, 2, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x23, 3, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x80000000, 0, { 0 }, { 0 }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 }, { 0, 0, 0x121, 0x2c100800 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
	{ 0x80000006, 0, { 0, 0, 0xff, 0 }, { 0, 0, 0x40, 0 }, { 0, 0, 0xff, 0 } },
	{ 0x80000007, 0, { 0, 0, 0, 0x100 }, { 0, 0, 0, 0x100 }, { 0, 0, 0, 0x100 } },
	{ 0x80000008, 0, { 0xff, 0x200, 0, 0 }, { 0x34, 0x200, 0, 0 },
	  { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
};

static const struct {
	uint32_t leaf, subleaf;
	uint8_t reg, bit;
	const char *name;
} bit_names[] = {
	{ 1, 0, 2, 0, "SSE3" },           { 1, 0, 2, 5, "VMX" },          { 1, 0, 2, 13, "CMPXCHG16B" },
	{ 1, 0, 2, 21, "x2APIC" },        { 1, 0, 2, 24, "TSC-deadline" }, { 1, 0, 2, 25, "AES" },
	{ 1, 0, 2, 26, "XSAVE" },         { 1, 0, 2, 30, "RDRAND" },      { 1, 0, 3, 27, "self-snoop" },
	{ 7, 0, 1, 0, "FSGSBASE" },       { 7, 0, 1, 1, "TSC_ADJUST" },   { 7, 0, 1, 2, "SGX" },
	{ 7, 0, 1, 7, "SMEP" },           { 7, 0, 1, 10, "INVPCID" },     { 7, 0, 1, 18, "RDSEED" },
	{ 7, 0, 1, 20, "SMAP" },          { 7, 0, 1, 23, "CLFLUSHOPT" },  { 7, 0, 1, 24, "CLWB" },
	{ 7, 0, 1, 29, "SHA" },           { 7, 0, 2, 13, "TME" },         { 7, 0, 2, 24, "bus-lock detect" },
	{ 7, 0, 2, 27, "MOVDIRI" },       { 7, 0, 2, 28, "MOVDIR64B" },   { 7, 0, 2, 31, "PKS" },
	{ 7, 0, 3, 10, "MD_CLEAR" },      { 7, 0, 3, 18, "PCONFIG" },     { 7, 0, 3, 26, "IBRS" },
	{ 7, 0, 3, 27, "STIBP" },         { 7, 0, 3, 28, "L1D_FLUSH" },   { 7, 0, 3, 29, "ARCH_CAPABILITIES" },
	{ 7, 0, 3, 30, "CORE_CAPABILITIES" }, { 7, 0, 3, 31, "SSBD" },    { 0x80000008, 0, 1, 9, "WBNOINVD" },
	{ 0x80000007, 0, 3, 8, "invariant TSC" },
};
/* clang-format on */

int doctor_cpuid_index(uint32_t leaf, uint32_t subleaf)
{
	for (int i = 0; i < DOCTOR_CPUID_LEAVES; i++)
		if (doctor_cpuid_rules[i].leaf == leaf && doctor_cpuid_rules[i].subleaf == subleaf)
			return i;
	return -1;
}

const char *doctor_cpuid_bit(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(bit_names); i++)
		if (bit_names[i].leaf == leaf && bit_names[i].subleaf == subleaf &&
		    bit_names[i].reg == reg && bit_names[i].bit == bit)
			return bit_names[i].name;
	return NULL;
}
