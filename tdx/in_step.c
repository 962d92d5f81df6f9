/*
 * in_step.c - all CPUs go through a list of phases together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/in_step.h"

#include "kernel/base/lock.h"
#include "kernel/machine/port.h"

struct walk {
	const struct in_step_phase *phases;
	void *ctx;
	struct in_step_end *end;
	unsigned cpus, last;
	uint32_t arrived; /* at barriers, of all rounds; atomic */
	uint32_t turn;    /* calls that were made or skipped, of all phases; atomic */
};

static void wait_for(const uint32_t *counter, uint32_t value)
{
	while ((int32_t)(__atomic_load_n(counter, __ATOMIC_ACQUIRE) - value) < 0)
		cpu_relax();
}

static void meet(struct walk *w)
{
	uint32_t mine = __atomic_fetch_add(&w->arrived, 1, __ATOMIC_ACQ_REL);

	wait_for(&w->arrived, (mine / w->cpus + 1) * w->cpus);
}

static unsigned place_of(const struct walk *w, unsigned cpu)
{
	if (cpu == w->last)
		return w->cpus - 1;
	return cpu < w->last ? cpu : cpu - 1;
}

/* Turns follow one another, so one CPU at a time reads and writes w->end. */
static void take_turn(struct walk *w, unsigned nth)
{
	const struct in_step_phase *phase = &w->phases[nth];
	unsigned cpu = cpu_index(), place = place_of(w, cpu);

	wait_for(&w->turn, nth * w->cpus + place);
	if (!w->end->failed && (phase->who == STEP_EACH_CPU || place == 0)) {
		tdx_status_t st = phase->call(w->ctx);

		if (!tdx_ok(st))
			*w->end = (struct in_step_end){ phase, st, cpu };
	}
	__atomic_fetch_add(&w->turn, 1, __ATOMIC_RELEASE);
}

static void walk_here(void *arg)
{
	struct walk *w = arg;

	meet(w);
	for (unsigned nth = 0; w->phases[nth].name; nth++) {
		take_turn(w, nth);
		meet(w);
	}
}

void tdx_in_step(const struct in_step_phase *phases, unsigned last, void *ctx, struct in_step_end *end)
{
	struct walk w = { .phases = phases, .ctx = ctx, .end = end, .cpus = cpu_count(), .last = last };

	*end = (struct in_step_end){ 0 };
	cpu_call_all(walk_here, &w);
}
