/*
 * md_value.c - a metadata field's value: loading and storing one element.
 *
 * Invariants
 *   - Only md.c calls here, after the id and the masks have been checked.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"
#include "tdx/soft/md.h"

#include <string.h>

static uint64_t pair(const uint32_t r[4], unsigned half)
{
	return r[2 * half] | (uint64_t)r[2 * half + 1] << 32;
}

static uint64_t count_cmrs(const struct soft_machine *mc)
{
	uint64_t n = 0;

	while (n < SOFT_MAX_CMRS && mc->cmr[n].size)
		n++;
	return n;
}

static uint64_t sys_value(const struct md_target *x, uint32_t what, unsigned i)
{
	const struct soft_module *m = x->c->m;
	const struct soft_profile *p = m->profile;

	switch (what) {
	case V_NUM_PKGS:
		return m->machine->package_count;
	case V_FMS:
		return i < m->machine->package_count ? m->cpuid[ROW_1][0] : 0;
	case V_CMR_BASE:
		return m->machine->cmr[i].size ? m->machine->cmr[i].base : 0;
	case V_CMR_SIZE:
		return m->machine->cmr[i].size;
	case V_XFAM_FIXED0:
		return p->xfam_fixed0 & m->xfam_native;
	case V_CPUID_LEAVES:
		return i < p->config_count ? cpuid_row_id(p->config_row[i]) : ALL_ONES;
	case V_CPUID_VALUES:
		return i / 2 < p->config_count
			       ? pair(cpuid_row(m, p->config_row[i / 2])->direct, i % 2)
			       : 0;
	case V_TDCS_BYTES:
		return p->tdcs_pages * PAGE_SIZE;
	case V_TDCS_L2_BYTES:
		return p->tdcs_l2_pages * PAGE_SIZE;
	case V_TDVPS_BYTES:
		return p->tdvps_pages * PAGE_SIZE;
	case V_TDVPS_L2_BYTES:
		return p->tdvps_l2_pages * PAGE_SIZE;
	case V_NUM_CMRS:
		return answers(m, SOFT_A_CMRS_COUNTED) ? count_cmrs(m->machine) : SOFT_MAX_CMRS;
	case V_NUM_FMS:
		return cpuid_fms_count(x->c);
	case V_SERVTD_FIXED0:
		return UINT64_C(0x7ff00000001);
	case V_ALLOWED_FMS:
		return cpuid_fms_entry(x->c, i);
	default:
		return 0;
	}
}

uint64_t md_profile_value(const struct soft_module *m, const struct md_field *f)
{
	uint64_t v = 0;

	memcpy(&v, (const uint8_t *)m->profile + (f->off & 0xffff), f->off >> 16);
	return v;
}

static uint64_t load_bytes(const void *base, uint32_t off, unsigned size, unsigned i)
{
	uint64_t v = 0;

	memcpy(&v, (const uint8_t *)base + off + ((size_t)i << size), (size_t)1 << size);
	return v;
}

static void store_bytes(void *base, uint32_t off, unsigned size, unsigned i, uint64_t v)
{
	memcpy((uint8_t *)base + off + ((size_t)i << size), &v, (size_t)1 << size);
}

static uint64_t page_word(const struct md_target *x, uint64_t page, unsigned i)
{
	return ((const uint64_t *)call_map(x->c, page + (uint64_t)i * 8))[0];
}

/* Bit 0: an interrupt waits in the virtual APIC above the processor priority. */
static uint64_t vcpu_details(const struct md_target *x)
{
	uint64_t rvi = vcpu_vmread(x->c, x->vp, F_INT_STATUS) & 0xff;
	const uint8_t *apic = call_map(x->c, x->vp->page_pa[2]);

	return (rvi & 0xf0) > (apic[0xa0] & 0xf0);
}

static uint64_t pa_with_hkid(const struct md_target *x, uint64_t pa)
{
	return pa ? call_with_hkid(x->c, pa, x->td->tdr->hkid) : 0;
}

