/*
 * mem_sept.c - memory leaves on S-EPT pages: SEPT.ADD, REMOVE, RD, PAGE.PROMOTE and DEMOTE.
 *
 * Invariants
 *   - A new S-EPT page is complete before an entry names it; a page that is given back is named by
 *     no entry.
 *
 * Facts: ABI reference section 3.5. Nested VMs are not offered: R9 to R11 are carried, not used.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/sept.h"

#define PAGE_UNUSED BIT64(63) /* in R8 to R11 of SEPT.ADD version 1 */

static void clear_outputs(struct call *c)
{
	c->r->rcx = 0;
	c->r->rdx = 0;
}

/* R9 to R11 of version 1: pages for VMs that this TD does not have are refused. */
static tdx_status_t check_l2_pages(const struct call *c, const struct td *td)
{
	for (unsigned vm = 1; c->version && vm <= 3; vm++)
		if (vm > td->tdcs->num_l2 && c->in.r[SOFT_R8 + vm] != ALL_ONES)
			return FAIL(OPERAND_INVALID, OP_R8 + vm);
	return OK;
}

static tdx_status_t add_page(struct call *c, uint64_t *r8)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page;
	uint64_t gpa;
	bool allow_existing = (c->in.rdx & 1) != 0;

	if (c->in.rdx & (BITS64(11, 1) | BITS64(63, 52)))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(get_tdr(c, c->in.rdx & ~UINT64_C(1), OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 1, td.tdcs->root_level, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_SEPT_ADD, &at));

	bool is_free = sept_is_free(at.copy);

	if (*r8 == ALL_ONES) {
		if (c->version == 0)
			return FAIL(OPERAND_INVALID, OP_R8);
		if (!is_free)
			return check_l2_pages(c, &td);
		sept_info(c->r, at.copy, at.level);
		return FAIL(EPT_ENTRY_STATE_INCORRECT, OP_RCX);
	}
	if (!is_free) {
		if (allow_existing) {
			*r8 |= PAGE_UNUSED;
			return check_l2_pages(c, &td);
		}
		sept_info(c->r, at.copy, at.level);
		return FAIL(EPT_ENTRY_STATE_INCORRECT, OP_RCX);
	}
	TRY(check_priv4k(c, *r8, OP_R8, PT_NDA, EXCLUSIVE, &page));
	TRY(check_l2_pages(c, &td));

	call_filling(c);
	call_page_fill(call_map(c, *r8), SE_FREE);
	page_assign(c, page.e, *r8, 0, PT_EPT, td.pa);
	page.e->bepoch = 0;
	chldcnt_add(td.tdr, 1);
	sept_set(at.entry, SE_NL_MAPPED | *r8);
	*r8 = ALL_ONES;
	return OK;
}

tdx_status_t leaf_mem_sept_add(struct call *c)
{
	uint64_t pages[4];

	clear_outputs(c);
	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t v = c->in.r[SOFT_R8 + i];

		pages[i] = v == ALL_ONES ? v : v & ~PAGE_UNUSED;
	}

	tdx_status_t st = add_page(c, &pages[0]);

	if (c->version == 0)
		return st;
	for (unsigned i = 0; i < 4; i++) {
		if (i && !FAILED(st) && pages[i] != ALL_ONES)
			pages[i] |= PAGE_UNUSED;
		c->r->r[SOFT_R8 + i] = pages[i];
	}
	return st;
}

static bool all_free(const uint64_t *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (!sept_is_free(table[i]))
			return false;
	return true;
}

/* Version 1 of REMOVE and PROMOTE says which pages of nested VMs came back: none. */
static void no_l2_pages(struct call *c)
{
	if (c->version == 0)
		return;
	c->r->r9 = ALL_ONES;
	c->r->r10 = ALL_ONES;
	c->r->r11 = ALL_ONES;
}

tdx_status_t leaf_mem_sept_remove(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page;
	uint64_t gpa;

	clear_outputs(c);
	no_l2_pages(c);
	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 1, td.tdcs->root_level, EXCLUSIVE, &at, &gpa));
	TRY(sept_check_state(c, U_SEPT_REMOVE, &at));

	uint64_t pa = at.copy & SE_PFN;

	TRY(pamt_walk(c, pa, 0, EXCLUSIVE, OP_RCX, &page));
	TRY(sept_check_tracked(c, &td, &at, page.e->bepoch, OP_RCX));
	if (!all_free(call_map(c, pa))) {
		sept_info(c->r, at.copy, at.level);
		return FAIL(EPT_PAGE_NOT_FREE, OP_RCX);
	}

	sept_set(at.entry, SE_FREE);
	c->r->rcx = pa | page_give_back(c, page.e, pa, 0);
	chldcnt_add(td.tdr, -1);
	return OK;
}

