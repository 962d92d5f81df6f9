/*
 * net_config.c - the value of `net =`. Contract: net_config.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/net_config.h"

#include <string.h>

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
	out->mode = NET_FIXED;
	if (!address(&s, out->address))
		return "expected off, dhcp, or ADDRESS/LENGTH [GATEWAY [DNS]]";
	if (*s++ != '/' || !number(&s, 32, &out->prefix) || !ends(s))
		return "the address needs the length of its network, as in 192.0.2.7/24";
	if (more(&s) && (!address(&s, out->gateway) || !ends(s)))
		return "the gateway is no IPv4 address";
	if (more(&s) && (!address(&s, out->dns) || !ends(s)))
		return "the DNS server is no IPv4 address";
	return more(&s) ? "more than address, gateway and DNS server" : NULL;
}
