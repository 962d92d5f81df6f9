/*
 * vmx_exit.h - the numbers a VM exit speaks in: basic exit reasons, interruption information,
 * qualifications. The names of reasons come from the same table.
 *
 * SDM volume 3C, chapter "VM Exits"; volume 3D, appendix "VMX Basic Exit Reasons".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_VMX_EXIT_H
#define TAIN_MACHINE_VMX_EXIT_H

#include "kernel/base/types.h"

/* clang-format off */
#define VMX_EXIT_REASONS(X) \
	X(0,  EXCEPTION_NMI,      "exception or NMI") \
	X(1,  EXTERNAL_INTERRUPT, "external interrupt") \
	X(2,  TRIPLE_FAULT,       "triple fault") \
	X(3,  INIT,               "INIT") \
	X(4,  SIPI,               "SIPI") \
	X(5,  IO_SMI,             "I/O SMI") \
	X(6,  OTHER_SMI,          "other SMI") \
	X(7,  INTERRUPT_WINDOW,   "interrupt window") \
	X(8,  NMI_WINDOW,         "NMI window") \
	X(9,  TASK_SWITCH,        "task switch") \
	X(10, CPUID,              "CPUID") \
	X(11, GETSEC,             "GETSEC") \
	X(12, HLT,                "HLT") \
	X(13, INVD,               "INVD") \
	X(14, INVLPG,             "INVLPG") \
	X(15, RDPMC,              "RDPMC") \
	X(16, RDTSC,              "RDTSC") \
	X(17, RSM,                "RSM") \
	X(18, VMCALL,             "VMCALL") \
	X(19, VMCLEAR,            "VMCLEAR") \
	X(20, VMLAUNCH,           "VMLAUNCH") \
	X(21, VMPTRLD,            "VMPTRLD") \
	X(22, VMPTRST,            "VMPTRST") \
	X(23, VMREAD,             "VMREAD") \
	X(24, VMRESUME,           "VMRESUME") \
	X(25, VMWRITE,            "VMWRITE") \
	X(26, VMXOFF,             "VMXOFF") \
	X(27, VMXON,              "VMXON") \
	X(28, CR_ACCESS,          "CR access") \
	X(29, DR_ACCESS,          "MOV DR") \
	X(30, IO,                 "I/O instruction") \
	X(31, RDMSR,              "RDMSR") \
	X(32, WRMSR,              "WRMSR") \
	X(33, BAD_GUEST_STATE,    "entry failure: guest state") \
	X(34, BAD_MSR_LOAD,       "entry failure: MSR loading") \
	X(36, MWAIT,              "MWAIT") \
	X(37, MTF,                "monitor trap flag") \
	X(39, MONITOR,            "MONITOR") \
	X(40, PAUSE,              "PAUSE") \
	X(41, ENTRY_MACHINE_CHECK, "entry failure: machine check") \
	X(43, TPR_THRESHOLD,      "TPR below threshold") \
	X(44, APIC_ACCESS,        "APIC access") \
	X(45, VIRTUALIZED_EOI,    "virtualized EOI") \
	X(46, GDTR_IDTR,          "GDTR or IDTR access") \
	X(47, LDTR_TR,            "LDTR or TR access") \
	X(48, EPT_VIOLATION,      "EPT violation") \
	X(49, EPT_MISCONFIG,      "EPT misconfiguration") \
	X(50, INVEPT,             "INVEPT") \
	X(51, RDTSCP,             "RDTSCP") \
	X(52, PREEMPTION_TIMER,   "preemption timer") \
	X(53, INVVPID,            "INVVPID") \
	X(54, WBINVD,             "WBINVD") \
	X(55, XSETBV,             "XSETBV") \
	X(56, APIC_WRITE,         "APIC write") \
	X(57, RDRAND,             "RDRAND") \
	X(58, INVPCID,            "INVPCID") \
	X(59, VMFUNC,             "VMFUNC") \
	X(60, ENCLS,              "ENCLS") \
	X(61, RDSEED,             "RDSEED") \
	X(62, PML_FULL,           "page-modification log full") \
	X(63, XSAVES,             "XSAVES") \
	X(64, XRSTORS,            "XRSTORS") \
	X(67, UMWAIT,             "UMWAIT") \
	X(68, TPAUSE,             "TPAUSE") \
	X(74, BUS_LOCK,           "bus lock") \
	X(75, NOTIFY,             "notify") \
	X(76, SEAMCALL,           "SEAMCALL") \
	X(77, TDCALL,             "TDCALL")

enum vmx_exit_reason {
#define X(number, name, text) EXIT_REASON_##name = (number),
	VMX_EXIT_REASONS(X)
#undef X
	EXIT_REASON_COUNT = 78
};
/* clang-format on */

#define EXIT_REASON_BASIC BITS64(15, 0)
#define EXIT_ENTRY_FAILED BIT64(31) /* of the exit reason */

/* "reserved" for a number without a name. */
const char *vmx_exit_name(uint32_t basic_reason);

/* What VM_INSTRUCTION_ERROR says. SDM volume 3C, "VM Instruction Error Numbers". */
const char *vmx_error_text(uint32_t error);

/* Interruption information (exit, IDT-vectoring, entry). */
#define INTR_INFO_VECTOR(i) ((uint8_t)(i))
#define INTR_INFO_TYPE(i)   (((uint32_t)(i) >> 8) & 7)
#define INTR_INFO_HAS_ERROR BIT32(11)
#define INTR_INFO_VALID     BIT32(31)
enum {
	INTR_TYPE_EXTERNAL = 0,
	INTR_TYPE_NMI = 2,
	INTR_TYPE_HW_EXCEPTION = 3,
	INTR_TYPE_SW_INTERRUPT = 4,
	INTR_TYPE_PRIV_SW_EXCEPTION = 5,
	INTR_TYPE_SW_EXCEPTION = 6,
};

/* Exit qualification of an EPT violation. */
#define EPT_QUAL_READ     BIT64(0)
#define EPT_QUAL_WRITE    BIT64(1)
#define EPT_QUAL_FETCH    BIT64(2)
#define EPT_QUAL_RWX      BITS64(5, 3) /* what the entry allowed */
#define EPT_QUAL_GLA      BIT64(7)     /* GUEST_LINEAR_ADDRESS is valid */
#define EPT_QUAL_GLA_LEAF BIT64(8)     /* the access itself, not the guest's page walk */

#endif
