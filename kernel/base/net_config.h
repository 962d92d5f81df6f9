/*
 * net_config.h - what `net =` in tain.cfg says, and the keys beside it.
 *
 *     net = off
 *     net = dhcp
 *     net = ipv6                                no IPv4
 *     net = ADDRESS/LENGTH [GATEWAY [DNS]]      IPv4, fixed
 *     nic = WORD                                the interface: net1, a model, its MAC or PCI address
 *     net6 = ADDRESS/64 [GATEWAY]               IPv6, beside the addresses that routers announce
 *     dns = ADDRESS...                          whom to ask for names, whatever DHCP says
 *
 * Invariants
 *   - Addresses are in the order in which they are written: the first byte is byte 0.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_NET_CONFIG_H
#define TAIN_BASE_NET_CONFIG_H

#include "kernel/base/net_addr.h"
#include "kernel/base/types.h"

#define NET_NIC_MAX 31
#define NET_DNS_MAX 4

enum net_mode { NET_OFF, NET_DHCP, NET_FIXED, NET_ONLY_IPV6 };

/* The keys that stand beside `net =`; all zeroes: none of them. */
struct net_extra {
	char nic[NET_NIC_MAX + 1];
	struct net_addr address6, gateway6; /* family NET_NONE: none */
	struct net_addr dns[NET_DNS_MAX];
	unsigned dns_count;
};

struct net_config {
	enum net_mode mode;
	/* NET_FIXED; a gateway or DNS server of all zeroes: none */
	uint8_t address[4], gateway[4], dns[4];
	unsigned prefix; /* bits of the network's part, 0 to 32 */
	struct net_extra extra;
};

/* The value of nic, net6 or dns. NULL, or what is wrong; *@out is changed only by a good one. */
const char *net_extra_read(const char *key, const char *value, struct net_extra *out);

/* Read @text, the value of `net`, into *@out, whose .extra is empty then. NULL, or what is wrong (one short phrase; *@out is undefined then). */
const char *net_config_read(const char *text, struct net_config *out);

#endif
