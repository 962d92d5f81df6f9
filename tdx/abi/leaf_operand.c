/*
 * leaf_operand.c - the table of operands. Contract: leaf_operand.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/abi/leaf_operand.h"

#include <string.h>

#include "tdx/abi/leaf.h"

#define ALL_ONES (~UINT64_C(0))

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define NEEDS(leaf, reg, kind, name) { leaf, reg, TDX_OPERAND_IS_##kind, false, name, 0 }
#define MAY(leaf, reg, kind, name, otherwise) \
	{ leaf, reg, TDX_OPERAND_IS_##kind, true, name, otherwise }
#define TD_ONLY(leaf) NEEDS(leaf, RCX, TDR, "tdr")
/* An entry of a TD's Secure EPT. */
#define ENTRY(leaf) \
	NEEDS(leaf, RCX, GPA, "gpa"), MAY(leaf, RCX, LEVEL, "level", 0), \
		NEEDS(leaf, RDX, TDR, "tdr")
#define FIELD_WRITE(leaf) \
	NEEDS(leaf, RDX, FIELD, "field"), NEEDS(leaf, R8, VALUE, "value"), \
		MAY(leaf, R9, VALUE, "mask", ALL_ONES)

static const struct tdx_leaf_operand rows[] = {
	NEEDS(TDH_VP_ENTER, RCX, VP, "vp"),
	MAY(TDH_VP_ENTER, RCX, VALUE, "flags", 0),
	NEEDS(TDH_MNG_ADDCX, RCX, TAKEN, "page"),
	NEEDS(TDH_MNG_ADDCX, RDX, TDR, "tdr"),
	ENTRY(TDH_MEM_PAGE_ADD),
	NEEDS(TDH_MEM_PAGE_ADD, R8, TAKEN, "page"),
	NEEDS(TDH_MEM_PAGE_ADD, R9, READ, "source"),
	ENTRY(TDH_MEM_SEPT_ADD),
	NEEDS(TDH_MEM_SEPT_ADD, R8, TAKEN, "page"),
	NEEDS(TDH_VP_ADDCX, RCX, TAKEN, "page"),
	NEEDS(TDH_VP_ADDCX, RDX, VP, "vp"),
	ENTRY(TDH_MEM_PAGE_RELOCATE),
	NEEDS(TDH_MEM_PAGE_RELOCATE, R8, TAKEN, "page"),
	ENTRY(TDH_MEM_PAGE_AUG),
	NEEDS(TDH_MEM_PAGE_AUG, R8, TAKEN, "page"),
	ENTRY(TDH_MEM_RANGE_BLOCK),
	TD_ONLY(TDH_MNG_KEY_CONFIG),
	NEEDS(TDH_MNG_CREATE, RCX, TAKEN, "tdr"),
	NEEDS(TDH_MNG_CREATE, RDX, KEYID, "hkid"),
	NEEDS(TDH_VP_CREATE, RCX, TAKEN, "vp"),
	NEEDS(TDH_VP_CREATE, RDX, TDR, "tdr"),
	TD_ONLY(TDH_MNG_RD),
	NEEDS(TDH_MNG_RD, RDX, FIELD, "field"),
	NEEDS(TDH_MEM_RD, RCX, GPA, "gpa"),
	NEEDS(TDH_MEM_RD, RDX, TDR, "tdr"),
	TD_ONLY(TDH_MNG_WR),
	FIELD_WRITE(TDH_MNG_WR),
	NEEDS(TDH_MEM_WR, RCX, GPA, "gpa"),
	NEEDS(TDH_MEM_WR, RDX, TDR, "tdr"),
	NEEDS(TDH_MEM_WR, R8, VALUE, "value"),
	ENTRY(TDH_MEM_PAGE_DEMOTE),
	NEEDS(TDH_MEM_PAGE_DEMOTE, R8, TAKEN, "page"),
	MAY(TDH_MEM_PAGE_DEMOTE, R9, VALUE, "l2_1", ALL_ONES),
	MAY(TDH_MEM_PAGE_DEMOTE, R10, VALUE, "l2_2", ALL_ONES),
	MAY(TDH_MEM_PAGE_DEMOTE, R11, VALUE, "l2_3", ALL_ONES),
	MAY(TDH_MEM_PAGE_DEMOTE, R12, TAKEN, "pamt_0", 0), /* of dynamic PAMT */
	MAY(TDH_MEM_PAGE_DEMOTE, R13, TAKEN, "pamt_1", 0),
	NEEDS(TDH_MR_EXTEND, RCX, GPA, "gpa"),
	NEEDS(TDH_MR_EXTEND, RDX, TDR, "tdr"),
	TD_ONLY(TDH_MR_FINALIZE),
	NEEDS(TDH_VP_FLUSH, RCX, VP, "vp"),
	TD_ONLY(TDH_MNG_VPFLUSHDONE),
	TD_ONLY(TDH_MNG_KEY_FREEID),
	TD_ONLY(TDH_MNG_INIT),
	NEEDS(TDH_MNG_INIT, RDX, READ, "params"),
	NEEDS(TDH_VP_INIT, RCX, VP, "vp"),
	MAY(TDH_VP_INIT, RDX, VALUE, "initial", 0),
	ENTRY(TDH_MEM_PAGE_PROMOTE),
	NEEDS(TDH_PHYMEM_PAGE_RDMD, RCX, PAGE, "page"),
	ENTRY(TDH_MEM_SEPT_RD),
	NEEDS(TDH_VP_RD, RCX, VP, "vp"),
	NEEDS(TDH_VP_RD, RDX, FIELD, "field"),
	TD_ONLY(TDH_MNG_KEY_RECLAIMID),
	NEEDS(TDH_PHYMEM_PAGE_RECLAIM, RCX, PAGE, "page"),
	ENTRY(TDH_MEM_PAGE_REMOVE),
	ENTRY(TDH_MEM_SEPT_REMOVE),
	NEEDS(TDH_SYS_INFO, RCX, WRITTEN, "info"),
	MAY(TDH_SYS_INFO, RDX, VALUE, "bytes", 1024),
	NEEDS(TDH_SYS_INFO, R8, WRITTEN, "cmrs"),
	MAY(TDH_SYS_INFO, R9, VALUE, "count", 32),
	MAY(TDH_SYS_INIT, RCX, VALUE, "attributes", 0),
	NEEDS(TDH_SYS_RD, RDX, FIELD, "field"),
	NEEDS(TDH_SYS_TDMR_INIT, RCX, VALUE, "base"),
	NEEDS(TDH_SYS_RDALL, RDX, WRITTEN, "page"),
	MAY(TDH_SYS_RDALL, R8, FIELD, "field", ALL_ONES),
	TD_ONLY(TDH_MEM_TRACK),
	ENTRY(TDH_MEM_RANGE_UNBLOCK),
	MAY(TDH_PHYMEM_CACHE_WB, RCX, VALUE, "resume", 0),
	NEEDS(TDH_PHYMEM_PAGE_WBINVD, RCX, PAGE, "page"),
	NEEDS(TDH_VP_WR, RCX, VP, "vp"),
	FIELD_WRITE(TDH_VP_WR),
	NEEDS(TDH_SYS_CONFIG, RCX, READ, "list"),
	NEEDS(TDH_SYS_CONFIG, RDX, VALUE, "count"),
	NEEDS(TDH_SYS_CONFIG, R8, KEYID, "hkid"),
	NEEDS(TDH_SYS_SHUTDOWN, RCX, VALUE, "version"),
	/* These have none: a row that nobody has to give says that they are known. */
	MAY(TDH_SYS_LP_INIT, RCX, VALUE, "unused", 0),
	MAY(TDH_SYS_KEY_CONFIG, RCX, VALUE, "unused", 0),
	MAY(TDH_SYS_LP_SHUTDOWN, RCX, VALUE, "unused", 0),
};

const struct tdx_leaf_operand *tdx_leaf_operand(uint64_t leaf, unsigned nth)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].leaf == leaf && nth-- == 0)
			return &rows[i];
	return NULL;
}

static const char *const registers[TDX_REGISTERS] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};

const char *tdx_register_name(unsigned reg)
{
	return reg < TDX_REGISTERS ? registers[reg] : NULL;
}

int tdx_register_by_name(const char *name)
{
	for (int i = 0; i < TDX_REGISTERS; i++)
		if (i != RSP && strcmp(name, registers[i]) == 0)
			return i;
	return -1;
}
