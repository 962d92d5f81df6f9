/*
 * ping.h - echo requests, by ICMP or ICMPv6, and their answers. One at a time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_PING_H
#define TAIN_NET_PING_H

#include "kernel/base/types.h"
#include "lwip/ip_addr.h"

struct ping_result {
	unsigned sent, received; /* received: answers to what was sent, each counted once */
	bool answered;		 /* the request that was sent last */
	uint64_t ticks;		 /* of that answer, TSC */
	uint64_t least, most, sum;
};

/* 0; -EBUSY: one is under way; -ENOMEM. */
int ping_open(const ip_addr_t *to) MUST_CHECK;
/* One request. 0; -EHOSTUNREACH: no way there; -ENOMEM: no memory or no free slot. */
int ping_send(void) MUST_CHECK;
const struct ping_result *ping_result(void);
void ping_close(void);

#endif
