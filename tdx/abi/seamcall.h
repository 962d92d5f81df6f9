/*
 * seamcall.h - the register block of one SEAMCALL or TDCALL.
 *
 * Invariants
 *   - In: all of it is loaded (RSP excepted: the ABI does not use it). Out: all of it is stored.
 *   - Offsets are known to assembly (tdx/seamcall.asm): asserted here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_SEAMCALL_H
#define TAIN_TDX_ABI_SEAMCALL_H

#include "kernel/base/types.h"

/* In the order of the CPU's register numbers, so that a TDVMCALL mask indexes it. */
struct seam_regs {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};
_Static_assert(sizeof(struct seam_regs) == 128, "tdx/seamcall.asm knows the layout");
_Static_assert(offsetof(struct seam_regs, rbp) == 40, "tdx/seamcall.asm knows the layout");
_Static_assert(offsetof(struct seam_regs, r8) == 64, "tdx/seamcall.asm knows the layout");

#endif
