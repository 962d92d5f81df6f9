/*
 * sys_init.c - TDH.SYS.INIT, LP.INIT, KEY.CONFIG, LP.SHUTDOWN, SHUTDOWN and UPDATE: the module's
 * own life.
 *
 * Invariants
 *   - What the platform must look like stands in msr_rows[]; rows are checked in order.
 *   - sys_state changes only under the exclusive global lock.
 *
 * Facts: ABI reference sections 3.1, 6.1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"

#include <string.h>

#define MSR_TSC_ADJUST     0x3b
#define MSR_KEYID_PART     0x87
#define MSR_WBINVDP        0x98
#define MSR_WBNOINVDP      0x99
#define MSR_MTRRCAP        0xfe
#define MSR_MISC_ENABLE    0x1a0
#define MSR_SMRR_BASE      0x1f2
#define MSR_SMRR_MASK      0x1f3
#define MSR_SMRR2_BASE     0x1f6
#define MSR_SMRR2_MASK     0x1f7
#define MSR_TME_CAPABILITY 0x981
#define MSR_TME_ACTIVATE   0x982
#define MSR_VMX_PROCBASED2 0x48b
#define MSR_VMX_PROCBASED3 0x492

#define MISC_ENABLE_BOOT_NT4 BIT64(22)
#define MTRRCAP_SMRR         BIT64(11)
#define MTRRCAP_SMRR_LOCK    BIT64(14)
#define MTRRCAP_SMRR2        BIT64(13)
#define SMRR_MASK_LOCK       BIT64(10)
#define SMRR_MASK_VALID      BIT64(11)
#define SMRR_ADDR            BITS64(31, 12)

/* (MSR & mask) must be value; a wrong one is reported as @blame. */
struct msr_row {
	uint32_t msr, blame;
	uint64_t mask, value;
};

/* clang-format off */
static const struct msr_row platform_rows[] = {
	{ 0x10a, 0x10a, 0x20fd6f, 0x20fd6b }, /* IA32_ARCH_CAPABILITIES */
	{ 0xbd, 0xbd, ALL_ONES, 1 },          /* IA32_XAPIC_DISABLE_STATUS */
	{ 0xbc, 0xbc, 1, 1 },                 /* IA32_MISC_PACKAGE_CTLS */
	{ 0x345, 0x345, BIT64(13), BIT64(13) }, /* IA32_PERF_CAPABILITIES: full-width writes */
};

/*
 * VMX controls that TDs run with. @init must be allowed, what must be 1 must be in @init or be none
 * of the module's business (@unknown), and @variable bits must be free to change.
 */
static const struct ctls_row {
	uint32_t msr;
	uint32_t init, variable, unknown;
} ctls_rows[] = {
	{ 0x48d, 0x00000029, 0x00000080, 0xffffff16 }, /* pin-based */
	{ 0x48e, 0x91220088, 0x20400c00, 0x04046173 }, /* primary */
	{ 0x48b, 0x133cb3fa, 0xcc000400, 0x00000000 }, /* secondary: see secondary_init() */
	{ 0x492, 0x00000080, 0x00000020, 0 },          /* tertiary: 64 bits, all of them "allowed 1" */
	{ 0x48f, 0x1f3c8204, 0x40001000, 0x00036dfb }, /* exit */
	{ 0x490, 0x003ec004, 0x00402200, 0xff8011fb }, /* entry */
};

/* The same for nested VMs. */
static const struct ctls_row l2_ctls_rows[] = {
	{ 0x48d, 0x00000029, 0x00000000, 0xffffff16 }, { 0x48e, 0x91220088, 0x68d81e04, 0x04046173 },
	{ 0x48b, 0x1338b3fa, 0x0c513e0c, 0x00000000 }, { 0x492, 0x00000080, 0x0000002e, 0 },
	{ 0x48f, 0x1f3c8204, 0x40001000, 0x00036dfb }, { 0x490, 0x003ec004, 0x00402200, 0xff8011fb },
};

