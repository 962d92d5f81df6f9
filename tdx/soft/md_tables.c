/*
 * md_tables.c - the metadata fields of the module, a TD and a vCPU.
 *
 * Invariants
 *   - One row a field; masks for the host (production TD), the host (debug TD) and the guest.
 *
 * Facts: ABI reference sections 7.3 and 7.4, guest ABI reference section 1.4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"
#include "tdx/soft/md.h"

#define A  ALL_ONES
#define NA MD_NONARCH

/* Masks: production read, write; debug read, write; guest read, write. */
#define RR                                   \
	{                                    \
		{ A, 0 }, { A, 0 }, { 0, 0 } \
	}
#define RRG                                  \
	{                                    \
		{ A, 0 }, { A, 0 }, { A, 0 } \
	}
#define XR                                   \
	{                                    \
		{ 0, 0 }, { A, 0 }, { 0, 0 } \
	}
#define XRG                                  \
	{                                    \
		{ 0, 0 }, { A, 0 }, { A, 0 } \
	}
#define XRW                                  \
	{                                    \
		{ 0, 0 }, { A, A }, { 0, 0 } \
	}
#define XX                                   \
	{                                    \
		{ 0, 0 }, { 0, 0 }, { 0, 0 } \
	}

#define CONST(cl, cd, sz, fl, v, m)              \
	{                                        \
		cl, sz, fl, K_CONST, 1, cd, v, m \
	}
#define SYSV(cl, cd, sz, fl, n, v, m)          \
	{                                      \
		cl, sz, fl, K_SYS, n, cd, v, m \
	}
#define PROF(cl, cd, sz, fl, member, m)                          \
	{                                                        \
		cl, sz, fl, K_PROFILE, 1, cd, MD_PROFILE(member), m \
	}
#define TDR(cl, cd, sz, fl, n, f, m)                                 \
	{                                                            \
		cl, sz, fl, K_TDR, n, cd, offsetof(struct tdr, f), m \
	}
#define TDCS(cl, cd, sz, fl, n, f, m)                                  \
	{                                                              \
		cl, sz, fl, K_TDCS, n, cd, offsetof(struct tdcs, f), m \
	}
#define VP(cl, cd, sz, fl, n, f, m)                                   \
	{                                                             \
		cl, sz, fl, K_VP, n, cd, offsetof(struct tdvps, f), m \
	}
#define ZERO(cl, cd, sz, fl, n, m)              \
	{                                       \
		cl, sz, fl, K_ZERO, n, cd, 0, m \
	}
#define L2(cd, sz, what)                          \
	{                                         \
		32, sz, NA, K_L2, 4, cd, what, XR \
	}
#define L2_BASE(cd, what, wr)                                   \
	{                                                       \
		32, 3, NA, K_L2, 1, cd, what,                   \
		{                                               \
			{ 0, 0 }, { A, UINT64_C(wr) }, { 0, 0 } \
		}                                               \
	}
#define KIND(cl, cd, sz, fl, n, k, m)      \
	{                                  \
		cl, sz, fl, k, n, cd, 0, m \
	}

