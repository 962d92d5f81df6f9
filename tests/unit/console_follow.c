/*
 * console_follow.c - what guests print, read from what is kept of it: whole lines with their names, nothing
 * twice, and what a slow reader has missed is counted.
 *
 * links: kernel/net/follow.c kernel/guest/output.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "tests/fake/test.h"

#include "kernel/guest/guest.h"
#include "kernel/net/follow.h"

/* ---- guests, as far as it asks ---- */

static struct guest_config configs[2] = { { .name = "a" }, { .name = "long-named" } };
static struct guest guests[2];
static unsigned count;
static char typed;

unsigned guest_count(void) { return count; }
struct guest *guest_at(unsigned index) { return index < count ? &guests[index] : NULL; }
bool guest_ended(const struct guest *g) { return g->state != GUEST_RUNNING; }

bool guest_type(struct guest *g, uint8_t byte)
{
	typed = (char)byte;
	return g == &guests[1];
}

static bool nowhere(void *ctx, const char *text, size_t length)
{
	(void)ctx;
	(void)text;
	(void)length;
	return false;
}

static void start(unsigned i)
{
	guests[i].config = &configs[i];
	guests[i].state = GUEST_RUNNING;
	guests[i].starts++;
	output_init(&guests[i].output, configs[i].name, nowhere, NULL);
}

static void begin(unsigned n)
{
	follow_nobody();
	memset(guests, 0, sizeof(guests));
	count = n;
	for (unsigned i = 0; i < n; i++)
		start(i);
}

static void prints(unsigned i, const char *text)
{
	for (; *text; text++)
		output_byte(&guests[i].output, (uint8_t)*text);
}

/* What a session reads with room for @size bytes at a time. */
static const char *lines(size_t size)
{
	static char all[65536];
	size_t used = 0, got;

	while (used + size < sizeof(all) && (got = follow_lines()->read(NULL, all + used, size)))
		used += got;
	all[used] = 0;
	return all;
}

TEST(lines_come_whole_with_their_names)
{
	const char *all;

	begin(2);
	prints(0, "before\n");
	follow_all();
	assert_string_equal(lines(2048), "");
	prints(0, "one\r\nhalf");
	prints(1, "two\x1b[2J\n");
	all = lines(2048); /* whose come first changes from turn to turn */
	CHECK(strstr(all, "a| one\n") && strstr(all, "long-named| two[2J\n"));
	CHECK_INT(strlen(all), 7 + 19);
	prints(0, " and half\n\n");
	assert_string_equal(lines(2048), "a| half and half\na| \n");
	assert_string_equal(lines(2048), "");
}

TEST(those_that_are_asked_for_and_no_others)
{
	begin(2);
	follow_guest(&guests[1]);
	CHECK(follow_has(&guests[1]) && !follow_has(&guests[0]));
	prints(0, "no\n");
	prints(1, "yes\n");
	assert_string_equal(lines(2048), "long-named| yes\n");
	follow_guest(&guests[1]); /* again: nothing is read twice */
	assert_string_equal(lines(2048), "");
	follow_lines()->left(NULL);
	prints(1, "more\n");
	assert_string_equal(lines(2048), "");
}

TEST(a_guest_that_comes_later_and_one_that_starts_anew)
{
	begin(1);
	follow_all();
	prints(0, "first life\nunfinished");
	assert_string_equal(lines(2048), "a| first life\n");
	guests[0].state = GUEST_STOPPED;
	assert_string_equal(lines(2048), "a| unfinished\n");
	start(0);
	prints(0, "second\n");
	assert_string_equal(lines(2048), "a| second\n");
	count = 2;
	start(1);
	prints(1, "here\n");
	assert_string_equal(lines(2048), "long-named| here\n");
}

TEST(a_slow_reader_misses_the_oldest_and_is_told)
{
	char text[40];
	const char *all;

	begin(1);
	follow_all();
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "line %u\n", i);
		prints(0, text);
	}
	all = lines(2048);
	CHECK(strncmp(all, "a| [", 4) == 0 && strstr(all, " bytes lost]\n") != NULL);
	CHECK(strstr(all, "a| line 1\n") == NULL && strstr(all, "a| line 1999\n") != NULL);
	assert_string_equal(lines(2048), "");
}

TEST(little_room_and_long_lines_lose_nothing)
{
	char text[40], want[24000];
	const char *all;
	size_t n = 0;

	begin(1);
	follow_all();
	for (unsigned i = 0; i < 600; i++) {
		snprintf(text, sizeof(text), "%u\n", i);
		prints(0, text);
		n += (size_t)snprintf(want + n, sizeof(want) - n, "a| %u\n", i);
	}
	assert_string_equal(lines(512), want);
	for (unsigned i = 0; i < OUTPUT_LINE_MAX + 5; i++)
		prints(0, "x");
	prints(0, "\n");
	all = lines(512);
	CHECK_INT(strlen(all), 3 + OUTPUT_LINE_MAX + 1 + 3 + 5 + 1);
	for (unsigned i = 0; i < OUTPUT_LINE_MAX; i++)
		prints(0, "x");
	prints(0, "\r\n");
	CHECK_INT(strlen(lines(512)), 3 + OUTPUT_LINE_MAX + 1); /* it just fits */
	for (unsigned i = 0; i < 1000; i++)
		prints(0, "\x1b");
	prints(0, "end\n");
	CHECK(strstr(lines(512), "a| end\n") != NULL);
}

TEST(a_console_is_bytes_from_now_on)
{
	char to[512];
	const struct remote_source *s;

	begin(2);
	prints(1, "before");
	s = follow_console(&guests[1]);
	CHECK_INT(s->read(NULL, to, sizeof(to)), 0);
	prints(1, "\x1b[1mlogin: ");
	CHECK_INT(s->read(NULL, to, sizeof(to)), 11);
	CHECK(memcmp(to, "\x1b[1mlogin: ", 11) == 0);
	CHECK(s->type(NULL, 'q') && typed == 'q');
	CHECK(!s->over(NULL));
	for (unsigned i = 0; i < OUTPUT_KEEP + 7; i++)
		prints(1, "y");

	size_t n = s->read(NULL, to, sizeof(to));

	CHECK(n > 20 && memcmp(to, "\n[7 bytes lost]\nyy", 18) == 0);
	guests[1].state = GUEST_DEAD;
	CHECK(s->over(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_with_their_names),
		cmocka_unit_test(those_that_are_asked_for_and_no_others),
		cmocka_unit_test(a_guest_that_comes_later_and_one_that_starts_anew),
		cmocka_unit_test(a_slow_reader_misses_the_oldest_and_is_told),
		cmocka_unit_test(little_room_and_long_lines_lose_nothing),
		cmocka_unit_test(a_console_is_bytes_from_now_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
