/*
 * tftp.c - the reader's side of TFTP. Contract: tftp.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/tftp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OP_RRQ = 1, OP_DATA = 3, OP_ACK = 4, OP_ERROR = 5, OP_OACK = 6 };
enum { ERROR_UNDEFINED = 0, ERROR_FULL = 3, ERROR_OPTION = 8 };

#define DEFAULT_BLOCK 512u

static unsigned get16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

static void begin_out(struct tftp *t, unsigned op)
{
	t->out[0] = 0;
	t->out[1] = (uint8_t)op;
	t->out_count = 2;
}

static void put_string(struct tftp *t, const char *s)
{
	size_t n = strlen(s) + 1;

	if (t->out_count + n > sizeof(t->out))
		return; /* cannot be: paths are bounded */
	memcpy(t->out + t->out_count, s, n);
	t->out_count += (unsigned)n;
}

static void acknowledge(struct tftp *t, uint16_t block)
{
	begin_out(t, OP_ACK);
	t->out[2] = (uint8_t)(block >> 8);
	t->out[3] = (uint8_t)block;
	t->out_count = 4;
}

/* Over; the server is told, so that it need not wait. */
static bool give_up(struct tftp *t, unsigned code, const char *why)
{
	t->state = TFTP_FAILED;
	snprintf(t->why, sizeof(t->why), "%s", why);
	begin_out(t, OP_ERROR);
	t->out[2] = 0;
	t->out[3] = (uint8_t)code;
	t->out_count = 4;
	put_string(t, why);
	return true;
}

void tftp_init(struct tftp *t, const char *path, const struct http_sink *sink)
{
	char block[8];

	*t = (struct tftp){ .state = TFTP_ASKED, .block_bytes = DEFAULT_BLOCK, .sink = *sink };
	begin_out(t, OP_RRQ);
	put_string(t, path);
	put_string(t, "octet");
	snprintf(block, sizeof(block), "%u", TFTP_BLOCK);
	put_string(t, "blksize");
	put_string(t, block);
	put_string(t, "tsize");
	put_string(t, "0");
}

/* ---- packets ---- */

/* The text at *at, whole within the packet; *at moves behind it. NULL: none. */
static const char *next_string(const uint8_t *bytes, size_t count, size_t *at)
{
	const char *s = (const char *)bytes + *at;
	size_t n = *at < count ? strnlen(s, count - *at) : 0;

	if (*at >= count || *at + n == count)
		return NULL;
	*at += n + 1;
	return s;
}

static bool start(struct tftp *t, uint64_t size)
{
	t->state = TFTP_BLOCKS;
	return t->sink.begin(t->sink.ctx, size);
}

/* The options that the server grants, among those that were asked for. */
static bool take_options(struct tftp *t, const uint8_t *bytes, size_t count)
{
	uint64_t size = HTTP_LENGTH_UNKNOWN;
	size_t at = 2;
	const char *name, *value;

	if (t->state != TFTP_ASKED)
		return t->state == TFTP_BLOCKS && t->block == 0; /* our answer was lost: .out again */
	while ((name = next_string(bytes, count, &at)) && (value = next_string(bytes, count, &at))) {
		char *end;
		uint64_t v = strtoull(value, &end, 10);
		bool good = *value >= '0' && *value <= '9' && !*end;

		if (strcasecmp(name, "blksize") == 0 && good && v >= 8 && v <= TFTP_BLOCK)
			t->block_bytes = (unsigned)v;
		else if (strcasecmp(name, "tsize") == 0 && good)
			size = v;
		else
			return give_up(t, ERROR_OPTION, "the server grants an option that makes no sense");
	}
	if (!start(t, size))
		return give_up(t, ERROR_FULL, "not wanted");
	acknowledge(t, 0);
	return true;
}

static bool take_data(struct tftp *t, const uint8_t *bytes, size_t count)
{
	uint16_t block = count >= 4 ? (uint16_t)get16(bytes + 2) : 0;

	if (count < 4 || count - 4 > t->block_bytes)
		return false;
	if (t->state == TFTP_BLOCKS && block == t->block)
		return t->out_count > 0; /* the acknowledgement was lost */
	if (block != (uint16_t)(t->block + 1))
		return false;
	/* A server that knows no options answers with the first block at once. */
	if (t->state == TFTP_ASKED && !start(t, HTTP_LENGTH_UNKNOWN))
		return give_up(t, ERROR_FULL, "not wanted");
	if (!t->sink.body(t->sink.ctx, bytes + 4, count - 4))
		return give_up(t, ERROR_FULL, "not wanted");
	t->block = block;
	acknowledge(t, block);
	if (count - 4 < t->block_bytes)
		t->state = TFTP_DONE;
	return true;
}

static bool take_error(struct tftp *t, const uint8_t *bytes, size_t count)
{
	size_t at = 4;
	const char *text = count > 4 ? next_string(bytes, count, &at) : NULL;

	t->state = TFTP_FAILED;
	t->out_count = 0;
	snprintf(t->why, sizeof(t->why), "the server says error %u: %.60s",
		 count >= 4 ? get16(bytes + 2) : 0, text ? text : "");
	for (char *c = t->why; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return false;
}

bool tftp_received(struct tftp *t, const uint8_t *bytes, size_t count)
{
	if (count < 2 || t->state == TFTP_FAILED)
		return false;
	if (t->state == TFTP_DONE) /* the last acknowledgement may have been lost */
		return count >= 4 && get16(bytes) == OP_DATA && get16(bytes + 2) == t->block;
	switch (get16(bytes)) {
	case OP_OACK:
		return take_options(t, bytes, count);
	case OP_DATA:
		return take_data(t, bytes, count);
	case OP_ERROR:
		return take_error(t, bytes, count);
	default:
		return false;
	}
}
