/*
 * http_response.c - an answer's head by lines, its body by lengths. Contract: http_response.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/http_response.h"

#include <string.h>
#include <strings.h>

void http_response_init(struct http_response *r, const struct http_sink *sink)
{
	r->state = RESPONSE_STATUS;
	r->status = 0;
	r->why = NULL;
	r->chunked = r->length_known = false;
	r->left = r->length = 0;
	r->sink = *sink;
	r->used = r->total = 0;
}

static void fail(struct http_response *r, const char *why)
{
	r->state = RESPONSE_FAILED;
	r->why = why;
}

/* Digits of @base up to a character of @ends. */
static bool number(const char *s, unsigned base, const char *ends, uint64_t *value)
{
	uint64_t v = 0;
	const char *first = s;

	for (;; s++) {
		unsigned d = *s >= '0' && *s <= '9'   ? (unsigned)(*s - '0')
			     : *s >= 'a' && *s <= 'f' ? (unsigned)(*s - 'a' + 10)
			     : *s >= 'A' && *s <= 'F' ? (unsigned)(*s - 'A' + 10)
						      : 16;

		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (s == first || (*s && !strchr(ends, *s)))
		return false;
	*value = v;
	return true;
}

/* "HTTP/1.x NNN text" */
static void take_status(struct http_response *r)
{
	uint64_t status;

	if (strncmp(r->line, "HTTP/1.", 7) != 0 || !r->line[7] || r->line[8] != ' ' ||
	    !number(r->line + 9, 10, " ", &status) || status < 100 || status > 599) {
		fail(r, "the server does not speak HTTP/1");
		return;
	}
	r->status = (int)status;
	r->state = RESPONSE_FIELDS;
}

/* The value of the field called @name in the line, or NULL. */
static const char *field(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

static void take_field(struct http_response *r)
{
	const char *length = field(r->line, "Content-Length"),
		   *coding = field(r->line, "Transfer-Encoding"),
		   *content = field(r->line, "Content-Encoding");
	uint64_t value;

	if (coding) {
		if (strcasecmp(coding, "chunked") != 0)
			fail(r, "a transfer coding that was not asked for");
		r->chunked = true;
	} else if (content && strcasecmp(content, "identity") != 0) {
		fail(r, "a content coding that was not asked for");
	} else if (length) {
		if (!number(length, 10, " \t", &value) || value == HTTP_LENGTH_UNKNOWN ||
		    (r->length_known && value != r->length))
			fail(r, "a length that is none");
		else
			r->length = value;
		r->length_known = true;
	}
}

/* The empty line behind the fields. */
static void begin_body(struct http_response *r)
{
	if (r->status < 200) { /* an answer before the answer */
		r->state = RESPONSE_STATUS;
		r->chunked = r->length_known = false;
		return;
	}
	if (r->status != 200) {
		fail(r, r->status == 404			   ? "404: the server has no such file"
			: r->status >= 300 && r->status < 400 ? "the server sends us elsewhere (a redirect)"
			: r->status == 401 || r->status == 403 ? "the server does not allow it"
			: r->status >= 500		       ? "the server has failed"
							       : "the server refuses");
		return;
	}
	if (r->chunked && r->length_known) {
		fail(r, "both a length and chunks");
		return;
	}
	r->left = r->length;
	r->state = r->chunked ? RESPONSE_CHUNK_SIZE : RESPONSE_BODY;
	if (!r->sink.begin(r->sink.ctx, r->length_known ? r->length : HTTP_LENGTH_UNKNOWN))
		fail(r, "not wanted");
	else if (r->length_known && !r->left)
		r->state = RESPONSE_DONE;
}

static void take_chunk_size(struct http_response *r)
{
	if (!number(r->line, 16, "; \t", &r->left))
		fail(r, "a chunk's size that is none");
	else
		r->state = r->left ? RESPONSE_CHUNK : RESPONSE_TRAILER;
}

static void take_line(struct http_response *r)
{
	switch (r->state) {
	case RESPONSE_STATUS:
		take_status(r);
		break;
	case RESPONSE_FIELDS:
		if (r->used)
			take_field(r);
		else
			begin_body(r);
		break;
	case RESPONSE_CHUNK_SIZE:
		take_chunk_size(r);
		break;
	case RESPONSE_CHUNK_END:
		if (r->used)
			fail(r, "a chunk is longer than its size");
		else
			r->state = RESPONSE_CHUNK_SIZE;
		break;
	case RESPONSE_TRAILER:
	default:
		if (!r->used)
			r->state = RESPONSE_DONE;
		break;
	}
}

static void take_byte(struct http_response *r, char c)
{
	bool head = r->state == RESPONSE_STATUS || r->state == RESPONSE_FIELDS ||
		    r->state == RESPONSE_TRAILER;

	if (head && ++r->total > HTTP_HEAD_MAX) {
		fail(r, "more fields than there is room for");
	} else if (c != '\n') {
		if (r->used + 1 < HTTP_HEAD_LINE)
			r->line[r->used++] = c;
		else
			fail(r, "a line without end");
	} else {
		if (r->used && r->line[r->used - 1] == '\r')
			r->used--;
		r->line[r->used] = 0;
		take_line(r);
		r->used = 0;
	}
}

/* So many of @count bytes belong to the body or the chunk. */
static size_t take_body(struct http_response *r, const uint8_t *bytes, size_t count)
{
	bool bounded = r->chunked || r->length_known;

	if (bounded && count > r->left)
		count = (size_t)r->left;
	if (!r->sink.body(r->sink.ctx, bytes, count)) {
		fail(r, "not wanted");
		return count;
	}
	r->left -= bounded ? count : 0;
	if (bounded && !r->left)
		r->state = r->chunked ? RESPONSE_CHUNK_END : RESPONSE_DONE;
	return count;
}

static bool wants_more(const struct http_response *r)
{
	return r->state != RESPONSE_DONE && r->state != RESPONSE_FAILED;
}

bool http_response_feed(struct http_response *r, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && wants_more(r);) {
		if (r->state == RESPONSE_BODY || r->state == RESPONSE_CHUNK)
			i += take_body(r, bytes + i, count - i);
		else
			take_byte(r, (char)bytes[i++]);
	}
	return wants_more(r);
}

void http_response_end(struct http_response *r)
{
	if (r->state == RESPONSE_BODY && !r->length_known)
		r->state = RESPONSE_DONE;
	else if (wants_more(r))
		fail(r, "the connection ended in the middle");
}
