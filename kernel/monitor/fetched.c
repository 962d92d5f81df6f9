/*
 * fetched.c - files that the monitor waits for, and the configuration among them. Contract: fetched.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/fetched.h"

#include <stdio.h>
#include <string.h>

#include "drivers/net/net.h"
#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/console.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/module_files.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/net_turn.h"
#include "kernel/net/fetch.h"
#include "kernel/net/files.h"
#include "kernel/net/store.h"
#include "kernel/net/use.h"

#define CONFIG_BYTES_MAX (UINT64_C(1) << 20)
#define SAY_US           UINT64_C(5000000) /* at the boot nobody sees progress otherwise */

static struct fetched_source last; /* of the configuration that was taken over last */

/* ---- one file ---- */

struct wait {
	const struct fetch_want *want;
	bool began, ended, at_boot;
	uint64_t said_us;
	struct fetched file;
	char *why; /* FETCHED_WHY bytes */
};

static void on_done(void *ctx, const struct fetched *file, const char *why)
{
	struct wait *w = ctx;

	w->ended = true;
	if (file)
		w->file = *file;
	else
		snprintf(w->why, FETCHED_WHY, "%s", why);
}

/* A fetch of somebody else's comes first. */
static bool has_ended(void *arg)
{
	struct wait *w = arg;
	struct fetch_progress p;
	const char *wrong = NULL;

	fetch_progress(&p);
	if (w->began && p.total)
		monitor_progress("fetch", p.got, p.total);
	if (w->began && w->at_boot && time_us() - w->said_us > SAY_US) {
		w->said_us = time_us();
		log_info("fetch: %llu of %llu bytes so far", (unsigned long long)p.got, (unsigned long long)p.total);
	}
	if (w->at_boot && !w->began && !net_is_up())
		return false; /* switches and DHCP take their time */
	if (!w->began && fetch_begin(w->want, on_done, w, &wrong) == 0)
		w->began = true;
	if (wrong) {
		snprintf(w->why, FETCHED_WHY, "%s", wrong);
		w->ended = true;
	}
	return w->ended;
}

/* It was not waited for to the end: @end says how that was. */
static void give_up(struct wait *w, enum wait_end end)
{
	if (w->began)
		fetch_cancel();
	while (w->began && !w->ended)
		fetch_poll();
	snprintf(w->why, FETCHED_WHY, "%s", end != WAIT_TIMEOUT ? "interrupted"
					    : net_is_up()   ? "it takes too long"
							    : "the network is not up");
}

const char *fetched_hash_text(const uint8_t sha256[SHA256_BYTES], char text[FETCHED_HASH_TEXT])
{
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", sha256[i]);
	return text;
}

static void say_fetched(const struct guest_file *f, const struct fetched *got)
{
	char hash[FETCHED_HASH_TEXT];

	log_info("fetch: %.200s: %llu bytes in %llu ms, sha256 %s%s", f->path, (unsigned long long)got->size,
		 (unsigned long long)(got->took_us / 1000), fetched_hash_text(got->sha256, hash),
		 f->has_sha256 ? " as given" : " (none was given)");
}

int fetched_get(struct guest_file *file, uint64_t most, uint64_t timeout_us, char why[FETCHED_WHY])
{
	const struct fetch_want want = { file->path, most, file->has_sha256 ? file->sha256 : NULL };
	struct wait w = { .want = &want, .why = why, .at_boot = timeout_us != 0, .said_us = time_us() };
	enum wait_end end;

	why[0] = 0;
	if (!net_use_is_on()) {
		snprintf(why, FETCHED_WHY, "the network is off (net = in tain.cfg)");
		return -1;
	}
	end = monitor_wait(has_ended, &w, timeout_us);
	if (end != WAIT_DONE) {
		give_up(&w, end);
		if (w.file.bytes)
			store_free(w.file.bytes, w.file.size);
		return -1;
	}
	if (why[0])
		return -1;
	if (!w.file.size) {
		snprintf(why, FETCHED_WHY, "the file is empty");
		return -1;
	}
	say_fetched(file, &w.file);
	file->data = w.file.bytes;
	file->size = w.file.size;
	return 0;
}

void fetched_drop(struct guest_file *file)
{
	if (file->remote && file->data)
		store_free(file->data, file->size);
	file->data = NULL;
	file->size = 0;
}

/* ---- more of the configuration ---- */

static bool is_busy(const char *name)
{
	const struct guest *g = guest_find(name);

	return g && !guest_ended(g);
}

