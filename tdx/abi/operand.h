/*
 * operand.h - operand ids: the detail word of OPERAND_INVALID, OPERAND_BUSY and their like.
 *
 * Facts: TDX module 1.5 ABI, "Operand IDs"; 175, 177, 178 and 256 up are of later modules.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_OPERAND_H
#define TAIN_TDX_ABI_OPERAND_H

#include "kernel/base/types.h"

/* X(id, name) */
/* clang-format off */
#define TDX_OPERAND_TABLE(X) \
	X(0, RAX) X(1, RCX) X(2, RDX) X(3, RBX) X(5, RBP) X(6, RSI) X(7, RDI) X(8, R8) X(9, R9) \
	X(10, R10) X(11, R11) X(12, R12) X(13, R13) X(14, R14) X(15, R15) \
	X(64, ATTRIBUTES) X(65, XFAM) X(66, EXEC_CONTROLS) X(67, EPTP_CONTROLS) X(68, MAX_VCPUS) \
	X(69, CPUID_CONFIG) X(70, TSC_FREQUENCY) X(71, NUM_L2_VMS) \
	X(72, IA32_ARCH_CAPABILITIES_CONFIG) X(95, PAGE) X(96, TDMR_INFO_PA) X(97, GPA_LIST_ENTRY) \
	X(98, MIG_BUFF_LIST_ENTRY) X(99, NEW_PAGE_LIST_ENTRY) X(128, TDR) X(129, TDCX) \
	X(130, TDVPR) X(132, REG_PAGE) X(144, TDCS) X(145, TDVPS) X(146, SEPT_TREE) \
	X(147, SEPT_ENTRY) X(168, RTMR) X(169, TD_EPOCH) X(170, L2_VAPIC_GPA) X(171, MIGSC) \
	X(172, OP_STATE) X(173, MIG) X(174, SERVTD_BINDINGS) X(175, PASID_TRK) \
	X(176, METADATA_FIELD) X(177, NUM_VCPUS) X(178, CPUID_FIXED0_BITMAP) X(184, SYS) \
	X(185, TDMR) X(186, KOT) X(187, KET) X(188, WBCACHE) X(256, PASIDMT) X(257, MMIOMT) \
	X(258, SPDMMT) X(320, DMAR)
/* clang-format on */

enum tdx_operand {
#define X(id, name) TDX_OP_##name = id,
	TDX_OPERAND_TABLE(X)
#undef X
};

/* "RCX", or NULL for an id that is not in the table. */
const char *tdx_operand_name(uint32_t id);

#endif
