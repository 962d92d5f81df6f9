/*
 * cmd_script.c - what makes a language of the console: variables, arithmetic, loops.
 *
 *     let n = 4                          for i in 0..$n do echo $i; echo again
 *     for page in 0x1000..0x5000 step 4K do
 *         echo $page
 *     done
 *
 * Invariants
 *   - A loop ends at the first command that fails (a '-' before it ignores that), and at ^C; guests
 *     have their turns meanwhile.
 *   - A block that is being collected runs nothing before its `done`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/vars.h"

#define BLOCK_BYTES 8192u
#define LOOPS_MAX   4u /* in each other */
#define ROUNDS_MAX  (UINT64_C(1) << 24)
#define TURN_US     UINT64_C(20000) /* the guests of this CPU wait no longer than this */
#define TEXT_BYTES  512u

/* ------------------------------------------------------------------ let */

static int list_variables(struct call *c)
{
	const char *name;
	uint64_t value;

	out_table(c->out);
	for (unsigned i = 0; (name = vars_at(i, &value)); i++) {
		out_row(c->out);
		out_text(c->out, "name", name);
		out_hex(c->out, "value", value);
		out_number(c->out, "decimal", value);
	}
	out_end(c->out);
	return 0;
}

/* The word at *@at, which moves behind it and the blanks after it. */
static void take_word(const char **at, char *word, size_t size)
{
	size_t n = strcspn(*at, " \t=");

	snprintf(word, size, "%.*s", (int)n, *at);
	*at += n;
	*at += strspn(*at, " \t");
}

