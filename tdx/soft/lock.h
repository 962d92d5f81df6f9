/*
 * lock.h - the module's try-locks: mutex, shared/exclusive, and shared/exclusive with host
 * priority.
 *
 * Invariants
 *   - Nobody waits: an acquisition succeeds or fails at once.
 *   - Shared fails only against an exclusive holder; exclusive fails against any holder.
 *   - Host priority: a host that fails leaves a mark; until a host succeeds on that lock, guests
 *     fail with BUSY_HOST_PRIORITY.
 *
 * Word: bit 0 exclusive, bit 1 host priority, bits 15:2 number of sharers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_LOCK_H
#define TAIN_SOFT_LOCK_H

#include "kernel/base/types.h"

typedef uint16_t lock_t;

enum lock_mode { SHARED, EXCLUSIVE };
enum lock_class { PLAIN, HOST_PRIORITY };
enum lock_result { LOCK_TAKEN, LOCK_BUSY, LOCK_BUSY_HP };

#define LOCK_X   UINT16_C(1)
#define LOCK_HP  UINT16_C(2)
#define LOCK_ONE UINT16_C(4)

static inline bool lock_conflicts(uint16_t v, enum lock_mode mode)
{
	return mode == SHARED ? (v & LOCK_X) != 0 : (v & ~LOCK_HP) != 0;
}

static inline enum lock_result lock_try(lock_t *l, enum lock_mode mode, enum lock_class cl,
					bool guest)
{
	uint16_t v = __atomic_load_n(l, __ATOMIC_RELAXED);

	for (;;) {
		if (cl == HOST_PRIORITY && guest && (v & LOCK_HP))
			return LOCK_BUSY_HP;
		if (lock_conflicts(v, mode)) {
			if (cl == HOST_PRIORITY && !guest)
				__atomic_fetch_or(l, LOCK_HP, __ATOMIC_RELAXED);
			return LOCK_BUSY;
		}
		uint16_t free = (uint16_t)(v & ~LOCK_HP); /* a host's success clears the mark */
		uint16_t next = (uint16_t)(mode == SHARED ? free + LOCK_ONE : free | LOCK_X);

		if (__atomic_compare_exchange_n(l, &v, next, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return LOCK_TAKEN;
	}
}

static inline void lock_release(lock_t *l, enum lock_mode mode)
{
	if (mode == SHARED)
		__atomic_fetch_sub(l, LOCK_ONE, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(l, (uint16_t)~LOCK_X, __ATOMIC_RELEASE);
}

/* A sharer becomes the only holder; false if there are others. */
static inline bool lock_promote(lock_t *l)
{
	uint16_t v = __atomic_load_n(l, __ATOMIC_RELAXED);

	for (;;) {
		if ((v & ~LOCK_HP) != LOCK_ONE) {
			__atomic_fetch_or(l, LOCK_HP, __ATOMIC_RELAXED);
			return false;
		}
		if (__atomic_compare_exchange_n(l, &v, LOCK_X, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	}
}

/* And back. */
static inline void lock_demote(lock_t *l)
{
	uint16_t v = __atomic_load_n(l, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(l, &v, (uint16_t)((v & LOCK_HP) | LOCK_ONE), false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

#endif
