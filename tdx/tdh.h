/*
 * tdh.h - the SEAMCALL leaves, one typed function each; nothing else in the tree starts with tdh_.
 *
 * A wrapper loads the operands, makes the one call and hands back the outputs by name. It checks
 * nothing and never retries: what a status means is its caller's business (tdx/retry.h). Outputs
 * are meaningful only as its comment says.
 *
 * Locking is the module's own: all its locks are try-locks, a loser gets TDX_OPERAND_BUSY.
 *
 * Facts: TDX module 1.5 ABI, "Host-Side (SEAMCALL) Interface Functions".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDH_H
#define TAIN_TDX_TDH_H

#include "kernel/base/types.h"
#include "tdx/abi/sept.h"
#include "tdx/seamcall.h"

/* A physical address with a KeyID in its upper bits: made by keyed_hpa() in tdx/keyid.h only. */
typedef struct {
	uint64_t v;
} keyed_hpa_t;

/* A TD's root page and a vCPU's: handles, not to be mixed up. */
typedef struct {
	hpa_t page;
} tdr_t;
typedef struct {
	hpa_t page;
} tdvpr_t;

/* RCX and RDX of a failing memory leaf: S-EPT entry where the module stopped (sept_decode). */
struct sept_fault {
	uint64_t rcx, rdx;
};

/* ---- the module ---- */

/* Once per module load. CPUID diagnostics in *@r after INCORRECT_CPUID_VALUE. */
static inline MUST_CHECK tdx_status_t tdh_sys_init(struct seam_regs *r)
{
	*r = (struct seam_regs){ 0 };
	return seamcall(TDH_SYS_INIT, r);
}

/* Once on each logical processor, after SYS.INIT. */
static inline MUST_CHECK tdx_status_t tdh_sys_lp_init(struct seam_regs *r)
{
	*r = (struct seam_regs){ 0 };
	return seamcall(TDH_SYS_LP_INIT, r);
}

/* @next: id of the field that follows, all ones after the last. */
static inline MUST_CHECK tdx_status_t tdh_sys_rd(uint64_t field, uint64_t *value, uint64_t *next)
{
	struct seam_regs r = { .rdx = field };
	tdx_status_t st = seamcall(TDH_SYS_RD, &r);

	*value = r.r8;
	*next = r.rdx;
	return st;
}

/* TDSYSINFO (1024 bytes, so aligned) and the CMR array (512 bytes, so aligned). */
static inline MUST_CHECK tdx_status_t tdh_sys_info(hpa_t info, uint64_t info_bytes, hpa_t cmrs,
						   uint64_t cmr_count)
{
	struct seam_regs r = { .rcx = info.v, .rdx = info_bytes, .r8 = cmrs.v, .r9 = cmr_count };

	return seamcall(TDH_SYS_INFO, &r);
}

#define SYS_CONFIG_DYNAMIC_PAMT BIT64(16)

/*
 * @list: @count addresses of TDMR_INFO; @keyid becomes the global KeyID, and stays it on failure.
 * @dynamic_pamt: the PAMT areas for 4K are bitmaps, of modules that have this.
 */
static inline MUST_CHECK tdx_status_t tdh_sys_config(hpa_t list, uint64_t count, uint16_t keyid,
						     bool dynamic_pamt)
{
	struct seam_regs r = { .rcx = list.v,
			       .rdx = count,
			       .r8 = keyid | (dynamic_pamt ? SYS_CONFIG_DYNAMIC_PAMT : 0) };

	return seamcall(TDH_SYS_CONFIG, &r);
}

/* On one CPU of each package. */
static inline MUST_CHECK tdx_status_t tdh_sys_key_config(void)
{
	struct seam_regs r = { 0 };

	return seamcall(TDH_SYS_KEY_CONFIG, &r);
}

/* One slice of the TDMR at @base; *@next: end of what is usable now, in whole GiB. */
static inline MUST_CHECK tdx_status_t tdh_sys_tdmr_init(hpa_t base, uint64_t *next)
{
	struct seam_regs r = { .rcx = base.v };
	tdx_status_t st = seamcall(TDH_SYS_TDMR_INIT, &r);

	*next = r.rdx;
	return st;
}

