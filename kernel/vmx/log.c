/*
 * log.c - how a plain guest's writes are logged, seen from its vCPUs: by D bits, by the CPU's
 * page-modification log, or by write protection.
 *
 * Invariants
 *   - A vCPU's log is empty whenever it is not in a stay: what the CPU noted is in the MMU's bitmap.
 *   - Only the CPU that runs a vCPU touches its VMCS. Others raise vm->log_gen, kick, and wait until
 *     the vCPU is out of its stay or has seen the generation: then its log was emptied after that.
 *   - The control bit is on only while vm->pml is: a guest that is not logged pays nothing.
 *
 * SDM volume 3C, "Page-Modification Logging".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

#define PML_ENTRIES 512u
#define PML_FIRST   (PML_ENTRIES - 1) /* the CPU counts down, to FFFFh when it is full */

#define QUAL_NMI_UNBLOCKED BIT64(12) /* an IRET was cut short: NMIs are blocked again */
#define BLOCKED_BY_NMI     BIT64(3)  /* of GUEST_INTERRUPTIBILITY */

static void drain(struct vm_vcpu *v)
{
	uint16_t first = (uint16_t)(vmcs_read(VMCS_PML_INDEX) + 1);

	if (first >= PML_ENTRIES)
		return;
	mmu_log_pml(&v->vm->mmu, (const uint64_t *)hpa_to_ptr(v->pml_page) + first,
		    PML_ENTRIES - first);
	vmcs_write(VMCS_PML_INDEX, PML_FIRST);
}

static void turn(struct vm_vcpu *v, bool on)
{
	uint64_t controls = vmcs_read(VMCS_PROC_BASED_CONTROLS2);

	if (on) {
		vmcs_write(VMCS_PML_ADDRESS, v->pml_page.v);
		vmcs_write(VMCS_PML_INDEX, PML_FIRST);
	}
	vmcs_write(VMCS_PROC_BASED_CONTROLS2, on ? controls | PROC2_PML : controls & ~PROC2_PML);
	v->pml_on = on;
}

void log_follow(struct vm_vcpu *v)
{
	uint64_t generation = __atomic_load_n(&v->vm->log_gen, __ATOMIC_SEQ_CST);

	if (v->log_seen == generation)
		return;
	if (v->pml_on)
		drain(v);
	if (v->pml_on != v->vm->pml)
		turn(v, v->vm->pml);
	__atomic_store_n(&v->log_seen, generation, __ATOMIC_RELEASE);
}

void log_stay_ends(struct vm_vcpu *v)
{
	if (unlikely(v->pml_on))
		drain(v);
}

enum exit_action exit_pml_full(struct vm_vcpu *v)
{
	drain(v);
	if (vmcs_read(VMCS_EXIT_QUALIFICATION) & QUAL_NMI_UNBLOCKED)
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY,
			   vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
	reinject_event();
	return EXIT_RESUME;
}

/* ---- for the room above ---- */

static bool still_unaware(const struct vm_vcpu *v, uint64_t generation)
{
	return __atomic_load_n(&v->in_stay, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&v->log_seen, __ATOMIC_ACQUIRE) < generation;
}

void vm_log_drain(struct vm *vm)
{
	uint64_t generation = __atomic_add_fetch(&vm->log_gen, 1, __ATOMIC_SEQ_CST);

	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		const struct vm_vcpu *v = &vm->vcpu[i];
		unsigned cpu = __atomic_load_n(&v->vmcs.cpu, __ATOMIC_SEQ_CST);

		if (!__atomic_load_n(&v->in_stay, __ATOMIC_SEQ_CST))
			continue;
		if (cpu != VMCS_NOWHERE)
			cpu_kick(cpu);
		while (still_unaware(v, generation))
			cpu_pause();
	}
}

static int pml_pages(struct vm *vm)
{
	if (!(vmx_caps()->proc2 >> 32 & PROC2_PML) || vm->mmu.ad == MMU_AD_NONE)
		return -ENOTSUP;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vm_vcpu *v = &vm->vcpu[i];

		if (hpa_is_none(v->pml_page))
			v->pml_page = page_alloc(PAGE_VMX);
		if (hpa_is_none(v->pml_page))
			return -ENOMEM;
	}
	return 0;
}

int vm_log_by(struct vm *vm, enum vm_log_by by)
{
	int err = by == VM_LOG_BY_PML ? pml_pages(vm) : 0;

	if (err)
		return err;
	if (by != VM_LOG_BY_WRPROT && vm->mmu.ad == MMU_AD_NONE)
		return -ENOTSUP;
	if (vm->mmu.ad != MMU_AD_NONE)
		err = mmu_set_ad_policy(&vm->mmu, by == VM_LOG_BY_WRPROT ? MMU_AD_WRPROT
									 : MMU_AD_HARDWARE);
	if (err)
		return err;
	vm->pml = by == VM_LOG_BY_PML;
	vm_log_drain(vm);
	return 0;
}

bool vm_log_is_pml(const struct vm *vm) { return vm->pml; }

bool vm_log_by_d_bits(const struct vm *vm)
{
	return !vm->pml && vm->mmu.ad == MMU_AD_HARDWARE;
}
