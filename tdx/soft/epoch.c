/*
 * epoch.c - TLB epochs of a TD: which vCPUs may still hold translations of a blocked range.
 *
 * Invariants
 *   - TD_EPOCH and both reference counts change and are read as one 16-byte word in the ABI; here
 *     the reader takes the epoch before and after the counts and repeats if it moved.
 *   - A vCPU inside the guest is counted under the parity of the epoch in which it entered.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/module.h"

#define BEPOCH_MIG BIT64(63)

bool epoch_tracked(const struct tdcs *t, uint64_t bepoch)
{
	uint64_t now, again = __atomic_load_n(&t->epoch.td_epoch, __ATOMIC_ACQUIRE);
	uint16_t inside;

	if (bepoch & BEPOCH_MIG)
		return false;
	do {
		now = again;
		inside = __atomic_load_n(&t->epoch.refcount[bepoch & 1], __ATOMIC_ACQUIRE);
		again = __atomic_load_n(&t->epoch.td_epoch, __ATOMIC_ACQUIRE);
	} while (now != again);
	return bepoch + 1 < now || (bepoch + 1 == now && inside == 0);
}

/* The caller holds the epoch lock shared. Returns the epoch that the vCPU is now counted under. */
uint64_t epoch_enter(struct tdcs *t)
{
	uint64_t e = __atomic_load_n(&t->epoch.td_epoch, __ATOMIC_ACQUIRE);

	__atomic_fetch_add(&t->epoch.refcount[e & 1], 1, __ATOMIC_ACQ_REL);
	return e;
}

void epoch_leave(struct tdcs *t, uint64_t epoch)
{
	__atomic_fetch_sub(&t->epoch.refcount[epoch & 1], 1, __ATOMIC_ACQ_REL);
}

tdx_status_t leaf_mem_track(struct call *c)
{
	struct td td;

	TRY(get_tdr(c, c->r->rcx, OP_RCX, SHARED, &td));
	TRY(check_state(c, c->leaf, &td, true));
	TRY(call_take(c, &td.tdcs->epoch_lock, EXCLUSIVE, PLAIN, OP_TD_EPOCH));

	struct epoch *e = &td.tdcs->epoch;

	if (__atomic_load_n(&e->refcount[1 - (e->td_epoch & 1)], __ATOMIC_ACQUIRE))
		return FAIL(PREVIOUS_TLB_EPOCH_BUSY, 0);
	if (e->td_epoch == ALL_ONES && answers(c->m, SOFT_A_TRACK_HALTS)) {
		call_halt(c, "a TD's epochs are used up");
		return OK;
	}
	__atomic_store_n(&e->td_epoch, e->td_epoch + 1, __ATOMIC_RELEASE);
	return OK;
}