static inline MUST_CHECK tdx_status_t tdh_sys_lp_shutdown(void)
{
	struct seam_regs r = { 0 };

	return seamcall(TDH_SYS_LP_SHUTDOWN, &r);
}

/* The module leaves handoff data of @version (its own MODULE_HV) and stops; another one may follow. */
static inline MUST_CHECK tdx_status_t tdh_sys_shutdown(uint64_t version)
{
	struct seam_regs r = { .rcx = version };

	return seamcall(TDH_SYS_SHUTDOWN, &r);
}

/* Take over from the module before, after SYS.INIT and LP.INIT on all CPUs. */
static inline MUST_CHECK tdx_status_t tdh_sys_update(void)
{
	struct seam_regs r = { 0 };

	return seamcall(TDH_SYS_UPDATE, &r);
}

/* The module gives up what it has; newer ones only. May be interrupted and called again. */
static inline MUST_CHECK tdx_status_t tdh_sys_disable(void)
{
	struct seam_regs r = { 0 };

	return seamcall(TDH_SYS_DISABLE, &r);
}

/* ---- physical pages ---- */

struct page_metadata {
	uint64_t type, owner, size, bepoch;
};

static inline struct page_metadata page_metadata_of(const struct seam_regs *r)
{
	/* Above the type: whether it is an entry with others below, of dynamic PAMT. */
	return (struct page_metadata){ r->rcx & BITS64(7, 0), r->rdx, r->r8, r->r9 };
}

static inline MUST_CHECK tdx_status_t tdh_phymem_page_rdmd(hpa_t page, struct page_metadata *md)
{
	struct seam_regs r = { .rcx = page.v };
	tdx_status_t st = seamcall(TDH_PHYMEM_PAGE_RDMD, &r);

	*md = page_metadata_of(&r);
	return st;
}

/* The page is the host's again on success. Only of a TD in teardown; its TDR last. */
static inline MUST_CHECK tdx_status_t tdh_phymem_page_reclaim(hpa_t page, struct page_metadata *md)
{
	struct seam_regs r = { .rcx = page.v };
	tdx_status_t st = seamcall(TDH_PHYMEM_PAGE_RECLAIM, &r);

	*md = page_metadata_of(&r);
	return st;
}

/* Write back the page's lines under that KeyID; the page is free. */
static inline MUST_CHECK tdx_status_t tdh_phymem_page_wbinvd(keyed_hpa_t page)
{
	struct seam_regs r = { .rcx = page.v };

	return seamcall(TDH_PHYMEM_PAGE_WBINVD, &r);
}

/* Dynamic PAMT: 4K pages of the 2M range at @range are described in @first and @second from now on. */
static inline MUST_CHECK tdx_status_t tdh_phymem_pamt_add(hpa_t range, hpa_t first, hpa_t second)
{
	struct seam_regs r = { .rcx = range.v | 1, .rdx = first.v, .r8 = second.v };

	return seamcall(TDH_PHYMEM_PAMT_ADD, &r);
}

/* The way back, when no 4K page of the range is in use. */
static inline MUST_CHECK tdx_status_t tdh_phymem_pamt_remove(hpa_t range, hpa_t *first,
							     hpa_t *second)
{
	struct seam_regs r = { .rcx = range.v | 1 };
	tdx_status_t st = seamcall(TDH_PHYMEM_PAMT_REMOVE, &r);

	*first = (hpa_t){ r.rdx };
	*second = (hpa_t){ r.r8 };
	return st;
}

/* On one CPU of each package; @resume after TDX_INTERRUPTED_RESUMABLE. */
static inline MUST_CHECK tdx_status_t tdh_phymem_cache_wb(bool resume)
{
	struct seam_regs r = { .rcx = resume };

	return seamcall(TDH_PHYMEM_CACHE_WB, &r);
}

