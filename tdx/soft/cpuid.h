/*
 * cpuid.h - CPUID as the module checks it and as guests see it.
 *
 * Invariants
 *   - A guest's values are made once, by TDH.MNG.INIT, from the table; only bits that follow guest
 *     state (OSXSAVE, the APIC id, ...) are made at the exit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_CPUID_H
#define TAIN_SOFT_CPUID_H

#include "tdx/soft/module.h"

#define CPUID_ANY_SUB  UINT32_C(0xffffffff)
#define CPUID_MAX_BASE 0x23

/* Rows by name. */
/* clang-format off */
enum {
	ROW_1 = 0, ROW_4_0 = 1, ROW_4_3 = 4, ROW_7_0 = 5, ROW_7_1 = 6, ROW_A = 7, ROW_1C = 8, ROW_80000008 = 9,
	ROW_0 = 10, ROW_7_2 = 14, ROW_D_0 = 16, ROW_D_1 = 17, ROW_D_2 = 18, ROW_14_0 = 39, ROW_14_1 = 40,
	ROW_15 = 41, ROW_19 = 42, ROW_1D_0 = 43, ROW_1D_1 = 44, ROW_1E = 45, ROW_1F_0 = 46, ROW_1F_5 = 51, ROW_80000000 = 54,
	ROW_80000001 = 55, ROW_23_0 = 59, ROW_B_0 = 64, ROW_B_1 = 65, ROW_B_2 = 66, ROW_23_3 = 62, ROW_5 = 63,
};
/* clang-format on */

struct cpuid_row {
	uint32_t leaf, sub;
	uint32_t verify[4], value[4]; /* SYS.INIT */
	uint32_t same[4];             /* LP.INIT */
	uint32_t fixed1[4], fixed0[4];
	uint32_t allow[4], direct[4];
	bool faults; /* #VE in the guest */
};

struct cpuid_xfam {
	uint8_t row;
	uint32_t xfam;
	uint32_t bits[4];
};

/* A row that a later version has otherwise. */
struct cpuid_patch {
	uint8_t row;
	struct cpuid_row now;
};

extern const struct cpuid_row cpuid_rows[CPUID_ROWS];
#define CPUID_PATCHES_1_5_05 7
#define CPUID_PATCHES_2_0    10
extern const struct cpuid_patch cpuid_patches_1_5_05[CPUID_PATCHES_1_5_05];
extern const struct cpuid_patch cpuid_patches_2_0[CPUID_PATCHES_2_0];
extern const struct cpuid_xfam cpuid_xfam[];
extern const unsigned cpuid_xfam_count;

/* Row @i of this module's version. */
const struct cpuid_row *cpuid_row(const struct soft_module *m, unsigned i);

/* The row of leaf and sub-leaf, or -1. */
int cpuid_row_of(const struct soft_module *m, uint32_t leaf, uint32_t sub);

/* The machine's CPUID, zero beyond its maximum. @guest: as a guest may rely on it. */
void cpuid_native(const struct call *c, uint32_t leaf, uint32_t sub, bool guest, uint32_t out[4]);
uint64_t cpuid_row_id(unsigned row); /* leaf | sub-leaf << 32, as RCX shows it */

/* Family, model and stepping values that a migratable TD may be given (SYS.RD: ALLOWED_FMS). */
unsigned cpuid_fms_count(const struct call *c);
uint32_t cpuid_fms_entry(const struct call *c, unsigned i);

tdx_status_t cpuid_check(struct call *c);   /* SYS.INIT's */
tdx_status_t cpuid_compare(struct call *c); /* LP.INIT's */

/* TDH.MNG.INIT: CPUID_CONFIG @config (@count entries of four words) into the TD's values. */
tdx_status_t cpuid_configure(struct call *c, struct tdcs *t, const uint32_t (*config)[4]);

/* Leaf 1F of a guest that is to have a topology of its own, once CPUID_CONFIG is in @t. */
tdx_status_t topology_configure(struct call *c, struct tdcs *t);
bool topology_row(unsigned row); /* one of leaf 1F or 0B */

#endif
