/*
 * guest_ram.h - where a guest's RAM lies: from 0 up, around the hole below 4 GiB, on from 4 GiB.
 *
 * Invariants
 *   - One function splits: firmware, tables, slots, devices and measurements agree by construction.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_GUEST_RAM_H
#define TAIN_BASE_GUEST_RAM_H

#include "kernel/base/types.h"

#define GUEST_LOW_TOP   UINT64_C(0xc0000000) /* the hole begins here at the latest */
#define GUEST_HIGH_BASE UINT64_C(0x100000000)

/* Bytes from 0 on, and from GUEST_HIGH_BASE on. */
struct guest_ram {
	uint64_t low, high;
};

/* @memory bytes, at most @low_max of them below 4 GiB; 0: up to GUEST_LOW_TOP. */
static inline struct guest_ram guest_ram_split(uint64_t memory, uint64_t low_max)
{
	uint64_t top = low_max && low_max < GUEST_LOW_TOP ? low_max : GUEST_LOW_TOP;

	return memory < top ? (struct guest_ram){ memory, 0 }
			    : (struct guest_ram){ top, memory - top };
}

/* As a PC has it when nobody asked for something else. */
static inline struct guest_ram guest_ram_usual(uint64_t memory)
{
	return guest_ram_split(memory, 0);
}

static inline uint64_t guest_ram_bytes(struct guest_ram ram) { return ram.low + ram.high; }

#endif
