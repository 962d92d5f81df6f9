/*
 * leaf_operand.h - the operands of the SEAMCALL leaves by name: which register holds each, and what
 * stands in it. For consoles, scripts and explanations; the typed wrappers are in tdx/tdh.h.
 *
 * Invariants
 *   - A leaf without rows here is one whose operands Tain does not know.
 *   - Two operands may share a register (a GPA and its level): their values are or-ed together.
 *
 * Facts: TDX module 1.5 ABI, "Host-Side (SEAMCALL) Interface Functions".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_LEAF_OPERAND_H
#define TAIN_TDX_ABI_LEAF_OPERAND_H

#include "kernel/base/types.h"
#include "tdx/abi/seamcall.h"

/* What a register holds. */
enum tdx_operand_kind {
	TDX_OPERAND_IS_VALUE,
	TDX_OPERAND_IS_TDR,    /* handle of a TD */
	TDX_OPERAND_IS_VP,     /* handle of a vCPU */
	TDX_OPERAND_IS_TAKEN,  /* page that the module takes, of the level operand's size */
	TDX_OPERAND_IS_READ,   /* the module reads memory there */
	TDX_OPERAND_IS_WRITTEN, /* and here it writes, a page at most */
	TDX_OPERAND_IS_PAGE,   /* page that is looked at, or comes back */
	TDX_OPERAND_IS_GPA,
	TDX_OPERAND_IS_LEVEL,  /* 0: 4K, 1: 2M, 2: 1G, or of the entry that points to a table */
	TDX_OPERAND_IS_FIELD,  /* id of a metadata field */
	TDX_OPERAND_IS_KEYID,
};

struct tdx_leaf_operand {
	uint8_t leaf;
	uint8_t reg; /* number of the register as instructions encode it */
	uint8_t kind;
	bool optional; /* `otherwise` stands for it */
	const char *name;
	uint64_t otherwise;
};

/* The @nth operand of @leaf, in the order of the documents; NULL behind the last. */
const struct tdx_leaf_operand *tdx_leaf_operand(uint64_t leaf, unsigned nth);

/* "rcx" of 1 and back (-1: no register of a SEAMCALL). RSP takes no part. */
#define TDX_REGISTERS 16
const char *tdx_register_name(unsigned reg);
int tdx_register_by_name(const char *name);

/* The @reg-th word of a register block. */
static inline uint64_t *tdx_register(struct seam_regs *r, unsigned reg)
{
	return (uint64_t *)(void *)r + reg;
}

#endif
