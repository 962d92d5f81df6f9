/*
 * explain.h - statuses in words: for log lines, the console's `explain` and `tain explain`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_EXPLAIN_H
#define TAIN_TDX_ABI_EXPLAIN_H

#include "kernel/base/types.h"
#include "tdx/abi/status.h"

#define TDX_LEAF_UNKNOWN (-1)
#define TDX_LEAF_SEAMLDR (INT64_C(1) << 32)

/* "TDX_OPERAND_BUSY", or NULL for a code that is not in the table. */
const char *tdx_status_name(tdx_status_t st);

/* Is @text its name, with or without "TDX_", any case, or its value in hexadecimal? */
bool tdx_status_is_named(tdx_status_t st, const char *text);

/*
 * One short piece for a log line: "TDX_OPERAND_INVALID (operand 69 CPUID_CONFIG)". Always
 * terminated; returns @buf.
 */
const char *tdx_status_text(tdx_status_t st, char *buf, size_t size);

/*
 * Everything about @st in lines through @line. @leaf: the leaf that returned it, or
 * TDX_LEAF_UNKNOWN; one with TDX_LEAF_SEAMLDR set is the P-SEAMLDR's.
 */
void tdx_explain(tdx_status_t st, int64_t leaf, void (*line)(void *ctx, const char *text),
		 void *ctx);

/* A status of the SEAM loaders in one line: "P-SEAMLDR EBADSIG: the signature is not good". */
const char *tdx_seamldr_text(uint64_t status);

/* Registers that came back with the status, where the user has them. */
struct tdx_explain_regs {
	bool has_rcx, has_rdx, has_r8, has_r9, has_r10;
	uint64_t rcx, rdx, r8, r9, r10;
};

/* tdx_explain(), and what the registers say beside that status. */
void tdx_explain_with(tdx_status_t st, int64_t leaf, const struct tdx_explain_regs *regs,
		      void (*line)(void *ctx, const char *text), void *ctx);

/*
 * Read a status or leaf as a person types it: hex with or without 0x, or a name, any case, with or
 * without "TDX_" or "TDH.". 0 or -EINVAL.
 */
int tdx_parse_status(const char *text, uint64_t *value) MUST_CHECK;
int tdx_parse_leaf(const char *text, int64_t *leaf) MUST_CHECK;

#endif
