/*
 * tdmr_check.c - would the module take this plan: its checks, in its order, written anew.
 *
 * Invariants
 *   - Shares no code with the planner but the range lists.
 *   - *why is the status that TDH.SYS.CONFIG gives for the first rule broken.
 *
 * Facts: TDX module 1.5 ABI, "TDH.SYS.CONFIG".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "tdx/abi/status.h"
#include "tdx/tdmr.h"

#define ADDRESS_LIMIT (UINT64_C(1) << 52)

struct area {
	uint64_t base, size;
};

struct checker {
	const struct tdmr_info *tdmrs;
	const struct ranges *cmrs;
	const struct tdmr_limits *limits;
	uint64_t *why;
};

static int broken(const struct checker *c, enum tdx_code code, uint32_t detail)
{
	*c->why = tdx_status(code, detail).raw;
	return -EINVAL;
}

static bool wraps(uint64_t base, uint64_t size) { return base + size < base; }
static bool overlap(struct area a, struct area b)
{
	return a.size && b.size && a.base < b.base + b.size && b.base < a.base + a.size;
}

static void pamt_areas(const struct tdmr_info *t, struct area out[PAMT_LEVELS])
{
	out[PAMT_4K] = (struct area){ t->pamt_4k_base, t->pamt_4k_size };
	out[PAMT_2M] = (struct area){ t->pamt_2m_base, t->pamt_2m_size };
	out[PAMT_1G] = (struct area){ t->pamt_1g_base, t->pamt_1g_size };
}

static int check_shape(const struct checker *c, unsigned i)
{
	const struct tdmr_info *t = &c->tdmrs[i];

	if (wraps(t->base, t->size))
		return broken(c, TDX_INVALID_TDMR, i);
	if (i && t->base < t[-1].base + t[-1].size)
		return broken(c, TDX_NON_ORDERED_TDMR, i);
	if (!is_aligned(t->base | t->size, SIZE_1G) || !t->size ||
	    t->base + t->size > ADDRESS_LIMIT)
		return broken(c, TDX_INVALID_TDMR, i);
	return 0;
}

static int check_reserved(const struct checker *c, unsigned i)
{
	const struct tdmr_info *t = &c->tdmrs[i];
	uint64_t last = 0;

	for (unsigned j = 0; j < TDMR_INFO_RESERVED_MAX; j++) {
		const struct tdmr_reserved *a = &t->reserved[j];
		uint32_t detail = i | j << 8;

		if (!a->size) {
			if (j + 1 < TDMR_INFO_RESERVED_MAX && a[1].size)
				return broken(c, TDX_NON_ORDERED_RESERVED_IN_TDMR, detail);
			continue;
		}
		if (wraps(a->offset, a->size) || j >= c->limits->max_reserved)
			return broken(c, TDX_INVALID_RESERVED_IN_TDMR, detail);
		if (a->offset < last)
			return broken(c, TDX_NON_ORDERED_RESERVED_IN_TDMR, detail);
		last = a->offset + a->size;
		if (!is_aligned(a->offset | a->size, PAGE_SIZE) || last > t->size)
			return broken(c, TDX_INVALID_RESERVED_IN_TDMR, detail);
	}
	return 0;
}

static uint64_t least_bytes(const struct checker *c, uint64_t entries, int level)
{
	if (level == PAMT_4K && c->limits->pamt_bitmap_bits)
		return entries / 8 * c->limits->pamt_bitmap_bits;
	return entries * c->limits->pamt_entry_bytes[level];
}

static int check_pamt_shape(const struct checker *c, unsigned i)
{
	struct area pamt[PAMT_LEVELS];

	pamt_areas(&c->tdmrs[i], pamt);
	for (int level = PAMT_1G; level >= PAMT_4K; level--) {
		struct area a = pamt[level];
		uint64_t entries = c->tdmrs[i].size >> (12 + 9 * level);

		if (wraps(a.base, a.size) || !is_aligned(a.base | a.size, PAGE_SIZE) ||
		    a.base + a.size > ADDRESS_LIMIT ||
		    a.size < least_bytes(c, entries, level))
			return broken(c, TDX_INVALID_PAMT, i | (uint32_t)level << 8);
	}
	return 0;
}

/* Is @a free of the parts of @t that are not reserved? */
static bool only_in_reserved(const struct tdmr_info *t, struct area a)
{
	uint64_t at = t->base;

	for (unsigned j = 0; j < TDMR_INFO_RESERVED_MAX && t->reserved[j].size; j++) {
		const struct tdmr_reserved *r = &t->reserved[j];

		if (overlap((struct area){ at, t->base + r->offset - at }, a))
			return false;
		at = t->base + r->offset + r->size;
	}
	return !overlap((struct area){ at, t->base + t->size - at }, a);
}

