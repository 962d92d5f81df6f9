/*
 * base_trace.c - the trace rings: order of time over all CPUs, what is lost is counted, equal records in
 * a row are one, and a reader beside a writer never sees half a record.
 *
 * links: kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/trace.h"

#define SMALL 16u

static struct trace_slot slots[3][SMALL];
static struct trace_reader reader;
static struct trace_record out[20000];

static void begin(void)
{
	memset(slots, 0, sizeof(slots));
	for (unsigned cpu = 0; cpu < 3; cpu++)
		trace_give_ring(cpu, slots[cpu], SMALL);
}

static void record(unsigned cpu, uint64_t tsc)
{
	trace_add(&(struct trace_record){ .cpu = cpu, .tsc = tsc, .kind = TRACE_SEAMCALL,
					  .a = { tsc, tsc, tsc, tsc, tsc, tsc } });
}

static void all_cpus_come_in_the_order_of_time(void **state)
{
	uint64_t lost = 0;

	(void)state;
	begin();
	record(1, 10);
	record(0, 20);
	record(2, 15);
	record(0, 30);
	record(1, 25);
	trace_from_oldest(&reader);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 5);
	for (unsigned i = 1; i < 5; i++)
		assert_true(out[i].tsc > out[i - 1].tsc);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 0);
	record(2, 40);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 1);
	assert_int_equal(out[0].tsc, 40);
	assert_int_equal(lost, 0);
	assert_int_equal(trace_count(), 6);
}

static void a_reader_stops_where_it_shall_and_goes_on_there(void **state)
{
	uint64_t lost = 0;

	(void)state;
	begin();
	for (unsigned i = 1; i <= 8; i++)
		record(i % 3, 10 * i);
	trace_from_oldest(&reader);
	assert_int_equal(trace_read(&reader, 45, out, 99, &lost), 4);
	assert_int_equal(trace_read(&reader, 45, out, 99, &lost), 0);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 3, &lost), 3);
	assert_int_equal(out[0].tsc, 50);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 1);
	trace_from_now(&reader);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 0);
}

static void what_was_overwritten_is_counted(void **state)
{
	uint64_t lost = 0;

	(void)state;
	begin();
	record(1, 1);
	trace_from_oldest(&reader);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 1);
	for (unsigned i = 0; i < SMALL + 5; i++)
		record(1, 100 + i);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), SMALL);
	assert_int_equal(lost, 5);
	assert_int_equal(out[0].tsc, 105);
}

static void equal_ones_in_a_row_are_one(void **state)
{
	struct trace_record ipi = { .kind = TRACE_IPI, .leaf = 2, .ticks = 5, .a = { 7 } };
	uint64_t lost = 0;

	(void)state;
	begin();
	for (unsigned i = 0; i < 4; i++) {
		ipi.tsc = 100 + i;
		trace_add_run(&ipi);
	}
	ipi.a[0] = 8; /* another CPU */
	trace_add_run(&ipi);
	record(0, 200);
	trace_add_run(&ipi); /* not in a row any more */
	trace_from_oldest(&reader);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 4);
	assert_int_equal(out[0].a[1], 4);
	assert_int_equal(out[0].tsc, 103);
	assert_int_equal(out[0].ticks, 20);
	assert_int_equal(out[1].a[1], 1);
}

static void the_newest_of_a_kind_is_found(void **state)
{
	struct trace_record r;

	(void)state;
	begin();
	assert_false(trace_newest(TRACE_SEAMCALL, &r));
	record(1, 10);
	record(2, 30);
	record(0, 20);
	for (unsigned i = 0; i < 5; i++)
		trace_add(&(struct trace_record){ .cpu = 2, .tsc = 40 + i, .kind = TRACE_IPI });
	assert_true(trace_newest(TRACE_SEAMCALL, &r));
	assert_int_equal(r.tsc, 30);
	assert_true(trace_newest(TRACE_IPI, &r));
	assert_int_equal(r.tsc, 44);
	assert_false(trace_newest(TRACE_VMEXIT, &r));
}

static void the_last_of_a_cpu_are_found(void **state)
{
	struct trace_record r[SMALL + 4];

	(void)state;
	begin();
	assert_int_equal(trace_last(0, r, 4), 0);
	for (unsigned i = 1; i <= 3; i++)
		record(0, i);
	record(1, 9);
	assert_int_equal(trace_last(0, r, 6), 3);
	assert_int_equal(r[0].tsc, 1);
	for (unsigned i = 4; i <= 40; i++)
		record(0, i);
	assert_int_equal(trace_last(0, r, 4), 4);
	assert_int_equal(r[0].tsc, 37);
	assert_int_equal(trace_last(0, r, SMALL + 4), SMALL);
	assert_int_equal(trace_last(500, r, 4), 0);
}

static void a_cpu_without_a_ring_is_not_traced(void **state)
{
	uint64_t lost = 0, before;

	(void)state;
	begin();
	before = trace_count();
	record(77, 5);
	assert_int_equal(trace_count(), before);
	trace_from_oldest(&reader);
	assert_int_equal(trace_read(&reader, UINT64_MAX, out, 99, &lost), 0);
}

/* ---- a reader beside writers ---- */

static bool over;

static void *writer(void *arg)
{
	unsigned cpu = *(unsigned *)arg;

	for (uint64_t i = 1; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++)
		record(cpu, i);
	return NULL;
}

static void half_a_record_is_never_seen(void **state)
{
	unsigned cpus[2] = { 0, 1 };
	pthread_t thread[2];
	uint64_t lost = 0, got = 0, last[2] = { 0 };

	(void)state;
	begin();
	over = false;
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, writer, &cpus[i]);
	trace_from_oldest(&reader);
	while (got < 100000) {
		size_t n = trace_read(&reader, UINT64_MAX, out, 8, &lost);

		for (size_t i = 0; i < n; i++) {
			for (unsigned k = 0; k < 6; k++)
				assert_int_equal(out[i].a[k], out[i].tsc);
			assert_true(out[i].tsc > last[out[i].cpu]);
			last[out[i].cpu] = out[i].tsc;
		}
		got += n;
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cpus_come_in_the_order_of_time),
		cmocka_unit_test(a_reader_stops_where_it_shall_and_goes_on_there),
		cmocka_unit_test(what_was_overwritten_is_counted),
		cmocka_unit_test(equal_ones_in_a_row_are_one),
		cmocka_unit_test(the_newest_of_a_kind_is_found),
		cmocka_unit_test(the_last_of_a_cpu_are_found),
		cmocka_unit_test(a_cpu_without_a_ring_is_not_traced),
		cmocka_unit_test(half_a_record_is_never_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
