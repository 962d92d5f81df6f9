/*
 * command.c - finding the row for a line, checking its words, running it. Contract: command.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/monitor/vars.h"
#include "kernel/monitor/words.h"

static const struct command *const lists[] = { basic_commands,  machine_commands, guest_commands,
					       tdx_commands,    seamldr_commands, check_commands,   trace_commands,
					       inject_commands, bench_commands,  mmu_commands,
					       script_commands, seamcall_commands, gdb_commands,
					       look_commands, look_td_commands, debug_commands,
					       hardware_commands, net_commands, use_commands, lan_commands };

const struct command *command_at(unsigned nth)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (const struct command *row = lists[i]; row->name; row++)
			if (nth-- == 0)
				return row;
	return NULL;
}

const struct command *command_find(const char *name)
{
	const struct command *row;

	for (unsigned n = 0; (row = command_at(n)); n++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

int command_fail(struct call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return -1;
}

bool command_seconds(const char *word, uint64_t *us)
{
	char *end;
	unsigned long long v = strtoull(word, &end, 10);

	if (end == word || *end || *word == '-' || v > 86400)
		return false;
	*us = v * 1000000;
	return true;
}

/* Take --json out of the words. */
static void take_options(struct call *c)
{
	int kept = 0;

	for (int i = 0; i < c->argc; i++)
		if (strcmp(c->argv[i], "--json") == 0)
			c->json = true;
		else
			c->argv[kept++] = c->argv[i];
	c->argc = kept;
}

/* Everything that is checked before the command may do anything. */
static int check_words(struct call *c)
{
	if (c->json && !(c->row->flags & COMMAND_JSON))
		return command_fail(c, "%s has no --json", c->row->name);
	if (c->argc < c->row->min_words || c->argc > c->row->max_words)
		return command_fail(c, "expected: %s%s%s", c->row->name, *c->row->usage ? " " : "",
				    c->row->usage);
	return 0;
}

/* Like printf, to the line's writer. */
static void say(void (*write)(void *ctx, const char *text, size_t n), void *ctx, const char *fmt,
		...) PRINTF_LIKE(3, 4);
static void say(void (*write)(void *ctx, const char *text, size_t n), void *ctx, const char *fmt,
		...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write(ctx, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* Run the words; the reason of a failure is in @c->why. */
static int run_words(struct call *c, char *name,
		     void (*write)(void *ctx, const char *text, size_t n), void *ctx)
{
	int err;

	c->row = command_find(name);
	if (!c->row)
		return command_fail(c, "no command '%.40s': `help` lists them", name);
	take_options(c);
	err = check_words(c);
	if (err)
		return err;
	out_init(c->out, c->json, write, ctx);
	c->has_run = true;
	err = c->row->run(c);
	if (out_failed(c->out) && !err)
		err = command_fail(c, "out of memory: the output is not complete");
	out_fini(c->out);
	return err;
}

static bool (*collector)(const char *line);

void command_collect(bool (*take)(const char *line)) { collector = take; }
bool command_collecting(void) { return collector != NULL; }

#define EXPANDED_BYTES 1024

/* The line ends where a '#' begins a word outside double quotes. */
static void cut_comment(char *line)
{
	bool quoted = false;

	for (char *at = line; *at; at++) {
		if (*at == '"')
			quoted = !quoted;
		if (*at == '#' && !quoted && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
			*at = 0;
			return;
		}
	}
}

/* One or two words if the line begins with a command that takes the rest as it is, else 0. */
static int split_raw(char *line, char *argv[WORDS_MAX])
{
	char *end = line + strcspn(line, " \t"), was = *end;
	const struct command *row;

	*end = 0;
	row = command_find(line);
	if (!row || !(row->flags & COMMAND_RAW)) {
		*end = was;
		return 0;
	}
	argv[0] = line;
	if (!was)
		return 1;
	argv[1] = end + 1 + strspn(end + 1, " \t");
	cut_comment(argv[1]);
	return *argv[1] ? 2 : 1;
}

/* Words of @line, variables replaced by their values in @room. < 0: the reason is noted. */
static int split(struct call *c, char *line, char *room, char *argv[WORDS_MAX])
{
	int words = split_raw(line, argv);

	if (words)
		return words;
	if (strchr(line, '$')) {
		if (vars_expand(line, room, EXPANDED_BYTES, c->why, sizeof(c->why)) != 0)
			return -1;
		line = room;
	}
	words = words_split(line, argv);
	if (words < 0)
		return command_fail(c, words == -EINVAL ? "a double quote is not closed"
							: "more than 32 words");
	return words;
}

enum command_result command_run(char *line, void (*write)(void *ctx, const char *text, size_t n),
				void *ctx, bool *verdict)
{
	struct out out;
	struct call c = { .out = &out };
	char *argv[WORDS_MAX], room[EXPANDED_BYTES];
	int err = -1;

	while (*line == ' ' || *line == '\t')
		line++;
	if (collector && collector(line))
		return COMMAND_OK;

	bool ignore = line[0] == '-' && line[1] != '-';
	int words = split(&c, line + ignore, room, argv);

	if (words == 0)
		return COMMAND_OK;
	if (words > 0) {
		c.argc = words - 1;
		c.argv = argv + 1;
		err = run_words(&c, argv[0], write, ctx);
	}
	if (!err)
		return COMMAND_OK;
	say(write, ctx, "error: %s\n", c.why);
	if (ignore)
		return COMMAND_IGNORED;
	if (c.has_run && (c.row->flags & COMMAND_VERDICT))
		*verdict = true;
	return COMMAND_FAILED;
}
