/*
 * trace.h - what passed between the host, the TDX module, guests and the MMU, as binary records in a
 * ring of each CPU: for the console's `trace`, crash reports and tests. Any room may record;
 * kernel/monitor/trace_text.c decodes.
 *
 * Invariants
 *   - Recording costs a fixed handful of plain stores to memory of this CPU, takes no lock and no
 *     locked instruction, formats nothing, and never waits; the oldest records are overwritten.
 *   - Only the CPU itself writes its ring. An interrupt that records while a record is being made
 *     takes the next place; in the two instructions in which a place is taken it may lose its own.
 *   - A reader that was overtaken by a writer skips ahead and is told how much it lost; it never
 *     sees half a record.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_TRACE_H
#define TAIN_BASE_TRACE_H

#include "kernel/base/types.h"

enum trace_kind {
	TRACE_SEAMCALL, /* leaf; status; a: RCX RDX R8 in, RCX RDX R8 out */
	TRACE_TDEXIT,   /* the end of a VP.ENTER; status; a: RCX RDX R8 R9; ticks: in the module and
			   the guest */
	TRACE_TDVMCALL, /* leaf: sub-function; status: R10 answered; a: R12 R13 R14 R15, R11 out */
	TRACE_TDCALL, /* recorded by the software module; leaf; status; a: RCX RDX R8 in, RCX RDX R8
			 out */
	TRACE_VMEXIT, /* of a plain guest; leaf: basic reason; a: qualification, GPA, RIP */
	TRACE_MIRROR, /* an entry changed; leaf: level; a: GFN, old, new, count of equal ones in a row */
	TRACE_EPT,    /* the same, of a plain guest or of a TD's shared half */
	TRACE_IPI,    /* sent; leaf: vector, 2 for an NMI; a: to which CPU, count of equal ones */
	TRACE_SCHED,  /* turns of a vCPU; leaf: how the last ended; ticks: together; a: -, count */
	TRACE_KINDS,
};

/* Guests by number: the KeyID of a TD, this bit and a number for a plain guest, 0 for none. */
#define TRACE_PLAIN_GUEST 0x8000u

struct trace_record {
	uint64_t tsc;   /* when it was made: what took `ticks` ended then */
	uint32_t ticks; /* that it took; 0: not measured */
	uint32_t leaf;
	uint8_t kind; /* enum trace_kind */
	uint8_t vcpu;
	uint16_t guest;
	uint32_t cpu;
	uint64_t status;
	uint64_t a[6];
};
_Static_assert(sizeof(struct trace_record) == 80, "ten words a record");

/* Which kinds are recorded: BIT32(enum trace_kind) each. All, from the start. */
extern uint32_t trace_mask;

static inline bool trace_on(enum trace_kind kind) { return (trace_mask & BIT32(kind)) != 0; }

/* ---- writing ---- */

/*
 * As trace_add(), but if the newest record of this CPU is its like (kind, guest, vCPU, leaf, a[0]), that
 * one grows: a[1] counts, ticks add up.
 */
void trace_add_run(const struct trace_record *record);

/* The rings themselves, for those who cannot wait for a copy: trace_open() and trace_close(). */
#define TRACE_CPUS 1024u
struct trace_slot {
	struct trace_record record;
	uint64_t sequence; /* n + 1: record n is there */
	uint64_t unused;
};
_Static_assert(sizeof(struct trace_slot) == 96, "three times a power of two");
struct trace_ring {
	uint64_t next; /* number of the record to be added */
	uint64_t mask; /* records that it holds, less one */
	struct trace_slot *slots;
} ALIGNED(64);
extern struct trace_ring trace_rings[TRACE_CPUS];

/* Records of the boot CPU's ring, which is there from the start. */
#define TRACE_BOOT_RECORDS 8192u

/*
 * Give CPU @cpu its ring: @records slots (a power of two), zeroed. Before that what it records is lost.
 * While nobody records there.
 */
void trace_give_ring(unsigned cpu, struct trace_slot *slots, uint64_t records);

/* The place of a new record of CPU @cpu, the calling one: to be filled whole, and closed. */
static inline struct trace_slot *trace_open(unsigned cpu, uint64_t *number)
{
	struct trace_ring *ring = &trace_rings[cpu];
	uint64_t n = ring->next;

	/* Taken before it is written: whoever interrupts us gets the next one. */
	__atomic_store_n(&ring->next, n + 1, __ATOMIC_RELAXED);
	*number = n;
	return &ring->slots[n & ring->mask];
}

static inline void trace_close(struct trace_slot *slot, uint64_t number)
{
	__atomic_store_n(&slot->sequence, number + 1, __ATOMIC_RELEASE);
}

/* Any context but NMI; record->cpu is the calling one. Inline: the compiler writes into the slot itself. */
static inline ALWAYS_INLINE void trace_add(const struct trace_record *record)
{
	uint64_t n;
	struct trace_slot *slot = trace_open(record->cpu, &n);

	slot->record = *record;
	trace_close(slot, n);
}

/* ---- reading ---- */

/* How far a reader has come in each ring. Large: static, or on the heap. */
struct trace_reader {
	uint64_t at[TRACE_CPUS];
};

/* Begin with the oldest records that are kept, or with what comes from now on. */
void trace_from_oldest(struct trace_reader *r);
void trace_from_now(struct trace_reader *r);

/*
 * Copy up to @max records made at @until (TSC) or before, in the order of their time; 0: there are no
 * more. *@lost grows by the records that were overwritten before they could be read.
 */
size_t trace_read(struct trace_reader *r, uint64_t until, struct trace_record *out, size_t max,
		  uint64_t *lost);

/* The newest record of @kind, whichever CPU made it. False: none is kept. */
bool trace_newest(enum trace_kind kind, struct trace_record *out);

/* The newest records of CPU @cpu, at most @max, the oldest first. Returns how many. No lock, any context. */
size_t trace_last(unsigned cpu, struct trace_record *out, size_t max);

/* How many records were ever made. */
uint64_t trace_count(void);

#endif
