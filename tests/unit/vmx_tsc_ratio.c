/*
 * vmx_tsc_ratio.c - the fraction by which a guest is told the TSC's rate is as near as any.
 *
 * links: kernel/vmx/tsc_ratio.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmx/tsc_ratio.h"

#define CRYSTAL UINT64_C(1000000000)
#define NUM_MAX 4294u

static uint64_t off(uint64_t num, uint64_t den, uint64_t hz)
{
	uint64_t is = num * CRYSTAL / den;

	return is > hz ? is - hz : hz - is;
}

/* The least distance of all fractions with a numerator that is small enough. */
static uint64_t least_off(uint64_t hz)
{
	uint64_t least = UINT64_MAX;

	for (uint64_t num = 1; num <= NUM_MAX; num++)
		for (uint64_t den = num * CRYSTAL / hz; den <= num * CRYSTAL / hz + 1; den++)
			if (den && off(num, den, hz) < least)
				least = off(num, den, hz);
	return least;
}

static void none_is_nearer(void **state)
{
	uint64_t hz = 1;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		hz = hz * UINT64_C(6364136223846793005) + 1442695040888963407u;

		/* 5 MHz to 8 GHz */
		uint64_t rate = 5000000 + (hz >> 20) % UINT64_C(8000000000);
		struct tsc_ratio r = tsc_ratio_nearest(rate, CRYSTAL, NUM_MAX);

		assert_true(r.den && r.num && r.num <= NUM_MAX);
		assert_true(off(r.num, r.den, rate) <= least_off(rate) + 1);
	}
}

static void simple_rates_are_exact(void **state)
{
	static const struct {
		uint64_t hz;
		uint32_t num, den;
	} rows[] = { { 200000000, 1, 5 },    { 1000000000, 1, 1 },  { 2500000000, 5, 2 },
		     { 3300000000, 33, 10 }, { 2904000000, 363, 125 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tsc_ratio r = tsc_ratio_nearest(rows[i].hz, CRYSTAL, NUM_MAX);

		assert_int_equal(r.num, rows[i].num);
		assert_int_equal(r.den, rows[i].den);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_nearer),
		cmocka_unit_test(simple_rates_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
