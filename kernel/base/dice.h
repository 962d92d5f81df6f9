/*
 * dice.h - which calls an injected fault concerns: by count, and by dice that fall the same way again.
 *
 * Invariants
 *   - What happens to call n follows from the rule and n alone: the same rule and the same calls give
 *     the same run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_DICE_H
#define TAIN_BASE_DICE_H

#include "kernel/base/types.h"

#define DICE_ALWAYS 1000u

struct dice {
	uint32_t nth;         /* the first call that is concerned; 1 is the next, 0 none */
	uint32_t times;       /* how many calls from there on; 0: all */
	uint32_t chance;      /* of 1000 of those calls; DICE_ALWAYS: each */
	uint64_t seed;        /* of the dice */
	uint64_t calls, hits; /* so far; atomic */
};

/* A throw for call @n: 0 to 999 (the mixing function is splitmix64's). */
static inline uint32_t dice_throw(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + n * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % DICE_ALWAYS);
}

/* One more call: is it concerned? Any CPU, any context. */
static inline bool dice_hit(struct dice *d)
{
	uint64_t n = __atomic_add_fetch(&d->calls, 1, __ATOMIC_RELAXED);

	if (!d->nth || n < d->nth || (d->times && n - d->nth >= d->times) ||
	    dice_throw(d->seed, n) >= d->chance)
		return false;
	__atomic_fetch_add(&d->hits, 1, __ATOMIC_RELAXED);
	return true;
}

#endif