/* clang-format off */
static const struct md_field sys_rows[] = {
	SYSV(0, 0, 2, 0, 1, V_NUM_PKGS, RR), SYSV(0, 1, 2, 0, 8, V_FMS, RR),
	CONST(8, 0, 2, 0, 0x8086, RRG), PROF(8, 1, 2, NA, build_date, RR), PROF(8, 2, 1, NA, build_num, RR),
	PROF(8, 3, 1, 0, minor, RRG), PROF(8, 4, 1, 0, major, RRG), PROF(8, 5, 1, 0, update, RR), CONST(8, 6, 1, 0, 0, RR),
	PROF(9, 0, 1, NA, handoff_version, RR), PROF(9, 1, 1, NA, handoff_oldest, RR),
	PROF(9, 2, 0, NA, no_downgrade, RR), PROF(9, 3, 1, NA, handoff_pages, RR), CONST(9, 4, 0, NA, 0, RR), CONST(9, 5, 1, NA, 0, RR), CONST(9, 6, 2, NA, 0, RR),
	CONST(10, 0, 2, 0, 0, RRG), CONST(10, 1, 0, 0, 1, RRG), PROF(10, 8, 3, 0, features0, RRG),
	SYSV(16, 0, 1, NA, 1, V_NUM_CMRS, RR), SYSV(16, 0x80, 3, NA, SOFT_MAX_CMRS, V_CMR_BASE, RR),
	SYSV(16, 0x100, 3, NA, SOFT_MAX_CMRS, V_CMR_SIZE, RR),
	PROF(17, 8, 1, NA, max_tdmrs, RR), PROF(17, 9, 1, NA, max_reserved, RR),
	PROF(17, 0x10, 1, NA, pamt_entry_bytes[0], RR), PROF(17, 0x11, 1, NA, pamt_entry_bytes[1], RR),
	PROF(17, 0x12, 1, NA, pamt_entry_bytes[2], RR), PROF(17, 0x13, 0, NA | MD_IF_SET, pamt_bitmap_bits, RR),
	CONST(24, 0, 1, NA, 4096, RR), SYSV(24, 0x100, 1, NA, 1, V_TDCS_BYTES, RR), SYSV(24, 0x101, 1, NA, 1, V_TDCS_L2_BYTES, RR),
	SYSV(24, 0x200, 1, NA, 1, V_TDVPS_BYTES, RR), SYSV(24, 0x201, 1, NA, 1, V_TDVPS_L2_BYTES, RR),
	PROF(25, 0, 3, 0, attributes_fixed0, RR), PROF(25, 1, 3, 0, attributes_fixed1, RR), SYSV(25, 2, 3, 0, 1, V_XFAM_FIXED0, RR),
	PROF(25, 3, 3, 0, xfam_fixed1, RR), PROF(25, 4, 1, NA, config_count, RR), PROF(25, 6, 3, NA, flags_fixed0, RR),
	PROF(25, 7, 3, NA, flags_fixed1, RR), PROF(25, 8, 1, NA | MD_IF_SET, max_vcpus, RR), SYSV(25, 0x400, 3, NA, 32, V_CPUID_LEAVES, RR),
	SYSV(25, 0x500, 3, NA, 64, V_CPUID_VALUES, RR), PROF(25, 0x600, 3, NA, arch_cap, RR),
	SYSV(25, 0x800, 1, NA, 1, V_NUM_FMS, RR), CONST(25, 0x801, 1, NA, 0, RR),
	SYSV(25, 0x810, 3, NA, 64, V_ALLOWED_FMS, RR), ZERO(25, 0x850, 3, NA, 64, RR),
	/* migration, service TDs, nested VMs: sizes and limits */
	ZERO(32, 0, 3, NA, 1, RRG), ZERO(32, 1, 1, 0, 1, RRG), ZERO(32, 2, 1, 0, 1, RRG), ZERO(32, 3, 1, 0, 1, RRG),
	ZERO(32, 4, 1, 0, 1, RRG), CONST(32, 0x10, 1, NA, 512, RR), CONST(32, 0x20, 0, NA, 3, RR),
	CONST(32, 0x21, 0, NA, 2, RR), CONST(32, 0x22, 0, NA, 5, RR), CONST(33, 0, 1, NA, 1, RR),
	SYSV(33, 1, 3, NA, 1, V_SERVTD_FIXED0, RR), ZERO(33, 2, 3, NA, 1, RR), CONST(34, 0, 1, NA, 0x807f, RRG),
	CONST(34, 1, 3, NA, 1, RR), ZERO(34, 2, 3, NA, 1, RR), CONST(34, 3, 3, NA, 3, RR), ZERO(34, 4, 3, NA, 1, RR),
	CONST(34, 5, 3, NA, 7, RR), ZERO(34, 6, 3, NA, 1, RR),
};

