/*
 * vars.c - variables and expressions of the console. Contract: vars.h.
 *
 * An expression is read by precedence climbing: one table of operators, weakest first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/vars.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARS_MAX  128u
#define DEPTH_MAX 32u /* parentheses and signs in each other */

static struct {
	char name[VAR_NAME_BYTES];
	uint64_t value;
} vars[VARS_MAX];
static unsigned count;

/* ------------------------------------------------------------------ variables */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* How many characters of @text are a name. */
static size_t name_length(const char *text)
{
	size_t n = 0;

	if (is_letter(text[0]))
		while (is_letter(text[n]) || is_digit(text[n]))
			n++;
	return n;
}

static unsigned find(const char *name)
{
	unsigned i = 0;

	while (i < count && strcmp(vars[i].name, name) != 0)
		i++;
	return i;
}

int vars_set(const char *name, uint64_t value)
{
	size_t n = name_length(name);
	unsigned i;

	if (n == 0 || name[n] || n >= VAR_NAME_BYTES)
		return -EINVAL;
	i = find(name);
	if (i == VARS_MAX)
		return -ENOSPC;
	if (i == count) {
		memcpy(vars[i].name, name, n + 1);
		count++;
	}
	vars[i].value = value;
	return 0;
}

bool vars_get(const char *name, uint64_t *value)
{
	unsigned i = find(name);

	if (i == count)
		return false;
	*value = vars[i].value;
	return true;
}

bool vars_unset(const char *name)
{
	unsigned i = find(name);

	if (i == count)
		return false;
	memmove(&vars[i], &vars[i + 1], (count - i - 1) * sizeof(vars[0]));
	count--;
	return true;
}

void vars_clear(void) { count = 0; }

const char *vars_at(unsigned nth, uint64_t *value)
{
	if (nth >= count)
		return NULL;
	*value = vars[nth].value;
	return vars[nth].name;
}

/* The value of the variable at *@in, which moves behind it; false and @why. */
static bool take_variable(const char **in, uint64_t *value, char *why, size_t why_size)
{
	const char *at = *in + 1; /* behind '$' */
	bool braced = *at == '{';
	size_t n = name_length(at + braced);
	char name[VAR_NAME_BYTES];

	if (n == 0 || n >= sizeof(name) || (braced && at[1 + n] != '}')) {
		snprintf(why, why_size, "a '$' without a variable's name behind it");
		return false;
	}
	memcpy(name, at + braced, n);
	name[n] = 0;
	*in = at + n + (braced ? 2 : 0);
	if (vars_get(name, value))
		return true;
	snprintf(why, why_size, "no variable '%s': `let` lists them", name);
	return false;
}

int vars_expand(const char *line, char *out, size_t size, char *why, size_t why_size)
{
	bool quoted = false;
	size_t used = 0;

	while (*line) {
		char piece[24] = { *line };
		uint64_t value;

		if (*line == '"')
			quoted = !quoted;
		if (*line == '#' && !quoted && (used == 0 || out[used - 1] == ' '))
			break; /* a comment */
		if (*line == '$' && !quoted) {
			if (!take_variable(&line, &value, why, why_size))
				return -ENOENT;
			snprintf(piece, sizeof(piece), "0x%llx", (unsigned long long)value);
		} else {
			line++;
		}
		size_t n = strlen(piece);

		if (used + n >= size) {
			snprintf(why, why_size, "the line is too long with its variables' values");
			return -E2BIG;
		}
		memcpy(out + used, piece, n);
		used += n;
	}
	out[used] = 0;
	return 0;
}

/* ------------------------------------------------------------------ expressions */

struct reader {
	const char *at;
	char *why;
	size_t why_size;
	unsigned depth;
	bool failed;
};

enum operation { OR, XOR, AND, SHL, SHR, ADD, SUB, MUL, DIV, MOD };

