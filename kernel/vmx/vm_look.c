/*
 * vm_look.c - a plain guest looked into from above: fields of its VMCSs, its local APICs.
 *
 * Invariant: nothing is changed that the guest or its VM entry could notice.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

int vm_look_vmcs(struct vm *vm, unsigned index, uint32_t field, uint64_t *value)
{
	struct vm_vcpu *v = &vm->vcpu[index];
	struct vmcs *was = vmcs_current();
	bool failed;

	/* Without contents, or on another CPU: nothing to read here. */
	if (!v->configured || (v->vmcs.cpu != cpu_index() && v->vmcs.cpu != VMCS_NOWHERE))
		return -ENODATA;
	vm_arrive(v);
	failed = vmread_fails((enum vmcs_field)field, value);
	/* Another guest's stay may be under way here: its VMCS comes back. */
	if (was && vmcs_current() != was)
		vmcs_load(was);
	return failed ? -ENOENT : 0;
}

const struct lapic *vm_look_lapic(const struct vm *vm, unsigned index)
{
	return &vm->vcpu[index].lapic;
}

uint64_t vm_vcpu_exits(const struct vm *vm, unsigned index, uint32_t basic_reason,
		       const struct tick_stats **ticks)
{
	*ticks = &vm->vcpu[index].ticks[basic_reason];
	return vm->vcpu[index].counts[basic_reason];
}
