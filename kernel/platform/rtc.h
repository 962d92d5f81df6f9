/*
 * rtc.h - the clock of the MC146818 in a PC's CMOS chip: time, alarm, periodic and update interrupts.
 *
 * Invariants
 *   - Flags of register C are worked out when somebody looks: what happened since the last look is in
 *     them. A timer is armed only while an interrupt is enabled whose flag is not yet set.
 *   - The line is high from the first enabled flag until register C is read, as the chip's pin is.
 *   - Whatever the guest writes as a date makes some date: arithmetic on small numbers.
 *
 * Registers: MC146818 data sheet, "Register A" to "Register D"; the century byte as ACPI's FADT names it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_RTC_H
#define TAIN_PLATFORM_RTC_H

#include "kernel/base/types.h"
#include "kernel/machine/vtimer.h"

#define RTC_TIME_REGISTERS 8 /* seconds, minutes, hours, weekday, day, month, year, century */

struct rtc {
	uint64_t base_tsc;     /* when the clock stood at: */
	uint64_t base_seconds; /* since 1 January 1970 */
	uint64_t seen_tsc;     /* the flags tell what happened up to here */
	uint8_t a, b, flags;
	uint8_t alarm[3];                  /* seconds, minutes, hours, as written */
	uint8_t held[RTC_TIME_REGISTERS];  /* as written while B.SET holds the clock */
	struct vtimer timer;
	void (*line)(void *ctx, bool high);
	void *ctx;
};

/* @tick is called when rtc_tick() is due, without a lock; it takes the platform's. */
void rtc_init(struct rtc *r, void (*line)(void *ctx, bool high), void (*tick)(void *ctx), void *ctx);
void rtc_fini(struct rtc *r);

/* Is CMOS byte @index one of the clock's? */
bool rtc_owns(uint8_t index);

/* Under the platform's lock. */
uint8_t rtc_read(struct rtc *r, uint8_t index);
void rtc_write(struct rtc *r, uint8_t index, uint8_t value);
void rtc_tick(struct rtc *r);

#endif
