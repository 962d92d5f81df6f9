/*
 * gdb_tcp.c - two buffers between a stream and the GDB stub. Contract: gdb_tcp.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/gdb_tcp.h"

#include <string.h>

#include "kernel/base/log.h"
#include "kernel/net/stream.h"

static struct {
	const struct net_service_config *service;
	struct stream *stream; /* NULL: nobody */
	unsigned connection, count;
	char peer[NET_ADDR_TEXT];
	uint8_t in[GDB_TCP_IN], out[GDB_TCP_OUT];
	unsigned in_at, in_count, out_count;
} g;

static void forget(void)
{
	g.stream = NULL;
	g.connection = 0;
	g.in_count = g.in_at = g.out_count = 0;
}

static void flush(void)
{
	size_t n = g.out_count ? stream_write(g.stream, g.out, g.out_count) : 0;

	memmove(g.out, g.out + n, g.out_count - n);
	g.out_count -= (unsigned)n;
}

static size_t on_received(void *ctx, const uint8_t *bytes, size_t count)
{
	(void)ctx;
	if (g.in_at == g.in_count)
		g.in_at = g.in_count = 0;
	if (count > GDB_TCP_IN - g.in_count)
		count = GDB_TCP_IN - g.in_count;
	memcpy(g.in + g.in_count, bytes, count);
	g.in_count += (unsigned)count;
	return count;
}

static void on_finished(void *ctx)
{
	struct stream *s = g.stream;

	(void)ctx;
	log_info("gdb: %s has left", g.peer);
	forget();
	stream_close(s);
}

static void on_writable(void *ctx)
{
	(void)ctx;
	flush();
}

static void on_lost(void *ctx)
{
	(void)ctx;
	log_info("gdb: %s is lost", g.peer);
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
	if (g.stream || !net_service_allows(g.service, &peer))
		return false;
	forget();
	g.stream = s;
	g.connection = ++g.count;
	net_addr_text(&peer, g.peer, sizeof(g.peer));
	log_info("gdb: %s is connected", g.peer);
	stream_use(s, &user, NULL);
	return true;
}

int gdb_tcp_start(const struct net_service_config *service)
{
	g.service = service;
	return stream_listen(service->port, on_accept, NULL);
}

void gdb_tcp_poll(void)
{
	if (!g.stream)
		return;
	flush();
	if (g.in_at == g.in_count)
		stream_resume(g.stream);
}

unsigned gdb_tcp_connection(void) { return g.connection; }

int gdb_tcp_get(void) { return g.in_at < g.in_count ? g.in[g.in_at++] : -1; }

size_t gdb_tcp_room(void) { return g.stream ? GDB_TCP_OUT - g.out_count : GDB_TCP_OUT; }

void gdb_tcp_put(const void *bytes, size_t count)
{
	if (!g.stream || count > GDB_TCP_OUT - g.out_count)
		return; /* as on a wire: GDB asks again */
	memcpy(g.out + g.out_count, bytes, count);
	g.out_count += (unsigned)count;
	flush();
}
