/*
 * lookup.h - a host's name, or an address as text, into an address, without waiting.
 *
 * Invariants
 *   - An answer that comes after net_lookup_end() touches nothing: the record may be on a stack that
 *     is gone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_LOOKUP_H
#define TAIN_NET_LOOKUP_H

#include "kernel/base/types.h"
#include "lwip/ip_addr.h"

struct net_lookup {
	struct net_lookup *next;
	uint32_t number;
	bool done;
	int err; /* when done: 0, -ENOENT (no such name, or nobody answers) */
	ip_addr_t address;
};

/* Begin. -EINVAL: not a name; -ENETDOWN: the network is off; -EAGAIN: too many at a time. */
int net_lookup_start(struct net_lookup *l, const char *name) MUST_CHECK;
/* Each successful start has its end, also when it is done. */
void net_lookup_end(struct net_lookup *l);

#endif
