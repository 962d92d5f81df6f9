/*
 * rtc.c - the clock counts the TSC; its registers are made when they are read.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/rtc.h"

#include <string.h>

#include "kernel/machine/port.h"

enum { REG_ALARM_FIRST = 1, REG_ALARM_LAST = 5, REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13,
       REG_CENTURY = 0x32 };
enum { SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY };

#define A_UPDATE        0x80
#define A_RESET         0x26 /* 32.768 kHz, 1024 Hz */
#define A_RATE(a)       ((a) & 15u)
#define B_SET           0x80
#define B_PERIODIC      0x40 /* the flags of C in the same places */
#define B_ALARM         0x20
#define B_UPDATED       0x10
#define B_BINARY        0x04
#define B_24H           0x02
#define B_INTERRUPTS    (B_PERIODIC | B_ALARM | B_UPDATED)
#define C_REQUEST       0x80
#define D_VALID         0x80
#define HOUR_PM         0x80
#define ALARM_ANY       0xc0 /* both bits: whatever the time says */
#define NO_TIME         0xff

#define CRYSTAL_HZ      UINT64_C(32768)
#define UPDATE_CYCLES   8 /* of the crystal: 244 us before the second changes */
#define DAY_SECONDS     86400
#define START_SECONDS   UINT64_C(1767225600) /* 1 January 2026 */

/* ---- dates ---- */

/* Days since 1 January 1970 of a date in years from March to February: leap days come last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year += (month - 1) / 12;
	month = (month - 1) % 12 + 1;
	if (month < 3) {
		year--;
		month += 12;
	}
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 -
	       719468;
}

static void date_of(int64_t days, unsigned field[RTC_TIME_REGISTERS])
{
	int64_t year = (days + 719468) / 366, rest;

	while (days_of(year + 1, 3, 1) <= days)
		year++;
	rest = days - days_of(year, 3, 1);

	int64_t month = (5 * rest + 2) / 153;

	field[DAY] = (unsigned)(rest - (153 * month + 2) / 5 + 1);
	field[MONTH] = (unsigned)(month < 10 ? month + 3 : month - 9);
	if (month >= 10)
		year++;
	field[YEAR] = (unsigned)(year % 100);
	field[CENTURY] = (unsigned)(year / 100);
	field[WEEKDAY] = (unsigned)((days + 4) % 7 + 1); /* 1 January 1970 was a Thursday; 1 is Sunday */
}

/* ---- what the registers hold ---- */

static int place_of(uint8_t index)
{
	static const int8_t place[REG_A] = { SECONDS, -1, MINUTES, -1, HOURS, -1, WEEKDAY, DAY, MONTH, YEAR };

	if (index == REG_CENTURY)
		return CENTURY;
	return index < REG_A ? place[index] : -1;
}

static uint8_t encode(const struct rtc *r, int place, unsigned value)
{
	uint8_t pm = 0;

	if (place == HOURS && !(r->b & B_24H)) {
		pm = value >= 12 ? HOUR_PM : 0;
		value = value % 12 ? value % 12 : 12;
	}
	if (!(r->b & B_BINARY))
		value = value / 10 << 4 | value % 10;
	return (uint8_t)(value | pm);
}

static unsigned decode(const struct rtc *r, int place, uint8_t raw)
{
	bool half = place == HOURS && !(r->b & B_24H), pm = half && (raw & HOUR_PM);
	unsigned value = half ? raw & 0x7fu : raw;

	if (!(r->b & B_BINARY))
		value = (value >> 4) * 10 + (value & 15);
	return half ? value % 12 + (pm ? 12 : 0) : value;
}

/* ---- time ---- */

static uint64_t scale(uint64_t n, uint64_t from_hz, uint64_t to_hz)
{
	return n / from_hz * to_hz + n % from_hz * to_hz / from_hz;
}

/* Cycles of the crystal since the base, at @tsc. */
static uint64_t cycles_at(const struct rtc *r, uint64_t tsc)
{
	return scale(tsc - r->base_tsc, tsc_hz(), CRYSTAL_HZ);
}

