/*
 * look.h - ask the P-SEAMLDR and the TDX module who they are, and change nothing.
 *
 * Only SEAMLDR.INFO and TDH.SYS.RD are called: neither changes a state, whatever the module's is. A
 * machine without SEAM answers with a fault, which is a status like others (TDX_SW_UD, TDX_SW_GP).
 *
 * On some CPUs SEAMRET from the P-SEAMLDR forgets the current VMCS (TDX module 1.5 ABI, errata): the
 * caller has none current.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_LOOK_H
#define TAIN_TDX_LOOK_H

#include "kernel/base/types.h"
#include "tdx/abi/status.h"
#include "tdx/metadata.h"

/* SEAMLDR_INFO as SEAMLDR.INFO fills it, 256 bytes. Facts: "P-SEAMLDR interface". */
struct seamldr_info {
	uint32_t version, attributes, vendor, build_date;
	uint16_t build_num, minor, major, update;
	uint32_t acm_apic_id, updates_left;
	uint64_t seam_extend_valid;
	uint8_t tee_tcb_svn[16], mrseam[48], mrsigner[48];
	uint64_t module_attributes;
	uint8_t seam_ready, seam_under_debug, p_seamldr_ready;
	uint8_t reserved[93];
} PACKED;
_Static_assert(sizeof(struct seamldr_info) == 256, "SEAMLDR.INFO writes 256 bytes");
_Static_assert(offsetof(struct seamldr_info, seam_ready) == 160, "as the interface lays it out");
#define SEAMLDR_DEBUG BIT32(31) /* of attributes */

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

/* No VMCS is current. */
void tdx_look(struct tdx_look *look);

/* TDH.SYS.RD of a field that every module has, on the calling CPU. */
tdx_status_t tdx_ask_module(void) MUST_CHECK;

/* The part that asks nothing: what bring-up knows. */
void tdx_look_back(struct tdx_look *look);

#endif
