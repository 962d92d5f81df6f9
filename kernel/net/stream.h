/*
 * stream.h - connections and datagrams, as the protocols of this room see them.
 *
 * The protocols know no network stack: in the image stream.c stands on lwIP, in host tests
 * tests/fake/stream.c plays the other end.
 *
 * Invariants
 *   - All of it happens on the boot CPU, in the network's turn: no locks. A user's function may close
 *     or abort its stream; nothing of the stream is touched after that.
 *   - stream_write() copies and never waits; what finds no room is the caller's to offer again.
 *   - After lost(), stream_close() or stream_abort() the stream is no longer there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_STREAM_H
#define TAIN_NET_STREAM_H

#include "kernel/base/net_addr.h"
#include "kernel/base/types.h"

struct stream;

/* What happens to a stream; each may be NULL. */
struct stream_user {
	/* The connection that was asked for is there. */
	void (*connected)(void *ctx);
	/* Bytes came: how many were taken. The rest is offered again after stream_resume(). */
	size_t (*received)(void *ctx, const uint8_t *bytes, size_t count);
	/* The peer will send no more (all that it sent was taken). */
	void (*finished)(void *ctx);
	/* There is room to write again. */
	void (*writable)(void *ctx);
	/* Reset, refused or timed out. */
	void (*lost)(void *ctx);
};

/* The user of an accepted stream: within accept. */
void stream_use(struct stream *s, const struct stream_user *user, void *ctx);

/* Bytes that stream_write() takes now; and write: the number taken. */
size_t stream_room(const struct stream *s);
size_t stream_write(struct stream *s, const void *bytes, size_t count);

/* Offer again what was not taken. Not from within received(). */
void stream_resume(struct stream *s);

/* What was written still goes out, then the end. */
void stream_close(struct stream *s);
/* At once. */
void stream_abort(struct stream *s);

void stream_peer(const struct stream *s, struct net_addr *addr, uint16_t *port);

/* Listen on @port. @accept: true: it has called stream_use(); false: refused. 0, -ENOMEM, -EADDRINUSE. */
typedef bool (*stream_accept_fn)(void *ctx, struct stream *s);
int stream_listen(uint16_t port, stream_accept_fn accept, void *ctx) MUST_CHECK;

/* Begin to connect; connected() or lost() follows. 0, -ENOMEM, -ENETUNREACH. */
int stream_connect(struct stream **out, const struct net_addr *addr, uint16_t port,
		   const struct stream_user *user, void *ctx) MUST_CHECK;

/* ---- datagrams ---- */

struct datagram;
typedef void (*datagram_fn)(void *ctx, const struct net_addr *from, uint16_t port, const uint8_t *bytes,
			    size_t count);

/* A port of our own choice; @received may be NULL. 0 or -ENOMEM. */
int datagram_open(struct datagram **out, datagram_fn received, void *ctx) MUST_CHECK;
/* 0; -ENOMEM, -ENETUNREACH: not sent. */
int datagram_send(struct datagram *d, const struct net_addr *to, uint16_t port, const void *bytes,
		  size_t count) MUST_CHECK;
void datagram_close(struct datagram *d);

/* ---- names ---- */

/* Called once, perhaps from within name_resolve(): the address, or NULL. */
typedef void (*name_fn)(void *ctx, const struct net_addr *addr);
void name_resolve(const char *name, name_fn done, void *ctx);

/* Is any stream open? */
bool stream_any(void);

/* The next turn comes within @ms, whatever happens. */
void stream_soon(unsigned ms);

/* True while there is an address to send from. */
bool stream_is_up(void);

#endif
