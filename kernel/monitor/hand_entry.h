/*
 * hand_entry.h - what bounds a stay in a guest that is entered by hand, outside the run loop.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_HAND_ENTRY_H
#define TAIN_MONITOR_HAND_ENTRY_H

#include "tdx/by_hand.h"

/* Interrupts off, and the timer ends it after a slice of the run loop. */
extern const struct hand_bounds hand_entry_bounds;

#endif
