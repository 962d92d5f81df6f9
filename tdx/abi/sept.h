/*
 * sept.h - Secure-EPT words that cross the interface: levels, GPA operands, entry information.
 *
 * Invariants
 *   - Tain counts EPT levels from 1 (4K), the TDX ABI from 0: the two functions here convert, and
 *     nothing else does.
 *   - Entry information is what SEPT.RD and failing memory leaves return, not the stored entry:
 *     a table's address is never shown.
 *
 * Facts: TDX module 1.5 ABI, "Secure EPT Entry Information".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_SEPT_H
#define TAIN_TDX_ABI_SEPT_H

#include "kernel/base/types.h"

static inline unsigned sept_level(int level) { return (unsigned)(level - 1); }
static inline int sept_to_level(unsigned tdx_level) { return (int)tdx_level + 1; }

/* RCX of the memory leaves: GPA and level in one word. */
static inline uint64_t sept_operand(gpa_t gpa, int level) { return gpa.v | sept_level(level); }

/* RDX[15:8]: X(code, name) */
/* clang-format off */
#define SEPT_STATE_TABLE(X) \
	X(0x00, FREE) X(0x01, BLOCKED) X(0x02, PENDING) X(0x03, PENDING_BLOCKED) X(0x04, MAPPED) \
	X(0x05, REMOVED) X(0x08, BLOCKEDW) X(0x09, EXPORTED_BLOCKEDW) X(0x0B, EXPORTED_DIRTY) \
	X(0x0C, EXPORTED_DIRTY_BLOCKEDW) X(0x10, PENDING_BLOCKEDW) \
	X(0x11, PENDING_EXPORTED_BLOCKEDW) X(0x13, PENDING_EXPORTED_DIRTY) \
	X(0x14, PENDING_EXPORTED_DIRTY_BLOCKEDW) X(0x81, NL_BLOCKED) X(0x84, NL_MAPPED) \
	X(0x40, L2_FREE) X(0x41, L2_BLOCKED) X(0x44, L2_MAPPED) X(0xC1, L2_NL_BLOCKED) \
	X(0xC4, L2_NL_MAPPED)
/* clang-format on */

enum sept_state {
#define X(code, name) SEPT_##name = code,
	SEPT_STATE_TABLE(X)
#undef X
};

#define SEPT_STATE_NONLEAF 0x80
#define SEPT_STATE_L2      0x40

/* RCX of the entry information. */
#define SEPT_INFO_RWX BITS64(2, 0)
#define SEPT_INFO_MT  BITS64(5, 3)
#define SEPT_INFO_PS  BIT64(7)
#define SEPT_INFO_HPA BITS64(51, 12)
#define SEPT_INFO_SVE BIT64(63)

struct sept_info {
	enum sept_state state;
	int level;   /* of the entry where the module stopped; ours, from 1 */
	unsigned vm; /* 0: the TD itself */
	hpa_t page;  /* of a leaf; else 0 */
};

static inline struct sept_info sept_decode(uint64_t rcx, uint64_t rdx)
{
	bool leaf = (rcx & SEPT_INFO_PS) != 0;

	return (struct sept_info){
		.state = (enum sept_state)(rdx >> 8 & 0xff),
		.level = sept_to_level((unsigned)(rdx & 7)),
		.vm = (unsigned)(rdx >> 16 & 3),
		.page = { leaf ? rcx & SEPT_INFO_HPA : 0 },
	};
}

/* "PENDING", or NULL. */
const char *sept_state_name(unsigned code);

#endif
