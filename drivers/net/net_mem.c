/*
 * net_mem.c - lwIP's memory with its bound, and random numbers. Contract: net_mem.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/net_mem.h"

#include <string.h>

#include "kernel/base/types.h"
#include "kernel/machine/port.h"

/* In front of each piece; keeps the alignment of what follows. */
struct head {
	size_t bytes;      /* a size of sizes[], or what was asked for if that is more */
	struct head *next; /* of those that are kept */
};
_Static_assert(sizeof(struct head) == 16, "lwIP's pieces are aligned to 16");

/* A segment's or a header's book-keeping; headers with their packet buffer; a connection; a frame. */
static const size_t sizes[] = { 64, 128, 320, 1664 };

static struct {
	struct head *first;
	unsigned count;
} kept[ARRAY_LEN(sizes)];

static unsigned keep_most = 64;
static struct net_mem_stats memory;
static uint64_t random_state = 1;

/* The index of the smallest size that is enough for @bytes, or ARRAY_LEN(sizes). */
static size_t size_for(size_t bytes)
{
	size_t i = 0;

	while (i < ARRAY_LEN(sizes) && sizes[i] < bytes)
		i++;
	return i;
}

static struct head *take(size_t i, size_t bytes)
{
	struct head *h;

	if (i < ARRAY_LEN(sizes) && kept[i].first) {
		h = kept[i].first;
		kept[i].first = h->next;
		kept[i].count--;
		return h;
	}
	h = heap_alloc(sizeof(*h) + bytes);
	if (h)
		h->bytes = bytes;
	return h;
}

void *net_mem_alloc(size_t bytes)
{
	struct head *h = NULL;
	size_t i = size_for(bytes);

	if (i < ARRAY_LEN(sizes))
		bytes = sizes[i];
	if (bytes <= NET_MEM_MAX && memory.used + bytes <= NET_MEM_MAX + (i ? 0 : NET_MEM_RESERVE))
		h = take(i, bytes);
	if (!h) {
		memory.refused++;
		return NULL;
	}
	memory.used += bytes;
	if (memory.used > memory.high_water)
		memory.high_water = memory.used;
	return h + 1;
}

void *net_mem_calloc(size_t count, size_t bytes)
{
	size_t all;
	void *p = __builtin_mul_overflow(count, bytes, &all) ? NULL : net_mem_alloc(all);

	return p ? memset(p, 0, all) : NULL;
}

void net_mem_free(void *p)
{
	struct head *h = p;
	size_t i;

	if (!h)
		return;
	h--;
	memory.used -= h->bytes;
	i = size_for(h->bytes);
	if (i == ARRAY_LEN(sizes) || kept[i].count >= keep_most) {
		heap_free(h);
		return;
	}
	h->next = kept[i].first;
	kept[i].first = h;
	kept[i].count++;
}

void net_mem_keep(unsigned pieces)
{
	keep_most = pieces;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		while (kept[i].count > keep_most) {
			struct head *h = kept[i].first;

			kept[i].first = h->next;
			kept[i].count--;
			heap_free(h);
		}
	}
}

void net_mem_stats(struct net_mem_stats *out)
{
	*out = memory;
}

void net_copy(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }

/* splitmix64: each seed is mixed into what was there. */
uint32_t net_random(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15) + (tsc_now() << 32);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(z ^ z >> 31);
}

void net_seed(uint64_t seed)
{
	random_state ^= seed;
	(void)net_random();
}
