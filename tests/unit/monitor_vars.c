/*
 * monitor_vars.c - variables in lines, and what expressions are worth.
 *
 * links: kernel/monitor/vars.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/monitor/vars.h"

static void expressions_have_the_value_that_c_gives_them(void **state)
{
#define ROW(text) { #text, (uint64_t)(text) }
	static const struct {
		const char *text;
		uint64_t value;
	} rows[] = {
		ROW(0), ROW(1), ROW(0x1f), ROW(1 + 2 * 3), ROW((1 + 2) * 3), ROW((1 << 4) | 3),
		{ "1 << 4 | 3", 19 }, { "7 & 3 | 8", 11 }, { "6 ^ 3 & 1", 7 }, ROW(100 / 7 % 5), ROW(10 - 3 - 2),
		ROW(256 >> 2 >> 1), { "2 << 1 + 1", 8 }, ROW(((((5)))) ), ROW(1|2|4),
		{ "~0", UINT64_MAX }, { "-1", UINT64_MAX }, { "- 1 + 2", 1 }, { "4K", 4096 },
		{ "16M + 1k", (16 << 20) + 1024 }, { "2G", UINT64_C(2) << 30 }, { "1 << 64", 0 },
		{ "0xfffff000&~((1<<30)-1)", 0xc0000000 }, { "  7  ", 7 }, { "$a*4K", 5 * 4096 },
		{ "${a}+$b_2", 12 },
	};
	char why[100];
	uint64_t value;

	(void)state;
	vars_clear();
	assert_int_equal(vars_set("a", 5), 0);
	assert_int_equal(vars_set("b_2", 7), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (expression(rows[i].text, &value, why, sizeof(why)))
			fail_msg("%s: %s", rows[i].text, why);
		if (value != rows[i].value)
			fail_msg("%s is %llx, not %llx", rows[i].text, (unsigned long long)value,
				 (unsigned long long)rows[i].value);
	}
}

static void what_is_no_expression_is_refused_in_words(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "", "expected a number" },	 { "1 +", "expected a number" },
		{ "(1", "expected ')'" },	 { "1 2", "expected an operator" },
		{ "0x", "expected a" }, { "4KB", "expected an operator" },
		{ "12ab", "expected an operator" }, { "1/0", "division by zero" },
		{ "5 % (3 - 3)", "division by zero" }, { "$nobody", "no variable 'nobody'" },
		{ "$", "without a variable's name" }, { "${a", "without a variable's name" },
		{ "99999999999999999999999", "a number of 64 bits" }, { "1)", "expected an operator" },
		{ "((((((((((((((((((((((((((((((((((((((((1", "too deep" },
	};
	char why[100];
	uint64_t value = 77;

	(void)state;
	vars_clear();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		why[0] = 0;
		if (!expression(rows[i].text, &value, why, sizeof(why)) || !strstr(why, rows[i].part))
			fail_msg("'%s' is not refused with '%s' but '%s'", rows[i].text, rows[i].part,
				 why);
		assert_int_equal(value, 77);
	}
}

static void variables_are_set_replaced_and_forgotten(void **state)
{
	char name[16];
	uint64_t value;

	(void)state;
	vars_clear();
	assert_int_equal(vars_set("x", 1), 0);
	assert_int_equal(vars_set("x", 2), 0);
	assert_true(vars_get("x", &value));
	assert_int_equal(value, 2);
	assert_null(vars_at(1, &value));
	assert_int_equal(vars_set("7x", 1), -EINVAL);
	assert_int_equal(vars_set("", 1), -EINVAL);
	assert_int_equal(vars_set("a-b", 1), -EINVAL);
	assert_int_equal(vars_set("a_name_that_is_much_too_long", 1), -EINVAL);
	assert_true(vars_unset("x"));
	assert_false(vars_unset("x"));
	for (unsigned i = 0; i < 128; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		assert_int_equal(vars_set(name, i), 0);
	}
	assert_int_equal(vars_set("more", 1), -ENOSPC);
	assert_true(vars_unset("v64"));
	assert_int_equal(vars_set("more", 1), 0);
	assert_true(vars_get("v127", &value));
	assert_int_equal(value, 127);
}

static void a_line_takes_values_outside_of_quotes_only(void **state)
{
	char out[60], why[100];

	(void)state;
	vars_clear();
	assert_int_equal(vars_set("tdr", 0x1000), 0);
	assert_int_equal(vars_expand("a=$tdr b=${tdr}5 \"$tdr $no\" c", out, sizeof(out), why, sizeof(why)), 0);
	assert_string_equal(out, "a=0x1000 b=0x10005 \"$tdr $no\" c");
	assert_int_equal(vars_expand("a # $no", out, sizeof(out), why, sizeof(why)), 0);
	assert_string_equal(out, "a ");
	assert_int_equal(vars_expand("a $no", out, sizeof(out), why, sizeof(why)), -ENOENT);
	assert_int_equal(vars_expand("$tdr $tdr $tdr $tdr $tdr $tdr $tdr $tdr $tdr", out, sizeof(out), why,
				     sizeof(why)), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_have_the_value_that_c_gives_them),
		cmocka_unit_test(what_is_no_expression_is_refused_in_words),
		cmocka_unit_test(variables_are_set_replaced_and_forgotten),
		cmocka_unit_test(a_line_takes_values_outside_of_quotes_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
