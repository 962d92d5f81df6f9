/*
 * platform_rtc.c - what the clock chip promises: dates in each of its formats, setting, alarm, periodic and
 * update interrupts. Time passes when the test moves the clock's past.
 *
 * links: kernel/machine/vtimer.c kernel/platform/rtc.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/rtc.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

enum { A = 10, B = 11, C = 12, D = 13, CENTURY = 0x32 };
enum { SET = 0x80, PIE = 0x40, AIE = 0x20, UIE = 0x10, BINARY = 4, H24 = 2 };

static struct rtc r;
static bool line;
static unsigned edges;

static void on_line(void *ctx, bool high)
{
	(void)ctx;
	edges += high && !line;
	line = high;
}

static void on_tick(void *ctx) { (void)ctx; }

static int start(void **state)
{
	(void)state;
	machine_start(MACHINE_DEFAULT_SIZE, 1);
	if (vtimer_start())
		return -1;
	line = false;
	edges = 0;
	rtc_init(&r, on_line, on_tick, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rtc_fini(&r);
	return 0;
}

static void pass(uint64_t ticks)
{
	r.base_tsc -= ticks;
	r.seen_tsc -= ticks;
}

static void seconds(uint64_t n) { pass(n * tsc_hz()); }

static void put(uint8_t index, uint8_t value) { rtc_write(&r, index, value); }
static uint8_t get(uint8_t index) { return rtc_read(&r, index); }

static void is(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t weekday, uint8_t hour,
	       uint8_t minute, uint8_t second)
{
	CHECK_INT(get(CENTURY), century);
	CHECK_INT(get(9), year);
	CHECK_INT(get(8), month);
	CHECK_INT(get(7), day);
	CHECK_INT(get(6), weekday);
	CHECK_INT(get(4), hour);
	CHECK_INT(get(2), minute);
	CHECK_INT(get(0), second);
}

static void set(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute,
		uint8_t second)
{
	put(B, get(B) | SET);
	put(CENTURY, century);
	put(9, year);
	put(8, month);
	put(7, day);
	put(4, hour);
	put(2, minute);
	put(0, second);
	put(B, get(B) & (uint8_t)~SET);
}

TEST(it_starts_as_documented)
{
	is(0x20, 0x26, 1, 1, 5, 0, 0, 0); /* a Thursday */
	CHECK_INT(get(A) & 0x7f, 0x26);
	CHECK_INT(get(B), H24);
	CHECK_INT(get(D), 0x80);
	CHECK_INT(get(C), 0);
}

TEST(days_months_and_leap_years_pass)
{
	seconds(59 * 86400 + 3661);
	is(0x20, 0x26, 3, 1, 1, 1, 1, 1); /* 1 March 2026, a Sunday */
	set(0x20, 0x28, 2, 0x28, 0x23, 0x59, 0x59);
	seconds(1);
	is(0x20, 0x28, 2, 0x29, 3, 0, 0, 0);
	seconds(86400);
	is(0x20, 0x28, 3, 1, 4, 0, 0, 0);
	set(0x20, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
	seconds(1);
	is(0x21, 0, 1, 1, 6, 0, 0, 0);
	set(0x21, 0, 2, 0x28, 0x23, 0x59, 0x59); /* no leap year */
	seconds(1);
	is(0x21, 0, 3, 1, 2, 0, 0, 0);
	set(0x19, 0x70, 1, 1, 0, 0, 0);
	is(0x19, 0x70, 1, 1, 5, 0, 0, 0);
}

TEST(twelve_hours_and_binary)
{
	seconds(13 * 3600 + 45 * 60 + 30);
	is(0x20, 0x26, 1, 1, 5, 0x13, 0x45, 0x30);
	put(B, BINARY | H24);
	is(20, 26, 1, 1, 5, 13, 45, 30);
	put(B, BINARY);
	CHECK_INT(get(4), 0x80 | 1);
	put(B, 0);
	CHECK_INT(get(4), 0x81);
	set(0x20, 0x26, 1, 1, 0x92, 0, 0); /* 12 PM is noon */
	put(B, H24);
	CHECK_INT(get(4), 0x12);
	put(B, 0);
	set(0x20, 0x26, 1, 1, 0x12, 0, 0); /* 12 AM is midnight */
	CHECK_INT(get(4), 0x12);
	put(B, H24);
	CHECK_INT(get(4), 0);
}

TEST(while_it_is_set_the_clock_stands_still)
{
	put(B, SET | UIE | H24);
	CHECK_INT(get(B), SET | H24); /* setting ends update interrupts */
	put(0, 0x42);
	seconds(5);
	CHECK_INT(get(0), 0x42);
	CHECK_INT(get(A) & 0x80, 0);
	CHECK_INT(get(C) & (AIE | UIE), 0);
	put(B, H24);
	CHECK_INT(get(0), 0x42);
	seconds(3);
	CHECK_INT(get(0), 0x45);
	put(0, 0x10); /* without SET it is set too */
	CHECK_INT(get(0), 0x10);
}

TEST(any_bytes_make_some_date)
{
	for (unsigned v = 0; v < 256; v += 5)
		for (unsigned mode = 0; mode < 8; mode += 2) {
			put(B, (uint8_t)(mode & (BINARY | H24)));
			set((uint8_t)v, (uint8_t)~v, (uint8_t)(v * 3), (uint8_t)(v * 7), (uint8_t)(v * 11),
			    (uint8_t)(v * 13), (uint8_t)(v * 17));
			for (uint8_t i = 0; i < 14; i++)
				(void)get(i);
			put(B, BINARY | H24);
			CHECK(get(8) >= 1 && get(8) <= 12 && get(7) >= 1 && get(7) <= 31 && get(4) < 24);
		}
}

TEST(an_update_is_announced_just_before_the_second)
{
	pass(tsc_hz() - tsc_hz() / 5000); /* 200 us before */
	CHECK_INT(get(A) & 0x80, 0x80);
	start(NULL);
	pass(tsc_hz() - tsc_hz() / 100);
	CHECK_INT(get(A) & 0x80, 0);
}

TEST(periodic_interrupts_come_until_their_flag_is_read_no_more)
{
	put(B, PIE | H24);
	CHECK(!line && vtimer_armed(&r.timer));
	CHECK(r.timer.deadline - r.base_tsc <= tsc_hz()); /* 1024 Hz: soon */
	pass(tsc_hz() / 1000);
	rtc_tick(&r);
	CHECK(line);
	CHECK(!vtimer_armed(&r.timer)); /* a guest that does not answer costs nothing */
	rtc_tick(&r);
	CHECK_INT(edges, 1);
	CHECK_INT(get(C) & 0xc0, 0xc0);
	CHECK(!line && vtimer_armed(&r.timer));
	CHECK_INT(get(C), 0);
	put(A, 0x20); /* rate 0: none */
	seconds(2);
	CHECK_INT(get(C) & PIE, 0);
}

TEST(each_rate_is_its_power_of_two)
{
	static const uint16_t hz[16] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
					 256, 128, 64,  32,   16,   8,    4,    2 };

	for (uint8_t rate = 1; rate < 16; rate++) {
		start(NULL);
		put(A, 0x20 | rate);
		put(B, PIE | H24);
		uint64_t left = r.timer.deadline - r.base_tsc, period = tsc_hz() / hz[rate];

		/* The next multiple of the period: the test itself takes a while. */
		CHECK(left + tsc_hz() / 1000000 >= period);
		CHECK(left % period < tsc_hz() / 100000 || period - left % period < tsc_hz() / 100000);
		rtc_fini(&r);
	}
	start(NULL);
}

