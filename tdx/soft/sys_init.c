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

#define MSR_TSC_ADJUST   0x3b
#define MSR_KEYID_PART   0x87
#define MSR_WBINVDP      0x98
#define MSR_WBNOINVDP    0x99
#define MSR_MTRRCAP      0xfe
#define MSR_MISC_ENABLE  0x1a0
#define MSR_SMRR_BASE    0x1f2
#define MSR_SMRR_MASK    0x1f3
#define MSR_TME_ACTIVATE 0x982

#define MISC_ENABLE_BOOT_NT4 BIT64(22)
#define MTRRCAP_SMRR         BIT64(11)
#define MTRRCAP_SMRR_LOCK    BIT64(14)
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

/* VMX: controls that TDs run with must be allowed (bits 63:32), fixed bits as expected. */
static const struct msr_row vmx_rows[] = {
	{ 0x480, 0x480, BITS64(55, 50), UINT64_C(0xd8) << 48 },
	{ 0x48d, 0x48d, UINT64_C(0x29) << 32, UINT64_C(0x29) << 32 },
	{ 0x48e, 0x48e, UINT64_C(0x91220088) << 32, UINT64_C(0x91220088) << 32 },
	{ 0x48b, 0x48b, UINT64_C(0x133cb3fa) << 32, UINT64_C(0x133cb3fa) << 32 },
	{ 0x492, 0x492, 0x80, 0x80 },
	{ 0x48f, 0x48f, UINT64_C(0x1f3c8204) << 32, UINT64_C(0x1f3c8204) << 32 },
	{ 0x490, 0x490, UINT64_C(0x003ec004) << 32, UINT64_C(0x003ec004) << 32 },
	{ 0x485, 0x485, BIT64(5), BIT64(5) },
	{ 0x48c, 0x48c, 0x106114040, 0x106114040 }, /* 4 levels, WB, 2M, INVEPT, INVVPID */
	{ 0x486, 0x486, ALL_ONES, 0x80000021 },
	{ 0x487, 0x486, 0xffffffff, 0xffffffff },
	{ 0x488, 0x488, ALL_ONES, 0x2000 },
	{ 0x489, 0x489, 0x373fff, 0x373fff },
};

static const struct msr_row tme_rows[] = {
	{ 0x981, 0x981, BIT64(1), BIT64(1) },                     /* AES-XTS-128 with integrity */
	{ 0x982, 0x982, 3 | BIT64(49), 3 | BIT64(49) },           /* locked, enabled, that algorithm */
};

/* Must be alike on all LPs; LP.INIT compares in this order, CPUID after the first four. */
static const uint32_t same_msrs[] = {
	0xcf, 0x10a, 0xbc, 0xbd,
	MSR_TSC_ADJUST, MSR_MTRRCAP, MSR_SMRR_BASE, MSR_SMRR_MASK,
	0x480, 0x48d, 0x48e, 0x48b, 0x492, 0x48f, 0x490, 0x485, 0x48c, 0x486, 0x487, 0x488, 0x489,
	0x345, 0x981, MSR_TME_ACTIVATE, MSR_KEYID_PART, MSR_WBINVDP, MSR_WBNOINVDP,
};
/* clang-format on */
#define SAME_BEFORE_CPUID 4
#define SAME_TSC_ADJUST   4

_Static_assert(ARRAY_LEN(same_msrs) <= SAVED_MSRS, "soft_module.msr holds them all");

static tdx_status_t check_msrs(struct call *c, const struct msr_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((call_rdmsr(c, rows[i].msr) & rows[i].mask) != rows[i].value)
			return FAIL(INCORRECT_MSR_VALUE, rows[i].blame);
	return OK;
}

static tdx_status_t check_boot_nt4(struct call *c)
{
	return call_rdmsr(c, MSR_MISC_ENABLE) & MISC_ENABLE_BOOT_NT4
		       ? FAIL(LIMIT_CPUID_MAXVAL_SET, 0)
		       : OK;
}

static tdx_status_t read_keys(struct call *c)
{
	uint64_t part = call_rdmsr(c, MSR_KEYID_PART);
	uint32_t shared = (uint32_t)part, private = (uint32_t)(part >> 32);

	TRY(check_msrs(c, tme_rows, ARRAY_LEN(tme_rows)));
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

static tdx_status_t check_smrr(struct call *c)
{
	const struct soft_range *cmr = c->m->machine->cmr;
	uint64_t cap = call_rdmsr(c, MSR_MTRRCAP), mask = call_rdmsr(c, MSR_SMRR_MASK);
	uint64_t base = call_rdmsr(c, MSR_SMRR_BASE) & SMRR_ADDR;
	uint64_t size = (~(mask & SMRR_ADDR) & BITS64(31, 0)) + 1;

	if (!(cap & MTRRCAP_SMRR))
		return FAIL(SMRR_NOT_SUPPORTED, 0);
	if (!(cap & MTRRCAP_SMRR_LOCK))
		return FAIL(SMRR_LOCK_NOT_SUPPORTED, 0);
	if (!(mask & SMRR_MASK_LOCK))
		return FAIL(SMRR_NOT_LOCKED, 0);
	if (!(mask & SMRR_MASK_VALID))
		return OK;
	size = (size - 1) & BITS64(31, 12);
	if ((size & (size + PAGE_SIZE)) != 0)
		return FAIL(INVALID_SMRR_CONFIGURATION, 0);
	size += PAGE_SIZE;
	for (unsigned i = 0; i < SOFT_MAX_CMRS && cmr[i].size; i++)
		if (base < cmr[i].base + cmr[i].size && cmr[i].base < base + size)
			return FAIL(SMRR_OVERLAPS_CMR, i << 8);
	return OK;
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
	TRY(check_boot_nt4(c));
	TRY(cpuid_check(c));
	TRY(check_msrs(c, vmx_rows, ARRAY_LEN(vmx_rows)));
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
	if (attributes)
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
	unsigned package;

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
	package = cpuid_package(c);
	if (package >= SOFT_MAX_PACKAGES)
		return FAIL(INVALID_PKG_ID, package);
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

#define HANDOFF_VERSION 0

tdx_status_t leaf_sys_shutdown(struct call *c)
{
	if (c->in.rcx != HANDOFF_VERSION)
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(take_global(c, EXCLUSIVE));
	if (__atomic_load_n(&c->m->calls_inside, __ATOMIC_ACQUIRE) > 1)
		return FAIL(SYS_BUSY, 0);
	c->m->sys_state = SYS_SHUTDOWN_DONE;
	return OK;
}

/* There is never a module before this one that could have left anything. */
tdx_status_t leaf_sys_update(struct call *c)
{
	TRY(take_global(c, EXCLUSIVE));
	if (c->m->sys_state != SYSINIT_DONE || c->m->lps_done < c->m->machine->lp_count)
		return FAIL(SYS_STATE_INCORRECT, 0);
	return FAIL(SYS_INVALID_HANDOFF, 0);
}
