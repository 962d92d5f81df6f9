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
#include "tdx/keyid.h"
#include "tdx/pairs.h"
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

/* The module's tree of PAMTs with pairs spans addresses of so many bits, KeyID not included. */
#define DYNAMIC_PAMT_PA_BITS 48

#define FEATURE_DYNAMIC_PAMT BIT64(36)

/* Why PAMT cannot be dynamic; NULL: it can. */
static const char *not_dynamic(const struct tdx_metadata *md)
{
	if (!(md->features0 & FEATURE_DYNAMIC_PAMT) || !md->pamt_bitmap_bits)
		return "the module has none";
	if (keyid_shift() > DYNAMIC_PAMT_PA_BITS)
		return "with so few KeyID bits addresses have more than 48";
	return NULL;
}

static bool choose_dynamic(const struct tdx_state *s)
{
	const char *why = not_dynamic(&s->md);

	if (s->host.pamt == TDX_PAMT_STATIC)
		return false;
	if (why && s->host.pamt == TDX_PAMT_DYNAMIC)
		log_warn("tdx: pamt = dynamic: %s: static it is", why);
	return !why;
}

static struct tdmr_limits module_limits(const struct tdx_state *s)
{
	return (struct tdmr_limits){
		s->md.max_tdmrs,
		s->md.max_reserved_per_tdmr,
		{ s->md.pamt_entry_bytes[0], s->md.pamt_entry_bytes[1], s->md.pamt_entry_bytes[2] },
		s->dynamic_pamt ? s->md.pamt_bitmap_bits : 0,
	};
}

void tdx_pamt_cost(struct tdx_pamt_cost *out)
{
	const struct tdx_state *s = &tdx_state;
	const struct tdmr_limits limits = module_limits(s);
	struct pairs_counts n;

	*out = (struct tdx_pamt_cost){ .dynamic = s->dynamic_pamt };
	if (!s->plan)
		return;
	pairs_read(&n);
	out->fixed = s->plan->pamt_bytes;
	out->if_static = tdmr_static_bytes(s->plan, &limits);
	out->pairs = n.pairs;
	out->idle = n.idle;
	out->pair_bytes = n.pairs * 2 * PAGE_SIZE;
	out->table_bytes = pairs_table_bytes();
}

/* Counters for page pairs belong to the plan. */
static int make_pairs(const struct tdx_state *s)
{
	if (!s->dynamic_pamt || pairs_init(s->plan) == 0)
		return 0;
	tdx_plan_drop(false);
	return tdx_step_failed(-EIO, "memory plan", "no memory to count page pairs in");
}

int tdx_plan_make(void)
{
	struct tdx_state *s = &tdx_state;
	struct tdmr_limits limits;
	struct tdmr_memory m = { .alloc = pamt_alloc,
				 .free = pamt_free,
				 .wanted = s->host.memory_wanted };
	uint64_t why;
	int err = list_memory(&m);

	s->dynamic_pamt = choose_dynamic(s);
	limits = module_limits(s);

	err = err ? tdx_step_failed(-EIO, "memory plan", "out of memory") : make_plan(&limits, &m);
	if (!err && tdmr_check(s->plan->tdmr, s->plan->count, &m.cmr, &limits, &why)) {
		char text[120];

		err = tdx_step_failed(-EIO, "memory plan",
				      tdx_status_text((tdx_status_t){ why }, text, sizeof(text)));
	}
	err = err ? err : make_pairs(s);
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
	pairs_fini(keyed);
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
