/*
 * monitor_command.c - lines to commands, tables to text and JSON, scripts: the promises of the
 * console that need no machine. The command lists here are the test's own.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: kernel/monitor/command.c kernel/monitor/words.c kernel/monitor/out.c
 * kernel/monitor/script.c kernel/monitor/vars.c */
#include "kernel/monitor/command.h"
#include "kernel/monitor/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int runs;
static char last_words[200];

static int cmd_pass(struct call *c)
{
	runs++;
	last_words[0] = 0;
	for (int i = 0; i < c->argc; i++) {
		strcat(last_words, c->argv[i]);
		strcat(last_words, "|");
	}
	return 0;
}

static int cmd_break(struct call *c)
{
	runs++;
	return command_fail(c, "it is %s", "broken");
}

static int cmd_list(struct call *c)
{
	out_table(c->out);
	for (int i = 0; i < c->argc; i++) {
		out_row(c->out);
		out_text(c->out, "word", c->argv[i]);
		out_number(c->out, "length", strlen(c->argv[i]));
		out_hex(c->out, "bits", 0xabcull << (4 * i));
		out_bool(c->out, "long", strlen(c->argv[i]) > 3);
	}
	out_end(c->out);
	out_printf(c->out, "for people\n");
	return 0;
}

static int cmd_record(struct call *c)
{
	out_record(c->out);
	out_text(c->out, "name", c->argv[0]);
	out_number(c->out, "count", 18446744073709551615ull);
	out_end(c->out);
	return 0;
}

