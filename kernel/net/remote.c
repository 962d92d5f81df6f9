/*
 * remote.c - one session of the console over TCP. Contract: remote.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/remote.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/guest_config.h"
#include "kernel/base/log.h"
#include "kernel/base/version.h"
#include "kernel/machine/time.h"
#include "kernel/net/stream.h"
#include "kernel/net/text.h"

#define KEY_INTERRUPT 0x03
#define KEY_END       0x04
#define KEY_DETACH    0x1d /* ^] */
#define PIECE         2048u
#define PIECES        4u  /* in a round */
#define FOLLOW_MS     20u /* so late may come what a guest printed */
#define PAUSE_DOUBLES 6u
#define PROMPT        "tain> "

enum session_state {
	SESSION_SECRET, /* the next line is the secret */
	SESSION_PAUSE,  /* a wrong one came: nothing is taken until .until_us */
	SESSION_OPEN,
	SESSION_RUNS, /* .line is the monitor's */
	SESSION_ATTACHED, /* keys are .console's */
	SESSION_ENDS, /* what is left goes out, then the end */
};

static struct {
	const struct net_service_config *service;
	const char *secret;

	struct stream *stream; /* NULL: nobody is there (a command may still run) */
	enum session_state state;
	char peer[NET_ADDR_TEXT];
	unsigned tries;
	char line[REMOTE_LINE_MAX + 1];
	unsigned length;
	bool interrupted;
	bool finished; /* no further line will come */
	struct text out;
	size_t sent;
	bool line_open; /* what a command printed last was no whole line */

	const struct remote_source *console, *lines; /* or NULL */
	char name[GUEST_NAME_MAX + 1];		     /* of .console */
	bool line_begins, tilde, after_return;	     /* of what is typed to it */
	uint64_t moved_us, until_us;

	unsigned wrong_in_a_row; /* over all connections */
	uint64_t closed_until_us;
	struct remote_counts counts;
} rc;

/* Every byte of both is looked at, whatever differs; both lie in arrays of the same size. */
static bool same_secret(const char given[NET_SECRET_MAX + 1], const char wanted[NET_SECRET_MAX + 1])
{
	volatile uint8_t differs = 0;

	for (unsigned i = 0; i <= NET_SECRET_MAX; i++)
		differs = (uint8_t)(differs | (uint8_t)(given[i] ^ wanted[i]));
	return differs == 0;
}

static void say(const char *text) { text_puts(&rc.out, text); }

static void drop_sources(void)
{
	if (rc.lines && rc.lines->left)
		rc.lines->left(rc.lines->ctx);
	rc.lines = rc.console = NULL;
}

static void forget(void)
{
	drop_sources();
	text_fini(&rc.out);
	memset(rc.line, 0, sizeof(rc.line));
	rc.stream = NULL;
	rc.length = 0;
	rc.sent = 0;
}

/* The session is over on our side; a command that runs for it is told by remote_interrupts(). */
static void hang_up(const char *why)
{
	struct stream *s = rc.stream;

	log_info("remote: %s: %s", rc.peer, why);
	forget();
	stream_close(s);
}

/* Send what waits; false: the session is over by that. */
static bool flush(void)
{
	size_t n = rc.out.used - rc.sent;

	if (!rc.stream)
		return false;
	if (n) {
		n = stream_write(rc.stream, rc.out.bytes + rc.sent, n);
		rc.sent += n;
		if (n)
			rc.moved_us = time_us();
	}
	if (rc.sent < rc.out.used)
		return true;
	text_fini(&rc.out);
	rc.sent = 0;
	if (rc.state != SESSION_ENDS)
		return true;
	hang_up("left");
	return false;
}

/* ---- lines ---- */

static void take_secret(void)
{
	char given[NET_SECRET_MAX + 1] = "";
	unsigned doubles;

	if (rc.length <= NET_SECRET_MAX)
		memcpy(given, rc.line, rc.length);
	memset(rc.line, 0, sizeof(rc.line));
	if (rc.length <= NET_SECRET_MAX && same_secret(given, rc.secret)) {
		rc.wrong_in_a_row = 0;
		rc.counts.logins++;
		rc.state = SESSION_OPEN;
		log_info("remote: %s has the console", rc.peer);
		say("welcome; `help` lists the commands, `quit` leaves\n" PROMPT);
		return;
	}
	doubles = rc.wrong_in_a_row < PAUSE_DOUBLES ? rc.wrong_in_a_row : PAUSE_DOUBLES;
	rc.wrong_in_a_row++;
	rc.tries++;
	rc.counts.wrong++;
	rc.until_us = rc.closed_until_us = time_us() + (REMOTE_PAUSE_US << doubles);
	rc.state = SESSION_PAUSE;
	log_warn("remote: wrong secret from %s (%u in a row)", rc.peer, rc.wrong_in_a_row);
}

