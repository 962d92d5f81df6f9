/*
 * pmtimer.h - the PIIX4's power-management block: PM1a event and control, the 3.579545 MHz timer.
 *
 * The block is decoded at PM_BASE from the start; PMBASE (PCI 0:1.3, 40h) says so and cannot be
 * moved.
 *
 * Registers: Intel 82371AB (PIIX4) data sheet, "Power Management I/O space".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PMTIMER_H
#define TAIN_PLATFORM_PMTIMER_H

#include "kernel/base/types.h"

#define PM_BASE      0xb000
#define PM_SIZE      0x40
#define PM_TIMER_HZ  UINT64_C(3579545)

struct pmtimer {
	uint16_t pm1_status, pm1_enable, pm1_control;
	uint64_t start_tsc;
	void (*sleep)(void *ctx, unsigned type); /* SLP_EN written with this SLP_TYP */
	void *ctx;
};

void pmtimer_init(struct pmtimer *pm, void (*sleep)(void *ctx, unsigned type), void *ctx);
uint32_t pmtimer_read(void *pm, unsigned offset, unsigned bytes);
void pmtimer_write(void *pm, unsigned offset, unsigned bytes, uint32_t value);

#endif
