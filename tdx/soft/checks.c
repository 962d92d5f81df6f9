/*
 * checks.c - the check blocks that leaves share, by the names of ABI reference section 3.0:
 * PRIV4K, FREE, SHARED, TDR, ITDR, STATE, and the op-state table of section 6.3.
 *
 * Invariants
 *   - Each block checks in the real module's order; the first failure decides.
 *   - A block changes nothing but locks, which the call gives back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/module.h"

bool hkid_is_private(const struct soft_module *m, uint32_t hkid)
{
	return hkid > m->num_shared_hkids && hkid <= m->num_shared_hkids + m->num_private_hkids;
}

/* A physical address without HKID. */
tdx_status_t check_pa(const struct call *c, uint64_t pa, uint64_t align, uint32_t op)
{
	if (!is_aligned(pa, align) || pa >> PA_BITS || pa >> c->m->hkid_shift)
		return FAIL(OPERAND_INVALID, op);
	return OK;
}

tdx_status_t check_shared(const struct call *c, uint64_t pa, uint64_t align, uint64_t size,
			  uint32_t op)
{
	const struct soft_range *seam = &c->m->machine->seamrr;
	uint64_t plain = pa & (BIT64(c->m->hkid_shift) - 1);

	if (!is_aligned(pa, align) || pa >> PA_BITS)
		return FAIL(OPERAND_INVALID, op);
	if (plain < seam->base + seam->size && seam->base < plain + size)
		return FAIL(OPERAND_INVALID, op);
	if (pa >> c->m->hkid_shift > c->m->num_shared_hkids)
		return FAIL(OPERAND_INVALID, op);
	return OK;
}

/* The walk to a 4K page that is to be free ended above it: it is part of a large one, or lacks a pair. */
static tdx_status_t no_small_page(const struct pamt_ref *ref, uint32_t op)
{
	return ref->level == 1 && ref->e->type == PT_NDA ? FAIL(MISSING_PAMT_PAGE_PAIR, op)
							  : FAIL(PAGE_METADATA_INCORRECT, op);
}

static bool in_pair(const struct call *c, uint64_t pa)
{
	return c->m->dynamic_pamt && pamt_bit(c, pa);
}

tdx_status_t check_priv4k(struct call *c, uint64_t pa, uint32_t op, uint8_t type,
			  enum lock_mode mode, struct pamt_ref *ref)
{
	TRY(check_pa(c, pa, PAGE_SIZE, op));
	TRY(pamt_walk(c, pa, 0, mode, op, ref));
	if (ref->level != 0)
		return type == PT_NDA ? no_small_page(ref, op) : FAIL(PAGE_METADATA_INCORRECT, op);
	if (ref->e->type != type || (type == PT_NDA && in_pair(c, pa)))
		return FAIL(PAGE_METADATA_INCORRECT, op);
	return OK;
}

static bool all_4k_free(const struct call *c, uint64_t pa)
{
	const struct tdmr *t = tdmr_find(c->m, pa);

	if (c->m->dynamic_pamt)
		return pamt_range_unmarked(c, pa);
	for (unsigned i = 0; i < 512; i++)
		if (pamt_entry_at(c, t, pa + i * PAGE_SIZE, 0)->type != PT_NDA)
			return false;
	return true;
}

tdx_status_t check_free(struct call *c, uint64_t pa, unsigned level, uint32_t op,
			struct pamt_ref *ref)
{
	if (level == 0)
		return check_priv4k(c, pa, op, PT_NDA, EXCLUSIVE, ref);
	TRY(check_pa(c, pa, PAGE_SIZE << (9 * level), op));
	TRY(pamt_walk(c, pa, level, EXCLUSIVE, op, ref));
	if (ref->level == level && ref->e->type == PT_NDA && (level != 1 || all_4k_free(c, pa)))
		return OK;
	return answers(c->m, SOFT_A_RANGE_NOT_FREE) ? FAIL(HPA_RANGE_NOT_FREE, op)
						    : FAIL(PAGE_METADATA_INCORRECT, op);
}

tdx_status_t get_tdr(struct call *c, uint64_t pa, uint32_t op, enum lock_mode mode, struct td *td)
{
	struct pamt_ref ref;

	TRY(check_priv4k(c, pa, op, PT_TDR, mode, &ref));
	td->pa = pa;
	td->pamt = ref.e;
	td->tdr = call_map(c, pa);
	td->tdcs = NULL;
	return OK;
}

