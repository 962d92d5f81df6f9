/*
 * syslog.h - the log, line by line, to a syslog server: RFC 5424 over UDP.
 *
 * Invariants
 *   - It begins with the oldest line that the log still has, however late the network came.
 *   - A line that could not be sent is sent again later; what the log has dropped meanwhile is said.
 *   - So many lines in a round and no more; nothing here logs, so nothing feeds itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_SYSLOG_H
#define TAIN_NET_SYSLOG_H

#include "kernel/base/net_addr.h"
#include "kernel/base/types.h"

#define SYSLOG_PORT        514
#define SYSLOG_MESSAGE_MAX 1024 /* fits any path; RFC 5424 asks receivers for 480, recommends 2048 */

/* Send to @server from now on. 0 or -ENOMEM. Once. */
int syslog_start(const struct net_addr *server, uint16_t port) MUST_CHECK;

/* Each round. True: there is more to send. And: is there nothing to do in it? */
bool syslog_poll(void);
bool syslog_quiet(void);

struct syslog_counts {
	uint64_t sent, refused, lost_bytes; /* refused: tries that the network had no room for */
};
void syslog_counts(struct syslog_counts *out);

/*
 * The log's line @line ("[    1.234567] warning: TEXT", no newline) as a message of RFC 5424 into
 * @out; returns its length.
 */
size_t syslog_message(const char *line, uint32_t sequence, char out[SYSLOG_MESSAGE_MAX]);

#endif
