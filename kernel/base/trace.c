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

struct trace_slot trace_ring[TRACE_RING_RECORDS];
uint64_t trace_next;
uint32_t trace_mask = BIT32(TRACE_KINDS) - 1;

void trace_add(const struct trace_record *record)
{
	uint64_t n;

	*trace_open(&n) = *record;
	trace_close(n);
}

uint64_t trace_now(void) { return __atomic_load_n(&trace_next, __ATOMIC_ACQUIRE); }

static bool read_one(uint64_t n, struct trace_record *out)
{
	const struct trace_slot *s = &trace_ring[n % TRACE_RING_RECORDS];

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

	if (end - *cursor > TRACE_RING_RECORDS) {
		*lost += *cursor ? end - TRACE_RING_RECORDS - *cursor : 0;
		*cursor = end - TRACE_RING_RECORDS;
	}
	for (; *cursor < end && got < max; ++*cursor) {
		if (read_one(*cursor, &out[got]))
			got++;
		else
			++*lost;
	}
	return got;
}
