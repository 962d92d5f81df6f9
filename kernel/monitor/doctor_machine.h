/*
 * doctor_machine.h - a computer as the doctor sees it: plain data, collected in one place
 * (doctor_collect.c, or a test), judged in another (doctor_rules.c).
 *
 * Invariants
 *   - Nothing here was interpreted: registers as they were read, with "faulted" and "not read" as
 *     values of their own; tables as the firmware gave them.
 *   - Answers of the software TDX module never stand in the place of the hardware's.
 *
 * Which registers: what TDH.SYS.INIT and TDH.SYS.LP.INIT check (TDX module 1.5 ABI, "Platform
 * Configuration Checks"), SDM volume 4 for their numbers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_MACHINE_H
#define TAIN_MONITOR_DOCTOR_MACHINE_H

#include "drivers/smbios.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/types.h"

/* X(identifier, number, name) */
/* clang-format off */
#define DOCTOR_MSR_TABLE(X) \
	X(APIC_BASE,         0x1b,   "IA32_APIC_BASE") \
	X(FEATURE_CONTROL,   0x3a,   "IA32_FEATURE_CONTROL") \
	X(TSC_ADJUST,        0x3b,   "IA32_TSC_ADJUST") \
	X(KEYID_PARTITION,   0x87,   "IA32_MKTME_KEYID_PARTITIONING") \
	X(MICROCODE,         0x8b,   "IA32_BIOS_SIGN_ID") \
	X(WBINVDP,           0x98,   "WBINVDP") \
	X(WBNOINVDP,         0x99,   "WBNOINVDP") \
	X(PACKAGE_CTLS,      0xbc,   "IA32_MISC_PACKAGE_CTLS") \
	X(XAPIC_DISABLE,     0xbd,   "IA32_XAPIC_DISABLE_STATUS") \
	X(CORE_CAPS,         0xcf,   "IA32_CORE_CAPABILITIES") \
	X(MTRRCAP,           0xfe,   "IA32_MTRRCAP") \
	X(ARCH_CAPS,         0x10a,  "IA32_ARCH_CAPABILITIES") \
	X(TSX_CTRL,          0x122,  "IA32_TSX_CTRL") \
	X(MISC_ENABLE,       0x1a0,  "IA32_MISC_ENABLE") \
	X(SMRR_BASE,         0x1f2,  "IA32_SMRR_PHYSBASE") \
	X(SMRR_MASK,         0x1f3,  "IA32_SMRR_PHYSMASK") \
	X(PERF_CAPS,         0x345,  "IA32_PERF_CAPABILITIES") \
	X(VMX_BASIC,         0x480,  "IA32_VMX_BASIC") \
	X(VMX_MISC,          0x485,  "IA32_VMX_MISC") \
	X(VMX_CR0_FIXED0,    0x486,  "IA32_VMX_CR0_FIXED0") \
	X(VMX_CR0_FIXED1,    0x487,  "IA32_VMX_CR0_FIXED1") \
	X(VMX_CR4_FIXED0,    0x488,  "IA32_VMX_CR4_FIXED0") \
	X(VMX_CR4_FIXED1,    0x489,  "IA32_VMX_CR4_FIXED1") \
	X(VMX_PROC2,         0x48b,  "IA32_VMX_PROCBASED_CTLS2") \
	X(VMX_EPT_VPID,      0x48c,  "IA32_VMX_EPT_VPID_CAP") \
	X(VMX_TRUE_PIN,      0x48d,  "IA32_VMX_TRUE_PINBASED_CTLS") \
	X(VMX_TRUE_PROC,     0x48e,  "IA32_VMX_TRUE_PROCBASED_CTLS") \
	X(VMX_TRUE_EXIT,     0x48f,  "IA32_VMX_TRUE_EXIT_CTLS") \
	X(VMX_TRUE_ENTRY,    0x490,  "IA32_VMX_TRUE_ENTRY_CTLS") \
	X(VMX_VMFUNC,        0x491,  "IA32_VMX_VMFUNC") \
	X(VMX_PROC3,         0x492,  "IA32_VMX_PROCBASED_CTLS3") \
	X(SGX_MCHECK,        0x503,  "SGX and MCHECK status") \
	X(TME_CAPABILITY,    0x981,  "IA32_TME_CAPABILITY") \
	X(TME_ACTIVATE,      0x982,  "IA32_TME_ACTIVATE") \
	X(SEAMRR_BASE,       0x1400, "IA32_SEAMRR_PHYS_BASE") \
	X(SEAMRR_MASK,       0x1401, "IA32_SEAMRR_PHYS_MASK")
