/*
 * stepped.h - what the guests for debuggers do, plain and trust domain alike: a few small functions called
 * again and again, variables to be watched and changed, an INT3 of their own.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_GUESTS_STEPPED_H
#define TAIN_TESTS_GUESTS_STEPPED_H

#include <stdbool.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline, noclone))

extern volatile uint32_t rounds, squared, leave, other_rounds;

/* The debugger breaks here; its argument goes up by one a call. */
static NOINLINE uint32_t square(uint32_t x)
{
	return x * x;
}

/* The only place that writes `squared`. */
static NOINLINE void note(uint32_t value) { squared = value; }

/* True: the debugger has set `leave`. */
static NOINLINE bool one_round(uint32_t n)
{
	note(square(n));
	rounds++;
	return leave != 0;
}

#endif
