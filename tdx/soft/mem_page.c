/*
 * mem_page.c - memory leaves on pages: PAGE.ADD, AUG, REMOVE, RELOCATE, RANGE.BLOCK, UNBLOCK, and a
 * debugger's MEM.RD and MEM.WR.
 *
 * Invariants
 *   - RCX and RDX are zero in the answer unless they show an entry.
 *   - A page that leaves the TD is free in the PAMT before the entry's lock is released.
 *
 * Facts: ABI reference section 3.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/l2.h"

#include <string.h>

static void clear_outputs(struct call *c)
{
	c->r->rcx = 0;
	c->r->rdx = 0;
}

/* "MEM.PAGE.ADD" or "MR.EXTEND", the GPA, zeros: the record that MRTD takes in. */
static void measure_record(struct tdcs *t, const char *name, uint64_t gpa)
{
	uint8_t record[SHA384_BLOCK] = { 0 };

	memcpy(record, name, strlen(name));
	memcpy(record + 16, &gpa, sizeof(gpa));
	sha384_update(&t->mrtd_ctx, record, sizeof(record));
}

tdx_status_t leaf_mem_page_add(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page;
	uint64_t gpa, pa = c->in.r8, source = c->in.r9;
	unsigned level;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, EXCLUSIVE, &td));
	TRY(check_state(c, c->leaf, &td, false));
	TRY(sept_parse(c, 0, 0, &gpa, &level));
	if (!sept_gpa_private(td.tdcs, gpa))
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (!sept_walk(c, &td, gpa, 0, &at)) {
		sept_info(c->r, at.copy, at.level);
		return FAIL(EPT_WALK_FAILED, OP_RCX);
	}
	TRY(sept_check_state(c, U_PAGE_ADD, &at));
	TRY(check_shared(c, source, PAGE_SIZE, PAGE_SIZE, OP_R9));
	TRY(check_priv4k(c, pa, OP_R8, PT_NDA, EXCLUSIVE, &page));

	call_filling(c);
	call_page_copy(call_map(c, pa), call_map_shared(c, source));
	page_assign(c, page.e, pa, 0, PT_REG, td.pa);
	page.e->bepoch = 0;
	measure_record(td.tdcs, "MEM.PAGE.ADD", gpa);
	sept_set(at.entry, SE_MAPPED | pa);
	chldcnt_add(td.tdr, 1);
	return OK;
}

/* Memory is read through the S-EPT only where the guest could: a leaf with permissions. */
static tdx_status_t walk_to_present_leaf(struct call *c, const struct td *td, uint64_t gpa,
					 struct sept_ref *at)
{
	sept_walk(c, td, gpa, 0, at);
	if (sept_is_leaf(at->copy) && (at->copy & SE_RWX))
		return OK;
	sept_info(c->r, at->copy, at->level);
	return FAIL(EPT_ENTRY_NOT_PRESENT, OP_RCX);
}

tdx_status_t leaf_mr_extend(struct call *c)
{
	struct td td;
	struct sept_ref at;
	uint64_t gpa = c->in.rcx;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, EXCLUSIVE, &td));
	TRY(check_state(c, c->leaf, &td, false));
	if (!is_aligned(gpa, 256) || !sept_gpa_private(td.tdcs, gpa))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(walk_to_present_leaf(c, &td, gpa, &at));
	if (!sept_allows(U_EXTEND, sept_state(at.copy)))
		return FAIL(EPT_ENTRY_NOT_PRESENT, 0);

	uint64_t pa = sept_frame(at.copy, at.level) | (gpa & (sept_span(at.level) - 1));

	measure_record(td.tdcs, "MR.EXTEND", gpa);
	sha384_update(&td.tdcs->mrtd_ctx, call_map(c, pa), 256);
	return OK;
}

