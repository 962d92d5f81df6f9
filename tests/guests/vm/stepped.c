/*
 * stepped.c - a plain guest for debuggers: it works until somebody sets `leave`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/stepped.h"

#define COM1 0x3f8

void out_byte(uint32_t port, uint32_t value);
uint32_t in_byte(uint32_t port);
void vm_main(uint32_t magic, const void *info);

volatile uint32_t rounds, squared, leave, other_rounds;

static NOINLINE void say(const char *text)
{
	for (; *text; text++)
		out_byte(COM1, (uint8_t)*text);
}

void vm_main(uint32_t magic, const void *info)
{
	(void)magic, (void)info;
	say("stepped: at work\n");
	for (uint32_t n = 1; !one_round(n); n++)
		;
	say("stepped: left\n");
}
