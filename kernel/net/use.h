/*
 * use.h - the front door of kernel/net: what the network is used for, as tain.cfg asks.
 *
 *   use.c          starts what was asked for, and gives each its turn
 *   stream.h       connections and datagrams on lwIP: all below stands on it
 *   http_server.h  status pages: state.h (metrics, JSON, HTML)
 *   syslog.h       the log, sent
 *   fetch.h        files, fetched: http_response.h, tftp.h, store.h; files.h: those of guests
 *   remote.h       the console over TCP: follow.h (what guests print)
 *   gdb_tcp.h      the GDB stub's line over TCP
 *
 * Invariants
 *   - What tain.cfg does not name does not listen and sends nothing.
 *   - All runs on the boot CPU, within the network's turn (net_poll()) or the monitor's, never both.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_USE_H
#define TAIN_NET_USE_H

#include "kernel/base/types.h"

struct config;

/* What stands above this room and is shown by it. */
struct net_above {
	void (*machine_stats)(void (*line)(void *ctx, const char *text), void *ctx);
	const char *(*tdx_text)(char *buf, size_t size);
};

/* Once, on the boot CPU, when the network has been started. @cfg and @above stay. */
void net_use_start(struct config *cfg, const struct net_above *above);

/* What is used and by whom, each a line "NAME COUNT": for `net` and the pages. */
void net_use_stats(void (*line)(void *ctx, const char *text), void *ctx);

/* Has net_use_start() been called? */
bool net_use_is_on(void);

#endif
