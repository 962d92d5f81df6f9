/*
 * profile.c - the versions of the TDX module that the software one can be.
 *
 * Invariants
 *   - The first row is the module that the conformance vectors were recorded from.
 *   - `odd` is no module that ever was: its values are legal and unlike all others', so that a host
 *     that knows a number by heart fails on it.
 *   - Build number and date are zero where the published source leaves them to the build.
 *
 * Facts: ABI reference sections 4, 7.3, 12; counts of 2.0 from its published source
 * (intel/tdx-module, include/auto_gen_2_0).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/profile.h"

#include <string.h>

#include "tdx/soft/cpuid.h"

#define ATTRIBUTES_1_5 UINT64_C(0x8000000070000001)
#define XFAM_1_5       UINT64_C(0x6dbe7)
#define XFAM_MUST      UINT64_C(3) /* x87, SSE */
#define ARCH_CAP_1_5   (BIT64(4) | BIT64(19) | BIT64(20) | BIT64(24))

#define ANSWERS_1_5_05                                                                          \
	(SOFT_A_UNBLOCK_RCX | SOFT_A_TSX_NAMES_LEAF | SOFT_A_MISC_ENABLE | SOFT_A_FREEZE_IN_SMM | \
	 SOFT_A_CHECK_CR3 | SOFT_A_TRACK_HALTS)
#define ANSWERS_2_0                                                                            \
	(ANSWERS_1_5_05 | SOFT_A_TSC_FIRST | SOFT_A_ID_RESTORES | SOFT_A_VCPU_STATE |          \
	 SOFT_A_INIT_ANY_RCX | SOFT_A_RANGE_NOT_FREE)

