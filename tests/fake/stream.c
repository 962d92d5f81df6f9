/*
 * stream.c - the other end of streams and datagrams. Contract: stream.h here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fake/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/time.h"

#define STREAMS_MAX  65536u
#define LISTENERS_MAX 8

static struct stream *streams[STREAMS_MAX];
static unsigned stream_count;
static struct {
	uint16_t port;
	stream_accept_fn accept;
	void *ctx;
} listeners[LISTENERS_MAX];
static unsigned listener_count;

struct stream *fake_outgoing;
int fake_connect_error;
struct fake_datagram fake_sent[64];
unsigned fake_sent_count;
int fake_datagram_error;
struct net_addr *fake_name_addr;
char fake_name[256];
bool fake_up = true;
uint64_t fake_time_us = 1000000;

uint64_t time_us(void) { return fake_time_us++; }

unsigned fake_soon;

void stream_soon(unsigned ms)
{
	(void)ms;
	fake_soon++;
}

struct datagram {
	datagram_fn received;
	void *ctx;
};
static struct datagram *datagram;

void fake_net_reset(void)
{
	for (unsigned i = 0; i < stream_count; i++)
		fake_lose(streams[i]);
	for (unsigned i = 0; i < stream_count; i++) {
		free(streams[i]->out);
		free(streams[i]->held);
		free(streams[i]);
	}
	stream_count = listener_count = 0;
	fake_outgoing = NULL;
	fake_connect_error = fake_datagram_error = 0;
	fake_sent_count = 0;
	free(datagram);
	datagram = NULL;
	fake_name_addr = NULL;
	fake_up = true;
}

static struct stream *new_stream(void)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s || stream_count == STREAMS_MAX)
		abort();
	s->window = SIZE_MAX;
	streams[stream_count++] = s;
	return s;
}

static void must_be_open(const struct stream *s)
{
	if (s->state != FAKE_OPEN) {
		fprintf(stderr, "a stream is used that is no longer there\n");
		abort();
	}
}

/* ---- the protocols' side ---- */

void stream_use(struct stream *s, const struct stream_user *user, void *ctx)
{
	must_be_open(s);
	s->user = user;
	s->ctx = ctx;
}

size_t stream_room(const struct stream *s)
{
	must_be_open(s);
	return s->window;
}

size_t stream_write(struct stream *s, const void *bytes, size_t count)
{
	must_be_open(s);
	if (count > s->window)
		count = s->window;
	while (s->out_used + count + 1 > s->out_room) {
		s->out_room = s->out_room ? s->out_room * 2 : 4096;
		s->out = realloc(s->out, s->out_room);
		if (!s->out)
			abort();
	}
	if (count)
		memcpy(s->out + s->out_used, bytes, count);
	s->out_used += count;
	s->out[s->out_used] = 0;
	if (s->window != SIZE_MAX)
		s->window -= count;
	return count;
}

static void offer(struct stream *s)
{
	size_t n;

	if (!s->held_used || !s->user || !s->user->received)
		return;
	n = s->user->received(s->ctx, s->held, s->held_used);
	if (n > s->held_used)
		abort();
	memmove(s->held, s->held + n, s->held_used - n);
	s->held_used -= n;
}

void stream_resume(struct stream *s)
{
	must_be_open(s);
	offer(s);
}

void stream_close(struct stream *s)
{
	must_be_open(s);
	s->state = FAKE_CLOSED;
}

void stream_abort(struct stream *s)
{
	must_be_open(s);
	s->state = FAKE_ABORTED;
}

void stream_peer(const struct stream *s, struct net_addr *addr, uint16_t *port)
{
	must_be_open(s);
	*addr = s->peer;
	*port = s->port;
}

int stream_listen(uint16_t port, stream_accept_fn accept, void *ctx)
{
	if (fake_listens(port))
		return -EADDRINUSE;
	if (listener_count == LISTENERS_MAX)
		return -ENOMEM;
	listeners[listener_count].port = port;
	listeners[listener_count].accept = accept;
	listeners[listener_count++].ctx = ctx;
	return 0;
}

