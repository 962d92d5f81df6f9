/*
 * cmd_tdx.c - commands about the TDX module: what a status means, what passed between us and it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/trace.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/explain_words.h"
#include "tdx/abi/explain.h"
#include "tdx/by_hand.h"
#include "tdx/tdx.h"

static void text_line(void *ctx, const char *text) { out_printf(ctx, "%s\n", text); }

static int cmd_explain(struct call *c)
{
	char why[200];

	if (explain_words(c->argc, c->argv, text_line, c->out, why, sizeof(why)))
		return command_fail(c, "%s", why);
	return 0;
}

static int cmd_status(struct call *c)
{
	struct trace_record r;
	struct seam_regs by_hand;
	tdx_status_t st;
	char text[160];

	/* Guests make calls all the time: what was typed is what is meant. */
	if (hand_last(&by_hand))
		st = (tdx_status_t){ by_hand.rax };
	else if (trace_newest(TRACE_SEAMCALL, &r))
		st = (tdx_status_t){ r.status };
	else
		return command_fail(c, "no SEAMCALL has been traced");
	tdx_status_text(st, text, sizeof(text));
	if (c->argc == 0) {
		out_printf(c->out, "%s\n", text);
		return 0;
	}
	if (!tdx_status_is_named(st, c->argv[0]))
		return command_fail(c, "the last SEAMCALL's status is %s", text);
	return 0;
}

static int leaf_table(struct call *c)
{
	struct tdx_leaf_counts n;

	out_table(c->out);
	for (unsigned leaf = 0; tdx_leaf_counts(leaf, &n); leaf++) {
		if (!n.calls)
			continue;
		out_row(c->out);
		out_text(c->out, "leaf", n.name ? n.name : "?");
		out_number(c->out, "calls", n.calls);
		out_number(c->out, "busy", n.busy);
		out_number(c->out, "errors", n.errors);
		out_number(c->out, "ticks_min", n.ticks_min);
		out_number(c->out, "ticks_median", n.ticks_median);
		out_number(c->out, "ticks_max", n.ticks_max);
	}
	out_end(c->out);
	return 0;
}

static int cmd_tdx(struct call *c)
{
	if (c->argc == 1 && strcmp(c->argv[0], "stats") == 0)
		return leaf_table(c);
	if (c->argc == 0) {
		tdx_describe(text_line, c->out);
		return 0;
	}
	if (strcmp(c->argv[0], "retry") != 0)
		return command_fail(c, "expected: tdx [retry|stats]");
	switch (tdx_retry()) {
	case 0:
		return 0;
	case -EALREADY:
		return command_fail(c, "the TDX module is ready");
	case -ENODEV:
		return command_fail(c, "no TDX module answers%s%s", tdx_reason()[0] ? ": " : "",
				    tdx_reason());
	default:
		return command_fail(c, "%s", tdx_reason());
	}
}

/* clang-format off */
const struct command tdx_commands[] = {
	{ "explain", EXPLAIN_USAGE, "what a number means: statuses, VM exits, #VEs, TDVMCALLs",
	  cmd_explain, 1, 7, COMPLETE_NOTHING, 0, explain_details },
	{ "status", "[NAME]", "check the completion status of the last SEAMCALL (made by hand, if any was)", cmd_status, 0, 1,
	  COMPLETE_NOTHING, COMMAND_VERDICT,
	  "    NAME as explain prints it, e.g. SUCCESS or OPERAND_BUSY. Without it: shows the status." },
	{ "tdx", "[retry|stats]", "the TDX module: what it is and has; its leaves; start it again",
	  cmd_tdx, 0, 1, COMPLETE_NOTHING, COMMAND_JSON,
	  "    retry: after a step of its start failed. What was done before is not done again.\n"
	  "    stats: calls of each leaf, busy answers, ticks (the median to a quarter)." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
