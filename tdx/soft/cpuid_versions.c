/*
 * cpuid_versions.c - the CPUID rows that later versions of the module have otherwise.
 *
 * Invariants
 *   - A row keeps its leaf and sub-leaf: only masks and values differ.
 *
 * Facts: ABI reference section 12.1, "CPUID_CONFIG"; masks of 2.0 from its published source
 * (intel/tdx-module, include/auto_gen_2_0).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"

#define ALL                                                    \
	{                                                      \
		0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff \
	}

/* A sub-leaf of 1F whose values the host chooses. */
#define TOPOLOGY(row, sub)                                                                \
	{                                                                                 \
		row, { 0x1f, sub, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 },      \
		       .fixed0 = { 0xffffffe0, 0xffff0000, 0xffff0000, 0xffffffff },      \
		       .direct = { 0x1f, 0xffff, 0xffff, 0 } }                            \
	}

/* A cache of leaf 4: 2.0 lets fewer bits of EDX through. */
#define CACHE(row, sub)                                                                   \
	{                                                                                 \
		row, { 0x4, sub, .verify = { 0, 0xfff, 0, 0 }, .value = { 0, 0x3f, 0, 0 }, \
		       .same = ALL, .fixed0 = { 0x3c00, 0, 0, 0xfffffff8 },               \
		       .direct = { 0xffffc3ff, 0xfffff000, 0xffffffff, 0x7 } }            \
	}

/* clang-format off */
const struct cpuid_patch cpuid_patches_1_5_05[CPUID_PATCHES_1_5_05] = {
	{ ROW_7_1, { 0x7, 1, .same = ALL, .fixed0 = { 0xfbffe2cf, 0xffffffff, 0xffffffff, 0xfffffbcf },
		     .allow = { 0x04001d30, 0, 0, 0x430 } } },
	TOPOLOGY(ROW_1F_0, 0), TOPOLOGY(ROW_1F_0 + 1, 1), TOPOLOGY(ROW_1F_0 + 2, 2),
	TOPOLOGY(ROW_1F_0 + 3, 3), TOPOLOGY(ROW_1F_0 + 4, 4),
	{ ROW_1F_5, { 0x1f, 5, .verify = { 0, 0, 0xff00, 0 }, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 },
		      .fixed0 = { 0xffffffe0, 0xffff0000, 0xffff0000, 0xffffffff },
		      .direct = { 0x1f, 0xffff, 0xffff, 0 } } },
};

const struct cpuid_patch cpuid_patches_2_0[CPUID_PATCHES_2_0] = {
	{ ROW_7_1, { 0x7, 1, .same = ALL, .fixed0 = { 0xfb57e200, 0xffffffff, 0xffffffff, 0xfffdbbcf },
		     .allow = { 0x04a81dbf, 0, 0, 0x24430 } } },
	CACHE(ROW_4_0, 0), CACHE(ROW_4_0 + 1, 1), CACHE(ROW_4_0 + 2, 2),
	TOPOLOGY(ROW_1F_0, 0), TOPOLOGY(ROW_1F_0 + 1, 1), TOPOLOGY(ROW_1F_0 + 2, 2),
	TOPOLOGY(ROW_1F_0 + 3, 3), TOPOLOGY(ROW_1F_0 + 4, 4),
	{ ROW_1F_5, { 0x1f, 5, .verify = { 0, 0, 0xff00, 0 }, .same = { 0xffffffff, 0xffffffff, 0xffffffff, 0 },
		      .fixed0 = { 0xffffffe0, 0xffff0000, 0xffff0000, 0xffffffff },
		      .direct = { 0x1f, 0xffff, 0xffff, 0 } } },
};
/* clang-format on */
