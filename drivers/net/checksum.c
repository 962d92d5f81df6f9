/*
 * checksum.c - the Internet checksum, eight bytes at a time. Contract: net_mem.h.
 *
 * RFC 1071: a sum of ones' complement is the same whatever the width of its steps, and bytes swapped on
 * the way in come out swapped: so words as the machine has them may be added and folded at the end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "drivers/net/net_mem.h"

#define BLOCK 64u

static uint64_t word(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* a + b, a carry out comes in again at the bottom. */
static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t s;

	return __builtin_add_overflow(a, b, &s) ? s + 1 : s;
}

/* Likewise, 64 bytes: one chain of carries. */
static uint64_t add_block(uint64_t sum, const uint8_t *p)
{
	unsigned long long s = sum;
	unsigned char c = __builtin_ia32_addcarryx_u64(0, s, word(p), &s);

	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 8), &s);
	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 16), &s);
	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 24), &s);
	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 32), &s);
	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 40), &s);
	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 48), &s);
	c = __builtin_ia32_addcarryx_u64(c, s, word(p + 56), &s);
	(void)__builtin_ia32_addcarryx_u64(c, s, 0, &s);
	return s;
}

/* The last up to seven bytes: those that are missing are zero. */
static uint64_t tail(const uint8_t *p, size_t bytes)
{
	uint64_t w = 0;

	for (unsigned at = 0; at < bytes; at++)
		w |= (uint64_t)p[at] << 8 * at;
	return w;
}

uint16_t net_checksum(const void *data, int length)
{
	const uint8_t *p = data;
	size_t left = length > 0 ? (size_t)length : 0;
	uint64_t sum = 0;

	for (; left >= BLOCK; p += BLOCK, left -= BLOCK)
		sum = add_block(sum, p);
	for (; left >= 8; p += 8, left -= 8)
		sum = add(sum, word(p));
	sum = add(sum, tail(p, left));
	sum = (sum >> 32) + (sum & UINT32_MAX);
	sum = (sum >> 32) + (sum & UINT32_MAX);
	sum = (sum >> 16) + (sum & UINT16_MAX);
	sum = (sum >> 16) + (sum & UINT16_MAX);
	return (uint16_t)((sum >> 16) + (sum & UINT16_MAX));
}
