/*
 * guest_vmcs.c - the TD VMCS of a new vCPU, field by field.
 *
 * Invariants
 *   - The same for every vCPU but for what TD_PARAMS decide.
 *
 * Facts: guest ABI reference sections 2, 3.1 and 3.3.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

uint64_t vcpu_vmread(const struct call *c, struct tdvps *vp, uint32_t field)
{
	return c->m->backend->ops->vmread(c->m->backend->ctx, &vp->v, field);
}

bool vcpu_vmwrite(const struct call *c, struct tdvps *vp, uint32_t field, uint64_t value)
{
	return c->m->backend->ops->vmwrite(c->m->backend->ctx, &vp->v, field, value);
}

uint64_t guest_vmread(const struct guest *g, uint32_t field)
{
	return vcpu_vmread(g->c, g->vp, field);
}

void guest_vmwrite(const struct guest *g, uint32_t field, uint64_t value)
{
	(void)vcpu_vmwrite(g->c, g->vp, field, value);
}

#define DATA_AR 0xc093
#define CODE_AR 0xc09b
#define LDTR_AR 0x10082
#define TR_AR   0x8b
#define FLAT    0xffffffff

/* clang-format off */
static const struct { uint32_t field; uint64_t value; } fixed_fields[] = {
	{ F_PI_VECTOR, 0xffff }, { F_PML_ADDR, ALL_ONES }, { F_PI_DESC, ALL_ONES }, { F_VMFUNC, 0 },
	{ F_EPTP_LIST, ALL_ONES }, { F_XSS_BITMAP, 0 }, { F_ENCLS, ALL_ONES }, { F_ENCLV, ALL_ONES },
	{ F_PCONFIG_BITMAP, ALL_ONES }, { F_SPEC_MASK, 0 }, { F_SPEC_SHADOW, 0 }, { F_LINK, ALL_ONES },
	{ F_DEBUGCTL, 0 }, { F_PAT, UINT64_C(0x0007040600070406) }, { F_EFER, 0x901 }, { F_PERF_GLOBAL, 0xff },
	{ F_PIN, 0x29 }, { F_EXCEPTIONS, 0x40000 }, { F_TERTIARY, 0x80 }, { F_EXIT_CTLS, 0x1f3c8204 },
	{ F_ENTRY_CTLS, 0x3ec004 }, { F_ENTRY_INTR, 0 }, { F_CR0_MASK, UINT64_C(0xffffffff7ffaffe1) },
	{ F_CR0_SHADOW, 0x21 }, { F_CR4_SHADOW, 0x40 }, { F_CR0, 0x21 }, { F_CR3, 0 }, { F_CR4, 0x2040 },
	{ F_DR7, 0x400 }, { F_RSP, 0 }, { F_RIP, 0xfffffff0 }, { F_RFLAGS, 2 }, { F_PENDING_DBG, 0 },
	{ F_INTERRUPTIBILITY, 0 }, { 0x4826, 0 }, { F_INT_STATUS, 0 },
	/* selectors, limits, access rights, bases: ES CS SS DS FS GS LDTR TR */
	{ 0x800, 0 }, { 0x802, 0 }, { 0x804, 0 }, { 0x806, 0 }, { 0x808, 0 }, { 0x80a, 0 }, { 0x80c, 0 }, { 0x80e, 0 },
	{ 0x4800, FLAT }, { 0x4802, FLAT }, { 0x4804, FLAT }, { 0x4806, FLAT }, { 0x4808, FLAT }, { 0x480a, FLAT },
	{ 0x480c, 0xffff }, { 0x480e, 0xffff }, { 0x4810, 0xffff }, { 0x4812, 0 },
	{ 0x4814, DATA_AR }, { 0x4816, CODE_AR }, { 0x4818, DATA_AR }, { 0x481a, DATA_AR }, { 0x481c, DATA_AR },
	{ 0x481e, DATA_AR }, { 0x4820, LDTR_AR }, { 0x4822, TR_AR },
	{ 0x6806, 0 }, { 0x6808, 0 }, { 0x680a, 0 }, { 0x680c, 0 }, { 0x680e, 0 }, { 0x6810, 0 }, { 0x6812, 0 },
	{ 0x6814, 0 }, { 0x6816, 0 }, { 0x6818, 0 }, { 0x482a, 0 }, { 0x6824, 0 }, { 0x6826, 0 },
};
/* clang-format on */

#define PRIMARY_FIXED     UINT64_C(0x91220088)
#define PRIMARY_MWAIT     BIT64(10)
#define PRIMARY_RDPMC     BIT64(11)
#define PRIMARY_MONITOR   BIT64(29)
#define SECONDARY_FIXED   UINT64_C(0x133cb3fa)
#define SECONDARY_WAITPKG BIT64(26)

static uint64_t primary_controls(const struct tdcs *t)
{
	uint64_t v = PRIMARY_FIXED;

	if (!(t->cpuid_flags & HAS_MONITOR))
		v |= PRIMARY_MWAIT | PRIMARY_MONITOR;
	if (!(t->attributes & ATTR_PERFMON))
		v |= PRIMARY_RDPMC;
	return v;
}

/* CR4 bits that the module owns: what no TD may change, and features the TD does not have. */
static uint64_t cr4_mask(const struct tdcs *t)
{
	uint64_t mask = BIT64(6) | BIT64(13) | BIT64(14) | BIT64(15) | BIT64(19) | BITS64(63, 26) |
			BITS64(25, 22);

	if (t->xfam & BIT64(9))
		mask &= ~BIT64(22);
	if ((t->xfam & (BIT64(11) | BIT64(12))) == (BIT64(11) | BIT64(12)))
		mask &= ~BIT64(23);
	if (t->attributes & ATTR_PKS)
		mask &= ~BIT64(24);
	if (t->xfam & BIT64(14))
		mask &= ~BIT64(25);
	return mask;
}

void guest_vmcs_init(struct call *c, const struct td *td, struct tdvps *vp)
{
	const struct tdcs *t = td->tdcs;
	uint16_t hkid = td->tdr->hkid;

	for (unsigned i = 0; i < ARRAY_LEN(fixed_fields); i++)
		(void)vcpu_vmwrite(c, vp, fixed_fields[i].field, fixed_fields[i].value);

	const struct {
		uint32_t field;
		uint64_t value;
	} own[] = {
		{ F_VPID, (uint64_t)hkid << 2 & 0xffff },
		{ F_HKID, hkid },
		{ F_MSR_BITMAP, call_with_hkid(c, td->tdr->tdcx_pa[c->m->profile->tdcx_bitmap], hkid) },
		{ F_SHARED_EPTP, call_with_hkid(c, td->tdr->tdcx_pa[4], hkid) },
		{ F_VAPIC, call_with_hkid(c, vp->page_pa[2], hkid) },
		{ F_VE_INFO, call_with_hkid(c, vp->page_pa[0], hkid) },
		{ F_EPTP, t->eptp },
		{ F_TSC_OFFSET, t->tsc_offset },
		{ F_TSC_MULT, t->tsc_multiplier },
		{ F_PRIMARY, primary_controls(t) },
		{ F_SECONDARY,
		  SECONDARY_FIXED | (t->cpuid_flags & HAS_WAITPKG ? SECONDARY_WAITPKG : 0) },
		{ F_CR4_MASK, cr4_mask(t) },
	};

	for (unsigned i = 0; i < ARRAY_LEN(own); i++)
		(void)vcpu_vmwrite(c, vp, own[i].field, own[i].value);
}