tdx_status_t leaf_mem_sept_rd(struct call *c)
{
	struct td td;
	struct sept_ref at;
	uint64_t gpa;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx & ~UINT64_C(1), OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	if ((c->in.rdx & 1) && !(td.tdcs->attributes & ATTR_DEBUG))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(sept_prefix(c, &td, 0, td.tdcs->root_level, SHARED, &at, &gpa));
	sept_info(c->r, at.copy, at.level);
	if (c->in.rdx & 1)
		c->r->r8 = 0;
	return OK;
}

/* Locks the children of @table one after the other; how many (all 512 if they make one large page).
 */
static unsigned lock_uniform(struct call *c, uint64_t *table, unsigned level, tdx_status_t *st)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < 512; i++) {
		if (sept_lock(&table[i], false) != LOCK_TAKEN) {
			*st = FAIL(OPERAND_BUSY, OP_RCX);
			return i;
		}

		uint64_t e = table[i] & ~(SE_LOCK | SE_HP);
		enum sept_state s = sept_state(e);

		if (i == 0)
			first = e;
		if ((s != S_MAPPED && s != S_PENDING) ||
		    !is_aligned(first & SE_PFN, sept_span(level)) ||
		    e != first + i * sept_span(level - 1)) {
			*st = FAIL(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX);
			return i + 1;
		}
	}
	*st = call_irq_pending(c) ? FAIL(INTERRUPTED_RESTARTABLE, 0) : OK;
	return 512;
}

static void unlock_first(uint64_t *table, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sept_unlock(&table[i]);
}

tdx_status_t leaf_mem_page_promote(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page, merged;
	tdx_status_t st;
	uint64_t gpa;

	clear_outputs(c);
	no_l2_pages(c);
	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 1, 2, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_PROMOTE, &at));

	uint64_t table_pa = at.copy & SE_PFN;

	TRY(pamt_walk(c, table_pa, 0, EXCLUSIVE, OP_RCX, &page));
	TRY(sept_check_tracked(c, &td, &at, page.e->bepoch, OP_RCX));

	uint64_t *table = call_map(c, table_pa);
	unsigned locked = lock_uniform(c, table, at.level, &st);
	uint64_t first = table[0] & ~(SE_LOCK | SE_HP);

	if (!FAILED(st))
		st = pamt_walk(c, first & SE_PFN, at.level, EXCLUSIVE, OP_RCX, &merged);
	unlock_first(table, locked);
	if (FAILED(st)) {
		if (tdx_is(st, TDX_INTERRUPTED_RESTARTABLE)) {
			c->r->rcx = c->in.rcx;
			c->r->rdx = c->in.rdx;
		} else {
			sept_info(c->r, at.copy, at.level);
		}
		return st;
	}

	if (c->m->dynamic_pamt && at.level == 1)
		pair_merge(c, merged.e, td.pa, &c->r->r[SOFT_R12]);
	else
		pamt_merge(c, &merged, first & SE_PFN, td.pa);
	sept_set(at.entry, first);
	c->r->rcx = table_pa | page_give_back(c, page.e, table_pa, 0);
	chldcnt_add(td.tdr, -1);
	return OK;
}

tdx_status_t leaf_mem_page_demote(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref large, page;
	uint64_t gpa, table_pa = c->in.r8;

	clear_outputs(c);
	if (c->in.rdx & (BITS64(11, 1) | BITS64(63, 52)))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(get_tdr(c, c->in.rdx & ~UINT64_C(1), OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 1, 2, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_DEMOTE, &at));

	uint64_t pa = sept_frame(at.copy, at.level);
	const struct tdmr *t = tdmr_find(c->m, pa);

	TRY(sept_check_tracked(c, &td, &at, pamt_entry_at(c, t, pa, at.level)->bepoch, OP_RCX));
	TRY(check_priv4k(c, table_pa, OP_R8, PT_NDA, EXCLUSIVE, &page));
	if (call_irq_pending(c)) {
		c->r->rcx = c->in.rcx;
		c->r->rdx = c->in.rdx;
		return FAIL(INTERRUPTED_RESTARTABLE, 0);
	}
	TRY(pamt_walk(c, pa, at.level, EXCLUSIVE, OP_RCX, &large));

	bool pair = c->m->dynamic_pamt && at.level == 1;

	if (pair)
		TRY(pair_split(c, large.e, pa, &c->in.r[SOFT_R12]));

	uint64_t value = sept_state(at.copy) < S_PENDING ? SE_MAPPED : SE_PENDING;
	uint64_t *table = call_map(c, table_pa);

	call_filling(c);
	for (unsigned i = 0; i < 512; i++)
		table[i] = value | (pa + i * sept_span(at.level - 1));
	if (!pair)
		pamt_split(c, &large, pa);
	page_assign(c, page.e, table_pa, 0, PT_EPT, td.pa);
	chldcnt_add(td.tdr, 1);
	sept_set(at.entry, SE_NL_MAPPED | table_pa);
	return OK;
}
