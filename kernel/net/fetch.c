/*
 * fetch.c - a name resolved, a server asked, a file taken. Contract: fetch.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/version.h"
#include "kernel/machine/time.h"
#include "kernel/net/http_response.h"
#include "kernel/net/store.h"
#include "kernel/net/stream.h"
#include "kernel/net/tftp.h"
#include "kernel/base/url.h"

#define RESEND_US UINT64_C(1000000) /* TFTP: the same packet again */

enum fetch_state { FETCH_IDLE, FETCH_NAME, FETCH_RUNS, FETCH_ENDED };

static struct {
	enum fetch_state state;
	struct fetch_want want;
	fetch_done_fn done;
	void *ctx;
	struct url url;
	uintptr_t turn; /* tells late answers of the resolver from ours */
	bool asked;     /* the resolver */
	struct net_addr server;

	struct stream *stream; /* HTTP */
	struct http_response response;
	struct datagram *port; /* TFTP */
	struct tftp tftp;
	uint16_t server_port; /* TFTP: the server's, once it has answered */
	uint64_t resend_us;

	struct store store;
	struct sha256 sha;
	uint64_t total, began_us, moved_us;
	const char *why; /* FETCH_ENDED: NULL: the file is there */
	char why_text[128];
} f;

/* ---- the end ---- */

static void let_go(void)
{
	if (f.stream)
		stream_abort(f.stream);
	if (f.port)
		datagram_close(f.port);
	f.stream = NULL;
	f.port = NULL;
}

/* fetch_poll() tells of it. @why NULL: all of the file is there. */
static void end(const char *why)
{
	if (f.state == FETCH_IDLE || f.state == FETCH_ENDED)
		return;
	f.state = FETCH_ENDED;
	f.why = why;
	if (why)
		snprintf(f.why_text, sizeof(f.why_text), "%s", why);
}

/* ---- the body, however it comes ---- */

static bool on_begin(void *ctx, uint64_t length)
{
	(void)ctx;
	f.total = length == HTTP_LENGTH_UNKNOWN ? 0 : length;
	return store_expect(&f.store, length);
}

static bool on_body(void *ctx, const uint8_t *bytes, size_t count)
{
	(void)ctx;
	if (!store_put(&f.store, bytes, count))
		return false;
	sha256_update(&f.sha, bytes, count);
	f.moved_us = time_us();
	return true;
}

static const struct http_sink sink = { on_begin, on_body, NULL };

/* ---- HTTP ---- */

static void http_look(void)
{
	if (f.response.state == RESPONSE_DONE)
		end(NULL);
	else if (f.response.state == RESPONSE_FAILED)
		end(f.store.why ? f.store.why : f.response.why);
}

static void http_connected(void *ctx)
{
	bool six = strchr(f.url.host, ':') != NULL;
	char ask[URL_PATH_MAX + URL_HOST_MAX + 160];
	int n = snprintf(ask, sizeof(ask),
			 "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: Tain/" TAIN_VERSION
			 "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
			 f.url.path, six ? "[" : "", f.url.host, six ? "]" : "", f.url.port);

	(void)ctx;
	f.moved_us = time_us();
	if (stream_write(f.stream, ask, (size_t)n) != (size_t)n)
		end("no room to ask in");
}

static size_t http_received(void *ctx, const uint8_t *bytes, size_t count)
{
	(void)ctx;
	if (f.state != FETCH_RUNS)
		return count;
	(void)http_response_feed(&f.response, bytes, count);
	http_look();
	return count;
}

static void http_finished(void *ctx)
{
	(void)ctx;
	http_response_end(&f.response);
	http_look();
}

static void http_lost(void *ctx)
{
	(void)ctx;
	f.stream = NULL;
	end(f.response.state == RESPONSE_STATUS ? "no connection: refused or no answer" : "the connection was lost");
}

static const struct stream_user http_user = {
	.connected = http_connected,
	.received = http_received,
	.finished = http_finished,
	.lost = http_lost,
};

/* ---- TFTP ---- */

static void tftp_send(void)
{
	uint16_t port = f.server_port ? f.server_port : f.url.port;

	f.resend_us = time_us() + RESEND_US;
	/* What does not go out now goes with the next time-out. */
	if (datagram_send(f.port, &f.server, port, f.tftp.out, f.tftp.out_count) != 0)
		return;
}

