/*
 * bad_halt.c - a trust domain all of whose vCPUs halt with interrupts blocked: nothing but an NMI could
 * wake it, and nobody sends one. It is over, and the console says why.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter, (void)width;
	if (index == 0)
		print("bad_halt: for ever\n");
	td_halt();
}