/* Must be alike on all LPs; LP.INIT compares in this order, CPUID after the first four. */
static const uint32_t same_msrs[] = {
	0xcf, 0x10a, 0xbc, 0xbd,
	MSR_TSC_ADJUST, MSR_MTRRCAP, MSR_SMRR_BASE, MSR_SMRR_MASK, MSR_SMRR2_BASE, MSR_SMRR2_MASK,
	0x480, 0x48d, 0x48e, 0x48b, 0x492, 0x48f, 0x490, 0x485, 0x48c, 0x486, 0x487, 0x488, 0x489,
	0x345, 0x981, MSR_TME_ACTIVATE, MSR_KEYID_PART, MSR_WBINVDP, MSR_WBNOINVDP,
};
/* clang-format on */
#define SAME_BEFORE_CPUID 4
#define SAME_TSC_ADJUST   4

_Static_assert(ARRAY_LEN(same_msrs) <= SAVED_MSRS, "soft_module.msr holds them all");

/* What some versions look at besides. */
static const struct later_row {
	uint32_t answer;
	struct msr_row row;
} later_rows[] = {
	{ SOFT_A_MISC_ENABLE, { MSR_MISC_ENABLE, MSR_MISC_ENABLE, BIT64(7) | BIT64(11), BIT64(7) } },
	{ SOFT_A_FREEZE_IN_SMM, { 0x345, 0x345, BIT64(12), BIT64(12) } },
};

static tdx_status_t check_msrs(struct call *c, const struct msr_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((call_rdmsr(c, rows[i].msr) & rows[i].mask) != rows[i].value)
			return FAIL(INCORRECT_MSR_VALUE, rows[i].blame);
	return OK;
}

static tdx_status_t check_later_msrs(struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(later_rows); i++)
		if (answers(c->m, later_rows[i].answer))
			TRY(check_msrs(c, &later_rows[i].row, 1));
	return OK;
}

static bool ctls_ok(const struct ctls_row *row, uint64_t msr)
{
	uint32_t must = (uint32_t)msr, may = (uint32_t)(msr >> 32);

	return (must & ~(row->init | row->unknown)) == 0 && (row->init & ~may) == 0 &&
	       ((must | ~may) & row->variable) == 0;
}

#define CTLS2_WAITPKG BIT32(26)
#define CTLS2_ENCLV   BIT32(28)

/* User wait instructions go with the CPU's CPUID, ENCLV exiting with the control's presence. */
static uint32_t secondary_init(const struct call *c, uint32_t init, uint64_t msr)
{
	init &= ~CTLS2_WAITPKG;
	if (c->m->cpuid[ROW_7_0][2] & BIT32(5))
		init |= CTLS2_WAITPKG;
	return msr >> 32 & CTLS2_ENCLV ? init : init & ~CTLS2_ENCLV;
}

static tdx_status_t check_ctls(struct call *c, const struct ctls_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ctls_row row = rows[i];
		uint64_t msr = call_rdmsr(c, row.msr);
		bool ok;

		if (row.msr == MSR_VMX_PROCBASED2)
			row.init = secondary_init(c, row.init, msr);
		if (row.msr == MSR_VMX_PROCBASED3)
			ok = (~msr & (row.init | row.variable)) == 0;
		else
			ok = ctls_ok(&row, msr);
		if (!ok)
			return FAIL(INCORRECT_MSR_VALUE, row.msr);
	}
	return OK;
}

/* CR0 and CR4 of a guest: the values it starts with, and what a nested one may change. */
#define GUEST_CR0_INIT   UINT64_C(0x21)
#define GUEST_CR4_INIT   UINT64_C(0x2040)
#define L2_CR0_VARIABLE  UINT64_C(0x8005001f)
#define CR0_UNRESTRICTED (BIT64(0) | BIT64(31)) /* PE and PG may be 0 in an unrestricted guest */

static tdx_status_t check_fixed_crs(struct call *c)
{
	uint64_t cr0_must = call_rdmsr(c, 0x486) & ~CR0_UNRESTRICTED;

	if (cr0_must & ~GUEST_CR0_INIT)
		return FAIL(INCORRECT_MSR_VALUE, 0x486);
	if (~call_rdmsr(c, 0x487) & GUEST_CR0_INIT)
		return FAIL(INCORRECT_MSR_VALUE, 0x487);
	if (call_rdmsr(c, 0x488) & ~GUEST_CR4_INIT)
		return FAIL(INCORRECT_MSR_VALUE, 0x488);
	if (~call_rdmsr(c, 0x489) & GUEST_CR4_INIT)
		return FAIL(INCORRECT_MSR_VALUE, 0x489);
	return OK;
}

