/*
 * stepped.c - a trust domain for debuggers: it works until somebody sets `leave`. A second vCPU works
 * beside it. An INT3 of its own, with a handler of its own, must stay its own.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/stepped.h"
#include "tests/guests/td/tdg.h"

volatile uint32_t rounds, squared, leave, other_rounds;

static void own_breakpoint(const char *when)
{
	static const uint8_t int3[] = { 0xcc };
	struct td_probe regs = { 0 };
	struct td_caught c = td_probe(int3, sizeof(int3), &regs, false);

	td_check(c.any && c.vector == 3, when);
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter, (void)width;
	td_init();
	if (index) {
		while (!leave)
			other_rounds++;
		td_halt();
	}
	own_breakpoint("an INT3 of our own is ours");
	print("stepped: at work\n");
	for (uint32_t n = 1; !one_round(n); n++)
		;
	own_breakpoint("and still is");
	print("stepped: left\n");
	if (td_failures())
		td_fatal("stepped: failed");
	td_power_off();
}
