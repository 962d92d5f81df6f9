/*
 * td_look.h - a trust domain looked into from above: metadata fields, entries of its Secure EPT, what the
 * module says of a page.
 *
 * Invariants
 *   - What is not the host's to see is refused by the module, and its status is handed on.
 *   - A vCPU's fields are asked for on the CPU that it is associated with, between its stays.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TD_LOOK_H
#define TAIN_TDX_TD_LOOK_H

#include "kernel/base/types.h"
#include "tdx/abi/status.h"

struct td;

/* Which record a field is in. */
#define TD_LOOK_TD (~0u) /* the TD's own; else the number of a vCPU */

tdx_status_t td_look_field(struct td *td, unsigned vcpu, uint64_t id, uint64_t *value);
tdx_status_t td_look_set_field(struct td *td, unsigned vcpu, uint64_t id, uint64_t mask,
			       uint64_t value);
tdx_status_t tdx_look_sys_field(uint64_t id, uint64_t *value);

/* The entry of @level (ours, from 1) at @gpa: RCX and RDX as SEPT.RD gives them. */
tdx_status_t td_look_sept(struct td *td, gpa_t gpa, int level, uint64_t *rcx, uint64_t *rdx);

/* What the PAMT says of the page at @page: type, owner (a TDR), size (0: 4K). */
struct tdx_page_state {
	uint64_t type, owner, size;
};
tdx_status_t tdx_look_page(hpa_t page, struct tdx_page_state *out);

/*
 * Exits (@vmcalls false) or TDVMCALLs of a vCPU: the name of the @nth kind, how often it came, and how long
 * our part of it took. NULL behind the last.
 */
struct tick_stats;
const char *td_look_exits(const struct td *td, unsigned vcpu, bool vmcalls, unsigned nth,
			  uint64_t *count, const struct tick_stats **ticks);

/* The handle of the TD, and of a vCPU: for calls by hand. */
hpa_t td_look_tdr(const struct td *td);
hpa_t td_look_tdvpr(const struct td *td, unsigned vcpu);

#endif
