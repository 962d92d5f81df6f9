/*
 * guest_cr.c - writes of CR0, CR4 and XCR0 that touch what the module owns.
 *
 * Invariants
 *   - Bits that the module owns never change; the guest gets #GP, or #VE where its host may know
 *     better.
 *
 * Facts: guest ABI reference sections 3.2 and 3.3; SDM table "Exit Qualification for
 * Control-Register Accesses".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

#define CR0_PE      BIT64(0)
#define CR0_NE      BIT64(5)
#define CR0_WP      BIT64(16)
#define CR0_NW      BIT64(29)
#define CR0_CD      BIT64(30)
#define CR0_PG      BIT64(31)
#define CR4_PAE     BIT64(5)
#define CR4_VMXE    BIT64(13)
#define CR4_KL      BIT64(19)
#define CR4_PKE     BIT64(22)
#define CR4_CET     BIT64(23)
#define CR4_PKS     BIT64(24)
#define CR4_UINTR   BIT64(25)
#define XFAM_PK     BIT64(9)
#define XFAM_CET    (BIT64(11) | BIT64(12))
#define XFAM_UINTR  BIT64(14)
#define EFER_LME    BIT64(8)
#define EFER_LMA    BIT64(10)
#define ENTRY_IA32E BIT64(9)

enum cr_access { MOV_TO, MOV_FROM, CLTS, LMSW };

static uint64_t source(const struct guest *g, uint64_t qual)
{
	unsigned reg = (unsigned)(qual >> 8 & 0xf);

	return reg == SOFT_RSP ? guest_vmread(g, F_RSP) : g->vp->v.gpr.r[reg];
}

static enum guest_next gp(struct guest *g) { return guest_inject(g, VEC_GP, true); }

/* Paging on or off with LME set moves the guest into or out of long mode. */
static bool switch_mode(struct guest *g, uint64_t old, uint64_t new)
{
	uint64_t efer = guest_vmread(g, F_EFER), entry = guest_vmread(g, F_ENTRY_CTLS);

	if (!((old ^ new) & CR0_PG) || !(efer & EFER_LME))
		return true;
	if (new &CR0_PG) {
		if (!(guest_vmread(g, F_CR4) & CR4_PAE))
			return false;
		guest_vmwrite(g, F_EFER, efer | EFER_LMA);
		guest_vmwrite(g, F_ENTRY_CTLS, entry | ENTRY_IA32E);
	} else {
		guest_vmwrite(g, F_EFER, efer & ~EFER_LMA);
		guest_vmwrite(g, F_ENTRY_CTLS, entry & ~ENTRY_IA32E);
	}
	return true;
}

#define MSR_CR0_FIXED0 0x486
#define MSR_CR0_FIXED1 0x487
#define MSR_CR4_FIXED0 0x488
#define MSR_CR4_FIXED1 0x489
#define CR0_IGNORED \
	UINT64_C(0x1ffaffc0)           /* reserved in the low half: a write does not change them */
#define CR0_LMSW         UINT64_C(0xe) /* MP, EM, TS: PE stays set */
#define CR0_UNRESTRICTED (CR0_PE | CR0_PG)

/* Bits that the CPU insists on, or does not have. */
static bool natively_valid(const struct guest *g, uint64_t value, uint32_t fixed0, uint32_t fixed1,
			   uint64_t exempt)
{
	return (~value & call_rdmsr(g->c, fixed0) & ~exempt) == 0 &&
	       (value & ~call_rdmsr(g->c, fixed1)) == 0;
}

static enum guest_next write_cr0(struct guest *g, uint64_t value)
{
	uint64_t old = guest_vmread(g, F_CR0);

	if (!natively_valid(g, value, MSR_CR0_FIXED0, MSR_CR0_FIXED1, CR0_UNRESTRICTED) ||
	    ((value & CR0_PG) && !(value & CR0_PE)))
		return gp(g);
	if ((guest_vmread(g, F_CR4) & CR4_CET) && !(value & CR0_WP))
		return gp(g);
	if (!(value & CR0_PE) || !(value & CR0_NE) || (value & (CR0_NW | CR0_CD)) || value >> 32)
		return guest_inject_ve(g, 0, 0);

	uint64_t new = (value & ~CR0_IGNORED) | (old & CR0_IGNORED);

	if (!switch_mode(g, old, new))
		return gp(g);
	guest_vmwrite(g, F_CR0, new);
	guest_advance(g);
	return RESUME;
}

/* Features that XFAM or the attributes have not given to this TD. */
static bool cr4_has_foreign_feature(const struct guest *g, uint64_t value)
{
	const struct tdcs *t = g->td.tdcs;
	uint64_t xfam = g->vp->v.xfam;

	return ((value & CR4_PKE) && !(xfam & XFAM_PK)) ||
	       ((value & CR4_CET) && (xfam & XFAM_CET) != XFAM_CET) ||
	       ((value & CR4_UINTR) && !(xfam & XFAM_UINTR)) || (value & CR4_KL) ||
	       ((value & CR4_PKS) && !(t->attributes & ATTR_PKS));
}

/* An exit for CR4 means that the guest touched what is not its own: the write never happens. */
static enum guest_next write_cr4(struct guest *g, uint64_t value)
{
	if (!natively_valid(g, value, MSR_CR4_FIXED0, MSR_CR4_FIXED1, CR4_VMXE) ||
	    cr4_has_foreign_feature(g, value))
		return gp(g);
	if ((value & CR4_CET) && !(guest_vmread(g, F_CR0) & CR0_WP))
		return gp(g);
	return guest_inject_ve(g, 0, 0);
}

enum guest_next guest_cr(struct guest *g)
{
	uint64_t qual = g->x.qualification;
	unsigned cr = (unsigned)(qual & 0xf);
	enum cr_access access = (enum cr_access)(qual >> 4 & 3);

	if (access == LMSW) {
		guest_vmwrite(g, F_CR0,
			      (guest_vmread(g, F_CR0) & ~CR0_LMSW) | (qual >> 16 & CR0_LMSW));
		guest_advance(g);
		return RESUME;
	}
	if (access == MOV_TO && cr == 0)
		return write_cr0(g, source(g, qual));
	if (access == MOV_TO && cr == 4)
		return write_cr4(g, source(g, qual));
	return guest_unexpected(g);
}

#define XCR0_USER   (BITS64(7, 5) | BIT64(9) | BIT64(17) | BIT64(18) | 7)
#define XCR0_AVX512 BITS64(7, 5)
#define XCR0_AMX    (BIT64(17) | BIT64(18))

static bool all_or_none(uint64_t v, uint64_t group)
{
	return (v & group) == 0 || (v & group) == group;
}

enum guest_next guest_xsetbv(struct guest *g)
{
	struct soft_vcpu *v = &g->vp->v;
	uint64_t value = (uint32_t)v->gpr.rax | v->gpr.rdx << 32;

	if ((uint32_t)v->gpr.rcx != 0 || !(value & 1) || (value & ~(v->xfam & XCR0_USER)) ||
	    ((value & 4) && !(value & 2)) || !all_or_none(value, XCR0_AVX512) ||
	    ((value & XCR0_AVX512) && !(value & 4)) || !all_or_none(value, XCR0_AMX))
		return gp(g);
	v->xcr0 = value;
	guest_advance(g);
	return RESUME;
}
