/*
 * lock.h - spinlocks and reader-writer spinlocks, and the one place where their order is written.
 *
 * Order (take from top to bottom, never upwards; a lock not in this list is a leaf):
 *
 *     guest list lock            kernel/guest: the table of guests
 *       guest->lock              kernel/guest: life of one guest
 *         td->build_lock         tdx: creation, teardown
 *         a guest's platform     kernel/platform: its devices; their DMA marks the MMU's log
 *           the switch           kernel/platform/lan.c: its ports; then one port; its pool
 *           mmu->lock            mmu: read to map, write to remove
 *             td->tree_lock      tdx: as the module's own S-EPT tree lock (rule C19)
 *               td->track_lock   tdx: TRACK and kick (rule C11)
 *           td_apic->lock        tdx: registers and timer of one vCPU's local APIC
 *             vtimer queue       kernel/machine
 *           platform lock        tdx: KeyIDs, KOT-serialised leaves
 *             page allocator     kernel/machine
 *               console ring     kernel/machine: anything may log
 *
 * Invariants
 *   - All are spinlocks held for a bounded time with interrupts as the caller has them; whoever
 *     takes one in an interrupt handler says so beside the lock, and then all users disable
 *     interrupts. NMI handlers take none.
 *   - A writer waiting on an rwlock keeps new readers out, so that it gets its turn.
 *
 * MUST_HOLD* expand to clang's thread-safety attributes and are checked by `make check`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_LOCK_H
#define TAIN_BASE_LOCK_H

#include "kernel/base/types.h"

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define MUST_HOLD(l)       TSA(requires_capability(l))
#define MUST_HOLD_READ(l)  TSA(requires_shared_capability(l))
#define MUST_HOLD_WRITE(l) TSA(requires_capability(l))
#define MUST_NOT_HOLD(l)   TSA(locks_excluded(l))
#define GUARDED_BY(l)      TSA(guarded_by(l))
#define ACQUIRES(l)        TSA(acquire_capability(l))
#define RELEASES(l)        TSA(release_capability(l))
#define ACQUIRES_READ(l)   TSA(acquire_shared_capability(l))
#define RELEASES_READ(l)   TSA(release_shared_capability(l))
#define NO_TSA             TSA(no_thread_safety_analysis)

#ifdef TAIN_NATIVE
#include <sched.h>
/* A host program has more threads than CPUs: who waits lets the other run. */
static inline void cpu_relax(void) { (void)sched_yield(); }
#else
static inline void cpu_relax(void) { __builtin_ia32_pause(); }
#endif

struct TSA(capability("spinlock")) spinlock {
	uint32_t next, owner; /* ticket lock: fair, one cache line */
};
typedef struct spinlock spinlock_t;
#define SPINLOCK_INIT { 0, 0 }

static inline void spin_lock(spinlock_t *l) ACQUIRES(*l) NO_TSA
{
	uint32_t me = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != me)
		cpu_relax();
}

static inline bool spin_trylock(spinlock_t *l) TSA(try_acquire_capability(true, *l)) NO_TSA
{
	uint32_t owner = __atomic_load_n(&l->owner, __ATOMIC_RELAXED);
	uint32_t expect = owner;

	return __atomic_compare_exchange_n(&l->next, &expect, owner + 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static inline void spin_unlock(spinlock_t *l) RELEASES(*l) NO_TSA
{
	/* Only the holder writes owner, so a plain read of it is stable. */
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
}

/* Bit 31: a writer holds it. Bits 30:16: writers waiting. Bits 15:0: readers inside. */
#define RWLOCK_WRITER  UINT32_C(0x80000000)
#define RWLOCK_WAITING UINT32_C(0x00010000)
#define RWLOCK_READERS UINT32_C(0x0000ffff)

struct TSA(capability("rwlock")) rwlock {
	uint32_t state;
};
typedef struct rwlock rwlock_t;
#define RWLOCK_INIT { 0 }

static inline void read_lock(rwlock_t *l) ACQUIRES_READ(*l) NO_TSA
{
	for (;;) {
		uint32_t s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

		if (likely((s & ~RWLOCK_READERS) == 0) &&
		    __atomic_compare_exchange_n(&l->state, &s, s + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
		cpu_relax();
	}
}

static inline void read_unlock(rwlock_t *l) RELEASES_READ(*l) NO_TSA
{
	__atomic_fetch_sub(&l->state, 1, __ATOMIC_RELEASE);
}

static inline void write_lock(rwlock_t *l) ACQUIRES(*l) NO_TSA
{
	__atomic_fetch_add(&l->state, RWLOCK_WAITING, __ATOMIC_RELAXED);
	for (;;) {
		uint32_t s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

		if ((s & (RWLOCK_WRITER | RWLOCK_READERS)) == 0 &&
		    __atomic_compare_exchange_n(&l->state, &s, s - RWLOCK_WAITING + RWLOCK_WRITER,
						true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		cpu_relax();
	}
}

static inline void write_unlock(rwlock_t *l) RELEASES(*l) NO_TSA
{
	__atomic_fetch_sub(&l->state, RWLOCK_WRITER, __ATOMIC_RELEASE);
}

/* For assertions. */
static inline bool rwlock_write_held(const rwlock_t *l)
{
	return (__atomic_load_n(&l->state, __ATOMIC_RELAXED) & RWLOCK_WRITER) != 0;
}
static inline bool rwlock_held(const rwlock_t *l)
{
	return (__atomic_load_n(&l->state, __ATOMIC_RELAXED) & (RWLOCK_WRITER | RWLOCK_READERS)) != 0;
}

#endif