tdx_status_t leaf_mr_finalize(struct call *c)
{
	struct td td;

	TRY(get_tdr(c, c->in.rcx, OP_RCX, EXCLUSIVE, &td));
	TRY(check_state(c, c->leaf, &td, false));
	if (td.tdcs->num_vcpus == 0)
		return FAIL(NO_VCPUS, 0);
	sha384_final(&td.tdcs->mrtd_ctx, td.tdcs->mrtd);
	servtd_measure(td.tdcs);
	td.tdcs->op_state = OPS_RUNNABLE;
	return OK;
}

tdx_status_t leaf_mem_page_aug(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page;
	uint64_t gpa, pa = c->in.r8;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 0, 1, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_AUG, &at));
	TRY(check_free(c, pa, at.level, OP_R8, &page));

	page_assign(c, page.e, pa, at.level, PT_REG, td.pa);
	page.e->bepoch = 0;
	sept_set(at.entry, SE_PENDING | pa);
	chldcnt_add(td.tdr, (int64_t)1 << (9 * at.level));
	return OK;
}

/* The PAMT entry that carries the BEPOCH of what @at maps: the leaf's own, or the table page's. */
static struct pamt_entry *bepoch_entry(const struct call *c, const struct sept_ref *at)
{
	uint64_t pa = sept_frame(at->copy, at->level);

	return pamt_entry_at(c, tdmr_find(c->m, pa), pa, sept_is_leaf(at->copy) ? at->level : 0);
}

/* What a blocked entry was, and the other way round: values without frames. */
static const struct block_row {
	enum sept_state open, blocked;
	uint64_t open_value, blocked_value;
} block_rows[] = {
	{ S_NL_MAPPED, S_NL_BLOCKED, SE_NL_MAPPED, SE_NL_BLOCKED },
	{ S_MAPPED, S_BLOCKED, SE_MAPPED, SE_BLOCKED },
	{ S_BLOCKEDW, S_BLOCKED, SE_MAPPED, SE_BLOCKED },
	{ S_PENDING, S_PENDING_BLOCKED, SE_PENDING, SE_PENDING_BLOCKED },
	{ S_PENDING_BLOCKEDW, S_PENDING_BLOCKED, SE_PENDING, SE_PENDING_BLOCKED },
};

static uint64_t blocked_value(enum sept_state open)
{
	for (unsigned i = 0; i < ARRAY_LEN(block_rows); i++)
		if (block_rows[i].open == open)
			return block_rows[i].blocked_value;
	return SE_BLOCKED;
}

/* The value without its frame after unblocking (which all other states keep). */
static uint64_t open_value(enum sept_state s)
{
	for (unsigned i = 0; i < ARRAY_LEN(block_rows); i++)
		if (block_rows[i].blocked == s || block_rows[i].open == s)
			return block_rows[i].open_value;
	return SE_MAPPED;
}

tdx_status_t leaf_mem_range_block(struct call *c)
{
	struct td td;
	struct sept_ref at;
	uint64_t gpa;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 0, td.tdcs->root_level, EXCLUSIVE, &at, &gpa));
	if (sept_is_blocked(sept_state(at.copy))) {
		sept_info(c->r, at.copy, at.level);
		return FAIL(GPA_RANGE_ALREADY_BLOCKED, OP_RCX);
	}
	TRY(sept_check_state(c, U_BLOCK, &at));

	bepoch_entry(c, &at)->bepoch = __atomic_load_n(&td.tdcs->epoch.td_epoch, __ATOMIC_ACQUIRE);
	sept_set(at.entry, blocked_value(sept_state(at.copy)) | sept_frame(at.copy, at.level));
	l2_block(c, &td, gpa, at.level);
	return OK;
}

tdx_status_t leaf_mem_range_unblock(struct call *c)
{
	struct td td;
	struct sept_ref at;
	uint64_t gpa;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 0, td.tdcs->root_level, EXCLUSIVE, &at, &gpa));
	TRY(sept_check_state(c, U_UNBLOCK, &at));
	TRY(sept_check_tracked(c, &td, &at, bepoch_entry(c, &at)->bepoch,
			       answers(c->m, SOFT_A_UNBLOCK_RCX) ? OP_RCX : OP_SEPT_TREE));

	sept_set(at.entry, open_value(sept_state(at.copy)) | sept_frame(at.copy, at.level));
	if (sept_state(at.copy) != S_PENDING_BLOCKED) /* aliases of a pending page wait for its accept */
		l2_unblock(c, &td, gpa, at.level);
	return OK;
}