/* A nested guest's CR0: its variable bits must be free; blamed on FIXED0 either way. */
static tdx_status_t check_l2_crs(struct call *c)
{
	uint64_t cr0_must = call_rdmsr(c, 0x486) & ~CR0_UNRESTRICTED;

	if ((cr0_must | ~call_rdmsr(c, 0x487)) & L2_CR0_VARIABLE)
		return FAIL(INCORRECT_MSR_VALUE, 0x486);
	return OK;
}

#define VMX_BASIC_SIZE      BITS64(44, 32)
#define VMX_BASIC_WANTED    (BIT64(54) | BIT64(55)) /* I/O exit information, TRUE controls */
#define VMX_BASIC_MAX_SIZE  (UINT64_C(2048) << 32)
#define VMX_MISC_WANTED     (BIT64(5) | BIT64(6) | BIT64(7) | BIT64(14) | BIT64(29))
#define VMX_MISC_CR3_TARGET BITS64(24, 16)
#define VMX_EPT_WANTED      UINT64_C(0x10106334041)

static tdx_status_t check_vmx(struct call *c)
{
	uint64_t basic = call_rdmsr(c, 0x480), misc = call_rdmsr(c, 0x485);

	if ((basic & VMX_BASIC_SIZE) > VMX_BASIC_MAX_SIZE ||
	    (basic & VMX_BASIC_WANTED) != VMX_BASIC_WANTED)
		return FAIL(INCORRECT_MSR_VALUE, 0x480);
	TRY(check_ctls(c, ctls_rows, ARRAY_LEN(ctls_rows)));
	if ((misc & VMX_MISC_WANTED) != VMX_MISC_WANTED ||
	    (misc & VMX_MISC_CR3_TARGET) < UINT64_C(4) << 16)
		return FAIL(INCORRECT_MSR_VALUE, 0x485);
	if ((call_rdmsr(c, 0x48c) & VMX_EPT_WANTED) != VMX_EPT_WANTED)
		return FAIL(INCORRECT_MSR_VALUE, 0x48c);
	TRY(check_fixed_crs(c));
	TRY(check_ctls(c, l2_ctls_rows, ARRAY_LEN(l2_ctls_rows)));
	return check_l2_crs(c);
}

static tdx_status_t check_boot_nt4(struct call *c)
{
	return call_rdmsr(c, MSR_MISC_ENABLE) & MISC_ENABLE_BOOT_NT4
		       ? FAIL(LIMIT_CPUID_MAXVAL_SET, 0)
		       : OK;
}

#define TME_LOCKED        BIT64(0)
#define TME_CAP_INTEGRITY (BIT64(1) | BIT64(3)) /* AES-XTS-128 or -256 */
#define TME_ALG_INTEGRITY (BIT64(49) | BIT64(51))

/* Memory encryption with integrity, of either key length. */
static tdx_status_t check_tme(struct call *c)
{
	uint64_t active = call_rdmsr(c, MSR_TME_ACTIVATE);

	if (!(active & TME_LOCKED))
		return FAIL(INCORRECT_MSR_VALUE, MSR_TME_ACTIVATE);
	if (!(call_rdmsr(c, MSR_TME_CAPABILITY) & TME_CAP_INTEGRITY))
		return FAIL(INCORRECT_MSR_VALUE, MSR_TME_CAPABILITY);
	if (!(active & TME_ALG_INTEGRITY))
		return FAIL(INCORRECT_MSR_VALUE, MSR_TME_ACTIVATE);
	return OK;
}

static tdx_status_t read_keys(struct call *c)
{
	uint64_t part = call_rdmsr(c, MSR_KEYID_PART);
	uint32_t shared = (uint32_t)part, private = (uint32_t)(part >> 32);

	TRY(check_tme(c));
	if ((uint64_t)shared + private >= MAX_HKIDS)
		return FAIL(NUM_ACTIVATED_HKIDS_NOT_SUPPORTED, MAX_HKIDS);
	if (call_rdmsr(c, MSR_WBINVDP) != call_rdmsr(c, MSR_WBNOINVDP))
		return FAIL(INCORRECT_MSR_VALUE, MSR_WBNOINVDP);
	c->m->num_shared_hkids = shared;
	c->m->num_private_hkids = private;
	c->m->hkid_shift = (unsigned)(PA_BITS - (call_rdmsr(c, MSR_TME_ACTIVATE) >> 32 & 0xf));
	c->m->wb_blocks = (uint32_t)call_rdmsr(c, MSR_WBINVDP);
	return OK;
}

