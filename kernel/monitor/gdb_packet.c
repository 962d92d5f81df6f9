/*
 * gdb_packet.c - frames of GDB's remote protocol.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/gdb_packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KEY_INTERRUPT 0x03
#define ESCAPE        '}'
#define ESCAPE_BIT    0x20

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- in ---- */

static void begin(struct gdb_in *in)
{
	in->state = GDB_BODY;
	in->sum = 0;
	in->length = 0;
	in->too_long = false;
}

static void keep(struct gdb_in *in, uint8_t byte)
{
	if (in->length == GDB_PACKET_MAX)
		in->too_long = true;
	else
		in->text[in->length++] = (char)byte;
}

static enum gdb_event outside(struct gdb_in *in, uint8_t byte)
{
	switch (byte) {
	case '$':
		begin(in);
		return GDB_NOTHING;
	case KEY_INTERRUPT:
		return GDB_INTERRUPT;
	case '+':
		return GDB_ACK;
	case '-':
		return GDB_NAK;
	default:
		return GDB_NOTHING; /* noise on the line */
	}
}

static void body(struct gdb_in *in, uint8_t byte)
{
	if (byte == '$') { /* the end of the one before was lost */
		begin(in);
		return;
	}
	if (byte == '#') {
		in->state = GDB_SUM1;
		return;
	}
	in->sum = (uint8_t)(in->sum + byte);
	if (byte == ESCAPE)
		in->state = GDB_ESCAPED;
	else
		keep(in, byte);
}

static enum gdb_event finish(struct gdb_in *in, uint8_t byte)
{
	int low = digit((char)byte), high = digit((char)in->told);

	in->state = GDB_IDLE;
	in->text[in->length] = 0;
	if (low < 0 || high < 0 || (high << 4 | low) != in->sum || in->too_long)
		return GDB_BROKEN;
	return GDB_PACKET;
}

enum gdb_event gdb_in_byte(struct gdb_in *in, uint8_t byte)
{
	switch (in->state) {
	case GDB_BODY:
		body(in, byte);
		return GDB_NOTHING;
	case GDB_ESCAPED:
		in->sum = (uint8_t)(in->sum + byte);
		keep(in, byte ^ ESCAPE_BIT);
		in->state = GDB_BODY;
		return GDB_NOTHING;
	case GDB_SUM1:
		in->told = byte;
		in->state = GDB_SUM2;
		return GDB_NOTHING;
	case GDB_SUM2:
		return finish(in, byte);
	case GDB_IDLE:
	default:
		return outside(in, byte);
	}
}

/* ---- reading ---- */

bool gdb_scan_text(struct gdb_scan *s, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, text, n))
		return false;
	s->at += n;
	return true;
}

bool gdb_scan_hex(struct gdb_scan *s, uint64_t *value)
{
	unsigned digits = 0;

	*value = 0;
	while (s->at < s->end && digit(*s->at) >= 0) {
		if (digits++ == 16)
			return false;
		*value = *value << 4 | (unsigned)digit(*s->at++);
	}
	return digits > 0;
}

bool gdb_scan_bytes(struct gdb_scan *s, void *to, size_t count)
{
	uint8_t *b = to;

	if ((size_t)(s->end - s->at) / 2 < count)
		return false;
	for (size_t i = 0; i < count; i++, s->at += 2) {
		int high = digit(s->at[0]), low = digit(s->at[1]);

		if (high < 0 || low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool scan_id(struct gdb_scan *s, int64_t *id)
{
	uint64_t value;

	if (gdb_scan_text(s, "-1"))
		return *id = -1, true;
	if (!gdb_scan_hex(s, &value) || value > INT32_MAX)
		return false;
	return *id = (int64_t)value, true;
}

bool gdb_scan_thread(struct gdb_scan *s, struct gdb_thread *t)
{
	t->process = t->thread = -1;
	if (!gdb_scan_text(s, "p"))
		return scan_id(s, &t->thread);
	return scan_id(s, &t->process) && (!gdb_scan_text(s, ".") || scan_id(s, &t->thread));
}

/* ---- out ---- */

void gdb_put(struct gdb_out *o, const char *fmt, ...)
{
	size_t room = sizeof(o->text) - o->length;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(o->text + o->length, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		o->overflow = true;
	else
		o->length += (size_t)n;
}

void gdb_put_raw(struct gdb_out *o, const void *bytes, size_t count)
{
	if (count > sizeof(o->text) - o->length) {
		o->overflow = true;
		return;
	}
	memcpy(o->text + o->length, bytes, count);
	o->length += count;
}

void gdb_put_bytes(struct gdb_out *o, const void *bytes, size_t count)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *b = bytes;

	if (count > (sizeof(o->text) - o->length) / 2) {
		o->overflow = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		o->text[o->length++] = hex[b[i] >> 4];
		o->text[o->length++] = hex[b[i] & 15];
	}
}

static size_t frame_text(const char *text, size_t length, char *to)
{
	size_t at = 0;
	uint8_t sum = 0;

	to[at++] = '$';
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		bool special = c == '$' || c == '#' || c == ESCAPE || c == '*';

		if (special) {
			sum = (uint8_t)(sum + ESCAPE);
			to[at++] = ESCAPE;
			c ^= ESCAPE_BIT;
		}
		sum = (uint8_t)(sum + (uint8_t)c);
		to[at++] = c;
	}
	return at + (size_t)snprintf(to + at, 4, "#%02x", sum);
}

size_t gdb_frame(const struct gdb_out *o, char *to)
{
	static const char too_long[] = "E.the answer is too long";

	if (o->overflow)
		return frame_text(too_long, sizeof(too_long) - 1, to);
	return frame_text(o->text, o->length, to);
}
