/*
 * tdmr.c - plan TDMRs, PAMTs and reserved areas.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/tdmr.h"

#include <errno.h>
#include <string.h>

#include "kernel/machine/port.h"

/* Attempts with more and more reserved areas set aside for PAMTs before memory is given up. */
#define SLACK_ATTEMPTS 4

/* Places for the PAMTs that are looked at before a place that costs memory is taken. */
#define PLACE_ATTEMPTS 8

/* TDMRs that CPUs initialise side by side: as many as this, but none smaller than that. */
#define PARALLEL_TDMRS 16
#define PARALLEL_SIZE  (8 * SIZE_1G)

struct planner {
	struct tdmr_plan *plan;
	const struct tdmr_memory *memory;
	const struct tdmr_limits *limits;
	struct ranges ram; /* convertible, above the first MiB */
	uint64_t max_tdmrs, max_reserved;
	uint64_t slack;        /* reserved areas of each TDMR kept free for PAMTs */
	uint64_t size_goal;    /* TDMRs are not made larger, while there are enough of them */
	struct range *segment; /* what is to become TDMRs: whole GiB blocks */
	unsigned segment_count;
	/* Places for PAMTs that would cost memory, held while better ones are looked for. */
	struct place {
		struct range pamt[TDMR_PLAN_MAX];
		unsigned count;
	} * aside;
	unsigned aside_count;
};

static const uint64_t pamt_page_bytes[PAMT_LEVELS] = { PAGE_SIZE, SIZE_2M, SIZE_1G };

uint64_t tdmr_pamt_bytes(uint64_t size, enum pamt_level level, const struct tdmr_limits *limits)
{
	uint64_t entries = size / pamt_page_bytes[level];

	if (level == PAMT_4K && limits->pamt_bitmap_bits)
		return align_up((entries * limits->pamt_bitmap_bits + 7) / 8, PAGE_SIZE);
	return align_up(entries * limits->pamt_entry_bytes[level], PAGE_SIZE);
}

static uint64_t pamt_block_bytes(uint64_t size, const struct tdmr_limits *limits)
{
	return tdmr_pamt_bytes(size, PAMT_4K, limits) + tdmr_pamt_bytes(size, PAMT_2M, limits) +
	       tdmr_pamt_bytes(size, PAMT_1G, limits);
}

uint64_t tdmr_static_bytes(const struct tdmr_plan *plan, const struct tdmr_limits *limits)
{
	struct tdmr_limits fixed = *limits;
	uint64_t bytes = 0;

	fixed.pamt_bitmap_bits = 0;
	for (unsigned i = 0; i < plan->count; i++)
		bytes += pamt_block_bytes(plan->tdmr[i].size, &fixed);
	return bytes;
}

static uint64_t tdmr_end(const struct tdmr_info *t) { return t->base + t->size; }

/* Areas that must be reserved in [base, end): what is not convertible. */
static size_t forced_areas(const struct planner *p, uint64_t base, uint64_t end)
{
	return ranges_hole_count(&p->memory->cmr, base, end);
}

static bool fits(const struct planner *p, uint64_t base, uint64_t end)
{
	return end - base <= TDMR_SIZE_MAX &&
	       forced_areas(p, base, end) + p->slack <= p->max_reserved;
}

/* ---- which GiB blocks ---- */

static uint64_t block_count(const struct planner *p)
{
	uint64_t blocks = 0, done = 0;

	for (size_t i = 0; i < p->ram.count; i++) {
		uint64_t base = align_down(p->ram.r[i].base, SIZE_1G);
		uint64_t end = align_up(p->ram.r[i].end, SIZE_1G);

		base = base < done ? done : base;
		blocks += end > base ? (end - base) / SIZE_1G : 0;
		done = end > done ? end : done;
	}
	return blocks;
}

/* Ascending 1 GiB blocks with RAM in them, joined while the limits of one TDMR allow. */
static void list_segments(struct planner *p)
{
	uint64_t done = 0;

	p->segment_count = 0;
	for (size_t i = 0; i < p->ram.count; i++) {
		uint64_t base = align_down(p->ram.r[i].base, SIZE_1G);
		uint64_t end = align_up(p->ram.r[i].end, SIZE_1G);

		for (base = base < done ? done : base; base < end; base += SIZE_1G) {
			struct range *last =
				p->segment_count ? &p->segment[p->segment_count - 1] : NULL;

			done = base + SIZE_1G;
			if (last && last->end == base && done - last->base <= p->size_goal &&
			    fits(p, last->base, done))
				last->end = done;
			else
				p->segment[p->segment_count++] = (struct range){ base, done };
		}
	}
}

