/*
 * vectors_machine.h - the computer that the conformance vectors were recorded on, as a model: four
 * LPs in two packages, 4 GiB, MAXPHYADDR 52, and guests that are scripts.
 *
 * Invariants
 *   - Each LP runs its SEAMCALL on a stack of its own, so that a vCPU can stay in the guest while
 *     other LPs call leaves. Everything happens on one thread, one step after the other.
 *
 * Facts: tests/vectors/open/README.md, "Machine model".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TOOLS_HOST_VECTORS_MACHINE_H
#define TAIN_TOOLS_HOST_VECTORS_MACHINE_H

#include "tdx/soft/soft.h"
#include "tdx/soft/xmm.h"

#define VM_LPS    4
#define VM_MEMORY (UINT64_C(4) << 30)

/* How an LP's SEAMCALL stands. */
enum vm_state { VM_IDLE, VM_IN_GUEST, VM_DONE, VM_FAILED /* VMfailInvalid */ };

/* A guest event: registers as they are at the exit, and the exit. */
struct vm_event {
	struct soft_regs gpr;
	struct soft_exit x;
	unsigned cpl;
	bool same_rip;
	uint32_t idt_info; /* the event whose delivery this exit cut short */
};

/* From a machine just reset: memory zero, module just loaded. */
void vm_reset(void);

/* The module under play. */
struct soft_module *vm_module(void);

/* Physical memory. NULL if [@pa, @pa + @bytes) is not all there. */
uint8_t *vm_memory(uint64_t pa, uint64_t bytes);

void vm_set_msr(int lp, uint32_t msr, uint64_t value); /* lp -1: all */
void vm_set_cpuid(int lp, uint32_t leaf, uint32_t sub, const uint32_t regs[4]);
void vm_set_irq(unsigned lp, bool pending);
void vm_set_entropy(bool works);
void vm_tick(uint64_t ticks);
void vm_fail_pconfig(unsigned code);
/* LPs that are threads: give way to another at every @every-th look-up of a page. 0: never. */
void vm_jitter(unsigned every);

/* Run a SEAMCALL on an idle LP until it is done or in the guest. */
enum vm_state vm_call(unsigned lp, const struct soft_regs *in);
/* The guest on @lp exits; go on until it is entered again or the SEAMCALL is done. */
enum vm_state vm_guest(unsigned lp, const struct vm_event *ev);
enum vm_state vm_state(unsigned lp);

/* The host's registers after a call; the guest's and the injected event while in the guest. */
const struct soft_regs *vm_host_regs(unsigned lp);
const struct soft_regs *vm_guest_regs(unsigned lp);
struct fx_area *vm_host_fx(unsigned lp); /* XMM registers only */
struct xsave_head *vm_guest_xsave(unsigned lp); /* of the vCPU that was last in the guest there */
uint32_t vm_guest_event(unsigned lp); /* bits 11:0 of the entry interruption information, or 0 */

/* Call @fn once, when a leaf next reaches PCONFIG or cache write-back, or starts to write a page.
 */
void vm_during(bool copy, void (*fn)(void *arg), void *arg);
bool vm_during_pending(void);

#endif
