/*
 * look.h - ask the P-SEAMLDR and the TDX module who they are, and change nothing.
 *
 * Only SEAMLDR.INFO and TDH.SYS.RD are called: neither changes a state, whatever the module's is. A
 * machine without SEAM answers with a fault, which is a status like others (TDX_SW_UD, TDX_SW_GP).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_LOOK_H
#define TAIN_TDX_LOOK_H

#include "kernel/base/types.h"
#include "tdx/abi/seamldr.h"
#include "tdx/abi/status.h"
#include "tdx/metadata.h"

struct tdx_look {
	tdx_status_t loader_status; /* not asked on this machine: TDX_SW_UD */
	struct seamldr_info loader; /* valid after TDX_SUCCESS */
	tdx_status_t module_status; /* of TDH.SYS.RD */
	const struct tdx_metadata *md; /* as bring-up read it; NULL: it has not */
	const char *step;           /* where bring-up stopped, or NULL */
	tdx_status_t step_status;   /* ~0: not by the module */
	bool ready;
	uint64_t pamt_bytes; /* given to the module */
};

void tdx_look(struct tdx_look *look);

/* TDH.SYS.RD of a field that every module has, on the calling CPU. */
tdx_status_t tdx_ask_module(void) MUST_CHECK;

/* The part that asks nothing: what bring-up knows. */
void tdx_look_back(struct tdx_look *look);

#endif
