/*
 * profile.c - the versions of the TDX module that the software one can be.
 *
 * Invariants
 *   - The first row is the module that the conformance vectors were recorded from.
 *   - `odd` is no module that ever was: its values are legal and unlike all others', so that a host
 *     that knows a number by heart fails on it.
 *
 * Facts: ABI reference sections 4, 7.3, 12; counts of 2.0 from its published source
 * (intel/tdx-module, include/auto_gen_2_0).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/profile.h"

#include <string.h>

#define ATTRIBUTES_1_5 UINT64_C(0x8000000070000001)
#define XFAM_1_5       UINT64_C(0x6dbe7)
#define XFAM_MUST      UINT64_C(3) /* x87, SSE */
#define ARCH_CAP_1_5   (BIT64(4) | BIT64(19) | BIT64(20) | BIT64(24))

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
		.config_count = 12,
		.config_row = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 59 },
		.handoff_pages = 23,
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
