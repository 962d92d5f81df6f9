/*
 * vm_room.h - what the files of kernel/vmx share: a VM and its vCPUs from the inside.
 *
 * Invariants
 *   - A vCPU's VMCS is current whenever a handler of the exit table runs.
 *   - in_guest is set before the entry stub's last look at the CPU's wake flag, and cleared first
 *     thing after an exit. Whoever raised flush_gen, then wake, and then sees in_guest 0 knows that
 *     this vCPU flushes before it runs: each way that clears wake looks at flush_gen afterwards.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_VM_ROOM_H
#define TAIN_VMX_VM_ROOM_H

#include "kernel/base/guest_config.h"
#include "kernel/base/ticks.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/vmx.h"
#include "kernel/machine/vmx_ctl.h"
#include "kernel/machine/vmx_exit.h"
#include "kernel/platform/memory.h"
#include "kernel/platform/outcome.h"
#include "kernel/platform/platform.h"
#include "kernel/vmx/guest_walk.h"
#include "kernel/vmx/lapic.h"
#include "kernel/vmx/vm.h"
#include "mmu/mmu.h"

/* What an image wants to find when it starts. */
enum start_mode {
	START_REAL,   /* reset vector: CS:IP = F000:FFF0, base FFFF0000h */
	START_FLAT32, /* protected mode, flat 4 GiB segments, paging off */
	START_SIPI,   /* real mode at the page that rip names: a start-up interrupt */
	START_LONG,   /* 64-bit mode, flat, paging on by the tables at cr3 */
	START_WAIT,   /* another vCPU must start it */
};

struct start_state {
	enum start_mode mode;
	uint64_t rip, rax, rbx;
	uint64_t rsi, cr3, gdt; /* START_LONG */
};

/* Guest MSRs that the CPU does not switch itself: exchanged at the borders of a stay. */
enum { SWITCH_KERNEL_GS, SWITCH_STAR, SWITCH_LSTAR, SWITCH_CSTAR, SWITCH_FMASK, SWITCH_TSC_AUX,
       SWITCH_COUNT };

#define VM_CPUID_BASIC 0x20u
#define RESET_RIP      UINT64_C(0xfff0)
#define VM_MTRRS       28 /* 8 pairs, 11 fixed, the default type */

/* Why a vCPU does not run. */
enum vm_sleep {
	SLEEP_NOT,
	SLEEP_OPEN,    /* halted: an interrupt wakes it */
	SLEEP_CLOSED,  /* halted with interrupts off: NMI and INIT do */
	SLEEP_STARTUP, /* waits for a start-up interrupt */
};

struct vm_vcpu {
	struct vmx_regs regs;
	struct vm *vm;
	struct vcpu_run *run;
	unsigned index;
	uint32_t in_guest;   /* atomic; see above */
	uint64_t flush_seen; /* vm->flush_gen when it last flushed */
	struct mmu_page *root; /* the EPT that its VMCS names, with our reference; or NULL */
	uint32_t in_stay;    /* atomic; run.c */
	uint64_t log_seen;   /* vm->log_gen when its log was last emptied */
	hpa_t pml_page;      /* HPA_NONE until a log by PML was wanted */
	bool pml_on;         /* in its VMCS */
	struct vmcs vmcs;
	bool configured; /* the VMCS has its contents */
	uint16_t vpid;
	uint32_t exits_left; /* until one is timed */
	uint32_t looks_left; /* timed ones until one looks at the clock */
	uint64_t stay_end;   /* TSC */
	enum vcpu_outcome outcome; /* of this stay, once a handler said EXIT_LEAVE */
	struct start_state start;
	struct lapic lapic;
	enum vm_sleep sleep; /* atomic; only its CPU writes it */
	uint64_t timer_set;  /* what the preemption timer was set to last */
	uint32_t windows;    /* window exits that its VMCS asks for */
	uint32_t machine_check; /* atomic: one is to be injected, by the console's wish */
	uint64_t mtrr[VM_MTRRS]; /* kept, without effect */

	uint64_t switched[SWITCH_COUNT];
	uint64_t dr[4], dr6, cr2, xcr0;
	/* vm_debug.c */
	uint64_t guest_dr7, step_rip;
	bool debug_dr;    /* the debug registers are the debugger's: dr, dr6, guest_dr7 are the guest's */
	bool stepping, guest_tf, stray_tf;
	hpa_t xsave; /* VM_XSAVE_ORDER pages */
	uint64_t counts[EXIT_REASON_COUNT];
	struct tick_stats ticks[EXIT_REASON_COUNT]; /* of some of them; run.c */
	uint64_t unknown_msrs;
};

