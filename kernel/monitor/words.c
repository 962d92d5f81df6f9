/*
 * words.c - splitting and quoting of a command line. Contract: words.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/words.h"

#include <errno.h>

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Copy one word from *@from to *@to (which never overtakes it); false: a quote stays open. */
static bool take_word(char **from, char **to)
{
	bool quoted = false;
	char *in = *from, *out = *to;

	for (; *in && (quoted || !is_blank(*in)); in++) {
		if (*in == '"')
			quoted = !quoted;
		else if (quoted && *in == '\\' && (in[1] == '"' || in[1] == '\\'))
			*out++ = *++in;
		else
			*out++ = *in;
	}
	*from = in;
	*to = out;
	return !quoted;
}

int words_split(char *line, char *argv[WORDS_MAX])
{
	char *in = line;
	int argc = 0;

	for (;;) {
		while (is_blank(*in))
			in++;
		if (!*in || *in == '#')
			return argc;
		if (argc == WORDS_MAX)
			return -E2BIG;

		char *out = in;

		argv[argc++] = out;
		if (!take_word(&in, &out))
			return -EINVAL;

		bool last = !*in;

		*out = 0;
		if (last)
			return argc;
		in++;
	}
}
