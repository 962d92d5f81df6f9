/*
 * guest_cpuid.c - CPUID in a TD: the values made by TDH.MNG.INIT, and the bits that follow the
 * guest's state.
 *
 * Invariants
 *   - What is not in the table is #VE: the guest asks its host, if it trusts the answer.
 *
 * Facts: guest ABI reference section 3.4, ABI reference section 4.8.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"
#include "tdx/soft/guest.h"

#define CR4_OSXSAVE          BIT64(18)
#define CR4_PKE              BIT64(22)
#define EFER_LMA             BIT64(10)
#define CS_L                 BIT64(13)
#define TSX_CTRL_CPUID_CLEAR BIT64(1)
#define HLE_RTM              (BIT32(4) | BIT32(11))

enum { EAX, EBX, ECX, EDX };

static bool in_range(const struct call *c, uint32_t leaf)
{
	if (leaf >= 0x40000000 && leaf <= 0x4fffffff)
		return true;
	return leaf & BIT32(31) ? leaf <= c->m->max_ext_leaf : leaf <= CPUID_MAX_BASE;
}

static bool enumerates_topology(const struct guest *g)
{
	return (g->td.tdcs->td_ctls & TD_CTLS_ENUM_TOPOLOGY) != 0;
}

static bool guest_asked_for_ve(const struct guest *g, int row)
{
	const struct tdvps *vp = g->vp;
	unsigned user = guest_cpl(g) > 0;

	if (user ? vp->cpuid_user_ve : vp->cpuid_supervisor_ve)
		return true;
	return (vp->cpuid_control[row] >> user & 1) != 0;
}

/* With a topology of its own a guest sees x2APIC ids that its host chose. */
static uint32_t apic_id(const struct guest *g)
{
	return enumerates_topology(g) ? *x2apic_id_at(g->c, g->td.tdr, g->vp->v.index)
				      : g->vp->v.index;
}

/* Does the leaf become a #VE? Those of the topology do until the guest asks for one. */
static bool faults(const struct guest *g, unsigned row)
{
	return cpuid_row(g->c->m, row)->faults || (topology_row(row) && !enumerates_topology(g));
}

static void dynamic_bits(const struct guest *g, int row, uint32_t r[4])
{
	const struct soft_backend *be = g->c->m->backend;
	uint64_t cr4 = guest_vmread(g, F_CR4);

	switch (row) {
	case ROW_1:
		r[EBX] = (r[EBX] & ~UINT32_C(0xff000000)) | (apic_id(g) & 0xff) << 24;
		if (cr4 & CR4_OSXSAVE)
			r[ECX] |= BIT32(27);
		break;
	case ROW_7_0:
		if (cr4 & CR4_PKE)
			r[ECX] |= BIT32(4);
		if (g->vp->v.msr.tsx_ctrl & TSX_CTRL_CPUID_CLEAR)
			r[EBX] &= ~HLE_RTM;
		break;
	case ROW_D_0:
	case ROW_D_1:
		r[EBX] = be->ops->xsave_size(be->ctx, g->c->lp, &g->vp->v,
					     (unsigned)(row - ROW_D_0));
		break;
	case ROW_80000001:
		if ((guest_vmread(g, F_EFER) & EFER_LMA) && (guest_vmread(g, F_CS_AR) & CS_L))
			r[EDX] |= BIT32(11);
		break;
	default:
		if (topology_row((unsigned)row))
			r[EDX] = apic_id(g);
		break;
	}
}

enum guest_next guest_cpuid(struct guest *g)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	uint32_t leaf = (uint32_t)gpr->rax, sub = (uint32_t)gpr->rcx, r[4];
	int row = cpuid_row_of(g->c->m, in_range(g->c, leaf) ? leaf : CPUID_MAX_BASE, sub);

	if (row < 0 || faults(g, (unsigned)row) || guest_asked_for_ve(g, row))
		return guest_inject_ve(g, 0, 0);
	for (unsigned i = 0; i < 4; i++)
		r[i] = g->td.tdcs->cpuid[row][i];
	dynamic_bits(g, row, r);
	gpr->rax = r[EAX];
	gpr->rbx = r[EBX];
	gpr->rcx = r[ECX];
	gpr->rdx = r[EDX];
	guest_advance(g);
	return RESUME;
}
