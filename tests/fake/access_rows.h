/*
 * access_rows.h - who may read and write which bits of a metadata field: a production TD's host, and a
 * debug TD's. What a test of the module holds it against; nothing of it is shared with the module.
 *
 * Invariants
 *   - One row a field, ids as the documents print them; elements of an array follow each other.
 *   - CPUID_VALUES, whose codes are no array, is not here.
 *
 * Facts: ABI reference section 7.4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_ACCESS_ROWS_H
#define TAIN_TESTS_FAKE_ACCESS_ROWS_H

#include "kernel/base/types.h"

#define ALL (~UINT64_C(0))

struct access_row {
	uint64_t id;
	unsigned elements;
	struct access_bits {
		uint64_t rd, wr;
	} production, debug;
};

/* clang-format off */
static const struct access_row td_fields[] = {
	{ UINT64_C(0x8010000000000001), 1, { ALL, 0 }, { ALL, 0 } }, /* FATAL */
	{ UINT64_C(0x911000010000000e), 1, { ALL, 0 }, { ALL, 0 } }, /* NUM_CPUID_VALUES */
	{ UINT64_C(0x8010000200000002), 1, { ALL, 0 }, { ALL, 0 } }, /* NUM_TDCX */
	{ UINT64_C(0x911000020000000f), 1, { ALL, 0 }, { ALL, 0 } }, /* XBUFF_SIZE */
	{ UINT64_C(0x8010000300000004), 1, { ALL, 0 }, { ALL, 0 } }, /* CHLDCNT */
	{ UINT64_C(0x9110000300000010), 1, { 0, 0 }, { ALL, 0x1 } }, /* NOTIFY_ENABLES */
	{ UINT64_C(0x8010000200000005), 1, { ALL, 0 }, { ALL, 0 } }, /* LIFECYCLE_STATE */
	{ UINT64_C(0x9110000300000011), 1, { ALL, ALL }, { ALL, ALL } }, /* HP_LOCK_TIMEOUT */
	{ UINT64_C(0x8010000300000010), 9, { ALL, 0 }, { ALL, 0 } }, /* TDCX_PA */
	{ UINT64_C(0x9110000300000012), 4, { ALL, 0x1 }, { ALL, 0x1 } }, /* VM_CTLS */
	{ UINT64_C(0x8010000300000020), 4, { ALL, 0 }, { ALL, 0 } }, /* TD_UUID */
	{ UINT64_C(0x1110000300000016), 1, { ALL, 0 }, { ALL, 0 } }, /* CONFIG_FLAGS */
	{ UINT64_C(0x8110000100000001), 1, { ALL, 0 }, { ALL, 0 } }, /* HKID */
	{ UINT64_C(0x1110000300000017), 1, { 0, 0 }, { ALL, 0 } }, /* TD_CTLS */
	{ UINT64_C(0x8110000300000002), 1, { ALL, 0 }, { ALL, 0 } }, /* PKG_CONFIG_BITMAP */
	{ UINT64_C(0x9110000000000080), 80, { 0, 0 }, { ALL, 0 } }, /* CPUID_VALID */
	{ UINT64_C(0x8210000100000000), 1, { ALL, 0 }, { ALL, 0 } }, /* HANDOFF_VERSION */
	{ UINT64_C(0x9110000200000800), 19, { ALL, 0 }, { ALL, 0 } }, /* XBUFF_OFFSETS */
	{ UINT64_C(0x8210000300000001), 1, { ALL, 0 }, { ALL, 0 } }, /* SEAMDB_INDEX */
	{ UINT64_C(0x9210000300000000), 1, { ALL, 0 }, { ALL, 0 } }, /* TD_EPOCH */
	{ UINT64_C(0x8210000300000002), 4, { 0, 0 }, { 0, 0 } }, /* SEAMDB_NONCE */
	{ UINT64_C(0x9210000100000001), 2, { ALL, 0 }, { ALL, 0 } }, /* REFCOUNT */
	{ UINT64_C(0x9010000200000001), 1, { ALL, 0 }, { ALL, 0 } }, /* NUM_VCPUS */
	{ UINT64_C(0x1310000300000000), 6, { ALL, 0 }, { ALL, 0 } }, /* MRTD */
	{ UINT64_C(0x9010000200000002), 1, { ALL, 0 }, { ALL, 0 } }, /* NUM_ASSOC_VCPUS */
	{ UINT64_C(0x1310000300000010), 6, { ALL, 0 }, { ALL, 0 } }, /* MRCONFIGID */
	{ UINT64_C(0x9010000200000004), 1, { ALL, 0 }, { ALL, 0 } }, /* OP_STATE */
	{ UINT64_C(0x1310000300000018), 6, { ALL, 0 }, { ALL, 0 } }, /* MROWNER */
	{ UINT64_C(0x9010000100000005), 1, { ALL, 0 }, { ALL, 0 } }, /* NUM_L2_VMS */
	{ UINT64_C(0x1310000300000020), 6, { ALL, 0 }, { ALL, 0 } }, /* MROWNERCONFIG */
	{ UINT64_C(0x1110000300000000), 1, { ALL, 0 }, { ALL, 0 } }, /* ATTRIBUTES */
	{ UINT64_C(0x1310000300000040), 24, { 0, 0 }, { ALL, 0 } }, /* RTMR */
	{ UINT64_C(0x1110000300000001), 1, { ALL, 0 }, { ALL, 0 } }, /* XFAM */
	{ UINT64_C(0x1110000200000002), 1, { ALL, 0 }, { ALL, 0 } }, /* MAX_VCPUS */
	{ UINT64_C(0x961000030000010a), 1, { 0, 0 }, { ALL, 0 } }, /* VIRTUAL_IA32_ARCH_CAPABILITIES */
	{ UINT64_C(0x1110000000000003), 1, { ALL, 0 }, { ALL, 0 } }, /* GPAW */
	{ UINT64_C(0x9910000300000000), 6, { ALL, 0 }, { ALL, 0 } }, /* SERVTD_HASH */
	{ UINT64_C(0x1110000300000004), 1, { ALL, 0 }, { ALL, 0 } }, /* EPTP */
	{ UINT64_C(0x9910000100000006), 1, { ALL, 0 }, { ALL, 0 } }, /* SERVTD_NUM */
	{ UINT64_C(0x111000030000000a), 1, { ALL, 0 }, { ALL, 0 } }, /* TSC_OFFSET */
	{ UINT64_C(0x9910000300000080), 16, { ALL, 0 }, { ALL, 0 } }, /* SERVTD_BINDINGS_TABLE */
	{ UINT64_C(0x111000030000000b), 1, { ALL, 0 }, { ALL, 0 } }, /* TSC_MULTIPLIER */
	{ UINT64_C(0x2010000300000000), 512, { 0, 0 }, { ALL, 0 } }, /* MSR_BITMAPS */
	{ UINT64_C(0x111000010000000c), 1, { ALL, 0 }, { ALL, 0 } }, /* TSC_FREQUENCY */
	{ UINT64_C(0x2110000300000000), 512, { 0, 0 }, { ALL, 0 } }, /* SEPT_ROOT */
	{ UINT64_C(0x111000030000000d), 1, { 0, 0 }, { 0, 0 } }, /* VIRTUAL_TSC */
};
static const struct access_row vp_fields[] = {
	{ UINT64_C(0x0120000300000000), 128, { 0, 0 }, { ALL, 0 } }, /* VAPIC */
	{ UINT64_C(0x132000030000038d), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_FIXED_CTR_CTRL */
	{ UINT64_C(0x0220000200000000), 1, { 0, 0 }, { ALL, 0 } }, /* EXIT_REASON */
	{ UINT64_C(0x132000030000038e), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_PERF_GLOBAL_STATUS */
	{ UINT64_C(0x0220000200000001), 1, { 0, 0 }, { ALL, 0 } }, /* VALID */
	{ UINT64_C(0x13200003000003f1), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_PEBS_ENABLE */
	{ UINT64_C(0x0220000300000002), 1, { 0, 0 }, { ALL, 0 } }, /* EXIT_QUALIFICATION */
	{ UINT64_C(0x13200003000003f2), 1, { 0, 0 }, { ALL, ALL } }, /* MSR_PEBS_DATA_CFG */
	{ UINT64_C(0x0220000300000003), 1, { 0, 0 }, { ALL, 0 } }, /* GLA */
	{ UINT64_C(0x13200003000003f6), 1, { 0, 0 }, { ALL, ALL } }, /* MSR_PEBS_LD_LAT */
	{ UINT64_C(0x0220000300000004), 1, { 0, 0 }, { ALL, 0 } }, /* GPA */
	{ UINT64_C(0x13200003000003f7), 1, { 0, 0 }, { ALL, ALL } }, /* MSR_PEBS_FRONTEND */
	{ UINT64_C(0x0220000100000005), 1, { 0, 0 }, { ALL, 0 } }, /* EPTP_INDEX */
	{ UINT64_C(0x13200003000004c1), 8, { 0, 0 }, { ALL, ALL } }, /* IA32_A_PMCx */
	{ UINT64_C(0x8220000200000010), 1, { 0, 0 }, { ALL, 0 } }, /* INSTRUCTION_LENGTH */
	{ UINT64_C(0x1320000300000600), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_DS_AREA */
	{ UINT64_C(0x8220000200000011), 1, { 0, 0 }, { ALL, 0 } }, /* INSTRUCTION_INFORMATION */
	{ UINT64_C(0x1320000300000da0), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_XSS */
	{ UINT64_C(0x1020000300000000), 1, { 0, 0 }, { ALL, ALL } }, /* RAX */
	{ UINT64_C(0x13200003000014cf), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_LBR_DEPTH */
	{ UINT64_C(0x1020000300000001), 1, { 0, 0 }, { ALL, ALL } }, /* RCX */
	{ UINT64_C(0x1320000300001b01), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_UARCH_MISC_CTL */
	{ UINT64_C(0x1020000300000002), 1, { 0, 0 }, { ALL, ALL } }, /* RDX */
	{ UINT64_C(0x1320000300002081), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_STAR */
	{ UINT64_C(0x1020000300000003), 1, { 0, 0 }, { ALL, ALL } }, /* RBX */
	{ UINT64_C(0x1320000300002082), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_LSTAR */
	{ UINT64_C(0x1020000300000004), 1, { 0, 0 }, { 0, 0 } }, /* RSP_PLACEHOLDER */
	{ UINT64_C(0x1320000300002084), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_FMASK */
	{ UINT64_C(0x1020000300000005), 1, { 0, 0 }, { ALL, ALL } }, /* RBP */
	{ UINT64_C(0x1320000300002102), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_KERNEL_GS_BASE */
	{ UINT64_C(0x1020000300000006), 1, { 0, 0 }, { ALL, ALL } }, /* RSI */
	{ UINT64_C(0x1320000300002103), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_TSC_AUX */
	{ UINT64_C(0x1020000300000007), 1, { 0, 0 }, { ALL, ALL } }, /* RDI */
	{ UINT64_C(0xa020000000000000), 1, { 0, 0 }, { ALL, 0 } }, /* VCPU_STATE */
	{ UINT64_C(0x1020000300000008), 1, { 0, 0 }, { ALL, ALL } }, /* R8 */
	{ UINT64_C(0xa020000200000002), 1, { ALL, 0 }, { ALL, 0 } }, /* VCPU_INDEX */
	{ UINT64_C(0x1020000300000009), 1, { 0, 0 }, { ALL, ALL } }, /* R9 */
	{ UINT64_C(0xa020000000000003), 1, { ALL, 0 }, { ALL, 0 } }, /* NUM_TDVPS_PAGES */
	{ UINT64_C(0x102000030000000a), 1, { 0, 0 }, { ALL, ALL } }, /* R10 */
	{ UINT64_C(0xa020000200000004), 1, { ALL, 0 }, { ALL, 0 } }, /* ASSOC_LPID */
	{ UINT64_C(0x102000030000000b), 1, { 0, 0 }, { ALL, ALL } }, /* R11 */
	{ UINT64_C(0xa020000300000006), 1, { ALL, 0 }, { ALL, 0 } }, /* VCPU_EPOCH */
	{ UINT64_C(0x102000030000000c), 1, { 0, 0 }, { ALL, ALL } }, /* R12 */
	{ UINT64_C(0xa020000000000007), 1, { ALL, 0 }, { ALL, 0 } }, /* CPUID_SUPERVISOR_VE */
	{ UINT64_C(0x102000030000000d), 1, { 0, 0 }, { ALL, ALL } }, /* R13 */
	{ UINT64_C(0xa020000000000008), 1, { ALL, 0 }, { ALL, 0 } }, /* CPUID_USER_VE */
	{ UINT64_C(0x102000030000000e), 1, { 0, 0 }, { ALL, ALL } }, /* R14 */
	{ UINT64_C(0xa02000030000000a), 1, { 0, 0 }, { ALL, 0 } }, /* LAST_EXIT_TSC */
	{ UINT64_C(0x102000030000000f), 1, { 0, 0 }, { ALL, ALL } }, /* R15 */
	{ UINT64_C(0x202000000000000b), 1, { ALL, ALL }, { ALL, ALL } }, /* PEND_NMI */
	{ UINT64_C(0x1120000300000000), 1, { 0, 0 }, { ALL, ALL } }, /* DR0 */
	{ UINT64_C(0x202000030000000c), 1, { ALL, 0 }, { ALL, ALL } }, /* XFAM */
	{ UINT64_C(0x1120000300000001), 1, { 0, 0 }, { ALL, ALL } }, /* DR1 */
	{ UINT64_C(0xa02000000000000d), 1, { 0, 0 }, { ALL, 0 } }, /* LAST_EPF_GPA_LIST_IDX */
	{ UINT64_C(0x1120000300000002), 1, { 0, 0 }, { ALL, ALL } }, /* DR2 */
	{ UINT64_C(0xa02000000000000e), 1, { 0, 0 }, { ALL, 0 } }, /* POSSIBLY_EPF_STEPPING */
	{ UINT64_C(0x1120000300000003), 1, { 0, 0 }, { ALL, ALL } }, /* DR3 */
	{ UINT64_C(0xa02000000000000f), 1, { 0, 0 }, { ALL, 0 } }, /* LAST_TD_EXIT */
	{ UINT64_C(0x1120000300000006), 1, { 0, 0 }, { ALL, 0xffffffff } }, /* DR6 */
	{ UINT64_C(0xa020000300000010), 15, { ALL, 0 }, { ALL, 0 } }, /* TDVPS_PAGE_PA */
	{ UINT64_C(0x1120000300000020), 1, { 0, 0 }, { ALL, 0 } }, /* XCR0 */
	{ UINT64_C(0xa020000300000030), 1, { 0, 0 }, { ALL, 0 } }, /* HP_LOCK_BUSY_START */
	{ UINT64_C(0x1120000300000028), 1, { 0, 0 }, { ALL, ALL } }, /* CR2 */
	{ UINT64_C(0xa020000000000031), 1, { 0, 0 }, { ALL, 0 } }, /* HP_LOCK_BUSY */
	{ UINT64_C(0x9120000300000100), 1, { ALL, 0 }, { ALL, 0 } }, /* VCPU_STATE_DETAILS */
	{ UINT64_C(0xa020000300000032), 1, { 0, 0 }, { ALL, 0 } }, /* LAST_SEAMDB_INDEX */
	{ UINT64_C(0x1220000300000000), 1536, { 0, 0 }, { ALL, ALL } }, /* XBUFF */
	{ UINT64_C(0xa020000000000040), 1, { 0, 0 }, { ALL, 0 } }, /* NMI_UNBLOCKING_DUE_TO_IRET */
	{ UINT64_C(0x1320000300000048), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_SPEC_CTRL */
	{ UINT64_C(0xa020000100000041), 1, { 0, 0 }, { ALL, 0 } }, /* CURR_VM */
	{ UINT64_C(0x13200003000000e1), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_UMWAIT_CONTROL */
	{ UINT64_C(0xa020000000000044), 4, { 0, 0 }, { ALL, 0 } }, /* VM_LAUNCHED */
	{ UINT64_C(0x1320000300000122), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_TSX_CTRL */
	{ UINT64_C(0xa020000000000048), 4, { 0, 0 }, { ALL, 0 } }, /* LP_DEPENDENT_HPA_UPDATED */
	{ UINT64_C(0x1320000300000186), 8, { 0, 0 }, { ALL, ALL } }, /* IA32_PERFEVTSELx */
	{ UINT64_C(0xa02000000000004c), 4, { 0, 0 }, { ALL, 0 } }, /* MODULE_DEPENDENT_FIELDS_UPDATED */
	{ UINT64_C(0x13200003000001a6), 2, { 0, 0 }, { ALL, ALL } }, /* MSR_OFFCORE_RSPx */
	{ UINT64_C(0xa020000300000058), 4, { 0, 0 }, { ALL, 0 } }, /* TSC_DEADLINE */
	{ UINT64_C(0x13200003000001c4), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_XFD */
	{ UINT64_C(0xa020000300000108), 4, { 0, 0 }, { ALL, 0 } }, /* VE_INFO_GPA */
	{ UINT64_C(0x13200003000001c5), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_XFD_ERR */
	{ UINT64_C(0xa02000030000010c), 4, { 0, 0 }, { ALL, 0 } }, /* VE_INFO_HPA */
	{ UINT64_C(0x1320000300000309), 7, { 0, 0 }, { ALL, ALL } }, /* IA32_FIXED_CTRx */
	{ UINT64_C(0xa120000000000000), 128, { 0, 0 }, { ALL, 0 } }, /* CPUID_CONTROL */
	{ UINT64_C(0x1320000300000329), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_PERF_METRICS */
	{ UINT64_C(0xa220000300000200), 32, { 0, 0 }, { ALL, 0 } }, /* LAST_EPF_GPA_LIST */
};
static const struct access_row vmcs_fields[] = {
	{ UINT64_C(0x0020000100000000), 1, { 0, 0 }, { ALL, 0 } }, /* VPID */
	{ UINT64_C(0x0020000100000002), 1, { ALL, ALL }, { ALL, ALL } }, /* Posted-interrupt notification vector */
	{ UINT64_C(0x0020000100000004), 1, { 0, 0 }, { ALL, 0 } }, /* EPTP index */
	{ UINT64_C(0x0020000100000006), 1, { 0, 0 }, { ALL, 0 } }, /* HLAT prefix size */
	{ UINT64_C(0x0020000100000800), 1, { 0, 0 }, { ALL, ALL } }, /* Guest ES selector */
	{ UINT64_C(0x0020000100000802), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CS selector */
	{ UINT64_C(0x0020000100000804), 1, { 0, 0 }, { ALL, ALL } }, /* Guest SS selector */
	{ UINT64_C(0x0020000100000806), 1, { 0, 0 }, { ALL, ALL } }, /* Guest DS selector */
	{ UINT64_C(0x0020000100000808), 1, { 0, 0 }, { ALL, ALL } }, /* Guest FS selector */
	{ UINT64_C(0x002000010000080a), 1, { 0, 0 }, { ALL, ALL } }, /* Guest GS selector */
	{ UINT64_C(0x002000010000080c), 1, { 0, 0 }, { ALL, ALL } }, /* Guest LDTR selector */
	{ UINT64_C(0x002000010000080e), 1, { 0, 0 }, { ALL, ALL } }, /* Guest TR selector */
	{ UINT64_C(0x0020000100000810), 1, { 0, 0 }, { ALL, ALL } }, /* Guest Interrupt Status */
	{ UINT64_C(0x0020000100000812), 1, { 0, 0 }, { ALL, ALL } }, /* PML Index */
	{ UINT64_C(0x0020000100000814), 1, { 0, 0 }, { ALL, ALL } }, /* Guest UINV */
	{ UINT64_C(0x0020000300002004), 1, { ALL, 0 }, { ALL, 0 } }, /* MSR-Bitmap Address */
	{ UINT64_C(0x0020000300002006), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit MSR-store address */
	{ UINT64_C(0x0020000300002008), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit MSR-load address */
	{ UINT64_C(0x002000030000200a), 1, { 0, 0 }, { ALL, 0 } }, /* VM-entry MSR-load address */
	{ UINT64_C(0x002000030000200c), 1, { 0, 0 }, { 0, 0 } }, /* Executive-VMCS Pointer */
	{ UINT64_C(0x002000030000200e), 1, { ALL, 0 }, { ALL, UINT64_C(0xfffffffffffff000) } }, /* PML address */
	{ UINT64_C(0x0020000300002010), 1, { ALL, 0 }, { ALL, ALL } }, /* Time-Stamp Counter Offset */
	{ UINT64_C(0x0020000300002012), 1, { 0, 0 }, { 0, 0 } }, /* Virtual-APIC address */
	{ UINT64_C(0x0020000300002014), 1, { 0, 0 }, { ALL, 0 } }, /* APIC-access address */
	{ UINT64_C(0x0020000300002016), 1, { ALL, UINT64_C(0xffffffffffffffc0) }, { ALL, UINT64_C(0xffffffffffffffc0) } }, /* Posted-interrupt descriptor address */
	{ UINT64_C(0x0020000300002018), 1, { ALL, 0 }, { ALL, 0 } }, /* VM-Function Controls */
	{ UINT64_C(0x002000030000201a), 1, { ALL, 0 }, { ALL, 0 } }, /* EPTP */
	{ UINT64_C(0x002000030000201c), 1, { 0, 0 }, { ALL, 0 } }, /* EOI-exit bitmap n */
	{ UINT64_C(0x002000030000201e), 1, { 0, 0 }, { ALL, 0 } }, /* EOI-exit bitmap n */
	{ UINT64_C(0x0020000300002020), 1, { 0, 0 }, { ALL, 0 } }, /* EOI-exit bitmap n */
	{ UINT64_C(0x0020000300002022), 1, { 0, 0 }, { ALL, 0 } }, /* EOI-exit bitmap n */
	{ UINT64_C(0x0020000300002024), 1, { ALL, 0 }, { ALL, 0 } }, /* EPTP-list address */
	{ UINT64_C(0x0020000300002026), 1, { 0, 0 }, { ALL, 0 } }, /* VMREAD-bitmap address */
	{ UINT64_C(0x0020000300002028), 1, { 0, 0 }, { ALL, 0 } }, /* VMWRITE-bitmap address */
	{ UINT64_C(0x002000030000202a), 1, { 0, 0 }, { ALL, 0 } }, /* Virtualization-exception information address */
	{ UINT64_C(0x002000030000202c), 1, { 0, 0 }, { ALL, ALL } }, /* XSS-Exiting Bitmap */
	{ UINT64_C(0x002000030000202e), 1, { 0, 0 }, { ALL, 0 } }, /* ENCLS-Exiting Bitmap */
	{ UINT64_C(0x0020000300002032), 1, { ALL, 0 }, { ALL, ALL } }, /* Time-Stamp Counter Multiplier */
	{ UINT64_C(0x0020000300002034), 1, { 0, 0 }, { ALL, 0x1 } }, /* Tertiary Processor-Based VM-Exection Controls */
	{ UINT64_C(0x0020000300002036), 1, { 0, 0 }, { ALL, 0 } }, /* ENCLV-Exiting Bitmap */
	{ UINT64_C(0x0020000300002038), 1, { 0, 0 }, { ALL, 0 } }, /* low PASID directory address */
	{ UINT64_C(0x002000030000203a), 1, { 0, 0 }, { ALL, 0 } }, /* high PASID directory address */
	{ UINT64_C(0x002000030000203c), 1, { UINT64_C(0xffffffffff000), UINT64_C(0xffffffffff000) }, { ALL, UINT64_C(0xffffffffff000) } }, /* Shared EPTP */
	{ UINT64_C(0x002000030000203e), 1, { 0, 0 }, { ALL, 0 } }, /* PCONFIG-Exiting Bitmap */
	{ UINT64_C(0x0020000300002040), 1, { 0, 0 }, { ALL, 0 } }, /* HLAT pointer */
	{ UINT64_C(0x002000030000204a), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_SPEC_CTRL mask */
	{ UINT64_C(0x002000030000204c), 1, { 0, 0 }, { ALL, 0 } }, /* IA32_SPEC_CTRL shadow */
	{ UINT64_C(0x0020000300002400), 1, { 0, 0 }, { ALL, 0 } }, /* Guest-physical Address */
	{ UINT64_C(0x0020000300002800), 1, { 0, 0 }, { 0, 0 } }, /* VMCS Link Pointer */
	{ UINT64_C(0x0020000300002802), 1, { 0, 0 }, { ALL, 0xffc7 } }, /* IA32_DEBUGCTL */
	{ UINT64_C(0x0020000300002804), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_PAT */
	{ UINT64_C(0x0020000300002806), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_EFER */
	{ UINT64_C(0x0020000300002808), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_PERF_GLOBAL_CTRL */
	{ UINT64_C(0x002000030000280a), 1, { 0, 0 }, { ALL, 0 } }, /* PDPTEn */
	{ UINT64_C(0x002000030000280c), 1, { 0, 0 }, { ALL, 0 } }, /* PDPTEn */
	{ UINT64_C(0x002000030000280e), 1, { 0, 0 }, { ALL, 0 } }, /* PDPTEn */
	{ UINT64_C(0x0020000300002810), 1, { 0, 0 }, { ALL, 0 } }, /* PDPTEn */
	{ UINT64_C(0x0020000300002814), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_RTIT_CTL */
	{ UINT64_C(0x0020000300002816), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_LBR_CTL */
	{ UINT64_C(0x0020000300002818), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_GUEST_PKRS */
	{ UINT64_C(0x0020000200004000), 1, { 0x80, 0x80 }, { ALL, 0x80 } }, /* Pin-Based VM-Exection Controls */
	{ UINT64_C(0x0020000200004002), 1, { 0, 0 }, { ALL, 0x69999a04 } }, /* Primary Processor-Based VM-Exection Controls */
	{ UINT64_C(0x0020000200004004), 1, { 0, 0 }, { ALL, 0xfffbffff } }, /* Exception Bitmap */
	{ UINT64_C(0x0020000200004006), 1, { 0, 0 }, { ALL, ALL } }, /* Page-fault error-code mask */
	{ UINT64_C(0x0020000200004008), 1, { 0, 0 }, { ALL, ALL } }, /* Page-fault error-code match */
	{ UINT64_C(0x002000020000400a), 1, { 0, 0 }, { ALL, ALL } }, /* CR3-Target Count */
	{ UINT64_C(0x002000020000400c), 1, { 0, 0 }, { ALL, 0 } }, /* VM-Exit Controls */
	{ UINT64_C(0x002000020000400e), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit MSR-store count */
	{ UINT64_C(0x0020000200004010), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit MSR-load count */
	{ UINT64_C(0x0020000200004012), 1, { 0, 0 }, { ALL, 0 } }, /* VM-Entry Controls */
	{ UINT64_C(0x0020000200004014), 1, { 0, 0 }, { ALL, 0 } }, /* VM-entry MSR-load count */
	{ UINT64_C(0x0020000200004016), 1, { 0, 0 }, { ALL, 0 } }, /* VM-entry interruption information */
	{ UINT64_C(0x0020000200004018), 1, { 0, 0 }, { ALL, 0 } }, /* VM-entry exception error code */
	{ UINT64_C(0x002000020000401a), 1, { 0, 0 }, { ALL, 0 } }, /* VM-entry instruction length */
	{ UINT64_C(0x002000020000401c), 1, { 0, 0 }, { ALL, 0 } }, /* TPR threshold */
	{ UINT64_C(0x002000020000401e), 1, { 0xc0000000, 0xc0000000 }, { ALL, 0xc0130c04 } }, /* Secondary Processor-Based VM-Exection Controls */
	{ UINT64_C(0x0020000200004020), 1, { ALL, 0 }, { ALL, ALL } }, /* PLE_GAP */
	{ UINT64_C(0x0020000200004022), 1, { ALL, 0 }, { ALL, ALL } }, /* PLE_Window */
	{ UINT64_C(0x0020000200004024), 1, { ALL, ALL }, { ALL, ALL } }, /* Instruction Timeout Control */
	{ UINT64_C(0x0020000200004026), 1, { ALL, 0 }, { ALL, 0 } }, /* TD HKID */
	{ UINT64_C(0x0020000200004400), 1, { 0, 0 }, { ALL, 0 } }, /* VM-instruction error */
	{ UINT64_C(0x0020000200004402), 1, { 0, 0 }, { ALL, 0 } }, /* Exit reason */
	{ UINT64_C(0x0020000200004404), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit interruption information */
	{ UINT64_C(0x0020000200004406), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit interruption error code */
	{ UINT64_C(0x0020000200004408), 1, { 0, 0 }, { ALL, 0 } }, /* IDT-vectoring information */
	{ UINT64_C(0x002000020000440a), 1, { 0, 0 }, { ALL, 0 } }, /* IDT-vectoring error code */
	{ UINT64_C(0x002000020000440c), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit instruction length */
	{ UINT64_C(0x002000020000440e), 1, { 0, 0 }, { ALL, 0 } }, /* VM-exit instruction information */
	{ UINT64_C(0x0020000200004800), 1, { 0, 0 }, { ALL, ALL } }, /* Guest ES limit */
	{ UINT64_C(0x0020000200004802), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CS limit */
	{ UINT64_C(0x0020000200004804), 1, { 0, 0 }, { ALL, ALL } }, /* Guest SS limit */
	{ UINT64_C(0x0020000200004806), 1, { 0, 0 }, { ALL, ALL } }, /* Guest DS limit */
	{ UINT64_C(0x0020000200004808), 1, { 0, 0 }, { ALL, ALL } }, /* Guest FS limit */
	{ UINT64_C(0x002000020000480a), 1, { 0, 0 }, { ALL, ALL } }, /* Guest GS limit */
	{ UINT64_C(0x002000020000480c), 1, { 0, 0 }, { ALL, ALL } }, /* Guest LDTR limit */
	{ UINT64_C(0x002000020000480e), 1, { 0, 0 }, { ALL, ALL } }, /* Guest TR limit */
	{ UINT64_C(0x0020000200004810), 1, { 0, 0 }, { ALL, ALL } }, /* Guest GDTR limit */
	{ UINT64_C(0x0020000200004812), 1, { 0, 0 }, { ALL, ALL } }, /* Guest IDTR limit */
	{ UINT64_C(0x0020000200004814), 1, { 0, 0 }, { ALL, ALL } }, /* Guest ES access rights */
	{ UINT64_C(0x0020000200004816), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CS access rights */
	{ UINT64_C(0x0020000200004818), 1, { 0, 0 }, { ALL, ALL } }, /* Guest SS access rights */
	{ UINT64_C(0x002000020000481a), 1, { 0, 0 }, { ALL, ALL } }, /* Guest DS access rights */
	{ UINT64_C(0x002000020000481c), 1, { 0, 0 }, { ALL, ALL } }, /* Guest FS access rights */
	{ UINT64_C(0x002000020000481e), 1, { 0, 0 }, { ALL, ALL } }, /* Guest GS access rights */
	{ UINT64_C(0x0020000200004820), 1, { 0, 0 }, { ALL, ALL } }, /* Guest LDTR access rights */
	{ UINT64_C(0x0020000200004822), 1, { 0, 0 }, { ALL, ALL } }, /* Guest TR access rights */
	{ UINT64_C(0x0020000200004824), 1, { 0, 0 }, { ALL, ALL } }, /* Interruptibility State */
	{ UINT64_C(0x0020000200004826), 1, { 0, 0 }, { ALL, 0 } }, /* Activity State */
	{ UINT64_C(0x0020000200004828), 1, { 0, 0 }, { 0, 0 } }, /* Guest SMBASE */
	{ UINT64_C(0x002000020000482a), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_SYSENTER_CS */
	{ UINT64_C(0x002000020000482e), 1, { 0, 0 }, { ALL, ALL } }, /* VMX-Preemption Timer Value */
	{ UINT64_C(0x0020000300006004), 1, { 0, 0 }, { ALL, UINT64_C(0xffffffffffffffde) } }, /* CR0 Read Shadow */
	{ UINT64_C(0x0020000300006006), 1, { 0, 0 }, { ALL, UINT64_C(0xffffffffffffffbf) } }, /* CR4 Read Shadow */
	{ UINT64_C(0x0020000300006008), 1, { 0, 0 }, { ALL, ALL } }, /* CR3-Target Values */
	{ UINT64_C(0x002000030000600a), 1, { 0, 0 }, { ALL, ALL } }, /* CR3-Target Values */
	{ UINT64_C(0x002000030000600c), 1, { 0, 0 }, { ALL, ALL } }, /* CR3-Target Values */
	{ UINT64_C(0x002000030000600e), 1, { 0, 0 }, { ALL, ALL } }, /* CR3-Target Values */
	{ UINT64_C(0x0020000300006400), 1, { 0, 0 }, { ALL, 0 } }, /* Exit qualification */
	{ UINT64_C(0x002000030000640a), 1, { 0, 0 }, { ALL, 0 } }, /* Guest-Linear Address */
	{ UINT64_C(0x0020000300006800), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CR0 */
	{ UINT64_C(0x0020000300006802), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CR3 */
	{ UINT64_C(0x0020000300006804), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CR4 */
	{ UINT64_C(0x0020000300006806), 1, { 0, 0 }, { ALL, ALL } }, /* Guest ES base */
	{ UINT64_C(0x0020000300006808), 1, { 0, 0 }, { ALL, ALL } }, /* Guest CS base */
	{ UINT64_C(0x002000030000680a), 1, { 0, 0 }, { ALL, ALL } }, /* Guest SS base */
	{ UINT64_C(0x002000030000680c), 1, { 0, 0 }, { ALL, ALL } }, /* Guest DS base */
	{ UINT64_C(0x002000030000680e), 1, { 0, 0 }, { ALL, ALL } }, /* Guest FS base */
	{ UINT64_C(0x0020000300006810), 1, { 0, 0 }, { ALL, ALL } }, /* Guest GS base */
	{ UINT64_C(0x0020000300006812), 1, { 0, 0 }, { ALL, ALL } }, /* Guest LDTR base */
	{ UINT64_C(0x0020000300006814), 1, { 0, 0 }, { ALL, ALL } }, /* Guest TR base */
	{ UINT64_C(0x0020000300006816), 1, { 0, 0 }, { ALL, ALL } }, /* Guest GDTR base */
	{ UINT64_C(0x0020000300006818), 1, { 0, 0 }, { ALL, ALL } }, /* Guest IDTR base */
	{ UINT64_C(0x002000030000681a), 1, { 0, 0 }, { ALL, ALL } }, /* Guest DR7 */
	{ UINT64_C(0x002000030000681c), 1, { 0, 0 }, { ALL, ALL } }, /* Guest RSP */
	{ UINT64_C(0x002000030000681e), 1, { 0, 0 }, { ALL, ALL } }, /* Guest RIP */
	{ UINT64_C(0x0020000300006820), 1, { 0, 0 }, { ALL, ALL } }, /* Guest RFLAGS */
	{ UINT64_C(0x0020000300006822), 1, { 0, 0 }, { ALL, ALL } }, /* Pending Debug Exceptions */
	{ UINT64_C(0x0020000300006824), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_SYSENTER_ESP */
	{ UINT64_C(0x0020000300006826), 1, { 0, 0 }, { ALL, ALL } }, /* IA32_SYSENTER_EIP */
	{ UINT64_C(0x0020000300006828), 1, { 0, 0 }, { ALL, ALL } }, /* GUEST_IA32_S_CET */
	{ UINT64_C(0x002000030000682a), 1, { 0, 0 }, { ALL, ALL } }, /* GUEST_SSP */
	{ UINT64_C(0x002000030000682c), 1, { 0, 0 }, { ALL, ALL } }, /* GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR */
	{ UINT64_C(0x0020000300006c08), 1, { 0, 0 }, { 0, 0 } }, /* Host GS Base */
	{ UINT64_C(0x0020000300006c14), 1, { 0, 0 }, { 0, 0 } }, /* Host RSP */
	{ UINT64_C(0x0020000300006c16), 1, { 0, 0 }, { 0, 0 } }, /* Host RIP */
	{ UINT64_C(0x0020000300006c1a), 1, { 0, 0 }, { 0, 0 } }, /* HOST_SSP */
};
/* clang-format on */

#endif
