/*
 * net_td.c - a trust domain with a network card, whose rings and buffers lie in shared memory: net.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/net.h"
#include "tests/guests/td/tdg.h"

#define AREA       UINT32_C(0x01000000)
#define AREA_BYTES UINT64_C(0x10000)

static uint64_t shared_bit;

uint32_t port_get(uint32_t port, unsigned bytes)
{
	uint64_t value = 0;

	(void)vmcall(VMCALL_IO, bytes, 0, port, 0, &value);
	return (uint32_t)value;
}

void port_put(uint32_t port, unsigned bytes, uint32_t v) { (void)vmcall(VMCALL_IO, bytes, 1, port, v, NULL); }

uint32_t mmio_get(uint32_t at, unsigned bytes)
{
	uint64_t value = 0;

	(void)vmcall(VMCALL_MMIO, bytes, 0, at | shared_bit, 0, &value);
	return (uint32_t)value;
}

void mmio_put(uint32_t at, unsigned bytes, uint32_t v) { (void)vmcall(VMCALL_MMIO, bytes, 1, at | shared_bit, v, NULL); }

uint64_t time_now(void) { return read_tsc(); }
void say_char(char c) { put_char(c); }

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	uint64_t next;

	(void)index, (void)boot_parameter;
	td_init();
	shared_bit = UINT64_C(1) << ((width & 0x3f) - 1);
	if (vmcall(VMCALL_MAP_GPA, AREA | shared_bit, AREA_BYTES, 0, 0, &next))
		td_fatal("net: memory would not be shared");
	card_gpa = AREA;
	card_memory = map_shared(AREA);
	obey_all();
	td_power_off();
}
