/*
 * fuzz_tftp.c - any packets to the reader of TFTP: what it takes is counted, what it sends fits, and it
 * stays at its end.
 *
 * links: kernel/net/tftp.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/net/tftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned begun;
static uint64_t taken;

static bool begin(void *ctx, uint64_t length)
{
	(void)ctx;
	if (begun++)
		abort();
	return length == HTTP_LENGTH_UNKNOWN || length < 1000000;
}

static bool body(void *ctx, const uint8_t *bytes, size_t count)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++)
		taken += bytes[i] != 0;
	return begun == 1 && count <= TFTP_BLOCK;
}

/* Packets: a length byte pair, then so many bytes; each in memory of its own, for the sanitizer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct http_sink sink = { begin, body, NULL };
	struct tftp t;

	begun = 0;
	tftp_init(&t, "some/file", &sink);
	while (size > 2) {
		size_t n = ((size_t)data[0] | (size_t)data[1] << 8) % 1600;
		enum tftp_state before = t.state;

		data += 2;
		size -= 2;
		if (n > size)
			n = size;
		uint8_t *packet = malloc(n ? n : 1);

		memcpy(packet, data, n);
		if (tftp_received(&t, packet, n) && (!t.out_count || t.out_count > TFTP_OUT_MAX))
			abort();
		free(packet);
		if (before >= TFTP_DONE && t.state != before)
			abort();
		if (t.state == TFTP_FAILED && !t.why[0])
			abort();
		data += n;
		size -= n;
	}
	return 0;
}