static int cmd_let(struct call *c)
{
	char name[VAR_NAME_BYTES + 1], why[120];
	const char *at;
	uint64_t value;

	if (c->argc == 0)
		return list_variables(c);
	at = c->argv[0];
	take_word(&at, name, sizeof(name));
	if (*at++ != '=')
		return command_fail(c, "expected: let NAME = EXPRESSION");
	if (expression(at, &value, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	switch (vars_set(name, value)) {
	case 0:
		return 0;
	case -ENOSPC:
		return command_fail(c, "there are too many variables");
	default:
		return command_fail(c, "'%.30s' is no name: a letter, then letters, digits, '_'",
				    name);
	}
}

static int cmd_print(struct call *c)
{
	char why[120];
	uint64_t value;

	if (expression(c->argv[0], &value, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	out_record(c->out);
	out_hex(c->out, "hex", value);
	out_number(c->out, "decimal", value);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ for */

struct loop {
	char name[VAR_NAME_BYTES + 1];
	uint64_t from, to, step;
	const char *body; /* commands, parted by ';' or line ends */
};

/* Copy what stands before @stop (a word of its own, or "..") from *@at, which moves behind it. */
static bool take_until(const char **at, const char *stop, char *to, size_t size)
{
	const char *found = strstr(*at, stop);
	size_t n = found ? (size_t)(found - *at) : 0;

	if (!found || n == 0 || n >= size)
		return false;
	memcpy(to, *at, n);
	to[n] = 0;
	*at = found + strlen(stop);
	return true;
}

static int read_number(struct call *c, const char *text, uint64_t *value)
{
	char why[120];

	return expression(text, value, why, sizeof(why)) ? command_fail(c, "%s", why) : 0;
}

/* "NAME in FROM..TO [step STEP] do [BODY]" */
static int read_loop(struct call *c, const char *at, struct loop *l)
{
	char from[TEXT_BYTES], range[TEXT_BYTES], step[TEXT_BYTES];
	const char *rest;

	take_word(&at, l->name, sizeof(l->name));
	if (strncmp(at, "in ", 3) != 0)
		return command_fail(c, "expected: for %s", c->row->usage);
	at += 3;
	if (!take_until(&at, "..", from, sizeof(from)) ||
	    !take_until(&at, " do", range, sizeof(range)))
		return command_fail(c, "expected: for %s", c->row->usage);
	l->body = at + strspn(at, " \t");
	l->step = 1;
	rest = range;
	if (take_until(&rest, " step ", step, sizeof(step))) {
		if (read_number(c, rest, &l->step))
			return -1;
		snprintf(range, sizeof(range), "%s", step);
	}
	if (read_number(c, from, &l->from) || read_number(c, range, &l->to))
		return -1;
	if (l->step == 0)
		return command_fail(c, "a step of 0 never ends");
	if (l->to > l->from && (l->to - l->from - 1) / l->step >= ROUNDS_MAX)
		return command_fail(c, "more than %llu rounds", (unsigned long long)ROUNDS_MAX);
	return 0;
}

/* One command of a body, up to an unquoted ';' or the line's end; *@at moves behind it. */
static bool take_command(const char **at, char *line, size_t size)
{
	bool quoted = false;
	size_t n = 0;

	while (**at && **at != '\n' && (quoted || **at != ';')) {
		if (**at == '"')
			quoted = !quoted;
		if (n + 1 >= size)
			return false;
		line[n++] = *(*at)++;
	}
	line[n] = 0;
	if (**at)
		++*at;
	return true;
}

/* Done at the third look: the guests had two rounds, and ^C is seen between them. */
static bool had_turns(void *arg)
{
	unsigned *looks = arg;

	return ++*looks > 2;
}

static bool interrupted(uint64_t *last_us)
{
	unsigned looks = 0;

	if (monitor_interrupted())
		return true;
	if (time_us() - *last_us < TURN_US)
		return false;
	*last_us = time_us();
	return monitor_wait(had_turns, &looks, 0) == WAIT_INTERRUPTED;
}

/* The for-loops that run now, in each other. */
static unsigned running;

/* The lines of an inner multi-line loop are collected again: it runs at its own `done`. */
static int run_body(struct call *c, const char *body, uint64_t *last_us)
{
	char line[TEXT_BYTES];

	while (*body) {
		if (interrupted(last_us))
			return command_fail(c, "interrupted");
		if (!take_command(&body, line, sizeof(line)))
			return command_fail(c, "a command of the loop is too long");
		bool went = monitor_run_line(line);

		if (monitor_interrupted())
			return command_fail(c, "interrupted");
		if (!went)
			return command_fail(c, "the loop ends: '%.60s' failed",
					    line + strspn(line, " \t"));
	}
	return 0;
}

static int run_loop(struct call *c, const struct loop *l)
{
	uint64_t last_us = time_us();
	int err = 0;

	if (running == LOOPS_MAX)
		return command_fail(c, "more than %u loops in each other", LOOPS_MAX);
	running++;
	for (uint64_t i = l->from; !err && i < l->to; i += l->step) {
		if (vars_set(l->name, i) != 0)
			err = command_fail(c, "'%.30s' is no name for a variable", l->name);
		else
			err = run_body(c, l->body, &last_us);
		if (i + l->step < i)
			break;
	}
	running--;
	return err;
}

/* ------------------------------------------------------------------ for ... do, lines, done */

static struct {
	char head[TEXT_BYTES];
	char *text; /* NULL: nothing is being collected */
	size_t used;
	unsigned depth; /* loops that began in the block and have no `done` yet */
	bool overflow;
} block;

static const char *first_word(const char *line) { return line + strspn(line, " \t"); }

static bool begins_block(const char *line)
{
	size_t n = strlen(line);

	line = first_word(line);
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	return strncmp(line, "for ", 4) == 0 && strlen(line) >= 7 &&
	       strncmp(line + strlen(line) - 3, " do", 3) == 0;
}

static bool ends_block(const char *line)
{
	line = first_word(line);
	return strncmp(line, "done", 4) == 0 && (!line[4] || line[4] == ' ' || line[4] == '#');
}

/* A line while a block is open: kept, unless it is the block's own `done`. */
static bool collect(const char *line)
{
	size_t n = strlen(line);

	if (ends_block(line) && block.depth-- == 0) {
		command_collect(NULL);
		return false;
	}
	if (begins_block(line))
		block.depth++;
	if (block.used + n + 2 > BLOCK_BYTES) {
		block.overflow = true;
		return true;
	}
	memcpy(block.text + block.used, line, n);
	block.used += n;
	block.text[block.used++] = '\n';
	block.text[block.used] = 0;
	return true;
}

static int open_block(struct call *c, const char *head)
{
	if (strlen(head) >= sizeof(block.head))
		return command_fail(c, "the line is too long");
	heap_free(block.text); /* of a block that was given up */
	block.text = heap_alloc(BLOCK_BYTES);
	if (!block.text)
		return command_fail(c, "no memory for the loop");
	memcpy(block.head, head, strlen(head) + 1);
	block.used = 0;
	block.depth = 0;
	block.overflow = false;
	command_collect(collect);
	return 0;
}

static int cmd_for(struct call *c)
{
	struct loop l;

	if (c->argc == 0)
		return command_fail(c, "expected: for %s", c->row->usage);
	if (read_loop(c, c->argv[0], &l))
		return -1;
	return *l.body ? run_loop(c, &l) : open_block(c, c->argv[0]);
}

/* The block is the runner's own from here on: a loop inside opens another. */
static int cmd_done(struct call *c)
{
	char head[TEXT_BYTES], *text = block.text;
	struct loop l;
	int err;

	if (!text)
		return command_fail(c, "no `for ... do` is open");
	memcpy(head, block.head, sizeof(head));
	block.text = NULL;
	if (block.overflow)
		err = command_fail(c, "the loop has more than %u characters", BLOCK_BYTES);
	else
		err = read_loop(c, head, &l);
	if (!err) {
		l.body = text;
		err = run_loop(c, &l);
	}
	heap_free(text);
	return err;
}

/* clang-format off */
const struct command script_commands[] = {
	{ "let", "[NAME = EXPRESSION]", "set a variable, or list them", cmd_let, 0, 1, COMPLETE_NOTHING,
	  COMMAND_JSON | COMMAND_RAW,
	  "    $NAME or ${NAME} stands for its value in any line, outside double quotes. Expressions:\n"
	  "    numbers (0x..., 4K), ( ) ~ * / % + - << >> & ^ |, on unsigned 64-bit numbers." },
	{ "print", "EXPRESSION", "what an expression is, in both notations", cmd_print, 1, 1,
	  COMPLETE_NOTHING, COMMAND_JSON | COMMAND_RAW, NULL },
	{ "for", "NAME in FROM..TO [step STEP] do [COMMAND [; COMMAND]...]",
	  "repeat commands; TO is not reached", cmd_for, 0, 1, COMPLETE_NOTHING, COMMAND_RAW,
	  "    Without commands: the lines up to `done` are repeated. $NAME is where the loop is. The\n"
	  "    first command that fails ends it, unless it has a '-' before it; so does ^C." },
	{ "done", "", "end of the lines that `for ... do` repeats", cmd_done, 0, 0, COMPLETE_NOTHING, 0,
	  NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
