/*
 * cmd_guest.c - commands about guests: list, start, stop, wait, look at what they say.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/guest/guest.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/net_turn.h"
#include "kernel/monitor/words.h"
#include "kernel/net/follow.h"
#include "tdx/td.h"

#define STOP_US UINT64_C(20000000)
#define TYPE_US  UINT64_C(10000000)

/* The guest that the first word names, or NULL with the reason noted. */
static struct guest *named_guest(struct call *c)
{
	struct guest *g = guest_find(c->argv[0]);

	if (!g)
		command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[0]);
	return g;
}

static const char *kind_name(const struct guest *g)
{
	return g->config->kind == GUEST_TD ? "td" : "vm";
}

static int cmd_guests(struct call *c)
{
	if (guest_count() == 0 && !c->json) {
		out_printf(c->out, "no guests: tain.cfg defines none\n");
		return 0;
	}
	out_table(c->out);
	for (unsigned i = 0; i < guest_count(); i++) {
		const struct guest *g = guest_at(i);

		out_row(c->out);
		out_text(c->out, "name", g->config->name);
		out_text(c->out, "kind", kind_name(g));
		out_text(c->out, "state", guest_state_text(g));
		out_number(c->out, "vcpus", g->config->vcpus);
		out_number(c->out, "memory_kib", g->config->memory >> 10);
		out_number(c->out, "starts", g->starts);
		out_text(c->out, "reason", g->reason);
	}
	out_end(c->out);
	return 0;
}

