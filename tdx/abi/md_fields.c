/*
 * md_fields.c - the table of metadata fields. Contract: md_fields.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/abi/md_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* scope, class, code, size code, elements, name */
#define F(scope, cls, code, size, n, name) { #name, code, n, cls, size, MD_SCOPE_##scope }

/* clang-format off */
static const struct md_name fields[] = {
	F(SYS, 0, 0x000, 2, 1, NUM_PKGS), F(SYS, 0, 0x001, 2, 8, PKG_FMS),
	F(SYS, 8, 0x000, 2, 1, VENDOR_ID), F(SYS, 8, 0x001, 2, 1, BUILD_DATE), F(SYS, 8, 0x002, 1, 1, BUILD_NUM),
	F(SYS, 8, 0x003, 1, 1, MINOR_VERSION), F(SYS, 8, 0x004, 1, 1, MAJOR_VERSION),
	F(SYS, 8, 0x005, 1, 1, UPDATE_VERSION), F(SYS, 8, 0x006, 1, 1, INTERNAL_VERSION),
	F(SYS, 9, 0x000, 1, 1, MODULE_HV), F(SYS, 9, 0x001, 1, 1, MIN_UPDATE_HV), F(SYS, 9, 0x002, 0, 1, NO_DOWNGRADE),
	F(SYS, 9, 0x003, 1, 1, NUM_HANDOFF_PAGES), F(SYS, 9, 0x004, 0, 1, HANDOFF_DATA_VALID),
	F(SYS, 9, 0x005, 1, 1, HANDOFF_DATA_HV), F(SYS, 9, 0x006, 2, 1, HANDOFF_DATA_SIZE),
	F(SYS, 10, 0x000, 2, 1, SYS_ATTRIBUTES), F(SYS, 10, 0x001, 0, 1, NUM_TDX_FEATURES),
	F(SYS, 10, 0x008, 3, 1, TDX_FEATURES0),
	F(SYS, 16, 0x000, 1, 1, NUM_CMRS), F(SYS, 16, 0x080, 3, 32, CMR_BASE), F(SYS, 16, 0x100, 3, 32, CMR_SIZE),
	F(SYS, 17, 0x008, 1, 1, MAX_TDMRS), F(SYS, 17, 0x009, 1, 1, MAX_RESERVED_PER_TDMR),
	F(SYS, 17, 0x010, 1, 1, PAMT_4K_ENTRY_SIZE), F(SYS, 17, 0x011, 1, 1, PAMT_2M_ENTRY_SIZE),
	F(SYS, 17, 0x012, 1, 1, PAMT_1G_ENTRY_SIZE), F(SYS, 17, 0x013, 0, 1, PAMT_PAGE_BITMAP_ENTRY_BITS),
	F(SYS, 24, 0x000, 1, 1, TDR_BASE_SIZE), F(SYS, 24, 0x100, 1, 1, TDCS_BASE_SIZE),
	F(SYS, 24, 0x101, 1, 1, TDCS_SIZE_PER_L2_VM), F(SYS, 24, 0x200, 1, 1, TDVPS_BASE_SIZE),
	F(SYS, 24, 0x201, 1, 1, TDVPS_SIZE_PER_L2_VM),
	F(SYS, 25, 0x000, 3, 1, ATTRIBUTES_FIXED0), F(SYS, 25, 0x001, 3, 1, ATTRIBUTES_FIXED1),
	F(SYS, 25, 0x002, 3, 1, XFAM_FIXED0), F(SYS, 25, 0x003, 3, 1, XFAM_FIXED1),
	F(SYS, 25, 0x004, 1, 1, NUM_CPUID_CONFIG), F(SYS, 25, 0x006, 3, 1, CONFIG_FLAGS_FIXED0),
	F(SYS, 25, 0x007, 3, 1, CONFIG_FLAGS_FIXED1), F(SYS, 25, 0x008, 1, 1, MAX_VCPUS_PER_TD),
	F(SYS, 25, 0x400, 3, 32, CPUID_CONFIG_LEAVES), F(SYS, 25, 0x500, 3, 64, CPUID_CONFIG_VALUES),
	F(SYS, 25, 0x600, 3, 1, IA32_ARCH_CAPABILITIES_CONFIG_MASK), F(SYS, 25, 0x800, 1, 1, NUM_ALLOWED_FMS),
	F(SYS, 25, 0x801, 1, 1, NUM_DISALLOWED_FMS), F(SYS, 25, 0x810, 3, 64, ALLOWED_FMS),
	F(SYS, 25, 0x850, 3, 64, DISALLOWED_FMS),
	F(SYS, 32, 0x000, 3, 1, MIG_ATTRIBUTES), F(SYS, 32, 0x001, 1, 1, MIN_EXPORT_VERSION),
	F(SYS, 32, 0x002, 1, 1, MAX_EXPORT_VERSION), F(SYS, 32, 0x003, 1, 1, MIN_IMPORT_VERSION),
	F(SYS, 32, 0x004, 1, 1, MAX_IMPORT_VERSION), F(SYS, 32, 0x010, 1, 1, MAX_MIGS),
	F(SYS, 32, 0x020, 0, 1, NUM_IMMUTABLE_STATE_PAGES), F(SYS, 32, 0x021, 0, 1, NUM_TD_STATE_PAGES),
	F(SYS, 32, 0x022, 0, 1, NUM_VP_STATE_PAGES),
	F(SYS, 33, 0x000, 1, 1, MAX_SERV_TDS), F(SYS, 33, 0x001, 3, 1, SERVTD_ATTR_FIXED0),
	F(SYS, 33, 0x002, 3, 1, SERVTD_ATTR_FIXED1),
	F(SYS, 34, 0x000, 1, 1, VM_TYPES), F(SYS, 34, 0x001, 3, 1, VM_CTLS_FIXED0), F(SYS, 34, 0x002, 3, 1, VM_CTLS_FIXED1),
	F(SYS, 34, 0x003, 3, 1, VM_ATTR_FIXED0), F(SYS, 34, 0x004, 3, 1, VM_ATTR_FIXED1),
	F(SYS, 34, 0x005, 3, 1, L2_CTLS_FIXED0), F(SYS, 34, 0x006, 3, 1, L2_CTLS_FIXED1),

	F(TD, 0, 0x001, 0, 1, FATAL), F(TD, 0, 0x002, 2, 1, NUM_TDCX), F(TD, 0, 0x004, 3, 1, CHLDCNT),
	F(TD, 0, 0x005, 2, 1, LIFECYCLE_STATE), F(TD, 0, 0x010, 3, 16, TDCX_PA), F(TD, 0, 0x020, 3, 4, TD_UUID),
	F(TD, 1, 0x001, 1, 1, HKID), F(TD, 1, 0x002, 3, 1, PKG_CONFIG_BITMAP),
	F(TD, 2, 0x000, 1, 1, HANDOFF_VERSION), F(TD, 2, 0x001, 3, 1, SEAMDB_INDEX), F(TD, 2, 0x002, 3, 4, SEAMDB_NONCE),
	F(TD, 16, 0x001, 2, 1, NUM_VCPUS), F(TD, 16, 0x002, 2, 1, NUM_ASSOC_VCPUS), F(TD, 16, 0x004, 2, 1, OP_STATE),
	F(TD, 16, 0x005, 1, 1, NUM_L2_VMS),
	F(TD, 17, 0x000, 3, 1, ATTRIBUTES), F(TD, 17, 0x001, 3, 1, XFAM), F(TD, 17, 0x002, 2, 1, MAX_VCPUS),
	F(TD, 17, 0x003, 0, 1, GPAW), F(TD, 17, 0x004, 3, 1, EPTP), F(TD, 17, 0x00a, 3, 1, TSC_OFFSET),
	F(TD, 17, 0x00b, 3, 1, TSC_MULTIPLIER), F(TD, 17, 0x00c, 1, 1, TSC_FREQUENCY), F(TD, 17, 0x00d, 3, 1, VIRTUAL_TSC),
	F(TD, 17, 0x00e, 1, 1, NUM_CPUID_VALUES), F(TD, 17, 0x00f, 2, 1, XBUFF_SIZE),
	F(TD, 17, 0x010, 3, 1, NOTIFY_ENABLES), F(TD, 17, 0x011, 3, 1, HP_LOCK_TIMEOUT), F(TD, 17, 0x012, 3, 4, VM_CTLS),
	F(TD, 17, 0x016, 3, 1, CONFIG_FLAGS), F(TD, 17, 0x017, 3, 1, TD_CTLS), F(TD, 17, 0x019, 0, 1, TOPOLOGY_ENUM_CONFIGURED),
	F(TD, 17, 0x080, 0, 80, CPUID_VALID),
	F(TD, 17, 0x800, 2, 19, XBUFF_OFFSETS),
	F(TD, 18, 0x000, 3, 1, TD_EPOCH), F(TD, 18, 0x001, 1, 2, REFCOUNT),
	F(TD, 19, 0x000, 3, 6, MRTD), F(TD, 19, 0x010, 3, 6, MRCONFIGID), F(TD, 19, 0x018, 3, 6, MROWNER),
	F(TD, 19, 0x020, 3, 6, MROWNERCONFIG), F(TD, 19, 0x040, 3, 24, RTMR),
	F(TD, 20, 0x000, 3, 1, CPUID_VALUES),
	F(TD, 22, 0x10a, 3, 1, VIRTUAL_IA32_ARCH_CAPABILITIES), F(TD, 22, 0x480, 3, 1, VIRTUAL_IA32_VMX_BASIC),
	F(TD, 22, 0x485, 3, 1, VIRTUAL_IA32_VMX_MISC), F(TD, 22, 0x486, 3, 1, VIRTUAL_IA32_VMX_CR0_FIXED0),
	F(TD, 22, 0x487, 3, 1, VIRTUAL_IA32_VMX_CR0_FIXED1), F(TD, 22, 0x488, 3, 1, VIRTUAL_IA32_VMX_CR4_FIXED0),
	F(TD, 22, 0x489, 3, 1, VIRTUAL_IA32_VMX_CR4_FIXED1), F(TD, 22, 0x48b, 3, 1, VIRTUAL_IA32_VMX_PROCBASED_CTLS2),
	F(TD, 22, 0x48c, 3, 1, VIRTUAL_IA32_VMX_EPT_VPID_CAP), F(TD, 22, 0x48d, 3, 1, VIRTUAL_IA32_VMX_TRUE_PINBASED_CTLS),
	F(TD, 22, 0x48e, 3, 1, VIRTUAL_IA32_VMX_TRUE_PROCBASED_CTLS), F(TD, 22, 0x48f, 3, 1, VIRTUAL_IA32_VMX_TRUE_EXIT_CTLS),
	F(TD, 22, 0x490, 3, 1, VIRTUAL_IA32_VMX_TRUE_ENTRY_CTLS), F(TD, 22, 0x491, 3, 1, VIRTUAL_IA32_VMX_VMFUNC),
	F(TD, 22, 0x492, 3, 1, VIRTUAL_IA32_VMX_PROCBASED_CTLS3), F(TD, 22, 0x493, 3, 1, VIRTUAL_IA32_VMX_EXIT_CTLS2),
	F(TD, 24, 0x001, 0, 1, MIG_DEC_KEY_SET), F(TD, 24, 0x002, 2, 1, EXPORT_COUNT), F(TD, 24, 0x003, 2, 1, IMPORT_COUNT),
	F(TD, 24, 0x004, 2, 1, MIG_EPOCH), F(TD, 24, 0x005, 3, 1, BW_EPOCH), F(TD, 24, 0x006, 3, 1, TOTAL_MB_COUNT),
	F(TD, 24, 0x010, 3, 4, MIG_DEC_KEY), F(TD, 24, 0x014, 3, 4, MIG_DEC_WORKING_KEY), F(TD, 24, 0x018, 3, 4, MIG_ENC_KEY),
	F(TD, 24, 0x01c, 3, 4, MIG_ENC_WORKING_KEY), F(TD, 24, 0x020, 1, 1, MIG_VERSION),
	F(TD, 24, 0x021, 1, 1, MIG_WORKING_VERSION), F(TD, 24, 0x030, 3, 1, DIRTY_COUNT), F(TD, 24, 0x031, 3, 1, MIG_COUNT),
	F(TD, 24, 0x032, 1, 1, NUM_MIGS), F(TD, 24, 0x034, 2, 1, NUM_MIGRATED_VCPUS), F(TD, 24, 0x040, 3, 4, PREIMPORT_UUID),
	F(TD, 25, 0x000, 3, 6, SERVTD_HASH), F(TD, 25, 0x006, 1, 1, SERVTD_NUM), F(TD, 25, 0x080, 3, 16, SERVTD_BINDINGS_TABLE),
	F(TD, 26, 0x000, 3, 512, MIGSC_LINKS), F(TD, 28, 0x000, 2, 1376, X2APIC_IDS),
	F(TD, 32, 0x000, 3, 512, MSR_BITMAPS), F(TD, 33, 0x000, 3, 512, SEPT_ROOT),

	F(VP, 1, 0x000, 3, 128, VAPIC),
	F(VP, 2, 0x000, 2, 1, VE_EXIT_REASON), F(VP, 2, 0x001, 2, 1, VE_VALID), F(VP, 2, 0x002, 3, 1, VE_EXIT_QUALIFICATION),
	F(VP, 2, 0x003, 3, 1, VE_GLA), F(VP, 2, 0x004, 3, 1, VE_GPA), F(VP, 2, 0x005, 1, 1, VE_EPTP_INDEX),
	F(VP, 2, 0x010, 2, 1, VE_INSTRUCTION_LENGTH), F(VP, 2, 0x011, 2, 1, VE_INSTRUCTION_INFORMATION),
	F(VP, 16, 0x000, 3, 1, RAX), F(VP, 16, 0x001, 3, 1, RCX), F(VP, 16, 0x002, 3, 1, RDX), F(VP, 16, 0x003, 3, 1, RBX),
	F(VP, 16, 0x004, 3, 1, RSP_PLACEHOLDER), F(VP, 16, 0x005, 3, 1, RBP), F(VP, 16, 0x006, 3, 1, RSI),
	F(VP, 16, 0x007, 3, 1, RDI), F(VP, 16, 0x008, 3, 1, R8), F(VP, 16, 0x009, 3, 1, R9), F(VP, 16, 0x00a, 3, 1, R10),
	F(VP, 16, 0x00b, 3, 1, R11), F(VP, 16, 0x00c, 3, 1, R12), F(VP, 16, 0x00d, 3, 1, R13), F(VP, 16, 0x00e, 3, 1, R14),
	F(VP, 16, 0x00f, 3, 1, R15),
	F(VP, 17, 0x000, 3, 1, DR0), F(VP, 17, 0x001, 3, 1, DR1), F(VP, 17, 0x002, 3, 1, DR2), F(VP, 17, 0x003, 3, 1, DR3),
	F(VP, 17, 0x006, 3, 1, DR6), F(VP, 17, 0x020, 3, 1, XCR0), F(VP, 17, 0x028, 3, 1, CR2),
	F(VP, 17, 0x100, 3, 1, VCPU_STATE_DETAILS), F(VP, 18, 0x000, 3, 1536, XBUFF),
	F(VP, 19, 0x048, 3, 1, IA32_SPEC_CTRL), F(VP, 19, 0x0e1, 3, 1, IA32_UMWAIT_CONTROL),
	F(VP, 19, 0x122, 3, 1, IA32_TSX_CTRL), F(VP, 19, 0x186, 3, 8, IA32_PERFEVTSEL), F(VP, 19, 0x1a6, 3, 2, MSR_OFFCORE_RSP),
	F(VP, 19, 0x1c4, 3, 1, IA32_XFD), F(VP, 19, 0x1c5, 3, 1, IA32_XFD_ERR), F(VP, 19, 0x309, 3, 7, IA32_FIXED_CTR),
	F(VP, 19, 0x329, 3, 1, IA32_PERF_METRICS), F(VP, 19, 0x38d, 3, 1, IA32_FIXED_CTR_CTRL),
	F(VP, 19, 0x38e, 3, 1, IA32_PERF_GLOBAL_STATUS), F(VP, 19, 0x3f1, 3, 1, IA32_PEBS_ENABLE),
	F(VP, 19, 0x3f2, 3, 1, MSR_PEBS_DATA_CFG), F(VP, 19, 0x3f6, 3, 1, MSR_PEBS_LD_LAT),
	F(VP, 19, 0x3f7, 3, 1, MSR_PEBS_FRONTEND), F(VP, 19, 0x4c1, 3, 8, IA32_A_PMC), F(VP, 19, 0x600, 3, 1, IA32_DS_AREA),
	F(VP, 19, 0xda0, 3, 1, IA32_XSS), F(VP, 19, 0x14cf, 3, 1, IA32_LBR_DEPTH), F(VP, 19, 0x1b01, 3, 1, IA32_UARCH_MISC_CTL),
	F(VP, 19, 0x2081, 3, 1, IA32_STAR), F(VP, 19, 0x2082, 3, 1, IA32_LSTAR), F(VP, 19, 0x2084, 3, 1, IA32_FMASK),
	F(VP, 19, 0x2102, 3, 1, IA32_KERNEL_GS_BASE), F(VP, 19, 0x2103, 3, 1, IA32_TSC_AUX),
	F(VP, 32, 0x000, 0, 1, VCPU_STATE), F(VP, 32, 0x002, 2, 1, VCPU_INDEX), F(VP, 32, 0x003, 0, 1, NUM_TDVPS_PAGES),
	F(VP, 32, 0x004, 2, 1, ASSOC_LPID), F(VP, 32, 0x006, 3, 1, VCPU_EPOCH), F(VP, 32, 0x007, 0, 1, CPUID_SUPERVISOR_VE),
	F(VP, 32, 0x008, 0, 1, CPUID_USER_VE), F(VP, 32, 0x00a, 3, 1, LAST_EXIT_TSC), F(VP, 32, 0x00b, 0, 1, PEND_NMI),
	F(VP, 32, 0x00c, 3, 1, XFAM), F(VP, 32, 0x00d, 0, 1, LAST_EPF_GPA_LIST_IDX), F(VP, 32, 0x00e, 0, 1, POSSIBLY_EPF_STEPPING),
	F(VP, 32, 0x00f, 0, 1, LAST_TD_EXIT), F(VP, 32, 0x010, 3, 32, TDVPS_PAGE_PA), F(VP, 32, 0x030, 3, 1, HP_LOCK_BUSY_START),
	F(VP, 32, 0x031, 0, 1, HP_LOCK_BUSY), F(VP, 32, 0x032, 3, 1, LAST_SEAMDB_INDEX),
	F(VP, 32, 0x040, 0, 1, NMI_UNBLOCKING_DUE_TO_IRET), F(VP, 32, 0x041, 1, 1, CURR_VM), F(VP, 32, 0x042, 0, 1, PREV_VM),
	F(VP, 32, 0x044, 0, 4, VM_LAUNCHED), F(VP, 32, 0x048, 0, 4, LP_DEPENDENT_HPA_UPDATED),
	F(VP, 32, 0x04c, 0, 4, MODULE_DEPENDENT_FIELDS_UPDATED), F(VP, 32, 0x050, 3, 4, L2_CTLS),
	F(VP, 32, 0x054, 3, 4, L2_DEBUG_CTLS), F(VP, 32, 0x058, 3, 4, TSC_DEADLINE), F(VP, 32, 0x05c, 3, 4, SHADOW_TSC_DEADLINE),
	F(VP, 32, 0x080, 3, 1, BASE_L2_CR0_GUEST_HOST_MASK), F(VP, 32, 0x081, 3, 1, BASE_L2_CR0_READ_SHADOW),
	F(VP, 32, 0x082, 3, 1, BASE_L2_CR4_GUEST_HOST_MASK), F(VP, 32, 0x083, 3, 1, BASE_L2_CR4_READ_SHADOW),
	F(VP, 32, 0x084, 3, 4, SHADOW_CR0_GUEST_HOST_MASK), F(VP, 32, 0x088, 3, 4, SHADOW_CR0_READ_SHADOW),
	F(VP, 32, 0x08c, 3, 4, SHADOW_CR4_GUEST_HOST_MASK), F(VP, 32, 0x090, 3, 4, SHADOW_CR4_READ_SHADOW),
	F(VP, 32, 0x094, 2, 4, SHADOW_NOTIFY_WINDOW), F(VP, 32, 0x098, 3, 4, SHADOW_PID_HPA),
	F(VP, 32, 0x09c, 2, 4, SHADOW_PINBASED_EXEC_CTLS), F(VP, 32, 0x0a4, 2, 4, SHADOW_PLE_GAP),
	F(VP, 32, 0x0a8, 2, 4, SHADOW_PLE_WINDOW), F(VP, 32, 0x0ac, 1, 4, SHADOW_POSTED_INT_NOTIFICATION_VECTOR),
	F(VP, 32, 0x0b0, 2, 4, SHADOW_PROCBASED_EXEC_CTLS2), F(VP, 32, 0x0b4, 3, 4, SHADOW_SHARED_EPTP),
	F(VP, 32, 0x100, 3, 4, L2_ENTER_GUEST_STATE_GPA), F(VP, 32, 0x104, 3, 4, L2_ENTER_GUEST_STATE_HPA),
	F(VP, 32, 0x108, 3, 4, VE_INFO_GPA), F(VP, 32, 0x10c, 3, 4, VE_INFO_HPA), F(VP, 32, 0x110, 3, 4, L2_VAPIC_GPA),
	F(VP, 32, 0x114, 3, 4, L2_VAPIC_HPA), F(VP, 33, 0x000, 0, 128, CPUID_CONTROL),
	F(VP, 34, 0x200, 3, 32, LAST_EPF_GPA_LIST),
};
/* clang-format on */

