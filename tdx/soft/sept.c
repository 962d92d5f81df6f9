/*
 * sept.c - S-EPT entries and walks: the state tables, entry locks, entry information, and the
 * checks that all memory leaves share.
 *
 * Invariants
 *   - The table "state against leaf" below is the only place that knows it.
 *   - An entry changes only while its lock bit or the TDR is held exclusively.
 *
 * Facts: ABI reference sections 3.0, 4.7, 5.1 to 5.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/sept.h"

#define U(x) BIT32(U_##x)
#define ANY  U(SEPT_RD)

/* clang-format off */
static const struct state_row {
	uint8_t encoding; /* e[6:0] */
	uint8_t code;     /* RDX[15:8] */
	bool blocked, tracking, accessible;
	uint32_t users;
} states[] = {
	[S_FREE]       = { 0x0e, 0x00, false, false, false, ANY | U(PAGE_ADD) | U(SEPT_ADD) | U(AUG) },
	[S_REMOVED]    = { 0x0c, 0x05, false, false, false, ANY | U(AUG) },
	[S_NL_MAPPED]  = { 0x00, 0x84, false, true,  false, ANY | U(SEPT_ADD) | U(BLOCK) | U(PROMOTE) | U(SEPT_REMOVE) },
	[S_NL_BLOCKED] = { 0x08, 0x81, true,  true,  false, ANY | U(UNBLOCK) | U(PROMOTE) | U(SEPT_REMOVE) },
	[S_MAPPED]     = { 0x60, 0x04, false, true,  true,  ANY | U(RELOCATE) | U(BLOCK) | U(MEM_RD) | U(MEM_WR) | U(DEMOTE) | U(EXTEND) | U(REMOVE) },
	[S_BLOCKED]    = { 0x68, 0x01, true,  true,  false, ANY | U(RELOCATE) | U(UNBLOCK) | U(DEMOTE) | U(REMOVE) },
	[S_BLOCKEDW]   = { 0x64, 0x08, false, true,  true,  ANY | U(RELOCATE) | U(BLOCK) | U(MEM_RD) | U(REMOVE) },
	[S_EXP_BLOCKEDW] = { 0x66, 0x09, false, false, true, ANY | U(RELOCATE) | U(MEM_RD) },
	[S_EXP_DIRTY]  = { 0x63, 0x0b, false, true,  true,  ANY | U(RELOCATE) | U(MEM_RD) | U(MEM_WR) },
	[S_EXP_DIRTY_BLOCKEDW] = { 0x67, 0x0c, false, true, true, ANY | U(RELOCATE) | U(MEM_RD) },
	[S_PENDING]    = { 0x70, 0x02, false, true,  false, ANY | U(RELOCATE) | U(BLOCK) | U(DEMOTE) | U(REMOVE) | U(ACCEPT) },
	[S_PENDING_BLOCKED]  = { 0x78, 0x03, true,  true, false, ANY | U(RELOCATE) | U(UNBLOCK) | U(DEMOTE) | U(REMOVE) },
	[S_PENDING_BLOCKEDW] = { 0x74, 0x10, false, true, false, ANY | U(RELOCATE) | U(BLOCK) | U(REMOVE) },
	[S_PENDING_EXP_BLOCKEDW] = { 0x76, 0x11, false, false, false, ANY | U(RELOCATE) },
	[S_PENDING_EXP_DIRTY]    = { 0x73, 0x13, false, true,  false, ANY | U(RELOCATE) | U(ACCEPT) },
	[S_PENDING_EXP_DIRTY_BLOCKEDW] = { 0x77, 0x14, false, true, false, ANY | U(RELOCATE) },
	[S_INVALID]    = { 0xff, 0xff, false, false, false, 0 },
};

/* From e[6:0] to the state; 0 is FREE's index, so entries are stored plus one. */
static const uint8_t state_of[128] = {
	[0x0e] = S_FREE + 1, [0x0c] = S_REMOVED + 1, [0x00] = S_NL_MAPPED + 1, [0x08] = S_NL_BLOCKED + 1,
	[0x60] = S_MAPPED + 1, [0x68] = S_BLOCKED + 1, [0x64] = S_BLOCKEDW + 1,
	[0x66] = S_EXP_BLOCKEDW + 1, [0x63] = S_EXP_DIRTY + 1, [0x67] = S_EXP_DIRTY_BLOCKEDW + 1,
	[0x70] = S_PENDING + 1, [0x78] = S_PENDING_BLOCKED + 1, [0x74] = S_PENDING_BLOCKEDW + 1,
	[0x76] = S_PENDING_EXP_BLOCKEDW + 1, [0x73] = S_PENDING_EXP_DIRTY + 1,
	[0x77] = S_PENDING_EXP_DIRTY_BLOCKEDW + 1,
};
/* clang-format on */

enum sept_state sept_state(uint64_t e)
{
	unsigned low = (unsigned)(e >> 9 & 1);
	unsigned mid = (unsigned)(e >> 53 & 0xf);
	unsigned high = (unsigned)(e >> 6 & 3);
	uint8_t s = state_of[low | mid << 1 | high << 5];

	return s ? (enum sept_state)(s - 1) : S_INVALID;
}

bool sept_allows(enum sept_user user, enum sept_state s)
{
	return (states[s].users >> user & 1) != 0;
}
uint8_t sept_state_code(enum sept_state s) { return states[s].code; }
bool sept_is_blocked(enum sept_state s) { return states[s].blocked; }
bool sept_needs_tracking(enum sept_state s) { return states[s].tracking; }
bool sept_accessible(uint64_t e) { return states[sept_state(e)].accessible; }

