/*
 * monitor_line.c - what a user sees and gets when editing a line, and how lines become words.
 *
 * A small terminal model follows what the editor sends; what it shows must be what the editor
 * holds, after every single key.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: kernel/monitor/line.c kernel/monitor/words.c */
#include "kernel/monitor/line.h"
#include "kernel/monitor/words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char screen[2048];
static unsigned column, screen_length, bells;
static char parameter[8];
static int escape; /* 0 text, 1 after ESC, 2 in CSI */

static void screen_byte(char c)
{
	if (escape == 1) {
		escape = c == '[' ? 2 : 0;
		parameter[0] = 0;
	} else if (escape == 2 && c >= '0' && c <= '9') {
		strncat(parameter, &c, 1);
	} else if (escape == 2) {
		escape = 0;
		if (c == 'D') {
			assert_true(column >= (unsigned)atoi(parameter));
			column -= (unsigned)atoi(parameter);
		} else if (c == 'K') {
			screen_length = column;
		} else {
			assert_true(c == 'H' || c == 'J');
		}
	} else if (c == 0x1b) {
		escape = 1;
	} else if (c == '\r') {
		column = 0;
	} else if (c == '\n') {
		column = screen_length = 0;
	} else if (c == '\a') {
		bells++;
	} else {
		screen[column++] = c;
		if (column > screen_length)
			screen_length = column;
	}
	screen[screen_length] = 0;
}

static void to_screen(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		screen_byte(text[i]);
}

static const char *const names[] = { "guests", "guard", "help", "hello" };

static const char *completion(void *ctx, const char *text, unsigned start, unsigned end,
			      unsigned nth)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncmp(names[i], text + start, end - start) == 0 && nth-- == 0)
			return names[i];
	return NULL;
}

static struct line line;

static void fresh(void)
{
	memset(&line, 0, sizeof(line));
	line.prompt = "> ";
	line.write = to_screen;
	line.complete = completion;
	column = screen_length = bells = 0;
	escape = 0;
	line_start(&line);
}

/* What the terminal shows is what the editor holds. */
static void screen_agrees(void)
{
	assert_int_equal(strlen(line.text), line.len);
	assert_true(line.pos <= line.len && line.len < LINE_BYTES);
	assert_memory_equal(screen, "> ", 2);
	assert_string_equal(screen + 2, line.text);
	assert_int_equal(column, 2 + line.pos);
}

static enum line_event keys(const char *typed)
{
	enum line_event event = LINE_MORE;

	for (; *typed; typed++) {
		event = line_key(&line, (uint8_t)*typed);
		if (event == LINE_MORE)
			screen_agrees();
	}
	return event;
}

static void expect(const char *typed, const char *text)
{
	fresh();
	assert_int_equal(keys(typed), LINE_MORE);
	assert_string_equal(line.text, text);
}

static void editing_keys_do_what_a_shell_does(void **state)
{
	(void)state;
	expect("abc", "abc");
	expect("abc\x7f", "ab");
	expect("\x7f", "");
	expect("abc\x1b[D\x1b[DX", "aXbc");
	expect("abc\x01X", "Xabc");
	expect("abc\x01\x06X", "aXbc");
	expect("abc\x01\x05X", "abcX");
	expect("abc\x01\x04", "bc");
	expect("abc\x1b[H\x1b[3~", "bc");
	expect("abc\x1b[1~\x1b[4~d", "abcd");
	expect("one two three\x17", "one two ");
	expect("one two three\x17\x17\x19", "one two ");
	expect("one two\x15", "");
	expect("one two\x15x\x19", "xone two");
	expect("one two\x02\x02\x02\x0b", "one ");
	expect("abc\x1b[25~", "abc");
	expect("abc\x1b[1;5D!", "ab!c");
	expect("a\x1bOD!", "!a");
	expect("ab\x0c", "ab");
}

static void a_line_ends_once_whatever_enter_sends(void **state)
{
	(void)state;
	fresh();
	assert_int_equal(keys("ab\r"), LINE_DONE);
	assert_string_equal(line.text, "ab");
	line_start(&line);
	assert_int_equal(line_key(&line, '\n'), LINE_MORE); /* of CR LF */
	assert_int_equal(keys("c\n"), LINE_DONE);
	line_start(&line);
	assert_int_equal(keys("xyz\x03"), LINE_CANCEL);
	line_start(&line);
	assert_int_equal(line_key(&line, 0x04), LINE_EOF);
}

