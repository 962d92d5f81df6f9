/*
 * md_leaf.c - the leaves that read and write metadata, of the host and of the guest, and SYS.INFO.
 *
 * Invariants
 *   - Outputs are preset before the first check, as in the real module.
 *
 * Facts: ABI reference sections 3.1 to 3.3, guest ABI reference section 1.4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"
#include "tdx/soft/md.h"

#include <string.h>

#define SYSINFO_BYTES  1024
#define CMR_INFO_BYTES 512

static enum md_reader host_reader(const struct tdcs *t)
{
	return t->attributes & ATTR_DEBUG ? MD_HOST_DEBUG : MD_HOST;
}

static struct md_target target(struct call *c, struct td *td, struct tdvps *vp, enum md_reader who)
{
	return (struct md_target){ c, td, vp, who };
}

/* Read @id: value to R8; with @next the following id to RDX. */
static tdx_status_t read_field(const struct md_table *t, const struct md_target *x, uint64_t id,
			       bool next, struct soft_regs *out)
{
	if (next && md_is_null(id)) {
		out->rdx = md_first(t, x);
		return FAIL(METADATA_FIRST_FIELD_ID_IN_CONTEXT, 0);
	}
	TRY(md_read(t, x, id, &out->r8));
	if (next)
		out->rdx = md_next(t, x, id);
	return OK;
}

tdx_status_t leaf_sys_rd(struct call *c)
{
	struct md_target x = target(c, NULL, NULL, MD_HOST);

	c->r->rdx = ALL_ONES;
	c->r->r8 = 0;
	if (!c->m->lp_done[c->lp])
		return FAIL(SYS_LP_INIT_NOT_DONE, 0);
	return read_field(&md_sys, &x, c->in.rdx, true, c->r);
}

tdx_status_t leaf_sys_rdall(struct call *c)
{
	struct md_target x = target(c, NULL, NULL, MD_HOST);

	c->r->r8 = ALL_ONES;
	if (!c->m->lp_done[c->lp])
		return FAIL(SYS_LP_INIT_NOT_DONE, 0);
	TRY(check_shared(c, c->in.rdx, PAGE_SIZE, PAGE_SIZE, OP_RDX));
	return md_list(&md_sys, &x, c->in.r8, call_map_shared(c, c->in.rdx), &c->r->r8);
}

/* CPUID_CONFIG in TDSYSINFO: leaf, sub-leaf, four masks. */
static void put_cpuid_config(const struct call *c, uint8_t *info)
{
	for (unsigned i = 0; i < c->m->profile->config_count; i++) {
		unsigned row = c->m->profile->config_row[i];
		const struct cpuid_row *d = cpuid_row(c->m, row);
		uint32_t entry[6] = { d->leaf, d->sub };

		for (unsigned r = 0; r < 4; r++)
			entry[2 + r] = d->direct[r] | (d->allow[r] & c->m->cpuid[row][r]);
		memcpy(info + 132 + i * sizeof(entry), entry, sizeof(entry));
	}
}

static void put(uint8_t *info, unsigned off, uint64_t v, unsigned bytes)
{
	memcpy(info + off, &v, bytes);
}

static void fill_sysinfo(const struct call *c, uint8_t *info)
{
	const struct soft_profile *p = c->m->profile;

	put(info, 4, 0x8086, 4);
	put(info, 8, p->build_date, 4);
	put(info, 12, p->build_num, 2);
	put(info, 14, p->minor, 2);
	put(info, 16, p->major, 2);
	put(info, 18, 1, 1);
	put(info, 32, p->max_tdmrs, 2);
	put(info, 34, p->max_reserved, 2);
	put(info, 36, p->pamt_entry_bytes[0], 2);
	put(info, 48, tdcs_pages(c->m, 0) * PAGE_SIZE, 2);
	put(info, 52, tdvps_pages(c->m, 0) * PAGE_SIZE, 2);
	put(info, 64, p->attributes_fixed0, 8);
	put(info, 72, p->attributes_fixed1, 8);
	put(info, 80, p->xfam_fixed0 & c->m->xfam_native, 8);
	put(info, 88, p->xfam_fixed1, 8);
	put(info, 128, p->config_count, 4);
	put_cpuid_config(c, info);
}

static tdx_status_t sys_info(struct call *c)
{
	if (!c->m->lp_done[c->lp])
		return FAIL(SYS_LP_INIT_NOT_DONE, 0);
	TRY(check_shared(c, c->in.rcx, SYSINFO_BYTES, SYSINFO_BYTES, OP_RCX));
	if (c->in.rdx < SYSINFO_BYTES)
		return FAIL(OPERAND_INVALID, OP_RDX);

	uint8_t *info = call_map_shared(c, c->in.rcx);

	memset(info, 0, SYSINFO_BYTES); /* also if a later check fails */
	TRY(check_shared(c, c->in.r8, CMR_INFO_BYTES, CMR_INFO_BYTES, OP_R8));
	if (c->in.r9 < SOFT_MAX_CMRS)
		return FAIL(OPERAND_INVALID, OP_R9);
	fill_sysinfo(c, info);
	struct soft_range *cmrs = call_map_shared(c, c->in.r8);

	memset(cmrs, 0, CMR_INFO_BYTES);
	for (unsigned i = 0; i < SOFT_MAX_CMRS && c->m->machine->cmr[i].size; i++)
		cmrs[i] = c->m->machine->cmr[i];
	return OK;
}

