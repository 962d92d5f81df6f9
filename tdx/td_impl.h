/*
 * td_impl.h - one TD from the inside; private to tdx/.
 *
 * Invariants
 *   - td->stage says what the module holds: teardown undoes from there, whatever happened.
 *   - A control page is in td->control from the moment before the module is asked to take it.
 *   - vCPU fields are the running CPU's; `inside` and `cpu` are read by others.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_TD_IMPL_H
#define TAIN_TDX_TD_IMPL_H

#include "kernel/base/lock.h"
#include "kernel/base/sha384.h"
#include "kernel/base/ticks.h"
#include "kernel/base/trace.h"
#include "kernel/platform/memory.h"
#include "mmu/mmu.h"
#include "tdx/abi/exit.h"
#include "tdx/measure.h"
#include "tdx/measure_log.h"
#include "tdx/state.h"
#include "tdx/td.h"
#include "tdx/td_apic.h"
#include "tdx/td_mistake.h"
#include "tdx/tdh.h"

/* How far the module has come with this TD; each value includes those before. */
enum td_stage {
	TD_NOTHING,
	TD_HAS_KEYID,   /* ours only: keyid_alloc() */
	TD_CREATED,     /* MNG.CREATE: TDR and KeyID are the module's */
	TD_KEYED,       /* MNG.KEY.CONFIG on each package */
	TD_INITIALIZED, /* MNG.INIT: vCPUs and memory may be added */
	TD_RUNNABLE,    /* MR.FINALIZE */
};

#define NO_CPU (~0u)

/* Sub-functions that are counted by name: rows of the table in td_vmcall.c. */
#define TD_VMCALL_ROWS 16

struct td_vcpu {
	struct td *td;
	struct vcpu_run *run;
	unsigned index;
	tdvpr_t vp;
	unsigned pages; /* of it: TDVPR and TDCXs, also in td->control */
	bool created, initialized;
	uint32_t cpu;          /* it is associated with; NO_CPU */
	uint32_t inside;       /* odd while VP.ENTER may be under way; atomic */
	uint32_t flush_shared; /* drop translations of the shared EPT before the next entry; atomic
				*/
	bool has_fault;        /* `fault` must be resolved before the next entry (rule B2) */
	/* td_interrupt.c */
	hpa_t descriptor_page;
	struct posted_descriptor *descriptor; /* NULL: not there */
	bool waiting;   /* halted; atomic */
	bool blocked;   /* halted with interrupts blocked: only an NMI wakes it */
	bool nmi_asked; /* atomic */
	uint64_t posted, wakes;
	struct td_apic apic;
	struct mmu_fault fault;
	unsigned fruitless; /* faults in a row on one page that was there already */
	struct seam_regs regs; /* out of the last exit; into the next entry */
	uint8_t notify_vector; /* SetupEventNotifyInterrupt; 0: none */
	bool xmm_selected;     /* its last TDVMCALL takes XMM registers back */
	bool warned_mask;      /* said once that its TDVMCALL mask hides the answer */
	uint64_t reply_mask;   /* its last exit was a TDVMCALL with this RCX; 0: it was none */
	/* td_debug.c */
	bool stepping, guest_tf, stray_tf;
	bool debug_dr; /* the debug registers are the debugger's; the guest's are here */
	uint64_t guest_dr[VCPU_BREAKPOINTS], guest_dr7;
	uint64_t entries, enter_busy, enter_ticks;
	uint64_t call_ticks; /* in other SEAMCALLs, during its turns */
	uint32_t last_ticks; /* of the last entry */
	uint64_t exits[TDX_EXIT_LIMIT];
	uint64_t vmcalls[TD_VMCALL_ROWS];
	/* How long our part of each took. */
	struct tick_stats exit_ticks[TDX_EXIT_LIMIT], vmcall_ticks[TD_VMCALL_ROWS];
};

/* SEAMCALLs that a kind of work took, and the 4K pages that it moved; atomic. */
enum td_work_kind { TD_POPULATE, TD_REMOVE, TD_CONVERT, TD_WORK_KINDS };
struct td_work {
	uint64_t calls, pages;
};

