/*
 * http_request.h - what a client of the status pages asks, read as it comes in.
 *
 * Invariants
 *   - Bytes may come in any pieces; a request of more than HTTP_REQUEST_MAX bytes, or with a line of
 *     more than HTTP_LINE_MAX, is refused, so a request costs no more than this record.
 *   - What is not the grammar is refused with the status that says why, never guessed at.
 *
 * RFC 9112 "HTTP/1.1", sections "Request Line" and "Field Syntax".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_HTTP_REQUEST_H
#define TAIN_NET_HTTP_REQUEST_H

#include "kernel/base/types.h"

#define HTTP_LINE_MAX    1024u
#define HTTP_REQUEST_MAX 8192u
#define HTTP_PATH_MAX    127u

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
	/* 0: more is to come; 200: complete, the fields below hold; else the status of the refusal. */
	int status;
	enum http_method method;
	char path[HTTP_PATH_MAX + 1]; /* without the query */

	bool began; /* the request line is read */
	char line[HTTP_LINE_MAX];
	unsigned length, total;
};

void http_request_init(struct http_request *r);

/* Read on; the status so far. Bytes behind the request are not looked at. */
int http_request_feed(struct http_request *r, const uint8_t *bytes, size_t count);

#endif
