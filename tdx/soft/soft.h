/*
 * soft.h - the front door of the software TDX module: what stands in for a TDX module on a CPU
 * that has none.
 *
 * The module's logic (this folder) sees three things and nothing else:
 *
 *     struct soft_regs      the registers of one SEAMCALL
 *     struct soft_machine   the computer: physical memory, CPUID, MSRs, keys, time, randomness
 *     struct soft_backend   what runs a guest and brings back its exits
 *
 * In the image the machine is kernel/machine and the backend is VMX (tdx/soft/vmx/); natively both
 * are the vector player (tools/host/vectors*.c). Nobody but kernel/main.c and those two includes
 * this header.
 *
 * Invariants
 *   - IT GIVES NO CONFIDENTIALITY: nothing is encrypted, the host can read everything. The banner
 *     says so, and reports carry a MAC that no quoting enclave accepts.
 *   - All state of TDs and vCPUs lives in the pages that the host gave (TDR, TDCX, TDVPR), and in
 *     the PAMT memory of TDH.SYS.CONFIG; no allocation, no limit on their number.
 *   - All locks are try-locks as in the real module: no call ever waits for another LP.
 *   - A call runs with interrupts off, on one LP, from start to end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_SOFT_H
#define TAIN_SOFT_SOFT_H

#include "kernel/base/types.h"
#include "tdx/abi/inject.h"

/* x86 register numbers, as TDG.VP.VMCALL's mask counts them. */
/* clang-format off */
enum soft_gpr {
	SOFT_RAX, SOFT_RCX, SOFT_RDX, SOFT_RBX, SOFT_RSP, SOFT_RBP, SOFT_RSI, SOFT_RDI,
	SOFT_R8, SOFT_R9, SOFT_R10, SOFT_R11, SOFT_R12, SOFT_R13, SOFT_R14, SOFT_R15,
	SOFT_GPRS,
};
/* clang-format on */

/* The registers of a SEAMCALL or of a guest. RSP is carried but never looked at. */
struct soft_regs {
	union {
		uint64_t r[SOFT_GPRS];
		struct {
			uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
			uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
		};
	};
};

/* ---- the machine ---------------------------------------------------------------------------- */

#define SOFT_MAX_CMRS     32
#define SOFT_MAX_LPS      512
#define SOFT_MAX_PACKAGES 8

struct soft_range {
	uint64_t base, size;
};

enum soft_pconfig { SOFT_PCONFIG_OK = 0, SOFT_PCONFIG_ENTROPY = 2, SOFT_PCONFIG_BUSY = 5 };

/*
 * Services of the machine. @ctx is soft_machine.ctx. Each is called with interrupts off on the LP
 * named. None may make a SEAMCALL (but for the vector player, which uses two of them to show
 * locks).
 */
struct soft_machine_ops {
	/*
	 * A pointer to the byte at @hpa (no HKID bits), shared or private. The 4 KiB page around it
	 * stays reachable there until this LP's soft_seamcall() returns, also while a guest runs.
	 * Called many times in each leaf and for any number of pages: it must cost a few
	 * instructions. Meant as an alias of all memory at an address that only the module knows
	 * (its window is as large as memory), so that hiding a page from the host's direct map
	 * does not concern it. Never NULL for an address inside a CMR or below memory_end.
	 */
	void *(*map)(void *ctx, uint64_t hpa);

	/*
	 * The page at @hpa of 4 KiB << 9 * @level (level 0, 1, 2) has become the module's (PAMT,
	 * control page, S-EPT, private memory): take it from the host's direct map; or it is free
	 * again: give it back. May be NULL. Cannot fail: tables for splitting are set aside
	 * before. Returns at once; other CPUs drop stale translations later, by generation.
	 */
	void (*hide)(void *ctx, uint64_t hpa, unsigned level);
	void (*unhide)(void *ctx, uint64_t hpa, unsigned level);

