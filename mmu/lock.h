/*
 * lock.h - who may be inside an MMU, and who waits.
 *
 * A CPU that maps, and a CPU that only looks, announces itself in its own slot: one exchange on a
 * line nobody else writes. A writer raises its flag, then waits until no slot names this lock. So
 * two CPUs that fault at the same time write no word in common, and the same slots are the grace
 * period: a table that was cut is freed when every slot has moved on.
 *
 * Invariants
 *   - Inside: slot := lock, full barrier, then look at the flag. Writer: flag := 1, full barrier,
 *     then look at the slots. One of the two sees the other.
 *   - Writers wait their turn by ticket; a raised flag keeps new readers out (writer preference).
 *     Readers that wait say so; a writer that works in passes lets them in between (mmu_write_yield).
 *   - A CPU that only looks does not wait for the flag: it may see FROZEN, cut and blocked entries,
 *     but no table is freed under it (mmu_grace_period).
 *   - A CPU is inside at most one MMU, once; nothing blocks inside. Guest mode and idle are
 * outside, so nobody has to report that it passed through them (rule E7).
 *   - Slots of CPUs that never entered this MMU are not looked at.
 *   - A CPU remembers the last 4K and the last 2M table it went through, until somebody counts a cut: `cuts` moves
 *     when a table is cut or blocked, before the grace period that it waits for. So what is
 *     remembered and still counted as now was linked when this visit began.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_LOCK_H
#define TAIN_MMU_LOCK_H

#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/base/types.h"
#include "kernel/machine/port.h"

#define MMU_MAX_CPUS 512u
#define MMU_NO_BLOCK (~UINT64_C(0))

struct TSA(capability("mmu_lock")) mmu_lock {
	uint32_t writing;                 /* the flag: a writer is inside or waits for readers */
	uint32_t waiting;                 /* readers that a writer keeps out; written by those only */
	uint64_t cuts;                    /* tables that left a tree so far; changed by writers */
	spinlock_t writers;               /* their queue */
	uint64_t cpus[MMU_MAX_CPUS / 64]; /* those that were ever inside; bits are only added */
};

/* A table that a CPU went through: which GFNs of which root, and where it is. */
struct mmu_note {
	uint64_t block;
	void *entries;
};

/* One line per CPU, for all MMUs: written by its CPU only. */
struct mmu_cpu {
	struct mmu_lock *inside; /* NULL: outside */
	uint64_t visits;         /* tells one visit from the next */
	/* For itself: */
	const struct mmu_lock *joined; /* its bit is in this lock's `cpus` */
	uint64_t last_cuts;            /* of the joined MMU, when it wrote these: */
	struct mmu_note last_4k, last_2m;
} ALIGNED(64);
_Static_assert(sizeof(struct mmu_cpu) == 64, "one line per CPU");

extern struct mmu_cpu mmu_cpus[MMU_MAX_CPUS];

/* A new lock, where another one may have been. */
void mmu_lock_init(struct mmu_lock *l);

/* The first visit of the CPU whose line is @me. Returns it. */
struct mmu_cpu *mmu_lock_join(struct mmu_lock *l, struct mmu_cpu *me);
/* @me found the flag up: out, and in again as a reader when it is down. */
struct mmu_cpu *mmu_read_lock_slowly(struct mmu_lock *l, struct mmu_cpu *me) MUST_CHECK;
void mmu_write_lock(struct mmu_lock *l) ACQUIRES(*l);
void mmu_write_unlock(struct mmu_lock *l) RELEASES(*l);

/* Out and in again, after the readers that waited and the writers that stood in line. */
void mmu_write_yield(struct mmu_lock *l) MUST_HOLD_WRITE(*l);

/* Wait until every CPU that is inside now has been outside. With the write side held. */
void mmu_grace_period(struct mmu_lock *l) MUST_HOLD_WRITE(*l);

/* For assertions. */
static inline bool mmu_write_held(const struct mmu_lock *l)
{
	return __atomic_load_n(&l->writing, __ATOMIC_RELAXED) != 0;
}

static inline void mmu_assert_write_held(const struct mmu_lock *l) TSA(assert_capability(*l))
{
	assert(mmu_write_held(l));
}

/* A table leaves a tree, or is blocked: with the write side held, before mmu_grace_period(). */
static inline void mmu_count_cut(struct mmu_lock *l)
{
	__atomic_store_n(&l->cuts, l->cuts + 1, __ATOMIC_RELEASE);
}

/* Only to look. Returns what mmu_look_end() wants. */
static inline struct mmu_cpu *mmu_look_begin(struct mmu_lock *l)
{
	struct mmu_cpu *me = &mmu_cpus[cpu_index()];

	if (unlikely(__atomic_load_n(&me->joined, __ATOMIC_RELAXED) != l))
		me = mmu_lock_join(l, me);
	__atomic_store_n(&me->visits, me->visits + 1, __ATOMIC_RELAXED);
	(void)__atomic_exchange_n(&me->inside, l, __ATOMIC_SEQ_CST);
	return me;
}

static inline void mmu_look_end(struct mmu_cpu *me)
{
	__atomic_store_n(&me->inside, NULL, __ATOMIC_RELEASE);
}

/*
 * From looking to reading, without leaving. Entries seen while looking stay usable: a table that a
 * writer cut meanwhile waits for us with the flag up, and we do not get past the flag.
 * False: a writer is there; we are still only looking.
 */
static inline bool mmu_look_to_read(struct mmu_lock *l)
	TSA(try_acquire_shared_capability(true, *l)) NO_TSA
{
	return likely(__atomic_load_n(&l->writing, __ATOMIC_SEQ_CST) == 0);
}

/* And back: still inside. */
static inline void mmu_read_to_look(struct mmu_lock *l) RELEASES_READ(*l) NO_TSA { (void)l; }

static inline struct mmu_cpu *mmu_read_lock(struct mmu_lock *l) ACQUIRES_READ(*l) NO_TSA
{
	struct mmu_cpu *me = mmu_look_begin(l);

	return likely(mmu_look_to_read(l)) ? me : mmu_read_lock_slowly(l, me);
}

static inline void mmu_read_unlock(struct mmu_lock *l, struct mmu_cpu *me) RELEASES_READ(*l) NO_TSA
{
	(void)l;
	mmu_look_end(me);
}

#endif
