/*
 * net_mem.c - lwIP's memory with its bound, and random numbers. Contract: net_mem.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/net_mem.h"

#include "kernel/base/types.h"
#include "kernel/machine/port.h"

/* In front of each piece; keeps the alignment of what follows. */
struct head {
	size_t bytes;
	size_t unused;
};
_Static_assert(sizeof(struct head) == 16, "lwIP's pieces are aligned to 16");

static struct net_mem_stats memory;
static uint64_t random_state = 1;

void *net_mem_alloc(size_t bytes)
{
	struct head *h = NULL;

	if (bytes <= NET_MEM_MAX && memory.used + bytes <= NET_MEM_MAX)
		h = heap_alloc(sizeof(*h) + bytes);
	if (!h) {
		memory.refused++;
		return NULL;
	}
	h->bytes = bytes;
	memory.used += bytes;
	if (memory.used > memory.high_water)
		memory.high_water = memory.used;
	return h + 1;
}

void *net_mem_calloc(size_t count, size_t bytes)
{
	size_t all;

	/* heap_alloc() clears. */
	return __builtin_mul_overflow(count, bytes, &all) ? NULL : net_mem_alloc(all);
}

void net_mem_free(void *p)
{
	struct head *h = p;

	if (!h)
		return;
	h--;
	memory.used -= h->bytes;
	heap_free(h);
}

void net_mem_stats(struct net_mem_stats *out)
{
	*out = memory;
}

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