struct cpuid_gprs {
	uint64_t rax, rcx, rdx, rbx;
	bool fixed; /* the same for each vCPU at any time, whatever the subleaf */
} ALIGNED(64);

struct vm_controls {
	uint32_t value[VMX_CTL_COUNT];
};

struct vm {
	const struct guest_config *config;
	uint16_t trace_id; /* who it is in trace records */
	struct platform *platform;
	struct mmu mmu;
	bool has_mmu;
	struct guest_memory memory;
	struct memslot *slots[GUEST_REGIONS_MAX]; /* one a region of `memory` */
	unsigned slot_count;
	uint64_t flush_gen; /* atomic; 0 never */
	uint64_t log_gen;   /* atomic; log.c */
	uint32_t held;      /* atomic: no stay may begin; slots.c */
	bool pml;           /* vCPUs log by PML; changed before log_gen is raised */
	struct vm_controls controls;
	hpa_t msr_bitmap;
	uint64_t rom_writes;
	struct cpuid_regs cpuid[VM_CPUID_BASIC]; /* subleaf 0, as the guest sees it */
	struct cpuid_gprs cpuid_answer[VM_CPUID_BASIC]; /* the same, ready for the registers */
	unsigned vcpu_count;
	struct vm_vcpu vcpu[]; /* vcpu_count */
};

#define VM_XSAVE_ORDER 1 /* 8 KiB: x87, SSE, AVX, AVX-512, PKRU */

/* ---- exit handlers ---- */

enum exit_action {
	EXIT_RESUME, /* enter again */
	EXIT_CHECK,  /* enter again, unless somebody asked for something */
	EXIT_LEAVE,  /* the stay is over: v->outcome */
};

typedef enum exit_action (*exit_fn)(struct vm_vcpu *v);

/* exit.c: one row per basic exit reason; no handler: our controls do not ask for it. */
struct exit_row {
	exit_fn handle;
	const char *name;
	bool quiet; /* not for the trace, or its handler records it */
} ALIGNED(32);
extern const struct exit_row exit_rows[EXIT_REASON_COUNT];

/* exit.c: count, trace and answer; what has no row ends the guest. For all but the quiet rows. */
enum exit_action exit_loud(struct vm_vcpu *v, uint64_t reason);

/* exit.c: into the trace, which is on. */
void trace_exit(const struct vm_vcpu *v, uint32_t basic, uint64_t qualification, uint64_t gpa);

/* exit_*.c */
enum exit_action exit_cpuid(struct vm_vcpu *v);
enum exit_action exit_rdmsr(struct vm_vcpu *v);
enum exit_action exit_wrmsr(struct vm_vcpu *v);
enum exit_action exit_io(struct vm_vcpu *v);
enum exit_action exit_cr_access(struct vm_vcpu *v);
enum exit_action exit_xsetbv(struct vm_vcpu *v);
enum exit_action exit_ept_violation(struct vm_vcpu *v);
enum exit_action exit_ept_misconfig(struct vm_vcpu *v);
enum exit_action exit_mov_dr(struct vm_vcpu *v);

/* vm_debug.c */
/* The stay that begins follows run->debug; its VMCS is current. */
void vm_debug_begin(struct vm_vcpu *v);
/* Is the step of @v done by an exit? Then its outcome is RUN_TRAPPED. */
bool vm_debug_stepped(struct vm_vcpu *v);
/* False: nobody asked for this exception. */
bool vm_debug_exception(struct vm_vcpu *v, uint32_t info, enum exit_action *action) MUST_CHECK;
/* Primary controls that it wants. */
uint32_t vm_debug_controls(const struct vm_vcpu *v);
/* DR0 to DR3 and DR6 in and out. */
void vm_debug_load(struct vm_vcpu *v);
void vm_debug_save(struct vm_vcpu *v);
/* Anything to follow? */
static inline bool vm_debug_wanted(const struct vm_vcpu *v)
{
	const struct vcpu_debug *d = &v->run->debug;

	return d->followed != d->generation || d->step || d->deliver || v->stepping;
}

/* inject.c */
enum exit_action exit_hlt(struct vm_vcpu *v);
void vm_interrupts_init(struct vm *vm);
void vm_interrupts_fini(struct vm *vm);
/* What may be delivered goes into the current VMCS, what may not yet gets a window. */
void vm_inject(struct vm_vcpu *v);
/* INIT, start-up and wake-ups; false: it sleeps on. */
bool vm_may_run(struct vm_vcpu *v);
/* The stay that is under way ends at @tsc, if that is earlier. */
void vm_stay_until(struct vm_vcpu *v, uint64_t tsc);

