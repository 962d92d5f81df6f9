/*
 * watchdog.c - who makes no progress. Contract: watchdog.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/watchdog.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/crash.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"
#include "kernel/machine/vtimer.h"

#define LOOKS     4 /* in the time after which a CPU is stuck */
#define PROBE_US  200000 /* an emulator may be away for a while */
#define FRAMES    16
#define WATCHERS  2 /* the boot CPU and the first other one */

static struct {
	uint64_t limit, period; /* ticks; 0: off */
	void (*more)(uint64_t limit_ticks);
	struct watcher {
		unsigned cpu;
		bool there;
		struct vtimer timer;
		uint64_t next; /* TSC of the next look */
	} watcher[WATCHERS];
	struct watched {
		uint64_t beat, since; /* as seen last, and when it was new */
		bool said;
	} cpu[CPU_MAX];
} dog;

/* --- one CPU ------------------------------------------------------------------------------- */

/* A line of the backtrace, whose newline the log adds itself. */
static void to_log(const char *text) { log_warn("%.*s", (int)__builtin_strlen(text) - 1, text); }

/* Where it is now, by an NMI that leaves RIP and RBP behind; its stack then stands still or not. */
static void say_where(struct cpu *c)
{
	uint64_t start = tsc_now();

	__atomic_store_n(&c->probe, PROBE_WANTED, __ATOMIC_SEQ_CST);
	apic_send_nmi(c->apic_id);
	while (__atomic_load_n(&c->probe, __ATOMIC_ACQUIRE) == PROBE_WANTED &&
	       tsc_now() - start < us_to_ticks(PROBE_US))
		cpu_pause();
	if (__atomic_exchange_n(&c->probe, PROBE_NONE, __ATOMIC_ACQ_REL) == PROBE_TAKEN)
		backtrace_say(to_log, c->probe_rip, c->probe_rbp, FRAMES);
	else
		log_warn("watchdog: it does not even take an NMI");
}

static void say_stuck(struct cpu *c, uint64_t ticks)
{
	if (console_is_held(us_to_ticks(PROBE_US)))
		panic("watchdog: CPU %u is stuck (running: %s) and so is the console", c->index, c->running);
	log_warn("watchdog: CPU %u has made no progress for %llu s, running: %s", c->index,
		 (unsigned long long)(ticks_to_us(ticks) / 1000000), c->running);
	say_where(c);
	console_flush(); /* who feeds the console may be the one */
}

static void look_at(struct cpu *c, uint64_t now)
{
	struct watched *w = &dog.cpu[c->index];
	uint64_t beat = __atomic_load_n(&c->beat, __ATOMIC_RELAXED);

	if (beat != w->beat || __atomic_load_n(&c->asleep, __ATOMIC_RELAXED) || !w->since) {
		if (w->said && beat != w->beat)
			log_warn("watchdog: CPU %u goes on after %llu s", c->index,
				 (unsigned long long)(ticks_to_us(now - w->since) / 1000000));
		*w = (struct watched){ .beat = beat, .since = now };
	} else if (!w->said && now - w->since >= dog.limit) {
		w->said = true;
		say_stuck(c, now - w->since);
	}
}

/* --- who watches whom ---------------------------------------------------------------------- */

static void look(struct watcher *w)
{
	uint64_t now = tsc_now();

	w->next = now + dog.period;
	if (w->cpu != 0) {
		look_at(cpu_get(0), now);
		return;
	}
	for (unsigned i = 1; i < cpu_count(); i++)
		if (cpu_is_online(i))
			look_at(cpu_get(i), now);
}

static void tick(void *ctx)
{
	struct watcher *w = ctx;

	look(w);
	if (w->cpu == 0 && dog.more)
		dog.more(dog.limit);
	vtimer_arm(&w->timer, w->next);
}

void watchdog_poll(void)
{
	for (unsigned i = 0; i < WATCHERS && dog.period; i++) {
		struct watcher *w = &dog.watcher[i];

		if (w->there && w->cpu == cpu_index() && tsc_now() >= w->next)
			look(w);
	}
}

static void begin(void *ctx)
{
	struct watcher *w = ctx;

	vtimer_init(&w->timer, tick, w);
	w->next = tsc_now() + dog.period;
	w->there = true;
	vtimer_arm(&w->timer, w->next);
}

void watchdog_start(unsigned seconds, void (*more)(uint64_t limit_ticks))
{
	unsigned other = 1;

	if (!seconds)
		return;
	dog.limit = us_to_ticks((uint64_t)seconds * 1000000);
	dog.period = dog.limit / LOOKS;
	dog.more = more;
	while (other < cpu_count() && !cpu_is_online(other))
		other++;
	begin(&dog.watcher[0]);
	if (other == cpu_count())
		return;
	dog.watcher[1].cpu = other;
	cpu_call(other, begin, &dog.watcher[1]);
}

/* --- inject -------------------------------------------------------------------------------- */

static struct {
	struct vtimer timer;
	uint64_t us;
} stuck;

static void be_stuck(void *unused)
{
	(void)unused;
	delay_us(stuck.us);
}

static void arm_stuck(void *unused)
{
	(void)unused;
	vtimer_init(&stuck.timer, be_stuck, NULL);
	vtimer_arm(&stuck.timer, tsc_now());
}

int watchdog_inject(unsigned cpu, uint64_t us)
{
	if (cpu >= cpu_count() || !cpu_is_online(cpu) || vtimer_armed(&stuck.timer))
		return -ENODEV;
	stuck.us = us;
	cpu_call(cpu, arm_stuck, NULL);
	return 0;
}
