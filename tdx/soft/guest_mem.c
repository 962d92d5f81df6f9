/*
 * guest_mem.c - memory named by a TDCALL: GPAs of buffers, PAGE.ACCEPT, PAGE.ATTR.
 *
 * Invariants
 *   - A GPA that cannot be used now has no effect: the guest gets #VE or leaves to the host, and
 *     executes the TDCALL again.
 *   - A page becomes MAPPED only after all of it is zero; an interrupted 2M accept keeps its
 * progress in the entry.
 *
 * Facts: guest ABI reference sections 1.4 and 1.6, ABI reference section 5.4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"
#include "tdx/soft/l2.h"
#include "tdx/soft/sept.h"

#include <string.h>

#define EXT_ACCEPT         UINT64_C(1)
#define EXT_ATTR_WR        UINT64_C(5)
#define EXT_PENDING        UINT64_C(6)
#define PENDING_VE_DISABLE BIT64(0)
#define QUAL_WRITE         UINT64_C(2)
#define ATTR_RD_PENDING    BIT64(62)

static tdx_status_t leave_ept(struct guest *g, uint64_t qual, uint64_t ext, uint64_t gpa,
			      enum tdcall_out *out)
{
	(void)guest_leave_ept(g, qual, ext, gpa);
	*out = OUT_LEAVE;
	return OK;
}

/* The exit qualification of an access that the module makes for the guest: what it missed, and what
 * all entries on the way allow. */
static uint64_t made_up_qual(enum access access, uint64_t allowed)
{
	return (access & ~allowed & 3) | (allowed & SE_RWX) << 3;
}

static tdx_status_t ve_for_ept(struct guest *g, uint64_t qual, uint64_t gpa, enum tdcall_out *out)
{
	(void)guest_inject_ve_ept(g, qual, 0, gpa);
	*out = OUT_RETRY;
	return OK;
}

static tdx_status_t private_gpa(struct guest *g, uint64_t gpa, enum access access, void **ptr,
				enum tdcall_out *out)
{
	struct sept_ref at;
	uint64_t qual;

	sept_walk(g->c, &g->td, gpa, 0, &at);
	if (sept_accessible(at.copy)) {
		*ptr = call_map(g->c,
				sept_frame(at.copy, at.level) | (gpa & (sept_span(at.level) - 1)));
		return OK;
	}
	qual = made_up_qual(access, at.copy & SE_RWX);
	if (sept_state(at.copy) != S_PENDING)
		return leave_ept(g, qual, 0, gpa, out);
	if (g->td.tdcs->td_ctls & PENDING_VE_DISABLE)
		return leave_ept(g, qual, EXT_PENDING, gpa, out);
	return ve_for_ept(g, qual, gpa, out);
}

#define EPT_EXEC_ONLY_CAP BIT64(0) /* IA32_VMX_EPT_VPID_CAP */
#define MSR_EPT_VPID_CAP  0x48c
#define EPT_TYPE(e)       ((e) >> 3 & 7)
#define EPT_TABLE_MBZ     BITS64(7, 3)

/* Memory types 2, 3 and 7 do not exist. */
static bool type_exists(uint64_t type) { return type != 2 && type != 3 && type != 7; }

static bool is_shared_pa(const struct guest *g, uint64_t pa)
{
	return !FAILED(check_shared(g->c, pa, 1, PAGE_SIZE, 0));
}

/* A shared EPT entry that the CPU would not take (SDM: "EPT Misconfigurations"). */
static bool misconfigured(const struct guest *g, uint64_t e, unsigned level)
{
	bool leaf = level == 0 || (level <= 2 && (e & SE_PS));

	if ((e & 3) == 2)
		return true;
	if ((e & 5) == 4 && !(call_rdmsr(g->c, MSR_EPT_VPID_CAP) & EPT_EXEC_ONLY_CAP))
		return true;
	if (!(e & SE_RWX))
		return false;
	if (!leaf)
		return (e & EPT_TABLE_MBZ) || !is_shared_pa(g, e & SE_PFN);
	return !type_exists(EPT_TYPE(e)) || ((e & SE_PFN) & (sept_span(level) - 1));
}

static tdx_status_t leave_misconfigured(struct guest *g, uint64_t gpa, enum tdcall_out *out)
{
	g->x.reason = SOFT_EXIT_EPT_MISCONFIG;
	(void)guest_leave(g, TDX_SUCCESS, 0, 0, gpa, 0);
	*out = OUT_LEAVE;
	return OK;
}

/* The host's shared EPT: ordinary EPT entries in memory that the host may change under us. */
static tdx_status_t shared_gpa(struct guest *g, uint64_t gpa, enum access access, void **ptr,
			       enum tdcall_out *out)
{
	uint64_t table = g->vp->v.shared_root, allowed = SE_RWX;

