/*
 * mng.c - a TD's keys and control pages: MNG.CREATE, KEY.CONFIG, ADDCX, VPFLUSHDONE, KEY.FREEID,
 * RECLAIMID, and PHYMEM.CACHE.WB, the step between the last two.
 *
 * Invariants
 *   - The key ownership table says for each HKID who has it; it changes under kot_lock.
 *   - An HKID is free again only after every package has written its caches back since it was
 *     flushed.
 *
 * Facts: ABI reference sections 3.2, 6.2, 6.6.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/sept.h"

#include <string.h>

static uint8_t package_bit(const struct call *c)
{
	return (uint8_t)(1u << c->m->machine->package_of[c->lp]);
}

tdx_status_t leaf_mng_create(struct call *c)
{
	struct pamt_ref page;
	uint64_t pa = c->in.rcx, hkid = c->in.rdx;
	struct kot_entry *key;
	uint64_t uuid[4];

	if (hkid >> 16 || !hkid_is_private(c->m, (uint32_t)hkid))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(check_priv4k(c, pa, OP_RCX, PT_NDA, EXCLUSIVE, &page));
	TRY(call_take(c, &c->m->kot_lock, EXCLUSIVE, PLAIN, OP_KOT));
	key = &c->m->kot[hkid];
	if (key->state != KOT_FREE)
		return FAIL(HKID_NOT_FREE, 0);

	struct tdr *tdr = call_map(c, pa);

	call_filling(c);
	memset(tdr, 0, PAGE_SIZE);
	for (unsigned i = 0; i < ARRAY_LEN(uuid); i++)
		if (!call_random(c, &uuid[i]))
			return FAIL(RND_NO_ENTROPY, 0);

	memcpy(tdr->uuid, uuid, sizeof(uuid));
	tdr->hkid = (uint16_t)hkid;
	tdr->lifecycle = HKID_ASSIGNED;
	tdr->seamdb_index = 1;
	key->state = KOT_ASSIGNED;
	page_assign(c, page.e, pa, 0, PT_TDR, 0);
	return OK;
}

tdx_status_t leaf_mng_key_config(struct call *c)
{
	const struct soft_machine *mc = c->m->machine;
	struct td td;

	TRY(get_tdr(c, c->in.rcx, OP_RCX, EXCLUSIVE, &td));
	if (td.tdr->fatal)
		return FAIL(TD_FATAL, 0);
	if (td.tdr->lifecycle != HKID_ASSIGNED)
		return FAIL(LIFECYCLE_STATE_INCORRECT, 0);
	if (td.tdr->pkg_bitmap & package_bit(c))
		return FAIL(KEY_CONFIGURED, 0);
	switch (mc->ops->pconfig(mc->ctx, c->lp, td.tdr->hkid)) {
	case SOFT_PCONFIG_BUSY:
		return FAIL(OPERAND_BUSY, OP_KET);
	case SOFT_PCONFIG_ENTROPY:
		return FAIL(KEY_GENERATION_FAILED, 0);
	case SOFT_PCONFIG_OK:
		break;
	}
	td.tdr->pkg_bitmap |= package_bit(c);
	if (td.tdr->pkg_bitmap == c->m->pkg_all)
		td.tdr->lifecycle = KEYS_CONFIGURED;
	return OK;
}

/* What a fresh TDCX page is filled with. */
static uint64_t tdcx_filling(const struct soft_profile *p, unsigned index)
{
	if (index == p->tdcx_bitmap)
		return ALL_ONES;
	return index == p->tdcx_root ? SE_FREE : 0;
}

tdx_status_t leaf_mng_addcx(struct call *c)
{
	struct td td;
	struct pamt_ref page;
	uint64_t pa = c->in.rcx, canary;

	TRY(get_tdr(c, c->in.rdx, OP_RDX, EXCLUSIVE, &td));
	if (td.tdr->fatal)
		return FAIL(TD_FATAL, 0);
	if (td.tdr->lifecycle != KEYS_CONFIGURED)
		return FAIL(TD_KEYS_NOT_CONFIGURED, 0);

	unsigned n = td.tdr->num_tdcx, base = tdcs_pages(c->m, 0);

	if (n >= tdcs_pages(c->m, MAX_L2_VMS))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	TRY(check_priv4k(c, pa, OP_RCX, PT_NDA, EXCLUSIVE, &page));

	call_filling(c);
	call_page_fill(call_map(c, pa), tdcx_filling(c->m->profile, n));
	if (n + 1 == base && !call_random(c, &canary))
		return FAIL(RND_NO_ENTROPY, 0);
	if (n >= base && map_tdcs(c, td.tdr)->op_state != OPS_UNINITIALIZED)
		return FAIL(OP_STATE_INCORRECT, 0);

	td.tdr->tdcx_pa[n] = pa;
	td.tdr->num_tdcx = n + 1;
	chldcnt_add(td.tdr, 1);
	page_assign(c, page.e, pa, 0, PT_TDCX, td.pa);
	return OK;
}

