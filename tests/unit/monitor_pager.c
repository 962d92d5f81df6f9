/*
 * monitor_pager.c - a screenful at a time, and nothing lost.
 *
 * links: kernel/monitor/pager.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/monitor/pager.h"

static char seen[1 << 20];
static size_t seen_bytes;
static const char *keys;
static unsigned asked;

static void see(const char *text, size_t length)
{
	assert_true(seen_bytes + length < sizeof(seen));
	memcpy(seen + seen_bytes, text, length);
	seen[seen_bytes += length] = 0;
}

static int press(void)
{
	asked++;
	return *keys ? *keys++ : -1;
}

static struct pager p = { .write = see, .key = press };

/* A command that prints lines 1 to @count on a screen of @rows. */
static void print(unsigned rows, unsigned count, const char *typed)
{
	seen_bytes = asked = 0;
	seen[0] = 0;
	keys = typed;
	pager_begin(&p, rows);
	for (unsigned i = 1; i <= count; i++) {
		char line[16];

		pager_write(&p, line, (size_t)snprintf(line, sizeof(line), "%u\n", i));
	}
}

static unsigned last_line_seen(void)
{
	unsigned last = 0, n;

	for (const char *at = seen; *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "")
		if (sscanf(at[0] == '-' && strrchr(at, 'K') ? strstr(at, "\x1b[K") + 3 : at, "%u", &n) == 1)
			last = n;
	return last;
}

static void what_fits_is_not_paged(void **state)
{
	(void)state;
	print(5, 4, "");
	pager_end(&p);
	assert_int_equal(asked, 0);
	assert_string_equal(seen, "1\n2\n3\n4\n");
}

static void a_page_then_another(void **state)
{
	(void)state;
	print(5, 10, "  ");
	assert_string_equal(seen, "1\n2\n3\n4\n");
	pager_end(&p);
	assert_int_equal(asked, 2);
	assert_int_equal(last_line_seen(), 10);
}

static void enter_is_a_line_and_q_the_end(void **state)
{
	(void)state;
	print(5, 100, "\r\rxq");
	pager_end(&p);
	assert_int_equal(asked, 4); /* x is no answer */
	assert_int_equal(last_line_seen(), 6);
	print(5, 100, "");
	pager_end(&p); /* interrupted */
	assert_int_equal(last_line_seen(), 4);
}

static void without_a_screen_all_goes_through(void **state)
{
	(void)state;
	print(0, 1000, "");
	pager_end(&p);
	assert_int_equal(asked, 0);
	assert_int_equal(last_line_seen(), 1000);
}

static void a_command_that_waits_is_not_held_up(void **state)
{
	(void)state;
	print(5, 10, "");
	pager_pass(&p);
	assert_int_equal(last_line_seen(), 10);
	pager_write(&p, "11\n", 3);
	assert_int_equal(last_line_seen(), 11);
	pager_end(&p);
	assert_int_equal(asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_is_not_paged),
		cmocka_unit_test(a_page_then_another),
		cmocka_unit_test(enter_is_a_line_and_q_the_end),
		cmocka_unit_test(without_a_screen_all_goes_through),
		cmocka_unit_test(a_command_that_waits_is_not_held_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
