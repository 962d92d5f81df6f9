/*
 * vm.h - the front door of kernel/vmx: plain VMX guests.
 *
 * A VM is memory, an EPT root of the MMU, a virtual PC and vCPUs. vm_vcpu_run() gives one bounded
 * stay to a vCPU: load its state, enter, and let the exit table answer until the stay ends.
 *
 * Files   vm.c       life of a VM         vmcs_setup.c  a fresh VMCS, as tables
 *         run.c      one stay             exit.c        the exit table
 *         exit_*.c   the handlers         load.c        images
 *         log.c      which pages vCPUs wrote    slots.c   memory comes and goes
 *         flush.c    what CPUs remember of page tables    vm_debug.c, vm_look.c  for those who look in
 *
 * Invariants
 *   - What the exit table has no row for ends the guest, never the machine.
 *   - A vCPU stays on the CPU that it was given; its VMCS is active there or nowhere.
 *   - The guest never sees the host's CR4.VMXE or an MSR that is not in the MSR table.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_VM_H
#define TAIN_VMX_VM_H

#include "kernel/base/guest_config.h"
#include "kernel/base/types.h"
#include "kernel/machine/vmx_exit.h"
#include "kernel/platform/outcome.h"

struct guest_memory;
struct platform;
struct vm;

/*
 * A VM of @config with its memory and image in place, its vCPUs at the entry state that the image
 * wants. @platform is ready and outlives it; @runs[i] is the conversation with vCPU i and
 * outlives it too. NULL with one line in @why: no VMX, no memory, or an image that is not one.
 */
struct vm *vm_create(const struct guest_config *config, struct platform *platform,
		     struct vcpu_run *runs, char *why, size_t why_size) MUST_CHECK;

/* One stay of vCPU @index on the calling CPU, always the same one. Interrupts off. */
enum vcpu_outcome vm_vcpu_run(struct vm *vm, unsigned index);

/* Give all back. No vCPU runs; called on any CPU (clears the VMCSs where they are active). */
void vm_destroy(struct vm *vm);

struct guest_memory *vm_memory(struct vm *vm);

/* Its page tables, for the self-check. */
struct mmu;
struct mmu *vm_mmu(struct vm *vm);

/* How the writes of a logged slot are noticed (mmu_log_start). */
enum vm_log_by {
	VM_LOG_BY_AD,     /* the D bits of its page tables */
	VM_LOG_BY_PML,    /* the CPU's page-modification log, one a vCPU */
	VM_LOG_BY_WRPROT, /* a fault at the first write to each page */
};
/* 0; -EBUSY: a slot is logged now; -ENOTSUP: not with this CPU; -ENOMEM. Boot CPU. */
int vm_log_by(struct vm *vm, enum vm_log_by by) MUST_CHECK;
bool vm_log_is_pml(const struct vm *vm);
bool vm_log_by_d_bits(const struct vm *vm);

/* What its vCPUs have logged by PML so far is in the slots' bitmaps. Boot CPU, interrupts off. */
void vm_log_drain(struct vm *vm);

/*
 * Memory comes, goes, moves with its contents (both places alike within 2 MiB), or becomes read-only,
 * while the VM runs: its vCPUs are held off meanwhile. @base is where the slot begins. 0; -ENOENT: no
 * slot begins there; -EINVAL: it would overlap, or the places differ; -EBUSY: it is logged; -ENOSPC;
 * -ENOMEM. Boot CPU.
 */
int vm_slot_add(struct vm *vm, gfn_t base, uint64_t frames) MUST_CHECK;
int vm_slot_delete(struct vm *vm, gfn_t base) MUST_CHECK;
int vm_slot_move(struct vm *vm, gfn_t base, gfn_t to) MUST_CHECK;
int vm_slot_readonly(struct vm *vm, gfn_t base, bool readonly) MUST_CHECK;

/* Take @slot away and put it back: nothing of it is mapped then. For tests. */
struct memslot;
int vm_slot_renew(struct vm *vm, struct memslot *slot) MUST_CHECK;

/*
 * For a debugger, of a vCPU that is held, on the CPU that runs it, interrupts off. -ENODATA: it waits for
 * its start-up and has no registers; -EINVAL: a value that the CPU would refuse, or another mode.
 */
int vm_debug_read(struct vm *vm, unsigned index, struct vcpu_regs *out) MUST_CHECK;
int vm_debug_write(struct vm *vm, unsigned index, enum vcpu_reg reg, uint64_t value) MUST_CHECK;
void vm_debug_fpu(struct vm *vm, unsigned index, struct vcpu_fpu *out);

/* Something that nobody sent. 0; -EINVAL: a vector below 16. Boot CPU, while it runs. */
enum vm_event { VM_EVENT_IRQ, VM_EVENT_NMI, VM_EVENT_MC };
int vm_inject_event(struct vm *vm, unsigned vcpu, enum vm_event event, uint8_t vector) MUST_CHECK;

/* Is a guest's RDMSR of @index answered here? Else by the CPU itself, or it is a #GP. */
bool vm_msr_is_answered(uint32_t index);

/* The rules of wrong answers have changed: which CPUID leaves come from the table is decided anew. */
void vm_cpuid_again(struct vm *vm);
/* Of vCPU @index: how often, and how long the handler took in those of them that were timed. */
struct tick_stats;
uint64_t vm_vcpu_exits(const struct vm *vm, unsigned index, uint32_t basic_reason,
		       const struct tick_stats **ticks);

/* Who it is in trace records. */
uint16_t vm_trace_id(const struct vm *vm);

/* How often each exit reason came, and its name; NULL: no row for it. */
uint64_t vm_exit_count(const struct vm *vm, uint32_t basic_reason);
/* Exits of vCPU @index that it made itself: neither interrupts nor kicks nor the end of a slice. */
uint64_t vm_own_exits(const struct vm *vm, unsigned index);
const char *vm_exit_row_name(uint32_t basic_reason);

/*
 * A field of the VMCS of vCPU @index, on the CPU that runs it, interrupts off. 0; -ENOENT: this CPU has no
 * such field; -ENODATA: the VMCS has no contents yet. vm_look.c.
 */
int vm_look_vmcs(struct vm *vm, unsigned index, uint32_t field, uint64_t *value) MUST_CHECK;

/* Its local APIC; its CPU changes it meanwhile, unless it is held. */
struct lapic;
const struct lapic *vm_look_lapic(const struct vm *vm, unsigned index);

#endif
