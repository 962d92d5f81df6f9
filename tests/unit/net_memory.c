/*
 * net_memory.c - what lwIP has of us: memory with its bound, and sums.
 *
 * links: drivers/net/net_mem.c drivers/net/checksum.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/net/net_mem.h"
#include "kernel/base/types.h"

static uint64_t used(void)
{
	struct net_mem_stats s;

	net_mem_stats(&s);
	return s.used;
}

/* The sum as RFC 1071 describes it: 16 bits at a time, first byte low as this CPU has them. */
static uint16_t plain_sum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

static void sums_are_those_of_the_plain_loop(void **state)
{
	static uint8_t bytes[2048 + 8];

	(void)state;
	for (unsigned turn = 0; turn < 3; turn++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(turn == 0 ? 0xff : turn == 1 ? 0 : i * 37 + (i >> 8) * 11);
		for (size_t at = 0; at < 8; at++)
			for (size_t n = 0; n <= 2048; n += n < 200 ? 1 : 13)
				assert_int_equal(net_checksum(bytes + at, (int)n), plain_sum(bytes + at, n));
	}
}

/* One bit anywhere changes the sum. */
static void no_byte_is_left_out(void **state)
{
	uint8_t *bytes = calloc(1, 1500);

	(void)state;
	for (int n = 1; n <= 1500; n += n < 140 ? 1 : 97)
		for (int i = 0; i < n; i++) {
			bytes[i] = 1;
			assert_int_equal(net_checksum(bytes, n), i & 1 ? 256 : 1);
			bytes[i] = 0;
		}
	free(bytes);
}

static void memory_has_a_bound_and_comes_back(void **state)
{
	static void *pieces[NET_MEM_MAX / 1024 + 1];
	struct net_mem_stats before, after;
	unsigned n = 0;

	(void)state;
	net_mem_stats(&before);
	while ((pieces[n] = net_mem_alloc(1500))) {
		memset(pieces[n], 0xa5, 1500);
		n++;
	}
	net_mem_stats(&after);
	assert_true(n > 2000 && after.used <= NET_MEM_MAX);
	assert_int_equal(after.refused, before.refused + 1);
	while ((pieces[n] = net_mem_alloc(128)))
		n++;
	assert_true(n < ARRAY_LEN(pieces) && used() + 128 > NET_MEM_MAX);

	void *timer = net_mem_alloc(32); /* a timer's piece is there nevertheless */

	assert_non_null(timer);
	net_mem_free(timer);
	while (n--)
		net_mem_free(pieces[n]);
	assert_int_equal(used(), 0);
	assert_null(net_mem_alloc(NET_MEM_MAX + 1));
	assert_null(net_mem_alloc(SIZE_MAX));
	assert_null(net_mem_calloc(SIZE_MAX, 2));
	net_mem_keep(0);
	net_mem_keep(64);
}

/* What was kept is as good as new: no two have the same piece, and calloc's are zero. */
static void pieces_that_were_kept_are_given_out_once_each(void **state)
{
	static const size_t sizes[] = { 1, 48, 64, 65, 128, 200, 320, 1514, 1664, 1665, 5000 };
	uint8_t *p[3 * ARRAY_LEN(sizes)];

	(void)state;
	for (unsigned turn = 0; turn < 4; turn++) {
		for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
			size_t n = sizes[i % ARRAY_LEN(sizes)];

			p[i] = i & 1 ? net_mem_calloc(1, n) : net_mem_alloc(n);
			assert_non_null(p[i]);
			for (size_t b = 0; (i & 1) && b < n; b++)
				assert_int_equal(p[i][b], 0);
			memset(p[i], (int)(i + 1), n);
		}
		for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
			assert_int_equal(p[i][0], i + 1);
			assert_int_equal(p[i][sizes[i % ARRAY_LEN(sizes)] - 1], i + 1);
			net_mem_free(p[i]);
		}
	}
	assert_int_equal(used(), 0);
	net_mem_free(NULL);
	net_mem_keep(0); /* else the leak sanitizer would not mind, but those are ours to give back */
	net_mem_keep(64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_the_plain_loop),
		cmocka_unit_test(no_byte_is_left_out),
		cmocka_unit_test(memory_has_a_bound_and_comes_back),
		cmocka_unit_test(pieces_that_were_kept_are_given_out_once_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
