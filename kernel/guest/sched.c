/*
 * sched.c - the run loop of each CPU.
 *
 * The queue of a CPU is changed under its lock, by others only to add; a vCPU that ended is taken
 * out by its own CPU. The lock is not held while a vCPU runs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/sched.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "kernel/base/trace.h"
#include "kernel/guest/debug.h"
#include "kernel/guest/guest_room.h"
#include "kernel/guest/queue.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/wire.h"
#include "kernel/machine/time.h"
#include "kernel/machine/vtimer.h"

/* The boot CPU looks at the console this often where nothing wakes it. */
#define CONSOLE_POLL_US 2000
/* And this often while text waits to be drawn on the screen. */
#define SCREEN_POLL_US 20000
/* A stay is never shorter than this, so that a guest gets on however often its timers fire. */
#define STAY_MIN_US 20

struct sched_cpu {
	spinlock_t lock;
	struct sched_queue queue; /* lock */
	uint64_t slices, rounds, kicks;
	uint64_t began;      /* TSC at which this CPU entered the loop */
	uint64_t busy_ticks; /* of it in rounds that are over, without what they slept */
	uint64_t round_began, round_slept; /* TSC and idle_ticks when the round under way began */
} ALIGNED(64);

static struct {
	struct sched_cpu *cpu;
	void (*poll_hook)(void);
	void (*net_poll)(void);
	uint64_t (*net_next)(void);
	bool in_hook;
	uint64_t slice_ticks, stay_min_ticks;
} sched;

static void nothing_more_than_wake(void)
{
}

int sched_init(void)
{
	sched.cpu = heap_alloc(cpu_count() * sizeof(sched.cpu[0]));
	sched.slice_ticks = us_to_ticks(SCHED_SLICE_US);
	sched.stay_min_ticks = us_to_ticks(STAY_MIN_US);
	timer_on_tick(nothing_more_than_wake);
	return sched.cpu ? vtimer_start() : -ENOMEM;
}

void sched_set_poll_hook(void (*hook)(void))
{
	sched.poll_hook = hook;
}

void sched_set_net_hook(void (*poll)(void), uint64_t (*next)(void))
{
	sched.net_poll = poll;
	sched.net_next = next;
}

static struct sched_cpu *here(void)
{
	return &sched.cpu[cpu_index()];
}

/* ---- queues ---- */

void sched_add(struct sched_vcpu *v)
{
	struct sched_cpu *c = &sched.cpu[v->cpu];

	v->state = SCHED_RUNNABLE;
	spin_lock(&c->lock);
	queue_add(&c->queue, v);
	spin_unlock(&c->lock);
	sched_kick(v->cpu);
}

unsigned sched_place(void)
{
	unsigned best = 0;

	/* Among equals the boot CPU comes last: it has the console, and builds guests. */
	for (unsigned i = 1; i < cpu_count(); i++) {
		unsigned count = sched.cpu[i].queue.count, least = sched.cpu[best].queue.count;

		if (cpu_get(i)->online && (count < least || (count == least && best == 0)))
			best = i;
	}
	return best;
}

void sched_wake(struct sched_vcpu *v)
{
	__atomic_store_n(&v->event, 1, __ATOMIC_SEQ_CST);
	sched_kick(v->cpu);
}

void sched_kick(unsigned cpu)
{
	__atomic_fetch_add(&sched.cpu[cpu].kicks, 1, __ATOMIC_RELAXED);
	cpu_kick(cpu);
}

/* ---- one turn ---- */

static void retire(struct sched_cpu *c, struct sched_vcpu *v, enum vcpu_outcome outcome)
{
	spin_lock(&c->lock);
	queue_remove(&c->queue, v);
	spin_unlock(&c->lock);
	v->state = SCHED_OFF;
	guest_vcpu_ended(v, outcome);
}

/* A stay ends with the slice, or when the next virtual timer of this CPU is due. */
static uint64_t stay_ticks(void)
{
	uint64_t next = vtimer_next(), now = tsc_now();

	if (next == VTIMER_NEVER || next > now + sched.slice_ticks)
		return sched.slice_ticks;
	return next > now + sched.stay_min_ticks ? next - now : sched.stay_min_ticks;
}

/* False: it has come to its end. */
static bool after_slice(struct sched_cpu *c, struct sched_vcpu *v, enum vcpu_outcome outcome)
{
	switch (outcome) {
	case RUN_WAIT:
		v->state = SCHED_WAITING;
		v->waits++;
		break;
	case RUN_TRAPPED:
		debug_trapped(v);
		break;
	case RUN_STOPPED:
	case RUN_DEAD:
		if (debug_keeps(v, outcome))
			break;
		retire(c, v, outcome);
		return false;
	case RUN_AGAIN:
		break;
	}
	return true;
}

/* Turns of one vCPU after another that ended alike are one record. */
static void trace_slice(const struct sched_vcpu *v, enum vcpu_outcome outcome, uint64_t start,
			uint64_t end)
{
	if (trace_on(TRACE_SCHED))
		trace_add_run(&(struct trace_record){
			.tsc = end,
			.ticks = (uint32_t)(end - start),
			.leaf = outcome,
			.kind = TRACE_SCHED,
			.vcpu = (uint8_t)v->index,
			.guest = v->trace_id,
			.cpu = cpu_index(),
		});
}

