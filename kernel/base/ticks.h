/*
 * ticks.h - how long something took, many times: smallest, largest, and the median to half a power of
 * two.
 *
 * Invariant: one writer; who reads meanwhile sees a sum that was right a moment ago or will be.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_TICKS_H
#define TAIN_BASE_TICKS_H

#include "kernel/base/types.h"

#define TICK_BUCKETS 48u /* two for each power of two; the last holds all that is longer */

struct tick_stats {
	uint64_t count, min, max;
	uint32_t bucket[TICK_BUCKETS];
};

static inline void tick_stats_add(struct tick_stats *s, uint64_t ticks)
{
	unsigned n = ticks ? 63u - (unsigned)__builtin_clzll(ticks) : 0;
	unsigned half = n ? (unsigned)(ticks >> (n - 1) & 1) : 0;
	unsigned b = 2 * n + half;

	s->bucket[b < TICK_BUCKETS ? b : TICK_BUCKETS - 1]++;
	if (ticks < s->min || !s->count)
		s->min = ticks;
	if (ticks > s->max)
		s->max = ticks;
	s->count++;
}

/* Half of them took no more than this; 0: there were none. */
static inline uint64_t tick_stats_median(const struct tick_stats *s)
{
	uint64_t seen = 0;

	for (unsigned b = 0; b < TICK_BUCKETS && s->count; b++) {
		uint64_t base = UINT64_C(1) << b / 2, ticks = base + (b % 2 ? base / 2 : 0) + base / 4;

		seen += s->bucket[b];
		if (2 * seen < s->count)
			continue;
		if (ticks < s->min)
			return s->min;
		return ticks < s->max ? ticks : s->max;
	}
	return s->count ? s->max : 0;
}

#endif