TEST(each_second_is_an_update_interrupt)
{
	put(B, UIE | H24);
	(void)get(C);
	for (unsigned i = 1; i <= 3; i++) {
		seconds(1);
		rtc_tick(&r);
		CHECK(line);
		CHECK_INT(edges, i);
		CHECK_INT(get(C) & (0x80 | UIE), 0x80 | UIE);
		CHECK(!line);
	}
}

static bool alarm_after(uint64_t n, uint8_t hour, uint8_t minute, uint8_t second)
{
	start(NULL);
	put(5, hour);
	put(3, minute);
	put(1, second);
	put(B, AIE | H24);
	(void)get(C);

	uint64_t left = r.timer.deadline - r.base_tsc;

	CHECK(vtimer_armed(&r.timer));
	CHECK_INT(left / tsc_hz() + (left % tsc_hz() > tsc_hz() / 2), n);
	if (n > 1) {
		seconds(n - 1);
		rtc_tick(&r);
		CHECK(!line);
		seconds(1);
	} else {
		seconds(n);
	}
	rtc_tick(&r);
	rtc_fini(&r);
	return line && (r.flags & AIE);
}

TEST(an_alarm_comes_at_its_time_and_may_leave_parts_open)
{
	CHECK(alarm_after(90, 0, 1, 0x30));
	CHECK(alarm_after(3600, 1, 0, 0));
	CHECK(alarm_after(86400, 0, 0, 0)); /* now is too late: tomorrow */
	CHECK(alarm_after(30, 0xff, 0xff, 0x30));
	CHECK(alarm_after(60, 0xc0, 0xc0, 0));
	CHECK(alarm_after(2 * 60 + 5, 0xff, 2, 5));
	CHECK(alarm_after(1, 0xff, 0xff, 0xff));
	start(NULL);
}

TEST(an_alarm_that_no_clock_shows_never_comes)
{
	put(5, 0x25);
	put(B, AIE | H24);
	CHECK(!vtimer_armed(&r.timer));
	seconds(3 * 86400);
	rtc_tick(&r);
	CHECK(!line);
	CHECK_INT(get(C) & AIE, 0);
}

TEST(flags_are_set_also_where_nobody_wants_an_interrupt)
{
	put(1, 5);
	put(3, 0xff);
	put(5, 0xff);
	(void)get(C);
	seconds(7);
	CHECK_INT(get(C), PIE | AIE | UIE);
	CHECK_INT(get(C) & (AIE | UIE), 0);
	CHECK_INT(edges, 0);
	CHECK(!vtimer_armed(&r.timer));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		T(it_starts_as_documented), T(days_months_and_leap_years_pass), T(twelve_hours_and_binary),
		T(while_it_is_set_the_clock_stands_still), T(any_bytes_make_some_date),
		T(an_update_is_announced_just_before_the_second),
		T(periodic_interrupts_come_until_their_flag_is_read_no_more),
		T(each_rate_is_its_power_of_two), T(each_second_is_an_update_interrupt),
		T(an_alarm_comes_at_its_time_and_may_leave_parts_open),
		T(an_alarm_that_no_clock_shows_never_comes),
		T(flags_are_set_also_where_nobody_wants_an_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
