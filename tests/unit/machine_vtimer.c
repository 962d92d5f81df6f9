/*
 * machine_vtimer.c - what the queues of virtual timers promise.
 *
 * links: kernel/machine/vtimer.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>

#include "kernel/machine/vtimer.h"
#include "tests/host/machine.h"

static struct vtimer t[4];
static char order[16];
static unsigned calls;
static uint64_t again_at;

static void note(void *ctx)
{
	order[calls++] = (char)('0' + (struct vtimer *)ctx - t);
	order[calls] = 0;
}

static void note_and_arm(void *ctx)
{
	note(ctx);
	vtimer_arm(ctx, again_at);
}

static int start_queues(void **state)
{
	(void)state;
	machine_start(64 << 20, 2);
	return vtimer_start();
}

/* Each test leaves the queues empty behind it. */
static int start(void **state)
{
	(void)state;
	machine_cpu(0);
	for (unsigned i = 0; i < 4; i++)
		vtimer_init(&t[i], note, &t[i]);
	calls = 0;
	order[0] = 0;
	return 0;
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
	(void)state;
	uint64_t far = tsc_now() + (UINT64_C(1) << 50);

	vtimer_arm(&t[0], 300);
	vtimer_arm(&t[1], 100);
	vtimer_arm(&t[2], 200);
	vtimer_arm(&t[3], far);
	assert_int_equal(vtimer_next(), 100);
	vtimer_run();
	assert_string_equal(order, "120");
	assert_int_equal(vtimer_next(), far);
	assert_false(vtimer_armed(&t[0]));
	assert_true(vtimer_armed(&t[3]));
	vtimer_run();
	assert_string_equal(order, "120");
}

static void arming_again_replaces_the_deadline(void **state)
{
	(void)state;
	vtimer_arm(&t[0], 100);
	vtimer_arm(&t[0], UINT64_MAX - 1);
	vtimer_run();
	assert_int_equal(calls, 0);
	assert_int_equal(vtimer_next(), UINT64_MAX - 1);
	vtimer_arm(&t[0], VTIMER_NEVER);
	assert_int_equal(vtimer_next(), VTIMER_NEVER);
}

static void a_cancelled_timer_is_silent(void **state)
{
	(void)state;
	vtimer_arm(&t[0], 1);
	vtimer_arm(&t[1], 2);
	vtimer_arm(&t[2], 3);
	vtimer_cancel(&t[1]);
	vtimer_cancel(&t[3]);
	vtimer_run();
	assert_string_equal(order, "02");
}

/* A period that has passed already costs one call in each round, not an endless one. */
static void one_that_arms_itself_for_the_past_waits_for_the_next_round(void **state)
{
	(void)state;
	vtimer_init(&t[0], note_and_arm, &t[0]);
	again_at = 1;
	vtimer_arm(&t[0], 1);
	vtimer_run();
	assert_int_equal(calls, 1);
	vtimer_run();
	assert_int_equal(calls, 2);
}

static void a_timer_moves_to_the_cpu_that_arms_it(void **state)
{
	(void)state;
	vtimer_arm(&t[0], 1);
	machine_cpu(1);
	vtimer_run();
	assert_int_equal(calls, 0);
	vtimer_arm(&t[0], 1);
	machine_cpu(0);
	assert_int_equal(vtimer_next(), VTIMER_NEVER);
	vtimer_run();
	assert_int_equal(calls, 0);
	machine_cpu(1);
	vtimer_run();
	assert_int_equal(calls, 1);
}

/* ---- an end while the function runs on another CPU ---- */

static volatile int inside, leave;

static void slow(void *ctx)
{
	__atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&leave, __ATOMIC_SEQ_CST))
		;
	vtimer_arm(ctx, 1);
	__atomic_store_n(&inside, 0, __ATOMIC_SEQ_CST);
}

static void *other_cpu(void *arg)
{
	(void)arg;
	machine_cpu(1);
	vtimer_arm(&t[0], 1);
	vtimer_run();
	return NULL;
}

static void *let_go(void *arg)
{
	(void)arg;
	__atomic_store_n(&leave, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void after_its_end_nobody_touches_it(void **state)
{
	pthread_t cpu, release;

	(void)state;
	leave = 0;
	vtimer_init(&t[0], slow, &t[0]);
	pthread_create(&cpu, NULL, other_cpu, NULL);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		;
	pthread_create(&release, NULL, let_go, NULL);
	vtimer_fini(&t[0]);
	assert_false(inside);
	assert_false(vtimer_armed(&t[0]));
	pthread_join(cpu, NULL);
	pthread_join(release, NULL);
	machine_cpu(1);
	assert_int_equal(vtimer_next(), VTIMER_NEVER);
}

static int empty(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		vtimer_fini(&t[i]);
	return 0;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, empty)
	const struct CMUnitTest tests[] = {
		T(timers_fire_in_the_order_of_their_deadlines),
		T(arming_again_replaces_the_deadline),
		T(a_cancelled_timer_is_silent),
		T(one_that_arms_itself_for_the_past_waits_for_the_next_round),
		T(a_timer_moves_to_the_cpu_that_arms_it),
		T(after_its_end_nobody_touches_it),
	};

	return cmocka_run_group_tests(tests, start_queues, NULL);
}