tdx_status_t leaf_mng_vpflushdone(struct call *c)
{
	struct td td;

	TRY(get_tdr(c, c->in.rcx, OP_RCX, EXCLUSIVE, &td));
	TRY(call_take(c, &c->m->kot_lock, EXCLUSIVE, PLAIN, OP_KOT));
	if (td.tdr->lifecycle != KEYS_CONFIGURED && td.tdr->lifecycle != HKID_ASSIGNED)
		return FAIL(LIFECYCLE_STATE_INCORRECT, 0);
	if (td.tdr->num_tdcx >= tdcs_pages(c->m, 0)) {
		struct tdcs *t = map_tdcs(c, td.tdr);

		if (t->op_state >= OPS_INITIALIZED && t->num_assoc_vcpus)
			return FAIL(FLUSHVP_NOT_DONE, 0);
	}

	struct kot_entry *key = &c->m->kot[td.tdr->hkid];

	key->state = KOT_FLUSHED;
	key->wb_todo = c->m->pkg_all;
	td.tdr->lifecycle = KEYS_BLOCKED;
	return OK;
}

tdx_status_t leaf_mng_key_freeid(struct call *c)
{
	struct td td;

	TRY(get_tdr(c, c->in.rcx, OP_RCX, EXCLUSIVE, &td));
	if (td.tdr->lifecycle != KEYS_BLOCKED)
		return FAIL(LIFECYCLE_STATE_INCORRECT, 0);
	TRY(call_take(c, &c->m->kot_lock, EXCLUSIVE, PLAIN, OP_KOT));

	struct kot_entry *key = &c->m->kot[td.tdr->hkid];

	if (key->wb_todo)
		return FAIL(WBCACHE_NOT_COMPLETE, 0);
	key->state = KOT_FREE;
	td.tdr->lifecycle = TEARDOWN;
	return OK;
}

tdx_status_t leaf_mng_key_reclaimid(struct call *c)
{
	(void)c; /* kept for old hosts: does nothing */
	return OK;
}

/* Notes which HKIDs are flushed and still wait for this package; false if there are none. */
static bool collect_flushed(struct call *c, struct wbt_entry *w)
{
	bool any = false;

	memset(w->hkids, 0, sizeof(w->hkids));
	for (unsigned i = 0; i < MAX_HKIDS; i++) {
		if (c->m->kot[i].state != KOT_FLUSHED)
			continue;
		w->hkids[i / 64] |= BIT64(i % 64);
		any = true;
	}
	return any;
}

static void mark_written_back(struct call *c, const struct wbt_entry *w)
{
	for (unsigned i = 0; i < MAX_HKIDS; i++)
		if (w->hkids[i / 64] >> (i % 64) & 1)
			__atomic_fetch_and(&c->m->kot[i].wb_todo, (uint8_t)~package_bit(c),
					   __ATOMIC_RELAXED);
}

tdx_status_t leaf_phymem_cache_wb(struct call *c)
{
	const struct soft_machine *mc = c->m->machine;
	struct wbt_entry *w = &c->m->wbt[mc->package_of[c->lp]];

	if (c->in.rcx > 1)
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(call_take(c, &w->lock, EXCLUSIVE, PLAIN, OP_WBCACHE));
	TRY(call_take(c, &c->m->kot_lock, SHARED, PLAIN, OP_KOT));
	if (c->in.rcx == 0) {
		if (!collect_flushed(c, w))
			return FAIL(NO_HKID_READY_TO_WBCACHE, 0);
		w->next_block = 0;
	} else if (!w->interrupted) {
		return FAIL(WBCACHE_RESUME_ERROR, 0);
	}
	w->interrupted = false;
	while (w->next_block < c->m->wb_blocks) {
		mc->ops->cache_wb(mc->ctx, c->lp, w->next_block++);
		if (w->next_block < c->m->wb_blocks && call_irq_pending(c)) {
			w->interrupted = true;
			return FAIL(INTERRUPTED_RESUMABLE, 0);
		}
	}
	mark_written_back(c, w);
	return OK;
}
