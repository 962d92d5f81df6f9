/*
 * explain_ghci.h - the guest-hypervisor interface in words: sub-functions of TDG.VP.VMCALL and what
 * the host may answer.
 *
 * Facts: GHCI 1.5, "TDG.VP.VMCALL Sub-Functions".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_EXPLAIN_GHCI_H
#define TAIN_TDX_ABI_EXPLAIN_GHCI_H

#include "kernel/base/types.h"

/* By number ("0x10001") or name ("MAP_GPA", "MapGPA", any case). False: no such sub-function. */
bool ghci_parse_function(const char *text, uint64_t *number);

/* @status NULL: not known. @function may be unknown. */
void ghci_explain(uint64_t function, const uint64_t *status,
		  void (*line)(void *ctx, const char *text), void *ctx);

/* Every sub-function, a line each. */
void ghci_list(void (*line)(void *ctx, const char *text), void *ctx);

#endif