int stream_connect(struct stream **out, const struct net_addr *addr, uint16_t port,
		   const struct stream_user *user, void *ctx)
{
	if (fake_connect_error)
		return fake_connect_error;
	fake_outgoing = new_stream();
	fake_outgoing->peer = *addr;
	fake_outgoing->port = port;
	fake_outgoing->user = user;
	fake_outgoing->ctx = ctx;
	*out = fake_outgoing;
	return 0;
}

int datagram_open(struct datagram **out, datagram_fn received, void *ctx)
{
	free(datagram);
	datagram = malloc(sizeof(*datagram));
	if (!datagram)
		abort();
	*datagram = (struct datagram){ received, ctx };
	*out = datagram;
	return 0;
}

int datagram_send(struct datagram *d, const struct net_addr *to, uint16_t port, const void *bytes,
		  size_t count)
{
	struct fake_datagram *f = &fake_sent[fake_sent_count % 64];

	if (d != datagram || count > sizeof(f->bytes))
		abort();
	if (fake_datagram_error)
		return fake_datagram_error;
	fake_sent_count++;
	f->to = *to;
	f->port = port;
	f->count = count;
	memcpy(f->bytes, bytes, count);
	return 0;
}

void datagram_close(struct datagram *d)
{
	if (d != datagram)
		abort();
	free(datagram);
	datagram = NULL;
}

void name_resolve(const char *name, name_fn done, void *ctx)
{
	snprintf(fake_name, sizeof(fake_name), "%s", name);
	done(ctx, fake_name_addr);
}

bool stream_is_up(void) { return fake_up; }

/* ---- the test's side ---- */

bool fake_listens(uint16_t port)
{
	for (unsigned i = 0; i < listener_count; i++)
		if (listeners[i].port == port)
			return true;
	return false;
}

struct stream *fake_connect(uint16_t port, const char *from)
{
	for (unsigned i = 0; i < listener_count; i++) {
		struct stream *s;

		if (listeners[i].port != port)
			continue;
		s = new_stream();
		if (net_addr_parse(from, &s->peer))
			abort();
		s->port = 40000;
		if (listeners[i].accept(listeners[i].ctx, s))
			return s;
		s->state = FAKE_ABORTED;
		return NULL;
	}
	return NULL;
}

void fake_connected(struct stream *s)
{
	must_be_open(s);
	if (s->user->connected)
		s->user->connected(s->ctx);
}

void fake_send(struct stream *s, const void *bytes, size_t count)
{
	if (s->state != FAKE_OPEN || !count)
		return;
	s->held = realloc(s->held, s->held_used + count);
	if (!s->held)
		abort();
	memcpy(s->held + s->held_used, bytes, count);
	s->held_used += count;
	offer(s);
}

void fake_send_text(struct stream *s, const char *text) { fake_send(s, text, strlen(text)); }

void fake_finish(struct stream *s)
{
	if (s->state == FAKE_OPEN && s->user && s->user->finished)
		s->user->finished(s->ctx);
}

void fake_lose(struct stream *s)
{
	if (s->state != FAKE_OPEN)
		return;
	s->state = FAKE_LOST;
	if (s->user && s->user->lost)
		s->user->lost(s->ctx);
}

const char *fake_out(struct stream *s) { return s->out ? s->out : ""; }

void fake_out_clear(struct stream *s)
{
	s->out_used = 0;
	if (s->out)
		s->out[0] = 0;
}

void fake_open_window(struct stream *s, size_t count)
{
	s->window = count;
	if (s->state == FAKE_OPEN && s->user && s->user->writable)
		s->user->writable(s->ctx);
}

bool fake_datagram_is_open(void) { return datagram != NULL; }

bool fake_datagram(const char *from, uint16_t port, const void *bytes, size_t count)
{
	struct net_addr a;

	if (!datagram || !datagram->received || net_addr_parse(from, &a))
		return false;
	datagram->received(datagram->ctx, &a, port, bytes, count);
	return true;
}
