/*
 * stream.c - streams and datagrams on lwIP's raw interface. Contract: stream.h.
 *
 * Invariants
 *   - A user's function may end its stream: while one runs (.inside), the end is only noted, and
 *     carried out when lwIP is told what became of the connection.
 *   - What a user has not taken stays in .held, and its bytes of the window stay closed: a peer cannot
 *     make us keep more than a window.
 *   - At most STREAMS_MAX streams are there at once; those that are only ending count no more.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/stream.h"

#include <errno.h>
#include <lwip/dns.h>
#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <lwip/udp.h>
#include <string.h>

#include "drivers/net/net.h"
#include "kernel/machine/port.h"

#define STREAMS_MAX   16u
#define BACKLOG       4u
#define DATAGRAM_MAX  1500u
#define KEEP_IDLE_MS  60000u

enum wish { WISH_NONE, WISH_CLOSE, WISH_ABORT };

struct stream {
	struct tcp_pcb *pcb; /* NULL: lost */
	const struct stream_user *user;
	void *ctx;
	struct pbuf *held;
	bool finished, told; /* the peer has ended; the user knows */
	unsigned inside;
	enum wish wish;
};

static unsigned stream_count;

/* ---- addresses ---- */

static struct net_addr from_lwip(const ip_addr_t *ip)
{
	struct net_addr a = { 0 };

	if (IP_IS_V4(ip)) {
		a.family = NET_IPV4;
		memcpy(a.bytes, &ip_2_ip4(ip)->addr, 4);
	} else {
		a.family = NET_IPV6;
		memcpy(a.bytes, ip_2_ip6(ip)->addr, 16);
	}
	return net_addr_unmapped(a);
}

static ip_addr_t to_lwip(const struct net_addr *a)
{
	ip_addr_t ip = { 0 };

	if (a->family == NET_IPV4) {
		IP_SET_TYPE_VAL(ip, IPADDR_TYPE_V4);
		memcpy(&ip_2_ip4(&ip)->addr, a->bytes, 4);
	} else {
		IP_SET_TYPE_VAL(ip, IPADDR_TYPE_V6);
		memcpy(ip_2_ip6(&ip)->addr, a->bytes, 16);
		ip6_addr_assign_zone(ip_2_ip6(&ip), IP6_UNICAST, net_netif());
	}
	return ip;
}

/* ---- the end of a stream ---- */

static void drop_held(struct stream *s)
{
	if (!s->held)
		return;
	if (s->pcb) /* an unread byte would turn the close into a reset */
		tcp_recved(s->pcb, s->held->tot_len);
	pbuf_free(s->held);
	s->held = NULL;
}

static void detach(struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
}

/* What was noted is done; ERR_ABRT if lwIP must not touch the connection any more. */
static err_t end_now(struct stream *s)
{
	struct tcp_pcb *pcb = s->pcb;
	err_t answer = ERR_OK;

	drop_held(s);
	if (pcb) {
		detach(pcb);
		if (s->wish == WISH_ABORT || tcp_close(pcb) != ERR_OK) {
			tcp_abort(pcb);
			answer = ERR_ABRT;
		}
	}
	heap_free(s);
	stream_count--;
	return answer;
}

static void wish_end(struct stream *s, enum wish wish)
{
	s->wish = wish;
	if (!s->inside)
		(void)end_now(s);
}

void stream_close(struct stream *s) { wish_end(s, WISH_CLOSE); }
void stream_abort(struct stream *s) { wish_end(s, WISH_ABORT); }

static void enter(struct stream *s) { s->inside++; }

/* Back from a user's function. */
static err_t leave(struct stream *s)
{
	if (--s->inside || s->wish == WISH_NONE)
		return ERR_OK;
	return end_now(s);
}

/* ---- what comes in ---- */

/* The first piece of what is held goes; it may be an empty one: lwIP trims in place. */
static void drop_piece(struct stream *s)
{
	struct pbuf *first = s->held;

	s->held = first->next;
	if (s->held)
		pbuf_ref(s->held);
	pbuf_free(first);
}

