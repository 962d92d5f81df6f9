/*
 * sept_check.c - what the self-check of the MMU asks about a TD: what does the module say is in
 * its Secure EPT (rule G6), and how many pages did we give it (rule G7)?
 *
 * Invariant: nothing is changed; the leaf is TDH.MEM.SEPT.RD only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "tdx/abi/status.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

/* Rows for the states that a TD without migration has; any other is one we never asked for. */
static const struct {
	enum sept_state state;
	enum spte_kind kind;
} kinds[] = {
	{ SEPT_FREE, SPTE_IS_NONE },
	{ SEPT_NL_MAPPED, SPTE_IS_TABLE },
	{ SEPT_NL_BLOCKED, SPTE_IS_BLOCKED_TABLE },
	{ SEPT_MAPPED, SPTE_IS_LEAF },
	{ SEPT_PENDING, SPTE_IS_LEAF },
	{ SEPT_BLOCKED, SPTE_IS_BLOCKED_LEAF },
	{ SEPT_PENDING_BLOCKED, SPTE_IS_BLOCKED_LEAF },
};

int td_read_external(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e)
{
	struct td *td = td_of(mmu);
	struct sept_fault fault;

	read_lock(&td->tree_lock);
	tdx_status_t st = TDX_RETRY(tdh_mem_sept_rd(td->tdr, gfn_to_gpa(gfn), level, &fault));

	read_unlock(&td->tree_lock);
	struct sept_info info = sept_decode(fault.rcx, fault.rdx);

	if (!tdx_ok(st) || info.level != level)
		return -EIO;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].state == info.state) {
			/* Low bits of a 2M page may count what is accepted. */
			uint64_t first = align_down(info.page.v, level_size(level));

			*e = (struct mmu_external){ kinds[i].kind, hpa_to_pfn((hpa_t){ first }) };
			return 0;
		}
	return -EIO;
}

uint64_t td_external_pages(struct mmu *mmu)
{
	const struct td *td = td_of(mmu);

	return td->private_pages + td->sept_pages;
}

struct mmu *td_mmu(struct td *td) { return td->mmu_alive ? &td->mmu : NULL; }
