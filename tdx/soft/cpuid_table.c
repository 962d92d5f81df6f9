/*
 * cpuid_table.c - one row for each CPUID leaf and sub-leaf that the module knows: what SYS.INIT
 * insists on, what must be alike on all LPs, and how a guest's value is made of the native one.
 *
 * Invariants
 *   - The order of rows is the order of checks and of CPUID_CONFIG (its first twelve are rows 0 to
 * 9, 14 and 59).
 *
 * Facts: ABI reference section 4.8 (registers EAX, EBX, ECX, EDX) and the masks of 4.1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"

#define ALL                                                    \
	{                                                      \
		0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff \
	}

/* clang-format off */
const struct cpuid_row cpuid_rows[CPUID_ROWS] = {
	[0] = { 0x1, CPUID_ANY_SUB, .verify = { 0, 0xff00, 0x47faa217, 0x1fa9fbff },
		.value = { 0, 0x800, 0x47faa217, 0x1fa9fbff },
		.same = { 0xf000c000, 0xffff, 0xf7ffff9f, 0xffffffff }, .fixed1 = { 0, 0, 0x80000000, 0x200 },
		.fixed0 = { 0xf000c000, 0xff0000ff, 0x8010060, 0x40120400 },
		.allow = { 0, 0, 0x31044d88, 0xb8440000 }, .direct = { 0xfff3fff, 0xff0000, 0, 0 } },
	[1] = { 0x4, 0, .verify = { 0, 0xfff, 0, 0 }, .value = { 0, 0x3f, 0, 0 }, .same = ALL,
		.fixed0 = { 0x3c00, 0, 0, 0x4 }, .direct = { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
	[2] = { 0x4, 1, .verify = { 0, 0xfff, 0, 0 }, .value = { 0, 0x3f, 0, 0 }, .same = ALL,
		.fixed0 = { 0x3c00, 0, 0, 0x4 }, .direct = { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
	[3] = { 0x4, 2, .verify = { 0, 0xfff, 0, 0 }, .value = { 0, 0x3f, 0, 0 }, .same = ALL,
		.fixed0 = { 0x3c00, 0, 0, 0x4 }, .direct = { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
	[4] = { 0x4, 3, .verify = { 0xe0, 0xfff, 0, 0x1 }, .value = { 0x60, 0x3f, 0, 0 }, .same = ALL,
		.fixed0 = { 0x3c00, 0, 0, 0xfffffff8 }, .direct = { 0xffffc3ff, 0xfffff000, 0xffffffff, 0x7 } },
	[5] = { 0x7, 0, .verify = { 0xffffffff, 0x219424c3, 0x99000000, 0xfc082600 },
		.value = { 0x2, 0x219424c3, 0x99000000, 0xfc080400 },
		.same = { 0xffffffff, 0xfffffffb, 0xbfc1ff6f, 0xffebffff },
		.fixed0 = { 0, 0x404006, 0x643e8010, 0x2298c3 },
		.allow = { 0, 0xdc2b9b18, 0x2417f65, 0x5411c } },
	[6] = { 0x7, 1, .same = ALL, .fixed0 = { 0xffffe2cf, 0xffffffff, 0xffffffff, 0xffffffff },
		.allow = { 0x1d30, 0, 0, 0 } },
	[7] = { 0xa, CPUID_ANY_SUB, .verify = { 0xff00, 0, 0xffffff80, 0x8000 },
		.value = { 0x800, 0, 0, 0x8000 }, .same = ALL, .fixed0 = { 0, 0, 0, 0xffff6000 } },
	[8] = { 0x1c, CPUID_ANY_SUB, .same = ALL, .allow = { 0xff, 0, 0, 0 } },
	[9] = { 0x80000008, CPUID_ANY_SUB, .verify = { 0xff, 0x200, 0, 0 },
		.value = { 0x34, 0x200, 0, 0 }, .same = ALL,
		.fixed0 = { 0xffff0000, 0xfffffdff, 0xffffffff, 0xffffffff }, .allow = { 0, 0x200, 0, 0 } },
	[10] = { 0x0, CPUID_ANY_SUB, .verify = { 0, 0xffffffff, 0xffffffff, 0xffffffff },
		.value = { 0, 0x756e6547, 0x6c65746e, 0x49656e69 }, .same = ALL, .fixed1 = { 0x23, 0, 0, 0 },
		.fixed0 = { 0xffffffdc, 0, 0, 0 } },
	[11] = { 0x3, CPUID_ANY_SUB, .fixed0 = ALL },
	[12] = { 0x4, 4, .verify = { 0x1f, 0, 0, 0 }, .same = ALL, .fixed0 = ALL },
	[13] = { 0x6, CPUID_ANY_SUB, .verify = { 0x800000, 0, 0, 0 }, .same = { 0x800000, 0, 0, 0 },
		.faults = true },
	[14] = { 0x7, 2, .verify = { 0, 0, 0, 0x17 }, .value = { 0, 0, 0, 0x17 }, .same = ALL,
		.fixed0 = { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffc0 }, .allow = { 0, 0, 0, 0x28 } },
	[15] = { 0x8, CPUID_ANY_SUB, .fixed0 = ALL },
	[16] = { 0xd, 0, .verify = { 0x3, 0, 0, 0 }, .value = { 0x3, 0, 0, 0 },
		.same = { 0xffffffff, 0, 0xffffffff, 0xffffffff },
		.fixed0 = { 0xfff9fd18, 0xffffffff, 0, 0xffffffff } },
	[17] = { 0xd, 1, .verify = { 0xf, 0, 0x1800, 0 }, .value = { 0xf, 0, 0x1800, 0 },
		.same = { 0xffffffff, 0, 0xffffffff, 0xffffffff },
		.fixed0 = { 0xffffffe0, 0xffffffff, 0xffff26ff, 0xffffffff } },
	[18] = { 0xd, 2, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[19] = { 0xd, 3, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[20] = { 0xd, 4, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[21] = { 0xd, 5, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[22] = { 0xd, 6, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[23] = { 0xd, 7, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[24] = { 0xd, 8, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[25] = { 0xd, 9, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[26] = { 0xd, 10, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[27] = { 0xd, 11, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[28] = { 0xd, 12, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[29] = { 0xd, 13, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[30] = { 0xd, 14, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[31] = { 0xd, 15, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[32] = { 0xd, 16, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[33] = { 0xd, 17, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[34] = { 0xd, 18, .same = ALL, .fixed0 = { 0, 0, 0, 0xffffffff } },
	[35] = { 0xe, CPUID_ANY_SUB, .fixed0 = ALL },
	[36] = { 0x11, CPUID_ANY_SUB, .fixed0 = ALL },
	[37] = { 0x12, CPUID_ANY_SUB, .fixed0 = ALL },
	[38] = { 0x13, CPUID_ANY_SUB, .fixed0 = ALL },
	[39] = { 0x14, 0, .verify = { 0xffffffff, 0, 0, 0 }, .value = { 0x1, 0, 0, 0 }, .same = ALL,
		.fixed0 = { 0, 0xfffffe00, 0x7ffffff0, 0xffffffff } },
	[40] = { 0x14, 1, .same = ALL, .fixed0 = { 0xfff8, 0, 0xffffffff, 0xffffffff } },
	[41] = { 0x15, CPUID_ANY_SUB, .same = ALL, .fixed1 = { 0x1, 0, 0x17d7840, 0 },
		.fixed0 = { 0xfffffffe, 0, 0xfe8287bf, 0xffffffff } },
	[42] = { 0x19, CPUID_ANY_SUB, .same = { 0xffffffff, 0xfffffffe, 0xffffffff, 0xffffffff },
		.fixed0 = { 0xfffffff8, 0xffffffeb, 0xfffffffd, 0xffffffff } },
	[43] = { 0x1d, 0, .same = ALL },
	[44] = { 0x1d, 1, .same = ALL },
	[45] = { 0x1e, CPUID_ANY_SUB, .same = ALL },
	[46] = { 0x1f, 0, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 }, .faults = true },
	[47] = { 0x1f, 1, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 }, .faults = true },
	[48] = { 0x1f, 2, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 }, .faults = true },
	[49] = { 0x1f, 3, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 }, .faults = true },
	[50] = { 0x1f, 4, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 }, .faults = true },
	[51] = { 0x1f, 5, .verify = { 0, 0, 0xff00, 0 },
		.same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 }, .faults = true },
	[52] = { 0x20, CPUID_ANY_SUB, .fixed0 = ALL },
	[53] = { 0x21, 0, .fixed1 = { 0, 0x65746e49, 0x20202020, 0x5844546c },
		.fixed0 = { 0xffffffff, 0x9a8b91b6, 0xdfdfdfdf, 0xa7bbab93 } },
	[54] = { 0x80000000, CPUID_ANY_SUB, .same = ALL, .fixed1 = { 0x80000008, 0, 0, 0 },
		.fixed0 = { 0x7ffffff7, 0xffffffff, 0xffffffff, 0xffffffff } },
	[55] = { 0x80000001, CPUID_ANY_SUB, .verify = { 0, 0, 0x121, 0x2c100800 },
		.value = { 0, 0, 0x121, 0x2c100800 }, .same = ALL,
		.fixed0 = { 0xffffffff, 0xffffffff, 0xfffffede, 0xd3efffff } },
	[56] = { 0x80000006, CPUID_ANY_SUB, .verify = { 0, 0, 0xff, 0 }, .value = { 0, 0, 0x40, 0 },
		.same = { 0, 0, 0xff, 0 }, .faults = true },
	[57] = { 0x80000007, CPUID_ANY_SUB, .verify = { 0, 0, 0, 0x100 }, .value = { 0, 0, 0, 0x100 },
		.same = { 0, 0, 0, 0x100 }, .fixed0 = { 0xffffffff, 0xffffffff, 0xffffffff, 0xfffffeff } },
	[58] = { 0x22, CPUID_ANY_SUB, .fixed0 = ALL },
	[59] = { 0x23, 0, .same = ALL, .fixed0 = { 0xfffffff0, 0, 0xffffffff, 0xffffffff },
		.allow = { 0xf, 0, 0, 0 } },
	[60] = { 0x23, 1, .verify = { 0xffffff00, 0xfffffff0, 0, 0 }, .same = ALL,
		.fixed0 = { 0, 0, 0xffffffff, 0xffffffff } },
	[61] = { 0x23, 2, .same = ALL, .fixed0 = ALL },
	[62] = { 0x23, 3, .same = ALL, .fixed0 = { 0, 0xffffffff, 0xffffffff, 0xffffffff } },
	[63] = { 0x5, CPUID_ANY_SUB, .same = ALL, .fixed0 = { 0xffff0000, 0xffff0000, 0xfffffffc, 0 } },
};

/* CPUID_CONFIG[i] of TD_PARAMS and of SYS.RD is this row. */
const uint8_t cpuid_config_row[CPUID_CONFIGS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 59 };

/* Bits that go with a bit of XFAM: all of @xfam must be set, else they are cleared. */
const struct cpuid_xfam cpuid_xfam[] = {
	/* row, xfam, EAX, EBX, ECX, EDX */
	{ 0, BIT32(2), { 0, 0, 0x30001000, 0 } },
	{ 5, BIT32(2), { 0, 0x20, 0x600, 0 } },
	{ 5, BIT32(5) | BIT32(6) | BIT32(7), { 0, 0xdc230000, 0x5842, 0x80010c } },
	{ 5, BIT32(8), { 0, 0x2000000, 0, 0 } },
	{ 5, BIT32(9), { 0, 0, 0x8, 0 } },
	{ 5, BIT32(11) | BIT32(12), { 0, 0, 0x80, 0x100000 } },
	{ 5, BIT32(14), { 0, 0, 0, 0x20 } },
	{ 5, BIT32(15), { 0, 0, 0, 0x80000 } },
	{ 5, BIT32(17) | BIT32(18), { 0, 0, 0, 0x3400000 } },
	{ 6, BIT32(5) | BIT32(6) | BIT32(7), { 0x30, 0, 0, 0 } },
	{ 16, BIT32(2), { 0x4, 0, 0, 0 } },
	{ 16, BIT32(5) | BIT32(6) | BIT32(7), { 0xe0, 0, 0, 0 } },
	{ 16, BIT32(9), { 0x200, 0, 0, 0 } },
	{ 16, BIT32(17) | BIT32(18), { 0x60000, 0, 0, 0 } },
	{ 17, BIT32(8), { 0, 0, 0x100, 0 } },
	{ 17, BIT32(11) | BIT32(12), { 0, 0, 0x1800, 0 } },
	{ 17, BIT32(14), { 0, 0, 0x4000, 0 } },
	{ 17, BIT32(15), { 0, 0, 0x8000, 0 } },
};
const unsigned cpuid_xfam_count = ARRAY_LEN(cpuid_xfam);
/* clang-format on */
