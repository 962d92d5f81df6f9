/*
 * soft_vmx.h - the inside of the software TDX module's VMX backend: what its files share.
 *
 *   start.c    the machine as the module sees it, the #UD handler, the start
 *   describe.c CPUID and MSRs of a TDX machine      alias.c   all memory at a second address
 *   fields.c   the fields of a TD VMCS              enter.c   one stay in a guest
 *   state.c    state that VMX does not switch       exits.c   what an exit means
 *   shared.c   the shared half of the EPT           walk.c    bytes at the guest's RIP
 *
 * Invariants
 *   - No policy of TDX lives here: what a guest may do is decided in tdx/soft/. This room gives the
 *     CPU what the module wrote, minus what the CPU lacks, and says why the guest stopped.
 *   - All calls come with interrupts off inside soft_seamcall(); per-LP state is touched by its LP
 *     only, per-vCPU state by the LP that has the vCPU.
 *   - A TD's VMCS may stay current until the SEAMCALL ends; then the host's is current again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_VMX_SOFT_VMX_H
#define TAIN_SOFT_VMX_SOFT_VMX_H

#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/vmx.h"
#include "kernel/machine/vmx_exit.h"
#include "tdx/soft/soft.h"

/* All RAM once more, where hiding a page from the direct map does not reach. */
#define ALIAS_BASE UINT64_C(0xffffe00000000000)

static inline void *alias(uint64_t hpa) { return (void *)(uintptr_t)(ALIAS_BASE + hpa); }

/* Map all RAM at ALIAS_BASE, writable, not executable. 0 or -ENOMEM. Boot CPU, once. */
int alias_init(void) MUST_CHECK;

/* INVEPT types. */
enum { INVEPT_CONTEXT = 1, INVEPT_ALL = 2 };

/* VMCS fields that the CPU under us may not have; their values are only kept. */
enum {
	FIELD_PROC3 = 0x2034,
	FIELD_SHARED_EPTP = 0x203c,
	FIELD_HKID = 0x4026,
};

/* soft_vcpu.backend[]: what the module wrote where the CPU got something else. */
struct svmx_vcpu {
	struct vmcs vmcs;
	uint32_t control[VMX_CTL_COUNT]; /* as the module wrote them */
	uint32_t exceptions;
	uint64_t proc3, shared_eptp, posted_descriptor;
	uint64_t key_bits; /* the KeyID as it stands in the module's addresses */
	uint64_t host_rsp; /* as in vmx_regs */
	uint16_t posted_vector, hkid;
	uint16_t shared_copied; /* root entries of the shared half that were ever filled */
	bool ve_by_cpu, posted_by_cpu;
	bool hidden; /* RVI is 0 though the virtual IRR is not: posted.c */
	bool window; /* interrupt-window exiting is ours */
	uint8_t eoi_exit; /* the vector whose EOI exits; 0: none */
	uint64_t held[4]; /* vectors on their way into the virtual IRR */
};
_Static_assert(sizeof(struct svmx_vcpu) <= sizeof(((struct soft_vcpu *)0)->backend),
	       "soft_vcpu.backend holds it");

static inline struct svmx_vcpu *svmx_of(struct soft_vcpu *v)
{
	return (struct svmx_vcpu *)(void *)v->backend;
}

/* A translation of a private guest frame, as a CPU would cache it: dropped by flush_tlb(). */
#define TLB_ENTRIES 64
struct svmx_tlb {
	uint64_t root, gfn; /* root 0: empty */
	uint64_t hpa;
};

/* The last walk to a guest's code: good again if all that it depended on is the same. */
struct svmx_fetch {
	uint64_t root, linear, cr0, cr3, cr4; /* root 0: none */
	unsigned depth;
	const uint64_t *entry[5]; /* the guest's entries on the way, and what they held */
	uint64_t value[5];
	const uint32_t *code;
};

#define SWITCHED_MSRS 12