const struct command basic_commands[] = {
	{ "pass", "A [B]", "does nothing", cmd_pass, 1, 2, COMPLETE_NOTHING, 0, NULL },
	{ "break", "", "fails", cmd_break, 0, 0, COMPLETE_NOTHING, COMMAND_VERDICT, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command machine_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command guest_commands[] = {
	{ "list", "WORD...", "lists", cmd_list, 0, 30, COMPLETE_NOTHING, COMMAND_JSON, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command trace_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command check_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command tdx_commands[] = {
	{ "record", "NAME", "one record", cmd_record, 1, 1, COMPLETE_NOTHING, COMMAND_JSON, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command inject_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command bench_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command script_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command net_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command seamldr_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command lan_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command use_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command hardware_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command look_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command look_td_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command debug_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command seamcall_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command gdb_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
const struct command mmu_commands[] = {
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};

static char printed[65536];
static size_t printed_length;
static unsigned writes;

static void catch (void *ctx, const char *text, size_t n)
{
	(void)ctx;
	assert_true(printed_length + n < sizeof(printed));
	memcpy(printed + printed_length, text, n);
	printed_length += n;
	printed[printed_length] = 0;
	writes++;
}

static bool verdict;

static enum command_result run(const char *text)
{
	char line[4096];

	strcpy(line, text);
	printed_length = writes = 0;
	printed[0] = 0;
	runs = 0;
	verdict = false;
	return command_run(line, catch, NULL, &verdict);
}

static void a_good_line_runs_its_command_with_its_words(void **state)
{
	(void)state;
	assert_int_equal(run("pass one \"two three\""), COMMAND_OK);
	assert_int_equal(runs, 1);
	assert_string_equal(last_words, "one|two three|");
	assert_string_equal(printed, "");
	assert_int_equal(run(""), COMMAND_OK);
	assert_int_equal(run("   # a remark"), COMMAND_OK);
	assert_int_equal(runs, 0);
}

static void a_bad_line_does_nothing_and_says_what_was_expected(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{ "nonsense", "error: no command 'nonsense': `help` lists them\n" },
		{ "pass", "error: expected: pass A [B]\n" },
		{ "pass 1 2 3", "error: expected: pass A [B]\n" },
		{ "break now", "error: expected: break\n" },
		{ "pass \"1", "error: a double quote is not closed\n" },
		{ "pass --json x", "error: pass has no --json\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(run(rows[i].line), COMMAND_FAILED);
		assert_string_equal(printed, rows[i].says);
		assert_int_equal(runs, 0);
		assert_false(verdict);
	}
}

static void a_failing_command_says_one_error_line_and_counts_if_it_is_a_verdict(void **state)
{
	(void)state;
	assert_int_equal(run("break"), COMMAND_FAILED);
	assert_string_equal(printed, "error: it is broken\n");
	assert_true(verdict);
	assert_int_equal(run("-break"), COMMAND_IGNORED);
	assert_string_equal(printed, "error: it is broken\n");
	assert_false(verdict);
}

static void a_table_is_aligned_for_people(void **state)
{
	(void)state;
	run("list a quick");
	assert_string_equal(printed, "word   length    bits  long\n"
				     "a           1   0xabc  no\n"
				     "quick       5  0xabc0  yes\n"
				     "for people\n");
	run("list");
	assert_string_equal(printed, "for people\n");
}

static void a_table_is_one_json_line_for_programs(void **state)
{
	(void)state;
	run("list a \"b\\\"\\\\\" --json");
	assert_string_equal(
		printed, "[{\"word\": \"a\", \"length\": 1, \"bits\": \"0xabc\", \"long\": false}, "
			 "{\"word\": \"b\\\"\\\\\", \"length\": 3, \"bits\": \"0xabc0\", \"long\": "
			 "false}]\n");
	assert_int_equal(writes, 1);
	run("list --json");
	assert_string_equal(printed, "[]\n");
	run("--json record");
	assert_string_equal(printed, "error: no command '--json': `help` lists them\n");
}

static void a_record_is_lines_or_one_object(void **state)
{
	(void)state;
	run("record \xc3x");
	assert_string_equal(printed, "name: \xc3x\ncount: 18446744073709551615\n");
	run("record \xc3x\t --json");
	assert_string_equal(printed, "{\"name\": \"\\u00c3x\", \"count\": 18446744073709551615}\n");
}

static void a_long_value_is_not_cut(void **state)
{
	char line[3000] = "record ";

	(void)state;
	memset(line + 7, 'x', 2500);
	line[2507] = 0;
	run(line);
	assert_int_equal(printed_length, 6 + 2500 + 1 + 28);
}

static void a_long_text_is_not_cut(void **state)
{
	char text[3000];
	struct out o;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[2999] = text[700] = 0, text[650] = '\n';
	printed_length = 0;
	out_init(&o, false, catch, NULL);
	out_printf(&o, "%s!\n", text);
	text[700] = 'x';
	out_printf(&o, "%s!\n", text);
	out_fini(&o);
	assert_int_equal(printed_length, 702 + 3001);
}

static void every_command_is_found_in_the_order_of_its_list(void **state)
{
	(void)state;
	assert_string_equal(command_at(0)->name, "pass");
	assert_string_equal(command_at(2)->name, "list");
	assert_string_equal(command_at(3)->name, "record");
	assert_null(command_at(4));
	assert_null(command_find("pas"));
}

static void seconds_are_numbers_up_to_a_day(void **state)
{
	uint64_t us;

	(void)state;
	assert_true(command_seconds("12", &us));
	assert_int_equal(us, 12000000);
	assert_false(command_seconds("-1", &us));
	assert_false(command_seconds("1s", &us));
	assert_false(command_seconds("", &us));
	assert_false(command_seconds("99999999999999999999999", &us));
}

/* ------------------------------------------------------------------ scripts */

static char script_log[1000];

static enum script_step note(void *ctx, const char *line)
{
	(void)ctx;
	strcat(script_log, line);
	strcat(script_log, ";");
	return strcmp(line, "fail") == 0   ? SCRIPT_FAILED
	       : strcmp(line, "stop") == 0 ? SCRIPT_STOP
					   : SCRIPT_GO_ON;
}

static unsigned script(const char *text, size_t size)
{
	char *exact = malloc(size ? size : 1);
	unsigned line;

	memcpy(exact, text, size);
	script_log[0] = 0;
	line = script_run(exact, size, note, NULL);
	free(exact);
	return line;
}

static void a_script_runs_its_lines_until_one_fails(void **state)
{
	static const char text[] = "# first\n\na b\r\n  c\nfail\nd\n";

	(void)state;
	assert_int_equal(script(text, sizeof(text) - 1), 5);
	assert_string_equal(script_log, "a b;c;fail;");
	assert_int_equal(script("a\nstop\nfail\n", 12), 0);
	assert_string_equal(script_log, "a;stop;");
	assert_int_equal(script("no newline", 10), 0);
	assert_string_equal(script_log, "no newline;");
	assert_int_equal(script("", 0), 0);
}

static void a_script_line_that_is_no_line_fails(void **state)
{
	char text[SCRIPT_LINE_BYTES + 10];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(script(text, sizeof(text)), 1);
	assert_int_equal(script("a\nb\0c\n", 6), 2);
	assert_string_equal(script_log, "a;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_line_runs_its_command_with_its_words),
		cmocka_unit_test(a_bad_line_does_nothing_and_says_what_was_expected),
		cmocka_unit_test(
			a_failing_command_says_one_error_line_and_counts_if_it_is_a_verdict),
		cmocka_unit_test(a_table_is_aligned_for_people),
		cmocka_unit_test(a_table_is_one_json_line_for_programs),
		cmocka_unit_test(a_record_is_lines_or_one_object),
		cmocka_unit_test(a_long_value_is_not_cut),
		cmocka_unit_test(a_long_text_is_not_cut),
		cmocka_unit_test(every_command_is_found_in_the_order_of_its_list),
		cmocka_unit_test(seconds_are_numbers_up_to_a_day),
		cmocka_unit_test(a_script_runs_its_lines_until_one_fails),
		cmocka_unit_test(a_script_line_that_is_no_line_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
