/*
 * state_line.c - one line of `stats` into names and counts. Contract: state.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/net/state.h"

#define LINE_BYTES 160

/* A whole word that is a number, decimal or 0x. */
static bool is_count(const char *word, uint64_t *value)
{
	char *end;

	if (*word < '0' || *word > '9')
		return false;
	*value = strtoull(word, &end, 0);
	return *end == 0;
}

void state_counts(const char *line, state_count_fn fn, void *ctx)
{
	char copy[LINE_BYTES], common[LINE_BYTES] = "", name[2 * LINE_BYTES], *rest = NULL;
	uint64_t value;

	snprintf(copy, sizeof(copy), "%s", line);
	char *word = strtok_r(copy, " \t", &rest), *next;

	for (; word; word = next) {
		next = strtok_r(NULL, " \t", &rest);
		if (next && is_count(next, &value)) {
			snprintf(name, sizeof(name), "%s%s", common, word);
			fn(ctx, name, value);
			next = strtok_r(NULL, " \t", &rest);
		} else {
			size_t n = strlen(common);

			snprintf(common + n, sizeof(common) - n, "%s ", word);
		}
	}
}
