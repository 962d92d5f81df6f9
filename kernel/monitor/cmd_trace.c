/*
 * cmd_trace.c - the trace on the console: what passed between host, module, guests and CPUs; chosen by
 * guest, kind, leaf, CPU and status; as text, as JSON, and as a file that Perfetto opens.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/trace.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/trace_text.h"
#include "kernel/monitor/vars.h"
#include "tdx/abi/explain.h"

#define KIND_NAMES "seamcall, tdexit, tdvmcall, tdcall, vmexit, mirror, ept, ipi, sched"
#define LAST_USUAL 32u

/* Which records, and how many of the newest. */
struct selection {
	uint32_t kinds; /* BIT32(enum trace_kind); 0: all */
	uint64_t last;
	bool of_guest, of_cpu, of_leaf, of_status, of_vcpu, errors;
	uint16_t guest;
	uint64_t cpu, leaf, vcpu;
	const char *status, *text;
	bool perfetto;
};

static int kind_by_name(const char *name)
{
	for (unsigned k = 0; trace_kind_name(k); k++)
		if (strcmp(trace_kind_name(k), name) == 0)
			return (int)k;
	return -1;
}

/* Does its status mean that something was refused? Kinds without a status have none. */
static bool is_error(const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_SEAMCALL:
	case TRACE_TDCALL:
	case TRACE_TDEXIT:
		return !tdx_ok((tdx_status_t){ r->status });
	case TRACE_TDVMCALL:
		return r->status != 0;
	default:
		return false;
	}
}

static bool chosen(const struct selection *s, const struct trace_record *r)
{
	char line[300];

	if ((s->kinds && !(s->kinds & BIT32(r->kind))) || (s->of_guest && r->guest != s->guest) ||
	    (s->of_cpu && r->cpu != s->cpu) || (s->of_leaf && r->leaf != s->leaf) ||
	    (s->of_vcpu && r->vcpu != s->vcpu) || (s->errors && !is_error(r)))
		return false;
	if (s->of_status && !tdx_status_is_named((tdx_status_t){ r->status }, s->status))
		return false;
	return !s->text || strstr(trace_text(r, line, sizeof(line)), s->text);
}

typedef void (*record_fn)(struct out *o, const struct trace_record *r);

/* Call @fn for each chosen record after the first @skip, the oldest first; how many are chosen. */
static uint64_t each_record(const struct selection *s, uint64_t until, uint64_t skip, record_fn fn,
			    struct out *o)
{
	static struct trace_reader reader;
	struct trace_record r[16];
	uint64_t lost = 0, seen = 0;
	size_t n;

	trace_from_oldest(&reader);
	while ((n = trace_read(&reader, until, r, ARRAY_LEN(r), &lost)))
		for (size_t i = 0; i < n; i++)
			if (chosen(s, &r[i]) && seen++ >= skip && fn)
				fn(o, &r[i]);
	return seen;
}

/* ------------------------------------------------------------------ shapes */

/* The guest that a record is about; "" if it is none, or gone. */
static const char *guest_of(const struct trace_record *r)
{
	for (unsigned i = 0; r->guest && i < guest_count(); i++) {
		const struct guest *g = guest_at(i);

		if (g->state == GUEST_RUNNING && guest_trace_id(g) == r->guest)
			return g->config->name;
	}
	return "";
}

static void show(struct out *o, const struct trace_record *r)
{
	char text[300];

	out_row(o);
	out_number(o, "us", ticks_to_us(r->tsc));
	out_number(o, "cpu", r->cpu);
	out_number(o, "guest", r->guest);
	out_text(o, "name", guest_of(r));
	out_text(o, "kind", trace_kind_name(r->kind) ? trace_kind_name(r->kind) : "?");
	out_number(o, "ticks", r->ticks);
	if (o->json) {
		out_hex(o, "tsc", r->tsc);
		out_number(o, "vcpu", r->vcpu);
		out_hex(o, "leaf", r->leaf);
		out_hex(o, "status", r->status);
	}
	out_text(o, "what", trace_text(r, text, sizeof(text)));
}