static const struct md_field td_rows[] = {
	TDR(0, 1, 0, NA, 1, fatal, RR), TDR(0, 2, 2, NA, 1, num_tdcx, RR), TDR(0, 4, 3, NA, 1, chldcnt, RR),
	TDR(0, 5, 2, NA, 1, lifecycle, RR), KIND(0, 0x10, 3, NA, 9, K_TDCX_PA, RR), TDR(0, 0x20, 3, NA, 4, uuid, RRG),
	TDR(1, 1, 1, NA, 1, hkid, RR), TDR(1, 2, 3, NA, 1, pkg_bitmap, RR),
	ZERO(2, 0, 1, NA, 1, RR), TDR(2, 1, 3, NA, 1, seamdb_index, RR), TDR(2, 2, 3, NA, 4, seamdb_nonce, XX),
	TDCS(16, 1, 2, NA, 1, num_vcpus, RRG), TDCS(16, 2, 2, NA, 1, num_assoc_vcpus, RR),
	TDCS(16, 4, 2, NA, 1, op_state, RR), TDCS(16, 5, 1, NA, 1, num_l2, RRG),
	TDCS(17, 0, 3, 0, 1, attributes, RRG), TDCS(17, 1, 3, 0, 1, xfam, RRG), TDCS(17, 2, 2, 0, 1, max_vcpus, RRG),
	TDCS(17, 3, 0, 0, 1, gpaw, RRG), TDCS(17, 4, 3, 0, 1, eptp, RR), TDCS(17, 0xa, 3, 0, 1, tsc_offset, RR),
	TDCS(17, 0xb, 3, 0, 1, tsc_multiplier, RR), TDCS(17, 0xc, 1, 0, 1, tsc_frequency, RRG),
	TDCS(17, 0xd, 3, 0, 1, virtual_tsc, XX), PROF(17, 0xe, 1, NA, cpuid_rows, RR),
	TDCS(17, 0xf, 2, NA, 1, xbuff_size, RR),
	{ 17, 3, NA, K_TDCS, 1, 0x10, offsetof(struct tdcs, notify_enables), { { 0, 0 }, { A, 1 }, { 1, 1 } } },
	{ 17, 3, NA, K_TDCS, 1, 0x11, offsetof(struct tdcs, hp_lock_timeout), { { A, A }, { A, A }, { 0, 0 } } },
	{ 17, 3, NA, K_TDCS, 4, 0x12, offsetof(struct tdcs, vm_ctls), { { A, 1 }, { A, 1 }, { 0, 0 } } },
	TDCS(17, 0x16, 3, MD_NA_LATER, 1, config_flags, RRG),
	{ 17, 3, MD_NA_LATER, K_TDCS, 1, 0x17, offsetof(struct tdcs, td_ctls), { { 0, 0 }, { A, 0 }, { A, 3 } } },
	TDCS(17, 0x19, 0, NA | MD_TOPOLOGY, 1, topology_configured, RRG),
	TDCS(17, 0x80, 0, NA, 80, cpuid_valid, XR), TDCS(17, 0x800, 2, NA, 19, xbuff_offsets, RR),
	TDCS(18, 0, 3, NA, 1, epoch.td_epoch, RR), TDCS(18, 1, 1, NA, 2, epoch.refcount, RR),
	TDCS(19, 0, 3, 0, 6, mrtd, RRG), TDCS(19, 0x10, 3, 0, 6, mrconfigid, RRG), TDCS(19, 0x18, 3, 0, 6, mrowner, RRG),
	TDCS(19, 0x20, 3, 0, 6, mrownerconfig, RRG), TDCS(19, 0x40, 3, 0, 24, rtmr, XRG),
	KIND(20, 0, 3, NA, 1, K_CPUID, RR),
	TDCS(22, 0x10a, 3, NA, 1, vmsr[0], XR), TDCS(22, 0x480, 3, NA, 1, vmsr[1], XR), TDCS(22, 0x485, 3, NA, 1, vmsr[6], XR),
	TDCS(22, 0x486, 3, NA, 1, vmsr[7], XR), TDCS(22, 0x487, 3, NA, 1, vmsr[8], XR), TDCS(22, 0x488, 3, NA, 1, vmsr[9], XR),
	TDCS(22, 0x489, 3, NA, 1, vmsr[10], XR), TDCS(22, 0x48b, 3, NA, 1, vmsr[12], XR), TDCS(22, 0x48c, 3, NA, 1, vmsr[13], XR),
	TDCS(22, 0x48d, 3, NA, 1, vmsr[14], XR), TDCS(22, 0x48e, 3, NA, 1, vmsr[15], XR), TDCS(22, 0x48f, 3, NA, 1, vmsr[16], XR),
	TDCS(22, 0x490, 3, NA, 1, vmsr[17], XR), TDCS(22, 0x491, 3, NA, 1, vmsr[18], XR), TDCS(22, 0x492, 3, NA, 1, vmsr[19], XR),
	TDCS(22, 0x493, 3, NA, 1, vmsr[20], XR),
	/* migration: never under way */
	ZERO(24, 1, 0, NA, 1, RR), ZERO(24, 2, 2, NA, 1, RR), ZERO(24, 3, 2, NA, 1, RR), ZERO(24, 4, 2, NA, 1, RR),
	ZERO(24, 5, 3, NA, 1, RR), ZERO(24, 6, 3, NA, 1, RR), ZERO(24, 0x10, 3, NA, 4, XR), ZERO(24, 0x14, 3, NA, 4, XR),
	TDCS(24, 0x18, 3, NA, 4, mig_key, XR), ZERO(24, 0x1c, 3, NA, 4, XR), ZERO(24, 0x20, 1, NA, 1, RR),
	ZERO(24, 0x21, 1, NA, 1, RR), ZERO(24, 0x30, 3, NA, 1, RR), ZERO(24, 0x31, 3, NA, 1, RR),
	TDCS(24, 0x32, 1, NA, 1, num_migsc, RR), ZERO(24, 0x34, 2, NA, 1, RR), ZERO(24, 0x40, 3, NA, 4, RRG),
	TDCS(25, 0, 3, NA, 6, servtd_hash, RRG), TDCS(25, 6, 1, NA, 1, servtd_num, RRG), TDCS(25, 0x80, 3, NA, 16, servtd, RRG),
	KIND(26, 0, 3, NA, 512, K_MIGSC_LINKS, RR), KIND(28, 0, 2, NA | MD_TOPOLOGY, 1, K_X2APIC, RR),
	KIND(32, 0, 3, 0, 512, K_MSR_BITMAP, XR), KIND(33, 0, 3, 0, 512, K_SEPT_ROOT, XR),
};