/* Hand over what is held, piece by piece, as far as it is taken. */
static void offer(struct stream *s)
{
	while (s->held && s->wish == WISH_NONE && s->user->received) {
		struct pbuf *p = s->held;
		size_t n = p->len ? s->user->received(s->ctx, p->payload, p->len) : 0;

		if (s->wish != WISH_NONE || !s->pcb)
			return;
		if (n)
			tcp_recved(s->pcb, (u16_t)n);
		if (n < p->len) {
			(void)pbuf_remove_header(p, n);
			return;
		}
		drop_piece(s);
	}
	if (!s->held && s->finished && !s->told && s->wish == WISH_NONE) {
		s->told = true;
		if (s->user->finished)
			s->user->finished(s->ctx);
	}
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct stream *s = arg;

	(void)pcb, (void)err;
	if (!p)
		s->finished = true;
	else if (s->held)
		pbuf_cat(s->held, p);
	else
		s->held = p;
	enter(s);
	offer(s);
	return leave(s);
}

void stream_resume(struct stream *s)
{
	enter(s);
	offer(s);
	(void)leave(s);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t length)
{
	struct stream *s = arg;

	(void)pcb, (void)length;
	enter(s);
	if (s->user->writable)
		s->user->writable(s->ctx);
	return leave(s);
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb) { return on_sent(arg, pcb, 0); }

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct stream *s = arg;

	(void)pcb, (void)err; /* always ERR_OK: failures come by on_err */
	enter(s);
	if (s->user->connected)
		s->user->connected(s->ctx);
	return leave(s);
}

/* The connection is no longer lwIP's either. */
static void on_err(void *arg, err_t err)
{
	struct stream *s = arg;

	(void)err;
	if (!s)
		return;
	s->pcb = NULL;
	enter(s);
	if (s->wish == WISH_NONE && s->user && s->user->lost)
		s->user->lost(s->ctx);
	s->wish = WISH_ABORT;
	(void)leave(s);
}

static struct stream *attach(struct tcp_pcb *pcb)
{
	struct stream *s = stream_count < STREAMS_MAX ? heap_alloc(sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	stream_count++;
	s->pcb = pcb;
	tcp_arg(pcb, s);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	tcp_poll(pcb, on_poll, 2);
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = KEEP_IDLE_MS;
	return s;
}

/* ---- what goes out ---- */

void stream_use(struct stream *s, const struct stream_user *user, void *ctx)
{
	s->user = user;
	s->ctx = ctx;
}

size_t stream_room(const struct stream *s)
{
	if (!s->pcb || s->wish != WISH_NONE || tcp_sndqueuelen(s->pcb) + 4 > TCP_SND_QUEUELEN)
		return 0;
	return tcp_sndbuf(s->pcb);
}

size_t stream_write(struct stream *s, const void *bytes, size_t count)
{
	size_t room = stream_room(s);

	if (count > room)
		count = room;
	if (!count || tcp_write(s->pcb, bytes, (u16_t)count, TCP_WRITE_FLAG_COPY) != ERR_OK)
		return 0;
	(void)tcp_output(s->pcb); /* what does not go now goes with the next tick */
	return count;
}

void stream_peer(const struct stream *s, struct net_addr *addr, uint16_t *port)
{
	*addr = from_lwip(&s->pcb->remote_ip);
	*port = s->pcb->remote_port;
}

/* ---- who begins ---- */

struct listener {
	stream_accept_fn accept;
	void *ctx;
};

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	const struct listener *l = arg;
	struct stream *s;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	s = attach(pcb);
	if (!s) {
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	enter(s);
	if (!l->accept(l->ctx, s))
		s->wish = WISH_ABORT;
	return leave(s);
}

int stream_listen(uint16_t port, stream_accept_fn accept, void *ctx)
{
	struct listener *l = heap_alloc(sizeof(*l));
	struct tcp_pcb *pcb = l ? tcp_new_ip_type(IPADDR_TYPE_ANY) : NULL, *listening;
	err_t err;

	if (!pcb) {
		heap_free(l);
		return -ENOMEM;
	}
	err = tcp_bind(pcb, IP_ANY_TYPE, port);
	listening = err == ERR_OK ? tcp_listen_with_backlog(pcb, BACKLOG) : NULL;
	if (!listening) {
		(void)tcp_close(pcb);
		heap_free(l);
		return err == ERR_USE ? -EADDRINUSE : -ENOMEM;
	}
	*l = (struct listener){ accept, ctx };
	tcp_arg(listening, l);
	tcp_accept(listening, on_accept);
	return 0;
}

int stream_connect(struct stream **out, const struct net_addr *addr, uint16_t port,
		   const struct stream_user *user, void *ctx)
{
	ip_addr_t ip = to_lwip(addr);
	struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(&ip));
	struct stream *s = pcb ? attach(pcb) : NULL;
	err_t err;

