/*
 * bench_trace.c - what a trace record costs, the reading of the clock included, by the ways in which
 * records are made.
 *
 * Invariant: measured in a ring of its own: the trace of this CPU is as it was.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/bench_trace.h"

#include "kernel/base/trace.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"

#define RING_RECORDS 512u
#define ROUNDS       4096u

/* As the exits of a plain guest are recorded: kernel/vmx/exit.c. */
static void in_place(uint64_t i)
{
	uint64_t n;
	struct trace_slot *slot = trace_open(this_cpu()->index, &n);
	struct trace_record *r = &slot->record;

	r->tsc = rdtsc();
	r->ticks = 0;
	r->leaf = 10;
	r->kind = TRACE_VMEXIT;
	r->vcpu = 0;
	r->guest = TRACE_PLAIN_GUEST;
	r->cpu = this_cpu()->index;
	r->status = 0;
	r->a[0] = i;
	r->a[1] = i;
	r->a[2] = i;
	r->a[3] = r->a[4] = r->a[5] = 0;
	trace_close(slot, n);
}

/* As SEAMCALLs are. */
static void by_copy(uint64_t i)
{
	trace_add(&(struct trace_record){ .tsc = rdtsc(),
					  .cpu = this_cpu()->index,
					  .kind = TRACE_SEAMCALL,
					  .a = { i, i, i, i, i, i } });
}

/* As turns of the run loop are, one like the other. */
static void in_a_run(uint64_t i)
{
	(void)i;
	trace_add_run(&(struct trace_record){ .tsc = rdtsc(),
					      .cpu = this_cpu()->index,
					      .kind = TRACE_SCHED,
					      .ticks = 1 });
}

static const struct {
	const char *name;
	void (*record)(uint64_t i);
} ways[] = {
	{ "in place (exits)", in_place },
	{ "by copy (SEAMCALLs, TDVMCALLs)", by_copy },
	{ "one like the last (turns, IPIs)", in_a_run },
};

static uint64_t ticks_of(void (*record)(uint64_t i))
{
	uint64_t start = rdtsc();

	for (uint64_t i = 0; i < ROUNDS; i++)
		record(i);
	return rdtsc() - start;
}

int bench_trace(struct call *c)
{
	struct trace_slot *slots = heap_alloc(RING_RECORDS * sizeof(*slots));
	uint64_t ticks[ARRAY_LEN(ways)], flags;
	unsigned cpu = cpu_index();

	if (!slots)
		return command_fail(c, "no memory");
	flags = irq_save();

	struct trace_ring own = trace_rings[cpu];

	trace_give_ring(cpu, slots, RING_RECORDS);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		ticks[i] = ticks_of(ways[i].record);
	trace_rings[cpu] = own;
	irq_restore(flags);
	out_table(c->out);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		out_row(c->out);
		out_text(c->out, "record", ways[i].name);
		out_number(c->out, "records", ROUNDS);
		out_number(c->out, "ticks-per-record", ticks[i] / ROUNDS);
	}
	out_end(c->out);
	heap_free(slots);
	return 0;
}
