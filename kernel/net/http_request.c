/*
 * http_request.c - the request line and the fields, line by line. Contract: http_request.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/http_request.h"

#include <string.h>

enum {
	OK = 200, BAD_REQUEST = 400, URI_TOO_LONG = 414, FIELDS_TOO_LARGE = 431,
	VERSION_NOT_SUPPORTED = 505,
};

void http_request_init(struct http_request *r)
{
	r->status = 0;
	r->began = false;
	r->length = r->total = 0;
	r->path[0] = 0;
}

/* RFC 9110 "Tokens". */
static bool is_token(const char *s, size_t n)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!c || (!alnum && !strchr(marks, c)))
			return false;
	}
	return n > 0;
}

/* "http://host/path" to "/path", for who speaks as to a proxy. NULL: neither form. */
static const char *origin_form(const char *target)
{
	static const char scheme[] = "http://";

	if (*target == '/')
		return target;
	if (strncmp(target, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	target = strchr(target + sizeof(scheme) - 1, '/');
	return target ? target : "/";
}

static int take_target(struct http_request *r, const char *target)
{
	const char *path = origin_form(target);
	size_t n;

	if (!path)
		return BAD_REQUEST;
	for (const char *c = target; *c; c++)
		if (*c <= ' ' || *c > '~')
			return BAD_REQUEST;
	n = strcspn(path, "?#");
	if (n > HTTP_PATH_MAX)
		return URI_TOO_LONG;
	memcpy(r->path, path, n);
	r->path[n] = 0;
	return 0;
}

static int take_version(const char *version)
{
	if (strncmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' || version[6] != '.' ||
	    version[7] < '0' || version[7] > '9' || version[8])
		return BAD_REQUEST;
	return version[5] == '1' ? 0 : VERSION_NOT_SUPPORTED;
}

/* METHOD SP TARGET SP VERSION. */
static int take_request_line(struct http_request *r)
{
	char *target = strchr(r->line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	int err;

	if (!version || !is_token(r->line, (size_t)(target - r->line)))
		return BAD_REQUEST;
	*target++ = 0;
	*version++ = 0;
	err = take_version(version);
	if (err)
		return err;
	r->method = strcmp(r->line, "GET") == 0	   ? HTTP_GET
		    : strcmp(r->line, "HEAD") == 0 ? HTTP_HEAD
						   : HTTP_OTHER;
	return take_target(r, target);
}

/* NAME ":" anything printable. No field changes our answer, so none is kept. */
static int check_field(const struct http_request *r)
{
	const char *colon = strchr(r->line, ':');

	if (!colon || !is_token(r->line, (size_t)(colon - r->line)))
		return BAD_REQUEST;
	for (const char *c = colon + 1; *c; c++)
		if ((*c >= 0 && *c < ' ' && *c != '\t') || *c == 0x7f)
			return BAD_REQUEST;
	return 0;
}

/* A line is complete, NUL terminated, without its end. */
static int take_line(struct http_request *r)
{
	if (strlen(r->line) != r->length)
		return BAD_REQUEST; /* a NUL inside */
	if (!r->began) {
		if (!r->length)
			return 0; /* empty lines before a request are forgiven */
		r->began = true;
		return take_request_line(r);
	}
	return r->length ? check_field(r) : OK;
}

static int take_byte(struct http_request *r, char c)
{
	int status;

	if (++r->total > HTTP_REQUEST_MAX)
		return FIELDS_TOO_LARGE;
	if (c != '\n') {
		if (r->length + 1 == HTTP_LINE_MAX)
			return r->began ? FIELDS_TOO_LARGE : URI_TOO_LONG;
		r->line[r->length++] = c;
		return 0;
	}
	if (r->length && r->line[r->length - 1] == '\r')
		r->length--;
	r->line[r->length] = 0;
	status = take_line(r);
	r->length = 0;
	return status;
}

int http_request_feed(struct http_request *r, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && !r->status; i++)
		r->status = take_byte(r, (char)bytes[i]);
	return r->status;
}
