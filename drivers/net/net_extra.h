/*
 * net_extra.h - what tain.cfg fixes beside IPv4: an address of IPv6 with its gateway, and servers for names.
 *
 * Invariant: servers that tain.cfg names are the ones that are asked, whatever DHCP says and says again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_NET_EXTRA_H
#define TAIN_NET_NET_EXTRA_H

#include "kernel/base/net_config.h"
#include "lwip/netif.h"

/* An interface begins to be used: give it the address. @cfg stays. */
void net_extra_attach(struct netif *netif, const struct net_extra *cfg);

/* Each round: DHCP may have put its own servers in the place of ours. */
void net_extra_poll(void);

/* Is there an address of IPv6 by which the world is reached? */
bool net_extra_has_ipv6(const struct netif *netif);

/* lwIP asks for the way out of the local network; NULL: what routers announce. */
const ip6_addr_t *net_extra_gateway6(const struct netif *netif, const ip6_addr_t *to);

#endif
