/*
 * tsc_ratio.c - the nearest fraction, by continued fractions.
 *
 * Two neighbours approach the value from both sides; each step of Euclid's algorithm brings one of
 * them nearer. When the next would be too large, the last part of that step that is not is tried.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/tsc_ratio.h"

struct fraction {
	uint64_t num, den;
};

/* @a + @times * @b, as neighbours are added. */
static struct fraction step(struct fraction a, struct fraction b, uint64_t times)
{
	return (struct fraction){ a.num + times * b.num, a.den + times * b.den };
}

static uint64_t distance(struct fraction f, uint64_t hz, uint64_t crystal_hz)
{
	uint64_t is = f.num * crystal_hz / f.den;

	return is > hz ? is - hz : hz - is;
}

struct tsc_ratio tsc_ratio_nearest(uint64_t hz, uint64_t crystal_hz, uint32_t num_max)
{
	struct fraction before = { 0, 1 }, last = { 1, 0 };
	uint64_t a = hz, b = crystal_hz;

	while (b) {
		struct fraction next = step(before, last, a / b);
		uint64_t rest = a % b;

		if (next.num > num_max) {
			next = step(before, last, (num_max - before.num) / last.num);
			if (distance(next, hz, crystal_hz) < distance(last, hz, crystal_hz))
				last = next;
			break;
		}
		before = last;
		last = next;
		a = b;
		b = rest;
	}
	return (struct tsc_ratio){ (uint32_t)last.num, (uint32_t)last.den };
}
