/*
 * text.c - a text that grows up to a bound. Contract: text.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"

#define FIRST_ROOM 2048

void text_init(struct text *t, size_t bound) { *t = (struct text){ .bound = bound }; }

void text_fini(struct text *t)
{
	heap_free(t->bytes);
	*t = (struct text){ .bound = t->bound };
}

/* Room for @more bytes, or .failed. */
static bool grow(struct text *t, size_t more)
{
	size_t want = t->room ? t->room : FIRST_ROOM;
	char *bytes;

	if (t->failed || more > t->bound || t->used > t->bound - more) {
		t->failed = true;
		return false;
	}
	if (t->used + more <= t->room)
		return true;
	while (want < t->used + more)
		want *= 2;
	bytes = heap_alloc(want);
	if (!bytes) {
		t->failed = true;
		return false;
	}
	if (t->used)
		memcpy(bytes, t->bytes, t->used);
	heap_free(t->bytes);
	t->bytes = bytes;
	t->room = want;
	return true;
}

void text_put(struct text *t, const char *bytes, size_t count)
{
	if (!count || !grow(t, count))
		return;
	memcpy(t->bytes + t->used, bytes, count);
	t->used += count;
}

void text_puts(struct text *t, const char *s) { text_put(t, s, strlen(s)); }

void text_printf(struct text *t, const char *fmt, ...)
{
	char line[500];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		text_put(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* Quotes and backslashes; anything that is not printable ASCII is a '?': names here have none. */
void text_quoted(struct text *t, const char *s)
{
	for (; *s; s++) {
		char c = *s < ' ' || *s > '~' ? '?' : *s;

		if (c == '"' || c == '\\')
			text_put(t, "\\", 1);
		text_put(t, &c, 1);
	}
}

void text_html(struct text *t, const char *s)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" },
			 { '\'', "&#39;" } };

	for (; *s; s++) {
		char c = *s < ' ' || *s > '~' ? '?' : *s;
		const char *as = NULL;

		for (size_t i = 0; i < ARRAY_LEN(entities); i++)
			if (entities[i].c == c)
				as = entities[i].entity;
		if (as)
			text_puts(t, as);
		else
			text_put(t, &c, 1);
	}
}
