/*
 * profile.h - which version of the TDX module the software one is: everything in which modules
 * differ, as one row of data.
 *
 * Invariants
 *   - Each count, size and mask that metadata tells of is read from the profile, and nothing else
 *     tells a leaf which version it is: there is no version number to compare.
 *   - The storage bounds (SOFT_MOST_...) hold for every row; tests/unit/soft_profiles.c says so.
 *   - A profile never changes once its module runs.
 *
 * Facts: ABI reference sections 7.3 and 12.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_PROFILE_H
#define TAIN_SOFT_PROFILE_H

#include "kernel/base/types.h"

/* What the module's own structures have room for, whatever the profile. */
#define SOFT_MOST_TDMRS       64
#define SOFT_MOST_RESERVED    28 /* of one TDMR: a TDMR_INFO of 512 bytes */
#define SOFT_MOST_TDCS_PAGES  24
#define SOFT_MOST_TDVPS_PAGES 32
#define SOFT_MOST_CONFIGS     32 /* CPUID_CONFIG entries */

/* Bits of TDX_FEATURES0 that leaves ask for. */
#define SOFT_F_MIGRATION     BIT64(0)
#define SOFT_F_PRESERVING    BIT64(1) /* TD-preserving update */
#define SOFT_F_TOPOLOGY      BIT64(20) /* TOPOLOGY_ENUM: TDH.VP.INIT version 1 */
#define SOFT_F_DYNAMIC_PAMT  BIT64(36)
#define SOFT_F_SYS_DISABLE   BIT64(53)

/* Answers that later modules give otherwise: bits of soft_profile.answers. */
/* clang-format off */
#define SOFT_A_UNBLOCK_RCX     BIT32(0)  /* RANGE.UNBLOCK: tracking not done names RCX, not the S-EPT tree */
#define SOFT_A_TSX_NAMES_LEAF  BIT32(1)  /* MNG.INIT: HLE unlike RTM leaves RCX = leaf and sub-leaf */
#define SOFT_A_MISC_ENABLE     BIT32(2)  /* SYS.INIT looks at IA32_MISC_ENABLE bits 7 and 11 */
#define SOFT_A_FREEZE_IN_SMM   BIT32(3)  /* ... and wants IA32_PERF_CAPABILITIES bit 12 */
#define SOFT_A_CHECK_CR3       BIT32(5)  /* VP.WR judges a guest CR3 */
#define SOFT_A_TSC_FIRST       BIT32(6)  /* VP.INIT: IA32_TSC_ADJUST before the vCPU is counted */
#define SOFT_A_ID_RESTORES     BIT32(7)  /* VP.INIT: a refused x2APIC id leaves the vCPU uncounted */
#define SOFT_A_VCPU_STATE      BIT32(8)  /* VCPU_STATE_INCORRECT carries the state */
#define SOFT_A_TRACK_HALTS     BIT32(9)  /* an overflow of TD_EPOCH stops the module */
#define SOFT_A_INIT_ANY_RCX    BIT32(10) /* SYS.INIT version 0 does not look at RCX */
#define SOFT_A_ALL_DETAILS     BIT32(11) /* errors without an operand carry a number all the same */
#define SOFT_A_CMRS_COUNTED    BIT32(12) /* NUM_CMRS counts those that there are, not the list's places */
#define SOFT_A_RANGE_NOT_FREE  BIT32(13) /* PAGE.AUG of 2M says HPA_RANGE_NOT_FREE */
/* clang-format on */

struct cpuid_patch;

struct soft_profile {
	const char *name; /* as in `module = soft:NAME` */
	uint16_t major, minor, update, build_num;
	uint32_t build_date; /* as decimal digits, yyyymmdd */

	uint64_t features0;
	uint64_t attributes_fixed0, attributes_fixed1;
	uint64_t xfam_fixed0, xfam_fixed1;
	uint64_t flags_fixed0, flags_fixed1; /* CONFIG_FLAGS */
	uint64_t arch_cap;                   /* IA32_ARCH_CAPABILITIES_CONFIG_MASK */
	uint32_t answers;                    /* SOFT_A_ */

	uint16_t max_tdmrs, max_reserved;
	uint16_t pamt_entry_bytes[3]; /* 4K, 2M, 1G: 16 at least, of 8 bytes each */
	uint8_t pamt_bitmap_bits;     /* PAMT_PAGE_BITMAP_ENTRY_BITS; 0: no such field */
	uint32_t tdmr_init_bytes;     /* memory whose PAMT one TDMR.INIT initialises */

	uint8_t tdcs_pages, tdcs_l2_pages; /* a TD's, and for each nested VM */
	/* Of the TD's pages: the MSR bitmap, the S-EPT root, the links of migration streams. */
	uint8_t tdcx_bitmap, tdcx_root, tdcx_links;
	uint8_t tdvps_pages, tdvps_l2_pages; /* a vCPU's with the TDVPR, and for each nested VM */
	uint16_t max_vcpus;                  /* of a TD; 0: as many as TD_PARAMS can say, no such field */

	/* CPUID: the rows there are, and those that differ from the first version's. */
	uint8_t cpuid_rows, patch_count;
	const struct cpuid_patch *patches;

	/* Which rows of cpuid_rows[] CPUID_CONFIG's entries are, in their order. */
	uint8_t config_count;
	uint8_t config_row[SOFT_MOST_CONFIGS];

	/* What one module leaves for the next: version written, oldest one taken. */
	uint16_t handoff_version, handoff_oldest, handoff_pages;
	bool no_downgrade;
};

/* The profiles there are; the first is the one that the conformance vectors were recorded from. */
extern const struct soft_profile soft_profiles[];
extern const unsigned soft_profile_count;

/* By name ("1.5.01", "1.5.05", "2.0", "odd"), or NULL; no name: the first. */
const struct soft_profile *soft_profile_find(const char *name);

#endif