static void run_slice(struct sched_cpu *c, struct sched_vcpu *v)
{
	/* One of the two sees the other: who holds it waits for in_slice, or we see it. */
	__atomic_store_n(&v->in_slice, 1, __ATOMIC_SEQ_CST);

	uint32_t requests = __atomic_load_n(&v->run->requests, __ATOMIC_SEQ_CST);

	if (unlikely((requests & (VCPU_REQ_STOP | VCPU_REQ_HOLD)) || v->end)) {
		if ((requests & VCPU_REQ_STOP) || !(requests & VCPU_REQ_HOLD))
			retire(c, v, requests & VCPU_REQ_STOP ? RUN_AGAIN : (enum vcpu_outcome)v->end);
		else
			__atomic_store_n(&v->in_slice, 0, __ATOMIC_RELEASE);
		return;
	}
	v->run->slice_tsc = stay_ticks();

	uint64_t start = tsc_now();
	enum vcpu_outcome outcome = guest_vcpu_run(v);
	uint64_t end = tsc_now();

	v->run_ticks += end - start;
	trace_slice(v, outcome, start, end);
	v->slices++;
	c->slices++;
	if (after_slice(c, v, outcome))
		__atomic_store_n(&v->in_slice, 0, __ATOMIC_RELEASE);
}

static void poll_net(void)
{
	if (!sched.net_poll)
		return;
	irq_enable();
	sched.net_poll();
	irq_disable();
}

/* False: there was nothing to do. Interrupts off. */
static bool one_round(void)
{
	struct sched_cpu *c = here();

	c->rounds++;
	irq_window();
	if (cpu_index() == 0) {
		guests_reap();
		poll_net();
	}
	vtimer_run();
	spin_lock(&c->lock);
	struct sched_vcpu *v = queue_pick(&c->queue, tsc_now());
	spin_unlock(&c->lock);
	if (v)
		run_slice(c, v);
	return v != NULL;
}

/* Until something comes, a vCPU's or a timer's time has come, or the console wants a look. */
static void idle(struct sched_cpu *c)
{
	spin_lock(&c->lock);
	uint64_t until = queue_next_wake(&c->queue);
	spin_unlock(&c->lock);
	if (vtimer_next() < until)
		until = vtimer_next();
	if (cpu_index() == 0) {
		/* A key that came after the monitor's look has had its interrupt already. */
		if (!sched.in_hook && (console_key_waiting() || wire_waiting()))
			return;
		struct console_stats console;
		console_stats(&console);
		bool soon = sched.in_hook || !console.interrupts || wire_is_polled();
		uint64_t look = tsc_now() + us_to_ticks(soon ? CONSOLE_POLL_US : SCREEN_POLL_US);

		if ((soon || console.screen_stale) && look < until)
			until = look;
		if (sched.net_next && sched.net_next() < until)
			until = sched.net_next();
		if (until <= tsc_now())
			return;
	}
	if (until != WAKE_NEVER)
		timer_set(until);
	cpu_idle();
	if (until != WAKE_NEVER)
		timer_set(0);
}

/* The monitor's turn, interrupts on so that the console moves while a command works. */
static void poll_console(void)
{
	console_poll();
	if (!sched.poll_hook || sched.in_hook)
		return;
	sched.in_hook = true;
	irq_enable();
	sched.poll_hook();
	irq_disable();
	sched.in_hook = false;
}

void sched_poll(void)
{
	uint64_t flags = irq_save();

	assert(cpu_index() == 0);
	console_poll();
	if (!one_round())
		idle(here());
	irq_restore(flags);
}

/* A command that waits sleeps within a round: that is not busy. A script is all within one. */
static uint64_t this_round(const struct sched_cpu *c)
{
	if (!c->round_began)
		return 0;
	return tsc_now() - c->round_began - (this_cpu()->idle_ticks - c->round_slept);
}

static bool busy_round(struct sched_cpu *c)
{
	c->round_began = tsc_now();
	c->round_slept = this_cpu()->idle_ticks;
	if (cpu_index() == 0)
		poll_console();

	bool ran = one_round();

	c->busy_ticks += this_round(c);
	c->round_began = 0;
	return ran;
}

NORETURN void sched_run(void)
{
	struct sched_cpu *c = here();

	irq_disable();
	c->began = tsc_now();
	for (;;) {
		if (!busy_round(c))
			idle(c);
	}
}

void sched_stats(unsigned cpu, struct sched_stats *out)
{
	const struct sched_cpu *c = &sched.cpu[cpu];
	uint64_t under_way = cpu == cpu_index() ? this_round(c) : 0; /* the others' are short */

	*out = (struct sched_stats){
		.slices = c->slices,
		.idle_ticks = cpu_get(cpu)->idle_ticks,
		.rounds = c->rounds,
		.kicks = c->kicks,
		.total_ticks = tsc_now() - c->began,
		.busy_ticks = c->busy_ticks + under_way,
		.vcpus = c->queue.count,
	};
}
