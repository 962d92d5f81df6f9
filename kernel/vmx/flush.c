/*
 * flush.c - what CPUs remember of a VM's page tables, and how they forget it.
 *
 * Invariants
 *   - A flush is over when every vCPU of the VM is out of the guest or has entered it after the
 *     flush generation was raised: nobody waits for a handler, so it may be awaited with the MMU's
 *     lock held (mmu rule E6).
 *   - A vCPU that comes to a CPU, or gets another root, drops what that CPU remembers of this EPTP
 *     before it enters (mmu rule E5): it may be from before other flushes, which did not ask here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

/* ---- the one who asks ---- */

static bool still_inside(const struct vm_vcpu *v, uint64_t generation)
{
	return __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&v->flush_seen, __ATOMIC_ACQUIRE) < generation;
}

int vm_flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	struct vm *vm = container_of(mmu, struct vm, mmu);
	uint64_t generation = __atomic_add_fetch(&vm->flush_gen, 1, __ATOMIC_SEQ_CST);

	(void)root, (void)start, (void)frames; /* INVEPT has no finer measure than the whole VM */
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		unsigned cpu = __atomic_load_n(&vm->vcpu[i].vmcs.cpu, __ATOMIC_SEQ_CST);

		if (cpu == this_cpu()->index)
			this_cpu()->wake = 1; /* our own next entry is turned back, and flushes */
		else if (cpu != VMCS_NOWHERE)
			cpu_kick(cpu);
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		while (still_inside(&vm->vcpu[i], generation))
			cpu_pause();
	return 0;
}

/* ---- a vCPU, before it enters ---- */

void vm_arrive(struct vm_vcpu *v)
{
	if (!vmcs_load(&v->vmcs))
		return;
	v->regs.host_rsp = 0;
	v->regs.kick = &this_cpu()->wake;
	vmx_flush_vpid(v->vpid);
	v->flush_seen = 0; /* whatever this CPU remembers of that EPTP is another's */
}

/* The root that we had is out of use: another in its place (mmu rule E3). */
static __attribute__((noinline, cold)) void load_root(struct vm_vcpu *v)
{
	struct mmu_page *old = v->root;

	v->root = mmu_root_get(&v->vm->mmu, MMU_DIRECT); /* there always is one */
	vmcs_set_root(v);
	mmu_root_put(&v->vm->mmu, old);
}

void vm_flush_if_asked(struct vm_vcpu *v)
{
	uint64_t generation = __atomic_load_n(&v->vm->flush_gen, __ATOMIC_SEQ_CST);

	if (v->flush_seen == generation)
		return;
	if (!mmu_root_is_valid(v->root))
		load_root(v);
	vmx_flush_ept(mmu_root_eptp(&v->vm->mmu, v->root));
	__atomic_store_n(&v->flush_seen, generation, __ATOMIC_RELEASE);
}
