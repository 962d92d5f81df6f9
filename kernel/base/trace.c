/*
 * trace.c - the trace ring.
 *
 * Invariants
 *   - A slot's sequence number is 2n+1 while record n is being written into it and 2n+2 when it is
 *     there. A reader takes a record only if the number was 2n+2 before and after its copy.
 *   - A writer that was overtaken by a whole round (the ring wrapped while it wrote) spoils at
 *     most its own slot, and readers see that by the number.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/trace.h"

#define RING_RECORDS 8192u /* a power of two */

static struct slot {
	uint64_t sequence;
	struct trace_record record;
} ring[RING_RECORDS];

static uint64_t next; /* number of the record to be added */

uint32_t trace_mask = BIT32(TRACE_KINDS) - 1;

void trace_add(const struct trace_record *record)
{
	uint64_t n = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
	struct slot *s = &ring[n % RING_RECORDS];

	__atomic_store_n(&s->sequence, 2 * n + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	s->record = *record;
	__atomic_store_n(&s->sequence, 2 * n + 2, __ATOMIC_RELEASE);
}

uint64_t trace_now(void) { return __atomic_load_n(&next, __ATOMIC_ACQUIRE); }

static bool read_one(uint64_t n, struct trace_record *out)
{
	const struct slot *s = &ring[n % RING_RECORDS];

	if (__atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE) != 2 * n + 2)
		return false;
	*out = s->record;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&s->sequence, __ATOMIC_RELAXED) == 2 * n + 2;
}

size_t trace_read(uint64_t *cursor, struct trace_record *out, size_t max, uint64_t *lost)
{
	uint64_t end = trace_now();
	size_t got = 0;

	if (end - *cursor > RING_RECORDS) {
		*lost += *cursor ? end - RING_RECORDS - *cursor : 0;
		*cursor = end - RING_RECORDS;
	}
	for (; *cursor < end && got < max; ++*cursor) {
		if (read_one(*cursor, &out[got]))
			got++;
		else
			++*lost;
	}
	return got;
}
