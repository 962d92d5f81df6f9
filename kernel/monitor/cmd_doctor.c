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
#include "kernel/monitor/doctor_text.h"
#include "tdx/tdx.h"

static const char *const overall_names[] = { "ready", "can be made ready", "never" };

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

static void text_line(void *ctx, const char *text) { out_printf(ctx, "%s\n", text); }
static void detail_line(void *ctx, const char *text) { out_printf(ctx, "  %s\n", text); }

static int show(struct call *c, const struct doctor_report *r)
{
	const struct doctor_row *row;

	if (c->json) {
		doctor_table(c->out, r);
		return 0;
	}
	if (c->argc == 0) {
		doctor_screen(r, text_line, c->out);
		return 0;
	}
	if (strcmp(c->argv[0], "all") == 0) {
		doctor_all_rows(r, text_line, c->out);
		if (tdx_phase() == TDX_READY)
			tdx_describe(detail_line, c->out);
		return 0;
	}
	row = doctor_row_find(r, c->argv[0]);
	if (!row)
		return command_fail(c, "no row '%.30s': `doctor all` lists them", c->argv[0]);
	doctor_one_row(row, text_line, c->out);
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
