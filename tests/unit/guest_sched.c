/*
 * guest_sched.c - what the queue of a CPU and a guest's output promise.
 *
 * links: kernel/guest/queue.c kernel/guest/output.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/guest/output.h"
#include "kernel/guest/queue.h"
#include "tests/host/machine.h"

static struct sched_queue q;
static struct sched_vcpu v[4];
static struct vcpu_run run[4];

static int start_queue(void **state)
{
	(void)state;
	memset(&q, 0, sizeof(q));
	memset(v, 0, sizeof(v));
	memset(run, 0, sizeof(run));
	for (unsigned i = 0; i < 4; i++) {
		v[i].run = &run[i];
		v[i].index = i;
		v[i].state = SCHED_RUNNABLE;
		run[i].wake_tsc = WAKE_NEVER;
	}
	return 0;
}

static void runnable_vcpus_take_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		queue_add(&q, &v[i]);
	for (unsigned i = 0; i < 9; i++)
		assert_ptr_equal(queue_pick(&q, i), &v[i % 3]);
	assert_int_equal(q.count, 3);
}

static void waiting_vcpus_wait_for_their_time(void **state)
{
	(void)state;
	queue_add(&q, &v[0]);
	v[0].state = SCHED_WAITING;
	run[0].wake_tsc = 100;
	assert_null(queue_pick(&q, 99));
	assert_int_equal(queue_next_wake(&q), 100);
	assert_ptr_equal(queue_pick(&q, 100), &v[0]);
	assert_int_equal(v[0].state, SCHED_RUNNABLE);
	assert_int_equal(queue_next_wake(&q), WAKE_NEVER);
}

static void an_event_wakes_once(void **state)
{
	(void)state;
	queue_add(&q, &v[0]);
	v[0].state = SCHED_WAITING;
	v[0].event = 1;
	assert_ptr_equal(queue_pick(&q, 0), &v[0]);
	v[0].state = SCHED_WAITING;
	assert_null(queue_pick(&q, 0));
	vcpu_request(&run[0], VCPU_REQ_STOP);
	assert_ptr_equal(queue_pick(&q, 0), &v[0]);
}

static void a_held_one_waits_and_loses_no_event(void **state)
{
	(void)state;
	queue_add(&q, &v[0]);
	vcpu_request(&run[0], VCPU_REQ_HOLD);
	v[0].event = 1;
	run[0].wake_tsc = 5;
	v[0].state = SCHED_WAITING;
	assert_null(queue_pick(&q, 10));
	assert_int_equal(queue_next_wake(&q), WAKE_NEVER);
	vcpu_request(&run[0], VCPU_REQ_STOP); /* its end comes first */
	assert_ptr_equal(queue_pick(&q, 10), &v[0]);
	v[0].state = SCHED_WAITING;
	v[0].event = 1;
	vcpu_take_requests(&run[0], VCPU_REQ_STOP);
	assert_null(queue_pick(&q, 0));
	vcpu_take_requests(&run[0], VCPU_REQ_HOLD);
	assert_ptr_equal(queue_pick(&q, 0), &v[0]); /* the event was kept */
}

static void removal_keeps_the_rest_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		queue_add(&q, &v[i]);
	queue_remove(&q, &v[3]);
	queue_remove(&q, &v[0]);
	assert_ptr_equal(queue_pick(&q, 0), &v[1]);
	assert_ptr_equal(queue_pick(&q, 0), &v[2]);
	queue_remove(&q, &v[1]);
	queue_remove(&q, &v[2]);
	assert_null(queue_pick(&q, 0));
	assert_null(q.last);
	queue_add(&q, &v[0]);
	assert_ptr_equal(queue_pick(&q, 0), &v[0]);
	if (EXPECT_PANIC()) {
		queue_remove(&q, &v[1]);
		machine_no_panic();
	}
	assert_non_null(machine_panicked());
}

/* ---- output ---- */

static struct output *o;
static char seen[4096];
static size_t seen_length;
static unsigned calls;

static bool sink_is_full;

