/*
 * phymem.c - PHYMEM.PAGE.RDMD, RECLAIM and WBINVD: pages by physical address.
 *
 * Invariants
 *   - A page is reclaimed only from a TD whose HKID is gone; its TDR only as the last of all.
 *
 * Facts: ABI reference section 3.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/module.h"

#define RDMD_NON_LEAF BIT64(63)

static void clear_outputs(struct call *c)
{
	c->r->rcx = c->r->rdx = c->r->r8 = c->r->r9 = c->r->r10 = c->r->r11 = 0;
}

static bool has_owner(uint8_t type) { return type == PT_REG || type >= PT_TDCX; }

tdx_status_t leaf_phymem_page_rdmd(struct call *c)
{
	struct pamt_ref ref;
	uint64_t pa = c->in.rcx;
	unsigned level = 0; /* with dynamic PAMT the caller may say which */

	clear_outputs(c);
	if (c->m->dynamic_pamt) {
		level = (unsigned)(pa & 7);
		pa &= ~UINT64_C(7);
	}
	if (level > 2)
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(check_pa(c, pa, PAGE_SIZE << (9 * level), OP_RCX));
	TRY(pamt_walk(c, pa, level, SHARED, OP_RCX, &ref));
	if (c->m->dynamic_pamt && level == 0 && ref.e->type == PT_NDA && pamt_bit(c, pa)) {
		c->r->rcx = PT_PAMT;
		return OK;
	}
	c->r->r8 = ref.level;
	c->r->rcx = ref.e->type;
	if (ref.e->type == PT_PAMT) {
		c->r->rcx |= RDMD_NON_LEAF;
		c->r->r10 = pair_page(ref.e, 0);
		c->r->r11 = pair_page(ref.e, 1);
		return OK;
	}
	c->r->rdx = pamt_owner(ref.e);
	if (ref.e->type == PT_REG || ref.e->type == PT_EPT)
		c->r->r9 = ref.e->bepoch;
	return OK;
}

static tdx_status_t reclaim_tdr(struct call *c, struct pamt_ref *ref, uint64_t pa)
{
	struct tdr *tdr = call_map(c, pa);

	if (tdr->lifecycle != TEARDOWN)
		return FAIL(LIFECYCLE_STATE_INCORRECT, 0);
	if (tdr->chldcnt)
		return FAIL(TD_ASSOCIATED_PAGES_EXIST, 0);
	c->r->r9 = page_give_back(c, ref->e, pa, 0);
	return OK;
}

tdx_status_t leaf_phymem_page_reclaim(struct call *c)
{
	struct pamt_ref ref;
	struct td td;
	uint64_t pa = c->in.rcx;

	c->r->rcx = c->r->rdx = c->r->r8 = c->r->r9 = c->r->r10 = c->r->r11 = 0;
	TRY(check_pa(c, pa, PAGE_SIZE, OP_RCX));
	TRY(pamt_walk(c, pa, 0, EXCLUSIVE, OP_RCX, &ref));

	uint8_t type = ref.e->type;

	if (type == PT_NDA || type == PT_RSVD)
		return FAIL(PAGE_METADATA_INCORRECT, OP_RCX);
	c->r->rcx = type;
	c->r->rdx = has_owner(type) ? pamt_owner(ref.e) : 0;
	c->r->r8 = ref.level;
	if (!is_aligned(pa, PAGE_SIZE << (9 * ref.level)))
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (type == PT_TDR)
		return reclaim_tdr(c, &ref, pa);
	TRY(get_owner_tdr(c, &ref, SHARED, &td));
	if (td.tdr->lifecycle != TEARDOWN)
		return FAIL(LIFECYCLE_STATE_INCORRECT, 0);
	c->r->r9 = page_give_back(c, ref.e, pa, ref.level);
	chldcnt_add(td.tdr, -((int64_t)1 << (9 * ref.level)));
	return OK;
}

/* The HKID in the address is not validated; caches here have one key only. */
tdx_status_t leaf_phymem_page_wbinvd(struct call *c)
{
	struct pamt_ref ref;
	uint64_t pa = c->in.rcx;

	if (pa >> PA_BITS)
		return FAIL(OPERAND_INVALID, OP_RCX);
	pa &= BIT64(c->m->hkid_shift) - 1;
	TRY(check_pa(c, pa, PAGE_SIZE, OP_RCX));
	TRY(pamt_walk(c, pa, 0, SHARED, OP_RCX, &ref));
	/* A 2M range without a pair is free memory too. */
	if (ref.e->type != PT_NDA || (c->m->dynamic_pamt && pamt_bit(c, pa)))
		return FAIL(PAGE_METADATA_INCORRECT, OP_RCX);
	return OK;
}
