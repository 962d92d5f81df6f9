/*
 * platform_memory.c - the memory plan of this machine: from the firmware's map and the module's
 * CMRs to TDMRs, and the memory that holds their PAMTs.
 *
 * Invariants
 *   - A plan that SYS.CONFIG has not taken leaves nothing behind when it is dropped.
 *   - PAMT memory is the host's again only if SYS.KEY.CONFIG was never called.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

/* Give [from, to) back in the largest aligned blocks: pages one by one would take their time. */
static void free_blocks(uint64_t from, uint64_t to)
{
	while (from < to) {
		unsigned order = 0;

		while (order < 18 && is_aligned(from, PAGE_SIZE << (order + 1)) &&
		       from + (PAGE_SIZE << (order + 1)) <= to)
			order++;
		pages_free((hpa_t){ from }, PAGE_TDX_PAMT, order);
		from += PAGE_SIZE << order;
	}
}

/* Blocks are powers of two; what lies behind @bytes goes back at once. */
static hpa_t pamt_alloc(void *ctx, uint64_t bytes)
{
	unsigned order = 0;
	hpa_t base;

	(void)ctx;
	while ((PAGE_SIZE << order) < bytes)
		order++;
	base = pages_alloc_raw(PAGE_TDX_PAMT, order);
	if (hpa_is_none(base))
		return base;
	free_blocks(base.v + bytes, base.v + (PAGE_SIZE << order));
	return base;
}

static void pamt_free(void *ctx, hpa_t base, uint64_t bytes)
{
	(void)ctx;
	free_blocks(base.v, base.v + bytes);
}

static int list_memory(struct tdmr_memory *m)
{
	const struct tdx_state *s = &tdx_state;
	int err = 0;

	for (size_t i = 0; i < s->host.memory_count && !err; i++) {
		const struct boot_mem *b = &s->host.memory[i];

		if (b->kind == BOOT_MEM_USABLE || b->kind == BOOT_MEM_TAIN)
			err = ranges_add(&m->ram, b->base, b->base + b->size);
	}
	for (uint64_t i = 0; i < s->md.cmr_count && !err; i++)
		err = ranges_add(&m->cmr, s->md.cmr[i].base, s->md.cmr[i].base + s->md.cmr[i].size);
	return err;
}

#define PLAN_ORDER 4
_Static_assert(sizeof(struct tdmr_plan) <= PAGE_SIZE << PLAN_ORDER, "the plan fits its pages");

static int make_plan(const struct tdmr_limits *limits, struct tdmr_memory *m)
{
	hpa_t pages = pages_alloc(PAGE_KERNEL, PLAN_ORDER);
	int err;

	if (hpa_is_none(pages))
		return tdx_step_failed(-EIO, "memory plan", "out of memory");
	tdx_state.plan = hpa_to_ptr(pages);
	err = tdmr_plan_make(tdx_state.plan, m, limits);
	if (!err)
		return 0;
	pages_free(pages, PAGE_KERNEL, PLAN_ORDER);
	tdx_state.plan = NULL;
	return tdx_step_failed(-EIO, "memory plan",
			       err == -ENODATA ? "no convertible memory (CMRs of the module)"
					       : "no memory for the PAMT");
}

int tdx_plan_make(void)
{
	struct tdx_state *s = &tdx_state;
	struct tdmr_limits limits = {
		s->md.max_tdmrs,
		s->md.max_reserved_per_tdmr,
		{ s->md.pamt_entry_bytes[0], s->md.pamt_entry_bytes[1], s->md.pamt_entry_bytes[2] },
	};
	struct tdmr_memory m = { .alloc = pamt_alloc,
				 .free = pamt_free,
				 .wanted = s->host.memory_wanted };
	uint64_t why;
	int err = list_memory(&m);

	err = err ? tdx_step_failed(-EIO, "memory plan", "out of memory") : make_plan(&limits, &m);
	if (!err && tdmr_check(s->plan->tdmr, s->plan->count, &m.cmr, &limits, &why)) {
		char text[120];

		err = tdx_step_failed(-EIO, "memory plan",
				      tdx_status_text((tdx_status_t){ why }, text, sizeof(text)));
	}
	for (unsigned i = 0; !err && i < s->plan->count; i++)
		s->ready_end[i] = s->plan->tdmr[i].base;
	ranges_free(&m.ram);
	ranges_free(&m.cmr);
	return err;
}

void tdx_plan_drop(bool keyed)
{
	struct tdx_state *s = &tdx_state;
	const struct tdmr_memory m = { .alloc = pamt_alloc, .free = pamt_free };

	ranges_free(&s->ready);
	if (!s->plan)
		return;
	for (unsigned i = 0; i < s->plan->count && keyed; i++)
		for (uint64_t at = s->plan->pamt[i].base; at < s->plan->pamt[i].end;
		     at += PAGE_SIZE)
			tdx_pages_leak((hpa_t){ at }, PAGE_TDX_PAMT, 0);
	if (keyed)
		s->plan->count = 0; /* nothing to give back but the lists */
	tdmr_plan_free(s->plan, &m);
	pages_free(ptr_to_hpa(s->plan), PAGE_KERNEL, PLAN_ORDER);
	s->plan = NULL;
}
