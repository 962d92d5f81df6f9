/*
 * tdmr.h - the memory plan for TDH.SYS.CONFIG: TDMRs, their PAMTs, their reserved areas.
 *
 *   RAM that is convertible  ->  1 GiB blocks  ->  TDMRs  ->  a PAMT for each  ->  reserved areas
 *
 * Invariants
 *   - Pure computation on lists; memory is only asked for through tdmr_memory.alloc.
 *   - The plan obeys the module's rules (ABI: "TDH.SYS.CONFIG", check order per TDMR); tdmr_check()
 *     proves it with code of its own.
 *   - What is not convertible (outside every CMR) must be reserved. Holes inside a CMR are reserved
 *     only while there is room: memory that nobody hands out does no harm in a TDMR. So a map with
 *     many small holes does not exhaust the reserved areas.
 *   - TDMRs are cut smaller, and other places for the PAMTs are tried, before memory is given up:
 *     the smallest pieces, and counted.
 *   - Memory in one run is cut into some TDMRs all the same, so that CPUs initialise them side by
 *     side; their PAMTs lie side by side and take one reserved area together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDMR_H
#define TAIN_TDX_TDMR_H

#include "kernel/base/types.h"
#include "tdx/abi/layout.h"
#include "tdx/ranges.h"

#define TDMR_PLAN_MAX 64                  /* we plan at most so many, whatever the module takes */
#define TDMR_SIZE_MAX (255 * SIZE_1G)     /* its PAMT then fits into one block of 1 GiB */
#define TDMR_SKIP_LOW (UINT64_C(1) << 20) /* the first MiB is never convertible */

struct tdmr_limits {
	uint64_t max_tdmrs, max_reserved;
	uint64_t pamt_entry_bytes[PAMT_LEVELS];
	uint64_t pamt_bitmap_bits; /* dynamic PAMT: for each 4K page, instead of an entry; 0: static */
};

struct tdmr_memory {
	struct ranges ram, cmr;
	/* Bytes of RAM to plan for, in whole GiB blocks from the top down; 0: all. */
	uint64_t wanted;
	/* @bytes of RAM inside CMRs, 4 KiB aligned; HPA_NONE. And back. */
	hpa_t (*alloc)(void *ctx, uint64_t bytes);
	void (*free)(void *ctx, hpa_t base, uint64_t bytes);
	void *ctx;
};

struct tdmr_plan {
	struct tdmr_info tdmr[TDMR_PLAN_MAX]; /* 512-aligned if the plan is page aligned */
	unsigned count;
	struct range pamt[TDMR_PLAN_MAX]; /* one block for each: 4K, 2M, 1G areas in that order */
	struct ranges usable;             /* what pages for the module may come from */
	uint64_t ram_bytes;               /* convertible RAM above the first MiB, as wanted */
	uint64_t lost_bytes;              /* of it in no TDMR, or reserved for want of room */
	uint64_t spared_bytes;            /* convertible RAM beside it that was not wanted */
	uint64_t pamt_bytes;
};

/*
 * Make *@plan (zeroed by the caller). 0; -ENOMEM: no memory for a PAMT or a list; -ENODATA: no
 * convertible RAM at all. After an error nothing is held; after 0 tdmr_plan_free() gives back.
 */
int tdmr_plan_make(struct tdmr_plan *plan, const struct tdmr_memory *memory,
		   const struct tdmr_limits *limits) MUST_CHECK;
void tdmr_plan_free(struct tdmr_plan *plan, const struct tdmr_memory *memory);

/*
 * Would a module with these CMRs and limits take the plan? 0; or -EINVAL and *@why, the status that
 * TDH.SYS.CONFIG would give first.
 */
int tdmr_check(const struct tdmr_info *tdmrs, unsigned count, const struct ranges *cmrs,
	       const struct tdmr_limits *limits, uint64_t *why) MUST_CHECK;

/* Bytes that the plan's TDMRs would take with static PAMT. */
uint64_t tdmr_static_bytes(const struct tdmr_plan *plan, const struct tdmr_limits *limits);

/* Bytes of the PAMT area of @level for a TDMR of @size. */
uint64_t tdmr_pamt_bytes(uint64_t size, enum pamt_level level, const struct tdmr_limits *limits);

#endif