static tdx_status_t check_cmrs(struct call *c)
{
	const struct soft_range *cmr = c->m->machine->cmr;
	uint64_t end = 0;

	for (unsigned i = 0; i < SOFT_MAX_CMRS && cmr[i].size; i++) {
		uint64_t top = cmr[i].base + cmr[i].size;

		if (top < cmr[i].base || (top - 1) >> c->m->hkid_shift || cmr[i].base < end ||
		    !is_aligned(cmr[i].base | cmr[i].size, PAGE_SIZE))
			return FAIL(CMR_LIST_INVALID, 0);
		end = top;
	}
	return OK;
}

/* One SMRR, locked: its mask is a row of ones up to bit 31 and its base fits it; no CMR inside. */
static tdx_status_t check_smrr_range(struct call *c, unsigned n, uint32_t base_msr,
				     uint32_t mask_msr)
{
	const struct soft_range *cmr = c->m->machine->cmr;
	uint64_t mask = call_rdmsr(c, mask_msr), base = call_rdmsr(c, base_msr) & SMRR_ADDR;
	uint64_t size = (mask & SMRR_ADDR) & (0 - (mask & SMRR_ADDR));

	if (!(mask & SMRR_MASK_VALID))
		return OK;
	if (!size || (mask & SMRR_ADDR) != (SMRR_ADDR & ~(size - 1)) || !is_aligned(base, size))
		return FAIL(INVALID_SMRR_CONFIGURATION, n);
	for (unsigned i = 0; i < SOFT_MAX_CMRS && cmr[i].size; i++)
		if (base < cmr[i].base + cmr[i].size && cmr[i].base < base + size)
			return FAIL(SMRR_OVERLAPS_CMR, n | i << 8);
	return OK;
}

static tdx_status_t check_smrr(struct call *c)
{
	uint64_t cap = call_rdmsr(c, MSR_MTRRCAP);
	bool second = (cap & MTRRCAP_SMRR2) != 0;

	if (!(cap & MTRRCAP_SMRR))
		return FAIL(SMRR_NOT_SUPPORTED, 0);
	if (!(cap & MTRRCAP_SMRR_LOCK))
		return FAIL(SMRR_LOCK_NOT_SUPPORTED, 0);
	if (!(call_rdmsr(c, MSR_SMRR_MASK) & SMRR_MASK_LOCK))
		return FAIL(SMRR_NOT_LOCKED, 0);
	if (second && !(call_rdmsr(c, MSR_SMRR2_MASK) & SMRR_MASK_LOCK))
		return FAIL(SMRR_NOT_LOCKED, 1);
	TRY(check_smrr_range(c, 0, MSR_SMRR_BASE, MSR_SMRR_MASK));
	return second ? check_smrr_range(c, 1, MSR_SMRR2_BASE, MSR_SMRR2_MASK) : OK;
}

/* Address widths, XSAVE features and the TSC rate as later leaves need them. */
static void learn_cpu(struct call *c)
{
	struct soft_module *m = c->m;
	uint32_t r[4], xss[4];

	cpuid_native(c, 0x80000008, CPUID_ANY_SUB, false, r);
	m->maxpa = r[0] & 0xff;
	m->gpaw_small = m->maxpa < 48 ? m->maxpa : 48;
	cpuid_native(c, 0xd, 0, true, r);
	cpuid_native(c, 0xd, 1, true, xss);
	m->xfam_native = r[0] | (uint64_t)r[3] << 32 | xss[2] | (uint64_t)xss[3] << 32;
	cpuid_native(c, 0x15, CPUID_ANY_SUB, false, r);
	m->tsc_hz = r[0] ? (uint64_t)r[2] * r[1] / r[0] : 0;
}

static tdx_status_t init_checks(struct call *c)
{
	TRY(check_msrs(c, platform_rows, ARRAY_LEN(platform_rows)));
	TRY(check_later_msrs(c));
	TRY(check_boot_nt4(c));
	TRY(cpuid_check(c));
	TRY(check_vmx(c));
	TRY(read_keys(c));
	TRY(check_cmrs(c));
	TRY(check_smrr(c));
	for (unsigned i = 0; i < 4; i++)
		if (!call_random(c, &c->m->report_key[i]))
			return FAIL(RND_NO_ENTROPY, 0);
	return OK;
}

