/*
 * bad_memory.c - a trust domain that reads memory it does not have: private, at 2 GiB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)index, (void)boot_parameter, (void)width;
	td_init();
	print("bad_memory: now\n");
	(void)*(volatile uint64_t *)UINT64_C(0x80000000);
	print("bad_memory: FAIL, the read came back\n");
	td_power_off();
}
