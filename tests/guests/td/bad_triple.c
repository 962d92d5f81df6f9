/*
 * bad_triple.c - a trust domain that ends in a triple fault: no IDT, an undefined instruction.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)index, (void)boot_parameter, (void)width;
	print("bad_triple: now\n");
	load_idt(NULL, 0);
	undefined_instruction();
}
