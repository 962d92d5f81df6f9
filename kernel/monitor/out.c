/*
 * out.c - tables and records as text or JSON. Contract: out.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"

/* ------------------------------------------------------------------ growing buffers */

static bool grow(struct out *o, char **buf, size_t *room, size_t used, size_t more)
{
	if (used + more <= *room)
		return true;

	size_t want = (used + more) * 2 < 1024 ? 1024 : (used + more) * 2;
	char *bigger = o->failed ? NULL : heap_alloc(want);

	if (!bigger) {
		o->failed = true;
		return false;
	}
	if (used)
		memcpy(bigger, *buf, used);
	heap_free(*buf);
	*buf = bigger;
	*room = want;
	return true;
}

static void add(struct out *o, const char *text, size_t n)
{
	if (!n || !grow(o, &o->buf, &o->room, o->used, n))
		return;
	memcpy(o->buf + o->used, text, n);
	o->used += n;
}

static void add_string(struct out *o, const char *s) { add(o, s, strlen(s)); }

/* Send the complete lines that the buffer holds. */
static void send_lines(struct out *o)
{
	size_t start = 0;

	for (size_t i = 0; i < o->used; i++)
		if (o->buf[i] == '\n') {
			o->write(o->ctx, o->buf + start, i + 1 - start);
			start = i + 1;
		}
	if (start)
		memmove(o->buf, o->buf + start, o->used - start);
	o->used -= start;
}

void out_init(struct out *o, bool json, void (*write)(void *ctx, const char *text, size_t length),
	      void *ctx)
{
	*o = (struct out){ .write = write, .ctx = ctx, .json = json };
}

void out_fini(struct out *o)
{
	if (o->used && o->buf[o->used - 1] != '\n')
		add(o, "\n", 1);
	send_lines(o);
	heap_free(o->buf);
	heap_free(o->cells);
	o->buf = o->cells = NULL;
	o->room = o->cells_room = 0;
}

void out_printf(struct out *o, const char *fmt, ...)
{
	va_list ap, again;

	if (o->json)
		return;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0 && grow(o, &o->buf, &o->room, o->used, (size_t)n + 1)) {
		vsnprintf(o->buf + o->used, (size_t)n + 1, fmt, again);
		o->used += (size_t)n;
		send_lines(o);
	}
	va_end(again);
}

/* ------------------------------------------------------------------ JSON */

static void json_string(struct out *o, const char *s)
{
	add(o, "\"", 1);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char esc[8];

		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c < 32 || c >= 127)
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		else
			snprintf(esc, sizeof(esc), "%c", c);
		add_string(o, esc);
	}
	add(o, "\"", 1);
}

static void json_name(struct out *o, const char *name)
{
	if (o->column++)
		add_string(o, ", ");
	json_string(o, name);
	add_string(o, ": ");
}

/* ------------------------------------------------------------------ shapes */

void out_table(struct out *o)
{
	o->shape = OUT_TABLE;
	o->rows = o->columns = 0;
	o->cells_used = 0;
	if (o->json)
		add(o, "[", 1);
}

void out_row(struct out *o)
{
	if (o->json)
		add_string(o, o->rows ? "}, {" : "{");
	o->rows++;
	o->column = 0;
}

void out_record(struct out *o)
{
	o->shape = OUT_RECORD;
	o->column = 0;
	if (o->json)
		add(o, "{", 1);
}

/* One cell, padded to its column, into the line. */
static void pad_cell(struct out *o, const char *text, unsigned column)
{
	unsigned width = o->widths[column], n = (unsigned)strlen(text);
	unsigned pad = n < width ? width - n : 0;

	for (unsigned i = 0; o->right[column] && i < pad; i++)
		add(o, " ", 1);
	add(o, text, n);
	if (column + 1 == o->columns)
		return;
	for (unsigned i = 0; !o->right[column] && i < pad; i++)
		add(o, " ", 1);
	add(o, "  ", 2);
}

/* Blanks at the end of a line help nobody. */
static void end_row(struct out *o)
{
	while (o->used && o->buf[o->used - 1] == ' ')
		o->used--;
	add(o, "\n", 1);
}

static void lay_out_table(struct out *o)
{
	const char *cell = o->cells;

	if (o->rows == 0)
		return;
	for (unsigned c = 0; c < o->columns; c++)
		pad_cell(o, o->names[c], c);
	end_row(o);
	for (unsigned r = 0; r < o->rows && !o->failed; r++) {
		for (unsigned c = 0; c < o->columns; c++) {
			pad_cell(o, cell, c);
			cell += strlen(cell) + 1;
		}
		end_row(o);
	}
}

void out_end(struct out *o)
{
	if (o->json && o->shape == OUT_TABLE)
		add_string(o, o->rows ? "}]\n" : "]\n");
	else if (o->json)
		add_string(o, "}\n");
	else if (o->shape == OUT_TABLE)
		lay_out_table(o);
	o->shape = OUT_PLAIN;
	send_lines(o);
}

/* A cell as text for people. */
static void text_cell(struct out *o, const char *name, const char *value, bool right)
{
	size_t n = strlen(value) + 1;

	if (o->shape == OUT_RECORD) {
		add_string(o, name);
		add_string(o, ": ");
		add_string(o, value);
		add(o, "\n", 1);
		send_lines(o);
		return;
	}
	if (o->column >= OUT_COLUMNS || !grow(o, &o->cells, &o->cells_room, o->cells_used, n))
		return;
	memcpy(o->cells + o->cells_used, value, n);
	o->cells_used += n;
	if (o->rows == 1) {
		o->names[o->column] = name;
		o->right[o->column] = right;
		o->widths[o->column] = (unsigned)strlen(name);
		o->columns = o->column + 1;
	}
	if (n - 1 > o->widths[o->column])
		o->widths[o->column] = (unsigned)(n - 1);
	o->column++;
}

void out_text(struct out *o, const char *name, const char *value)
{
	if (o->json) {
		json_name(o, name);
		json_string(o, value);
	} else {
		text_cell(o, name, value, false);
	}
}

void out_number(struct out *o, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (o->json) {
		json_name(o, name);
		add_string(o, text);
	} else {
		text_cell(o, name, text, true);
	}
}

void out_hex(struct out *o, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	if (o->json) {
		json_name(o, name);
		json_string(o, text);
	} else {
		text_cell(o, name, text, true);
	}
}

void out_bool(struct out *o, const char *name, bool value)
{
	if (o->json) {
		json_name(o, name);
		add_string(o, value ? "true" : "false");
	} else {
		text_cell(o, name, value ? "yes" : "no", false);
	}
}

void out_decimal(struct out *o, const char *name, uint64_t value, unsigned digits)
{
	char text[40];
	uint64_t unit = 1;

	for (unsigned i = 0; i < digits; i++)
		unit *= 10;
	snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(value / unit), (int)digits,
		 (unsigned long long)(value % unit));
	if (o->json) {
		json_name(o, name);
		add_string(o, text);
	} else {
		text_cell(o, name, text, true);
	}
}

void out_as_json(struct out *o) { o->json = true; }

void out_object(struct out *o, const char *name)
{
	json_name(o, name);
	add(o, "{", 1);
	o->column = 0;
}

void out_object_end(struct out *o)
{
	add(o, "}", 1);
	o->column = 1; /* a comma comes before the next one */
}