/* What a nested VM would start from (it has the same controls as the TD's own VM). */
static uint64_t l2_default(const struct md_target *x, uint32_t what)
{
	switch (what) {
	case L2_CR0_MASK:
		return vcpu_vmread(x->c, x->vp, F_CR0_MASK) & ~UINT64_C(1);
	case L2_CR0_SHADOW:
		return vcpu_vmread(x->c, x->vp, F_CR0_SHADOW) & ~UINT64_C(1);
	case L2_CR4_MASK:
		return vcpu_vmread(x->c, x->vp, F_CR4_MASK);
	case L2_CR4_SHADOW:
		return 0x2040;
	case L2_VM_CR0_MASK:
		return vcpu_vmread(x->c, x->vp, F_CR0_MASK);
	case L2_VM_CR0_SHADOW:
		return 0x80000021;
	case L2_VM_CR4_SHADOW:
		return vcpu_vmread(x->c, x->vp, F_CR4_SHADOW);
	case L2_PIN:
		return 0x29;
	case L2_PI_VECTOR:
		return 0xffff;
	case L2_SECONDARY:
		return vcpu_vmread(x->c, x->vp, F_SECONDARY) | BIT64(26);
	default:
		return 0;
	}
}

#define US_PER_SECOND UINT64_C(1000000)

static uint64_t load_hp_timeout(const struct md_target *x)
{
	uint64_t ticks = x->td->tdcs->hp_lock_ticks;

	if (ticks > ALL_ONES / US_PER_SECOND)
		ticks = ALL_ONES / US_PER_SECOND;
	return x->c->m->tsc_hz ? ticks * US_PER_SECOND / x->c->m->tsc_hz : 0;
}

uint64_t md_load(const struct md_target *x, const struct md_field *f, unsigned i)
{
	switch (f->kind) {
	case K_ONES:
		return i <= x->td->tdcs->num_l2 ? ALL_ONES >> (64 - (8u << f->size)) : 0;
	case K_L2:
		return i == 0 ? l2_default(x, f->off) : 0;
	case K_CONST:
		return f->off;
	case K_SYS:
		return sys_value(x, f->off, i);
	case K_PROFILE:
		return md_profile_value(x->c->m, f);
	case K_X2APIC:
		return i < x->td->tdcs->num_vcpus ? *x2apic_id_at(x->c, x->td->tdr, i) : 0;
	case K_TDR:
		return load_bytes(x->td->tdr, f->off, f->size, i);
	case K_TDCS:
		return f->off == offsetof(struct tdcs, hp_lock_timeout)
			       ? load_hp_timeout(x)
			       : load_bytes(x->td->tdcs, f->off, f->size, i);
	case K_VP:
		return load_bytes(x->vp, f->off, f->size, i);
	case K_TDCX_PA:
		return pa_with_hkid(x, x->td->tdr->tdcx_pa[i]);
	case K_TDVPS_PA:
		return pa_with_hkid(x, x->vp->page_pa[i]);
	case K_CPUID:
		return pair(x->td->tdcs->cpuid[i / 2], i % 2);
	case K_MSR_BITMAP:
		return page_word(x, x->td->tdr->tdcx_pa[x->c->m->profile->tdcx_bitmap], i);
	case K_SEPT_ROOT:
		return page_word(x, x->td->tdr->tdcx_pa[x->c->m->profile->tdcx_root], i);
	case K_MIGSC_LINKS:
		return page_word(x, x->td->tdr->tdcx_pa[x->c->m->profile->tdcx_links], i);
	case K_VAPIC:
		return page_word(x, x->vp->page_pa[2], i);
	case K_XBUFF:
		return page_word(x, x->vp->page_pa[3 + i / 512], i % 512);
	case K_VMCS:
		return vcpu_vmread(x->c, x->vp, f->code);
	case K_VCPU_DETAILS:
		return vcpu_details(x);
	default:
		return 0;
	}
}

