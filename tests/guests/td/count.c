/*
 * count.c - counts to a fixed number, again and again, and says how many ticks each time took: what is
 * more than the instructions is what the machine under it did meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define ROUNDS     5u
#define ITERATIONS UINT64_C(50000000) /* of two instructions */

void count_down(uint64_t n); /* loop.asm */

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)index, (void)boot_parameter, (void)width;
	td_init();
	for (unsigned i = 0; i < ROUNDS; i++) {
		(void)read_tsc(); /* the second reading counts: an emulator may be late with the first */
		uint64_t start = read_tsc();

		count_down(ITERATIONS);
		(void)read_tsc();
		print("count: %lu instructions in %lu ticks\n", 2 * ITERATIONS, read_tsc() - start);
	}
	td_power_off();
}