static void drop_segment(struct planner *p, unsigned i)
{
	memmove(&p->segment[i], &p->segment[i + 1],
		(p->segment_count - i - 1) * sizeof(p->segment[0]));
	p->segment_count--;
}

/*
 * One segment less: two neighbours become one, which costs the PAMT of the gap, or one is given up,
 * which costs its memory. Whatever is cheapest.
 */
static void drop_cheapest(struct planner *p)
{
	uint64_t least = UINT64_MAX;
	unsigned where = 0;
	bool join = false;

	for (unsigned i = 0; i < p->segment_count; i++) {
		const struct range *s = &p->segment[i];
		uint64_t lost = ranges_bytes(&p->ram, s->base, s->end), gap;

		if (lost < least) {
			least = lost;
			where = i;
			join = false;
		}
		if (i + 1 == p->segment_count || !fits(p, s->base, s[1].end))
			continue;
		gap = pamt_block_bytes(s[1].base - s->end, p->limits);
		if (gap < least) {
			least = gap;
			where = i;
			join = true;
		}
	}
	if (join)
		p->segment[where].end = p->segment[where + 1].end;
	drop_segment(p, join ? where + 1 : where);
}

static void cover(struct planner *p)
{
	struct tdmr_plan *plan = p->plan;

	list_segments(p);
	while (p->segment_count > p->max_tdmrs)
		drop_cheapest(p);
	plan->count = p->segment_count;
	for (unsigned i = 0; i < plan->count; i++)
		plan->tdmr[i] =
			(struct tdmr_info){ .base = p->segment[i].base,
					    .size = p->segment[i].end - p->segment[i].base };
}

/* ---- PAMTs ---- */

static void free_blocks(struct planner *p, const struct range *blocks, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		p->memory->free(p->memory->ctx, (hpa_t){ blocks[i].base },
				blocks[i].end - blocks[i].base);
}

static void free_pamts(struct planner *p, unsigned count)
{
	free_blocks(p, p->plan->pamt, count);
	p->plan->pamt_bytes = 0;
}

/* PAMTs of @count TDMRs from @first in one block: side by side they take one reserved area. */
static bool alloc_together(struct planner *p, unsigned first, unsigned count)
{
	struct tdmr_plan *plan = p->plan;
	uint64_t bytes = 0;
	hpa_t block;

	for (unsigned i = first; i < first + count; i++)
		bytes += pamt_block_bytes(plan->tdmr[i].size, p->limits);
	block = p->memory->alloc(p->memory->ctx, bytes);
	if (hpa_is_none(block))
		return false;
	for (unsigned i = first; i < first + count; i++) {
		bytes = pamt_block_bytes(plan->tdmr[i].size, p->limits);
		plan->pamt[i] = (struct range){ block.v, block.v + bytes };
		block.v += bytes;
	}
	return true;
}

/* From @first on, as many TDMRs as have PAMTs of one GiB together. */
static unsigned group_size(const struct planner *p, unsigned first)
{
	uint64_t bytes = 0;
	unsigned i = first;

	while (i < p->plan->count) {
		bytes += pamt_block_bytes(p->plan->tdmr[i].size, p->limits);
		if (bytes > SIZE_1G && i > first)
			break;
		i++;
	}
	return i - first;
}

static int alloc_pamts(struct planner *p)
{
	struct tdmr_plan *plan = p->plan;
	unsigned done = 0;

	while (done < plan->count) {
		unsigned count = group_size(p, done);

		while (count > 0 && !alloc_together(p, done, count))
			count /= 2;
		if (count == 0) {
			free_pamts(p, done);
			return -ENOMEM;
		}
		done += count;
	}
	return 0;
}

static void set_pamts(struct planner *p)
{
	struct tdmr_plan *plan = p->plan;

	plan->pamt_bytes = 0;
	for (unsigned i = 0; i < plan->count; i++) {
		struct tdmr_info *t = &plan->tdmr[i];

		plan->pamt_bytes += plan->pamt[i].end - plan->pamt[i].base;
		t->pamt_4k_base = plan->pamt[i].base;
		t->pamt_4k_size = tdmr_pamt_bytes(t->size, PAMT_4K, p->limits);
		t->pamt_2m_base = t->pamt_4k_base + t->pamt_4k_size;
		t->pamt_2m_size = tdmr_pamt_bytes(t->size, PAMT_2M, p->limits);
		t->pamt_1g_base = t->pamt_2m_base + t->pamt_2m_size;
		t->pamt_1g_size = tdmr_pamt_bytes(t->size, PAMT_1G, p->limits);
	}
}