/* One logical processor. */
struct svmx_lp {
	struct vmx_regs regs;
	struct svmx_tlb tlb[TLB_ENTRIES];
	struct svmx_fetch fetch;
	struct vmcs *host_vmcs;      /* current when the SEAMCALL came; NULL: none of the host's */
	struct vmcs *td_vmcs;        /* the last of a TD that was made current here, until its flush */
	struct soft_vcpu *in_use;    /* whose VMCS is current in this SEAMCALL; NULL: not looked yet */
	struct soft_vcpu *loaded;    /* whose registers the CPU holds; NULL: the host's */
	uint64_t began;              /* TSC at the first stay of this SEAMCALL */
	bool interrupt_seen;         /* the module was told that a host interrupt waits */
	uint64_t host_xcr0, host_xss;
	uint64_t host_msr[SWITCHED_MSRS];
	uint64_t entries, reflected_ud, shared_refreshes;
	uint64_t blank;              /* a VMCS that is never used: forget_vmcs() */
} ALIGNED(64);

struct svmx_lp *svmx_lp(unsigned lp);

/* That of the calling CPU. */
static inline struct svmx_lp *svmx_here(void) { return this_cpu()->slot[CPU_SLOT_SOFT]; }

/* ---- fields.c ---- */

/* What the CPU lacks that no TD can do without, by name; empty: nothing. Before the start. */
int svmx_controls_check(char *missing, size_t size) MUST_CHECK;
void svmx_vcpu_init(void *ctx, unsigned lp, struct soft_vcpu *v);
uint64_t svmx_vmread(void *ctx, struct soft_vcpu *v, uint32_t field);
bool svmx_vmwrite(void *ctx, struct soft_vcpu *v, uint32_t field, uint64_t value);
/* Longest time in a guest without a word to the host, in TSC ticks. */
uint64_t svmx_slice(void);
/* Make @v's VMCS current until the SEAMCALL ends. */
void svmx_load(struct svmx_lp *me, struct soft_vcpu *v);
static inline void svmx_use(struct soft_vcpu *v)
{
	struct svmx_lp *me = svmx_here();

	if (unlikely(me->in_use != v))
		svmx_load(me, v);
}

/* ---- state.c ---- */

void state_init(void);
/* Does this CPU keep extended state in the compacted format as it should? */
bool state_compacts(void);
/* Around each stay. */
void state_load(struct svmx_lp *me, struct soft_vcpu *v);
void state_save(struct soft_vcpu *v);
/* At the end of the SEAMCALL: the rest goes back into the vCPU, the host's state comes back. */
void state_unload(struct svmx_lp *me);
void svmx_xmm_out(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask);
void svmx_xmm_in(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask);
uint32_t svmx_xsave_size(void *ctx, unsigned lp, struct soft_vcpu *v, unsigned subleaf);

/* ---- shared.c ---- */

/* Bring the shared half of @v's root up to date; true if an entry changed. */
bool shared_root_sync(struct svmx_vcpu *b, struct soft_vcpu *v, bool all);
/* The shared EPT's entry that ends the walk of @gpa. */
uint64_t shared_entry(const struct soft_vcpu *v, uint64_t gpa);

/* ---- posted.c: on a CPU without posted interrupts ---- */

/* Take what a posted-interrupt descriptor holds. */
void posted_take(struct soft_vcpu *v);
/* Before each entry: what the guest can take now goes into the virtual APIC. */
void posted_feed(struct soft_vcpu *v);
/* The guest's interrupt status (RVI, SVI) as it would be on a CPU that does it all. */
uint64_t posted_status(struct soft_vcpu *v);

/* ---- walk.c ---- */

/* The four bytes of code at the guest's RIP. False: they cannot be read. */
bool guest_code(struct svmx_lp *me, struct soft_vcpu *v, uint32_t *code);
void tlb_drop(struct svmx_lp *me);

/* ---- exits.c ---- */

/* The host's turn: @x is an interrupt that waits, or none. */
void exit_to_host(struct soft_exit *x);

/* True: @x says why the guest stopped. False: it was ours alone, enter again. */
bool exit_decode(struct svmx_lp *me, struct soft_vcpu *v, struct soft_exit *x);
void exit_kicked(struct soft_exit *x);
void exit_entry_failed(struct soft_vcpu *v, struct soft_exit *x);

/* ---- enter.c ---- */

void svmx_enter(void *ctx, unsigned lp, struct soft_vcpu *v, struct soft_exit *x);
void svmx_flush_tlb(void *ctx, unsigned lp, struct soft_vcpu *v);
void svmx_vcpu_flush(void *ctx, unsigned lp, struct soft_vcpu *v);

/* ---- describe.c ---- */

void describe_init(struct soft_machine *m);
void describe_cpuid(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void describe_cpuid_guest(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
uint64_t describe_rdmsr(void *ctx, unsigned lp, uint32_t msr);

#endif
