/*
 * update.c - one module gives way to the next: TDH.SYS.SHUTDOWN writes down what the next one needs,
 * TDH.SYS.UPDATE reads it.
 *
 * Invariants
 *   - What TDs and vCPUs are is in their own pages and in the PAMTs, which no update touches. Handed
 *     over is the rest: KeyIDs, caches to write back, TDMRs, the module's own KeyID, packages.
 *   - soft_reload() keeps the handoff data only for an update that the P-SEAMLDR has checked.
 *
 * Facts: ABI reference sections 3.1, 10.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "tdx/soft/module.h"

static tdx_status_t take_alone(struct call *c)
{
	return FAILED(call_take(c, &c->m->sys_lock, EXCLUSIVE, PLAIN, 0)) ? FAIL(SYS_BUSY, 0) : OK;
}

static void write_down(const struct soft_module *m, struct handoff *h, uint64_t version)
{
	h->global_hkid = m->global_hkid;
	h->pkg_done = m->pkg_done;
	h->dynamic_pamt = m->dynamic_pamt;
	h->tdmr_count = m->tdmr_count;
	memcpy(h->tdmr, m->tdmr, sizeof(h->tdmr));
	memcpy(h->kot, m->kot, sizeof(h->kot));
	memcpy(h->wbt, m->wbt, sizeof(h->wbt));
	h->version = (uint16_t)version;
	h->valid = true;
}

static void take_over(struct soft_module *m, struct handoff *h)
{
	m->global_hkid = h->global_hkid;
	m->pkg_done = h->pkg_done;
	m->dynamic_pamt = h->dynamic_pamt;
	m->tdmr_count = h->tdmr_count;
	memcpy(m->tdmr, h->tdmr, sizeof(m->tdmr));
	memcpy(m->kot, h->kot, sizeof(m->kot));
	memcpy(m->wbt, h->wbt, sizeof(m->wbt));
	h->valid = false;
}

tdx_status_t leaf_sys_shutdown(struct call *c)
{
	const struct soft_profile *p = c->m->profile;
	uint64_t version = c->in.rcx;

	if (version > p->handoff_version || version < p->handoff_oldest ||
	    (p->no_downgrade && version != p->handoff_version))
		return FAIL(OPERAND_INVALID, OP_RCX);
	TRY(take_alone(c));
	if (__atomic_load_n(&c->m->calls_inside, __ATOMIC_ACQUIRE) > 1)
		return FAIL(SYS_BUSY, 0);
	write_down(c->m, &c->m->handoff, version);
	c->m->sys_state = SYS_SHUTDOWN_DONE;
	return OK;
}

tdx_status_t leaf_sys_update(struct call *c)
{
	struct soft_module *m = c->m;

	TRY(take_alone(c));
	if (m->sys_state != SYSINIT_DONE || m->lps_done < m->machine->lp_count)
		return FAIL(SYS_STATE_INCORRECT, 0);
	if (!m->handoff.valid || m->handoff.version > m->profile->handoff_version ||
	    m->handoff.version < m->profile->handoff_oldest ||
	    (m->handoff.dynamic_pamt && !(m->profile->features0 & SOFT_F_DYNAMIC_PAMT)))
		return FAIL(SYS_INVALID_HANDOFF, 0);
	take_over(m, &m->handoff);
	m->sys_state = SYS_READY;
	return OK;
}

bool soft_handoff(const struct soft_module *m, uint16_t *version)
{
	*version = m->handoff.version;
	return m->sys_state == SYS_SHUTDOWN_DONE && m->handoff.valid;
}

void soft_reload(struct soft_module *m, const struct soft_profile *profile, bool update)
{
	const struct soft_machine *machine = m->machine;
	const struct soft_backend *backend = m->backend;

	memset(m, 0, update ? offsetof(struct soft_module, handoff) : sizeof(*m));
	soft_fresh(m, machine, backend, profile);
}