static void take_line(void)
{
	rc.line[rc.length] = 0;
	if (rc.state == SESSION_SECRET) {
		take_secret();
	} else if (strcmp(rc.line, "quit") == 0) {
		rc.state = SESSION_ENDS;
	} else if (rc.length) {
		rc.counts.lines++;
		rc.interrupted = false;
		rc.state = SESSION_RUNS; /* the monitor finds it in its next turn */
	} else {
		say(PROMPT);
	}
	rc.length = 0;
}

static void take_byte(uint8_t byte)
{
	if (byte == KEY_END && rc.state == SESSION_OPEN && !rc.length) {
		rc.state = SESSION_ENDS;
	} else if (byte == '\r' || byte == '\n') {
		if (byte == '\r' || !rc.after_return) /* CR LF is one end */
			take_line();
		rc.after_return = byte == '\r';
	} else if (byte == '\b' || byte == 0x7f) {
		rc.length -= rc.length > 0;
	} else if (byte >= ' ' && byte <= '~') {
		if (rc.length < REMOTE_LINE_MAX)
			rc.line[rc.length] = (char)byte;
		/* One too many makes the line wrong, whatever follows. */
		rc.length += rc.length <= REMOTE_LINE_MAX;
		if (rc.length > REMOTE_LINE_MAX && rc.state == SESSION_OPEN) {
			say("error: the line is too long\n" PROMPT);
			rc.length = 0;
		} else if (rc.length > REMOTE_LINE_MAX) {
			rc.length = REMOTE_LINE_MAX; /* a secret so long is wrong anyhow */
		}
	}
}

/* ---- a guest's console ---- */

static void detach(const char *why)
{
	say("\n[console of ");
	say(rc.name);
	say(why);
	say("]\n" PROMPT);
	rc.console = NULL;
	rc.after_return = false;
	rc.state = SESSION_OPEN;
}

static bool type(uint8_t key) { return rc.console->type(rc.console->ctx, key); }

/* False: the guest has no room for it now. Enter is CR at a serial line, whatever it is here. */
static bool take_key(uint8_t key)
{
	if (key == KEY_DETACH || (key == '.' && rc.tilde)) {
		detach(": left");
		return true;
	}
	if (rc.tilde && !type('~'))
		return false;
	rc.tilde = false;
	if (key == '~' && rc.line_begins) {
		rc.tilde = true;
		rc.line_begins = false;
		return true;
	}
	if (!(key == '\n' && rc.after_return) && !type(key == '\n' ? '\r' : key))
		return false;
	rc.after_return = key == '\r';
	rc.line_begins = key == '\r' || key == '\n';
	return true;
}

void remote_attach(const struct remote_source *s, const char *name)
{
	rc.console = s;
	snprintf(rc.name, sizeof(rc.name), "%s", name);
	rc.line_begins = true;
	rc.tilde = false;
}

void remote_follow(const struct remote_source *s)
{
	if (!s && rc.lines && rc.lines->left)
		rc.lines->left(rc.lines->ctx);
	rc.lines = s;
}

static void pump_console(void)
{
	char piece[PIECE];
	size_t n = 0;

	for (unsigned i = 0; i < PIECES && rc.state == SESSION_ATTACHED && !rc.out.used; i++) {
		n = rc.console->read(rc.console->ctx, piece, sizeof(piece));
		text_put(&rc.out, piece, n);
		if (!n || !flush())
			break;
	}
	if (rc.state == SESSION_ATTACHED && !n && rc.console->over && rc.console->over(rc.console->ctx))
		detach(": it has ended");
}

/* Over a prompt that stands, and the prompt again. */
static void pump_lines(void)
{
	bool over_prompt = rc.state == SESSION_OPEN;
	char piece[PIECE];
	size_t n = rc.lines->read(rc.lines->ctx, piece, sizeof(piece));

	if (!n)
		return;
	if (over_prompt)
		say("\r");
	text_put(&rc.out, piece, n);
	if (over_prompt)
		say(PROMPT);
}

/* What guests have printed, if all before it has gone out. */
static void pump(void)
{
	if (rc.console || rc.lines)
		stream_soon(FOLLOW_MS);
	if (rc.state == SESSION_ATTACHED && !rc.out.used)
		pump_console();
	else if (rc.lines && !rc.out.used && (rc.state == SESSION_OPEN || (rc.state == SESSION_RUNS && !rc.line_open)))
		pump_lines();
}

static bool takes_bytes(void) { return rc.state == SESSION_SECRET || rc.state == SESSION_OPEN || rc.state == SESSION_ATTACHED; }

/* ---- the stream ---- */

