/*
 * lookup.c - names into addresses by lwIP's resolver. Contract: lookup.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/lookup.h"

#include <errno.h>
#include <string.h>

#include "drivers/net/net.h"
#include "lwip/dns.h"

/* Under way or done, until their end. An answer finds its record by its number. */
static struct net_lookup *lookups;
static uint32_t last_number;

static void finish(struct net_lookup *l, const ip_addr_t *address)
{
	l->done = true;
	l->err = address ? 0 : -ENOENT;
	if (address)
		l->address = *address;
}

static void on_answer(const char *name, const ip_addr_t *address, void *number)
{
	(void)name;
	for (struct net_lookup *l = lookups; l; l = l->next)
		if (l->number == (uint32_t)(uintptr_t)number)
			finish(l, address);
	net_again();
}

int net_lookup_start(struct net_lookup *l, const char *name)
{
	size_t length = strlen(name);
	err_t err;

	if (!net_is_on())
		return -ENETDOWN;
	if (length == 0 || length >= DNS_MAX_NAME_LENGTH)
		return -EINVAL;
	*l = (struct net_lookup){ .number = ++last_number };
	if (ipaddr_aton(name, &l->address)) {
		l->done = true;
	} else {
		err = dns_gethostbyname_addrtype(name, &l->address, on_answer,
						 (void *)(uintptr_t)l->number,
						 LWIP_DNS_ADDRTYPE_IPV4_IPV6);
		if (err != ERR_OK && err != ERR_INPROGRESS)
			return err == ERR_MEM ? -EAGAIN : -EINVAL;
		l->done = err == ERR_OK;
	}
	l->next = lookups;
	lookups = l;
	return 0;
}

void net_lookup_end(struct net_lookup *l)
{
	for (struct net_lookup **at = &lookups; *at; at = &(*at)->next)
		if (*at == l) {
			*at = l->next;
			return;
		}
}
