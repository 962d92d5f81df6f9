/*
 * md.h - metadata fields: their ids, who may read and write them, where they live.
 *
 * Invariants
 *   - Tables only: three contexts (module, TD, vCPU), and the fields of a TD VMCS.
 *   - The order of rows is the order in which "next field id" goes.
 *
 * Facts: ABI reference section 7; field ids, element counts and masks of the smaller fields from
 * the published TDX module 1.5.01 (intel/tdx-module, include/auto_gen).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_MD_H
#define TAIN_SOFT_MD_H

#include "tdx/soft/guest.h"

enum md_context { MD_SYS, MD_TD, MD_VP };
enum md_reader { MD_HOST, MD_HOST_DEBUG, MD_GUEST, MD_READERS };

/* Where a field's value is. */
/* clang-format off */
enum md_kind {
	K_ZERO,   /* always zero */
	K_ONES,   /* all ones for each VM of the TD, the nested ones included; else zero */
	K_L2,     /* what nested VMs start from: .off is an enum l2_value; element 0 only */
	K_CONST,  /* .off is the value */
	K_SYS,    /* computed from the module: .off is an enum sys_value */
	K_PROFILE, /* at .off in struct soft_profile, MD_WIDTH bytes of it */
	K_TDR,    /* at .off in struct tdr, elements in a row */
	K_TDCS,   /* likewise */
	K_VP,     /* likewise, struct tdvps */
	K_TDCX_PA, K_TDVPS_PA, K_CPUID, K_MSR_BITMAP, K_SEPT_ROOT, K_MIGSC_LINKS, K_VAPIC, K_XBUFF, K_VMCS,
	K_VCPU_DETAILS, K_X2APIC,
};
/* clang-format on */

#define MD_NONARCH  1 /* bit 63 of the id */
#define MD_IF_SET   2 /* there is no such field where the profile says 0 */
#define MD_TOPOLOGY 4 /* only of versions that let the host choose x2APIC ids */
#define MD_NA_LATER 8 /* bit 63 of the id is set in those versions */

/* .off of K_PROFILE: where in the profile, and how many bytes it has there. */
#define MD_PROFILE(member) \
	(offsetof(struct soft_profile, member) | sizeof(((struct soft_profile *)0)->member) << 16)

struct md_field {
	uint8_t cls;
	uint8_t size; /* 0 to 3: 1 to 8 bytes */
	uint8_t flags;
	uint8_t kind;
	uint16_t n; /* elements */
	uint32_t code;
	uint32_t off;
	struct {
		uint64_t rd, wr;
	} mask[MD_READERS];
};

/* Elements of a field, of which some versions have more than others; 0: no such field. */
unsigned md_elements(const struct soft_module *m, const struct md_field *f);

struct md_table {
	const struct md_field *rows;
	unsigned count;
	enum md_context context;
};

struct md_vmcs {
	uint32_t encoding;
	uint64_t rd, wr, debug_rd, debug_wr;
};

extern const struct md_table md_sys, md_td, md_vp;
extern const struct md_vmcs md_vmcs_fields[];
extern const unsigned md_vmcs_count;

/* What a field is read from or written to. */
struct md_target {
	struct call *c;
	struct td *td;
	struct tdvps *vp;
	enum md_reader reader;
};

#define MD_NULL_MASK BITS64(54, 52)
static inline bool md_is_null(uint64_t id) { return (id | MD_NULL_MASK) == ALL_ONES; }

uint64_t md_first(const struct md_table *t, const struct md_target *x);
/* The next readable field after @id (which exists), or all ones. */
uint64_t md_next(const struct md_table *t, const struct md_target *x, uint64_t id);
tdx_status_t md_read(const struct md_table *t, const struct md_target *x, uint64_t id,
		     uint64_t *value);
tdx_status_t md_write(const struct md_table *t, const struct md_target *x, uint64_t id,
		      uint64_t value, uint64_t mask, uint64_t *old);
/* SYS.RDALL: a metadata list into a page. */
tdx_status_t md_list(const struct md_table *t, const struct md_target *x, uint64_t start,
		     uint64_t *page, uint64_t *next);

/* A VMCS field that holds a physical address which the host gives: all ones until then. */
bool md_vmcs_is_address(uint32_t encoding);

/* md_value.c */
uint64_t md_profile_value(const struct soft_module *m, const struct md_field *f);
uint64_t md_load(const struct md_target *x, const struct md_field *f, unsigned element);
tdx_status_t md_store(const struct md_target *x, const struct md_field *f, unsigned element,
		      uint64_t value);

enum l2_value {
	L2_CR0_MASK,
	L2_CR0_SHADOW,
	L2_CR4_MASK,
	L2_CR4_SHADOW,
	L2_VM_CR0_MASK,
	L2_VM_CR0_SHADOW,
	L2_VM_CR4_SHADOW,
	L2_PIN,
	L2_PI_VECTOR,
	L2_SECONDARY,
};

enum sys_value {
	V_NUM_PKGS,
	V_FMS,
	V_CMR_BASE,
	V_CMR_SIZE,
	V_XFAM_FIXED0,
	V_CPUID_LEAVES,
	V_CPUID_VALUES,
	V_TDCS_BYTES,
	V_TDCS_L2_BYTES,
	V_TDVPS_BYTES,
	V_TDVPS_L2_BYTES,
	V_NUM_CMRS,
	V_NUM_FMS,
	V_ALLOWED_FMS,
	V_SERVTD_FIXED0,
};

#endif
