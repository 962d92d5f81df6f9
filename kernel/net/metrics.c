/*
 * metrics.c - the counters in the text format of Prometheus, version 0.0.4.
 *
 * A counter of the machine that has a row here has a metric of its own; SEAMCALLs are metrics by leaf;
 * whatever else a guest counts is tain_guest_stat with its name as a label.
 *
 * Invariant: all samples of one metric stand together behind its HELP and TYPE, each with labels of
 * its own: the format asks for it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/net/state.h"

/* Of `stats`: the line's name, the metric, its labels, what it is in words. Same metrics in a row. */
/* clang-format off */
static const struct machine_row {
	const char *stat, *metric, *labels, *type, *help;
	bool micro; /* the value is in millionths of the metric's unit */
} machine_rows[] = {
	{ "uptime_us", "tain_uptime_seconds", "", "gauge", "Time since the loader was entered", true },
	{ "slices", "tain_slices_total", "", "counter", "Turns given to vCPUs", false },
	{ "interrupts", "tain_interrupts_total", "", "counter", "Interrupts taken", false },
	{ "nmis", "tain_nmis_total", "", "counter", "NMIs taken", false },
	{ "idle_ticks", "tain_ticks_total", "part=\"idle\"", "counter", "TSC ticks of all CPUs, by whose they were", false },
	{ "guest_ticks", "tain_ticks_total", "part=\"guest\"", "counter", "", false },
	{ "module_ticks", "tain_ticks_total", "part=\"module\"", "counter", "", false },
	{ "tain_ticks", "tain_ticks_total", "part=\"tain\"", "counter", "", false },
	{ "console_bytes", "tain_console_bytes_total", "", "counter", "Bytes sent over the console's line", false },
	{ "console_dropped", "tain_console_dropped_bytes_total", "", "counter", "Bytes that the console had no room for", false },
	{ "free_pages", "tain_free_pages", "", "gauge", "Free pages of 4 KiB", false },
	{ "leaked_pages", "tain_leaked_pages", "", "gauge", "Pages that the TDX module would not give back", false },
	{ "log_errors", "tain_log_errors_total", "", "counter", "Lines logged as errors", false },
	{ "log_warnings", "tain_log_warnings_total", "", "counter", "Lines logged as warnings", false },
};

/* How a line of a leaf's counters ends, and the metric it is a sample of. */
static const struct leaf_row {
	const char *ending, *metric, *type, *help;
} leaf_rows[] = {
	{ " calls", "tain_seamcalls_total", "counter", "SEAMCALLs by leaf" },
	{ " busy", "tain_seamcalls_busy_total", "counter", "SEAMCALLs that were answered busy" },
	{ " errors", "tain_seamcalls_failed_total", "counter", "SEAMCALLs that were answered by an error" },
	{ " ticks: median", "tain_seamcall_ticks_median", "gauge", "TSC ticks of a SEAMCALL, the median to a quarter" },
};
/* clang-format on */

static void value(struct text *t, uint64_t v, bool micro)
{
	if (micro)
		text_printf(t, " %llu.%06llu\n", (unsigned long long)(v / 1000000),
			    (unsigned long long)(v % 1000000));
	else
		text_printf(t, " %llu\n", (unsigned long long)v);
}

static void begin(struct text *t, const char *metric, const char *type, const char *help)
{
	text_printf(t, "# HELP %s %s.\n# TYPE %s %s\n", metric, help, metric, type);
}

/* ---- the machine ---- */

struct machine_values {
	bool there[ARRAY_LEN(machine_rows)];
	uint64_t value[ARRAY_LEN(machine_rows)];
};

static void note_value(void *ctx, const char *name, uint64_t count)
{
	struct machine_values *v = ctx;

	for (size_t i = 0; i < ARRAY_LEN(machine_rows); i++)
		if (strcmp(machine_rows[i].stat, name) == 0) {
			v->there[i] = true;
			v->value[i] = count;
		}
}

static void note_line(void *ctx, const char *line) { state_counts(line, note_value, ctx); }

static void machine_metrics(struct text *t, const struct state_source *s)
{
	struct machine_values v = { 0 };
	const char *last = "";

	s->machine(note_line, &v);
	for (size_t i = 0; i < ARRAY_LEN(machine_rows); i++) {
		const struct machine_row *r = &machine_rows[i];

		if (!v.there[i])
			continue;
		if (strcmp(last, r->metric) != 0)
			begin(t, r->metric, r->type, r->help);
		last = r->metric;
		text_printf(t, "%s%s%s%s", r->metric, r->labels[0] ? "{" : "", r->labels,
			    r->labels[0] ? "}" : "");
		value(t, v.value[i], r->micro);
	}
}

/* ---- SEAMCALLs ---- */

struct leaf_pass {
	struct text *t;
	const struct leaf_row *row;
	bool began;
};

static void leaf_sample(void *ctx, const char *name, uint64_t count)
{
	struct leaf_pass *p = ctx;
	size_t ending = strlen(p->row->ending), n = strlen(name);
	char leaf[64];

	if (strncmp(name, "TDH.", 4) != 0 || n <= ending || n - ending >= sizeof(leaf) ||
	    strcmp(name + n - ending, p->row->ending) != 0)
		return;
	memcpy(leaf, name, n - ending);
	leaf[n - ending] = 0;
	if (!p->began)
		begin(p->t, p->row->metric, p->row->type, p->row->help);
	p->began = true;
	text_printf(p->t, "%s{leaf=\"", p->row->metric);
	text_quoted(p->t, leaf);
	text_printf(p->t, "\"} %llu\n", (unsigned long long)count);
}