	/* Until the host gives one, it is a table of zeroes. */
	if (!table)
		return ve_for_ept(g, made_up_qual(access, 0), gpa, out);
	for (unsigned l = g->td.tdcs->root_level;; l--) {
		const uint64_t *t = call_map_shared(g->c, table & SE_PFN);
		uint64_t e =
			__atomic_load_n(&t[gpa >> (PAGE_SHIFT + 9 * l) & 511], __ATOMIC_ACQUIRE);
		bool leaf = l == 0 || (l <= 2 && (e & SE_PS));

		allowed &= e;
		if (misconfigured(g, e, l))
			return leave_misconfigured(g, gpa, out);
		if (!(e & SE_RWX) || (e & access) != access) {
			uint64_t qual = made_up_qual(access, allowed);

			if (!(e & SE_SVE) && (!(e & SE_RWX) || (e & SE_PS) || l == 0))
				return ve_for_ept(g, qual, gpa, out);
			return leave_ept(g, qual, 0, gpa, out);
		}
		if (!leaf) {
			table = e & SE_PFN;
			continue;
		}

		uint64_t pa = align_down(e & SE_PFN, sept_span(l)) | (gpa & (sept_span(l) - 1));

		if (!is_shared_pa(g, pa))
			return leave_misconfigured(g, gpa, out);
		*ptr = call_map_shared(g->c, pa);
		return OK;
	}
}

/* The buffer at @gpa, which does not cross a page. With *@out changed there is nothing to do now.
 */
tdx_status_t guest_gpa(struct guest *g, uint64_t gpa, bool private_only, enum access access,
		       uint32_t op, void **ptr, enum tdcall_out *out)
{
	const struct tdcs *t = g->td.tdcs;

	*ptr = NULL;
	if (!sept_gpa_valid(t, gpa) || (private_only && !sept_gpa_private(t, gpa)))
		return FAIL(OPERAND_INVALID, op);
	if (sept_gpa_private(t, gpa))
		return private_gpa(g, gpa, access, ptr, out);
	return shared_gpa(g, gpa, access, ptr, out);
}

/* Extended exit qualification: what was asked, and what the entry is. */
static uint64_t extended(uint64_t type, unsigned level, const struct sept_ref *at)
{
	uint64_t code = sept_state_code(sept_state(at->copy));
	uint64_t info = level | (uint64_t)at->level << 3 | code << 6 |
			(uint64_t)sept_is_leaf(at->copy) << 14;

	return type | info << 32;
}

static tdx_status_t leave_for_page(struct guest *g, uint64_t type, uint64_t gpa, unsigned level,
				   const struct sept_ref *at, enum tdcall_out *out)
{
	uint64_t qual = QUAL_WRITE | (at->copy & SE_RWX) << 3;

	return leave_ept(g, qual, extended(type, level, at), gpa, out);
}

/* Zero the page from where an earlier attempt was interrupted. False: interrupted again. */
static bool zero_page(struct guest *g, const struct sept_ref *at)
{
	uint64_t pa = sept_frame(at->copy, at->level);
	unsigned pages = 1u << (9 * at->level);
	unsigned done = at->level ? (unsigned)((at->copy & SE_COUNT) >> PAGE_SHIFT) : 0;

	call_filling(g->c);
	while (done < pages) {
		memset(call_map(g->c, pa + done * PAGE_SIZE), 0, PAGE_SIZE);
		done++;
		if (done < pages && call_irq_pending(g->c)) {
			sept_set(at->entry, SE_PENDING | pa | (uint64_t)done << PAGE_SHIFT);
			return false;
		}
	}
	sept_set(at->entry, SE_MAPPED | pa);
	return true;
}

tdx_status_t tdg_mem_page_accept(struct guest *g, enum tdcall_out *out)
{
	uint64_t rcx = g->vp->v.gpr.rcx, gpa = rcx & BITS64(51, 12);
	unsigned level = (unsigned)(rcx & 7);
	struct sept_ref at;

	if ((rcx & (BITS64(11, 3) | BITS64(63, 52))) || level > 1 ||
	    !is_aligned(gpa, sept_span(level)) || !sept_gpa_private(g->td.tdcs, gpa))
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (!sept_walk(g->c, &g->td, gpa, level, &at)) {
		if (sept_accessible(at.copy))
			return FAIL(PAGE_ALREADY_ACCEPTED, at.level);
		return leave_for_page(g, EXT_ACCEPT, gpa, level, &at, out);
	}
	TRY(call_take_entry(g->c, at.entry, OP_RCX));
	at.copy = __atomic_load_n(at.entry, __ATOMIC_ACQUIRE) & ~(SE_LOCK | SE_HP);
	if (!sept_is_leaf(at.copy) && !sept_is_free(at.copy) && sept_state(at.copy) != S_REMOVED)
		return FAIL(PAGE_SIZE_MISMATCH, level);
	if (sept_accessible(at.copy))
		return FAIL(PAGE_ALREADY_ACCEPTED, level);
	if (!sept_allows(U_ACCEPT, sept_state(at.copy)))
		return leave_for_page(g, EXT_ACCEPT, gpa, level, &at, out);
	if (zero_page(g, &at))
		l2_unblock(g->c, &g->td, gpa, at.level);
	else
		*out = OUT_RETRY;
	return OK;
}

