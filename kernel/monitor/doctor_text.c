/*
 * doctor_text.c - what doctor_text.h promises.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/doctor_text.h"

#include <stdio.h>
#include <string.h>

#define WIDTH  79
#define INDENT 22

struct page {
	doctor_line_fn line;
	void *ctx;
};

/* How much of @text fits in @room, broken at a blank if there is one in the second half. */
static size_t fitting(const char *text, size_t room)
{
	size_t n = strlen(text);

	if (n <= room)
		return n;
	for (n = room; n > room / 2; n--)
		if (text[n] == ' ')
			return n;
	return room;
}

/* @head at column 0, @label at column 12, @text from column @indent on, in as many lines as it takes. */
static void put(const struct page *p, const char *head, const char *label, unsigned indent,
		const char *text)
{
	char line[WIDTH + 1];

	for (bool first = true; *text || first; first = false) {
		size_t n = fitting(text, WIDTH - indent);

		if (indent)
			snprintf(line, sizeof(line), "%-11s %-9s %.*s", first ? head : "",
				 first ? label : "", (int)n, text);
		else
			snprintf(line, sizeof(line), "%.*s", (int)n, text);
		p->line(p->ctx, line);
		text += n;
		while (*text == ' ')
			text++;
	}
}

static void put_row(const struct page *p, const struct doctor_row *row)
{
	const struct {
		const char *label, *text;
	} parts[] = {
		{ "expected", row->expected },
		{ "set", row->option },
		{ "next", row->next },
	};

	put(p, row->name, doctor_verdict_name(row->verdict), INDENT, row->found);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (*parts[i].text)
			put(p, "", parts[i].label, INDENT, parts[i].text);
}

/* The names of all rows with verdict @v. */
static void put_names(const struct page *p, const struct doctor_report *r, enum doctor_verdict v)
{
	char text[400];
	size_t used = 0;

	for (unsigned i = 0; i < r->rows && used < sizeof(text); i++)
		if (r->row[i].verdict == v)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 used ? ", " : "", r->row[i].name);
	if (used)
		put(p, doctor_verdict_name(v), "", INDENT, text);
}

void doctor_screen(const struct doctor_report *r, doctor_line_fn line, void *ctx)
{
	static const enum doctor_verdict in_full[] = { DOCTOR_NEVER, DOCTOR_FAIL };
	static const enum doctor_verdict in_short[] = { DOCTOR_NOTE, DOCTOR_UNKNOWN };
	const struct page p = { line, ctx };

	put(&p, "", "", 0, r->verdict);
	for (size_t v = 0; v < ARRAY_LEN(in_full); v++)
		for (unsigned i = 0; i < r->rows; i++)
			if (r->row[i].verdict == in_full[v])
				put_row(&p, &r->row[i]);
	for (size_t v = 0; v < ARRAY_LEN(in_short); v++)
		for (unsigned i = 0; i < r->rows; i++)
			if (r->row[i].verdict == in_short[v])
				put(&p, r->row[i].name, doctor_verdict_name(in_short[v]), INDENT,
				    r->row[i].found);
	put_names(&p, r, DOCTOR_OK);
	put_names(&p, r, DOCTOR_SKIPPED);
	put(&p, "", "", 0, "`doctor ROW` shows one row, `doctor all` all of them.");
}

void doctor_all_rows(const struct doctor_report *r, doctor_line_fn line, void *ctx)
{
	const struct page p = { line, ctx };

	put(&p, "", "", 0, r->verdict);
	for (unsigned i = 0; i < r->rows; i++)
		put_row(&p, &r->row[i]);
}

void doctor_one_row(const struct doctor_row *row, doctor_line_fn line, void *ctx)
{
	put_row(&(struct page){ line, ctx }, row);
}