/* clang-format on */

enum doctor_msr_id {
#define X(id, number, name) DM_##id,
	DOCTOR_MSR_TABLE(X)
#undef X
	DOCTOR_MSRS
};

struct doctor_msr {
	enum { MSR_NOT_READ, MSR_READ, MSR_FAULTS } state;
	uint64_t value;
};

/* CPUID leaves that are read; doctor_cpuid.h has their rules, in this order. */
#define DOCTOR_CPUID_LEAVES 58

struct doctor_cpu {
	bool online;
	uint32_t apic_id;
	uint32_t max_leaf, max_extended;
	char brand[49]; /* CPUID 80000002h to 80000004h, NUL terminated */
	struct doctor_msr msr[DOCTOR_MSRS];
	uint32_t cpuid[DOCTOR_CPUID_LEAVES][4]; /* EAX EBX ECX EDX; 0 beyond the largest leaf */
};

#define DOCTOR_NODES_MAX 64
#define DOCTOR_CMRS_MAX  64

struct doctor_range {
	uint64_t base, size;
	uint32_t node;
};

/* What SEAMCALL answered. Statuses are whole RAX values. */
struct doctor_seam {
	bool asked;          /* else @why_not */
	const char *why_not;

	uint64_t loader_status; /* of SEAMLDR.INFO */
	struct doctor_loader {  /* valid if that is 0 */
		uint32_t version, attributes, vendor, build_date, build_num;
		uint32_t major, minor, update, updates_left;
		bool module_ready, loader_ready, debug;
	} loader;

	uint64_t module_status; /* of TDH.SYS.RD */
	const char *step;       /* where bring-up stopped, "" if it did not or was not tried */
	uint64_t step_status;   /* what the module said there; ~0: it was not the module */
	bool ready;             /* brought up */
	bool has_metadata;      /* the fields below */
	uint64_t vendor, build_date, build_num, major, minor, update, features0;
	uint64_t max_tdmrs, max_reserved, pamt_entry[3];
	unsigned cmr_count;
	struct doctor_range cmr[DOCTOR_CMRS_MAX];
	uint64_t pamt_bytes;    /* taken; 0: not yet */
};

/* What Tain itself has to say of this boot. */
struct doctor_self {
	bool vmx_on;              /* VMXON was executed on all CPUs */
	char vmx_reason[160];
	bool software_module;     /* it answers SEAMCALL here */
	char module_text[160];
	bool probe;               /* bringup = probe */
	bool tds_wanted;          /* module is not "none" */
	uint64_t free_pages, leaked_pages;
	unsigned config_errors, guests;
	uint64_t log_errors, log_warnings;
	char console[80];
	bool console_interrupts;
	uint64_t console_dropped;
	bool secure_boot;
};

struct doctor_machine {
	unsigned cpu_count;
	struct doctor_cpu *cpu;     /* by index; the boot CPU is 0 */
	unsigned firmware_cpus;     /* enabled in the MADT; 0: no MADT */
	struct smbios smbios;
	const struct boot_mem *map; /* the firmware's memory map */
	size_t map_count;
	unsigned node_count;        /* ranges of the SRAT; 0: no SRAT */
	struct doctor_range node[DOCTOR_NODES_MAX];
	struct doctor_seam seam;
	struct doctor_self self;
};

static inline const struct doctor_msr *doctor_msr(const struct doctor_cpu *c, enum doctor_msr_id id)
{
	return &c->msr[id];
}

#endif