static int check_pamt_overlap(const struct checker *c, unsigned i)
{
	struct area mine[PAMT_LEVELS], other[PAMT_LEVELS];

	pamt_areas(&c->tdmrs[i], mine);
	for (unsigned j = 0; j < i; j++) {
		pamt_areas(&c->tdmrs[j], other);
		for (unsigned m = 0; m < PAMT_LEVELS; m++)
			for (unsigned o = 0; o < PAMT_LEVELS; o++)
				if (overlap(mine[m], other[o]))
					return broken(c, TDX_PAMT_OVERLAP, i | m << 8 | j << 16);
	}
	for (unsigned m = 0; m < PAMT_LEVELS; m++)
		for (unsigned o = m + 1; o < PAMT_LEVELS; o++)
			if (overlap(mine[m], mine[o]))
				return broken(c, TDX_PAMT_OVERLAP, i | m << 8 | i << 16);
	for (unsigned j = 0; j <= i; j++) {
		pamt_areas(&c->tdmrs[j], other);
		for (unsigned m = 0; m < PAMT_LEVELS; m++) {
			if (!only_in_reserved(&c->tdmrs[j], mine[m]))
				return broken(c, TDX_PAMT_OVERLAP, i | m << 8 | j << 16);
			if (!only_in_reserved(&c->tdmrs[i], other[m]))
				return broken(c, TDX_PAMT_OVERLAP, j | m << 8 | i << 16);
		}
	}
	return 0;
}

static bool in_one_cmr(const struct checker *c, uint64_t base, uint64_t end)
{
	for (size_t i = 0; i < c->cmrs->count; i++)
		if (c->cmrs->r[i].base <= base && end <= c->cmrs->r[i].end)
			return true;
	return base == end;
}

static int check_in_cmrs(const struct checker *c, unsigned i)
{
	const struct tdmr_info *t = &c->tdmrs[i];
	struct area pamt[PAMT_LEVELS];
	uint64_t at = t->base;

	pamt_areas(t, pamt);
	for (int level = PAMT_1G; level >= PAMT_4K; level--)
		if (!in_one_cmr(c, pamt[level].base, pamt[level].base + pamt[level].size))
			return broken(c, TDX_PAMT_OUTSIDE_CMRS, i | (uint32_t)level << 8);
	for (unsigned j = 0; j < TDMR_INFO_RESERVED_MAX && t->reserved[j].size; j++) {
		const struct tdmr_reserved *r = &t->reserved[j];

		if (!in_one_cmr(c, at, t->base + r->offset))
			return broken(c, TDX_TDMR_OUTSIDE_CMRS, i);
		at = t->base + r->offset + r->size;
	}
	return in_one_cmr(c, at, t->base + t->size) ? 0 : broken(c, TDX_TDMR_OUTSIDE_CMRS, i);
}

int tdmr_check(const struct tdmr_info *tdmrs, unsigned count, const struct ranges *cmrs,
	       const struct tdmr_limits *limits, uint64_t *why)
{
	static int (*const checks[])(const struct checker *, unsigned) = {
		check_shape, check_reserved, check_pamt_shape, check_pamt_overlap, check_in_cmrs,
	};
	const struct checker c = { tdmrs, cmrs, limits, why };

	if (count < 1 || count > limits->max_tdmrs)
		return broken(&c, TDX_OPERAND_INVALID, 2);
	for (unsigned i = 0; i < count; i++)
		for (size_t k = 0; k < ARRAY_LEN(checks); k++) {
			int err = checks[k](&c, i);

			if (err)
				return err;
		}
	return 0;
}
