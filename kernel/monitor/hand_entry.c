/*
 * hand_entry.c - a stay by hand lasts no longer than a slice of the run loop. Contract: tdx/by_hand.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/sched.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/hand_entry.h"

static uint64_t begin(void)
{
	uint64_t flags = irq_save();

	timer_set(tsc_now() + us_to_ticks(SCHED_SLICE_US));
	return flags;
}

/* Who had set the timer looks at the clock after any tick: one that comes at once harms nobody. */
static void end(uint64_t flags)
{
	timer_set(tsc_now());
	irq_restore(flags);
}

const struct hand_bounds hand_entry_bounds = { begin, end };
