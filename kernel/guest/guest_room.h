/*
 * guest_room.h - what guest.c and sched.c tell each other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_GUEST_ROOM_H
#define TAIN_GUEST_GUEST_ROOM_H

#include "kernel/guest/guest.h"

/* guest.c: one stay of @v on this CPU, whatever its kind. Interrupts off. */
enum vcpu_outcome guest_vcpu_run(struct sched_vcpu *v);

/*
 * guest.c: @v is out of its queue for ever, with @outcome, or because somebody asked (RUN_AGAIN).
 * The guest may be gone when this returns.
 */
void guest_vcpu_ended(struct sched_vcpu *v, enum vcpu_outcome outcome);

struct guest_debug;

/* debug.c, on the vCPU's CPU within its slice: it came out with RUN_TRAPPED. */
void debug_trapped(struct sched_vcpu *v);
/* The same, with RUN_STOPPED or RUN_DEAD: true: a debugger keeps it for a look; v->end is @outcome. */
bool debug_keeps(struct sched_vcpu *v, enum vcpu_outcome outcome);
/* The guest was built: should it be held at its first instruction? Its vCPUs run from here on. */
bool debug_holds_start(struct guest *g);
/* It has ended; nothing of it is there any more. Boot CPU. */
void debug_ended(struct guest *g);

/* guest_mc.c: guests whose pages machine checks named end. Boot CPU, each round. */
void guests_machine_checks(void);

/* guest.c: it must not go on: dead, with @reason. */
void guest_kill(struct guest *g, const char *reason);

/* guest.c: take down guests whose vCPUs all ended. Boot CPU, each round. */
void guests_reap(void);

#endif