static size_t on_received(void *ctx, const uint8_t *bytes, size_t count)
{
	size_t taken = 0;

	(void)ctx;
	if (rc.state == SESSION_RUNS && memchr(bytes, KEY_INTERRUPT, count)) {
		rc.interrupted = true;
		return count;
	}
	while (taken < count && takes_bytes()) {
		if (rc.state != SESSION_ATTACHED)
			take_byte(bytes[taken]);
		else if (!take_key(bytes[taken]))
			break;
		taken++;
	}
	if (taken)
		rc.moved_us = time_us();
	(void)flush();
	return taken;
}

static void on_finished(void *ctx)
{
	(void)ctx;
	rc.finished = true;
	if (rc.state == SESSION_OPEN) /* `echo command | nc`: what was asked for still goes out */
		rc.state = SESSION_ENDS;
	if (rc.state == SESSION_ENDS)
		(void)flush();
	else if (rc.state != SESSION_RUNS)
		hang_up("left");
}

static void on_writable(void *ctx)
{
	(void)ctx;
	(void)flush();
}

static void on_lost(void *ctx)
{
	(void)ctx;
	log_info("remote: %s: lost", rc.peer);
	forget();
}

static const struct stream_user user = {
	.received = on_received,
	.finished = on_finished,
	.writable = on_writable,
	.lost = on_lost,
};

static bool on_accept(void *ctx, struct stream *s)
{
	struct net_addr peer;
	uint16_t port;

	(void)ctx;
	stream_peer(s, &peer, &port);
	/* A command of the session before must have ended, too: its output is not for the next one. */
	if (!net_service_allows(rc.service, &peer) || rc.stream || rc.state == SESSION_RUNS ||
	    time_us() < rc.closed_until_us) {
		rc.counts.refused++;
		return false;
	}
	rc.stream = s;
	rc.state = SESSION_SECRET;
	rc.tries = 0;
	rc.finished = rc.after_return = false;
	rc.length = 0;
	rc.moved_us = time_us();
	net_addr_text(&peer, rc.peer, sizeof(rc.peer));
	text_init(&rc.out, REMOTE_OUT_MAX);
	stream_use(s, &user, NULL);
	say("Tain " TAIN_VERSION ", console. Nothing on this connection is encrypted.\nsecret: ");
	(void)flush();
	return true;
}

int remote_start(const struct net_service_config *service, const char *secret)
{
	rc.service = service;
	rc.secret = secret;
	return stream_listen(service->port, on_accept, NULL);
}

/* ---- each round ---- */

static void after_pause(void)
{
	if (rc.tries == REMOTE_TRIES) {
		say("wrong\n");
		rc.state = SESSION_ENDS;
	} else {
		say("wrong\nsecret: ");
		rc.state = SESSION_SECRET;
		rc.moved_us = time_us();
	}
}

void remote_poll(void)
{
	if (!rc.stream)
		return;
	if (rc.state == SESSION_PAUSE && time_us() >= rc.until_us)
		after_pause();
	if (!flush())
		return;
	pump();
	if (!flush())
		return;

	uint64_t now = time_us();

	if (takes_bytes() && now - rc.moved_us > (rc.state == SESSION_SECRET ? REMOTE_LOGIN_US : REMOTE_IDLE_US))
		hang_up("idle for too long");
	else if (rc.out.used && now - rc.moved_us > REMOTE_LOGIN_US)
		hang_up("takes nothing of what it asked for");
	else if (takes_bytes())
		stream_resume(rc.stream);
}

/* ---- the monitor's side ---- */

const char *remote_line(void) { return rc.state == SESSION_RUNS ? rc.line : NULL; }

void remote_write(void *ctx, const char *text, size_t count)
{
	static const char cut[] = "\n[the rest is cut]\n";
	bool had_room = !rc.out.failed;

	(void)ctx;
	if (!rc.stream || !count)
		return;
	rc.line_open = text[count - 1] != '\n';
	rc.out.bound = REMOTE_OUT_MAX - sizeof(cut);
	text_put(&rc.out, text, count);
	if (!rc.out.failed || !had_room)
		return;
	rc.out.failed = false;
	rc.out.bound = REMOTE_OUT_MAX;
	text_puts(&rc.out, cut);
	rc.out.failed = true;
}

void remote_end(void)
{
	rc.state = SESSION_OPEN;
	rc.moved_us = time_us();
	if (!rc.stream) {
		drop_sources();
		return;
	}
	rc.out.failed = false;
	rc.out.bound = REMOTE_OUT_MAX;
	rc.line_open = false;
	if (rc.finished) {
		rc.state = SESSION_ENDS;
	} else if (rc.console) {
		rc.state = SESSION_ATTACHED;
		say("[console of ");
		say(rc.name);
		say(": Ctrl-] or a line ~. leaves]\n");
	} else {
		say(PROMPT);
	}
	(void)flush();
}

bool remote_interrupts(void)
{
	return rc.state == SESSION_RUNS && (!rc.stream || rc.interrupted);
}

void remote_counts(struct remote_counts *out)
{
	*out = rc.counts;
	out->active = rc.stream != NULL;
}