/* *@areas: the holes of @kept in @t, and every PAMT's part of it. */
static int areas_of(const struct planner *p, const struct tdmr_info *t, const struct ranges *kept,
		    struct ranges *areas)
{
	int err = ranges_holes(kept, t->base, tdmr_end(t), areas);

	for (unsigned i = 0; i < p->plan->count && !err; i++) {
		const struct range *b = &p->plan->pamt[i];
		uint64_t base = b->base > t->base ? b->base : t->base;
		uint64_t end = b->end < tdmr_end(t) ? b->end : tdmr_end(t);

		err = base < end ? ranges_add(areas, base, end) : 0;
	}
	return err;
}

/* Too many areas: reserve the smallest piece of memory between two of them as well. */
static int join_closest(struct ranges *areas)
{
	size_t closest = 0;

	for (size_t i = 0; i + 1 < areas->count; i++)
		if (areas->r[i + 1].base - areas->r[i].end <
		    areas->r[closest + 1].base - areas->r[closest].end)
			closest = i;
	return ranges_add(areas, areas->r[closest].end, areas->r[closest + 1].base);
}

/* Returns 1 if memory had to be given up and @may_lose is false; 0; -ENOMEM. */
static int reserve_in(const struct planner *p, struct tdmr_info *t, bool may_lose)
{
	struct ranges areas = { 0 };
	int err = areas_of(p, t, &p->ram, &areas);

	if (!err && areas.count > p->max_reserved) {
		ranges_free(&areas);
		err = areas_of(p, t, &p->memory->cmr, &areas);
	}
	while (!err && areas.count > p->max_reserved)
		err = may_lose ? join_closest(&areas) : 1;
	memset(t->reserved, 0, sizeof(t->reserved));
	for (size_t i = 0; i < areas.count && !err; i++)
		t->reserved[i] = (struct tdmr_reserved){ areas.r[i].base - t->base,
							 areas.r[i].end - areas.r[i].base };
	ranges_free(&areas);
	return err;
}

static int reserve_all(struct planner *p, bool may_lose)
{
	for (unsigned i = 0; i < p->plan->count; i++) {
		int err = reserve_in(p, &p->plan->tdmr[i], may_lose);

		if (err)
			return err;
	}
	return 0;
}

static void put_aside(struct planner *p)
{
	struct place *place = &p->aside[p->aside_count++];

	memcpy(place->pamt, p->plan->pamt, sizeof(place->pamt));
	place->count = p->plan->count;
}

static void free_aside(struct planner *p)
{
	while (p->aside_count > 0) {
		const struct place *place = &p->aside[--p->aside_count];

		free_blocks(p, place->pamt, place->count);
	}
}

/*
 * PAMTs where they fit into the reserved areas; of several places the first that costs no memory.
 * 0; 1: each place would cost some and @may_lose is false; -ENOMEM. After an error nothing is held.
 */
static int place_pamts(struct planner *p, bool may_lose)
{
	int err = 1;

	while (err == 1 && p->aside_count < PLACE_ATTEMPTS) {
		err = alloc_pamts(p);
		if (err)
			break; /* no memory: nowhere else either */
		set_pamts(p);
		err = reserve_all(p, false);
		if (err == 1)
			put_aside(p);
		else if (err)
			free_pamts(p, p->plan->count);
	}
	if (err == -ENOMEM && p->aside_count)
		err = 1;
	if (err == 1 && may_lose) {
		memcpy(p->plan->pamt, p->aside[0].pamt, sizeof(p->plan->pamt));
		p->aside[0].count = 0;
		set_pamts(p);
		err = reserve_all(p, true);
		if (err)
			free_pamts(p, p->plan->count);
	}
	free_aside(p);
	return err;
}

static int try_plan(struct planner *p, bool may_lose)
{
	cover(p);
	return place_pamts(p, may_lose);
}

