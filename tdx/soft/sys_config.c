/*
 * sys_config.c - TDH.SYS.CONFIG and TDMR.INIT: which memory TDs may use, and its PAMT.
 *
 * Invariants
 *   - TDMR i is checked completely before TDMR i + 1 is looked at.
 *   - The module's table changes only when all have passed.
 *
 * Facts: ABI reference section 9.3, in its order.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/module.h"

#include <string.h>

#define TDMR_INFO_ALIGN 512

/* R8 beside the KeyID. The tree of PAMTs spans addresses of 48 bits without KeyID. */
#define CONFIG_DYNAMIC_PAMT  BIT64(16)
#define DYNAMIC_PAMT_PA_BITS 48

enum { P4K, P2M, P1G, PAMTS };

static const uint64_t level_unit[PAMTS] = { PAGE_SIZE, SIZE_2M, SIZE_1G };

static bool overlaps(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	return a < b + bn && b < a + an;
}

static bool pa_fits(const struct call *c, uint64_t pa) { return pa >> c->m->hkid_shift == 0; }

/* TDMR_INFO: base, size, then base and size of the PAMT areas from 1G down, then reserved areas. */
static void read_info(const struct call *c, const uint64_t *info, struct tdmr *t)
{
	memset(t, 0, sizeof(*t));
	t->base = info[0];
	t->size = info[1];
	for (unsigned i = 0; i < PAMTS; i++) {
		t->pamt[P1G - i] = info[2 + 2 * i];
		t->pamt_size[P1G - i] = info[3 + 2 * i];
	}
	for (unsigned i = 0; i < c->m->profile->max_reserved; i++)
		t->reserved[i] = (struct soft_range){ info[8 + 2 * i], info[9 + 2 * i] };
}

static tdx_status_t check_shape(const struct call *c, const struct tdmr *t, unsigned i)
{
	const struct tdmr *before = i ? t - 1 : NULL;
	uint64_t end = t->base + t->size;

	if (end < t->base)
		return FAIL(INVALID_TDMR, i);
	if (before && (t->base < before->base || t->base < before->base + before->size))
		return FAIL(NON_ORDERED_TDMR, i);
	if (!is_aligned(t->base | t->size, SIZE_1G) || t->size == 0 || !pa_fits(c, t->base) ||
	    !pa_fits(c, end - 1))
		return FAIL(INVALID_TDMR, i);
	return OK;
}

static tdx_status_t check_reserved(const struct call *c, const struct tdmr *t, unsigned i)
{
	unsigned most = c->m->profile->max_reserved;
	uint64_t prev_offset = 0, prev_end = 0;

	for (unsigned j = 0; j < most; j++) {
		const struct soft_range *a = &t->reserved[j];

		if (a->size == 0) {
			if (j + 1 < most && t->reserved[j + 1].size != 0)
				return FAIL(NON_ORDERED_RESERVED_IN_TDMR, i | j << 8);
			continue;
		}
		if (a->base + a->size < a->base)
			return FAIL(INVALID_RESERVED_IN_TDMR, i | j << 8);
		if (j && (a->base < prev_offset || a->base < prev_end))
			return FAIL(NON_ORDERED_RESERVED_IN_TDMR, i | j << 8);
		if (!is_aligned(a->base | a->size, PAGE_SIZE) || t->base + a->base < t->base ||
		    a->base + a->size > t->size)
			return FAIL(INVALID_RESERVED_IN_TDMR, i | j << 8);
		prev_offset = a->base;
		prev_end = a->base + a->size;
	}
	return OK;
}

/* With dynamic PAMT there is a bitmap instead of 4K entries. */
static uint64_t least_pamt(const struct soft_module *m, const struct tdmr *t, int level)
{
	uint64_t entries = t->size / level_unit[level];

	return level == P4K && m->dynamic_pamt
		       ? entries * m->profile->pamt_bitmap_bits / 8
		       : entries * m->profile->pamt_entry_bytes[level];
}

static tdx_status_t check_pamt_shape(const struct call *c, const struct tdmr *t, unsigned i)
{
	for (int l = P1G; l >= P4K; l--) {
		uint64_t base = t->pamt[l], size = t->pamt_size[l], end = base + size;

		if (end < base || !is_aligned(base | size, PAGE_SIZE) || !pa_fits(c, base) ||
		    (size && !pa_fits(c, end - 1)) || size < least_pamt(c->m, t, l))
			return FAIL(INVALID_PAMT, i | (unsigned)l << 8);
	}
	return OK;
}

