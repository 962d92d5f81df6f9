/*
 * mng_init.c - TDH.MNG.INIT: TD_PARAMS into a TD.
 *
 * Invariants
 *   - Checks run in the real order; a failing call leaves the TD uninitialised and may be repeated.
 *   - The MSR bitmap and the virtual MSRs are complete before the TD is INITIALIZED.
 *
 * Facts: ABI reference sections 3.2 and 4.1, guest ABI reference section 3.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"
#include "tdx/soft/guest.h"
#include "tdx/soft/l2.h"

#include <string.h>

#define TD_PARAMS_ALIGN 1024
#define PARAMS_CONFIGS  48

/* TD_PARAMS (section 4.1). */
struct td_params {
	uint64_t attributes, xfam;
	uint16_t max_vcpus;
	uint8_t num_l2, msr_config;
	uint8_t reserved0[4];
	uint64_t eptp_controls, config_flags;
	uint16_t tsc_frequency;
	uint8_t reserved1[38];
	uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint64_t arch_cap;
	uint8_t reserved2[24];
	uint32_t cpuid[PARAMS_CONFIGS][4]; /* as many as the profile has; the rest must be zero */
};
_Static_assert(sizeof(struct td_params) == 1024, "TD_PARAMS is 1024 bytes");
_Static_assert(offsetof(struct td_params, arch_cap) == 224, "as the ABI says");

#define MSR_ARCH_CAPABILITIES 0x10a

static bool all_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		if (b[i])
			return false;
	return true;
}

static bool all_or_none(uint64_t v, uint64_t group)
{
	return (v & group) == 0 || (v & group) == group;
}

static bool xfam_ok(const struct call *c, uint64_t x)
{
	const struct soft_profile *p = c->m->profile;
	uint64_t allowed = p->xfam_fixed0 & c->m->xfam_native;

	return (x & ~allowed) == 0 && (x & p->xfam_fixed1) == p->xfam_fixed1 &&
	       all_or_none(x, BIT64(5) | BIT64(6) | BIT64(7)) &&
	       !((x & BIT64(5)) && !(x & BIT64(2))) && all_or_none(x, BIT64(11) | BIT64(12)) &&
	       all_or_none(x, BIT64(17) | BIT64(18));
}

static bool attributes_ok(const struct soft_profile *p, uint64_t a)
{
	return (a & ~p->attributes_fixed0) == 0 &&
	       (a & p->attributes_fixed1) == p->attributes_fixed1 &&
	       !((a & ATTR_MIGRATABLE) && (a & (ATTR_DEBUG | ATTR_PERFMON)));
}

static bool config_flags_ok(const struct call *c, uint64_t f)
{
	const struct soft_profile *p = c->m->profile;

	if ((f & ~p->flags_fixed0) || (f & p->flags_fixed1) != p->flags_fixed1)
		return false;
	/* A machine with fewer address bits has one GPA width: its own. */
	return !((f & CFG_GPAW) && c->m->maxpa < 52);
}

#define VMX_EPT_VPID_CAP 0x48c
#define EPT_5_LEVELS     BIT64(7)

static bool eptp_ok(const struct call *c, const struct td_params *p)
{
	uint64_t levels = p->eptp_controls >> 3;

	if ((p->eptp_controls & 7) != 6 || (levels != 3 && levels != 4))
		return false;
	if (levels == 4 && (!(call_rdmsr(c, VMX_EPT_VPID_CAP) & EPT_5_LEVELS) || c->m->maxpa < 49))
		return false;
	return !((p->config_flags & CFG_GPAW) && levels != 4);
}

static tdx_status_t check_params(struct call *c, const struct tdr *tdr, const struct td_params *p)
{
	const struct soft_profile *is = c->m->profile;

	if (!attributes_ok(is, p->attributes))
		return FAIL(OPERAND_INVALID, OP_ATTRIBUTES);
	if (!xfam_ok(c, p->xfam))
		return FAIL(OPERAND_INVALID, OP_XFAM);
	if (p->max_vcpus == 0 || (is->max_vcpus && p->max_vcpus > is->max_vcpus))
		return FAIL(OPERAND_INVALID, OP_MAX_VCPUS);
	if (p->num_l2 > MAX_L2_VMS)
		return FAIL(OPERAND_INVALID, OP_NUM_L2_VMS);
	if (tdr->num_tdcx < tdcs_pages(c->m, p->num_l2))
		return FAIL(TDCS_NOT_ALLOCATED, 0);
	if (!all_zero(p->reserved0, sizeof(p->reserved0)))
		return FAIL(OPERAND_INVALID, OP_RDX);
	if (!config_flags_ok(c, p->config_flags))
		return FAIL(OPERAND_INVALID, OP_EXEC_CONTROLS);
	if (!eptp_ok(c, p))
		return FAIL(OPERAND_INVALID, OP_EPTP_CONTROLS);
	if (p->tsc_frequency < 4 || p->tsc_frequency > 400)
		return FAIL(OPERAND_INVALID, OP_TSC_FREQUENCY);
	TRY(check_tsc_adjust(c));
	if (!all_zero(p->reserved1, sizeof(p->reserved1)) || (p->msr_config & 0xfe) ||
	    !all_zero(p->reserved2, sizeof(p->reserved2)))
		return FAIL(OPERAND_INVALID, OP_RDX);
	return OK;
}

