/*
 * l2.c - S-EPT trees of nested VMs.
 *
 * Keeps the promises of l2.h. An entry is free (as in the TD's own tree), names a table, or is an alias: a
 * leaf with attributes in bits 59:53, its R, W and X clear while it is blocked (bit 60).
 *
 * Facts: ABI reference sections 3.5, 4.7; what it leaves open from the published source of the module
 * (intel/tdx-module: TDH.MEM.SEPT.ADD and REMOVE, TDG.MEM.PAGE.ATTR.RD and WR).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/l2.h"

#define ATTR_SHIFT   53
#define ALIAS        (SE_SVE | SE_PS | SE_IPAT | SE_MT_WB)
#define BLOCKED      BIT64(60)
#define PAGE_UNUSED  BIT64(63) /* in R8 to R11 */
#define CODE_FREE    0x40u     /* RDX[15:8] of an entry that is shown */
#define CODE_TABLE   0xc4u
#define CODE_ALIAS   0x44u
#define CODE_BLOCKED 3u /* less than that of one that is not */
#define VM_SHIFT     16

static uint64_t alias(uint64_t pa, uint64_t attr, bool blocked)
{
	return ALIAS | pa | (attr & L2_ATTR_BITS) << ATTR_SHIFT |
	       (blocked ? BLOCKED : attr & L2_ATTR_RWX);
}

static bool is_table(uint64_t e) { return !sept_is_leaf(e) && !sept_is_free(e); }
static uint64_t attr_of(uint64_t e) { return (e >> ATTR_SHIFT & L2_ATTR_BITS) | L2_ATTR_VALID; }
bool l2_is_free(const struct l2_ref *at) { return !sept_is_leaf(at->copy) && sept_is_free(at->copy); }

/* The last pages of the TDCS: the first of each VM's is its tree's root. */
static uint64_t root_of(const struct call *c, const struct td *td, unsigned vm)
{
	return td->tdr->tdcx_pa[tdcs_pages(c->m, vm - 1)];
}

void l2_start(struct call *c, const struct td *td)
{
	for (unsigned vm = 1; vm <= td->tdcs->num_l2; vm++)
		call_page_fill(call_map(c, root_of(c, td, vm)), SE_FREE);
}

bool l2_walk(const struct call *c, const struct td *td, unsigned vm, uint64_t gpa, unsigned level,
	     struct l2_ref *at)
{
	uint64_t table = root_of(c, td, vm);

	at->vm = vm;
	for (unsigned l = td->tdcs->root_level;; l--) {
		uint64_t *t = call_map(c, table);

		at->entry = &t[gpa >> (PAGE_SHIFT + 9 * l) & 511];
		at->copy = *at->entry;
		at->level = l;
		if (l == level)
			return true;
		if (!is_table(at->copy))
			return false;
		table = at->copy & SE_PFN;
	}
}

/* As sept_info(), of a nested VM's entry. */
static void show(struct soft_regs *r, const struct l2_ref *at)
{
	bool blocked = sept_is_leaf(at->copy) ? (at->copy & BLOCKED) != 0 : !(at->copy & SE_RWX);
	unsigned code = is_table(at->copy) ? CODE_TABLE : CODE_ALIAS;

	if (l2_is_free(at))
		code = CODE_FREE;
	else
		code -= blocked ? CODE_BLOCKED : 0;
	r->rcx = at->copy & (SE_RWX | SE_PS | (is_table(at->copy) ? 0 : SE_SVE));
	if (sept_is_leaf(at->copy))
		r->rcx |= at->copy & (SE_PFN | SE_MT_WB | SE_IPAT);
	r->rdx = at->level | code << 8 | (uint64_t)at->vm << VM_SHIFT;
}

static uint32_t where(const struct l2_ref *at) { return at->vm << VM_SHIFT | at->level; }

/* ---- tables ---- */

tdx_status_t l2_check_tables(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			     bool allow_existing, struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= MAX_L2_VMS; vm++) {
		t->wanted[vm] = false;
		if (t->page[vm] == ALL_ONES)
			continue;
		if (vm > td->tdcs->num_l2)
			return FAIL(OPERAND_INVALID, OP_R8 + vm);
		if (!l2_walk(c, td, vm, gpa, level, &t->at[vm])) {
			show(c->r, &t->at[vm]);
			return FAIL(L2_SEPT_WALK_FAILED, where(&t->at[vm]));
		}
		if (l2_is_free(&t->at[vm])) {
			TRY(check_priv4k(c, t->page[vm], OP_R8 + vm, PT_NDA, EXCLUSIVE, &t->pamt[vm]));
			t->wanted[vm] = true;
		} else if (allow_existing) {
			t->page[vm] |= PAGE_UNUSED;
		} else {
			show(c->r, &t->at[vm]);
			return FAIL(L2_SEPT_ENTRY_NOT_FREE, where(&t->at[vm]));
		}
	}
	return OK;
}

