/*
 * mig.c - the leaves of migration and of service TDs: their handles are checked, then refused.
 *
 * No TD of this module is ever in a state of migration or bound to a service TD, so what the real
 * module checks first is all that there is: the page named, the TD's life, its op-state.
 *
 * Invariants
 *   - Nothing changes.
 *
 * Facts: ABI reference sections 1.2 and 6.3. Not offered: leaves that the real module would carry
 * out for such a TD (EXPORT.RESTORE, EXPORT.UNBLOCKW, MIG.STREAM.CREATE).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

/* On the TDR in RCX or RDX. */
static tdx_status_t refuse_td(struct call *c, uint64_t tdr, uint32_t op)
{
	struct td td;

	TRY(get_tdr(c, tdr, op, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, false));
	return FAIL(OP_STATE_INCORRECT, 0);
}

tdx_status_t leaf_mig_by_rcx(struct call *c) { return refuse_td(c, c->in.rcx, OP_RCX); }
tdx_status_t leaf_mig_by_rdx(struct call *c) { return refuse_td(c, c->in.rdx, OP_RDX); }

/* IMPORT.STATE.*: RCX is an output. */
tdx_status_t leaf_mig_import_state(struct call *c)
{
	tdx_status_t st = refuse_td(c, c->in.rcx, OP_RCX);

	c->r->rcx = 0;
	return st;
}

#define OP_STATES_BEFORE_EXPORT (1u << OPS_RUNNABLE)

tdx_status_t leaf_mig_export_immutable(struct call *c)
{
	struct td td;

	TRY(get_tdr(c, c->in.rcx, OP_RCX, EXCLUSIVE, &td));
	if (td.tdr->fatal)
		return FAIL(TD_FATAL, 0);
	if (td.tdr->lifecycle != KEYS_CONFIGURED)
		return FAIL(TD_KEYS_NOT_CONFIGURED, 0);
	if (td.tdr->num_tdcx < TDCS_BASE_PAGES)
		return FAIL(TDCS_NOT_ALLOCATED, 0);
	if (!(OP_STATES_BEFORE_EXPORT >> map_tdcs(c, td.tdr)->op_state & 1))
		return FAIL(OP_STATE_INCORRECT, 0);
	return FAIL(TD_NOT_MIGRATABLE, 0);
}

/* On the vCPU in RCX. */
static tdx_status_t refuse_vp(struct call *c)
{
	struct td td;
	struct tdvps *vp;
	struct pamt_ref page;

	TRY(get_vp(c, c->in.rcx, OP_RCX, EXCLUSIVE, &vp, &page, &td));
	TRY(check_state(c, c->leaf, &td, false));
	return FAIL(OP_STATE_INCORRECT, 0);
}

tdx_status_t leaf_mig_export_vp(struct call *c) { return refuse_vp(c); }

tdx_status_t leaf_mig_import_vp(struct call *c)
{
	tdx_status_t st = refuse_vp(c);

	c->r->rcx = 0;
	return st;
}

/* SERVTD.BIND names two TDs; RDX, the service TD, is looked at first and never is one. */
tdx_status_t leaf_servtd_bind(struct call *c)
{
	c->r->rcx = 0;
	return FAIL(OPERAND_INVALID, OP_RDX);
}