/* (a << 48) / b for a < 2^40: the quotient that VMX's TSC multiplier wants. */
static uint64_t ratio48(uint64_t a, uint64_t b)
{
	uint64_t q = a / b, rest = a % b;

	for (unsigned i = 0; i < 48; i++) {
		rest <<= 1;
		q = q << 1 | (rest >= b);
		if (rest >= b)
			rest -= b;
	}
	return q;
}

static uint64_t mul_shift48(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)a * b >> 48);
}

#define TSC_UNIT_HZ UINT64_C(25000000)

/* Virtual TSC: zero now, at the configured rate. */
static void set_tsc(struct call *c, struct tdcs *t)
{
	const struct soft_machine *mc = c->m->machine;
	uint64_t now = mc->ops->tsc(mc->ctx, c->lp);

	t->tsc_multiplier =
		c->m->tsc_hz ? ratio48(t->tsc_frequency * TSC_UNIT_HZ, c->m->tsc_hz) : BIT64(48);
	t->tsc_offset = 0 - mul_shift48(now, t->tsc_multiplier);
	t->virtual_tsc = 0;
	t->hp_lock_ticks = c->m->tsc_hz; /* one second */
}

static void set_controls(struct call *c, struct td *td, const struct td_params *p)
{
	struct tdcs *t = td->tdcs;
	uint64_t root = td->tdr->tdcx_pa[c->m->profile->tdcx_root];

	t->attributes = p->attributes;
	t->xfam = p->xfam;
	t->max_vcpus = p->max_vcpus;
	t->num_l2 = p->num_l2;
	t->config_flags = p->config_flags;
	t->td_ctls = (p->attributes & ATTR_SEPT_VE_DISABLE) != 0;
	t->gpaw = (p->config_flags & CFG_GPAW) != 0;
	t->gpa_width = t->gpaw ? 52 : (uint8_t)c->m->gpaw_small;
	t->root_level = (uint8_t)(p->eptp_controls >> 3 & 7);
	t->eptp = p->eptp_controls | root;
	t->tsc_frequency = p->tsc_frequency;
	memcpy(t->mrconfigid, p->mrconfigid, sizeof(t->mrconfigid));
	memcpy(t->mrowner, p->mrowner, sizeof(t->mrowner));
	memcpy(t->mrownerconfig, p->mrownerconfig, sizeof(t->mrownerconfig));
	t->num_vcpus = t->num_assoc_vcpus = 0;
	t->epoch = (struct epoch){ .td_epoch = 1 };
}

/* IA32_ARCH_CAPABILITIES as the guest reads it. */
#define ARCH_CAP_HIDDEN (BITS64(11, 9) | BITS64(18, 16) | BITS64(23, 21) | BITS64(63, 25))

static tdx_status_t set_arch_cap(struct call *c, struct tdcs *t, const struct td_params *p)
{
	uint64_t native = call_rdmsr(c, MSR_ARCH_CAPABILITIES), may = c->m->profile->arch_cap;

	if (p->msr_config & 1) {
		if (p->arch_cap & ~(may & native))
			return FAIL(OPERAND_INVALID, OP_IA32_ARCH_CAPABILITIES_CONFIG);
		native = (native & ~may) | p->arch_cap;
	} else if (p->arch_cap) {
		return FAIL(OPERAND_INVALID, OP_IA32_ARCH_CAPABILITIES_CONFIG);
	}
	t->vmsr[0] = native & ~ARCH_CAP_HIDDEN;
	if (!(t->cpuid_flags & HAS_TSX))
		t->vmsr[0] &= ~BIT64(7);
	return OK;
}

static tdx_status_t init_td(struct call *c, struct td *td, const struct td_params *p)
{
	struct tdcs *t = td->tdcs;

	TRY(check_params(c, td->tdr, p));
	set_controls(c, td, p);
	TRY(cpuid_configure(c, t, p->cpuid));
	unsigned used = c->m->profile->config_count;

	if (!all_zero(p->cpuid[used], (PARAMS_CONFIGS - used) * sizeof(p->cpuid[0])))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(set_arch_cap(c, t, p));
	if ((p->attributes & ATTR_MIGRATABLE) && p->num_l2)
		return FAIL(OPERAND_INVALID, OP_RDX);
	set_tsc(c, t);
	guest_msr_init(c, t, call_map(c, td->tdr->tdcx_pa[c->m->profile->tdcx_bitmap]));
	sha384_init(&t->mrtd_ctx);
	l2_start(c, td);
	t->op_state = OPS_INITIALIZED;
	return OK;
}

tdx_status_t leaf_mng_init(struct call *c)
{
	struct td td;

	c->r->rcx = 0;
	TRY(check_cpuid_unlimited(c));
	TRY(get_tdr(c, c->in.rcx, OP_RCX, EXCLUSIVE, &td));
	TRY(check_state(c, c->leaf, &td, false));
	TRY(check_shared(c, c->in.rdx, TD_PARAMS_ALIGN, TD_PARAMS_ALIGN, OP_RDX));
	return init_td(c, &td, call_map_shared(c, c->in.rdx));
}
