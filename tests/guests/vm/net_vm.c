/*
 * net_vm.c - a plain guest with a network card: net.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/net.h"

#define AREA      UINT32_C(0x00800000)

/* centry.asm */
void out_byte(uint32_t port, uint32_t value);
uint32_t in_byte(uint32_t port);
void out_dword(uint32_t port, uint32_t value);
void vm_main(uint32_t magic, const void *info);

uint32_t port_get(uint32_t port, unsigned bytes)
{
	(void)bytes; /* none but bytes are read */
	return in_byte(port);
}

void port_put(uint32_t port, unsigned bytes, uint32_t v)
{
	if (bytes == 4)
		out_dword(port, v);
	else
		out_byte(port, v);
}

uint32_t mmio_get(uint32_t at, unsigned bytes)
{
	return bytes == 1 ? *(volatile uint8_t *)at : bytes == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
}

void mmio_put(uint32_t at, unsigned bytes, uint32_t v)
{
	if (bytes == 1)
		*(volatile uint8_t *)at = (uint8_t)v;
	else if (bytes == 2)
		*(volatile uint16_t *)at = (uint16_t)v;
	else
		*(volatile uint32_t *)at = v;
}

uint64_t time_now(void) { return __builtin_ia32_rdtsc(); }
void say_char(char c) { out_byte(COM1, (uint8_t)c); }

void vm_main(uint32_t magic, const void *info)
{
	(void)magic, (void)info;
	card_gpa = AREA;
	card_memory = (volatile uint8_t *)AREA;
	obey_all();
}
