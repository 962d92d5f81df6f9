/*
 * gdb_packet.h - the framing of GDB's remote protocol, and reading and writing what is inside a packet.
 *
 * Invariants
 *   - What comes in is foreign: any bytes at all leave the receiver in a state from which the next good
 *     packet is understood.
 *   - A packet that is too long is refused as a whole; an answer that is too long becomes an error.
 *
 * Facts: "Debugging with GDB", appendix "GDB Remote Serial Protocol".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_GDB_PACKET_H
#define TAIN_MONITOR_GDB_PACKET_H

#include "kernel/base/types.h"

#define GDB_PACKET_MAX 4096 /* bytes between $ and # */

/* ---- in ---- */

enum gdb_event {
	GDB_NOTHING,   /* more bytes are needed */
	GDB_PACKET,    /* text[0..length) is a packet, NUL behind it */
	GDB_BROKEN,    /* a wrong checksum or a packet too long: to be asked for again */
	GDB_INTERRUPT, /* ^C */
	GDB_ACK,
	GDB_NAK,
};

struct gdb_in {
	enum { GDB_IDLE, GDB_BODY, GDB_ESCAPED, GDB_SUM1, GDB_SUM2 } state;
	uint8_t sum, told;
	bool too_long;
	size_t length;
	char text[GDB_PACKET_MAX + 1]; /* binary data is unescaped */
};

enum gdb_event gdb_in_byte(struct gdb_in *in, uint8_t byte);

/* ---- reading a packet ---- */

struct gdb_scan {
	const char *at, *end;
};

/* Does @s go on with @text? Then it is behind it. */
bool gdb_scan_text(struct gdb_scan *s, const char *text);
/* A number in hex, of 1 to 16 digits. */
bool gdb_scan_hex(struct gdb_scan *s, uint64_t *value);
/* Bytes as pairs of digits. False: fewer than @count. */
bool gdb_scan_bytes(struct gdb_scan *s, void *to, size_t count);

/* A thread id: "p1.2", "2", -1 for all, 0 for any. A part that is not there is as -1. */
struct gdb_thread {
	int64_t process, thread;
};
bool gdb_scan_thread(struct gdb_scan *s, struct gdb_thread *t);

/* ---- out ---- */

struct gdb_out {
	size_t length;
	bool overflow;
	char text[GDB_PACKET_MAX];
};

void gdb_put(struct gdb_out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As pairs of digits. */
void gdb_put_bytes(struct gdb_out *o, const void *bytes, size_t count);
/* As they are: gdb_frame() escapes. */
void gdb_put_raw(struct gdb_out *o, const void *bytes, size_t count);

/* "$...#xx" into @to, which has room for GDB_FRAME_MAX bytes; an overflown answer is E.too long. */
#define GDB_FRAME_MAX (2 * GDB_PACKET_MAX + 4)
size_t gdb_frame(const struct gdb_out *o, char *to);

#endif
