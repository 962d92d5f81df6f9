/*
 * state.h - the state of the machine and its guests as the status pages show it.
 *
 *     /metrics   text format of Prometheus      metrics.c
 *     /status    JSON                           status_json.c
 *     /          HTML for people                status_html.c
 *     /counters  the same, all of them          status_counters.c
 *
 * All say what `stats` and `guests` say on the console: they read the same lines. Where those
 * come from is a table of functions, so that host tests bring their own.
 *
 * Invariant: what a page calls a counter only grows while the hypervisor lives; the rest are gauges.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_STATE_H
#define TAIN_NET_STATE_H

#include "kernel/base/types.h"
#include "kernel/net/text.h"

struct state_guest {
	const char *name, *kind, *state, *reason;
	unsigned vcpus;
	uint64_t memory, starts, running_us;
};

typedef void (*state_line_fn)(void *ctx, const char *text);

struct state_source {
	const char *version, *module; /* of Tain; the TDX module in words */
	unsigned cpus;
	void (*machine)(state_line_fn line, void *ctx); /* lines "NAME COUNT" */
	void (*network)(state_line_fn line, void *ctx);
	unsigned guests;
	void (*guest)(unsigned index, struct state_guest *out);
	void (*guest_lines)(unsigned index, state_line_fn line, void *ctx);
};

void metrics_render(struct text *t, const struct state_source *s);
void status_json_render(struct text *t, const struct state_source *s);
void status_html_render(struct text *t, const struct state_source *s);
void status_counters_render(struct text *t, const struct state_source *s);

/*
 * The counters of one line of `stats`: a word followed by a number is one, and the words before are
 * what several have in common: "port COM1 reads 5 writes 70" is "port COM1 reads" and "port COM1 writes".
 */
typedef void (*state_count_fn)(void *ctx, const char *name, uint64_t count);
void state_counts(const char *line, state_count_fn fn, void *ctx);

#endif