	/* CPUID and RDMSR as the module finds them on @lp: must pass SYS.INIT's checks. */
	void (*cpuid)(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
	uint64_t (*rdmsr)(void *ctx, unsigned lp, uint32_t msr);

	/*
	 * CPUID as a guest may rely on it: features that cpuid() only claims to pass the checks are
	 * missing here. NULL: the same as cpuid().
	 */
	void (*cpuid_guest)(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf,
			    uint32_t out[4]);

	uint64_t (*tsc)(void *ctx, unsigned lp);
	bool (*random)(void *ctx, uint64_t *out);          /* false: no entropy now */
	bool (*interrupt_pending)(void *ctx, unsigned lp); /* a host interrupt waits on this LP */
	enum soft_pconfig (*pconfig)(void *ctx, unsigned lp, uint16_t hkid);
	void (*cache_wb)(void *ctx, unsigned lp, unsigned block);

	/* All checks done and locks held, a page is about to be filled or copied. May be NULL. */
	void (*page_write)(void *ctx, unsigned lp);

	/* The real module would have shut SEAM down: say why. May be NULL. */
	void (*halted)(void *ctx, unsigned lp, const char *why);
};

/*
 * The computer as the P-SEAMLDR and the CPU describe it to the real module. The KeyID partition
 * comes from MSR 0x87, the KeyID bits from MSR 0x982: a KeyID sits in bits 51 : 52 - bits of an
 * address, whatever MAXPHYADDR is.
 */
struct soft_machine {
	const struct soft_machine_ops *ops;
	void *ctx;
	unsigned lp_count;
	uint8_t package_of[SOFT_MAX_LPS]; /* by LP; packages are 0 .. package_count-1 */
	unsigned package_count;
	uint32_t x2apic_id[SOFT_MAX_LPS];
	struct soft_range cmr[SOFT_MAX_CMRS]; /* ascending; size 0 ends the list */
	struct soft_range seamrr;
	/*
	 * The one relaxed check: MAXPHYADDR may be less than 52. GPAW is then min(48, MAXPHYADDR)
	 * of cpuid(0x80000008) and SHARED is bit GPAW-1.
	 */
	bool any_maxphyaddr;
};

/* ---- the backend ---------------------------------------------------------------------------- */

/* Virtualization exceptions: one area per vCPU, layout as the CPU writes it (SDM: "Format of the
 * Virtualization-Exception Information Area"). It starts page[0], so its address is page aligned.
 */
struct soft_ve_info {
	uint32_t reason, valid; /* valid: 0 or 0xffffffff */
	uint64_t qualification, gla, gpa;
	uint16_t eptp_index, pad;
	uint32_t instr_len, instr_info; /* the module's own, not the CPU's */
	uint8_t rest[80];
};

/* Guest state that VMX neither saves nor loads: the backend does, around each entry. */
struct soft_guest_msrs {
	uint64_t star, lstar, fmask, kernel_gs_base, tsc_aux;
	uint64_t spec_ctrl, umwait_control, tsx_ctrl, xfd, xfd_err, ds_area, uarch_misc;
};

/*
 * One vCPU as the backend sees it; it starts the TDVPR page. All fields but backend[] belong to
 * the module; the backend reads them, and writes gpr, cr2, dr, xcr0, msr when a guest exits.
 */
struct soft_vcpu {
	struct soft_ve_info ve; /* must stay first: page[0] is the VE-information address */
	struct soft_regs gpr;   /* guest registers but RSP, RIP, RFLAGS, which are VMCS fields */
	uint64_t cr2, dr[4], dr6;
	uint64_t xcr0,
		xss; /* load before entry; xss <= XFAM. XSAVE area: page[3..5], XSAVES format */
	struct soft_guest_msrs msr;
	uint64_t page[6];     /* HPAs: TDVPR, VMCS, virtual-APIC page, three pages of XSAVE area */
	uint64_t msr_bitmap;  /* HPA of the TD's MSR bitmap, filled by TDH.MNG.INIT: use as it is */
	uint64_t sept_root;   /* HPA of the S-EPT root: a real EPT table */
	uint64_t shared_root; /* HPA of the host's shared EPT root; 0 until the host gave one */
	uint64_t posted_desc; /* HPA of the posted-interrupt descriptor; 0 likewise */
	uint64_t xfam, attributes;
	uint32_t index;       /* VCPU_INDEX */
	uint16_t hkid;        /* unique per living TD: a good VPID source is hkid and index */
	uint8_t gpaw;         /* guest address width; SHARED is bit gpaw-1 */
	uint8_t sept_levels;  /* 4 or 5 */
	uint64_t backend[16]; /* the backend's own; zero after TDH.VP.CREATE */
};

/* Why a guest stopped. Numbers are VMX basic exit reasons (SDM appendix "VMX Basic Exit Reasons").
 */
/* clang-format off */
enum soft_exit_reason {
	SOFT_EXIT_EXCEPTION_NMI = 0, SOFT_EXIT_INTR = 1, SOFT_EXIT_TRIPLE_FAULT = 2, SOFT_EXIT_INIT = 3,
	SOFT_EXIT_SMI = 6, SOFT_EXIT_NMI_WINDOW = 8, SOFT_EXIT_TASK_SWITCH = 9, SOFT_EXIT_CPUID = 10,
	SOFT_EXIT_GETSEC = 11, SOFT_EXIT_HLT = 12, SOFT_EXIT_INVD = 13, SOFT_EXIT_RDPMC = 15,
	SOFT_EXIT_RSM = 17, SOFT_EXIT_VMCALL = 18, SOFT_EXIT_VMCLEAR = 19, SOFT_EXIT_VMXON = 27,
	SOFT_EXIT_CR = 28, SOFT_EXIT_IO = 30, SOFT_EXIT_RDMSR = 31, SOFT_EXIT_WRMSR = 32,
	SOFT_EXIT_ENTRY_GUEST_STATE = 33, SOFT_EXIT_ENTRY_MSR_LOAD = 34, SOFT_EXIT_MWAIT = 36,
	SOFT_EXIT_MONITOR = 39, SOFT_EXIT_ENTRY_MC = 41, SOFT_EXIT_CSTATE_SMI = 42,
	SOFT_EXIT_EPT_VIOLATION = 48, SOFT_EXIT_EPT_MISCONFIG = 49, SOFT_EXIT_INVEPT = 50,
	SOFT_EXIT_INVVPID = 53, SOFT_EXIT_WBINVD = 54, SOFT_EXIT_XSETBV = 55, SOFT_EXIT_APIC_WRITE = 56,
	SOFT_EXIT_VMFUNC = 59, SOFT_EXIT_ENCLS = 60, SOFT_EXIT_PML_FULL = 62, SOFT_EXIT_PCONFIG = 65, SOFT_EXIT_ENCLV = 70,
	SOFT_EXIT_ENQCMD = 72, SOFT_EXIT_ENQCMDS = 73, SOFT_EXIT_BUS_LOCK = 74, SOFT_EXIT_NOTIFY = 75,
	SOFT_EXIT_SEAMCALL = 76, SOFT_EXIT_TDCALL = 77,
};
/* clang-format on */

struct soft_exit {
	uint32_t reason; /* as in the VMCS, bits 26 and 31 included */
	uint64_t qualification;
	uint64_t gla, gpa;  /* EPT violation and misconfiguration, else 0 */
	uint32_t intr_info; /* exit interruption information (reasons 0, 1, 6, 42) */
	uint32_t intr_error;
	uint32_t instr_len, instr_info;
	bool not_entered; /* the guest did not run: the VMCS still tells of the exit before */
};

/*
 * What runs guests. @ctx is soft_backend.ctx; calls come on the vCPU's LP with interrupts off.
 *
 * Addresses in fields may carry a HKID: use those of struct soft_vcpu, which do not.
 *
 * VMCS fields go by their SDM encoding (full, natural width). The module writes every field of a
 * TD VMCS through vmwrite() in TDH.VP.INIT: guest state of guest ABI section 2, controls of section
 * 3.1, CR0/CR4 masks and shadows, EPTP, MSR-bitmap, virtual-APIC and VE-information addresses,
 * TSC offset and multiplier. Later it writes single fields: RIP, RFLAGS, interruptibility, entry
 * interruption information, controls (NMI window, posted interrupts), shared EPTP (0x203c),
 * posted-interrupt descriptor (0x2016) and vector (0x0002), DEBUGCTL, EFER.
 *
 * What a VMX backend does with it
 *   - Controls: keeps what the module wrote for vmread() and gives the CPU that, minus what this
 *     CPU lacks, plus what emulating TDX takes: exception-bitmap bit 6 (a #UD whose bytes at RIP
 *     are TDCALL becomes exit 77, SEAMCALL exit 76, after #GP(0) for CPL > 0; every other #UD is
 * put back into the guest), the preemption timer, host state. HKID, shared-EPTP, tertiary controls
 *     are kept only.
 *   - EPT: EPTP (0x201a) names the S-EPT root, a real table, 4 levels, write-back, A/D off. Root
 *     entries from index (1 << (gpaw - 1 - 39)) up are the shared half: copied, index for index,
 *     from the host's shared EPT root (field 0x203c) at each entry, and again when a shared access
 *     faults although the host's root has a newer entry. Where gpaw is 39 or less: the same one
 *     level lower. The module never touches those entries.
 *   - #VE: "EPT-violation #VE" on, VE-information address = page[0]; S-EPT entries have bit 63 set,
 *     so only shared accesses become #VE by the CPU. Without that control: convert in software.
 *   - Virtual APIC: page[2]; x2APIC, APIC-register virtualization, virtual-interrupt delivery. When
 *     pin-control bit 7 is set, at each entry a descriptor with ON set is moved into VIRR and RVI,
 *     if the CPU does not process posted interrupts itself.
 *   - Interrupts: acknowledged as by "acknowledge interrupt on exit", reported as reason 1 with
 *     intr_info = vector | 0x80000000. A stay ended by the preemption timer is reported as
 *     reason 1 with intr_info 0: nothing to dispatch. An NMI is reason 0, type 2.
 *   - State: gpr, cr2, dr, xcr0, xss, msr and the XSAVE area (page[3]) are loaded before and saved
 *     after each stay; the host's come back before enter() returns, the current-VMCS pointer too.
 */
struct soft_backend_ops {
	/* page[1] is a fresh VMCS for @v. */
	void (*vcpu_init)(void *ctx, unsigned lp, struct soft_vcpu *v);

