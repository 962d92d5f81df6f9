/*
 * monitor.c - keys into lines, lines into commands, and the order of start-up and exit.
 * Contract: monitor.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/monitor.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/config.h"
#include "kernel/base/log.h"
#include "kernel/guest/guest.h"
#include "kernel/guest/sched.h"
#include "kernel/base/lock.h"
#include "kernel/machine/console.h"
#include "kernel/machine/port.h"
#include "kernel/machine/power.h"
#include "kernel/machine/screen.h"
#include "kernel/machine/symbols.h"
#include "kernel/machine/time.h"
#include "kernel/machine/vmx.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/fetched.h"
#include "kernel/monitor/gdb_serial.h"
#include "kernel/monitor/line.h"
#include "kernel/monitor/net_turn.h"
#include "kernel/monitor/pager.h"
#include "kernel/monitor/script.h"
#include "tdx/tdx.h"

#define KEY_DETACH    0x1d /* ^] */
#define KEY_INTERRUPT 0x03 /* ^C */
#define TYPE_AHEAD    2048

/* Two keys closer than that: a program types. Where a guest keeps the CPU busy, each comes a 5 ms turn later. */
#define BY_HAND_US    UINT64_C(12000)
#define SCREEN_ROWS   24             /* of a terminal of which nothing is known */
#define RING_HIGH     (64u << 10)    /* of text that waits: who prints on waits */
#define STUCK_US      UINT64_C(200000) /* a UART that took nothing for so long is not waited for */
#define RING_LONG     2048u          /* so much is cut off by ^C */
#define PROGRESS_US   UINT64_C(250000)

#define FIRST_RUN_US UINT64_C(30000000)
#define STOP_ALL_US  UINT64_C(20000000)

static struct {
	struct config *cfg;
	struct line line;
	bool started;   /* guests and script had their turn; the prompt stands */
	bool prompting; /* a line is being edited */
	bool busy;      /* a command runs; polls do nothing */
	bool interrupted;
	bool failed; /* something that counts in the exit status */
	bool in_script, script_ended;
	struct guest *attached;

	enum pager_mode pager_mode;
	unsigned rows; /* of the terminal, if `pager` said so */
	struct pager pager;
	/* Whether the line that is being typed comes from fingers. */
	uint64_t last_key_us;
	uint8_t last_key;
	bool burst;    /* two of its keys came too fast */
	bool by_hand;  /* the command that runs was typed by hand */
	uint64_t progress_us;
	bool progress; /* a line of progress stands */
	bool wire_stuck;

	/* Keys that came while a command ran. */
	uint8_t ahead[TYPE_AHEAD];
	unsigned ahead_head, ahead_count;
} mon;

struct config *monitor_config(void) { return mon.cfg; }

void monitor_note_failure(void) { mon.failed = true; }

/* ------------------------------------------------------------------ keys */

/* Arrow keys and the like are several bytes for one finger. */
static void note_speed(uint8_t key)
{
	uint64_t now = time_us();
	bool sequence = mon.last_key == 0x1b || mon.last_key == '[' || mon.last_key == 'O';

	if (now - mon.last_key_us < BY_HAND_US && !sequence)
		mon.burst = true;
	mon.last_key_us = now;
	mon.last_key = key;
}

/* Take what the console has; ^C while a command runs is not a key but an order. */
static void take_keys(void)
{
	int key;

	if (gdb_serial_borrows()) /* what comes in is not for us */
		return;
	while (mon.ahead_count < TYPE_AHEAD && (key = console_getc()) >= 0) {
		note_speed((uint8_t)key);
		if (key == KEY_INTERRUPT) {
			console_cut(RING_LONG);
			if (mon.busy) {
				mon.interrupted = true;
				mon.ahead_count = 0;
				continue;
			}
		}
		mon.ahead[(mon.ahead_head + mon.ahead_count++) % TYPE_AHEAD] = (uint8_t)key;
	}
}

static int next_key(void)
{
	if (mon.ahead_count == 0)
		return -1;
	mon.ahead_count--;
	return mon.ahead[mon.ahead_head++ % TYPE_AHEAD];
}

