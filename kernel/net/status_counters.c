/*
 * status_counters.c - all counters as a page for people: SEAMCALLs as a table of leaves, the rest
 * as lists. It stays as it was read: no browser reads it again by itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/net/status_page.h"

/* ---- SEAMCALLs: lines "LEAF WHAT COUNT", all of a leaf together ---- */

static const struct column {
	const char *ending, *head;
} columns[] = {
	{ " calls", "calls" },          { " busy", "busy" },
	{ " errors", "errors" },        { " ticks: min", "ticks, min" },
	{ " ticks: median", "median" }, { " ticks: max", "max" },
};

#define COLUMNS  ARRAY_LEN(columns)
#define LEAF_MAX 64

struct leaf {
	struct text *t;
	char name[LEAF_MAX];
	uint64_t value[COLUMNS];
};

static void end_leaf(struct leaf *l)
{
	if (!l->name[0])
		return;
	text_puts(l->t, "<tr><td>");
	text_html(l->t, l->name);
	for (size_t i = 0; i < COLUMNS; i++) {
		text_puts(l->t, "</td><td class=\"n\">");
		html_count(l->t, l->value[i]);
	}
	text_puts(l->t, "</td></tr>");
	*l = (struct leaf){ .t = l->t };
}

/* Which column @name belongs to, COLUMNS: it is none of a leaf; *length: of the leaf's name. */
static size_t column_of(const char *name, size_t *length)
{
	size_t i = COLUMNS, n = strlen(name);

	if (strncmp(name, "TDH.", 4) != 0)
		return COLUMNS;
	for (i = 0; i < COLUMNS; i++) {
		size_t ending = strlen(columns[i].ending);

		if (n > ending && n - ending < LEAF_MAX &&
		    strcmp(name + n - ending, columns[i].ending) == 0) {
			*length = n - ending;
			return i;
		}
	}
	return COLUMNS;
}

static void leaf_count(void *ctx, const char *name, uint64_t count)
{
	struct leaf *l = ctx;
	size_t length = 0, column = column_of(name, &length);

	if (column == COLUMNS)
		return;
	if (strncmp(l->name, name, length) != 0 || l->name[length]) {
		end_leaf(l);
		memcpy(l->name, name, length);
		l->name[length] = 0;
	}
	l->value[column] = count;
}

static void leaf_line(void *ctx, const char *line) { state_counts(line, leaf_count, ctx); }

static void leaves(struct text *t, const struct state_source *s)
{
	struct leaf l = { .t = t };

	text_puts(t, "<h2>SEAMCALLs</h2><div class=\"wide\"><table><tr><th>leaf");
	for (size_t i = 0; i < COLUMNS; i++)
		text_printf(t, "<th class=\"n\">%s", columns[i].head);
	text_puts(t, "</tr>");
	s->machine(leaf_line, &l);
	end_leaf(&l);
	text_puts(t, "</table></div>");
}

/* ---- lists ---- */

static void any_line(void *ctx, const char *line) { state_counts(line, html_fact, ctx); }

static void other_count(void *ctx, const char *name, uint64_t count)
{
	size_t length;

	if (column_of(name, &length) == COLUMNS)
		html_fact(ctx, name, count);
}

static void other_line(void *ctx, const char *line) { state_counts(line, other_count, ctx); }

static void list_open(struct text *t, const char *title)
{
	text_puts(t, "<h2>");
	text_html(t, title);
	text_puts(t, "</h2><div class=\"facts\">");
}

static void list_close(struct text *t) { text_puts(t, "</div>"); }

/* Only guests that were started count something. */
static void guest_list(struct text *t, const struct state_source *s, unsigned index)
{
	struct state_guest g;

	s->guest(index, &g);
	list_open(t, g.name);
	html_fact(t, "starts", g.starts);
	s->guest_lines(index, any_line, t);
	list_close(t);
}

void status_counters_render(struct text *t, const struct state_source *s)
{
	html_open(t, s, 0);
	list_open(t, "Machine");
	s->machine(other_line, t);
	list_close(t);
	if (s->network) {
		list_open(t, "Network");
		s->network(any_line, t);
		list_close(t);
	}
	for (unsigned i = 0; i < s->guests; i++)
		guest_list(t, s, i);
	leaves(t, s);
	html_close(t);
}
