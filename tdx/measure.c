/*
 * measure.c - the plan of a TD's first contents, and its measurement.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/measure.h"

#include <string.h>

#include "tdx/abi/layout.h"

static void add_run(struct measure_plan *plan, struct measure_run run)
{
	if (run.bytes && plan->count < MEASURE_RUNS_MAX)
		plan->run[plan->count++] = run;
}

/* The first section that lies in [gpa, end), by address; NULL. */
static const struct tdvf_section *next_section(const struct tdvf *t, uint64_t gpa, uint64_t end)
{
	const struct tdvf_section *best = NULL;

	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];

		if (s->gpa + s->bytes <= gpa || s->gpa >= end)
			continue;
		if (!best || s->gpa < best->gpa)
			best = s;
	}
	return best;
}

/* Pieces of RAM [gpa, end) that no section covers. */
static void add_ram(struct measure_plan *plan, const struct tdvf *t, uint64_t gpa, uint64_t end,
		    bool extend)
{
	while (gpa < end) {
		const struct tdvf_section *s = next_section(t, gpa, end);
		uint64_t stop = s ? s->gpa : end;

		if (stop > gpa)
			add_run(plan, (struct measure_run){
					      .gpa = gpa, .bytes = stop - gpa, .extend = extend });
		gpa = s ? s->gpa + s->bytes : end;
	}
}

static struct measure_run run_of(const struct measure_input *in, const struct tdvf_section *s)
{
	bool hob = s->type == TDVF_TD_HOB;
	const uint8_t *raw = s->data ? s->data : (const uint8_t *)in->image + s->offset;

	return (struct measure_run){
		.gpa = s->gpa,
		.bytes = s->bytes,
		.data = hob ? in->hob : raw,
		.data_bytes = hob ? in->hob_bytes : s->raw,
		.extend = (s->attributes & TDVF_EXTEND) != 0,
	};
}

void measure_plan_make(struct measure_plan *plan, const struct measure_input *in)
{
	bool extend = in->accept == TD_ACCEPT_MEASURED;

	plan->order = in->order;
	plan->count = 0;
	for (unsigned i = 0; i < in->tdvf->count; i++)
		if (!(in->tdvf->section[i].attributes & TDVF_AUG))
			add_run(plan, run_of(in, &in->tdvf->section[i]));
	if (!extend && in->accept != TD_ACCEPT_ADDED)
		return;
	add_ram(plan, in->tdvf, 0, in->ram.low, extend);
	add_ram(plan, in->tdvf, TDVF_TOP, TDVF_TOP + in->ram.high, extend);
}

enum { DO_ADD = 1, DO_EXTEND = 2 };

static int walk_run(const struct measure_run *run, unsigned what, const struct measure_ops *ops,
		    void *ctx)
{
	for (uint64_t at = 0; at < run->bytes; at += PAGE_SIZE) {
		gpa_t page = { run->gpa + at };
		int err = what & DO_ADD ? ops->add(ctx, run, page) : 0;

		if (!err && (what & DO_EXTEND) && run->extend)
			err = ops->extend(ctx, run, page);
		if (err)
			return err;
	}
	return 0;
}

static int walk_all(const struct measure_plan *plan, unsigned what, const struct measure_ops *ops,
		    void *ctx)
{
	int err = 0;

	for (unsigned i = 0; i < plan->count && !err; i++)
		err = walk_run(&plan->run[i], what, ops, ctx);
	return err;
}

int measure_walk(const struct measure_plan *plan, const struct measure_ops *ops, void *ctx)
{
	int err = 0;

	switch (plan->order) {
	case TD_MEASURE_PER_PAGE:
		return walk_all(plan, DO_ADD | DO_EXTEND, ops, ctx);
	case TD_MEASURE_TWO_PASS:
		err = walk_all(plan, DO_ADD, ops, ctx);
		return err ? err : walk_all(plan, DO_EXTEND, ops, ctx);
	case TD_MEASURE_SECTION:
		for (unsigned i = 0; i < plan->count && !err; i++) {
			err = walk_run(&plan->run[i], DO_ADD, ops, ctx);
			if (!err)
				err = walk_run(&plan->run[i], DO_EXTEND, ops, ctx);
		}
		return err;
	}
	return err;
}

void measure_page(const struct measure_run *run, gpa_t page, uint8_t to[PAGE_SIZE])
{
	uint64_t at = page.v - run->gpa;
	uint64_t have = at < run->data_bytes ? run->data_bytes - at : 0;

	if (have > PAGE_SIZE)
		have = PAGE_SIZE;
	if (have)
		memcpy(to, run->data + at, have);
	memset(to + have, 0, PAGE_SIZE - have);
}

static void hash_record(struct sha384 *s, const char *name, size_t length, uint64_t gpa)
{
	struct mr_record r = { .gpa = gpa };

	memcpy(r.name, name, length);
	sha384_update(s, &r, sizeof(r));
}

void measure_hash_add(struct sha384 *s, gpa_t page)
{
	static const char name[] = "MEM.PAGE.ADD";

	hash_record(s, name, sizeof(name) - 1, page.v);
}

void measure_hash_extend(struct sha384 *s, gpa_t page, const uint8_t contents[PAGE_SIZE])
{
	static const char name[] = "MR.EXTEND";

	for (uint64_t at = 0; at < PAGE_SIZE; at += MR_CHUNK_BYTES) {
		hash_record(s, name, sizeof(name) - 1, page.v + at);
		sha384_update(s, contents + at, MR_CHUNK_BYTES);
	}
}

static int mrtd_add(void *ctx, const struct measure_run *run, gpa_t page)
{
	(void)run;
	measure_hash_add(ctx, page);
	return 0;
}

static int mrtd_extend(void *ctx, const struct measure_run *run, gpa_t page)
{
	uint8_t contents[PAGE_SIZE];

	measure_page(run, page, contents);
	measure_hash_extend(ctx, page, contents);
	return 0;
}

void measure_mrtd(const struct measure_plan *plan, uint8_t mrtd[SHA384_BYTES])
{
	static const struct measure_ops ops = { mrtd_add, mrtd_extend };
	struct sha384 s;

	sha384_init(&s);
	(void)!measure_walk(plan, &ops, &s); /* neither step can fail */
	sha384_final(&s, mrtd);
}
