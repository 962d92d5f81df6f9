/*
 * queue.h - the vCPUs of one CPU, in the order of their turns. No machine below it: plain lists.
 *
 * Invariants
 *   - A vCPU is in at most one queue; the one that was picked last is at the end.
 *   - queue_pick() passes over those that wait, unless an event, a request or the time came, and over
 *     those that a debugger holds, whatever came: it is still there when they are let go.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_QUEUE_H
#define TAIN_GUEST_QUEUE_H

#include "kernel/guest/sched.h"

struct sched_queue {
	struct sched_vcpu *first, *last;
	unsigned count;
};

void queue_add(struct sched_queue *q, struct sched_vcpu *v);
void queue_remove(struct sched_queue *q, struct sched_vcpu *v);

/*
 * The next one to run at @now, moved to the end of the queue and marked runnable; NULL: none. Its
 * event is taken.
 */
struct sched_vcpu *queue_pick(struct sched_queue *q, uint64_t now);

/* When the first of those that wait for a time wants to be looked at; WAKE_NEVER: none does. */
uint64_t queue_next_wake(const struct sched_queue *q);

#endif
