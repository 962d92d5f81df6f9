/*
 * url.c - a URL taken apart. Contract: url.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/url.h"

#include <string.h>

#include "kernel/base/net_addr.h"

static const struct {
	const char *prefix;
	enum url_scheme scheme;
	uint16_t port;
} schemes[] = { { "http://", URL_HTTP, 80 }, { "tftp://", URL_TFTP, 69 } };

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool name_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '.' || c == '_';
}

/* ":PORT" or nothing, up to @end. */
static bool take_port(const char *text, const char *end, uint16_t *port)
{
	unsigned value = 0;

	if (text == end)
		return true;
	if (*text++ != ':' || text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return value > 0;
}

/* HOST[:PORT] from @text to @end. */
static const char *take_authority(const char *text, const char *end, struct url *u)
{
	static const char bad[] = "expected HOST or HOST:PORT behind //";
	bool brackets = *text == '[';
	struct net_addr a;
	size_t n = 0;

	text += brackets;
	while (text + n < end && (brackets ? text[n] != ']' : name_char(text[n])))
		n++;
	if (!n || n > URL_HOST_MAX)
		return bad;
	memcpy(u->host, text, n);
	u->host[n] = 0;
	text += n;
	if (brackets) {
		if (text == end || net_addr_parse(u->host, &a) != 0 || a.family != NET_IPV6)
			return "expected an IPv6 address between the brackets";
		text++;
	}
	return take_port(text, end, &u->port) ? NULL : bad;
}

const char *url_parse(const char *text, struct url *out)
{
	struct url u;
	const char *end, *why;
	size_t i = 0;

	while (i < ARRAY_LEN(schemes) && strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) != 0)
		i++;
	if (i == ARRAY_LEN(schemes))
		return "expected http:// or tftp://";
	if (!printable(text))
		return "a blank or a byte that is not ASCII: write it as %XX";
	if (strchr(text, '#'))
		return "a fragment (#...) names no file";
	u.scheme = schemes[i].scheme;
	u.port = schemes[i].port;
	text += strlen(schemes[i].prefix);
	end = text + strcspn(text, "/?");
	why = take_authority(text, end, &u);
	if (why)
		return why;
	if (*end != '/' || !end[1])
		return "no file is named behind the host";
	end += u.scheme == URL_TFTP;
	if (strlen(end) > URL_PATH_MAX)
		return "the path is longer than 255 bytes";
	memcpy(u.path, end, strlen(end) + 1);
	*out = u;
	return NULL;
}
