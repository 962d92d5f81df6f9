/*
 * out.h - what a command prints: lines, tables and records, as text for people or as JSON for
 * programs, from one description.
 *
 * A table is rows of the same cells; a record is one row, shown as `name: value` lines.
 *
 *     out_table(o);
 *     for each guest:
 *             out_row(o);
 *             out_text(o, "name", g->name);
 *             out_number(o, "vcpus", g->vcpus);
 *     out_end(o);
 *
 * Invariants
 *   - JSON is one line, whatever else is printed meanwhile; strings are escaped, numbers are plain.
 *   - A text line reaches the sink in one call, so that nothing gets in between.
 *   - Memory runs out: the rest of the output is dropped and out_failed() says so.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_OUT_H
#define TAIN_MONITOR_OUT_H

#include "kernel/base/types.h"

#define OUT_COLUMNS 16

struct out {
	void (*write)(void *ctx, const char *text, size_t length);
	void *ctx;
	bool json;

	char *buf; /* the line, or the whole JSON value, so far */
	size_t used, room;
	bool failed;

	enum { OUT_PLAIN, OUT_TABLE, OUT_RECORD } shape;
	unsigned rows, column;
	/* A text table is laid out when it is complete: cells of all rows, NUL terminated, in turn.
	 */
	char *cells;
	size_t cells_used, cells_room;
	const char *names[OUT_COLUMNS];
	bool right[OUT_COLUMNS]; /* numbers stand at the right */
	unsigned widths[OUT_COLUMNS], columns;
};

void out_init(struct out *o, bool json, void (*write)(void *ctx, const char *text, size_t length),
	      void *ctx);
/* Sends what is left and frees the buffers. */
void out_fini(struct out *o);

/* Text for people; left out of JSON. */
void out_printf(struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

void out_table(struct out *o);
void out_row(struct out *o);
void out_record(struct out *o);
void out_end(struct out *o);

/* Cells of the row or record. @name is the column's or field's: a static string. */
void out_text(struct out *o, const char *name, const char *value);
void out_number(struct out *o, const char *name, uint64_t value);
void out_hex(struct out *o, const char *name, uint64_t value); /* JSON: a string "0x..." */
void out_bool(struct out *o, const char *name, bool value);    /* yes/no, true/false */

/* @value divided by 10^@digits: 12345 with 3 digits is 12.345. */
void out_decimal(struct out *o, const char *name, uint64_t value, unsigned digits);

/* For formats that are JSON by definition: from here on, whatever was asked for. Before the first table. */
void out_as_json(struct out *o);
/* JSON only: the cells up to out_object_end() are those of an object called @name. */
void out_object(struct out *o, const char *name);
void out_object_end(struct out *o);

static inline bool out_failed(const struct out *o) { return o->failed; }

#endif
