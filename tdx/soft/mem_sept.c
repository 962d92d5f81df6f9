/*
 * mem_sept.c - memory leaves on S-EPT pages: SEPT.ADD, REMOVE, RD, PAGE.PROMOTE and DEMOTE.
 *
 * Invariants
 *   - A new S-EPT page is complete before an entry names it; a page that is given back is named by
 *     no entry.
 *
 * Facts: ABI reference section 3.5. R9 to R11 are nested VMs' (l2.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/l2.h"

#define PAGE_UNUSED BIT64(63) /* in R8 to R11 of SEPT.ADD version 1 */

static void clear_outputs(struct call *c)
{
	c->r->rcx = 0;
	c->r->rdx = 0;
}

/* The TD's own table: *@add: it is to be made. */
static tdx_status_t check_own(struct call *c, const struct sept_ref *at, bool allow_existing,
			      struct l2_tables *t, bool *add)
{
	bool is_free = sept_is_free(at->copy);

	*add = false;
	if (t->page[0] == ALL_ONES) {
		if (c->version == 0)
			return FAIL(OPERAND_INVALID, OP_R8);
		if (!is_free)
			return OK;
	} else if (is_free) {
		*add = true;
		return check_priv4k(c, t->page[0], OP_R8, PT_NDA, EXCLUSIVE, &t->pamt[0]);
	} else if (allow_existing) {
		t->page[0] |= PAGE_UNUSED;
		return OK;
	}
	sept_info(c->r, at->copy, at->level);
	return FAIL(EPT_ENTRY_STATE_INCORRECT, OP_RCX);
}

static void add_own(struct call *c, const struct td *td, const struct sept_ref *at,
		    struct l2_tables *t)
{
	call_filling(c);
	call_page_fill(call_map(c, t->page[0]), SE_FREE);
	page_assign(c, t->pamt[0].e, t->page[0], 0, PT_EPT, td->pa);
	t->pamt[0].e->bepoch = 0;
	chldcnt_add(td->tdr, 1);
	sept_set(at->entry, SE_NL_MAPPED | t->page[0]);
	t->page[0] = ALL_ONES;
}

static tdx_status_t add_pages(struct call *c, struct l2_tables *t)
{
	struct td td;
	struct sept_ref at;
	tdx_status_t st;
	uint64_t gpa;
	bool add, allow_existing = (c->in.rdx & 1) != 0;

	if (c->in.rdx & (BITS64(11, 1) | BITS64(63, 52)))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(get_tdr(c, c->in.rdx & ~UINT64_C(1), OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 1, td.tdcs->root_level, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_SEPT_ADD, &at));
	TRY(check_own(c, &at, allow_existing, t, &add));
	TRY(l2_check_tables(c, &td, gpa, at.level, allow_existing, t));

	if (add)
		add_own(c, &td, &at, t);
	st = l2_add_tables(c, &td, add, t);
	if (FAILED(st)) {
		c->r->rcx = c->in.rcx;
		c->r->rdx = c->in.rdx;
	}
	return st;
}

tdx_status_t leaf_mem_sept_add(struct call *c)
{
	struct l2_tables t;
	tdx_status_t st;

	clear_outputs(c);
	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	for (unsigned i = 0; i <= MAX_L2_VMS; i++) {
		uint64_t v = i && c->version == 0 ? ALL_ONES : c->in.r[SOFT_R8 + i];

		t.page[i] = v == ALL_ONES ? v : v & ~PAGE_UNUSED;
	}
	st = add_pages(c, &t);
	for (unsigned i = 0; c->version && i <= MAX_L2_VMS; i++)
		c->r->r[SOFT_R8 + i] = t.page[i];
	return st;
}

static bool all_free(const uint64_t *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (!sept_is_free(table[i]))
			return false;
	return true;
}

/* Version 1 of REMOVE and PROMOTE says which pages of nested VMs came back. */
static void say_l2_pages(struct call *c, const struct l2_tables *t)
{
	for (unsigned vm = 1; c->version && vm <= MAX_L2_VMS; vm++)
		c->r->r[SOFT_R8 + vm] = t->page[vm];
}

static const struct l2_tables no_tables = { .page = { ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES } };

tdx_status_t leaf_mem_sept_remove(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page;
	struct l2_tables t;
	uint64_t gpa;

	clear_outputs(c);
	say_l2_pages(c, &no_tables);
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
	TRY(l2_lock_tables(c, &td, gpa, at.level, &t));

	l2_drop_tables(c, &td, &t);
	say_l2_pages(c, &t);
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
		c->r->r8 = l2_attributes(c, &td, gpa, at.level);
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
	struct l2_tables t;
	tdx_status_t st;
	uint64_t gpa;

	clear_outputs(c);
	say_l2_pages(c, &no_tables);
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
	if (!FAILED(st))
		st = l2_lock_tables(c, &td, gpa, at.level, &t);
	if (!FAILED(st) && !l2_uniform(c, &t))
		st = FAIL(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX);
	if (FAILED(st)) {
		if (tdx_is(st, TDX_INTERRUPTED_RESTARTABLE)) {
			c->r->rcx = c->in.rcx;
			c->r->rdx = c->in.rdx;
		} else {
			sept_info(c->r, at.copy, at.level);
		}
		return st;
	}

	l2_merge(c, &td, first & SE_PFN, &t);
	say_l2_pages(c, &t);
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
	struct l2_tables l2 = { .page = { c->in.r8, c->in.r9, c->in.r10, c->in.r11 } };
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
	TRY(l2_check_split(c, &td, gpa, at.level, c->in.rdx & 1, &l2));
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
	l2_split(c, &td, &l2);
	for (unsigned vm = 1; vm <= td.tdcs->num_l2; vm++)
		c->r->r[SOFT_R8 + vm] = l2.page[vm];
	if (!pair)
		pamt_split(c, &large, pa);
	page_assign(c, page.e, table_pa, 0, PT_EPT, td.pa);
	chldcnt_add(td.tdr, 1);
	sept_set(at.entry, SE_NL_MAPPED | table_pa);
	return OK;
}
