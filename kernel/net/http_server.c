/*
 * http_server.c - connections of the status pages. Contract: http_server.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/http_server.h"

#include <stdio.h>
#include <string.h>

#include "kernel/machine/time.h"
#include "kernel/net/http_request.h"
#include "kernel/net/stream.h"

#define ASK_US   UINT64_C(10000000) /* so long may a request take to come */
#define STALL_US UINT64_C(20000000) /* and so long may a client take nothing of its answer */

struct client {
	struct stream *stream; /* NULL: free */
	struct http_request request;
	struct text answer;
	size_t sent;
	uint64_t moved_us; /* when something went on */
};

static struct {
	const struct net_service_config *service;
	const struct http_page *pages;
	struct client clients[HTTP_CLIENTS];
	struct http_counts counts;
} server;

static const struct {
	int status;
	const char *text;
} reasons[] = {
	{ 200, "OK" },			{ 400, "Bad Request" },
	{ 404, "Not Found" },		{ 405, "Method Not Allowed" },
	{ 414, "URI Too Long" },	{ 431, "Request Header Fields Too Large" },
	{ 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

static void forget(struct client *c)
{
	text_fini(&c->answer);
	c->stream = NULL;
}

/* ---- the answer ---- */

static void head(struct text *t, int status, const char *type, size_t length)
{
	text_printf(t,
		    "HTTP/1.1 %d %s\r\nServer: Tain\r\nContent-Type: %s\r\nContent-Length: %llu\r\n"
		    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n%s"
		    "Connection: close\r\n\r\n",
		    status, reason_of(status), type, (unsigned long long)length,
		    status == 405 ? "Allow: GET, HEAD\r\n" : "");
}

static const struct http_page *find_page(const char *path)
{
	for (const struct http_page *p = server.pages; p->path; p++)
		if (strcmp(p->path, path) == 0)
			return p;
	return NULL;
}

static void answer_plain(struct client *c, int status)
{
	char body[64];
	int n = snprintf(body, sizeof(body), "%d %s\n", status, reason_of(status));

	head(&c->answer, status, "text/plain; charset=utf-8", (size_t)n);
	if (c->request.method != HTTP_HEAD)
		text_put(&c->answer, body, (size_t)n);
	server.counts.refused++;
}

static void answer_page(struct client *c, const struct http_page *page)
{
	struct text body;

	text_init(&body, HTTP_PAGE_MAX);
	page->render(&body);
	if (!body.failed) {
		head(&c->answer, 200, page->type, body.used);
		if (c->request.method != HTTP_HEAD)
			text_put(&c->answer, body.bytes, body.used);
	}
	if (body.failed || c->answer.failed) {
		text_fini(&c->answer);
		answer_plain(c, 503);
	} else {
		server.counts.answered++;
	}
	text_fini(&body);
}

static void send_on(void *ctx)
{
	struct client *c = ctx;
	size_t n = stream_write(c->stream, c->answer.bytes + c->sent, c->answer.used - c->sent);
	struct stream *s = c->stream;

	c->sent += n;
	if (n)
		c->moved_us = time_us();
	if (c->sent < c->answer.used)
		return;
	forget(c);
	stream_close(s);
}

static void answer(struct client *c, int status)
{
	const struct http_page *page = find_page(c->request.path);

	server.counts.requests++;
	c->moved_us = time_us();
	if (status == 200 && c->request.method == HTTP_OTHER)
		status = 405;
	if (status == 200 && !page)
		status = 404;
	if (status == 200)
		answer_page(c, page);
	else
		answer_plain(c, status);
	send_on(c);
}

/* ---- the stream ---- */

static size_t on_received(void *ctx, const uint8_t *bytes, size_t count)
{
	struct client *c = ctx;
	int status;

	if (c->request.status)
		return count; /* its answer is on its way; what follows is not looked at */
	status = http_request_feed(&c->request, bytes, count);
	if (status)
		answer(c, status);
	return count;
}

/* A client may say at once that it has nothing more to ask; one that has asked nothing yet goes. */
static void on_finished(void *ctx)
{
	struct client *c = ctx;
	struct stream *s = c->stream;

	if (c->request.status)
		return;
	server.counts.dropped++;
	forget(c);
	stream_close(s);
}

static void on_lost(void *ctx)
{
	server.counts.dropped++;
	forget(ctx);
}

static void on_writable(void *ctx)
{
	struct client *c = ctx;

	if (c->answer.used)
		send_on(c);
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
	for (unsigned i = 0; i < HTTP_CLIENTS && net_service_allows(server.service, &peer); i++) {
		struct client *c = &server.clients[i];

		if (c->stream)
			continue;
		c->stream = s;
		c->sent = 0;
		c->moved_us = time_us();
		http_request_init(&c->request);
		c->request.method = HTTP_OTHER;
		text_init(&c->answer, HTTP_PAGE_MAX + HTTP_LINE_MAX);
		stream_use(s, &user, c);
		return true;
	}
	server.counts.dropped++;
	return false;
}

int http_server_start(const struct net_service_config *service, const struct http_page *pages)
{
	server.service = service;
	server.pages = pages;
	return stream_listen(service->port, on_accept, NULL);
}

void http_server_poll(void)
{
	uint64_t now = time_us();

	for (unsigned i = 0; i < HTTP_CLIENTS; i++) {
		struct client *c = &server.clients[i];
		struct stream *s = c->stream;

		if (!s || now - c->moved_us < (c->request.status ? STALL_US : ASK_US))
			continue;
		server.counts.dropped++;
		forget(c);
		stream_abort(s);
	}
}

void http_server_counts(struct http_counts *out) { *out = server.counts; }