/*
 * One event of the Trace Event Format (JSON array format): a slice ("X") where ticks are known, else an
 * instant ("i"). Times in microseconds, to the nanosecond; a process for each guest (1: Tain itself), a
 * thread for each CPU.
 */
static void perfetto_event(struct out *o, const struct trace_record *r)
{
	uint64_t mhz = tsc_hz() / 1000000 ? tsc_hz() / 1000000 : 1;
	uint64_t start_ns = (r->tsc - r->ticks) * 1000 / mhz, ns = (uint64_t)r->ticks * 1000 / mhz;
	char name[80], text[300];

	out_row(o);
	out_text(o, "name", trace_short(r, name, sizeof(name)));
	out_text(o, "cat", trace_kind_name(r->kind) ? trace_kind_name(r->kind) : "?");
	out_text(o, "ph", r->ticks ? "X" : "i");
	out_decimal(o, "ts", start_ns, 3);
	if (r->ticks)
		out_decimal(o, "dur", ns, 3);
	else
		out_text(o, "s", "t");
	out_number(o, "pid", r->guest ? r->guest : 1);
	out_number(o, "tid", r->cpu);
	out_object(o, "args");
	out_text(o, "what", trace_text(r, text, sizeof(text)));
	out_object_end(o);
}

static void perfetto_name(struct out *o, unsigned pid, const char *name)
{
	out_row(o);
	out_text(o, "name", "process_name");
	out_text(o, "ph", "M");
	out_number(o, "pid", pid);
	out_number(o, "tid", 0);
	out_object(o, "args");
	out_text(o, "name", name);
	out_object_end(o);
}

/* Who the processes are. */
static void perfetto_names(struct out *o)
{
	perfetto_name(o, 1, "Tain");
	for (unsigned i = 0; i < guest_count(); i++) {
		const struct guest *g = guest_at(i);

		if (g->state == GUEST_RUNNING)
			perfetto_name(o, guest_trace_id(g), g->config->name);
	}
}

/* ------------------------------------------------------------------ words */

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
	if (g->state != GUEST_RUNNING)
		return command_fail(c, "%s does not run: %s", g->config->name,
				    guest_state_name(g->state));
	s->of_guest = true;
	s->guest = guest_trace_id(g);
	return 0;
}

static int select_leaf(struct call *c, struct selection *s, const char *text)
{
	char why[120];
	int64_t leaf;

	s->of_leaf = true;
	if (tdx_parse_leaf(text, &leaf) == 0 && leaf >= 0) {
		s->leaf = (uint64_t)leaf;
		if (text[0] < '0' || text[0] > '9') /* the name of a SEAMCALL's */
			s->kinds |= BIT32(TRACE_SEAMCALL);
		return 0;
	}
	return expression(text, &s->leaf, why, sizeof(why)) ? command_fail(c, "%s", why) : 0;
}

static int select_number(struct call *c, bool *on, uint64_t *value, const char *text)
{
	char why[120];

	*on = true;
	return expression(text, value, why, sizeof(why)) ? command_fail(c, "%s", why) : 0;
}

/* cpu=N vcpu=N leaf=NAME status=NAME text=PART */
static int select_pair(struct call *c, struct selection *s, const char *word, const char *value)
{
	if (strncmp(word, "cpu=", 4) == 0)
		return select_number(c, &s->of_cpu, &s->cpu, value);
	if (strncmp(word, "vcpu=", 5) == 0)
		return select_number(c, &s->of_vcpu, &s->vcpu, value);
	if (strncmp(word, "leaf=", 5) == 0)
		return select_leaf(c, s, value);
	if (strncmp(word, "text=", 5) == 0) {
		s->text = value;
		return 0;
	}
	if (strncmp(word, "status=", 7) != 0)
		return command_fail(c, "expected: trace %s", c->row->usage);
	if (strcmp(value, "error") == 0) {
		s->errors = true;
		return 0;
	}
	s->of_status = true;
	s->status = value;
	return 0;
}

