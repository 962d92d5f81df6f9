/*
 * seamldr.h - the P-SEAMLDR's interface: what INFO, SEAMINFO and INSTALL read and write, what a module
 * file looks like, and the statuses.
 *
 * Invariants
 *   - Layouts are asserted; all numbers in them have the least significant byte first.
 *
 * Facts: "SEAM Loader (SEAMLDR) Interface Specification"; the layouts of signature structure and sysinfo
 * table as Intel's published P-SEAMLDR has them; module files as Linux 7.2 and the module's binary
 * repository have them (blob_structure.txt).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_SEAMLDR_H
#define TAIN_TDX_ABI_SEAMLDR_H

#include "kernel/base/types.h"

/* X(value, NAME): in RAX; all but 0 are errors. */
/* clang-format off */
#define SEAMLDR_STATUS_TABLE(X) \
	X(0x0000000000000000, OK) \
	X(0x8000000000000000, EBADPARAM) \
	X(0x8000000000000003, EBADCALL) \
	X(0x8000000000000004, EBADHANDOFF) \
	X(0x8000000000010002, ENOMEM) \
	X(0x8000000000010003, EUNSPECERR) \
	X(0x8000000000010004, EUNSUPCPU) \
	X(0x8000000000020000, EBADSIG) \
	X(0x8000000000020001, EBADHASH) \
	X(0x8000000000030000, EINTERRUPT) \
	X(0x8000000000030001, ENOENTROPY)
/* clang-format on */
#define X(value, name) static const uint64_t SEAMLDR_##name = UINT64_C(value);
SEAMLDR_STATUS_TABLE(X)
#undef X

/* RDX after a failed INSTALL: the module before this one is gone. */
#define SEAMLDR_UNRECOVERABLE 1

/* Alignments of RCX. */
#define SEAMLDR_INFO_ALIGN     256
#define SEAMLDR_SEAMINFO_ALIGN 2048

/* What SEAMLDR.INFO writes. */
struct seamldr_info {
	uint32_t version, attributes, vendor, build_date;
	uint16_t build_num, minor, major, update;
	uint32_t acm_apic_id, updates_left;
	uint64_t seam_extend_valid;
	uint8_t tee_tcb_svn[16], mrseam[48], mrsigner[48];
	uint64_t module_attributes;
	uint8_t seam_ready, seam_under_debug, p_seamldr_ready;
	uint8_t reserved[93];
} PACKED;
_Static_assert(sizeof(struct seamldr_info) == 256, "SEAMLDR.INFO writes 256 bytes");
_Static_assert(offsetof(struct seamldr_info, seam_ready) == 160, "as the interface lays it out");
#define SEAMLDR_DEBUG BIT32(31) /* of attributes */

/* What SEAMLDR.SEAMINFO writes: the first 2 KiB of MCHECK's table. Only the start is used here. */
struct seamldr_seaminfo {
	uint64_t version;
	uint32_t lps, packages;
	uint8_t rest[2032];
} PACKED;
_Static_assert(sizeof(struct seamldr_seaminfo) == 2048, "SEAMLDR.SEAMINFO writes 2 KiB");

/* What SEAMLDR.INSTALL reads. */
#define SEAMLDR_MODULE_PAGES 496u
enum seamldr_scenario { SEAMLDR_LOAD = 0, SEAMLDR_UPDATE = 1 };
struct seamldr_params {
	uint32_t version, scenario;
	uint64_t sigstruct;
	uint8_t reserved[104];
	uint64_t pages;
	uint64_t page[SEAMLDR_MODULE_PAGES];
} PACKED;
_Static_assert(sizeof(struct seamldr_params) == 4096, "one page");
_Static_assert(offsetof(struct seamldr_params, pages) == 120, "as the interface lays it out");

/* What Intel signs: bytes 0 to 127 and from seamhash on; the signature covers both together. */
#define SIGSTRUCT_HEADER_TYPE   6
#define SIGSTRUCT_HEADER_DWORDS 0xe1
#define SIGSTRUCT_VERSION       0x10000
#define SIGSTRUCT_VENDOR        0x8086
#define SIGSTRUCT_DWORDS        0x200
#define SIGSTRUCT_KEY_DWORDS    0x60
#define SIGSTRUCT_EXPONENT      0x10001
#define SIGSTRUCT_DEBUG         BIT32(31) /* of module_type */
#define SIGSTRUCT_CPUS          255u
struct seam_sigstruct {
	uint32_t header_type, header_length, header_version, module_type;
	uint32_t vendor, date, size, key_size, modulus_size, exponent_size;
	uint8_t reserved0[88];
	uint8_t modulus[384];
	uint32_t exponent;
	uint8_t signature[384];
	uint8_t seamhash[48];
	uint16_t seamsvn;
	uint64_t attributes;
	uint32_t rip_offset;
	uint8_t stack_pages, tls_pages;
	uint16_t keyhole_pages, global_data_pages, max_tdmrs, max_reserved;
	uint16_t pamt_entry[3];
	uint8_t reserved1[6];
	uint16_t module_hv, min_update_hv;
	uint8_t no_downgrade, reserved2;
	uint16_t handoff_pages;
	uint8_t reserved3[32];
	uint32_t cpu_count;
	uint32_t cpu[SIGSTRUCT_CPUS]; /* CPUID 1 EAX; the stepping does not count */
} PACKED;
_Static_assert(sizeof(struct seam_sigstruct) == 2048, "2 KiB");
_Static_assert(offsetof(struct seam_sigstruct, modulus) == 128, "end of the header");
_Static_assert(offsetof(struct seam_sigstruct, seamhash) == 900, "start of the body");
_Static_assert(offsetof(struct seam_sigstruct, module_hv) == 984, "as the interface lays it out");
_Static_assert(offsetof(struct seam_sigstruct, cpu_count) == 1024, "as the interface lays it out");
#define SIGSTRUCT_HEADER_BYTES offsetof(struct seam_sigstruct, modulus)
#define SIGSTRUCT_BODY         offsetof(struct seam_sigstruct, seamhash)
#define SIGSTRUCT_STEPPING     UINT32_C(0xf)

/* Files: a header page, the signature structure in whole pages, the module. */
#define TDX_BLOB_MAGIC "TDX-BLOB"
#define TDX_BLOB_V1    0x100
#define TDX_BLOB_V2    0x200
struct tdx_blob_v1 {
	uint16_t version, checksum;
	uint32_t module_offset;
	uint8_t magic[8];
	uint32_t length, reserved0;
	uint8_t reserved1[4072];
} PACKED;
struct tdx_blob_v2 {
	uint16_t version, checksum;
	uint8_t magic[8];
	uint32_t sigstruct_pages, module_pages;
	uint8_t reserved[4076];
} PACKED;
_Static_assert(sizeof(struct tdx_blob_v1) == 4096 && sizeof(struct tdx_blob_v2) == 4096, "a page");

#endif
