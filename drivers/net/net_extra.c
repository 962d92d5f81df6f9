/*
 * net_extra.c - fixed IPv6 and servers for names. Contract: net_extra.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/net_extra.h"

#include <string.h>

#include "kernel/base/log.h"
#include "lwip/dns.h"
#include "lwip/ip6_addr.h"

static const struct net_extra *extra;
static ip6_addr_t gateway; /* any: none */
static ip_addr_t servers[NET_DNS_MAX];

_Static_assert(NET_DNS_MAX <= DNS_MAX_SERVERS, "lwIP keeps all that tain.cfg may name");

static ip_addr_t to_lwip(const struct net_addr *a)
{
	ip_addr_t ip = { .type = IPADDR_TYPE_V4 };

	if (a->family == NET_IPV6) {
		ip.type = IPADDR_TYPE_V6;
		memcpy(ip.u_addr.ip6.addr, a->bytes, 16);
		ip6_addr_assign_zone(&ip.u_addr.ip6, IP6_UNICAST, netif_default);
	} else {
		memcpy(&ip.u_addr.ip4.addr, a->bytes, 4);
	}
	return ip;
}

static void add_address(struct netif *netif)
{
	char address[NET_ADDR_TEXT], way[NET_ADDR_TEXT];
	ip_addr_t ip = to_lwip(&extra->address6);
	s8_t index;

	if (netif_add_ip6_address(netif, ip_2_ip6(&ip), &index) != ERR_OK) {
		log_error("net: no place for the IPv6 address");
		return;
	}
	log_info("net: IPv6 %s/64, gateway %s, fixed", net_addr_text(&extra->address6, address, sizeof(address)),
		 net_addr_text(&extra->gateway6, way, sizeof(way)));
}

void net_extra_attach(struct netif *netif, const struct net_extra *cfg)
{
	ip_addr_t way = to_lwip(&cfg->gateway6);

	extra = cfg;
	memset(&gateway, 0, sizeof(gateway));
	if (cfg->gateway6.family == NET_IPV6)
		gateway = *ip_2_ip6(&way);
	for (unsigned i = 0; i < cfg->dns_count; i++)
		servers[i] = to_lwip(&cfg->dns[i]);
	if (cfg->address6.family == NET_IPV6)
		add_address(netif);
	net_extra_poll();
}

void net_extra_poll(void)
{
	for (unsigned i = 0; extra->dns_count && i < DNS_MAX_SERVERS; i++) {
		const ip_addr_t *want = i < extra->dns_count ? &servers[i] : IP_ADDR_ANY;

		if (!ip_addr_cmp(dns_getserver((u8_t)i), want))
			dns_setserver((u8_t)i, want);
	}
}

bool net_extra_has_ipv6(const struct netif *netif)
{
	for (s8_t i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_ispreferred(netif_ip6_addr_state(netif, i)) &&
		    !ip6_addr_islinklocal(netif_ip6_addr(netif, i)))
			return true;
	return false;
}

const ip6_addr_t *net_extra_gateway6(const struct netif *netif, const ip6_addr_t *to)
{
	(void)netif;
	(void)to;
	return ip6_addr_isany_val(gateway) ? NULL : &gateway;
}
