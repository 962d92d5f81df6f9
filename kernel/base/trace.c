/*
 * trace.c - the trace rings.
 *
 * Invariants
 *   - A slot's sequence is n + 1 once record n is in it. Before record n + ring size is written there,
 *     the ring's `next` says so: a reader that copies, and then finds `next` not yet past that, has a
 *     whole record.
 *   - A CPU without a ring of its own writes to the scrap slot, which nobody reads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/trace.h"

static struct trace_slot boot_slots[TRACE_BOOT_RECORDS];
static struct trace_slot scrap;

struct trace_ring trace_rings[TRACE_CPUS] = {
	[0] = { .slots = boot_slots, .mask = TRACE_BOOT_RECORDS - 1 },
	[1 ... TRACE_CPUS - 1] = { .slots = &scrap },
};
static unsigned rings_end = 1; /* no CPU beyond has a ring */
uint32_t trace_mask = BIT32(TRACE_KINDS) - 1;

/* ---- writing ---- */

static bool is_like(const struct trace_record *a, const struct trace_record *b)
{
	return a->kind == b->kind && a->guest == b->guest && a->vcpu == b->vcpu &&
	       a->leaf == b->leaf && a->a[0] == b->a[0];
}

void trace_add_run(const struct trace_record *record)
{
	struct trace_ring *ring = &trace_rings[record->cpu];
	uint64_t n = ring->next - 1;
	struct trace_slot *slot = &ring->slots[n & ring->mask];

	if (slot->sequence != n + 1 || !is_like(&slot->record, record)) {
		struct trace_record first = *record;

		first.a[1] = 1;
		trace_add(&first);
		return;
	}
	/* Not there while it changes. */
	__atomic_store_n(&slot->sequence, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	slot->record.tsc = record->tsc;
	slot->record.a[1]++;
	if (__builtin_add_overflow(slot->record.ticks, record->ticks, &slot->record.ticks))
		slot->record.ticks = UINT32_MAX;
	trace_close(slot, n);
}

void trace_give_ring(unsigned cpu, struct trace_slot *slots, uint64_t records)
{
	trace_rings[cpu] = (struct trace_ring){ .slots = slots, .mask = records - 1 };
	if (cpu >= rings_end)
		__atomic_store_n(&rings_end, cpu + 1, __ATOMIC_RELEASE);
}

/* ---- reading ---- */

static uint64_t next_of(unsigned cpu)
{
	return __atomic_load_n(&trace_rings[cpu].next, __ATOMIC_ACQUIRE);
}

static unsigned ends(void) { return __atomic_load_n(&rings_end, __ATOMIC_ACQUIRE); }

static bool has_ring(unsigned cpu) { return trace_rings[cpu].slots != &scrap; }

void trace_from_oldest(struct trace_reader *r) { *r = (struct trace_reader){ { 0 } }; }

void trace_from_now(struct trace_reader *r)
{
	trace_from_oldest(r);
	for (unsigned cpu = 0; cpu < ends(); cpu++)
		r->at[cpu] = next_of(cpu);
}

uint64_t trace_count(void)
{
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < ends(); cpu++)
		sum += has_ring(cpu) ? next_of(cpu) : 0;
	return sum;
}

/* Record @n of @cpu. False: it is not whole, or gone. */
static bool copy(unsigned cpu, uint64_t n, struct trace_record *out)
{
	const struct trace_ring *ring = &trace_rings[cpu];
	const struct trace_slot *slot = &ring->slots[n & ring->mask];

	if (__atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE) != n + 1)
		return false;
	*out = slot->record;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == n + 1 &&
	       next_of(cpu) <= n + ring->mask + 1;
}

/* The next whole record of @cpu into @out; r->at stays at it. False: there is none. */
static bool peek(struct trace_reader *r, unsigned cpu, struct trace_record *out, uint64_t *lost)
{
	uint64_t size = trace_rings[cpu].mask + 1;

	for (;; r->at[cpu]++) {
		uint64_t next = next_of(cpu), oldest = next > size ? next - size : 0;

		if (r->at[cpu] < oldest) {
			*lost += r->at[cpu] ? oldest - r->at[cpu] : 0;
			r->at[cpu] = oldest;
		}
		if (r->at[cpu] >= next)
			return false;
		if (copy(cpu, r->at[cpu], out))
			return true;
		/* The newest is being written: it comes another time. */
		if (r->at[cpu] + 1 >= next)
			return false;
		++*lost;
	}
}

/* The earliest of all; false: none at @until or before. */
static bool take_earliest(struct trace_reader *r, uint64_t until, struct trace_record *out,
			  uint64_t *lost)
{
	unsigned found = TRACE_CPUS;
	struct trace_record one;

	for (unsigned cpu = 0; cpu < ends(); cpu++) {
		if (!has_ring(cpu) || !peek(r, cpu, &one, lost) || one.tsc > until)
			continue;
		if (found != TRACE_CPUS && one.tsc >= out->tsc)
			continue;
		*out = one;
		found = cpu;
	}
	if (found == TRACE_CPUS)
		return false;
	r->at[found]++;
	return true;
}

size_t trace_read(struct trace_reader *r, uint64_t until, struct trace_record *out, size_t max,
		  uint64_t *lost)
{
	size_t got = 0;

	while (got < max && take_earliest(r, until, &out[got], lost))
		got++;
	return got;
}

/* Backwards from the newest of each ring. */
static bool newest_of(unsigned cpu, enum trace_kind kind, struct trace_record *out)
{
	uint64_t next = next_of(cpu), size = trace_rings[cpu].mask + 1;

	for (uint64_t n = next; n > 0 && n + size > next; n--)
		if (copy(cpu, n - 1, out) && out->kind == kind)
			return true;
	return false;
}

bool trace_newest(enum trace_kind kind, struct trace_record *out)
{
	struct trace_record one;
	bool found = false;

	for (unsigned cpu = 0; cpu < ends(); cpu++)
		if (has_ring(cpu) && newest_of(cpu, kind, &one) && (!found || one.tsc > out->tsc)) {
			*out = one;
			found = true;
		}
	return found;
}

size_t trace_last(unsigned cpu, struct trace_record *out, size_t max)
{
	uint64_t next = next_of(cpu), size = trace_rings[cpu].mask + 1;
	uint64_t n = next > max ? next - max : 0;
	size_t got = 0;

	if (!has_ring(cpu))
		return 0;
	if (next > size && n < next - size)
		n = next - size;
	for (; n < next; n++)
		got += copy(cpu, n, &out[got]);
	return got;
}
