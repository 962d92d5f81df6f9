/*
 * net_mem.h - what lwIP has of us: memory with a bound, random numbers, copies, sums. lwIP itself includes this.
 *
 * Invariants
 *   - No more than NET_MEM_MAX bytes are out at any moment; a request beyond answers NULL and is
 *     counted. What was given back counts no more. The smallest pieces may go NET_MEM_RESERVE beyond:
 *     a timer of lwIP's is one, and lwIP ends the run if it gets none.
 *   - Pieces of the usual sizes that came back are kept for the next request: at most so many of each
 *     as net_mem_keep() says, 64 at first (136 KiB).
 *
 * Locking  the boot CPU's run loop only, as all of lwIP.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_MEM_H
#define TAIN_NET_MEM_H

#include <stddef.h>
#include <stdint.h>

#define NET_MEM_MAX     (4u << 20)
#define NET_MEM_RESERVE (64u << 10)

void *net_mem_alloc(size_t bytes);
void *net_mem_calloc(size_t count, size_t bytes); /* zeroed */
void net_mem_free(void *p);
/* Keep @pieces of each size from now on. 0: none, so that a sanitizer sees each use after its end. */
void net_mem_keep(unsigned pieces);

struct net_mem_stats {
	uint64_t used, high_water, refused; /* bytes, bytes, requests */
};
void net_mem_stats(struct net_mem_stats *out);

/* Hard to guess where the CPU has RDRAND (net_seed()); else only different from boot to boot. */
uint32_t net_random(void);
void net_seed(uint64_t seed);

/* memcpy(), never inlined. */
void net_copy(void *to, const void *from, size_t bytes);

/* The sum of RFC 1071 over @length bytes at any address, as the CPU's bytes lie, not inverted. */
uint16_t net_checksum(const void *data, int length);

#endif