/* flush.c: mmu_ops.flush. */
int vm_flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames);
/* Its VMCS is current on this CPU; if it was on none, what the CPU remembers is void. */
void vm_arrive(struct vm_vcpu *v);
/* All translations of this VM on this CPU go, if somebody asked since the last time. */
void vm_flush_if_asked(struct vm_vcpu *v);

/* run.c: the preemption timer of the current VMCS, which is @v's, anew. */
void vm_set_preemption(struct vm_vcpu *v, uint64_t tsc_ticks);

/* linear.c: the guest's paging now, and the #PF of an access that guest_walk() refused with -EFAULT. */
struct guest_paging linear_paging(void);
enum exit_action linear_fault(struct vm_vcpu *v, uint64_t linear, bool write);

/* exit_mmio.c: carry out the instruction that touched @gpa. */
enum exit_action vm_mmio(struct vm_vcpu *v, gpa_t gpa);
enum exit_action exit_pml_full(struct vm_vcpu *v);

/* exit_ept.c: an event whose delivery the exit cut short is delivered again. */
void redeliver(uint64_t info);
static inline void reinject_event(void)
{
	uint64_t info = vmcs_read(VMCS_IDT_VECTORING_INFO);

	if (unlikely(info & INTR_INFO_VALID))
		redeliver(info);
}

/* vm.c: where frames come from. slots.c: a slot for region @place. -ENOMEM, or mmu_slot_add()'s. */
extern const struct memslot_ops vm_slot_ops;
int vm_slot_serve(struct vm *vm, unsigned place) MUST_CHECK;

/* memory.c: 0; -ENOENT: no memory there; -EROFS: not to be written; -ENOMEM. Part may be written. */
int vm_memory_write(struct vm *vm, gpa_t to, const void *from, uint64_t bytes) MUST_CHECK;

/* log.c, with the VMCS current: empty the log and follow vm->pml, if somebody asked since the last
 * time; empty it at the end of a stay. */
void log_follow(struct vm_vcpu *v);
void log_stay_ends(struct vm_vcpu *v);

void cpuid_build(struct vm *vm);
void msr_bitmap_build(void *bitmap);
/* XCR0 bits that a guest may set. */
uint64_t guest_xcr0_mask(void);

/* vmcs_setup.c: names what the CPU lacks in @why, and returns -ENOTSUP. */
int vm_controls_choose(struct vm_controls *c, char *why, size_t why_size) MUST_CHECK;
/* The current VMCS gets all that an entry needs. */
void vmcs_setup(struct vm_vcpu *v);
/* Its EPTP: v->root. */
void vmcs_set_root(const struct vm_vcpu *v);
/* Guest-owned CR0 and CR4 bits are those outside these. */
#define GUEST_CR0_HOST_OWNED (CR0_NE | CR0_CD | CR0_NW)
#define GUEST_CR4_HOST_OWNED (CR4_VMXE | CR4_SMXE | CR4_LA57)

/* load.c: put the image into memory; the start state of the first vCPU. -EINVAL, -ENOMEM: @why. */
int vm_load(struct vm *vm, struct start_state *start, char *why, size_t why_size) MUST_CHECK;

/* ---- helpers for handlers (exit.c) ---- */

#define BLOCKED_BY_STI_OR_MOV_SS UINT64_C(3) /* of GUEST_INTERRUPTIBILITY */

/* Go on behind the instruction that made the exit. Inline: every CPUID and port access is here. */
static inline enum exit_action skip_instruction(struct vm_vcpu *v)
{
	uint64_t blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

	(void)v;
	vmcs_write(VMCS_GUEST_RIP,
		   vmcs_read(VMCS_GUEST_RIP) + vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
	if (unlikely(blocked & BLOCKED_BY_STI_OR_MOV_SS))
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~BLOCKED_BY_STI_OR_MOV_SS);
	return EXIT_RESUME;
}

/* Let the guest have a hardware exception instead. */
enum exit_action inject_exception(struct vm_vcpu *v, unsigned vector);
enum exit_action inject_gp(struct vm_vcpu *v); /* #GP(0) */

/* The stay is over; the reason is for people. */
enum exit_action leave(struct vm_vcpu *v, enum vcpu_outcome outcome, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