static void a_line_never_outgrows_its_buffer(void **state)
{
	(void)state;
	fresh();
	for (int i = 0; i < LINE_BYTES * 2; i++)
		line_key(&line, 'x');
	assert_int_equal(line.len, LINE_BYTES - 1);
	assert_true(bells > 0);
	keys("\x15\x19\x19");
	assert_int_equal(line.len, LINE_BYTES - 1);
}

static void enter_line(const char *text)
{
	keys(text);
	line_key(&line, '\r');
	line_remember(&line, line.text);
	line_start(&line);
}

static void history_walks_back_and_returns_to_what_was_typed(void **state)
{
	(void)state;
	fresh();
	enter_line("first");
	enter_line("second");
	enter_line("second");
	enter_line("");
	keys("half\x1b[A");
	assert_string_equal(line.text, "second");
	keys("\x10");
	assert_string_equal(line.text, "first");
	keys("\x10");
	assert_string_equal(line.text, "first");
	keys("\x1b[B");
	assert_string_equal(line.text, "second");
	keys("\x0e");
	assert_string_equal(line.text, "half");
	keys("\x0e");
	assert_string_equal(line.text, "half");
	for (int i = 0; i < LINE_HISTORY * 2; i++) {
		char text[16];

		keys("\x15");
		snprintf(text, sizeof(text), "n%d", i);
		enter_line(text);
	}
	for (int i = 0; i < LINE_HISTORY * 2; i++)
		line_key(&line, 0x10);
	assert_string_equal(line.text, "n64");
}

static void tab_completes_as_far_as_it_is_sure(void **state)
{
	(void)state;
	expect("gue\t", "guests ");
	expect("g\t", "gu");
	expect("start hell\t", "start hello ");
	expect("zz\t", "zz");
	assert_int_equal(bells, 1);
	expect("he\t", "hel");
	expect("hel\t\t", "hel");
	fresh();
	keys("x guar\x01");
	keys("\x05\t!");
	assert_string_equal(line.text, "x guard !");
}

static void any_keys_leave_screen_and_text_in_agreement(void **state)
{
	static const char alphabet[] =
		"ab \x01\x02\x04\x05\x06\x08\x0b\x0e\x10\x15\x17\x19\x7f\t\x1b[ADCBHF~3";
	uint32_t seed = 7;

	(void)state;
	fresh();
	enter_line("old line");
	for (int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (line.len > 300)
			line_key(&line, 0x15);
		if (line_key(&line, (uint8_t)alphabet[(seed >> 16) % (sizeof(alphabet) - 1)]) !=
		    LINE_MORE)
			line_start(&line);
		else
			screen_agrees();
	}
}

/* ------------------------------------------------------------------ words */

static void check_words(const char *text, int count, ...)
{
	char buf[256], *argv[WORDS_MAX];
	va_list ap;

	strcpy(buf, text);
	assert_int_equal(words_split(buf, argv), count);
	va_start(ap, count);
	for (int i = 0; i < count; i++)
		assert_string_equal(argv[i], va_arg(ap, const char *));
	va_end(ap);
}

static void words_are_split_at_blanks_and_kept_by_quotes(void **state)
{
	char many[256] = "", *argv[WORDS_MAX];

	(void)state;
	check_words("", 0);
	check_words("  \t ", 0);
	check_words("# all of it", 0);
	check_words("a b\tc", 3, "a", "b", "c");
	check_words("expect x \"good bye\" 5", 4, "expect", "x", "good bye", "5");
	check_words("a\"b c\"d", 1, "ab cd");
	check_words("\"\"", 1, "");
	check_words("\"say \\\"hi\\\\\"", 1, "say \"hi\\");
	check_words("\\tain\\x.txt # note", 1, "\\tain\\x.txt");
	check_words("a#b", 1, "a#b");
	check_words("a \"b", -EINVAL);
	for (int i = 0; i < WORDS_MAX + 1; i++)
		strcat(many, "w ");
	assert_int_equal(words_split(many, argv), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(editing_keys_do_what_a_shell_does),
		cmocka_unit_test(a_line_ends_once_whatever_enter_sends),
		cmocka_unit_test(a_line_never_outgrows_its_buffer),
		cmocka_unit_test(history_walks_back_and_returns_to_what_was_typed),
		cmocka_unit_test(tab_completes_as_far_as_it_is_sure),
		cmocka_unit_test(any_keys_leave_screen_and_text_in_agreement),
		cmocka_unit_test(words_are_split_at_blanks_and_kept_by_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