/* ---- one TD ---- */

static inline MUST_CHECK tdx_status_t tdh_mng_create(tdr_t tdr, uint16_t keyid)
{
	struct seam_regs r = { .rcx = tdr.page.v, .rdx = keyid };

	return seamcall(TDH_MNG_CREATE, &r);
}

static inline MUST_CHECK tdx_status_t tdh_mng_key_config(tdr_t tdr)
{
	struct seam_regs r = { .rcx = tdr.page.v };

	return seamcall(TDH_MNG_KEY_CONFIG, &r);
}

static inline MUST_CHECK tdx_status_t tdh_mng_addcx(tdr_t tdr, hpa_t page)
{
	struct seam_regs r = { .rcx = page.v, .rdx = tdr.page.v };

	return seamcall(TDH_MNG_ADDCX, &r);
}

/* *@where: CPUID leaf (31:0) and sub-leaf (63:32) after OPERAND_INVALID of CPUID_CONFIG. */
static inline MUST_CHECK tdx_status_t tdh_mng_init(tdr_t tdr, hpa_t params, uint64_t *where)
{
	struct seam_regs r = { .rcx = tdr.page.v, .rdx = params.v };
	tdx_status_t st = seamcall(TDH_MNG_INIT, &r);

	*where = r.rcx;
	return st;
}

static inline MUST_CHECK tdx_status_t tdh_mng_rd(tdr_t tdr, uint64_t field, uint64_t *value)
{
	struct seam_regs r = { .rcx = tdr.page.v, .rdx = field };
	tdx_status_t st = seamcall(TDH_MNG_RD, &r);

	*value = r.r8;
	return st;
}

static inline MUST_CHECK tdx_status_t tdh_mng_wr(tdr_t tdr, uint64_t field, uint64_t value,
						 uint64_t mask)
{
	struct seam_regs r = { .rcx = tdr.page.v, .rdx = field, .r8 = value, .r9 = mask };

	return seamcall(TDH_MNG_WR, &r);
}

/* All vCPUs are flushed: the KeyID may be given up. */
static inline MUST_CHECK tdx_status_t tdh_mng_vpflushdone(tdr_t tdr)
{
	struct seam_regs r = { .rcx = tdr.page.v };

	return seamcall(TDH_MNG_VPFLUSHDONE, &r);
}

static inline MUST_CHECK tdx_status_t tdh_mng_key_freeid(tdr_t tdr)
{
	struct seam_regs r = { .rcx = tdr.page.v };

	return seamcall(TDH_MNG_KEY_FREEID, &r);
}

static inline MUST_CHECK tdx_status_t tdh_mr_extend(tdr_t tdr, gpa_t chunk, struct sept_fault *f)
{
	struct seam_regs r = { .rcx = chunk.v, .rdx = tdr.page.v };
	tdx_status_t st = seamcall(TDH_MR_EXTEND, &r);

	*f = (struct sept_fault){ r.rcx, r.rdx };
	return st;
}

static inline MUST_CHECK tdx_status_t tdh_mr_finalize(tdr_t tdr)
{
	struct seam_regs r = { .rcx = tdr.page.v };

	return seamcall(TDH_MR_FINALIZE, &r);
}

/* ---- one vCPU ---- */

static inline MUST_CHECK tdx_status_t tdh_vp_create(tdr_t tdr, tdvpr_t vp)
{
	struct seam_regs r = { .rcx = vp.page.v, .rdx = tdr.page.v };

	return seamcall(TDH_VP_CREATE, &r);
}

static inline MUST_CHECK tdx_status_t tdh_vp_addcx(tdvpr_t vp, hpa_t page)
{
	struct seam_regs r = { .rcx = page.v, .rdx = vp.page.v };

	return seamcall(TDH_VP_ADDCX, &r);
}

/*
 * @initial: what the guest finds in RCX and R8. The vCPU is associated with this CPU afterwards.
 * @x2apic_id: NULL, or the id it gets, which no other vCPU of the TD has. That is version 1, of modules
 * with TOPOLOGY_ENUM, and takes the TDR exclusively.
 */