#define PIN_POSTED_INTERRUPTS BIT64(7)
#define VECTOR_UNSET          0xffff
#define SECONDARY_PML         BIT64(17)
#define SECONDARY_HOST        UINT64_C(0xc0130c04) /* what a debugger may change */
#define MSR_VMX_PROCBASED2    0x48b
#define DEBUGCTL_UNCORE_PMI   BIT64(13)

static tdx_status_t not_valid(void) { return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0); }

static tdx_status_t not_initialized(uint32_t field)
{
	return FAIL(TD_VMCS_FIELD_NOT_INITIALIZED, field);
}

/* CR0 and CR4: bits that the module owns must read as the guest would read them, and stay. */
static tdx_status_t merge_cr(const struct md_target *x, uint32_t cr, uint32_t mask_field,
			     uint32_t shadow_field, uint64_t *value)
{
	uint64_t mask = vcpu_vmread(x->c, x->vp, mask_field);
	uint64_t shadow = vcpu_vmread(x->c, x->vp, shadow_field);

	if ((*value ^ shadow) & mask)
		return not_valid();
	*value = (vcpu_vmread(x->c, x->vp, cr) & mask) | (*value & ~mask);
	return OK;
}

/* Address fields of the shared world. */
static tdx_status_t store_shared_pa(const struct md_target *x, uint32_t field, uint64_t value)
{
	uint64_t size = field == F_PI_DESC ? 64 : PAGE_SIZE;
	uint64_t plain = value & (BIT64(x->c->m->hkid_shift) - 1);

	if (FAILED(check_shared(x->c, value, 1, size, 0)))
		return not_valid();
	if (field == F_SHARED_EPTP) {
		x->vp->shared_eptp = value;
		x->vp->v.shared_root = plain;
	} else if (field == F_PI_DESC) {
		x->vp->pid_addr = value;
		x->vp->v.posted_desc = plain;
	} else {
		x->vp->pml_addr = value;
	}
	return OK;
}

/* Posted interrupts need a vector and a descriptor first. */
static tdx_status_t check_pin(const struct md_target *x, uint64_t value)
{
	if (!(value & PIN_POSTED_INTERRUPTS))
		return OK;
	if (vcpu_vmread(x->c, x->vp, F_PI_VECTOR) == VECTOR_UNSET)
		return not_initialized(F_PI_VECTOR);
	return x->vp->pid_addr == ALL_ONES ? not_initialized(F_PI_DESC) : OK;
}

/* Secondary controls: only what the CPU allows, and PML only for a debugger who has set its log. */
static tdx_status_t check_secondary(const struct md_target *x, uint64_t value)
{
	uint64_t cap = call_rdmsr(x->c, MSR_VMX_PROCBASED2);
	bool debug = x->reader == MD_HOST_DEBUG;
	uint64_t may = debug ? SECONDARY_HOST : BITS64(31, 30);

	if (may & ((~value & (uint32_t)cap) | (value & ~(cap >> 32))))
		return not_valid();
	if ((value & SECONDARY_PML) && (!debug || x->vp->pml_addr >> 63))
		return not_valid();
	return OK;
}

#define CR3_LAM BITS64(62, 61)

/* No bits above the physical address, but those of linear address masking. */
static bool cr3_ok(const struct md_target *x, uint64_t value)
{
	return ((value & ~CR3_LAM) >> x->c->m->maxpa) == 0;
}

