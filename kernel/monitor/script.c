/*
 * script.c - the lines of a script, one after the other. Contract: script.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/script.h"

#include <string.h>

/* The line at *@pos into @line; *@pos moves to the next. False: too long or with a NUL inside. */
static bool take_line(const char *text, size_t size, size_t *pos, char line[SCRIPT_LINE_BYTES])
{
	size_t start = *pos, end = start;

	while (end < size && text[end] != '\n')
		end++;
	*pos = end < size ? end + 1 : end;
	if (end > start && text[end - 1] == '\r')
		end--;
	while (start < end && (text[start] == ' ' || text[start] == '\t'))
		start++;
	if (end - start >= SCRIPT_LINE_BYTES || memchr(text + start, 0, end - start))
		return false;
	memcpy(line, text + start, end - start);
	line[end - start] = 0;
	return true;
}

unsigned script_run(const char *text, size_t size,
		    enum script_step (*run)(void *ctx, const char *line), void *ctx)
{
	char line[SCRIPT_LINE_BYTES];
	size_t pos = 0;

	for (unsigned number = 1; pos < size; number++) {
		if (!take_line(text, size, &pos, line))
			return number;
		if (!line[0] || line[0] == '#')
			continue;

		enum script_step step = run(ctx, line);

		if (step == SCRIPT_FAILED)
			return number;
		if (step == SCRIPT_STOP)
			return 0;
	}
	return 0;
}
