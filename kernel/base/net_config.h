/*
 * net_config.h - what `net =` in tain.cfg says.
 *
 *     net = off
 *     net = dhcp
 *     net = ADDRESS/LENGTH [GATEWAY [DNS]]      IPv4, fixed
 *
 * Invariants
 *   - Addresses are in the order in which they are written: the first byte is byte 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_NET_CONFIG_H
#define TAIN_BASE_NET_CONFIG_H

#include "kernel/base/types.h"

enum net_mode { NET_OFF, NET_DHCP, NET_FIXED };

struct net_config {
	enum net_mode mode;
	/* NET_FIXED; a gateway or DNS server of all zeroes: none */
	uint8_t address[4], gateway[4], dns[4];
	unsigned prefix; /* bits of the network's part, 0 to 32 */
};

/* Read @text into *@out. NULL, or what is wrong (one short phrase; *@out is undefined then). */
const char *net_config_read(const char *text, struct net_config *out);

#endif