/* ITDR: the TDR that owns a page of which @ref is held. */
tdx_status_t get_owner_tdr(struct call *c, const struct pamt_ref *ref, enum lock_mode mode,
			   struct td *td)
{
	td->pa = pamt_owner(ref->e);
	td->pamt = pamt_entry_at(c, tdmr_find(c->m, td->pa), td->pa, 0);
	TRY(call_take(c, &td->pamt->lock, mode, HOST_PRIORITY, OP_TDR));
	td->tdr = call_map(c, td->pa);
	td->tdcs = NULL;
	return OK;
}

struct tdcs *map_tdcs(const struct call *c, const struct tdr *tdr)
{
	return call_map(c, tdr->tdcx_pa[0]);
}

#define S(n)      (1u << (n))
#define FROM_INIT (S(1) | S(2) | S(3) | S(4) | S(5) | S(6) | S(7) | S(8) | S(9) | S(10))
#define MANAGE    (S(1) | S(2) | S(3) | S(4) | S(5) | S(8) | S(9))
#define WRITE     (S(1) | S(2) | S(3) | S(6) | S(7) | S(8) | S(9) | S(10))

/* clang-format off */
/* Op-states (bit n: state n) in which a leaf is allowed. */
static const uint16_t op_states[] = {
	[0] = S(2) | S(3) | S(9),  [2] = S(1), [3] = S(1) | S(2) | S(3) | S(6) | S(7) | S(8) | S(9),
	[4] = S(1) | S(7), [5] = MANAGE, [6] = S(1) | S(2) | S(3) | S(9), [7] = MANAGE,
	[10] = S(1) | S(7), [11] = FROM_INIT, [12] = FROM_INIT, [13] = WRITE, [14] = WRITE, [15] = MANAGE,
	[16] = S(1), [17] = S(1), [18] = 0x7ff, [21] = S(0), [22] = S(1), [23] = MANAGE, [25] = FROM_INIT,
	[26] = FROM_INIT, [29] = MANAGE | S(10), [30] = FROM_INIT, [38] = FROM_INIT & ~S(10), [39] = MANAGE,
	[43] = WRITE,
	[48] = S(0) | S(1) | S(2) | S(3) | S(8) | S(9), [49] = S(0) | S(1),
	[64] = S(3) | S(4) | S(5), [65] = S(3), [66] = S(2), [68] = S(3) | S(4) | S(5), [70] = S(3),
	[71] = S(3) | S(4), [72] = S(2) | S(9), [73] = S(4), [74] = S(4), [75] = S(2) | S(3) | S(4) | S(5),
	[80] = S(6) | S(7) | S(8) | S(10), [81] = S(8) | S(9), [82] = S(8), [83] = S(6) | S(7) | S(8) | S(9),
	[84] = S(6) | S(7), [85] = S(0), [86] = S(6), [87] = S(7), [96] = S(0) | S(1) | S(2),
};
/* clang-format on */

bool op_state_allows(unsigned leaf, uint32_t op_state)
{
	return leaf < ARRAY_LEN(op_states) && (op_states[leaf] >> op_state & 1);
}

tdx_status_t check_built(struct call *c, struct td *td)
{
	if (td->tdr->fatal)
		return FAIL(TD_FATAL, 0);
	if (td->tdr->lifecycle != KEYS_CONFIGURED)
		return FAIL(TD_KEYS_NOT_CONFIGURED, 0);
	if (td->tdr->num_tdcx < tdcs_pages(c->m, 0))
		return FAIL(TDCS_NOT_ALLOCATED, 0);
	td->tdcs = map_tdcs(c, td->tdr);
	return OK;
}

static tdx_status_t check_op_state(unsigned leaf, const struct td *td)
{
	return op_state_allows(leaf, td->tdcs->op_state) ? OK : FAIL(OP_STATE_INCORRECT, 0);
}

tdx_status_t check_state(struct call *c, unsigned leaf, struct td *td, bool op_lock)
{
	TRY(check_built(c, td));
	if (op_lock)
		TRY(call_take(c, &td->tdcs->op_lock, SHARED, HOST_PRIORITY, OP_OP_STATE));
	return check_op_state(leaf, td);
}

tdx_status_t check_state_alone(struct call *c, unsigned leaf, struct td *td)
{
	TRY(check_built(c, td));
	TRY(call_take(c, &td->tdcs->op_lock, EXCLUSIVE, HOST_PRIORITY, OP_OP_STATE));
	return check_op_state(leaf, td);
}

tdx_status_t get_vp(struct call *c, uint64_t pa, uint32_t op, enum lock_mode mode,
		    struct tdvps **vp, struct pamt_ref *ref, struct td *td)
{
	TRY(check_priv4k(c, pa, op, PT_TDVPR, mode, ref));
	*vp = call_map(c, pa);
	return get_owner_tdr(c, ref, SHARED, td);
}