enum lock_result sept_lock(uint64_t *entry, bool guest)
{
	uint64_t v = __atomic_load_n(entry, __ATOMIC_RELAXED);

	for (;;) {
		if (guest && (v & SE_HP))
			return LOCK_BUSY_HP;
		if (v & SE_LOCK) {
			if (!guest)
				__atomic_fetch_or(entry, SE_HP, __ATOMIC_RELAXED);
			return LOCK_BUSY;
		}
		if (__atomic_compare_exchange_n(entry, &v, (v & ~SE_HP) | SE_LOCK, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return LOCK_TAKEN;
	}
}

void sept_unlock(uint64_t *entry) { __atomic_fetch_and(entry, ~SE_LOCK, __ATOMIC_RELEASE); }

void sept_set(uint64_t *entry, uint64_t value)
{
	uint64_t v = __atomic_load_n(entry, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(entry, &v, value | (v & SE_LOCK), false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void sept_info(struct soft_regs *r, uint64_t copy, unsigned level)
{
	enum sept_state s = sept_state(copy);
	uint64_t mask = SE_RWX | SE_PS;

	if (sept_is_leaf(copy))
		mask |= SE_MT_WB | BIT64(3) | SE_IPAT | SE_PFN | SE_SVE;
	else if (s == S_FREE || s == S_REMOVED)
		mask |= SE_SVE;
	r->rcx = copy & mask;
	r->rdx = level | (uint64_t)states[s].code << 8;
}

bool sept_gpa_valid(const struct tdcs *t, uint64_t gpa)
{
	return (gpa & ~BITS64(51, 0)) == 0 && (gpa >> t->gpa_width) == 0;
}

bool sept_gpa_private(const struct tdcs *t, uint64_t gpa)
{
	return sept_gpa_valid(t, gpa) && (gpa >> (t->gpa_width - 1) & 1) == 0;
}

tdx_status_t sept_parse(const struct call *c, unsigned min, unsigned max, uint64_t *gpa,
			unsigned *level)
{
	uint64_t v = c->in.rcx;

	*level = (unsigned)(v & 7);
	*gpa = v & BITS64(51, 12);
	if ((v & (BITS64(11, 3) | BITS64(63, 52))) || *level < min || *level > max ||
	    !is_aligned(*gpa, sept_span(*level)))
		return FAIL(OPERAND_INVALID, OP_RCX);
	return OK;
}

bool sept_walk(const struct call *c, const struct td *td, uint64_t gpa, unsigned level,
	       struct sept_ref *ref)
{
	uint64_t table = td->tdr->tdcx_pa[c->m->profile->tdcx_root];

	for (unsigned l = td->tdcs->root_level;; l--) {
		uint64_t *t = call_map(c, table);

		ref->entry = &t[gpa >> (PAGE_SHIFT + 9 * l) & 511];
		ref->copy = __atomic_load_n(ref->entry, __ATOMIC_ACQUIRE);
		ref->level = l;
		if (l == level)
			return true;
		if ((ref->copy & SE_RWX) == 0 || sept_is_leaf(ref->copy))
			return false;
		table = ref->copy & SE_PFN;
	}
}

tdx_status_t sept_walk_locked(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			      enum lock_mode tree, struct sept_ref *ref)
{
	if (!sept_gpa_private(td->tdcs, gpa))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(call_take(c, &td->tdcs->tree_lock, tree, PLAIN, OP_SEPT_TREE));
	if (!sept_walk(c, td, gpa, level, ref)) {
		sept_info(c->r, ref->copy, ref->level);
		return FAIL(EPT_WALK_FAILED, OP_RCX);
	}
	return OK;
}

tdx_status_t sept_prefix(struct call *c, const struct td *td, unsigned min, unsigned max,
			 enum lock_mode tree, struct sept_ref *ref, uint64_t *gpa)
{
	unsigned level;

	TRY(sept_parse(c, min, max, gpa, &level));
	TRY(sept_walk_locked(c, td, *gpa, level, tree, ref));

	tdx_status_t st = call_take_entry(c, ref->entry, OP_RCX);

	if (FAILED(st)) {
		sept_info(c->r, ref->copy, ref->level);
		return st;
	}
	ref->copy = __atomic_load_n(ref->entry, __ATOMIC_ACQUIRE) & ~(SE_LOCK | SE_HP);
	return OK;
}

tdx_status_t sept_check_state(struct call *c, enum sept_user user, const struct sept_ref *ref)
{
	if (sept_allows(user, sept_state(ref->copy)))
		return OK;
	sept_info(c->r, ref->copy, ref->level);
	return FAIL(EPT_ENTRY_STATE_INCORRECT, OP_RCX);
}

static bool tracking_applies(const struct tdcs *t)
{
	return t->op_state == OPS_RUNNABLE || t->op_state == OPS_LIVE_EXPORT ||
	       t->op_state == OPS_LIVE_IMPORT;
}

tdx_status_t sept_check_tracked(struct call *c, const struct td *td, const struct sept_ref *ref,
				uint64_t bepoch, uint32_t op)
{
	enum sept_state s = sept_state(ref->copy);

	if (!sept_needs_tracking(s) || !tracking_applies(td->tdcs))
		return OK;
	if (!sept_is_blocked(s)) {
		sept_info(c->r, ref->copy, ref->level);
		return FAIL(GPA_RANGE_NOT_BLOCKED, OP_RCX);
	}
	if (!epoch_tracked(td->tdcs, bepoch))
		return FAIL(TLB_TRACKING_NOT_DONE, op);
	return OK;
}