static void make_table(struct call *c, const struct td *td, struct l2_tables *t, unsigned vm)
{
	page_assign(c, t->pamt[vm].e, t->page[vm], 0, PT_EPT, td->pa);
	t->pamt[vm].e->bepoch = 0;
	chldcnt_add(td->tdr, 1);
	*t->at[vm].entry = SE_NL_MAPPED | t->page[vm];
	t->page[vm] = ALL_ONES;
}

tdx_status_t l2_add_tables(struct call *c, const struct td *td, bool added, struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= MAX_L2_VMS; vm++) {
		if (!t->wanted[vm])
			continue;
		if (added && call_irq_pending(c))
			return FAIL(INTERRUPTED_RESUMABLE, 0);
		call_filling(c);
		call_page_fill(call_map(c, t->page[vm]), SE_FREE);
		make_table(c, td, t, vm);
		added = true;
	}
	return OK;
}

tdx_status_t l2_lock_tables(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			    struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= MAX_L2_VMS; vm++) {
		t->page[vm] = ALL_ONES;
		t->wanted[vm] = vm <= td->tdcs->num_l2 &&
				l2_walk(c, td, vm, gpa, level, &t->at[vm]) &&
				is_table(t->at[vm].copy);
		if (t->wanted[vm])
			TRY(pamt_walk(c, t->at[vm].copy & SE_PFN, 0, EXCLUSIVE, OP_RCX,
				      &t->pamt[vm]));
	}
	return OK;
}

static void drop_table(struct call *c, const struct td *td, struct l2_tables *t, unsigned vm,
		       uint64_t entry)
{
	uint64_t pa = t->at[vm].copy & SE_PFN;

	*t->at[vm].entry = entry;
	t->page[vm] = pa | page_give_back(c, t->pamt[vm].e, pa, 0);
	chldcnt_add(td->tdr, -1);
}

void l2_drop_tables(struct call *c, const struct td *td, struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= MAX_L2_VMS; vm++)
		if (t->wanted[vm])
			drop_table(c, td, t, vm, SE_FREE);
}

/* ---- aliases ---- */

/* The next VM after @at->vm that has anything at @level. */
static bool next_used(const struct call *c, const struct td *td, uint64_t gpa, unsigned level,
		      struct l2_ref *at)
{
	for (unsigned vm = at->vm + 1; vm <= td->tdcs->num_l2; vm++)
		if (l2_walk(c, td, vm, gpa, level, at) && !l2_is_free(at))
			return true;
	return false;
}

void l2_block(const struct call *c, const struct td *td, uint64_t gpa, unsigned level)
{
	struct l2_ref at = { 0 };

	while (next_used(c, td, gpa, level, &at))
		*at.entry = is_table(at.copy) ? SE_NL_BLOCKED | (at.copy & SE_PFN)
					      : (at.copy & ~SE_RWX) | BLOCKED;
}

void l2_unblock(const struct call *c, const struct td *td, uint64_t gpa, unsigned level)
{
	struct l2_ref at = { 0 };

	while (next_used(c, td, gpa, level, &at))
		*at.entry = is_table(at.copy)
				    ? SE_NL_MAPPED | (at.copy & SE_PFN)
				    : alias(at.copy & SE_PFN, attr_of(at.copy), false);
}

void l2_drop_aliases(const struct call *c, const struct td *td, uint64_t gpa, unsigned level)
{
	struct l2_ref at = { 0 };

	while (next_used(c, td, gpa, level, &at))
		*at.entry = SE_FREE;
}

void l2_move_aliases(const struct call *c, const struct td *td, uint64_t gpa, uint64_t pa,
		     bool pending)
{
	struct l2_ref at = { 0 };

	while (next_used(c, td, gpa, 0, &at))
		*at.entry = alias(pa, attr_of(at.copy), pending);
}

/* All 512 free, or all aliases with the same attributes. */
static bool is_uniform(const uint64_t *table)
{
	uint64_t rest = ~SE_PFN;

	for (unsigned i = 0; i < 512; i++)
		if ((table[i] ^ table[0]) & rest || is_table(table[i]))
			return false;
	return true;
}

bool l2_uniform(const struct call *c, const struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= MAX_L2_VMS; vm++)
		if (t->wanted[vm] && !is_uniform(call_map(c, t->at[vm].copy & SE_PFN)))
			return false;
	return true;
}

void l2_merge(struct call *c, const struct td *td, uint64_t pa, struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= MAX_L2_VMS; vm++) {
		const uint64_t *table;

		if (!t->wanted[vm])
			continue;
		table = call_map(c, t->at[vm].copy & SE_PFN);
		drop_table(c, td, t, vm,
			   sept_is_leaf(table[0]) ? alias(pa, attr_of(table[0]), (table[0] & BLOCKED) != 0)
						  : SE_FREE);
	}
}