static const struct md_field vp_rows[] = {
	KIND(0, 0, 0, 0, 1, K_VMCS, XX), /* by md_vmcs_fields */
	KIND(1, 0, 3, 0, 128, K_VAPIC, XR),
	VP(2, 0, 2, 0, 1, v.ve.reason, XR), VP(2, 1, 2, 0, 1, v.ve.valid, XR), VP(2, 2, 3, 0, 1, v.ve.qualification, XR),
	VP(2, 3, 3, 0, 1, v.ve.gla, XR), VP(2, 4, 3, 0, 1, v.ve.gpa, XR), VP(2, 5, 1, 0, 1, v.ve.eptp_index, XR),
	VP(2, 0x10, 2, NA, 1, v.ve.instr_len, XR), VP(2, 0x11, 2, NA, 1, v.ve.instr_info, XR),
	VP(16, 0, 3, 0, 4, v.gpr.rax, XRW), VP(16, 4, 3, 0, 1, v.gpr.rsp, XX), VP(16, 5, 3, 0, 11, v.gpr.rbp, XRW),
	VP(17, 0, 3, 0, 4, v.dr, XRW),
	{ 17, 3, 0, K_VP, 1, 6, offsetof(struct tdvps, v.dr6), { { 0, 0 }, { A, 0xffffffff }, { 0, 0 } } },
	VP(17, 0x20, 3, 0, 1, v.xcr0, XR), VP(17, 0x28, 3, 0, 1, v.cr2, XRW),
	KIND(17, 0x100, 3, NA, 1, K_VCPU_DETAILS, RR),
	KIND(18, 0, 3, 0, 1536, K_XBUFF, XRW),
	VP(19, 0x48, 3, 0, 1, v.msr.spec_ctrl, XRW), VP(19, 0xe1, 3, 0, 1, v.msr.umwait_control, XRW),
	VP(19, 0x122, 3, 0, 1, v.msr.tsx_ctrl, XRW), VP(19, 0x186, 3, 0, 8, perf[0], XRW), VP(19, 0x1a6, 3, 0, 2, perf[8], XRW),
	VP(19, 0x1c4, 3, 0, 1, v.msr.xfd, XR), VP(19, 0x1c5, 3, 0, 1, v.msr.xfd_err, XR), VP(19, 0x309, 3, 0, 7, perf[10], XRW),
	VP(19, 0x329, 3, 0, 1, perf[17], XRW), VP(19, 0x38d, 3, 0, 1, perf[18], XRW), ZERO(19, 0x38e, 3, 0, 1, XR),
	VP(19, 0x3f1, 3, 0, 1, perf[19], XRW), VP(19, 0x3f2, 3, 0, 1, perf[20], XRW), VP(19, 0x3f6, 3, 0, 1, perf[21], XRW),
	VP(19, 0x3f7, 3, 0, 1, perf[22], XRW), VP(19, 0x4c1, 3, 0, 8, perf[23], XRW), VP(19, 0x600, 3, 0, 1, v.msr.ds_area, XRW),
	VP(19, 0xda0, 3, 0, 1, v.xss, XR), VP(19, 0x14cf, 3, 0, 1, perf[31], XRW), VP(19, 0x1b01, 3, 0, 1, v.msr.uarch_misc, XRW),
	VP(19, 0x2081, 3, 0, 1, v.msr.star, XR), VP(19, 0x2082, 3, 0, 1, v.msr.lstar, XR),
	VP(19, 0x2084, 3, 0, 1, v.msr.fmask, XR), VP(19, 0x2102, 3, 0, 1, v.msr.kernel_gs_base, XR),
	VP(19, 0x2103, 3, 0, 1, v.msr.tsc_aux, XRW),
	VP(32, 0, 0, NA, 1, state, XR), VP(32, 2, 2, NA, 1, v.index, RRG), VP(32, 3, 0, NA, 1, num_pages, RR),
	VP(32, 4, 2, NA, 1, assoc_lpid, RR), VP(32, 6, 3, NA, 1, epoch, RR),
	{ 32, 0, NA, K_VP, 1, 7, offsetof(struct tdvps, cpuid_supervisor_ve), { { A, 0 }, { A, 0 }, { A, A } } },
	{ 32, 0, NA, K_VP, 1, 8, offsetof(struct tdvps, cpuid_user_ve), { { A, 0 }, { A, 0 }, { A, A } } },
	VP(32, 0xa, 3, NA, 1, last_exit_tsc, XR),
	{ 32, 0, 0, K_VP, 1, 0xb, offsetof(struct tdvps, pend_nmi), { { A, A }, { A, A }, { 0, 0 } } },
	{ 32, 3, 0, K_VP, 1, 0xc, offsetof(struct tdvps, v.xfam), { { A, 0 }, { A, A }, { 0, 0 } } },
	VP(32, 0xd, 0, NA, 1, epf_idx, XR), VP(32, 0xe, 0, NA, 1, epf_count, XR), VP(32, 0xf, 0, NA, 1, last_td_exit, XR),
	KIND(32, 0x10, 3, NA, 15, K_TDVPS_PA, RR), VP(32, 0x30, 3, NA, 1, hp_busy_start, XR),
	VP(32, 0x31, 0, NA, 1, hp_busy, XR), CONST(32, 0x32, 3, NA, 1, XR), VP(32, 0x40, 0, NA, 1, nmi_unblock, XR),
	ZERO(32, 0x41, 1, NA, 1, XR), ZERO(32, 0x42, 0, NA, 1, XR), ZERO(32, 0x44, 0, NA, 4, XR), ZERO(32, 0x48, 0, NA, 4, XR),
	ZERO(32, 0x4c, 0, NA, 4, XR),
	/* nested VMs, of which there are none: what they would start from */
	{ 32, 3, NA, K_VP, 4, 0x50, offsetof(struct tdvps, l2_ctls), { { 0, 0 }, { A, 7 }, { A, 7 } } },
	{ 32, 3, NA, K_VP, 4, 0x54, offsetof(struct tdvps, l2_debug_ctls), { { 0, 0 }, { A, 7 }, { 0, 0 } } },
	{ 32, 3, NA, K_VP, 4, 0x58, offsetof(struct tdvps, tsc_deadline), { { 0, 0 }, { A, 0 }, { A, A } } },
	ZERO(32, 0x5c, 3, NA, 4, XR), L2_BASE(0x80, L2_CR0_MASK, 0xffffffff9fffffdf),
	L2_BASE(0x81, L2_CR0_SHADOW, 0xffffffff9fffffdf), L2_BASE(0x82, L2_CR4_MASK, 0xffffffffffff9fbf),
	L2_BASE(0x83, L2_CR4_SHADOW, 0xffffffff9fffffdf), L2(0x84, 3, L2_VM_CR0_MASK), L2(0x88, 3, L2_VM_CR0_SHADOW),
	L2(0x8c, 3, L2_CR4_MASK), L2(0x90, 3, L2_VM_CR4_SHADOW), ZERO(32, 0x94, 2, NA, 4, XR),
	KIND(32, 0x98, 3, NA, 4, K_ONES, XR), L2(0x9c, 2, L2_PIN), ZERO(32, 0xa4, 2, NA, 4, XR),
	ZERO(32, 0xa8, 2, NA, 4, XR), L2(0xac, 1, L2_PI_VECTOR), L2(0xb0, 2, L2_SECONDARY),
	KIND(32, 0xb4, 3, NA, 4, K_ONES, XR), KIND(32, 0x100, 3, NA, 4, K_ONES, XR), KIND(32, 0x104, 3, NA, 4, K_ONES, XR),
	ZERO(32, 0x108, 3, NA, 4, XR), ZERO(32, 0x10c, 3, NA, 4, XR), KIND(32, 0x110, 3, NA, 4, K_ONES, XR),
	KIND(32, 0x114, 3, NA, 4, K_ONES, XR),
	{ 33, 0, NA, K_VP, 128, 0, offsetof(struct tdvps, cpuid_control), { { 0, 0 }, { A, 0 }, { A, 3 } } },
	VP(34, 0x200, 3, NA, 32, epf_gpa, XR),
};
/* clang-format on */

const struct md_table md_sys = { sys_rows, ARRAY_LEN(sys_rows), MD_SYS };
const struct md_table md_td = { td_rows, ARRAY_LEN(td_rows), MD_TD };
const struct md_table md_vp = { vp_rows, ARRAY_LEN(vp_rows), MD_VP };
