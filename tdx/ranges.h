/*
 * ranges.h - small sets of address ranges: what the TDMR planner computes with.
 *
 * Invariants
 *   - A list is ascending, its ranges do not overlap or touch, none is empty.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_RANGES_H
#define TAIN_TDX_RANGES_H

#include "kernel/base/types.h"

struct range {
	uint64_t base, end; /* end: first byte behind it */
};

struct ranges {
	struct range *r;
	size_t count, capacity;
};

void ranges_free(struct ranges *l);

/* Add [base, end), joining what it overlaps or touches. Nothing happens if it is empty. -ENOMEM. */
int ranges_add(struct ranges *l, uint64_t base, uint64_t end) MUST_CHECK;

/* Take [base, end) away. -ENOMEM (one range can become two). */
int ranges_remove(struct ranges *l, uint64_t base, uint64_t end) MUST_CHECK;

/* *out (empty before): what is in both. -ENOMEM. */
int ranges_intersect(const struct ranges *a, const struct ranges *b, struct ranges *out) MUST_CHECK;

/* *out (empty before): what of [base, end) is not in @l. -ENOMEM. */
int ranges_holes(const struct ranges *l, uint64_t base, uint64_t end,
		 struct ranges *out) MUST_CHECK;

/* Bytes of @l in [base, end). */
uint64_t ranges_bytes(const struct ranges *l, uint64_t base, uint64_t end);

/* How many separate holes @l has in [base, end). */
size_t ranges_hole_count(const struct ranges *l, uint64_t base, uint64_t end);

#endif
