/*
 * layout.h - structures in memory that the host, the TDX module and the guest share.
 *
 * Invariants
 *   - Little-endian, offsets asserted; every reserved byte is named so that it can be checked.
 *   - Nothing here says how many of a thing a module has: that is metadata (tdx/abi/metadata.h).
 *
 * Facts: TDX module 1.5 ABI, "Interface: ABI reference, data types".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_LAYOUT_H
#define TAIN_TDX_ABI_LAYOUT_H

#include "kernel/base/types.h"

/* ATTRIBUTES of a TD. X(bit, config name) for those that a 1.5 module may offer. */
/* clang-format off */
#define TD_ATTRIBUTE_TABLE(X) \
	X(0, DEBUG, "debug") X(4, HGS_PLUS_PROF, "hgs-plus-prof") X(5, PERF_PROF, "perf-prof") \
	X(6, PMT_PROF, "pmt-prof") X(16, ICSSD, "icssd") X(27, LASS, "lass") \
	X(28, SEPT_VE_DISABLE, "sept-ve-disable") X(29, MIGRATABLE, "migratable") X(30, PKS, "pks") \
	X(31, KL, "kl") X(62, TPA, "tpa") X(63, PERFMON, "perfmon")
/* clang-format on */
#define X(bit, name, text) static const uint64_t TD_ATTR_##name = BIT64(bit);
TD_ATTRIBUTE_TABLE(X)
#undef X

/* CONFIG_FLAGS */
#define TD_FLAG_GPAW                BIT64(0) /* SHARED is bit 51; needs a 5-level EPT */
#define TD_FLAG_FLEXIBLE_PENDING_VE BIT64(1)
#define TD_FLAG_NO_RBP_MOD          BIT64(2)
#define TD_FLAG_MAXPA_VIRT          BIT64(3) /* later modules */
#define TD_FLAG_MAXGPA_VIRT         BIT64(4) /* later modules */

/* EPTP_CONTROLS: memory type and walk length. */
#define TD_EPTP_WB        UINT64_C(6)
#define TD_EPTP_LEVELS(n) ((uint64_t)((n)-1) << 3)

/* XFAM: bits of XCR0 and IA32_XSS. */
#define TD_XFAM_X87    BIT64(0)
#define TD_XFAM_SSE    BIT64(1)
#define TD_XFAM_AVX    BIT64(2)
#define TD_XFAM_AVX512 BITS64(7, 5) /* all three or none, and only with AVX */
#define TD_XFAM_PT     BIT64(8)
#define TD_XFAM_PKRU   BIT64(9)
#define TD_XFAM_CET    BITS64(12, 11) /* both or none */
#define TD_XFAM_UINTR  BIT64(14)
#define TD_XFAM_LBR    BIT64(15)
#define TD_XFAM_AMX    BITS64(18, 17) /* both or none */

struct tdx_cpuid_value {
	uint32_t eax, ebx, ecx, edx;
};

#define TD_PARAMS_ALIGN     1024
#define TD_PARAMS_CPUID_MAX 48

struct td_params {
	uint64_t attributes;
	uint64_t xfam;
	uint16_t max_vcpus;
	uint8_t num_l2_vms;
	uint8_t msr_config_ctls; /* bit 0: arch_capabilities is valid */
	uint32_t rsvd0;
	uint64_t eptp_controls;
	uint64_t config_flags;
	uint16_t tsc_frequency; /* units of 25 MHz, 4 to 400 */
	uint8_t rsvd1[38];
	uint8_t mrconfigid[48];
	uint8_t mrowner[48];
	uint8_t mrownerconfig[48];
	uint64_t arch_capabilities;
	uint8_t rsvd2[24];
	struct tdx_cpuid_value cpuid[TD_PARAMS_CPUID_MAX]; /* order of CPUID_CONFIG_LEAVES */
};
_Static_assert(sizeof(struct td_params) == 1024, "TD_PARAMS is 1024 bytes");
_Static_assert(offsetof(struct td_params, config_flags) == 32, "TD_PARAMS layout");
_Static_assert(offsetof(struct td_params, mrconfigid) == 80, "TD_PARAMS layout");
_Static_assert(offsetof(struct td_params, arch_capabilities) == 224, "TD_PARAMS layout");
_Static_assert(offsetof(struct td_params, cpuid) == 256, "TD_PARAMS layout");
#define TSC_FREQUENCY_UNIT_HZ UINT64_C(25000000)
#define TSC_FREQUENCY_MIN     4
#define TSC_FREQUENCY_MAX     400

#define TDSYSINFO_ALIGN 1024

struct tdx_cpuid_config {
	uint32_t leaf, subleaf;
	struct tdx_cpuid_value mask;
};

