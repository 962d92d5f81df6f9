/*
 * trace.h - the ring of what passed between the host, the TDX module, guests and the MMU: for the
 * console's `trace`, crash reports and tests. Any room may record; tdx/trace_text.c decodes.
 *
 * Invariants
 *   - Recording costs a fixed handful of stores, takes no lock, formats nothing, and never waits;
 *     the oldest records are overwritten.
 *   - A reader that was overtaken by writers skips ahead and is told how much it lost; it never
 *     sees half a record.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_TRACE_H
#define TAIN_BASE_TRACE_H

#include "kernel/base/types.h"

enum trace_kind {
	TRACE_SEAMCALL, /* leaf; status; a: RCX RDX R8 in, RCX RDX R8 out */
	TRACE_TDEXIT,   /* an asynchronous exit of VP.ENTER; status; a: RCX RDX R8 R9 */
	TRACE_TDVMCALL, /* leaf: sub-function; status: R10 answered; a: R12 R13 R14 R15, R11 out */
	TRACE_TDCALL, /* recorded by the software module; leaf; status; a: RCX RDX R8 in, RCX RDX R8
			 out */
	TRACE_VMEXIT, /* of a plain guest; leaf: basic reason; a: qualification, GPA, RIP */
	TRACE_MIRROR, /* an entry changed; leaf: level; a: GFN, old, new, count */
	TRACE_EPT,    /* the same, of a plain guest or of a TD's shared half */
	TRACE_KINDS,
};

struct trace_record {
	uint64_t tsc;
	uint32_t ticks; /* that it took; 0: not measured */
	uint16_t cpu;
	uint8_t kind; /* enum trace_kind */
	uint8_t vcpu;
	uint32_t guest; /* KeyID of a TD, 0: none */
	uint32_t leaf;
	uint64_t status;
	uint64_t a[6];
};
_Static_assert(sizeof(struct trace_record) == 80, "ten words a record");

/* Which kinds are recorded: BIT32(enum trace_kind) each. All, from the start. */
extern uint32_t trace_mask;

static inline bool trace_on(enum trace_kind kind) { return (trace_mask & BIT32(kind)) != 0; }

/* Any context, any CPU. */
void trace_add(const struct trace_record *record);

/* The ring itself, for those who cannot wait for a copy: trace_open() and trace_close(). */
#define TRACE_RING_RECORDS 8192u /* a power of two */
struct trace_slot {
	uint64_t sequence; /* 2n+1: record n is being written; 2n+2: it is there */
	struct trace_record record;
};
extern struct trace_slot trace_ring[TRACE_RING_RECORDS];
extern uint64_t trace_next; /* number of the record to be added */

/* The place of a new record, to be filled whole and closed with the same *@number. */
static inline struct trace_record *trace_open(uint64_t *number)
{
	uint64_t n = __atomic_fetch_add(&trace_next, 1, __ATOMIC_RELAXED);
	struct trace_slot *s = &trace_ring[n % TRACE_RING_RECORDS];

	*number = n;
	__atomic_store_n(&s->sequence, 2 * n + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return &s->record;
}

static inline void trace_close(uint64_t number)
{
	__atomic_store_n(&trace_ring[number % TRACE_RING_RECORDS].sequence, 2 * number + 2,
			 __ATOMIC_RELEASE);
}

/* Number of records ever added: a cursor that shows only what comes after now. */
uint64_t trace_now(void);

/*
 * Copy up to @max records from *@cursor on (0: the oldest kept) and advance it. *@lost grows by the
 * records that were overwritten before they could be read. Returns how many were copied.
 */
size_t trace_read(uint64_t *cursor, struct trace_record *out, size_t max, uint64_t *lost);

#endif
