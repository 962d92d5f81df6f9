/*
 * url.h - where a file is fetched from: http://HOST[:PORT]/PATH or tftp://HOST[:PORT]/PATH.
 *
 * Invariant: a parsed URL holds only printable ASCII without blanks: nothing in it can end a line of
 * a request or a string of TFTP.
 *
 * RFC 3986 "Generic Syntax", RFC 3617 for tftp. User names, queries of tftp and fragments are refused.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_URL_H
#define TAIN_BASE_URL_H

#include "kernel/base/types.h"

#define URL_HOST_MAX 127
#define URL_PATH_MAX 255

enum url_scheme { URL_HTTP, URL_TFTP };

struct url {
	enum url_scheme scheme;
	char host[URL_HOST_MAX + 1]; /* a name or an address; IPv6 without brackets */
	uint16_t port;
	char path[URL_PATH_MAX + 1]; /* HTTP: from the '/' on; TFTP: behind it */
};

/* NULL, or what is wrong; *@out is whole or untouched. */
const char *url_parse(const char *text, struct url *out);

#endif