static void take(struct guest_config *place, const struct guest_config *record, bool replaces)
{
	struct guest *g = replaces ? guest_find(place->name) : NULL;

	if (g)
		net_turn_forget(g);
	files_take_over(place, record);
	if (g)
		guest_redefined(g);
	else if (guests_add(place) != 0)
		log_error("%s: no memory for it: it cannot be started before a reboot", place->name);
}

/* Those of `start` that do not run. */
static void start_named(const struct tain_config *t)
{
	char why[160];

	for (unsigned i = 0; i < t->start_count; i++) {
		struct guest *g = guest_find(t->start[i]);

		if (!g || !guest_ended(g) || net_turn_defers(g))
			continue;
		if (guest_start(g, why, sizeof(why)) != 0)
			console_printf("tain: %s: refused: %s\n", g->config->name, why);
	}
}

/* The last part of a URL's path. */
static const char *file_name(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash && slash[1] ? slash + 1 : url;
}

/* Parsed into @more; 0, or -1 and @why. */
static int read_fetched(struct config *more, const struct guest_file *f, char why[FETCHED_WHY])
{
	struct config *cfg = monitor_config();
	char text[CONFIG_REASON_BYTES];
	const char *wrong;

	config_defaults(more);
	config_parse_fetched(more, file_name(f->path), cfg, f->data, f->size);
	config_attach_files(more, boot_file_attach);
	for (unsigned i = 0; i < more->message_count; i++)
		log_error("%s:%u: %s", more->name, more->messages[i].line, more->messages[i].text);
	wrong = config_merge_check(cfg, more, is_busy, text);
	if (!wrong)
		return 0;
	snprintf(why, FETCHED_WHY, "%s: nothing of it is used", wrong);
	return -1;
}

static void remember(const struct guest_file *f, const struct config *more)
{
	struct sha256 sha;

	snprintf(last.url, sizeof(last.url), "%s", f->path);
	last.bytes = f->size;
	last.guests = more->guest_count;
	sha256_init(&sha);
	sha256_update(&sha, f->data, f->size);
	sha256_final(&sha, last.sha256);
}

const struct fetched_source *fetched_last(void) { return last.url[0] ? &last : NULL; }

int fetched_config(const struct guest_file *source, uint64_t timeout_us, char why[FETCHED_WHY])
{
	struct config *more = heap_alloc(sizeof(*more)), *cfg = monitor_config();
	struct guest_file f = *source;
	int err;

	if (!more) {
		snprintf(why, FETCHED_WHY, "no memory");
		return -1;
	}
	err = fetched_get(&f, CONFIG_BYTES_MAX, timeout_us, why);
	if (!err)
		err = read_fetched(more, &f, why);
	if (!err) {
		config_merge(cfg, more, take);
		remember(&f, more);
		log_info("config: %.200s: guests defined: %u, to be started: %u", f.path, more->guest_count,
			 more->tain.start_count);
		if (!timeout_us)
			start_named(&more->tain);
	}
	fetched_drop(&f);
	heap_free(more);
	return err;
}

/* ---- at the boot ---- */

/* All that is fetched for it shares one time. */
static uint64_t boot_time_left(void)
{
	static uint64_t began;
	uint64_t now = time_us();

	if (!began)
		began = now;
	return now - began < FETCHED_BOOT_US ? FETCHED_BOOT_US - (now - began) : 1;
}

static void say_waiting(const char *key, const struct guest_file *f)
{
	console_printf("%s: fetching %s (^C: do without)\n", key, f->path);
}

static void boot_config(const struct guest_file *f)
{
	char why[FETCHED_WHY];

	say_waiting("config", f);
	if (fetched_config(f, boot_time_left(), why) == 0)
		return;
	log_error("config: %.200s: %s: tain.cfg stays in force", f->path, why);
	monitor_note_failure();
}

static void boot_module(const char *key, struct guest_file *f)
{
	char why[FETCHED_WHY];

	say_waiting(key, f);
	if (module_file_fetch(f, boot_time_left(), why) == 0)
		return;
	log_error("%s: %.200s: %s", key, f->path, why);
	monitor_note_failure();
}

void fetched_at_start(void)
{
	struct tain_config *t = &monitor_config()->tain;

	if (t->config_file.path[0])
		boot_config(&t->config_file);
	if (t->module == MODULE_FILE && t->module_file.remote)
		boot_module("module", &t->module_file);
}