tdx_status_t l2_check_split(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			    bool add_mode, struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= td->tdcs->num_l2; vm++) {
		bool there = l2_walk(c, td, vm, gpa, level, &t->at[vm]);

		t->wanted[vm] = there && (sept_is_leaf(t->at[vm].copy) ||
					  (add_mode && l2_is_free(&t->at[vm]) &&
					   t->page[vm] != ALL_ONES));
		if (!t->wanted[vm])
			continue;
		if (t->page[vm] == ALL_ONES)
			return FAIL(L2_SEPT_PAGE_NOT_PROVIDED, OP_R8 + vm);
		TRY(check_priv4k(c, t->page[vm], OP_R8 + vm, PT_NDA, EXCLUSIVE, &t->pamt[vm]));
	}
	return OK;
}

void l2_split(struct call *c, const struct td *td, struct l2_tables *t)
{
	for (unsigned vm = 1; vm <= td->tdcs->num_l2; vm++) {
		uint64_t e = t->at[vm].copy, *table;

		if (!t->wanted[vm])
			continue;
		table = call_map(c, t->page[vm]);
		call_filling(c);
		for (unsigned i = 0; i < 512; i++)
			table[i] = sept_is_leaf(e)
					   ? alias((e & SE_PFN) + i * sept_span(t->at[vm].level - 1),
						   attr_of(e), (e & BLOCKED) != 0)
					   : SE_FREE;
		make_table(c, td, t, vm);
	}
}

/* ---- attributes ---- */

uint64_t l2_attributes(const struct call *c, const struct td *td, uint64_t gpa, unsigned level)
{
	struct l2_ref at = { 0 };
	uint64_t lanes = 0;

	while (next_used(c, td, gpa, level, &at))
		if (sept_is_leaf(at.copy))
			lanes |= attr_of(at.copy) << (L2_LANE_BITS * at.vm);
	return lanes;
}

/* What the CPU would take: nothing reserved, no writing without reading. */
static bool is_legal(uint64_t attr)
{
	return !(attr & ~(L2_ATTR_BITS | L2_ATTR_VALID)) && (attr & 3) != 2;
}

/* What one VM's entry becomes: *@value; false: it stays. */
static tdx_status_t plan_lane(const struct call *c, const struct td *td, uint64_t gpa,
			      const struct sept_ref *own, uint64_t mask, uint64_t *attr,
			      struct l2_ref *at, uint64_t *value, bool *change)
{
	unsigned vm = at->vm;
	uint64_t masked = *attr & (mask | L2_ATTR_VALID);
	bool there = l2_walk(c, td, vm, gpa, own->level, at);
	bool aliased = there && sept_is_leaf(at->copy);
	uint64_t now = aliased ? attr_of(at->copy) : 0;

	*change = false;
	if (!(masked & L2_ATTR_VALID))
		return OK;
	if (aliased)
		masked |= now & ~(mask | L2_ATTR_VALID);
	else if (!(masked & ~L2_ATTR_VALID))
		return OK; /* nothing is there, and nothing is to be */
	if (!is_legal(masked)) {
		*attr = now;
		return FAIL(PAGE_ATTR_INVALID, 0);
	}
	if (!there)
		return FAIL(L2_SEPT_WALK_FAILED, where(at));
	*change = true;
	*attr = masked;
	*value = masked & ~L2_ATTR_VALID ? alias(sept_frame(own->copy, own->level), masked,
						 !sept_accessible(own->copy))
					 : SE_FREE;
	return OK;
}

tdx_status_t l2_set_attributes(const struct call *c, const struct td *td, uint64_t gpa,
			       const struct sept_ref *own, uint64_t mask, uint64_t *attr)
{
	struct l2_ref at[MAX_L2_VMS + 1];
	uint64_t value[MAX_L2_VMS + 1];
	bool change[MAX_L2_VMS + 1];
	tdx_status_t illegal = OK;

	for (unsigned vm = 1; vm <= td->tdcs->num_l2; vm++) {
		unsigned shift = L2_LANE_BITS * vm;
		uint64_t lane = *attr >> shift & 0xffff;
		tdx_status_t st;

		at[vm].vm = vm;
		st = plan_lane(c, td, gpa, own, mask >> shift & 0xffff, &lane, &at[vm], &value[vm],
			       &change[vm]);
		if (FAILED(st) && !tdx_is(st, TDX_PAGE_ATTR_INVALID))
			return st;
		illegal = FAILED(st) ? st : illegal;
		*attr = (*attr & ~(UINT64_C(0xffff) << shift)) | lane << shift;
	}
	if (FAILED(illegal))
		return illegal;
	for (unsigned vm = 1; vm <= td->tdcs->num_l2; vm++)
		if (change[vm])
			*at[vm].entry = value[vm];
	return OK;
}