static const struct {
	const char *text;
	unsigned strength;
	enum operation op;
} operators[] = {
	{ "|", 1, OR },   { "^", 2, XOR }, { "&", 3, AND }, { "<<", 4, SHL }, { ">>", 4, SHR },
	{ "+", 5, ADD },  { "-", 5, SUB }, { "*", 6, MUL }, { "/", 6, DIV },  { "%", 6, MOD },
};

static uint64_t fail(struct reader *r, const char *what)
{
	if (!r->failed)
		snprintf(r->why, r->why_size, "%s at '%.20s'", what, r->at);
	r->failed = true;
	return 0;
}

static void skip_blanks(struct reader *r)
{
	while (*r->at == ' ' || *r->at == '\t')
		r->at++;
}

static uint64_t apply(struct reader *r, enum operation op, uint64_t a, uint64_t b)
{
	if ((op == DIV || op == MOD) && b == 0)
		return fail(r, "a division by zero");
	switch (op) {
	case OR:
		return a | b;
	case XOR:
		return a ^ b;
	case AND:
		return a & b;
	case SHL:
		return b < 64 ? a << b : 0;
	case SHR:
		return b < 64 ? a >> b : 0;
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case MUL:
		return a * b;
	case DIV:
		return a / b;
	case MOD:
		return a % b;
	}
	return 0;
}

static uint64_t number(struct reader *r)
{
	static const char units[] = "KMG";
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(r->at, &end, 0);
	if (end == r->at || errno == ERANGE)
		return fail(r, "expected a number of 64 bits");
	r->at = end;

	const char *unit = is_letter(*end) && *end != '_' ? strchr(units, *end & ~0x20) : NULL;

	if (unit) {
		v <<= 10 * (unit - units + 1);
		r->at++;
	}
	if (name_length(r->at) || is_digit(*r->at))
		return fail(r, "expected an operator");
	return v;
}

static uint64_t terms(struct reader *r, unsigned weakest);

static uint64_t factor(struct reader *r)
{
	uint64_t v = 0;

	skip_blanks(r);
	if (++r->depth > DEPTH_MAX)
		return fail(r, "too deep");
	switch (*r->at) {
	case '(':
		r->at++;
		v = terms(r, 1);
		skip_blanks(r);
		if (*r->at == ')')
			r->at++;
		else
			(void)fail(r, "expected ')'");
		break;
	case '-':
		r->at++;
		v = -factor(r);
		break;
	case '~':
		r->at++;
		v = ~factor(r);
		break;
	case '$':
		if (!take_variable(&r->at, &v, r->why, r->why_size))
			r->failed = true;
		break;
	default:
		v = is_digit(*r->at) ? number(r) : fail(r, "expected a number");
	}
	r->depth--;
	return v;
}

/* The operator at the reader's place, at least as strong as @weakest; -1: none. */
static int operator_here(const struct reader *r, unsigned weakest)
{
	for (unsigned i = 0; i < ARRAY_LEN(operators); i++)
		if (operators[i].strength >= weakest &&
		    strncmp(r->at, operators[i].text, strlen(operators[i].text)) == 0)
			return (int)i;
	return -1;
}

static uint64_t terms(struct reader *r, unsigned weakest)
{
	uint64_t v = factor(r);
	int i;

	for (skip_blanks(r); !r->failed && (i = operator_here(r, weakest)) >= 0; skip_blanks(r)) {
		r->at += strlen(operators[i].text);
		v = apply(r, operators[i].op, v, terms(r, operators[i].strength + 1));
	}
	return v;
}

int expression(const char *text, uint64_t *value, char *why, size_t why_size)
{
	struct reader r = { .at = text, .why = why, .why_size = why_size };
	uint64_t v = terms(&r, 1);

	if (!r.failed && *r.at)
		(void)fail(&r, "expected an operator");
	if (r.failed)
		return -EINVAL;
	*value = v;
	return 0;
}
