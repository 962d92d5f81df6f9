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
static bool is_l2_bitmap(const struct call *c, unsigned index)
{
	unsigned base = tdvps_pages(c->m, 0);

	return index >= base && (index - base) % c->m->profile->tdvps_l2_pages != 0;
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
		return vcpu_state_wrong(c, vp->state);
	if (vp->num_pages >= tdvps_pages(c->m, MAX_L2_VMS))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	TRY(check_priv4k(c, pa, OP_RCX, PT_NDA, EXCLUSIVE, &page));

	unsigned n = vp->num_pages;

	call_filling(c);
	call_page_fill(call_map(c, pa), is_l2_bitmap(c, n) ? ALL_ONES : 0);
	vp->page_pa[n] = pa;
	if (n < ARRAY_LEN(vp->v.page))
		vp->v.page[n] = pa;
	vp->num_pages = (uint8_t)(n + 1);
	chldcnt_add(td.tdr, 1);
	page_assign(c, page.e, pa, 0, PT_TDCX, td.pa);
	return OK;
}

bool vp_pages_complete(const struct call *c, const struct tdvps *vp, const struct tdcs *t)
{
	return vp->num_pages >= tdvps_pages(c->m, t->num_l2);
}

tdx_status_t vcpu_state_wrong(const struct call *c, uint8_t state)
{
	return FAIL(VCPU_STATE_INCORRECT, answers(c->m, SOFT_A_VCPU_STATE) ? state : 0);
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
	v->sept_root = td->tdr->tdcx_pa[c->m->profile->tdcx_root];
	v->msr_bitmap = td->tdr->tdcx_pa[c->m->profile->tdcx_bitmap];
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

uint32_t *x2apic_id_at(const struct call *c, const struct tdr *tdr, unsigned index)
{
	return call_map(c, tdr->tdcx_pa[TDCX_X2APIC + index / X2APIC_IDS_PER_PAGE] +
				   index % X2APIC_IDS_PER_PAGE * sizeof(uint32_t));
}

/*
 * Version 1 names the vCPU's x2APIC id, which no other vCPU of the TD may have. The TDR is held
 * exclusively. Version 0 leaves the guest without a topology of its own.
 */
static tdx_status_t take_x2apic_id(struct call *c, const struct td *td, uint32_t index)
{
	uint64_t id = c->in.r8;

	if (c->version == 0) {
		td->tdcs->topology_configured = 0;
		*x2apic_id_at(c, td->tdr, index) = index;
		return OK;
	}
	if (id >> 32) {
		__atomic_fetch_sub(&td->tdcs->num_vcpus, 1, __ATOMIC_ACQ_REL);
		return FAIL(OPERAND_INVALID, OP_R8);
	}
	for (uint32_t i = 0; i < index; i++) {
		if (*x2apic_id_at(c, td->tdr, i) != id)
			continue;
		if (answers(c->m, SOFT_A_ID_RESTORES))
			__atomic_fetch_sub(&td->tdcs->num_vcpus, 1, __ATOMIC_ACQ_REL);
		return FAIL(X2APIC_ID_NOT_UNIQUE, (uint32_t)id);
	}
	*x2apic_id_at(c, td->tdr, index) = (uint32_t)id;
	return OK;
}

/* The vCPU and its TD, whose TDR version 1 takes for itself. */
static tdx_status_t get_new_vp(struct call *c, struct tdvps **vp, struct td *td)
{
	struct pamt_ref page;

	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	TRY(check_priv4k(c, c->in.rcx, OP_RCX, PT_TDVPR, EXCLUSIVE, &page));
	*vp = call_map(c, c->in.rcx);
	return get_owner_tdr(c, &page, c->version ? EXCLUSIVE : SHARED, td);
}

static tdx_status_t count_vcpu(const struct td *td, uint32_t *index)
{
	*index = __atomic_fetch_add(&td->tdcs->num_vcpus, 1, __ATOMIC_ACQ_REL);
	if (*index < td->tdcs->max_vcpus)
		return OK;
	__atomic_fetch_sub(&td->tdcs->num_vcpus, 1, __ATOMIC_ACQ_REL);
	return FAIL(MAX_VCPUS_EXCEEDED, 0);
}

tdx_status_t leaf_vp_init(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	uint32_t index;
	bool fresh;

	TRY(get_new_vp(c, &vp, &td));
	TRY(check_state(c, c->leaf, &td, true));
	if (!vp_pages_complete(c, vp, td.tdcs))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	if (vp->state != VCPU_UNINITIALIZED)
		return vcpu_state_wrong(c, vp->state);
	if (answers(c->m, SOFT_A_TSC_FIRST))
		TRY(check_tsc_adjust(c));
	TRY(count_vcpu(&td, &index));
	TRY(take_x2apic_id(c, &td, index));
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
	if (!vp_pages_complete(c, vp, td.tdcs))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	if (vp->assoc_lpid != c->lp)
		return FAIL(VCPU_NOT_ASSOCIATED, 0);
	c->m->backend->ops->vcpu_flush(c->m->backend->ctx, c->lp, &vp->v);
	__atomic_store_n(&vp->assoc_lpid, LPID_NONE, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&td.tdcs->num_assoc_vcpus, 1, __ATOMIC_ACQ_REL);
	return OK;
}
