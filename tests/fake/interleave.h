/*
 * interleave.h - run a few tasks on one thread, switching between them at every access that another
 * CPU could see, in an order that is chosen, counted and can be played again.
 *
 * The code under test is compiled into the test once more, after this header: its atomic accesses
 * then announce themselves (the macros at the end), and waiting for another CPU (cpu_relax) gives
 * way to the next task. Nothing in the code itself knows of it.
 *
 * Invariants
 *   - One task runs at a time; a switch happens only just before an announced access.
 *   - The order is a function of the choices alone: the same choices, or the same seed, give the
 * same accesses in the same order, of which interleave_hash() is the proof.
 *   - The check runs before every announced access, so after every one that wrote.
 *
 * Outside of interleave_run() an access announces nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_INTERLEAVE_H
#define TAIN_TESTS_FAKE_INTERLEAVE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define INTERLEAVE_TASKS 3u

struct interleave_test {
	unsigned tasks;
	void (*run)(unsigned task);               /* as CPU 1 + task */
	const char *(*check)(void);               /* what is wrong, or NULL */
	bool (*matters)(const volatile void *at); /* is an access to @at worth a switch? */
};

/*
 * Every order with at most @preemptions switches that the running task did not ask for:
 * interleave_first(n), then interleave_run() while interleave_next(). Or one order drawn from
 * @seed.
 */
void interleave_first(unsigned preemptions);
bool interleave_next(void);
void interleave_seed(uint64_t seed);

/* NULL: all tasks ended and every check was content; else what was wrong. */
const char *interleave_run(const struct interleave_test *test);

/* Of the last run: its accesses in their order, how many, and how many preemptions. */
uint64_t interleave_hash(void);
unsigned interleave_steps(void);
unsigned interleave_switches(void);
/* Its order, as text: each switch as STEP:TASK. */
const char *interleave_text(void);

/* Who is running. */
unsigned interleave_task(void);

/* An access to @at is next. */
void interleave_point(const volatile void *at);
/* The running task waits for another one. Always 0, as sched_yield(). */
int interleave_relax(void);

/*
 * The seam. A macro is not expanded inside itself, so the last word of each is the builtin. Relaxed
 * accesses order nothing and carry no entry.
 */
#define INTERLEAVE_AT(p, order)      ((order) == __ATOMIC_RELAXED ? (void)0 : interleave_point(p))
#define __atomic_load_n(p, o)        (INTERLEAVE_AT(p, o), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o)    (INTERLEAVE_AT(p, o), __atomic_store_n(p, v, o))
#define __atomic_exchange_n(p, v, o) (INTERLEAVE_AT(p, o), __atomic_exchange_n(p, v, o))
#define __atomic_compare_exchange_n(p, e, v, weak, o, f) \
	(INTERLEAVE_AT(p, o), __atomic_compare_exchange_n(p, e, v, weak, o, f))
/* What cpu_relax() is on a desk. */
#define sched_yield() interleave_relax()

#endif