/* The server answers from a port of its own, and from no other from then on. */
static void on_datagram(void *ctx, const struct net_addr *from, uint16_t port, const uint8_t *bytes,
			size_t count)
{
	(void)ctx;
	if (f.state != FETCH_RUNS || !net_addr_equal(from, &f.server) ||
	    (f.server_port && port != f.server_port))
		return;

	bool answer = tftp_received(&f.tftp, bytes, count);

	if (f.tftp.state != TFTP_ASKED)
		f.server_port = port;
	if (answer)
		tftp_send();
	if (f.tftp.state == TFTP_DONE)
		end(NULL);
	else if (f.tftp.state == TFTP_FAILED)
		end(f.store.why ? f.store.why : f.tftp.why);
}

/* ---- the beginning ---- */

static int connect_to_server(void)
{
	int err;

	if (f.url.scheme == URL_HTTP) {
		http_response_init(&f.response, &sink);
		return stream_connect(&f.stream, &f.server, f.url.port, &http_user, NULL);
	}
	err = datagram_open(&f.port, on_datagram, NULL);
	if (err)
		return err;
	tftp_init(&f.tftp, f.url.path, &sink);
	tftp_send();
	return 0;
}

static void on_name(void *ctx, const struct net_addr *addr)
{
	if ((uintptr_t)ctx != f.turn || f.state != FETCH_NAME)
		return;
	if (!addr) {
		end("the server's name is not known");
		return;
	}
	f.server = *addr;
	f.state = FETCH_RUNS;
	f.moved_us = time_us();
	if (connect_to_server() != 0)
		end("no way to the server");
}

int fetch_begin(const struct fetch_want *want, fetch_done_fn done, void *ctx, const char **why)
{
	if (f.state != FETCH_IDLE)
		return -EBUSY;
	*why = url_parse(want->url, &f.url);
	if (*why)
		return -EINVAL;
	f.want = *want;
	f.done = done;
	f.ctx = ctx;
	f.turn++;
	f.server_port = 0;
	f.total = 0;
	f.began_us = f.moved_us = time_us();
	store_init(&f.store, want->limit);
	sha256_init(&f.sha);
	f.state = FETCH_NAME;
	f.asked = false;
	return 0;
}

void fetch_cancel(void) { end("given up"); }

/* ---- each round ---- */

static void deliver(void)
{
	struct fetched file = { .size = f.store.used, .took_us = time_us() - f.began_us };
	fetch_done_fn done = f.done;

	let_go();
	if (!f.why) {
		sha256_final(&f.sha, file.sha256);
		if (f.total && f.total != f.store.used)
			f.why = "its length is not the one that was announced";
		else if (f.want.sha256 && memcmp(file.sha256, f.want.sha256, SHA256_BYTES) != 0)
			f.why = "its SHA-256 is not the one that was given";
		if (f.why)
			snprintf(f.why_text, sizeof(f.why_text), "%s", f.why);
	}
	if (f.why) {
		store_drop(&f.store);
		f.state = FETCH_IDLE;
		done(f.ctx, NULL, f.why_text);
		return;
	}
	store_finish(&f.store);
	file.bytes = f.store.bytes;
	f.state = FETCH_IDLE;
	done(f.ctx, &file, NULL);
}

void fetch_poll(void)
{
	if (f.state == FETCH_NAME && !f.asked && stream_is_up()) {
		f.asked = true;
		name_resolve(f.url.host, on_name, (void *)f.turn);
	}
	uint64_t now = time_us();

	if (f.state == FETCH_NAME || f.state == FETCH_RUNS) {
		if (now - f.moved_us > FETCH_QUIET_US)
			end(stream_is_up() ? "no answer from the server" : "the network is not up");
		else if (f.state == FETCH_RUNS && f.port && now >= f.resend_us)
			tftp_send();
	}
	if (f.state == FETCH_ENDED)
		deliver();
}

bool fetch_quiet(void) { return f.state == FETCH_IDLE; }

void fetch_progress(struct fetch_progress *out)
{
	bool runs = f.state == FETCH_NAME || f.state == FETCH_RUNS;

	*out = (struct fetch_progress){ runs ? f.want.url : NULL, f.store.used, f.total };
}
