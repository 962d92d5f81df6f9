/*
 * guest.h - the guest side of the module: one stay of a vCPU in the guest, its exits and TDCALLs.
 *
 * Invariants
 *   - A handler decides one of three things: resume the guest, inject an event and resume, or leave
 *     to the host with a status; it has then filled the host's registers.
 *   - RIP moves past an instruction only when that instruction is done.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_GUEST_H
#define TAIN_SOFT_GUEST_H

#include "tdx/soft/module.h"

enum guest_next { RESUME, LEAVE };

#define VMCALL_XMM_SHIFT 16 /* TDVMCALL's mask: bits 15:0 are GPRs, 31:16 are XMM registers */

struct guest {
	struct call *c;
	struct td td;
	struct tdvps *vp;
	struct soft_exit x;
	bool injected;       /* an event waits in the entry fields */
	tdx_status_t status; /* for the host, when leaving */
};

/* VMCS fields (SDM appendix "Field Encoding in VMCS"). */
/* clang-format off */
enum vmcs_field {
	F_VPID = 0x0, F_PI_VECTOR = 0x2, F_INT_STATUS = 0x810, F_MSR_BITMAP = 0x2004, F_PML_ADDR = 0x200e,
	F_TSC_OFFSET = 0x2010, F_VAPIC = 0x2012, F_PI_DESC = 0x2016, F_VMFUNC = 0x2018, F_EPTP = 0x201a,
	F_EPTP_LIST = 0x2024, F_VE_INFO = 0x202a, F_XSS_BITMAP = 0x202c, F_ENCLS = 0x202e,
	F_TSC_MULT = 0x2032, F_TERTIARY = 0x2034, F_ENCLV = 0x2036, F_SHARED_EPTP = 0x203c,
	F_PCONFIG_BITMAP = 0x203e, F_SPEC_MASK = 0x204a, F_SPEC_SHADOW = 0x204c, F_LINK = 0x2800,
	F_DEBUGCTL = 0x2802, F_PAT = 0x2804, F_EFER = 0x2806, F_PERF_GLOBAL = 0x2808, F_PIN = 0x4000,
	F_PRIMARY = 0x4002, F_EXCEPTIONS = 0x4004, F_EXIT_CTLS = 0x400c, F_ENTRY_CTLS = 0x4012,
	F_ENTRY_INTR = 0x4016, F_ENTRY_ERROR = 0x4018, F_ENTRY_LEN = 0x401a, F_SECONDARY = 0x401e,
	F_HKID = 0x4026, F_IDT_INFO = 0x4408, F_IDT_ERROR = 0x440a, F_CS_AR = 0x4816, F_SS_AR = 0x4818,
	F_INTERRUPTIBILITY = 0x4824, F_CR0_MASK = 0x6000, F_CR4_MASK = 0x6002, F_CR0_SHADOW = 0x6004,
	F_CR4_SHADOW = 0x6006, F_CR0 = 0x6800, F_CR3 = 0x6802, F_CR4 = 0x6804, F_DR7 = 0x681a,
	F_RSP = 0x681c, F_RIP = 0x681e, F_RFLAGS = 0x6820, F_PENDING_DBG = 0x6822,
};
/* clang-format on */

#define INTR_VALID         BIT32(31)
#define INTR_ERROR_CODE    BIT32(11)
#define INTR_TYPE(v)       ((v) >> 8 & 7)
#define INTR_NMI           2u
#define INTR_HARD_EXC      3u
#define PRIMARY_NMI_WINDOW BIT64(22)
#define RFLAGS_TF          BIT64(8)
#define RFLAGS_RF          BIT64(16)

enum vector {
	VEC_NMI = 2,
	VEC_UD = 6,
	VEC_DF = 8,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MC = 18,
	VEC_VE = 20
};

