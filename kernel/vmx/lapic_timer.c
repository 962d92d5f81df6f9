/*
 * lapic_timer.c - the local APIC's timer: one-shot, periodic and TSC-deadline, on the deadline queue.
 *
 * Invariant: a periodic timer whose vCPU did not run fires once for all that it missed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/lapic_room.h"

#include "kernel/machine/port.h"

#define LVT_MASKED BIT32(16)
#define TIMER_MODE(lvt) (((lvt) >> 17) & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

static unsigned mode(const struct lapic *l)
{
	return TIMER_MODE(l->lvt[LVT_TIMER]);
}

/* Divide configuration bits 3, 1, 0: 2, 4, ... 128, and 1. */
static unsigned divider_shift(const struct lapic *l)
{
	unsigned d = (l->divide & 3) | (l->divide >> 1 & 4);

	return (d + 1) & 7;
}

static uint64_t to_tsc(uint64_t bus_ticks)
{
	uint64_t hz = tsc_hz();

	return bus_ticks / LAPIC_BUS_HZ * hz + bus_ticks % LAPIC_BUS_HZ * hz / LAPIC_BUS_HZ;
}

static uint64_t to_bus(uint64_t tsc)
{
	uint64_t hz = tsc_hz();

	return tsc / hz * LAPIC_BUS_HZ + tsc % hz * LAPIC_BUS_HZ / hz;
}

static void arm(struct lapic *l, uint64_t due)
{
	l->due = due;
	vtimer_arm(&l->timer, due);
	l->ops->armed(l, due);
}

static void stop(struct lapic *l)
{
	l->period = 0;
	vtimer_cancel(&l->timer);
}

void lapic_timer_fired(void *lapic)
{
	struct lapic *l = lapic;
	uint32_t lvt = l->lvt[LVT_TIMER];

	l->fired++;
	l->deadline = 0;
	if (mode(l) == TIMER_PERIODIC && l->period) {
		uint64_t behind = tsc_now() - l->due;

		l->due += (behind / l->period + 1) * l->period;
		vtimer_arm(&l->timer, l->due);
	}
	if (!(lvt & LVT_MASKED))
		lapic_accept(l, &(struct intr_message){ .dest = l->id, .mode = INTR_FIXED,
							.vector = (uint8_t)lvt });
}

void lapic_timer_start(struct lapic *l)
{
	if (mode(l) == TIMER_DEADLINE)
		return;
	if (!l->initial) {
		stop(l);
		return;
	}

	uint64_t ticks = to_tsc((uint64_t)l->initial << divider_shift(l));

	l->period = ticks ? ticks : 1;
	arm(l, tsc_now() + l->period);
}

void lapic_timer_lvt(struct lapic *l, uint32_t was)
{
	bool from = TIMER_MODE(was) == TIMER_DEADLINE, to = mode(l) == TIMER_DEADLINE;

	if (from == to)
		return;
	stop(l); /* between deadline and count the timer is disarmed */
	l->deadline = 0;
	l->initial = 0;
}

uint32_t lapic_timer_count(const struct lapic *l)
{
	uint64_t now = tsc_now();

	if (mode(l) == TIMER_DEADLINE || !vtimer_armed(&l->timer) || now >= l->due)
		return 0;
	return (uint32_t)(to_bus(l->due - now) >> divider_shift(l));
}

uint64_t lapic_timer_deadline(const struct lapic *l)
{
	return mode(l) == TIMER_DEADLINE ? l->deadline : 0;
}

void lapic_timer_set_deadline(struct lapic *l, uint64_t guest_tsc)
{
	if (mode(l) != TIMER_DEADLINE)
		return;
	l->deadline = guest_tsc;
	if (guest_tsc)
		arm(l, guest_tsc - l->tsc_offset);
	else
		stop(l);
}