/* VMCS fields with rules of their own. */
static tdx_status_t store_vmcs(const struct md_target *x, uint32_t field, uint64_t value)
{
	switch (field) {
	case F_SHARED_EPTP:
	case F_PI_DESC:
	case F_PML_ADDR:
		TRY(store_shared_pa(x, field, value));
		break;
	case F_PI_VECTOR:
		if (value > 0xff)
			return not_valid();
		break;
	case F_PIN:
		TRY(check_pin(x, value));
		break;
	case F_SECONDARY:
		TRY(check_secondary(x, value));
		break;
	case F_CR0:
		TRY(merge_cr(x, F_CR0, F_CR0_MASK, F_CR0_SHADOW, &value));
		break;
	case F_CR3:
		if (answers(x->c->m, SOFT_A_CHECK_CR3) && !cr3_ok(x, value))
			return not_valid();
		break;
	case F_CR4:
		TRY(merge_cr(x, F_CR4, F_CR4_MASK, F_CR4_SHADOW, &value));
		break;
	case F_DEBUGCTL:
		value &= ~DEBUGCTL_UNCORE_PMI; /* the host's, which the image does not use */
		break;
	default:
		break;
	}
	return vcpu_vmwrite(x->c, x->vp, field, value) ? OK : FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
}

#define HP_TIMEOUT_MIN UINT64_C(10000)
#define HP_TIMEOUT_MAX UINT64_C(100000000)

/* Kept in ticks, of which the real module keeps the low 32 bits. */
static tdx_status_t store_hp_timeout(const struct md_target *x, uint64_t us)
{
	if (us < HP_TIMEOUT_MIN || us > HP_TIMEOUT_MAX)
		return not_valid();
	x->td->tdcs->hp_lock_ticks = (uint32_t)(us * x->c->m->tsc_hz / US_PER_SECOND);
	return OK;
}

#define PENDING_VE_DISABLE BIT64(0)

/* A guest may change what a pending page does only if its host said so. */
static tdx_status_t check_td_ctls(const struct md_target *x, uint64_t value)
{
	const struct tdcs *t = x->td->tdcs;
	bool flexible = (t->config_flags & CFG_FLEXIBLE_PENDING_VE) != 0;

	if (value & TD_CTLS_ENUM_TOPOLOGY && !t->topology_configured)
		return not_valid();
	return !flexible && ((t->td_ctls ^ value) & PENDING_VE_DISABLE) ? not_valid() : OK;
}

#define XSAVE_HEADER_FIRST (512 / 8)
#define XSAVE_HEADER_END   (576 / 8)
#define XFAM_PT            8

/* The XSAVE header is the module's, and so is the first word of the trace unit's state. */
static tdx_status_t store_xbuff(const struct md_target *x, unsigned i, uint64_t value)
{
	const struct tdcs *t = x->td->tdcs;

	if ((i >= XSAVE_HEADER_FIRST && i < XSAVE_HEADER_END) ||
	    ((t->xfam >> XFAM_PT & 1) && i == t->xbuff_offsets[XFAM_PT] / 8))
		return FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
	((uint64_t *)call_map(x->c, x->vp->page_pa[3 + i / 512]))[i % 512] = value;
	return OK;
}

static tdx_status_t store_tdcs(const struct md_target *x, const struct md_field *f, unsigned i,
			       uint64_t value)
{
	if (f->off == offsetof(struct tdcs, hp_lock_timeout))
		return store_hp_timeout(x, value);
	if (f->off == offsetof(struct tdcs, td_ctls) && x->reader == MD_GUEST)
		TRY(check_td_ctls(x, value));
	store_bytes(x->td->tdcs, f->off, f->size, i, value);
	return OK;
}

tdx_status_t md_store(const struct md_target *x, const struct md_field *f, unsigned i,
		      uint64_t value)
{
	switch (f->kind) {
	case K_TDCS:
		return store_tdcs(x, f, i, value);
	case K_VP:
		/* The vCPU's copy of XFAM has a write mask and yet is not to be written. */
		if (f->off == offsetof(struct tdvps, v.xfam))
			return FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
		store_bytes(x->vp, f->off, f->size, i, value);
		return OK;
	case K_XBUFF:
		return store_xbuff(x, i, value);
	case K_VMCS:
		return store_vmcs(x, f->code, value);
	case K_L2:
		return OK; /* for nested VMs, of which there are none: taken and not used */
	default:
		return FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
	}
}
