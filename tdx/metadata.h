/*
 * metadata.h - what the module says of itself: read once by TDH.SYS.RD, then only looked at.
 *
 * Invariants
 *   - Sizes and counts are taken as the module gives them, once they are not absurd and fit what
 *     our structures hold; a field that it lacks keeps its stated default.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_METADATA_H
#define TAIN_TDX_METADATA_H

#include "kernel/base/types.h"
#include "tdx/abi/layout.h"
#include "tdx/abi/metadata.h"

#define TDX_CMR_MAX      64
#define TDX_CMR_LIMIT    (UINT64_C(1) << 52)
#define TDX_METADATA_WHY 120

struct tdx_metadata {
	/* Each is one field of the table in metadata.c. */
	uint64_t vendor, build_date, build_num, major, minor, update;
	uint64_t features0;
	uint64_t max_tdmrs, max_reserved_per_tdmr;
	uint64_t pamt_entry_bytes[PAMT_LEVELS];
	uint64_t pamt_bitmap_bits; /* of dynamic PAMT, for each 4K page; 0: it has none */
	uint64_t tdcs_bytes, tdvps_bytes;
	uint64_t attributes_fixed0, attributes_fixed1, xfam_fixed0, xfam_fixed1;
	uint64_t flags_fixed0, flags_fixed1;
	uint64_t cpuid_config_count, max_vcpus, cmr_count;

	/* leaf, sub-leaf (~0: none) and the bits that TD_PARAMS may set, in TD_PARAMS order */
	struct tdx_cpuid_config cpuid_config[TD_PARAMS_CPUID_MAX];
	struct cmr_info cmr[TDX_CMR_MAX]; /* only non-empty ones */
};

/* SYS.RD everything; this CPU has run LP.INIT. 0, or -EIO, -ENOMEM, -EINVAL (absurd) and @why. */
int tdx_metadata_read(struct tdx_metadata *md, char why[TDX_METADATA_WHY]) MUST_CHECK;

#endif
