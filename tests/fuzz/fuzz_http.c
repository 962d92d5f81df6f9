/*
 * fuzz_http.c - any bytes, in any pieces, as a request to us or as an answer to us: the same verdict
 * however they are cut, bounds kept, a path that can be printed.
 *
 * links: kernel/net/http_request.c kernel/net/http_response.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/net/http_request.h"
#include "kernel/net/http_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t announced, bytes, sum;
	bool began;
};

static bool begin(void *ctx, uint64_t length)
{
	struct seen *s = ctx;

	if (s->began)
		abort();
	s->began = true;
	s->announced = length;
	return length == HTTP_LENGTH_UNKNOWN || length < 100000;
}

static bool body(void *ctx, const uint8_t *bytes, size_t count)
{
	struct seen *s = ctx;

	if (!s->began || !count)
		abort();
	for (size_t i = 0; i < count; i++)
		s->sum = s->sum * 31 + bytes[i];
	s->bytes += count;
	return s->bytes < 100000;
}

/* Fed whole, or in pieces of @step; all that can be told apart goes into the answer. */
static struct seen response(const uint8_t *data, size_t size, size_t step, int *state)
{
	struct seen s = { 0 };
	const struct http_sink sink = { begin, body, &s };
	struct http_response *r = malloc(sizeof(*r));

	http_response_init(r, &sink);
	for (size_t i = 0; i < size; i += step)
		if (!http_response_feed(r, data + i, size - i < step ? size - i : step))
			break;
	http_response_end(r);
	*state = (int)r->state;
	if (r->state == RESPONSE_DONE && s.announced != HTTP_LENGTH_UNKNOWN && s.bytes != s.announced)
		abort();
	if (r->state != RESPONSE_DONE && (r->state != RESPONSE_FAILED || !r->why))
		abort();
	free(r);
	return s;
}

static int request(const uint8_t *data, size_t size, size_t step, char path[HTTP_PATH_MAX + 1])
{
	struct http_request *r = malloc(sizeof(*r));
	int status;

	http_request_init(r);
	for (size_t i = 0; i < size; i += step)
		if (http_request_feed(r, data + i, size - i < step ? size - i : step))
			break;
	status = r->status;
	memcpy(path, r->path, sizeof(r->path));
	if (status == 0 && size > HTTP_REQUEST_MAX)
		abort();
	for (const char *c = r->path; status == 200 && *c; c++)
		if (*c <= ' ' || *c > '~' || r->path[0] != '/')
			abort();
	free(r);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char one[HTTP_PATH_MAX + 1] = "", two[HTTP_PATH_MAX + 1] = "";
	int a, b;

	if (size < 2)
		return 0;

	size_t step = data[0] % 32 + 1;

	if (data[1] & 1) {
		struct seen whole = response(data + 2, size - 2, size, &a),
			    cut = response(data + 2, size - 2, step, &b);

		if (a != b || (a == RESPONSE_DONE && (whole.bytes != cut.bytes || whole.sum != cut.sum)))
			abort();
	} else if (request(data + 2, size - 2, size, one) != request(data + 2, size - 2, step, two) ||
		   strcmp(one, two) != 0) {
		abort();
	}
	return 0;
}
