/*
 * md_vmcs.c - which fields of a TD VMCS the host may read and write, for a production and for a
 * debug TD.
 *
 * Invariants
 *   - Ascending by encoding: looked up by halving.
 *
 * Facts: ABI reference section 7.4, "TD VMCS fields".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/md.h"

#define ALL ALL_ONES

/* clang-format off */
const struct md_vmcs md_vmcs_fields[] = {
	{ 0x0000, 0, 0, ALL, 0 }, /* VPID */
	{ 0x0002, ALL, ALL, ALL, ALL }, /* Posted-interrupt notification vector */
	{ 0x0004, 0, 0, ALL, 0 }, /* EPTP index */
	{ 0x0006, 0, 0, ALL, 0 }, /* HLAT prefix size */
	{ 0x0800, 0, 0, ALL, ALL }, /* Guest ES selector */
	{ 0x0802, 0, 0, ALL, ALL }, /* Guest CS selector */
	{ 0x0804, 0, 0, ALL, ALL }, /* Guest SS selector */
	{ 0x0806, 0, 0, ALL, ALL }, /* Guest DS selector */
	{ 0x0808, 0, 0, ALL, ALL }, /* Guest FS selector */
	{ 0x080a, 0, 0, ALL, ALL }, /* Guest GS selector */
	{ 0x080c, 0, 0, ALL, ALL }, /* Guest LDTR selector */
	{ 0x080e, 0, 0, ALL, ALL }, /* Guest TR selector */
	{ 0x0810, 0, 0, ALL, ALL }, /* Guest Interrupt Status */
	{ 0x0812, 0, 0, ALL, ALL }, /* PML Index */
	{ 0x0814, 0, 0, ALL, ALL }, /* Guest UINV */
	{ 0x2004, ALL, 0, ALL, 0 }, /* MSR-Bitmap Address */
	{ 0x2006, 0, 0, ALL, 0 }, /* VM-exit MSR-store address */
	{ 0x2008, 0, 0, ALL, 0 }, /* VM-exit MSR-load address */
	{ 0x200a, 0, 0, ALL, 0 }, /* VM-entry MSR-load address */
	{ 0x200c, 0, 0, 0, 0 }, /* Executive-VMCS Pointer */
	{ 0x200e, ALL, 0, ALL, UINT64_C(0xfffffffffffff000) }, /* PML address */
	{ 0x2010, ALL, 0, ALL, ALL }, /* Time-Stamp Counter Offset */
	{ 0x2012, 0, 0, 0, 0 }, /* Virtual-APIC address */
	{ 0x2014, 0, 0, ALL, 0 }, /* APIC-access address */
	{ 0x2016, ALL, UINT64_C(0xffffffffffffffc0), ALL, UINT64_C(0xffffffffffffffc0) }, /* Posted-interrupt descriptor address */
	{ 0x2018, ALL, 0, ALL, 0 }, /* VM-Function Controls */
	{ 0x201a, ALL, 0, ALL, 0 }, /* EPTP */
	{ 0x201c, 0, 0, ALL, 0 }, /* EOI-exit bitmap n */
	{ 0x201e, 0, 0, ALL, 0 }, /* EOI-exit bitmap n */
	{ 0x2020, 0, 0, ALL, 0 }, /* EOI-exit bitmap n */
	{ 0x2022, 0, 0, ALL, 0 }, /* EOI-exit bitmap n */
	{ 0x2024, ALL, 0, ALL, 0 }, /* EPTP-list address */
	{ 0x2026, 0, 0, ALL, 0 }, /* VMREAD-bitmap address */
	{ 0x2028, 0, 0, ALL, 0 }, /* VMWRITE-bitmap address */
	{ 0x202a, 0, 0, ALL, 0 }, /* Virtualization-exception information address */
	{ 0x202c, 0, 0, ALL, ALL }, /* XSS-Exiting Bitmap */
	{ 0x202e, 0, 0, ALL, 0 }, /* ENCLS-Exiting Bitmap */
	{ 0x2032, ALL, 0, ALL, ALL }, /* Time-Stamp Counter Multiplier */
	{ 0x2034, 0, 0, ALL, 0x1 }, /* Tertiary Processor-Based VM-Exection Controls */
	{ 0x2036, 0, 0, ALL, 0 }, /* ENCLV-Exiting Bitmap */
	{ 0x2038, 0, 0, ALL, 0 }, /* low PASID directory address */
	{ 0x203a, 0, 0, ALL, 0 }, /* high PASID directory address */
	{ 0x203c, UINT64_C(0xffffffffff000), UINT64_C(0xffffffffff000), ALL, UINT64_C(0xffffffffff000) }, /* Shared EPTP */
	{ 0x203e, 0, 0, ALL, 0 }, /* PCONFIG-Exiting Bitmap */
	{ 0x2040, 0, 0, ALL, 0 }, /* HLAT pointer */
	{ 0x204a, 0, 0, ALL, 0 }, /* IA32_SPEC_CTRL mask */
	{ 0x204c, 0, 0, ALL, 0 }, /* IA32_SPEC_CTRL shadow */
	{ 0x2400, 0, 0, ALL, 0 }, /* Guest-physical Address */
	{ 0x2800, 0, 0, 0, 0 }, /* VMCS Link Pointer */
	{ 0x2802, 0, 0, ALL, 0xffc7 }, /* IA32_DEBUGCTL */
	{ 0x2804, 0, 0, ALL, ALL }, /* IA32_PAT */
	{ 0x2806, 0, 0, ALL, ALL }, /* IA32_EFER */
	{ 0x2808, 0, 0, ALL, ALL }, /* IA32_PERF_GLOBAL_CTRL */
	{ 0x280a, 0, 0, ALL, 0 }, /* PDPTEn */
	{ 0x280c, 0, 0, ALL, 0 }, /* PDPTEn */
	{ 0x280e, 0, 0, ALL, 0 }, /* PDPTEn */
	{ 0x2810, 0, 0, ALL, 0 }, /* PDPTEn */
	{ 0x2814, 0, 0, ALL, ALL }, /* IA32_RTIT_CTL */
	{ 0x2816, 0, 0, ALL, ALL }, /* IA32_LBR_CTL */
	{ 0x2818, 0, 0, ALL, ALL }, /* IA32_GUEST_PKRS */
	{ 0x4000, 0x80, 0x80, ALL, 0x80 }, /* Pin-Based VM-Exection Controls */
	{ 0x4002, 0, 0, ALL, 0x69999a04 }, /* Primary Processor-Based VM-Exection Controls */
	{ 0x4004, 0, 0, ALL, 0xfffbffff }, /* Exception Bitmap */
	{ 0x4006, 0, 0, ALL, ALL }, /* Page-fault error-code mask */
	{ 0x4008, 0, 0, ALL, ALL }, /* Page-fault error-code match */
	{ 0x400a, 0, 0, ALL, ALL }, /* CR3-Target Count */
	{ 0x400c, 0, 0, ALL, 0 }, /* VM-Exit Controls */
	{ 0x400e, 0, 0, ALL, 0 }, /* VM-exit MSR-store count */
	{ 0x4010, 0, 0, ALL, 0 }, /* VM-exit MSR-load count */
	{ 0x4012, 0, 0, ALL, 0 }, /* VM-Entry Controls */
	{ 0x4014, 0, 0, ALL, 0 }, /* VM-entry MSR-load count */
	{ 0x4016, 0, 0, ALL, 0 }, /* VM-entry interruption information */
	{ 0x4018, 0, 0, ALL, 0 }, /* VM-entry exception error code */
	{ 0x401a, 0, 0, ALL, 0 }, /* VM-entry instruction length */
	{ 0x401c, 0, 0, ALL, 0 }, /* TPR threshold */
	{ 0x401e, 0xc0000000, 0xc0000000, ALL, 0xc0130c04 }, /* Secondary Processor-Based VM-Exection Controls */
	{ 0x4020, ALL, 0, ALL, ALL }, /* PLE_GAP */
	{ 0x4022, ALL, 0, ALL, ALL }, /* PLE_Window */
	{ 0x4024, ALL, ALL, ALL, ALL }, /* Instruction Timeout Control */
	{ 0x4026, ALL, 0, ALL, 0 }, /* TD HKID */
	{ 0x4400, 0, 0, ALL, 0 }, /* VM-instruction error */
	{ 0x4402, 0, 0, ALL, 0 }, /* Exit reason */
	{ 0x4404, 0, 0, ALL, 0 }, /* VM-exit interruption information */
	{ 0x4406, 0, 0, ALL, 0 }, /* VM-exit interruption error code */
	{ 0x4408, 0, 0, ALL, 0 }, /* IDT-vectoring information */
	{ 0x440a, 0, 0, ALL, 0 }, /* IDT-vectoring error code */
	{ 0x440c, 0, 0, ALL, 0 }, /* VM-exit instruction length */
	{ 0x440e, 0, 0, ALL, 0 }, /* VM-exit instruction information */
	{ 0x4800, 0, 0, ALL, ALL }, /* Guest ES limit */
	{ 0x4802, 0, 0, ALL, ALL }, /* Guest CS limit */
	{ 0x4804, 0, 0, ALL, ALL }, /* Guest SS limit */
	{ 0x4806, 0, 0, ALL, ALL }, /* Guest DS limit */
	{ 0x4808, 0, 0, ALL, ALL }, /* Guest FS limit */
	{ 0x480a, 0, 0, ALL, ALL }, /* Guest GS limit */
	{ 0x480c, 0, 0, ALL, ALL }, /* Guest LDTR limit */
	{ 0x480e, 0, 0, ALL, ALL }, /* Guest TR limit */
	{ 0x4810, 0, 0, ALL, ALL }, /* Guest GDTR limit */
	{ 0x4812, 0, 0, ALL, ALL }, /* Guest IDTR limit */
	{ 0x4814, 0, 0, ALL, ALL }, /* Guest ES access rights */
	{ 0x4816, 0, 0, ALL, ALL }, /* Guest CS access rights */
	{ 0x4818, 0, 0, ALL, ALL }, /* Guest SS access rights */
	{ 0x481a, 0, 0, ALL, ALL }, /* Guest DS access rights */
	{ 0x481c, 0, 0, ALL, ALL }, /* Guest FS access rights */
	{ 0x481e, 0, 0, ALL, ALL }, /* Guest GS access rights */
	{ 0x4820, 0, 0, ALL, ALL }, /* Guest LDTR access rights */
	{ 0x4822, 0, 0, ALL, ALL }, /* Guest TR access rights */
	{ 0x4824, 0, 0, ALL, ALL }, /* Interruptibility State */
	{ 0x4826, 0, 0, ALL, 0 }, /* Activity State */
	{ 0x4828, 0, 0, 0, 0 }, /* Guest SMBASE */
	{ 0x482a, 0, 0, ALL, ALL }, /* IA32_SYSENTER_CS */
	{ 0x482e, 0, 0, ALL, ALL }, /* VMX-Preemption Timer Value */
	{ 0x6000, 0, 0, ALL, ALL }, /* CR0 guest/host mask */
	{ 0x6002, 0, 0, ALL, ALL }, /* CR4 guest/host mask */
	{ 0x6004, 0, 0, ALL, UINT64_C(0xffffffffffffffde) }, /* CR0 Read Shadow */
	{ 0x6006, 0, 0, ALL, UINT64_C(0xffffffffffffffbf) }, /* CR4 Read Shadow */
	{ 0x6008, 0, 0, ALL, ALL }, /* CR3-Target Values */
	{ 0x600a, 0, 0, ALL, ALL }, /* CR3-Target Values */
	{ 0x600c, 0, 0, ALL, ALL }, /* CR3-Target Values */
	{ 0x600e, 0, 0, ALL, ALL }, /* CR3-Target Values */
	{ 0x6400, 0, 0, ALL, 0 }, /* Exit qualification */
	{ 0x640a, 0, 0, ALL, 0 }, /* Guest-Linear Address */
	{ 0x6800, 0, 0, ALL, ALL }, /* Guest CR0 */
	{ 0x6802, 0, 0, ALL, ALL }, /* Guest CR3 */
	{ 0x6804, 0, 0, ALL, ALL }, /* Guest CR4 */
	{ 0x6806, 0, 0, ALL, ALL }, /* Guest ES base */
	{ 0x6808, 0, 0, ALL, ALL }, /* Guest CS base */
	{ 0x680a, 0, 0, ALL, ALL }, /* Guest SS base */
	{ 0x680c, 0, 0, ALL, ALL }, /* Guest DS base */
	{ 0x680e, 0, 0, ALL, ALL }, /* Guest FS base */
	{ 0x6810, 0, 0, ALL, ALL }, /* Guest GS base */
	{ 0x6812, 0, 0, ALL, ALL }, /* Guest LDTR base */
	{ 0x6814, 0, 0, ALL, ALL }, /* Guest TR base */
	{ 0x6816, 0, 0, ALL, ALL }, /* Guest GDTR base */
	{ 0x6818, 0, 0, ALL, ALL }, /* Guest IDTR base */
	{ 0x681a, 0, 0, ALL, ALL }, /* Guest DR7 */
	{ 0x681c, 0, 0, ALL, ALL }, /* Guest RSP */
	{ 0x681e, 0, 0, ALL, ALL }, /* Guest RIP */
	{ 0x6820, 0, 0, ALL, ALL }, /* Guest RFLAGS */
	{ 0x6822, 0, 0, ALL, ALL }, /* Pending Debug Exceptions */
	{ 0x6824, 0, 0, ALL, ALL }, /* IA32_SYSENTER_ESP */
	{ 0x6826, 0, 0, ALL, ALL }, /* IA32_SYSENTER_EIP */
	{ 0x6828, 0, 0, ALL, ALL }, /* GUEST_IA32_S_CET */
	{ 0x682a, 0, 0, ALL, ALL }, /* GUEST_SSP */
	{ 0x682c, 0, 0, ALL, ALL }, /* GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR */
	{ 0x6c08, 0, 0, 0, 0 }, /* Host GS Base */
	{ 0x6c14, 0, 0, 0, 0 }, /* Host RSP */
	{ 0x6c16, 0, 0, 0, 0 }, /* Host RIP */
	{ 0x6c1a, 0, 0, 0, 0 }, /* HOST_SSP */
};
/* clang-format on */
const unsigned md_vmcs_count = ARRAY_LEN(md_vmcs_fields);

bool md_vmcs_is_address(uint32_t encoding)
{
	return encoding == F_SHARED_EPTP || encoding == F_PI_DESC || encoding == F_PML_ADDR;
}