int monitor_take_key(void)
{
	take_keys();
	if (mon.interrupted) {
		mon.interrupted = false;
		return KEY_INTERRUPT;
	}
	return next_key();
}

enum wait_end monitor_wait(bool (*done)(void *arg), void *arg, uint64_t timeout_us)
{
	uint64_t start = time_us();

	pager_pass(&mon.pager);
	for (;;) {
		if (done(arg))
			return WAIT_DONE;
		if (mon.interrupted || net_turn_interrupts())
			return WAIT_INTERRUPTED;
		if (timeout_us && time_us() - start >= timeout_us)
			return WAIT_TIMEOUT;
		sched_poll();
		gdb_serial_poll();
		take_keys();
	}
}

/* ------------------------------------------------------------------ running lines */

bool monitor_interrupted(void)
{
	console_poll();
	take_keys();
	return mon.interrupted;
}

/* Into the console's ring, at the pace of the device: nothing of a long table is lost. */
static void write_paced(const char *text, size_t n)
{
	size_t left = console_backlog();
	uint64_t moved = time_us();

	if (left <= RING_HIGH)
		mon.wire_stuck = false;
	while (!mon.wire_stuck && console_busy() && left > RING_HIGH && !monitor_interrupted()) {
		cpu_relax();
		if (console_backlog() < left)
			moved = time_us();
		else if (time_us() - moved > STUCK_US)
			mon.wire_stuck = true; /* the ring drops what it has no room for, and says so */
		left = console_backlog();
	}
	if (!mon.interrupted)
		console_write(text, n);
}

static void end_progress(void)
{
	if (mon.progress)
		console_write_typed("\r\x1b[K", 4);
	mon.progress = false;
	console_end_typed();
}

static void write_console(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	if (mon.progress)
		end_progress();
	if (!monitor_interrupted())
		pager_write(&mon.pager, text, n);
}

/* The pager's next key; the guests run on meanwhile. */
static int page_key(void)
{
	int key = -1;

	console_end_typed();
	while (!mon.interrupted && (key = next_key()) < 0) {
		sched_poll();
		gdb_serial_poll();
		take_keys();
	}
	return key;
}

void monitor_set_pager(enum pager_mode mode, unsigned rows)
{
	mon.pager_mode = mode;
	if (rows)
		mon.rows = rows;
}

/* As `pager` said, else those of the screen where it is all there is, else a terminal's. */
static unsigned terminal_rows(void)
{
	struct console_stats s;

	console_stats(&s);
	if (mon.rows)
		return mon.rows;
	return strcmp(s.device, "none") == 0 && screen_rows() ? screen_rows() : SCREEN_ROWS;
}

static unsigned paging_rows(void)
{
	bool paged = mon.pager_mode == PAGER_ON || (mon.pager_mode == PAGER_AUTO && mon.by_hand);

	return paged && !mon.in_script ? terminal_rows() : 0;
}

void monitor_progress(const char *what, uint64_t done, uint64_t total)
{
	uint64_t now = time_us();
	char text[80];
	int n;

	if (!mon.by_hand || !total || now - mon.progress_us < PROGRESS_US)
		return;
	mon.progress_us = now;
	mon.progress = true;
	n = snprintf(text, sizeof(text), "\r%.50s: %u %%\x1b[K", what, (unsigned)(done * 100 / total));
	console_write_typed(text, (size_t)n);
}

static enum command_result run_text(const char *text)
{
	char line[LINE_BYTES];
	bool was_busy = mon.busy, verdict = false;
	enum command_result result;

	snprintf(line, sizeof(line), "%s", text);
	mon.busy = true;
	if (!was_busy || mon.in_script) {
		mon.interrupted = false;
		pager_begin(&mon.pager, paging_rows());
	}
	result = command_run(line, write_console, NULL, &verdict);
	if (mon.progress)
		end_progress();
	if (!was_busy && !mon.interrupted)
		pager_end(&mon.pager);
	pager_drop(&mon.pager);
	if (mon.interrupted) { /* what the command had to say of it went the way of its output */
		result = result == COMMAND_IGNORED ? COMMAND_IGNORED : COMMAND_FAILED;
		console_puts("error: interrupted\n");
	}
	mon.busy = was_busy;
	if (verdict)
		mon.failed = true;
	return result;
}

