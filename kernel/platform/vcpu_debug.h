/*
 * vcpu_debug.h - what a debugger above tells those who run vCPUs, and what they tell it: the same for
 * plain guests and trust domains.
 *
 * Invariants
 *   - The debugger writes its part only while the vCPU is held (VCPU_REQ_HOLD) and in no stay, and
 *     raises `generation` then; whoever runs the vCPU follows it at the beginning of its next stay.
 *   - `vector` and what stands beside it are meaningful after RUN_TRAPPED only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_VCPU_DEBUG_H
#define TAIN_PLATFORM_VCPU_DEBUG_H

#include "kernel/base/types.h"

/* Registers by number; general ones as instructions encode them. CRs as the guest reads them. */
/* clang-format off */
#define VCPU_REGS(X) \
	X(RAX, "rax") X(RCX, "rcx") X(RDX, "rdx") X(RBX, "rbx") X(RSP, "rsp") X(RBP, "rbp") \
	X(RSI, "rsi") X(RDI, "rdi") X(R8, "r8") X(R9, "r9") X(R10, "r10") X(R11, "r11") \
	X(R12, "r12") X(R13, "r13") X(R14, "r14") X(R15, "r15") X(RIP, "rip") X(RFLAGS, "rflags") \
	X(ES, "es") X(CS, "cs") X(SS, "ss") X(DS, "ds") X(FS, "fs") X(GS, "gs") \
	X(LDTR, "ldtr") X(TR, "tr") \
	X(ES_BASE, "es_base") X(CS_BASE, "cs_base") X(SS_BASE, "ss_base") X(DS_BASE, "ds_base") \
	X(FS_BASE, "fs_base") X(GS_BASE, "gs_base") X(LDTR_BASE, "ldtr_base") X(TR_BASE, "tr_base") \
	X(CS_ACCESS, "cs_access") X(SS_ACCESS, "ss_access") \
	X(GDTR_BASE, "gdtr_base") X(GDTR_LIMIT, "gdtr_limit") \
	X(IDTR_BASE, "idtr_base") X(IDTR_LIMIT, "idtr_limit") \
	X(CR0, "cr0") X(CR2, "cr2") X(CR3, "cr3") X(CR4, "cr4") X(EFER, "efer") \
	X(KERNEL_GS_BASE, "k_gs_base") \
	X(DR0, "dr0") X(DR1, "dr1") X(DR2, "dr2") X(DR3, "dr3") X(DR6, "dr6") X(DR7, "dr7")
/* clang-format on */

enum vcpu_reg {
#define X(name, text) VCPU_##name,
	VCPU_REGS(X)
#undef X
	VCPU_REG_COUNT
};

struct vcpu_regs {
	uint64_t r[VCPU_REG_COUNT];
};

/* The x87 and SSE registers, as FXSAVE lays them out. */
struct vcpu_fpu {
	uint64_t word[64];
};

#define VCPU_BREAKPOINTS 4 /* debug registers */

/* The exit qualification of a #DB, which is also what belongs into DR6. */
#define DEBUG_HIT_MASK BITS64(3, 0)
#define DEBUG_STEPPED  BIT64(14)

/* State components that are in their initial state stand in the area as anything: make them right. */
static inline void vcpu_fpu_settle(struct vcpu_fpu *f, uint64_t xstate_bv)
{
	if (!(xstate_bv & BIT64(0))) { /* x87 */
		for (unsigned i = 0; i < 20; i++)
			f->word[i] = i == 3 ? f->word[i] : 0;
		f->word[0] = 0x37f;
	}
	if (!(xstate_bv & BIT64(1))) { /* SSE */
		for (unsigned i = 20; i < 52; i++)
			f->word[i] = 0;
		f->word[3] = 0x1f80;
	}
}

struct vcpu_debug {
	/* The debugger's. */
	uint32_t generation;
	uint32_t exceptions; /* by vector: these end the stay with RUN_TRAPPED */
	bool step;           /* one instruction, then RUN_TRAPPED with DEBUG_STEPPED */
	bool deliver;        /* the guest gets the exception that it was trapped for; taken back then */
	uint64_t dr[VCPU_BREAKPOINTS], dr7; /* DR7 not 0: in place of the guest's debug registers */

	/* Theirs. */
	uint32_t followed; /* the generation that holds now */
	uint8_t vector;
	uint8_t length;         /* of the instruction, #BP */
	uint64_t qualification; /* #DB */
};

#endif