/* The global lock's failure has its own name. */
static tdx_status_t take_global(struct call *c, enum lock_mode mode)
{
	return FAILED(call_take(c, &c->m->sys_lock, mode, PLAIN, 0)) ? FAIL(SYS_BUSY, 0) : OK;
}

tdx_status_t leaf_sys_init(struct call *c)
{
	uint64_t attributes = c->in.rcx;

	c->r->rcx = c->r->rdx = c->r->r8 = c->r->r9 = c->r->r10 = 0;
	TRY(take_global(c, EXCLUSIVE));
	if (attributes && !answers(c->m, SOFT_A_INIT_ANY_RCX))
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (c->m->sys_state != SYSINIT_PENDING)
		return FAIL(SYS_INIT_NOT_PENDING, 0);
	TRY(init_checks(c));
	for (unsigned i = 0; i < ARRAY_LEN(same_msrs); i++)
		c->m->msr[i] = call_rdmsr(c, same_msrs[i]);
	learn_cpu(c);
	c->m->lps_done = 0;
	for (unsigned i = 0; i < c->m->machine->lp_count; i++)
		c->m->pkg_all |= (uint8_t)(1u << (c->m->machine->package_of[i] & 7));
	c->m->sys_state = SYSINIT_DONE;
	return OK;
}

static tdx_status_t compare_msrs(struct call *c, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (call_rdmsr(c, same_msrs[i]) != c->m->msr[i])
			return FAIL(INCONSISTENT_MSR, same_msrs[i]);
	return OK;
}

tdx_status_t leaf_sys_lp_init(struct call *c)
{
	uint64_t canary;

	c->r->rcx = c->r->rdx = c->r->r8 = 0;
	TRY(take_global(c, SHARED));
	if (c->m->sys_state != SYSINIT_DONE)
		return FAIL(SYS_LP_INIT_NOT_PENDING, 0);
	if (c->m->lp_done[c->lp])
		return FAIL(SYS_LP_INIT_DONE, 0);
	if (!call_random(c, &canary))
		return FAIL(RND_NO_ENTROPY, 0);
	TRY(compare_msrs(c, 0, SAME_BEFORE_CPUID));
	TRY(check_boot_nt4(c));
	TRY(cpuid_compare(c));
	TRY(compare_msrs(c, SAME_BEFORE_CPUID, ARRAY_LEN(same_msrs)));
	c->m->lp_done[c->lp] = true;
	__atomic_fetch_add(&c->m->lps_done, 1, __ATOMIC_ACQ_REL);
	return OK;
}

/* IA32_TSC_ADJUST of this LP is still what SYS.INIT saw. */
tdx_status_t check_tsc_adjust(struct call *c)
{
	return call_rdmsr(c, MSR_TSC_ADJUST) == c->m->msr[SAME_TSC_ADJUST]
		       ? OK
		       : FAIL(INCONSISTENT_MSR, MSR_TSC_ADJUST);
}

tdx_status_t check_cpuid_unlimited(struct call *c) { return check_boot_nt4(c); }

tdx_status_t leaf_sys_key_config(struct call *c)
{
	struct soft_module *m = c->m;
	uint8_t bit = (uint8_t)(1u << m->machine->package_of[c->lp]);

	TRY(take_global(c, EXCLUSIVE));
	if (m->sys_state != SYSCONFIG_DONE)
		return FAIL(SYS_KEY_CONFIG_NOT_PENDING, 0);
	if (m->pkg_done & bit)
		return FAIL(KEY_CONFIGURED, 0);
	switch (m->machine->ops->pconfig(m->machine->ctx, c->lp, m->global_hkid)) {
	case SOFT_PCONFIG_BUSY:
		return FAIL(OPERAND_BUSY, OP_KET);
	case SOFT_PCONFIG_ENTROPY:
		return FAIL(KEY_GENERATION_FAILED, 0);
	case SOFT_PCONFIG_OK:
		break;
	}
	m->pkg_done |= bit;
	if (m->pkg_done == m->pkg_all)
		m->sys_state = SYS_READY;
	return OK;
}

tdx_status_t leaf_sys_lp_shutdown(struct call *c)
{
	(void)c; /* kept for old hosts: does nothing in any state */
	return OK;
}
