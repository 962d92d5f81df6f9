/*
 * bad_loop.c - a trust domain that never stops: no exit of its own, interrupts off. Somebody has
 * to take the CPU from it, and `stop` has to end it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter, (void)width;
	if (index == 0)
		print("bad_loop: for ever\n");
	for (;;)
		__builtin_ia32_pause();
}
