/*
 * lock.c - the slow side of lock.h: joining, waiting, writing. Invariants: see there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/lock.h"

#define YIELD_SPINS 1000u

struct mmu_cpu mmu_cpus[MMU_MAX_CPUS];

/* Before the first announcement: a writer that misses the bit is one whose flag we will see. */
struct mmu_cpu *mmu_lock_join(struct mmu_lock *l, struct mmu_cpu *me)
{
	size_t cpu = (size_t)(me - mmu_cpus);

	assert(cpu < MMU_MAX_CPUS);
	if (!(__atomic_load_n(&l->cpus[cpu / 64], __ATOMIC_RELAXED) & BIT64(cpu % 64)))
		__atomic_fetch_or(&l->cpus[cpu / 64], BIT64(cpu % 64), __ATOMIC_SEQ_CST);
	me->last_4k.block = me->last_2m.block = MMU_NO_BLOCK;
	__atomic_store_n(&me->joined, l, __ATOMIC_RELAXED);
	return me;
}

/* Nobody is inside, but a CPU may remember that it joined a lock that was here before. */
void mmu_lock_init(struct mmu_lock *l)
{
	*l = (struct mmu_lock){ .writers = SPINLOCK_INIT };
	for (unsigned cpu = 0; cpu < MMU_MAX_CPUS; cpu++) {
		const struct mmu_lock *was = l;

		(void)__atomic_compare_exchange_n(&mmu_cpus[cpu].joined, &was, NULL, false,
						  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

struct mmu_cpu *mmu_read_lock_slowly(struct mmu_lock *l, struct mmu_cpu *me)
{
	__atomic_fetch_add(&l->waiting, 1, __ATOMIC_RELAXED);
	do {
		mmu_look_end(me);
		while (__atomic_load_n(&l->writing, __ATOMIC_RELAXED))
			cpu_relax();
		me = mmu_look_begin(l);
	} while (__atomic_load_n(&l->writing, __ATOMIC_SEQ_CST));
	__atomic_fetch_sub(&l->waiting, 1, __ATOMIC_RELAXED);
	return me;
}

/*
 * Until the visit that @cpu is on, if it is inside @l, has ended. Reading `inside` first makes the
 * number that we then read the number of that visit, or of a later one.
 */
static void wait_outside(const struct mmu_lock *l, unsigned cpu)
{
	const struct mmu_cpu *c = &mmu_cpus[cpu];

	if (__atomic_load_n(&c->inside, __ATOMIC_SEQ_CST) != l)
		return;
	uint64_t visit = __atomic_load_n(&c->visits, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&c->inside, __ATOMIC_ACQUIRE) == l &&
	       __atomic_load_n(&c->visits, __ATOMIC_ACQUIRE) == visit)
		cpu_relax();
}

static void wait_all_outside(const struct mmu_lock *l)
{
	for (unsigned word = 0; word < ARRAY_LEN(l->cpus); word++) {
		uint64_t cpus = __atomic_load_n(&l->cpus[word], __ATOMIC_SEQ_CST);

		for (; cpus != 0; cpus &= cpus - 1)
			wait_outside(l, word * 64 + (unsigned)__builtin_ctzll(cpus));
	}
}

/* A CPU that enters after the flag is up sees it and leaves, or only looks. */
void mmu_write_lock(struct mmu_lock *l) NO_TSA
{
	assert(__atomic_load_n(&mmu_cpus[cpu_index()].inside, __ATOMIC_RELAXED) == NULL);
	spin_lock(&l->writers);
	__atomic_store_n(&l->writing, 1, __ATOMIC_SEQ_CST);
	wait_all_outside(l);
}

void mmu_write_unlock(struct mmu_lock *l) NO_TSA
{
	assert(mmu_write_held(l));
	__atomic_store_n(&l->writing, 0, __ATOMIC_SEQ_CST);
	spin_unlock(&l->writers);
}

void mmu_write_yield(struct mmu_lock *l) NO_TSA
{
	mmu_write_unlock(l);
	/* Bounded: one that waits may have lost its CPU. */
	for (unsigned i = 0; i < YIELD_SPINS && __atomic_load_n(&l->waiting, __ATOMIC_RELAXED); i++)
		cpu_relax();
	mmu_write_lock(l);
}

void mmu_grace_period(struct mmu_lock *l)
{
	/* A full barrier: what we cut is seen by every visit that begins after this. */
	(void)__atomic_exchange_n(&l->writing, 1, __ATOMIC_SEQ_CST);
	wait_all_outside(l);
}
