/*
 * queue.c - taking turns.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/queue.h"

#include "kernel/base/log.h"

void queue_add(struct sched_queue *q, struct sched_vcpu *v)
{
	v->next = NULL;
	if (q->last)
		q->last->next = v;
	else
		q->first = v;
	q->last = v;
	q->count++;
}

void queue_remove(struct sched_queue *q, struct sched_vcpu *v)
{
	struct sched_vcpu *before = NULL;

	for (struct sched_vcpu *at = q->first; at != v; at = at->next) {
		assert(at);
		before = at;
	}
	if (before)
		before->next = v->next;
	else
		q->first = v->next;
	if (q->last == v)
		q->last = before;
	v->next = NULL;
	q->count--;
}

/* A debugger's; who wants it to stop for ever comes first. */
static bool is_held(const struct sched_vcpu *v)
{
	return (vcpu_requests(v->run) & (VCPU_REQ_HOLD | VCPU_REQ_STOP)) == VCPU_REQ_HOLD;
}

static bool wants_to_run(struct sched_vcpu *v, uint64_t now)
{
	if (is_held(v))
		return false;
	/* The event is taken before the vCPU looks at what it was about: none is lost. */
	bool event = __atomic_exchange_n(&v->event, 0, __ATOMIC_SEQ_CST) != 0;

	if (v->state == SCHED_RUNNABLE || event || vcpu_requests(v->run))
		return true;
	return v->run->wake_tsc != WAKE_NEVER && now >= v->run->wake_tsc;
}

struct sched_vcpu *queue_pick(struct sched_queue *q, uint64_t now)
{
	for (struct sched_vcpu *v = q->first; v; v = v->next) {
		if (!wants_to_run(v, now))
			continue;
		v->state = SCHED_RUNNABLE;
		if (q->last != v) {
			queue_remove(q, v);
			queue_add(q, v);
		}
		return v;
	}
	return NULL;
}

uint64_t queue_next_wake(const struct sched_queue *q)
{
	uint64_t next = WAKE_NEVER;

	for (const struct sched_vcpu *v = q->first; v; v = v->next)
		if (v->state == SCHED_WAITING && v->run->wake_tsc < next && !is_held(v))
			next = v->run->wake_tsc;
	return next;
}