static void leaf_line(void *ctx, const char *line) { state_counts(line, leaf_sample, ctx); }

static void leaf_metrics(struct text *t, const struct state_source *s)
{
	for (size_t i = 0; i < ARRAY_LEN(leaf_rows); i++) {
		struct leaf_pass pass = { .t = t, .row = &leaf_rows[i] };

		s->machine(leaf_line, &pass);
	}
}

/* ---- the network ---- */

struct named {
	struct text *t;
	const char *metric, *guest; /* guest: NULL: no such label */
	const char *label;
};

static void named_sample(const struct named *n, const char *name, uint64_t count)
{
	text_printf(n->t, "%s{", n->metric);
	if (n->guest) {
		text_puts(n->t, "guest=\"");
		text_quoted(n->t, n->guest);
		text_puts(n->t, "\",");
	}
	text_printf(n->t, "%s=\"", n->label);
	text_quoted(n->t, name);
	text_printf(n->t, "\"} %llu\n", (unsigned long long)count);
}

static void any_sample(void *ctx, const char *name, uint64_t count) { named_sample(ctx, name, count); }
static void any_line(void *ctx, const char *line) { state_counts(line, any_sample, ctx); }

static void network_metrics(struct text *t, const struct state_source *s)
{
	struct named n = { .t = t, .metric = "tain_network_stat", .label = "name" };

	if (!s->network)
		return;
	begin(t, n.metric, "gauge", "Counters of the network, as the command net shows them");
	s->network(any_line, &n);
}

/* ---- guests ---- */

static const char exit_words[] = "exit ";

static void exit_sample(void *ctx, const char *name, uint64_t count)
{
	if (strncmp(name, exit_words, sizeof(exit_words) - 1) == 0)
		named_sample(ctx, name + sizeof(exit_words) - 1, count);
}

static void other_sample(void *ctx, const char *name, uint64_t count)
{
	if (strncmp(name, exit_words, sizeof(exit_words) - 1) != 0)
		named_sample(ctx, name, count);
}

static void exit_line(void *ctx, const char *line) { state_counts(line, exit_sample, ctx); }
static void other_line(void *ctx, const char *line) { state_counts(line, other_sample, ctx); }

/* clang-format off */
static const struct guest_lines_row {
	const char *metric, *label, *type, *help;
	state_line_fn line;
} guest_lines_rows[] = {
	{ "tain_guest_exits_total", "reason", "counter", "VM exits of a plain guest, by reason", exit_line },
	{ "tain_guest_stat", "name", "gauge", "What else the command stats shows of a guest that runs", other_line },
};

enum guest_value { RUNNING, VCPUS, MEMORY, STARTS, RUNNING_US };
static const struct guest_row {
	const char *metric, *type, *help;
	enum guest_value value;
} guest_rows[] = {
	{ "tain_guest_running", "gauge", "1 while the guest runs", RUNNING },
	{ "tain_guest_vcpus", "gauge", "Virtual CPUs", VCPUS },
	{ "tain_guest_memory_bytes", "gauge", "Memory of the guest", MEMORY },
	{ "tain_guest_starts_total", "counter", "How often it was started", STARTS },
	{ "tain_guest_running_seconds", "gauge", "Time since its start, while it runs", RUNNING_US },
};
/* clang-format on */

static uint64_t guest_value(const struct state_guest *g, enum guest_value which)
{
	switch (which) {
	case RUNNING:
		return strcmp(g->state, "running") == 0;
	case VCPUS:
		return g->vcpus;
	case MEMORY:
		return g->memory;
	case STARTS:
		return g->starts;
	case RUNNING_US:
	default:
		return g->running_us;
	}
}

static void guest_labels(struct text *t, const char *metric, const struct state_guest *g)
{
	text_printf(t, "%s{guest=\"", metric);
	text_quoted(t, g->name);
	text_printf(t, "\",kind=\"%s\"}", g->kind);
}

static void guest_metrics(struct text *t, const struct state_source *s)
{
	struct state_guest g;

	for (size_t i = 0; i < ARRAY_LEN(guest_rows) && s->guests; i++) {
		const struct guest_row *r = &guest_rows[i];

		begin(t, r->metric, r->type, r->help);
		for (unsigned n = 0; n < s->guests; n++) {
			s->guest(n, &g);
			guest_labels(t, r->metric, &g);
			value(t, guest_value(&g, r->value), r->value == RUNNING_US);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(guest_lines_rows) && s->guests; i++) {
		const struct guest_lines_row *r = &guest_lines_rows[i];

		begin(t, r->metric, r->type, r->help);
		for (unsigned n = 0; n < s->guests; n++) {
			s->guest(n, &g);
			struct named named = { t, r->metric, g.name, r->label };

			s->guest_lines(n, r->line, &named);
		}
	}
}

void metrics_render(struct text *t, const struct state_source *s)
{
	begin(t, "tain_info", "gauge", "What runs here; always 1");
	text_puts(t, "tain_info{version=\"");
	text_quoted(t, s->version);
	text_puts(t, "\",tdx_module=\"");
	text_quoted(t, s->module);
	text_puts(t, "\"} 1\n");
	begin(t, "tain_cpus", "gauge", "CPUs online");
	text_printf(t, "tain_cpus %u\n", s->cpus);
	machine_metrics(t, s);
	leaf_metrics(t, s);
	network_metrics(t, s);
	guest_metrics(t, s);
}
