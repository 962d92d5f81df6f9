/*
 * net_config.c - the value of `net =`. Contract: net_config.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/net_config.h"

#include <string.h>

#include "kernel/base/cfg_lex.h"

#define WORD_MAX 64 /* a longer one is cut, and still no address */

/* A number up to @max at *@s, which moves behind it. */
static bool number(const char **s, unsigned max, unsigned *out)
{
	const char *first = *s;

	for (*out = 0; **s >= '0' && **s <= '9'; (*s)++) {
		*out = *out * 10 + (unsigned)(**s - '0');
		if (*out > max)
			return false;
	}
	return *s != first;
}

static bool address(const char **s, uint8_t out[4])
{
	unsigned part;

	for (int i = 0; i < 4; i++) {
		if ((i && *(*s)++ != '.') || !number(s, 255, &part))
			return false;
		out[i] = (uint8_t)part;
	}
	return true;
}

/* Blanks or a comma between the parts. True: there is another part. */
static bool more(const char **s)
{
	while (**s == ' ' || **s == '\t' || **s == ',')
		(*s)++;
	return **s != 0;
}

static bool ends(const char *s) { return *s == 0 || *s == ' ' || *s == '\t' || *s == ','; }

const char *net_config_read(const char *text, struct net_config *out)
{
	const char *s = text;

	*out = (struct net_config){ 0 };
	if (strcmp(text, "off") == 0)
		return NULL;
	if (strcmp(text, "dhcp") == 0) {
		out->mode = NET_DHCP;
		return NULL;
	}
	if (strcmp(text, "ipv6") == 0) {
		out->mode = NET_ONLY_IPV6;
		return NULL;
	}
	out->mode = NET_FIXED;
	if (!address(&s, out->address))
		return "expected off, dhcp, ipv6, or ADDRESS/LENGTH [GATEWAY [DNS]]";
	if (*s++ != '/' || !number(&s, 32, &out->prefix) || !ends(s))
		return "the address needs the length of its network, as in 192.0.2.7/24";
	if (more(&s) && (!address(&s, out->gateway) || !ends(s)))
		return "the gateway is no IPv4 address";
	if (more(&s) && (!address(&s, out->dns) || !ends(s)))
		return "the DNS server is no IPv4 address";
	return more(&s) ? "more than address, gateway and DNS server" : NULL;
}

/* ---- the keys beside it ---- */

/* A word of letters, digits and what addresses have in them. */
static const char *read_nic(const char *value, struct net_extra *out)
{
	size_t n = strlen(value);

	if (!n || n > NET_NIC_MAX)
		return "expected a name (net1), a model (82574L), a MAC or a PCI address (00:03.0)";
	for (size_t i = 0; i < n; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return "expected one word";
	memset(out->nic, 0, sizeof(out->nic));
	memcpy(out->nic, value, n);
	return NULL;
}

static const char *read_net6(const char *value, struct net_extra *out)
{
	static const char expected[] = "expected ADDRESS/64 [GATEWAY], both of IPv6";
	struct net_addr gateway = { 0 };
	struct net_range address;
	char word[WORD_MAX];

	if (!cfg_word(&value, word, sizeof(word)) || !strchr(word, '/') || net_range_parse(word, &address) != 0 ||
	    address.addr.family != NET_IPV6)
		return expected;
	if (address.bits != 64)
		return "a network of IPv6 is /64 here";
	if (cfg_word(&value, word, sizeof(word)) &&
	    (net_addr_parse(word, &gateway) != 0 || gateway.family != NET_IPV6))
		return "the gateway is no IPv6 address";
	if (cfg_word(&value, word, sizeof(word)))
		return "more than address and gateway";
	out->address6 = address.addr;
	out->gateway6 = gateway;
	return NULL;
}

static const char *read_dns(const char *value, struct net_extra *out)
{
	struct net_addr servers[NET_DNS_MAX];
	unsigned count = 0;
	char word[WORD_MAX];

	while (cfg_word(&value, word, sizeof(word))) {
		if (count == NET_DNS_MAX)
			return "more than 4 servers";
		if (net_addr_parse(word, &servers[count++]) != 0)
			return "expected addresses";
	}
	if (!count)
		return "expected addresses";
	memcpy(out->dns, servers, count * sizeof(servers[0]));
	out->dns_count = count;
	return NULL;
}

const char *net_extra_read(const char *key, const char *value, struct net_extra *out)
{
	if (strcmp(key, "nic") == 0)
		return read_nic(value, out);
	return strcmp(key, "net6") == 0 ? read_net6(value, out) : read_dns(value, out);
}
