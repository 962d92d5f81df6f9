/*
 * status_html.c - the state as a page for people: tables, no script, read again every five seconds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/state.h"

static const char opening[] =
	"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tain</title>"
	"<meta http-equiv=\"refresh\" content=\"5\">"
	"<meta name=\"viewport\" content=\"width=device-width\"><style>"
	"body{font:15px/1.4 sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#222}"
	"table{border-collapse:collapse;margin:.5em 0 1.5em;width:100%}"
	"th,td{text-align:left;padding:.25em .7em;border-bottom:1px solid #ddd}"
	"td.n{text-align:right;font-variant-numeric:tabular-nums}"
	".running{color:#06682a}.dead,.refused{color:#a40000}"
	"details td{padding:.1em .7em}a{color:#0645ad}</style></head><body>";

static void number_row(void *ctx, const char *name, uint64_t count)
{
	struct text *t = ctx;

	text_puts(t, "<tr><td>");
	text_html(t, name);
	text_printf(t, "</td><td class=\"n\">%llu</td></tr>", (unsigned long long)count);
}

static void number_line(void *ctx, const char *line) { state_counts(line, number_row, ctx); }

static void cell(struct text *t, const char *value)
{
	text_puts(t, "<td>");
	text_html(t, value);
	text_puts(t, "</td>");
}

static void guest_row(struct text *t, const struct state_guest *g)
{
	text_puts(t, "<tr>");
	cell(t, g->name);
	cell(t, g->kind);
	text_puts(t, "<td class=\"");
	text_html(t, g->state);
	text_puts(t, "\">");
	text_html(t, g->state);
	text_printf(t, "</td><td class=\"n\">%u</td><td class=\"n\">%llu</td><td class=\"n\">%llu.%llu</td>",
		    g->vcpus, (unsigned long long)(g->memory >> 20),
		    (unsigned long long)(g->running_us / 1000000),
		    (unsigned long long)(g->running_us / 100000 % 10));
	cell(t, g->reason);
	text_puts(t, "</tr>");
}

static void guest_table(struct text *t, const struct state_source *s)
{
	struct state_guest g;

	text_puts(t, "<h2>Guests</h2><table><tr><th>name<th>kind<th>state<th>vCPUs<th>MiB<th>seconds"
		     "<th>reason</tr>");
	for (unsigned i = 0; i < s->guests; i++) {
		s->guest(i, &g);
		guest_row(t, &g);
	}
	text_puts(t, "</table>");
}

static void guest_details(struct text *t, const struct state_source *s)
{
	struct state_guest g;

	for (unsigned i = 0; i < s->guests; i++) {
		s->guest(i, &g);
		text_puts(t, "<details><summary>Counters of ");
		text_html(t, g.name);
		text_puts(t, "</summary><table>");
		s->guest_lines(i, number_line, t);
		text_puts(t, "</table></details>");
	}
}

void status_html_render(struct text *t, const struct state_source *s)
{
	text_puts(t, opening);
	text_puts(t, "<h1>Tain ");
	text_html(t, s->version);
	text_printf(t, "</h1><p>%u CPUs. TDX module: ", s->cpus);
	text_html(t, s->module);
	text_puts(t, ". For programs: <a href=\"/metrics\">/metrics</a>, <a href=\"/status\">/status</a>.</p>");
	guest_table(t, s);
	guest_details(t, s);
	text_puts(t, "<h2>Machine</h2><table>");
	s->machine(number_line, t);
	text_puts(t, "</table>");
	if (s->network) {
		text_puts(t, "<h2>Network</h2><table>");
		s->network(number_line, t);
		text_puts(t, "</table>");
	}
	text_puts(t, "</body></html>\n");
}
