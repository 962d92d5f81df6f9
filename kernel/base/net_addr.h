/*
 * net_addr.h - addresses of hosts on a network, and ranges of them, as text and as bytes.
 *
 * Invariants
 *   - An address of IPv4 that comes mapped into IPv6 (::ffff:a.b.c.d) is the address of IPv4: a range
 *     cannot be walked round by the other spelling.
 *   - Whatever bytes a text holds, parsing ends in a whole value or in -EINVAL with nothing changed.
 *
 * RFC 4291 "Text Representation of Addresses", RFC 5952 for how they are printed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_NET_ADDR_H
#define TAIN_BASE_NET_ADDR_H

#include "kernel/base/types.h"

enum net_family { NET_NONE = 0, NET_IPV4 = 4, NET_IPV6 = 6 };

struct net_addr {
	uint8_t family;    /* enum net_family */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

/* Addresses whose first @bits are those of @addr. */
struct net_range {
	struct net_addr addr;
	unsigned bits;
};

#define NET_ADDR_TEXT 46 /* bytes that hold any address as text, with its NUL */

/* "10.0.2.2", "fe80::1". 0 or -EINVAL. */
int net_addr_parse(const char *text, struct net_addr *out) MUST_CHECK;

/* "10.0.0.0/8", "fd00::/8", "10.1.2.3" (that address alone). 0 or -EINVAL. */
int net_range_parse(const char *text, struct net_range *out) MUST_CHECK;

/* Returns @buf; "none" for no address. */
const char *net_addr_text(const struct net_addr *a, char *buf, size_t size);

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);
bool net_range_has(const struct net_range *r, const struct net_addr *a);

/* ::ffff:a.b.c.d becomes a.b.c.d; others stay. */
struct net_addr net_addr_unmapped(struct net_addr a);

#endif
