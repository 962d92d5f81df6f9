/*
 * stream.h - the other end of kernel/net's streams and datagrams, played by a test.
 *
 * Invariants
 *   - A stream that was closed, aborted or lost is no longer there: a use of it ends the test.
 *   - What was written stays readable in .out until the test takes it, also after the end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_STREAM_H
#define TAIN_TESTS_FAKE_STREAM_H

#include "kernel/net/stream.h"

enum fake_state { FAKE_OPEN, FAKE_CLOSED, FAKE_ABORTED, FAKE_LOST };

struct stream {
	const struct stream_user *user;
	void *ctx;
	struct net_addr peer;
	uint16_t port;
	enum fake_state state;
	size_t window; /* bytes that may still be written; SIZE_MAX: no limit */
	char *out;
	size_t out_used, out_room;
	uint8_t *held; /* offered and not taken */
	size_t held_used;
};

/* All as at start; streams of before are freed. */
void fake_net_reset(void);

/* Connect to what listens on @port, from @from. NULL: nobody listens, or refused. */
struct stream *fake_connect(uint16_t port, const char *from);
bool fake_listens(uint16_t port);

/* The other end sends, ends, goes away. */
void fake_send(struct stream *s, const void *bytes, size_t count);
void fake_send_text(struct stream *s, const char *text);
void fake_finish(struct stream *s);
void fake_lose(struct stream *s);
/* What was written so far, as text; and forget it. */
const char *fake_out(struct stream *s);
void fake_out_clear(struct stream *s);
/* The other end takes @count bytes more. */
void fake_open_window(struct stream *s, size_t count);

extern unsigned fake_soon; /* how often a turn was asked for */

/* The stream that stream_connect() made last, not connected yet; fake_connected() connects it. */
extern struct stream *fake_outgoing;
extern int fake_connect_error; /* what stream_connect() answers */
void fake_connected(struct stream *s);

/* ---- datagrams ---- */

struct fake_datagram {
	struct net_addr to;
	uint16_t port;
	uint8_t bytes[2048];
	size_t count;
};
extern struct fake_datagram fake_sent[64]; /* a ring */
extern unsigned fake_sent_count;
extern int fake_datagram_error; /* what datagram_send() answers */
/* To the datagram port opened last. False: none is open. */
bool fake_datagram(const char *from, uint16_t port, const void *bytes, size_t count);
bool fake_datagram_is_open(void);

/* What names resolve to; a NULL address: they do not. */
extern struct net_addr *fake_name_addr;
extern char fake_name[256];
extern bool fake_up;

/* What time_us() says next; each look takes a microsecond. */
extern uint64_t fake_time_us;

#endif