static tdx_status_t check_pamt_against_pamts(const struct tdmr *all, unsigned i)
{
	const struct tdmr *t = &all[i];

	for (unsigned j = 0; j < i; j++)
		for (unsigned l = P4K; l < PAMTS; l++)
			for (unsigned k = P4K; k < PAMTS; k++)
				if (overlaps(t->pamt[l], t->pamt_size[l], all[j].pamt[k],
					     all[j].pamt_size[k]))
					return FAIL(PAMT_OVERLAP, i | l << 8 | j << 16);
	for (unsigned l = P4K; l < PAMTS; l++)
		for (unsigned k = l + 1; k < PAMTS; k++)
			if (overlaps(t->pamt[l], t->pamt_size[l], t->pamt[k], t->pamt_size[k]))
				return FAIL(PAMT_OVERLAP, i | l << 8 | i << 16);
	return OK;
}

/* The next part of @t that is not reserved, from @from on; false at the end. */
static bool next_usable(const struct tdmr *t, uint64_t from, struct soft_range *out)
{
	uint64_t end = t->base + t->size;

	for (unsigned j = 0; j < SOFT_MOST_RESERVED && t->reserved[j].size; j++) {
		uint64_t base = t->base + t->reserved[j].base;

		if (base + t->reserved[j].size <= from)
			continue;
		if (base > from) {
			*out = (struct soft_range){ from, base - from };
			return true;
		}
		from = base + t->reserved[j].size;
	}
	*out = (struct soft_range){ from, end - from };
	return from < end;
}

static bool hits_usable(const struct tdmr *t, uint64_t base, uint64_t size)
{
	struct soft_range r;

	for (uint64_t at = t->base; next_usable(t, at, &r); at = r.base + r.size)
		if (overlaps(base, size, r.base, r.size))
			return true;
	return false;
}

static tdx_status_t check_pamt_against_tdmrs(const struct tdmr *all, unsigned i)
{
	for (unsigned j = 0; j <= i; j++) {
		for (unsigned l = P4K; l < PAMTS; l++)
			if (hits_usable(&all[j], all[i].pamt[l], all[i].pamt_size[l]))
				return FAIL(PAMT_OVERLAP, i | l << 8 | j << 16);
		for (unsigned l = P4K; j < i && l < PAMTS; l++)
			if (hits_usable(&all[i], all[j].pamt[l], all[j].pamt_size[l]))
				return FAIL(PAMT_OVERLAP, j | l << 8 | i << 16);
	}
	return OK;
}

/* Inside one CMR, or two that touch. */
static bool in_cmrs(const struct call *c, uint64_t base, uint64_t size)
{
	const struct soft_range *cmr = c->m->machine->cmr;

	for (unsigned i = 0; i < SOFT_MAX_CMRS && cmr[i].size; i++) {
		uint64_t end = cmr[i].base + cmr[i].size;

		if (i + 1 < SOFT_MAX_CMRS && cmr[i + 1].size && cmr[i + 1].base == end)
			end += cmr[i + 1].size;
		if (base >= cmr[i].base && base + size <= end)
			return true;
	}
	return false;
}

static tdx_status_t check_in_cmrs(const struct call *c, const struct tdmr *t, unsigned i)
{
	struct soft_range r;

	for (int l = P1G; l >= P4K; l--)
		if (!in_cmrs(c, t->pamt[l], t->pamt_size[l]))
			return FAIL(PAMT_OUTSIDE_CMRS, i | (unsigned)l << 8);
	for (uint64_t at = t->base; next_usable(t, at, &r); at = r.base + r.size)
		if (!in_cmrs(c, r.base, r.size))
			return FAIL(TDMR_OUTSIDE_CMRS, i);
	return OK;
}

static tdx_status_t check_tdmr(const struct call *c, const struct tdmr *all, unsigned i)
{
	TRY(check_shape(c, &all[i], i));
	TRY(check_reserved(c, &all[i], i));
	TRY(check_pamt_shape(c, &all[i], i));
	TRY(check_pamt_against_pamts(all, i));
	TRY(check_pamt_against_tdmrs(all, i));
	return check_in_cmrs(c, &all[i], i);
}

