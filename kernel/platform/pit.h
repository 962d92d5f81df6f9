/*
 * pit.h - the 8254 timer: channel 0 to interrupt 0, channel 2 behind the gate of port 61h.
 *
 * Invariants
 *   - Counts are made from the TSC when somebody reads them; only channel 0's output has a timer.
 *   - Channel 0 raises its interrupt at most once for each period that has passed: what a vCPU that
 *     did not run has missed is not made up for.
 *
 * Registers: 8254 data sheet; port 61h of the 82371AB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PIT_H
#define TAIN_PLATFORM_PIT_H

#include "kernel/base/types.h"
#include "kernel/machine/vtimer.h"

#define PIT_HZ UINT64_C(1193182)

struct pit_channel {
	uint32_t reload;    /* 1 to 65536 */
	uint8_t mode, access, latched_status;
	bool bcd, write_high, read_high, count_latched, status_latched, null_count, gate;
	uint8_t low_written;
	uint16_t latch;
	uint64_t start_tsc; /* when it began to count down from reload */
};

struct pit {
	struct pit_channel channel[3];
	struct vtimer timer;
	uint8_t port61; /* bits 1:0: speaker data, gate 2 */
	void (*tick)(void *ctx); /* channel 0's output rose; from the timer, no lock held */
	void *ctx;
	uint64_t ticks;
};

void pit_init(struct pit *p, void (*tick)(void *ctx), void *ctx);
void pit_fini(struct pit *p);

/* To be called by the tick function, under the lock of the PIT: arms the next one. */
void pit_next_tick(struct pit *p);

uint32_t pit_read(void *pit, unsigned offset, unsigned bytes);
void pit_write(void *pit, unsigned offset, unsigned bytes, uint32_t value);
uint32_t port61_read(void *pit, unsigned offset, unsigned bytes);
void port61_write(void *pit, unsigned offset, unsigned bytes, uint32_t value);

#endif