static inline MUST_CHECK tdx_status_t tdh_vp_init(tdvpr_t vp, uint64_t initial,
						  const uint32_t *x2apic_id)
{
	struct seam_regs r = {
		.rcx = vp.page.v,
		.rdx = initial,
		.r8 = x2apic_id ? *x2apic_id : 0,
	};

	return seamcall(x2apic_id ? TDH_VP_INIT | TDX_RAX_VERSION_1 : TDH_VP_INIT, &r);
}

/* On the CPU that the vCPU is associated with. */
static inline MUST_CHECK tdx_status_t tdh_vp_flush(tdvpr_t vp)
{
	struct seam_regs r = { .rcx = vp.page.v };

	return seamcall(TDH_VP_FLUSH, &r);
}

/* Associates the vCPU with this CPU. */
static inline MUST_CHECK tdx_status_t tdh_vp_rd(tdvpr_t vp, uint64_t field, uint64_t *value)
{
	struct seam_regs r = { .rcx = vp.page.v, .rdx = field };
	tdx_status_t st = seamcall(TDH_VP_RD, &r);

	*value = r.r8;
	return st;
}

/* Associates the vCPU with this CPU. */
static inline MUST_CHECK tdx_status_t tdh_vp_wr(tdvpr_t vp, uint64_t field, uint64_t value,
						uint64_t mask)
{
	struct seam_regs r = { .rcx = vp.page.v, .rdx = field, .r8 = value, .r9 = mask };

	return seamcall(TDH_VP_WR, &r);
}

/*
 * Run the guest until it exits. *@r: in, the answer to a TDVMCALL if that was the last exit; out,
 * as tdx/abi/exit.h says. Interrupts off; clobbers extended state and many MSRs of the host.
 */
static inline MUST_CHECK tdx_status_t tdh_vp_enter(tdvpr_t vp, uint64_t flags, struct seam_regs *r)
{
	r->rcx = vp.page.v | flags;
	return seamcall(TDH_VP_ENTER, r);
}

/* ---- private memory ---- */

static inline tdx_status_t sept_call(enum tdh_leaf leaf, struct seam_regs *r, struct sept_fault *f)
{
	tdx_status_t st = seamcall(leaf, r);

	*f = (struct sept_fault){ r->rcx, r->rdx };
	return st;
}

/* Link the free page @table below the entry of @level at @gpa (LEVEL_2M or more). */
static inline MUST_CHECK tdx_status_t tdh_mem_sept_add(tdr_t tdr, gpa_t gpa, int level, hpa_t table,
						       struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v, .r8 = table.v };

	return sept_call(TDH_MEM_SEPT_ADD, &r, f);
}

/* Unlink the empty table below the entry; f->rcx is its page on success. */
static inline MUST_CHECK tdx_status_t tdh_mem_sept_remove(tdr_t tdr, gpa_t gpa, int level,
							  struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v };

	return sept_call(TDH_MEM_SEPT_REMOVE, &r, f);
}

static inline MUST_CHECK tdx_status_t tdh_mem_sept_rd(tdr_t tdr, gpa_t gpa, int level,
						      struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v };

	return sept_call(TDH_MEM_SEPT_RD, &r, f);
}

/* Before MR.FINALIZE: copy @source into the free page @page, map it at @gpa, record it in MRTD. */
static inline MUST_CHECK tdx_status_t tdh_mem_page_add(tdr_t tdr, gpa_t gpa, hpa_t page,
						       hpa_t source, struct sept_fault *f)
{
	struct seam_regs r = {
		.rcx = sept_operand(gpa, LEVEL_4K), .rdx = tdr.page.v, .r8 = page.v, .r9 = source.v
	};

	return sept_call(TDH_MEM_PAGE_ADD, &r, f);
}