tdx_status_t leaf_mem_page_remove(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref page;
	uint64_t gpa;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 0, 2, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_REMOVE, &at));

	uint64_t pa = sept_frame(at.copy, at.level);

	TRY(pamt_walk(c, pa, at.level, EXCLUSIVE, OP_RCX, &page));
	TRY(sept_check_tracked(c, &td, &at, page.e->bepoch, OP_RCX));

	l2_drop_aliases(c, &td, gpa, at.level);
	sept_set(at.entry, SE_FREE);
	c->r->rcx = pa | page_give_back(c, page.e, pa, at.level);
	chldcnt_add(td.tdr, -((int64_t)1 << (9 * at.level)));
	return OK;
}

tdx_status_t leaf_mem_page_relocate(struct call *c)
{
	struct td td;
	struct sept_ref at;
	struct pamt_ref old, new;
	uint64_t gpa, to = c->in.r8;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(sept_prefix(c, &td, 0, 0, SHARED, &at, &gpa));
	TRY(sept_check_state(c, U_RELOCATE, &at));

	enum sept_state s = sept_state(at.copy);
	uint64_t from = sept_frame(at.copy, 0);

	if (to == from)
		return FAIL(OPERAND_INVALID, OP_R8);
	TRY(pamt_walk(c, from, 0, EXCLUSIVE, OP_RCX, &old));
	TRY(sept_check_tracked(c, &td, &at, old.e->bepoch, OP_RCX));
	TRY(check_priv4k(c, to, OP_R8, PT_NDA, EXCLUSIVE, &new));

	if (s < S_PENDING) {
		call_filling(c);
		call_page_copy(call_map(c, to), call_map(c, from));
	}
	page_assign(c, new.e, to, 0, PT_REG, td.pa);
	new.e->bepoch = 0;
	sept_set(at.entry, open_value(s) | to);
	l2_move_aliases(c, &td, gpa, to, s >= S_PENDING);
	c->r->rcx = from | page_give_back(c, old.e, from, 0);
	return OK;
}

/* A debugger's access: 8 bytes of private memory. */
static tdx_status_t debug_access(struct call *c, enum sept_user user, uint64_t **word)
{
	struct td td;
	struct sept_ref at;
	uint64_t gpa = c->in.rcx;

	clear_outputs(c);
	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	if (!(td.tdcs->attributes & ATTR_DEBUG))
		return FAIL(TD_NON_DEBUG, 0);
	if (!is_aligned(gpa, 8))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(call_take(c, &td.tdcs->tree_lock, SHARED, PLAIN, OP_SEPT_TREE));
	if (!sept_gpa_private(td.tdcs, gpa))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(walk_to_present_leaf(c, &td, gpa, &at));

	tdx_status_t st = call_take_entry(c, at.entry, OP_RCX);

	if (FAILED(st)) {
		sept_info(c->r, at.copy, at.level);
		return st;
	}
	TRY(sept_check_state(c, user, &at));
	*word = call_map(c, sept_frame(at.copy, at.level) | (gpa & (sept_span(at.level) - 1)));
	return OK;
}

tdx_status_t leaf_mem_rd(struct call *c)
{
	uint64_t *word;

	c->r->r8 = 0;
	TRY(debug_access(c, U_MEM_RD, &word));
	c->r->r8 = *word;
	return OK;
}

tdx_status_t leaf_mem_wr(struct call *c)
{
	uint64_t *word;

	c->r->r8 = 0;
	TRY(debug_access(c, U_MEM_WR, &word));
	c->r->r8 = *word;
	*word = c->in.r8;
	return OK;
}