void monitor_run_for(const char *text, void (*write)(void *ctx, const char *text, size_t n), void *ctx)
{
	char line[LINE_BYTES];
	bool was_busy = mon.busy, verdict;

	snprintf(line, sizeof(line), "%s", text);
	mon.busy = true;
	if (!was_busy)
		mon.interrupted = false;
	(void)command_run(line, write, ctx, &verdict); /* what a debugger asks counts in no exit status */
	mon.busy = was_busy;
}

bool monitor_run_line(const char *text) { return run_text(text) != COMMAND_FAILED; }

bool monitor_end_script(void)
{
	mon.script_ended = mon.in_script;
	return mon.in_script;
}

static enum script_step script_line(void *ctx, const char *line)
{
	(void)ctx;
	console_printf("tain> %s\n", line);
	if (!monitor_run_line(line))
		return SCRIPT_FAILED;
	return mon.script_ended ? SCRIPT_STOP : SCRIPT_GO_ON;
}

static void run_script(const struct guest_file *script)
{
	if (!script->path[0])
		return;
	if (!script->data) {
		mon.failed = true; /* why is among the configuration's messages */
		return;
	}
	mon.in_script = true;
	mon.script_ended = false;

	unsigned line = script_run(script->data, script->size, script_line, NULL);

	mon.in_script = false;
	if (command_collecting()) {
		command_collect(NULL);
		mon.failed = true;
		console_printf("error: the script ended before the `done` of a loop\n");
	}
	if (line) {
		mon.failed = true;
		console_printf("tain: script %s failed in line %u\n", script->path, line);
	}
}

/* ------------------------------------------------------------------ the prompt */

static void write_typed(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	console_write_typed(text, n);
}

/* Tab: the command's name first, then what its row says. */
static const char *complete_word(void *ctx, const char *text, unsigned start, unsigned end,
				 unsigned nth)
{
	size_t length = end - start, name_length = strcspn(text, " ");
	const struct command *row = NULL;
	char name[32] = "";

	(void)ctx;
	if (start > 0 && name_length < sizeof(name)) {
		memcpy(name, text, name_length);
		name[name_length] = 0;
		row = command_find(name[0] == '-' ? name + 1 : name);
	}
	if (start == 0 || (row && row->complete == COMPLETE_COMMAND)) {
		for (unsigned i = 0; (row = command_at(i)); i++)
			if (strncmp(row->name, text + start, length) == 0 && nth-- == 0)
				return row->name;
	} else if (row && row->complete == COMPLETE_SYMBOL && length) {
		return symbol_complete(text + start, length, nth);
	} else if (row && row->complete == COMPLETE_GUEST) {
		for (unsigned i = 0; i < guest_count(); i++) {
			const char *guest = guest_at(i)->config->name;

			if (strncmp(guest, text + start, length) == 0 && nth-- == 0)
				return guest;
		}
	}
	return NULL;
}

static void show_prompt(void)
{
	line_start(&mon.line);
	mon.prompting = true;
}

/* A key goes on where its line stands, also when other text has just come between. */
static void edit_key(uint8_t key)
{
	if (!console_typed_stands())
		line_redraw(&mon.line);

	enum line_event event = line_key(&mon.line, key);

	if (event == LINE_MORE)
		return;
	mon.prompting = false;
	console_end_typed();
	mon.by_hand = !mon.burst;
	mon.burst = false;
	if (event == LINE_DONE) {
		line_remember(&mon.line, mon.line.text);
		run_text(mon.line.text);
	}
	if (!mon.attached)
		show_prompt();
}

/* ------------------------------------------------------------------ a guest's console */

void monitor_attach(struct guest *g)
{
	mon.attached = g;
	console_printf("[console of %s: Ctrl-] leaves]\n", g->config->name);
	output_attach(&g->output, true);
}

static void detach(const char *why)
{
	output_attach(&mon.attached->output, false);
	console_printf("\n[console of %s: %s]\n", mon.attached->config->name, why);
	mon.attached = NULL;
	show_prompt();
}

