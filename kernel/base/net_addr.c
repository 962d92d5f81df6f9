/*
 * net_addr.c - addresses of IPv4 and IPv6 read, printed and compared. Contract: net_addr.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/net_addr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GROUPS 8

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One to @max_digits decimal digits up to @most, no leading zero; *s moves behind. -1: none. */
static int decimal(const char **s, unsigned max_digits, unsigned most)
{
	const char *at = *s;
	unsigned value = 0, digits = 0;

	while (*at >= '0' && *at <= '9' && digits <= max_digits) {
		value = value * 10 + (unsigned)(*at++ - '0');
		digits++;
	}
	if (!digits || digits > max_digits || value > most || (digits > 1 && **s == '0'))
		return -1;
	*s = at;
	return (int)value;
}

/* a.b.c.d at *s, moved behind it. */
static bool ipv4(const char **s, uint8_t out[4])
{
	for (unsigned i = 0; i < 4; i++) {
		int byte;

		if (i && *(*s)++ != '.')
			return false;
		byte = decimal(s, 3, 255);
		if (byte < 0)
			return false;
		out[i] = (uint8_t)byte;
	}
	return true;
}

/* One group of up to four hexadecimal digits. */
static bool ipv6_group(const char **s, uint8_t out[2])
{
	unsigned value = 0, digits = 0;
	int d;

	for (; digits < 5 && (d = hex_value(**s)) >= 0; (*s)++, digits++)
		value = value << 4 | (unsigned)d;
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return digits >= 1 && digits <= 4;
}

/* Does an IPv4 address stand here, as the last two groups? */
static bool dotted(const char *s)
{
	while (hex_value(*s) >= 0)
		s++;
	return *s == '.';
}

/* The groups up to the end of the text; *gap is the group before which "::" stands, or GROUPS + 1. */
static bool ipv6_groups(const char **s, uint8_t groups[16], unsigned *count, unsigned *gap)
{
	unsigned n = 0;

	*gap = GROUPS + 1;
	if ((*s)[0] == ':' && (*s)[1] == ':') {
		*gap = 0;
		*s += 2;
	}
	while (n < GROUPS && hex_value(**s) >= 0) {
		if (dotted(*s)) {
			if (n > GROUPS - 2 || !ipv4(s, groups + 2 * n))
				return false;
			n += 2;
			break;
		}
		if (!ipv6_group(s, groups + 2 * n))
			return false;
		n++;
		if (**s != ':')
			break;
		if ((*s)[1] != ':') {
			if (hex_value((*s)[1]) < 0)
				return false; /* a single colon at the end */
			(*s)++;
		} else if (*gap > GROUPS) {
			*gap = n;
			*s += 2;
		} else {
			return false; /* a second gap */
		}
	}
	*count = n;
	return *gap > GROUPS ? n == GROUPS : n < GROUPS;
}

static bool ipv6(const char **s, uint8_t out[16])
{
	uint8_t groups[16] = { 0 };
	unsigned count, gap;

	if (!ipv6_groups(s, groups, &count, &gap))
		return false;
	memset(out, 0, 16);
	if (gap > count)
		gap = count;
	memcpy(out, groups, 2 * (size_t)gap);
	memcpy(out + 16 - 2 * (count - gap), groups + 2 * gap, 2 * (size_t)(count - gap));
	return true;
}

struct net_addr net_addr_unmapped(struct net_addr a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct net_addr four = { .family = NET_IPV4 };

	if (a.family != NET_IPV6 || memcmp(a.bytes, mapped, sizeof(mapped)) != 0)
		return a;
	memcpy(four.bytes, a.bytes + 12, 4);
	return four;
}

/* An address at *s, moved behind it. */
static bool address(const char **s, struct net_addr *out)
{
	struct net_addr a = { 0 };
	bool good;

	if (strchr(*s, ':')) {
		a.family = NET_IPV6;
		good = ipv6(s, a.bytes);
	} else {
		a.family = NET_IPV4;
		good = ipv4(s, a.bytes);
	}
	if (good)
		*out = a;
	return good;
}

int net_addr_parse(const char *text, struct net_addr *out)
{
	struct net_addr a;

	if (!address(&text, &a) || *text)
		return -EINVAL;
	*out = net_addr_unmapped(a);
	return 0;
}

int net_range_parse(const char *text, struct net_range *out)
{
	struct net_range r;
	unsigned most;
	int bits;

	if (!address(&text, &r.addr))
		return -EINVAL;
	most = r.addr.family == NET_IPV4 ? 32 : 128;
	r.bits = most;
	if (*text == '/') {
		text++;
		bits = decimal(&text, 3, most);
		if (bits < 0)
			return -EINVAL;
		r.bits = (unsigned)bits;
	}
	if (*text)
		return -EINVAL;
	/* Mapped addresses are those of IPv4, and so is a range of them. */
	if (net_addr_unmapped(r.addr).family != r.addr.family) {
		if (r.bits < 96)
			return -EINVAL;
		r.bits -= 96;
		r.addr = net_addr_unmapped(r.addr);
	}
	*out = r;
	return 0;
}

static unsigned group_at(const struct net_addr *a, unsigned i)
{
	return (unsigned)a->bytes[2 * i] << 8 | a->bytes[2 * i + 1];
}

/* The first longest run of two or more zero groups: RFC 5952. */
static unsigned longest_gap(const struct net_addr *a, unsigned *length)
{
	unsigned best = GROUPS, best_length = 1;

	for (unsigned i = 0; i < GROUPS; i++) {
		unsigned n = 0;

		while (i + n < GROUPS && group_at(a, i + n) == 0)
			n++;
		if (n > best_length) {
			best = i;
			best_length = n;
		}
	}
	*length = best < GROUPS ? best_length : 0;
	return best;
}

const char *net_addr_text(const struct net_addr *a, char *buf, size_t size)
{
	char text[NET_ADDR_TEXT] = "none";
	unsigned gap, length, n = 0;

	if (a->family == NET_IPV4) {
		snprintf(text, sizeof(text), "%u.%u.%u.%u", a->bytes[0], a->bytes[1], a->bytes[2],
			 a->bytes[3]);
	} else if (a->family == NET_IPV6) {
		gap = longest_gap(a, &length);
		for (unsigned i = 0; i < GROUPS;) {
			if (i == gap) {
				n += (unsigned)snprintf(text + n, sizeof(text) - n, "::");
				i += length;
				continue;
			}
			bool colon = i > 0 && i != gap + length;

			n += (unsigned)snprintf(text + n, sizeof(text) - n, "%s%x",
						colon ? ":" : "", group_at(a, i));
			i++;
		}
	}
	snprintf(buf, size, "%s", text);
	return buf;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, a->family == NET_IPV4 ? 4 : 16) == 0;
}

bool net_range_has(const struct net_range *r, const struct net_addr *addr)
{
	struct net_addr a = net_addr_unmapped(*addr);
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	if (a.family != r->addr.family || a.family == NET_NONE ||
	    memcmp(a.bytes, r->addr.bytes, whole) != 0)
		return false;
	return rest == 0 || ((a.bytes[whole] ^ r->addr.bytes[whole]) >> (8 - rest)) == 0;
}
