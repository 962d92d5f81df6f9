/*
 * net_use.h - what tain.cfg says of the network's uses: who may connect, and where the log goes.
 *
 *     http    = PORT [from RANGE...]     status pages; without ranges: for everybody
 *     remote  = PORT from RANGE...       the console; wants `secret = TEXT`
 *     gdb_net = PORT from RANGE...       the GDB stub
 *     syslog  = ADDRESS[:PORT]           the log, RFC 5424 over UDP; an IPv6 address in brackets
 *
 * A file of a guest may be a URL instead of a path: `kernel = http://HOST/PATH [sha256=HEX]`.
 *
 * Invariants
 *   - A service whose port is 0 was not asked for and does not listen.
 *   - What was wrong in any part of a value leaves the service off.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_NET_USE_H
#define TAIN_BASE_NET_USE_H

#include "kernel/base/net_addr.h"
#include "kernel/base/types.h"

#define NET_RANGES_MAX   8
#define NET_SECRET_MIN   12
#define NET_SECRET_MAX   63

struct net_service_config {
	uint16_t port; /* 0: off */
	unsigned range_count;
	struct net_range ranges[NET_RANGES_MAX];
};

struct net_use_config {
	struct net_service_config http, remote, gdb;
	char secret[NET_SECRET_MAX + 1];
	struct net_addr syslog;
	uint16_t syslog_port; /* 0: off */
};

/* The value of one of the keys above. NULL, or what is wrong; *@out is changed only by a good one. */
const char *net_use_read(const char *key, const char *value, struct net_use_config *out);

/* "URL [sha256=HEX]" into a file that is to be fetched. As above. */
struct guest_file;
const char *net_file_read(const char *value, struct guest_file *out);
/* Is it one, and not a path? */
bool net_file_is_url(const char *value);

/* "PORT [from RANGE...]". NULL, or what is wrong; *@out is whole or untouched. */
const char *net_service_read(const char *text, bool ranges_needed, struct net_service_config *out);

/* "ADDRESS", "ADDRESS:PORT", "[ADDRESS]:PORT"; @port is the one that is meant without. */
const char *net_endpoint_read(const char *text, struct net_addr *addr, uint16_t *port);

/* Is @a in one of the ranges? Without any: yes. */
bool net_service_allows(const struct net_service_config *s, const struct net_addr *a);

#endif
