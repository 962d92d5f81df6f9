/*
 * tdhob.h - the TD HOB: the list by which the host tells a firmware what memory it has.
 *
 *   HANDOFF, one RESOURCE for each piece of RAM in ascending order, END
 *
 * Invariants
 *   - Memory that is added before the start is SYSTEM_MEMORY, the rest UNACCEPTED; no piece
 *     crosses 4 GiB; together they are the guest's RAM.
 *
 * Facts: UEFI PI specification volume 3, "HOB"; edk2's checks in OvmfPkg.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TDHOB_H
#define TAIN_TDX_TDHOB_H

#include "kernel/base/guest_config.h"
#include "kernel/base/types.h"
#include "tdx/tdvf.h"

/* Bytes that any HOB list of ours fits into. */
#define TDHOB_MAX 8192

/*
 * Write the list to @to, for a section at @gpa. Returns its length in bytes, or 0: longer than
 * @size.
 */
uint64_t tdhob_build(uint8_t *to, uint64_t size, gpa_t gpa, const struct tdvf *tdvf,
		     struct guest_ram ram, enum td_accept accept) MUST_CHECK;

#endif
