/*
 * linear.c - linear addresses of memory that the hypervisor touches in the guest's name: what the guest's
 * page tables say now, and the #PF that the CPU would have made.
 *
 * Invariant: an access is made for the guest only where its own tables and its privilege level allow it.
 *
 * SDM volume 3A, "Page-Fault Exceptions".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/vm_room.h"

#define VECTOR_PF  14
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_USER    4u
#define DPL(ar)    ((ar) >> 5 & 3)

struct guest_paging linear_paging(void)
{
	return (struct guest_paging){
		.cr0 = vmcs_read(VMCS_GUEST_CR0),
		.cr3 = vmcs_read(VMCS_GUEST_CR3),
		.cr4 = vmcs_read(VMCS_GUEST_CR4),
		.efer = vmcs_read(VMCS_GUEST_IA32_EFER),
		.user = DPL(vmcs_read(VMCS_GUEST_SS_ACCESS)) == 3, /* the CPL, also in virtual-8086 mode */
	};
}

enum exit_action linear_fault(struct vm_vcpu *v, uint64_t linear, bool write)
{
	struct guest_paging p = linear_paging();
	uint64_t code = (write ? PF_WRITE : 0) | (p.user ? PF_USER : 0);
	gpa_t gpa;

	p.user = false;
	if (!guest_walk(&v->vm->memory, &p, linear, false, &gpa))
		code |= PF_PRESENT; /* there, but not for this access */
	cr2_write(linear);
	vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, code);
	return inject_exception(v, INTR_INFO_HAS_ERROR | VECTOR_PF);
}