/* One word of `trace [N] [KIND]... [NAME] [FILTER=VALUE]...`. */
static int select_word(struct call *c, struct selection *s, const char *word)
{
	const struct guest *g = guest_find(word);
	const char *equals = strchr(word, '=');
	int kind = kind_by_name(word);
	char *end;
	uint64_t n = strtoull(word, &end, 10);

	if (!*end && end != word && *word != '-') {
		s->last = n;
		return 0;
	}
	if (strcmp(word, "--perfetto") == 0) {
		s->perfetto = true;
		return 0;
	}
	if (equals)
		return select_pair(c, s, word, equals + 1);
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
	struct selection s = { .last = LAST_USUAL };
	uint64_t count, until;

	if (c->argc && (strcmp(c->argv[0], "on") == 0 || strcmp(c->argv[0], "off") == 0))
		return switch_kinds(c);
	for (int i = 0; i < c->argc; i++)
		if (select_word(c, &s, c->argv[i]) != 0)
			return -1;
	/* Not to the moving end: other CPUs may record faster than we read. */
	until = tsc_now();
	count = each_record(&s, until, 0, NULL, NULL);
	if (s.perfetto)
		out_as_json(c->out);
	out_table(c->out);
	if (s.perfetto)
		perfetto_names(c->out);
	each_record(&s, until, count > s.last ? count - s.last : 0,
		    s.perfetto ? perfetto_event : show, c->out);
	out_end(c->out);
	return 0;
}

/* ------------------------------------------------------------------ waiting for a record */

struct sighting {
	struct selection which;
	struct trace_reader *reader;
	const char *text;
	char line[300]; /* what was seen */
};

static bool seen(void *arg)
{
	struct sighting *s = arg;
	struct trace_record r[16];
	uint64_t lost = 0, until = tsc_now();
	size_t n;

	while ((n = trace_read(s->reader, until, r, ARRAY_LEN(r), &lost)))
		for (size_t i = 0; i < n; i++)
			if (chosen(&s->which, &r[i]) &&
			    strstr(trace_text(&r[i], s->line, sizeof(s->line)), s->text))
				return true;
	return false;
}

static int cmd_expect_trace(struct call *c)
{
	static struct trace_reader reader;
	struct sighting s = { .reader = &reader, .text = c->argv[1] };
	const struct guest *g = guest_find(c->argv[0]);
	uint64_t us;

	if (!g)
		return command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[0]);
	if (!*s.text || !command_seconds(c->argv[2], &us) || us == 0)
		return command_fail(c, "expected: expect-trace NAME TEXT SECONDS");
	if (select_guest(c, &s.which, g) != 0)
		return -1;
	trace_from_oldest(&reader);
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
	{ "trace", "[N] [KIND]... [NAME] [cpu=N] [vcpu=N] [leaf=L] [status=S] [text=T] [--perfetto] | on|off [KIND]...",
	  "show the newest N records, decoded; or choose what is recorded", cmd_trace, 0, 12,
	  COMPLETE_GUEST, COMMAND_JSON,
	  "    KIND is one of " KIND_NAMES ".\n"
	  "    NAME: only records of that guest. leaf: a number or the name of a leaf. status: a name, a number,\n"
	  "    or `error`. --perfetto: one line that ui.perfetto.dev and chrome://tracing open as a file." },
	{ "expect-trace", "NAME TEXT SECONDS", "wait until the trace of a guest shows a text",
	  cmd_expect_trace, 3, 3, COMPLETE_GUEST, COMMAND_VERDICT,
	  "    Records that are still kept count too; the first that shows TEXT is printed." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
