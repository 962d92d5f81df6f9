/*
 * http_response.h - what a web server answers, read as it comes in: status, fields, body.
 *
 * Invariants
 *   - Bytes may come in any pieces; the head is bounded, and a body never exceeds what the caller's
 *     sink takes.
 *   - A body counts as complete only if its length was announced and arrived, its last chunk came, or,
 *     where the server announces nothing, the connection has ended properly.
 *
 * RFC 9112 "Status Line", "Message Body Length", "Chunked Transfer Coding".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_HTTP_RESPONSE_H
#define TAIN_NET_HTTP_RESPONSE_H

#include "kernel/base/types.h"

#define HTTP_HEAD_MAX        16384u
#define HTTP_HEAD_LINE       1024u
#define HTTP_LENGTH_UNKNOWN  (~UINT64_C(0))

struct http_sink {
	/* The head is read: so many bytes will come, or HTTP_LENGTH_UNKNOWN. False: not wanted. */
	bool (*begin)(void *ctx, uint64_t length);
	bool (*body)(void *ctx, const uint8_t *bytes, size_t count); /* false: no more of it */
	void *ctx;
};

enum http_response_state {
	RESPONSE_STATUS, RESPONSE_FIELDS, RESPONSE_BODY, RESPONSE_CHUNK_SIZE, RESPONSE_CHUNK,
	RESPONSE_CHUNK_END, RESPONSE_TRAILER, RESPONSE_DONE, RESPONSE_FAILED,
};

struct http_response {
	enum http_response_state state;
	int status;
	const char *why; /* of RESPONSE_FAILED */
	bool chunked, length_known;
	uint64_t left; /* of the body or the chunk */
	uint64_t length;
	struct http_sink sink;
	char line[HTTP_HEAD_LINE];
	unsigned used, total;
};

void http_response_init(struct http_response *r, const struct http_sink *sink);

/* Read on. False: DONE or FAILED, nothing more is wanted. */
bool http_response_feed(struct http_response *r, const uint8_t *bytes, size_t count);

/* The server has ended the connection: DONE if that ends the body, else FAILED. */
void http_response_end(struct http_response *r);

#endif