/* The first TSC at which cycles_at() says @cycles. */
static uint64_t tsc_of(const struct rtc *r, uint64_t cycles)
{
	uint64_t ticks = scale(cycles, CRYSTAL_HZ, tsc_hz());

	return r->base_tsc + ticks + (scale(ticks, tsc_hz(), CRYSTAL_HZ) < cycles);
}

static uint64_t seconds_at(const struct rtc *r, uint64_t tsc)
{
	return r->base_seconds + cycles_at(r, tsc) / CRYSTAL_HZ;
}

static void registers_at(const struct rtc *r, uint64_t tsc, uint8_t raw[RTC_TIME_REGISTERS])
{
	uint64_t seconds = seconds_at(r, tsc), of_day = seconds % DAY_SECONDS;
	unsigned field[RTC_TIME_REGISTERS];

	date_of((int64_t)(seconds / DAY_SECONDS), field);
	field[SECONDS] = (unsigned)(of_day % 60);
	field[MINUTES] = (unsigned)(of_day / 60 % 60);
	field[HOURS] = (unsigned)(of_day / 3600);
	for (int i = 0; i < RTC_TIME_REGISTERS; i++)
		raw[i] = encode(r, i, field[i]);
}

/* The clock goes on from what the registers say; the fraction of the second stays. */
static void set_clock(struct rtc *r, uint64_t now, const uint8_t raw[RTC_TIME_REGISTERS])
{
	unsigned f[RTC_TIME_REGISTERS];
	int64_t seconds;

	for (int i = 0; i < RTC_TIME_REGISTERS; i++)
		f[i] = decode(r, i, raw[i]);
	seconds = days_of(f[CENTURY] * INT64_C(100) + f[YEAR], f[MONTH] ? f[MONTH] : 1, f[DAY]);
	seconds = seconds * DAY_SECONDS + f[HOURS] * 3600 + f[MINUTES] * 60 + f[SECONDS];
	r->base_tsc += (now - r->base_tsc) / tsc_hz() * tsc_hz();
	r->base_seconds = seconds > 0 ? (uint64_t)seconds : 0;
}

/* ---- flags, and when the next comes ---- */

static bool runs(const struct rtc *r) { return !(r->b & B_SET); }

/* Cycles between two periodic flags; 0: none. Rates 1 and 2 are 8 and 9 for this crystal. */
static uint64_t period(const struct rtc *r)
{
	unsigned rate = A_RATE(r->a);

	if (!rate)
		return 0;
	return UINT64_C(1) << ((rate < 3 ? rate + 7 : rate) - 1);
}

/* The first second after @seconds that the alarm names; UINT64_MAX: none. */
static uint64_t next_alarm(const struct rtc *r, uint64_t seconds)
{
	unsigned want[3];
	uint64_t s = seconds + 1, end = s + DAY_SECONDS;

	for (int i = 0; i < 3; i++)
		want[i] = r->alarm[i] >= ALARM_ANY ? NO_TIME : decode(r, i, r->alarm[i]);
	while (s <= end) {
		uint64_t of_day = s % DAY_SECONDS;

		if (want[HOURS] != NO_TIME && want[HOURS] != of_day / 3600)
			s += 3600 - of_day % 3600;
		else if (want[MINUTES] != NO_TIME && want[MINUTES] != of_day / 60 % 60)
			s += 60 - of_day % 60;
		else if (want[SECONDS] != NO_TIME && want[SECONDS] != of_day % 60)
			s++;
		else
			return s;
	}
	return UINT64_MAX;
}