/* All keys that came; one that the guest has no room for waits for the next round. */
static void serve_keys(void)
{
	int key;

	while ((key = next_key()) >= 0) {
		if (!mon.attached) {
			edit_key((uint8_t)key);
		} else if (key == KEY_DETACH) {
			detach("left");
		} else if (!guest_type(mon.attached, (uint8_t)key)) {
			mon.ahead_head--;
			mon.ahead_count++;
			return;
		}
	}
}

/* ------------------------------------------------------------------ start-up */

static void report_configuration(const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->message_count; i++)
		log_error("%s:%u: %s", cfg->name, cfg->messages[i].line, cfg->messages[i].text);
	if (cfg->messages_lost)
		log_error("%s: %u more", cfg->name, cfg->messages_lost);
}

static bool started_ones_ran(void *arg)
{
	const struct config *cfg = arg;

	for (unsigned i = 0; i < cfg->tain.start_count; i++) {
		const struct guest *g = guest_find(cfg->tain.start[i]);

		/* Who waits for files of his has his first turn later. */
		if (g && !__atomic_load_n(&g->was_started, __ATOMIC_ACQUIRE) &&
		    !guest_config_missing(g->config))
			return false;
	}
	return true;
}

static void start_guests(struct config *cfg)
{
	char why[160];

	for (unsigned i = 0; i < cfg->tain.start_count; i++) {
		struct guest *g = guest_find(cfg->tain.start[i]);

		if (g && net_turn_defers(g))
			continue;
		if (g && guest_start(g, why, sizeof(why)) != 0)
			console_printf("tain: %s: refused: %s\n", g->config->name, why);
		sched_poll(); /* its first turn does not wait for the building of the next */
	}
	if (cfg->tain.start_count && monitor_wait(started_ones_ran, cfg, FIRST_RUN_US) != WAIT_DONE)
		log_warn("monitor: some guest of start has not had its first turn");
}

static void start(void)
{
	struct config *cfg = mon.cfg;

	mon.started = mon.busy = true;
	monitor_check_begin();
	report_configuration(cfg);
	gdb_serial_start(cfg);
	fetched_at_start();
	mon.interrupted = false; /* ^C was for what was waited for */
	start_guests(cfg);
	guests_open_td_gate(); /* the console shows a module also where no TD was started */
	run_script(&cfg->tain.script);
	mon.busy = false;
	console_puts("tain: ready\n");
	show_prompt();
}

void monitor_init(struct config *cfg)
{
	mon.cfg = cfg;
	mon.pager.write = write_paced;
	mon.pager.key = page_key;
	mon.line.prompt = "tain> ";
	mon.line.write = write_typed;
	mon.line.complete = complete_word;
}

/* ------------------------------------------------------------------ each round */

void monitor_poll(void)
{
	if (mon.busy)
		return;
	if (!mon.started)
		start();
	gdb_serial_poll();
	debug_report();
	net_turn();
	take_keys();
	if (mon.attached && guest_ended(mon.attached))
		detach("it has ended");
	serve_keys();
	/* Other text came after the prompt, and no more follows: show the line again. */
	if (mon.prompting && !console_typed_stands() && !console_busy())
		line_redraw(&mon.line);
}

/* ------------------------------------------------------------------ the end */

const char *monitor_tdx_text(char *buf, size_t size)
{
	if (tdx_phase() == TDX_READY)
		return tdx_module_text(buf, size);
	snprintf(buf, size, "none: %s",
		 tdx_reason()[0] ? tdx_reason()
		 : !vmx_available()
			 ? vmx_reason()
			 : "not brought up (see `log`, and module and bringup in tain.cfg)");
	return buf;
}

static void vmx_off(void *arg)
{
	(void)arg;
	vmx_cpu_off();
}

void monitor_shut_down(void)
{
	unsigned left;

	mon.busy = true;
	left = guests_stop_all(STOP_ALL_US);
	if (left) {
		console_printf("tain: %u guests would not end\n", left);
		mon.failed = true;
	}
	tdx_fini();
	if (vmx_available())
		cpu_call_all(vmx_off, NULL);
}

NORETURN void monitor_exit(int n)
{
	monitor_shut_down();
	power_exit(n >= 0 ? n : mon.failed);
}
