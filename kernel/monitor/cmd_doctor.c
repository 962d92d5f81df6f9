/*
 * cmd_doctor.c - `doctor`: the verdict and the rows, for a person on one screen, or for a program.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/doctor.h"
#include "kernel/monitor/doctor_collect.h"
#include "kernel/monitor/doctor_rules.h"
#include "tdx/tdx.h"

#define WIDTH  79
#define INDENT 22

/* @label at column 12, @text from column INDENT on, broken at blanks. */
static void put_text(struct out *o, const char *head, const char *label, const char *text)
{
	char line[WIDTH + 1];

	for (bool first = true; *text || first; first = false) {
		size_t n = strlen(text), room = WIDTH - INDENT;

		if (n > room) {
			n = room;
			while (n > room / 2 && text[n] != ' ')
				n--;
			if (n == room / 2)
				n = room;
		}
		memcpy(line, text, n);
		line[n] = 0;
		out_printf(o, "%-11s %-9s %s\n", first ? head : "", first ? label : "", line);
		text += n;
		while (*text == ' ')
			text++;
	}
}

static void put_row(struct out *o, const struct doctor_row *row)
{
	const struct {
		const char *label, *text;
	} parts[] = {
		{ "expected", row->expected },
		{ "set", row->option },
		{ "next", row->next },
	};

	put_text(o, row->name, doctor_verdict_name(row->verdict), row->found);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (*parts[i].text)
			put_text(o, "", parts[i].label, parts[i].text);
}

/* "ok: cpu, cpus, ..." */
static void put_names(struct out *o, const struct doctor_report *r, enum doctor_verdict v)
{
	char text[400];
	size_t used = 0;

	text[0] = 0;
	for (unsigned i = 0; i < r->rows && used < sizeof(text); i++)
		if (r->row[i].verdict == v)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 used ? ", " : "", r->row[i].name);
	if (used)
		put_text(o, doctor_verdict_name(v), "", text);
}

static const char *const overall_names[] = { "ready", "can be made ready", "never" };

static void put_screen(struct out *o, const struct doctor_report *r)
{
	static const enum doctor_verdict in_full[] = { DOCTOR_NEVER, DOCTOR_FAIL, DOCTOR_NOTE,
						       DOCTOR_UNKNOWN };

	out_printf(o, "%s\n", r->verdict);
	for (size_t v = 0; v < ARRAY_LEN(in_full); v++)
		for (unsigned i = 0; i < r->rows; i++)
			if (r->row[i].verdict == in_full[v])
				put_row(o, &r->row[i]);
	put_names(o, r, DOCTOR_OK);
	put_names(o, r, DOCTOR_SKIPPED);
	out_printf(o, "`doctor ROW` shows one row, `doctor all` all of them.\n");
}

static void json_row(struct out *o, const struct doctor_row *row)
{
	out_row(o);
	out_text(o, "check", row->name);
	out_text(o, "verdict", doctor_verdict_name(row->verdict));
	out_text(o, "finding", row->found);
	out_text(o, "expected", row->expected);
	out_text(o, "option", row->option);
	out_text(o, "advice", row->next);
	out_text(o, "because", row->because ? row->because : "");
	out_bool(o, "counts", !row->own);
	out_bool(o, "can_be_mended", row->verdict != DOCTOR_NEVER);
}

void doctor_table(struct out *o, const struct doctor_report *r)
{
	struct doctor_row top = { .name = "verdict", .next = "",
				  .verdict = r->overall == TDX_IS_READY ? DOCTOR_OK
					     : r->overall == TDX_NEVER  ? DOCTOR_NEVER
									: DOCTOR_FAIL };

	snprintf(top.found, sizeof(top.found), "%s", r->verdict);
	snprintf(top.expected, sizeof(top.expected), "%s", overall_names[r->overall]);
	out_table(o);
	json_row(o, &top);
	for (unsigned i = 0; i < r->rows; i++)
		json_row(o, &r->row[i]);
	out_end(o);
}

static void detail_line(void *ctx, const char *text) { out_printf(ctx, "  %s\n", text); }

static int show(struct call *c, const struct doctor_report *r)
{
	const struct doctor_row *row;

	if (c->json) {
		doctor_table(c->out, r);
		return 0;
	}
	if (c->argc == 0) {
		put_screen(c->out, r);
		return 0;
	}
	if (strcmp(c->argv[0], "all") == 0) {
		out_printf(c->out, "%s\n", r->verdict);
		for (unsigned i = 0; i < r->rows; i++)
			put_row(c->out, &r->row[i]);
		if (tdx_phase() == TDX_READY)
			tdx_describe(detail_line, c->out);
		return 0;
	}
	row = doctor_row_find(r, c->argv[0]);
	if (!row)
		return command_fail(c, "no row '%.30s': `doctor all` lists them", c->argv[0]);
	put_row(c->out, row);
	return 0;
}

int cmd_doctor(struct call *c)
{
	struct doctor_machine *m = doctor_collect();
	struct doctor_report *r = m ? heap_alloc(sizeof(*r)) : NULL;
	int err;

	if (!r) {
		if (m)
			doctor_collect_free(m);
		return command_fail(c, "out of memory");
	}
	doctor_judge(m, r);
	doctor_collect_free(m);
	err = show(c, r);
	heap_free(r);
	return err;
}