static bool sink(void *ctx, const char *text, size_t length)
{
	(void)ctx;
	if (sink_is_full)
		return false;
	assert_true(seen_length + length < sizeof(seen));
	memcpy(seen + seen_length, text, length);
	seen_length += length;
	seen[seen_length] = 0;
	calls++;
	return true;
}

static int start_output(void **state)
{
	(void)state;
	seen_length = calls = 0;
	sink_is_full = false;
	seen[0] = 0;
	o = malloc(sizeof(*o));
	output_init(o, "vm1", sink, NULL);
	return 0;
}

static int end_output(void **state)
{
	(void)state;
	free(o);
	return 0;
}

static void say(const char *text)
{
	while (*text)
		output_byte(o, (uint8_t)*text++);
}

static void lines_are_prefixed_and_come_in_one_piece(void **state)
{
	(void)state;
	say("one\r\ntw");
	assert_string_equal(seen, "vm1| one\n");
	say("o\n\nthree");
	assert_string_equal(seen, "vm1| one\nvm1| two\nvm1| \n");
	assert_int_equal(calls, 3);
	output_flush(o);
	output_flush(o);
	assert_string_equal(seen, "vm1| one\nvm1| two\nvm1| \nvm1| three\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	(void)state;
	say("a\x1b[2Jb\tc\x7f\n");
	assert_string_equal(seen, "vm1| a[2Jb\tc\n");
}

static void a_line_without_end_is_cut(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OUTPUT_LINE_MAX + 1; i++)
		output_byte(o, 'x');
	assert_int_equal(calls, 1);
	assert_int_equal(seen_length, strlen("vm1| ") + OUTPUT_LINE_MAX + 1);
}

static void attached_output_is_raw(void **state)
{
	(void)state;
	say("half");
	output_attach(o, true);
	say("\x1b[2J!");
	assert_string_equal(seen, "vm1| half\n\x1b[2J!");
	output_attach(o, false);
	say("x\n");
	assert_string_equal(seen, "vm1| half\n\x1b[2J!vm1| x\n");
}

static void a_flood_is_cut_and_the_loss_is_told(void **state)
{
	(void)state;
	say("first\n");
	sink_is_full = true;
	say("second\nthird\n");
	assert_int_equal(o->lost, 2);
	assert_true(output_contains(o, 0, "third")); /* `expect` sees it all the same */
	sink_is_full = false;
	say("fourth\nfifth\n");
	assert_string_equal(seen, "vm1| first\nvm1| [2 lines lost]\nvm1| fourth\nvm1| fifth\n");
}

static void text_is_found_as_far_as_it_is_kept(void **state)
{
	(void)state;
	say("needle ");
	assert_true(output_contains(o, 0, "needle"));
	assert_false(output_contains(o, 1, "needle"));
	assert_false(output_contains(o, 0, ""));
	assert_false(output_contains(o, 0, "needle and more"));
	o->attached = true; /* no lines */
	o->sink = NULL;
	for (unsigned i = 0; i < OUTPUT_KEEP; i++)
		o->kept[o->total++ % OUTPUT_KEEP] = '.';
	assert_false(output_contains(o, 0, "needle"));
	for (const char *c = "across"; *c; c++)
		o->kept[o->total++ % OUTPUT_KEEP] = *c;
	assert_true(output_contains(o, 0, ".across")); /* over the edge of the ring */
}

int main(void)
{
#define Q(f) cmocka_unit_test_setup(f, start_queue)
#define O(f) cmocka_unit_test_setup_teardown(f, start_output, end_output)
	const struct CMUnitTest tests[] = {
		Q(runnable_vcpus_take_turns), Q(waiting_vcpus_wait_for_their_time),
		Q(an_event_wakes_once), Q(a_held_one_waits_and_loses_no_event),
		Q(removal_keeps_the_rest_in_order),
		O(lines_are_prefixed_and_come_in_one_piece),
		O(control_characters_do_not_reach_the_terminal), O(a_line_without_end_is_cut),
		O(attached_output_is_raw), O(a_flood_is_cut_and_the_loss_is_told), O(text_is_found_as_far_as_it_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