	if (!s) {
		if (pcb)
			tcp_abort(pcb);
		return -ENOMEM;
	}
	stream_use(s, user, ctx);
	err = tcp_connect(pcb, &ip, port, on_connected);
	if (err != ERR_OK) {
		stream_abort(s);
		return err == ERR_RTE ? -ENETUNREACH : -ENOMEM;
	}
	*out = s;
	return 0;
}

/* ---- datagrams ---- */

struct datagram {
	struct udp_pcb *pcb;
	datagram_fn received;
	void *ctx;
};

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
	static uint8_t bytes[DATAGRAM_MAX];
	const struct datagram *d = arg;
	struct net_addr addr = from_lwip(from);
	size_t n = pbuf_copy_partial(p, bytes, sizeof(bytes), 0);
	bool whole = n == p->tot_len;

	(void)pcb;
	pbuf_free(p);
	if (whole && d->received)
		d->received(d->ctx, &addr, port, bytes, n);
}

int datagram_open(struct datagram **out, datagram_fn received, void *ctx)
{
	struct datagram *d = heap_alloc(sizeof(*d));
	struct udp_pcb *pcb = d ? udp_new_ip_type(IPADDR_TYPE_ANY) : NULL;

	if (!pcb || udp_bind(pcb, IP_ANY_TYPE, 0) != ERR_OK) {
		if (pcb)
			udp_remove(pcb);
		heap_free(d);
		return -ENOMEM;
	}
	*d = (struct datagram){ pcb, received, ctx };
	udp_recv(pcb, on_datagram, d);
	*out = d;
	return 0;
}

int datagram_send(struct datagram *d, const struct net_addr *to, uint16_t port, const void *bytes,
		  size_t count)
{
	ip_addr_t ip = to_lwip(to);
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)count, PBUF_RAM);
	err_t err;

	if (!p)
		return -ENOMEM;
	(void)pbuf_take(p, bytes, (u16_t)count);
	err = udp_sendto(d->pcb, p, &ip, port);
	pbuf_free(p);
	return err == ERR_OK ? 0 : err == ERR_RTE ? -ENETUNREACH : -ENOMEM;
}

void datagram_close(struct datagram *d)
{
	udp_remove(d->pcb);
	heap_free(d);
}

/* ---- names ---- */

struct question {
	name_fn done;
	void *ctx;
};

static void on_name(const char *name, const ip_addr_t *ip, void *arg)
{
	struct question q = *(struct question *)arg;
	struct net_addr a;

	(void)name;
	heap_free(arg);
	if (ip)
		a = from_lwip(ip);
	q.done(q.ctx, ip ? &a : NULL);
}

void name_resolve(const char *name, name_fn done, void *ctx)
{
	struct question *q;
	struct net_addr a;
	ip_addr_t ip;
	err_t err;

	if (net_addr_parse(name, &a) == 0) {
		done(ctx, &a);
		return;
	}
	q = heap_alloc(sizeof(*q));
	if (!q) {
		done(ctx, NULL);
		return;
	}
	*q = (struct question){ done, ctx };
	err = dns_gethostbyname(name, &ip, on_name, q);
	if (err != ERR_INPROGRESS)
		on_name(name, err == ERR_OK ? &ip : NULL, q);
}

bool stream_any(void) { return stream_count != 0; }

static bool soon;

static void turn_comes(void *ctx)
{
	(void)ctx;
	soon = false;
}

void stream_soon(unsigned ms)
{
	if (soon)
		return;
	soon = true;
	sys_timeout(ms, turn_comes, NULL);
}

bool stream_is_up(void) { return net_is_up(); }