uint64_t guest_vmread(const struct guest *g, uint32_t field);
void guest_vmwrite(const struct guest *g, uint32_t field, uint64_t value);
uint64_t vcpu_vmread(const struct call *c, struct tdvps *vp, uint32_t field);
bool vcpu_vmwrite(const struct call *c, struct tdvps *vp, uint32_t field, uint64_t value);

/* guest_vmcs.c */
void guest_vmcs_init(struct call *c, const struct td *td, struct tdvps *vp);

/* guest_exit.c: what follows an exit */
enum guest_next guest_exit(struct guest *g);
enum guest_next guest_inject(struct guest *g, enum vector vector, bool error_code);
enum guest_next guest_inject_pf(struct guest *g, uint64_t gla, uint32_t error);
enum guest_next guest_inject_ve(struct guest *g, uint64_t gla, uint64_t gpa);
enum guest_next guest_inject_ve_ept(struct guest *g, uint64_t qual, uint64_t gla, uint64_t gpa);
enum guest_next guest_unexpected(struct guest *g);
void guest_advance(struct guest *g);
enum guest_next guest_leave(struct guest *g, enum tdx_code code, uint64_t qual, uint64_t ext,
			    uint64_t gpa, uint32_t intr_info);
enum guest_next guest_leave_trap(struct guest *g, enum tdx_code code);
enum guest_next guest_leave_ept(struct guest *g, uint64_t qual, uint64_t ext, uint64_t gpa);
void guest_update_nmi_window(struct guest *g);
unsigned guest_cpl(const struct guest *g);

/* guest_ept.c */
enum guest_next guest_ept_violation(struct guest *g);
enum guest_next guest_ept_misconfig(struct guest *g);
tdx_status_t zero_step_filter(struct guest *g, bool *refused);
void zero_step_note_exit(struct guest *g);

/* guest_cpuid.c, guest_msr.c, guest_cr.c */
enum guest_next guest_cpuid(struct guest *g);
enum guest_next guest_rdmsr(struct guest *g);
enum guest_next guest_wrmsr(struct guest *g);
enum guest_next guest_cr(struct guest *g);
enum guest_next guest_xsetbv(struct guest *g);
void guest_msr_init(struct call *c, struct tdcs *t, uint64_t *bitmap);
bool vmsr_index(uint32_t msr, unsigned *index);

/* guest_tdcall.c and its leaves */
enum guest_next guest_tdcall(struct guest *g);

/* What a TDCALL leaf left to do besides its status. */
enum tdcall_out { OUT_STATUS, OUT_RETRY, OUT_LEAVE };

/* guest_mem.c: a GPA that the guest names in a TDCALL */
enum access { ACCESS_READ = 1, ACCESS_WRITE = 3 };
tdx_status_t guest_gpa(struct guest *g, uint64_t gpa, bool private_only, enum access access,
		       uint32_t op, void **ptr, enum tdcall_out *out);
tdx_status_t tdg_mem_page_accept(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_mem_page_attr_rd(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_mem_page_attr_wr(struct guest *g, enum tdcall_out *out);
/* guest_report.c */
tdx_status_t tdg_mr_report(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_mr_verifyreport(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_mr_rtmr_extend(struct guest *g, enum tdcall_out *out);
/* md_guest.c */
tdx_status_t tdg_vm_rd(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_vm_wr(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_vp_rd(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_vp_wr(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_sys_rd(struct guest *g, enum tdcall_out *out);
tdx_status_t tdg_sys_rdall(struct guest *g, enum tdcall_out *out);

/* vp.c, for vp_enter.c and metadata */
bool vp_pages_complete(const struct call *c, const struct tdvps *vp, const struct tdcs *t);
/* VCPU_STATE_INCORRECT, with the state where this version tells it. */
tdx_status_t vcpu_state_wrong(const struct call *c, uint8_t state);
tdx_status_t vp_associate(struct call *c, struct td *td, struct tdvps *vp, bool *fresh);

#endif
