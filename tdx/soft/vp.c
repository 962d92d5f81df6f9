/*
 * vp.c - a vCPU's pages and birth: VP.CREATE, ADDCX, INIT, FLUSH, and its association with an LP.
 *
 * Invariants
 *   - A vCPU is associated with at most one LP; NUM_ASSOC_VCPUS counts the associated ones.
 *   - The TD VMCS is complete when the vCPU becomes READY.
 *
 * Facts: ABI reference section 3.3, guest ABI reference sections 2 and 3.1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#include <string.h>

tdx_status_t leaf_vp_create(struct call *c)
{
	struct td td;
	struct pamt_ref page;
	uint64_t pa = c->in.rcx;

	TRY(get_tdr(c, c->in.rdx, OP_RDX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(check_priv4k(c, pa, OP_RCX, PT_NDA, EXCLUSIVE, &page));

	struct tdvps *vp = call_map(c, pa);

	call_filling(c);
	memset(vp, 0, PAGE_SIZE);
	vp->num_pages = 1;
	vp->page_pa[0] = pa;
	vp->v.page[0] = pa;
	vp->assoc_lpid = LPID_NONE;
	vp->state = VCPU_UNINITIALIZED;
	chldcnt_add(td.tdr, 1);
	page_assign(c, page.e, pa, 0, PT_TDVPR, td.pa);
	return OK;
}

/* The MSR bitmaps of nested VMs start with all bits set. */
static bool is_l2_bitmap(unsigned index)
{
	return index >= TDVPS_BASE_PAGES && (index - TDVPS_BASE_PAGES) % TDVPS_L2_PAGES != 0;
}

tdx_status_t leaf_vp_addcx(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	struct pamt_ref vp_page, page;
	uint64_t pa = c->in.rcx;

	TRY(get_vp(c, c->in.rdx, OP_RDX, EXCLUSIVE, &vp, &vp_page, &td));
	TRY(check_state(c, c->leaf, &td, true));
	if (vp->state != VCPU_UNINITIALIZED)
		return FAIL(VCPU_STATE_INCORRECT, 0);
	if (vp->num_pages >= TDVPS_MAX_PAGES)
		return FAIL(TDCX_NUM_INCORRECT, 0);
	TRY(check_priv4k(c, pa, OP_RCX, PT_NDA, EXCLUSIVE, &page));

	unsigned n = vp->num_pages;

	call_filling(c);
	call_page_fill(call_map(c, pa), is_l2_bitmap(n) ? ALL_ONES : 0);
	vp->page_pa[n] = pa;
	if (n < ARRAY_LEN(vp->v.page))
		vp->v.page[n] = pa;
	vp->num_pages = (uint8_t)(n + 1);
	chldcnt_add(td.tdr, 1);
	page_assign(c, page.e, pa, 0, PT_TDCX, td.pa);
	return OK;
}

bool vp_pages_complete(const struct tdvps *vp, const struct tdcs *t)
{
	return vp->num_pages >= TDVPS_BASE_PAGES + TDVPS_L2_PAGES * t->num_l2;
}