	uint64_t (*vmread)(void *ctx, struct soft_vcpu *v, uint32_t field);
	/* False if there is no such field. */
	bool (*vmwrite)(void *ctx, struct soft_vcpu *v, uint32_t field, uint64_t value);

	/* Run the guest until it exits. Entry fields for events are one-shot: cleared by entering.
	 */
	void (*enter)(void *ctx, unsigned lp, struct soft_vcpu *v, struct soft_exit *x);

	/* INVEPT on this LP: before the next entry, nothing of this TD's old S-EPT is left cached.
	 */
	void (*flush_tlb)(void *ctx, unsigned lp, struct soft_vcpu *v);

	/* TDH.VP.FLUSH: VMCLEAR and TLB flush; the vCPU may next be entered on another LP. */
	void (*vcpu_flush)(void *ctx, unsigned lp, struct soft_vcpu *v);

	/*
	 * XMM registers that a TDVMCALL passes; bit n of @mask selects XMMn, and is set for one at
	 * least. xmm_out: @v has left the guest for good; when the SEAMCALL ends, the host's are @v's
	 * where selected, else 0 (as all are after any other exit). xmm_in: before @v is entered,
	 * those that the host made the SEAMCALL with go to @v where selected; it keeps the others.
	 */
	void (*xmm_out)(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask);
	void (*xmm_in)(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask);