static int cmd_start(struct call *c)
{
	struct guest *g = named_guest(c);
	char why[160];

	if (!g || net_turn_files(c, g) != 0)
		return -1;
	if (guest_start(g, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	return 0;
}

static bool has_ended(void *arg) { return guest_ended(arg); }

static int wait_for_end(struct call *c, struct guest *g, uint64_t timeout_us)
{
	switch (monitor_wait(has_ended, g, timeout_us)) {
	case WAIT_DONE:
		return 0;
	case WAIT_INTERRUPTED:
		return command_fail(c, "interrupted");
	case WAIT_TIMEOUT:
	default:
		return command_fail(c, "%s has not ended after %llu s", g->config->name,
				    (unsigned long long)(timeout_us / 1000000));
	}
}

static int cmd_stop(struct call *c)
{
	struct guest *g = named_guest(c);

	if (!g)
		return -1;
	if (guest_stop(g, "by command") != 0)
		return command_fail(c, "%s does not run: %s", g->config->name,
				    guest_state_name(g->state));
	return wait_for_end(c, g, STOP_US);
}

static int cmd_wait(struct call *c)
{
	struct guest *g = named_guest(c);
	uint64_t us = 0;

	if (!g)
		return -1;
	if (c->argc == 2 && (!command_seconds(c->argv[1], &us) || us == 0))
		return command_fail(c, "expected: wait NAME [SECONDS]");
	if (g->state == GUEST_REFUSED)
		return command_fail(c, "%s is refused: %s", g->config->name, g->reason);
	if (net_turn_started(c, g) != 0)
		return -1;
	if (g->starts == 0)
		return command_fail(c, "%s has not been started", g->config->name);
	return wait_for_end(c, g, us);
}

/* ------------------------------------------------------------------ what it prints */

struct expectation {
	struct guest *guest;
	const char *text;
	uint64_t from; /* where to look: what lies before has been looked at */
	bool met;
};

/* It is asked each round: what was there the last time is not searched again. */
static bool text_came(void *arg)
{
	struct expectation *e = arg;
	struct output *o = &e->guest->output;
	uint64_t total = __atomic_load_n(&o->total, __ATOMIC_ACQUIRE), length = strlen(e->text);

	if (!e->met && total >= e->from + length) {
		e->met = output_contains(o, e->from, e->text);
		e->from = total - length + 1;
	}
	return e->met || guest_ended(e->guest);
}

static int cmd_expect(struct call *c)
{
	struct expectation e = { .guest = named_guest(c), .text = c->argv[1] };
	uint64_t us;

	if (!e.guest || net_turn_started(c, e.guest) != 0)
		return -1;
	e.from = e.guest->expect_from;
	if (!*e.text || !command_seconds(c->argv[2], &us) || us == 0)
		return command_fail(c, "expected: expect NAME TEXT SECONDS");
	switch (monitor_wait(text_came, &e, us)) {
	case WAIT_DONE:
		/* It may have printed the text and ended within one round. */
		if (text_came(&e) && e.met)
			return 0;
		return command_fail(c, "%s is %s and has not printed \"%.60s\"",
				    e.guest->config->name, guest_state_name(e.guest->state),
				    e.text);
	case WAIT_INTERRUPTED:
		return command_fail(c, "interrupted");
	case WAIT_TIMEOUT:
	default:
		return command_fail(c, "%s has not printed \"%.60s\" in %s s",
				    e.guest->config->name, e.text, c->argv[2]);
	}
}

struct typing {
	struct guest *guest;
	const char *left; /* what its line has not taken yet; then the end of the line */
	bool done;
};

/* As much as its FIFO takes. */
static bool typed_all(void *arg)
{
	struct typing *t = arg;

	while (!t->done && guest_type(t->guest, *t->left ? (uint8_t)*t->left : '\r'))
		t->done = !*t->left++;
	return t->done || guest_ended(t->guest);
}

static int cmd_type(struct call *c)
{
	struct typing t = { .guest = named_guest(c), .left = c->argv[1] };

	if (!t.guest)
		return -1;
	t.guest->expect_from = t.guest->output.total;
	if (monitor_wait(typed_all, &t, TYPE_US) != WAIT_DONE)
		return command_fail(c, "%s does not read its serial line", t.guest->config->name);
	if (!t.done)
		return command_fail(c, "%s does not run: %s", t.guest->config->name,
				    guest_state_name(t.guest->state));
	return 0;
}

static int cmd_console(struct call *c)
{
	struct guest *g = named_guest(c);

	if (!g)
		return -1;
	if (g->state != GUEST_RUNNING)
		return command_fail(c, "%s does not run: %s", g->config->name,
				    guest_state_name(g->state));
	if (net_turn_is_remote())
		remote_attach(follow_console(g), g->config->name);
	else
		monitor_attach(g);
	return 0;
}

/* ------------------------------------------------------------------ info and stats */

static bool read_count(const char *word, uint64_t *value)
{
	char *end;

	*value = strtoull(word, &end, 0);
	return end != word && !*end;
}

/*
 * A line of counters as table rows: "memory_pages 12", "exit EPT violation 3", or several after
 * what they have in common: "port com1 reads 5 writes 70".
 */
static void count_line(void *ctx, const char *text)
{
	struct out *o = ctx;
	char line[160], *words[WORDS_MAX], common[100] = "", name[140];
	uint64_t value;

	snprintf(line, sizeof(line), "%s", text);
	for (int i = 0, n = words_split(line, words); i < n; i++) {
		if (i + 1 < n && read_count(words[i + 1], &value)) {
			snprintf(name, sizeof(name), "%s%s", common, words[i++]);
			out_row(o);
			out_text(o, "what", name);
			out_number(o, "count", value);
		} else {
			snprintf(common + strlen(common), sizeof(common) - strlen(common), "%s ",
				 words[i]);
		}
	}
}

static void text_line(void *ctx, const char *text) { out_printf(ctx, "%s\n", text); }

static void hash_field(struct out *o, const char *name, const uint8_t hash[48])
{
	char hex[97];

	for (int i = 0; i < 48; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	out_text(o, name, hex);
}

static void td_fields(struct out *o, struct td *td)
{
	static const char *const rtmr_names[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
	struct td_identity id;

	if (td_identity(td, &id) != 0)
		return;
	out_hex(o, "attributes", id.attributes);
	out_hex(o, "xfam", id.xfam);
	out_number(o, "keyid", id.keyid);
	out_number(o, "gpa_width", id.gpa_width);
	out_number(o, "shared_bit", id.shared_bit);
	out_number(o, "tsc_hz", id.tsc_frequency_hz);
	if (id.mrtd_valid)
		hash_field(o, "mrtd", id.mrtd);
	for (int i = 0; id.rtmr_valid && i < 4; i++)
		hash_field(o, rtmr_names[i], id.rtmr[i]);
}

static void file_field(struct out *o, const char *name, const struct guest_file *f)
{
	if (f->path[0])
		out_text(o, name, f->path);
}

static void grant_row(void *ctx, const struct td_grant *g)
{
	struct out *o = ctx;

	out_row(o);
	out_text(o, "parameter", g->name);
	out_hex(o, "requested", g->requested);
	out_hex(o, "allowed", g->allowed);
	out_hex(o, "granted", g->granted);
	out_text(o, "why", g->why);
}

/* The trust domain that the first word names, running; NULL with the reason noted. */
static struct td *named_td(struct call *c)
{
	struct guest *g = named_guest(c);

	if (g && g->state == GUEST_RUNNING && g->td)
		return g->td;
	if (g)
		command_fail(c, "%s is no running trust domain", g->config->name);
	return NULL;
}

static int cmd_grants(struct call *c)
{
	struct td *td = named_td(c);

	if (!td)
		return -1;
	out_table(c->out);
	td_grants(td, grant_row, c->out);
	out_end(c->out);
	return 0;
}

static int cmd_mrtd(struct call *c)
{
	struct td *td = named_td(c);

	if (!td)
		return -1;
	if (c->argc == 2 && strcmp(c->argv[1], "all") != 0)
		return command_fail(c, "expected: mrtd NAME [all]");
	td_measured(td, c->argc == 2, text_line, c->out);
	return 0;
}

static int cmd_info(struct call *c)
{
	struct guest *g = named_guest(c);
	struct out *o = c->out;

	if (!g)
		return -1;
	out_record(o);
	out_text(o, "name", g->config->name);
	out_text(o, "kind", kind_name(g));
	out_text(o, "state", guest_state_text(g));
	out_text(o, "reason", g->reason);
	out_number(o, "config_line", g->config->line);
	file_field(o, "firmware", &g->config->firmware);
	file_field(o, "kernel", &g->config->kernel);
	file_field(o, "initrd", &g->config->initrd);
	file_field(o, "image", &g->config->image);
	if (g->config->cmdline[0])
		out_text(o, "cmdline", g->config->cmdline);
	out_number(o, "vcpus", g->config->vcpus);
	out_number(o, "memory_kib", g->config->memory >> 10);
	out_number(o, "starts", g->starts);
	if (g->state == GUEST_RUNNING)
		out_number(o, "running_us", ticks_to_us(tsc_now() - g->started_tsc));
	if (g->state == GUEST_RUNNING && g->td)
		td_fields(o, g->td);
	out_end(o);
	if (g->state != GUEST_RUNNING || !g->td || c->json)
		return 0;
	td_describe(g->td, text_line, o);
	out_table(o);
	td_grants(g->td, grant_row, o);
	out_end(o);
	return 0;
}

static int cmd_stats(struct call *c)
{
	struct guest *g = c->argc ? named_guest(c) : NULL;

	if (c->argc && !g)
		return -1;
	out_table(c->out);
	if (g)
		guest_stats(g, count_line, c->out);
	else
		monitor_machine_stats(count_line, c->out);
	out_end(c->out);
	return 0;
}

/* clang-format off */
const struct command guest_commands[] = {
	{ "guests", "", "list the guests and their states", cmd_guests, 0, 0, COMPLETE_NOTHING,
	  COMMAND_JSON, NULL },
	{ "start", "NAME", "build and start a guest", cmd_start, 1, 1, COMPLETE_GUEST, 0, NULL },
	{ "stop", "NAME", "end a guest and give its memory back", cmd_stop, 1, 1, COMPLETE_GUEST, 0,
	  NULL },
	{ "wait", "NAME [SECONDS]", "wait until a guest has ended, however it ended", cmd_wait, 1, 2,
	  COMPLETE_GUEST, COMMAND_VERDICT, "    ^C gives up. Fails if the time is over before." },
	{ "expect", "NAME TEXT SECONDS", "wait until a guest has printed a text", cmd_expect, 3, 3,
	  COMPLETE_GUEST, COMMAND_VERDICT,
	  "    What it has printed since its start, or since `type`, counts too, as far as it is\n"
	  "    kept (8 KiB)." },
	{ "type", "NAME TEXT", "type a line to a guest's serial line", cmd_type, 2, 2,
	  COMPLETE_GUEST, COMMAND_VERDICT, NULL },
	{ "console", "NAME", "type to a guest's serial line; Ctrl-] leaves", cmd_console, 1, 1,
	  COMPLETE_GUEST, 0, "    Over TCP a line ~. leaves, too." },
	{ "info", "NAME", "a guest's identity, measurements and parameters", cmd_info, 1, 1,
	  COMPLETE_GUEST, COMMAND_JSON, NULL },
	{ "grants", "NAME", "parameters of a trust domain: requested, allowed, granted, and why",
	  cmd_grants, 1, 1, COMPLETE_GUEST, COMMAND_JSON, NULL },
	{ "mrtd", "NAME [all]", "what was measured into a trust domain, and what that gives",
	  cmd_mrtd, 1, 2, COMPLETE_GUEST, 0,
	  "    all: each record of the module, in order; else runs of pages." },
	{ "stats", "[NAME]", "counters of a guest (exits by name, pages), or of the machine",
	  cmd_stats, 0, 1, COMPLETE_GUEST, COMMAND_JSON, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