/* Add one page of @level, pending the guest's TDG.MEM.PAGE.ACCEPT. */
static inline MUST_CHECK tdx_status_t tdh_mem_page_aug(tdr_t tdr, gpa_t gpa, int level, hpa_t page,
						       struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v, .r8 = page.v };

	return sept_call(TDH_MEM_PAGE_AUG, &r, f);
}

/* f->rcx is the page that came back. Blocked and tracked, once the TD is finalised. */
static inline MUST_CHECK tdx_status_t tdh_mem_page_remove(tdr_t tdr, gpa_t gpa, int level,
							  struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v };

	return sept_call(TDH_MEM_PAGE_REMOVE, &r, f);
}

static inline MUST_CHECK tdx_status_t tdh_mem_range_block(tdr_t tdr, gpa_t gpa, int level,
							  struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v };

	return sept_call(TDH_MEM_RANGE_BLOCK, &r, f);
}

static inline MUST_CHECK tdx_status_t tdh_mem_range_unblock(tdr_t tdr, gpa_t gpa, int level,
							    struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v };

	return sept_call(TDH_MEM_RANGE_UNBLOCK, &r, f);
}

/* A new TLB epoch; the caller kicks the vCPUs afterwards. */
static inline MUST_CHECK tdx_status_t tdh_mem_track(tdr_t tdr)
{
	struct seam_regs r = { .rcx = tdr.page.v };

	return seamcall(TDH_MEM_TRACK, &r);
}

/*
 * Split the leaf of @level at @gpa into 512, mapped by the free page @table. No nested VMs. @pair: of
 * dynamic PAMT, for a page of 2M; else not looked at.
 */
static inline MUST_CHECK tdx_status_t tdh_mem_page_demote(tdr_t tdr, gpa_t gpa, int level,
							  hpa_t table, const hpa_t pair[2],
							  struct sept_fault *f)
{
	const uint64_t none = ~UINT64_C(0);
	struct seam_regs r = { .rcx = sept_operand(gpa, level),
			       .rdx = tdr.page.v,
			       .r8 = table.v,
			       .r9 = none,
			       .r10 = none,
			       .r11 = none,
			       .r12 = pair[0].v,
			       .r13 = pair[1].v };

	return sept_call(TDH_MEM_PAGE_DEMOTE, &r, f);
}

/*
 * Join the 512 leaves below the entry of @level; f->rcx is the table page that came back. With dynamic
 * PAMT the pair of a page of 2M has come back too: @pair[].
 */
static inline MUST_CHECK tdx_status_t tdh_mem_page_promote(tdr_t tdr, gpa_t gpa, int level,
							   hpa_t pair[2], struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, level), .rdx = tdr.page.v };
	tdx_status_t st = sept_call(TDH_MEM_PAGE_PROMOTE, &r, f);

	pair[0] = (hpa_t){ r.r12 };
	pair[1] = (hpa_t){ r.r13 };
	return st;
}

/* Move a 4K page; f->rcx is the old one on success. */
static inline MUST_CHECK tdx_status_t tdh_mem_page_relocate(tdr_t tdr, gpa_t gpa, hpa_t page,
							    struct sept_fault *f)
{
	struct seam_regs r = { .rcx = sept_operand(gpa, LEVEL_4K),
			       .rdx = tdr.page.v,
			       .r8 = page.v };

	return sept_call(TDH_MEM_PAGE_RELOCATE, &r, f);
}

/* Debug TD: eight bytes of private memory. */
static inline MUST_CHECK tdx_status_t tdh_mem_rd(tdr_t tdr, gpa_t gpa, uint64_t *value)
{
	struct seam_regs r = { .rcx = gpa.v, .rdx = tdr.page.v };
	tdx_status_t st = seamcall(TDH_MEM_RD, &r);

	*value = r.r8;
	return st;
}

static inline MUST_CHECK tdx_status_t tdh_mem_wr(tdr_t tdr, gpa_t gpa, uint64_t value)
{
	struct seam_regs r = { .rcx = gpa.v, .rdx = tdr.page.v, .r8 = value };

	return seamcall(TDH_MEM_WR, &r);
}

#endif
