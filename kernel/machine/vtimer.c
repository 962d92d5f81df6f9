/*
 * vtimer.c - a sorted list per CPU; short, for each vCPU has a timer or two.
 *
 * Keeps the invariants of vtimer.h. The lock of a queue guards its list, the fields of the timers
 * in it and `firing`; it is a leaf. A timer's `queue` changes only under that queue's lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/vtimer.h"

#include <errno.h>

#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/machine/port.h"

struct vtimer_queue {
	spinlock_t lock;
	struct vtimer *first;  /* earliest deadline; lock */
	struct vtimer *firing; /* its function runs now; lock */
	unsigned count;        /* lock */
} ALIGNED(64);

static struct vtimer_queue *queues;

int vtimer_start(void)
{
	heap_free(queues); /* a host test starts anew */
	queues = heap_alloc(cpu_count() * sizeof(queues[0]));
	return queues ? 0 : -ENOMEM;
}

void vtimer_init(struct vtimer *t, void (*fn)(void *ctx), void *ctx)
{
	*t = (struct vtimer){ .deadline = VTIMER_NEVER, .fn = fn, .ctx = ctx };
}

static void unlink_locked(struct vtimer_queue *q, struct vtimer *t)
{
	struct vtimer **at = &q->first;

	while (*at != t) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = t->next;
	q->count--;
	__atomic_store_n(&t->queue, 0, __ATOMIC_RELEASE);
}

/* Those of equal deadlines in the order of their arming. */
static void link_locked(struct vtimer_queue *q, struct vtimer *t, uint32_t number)
{
	struct vtimer **at = &q->first;

	while (*at && (*at)->deadline <= t->deadline)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
	q->count++;
	__atomic_store_n(&t->queue, number, __ATOMIC_RELEASE);
}

/* It may fire meanwhile: then it is gone from its queue, and nobody else puts it anywhere. */
void vtimer_cancel(struct vtimer *t)
{
	uint32_t number = __atomic_load_n(&t->queue, __ATOMIC_ACQUIRE);

	if (!number)
		return;

	struct vtimer_queue *q = &queues[number - 1];

	spin_lock(&q->lock);
	if (t->queue == number)
		unlink_locked(q, t);
	spin_unlock(&q->lock);
}

void vtimer_arm(struct vtimer *t, uint64_t deadline)
{
	unsigned cpu = cpu_index();
	struct vtimer_queue *q = &queues[cpu];

	vtimer_cancel(t);
	if (deadline == VTIMER_NEVER)
		return;
	spin_lock(&q->lock);
	t->deadline = deadline;
	link_locked(q, t, cpu + 1);
	spin_unlock(&q->lock);
}

/*
 * Seen under a queue's lock, a timer that is neither there nor being called stays so: only its
 * function, on that CPU, would have put it back.
 */
static bool gone_from(struct vtimer_queue *q, uint32_t number, struct vtimer *t)
{
	spin_lock(&q->lock);
	if (t->queue == number)
		unlink_locked(q, t);

	bool gone = __atomic_load_n(&q->firing, __ATOMIC_ACQUIRE) != t;

	spin_unlock(&q->lock);
	return gone;
}

void vtimer_fini(struct vtimer *t)
{
	for (unsigned i = 0; i < cpu_count(); i++)
		while (!gone_from(&queues[i], i + 1, t))
			cpu_relax();
}

static struct vtimer *take_due(struct vtimer_queue *q, uint64_t now)
{
	struct vtimer *t;

	spin_lock(&q->lock);
	t = q->first && q->first->deadline <= now ? q->first : NULL;
	if (t) {
		/* Whoever finds it in no queue finds it here. */
		__atomic_store_n(&q->firing, t, __ATOMIC_RELEASE);
		unlink_locked(q, t);
	}
	spin_unlock(&q->lock);
	return t;
}

void vtimer_run(void)
{
	struct vtimer_queue *q = &queues[cpu_index()];
	uint64_t now = tsc_now();
	unsigned most = __atomic_load_n(&q->count, __ATOMIC_RELAXED);

	/* One that arms itself for the past gets its next turn in the next round. */
	for (; most; most--) {
		struct vtimer *t = take_due(q, now);

		if (!t)
			return;
		t->fn(t->ctx);
		__atomic_store_n(&q->firing, NULL, __ATOMIC_RELEASE);
	}
}

uint64_t vtimer_next(void)
{
	struct vtimer_queue *q = &queues[cpu_index()];

	spin_lock(&q->lock);
	uint64_t next = q->first ? q->first->deadline : VTIMER_NEVER;

	spin_unlock(&q->lock);
	return next;
}