tdx_status_t leaf_sys_info(struct call *c)
{
	tdx_status_t st = sys_info(c);

	c->r->rdx = FAILED(st) ? 0 : SYSINFO_BYTES;
	c->r->r9 = FAILED(st) ? 0 : SOFT_MAX_CMRS;
	return st;
}

tdx_status_t leaf_mng_rd(struct call *c)
{
	struct td td;

	c->r->r8 = 0;
	if (c->version)
		c->r->rdx = ALL_ONES;
	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	TRY(get_tdr(c, c->in.rcx, OP_RCX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));

	struct md_target x = target(c, &td, NULL, host_reader(td.tdcs));

	return read_field(&md_td, &x, c->in.rdx, c->version == 1, c->r);
}

tdx_status_t leaf_mng_wr(struct call *c)
{
	struct td td;

	c->r->r8 = 0;
	TRY(get_tdr(c, c->in.rcx, OP_RCX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));

	struct md_target x = target(c, &td, NULL, host_reader(td.tdcs));

	return md_write(&md_td, &x, c->in.rdx, c->in.r8, c->in.r9, &c->r->r8);
}

/* The common part of VP.RD and VP.WR: the vCPU becomes associated here. */
static tdx_status_t open_vp(struct call *c, struct td *td, struct tdvps **vp, bool disabled_too)
{
	struct pamt_ref page;
	bool fresh;

	TRY(get_vp(c, c->in.rcx, OP_RCX, SHARED, vp, &page, td));
	TRY(check_state(c, c->leaf, td, true));
	if (!vp_pages_complete(c, *vp, td->tdcs))
		return FAIL(TDCX_NUM_INCORRECT, 0);
	if ((*vp)->state != VCPU_READY && !(disabled_too && (*vp)->state == VCPU_DISABLED))
		return vcpu_state_wrong(c, (*vp)->state);
	return vp_associate(c, td, *vp, &fresh);
}

tdx_status_t leaf_vp_rd(struct call *c)
{
	struct td td;
	struct tdvps *vp;

	if (c->version)
		c->r->rdx = ALL_ONES;
	c->r->r8 = 0;
	if (c->version > 1)
		return FAIL(OPERAND_INVALID, OP_RAX);
	TRY(open_vp(c, &td, &vp, true));

	struct md_target x = target(c, &td, vp, host_reader(td.tdcs));

	return read_field(&md_vp, &x, c->in.rdx, c->version == 1, c->r);
}

tdx_status_t leaf_vp_wr(struct call *c)
{
	struct td td;
	struct tdvps *vp;

	c->r->r8 = 0;
	TRY(open_vp(c, &td, &vp, false));

	struct md_target x = target(c, &td, vp, host_reader(td.tdcs));

	return md_write(&md_vp, &x, c->in.rdx, c->in.r8, c->in.r9, &c->r->r8);
}

/* ---- the guest's ---------------------------------------------------------------------------- */

static tdx_status_t guest_read(struct guest *g, const struct md_table *t, bool next)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	struct md_target x = target(g->c, &g->td, g->vp, MD_GUEST);
	uint64_t id = gpr->rdx;

	gpr->r8 = 0;
	if (next)
		gpr->rdx = ALL_ONES;
	if (t != &md_sys && gpr->rcx)
		return FAIL(OPERAND_INVALID, OP_RCX);
	return read_field(t, &x, id, next, gpr);
}

static tdx_status_t guest_write(struct guest *g, const struct md_table *t)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	struct md_target x = target(g->c, &g->td, g->vp, MD_GUEST);
	uint64_t value = gpr->r8;

	gpr->r8 = 0;
	if (gpr->rcx)
		return FAIL(OPERAND_INVALID, OP_RCX);
	return md_write(t, &x, gpr->rdx, value, gpr->r9, &gpr->r8);
}

tdx_status_t tdg_vm_rd(struct guest *g, enum tdcall_out *out)
{
	(void)out;
	if (g->c->version > 1) {
		g->vp->v.gpr.rdx = ALL_ONES;
		g->vp->v.gpr.r8 = 0;
		return FAIL(OPERAND_INVALID, OP_RAX);
	}
	return guest_read(g, &md_td, g->c->version == 1);
}

tdx_status_t tdg_vm_wr(struct guest *g, enum tdcall_out *out)
{
	(void)out;
	return guest_write(g, &md_td);
}

tdx_status_t tdg_vp_rd(struct guest *g, enum tdcall_out *out)
{
	(void)out;
	return guest_read(g, &md_vp, true);
}

tdx_status_t tdg_vp_wr(struct guest *g, enum tdcall_out *out)
{
	(void)out;
	return guest_write(g, &md_vp);
}

tdx_status_t tdg_sys_rd(struct guest *g, enum tdcall_out *out)
{
	(void)out;
	return guest_read(g, &md_sys, true);
}

tdx_status_t tdg_sys_rdall(struct guest *g, enum tdcall_out *out)
{
	struct soft_regs *gpr = &g->vp->v.gpr;
	struct md_target x = target(g->c, &g->td, g->vp, MD_GUEST);
	uint64_t start = gpr->r8;
	void *page;

	gpr->r8 = ALL_ONES;
	if (!is_aligned(gpr->rdx, PAGE_SIZE))
		return FAIL(OPERAND_INVALID, OP_RDX);
	TRY(guest_gpa(g, gpr->rdx, true, ACCESS_WRITE, OP_RDX, &page, out));
	if (*out != OUT_STATUS) {
		gpr->r8 = start;
		return OK;
	}
	return md_list(&md_sys, &x, start, page, &gpr->r8);
}
