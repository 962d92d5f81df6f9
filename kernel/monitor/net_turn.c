/*
 * net_turn.c - the monitor's side of the network's uses. Contract: net_turn.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/net_turn.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/console.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/net/fetch.h"
#include "kernel/net/files.h"
#include "kernel/net/remote.h"
#include "kernel/net/use.h"

/* ---- guests that wait for files ---- */

#define WAITING_MAX 64

static struct {
	struct guest *guests[WAITING_MAX];
	unsigned count;
} waiting;

bool net_turn_defers(struct guest *g)
{
	if (!net_use_is_on() || waiting.count == WAITING_MAX || !files_ask(g->config->name))
		return false;
	net_turn_forget(g); /* asked for twice */
	waiting.guests[waiting.count++] = g;
	return true;
}

void net_turn_forget(const struct guest *g)
{
	for (unsigned i = 0; i < waiting.count; i++)
		if (waiting.guests[i] == g)
			waiting.guests[i--] = waiting.guests[--waiting.count];
}

static void refuse(struct guest *g, const char *why)
{
	g->was_started = true;
	monitor_note_failure();
	console_printf("tain: %s: refused: %s\n", g->config->name, why);
}

static void start_fetched(void)
{
	for (unsigned i = 0; i < waiting.count; i++) {
		struct guest *g = waiting.guests[i];
		char text[160];
		const char *why;
		enum files_state state = files_look(g->config->name, &why);

		if (state == FILES_COMING)
			continue;
		waiting.guests[i--] = waiting.guests[--waiting.count];
		if (state == FILES_FAILED)
			refuse(g, why);
		else if (g->starts == 0 && guest_start(g, text, sizeof(text)) != 0)
			refuse(g, text);
	}
}

static bool files_settled(void *arg)
{
	struct fetch_progress p;
	const char *why;

	fetch_progress(&p);
	if (p.url && p.total)
		monitor_progress(p.url, p.got, p.total);
	return files_look(arg, &why) != FILES_COMING;
}

int net_turn_files(struct call *c, struct guest *g)
{
	char name[GUEST_NAME_MAX + 1];
	const char *why;

	snprintf(name, sizeof(name), "%s", g->config->name);
	if (!guest_config_missing(g->config))
		return 0;
	if (!net_use_is_on())
		return command_fail(c, "%s wants files from the network, which is off (net = in tain.cfg)", name);
	(void)files_ask(name);
	if (monitor_wait(files_settled, name, 0) != WAIT_DONE)
		return command_fail(c, "interrupted; its files are fetched all the same");
	if (files_look(name, &why) == FILES_FAILED)
		return command_fail(c, "%s: %s", guest_config_missing(g->config)->path, why);
	return 0;
}

static bool is_waiting(const struct guest *g)
{
	for (unsigned i = 0; i < waiting.count; i++)
		if (waiting.guests[i] == g)
			return true;
	return false;
}

int net_turn_started(struct call *c, struct guest *g)
{
	char name[GUEST_NAME_MAX + 1];

	if (!is_waiting(g))
		return 0;
	snprintf(name, sizeof(name), "%s", g->config->name);
	if (monitor_wait(files_settled, name, 0) != WAIT_DONE)
		return command_fail(c, "interrupted; its files are fetched all the same");
	start_fetched();
	return 0;
}

/* ---- lines of the remote console ---- */

static bool remote_runs;

bool net_turn_is_remote(void) { return remote_runs; }

bool net_turn_interrupts(void) { return remote_runs && remote_interrupts(); }

/* What takes the keyboard or the line of the console away from who sits there. */
static bool is_for_the_console_alone(const char *line)
{
	static const char *const words[] = { "gdb" };

	line += strspn(line, " -");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i]);

		if (strncmp(line, words[i], n) == 0 && (!line[n] || line[n] == ' '))
			return true;
	}
	return false;
}

static void run_remote(void)
{
	static const char refused[] = "error: this one is for who sits at the console itself\n";
	const char *line = remote_line();

	if (!line)
		return;
	remote_runs = true;
	if (remote_interrupts()) /* who typed it has gone: nobody would see what it does */
		log_info("remote: '%.60s' is not run: who typed it has gone", line);
	else if (is_for_the_console_alone(line))
		remote_write(NULL, refused, sizeof(refused) - 1);
	else
		monitor_run_for(line, remote_write, NULL);
	remote_runs = false;
	remote_end();
}

void net_turn(void)
{
	if (!net_use_is_on())
		return;
	start_fetched();
	run_remote();
}
