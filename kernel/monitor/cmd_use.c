/*
 * cmd_use.c - commands of the network's uses: fetch a file to see whether it comes, what is used by whom.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/fetched.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/net_turn.h"
#include "kernel/net/fetch.h"
#include "kernel/net/follow.h"
#include "kernel/net/state.h"
#include "kernel/net/use.h"

/* ---- words ---- */

/* "URL [sha256=HEX]" in the words from @first on. NULL, or what is wrong. */
static const char *url_words(struct call *c, int first, struct guest_file *file)
{
	char text[GUEST_PATH_MAX + 100];
	bool hash = c->argc > first + 1;

	snprintf(text, sizeof(text), "%s%s%s", c->argv[first], hash ? " " : "", hash ? c->argv[first + 1] : "");
	return net_file_read(text, file);
}

/* ---- fetch ---- */

struct trial {
	bool ended;
	struct fetched file;
	char why[128];
};

static void on_done(void *ctx, const struct fetched *file, const char *why)
{
	struct trial *t = ctx;

	t->ended = true;
	snprintf(t->why, sizeof(t->why), "%s", why ? why : "");
	if (!file)
		return;
	t->file = *file;
	for (uint64_t i = 0; i < align_up(file->size, PAGE_SIZE) >> PAGE_SHIFT; i++)
		page_free(ptr_to_hpa(file->bytes + (i << PAGE_SHIFT)), PAGE_KERNEL);
}

static bool has_ended(void *arg)
{
	const struct trial *t = arg;
	struct fetch_progress p;

	fetch_progress(&p);
	if (p.url && p.total)
		monitor_progress("fetch", p.got, p.total);
	return t->ended;
}

static int cmd_fetch(struct call *c)
{
	struct trial t = { 0 };
	struct guest_file file;
	struct fetch_want want;
	char hash[FETCHED_HASH_TEXT];
	const char *why;

	if (!net_use_is_on())
		return command_fail(c, "the network is off (net = in tain.cfg)");
	why = url_words(c, 0, &file);
	if (why)
		return command_fail(c, "%s", why);
	want = (struct fetch_want){ file.path, monitor_config()->tain.fetch_limit,
				    file.has_sha256 ? file.sha256 : NULL };
	why = "another file is being fetched";
	if (fetch_begin(&want, on_done, &t, &why) != 0)
		return command_fail(c, "%s", why);
	if (monitor_wait(has_ended, &t, 0) != WAIT_DONE) {
		fetch_cancel();
		while (!t.ended)
			fetch_poll();
	}
	if (t.why[0])
		return command_fail(c, "%s", t.why);
	out_record(c->out);
	out_text(c->out, "url", file.path);
	out_number(c->out, "bytes", t.file.size);
	out_number(c->out, "ms", t.file.took_us / 1000);
	out_text(c->out, "sha256", fetched_hash_text(t.file.sha256, hash));
	out_end(c->out);
	return 0;
}

/* ---- config ---- */

static void config_record(struct call *c)
{
	const struct config *cfg = monitor_config();
	const struct fetched_source *f = fetched_last();
	char hash[FETCHED_HASH_TEXT];

	out_record(c->out);
	out_number(c->out, "guests", cfg->guest_count);
	out_text(c->out, "named in tain.cfg", cfg->tain.config_file.path);
	out_text(c->out, "fetched", f ? f->url : "");
	if (f) {
		out_number(c->out, "guests of it", f->guests);
		out_number(c->out, "bytes", f->bytes);
		out_text(c->out, "sha256", fetched_hash_text(f->sha256, hash));
	}
	out_end(c->out);
}

static int cmd_config(struct call *c)
{
	struct guest_file file;
	const char *wrong = c->argc ? url_words(c, 0, &file) : NULL;
	char why[FETCHED_WHY];

	if (wrong)
		return command_fail(c, "%s", wrong);
	if (c->argc && fetched_config(&file, 0, why) != 0)
		return command_fail(c, "%s", why);
	config_record(c);
	return 0;
}

/* ---- follow ---- */

static void follow_table(struct call *c)
{
	out_table(c->out);
	for (unsigned i = 0; i < guest_count(); i++) {
		out_row(c->out);
		out_text(c->out, "name", guest_at(i)->config->name);
		out_bool(c->out, "followed", follow_has(guest_at(i)));
	}
	out_end(c->out);
}

static int cmd_follow(struct call *c)
{
	bool off = c->argc == 1 && strcmp(c->argv[0], "off") == 0;

	if (!net_turn_is_remote())
		return command_fail(c, "guests' lines come here anyhow: this one is for the console over TCP");
	for (int i = 0; i < c->argc && !off && strcmp(c->argv[i], "all") != 0; i++)
		if (!guest_find(c->argv[i]))
			return command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[i]);
	for (int i = 0; i < c->argc && !off; i++)
		if (strcmp(c->argv[i], "all") == 0)
			follow_all();
		else
			follow_guest(guest_find(c->argv[i]));
	if (c->argc)
		remote_follow(off ? NULL : follow_lines());
	else
		follow_table(c);
	return 0;
}

/* ---- uses ---- */

static void count_row(void *ctx, const char *name, uint64_t count)
{
	out_row(ctx);
	out_text(ctx, "what", name);
	out_number(ctx, "count", count);
}

static void count_line(void *ctx, const char *line) { state_counts(line, count_row, ctx); }

static int cmd_uses(struct call *c)
{
	if (!net_use_is_on())
		return command_fail(c, "the network is off (net = in tain.cfg)");
	out_table(c->out);
	net_use_stats(count_line, c->out);
	out_end(c->out);
	return 0;
}

/* clang-format off */
const struct command use_commands[] = {
	{ "fetch", "URL [sha256=HEX]", "fetch a file by HTTP or TFTP, say its size and hash, forget it", cmd_fetch, 1, 2,
	  COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT,
	  "    http://HOST[:PORT]/PATH or tftp://HOST[:PORT]/PATH; ^C gives up. For files of guests name the\n"
	  "    URL in tain.cfg." },
	{ "config", "[URL [sha256=HEX]]", "more of the configuration, from the network; without words: what is in force",
	  cmd_config, 0, 2, COMPLETE_NOTHING, COMMAND_JSON | COMMAND_VERDICT,
	  "    Its sections of guests are added or replace those of the same name, which must not run; its\n"
	  "    `start` is started. One mistake, and nothing of it is used." },
	{ "follow", "[all|off|NAME...]", "over TCP: what guests print comes, too, line by line", cmd_follow, 0, 8,
	  COMPLETE_GUEST, COMMAND_JSON,
	  "    all: of every guest, also of those that come later. Without words: whose lines come. Who\n"
	  "    reads too slowly loses the oldest lines, and no guest waits." },
	{ "uses", "", "what the network is used for: frames, pages, log lines, logins", cmd_uses, 0, 0,
	  COMPLETE_NOTHING, COMMAND_JSON, NULL },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