/* What happened since the last look. */
static void look(struct rtc *r)
{
	uint64_t now = tsc_now(), then = r->seen_tsc, p = period(r);

	if (p && cycles_at(r, now) / p != cycles_at(r, then) / p)
		r->flags |= B_PERIODIC;
	if (runs(r)) {
		uint64_t before = seconds_at(r, then), seconds = seconds_at(r, now);

		if (seconds != before)
			r->flags |= B_UPDATED;
		if (seconds != before && next_alarm(r, before) <= seconds)
			r->flags |= B_ALARM;
	}
	r->seen_tsc = now;
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The line follows the flags; while it is low, the timer waits for the next flag that would raise it. */
static void update(struct rtc *r)
{
	uint64_t at = VTIMER_NEVER, now = r->seen_tsc, p = period(r);
	uint8_t wanted = r->b & B_INTERRUPTS;
	bool high = (r->flags & wanted) != 0;

	if (!high && p && (wanted & B_PERIODIC))
		at = tsc_of(r, (cycles_at(r, now) / p + 1) * p);
	if (!high && runs(r) && (wanted & B_UPDATED))
		at = earlier(at, tsc_of(r, (cycles_at(r, now) / CRYSTAL_HZ + 1) * CRYSTAL_HZ));
	if (!high && runs(r) && (wanted & B_ALARM)) {
		uint64_t s = next_alarm(r, seconds_at(r, now));

		if (s != UINT64_MAX)
			at = earlier(at, tsc_of(r, (s - r->base_seconds) * CRYSTAL_HZ));
	}
	vtimer_arm(&r->timer, at);
	r->line(r->ctx, high);
}

void rtc_tick(struct rtc *r)
{
	look(r);
	update(r);
}

/* ---- accesses ---- */

void rtc_init(struct rtc *r, void (*line)(void *ctx, bool high), void (*tick)(void *ctx), void *ctx)
{
	memset(r, 0, sizeof(*r));
	r->base_tsc = r->seen_tsc = tsc_now();
	r->base_seconds = START_SECONDS;
	r->a = A_RESET;
	r->b = B_24H;
	r->line = line;
	r->ctx = ctx;
	vtimer_init(&r->timer, tick, ctx);
}

void rtc_fini(struct rtc *r)
{
	if (r->line)
		vtimer_fini(&r->timer);
}

bool rtc_owns(uint8_t index)
{
	return index <= REG_D || index == REG_CENTURY;
}

static uint8_t take_flags(struct rtc *r)
{
	look(r);

	uint8_t c = r->flags | (r->flags & r->b & B_INTERRUPTS ? C_REQUEST : 0);

	r->flags = 0;
	update(r);
	return c;
}

/* The second is about to change. */
static bool updating(const struct rtc *r, uint64_t now)
{
	return runs(r) && cycles_at(r, now) % CRYSTAL_HZ >= CRYSTAL_HZ - UPDATE_CYCLES;
}

uint8_t rtc_read(struct rtc *r, uint8_t index)
{
	uint8_t raw[RTC_TIME_REGISTERS];
	int place = place_of(index);

	switch (index) {
	case REG_A:
		return r->a | (updating(r, tsc_now()) ? A_UPDATE : 0);
	case REG_B:
		return r->b;
	case REG_C:
		return take_flags(r);
	case REG_D:
		return D_VALID;
	}
	if (place < 0)
		return r->alarm[(index - REG_ALARM_FIRST) / 2];
	if (!runs(r))
		return r->held[place];
	registers_at(r, tsc_now(), raw);
	return raw[place];
}

static void write_b(struct rtc *r, uint8_t value)
{
	uint64_t now = r->seen_tsc;

	if (!(r->b & B_SET) && (value & B_SET))
		registers_at(r, now, r->held);
	if (value & B_SET)
		value &= (uint8_t)~B_UPDATED; /* setting ends update interrupts */

	bool resumes = (r->b & B_SET) && !(value & B_SET);

	r->b = value; /* the registers are what the new mode makes of them */
	if (resumes)
		set_clock(r, now, r->held);
}

static void write_time(struct rtc *r, int place, uint8_t value)
{
	uint8_t raw[RTC_TIME_REGISTERS];

	if (!runs(r)) {
		r->held[place] = value;
		return;
	}
	registers_at(r, r->seen_tsc, raw);
	raw[place] = value;
	set_clock(r, r->seen_tsc, raw);
}

void rtc_write(struct rtc *r, uint8_t index, uint8_t value)
{
	int place = place_of(index);

	if (index == REG_C || index == REG_D)
		return;
	look(r);
	if (index == REG_A)
		r->a = value & (uint8_t)~A_UPDATE;
	else if (index == REG_B)
		write_b(r, value);
	else if (place < 0)
		r->alarm[(index - REG_ALARM_FIRST) / 2] = value;
	else
		write_time(r, place, value);
	update(r);
}
