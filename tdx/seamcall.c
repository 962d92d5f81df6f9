/*
 * seamcall.c - one SEAMCALL: executed, counted, traced.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/seamcall.h"

#include <errno.h>

#include "kernel/base/trace.h"
#include "kernel/machine/port.h"

/* One block of counters per CPU. */
struct cpu_counters {
	struct seamcall_stats leaf[TDH_LEAF_LIMIT];
	uint64_t calls;
	uint64_t ticks; /* of all leaves but VP.ENTER */
};

static struct cpu_counters **counters; /* by CPU index */
static unsigned counter_cpus;

static void free_counters(struct cpu_counters **all, unsigned cpus)
{
	for (unsigned i = 0; all && i < cpus; i++)
		heap_free(all[i]);
	heap_free(all);
}

int seamcall_stats_init(void)
{
	unsigned cpus = cpu_count();
	struct cpu_counters **all = heap_alloc(cpus * sizeof(*all));

	for (unsigned i = 0; all && i < cpus; i++) {
		all[i] = heap_alloc(sizeof(**all));
		if (!all[i]) {
			free_counters(all, cpus);
			return -ENOMEM;
		}
	}
	if (!all)
		return -ENOMEM;
	counters = all;
	counter_cpus = cpus;
	return 0;
}

void seamcall_stats_fini(void)
{
	unsigned cpus = counter_cpus;

	counter_cpus = 0;
	free_counters(counters, cpus);
	counters = NULL;
}

/* Bucket 2n holds [2^n, 1.5 * 2^n), bucket 2n + 1 the rest up to 2^(n + 1). */
static unsigned bucket_of(uint64_t ticks)
{
	unsigned n = ticks ? 63 - (unsigned)__builtin_clzll(ticks) : 0;
	unsigned half = n ? (unsigned)(ticks >> (n - 1) & 1) : 0;

	return 2 * n + half < SEAMCALL_BUCKETS ? 2 * n + half : SEAMCALL_BUCKETS - 1;
}

/* In the middle of bucket @b. */
static uint64_t bucket_ticks(unsigned b)
{
	uint64_t base = UINT64_C(1) << b / 2;

	return base + (b % 2 ? base / 2 : 0) + base / 4;
}

uint64_t seamcall_median(const struct seamcall_stats *st)
{
	uint64_t seen = 0, ticks;

	for (unsigned b = 0; b < SEAMCALL_BUCKETS && st->calls; b++) {
		seen += st->bucket[b];
		if (2 * seen < st->calls)
			continue;
		ticks = bucket_ticks(b);
		if (ticks < st->min)
			return st->min;
		return ticks < st->max ? ticks : st->max;
	}
	return 0;
}

uint64_t seamcall_count_here(void)
{
	unsigned cpu = cpu_index();

	return cpu < counter_cpus ? counters[cpu]->calls : 0;
}

uint64_t seamcall_ticks_here(void)
{
	unsigned cpu = cpu_index();

	return cpu < counter_cpus ? counters[cpu]->ticks : 0;
}

static void count(unsigned leaf, tdx_status_t st, uint64_t ticks)
{
	unsigned cpu = cpu_index();
	struct seamcall_stats *c;

	if (cpu >= counter_cpus || leaf >= TDH_LEAF_LIMIT)
		return;
	counters[cpu]->calls++;
	counters[cpu]->ticks += leaf == TDH_VP_ENTER ? 0 : ticks;
	c = &counters[cpu]->leaf[leaf];
	c->calls++;
	c->ticks += ticks;
	c->bucket[bucket_of(ticks)]++;
	if (ticks < c->min || c->calls == 1)
		c->min = ticks;
	if (ticks > c->max)
		c->max = ticks;
	if (!tdx_ok(st)) {
		c->errors++;
		if (tdx_is(st, TDX_OPERAND_BUSY) || tdx_is(st, TDX_SYS_BUSY))
			c->busy++;
	}
}

void (*volatile seamcall_watch)(uint64_t leaf, tdx_status_t st, uint64_t ticks);

/* The P-SEAMLDR counts its leaves from 0 too: they are not the module's. */
static unsigned leaf_number(uint64_t leaf)
{
	return (unsigned)(leaf & TDX_RAX_LEAF) | (leaf & TDX_RAX_SEAMLDR ? BIT32(31) : 0);
}

tdx_status_t seamcall(uint64_t leaf, struct seam_regs *r)
{
	const unsigned number = leaf_number(leaf);
	const uint64_t in[3] = { r->rcx, r->rdx, r->r8 };
	uint64_t start = tsc_now(), end, ticks;
	tdx_status_t st;

	r->rax = leaf;
	seamcall_raw(r);
	st = (tdx_status_t){ r->rax };
	end = tsc_now();
	ticks = end - start;
	count(number, st, ticks);
	if (unlikely(seamcall_watch != NULL))
		seamcall_watch(leaf, st, ticks);
	/* A stay in a guest is traced by who understands its exit. */
	if (number != TDH_VP_ENTER && trace_on(TRACE_SEAMCALL))
		trace_add(&(struct trace_record){
			.tsc = end,
			.ticks = (uint32_t)ticks,
			.cpu = cpu_index(),
			.kind = TRACE_SEAMCALL,
			.leaf = number,
			.status = st.raw,
			.a = { in[0], in[1], in[2], r->rcx, r->rdx, r->r8 },
		});
	return st;
}

static void add_stats(struct seamcall_stats *sum, const struct seamcall_stats *c)
{
	if (c->calls && (c->min < sum->min || !sum->calls))
		sum->min = c->min;
	if (c->max > sum->max)
		sum->max = c->max;
	sum->calls += c->calls;
	sum->busy += c->busy;
	sum->errors += c->errors;
	sum->ticks += c->ticks;
	for (unsigned b = 0; b < SEAMCALL_BUCKETS; b++)
		sum->bucket[b] += c->bucket[b];
}

void seamcall_stats_read(unsigned leaf, struct seamcall_stats *out)
{
	*out = (struct seamcall_stats){ 0 };
	for (unsigned i = 0; i < counter_cpus && leaf < TDH_LEAF_LIMIT; i++)
		add_stats(out, &counters[i]->leaf[leaf]);
}