/* RCX: where it is mapped; RDX: attributes for nested VMs, of which there are none. */
static tdx_status_t show_attr(struct guest *g, uint64_t gpa, const struct sept_ref *at,
			      uint64_t attributes)
{
	struct soft_regs *gpr = &g->vp->v.gpr;

	gpr->rcx = align_down(gpa, sept_span(at->level)) | at->level;
	if (!sept_accessible(at->copy))
		gpr->rcx |= ATTR_RD_PENDING;
	gpr->rdx = attributes;
	return OK;
}

static bool shows_attr(uint64_t e) { return sept_accessible(e) || sept_state(e) == S_PENDING; }

static tdx_status_t no_attr(struct guest *g, tdx_status_t st)
{
	g->vp->v.gpr.rcx = g->vp->v.gpr.rdx = 0;
	return st;
}

/* Lock the entry that a walk found, and read it again. */
static tdx_status_t lock_entry(struct guest *g, struct sept_ref *at)
{
	TRY(call_take_entry(g->c, at->entry, OP_RCX));
	at->copy = __atomic_load_n(at->entry, __ATOMIC_ACQUIRE) & ~(SE_LOCK | SE_HP);
	return OK;
}

tdx_status_t tdg_mem_page_attr_rd(struct guest *g, enum tdcall_out *out)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	uint64_t gpa = gpr->rcx & ~(PAGE_SIZE - 1);
	struct sept_ref at;

	if (!sept_gpa_private(g->td.tdcs, gpa))
		return no_attr(g, FAIL(OPERAND_INVALID, OP_RCX));
	sept_walk(g->c, &g->td, gpa, 0, &at);

	tdx_status_t st = lock_entry(g, &at);

	if (FAILED(st))
		return no_attr(g, st);
	if (!shows_attr(at.copy))
		return leave_ept(g, 0, 0, gpa, out);
	return show_attr(g, gpa, &at, l2_attributes(g->c, &g->td, gpa, at.level));
}

#define ATTR_LANES     4 /* 16 bits each: the TD's own VM, three nested ones */
#define ATTR_VALID     BIT32(15)
#define ATTR_LANE_BITS 16

/* Attributes (RDX) and their flags (R8) for VMs that there are; the TD's own has none. */
static tdx_status_t check_attr_lanes(const struct guest *g)
{
	const struct soft_regs *gpr = &g->vp->v.gpr;

	for (unsigned vm = 0; vm < ATTR_LANES; vm++) {
		uint16_t attr = (uint16_t)(gpr->rdx >> (ATTR_LANE_BITS * vm));
		uint16_t flags = (uint16_t)(gpr->r8 >> (ATTR_LANE_BITS * vm));
		bool nested = vm > 0 && vm <= g->td.tdcs->num_l2;

		if (nested ? attr && !(attr & ATTR_VALID) : attr)
			return FAIL(OPERAND_INVALID, OP_RDX);
		if (!nested && flags)
			return FAIL(OPERAND_INVALID, OP_R8);
	}
	return OK;
}

static tdx_status_t attr_wr(struct guest *g, enum tdcall_out *out)
{
	uint64_t rcx = g->vp->v.gpr.rcx, gpa = rcx & BITS64(51, 12);
	unsigned level = (unsigned)(rcx & 7);
	struct sept_ref at;
	uint64_t attributes;

	TRY(check_attr_lanes(g));
	if ((rcx & (BITS64(11, 3) | BITS64(63, 52))) || level > 2 ||
	    !is_aligned(gpa, sept_span(level)) || !sept_gpa_private(g->td.tdcs, gpa))
		return FAIL(OPERAND_INVALID, OP_RCX);
	if (!sept_walk(g->c, &g->td, gpa, level, &at))
		return leave_for_page(g, EXT_ATTR_WR, gpa, level, &at, out);
	TRY(lock_entry(g, &at));
	if (!sept_is_leaf(at.copy) && !sept_is_free(at.copy))
		return FAIL(PAGE_SIZE_MISMATCH, level);
	if (!shows_attr(at.copy))
		return leave_for_page(g, EXT_ATTR_WR, gpa, level, &at, out);
	attributes = g->vp->v.gpr.rdx;
	TRY(l2_set_attributes(g->c, &g->td, gpa, &at, g->vp->v.gpr.r8, &attributes));
	return show_attr(g, gpa, &at, attributes);
}

tdx_status_t tdg_mem_page_attr_wr(struct guest *g, enum tdcall_out *out)
{
	tdx_status_t st = attr_wr(g, out);

	return FAILED(st) ? no_attr(g, st) : st;
}
