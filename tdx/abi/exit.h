/*
 * exit.h - what TDH.VP.ENTER takes and returns, and the guest-hypervisor interface (TDVMCALL).
 *
 * Invariants
 *   - Everything that came out of a guest's registers is untrusted input.
 *
 * Facts: TDX module 1.5 ABI, "TDH.VP.ENTER"; GHCI, "TDG.VP.VMCALL"; exit reasons: SDM volume 3C,
 * "VMX Basic Exit Reasons".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_EXIT_H
#define TAIN_TDX_ABI_EXIT_H

#include "kernel/base/types.h"

/* RCX going in. */
#define TDX_ENTER_TDVPR  BITS64(51, 12)
#define TDX_ENTER_HINT   BIT64(52)
#define TDX_ENTER_RESUME BIT64(53)

/* RAX[31:0] coming out. */
#define TDX_EXIT_BASIC         BITS64(15, 0)
#define TDX_EXIT_WITH_BUS_LOCK BIT64(26)
#define TDX_EXIT_ENTRY_FAILED  BIT64(31)

/* Basic exit reasons a TD's host can meet. X(number, name) */
/* clang-format off */
#define TDX_EXIT_TABLE(X) \
	X(0, EXCEPTION_NMI) X(1, EXTERNAL_INTERRUPT) X(2, TRIPLE_FAULT) X(3, INIT) X(6, OTHER_SMI) \
	X(9, TASK_SWITCH) X(28, CR_ACCESS) X(33, ENTRY_GUEST_STATE) X(34, ENTRY_MSR_LOADING) \
	X(41, ENTRY_MACHINE_CHECK) X(42, C_STATE_SMI) X(48, EPT_VIOLATION) \
	X(49, EPT_MISCONFIGURATION) X(62, PML_FULL) X(74, BUS_LOCK) X(75, NOTIFICATION) \
	X(77, TDCALL)
/* clang-format on */

enum tdx_exit {
#define X(number, name) TDX_EXIT_##name = number,
	TDX_EXIT_TABLE(X)
#undef X
};
#define TDX_EXIT_LIMIT 78

/* R9 of exits 0, 1, 6, 42: as the VM-exit interruption-information field. */
#define TDX_INTR_VECTOR   BITS64(7, 0)
#define TDX_INTR_TYPE     BITS64(10, 8)
#define TDX_INTR_TYPE_NMI (UINT64_C(2) << 8)
#define TDX_INTR_VALID    BIT64(31)

/* RCX of an EPT violation: exit qualification (synthesised by the module). */
#define TDX_EPTQ_READ  BIT64(0)
#define TDX_EPTQ_WRITE BIT64(1)
#define TDX_EPTQ_FETCH BIT64(2)

/* RDX of an asynchronous exit: extended exit qualification. */
enum tdx_eeq_type {
	TDX_EEQ_NONE,
	TDX_EEQ_ACCEPT,
	TDX_EEQ_GPA_DETAILS,
	TDX_EEQ_MSR_LOAD_FAILURE,
	TDX_EEQ_XSTATE_LOAD_FAILURE,
	TDX_EEQ_ATTR_WR,
	TDX_EEQ_PENDING_VIOLATION, /* the guest touched a page before accepting it */
};
static inline enum tdx_eeq_type tdx_eeq_type(uint64_t rdx) { return (enum tdx_eeq_type)(rdx & 15); }
/* ACCEPT and ATTR_WR: levels as the ABI counts (0 = 4K). */
static inline unsigned tdx_eeq_level_asked(uint64_t rdx) { return (unsigned)(rdx >> 32 & 7); }
static inline unsigned tdx_eeq_level_failed(uint64_t rdx) { return (unsigned)(rdx >> 35 & 7); }
static inline unsigned tdx_eeq_state(uint64_t rdx) { return (unsigned)(rdx >> 38 & 0xff); }
static inline bool tdx_eeq_is_leaf(uint64_t rdx) { return (rdx >> 46 & 1) != 0; }

/* RCX of a TDVMCALL exit: which registers the guest passes and takes back. */
#define TDVMCALL_MASK_GPRS      BITS64(15, 0)
#define TDVMCALL_MASK_XMMS      BITS64(31, 16)
#define TDVMCALL_MASK_USUAL     0xffcc /* what Linux and edk2 pass: all but RAX RCX RSP RBP */
#define TDVMCALL_MASK_FORBIDDEN 0x0013 /* RAX, RCX, RSP */

/* R11 of a TDVMCALL with R10 = 0. X(number, name) */
/* clang-format off */
#define TDVMCALL_TABLE(X) \
	X(10, CPUID) X(12, HLT) X(30, IO) X(31, RDMSR) X(32, WRMSR) X(48, MMIO) X(54, WBINVD) \
	X(65, PCONFIG) X(0x10000, GET_INFO) X(0x10001, MAP_GPA) X(0x10002, GET_QUOTE) \
	X(0x10003, REPORT_FATAL_ERROR) X(0x10004, SETUP_EVENT_NOTIFY) X(0x10005, SERVICE) \
	X(0x10006, MIGTD)
/* clang-format on */

enum tdvmcall {
#define X(number, name) TDVMCALL_##name = number,
	TDVMCALL_TABLE(X)
#undef X
};

/* R10 going back to the guest. */
#define TDVMCALL_SUCCESS             UINT64_C(0)
#define TDVMCALL_RETRY               UINT64_C(1)
#define TDVMCALL_INVALID_OPERAND     UINT64_C(0x8000000000000000)
#define TDVMCALL_GPA_INUSE           UINT64_C(0x8000000000000001)
#define TDVMCALL_ALIGN_ERROR         UINT64_C(0x8000000000000002)
#define TDVMCALL_SUBFUNC_UNSUPPORTED UINT64_C(0x8000000000000003)

/* "EPT_VIOLATION", "MAP_GPA"; NULL for a number that is not in the table. */
const char *tdx_exit_name(uint32_t basic);
const char *tdvmcall_name(uint64_t sub_function);

#endif
