/*
 * net_use.c - values of the network's keys, read. Contract: net_use.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/net_use.h"

#include <stdio.h>
#include <string.h>

#include "kernel/base/cfg_lex.h"
#include "kernel/base/guest_config.h"
#include "kernel/base/url.h"

#define WORD_MAX    64
#define SYSLOG_PORT 514

static bool read_port(const char *text, uint16_t *port)
{
	unsigned value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return value > 0;
}

const char *net_service_read(const char *text, bool ranges_needed, struct net_service_config *out)
{
	struct net_service_config s = { 0 };
	char word[WORD_MAX];

	if (cfg_word(&text, word, sizeof(word)) && strcmp(word, "off") == 0 && !cfg_word(&text, word, sizeof(word))) {
		*out = s;
		return NULL;
	}
	if (!read_port(word, &s.port))
		return "expected a port from 1 to 65535, or off";
	if (cfg_word(&text, word, sizeof(word))) {
		if (strcmp(word, "from") != 0)
			return "expected `from` and address ranges behind the port";
		while (cfg_word(&text, word, sizeof(word))) {
			if (s.range_count == NET_RANGES_MAX)
				return "more than 8 address ranges";
			if (net_range_parse(word, &s.ranges[s.range_count++]) != 0)
				return "a range is ADDRESS or ADDRESS/LENGTH";
		}
		if (!s.range_count)
			return "no address range behind `from`";
	}
	if (ranges_needed && !s.range_count)
		return "wants the address ranges that may connect: PORT from RANGE...";
	*out = s;
	return NULL;
}

const char *net_endpoint_read(const char *text, struct net_addr *addr, uint16_t *port)
{
	static const char expected[] = "expected ADDRESS or ADDRESS:PORT ([ADDRESS]:PORT for IPv6)";
	bool brackets = *text == '[';
	const char *end = brackets ? strchr(text, ']') : strchr(text, ':');
	uint16_t found = *port;
	struct net_addr a;
	char word[WORD_MAX];

	if (!brackets && end && strchr(end + 1, ':'))
		end = NULL; /* an IPv6 address alone */
	if (!end)
		end = brackets ? text : text + strlen(text);
	text += brackets;
	if (end < text || (size_t)(end - text) >= sizeof(word))
		return expected;
	memcpy(word, text, (size_t)(end - text));
	word[end - text] = 0;
	end += brackets;
	if (net_addr_parse(word, &a) != 0 || (*end && *end != ':') ||
	    (*end == ':' && !read_port(end + 1, &found)))
		return expected;
	*addr = a;
	*port = found;
	return NULL;
}

bool net_service_allows(const struct net_service_config *s, const struct net_addr *a)
{
	for (unsigned i = 0; i < s->range_count; i++)
		if (net_range_has(&s->ranges[i], a))
			return true;
	return s->range_count == 0;
}

/* ---- keys ---- */

static const char *read_secret(const char *value, struct net_use_config *out)
{
	size_t n = strlen(value);

	if (n < NET_SECRET_MIN || n > NET_SECRET_MAX)
		return "12 to 63 characters are asked for";
	for (size_t i = 0; i < n; i++)
		if (value[i] < ' ' || value[i] > '~')
			return "printable ASCII is asked for";
	memset(out->secret, 0, sizeof(out->secret));
	memcpy(out->secret, value, n);
	return NULL;
}

const char *net_use_read(const char *key, const char *value, struct net_use_config *out)
{
	uint16_t port = SYSLOG_PORT;
	const char *why;

	if (strcmp(key, "http") == 0)
		return net_service_read(value, false, &out->http);
	if (strcmp(key, "remote") == 0)
		return net_service_read(value, true, &out->remote);
	if (strcmp(key, "gdb_net") == 0)
		return net_service_read(value, true, &out->gdb);
	if (strcmp(key, "secret") == 0)
		return read_secret(value, out);
	why = net_endpoint_read(value, &out->syslog, &port);
	if (!why)
		out->syslog_port = port;
	return why;
}

/* ---- files ---- */

bool net_file_is_url(const char *value) { return strstr(value, "://") != NULL; }

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool read_hash(const char *text, uint8_t out[GUEST_SHA256_BYTES])
{
	for (unsigned i = 0; i < 2 * GUEST_SHA256_BYTES; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | digit);
	}
	return text[2 * GUEST_SHA256_BYTES] == 0;
}

const char *net_file_read(const char *value, struct guest_file *out)
{
	static const char sha[] = "sha256=";
	size_t n = strcspn(value, " \t");
	const char *rest = value + n + strspn(value + n, " \t"), *why;
	struct guest_file f = { .remote = true };
	struct url url;

	if (n > GUEST_PATH_MAX)
		return "the URL is longer than 255 bytes";
	memcpy(f.path, value, n);
	why = url_parse(f.path, &url);
	if (why)
		return why;
	if (*rest) {
		f.has_sha256 = strncmp(rest, sha, sizeof(sha) - 1) == 0 &&
			       read_hash(rest + sizeof(sha) - 1, f.sha256);
		if (!f.has_sha256)
			return "expected sha256= and 64 hexadecimal digits behind the URL";
	}
	*out = f;
	return NULL;
}