/* What is in a TDMR, not reserved, and RAM: the rest was lost (but for the PAMTs). */
static int find_usable(struct planner *p)
{
	struct tdmr_plan *plan = p->plan;
	struct ranges inside = { 0 };
	int err = 0;

	for (unsigned i = 0; i < plan->count && !err; i++) {
		const struct tdmr_info *t = &plan->tdmr[i];

		err = ranges_add(&inside, t->base, tdmr_end(t));
		for (unsigned j = 0; j < TDMR_INFO_RESERVED_MAX && !err; j++)
			err = ranges_remove(&inside, t->base + t->reserved[j].offset,
					    t->base + t->reserved[j].offset + t->reserved[j].size);
	}
	if (!err)
		err = ranges_intersect(&inside, &p->ram, &plan->usable);
	ranges_free(&inside);
	plan->ram_bytes = ranges_bytes(&p->ram, 0, UINT64_MAX);
	plan->lost_bytes = plan->ram_bytes - ranges_bytes(&plan->usable, 0, UINT64_MAX);
	for (unsigned i = 0; i < plan->count; i++)
		plan->lost_bytes -= ranges_bytes(&p->ram, plan->pamt[i].base, plan->pamt[i].end);
	return err;
}

/* Only whole pages count. */
static int convertible_ram(struct planner *p)
{
	struct ranges both = { 0 };
	int err = ranges_intersect(&p->memory->ram, &p->memory->cmr, &both);

	for (size_t i = 0; i < both.count && !err; i++) {
		uint64_t base = align_up(both.r[i].base, PAGE_SIZE);
		uint64_t end = align_down(both.r[i].end, PAGE_SIZE);

		err = ranges_add(&p->ram, base > TDMR_SKIP_LOW ? base : TDMR_SKIP_LOW, end);
	}
	ranges_free(&both);
	return err;
}

/* Only as much as is wanted, from the top down, in whole GiB. */
static int only_wanted(struct planner *p)
{
	uint64_t all = ranges_bytes(&p->ram, 0, UINT64_MAX), cut;

	if (!p->memory->wanted || p->ram.count == 0)
		return 0;
	cut = align_up(p->ram.r[p->ram.count - 1].end, SIZE_1G);
	while (cut > 0 && ranges_bytes(&p->ram, cut, UINT64_MAX) < p->memory->wanted)
		cut -= SIZE_1G;
	p->plan->spared_bytes = all - ranges_bytes(&p->ram, cut, UINT64_MAX);
	return ranges_remove(&p->ram, 0, cut);
}

/* Enough TDMRs for CPUs to work side by side; no goal where TDMRs are few. */
static uint64_t size_goal(const struct planner *p)
{
	uint64_t share = (block_count(p) + PARALLEL_TDMRS - 1) / PARALLEL_TDMRS * SIZE_1G;

	if (p->max_tdmrs < 2 * PARALLEL_TDMRS)
		return TDMR_SIZE_MAX;
	return share > PARALLEL_SIZE ? share : PARALLEL_SIZE;
}

/* Attempts, each with more areas kept free for PAMTs: TDMRs are cut smaller and smaller. */
static int try_plans(struct planner *p)
{
	int err = 1;

	for (p->slack = 1; err == 1; p->slack *= 2)
		err = try_plan(p,
			       p->slack >= (1u << SLACK_ATTEMPTS) || p->slack >= p->max_reserved);
	return err;
}

int tdmr_plan_make(struct tdmr_plan *plan, const struct tdmr_memory *memory,
		   const struct tdmr_limits *limits)
{
	struct planner p = { .plan = plan, .memory = memory, .limits = limits };
	int err = convertible_ram(&p);

	p.max_tdmrs = limits->max_tdmrs < TDMR_PLAN_MAX ? limits->max_tdmrs : TDMR_PLAN_MAX;
	p.max_reserved = limits->max_reserved < TDMR_INFO_RESERVED_MAX ? limits->max_reserved
								       : TDMR_INFO_RESERVED_MAX;
	if (!err)
		err = only_wanted(&p);
	if (!err && (p.ram.count == 0 || p.max_tdmrs == 0 || p.max_reserved == 0))
		err = -ENODATA;
	p.size_goal = size_goal(&p);
	if (!err) {
		p.aside = heap_alloc(PLACE_ATTEMPTS * sizeof(*p.aside));
		p.segment = heap_alloc(block_count(&p) * sizeof(*p.segment));
		err = p.aside && p.segment ? try_plans(&p) : -ENOMEM;
	}
	if (!err) {
		err = find_usable(&p);
		if (err)
			tdmr_plan_free(plan, memory);
	}
	heap_free(p.segment);
	heap_free(p.aside);
	ranges_free(&p.ram);
	return err;
}

void tdmr_plan_free(struct tdmr_plan *plan, const struct tdmr_memory *memory)
{
	struct planner p = { .plan = plan, .memory = memory };

	free_pamts(&p, plan->count);
	ranges_free(&plan->usable);
	plan->count = 0;
}
