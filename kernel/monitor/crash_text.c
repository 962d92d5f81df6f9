/*
 * crash_text.c - what the monitor adds to a crash report: the last trace records of each CPU.
 *
 * Invariants
 *   - Runs while everything else stands: takes no lock, allocates nothing, and a record that was being
 *     written is left out.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>

#include "kernel/base/trace.h"
#include "kernel/machine/crash.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/trace_text.h"

#define EACH     6  /* records of one CPU */
#define CPUS_MAX 64 /* more CPUs than that: nobody reads it */

static void say_record(say_fn say, const struct trace_record *r)
{
	char text[200], line[280];

	snprintf(line, sizeof(line), "  [%11.11s %llu us before] %s\n", trace_kind_name(r->kind),
		 (unsigned long long)ticks_to_us(tsc_now() - r->tsc), trace_text(r, text, sizeof(text)));
	say(line);
}

static void last_of(say_fn say, unsigned cpu)
{
	struct trace_record records[EACH];
	size_t count = trace_last(cpu, records, EACH);
	char line[64];

	if (!count)
		return;
	snprintf(line, sizeof(line), "last trace records of cpu %u:\n", cpu);
	say(line);
	for (size_t i = 0; i < count; i++)
		say_record(say, &records[i]);
}

void monitor_crash_report(say_fn say)
{
	for (unsigned cpu = 0; cpu < cpu_count() && cpu < CPUS_MAX; cpu++)
		last_of(say, cpu);
}
