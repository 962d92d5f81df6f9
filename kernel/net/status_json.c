/*
 * status_json.c - the state as one JSON object: what programs that are not Prometheus read.
 *
 *     {"tain": VERSION, "tdx_module": TEXT, "cpus": N, "machine": {NAME: COUNT...}, "network": {...},
 *      "guests": [{"name":, "kind":, "state":, "reason":, "vcpus":, "memory":, "starts":,
 *                  "running_us":, "stats": {NAME: COUNT...}}...]}
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/state.h"

struct members {
	struct text *t;
	bool any;
};

static void member(void *ctx, const char *name, uint64_t count)
{
	struct members *m = ctx;

	text_puts(m->t, m->any ? ",\"" : "\"");
	text_quoted(m->t, name);
	text_printf(m->t, "\":%llu", (unsigned long long)count);
	m->any = true;
}

static void member_line(void *ctx, const char *line) { state_counts(line, member, ctx); }

static void text_member(struct text *t, const char *name, const char *value)
{
	text_printf(t, "\"%s\":\"", name);
	text_quoted(t, value);
	text_puts(t, "\",");
}

static void guest_object(struct text *t, const struct state_source *s, unsigned index)
{
	struct members m = { .t = t };
	struct state_guest g;

	s->guest(index, &g);
	text_puts(t, index ? ",{" : "{");
	text_member(t, "name", g.name);
	text_member(t, "kind", g.kind);
	text_member(t, "state", g.state);
	text_member(t, "reason", g.reason);
	text_printf(t, "\"vcpus\":%u,\"memory\":%llu,\"starts\":%llu,\"running_us\":%llu,\"stats\":{",
		    g.vcpus, (unsigned long long)g.memory, (unsigned long long)g.starts,
		    (unsigned long long)g.running_us);
	s->guest_lines(index, member_line, &m);
	text_puts(t, "}}");
}

void status_json_render(struct text *t, const struct state_source *s)
{
	struct members machine = { .t = t }, network = { .t = t };

	text_puts(t, "{");
	text_member(t, "tain", s->version);
	text_member(t, "tdx_module", s->module);
	text_printf(t, "\"cpus\":%u,\"machine\":{", s->cpus);
	s->machine(member_line, &machine);
	text_puts(t, "},\"network\":{");
	if (s->network)
		s->network(member_line, &network);
	text_puts(t, "},\"guests\":[");
	for (unsigned i = 0; i < s->guests; i++)
		guest_object(t, s, i);
	text_puts(t, "]}\n");
}
