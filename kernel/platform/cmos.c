/*
 * cmos.c - RTC registers made from the TSC, and the CMOS bytes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/cmos.h"

#include <string.h>

#include "kernel/machine/port.h"

#define RTC_A          0x0a
#define RTC_B          0x0b
#define RTC_C          0x0c
#define RTC_D          0x0d
#define RTC_A_DIVIDER  0x26 /* 32.768 kHz, 1024 Hz rate; update in progress is never seen */
#define RTC_B_24H      0x02 /* 24 hours, BCD */
#define RTC_D_VALID    0x80
#define CMOS_CENTURY   0x32
#define CMOS_EXT_LOW   0x17 /* KiB above 1 MiB, at most 63 MiB; again at 30h */
#define CMOS_EXT_LOW2  0x30
#define CMOS_ABOVE_16M 0x34 /* 64 KiB units, below 4 GiB */
#define CMOS_ABOVE_4G  0x5b /* 64 KiB units, three bytes */
#define CMOS_CPUS      0x5f /* besides the first */

#define START_YEAR 2026 /* its first second is the clock's first */

static void put16(uint8_t *at, uint64_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

void cmos_init(struct cmos *c, struct guest_ram ram, unsigned vcpus)
{
	uint64_t low = ram.low, high = ram.high;
	uint64_t ext_kib = low > (1u << 20) ? (low - (1u << 20)) / 1024 : 0;

	memset(c, 0, sizeof(*c));
	c->start_tsc = tsc_now();
	put16(&c->byte[0x15], 640);
	put16(&c->byte[CMOS_EXT_LOW], ext_kib < 0xfc00 ? ext_kib : 0xfc00);
	put16(&c->byte[CMOS_EXT_LOW2], ext_kib < 0xfc00 ? ext_kib : 0xfc00);
	put16(&c->byte[CMOS_ABOVE_16M], low > (16u << 20) ? (low - (16u << 20)) >> 16 : 0);
	put16(&c->byte[CMOS_ABOVE_4G], high >> 16);
	c->byte[CMOS_ABOVE_4G + 2] = (uint8_t)(high >> 32);
	c->byte[CMOS_CPUS] = (uint8_t)(vcpus - 1);
	c->byte[RTC_B] = RTC_B_24H;
}

static uint8_t bcd(unsigned v)
{
	return (uint8_t)(v / 10 << 4 | v % 10);
}

static bool leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* RTC register @index (0 to 9, or the century) at @seconds after the start. */
static uint8_t clock_register(uint64_t seconds, uint8_t index)
{
	static const uint8_t month_days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year = START_YEAR, month = 0;
	uint64_t days = seconds / 86400;
	unsigned weekday = (unsigned)((days + 4) % 7 + 1); /* 1 January 2026 was a Thursday */

	while (days >= (leap(year) ? 366u : 365u))
		days -= leap(year++) ? 366 : 365;
	for (; days >= month_days[month] + (month == 1 && leap(year) ? 1u : 0u); month++)
		days -= month_days[month] + (month == 1 && leap(year) ? 1u : 0u);
	switch (index) {
	case 0:
		return bcd((unsigned)(seconds % 60));
	case 2:
		return bcd((unsigned)(seconds / 60 % 60));
	case 4:
		return bcd((unsigned)(seconds / 3600 % 24));
	case 6:
		return bcd(weekday);
	case 7:
		return bcd((unsigned)days + 1);
	case 8:
		return bcd(month + 1);
	case 9:
		return bcd(year % 100);
	default:
		return bcd(year / 100);
	}
}

static bool is_clock(uint8_t index)
{
	return index == 0 || index == 2 || index == 4 || (index >= 6 && index <= 9) ||
	       index == CMOS_CENTURY;
}

uint32_t cmos_read(void *cmos, unsigned offset, unsigned bytes)
{
	struct cmos *c = cmos;

	(void)bytes;
	if (offset == 0)
		return 0xff; /* the index is write-only */
	if (is_clock(c->index))
		return clock_register((tsc_now() - c->start_tsc) / tsc_hz(), c->index);
	switch (c->index) {
	case RTC_A:
		return RTC_A_DIVIDER;
	case RTC_C:
		return 0; /* no alarm or periodic interrupt is pending */
	case RTC_D:
		return RTC_D_VALID;
	default:
		return c->byte[c->index];
	}
}

void cmos_write(void *cmos, unsigned offset, unsigned bytes, uint32_t value)
{
	struct cmos *c = cmos;

	(void)bytes;
	if (offset == 0)
		c->index = value & 0x7f;
	else if (!is_clock(c->index)) /* nobody sets the clock */
		c->byte[c->index] = (uint8_t)value;
}