struct td {
	const struct guest_config *config;
	const char *name;
	struct platform *platform;
	enum td_stage stage;
	tdr_t tdr;
	uint16_t keyid;
	bool keep_all; /* the module would not release the KeyID: nothing comes back */
	bool mmu_alive, shared_alive;

	struct reclaim *reclaim; /* teardown: pages on their way back */

	hpa_t *control; /* TDR, TDCX, TDVPR, ... given to the module; TDR first */
	unsigned control_count, control_max;

	struct td_vcpu *vcpus;
	unsigned vcpu_count;
	unsigned blocked; /* vCPUs that halted with interrupts blocked; atomic */
	struct mmu mmu;
	struct memslot slots[3]; /* low RAM, high RAM, firmware */
	unsigned slot_count;
	struct guest_memory shared;
	uint64_t tsc_multiplier, tsc_offset; /* the TD's TSC: host's * multiplier / 2^48 + offset */
	unsigned gpa_width; /* SHARED is bit gpa_width - 1 */
	hpa_t add_source;   /* for PAGE.ADD: contents of the page being mapped */

	rwlock_t tree_lock;    /* shaped like the module's S-EPT tree lock (rule C19) */
	spinlock_t track_lock; /* rule C11 */

	uint64_t private_pages, sept_pages; /* atomic */
	uint64_t leaked;                    /* pages; atomic */
	uint64_t *shared_pages;             /* td_mistake.c: a bit per page of RAM; atomic */
	uint64_t mistakes[TD_MISTAKES];     /* atomic */
	uint64_t tracks, kicks, augs, adds;
	struct td_work work[TD_WORK_KINDS];

	struct tdvf tdvf;
	struct tdload_plan *tdload; /* while it is built, without firmware */
	struct measure_plan *plan;
	struct sha384 measured;
	uint64_t fingerprint; /* of what is measured */
	bool known;           /* `predicted` comes from an earlier start */
	struct measure_log *log; /* of what was measured */
	uint8_t predicted[TDX_HASH_BYTES];
	uint8_t mrtd[TDX_HASH_BYTES]; /* the module's, after finalisation */
	struct td_params params;
	uint64_t attributes_refused;
	uint64_t build_ticks;
	char why[200]; /* why the build failed: the first reason stays */
};

static inline struct td *td_of(struct mmu *mmu) { return container_of(mmu, struct td, mmu); }
static inline bool is_shared(const struct td *td, uint64_t gpa)
{
	return (gpa >> (td->gpa_width - 1) & 1) != 0;
}
static inline uint64_t shared_bit(const struct td *td) { return BIT64(td->gpa_width - 1); }

