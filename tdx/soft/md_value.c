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

#define FEATURES0             UINT64_C(0xf0fbf)
#define ARCH_CAP_CONFIGURABLE (BIT64(4) | BIT64(19) | BIT64(20) | BIT64(24))

static uint64_t pair(const uint32_t r[4], unsigned half)
{
	return r[2 * half] | (uint64_t)r[2 * half + 1] << 32;
}

static uint64_t sys_value(const struct md_target *x, uint32_t what, unsigned i)
{
	const struct soft_module *m = x->c->m;

	switch (what) {
	case V_NUM_PKGS:
		return m->machine->package_count;
	case V_FMS:
		return i < m->machine->package_count ? m->cpuid[ROW_1][0] : 0;
	case V_CMR_BASE:
		return m->machine->cmr[i].size ? m->machine->cmr[i].base : 0;
	case V_CMR_SIZE:
		return m->machine->cmr[i].size;
	case V_ATTR_FIXED0:
		return ATTR_FIXED0;
	case V_XFAM_FIXED0:
		return XFAM_FIXED0 & m->xfam_native;
	case V_CPUID_LEAVES:
		return i < CPUID_CONFIGS ? cpuid_row_id(cpuid_config_row[i]) : ALL_ONES;
	case V_CPUID_VALUES:
		return i / 2 < CPUID_CONFIGS
			       ? pair(cpuid_rows[cpuid_config_row[i / 2]].direct, i % 2)
			       : 0;
	case V_FEATURES0:
		return FEATURES0;
	case V_ARCH_CAP_MASK:
		return ARCH_CAP_CONFIGURABLE & m->msr[1];
	default:
		return 0;
	}
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

uint64_t md_load(const struct md_target *x, const struct md_field *f, unsigned i)
{
	switch (f->kind) {
	case K_ONES:
		return ALL_ONES >> (64 - (8u << f->size));
	case K_L2:
		return l2_default(x, f->off);
	case K_CONST:
		return f->off;
	case K_SYS:
		return sys_value(x, f->off, i);
	case K_TDR:
		return load_bytes(x->td->tdr, f->off, f->size, i);
	case K_TDCS:
		return load_bytes(x->td->tdcs, f->off, f->size, i);
	case K_VP:
		return load_bytes(x->vp, f->off, f->size, i);
	case K_TDCX_PA:
		return pa_with_hkid(x, x->td->tdr->tdcx_pa[i]);
	case K_TDVPS_PA:
		return pa_with_hkid(x, x->vp->page_pa[i]);
	case K_CPUID:
		return pair(x->td->tdcs->cpuid[i / 2], i % 2);
	case K_MSR_BITMAP:
		return page_word(x, x->td->tdr->tdcx_pa[TDCX_MSR_BITMAP], i);
	case K_SEPT_ROOT:
		return page_word(x, x->td->tdr->tdcx_pa[TDCX_SEPT_ROOT], i);
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
#define CR4_VMXE              BIT64(13)

static tdx_status_t not_initialized(uint32_t field)
{
	return FAIL(TD_VMCS_FIELD_NOT_INITIALIZED, field);
}

/* VMCS fields with rules of their own. */
static tdx_status_t store_vmcs(const struct md_target *x, uint32_t field, uint64_t value)
{
	struct tdvps *vp = x->vp;

	switch (field) {
	case F_SHARED_EPTP:
		if (FAILED(check_shared(x->c, value, PAGE_SIZE, PAGE_SIZE, 0)))
			return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0);
		vp->shared_eptp = value;
		vp->v.shared_root = value & (BIT64(x->c->m->hkid_shift) - 1);
		break;
	case F_PI_DESC:
		if (FAILED(check_shared(x->c, value, 64, 64, 0)))
			return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0);
		vp->pid_addr = value;
		vp->v.posted_desc = value & (BIT64(x->c->m->hkid_shift) - 1);
		break;
	case F_PI_VECTOR:
		if (value > 0xff)
			return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0);
		break;
	case F_PIN:
		if (!(value & PIN_POSTED_INTERRUPTS))
			break;
		if (vcpu_vmread(x->c, vp, F_PI_VECTOR) == VECTOR_UNSET)
			return not_initialized(F_PI_VECTOR);
		if (vp->pid_addr == ALL_ONES)
			return not_initialized(F_PI_DESC);
		break;
	case F_CR4:
		/* VMXE is no TD's to have, yet the field has it set: no write passes. */
		if (value & CR4_VMXE)
			return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0);
		break;
	default:
		break;
	}
	return vcpu_vmwrite(x->c, vp, field, value) ? OK : FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
}

#define HP_TIMEOUT_MIN UINT64_C(10000)
#define HP_TIMEOUT_MAX UINT64_C(100000000)

static tdx_status_t store_hp_timeout(const struct md_target *x, uint64_t us)
{
	if (us < HP_TIMEOUT_MIN || us > HP_TIMEOUT_MAX)
		return FAIL(METADATA_FIELD_VALUE_NOT_VALID, 0);
	x->td->tdcs->hp_lock_timeout = us;
	x->td->tdcs->hp_lock_ticks = x->c->m->tsc_hz / 1000000 * us;
	return OK;
}

tdx_status_t md_store(const struct md_target *x, const struct md_field *f, unsigned i,
		      uint64_t value)
{
	switch (f->kind) {
	case K_TDCS:
		if (f->off == offsetof(struct tdcs, hp_lock_timeout))
			return store_hp_timeout(x, value);
		store_bytes(x->td->tdcs, f->off, f->size, i, value);
		return OK;
	case K_VP:
		store_bytes(x->vp, f->off, f->size, i, value);
		return OK;
	case K_XBUFF:
		((uint64_t *)call_map(x->c, x->vp->page_pa[3 + i / 512]))[i % 512] = value;
		return OK;
	case K_VMCS:
		return store_vmcs(x, f->code, value);
	default:
		return FAIL(METADATA_FIELD_NOT_WRITABLE, 0);
	}
}