const struct soft_profile soft_profiles[] = {
	{
		.name = "1.5.01",
		.major = 1,
		.minor = 5,
		.update = 1,
		.build_num = 500,
		.build_date = 20230401,
		.features0 = UINT64_C(0xf0fbf),
		.attributes_fixed0 = ATTRIBUTES_1_5,
		.xfam_fixed0 = XFAM_1_5,
		.xfam_fixed1 = XFAM_MUST,
		.flags_fixed0 = 7,
		.arch_cap = ARCH_CAP_1_5,
		.max_tdmrs = 64,
		.max_reserved = 16,
		.pamt_entry_bytes = { 16, 16, 16 },
		.tdmr_init_bytes = 0x400000,
		.tdcs_pages = 6,
		.tdcs_l2_pages = 1,
		.tdvps_pages = 6,
		.tdvps_l2_pages = 3,
		.tdcx_bitmap = 2,
		.tdcx_root = 3,
		.tdcx_links = 5,
		.cpuid_rows = 64,
		.config_count = 12,
		.config_row = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 59 },
		.handoff_pages = 23,
	},
	{
		.name = "1.5.05",
		.major = 1,
		.minor = 5,
		.update = 5,
		.features0 = UINT64_C(0xf0fbf) | SOFT_F_TOPOLOGY,
		.attributes_fixed0 = ATTRIBUTES_1_5,
		.xfam_fixed0 = XFAM_1_5,
		.xfam_fixed1 = XFAM_MUST,
		.flags_fixed0 = 7,
		.arch_cap = ARCH_CAP_1_5,
		.answers = ANSWERS_1_5_05,
		.max_tdmrs = 64,
		.max_reserved = 16,
		.pamt_entry_bytes = { 16, 16, 16 },
		.tdmr_init_bytes = 0x400000,
		.tdcs_pages = 6,
		.tdcs_l2_pages = 1,
		.tdvps_pages = 6,
		.tdvps_l2_pages = 3,
		.max_vcpus = 576,
		.tdcx_bitmap = 2,
		.tdcx_root = 3,
		.tdcx_links = 5,
		.cpuid_rows = 64,
		.patches = cpuid_patches_1_5_05,
		.patch_count = CPUID_PATCHES_1_5_05,
		.config_count = 18,
		.config_row = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 59, 46, 47, 48, 49, 50, 51 },
		.handoff_pages = 23,
	},
	{
		.name = "2.0",
		.major = 2,
		.minor = 0,
		.features0 = UINT64_C(0xf0fbf) | SOFT_F_TOPOLOGY | SOFT_F_DYNAMIC_PAMT |
			     SOFT_F_SYS_DISABLE,
		.attributes_fixed0 = ATTRIBUTES_1_5,
		.xfam_fixed0 = XFAM_1_5,
		.xfam_fixed1 = XFAM_MUST,
		.flags_fixed0 = 7,
		.arch_cap = ARCH_CAP_1_5,
		.answers = ANSWERS_2_0,
		.max_tdmrs = 64,
		.max_reserved = 16,
		.pamt_entry_bytes = { 16, 16, 16 },
		.pamt_bitmap_bits = 1,
		.tdmr_init_bytes = 0x400000,
		.tdcs_pages = 9,
		.tdcs_l2_pages = 1,
		.tdvps_pages = 6,
		.tdvps_l2_pages = 3,
		.max_vcpus = 1376,
		.tdcx_bitmap = 5,
		.tdcx_root = 6,
		.tdcx_links = 8,
		.cpuid_rows = 78,
		.patches = cpuid_patches_2_0,
		.patch_count = CPUID_PATCHES_2_0,
		.config_count = 28,
		.config_row = { 0,  1,  2,  3,	4,  5,	6,  7,	8,  9,	14, 59, 46, 47,
				48, 49, 50, 51, 42, 68, 69, 70, 71, 73, 74, 75, 76, 77 },
		.handoff_version = 1,
		.handoff_pages = 23,
	},
	{
		.name = "odd",
		.major = 7,
		.minor = 3,
		.update = 11,
		.build_num = 9,
		.build_date = 20991231,
		.features0 = UINT64_C(0xf0fbf) | SOFT_F_TOPOLOGY | SOFT_F_DYNAMIC_PAMT | BIT64(45) |
			     BIT64(61),
		.attributes_fixed0 = BIT64(0) | BIT64(28) | BIT64(29),
		.attributes_fixed1 = BIT64(28),
		.xfam_fixed0 = XFAM_1_5 & ~(BITS64(7, 5) | BIT64(9)),
		.xfam_fixed1 = XFAM_MUST,
		.flags_fixed0 = 7,
		.answers = ANSWERS_2_0 | SOFT_A_ALL_DETAILS | SOFT_A_CMRS_COUNTED,
		.max_tdmrs = 37,
		.max_reserved = 5,
		.pamt_entry_bytes = { 24, 40, 72 },
		.pamt_bitmap_bits = 3,
		.tdmr_init_bytes = 0x2000000,
		.tdcs_pages = 11,
		.tdcs_l2_pages = 2,
		.tdvps_pages = 8,
		.tdvps_l2_pages = 4,
		.max_vcpus = 13,
		.tdcx_bitmap = 4,
		.tdcx_root = 9,
		.tdcx_links = 7,
		.cpuid_rows = 67,
		.patches = cpuid_patches_1_5_05,
		.patch_count = CPUID_PATCHES_1_5_05,
		.config_count = 13,
		.config_row = { 59, 51, 50, 49, 48, 47, 46, 9, 5, 4, 14, 0, 6 },
		.handoff_version = 6,
		.handoff_oldest = 4,
		.handoff_pages = 3,
	},
};
const unsigned soft_profile_count = ARRAY_LEN(soft_profiles);

const struct soft_profile *soft_profile_find(const char *name)
{
	if (!name)
		return &soft_profiles[0];
	for (unsigned i = 0; i < soft_profile_count; i++)
		if (strcmp(soft_profiles[i].name, name) == 0)
			return &soft_profiles[i];
	return NULL;
}
