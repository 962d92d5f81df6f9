/*
 * cfg_lex.c - what the line lexer of tain.cfg promises.
 *
 * links: kernel/base/cfg_lex.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/base/cfg_lex.h"

static struct cfg_lex lex;
static struct cfg_item item;

/* The text in a heap block of exactly its size, so that the sanitizer sees one byte too many. */
static char *start(const char *text, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, text, size);
	cfg_lex_init(&lex, copy, size);
	return copy;
}

static void expect(enum cfg_kind kind, unsigned line, const char *key, const char *value)
{
	assert_true(cfg_lex_next(&lex, &item));
	assert_int_equal(item.kind, kind);
	assert_int_equal(item.line, line);
	assert_true(cfg_span_is(item.key, key));
	if (value)
		assert_true(cfg_span_is(item.value, value));
}

static void expect_bad(unsigned line, const char *why_part)
{
	assert_true(cfg_lex_next(&lex, &item));
	assert_int_equal(item.kind, CFG_BAD);
	assert_int_equal(item.line, line);
	assert_non_null(strstr(item.why, why_part));
}

static void reads_sections_pairs_and_comments(void **state)
{
	static const char text[] = "# first\n\n[tain]\r\nlog = info   # why\n  [ td  hello ]  # x\n"
				   "cmdline = console=ttyS0 a#b\nempty =\nlast=1";
	char *copy = start(text, sizeof(text) - 1);

	(void)state;
	expect(CFG_SECTION, 3, "tain", "");
	expect(CFG_PAIR, 4, "log", "info");
	expect(CFG_SECTION, 5, "td", "hello");
	expect(CFG_PAIR, 6, "cmdline", "console=ttyS0 a#b");
	expect(CFG_PAIR, 7, "empty", "");
	expect(CFG_PAIR, 8, "last", "1");
	assert_false(cfg_lex_next(&lex, &item));
	assert_int_equal(item.kind, CFG_END);
	free(copy);
}

static void quotes_keep_comment_signs_and_blanks(void **state)
{
	static const char text[] = "cmdline = \" a # b \"\ncmdline = x=\"a # b\" y # c\nq = \"a\" \"b\"\n";
	char *copy = start(text, sizeof(text) - 1);

	(void)state;
	expect(CFG_PAIR, 1, "cmdline", " a # b ");
	expect(CFG_PAIR, 2, "cmdline", "x=\"a # b\" y");
	expect(CFG_PAIR, 3, "q", "\"a\" \"b\"");
	assert_false(cfg_lex_next(&lex, &item));
	free(copy);
}

static void bad_lines_are_named_and_skipped(void **state)
{
	static const char text[] = "nonsense\n[open\n[]\n= 3\na = \"open\nb\001 = 1\nok = 1\n";
	char *copy = start(text, sizeof(text) - 1);

	(void)state;
	expect_bad(1, "expected");
	expect_bad(2, "]");
	expect_bad(3, "name");
	expect_bad(4, "key");
	expect_bad(5, "quote");
	expect_bad(6, "control");
	expect(CFG_PAIR, 7, "ok", "1");
	assert_false(cfg_lex_next(&lex, &item));
	free(copy);
}

static void a_line_that_is_too_long_is_bad_alone(void **state)
{
	size_t size = CFG_LINE_MAX + 20;
	char *text = malloc(size);

	(void)state;
	memset(text, 'a', size);
	memcpy(text + size - 6, "\nk = v", 6);
	cfg_lex_init(&lex, text, size);
	expect_bad(1, "long");
	expect(CFG_PAIR, 2, "k", "v");
	free(text);
}

static void a_byte_order_mark_is_skipped(void **state)
{
	char *copy = start("\xef\xbb\xbfk = v", 8);

	(void)state;
	expect(CFG_PAIR, 1, "k", "v");
	free(copy);
	copy = start("\xef\xbb", 2);
	assert_true(cfg_lex_next(&lex, &item));
	assert_int_equal(item.kind, CFG_BAD);
	free(copy);
}

static void empty_text_ends_at_once(void **state)
{
	char *copy = start("", 0);

	(void)state;
	assert_false(cfg_lex_next(&lex, &item));
	free(copy);
}

static void copies_fit_or_leave_nothing(void **state)
{
	struct cfg_span s = { "/a/b", 4 };
	char out[5];

	(void)state;
	assert_true(cfg_span_copy(s, out, sizeof(out)));
	assert_string_equal(out, "/a/b");
	assert_true(cfg_span_copy_path(s, out, sizeof(out)));
	assert_string_equal(out, "\\a\\b");
	assert_false(cfg_span_copy(s, out, 4));
	assert_string_equal(out, "");
	assert_false(cfg_span_copy(s, out, 0));
}

static struct cfg_span span(const char *s) { return (struct cfg_span){ s, strlen(s) }; }

static void only_paths_are_files(void **state)
{
	(void)state;
	assert_true(cfg_names_file(span("td"), span("firmware"), span("\\tain\\hello.fd")));
	assert_true(cfg_names_file(span("vm"), span("image"), span("plain.bin")));
	assert_true(cfg_names_file(span("tain"), span("script"), span("boot.txt")));
	assert_true(cfg_names_file(span("tain"), span("module"), span("\\tain\\tdx.bin")));
	assert_false(cfg_names_file(span("tain"), span("module"), span("soft:1.5.05")));
	assert_false(cfg_names_file(span("tain"), span("kernel"), span("x")));
	assert_false(cfg_names_file(span("td"), span("memory"), span("64M")));
	assert_false(cfg_names_file(span("td"), span("kernel"), span("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sections_pairs_and_comments),
		cmocka_unit_test(quotes_keep_comment_signs_and_blanks),
		cmocka_unit_test(bad_lines_are_named_and_skipped),
		cmocka_unit_test(a_line_that_is_too_long_is_bad_alone),
		cmocka_unit_test(a_byte_order_mark_is_skipped),
		cmocka_unit_test(empty_text_ends_at_once),
		cmocka_unit_test(copies_fit_or_leave_nothing),
		cmocka_unit_test(only_paths_are_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
