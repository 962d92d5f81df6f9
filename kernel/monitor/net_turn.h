/*
 * net_turn.h - what the network's uses want of the monitor, in the monitor's own turn: lines of the remote
 * console are run, guests whose files have come are started.
 *
 * Invariant: a guest of `start` whose files come from the network does not hold up the boot: it is started
 * when they are here, or refused when they cannot come.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_NET_TURN_H
#define TAIN_MONITOR_NET_TURN_H

#include "kernel/base/types.h"

struct call;
struct guest;

/* True: @g waits for files; it is started later. Else start it now. */
bool net_turn_defers(struct guest *g);

/* @g is another one now: if it waits, it does no more. */
void net_turn_forget(const struct guest *g);

/* Wait until the files of @g are here. 0, or why not by command_fail(). */
int net_turn_files(struct call *c, struct guest *g) MUST_CHECK;

/* If @g is one that net_turn_defers() has put off: wait until it was started or refused. As net_turn_files(). */
int net_turn_started(struct call *c, struct guest *g) MUST_CHECK;

/* Is it a line of the remote console that runs? */
bool net_turn_is_remote(void);

/* A line of the remote console runs, and whoever typed it has gone or typed ^C. */
bool net_turn_interrupts(void);

/* Each round, while no command runs. */
void net_turn(void);

#endif