/* Take the vCPU for this LP. */
tdx_status_t vp_associate(struct call *c, struct td *td, struct tdvps *vp, bool *fresh)
{
	uint32_t none = LPID_NONE;

	*fresh = false;
	if (__atomic_load_n(&vp->assoc_lpid, __ATOMIC_ACQUIRE) == c->lp)
		return OK;
	if (!__atomic_compare_exchange_n(&vp->assoc_lpid, &none, c->lp, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return FAIL(VCPU_ASSOCIATED, 0);
	__atomic_fetch_add(&td->tdcs->num_assoc_vcpus, 1, __ATOMIC_ACQ_REL);
	*fresh = true;
	return OK;
}

static void init_identity(const struct call *c, const struct td *td, struct tdvps *vp,
			  uint32_t index)
{
	struct soft_vcpu *v = &vp->v;

	v->index = index;
	v->hkid = td->tdr->hkid;
	v->xfam = td->tdcs->xfam;
	v->attributes = td->tdcs->attributes;
	v->gpaw = td->tdcs->gpa_width;
	v->sept_levels = (uint8_t)(td->tdcs->root_level + 1);
	v->sept_root = td->tdr->tdcx_pa[TDCX_SEPT_ROOT];
	v->msr_bitmap = td->tdr->tdcx_pa[TDCX_MSR_BITMAP];
	(void)c;
}

static void init_registers(struct call *c, const struct td *td, struct tdvps *vp)
{
	struct soft_vcpu *v = &vp->v;

	v->gpr.rbx = td->tdcs->gpa_width;
	v->gpr.rcx = v->gpr.r8 = c->in.rdx;
	v->gpr.rdx = c->m->cpuid[0][0]; /* family, model and stepping of this CPU */
	v->gpr.rsi = v->index;
	v->xcr0 = 1;
	v->dr6 = 0xffff0ff0;
	v->msr.fmask = 0x20200;
	/* An XSAVES image with nothing in it: XCOMP_BV says "compacted". */
	if (v->page[3])
		((uint64_t *)call_map(c, v->page[3]))[65] = BIT64(63);
}

tdx_status_t leaf_vp_init(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	struct pamt_ref page;
	bool fresh;

	TRY(get_vp(c, c->in.rcx, OP_RCX, EXCLUSIVE, &vp, &page, &td));
	TRY(check_state(c, c->leaf, &td, true));
	if (!vp_pages_complete(vp, td.tdcs))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	if (vp->state != VCPU_UNINITIALIZED)
		return FAIL(VCPU_STATE_INCORRECT, 0);

	uint32_t index = __atomic_fetch_add(&td.tdcs->num_vcpus, 1, __ATOMIC_ACQ_REL);

	if (index >= td.tdcs->max_vcpus) {
		__atomic_fetch_sub(&td.tdcs->num_vcpus, 1, __ATOMIC_ACQ_REL);
		return FAIL(MAX_VCPUS_EXCEEDED, 0);
	}
	/* NUM_VCPUS stays counted if this fails, as in the real 1.5.01. */
	TRY(check_tsc_adjust(c));

	init_identity(c, &td, vp, index);
	init_registers(c, &td, vp);
	vp->last_td_exit = EXIT_ASYNC_FAULT;
	vp->shared_eptp = vp->pid_addr = vp->pml_addr = ALL_ONES;
	for (unsigned vm = 0; vm <= td.tdcs->num_l2 && vm < ARRAY_LEN(vp->tsc_deadline); vm++)
		vp->tsc_deadline[vm] = ALL_ONES;
	TRY(vp_associate(c, &td, vp, &fresh));
	c->m->backend->ops->vcpu_init(c->m->backend->ctx, c->lp, &vp->v);
	guest_vmcs_init(c, &td, vp);
	vp->state = VCPU_READY;
	return OK;
}

tdx_status_t leaf_vp_flush(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	struct pamt_ref page;

	TRY(get_vp(c, c->in.rcx, OP_RCX, EXCLUSIVE, &vp, &page, &td));
	if (td.tdr->lifecycle != KEYS_CONFIGURED)
		return FAIL(TD_KEYS_NOT_CONFIGURED, 0);
	td.tdcs = map_tdcs(c, td.tdr);
	if (!vp_pages_complete(vp, td.tdcs))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	if (vp->assoc_lpid != c->lp)
		return FAIL(VCPU_NOT_ASSOCIATED, 0);
	c->m->backend->ops->vcpu_flush(c->m->backend->ctx, c->lp, &vp->v);
	__atomic_store_n(&vp->assoc_lpid, LPID_NONE, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&td.tdcs->num_assoc_vcpus, 1, __ATOMIC_ACQ_REL);
	return OK;
}