/* In 2 MiB pieces where it can be: a PAMT is thousands of pages. */
static void move_range(void (*move)(const struct call *c, uint64_t pa, unsigned level), struct call *c,
		       uint64_t pa, uint64_t size)
{
	for (uint64_t end = pa + size, step; pa < end; pa += step) {
		bool large = is_aligned(pa, SIZE_2M) && end - pa >= SIZE_2M;

		step = large ? SIZE_2M : PAGE_SIZE;
		move(c, pa, large ? 1 : 0);
	}
}

static void move_pamts(void (*move)(const struct call *c, uint64_t pa, unsigned level), struct call *c)
{
	for (unsigned i = 0; i < c->m->tdmr_count; i++)
		for (unsigned l = P4K; l < PAMTS; l++)
			move_range(move, c, c->m->tdmr[i].pamt[l], c->m->tdmr[i].pamt_size[l]);
}

/* TDH.SYS.DISABLE: the PAMTs, and all that the memory map was. */
void sys_config_undo(struct call *c)
{
	for (unsigned i = 0; i < c->m->tdmr_count; i++)
		for (unsigned l = P4K; l < PAMTS; l++)
			for (uint64_t at = 0; at < c->m->tdmr[i].pamt_size[l]; at += PAGE_SIZE)
				call_page_fill(call_map(c, c->m->tdmr[i].pamt[l] + at), 0);
	move_pamts(call_unhide, c);
	c->m->tdmr_count = 0;
}

tdx_status_t leaf_sys_config(struct call *c)
{
	struct soft_module *m = c->m;
	uint64_t array = c->in.rcx, count = c->in.rdx, hkid = c->in.r8 & ~CONFIG_DYNAMIC_PAMT;
	bool dynamic = (c->in.r8 & CONFIG_DYNAMIC_PAMT) != 0;

	if (FAILED(call_take(c, &m->sys_lock, EXCLUSIVE, PLAIN, 0)))
		return FAIL(SYS_BUSY, 0);
	if (m->sys_state != SYSINIT_DONE || m->lps_done < m->machine->lp_count)
		return FAIL(SYS_CONFIG_NOT_PENDING, 0);
	TRY(check_shared(c, array, TDMR_INFO_ALIGN, TDMR_INFO_ALIGN, OP_RCX));
	if (count > m->profile->max_tdmrs || count < 1)
		return FAIL(OPERAND_INVALID, OP_RDX);
	if (hkid >> 16 || !hkid_is_private(m, (uint32_t)hkid))
		return FAIL(OPERAND_INVALID, OP_R8);
	if (dynamic && (!(m->profile->features0 & SOFT_F_DYNAMIC_PAMT) ||
			m->hkid_shift > DYNAMIC_PAMT_PA_BITS))
		return FAIL(OPERAND_INVALID, OP_R8);
	m->dynamic_pamt = dynamic;
	/* Stays reserved even if a TDMR is refused below; a retry may name it again. */
	m->kot[hkid].state = KOT_RESERVED;
	m->global_hkid = (uint16_t)hkid;

	const uint64_t *info_pa = call_map(c, array);

	for (unsigned i = 0; i < count; i++) {
		TRY(check_shared(c, info_pa[i], TDMR_INFO_ALIGN, TDMR_INFO_ALIGN, OP_RCX));
		read_info(c, call_map(c, info_pa[i]), &m->tdmr[i]);
		m->tdmr[i].done = m->tdmr[i].base;
		TRY(check_tdmr(c, m->tdmr, i));
	}
	m->tdmr_count = (uint32_t)count;
	move_pamts(call_hide, c);
	m->pkg_done = 0;
	m->sys_state = SYSCONFIG_DONE;
	return OK;
}

tdx_status_t leaf_sys_tdmr_init(struct call *c)
{
	uint64_t base = c->in.rcx;
	struct tdmr *t;

	c->r->rdx = 0;
	TRY(check_pa(c, base, SIZE_1G, OP_RCX));
	t = tdmr_find(c->m, base);
	if (!t || t->base != base)
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(call_take(c, &t->lock, EXCLUSIVE, PLAIN, OP_RCX));
	if (t->done == t->base + t->size)
		return FAIL(TDMR_ALREADY_INITIALIZED, 0);
	pamt_init_block(c, t, t->done);
	__atomic_store_n(&t->done, t->done + c->m->profile->tdmr_init_bytes, __ATOMIC_RELEASE);
	c->r->rdx = align_down(t->done, SIZE_1G);
	return OK;
}