	/* CPUID(0xd, 0 or 1).EBX for this vCPU's XCR0 (and XSS). */
	uint32_t (*xsave_size)(void *ctx, unsigned lp, struct soft_vcpu *v, unsigned subleaf);
};

struct soft_backend {
	const struct soft_backend_ops *ops;
	void *ctx;
};

/* ---- the module ----------------------------------------------------------------------------- */

struct soft_module;
struct soft_profile;

/* Bytes that soft_init() wants for the module's global data (a few pages). */
size_t soft_module_size(void);

/*
 * Make @memory (soft_module_size() bytes, page aligned) a freshly loaded module on @machine, of the
 * version that @profile is (tdx/soft/profile.h). All are kept by reference. The module's state is as
 * after P-SEAMLDR's INSTALL.
 */
struct soft_module *soft_init(void *memory, const struct soft_machine *machine,
			      const struct soft_backend *backend,
			      const struct soft_profile *profile);

/*
 * As P-SEAMLDR's INSTALL: a fresh module of @profile in the place of @m. With @update it keeps what @m left when it
 * was shut down, for TDH.SYS.UPDATE; else that is gone, and all TDs with it.
 */
void soft_reload(struct soft_module *m, const struct soft_profile *profile, bool update);

/* Was it shut down, and which version of handoff data did it leave? */
bool soft_handoff(const struct soft_module *m, uint16_t *version);

/*
 * One SEAMCALL on @lp. True: RAX and the other registers are as the module leaves them (CF = 0).
 * False: VMfailInvalid (CF = 1), registers untouched; the module is dead.
 * Several LPs may be inside at the same time; one LP not twice.
 */
bool soft_seamcall(struct soft_module *m, unsigned lp, struct soft_regs *regs);

/* The module fails when told to: see tdx/abi/inject.h, whose operations these are. */
int soft_inject_add(struct soft_module *m, const struct tdx_inject *rule) MUST_CHECK;
void soft_inject_clear(struct soft_module *m);
unsigned soft_inject_list(const struct soft_module *m, struct tdx_inject out[TDX_INJECT_RULES]);

/* What the start of the module prints, loudly: in @buf. */
#define SOFT_BANNER 240
const char *soft_banner(const struct soft_profile *profile, char *buf, size_t size);

/*
 * Set in @out the CPUID bits that TDH.SYS.INIT insists on, so that a machine description of a
 * lesser CPU passes. MAXPHYADDR is left alone.
 */
void soft_cpuid_claim(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