const struct md_name *md_field(enum md_scope scope, unsigned nth)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].scope == scope && nth-- == 0)
			return &fields[i];
	return NULL;
}

/* Any case; @n characters of @text. */
static bool is_named(const struct md_name *f, const char *text, size_t n)
{
	if (strlen(f->name) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		if (c != f->name[i])
			return false;
	}
	return true;
}

/* "[7]", "[7.0]", "[7.0][1]": leaf, sub-leaf, half. */
static int cpuid_element(const char *text, unsigned *element)
{
	unsigned long long leaf, sub = MD_NO_SUBLEAF, half = 0;
	char *end;

	leaf = strtoull(text + 1, &end, 0);
	if (end == text + 1 || leaf > UINT32_MAX || (leaf & 0x7fffff80))
		return -EINVAL;
	if (*end == '.') {
		sub = strtoull(text = end + 1, &end, 0);
		if (end == text || sub > 0x7f)
			return -EINVAL;
	}
	if (*end++ != ']')
		return -EINVAL;
	if (*end == '[') {
		half = strtoull(text = end + 1, &end, 0);
		if (end == text || half > 1 || *end++ != ']')
			return -EINVAL;
	}
	*element = md_cpuid_element((uint32_t)leaf, (uint32_t)sub, (unsigned)half);
	return *end ? -EINVAL : 0;
}

/* "[N]", or nothing. */
static int array_element(const char *text, unsigned elements, unsigned *element)
{
	unsigned long long index;
	char *end;

	index = strtoull(text + 1, &end, 0);
	if (end == text + 1 || strcmp(end, "]") != 0 || index >= elements)
		return -EINVAL;
	*element = (unsigned)index;
	return 0;
}

int md_field_by_name(enum md_scope scope, const char *text, const struct md_name **field,
		     unsigned *element)
{
	size_t n = strcspn(text, "[");

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct md_name *f = &fields[i];

		if (f->scope != scope || !is_named(f, text, n))
			continue;
		*field = f;
		*element = 0;
		if (!text[n])
			return 0;
		return md_is_cpuid_values(f) ? cpuid_element(text + n, element)
					     : array_element(text + n, f->elements, element);
	}
	return -EINVAL;
}
