/*
 * status_html.c - the state as a page for people: the machine at a glance, and its guests. Read
 * again every five seconds; what takes longer to read is on the page of counters
 * (status_counters.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/net/status_page.h"

#define RELOAD_S   5
#define PAGE_BYTES UINT64_C(4096)

/* What the overview takes of `stats` and of the network's counters. */
enum figure {
	UPTIME,
	FREE,
	LEAKED,
	ERRORS,
	WARNINGS,
	GUEST,
	MODULE,
	TAIN,
	IDLE,
	RECEIVED,
	SENT,
	FIGURES
};

static const char *const figure_names[FIGURES] = {
	[UPTIME] = "uptime_us",    [FREE] = "free_pages",       [LEAKED] = "leaked_pages",
	[ERRORS] = "log_errors",   [WARNINGS] = "log_warnings", [GUEST] = "guest_ticks",
	[MODULE] = "module_ticks", [TAIN] = "tain_ticks",       [IDLE] = "idle_ticks",
	[RECEIVED] = "rx frames",  [SENT] = "tx frames",
};

static void note(void *ctx, const char *name, uint64_t count)
{
	uint64_t *figures = ctx;

	for (size_t i = 0; i < FIGURES; i++)
		if (strcmp(name, figure_names[i]) == 0)
			figures[i] = count;
}

static void note_line(void *ctx, const char *line) { state_counts(line, note, ctx); }

/* ---- at a glance ---- */

static void tile_open(struct text *t) { text_puts(t, "<div><b>"); }

static void tile_close(struct text *t, const char *what)
{
	text_puts(t, "</b><span>");
	text_puts(t, what);
	text_puts(t, "</span></div>");
}

static void count_tile(struct text *t, uint64_t count, const char *what)
{
	tile_open(t);
	html_count(t, count);
	tile_close(t, what);
}

static void pair_tile(struct text *t, uint64_t one, uint64_t other, const char *what)
{
	tile_open(t);
	html_count(t, one);
	text_puts(t, " / ");
	html_count(t, other);
	tile_close(t, what);
}

static unsigned guests_running(const struct state_source *s)
{
	struct state_guest g;
	unsigned running = 0;

	for (unsigned i = 0; i < s->guests; i++) {
		s->guest(i, &g);
		running += strcmp(g.state, "running") == 0;
	}
	return running;
}

static void tiles(struct text *t, const struct state_source *s, const uint64_t *f)
{
	text_puts(t, "<div class=\"tiles\">");
	tile_open(t);
	html_time(t, f[UPTIME]);
	tile_close(t, "up");
	tile_open(t);
	text_printf(t, "%u of %u", guests_running(s), s->guests);
	tile_close(t, "guests run");
	count_tile(t, s->cpus, s->cpus == 1 ? "CPU" : "CPUs");
	tile_open(t);
	html_bytes(t, f[FREE] * PAGE_BYTES);
	tile_close(t, "free");
	pair_tile(t, f[ERRORS], f[WARNINGS], "errors / warnings");
	if (f[LEAKED])
		count_tile(t, f[LEAKED], "pages leaked");
	if (s->network)
		pair_tile(t, f[RECEIVED], f[SENT], "frames in / out");
	text_puts(t, "</div>");
}

/* ---- whose time it was ---- */

static const struct part {
	enum figure figure;
	const char *color, *what;
} parts[] = {
	{ GUEST, "guest", "guests" },
	{ MODULE, "module", "TDX module" },
	{ TAIN, "tain", "Tain" },
	{ IDLE, "line", "idle" },
};

/* Tenths of a percent; ticks are divided first where they are so many that ten times more would not
 * fit. */
static unsigned permille(uint64_t part, uint64_t whole)
{
	while (whole >> 32) {
		whole >>= 1;
		part >>= 1;
	}
	return whole ? (unsigned)(part * 1000 / whole) : 0;
}

static void time_bar(struct text *t, const uint64_t *f)
{
	uint64_t whole = 0;

	/* Quarters: a sum of four cannot overflow. */
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		whole += f[parts[i].figure] / 4;
	text_puts(t, "<h2>Time of the CPUs</h2><div class=\"bar\">");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		unsigned part = permille(f[parts[i].figure] / 4, whole);

		text_printf(t, "<i style=\"--c:var(--%s);width:%u.%u%%\"></i>", parts[i].color,
			    part / 10, part % 10);
	}
	text_puts(t, "</div><div class=\"key\">");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		unsigned part = permille(f[parts[i].figure] / 4, whole);

		text_printf(t, "<span><i style=\"--c:var(--%s)\"></i>%s %u.%u %%</span>",
			    parts[i].color, parts[i].what, part / 10, part % 10);
	}
	text_puts(t, "</div>");
}

/* ---- guests ---- */

static void guest_row(struct text *t, const struct state_guest *g)
{
	text_puts(t, "<tr><td>");
	text_html(t, g->name);
	text_puts(t, "</td><td class=\"s ");
	text_html(t, g->state);
	text_puts(t, "\">");
	text_html(t, g->state);
	text_puts(t, "</td><td>");
	text_puts(t, strcmp(g->kind, "td") == 0 ? "trust domain" : "plain VM");
	text_printf(t, "</td><td class=\"n cpus\">%u</td><td class=\"n\">", g->vcpus);
	html_bytes(t, g->memory);
	text_puts(t, "</td><td class=\"n for\">");
	if (g->running_us)
		html_time(t, g->running_us);
	text_puts(t, "</td><td class=\"why\">");
	text_html(t, g->reason);
	text_puts(t, "</td></tr>");
}

static void guest_table(struct text *t, const struct state_source *s)
{
	struct state_guest g;

	text_puts(t, "<h2>Guests</h2>");
	if (!s->guests) {
		text_puts(t, "<p>None is configured.</p>");
		return;
	}
	text_puts(t, "<table class=\"guests\"><tr><th>name<th>state<th>kind<th "
		     "class=\"n\">vCPUs<th class=\"n\">memory"
		     "<th class=\"n\">runs for<th>reason</tr>");
	for (unsigned i = 0; i < s->guests; i++) {
		s->guest(i, &g);
		guest_row(t, &g);
	}
	text_puts(t, "</table>");
}

void status_html_render(struct text *t, const struct state_source *s)
{
	uint64_t figures[FIGURES] = { 0 };

	s->machine(note_line, figures);
	if (s->network)
		s->network(note_line, figures);
	html_open(t, s, RELOAD_S);
	tiles(t, s, figures);
	time_bar(t, figures);
	guest_table(t, s);
	html_close(t);
}
