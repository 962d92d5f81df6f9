/*
 * cmd_trace.c - the trace ring on the console: what passed between host, module and guests.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/trace.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/trace_text.h"
#include "tdx/td.h"

#define KIND_NAMES "seamcall, tdexit, tdvmcall, tdcall, vmexit, mirror"

/* Which records, and how many of the newest. */
struct selection {
	uint32_t kinds; /* BIT32(enum trace_kind) */
	uint64_t last;
	bool of_guest;
	uint32_t keyid;
};

static int kind_by_name(const char *name)
{
	for (unsigned k = 0; trace_kind_name(k); k++)
		if (strcmp(trace_kind_name(k), name) == 0)
			return (int)k;
	return -1;
}

static bool chosen(const struct selection *s, const struct trace_record *r)
{
	return (s->kinds & BIT32(r->kind)) && (!s->of_guest || r->guest == s->keyid);
}

/* Call @fn for each chosen record from the oldest on; returns how many there are. */
static uint64_t each_record(const struct selection *s, uint64_t skip,
			    void (*fn)(struct out *o, const struct trace_record *r), struct out *o)
{
	struct trace_record r[16];
	uint64_t cursor = 0, lost = 0, end = trace_now(), seen = 0;
	size_t n;

	while (cursor < end && (n = trace_read(&cursor, r, ARRAY_LEN(r), &lost)))
		for (size_t i = 0; i < n; i++)
			if (chosen(s, &r[i]) && seen++ >= skip && fn)
				fn(o, &r[i]);
	return seen;
}

static void show(struct out *o, const struct trace_record *r)
{
	char text[300];

	out_row(o);
	out_number(o, "us", ticks_to_us(r->tsc));
	out_number(o, "cpu", r->cpu);
	out_number(o, "keyid", r->guest);
	out_text(o, "kind", trace_kind_name(r->kind) ? trace_kind_name(r->kind) : "?");
	out_number(o, "ticks", r->ticks);
	out_text(o, "what", trace_text(r, text, sizeof(text)));
}

/* trace on|off [KIND]... */
static int switch_kinds(struct call *c)
{
	uint32_t mask = c->argc == 1 ? BIT32(TRACE_KINDS) - 1 : 0;

	for (int i = 1; i < c->argc; i++) {
		int kind = kind_by_name(c->argv[i]);

		if (kind < 0)
			return command_fail(c, "'%.20s' is none of " KIND_NAMES, c->argv[i]);
		mask |= BIT32(kind);
	}
	if (strcmp(c->argv[0], "on") == 0)
		trace_mask |= mask;
	else
		trace_mask &= ~mask;
	return 0;
}

static int select_guest(struct call *c, struct selection *s, const struct guest *g)
{
	struct td_identity id;

	if (g->config->kind != GUEST_TD || !g->td || td_identity(g->td, &id) != 0)
		return command_fail(c, "%s is no running trust domain", g->config->name);
	s->of_guest = true;
	s->keyid = id.keyid;
	return 0;
}

/* One word of `trace [N] [KIND]... [NAME]`. */
static int select_word(struct call *c, struct selection *s, const char *word)
{
	const struct guest *g = guest_find(word);
	int kind = kind_by_name(word);
	char *end;
	uint64_t n = strtoull(word, &end, 10);

	if (!*end && end != word && *word != '-') {
		s->last = n;
		return 0;
	}
	if (kind >= 0) {
		s->kinds |= BIT32(kind);
		return 0;
	}
	if (g)
		return select_guest(c, s, g);
	return command_fail(c, "'%.20s' is no number, guest, or one of " KIND_NAMES, word);
}

static int cmd_trace(struct call *c)
{
	struct selection s = { .last = 32 };
	uint64_t count;

	if (c->argc && (strcmp(c->argv[0], "on") == 0 || strcmp(c->argv[0], "off") == 0))
		return switch_kinds(c);
	for (int i = 0; i < c->argc; i++)
		if (select_word(c, &s, c->argv[i]) != 0)
			return -1;
	if (!s.kinds)
		s.kinds = ~UINT32_C(0);
	count = each_record(&s, 0, NULL, NULL);
	out_table(c->out);
	each_record(&s, count > s.last ? count - s.last : 0, show, c->out);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ waiting for a record */

struct sighting {
	struct selection which;
	const char *text;
	uint64_t cursor;
	char line[300]; /* what was seen */
};

static bool seen(void *arg)
{
	struct sighting *s = arg;
	struct trace_record r[16];
	uint64_t lost = 0, end = trace_now();
	size_t n;

	/* Not to the moving end: other CPUs may record faster than we read. */
	while (s->cursor < end && (n = trace_read(&s->cursor, r, ARRAY_LEN(r), &lost)))
		for (size_t i = 0; i < n; i++)
			if (chosen(&s->which, &r[i]) &&
			    strstr(trace_text(&r[i], s->line, sizeof(s->line)), s->text))
				return true;
	return false;
}

static int cmd_expect_trace(struct call *c)
{
	struct sighting s = { .which = { .kinds = ~UINT32_C(0) }, .text = c->argv[1] };
	const struct guest *g = guest_find(c->argv[0]);
	uint64_t us;

	if (!g)
		return command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[0]);
	if (!*s.text || !command_seconds(c->argv[2], &us) || us == 0)
		return command_fail(c, "expected: expect-trace NAME TEXT SECONDS");
	if (select_guest(c, &s.which, g) != 0)
		return -1;
	switch (monitor_wait(seen, &s, us)) {
	case WAIT_DONE:
		out_printf(c->out, "%s: %s\n", g->config->name, s.line);
		return 0;
	case WAIT_INTERRUPTED:
		return command_fail(c, "interrupted");
	case WAIT_TIMEOUT:
	default:
		return command_fail(c, "the trace of %s shows no \"%.60s\" after %s s",
				    g->config->name, s.text, c->argv[2]);
	}
}

/* clang-format off */
const struct command trace_commands[] = {
	{ "trace", "[N] [KIND]... [NAME] | on|off [KIND]...",
	  "show the newest N records, decoded; or choose what is recorded", cmd_trace, 0, 8,
	  COMPLETE_GUEST, COMMAND_JSON,
	  "    KIND is one of " KIND_NAMES ".\n    NAME: only records of that running trust domain." },
	{ "expect-trace", "NAME TEXT SECONDS", "wait until the trace of a trust domain shows a text",
	  cmd_expect_trace, 3, 3, COMPLETE_GUEST, COMMAND_VERDICT,
	  "    Records that are still kept count too; the first that shows TEXT is printed." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
