/*
 * fuzz_net_text.c - any text as an address, a range, a service, an endpoint, a URL, a value of `net` or of its keys: what is accepted can
 * be printed and read again as the same, and holds nothing that could end a line.
 *
 * links: kernel/base/net_addr.c kernel/base/net_config.c kernel/base/net_use.c kernel/base/cfg_lex.c kernel/base/url.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/net_config.h"
#include "kernel/base/net_use.h"
#include "kernel/base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const struct net_addr *a)
{
	char text[NET_ADDR_TEXT];
	struct net_addr b;

	if (net_addr_parse(net_addr_text(a, text, sizeof(text)), &b) != 0 || !net_addr_equal(a, &b))
		abort();
}

static void addresses(const char *text)
{
	struct net_addr a;
	struct net_range r;
	uint16_t port = 1;

	if (net_addr_parse(text, &a) == 0)
		same_again(&a);
	if (net_range_parse(text, &r) == 0) {
		if (r.bits > (r.addr.family == NET_IPV4 ? 32u : 128u) || !net_range_has(&r, &r.addr))
			abort();
		same_again(&r.addr);
	}
	if (!net_endpoint_read(text, &a, &port)) {
		if (!port)
			abort();
		same_again(&a);
	}
}

static void network(const char *text)
{
	static const char *const keys[] = { "nic", "net6", "dns" };
	struct net_extra e = { 0 };
	struct net_config c;

	if (!net_config_read(text, &c) && c.prefix > 32)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		(void)(net_extra_read(keys[i], text, &e) != NULL);
	if (e.dns_count > NET_DNS_MAX || strnlen(e.nic, sizeof(e.nic)) == sizeof(e.nic))
		abort();
	for (unsigned i = 0; i < e.dns_count; i++)
		same_again(&e.dns[i]);
	if (e.address6.family)
		same_again(&e.address6);
	for (const char *s = e.nic; *s; s++)
		if (*s <= ' ' || *s > '~')
			abort();
}

static void url(const char *text)
{
	struct url u;

	if (url_parse(text, &u))
		return;
	if (!u.port || !*u.host || !*u.path)
		abort();
	for (const char *c = u.path; *c; c++)
		if (*c <= ' ' || *c > '~')
			abort();
	for (const char *c = u.host; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/' || *c == '@')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct net_service_config s;

	memcpy(text, data, size);
	text[size] = 0;
	addresses(text);
	url(text);
	network(text);
	if (!net_service_read(text, true, &s) && s.port && (!s.range_count || s.range_count > NET_RANGES_MAX))
		abort();
	free(text);
	return 0;
}
