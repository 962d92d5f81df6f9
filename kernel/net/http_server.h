/*
 * http_server.h - the status pages: who asks for one gets it, and the connection ends.
 *
 * Invariants
 *   - Nothing that a client sends changes anything: only GET and HEAD are answered.
 *   - At most HTTP_CLIENTS at once, each for a bounded time and with a page of at most
 *     HTTP_PAGE_MAX bytes; who comes beyond is reset and counted.
 *   - Only clients of the ranges given are spoken to.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_HTTP_SERVER_H
#define TAIN_NET_HTTP_SERVER_H

#include "kernel/base/net_use.h"
#include "kernel/base/types.h"
#include "kernel/net/text.h"

#define HTTP_CLIENTS  4u
#define HTTP_PAGE_MAX (1u << 20)

/* A page: where, of what kind, and how it is made. The list ends with a row without a path. */
struct http_page {
	const char *path, *type;
	void (*render)(struct text *t);
};

struct http_counts {
	uint64_t requests, answered, refused, dropped; /* refused: a 4xx or 5xx; dropped: no room, no time */
};

/* Listen as @service says. 0 or -errno of stream_listen(). Once. */
int http_server_start(const struct net_service_config *service, const struct http_page *pages) MUST_CHECK;

/* Each round: who is too slow goes. */
void http_server_poll(void);

void http_server_counts(struct http_counts *out);

#endif