/* Say why, once; returns @err. */
int td_fail(struct td *td, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same for a leaf that the module refused. */
int td_refused(struct td *td, const char *leaf, tdx_status_t st);

/* sept.c */
extern const struct mmu_ops td_mmu_ops;
int td_read_external(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e);
uint64_t td_external_pages(struct mmu *mmu);
/* Looks at a vCPU that was kicked, before it is kicked again. */
extern unsigned td_spins_between_kicks;
/* Every vCPU that was in guest mode has left it since. */
void td_kick_out(struct td *td);

/* td_memory.c */
int td_memory_init(struct td *td) MUST_CHECK; /* MMU, slots, backing of the shared half */
int td_memory_add(struct td *td, gpa_t gpa, hpa_t source) MUST_CHECK; /* PAGE.ADD, 4K */
int td_memory_fault(struct td *td, struct mmu_fault *fault) MUST_CHECK;
/*
 * [gpa, gpa + bytes) is to be shared, or private: what maps it on the other side goes. 0, or an errno
 * of mmu_zap_range() after patience. No lock held.
 */
int td_memory_convert(struct td *td, gpa_t gpa, uint64_t bytes, bool to_shared) MUST_CHECK;
void td_memory_fini(struct td *td); /* module has released the KeyID, or never had it */

/* td_params.c */
int td_params_make(struct td *td) MUST_CHECK;
/* What it asks for before the module's limits; what the CPU would give for a leaf (EAX to EDX). */
uint64_t td_params_wanted_attributes(const struct td *td);
uint64_t td_params_wanted_xfam(void);
void td_params_native(const struct td *td, const struct tdx_cpuid_config *c, uint32_t out[4]);

/* td_grant.c: what was not granted as requested, into the log. Returns 0. */
int td_log_grants(struct td *td) MUST_CHECK;

/* td_vcpu.c */
int td_vcpu_create(struct td_vcpu *v) MUST_CHECK;
int td_vcpu_init(struct td_vcpu *v, uint64_t initial) MUST_CHECK;
/* Make it belong to no CPU. 0 or -EIO. */
int td_vcpu_flush(struct td_vcpu *v) MUST_CHECK;

/* What to do after an exit. */
enum td_next {
	TD_NEXT_ENTER,   /* again, if the slice is not over */
	TD_NEXT_LEAVE,   /* give the CPU back: interrupts, other vCPUs */
	TD_NEXT_WAIT,    /* run->wake_tsc is set */
	TD_NEXT_STOPPED, /* run->reason is set */
	TD_NEXT_DEAD,    /* run->reason is set */
	TD_NEXT_TRAPPED, /* run->debug is set */
};
/* td_exit.c: after VP.ENTER returned @st with v->regs. */
enum td_next td_exit(struct td_vcpu *v, tdx_status_t st);
/* td_vmcall.c */
enum td_next td_vmcall(struct td_vcpu *v);
const char *td_vmcall_row_name(unsigned row); /* NULL behind the last */
/* td_interrupt.c */
struct posted_descriptor;
int td_interrupt_init(struct td_vcpu *v) MUST_CHECK; /* after VP.INIT; before FINALIZE or after */
void td_interrupt_fini(struct td_vcpu *v);
/* Interrupts of the TD's platform go to its vCPUs from now on, or no longer. */
int td_interrupt_connect(struct td *td);
void td_interrupt_disconnect(struct td *td);
/* ON is set: the CPU or the module has not yet taken what the descriptor holds. */
bool td_interrupt_posted(const struct td_vcpu *v);
void td_interrupt_before_entry(struct td_vcpu *v);
/* Tell the module of an NMI that was asked for. False: it would not hear of it. */
bool td_interrupt_nmi_deliver(struct td_vcpu *v);
/* The guest halted: true: it sleeps; false: there is a reason to go on already. */
bool td_interrupt_halt(struct td_vcpu *v, bool blocked);
/* Is there a reason to end its sleep? Then it has ended. */
bool td_interrupt_wakes(struct td_vcpu *v);
/* td_msr.c: false: no such MSR. */
bool td_msr_read(struct td_vcpu *v, uint32_t msr, uint64_t *value);
bool td_msr_write(struct td_vcpu *v, uint32_t msr, uint64_t value);
void td_cpuid(const struct td_vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* td_debug.c, on its CPU */
/* The stay that begins follows run->debug. 0 or -EIO. */
int td_debug_begin(struct td_vcpu *v) MUST_CHECK;
/* It sleeps by the instruction that was to be stepped over. */
bool td_debug_stepped(struct td_vcpu *v);
/* An exception came out. False: nobody asked for it. */
bool td_debug_exception(struct td_vcpu *v, enum td_next *next) MUST_CHECK;
static inline bool td_debug_wanted(const struct td_vcpu *v)
{
	const struct vcpu_debug *d = &v->run->debug;

	return d->followed != d->generation || d->step || v->stepping;
}

enum td_next td_dead(struct td_vcpu *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum td_next td_stopped(struct td_vcpu *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A page of control structures, noted in td->control. HPA_NONE: no memory. */
hpa_t td_control_page(struct td *td);
/* The module did not take the last one: it is ours again. */
void td_control_drop(struct td *td);

/* td_teardown.c: everything, in any stage; the object stays. Returns pages leaked. */
uint64_t td_teardown(struct td *td);

#endif