struct tdsysinfo {
	uint32_t attributes; /* bit 31: debug module */
	uint32_t vendor_id;
	uint32_t build_date; /* yyyymmdd */
	uint16_t build_num, minor_version, major_version;
	uint8_t sys_rd; /* 1: TDH.SYS.RD exists */
	uint8_t rsvd0[13];
	uint16_t max_tdmrs, max_reserved_per_tdmr, pamt_entry_size;
	uint8_t rsvd1[10];
	uint16_t tdcs_base_size;
	uint8_t rsvd2[2];
	uint16_t tdvps_base_size;
	uint8_t tdvps_xfam_dependent_size;
	uint8_t rsvd3[9];
	uint64_t attributes_fixed0, attributes_fixed1, xfam_fixed0, xfam_fixed1;
	uint8_t rsvd4[32];
	uint32_t num_cpuid_config;
	struct tdx_cpuid_config cpuid_config[37];
	uint8_t rsvd5[4];
} PACKED;
_Static_assert(sizeof(struct tdsysinfo) == 1024, "TDSYSINFO is 1024 bytes");
_Static_assert(offsetof(struct tdsysinfo, max_tdmrs) == 32, "TDSYSINFO layout");
_Static_assert(offsetof(struct tdsysinfo, tdcs_base_size) == 48, "TDSYSINFO layout");
_Static_assert(offsetof(struct tdsysinfo, tdvps_base_size) == 52, "TDSYSINFO layout");
_Static_assert(offsetof(struct tdsysinfo, attributes_fixed0) == 64, "TDSYSINFO layout");
_Static_assert(offsetof(struct tdsysinfo, num_cpuid_config) == 128, "TDSYSINFO layout");
_Static_assert(offsetof(struct tdsysinfo, cpuid_config) == 132, "TDSYSINFO layout");

#define CMR_INFO_ALIGN 512
#define CMR_INFO_COUNT 32 /* entries of the array that SYS.INFO fills */

struct cmr_info {
	uint64_t base, size; /* size 0: unused */
};

#define TDMR_INFO_ALIGN        512
#define TDMR_INFO_RESERVED_MAX 16 /* what the structure can hold; a module may take fewer */

struct tdmr_reserved {
	uint64_t offset, size; /* from the TDMR's base; size 0: unused */
};

/* PAMT levels as SYS.CONFIG's status details count them. */
enum pamt_level { PAMT_4K, PAMT_2M, PAMT_1G, PAMT_LEVELS };

struct tdmr_info {
	uint64_t base, size;
	uint64_t pamt_1g_base, pamt_1g_size;
	uint64_t pamt_2m_base, pamt_2m_size;
	uint64_t pamt_4k_base, pamt_4k_size;
	struct tdmr_reserved reserved[TDMR_INFO_RESERVED_MAX];
	uint8_t pad[192];
};
_Static_assert(sizeof(struct tdmr_info) == 512, "one TDMR_INFO per 512 bytes");
_Static_assert(offsetof(struct tdmr_info, reserved) == 64, "TDMR_INFO layout");

/* Page types in RDMD and RECLAIM outputs and in the PAMT. X(number, name) */
/* clang-format off */
#define PAMT_TYPE_TABLE(X) \
	X(0, NDA) X(1, RSVD) X(3, REG) X(4, TDR) X(5, TDCX) X(6, TDVPR) X(8, EPT) \
	X(15, PAMT)
/* clang-format on */
enum pamt_type {
#define X(number, name) PT_##name = number,
	PAMT_TYPE_TABLE(X)
#undef X
};
const char *pamt_type_name(unsigned type);

#define TDX_HASH_BYTES 48

struct td_info_struct {
	uint64_t attributes, xfam;
	uint8_t mrtd[TDX_HASH_BYTES], mrconfigid[TDX_HASH_BYTES];
	uint8_t mrowner[TDX_HASH_BYTES], mrownerconfig[TDX_HASH_BYTES];
	uint8_t rtmr[4][TDX_HASH_BYTES];
	uint8_t servtd_hash[TDX_HASH_BYTES];
	uint8_t rsvd[64];
};
_Static_assert(sizeof(struct td_info_struct) == 512, "TDINFO is 512 bytes");

struct tee_tcb_info {
	uint64_t valid;
	uint8_t tee_tcb_svn[16];
	uint8_t mrseam[TDX_HASH_BYTES], mrsignerseam[TDX_HASH_BYTES];
	uint64_t attributes;
	uint8_t rsvd[111];
} PACKED;
_Static_assert(sizeof(struct tee_tcb_info) == 239, "TEE_TCB_INFO is 239 bytes");

struct report_mac_struct {
	uint8_t type, subtype, version, rsvd0;
	uint8_t rsvd1[12];
	uint8_t cpusvn[16];
	uint8_t tee_tcb_info_hash[TDX_HASH_BYTES], tee_info_hash[TDX_HASH_BYTES];
	uint8_t report_data[64];
	uint8_t rsvd2[32];
	uint8_t mac[32];
};
_Static_assert(sizeof(struct report_mac_struct) == 256, "REPORTMACSTRUCT is 256 bytes");

#define TDREPORT_ALIGN 1024
#define TDREPORT_TYPE  0x81

struct tdreport {
	struct report_mac_struct mac;
	struct tee_tcb_info tcb;
	uint8_t rsvd[17];
	struct td_info_struct td;
} PACKED;
_Static_assert(sizeof(struct tdreport) == 1024, "TDREPORT is 1024 bytes");
_Static_assert(offsetof(struct tdreport, td) == 0x200, "TDREPORT layout");

/* What TDH.MEM.PAGE.ADD and TDH.MR.EXTEND put into the MRTD's running SHA-384. */
#define MR_RECORD_BYTES 128
#define MR_CHUNK_BYTES  256

struct mr_record {
	char name[16]; /* "MEM.PAGE.ADD" or "MR.EXTEND", zero padded */
	uint64_t gpa;
	uint8_t zero[104];
};
_Static_assert(sizeof(struct mr_record) == MR_RECORD_BYTES, "measurement records are 128 bytes");

#endif
