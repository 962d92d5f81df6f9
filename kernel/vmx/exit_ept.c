/*
 * exit_ept.c - EPT violations and misconfigurations of a plain guest: to the MMU, or the end.
 *
 * Invariant: an event whose delivery was cut short by the violation is delivered again.
 *
 * SDM volume 3C, "EPT Violations" and "Information for VM Exits That Occur During Event Delivery".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/trace.h"
#include "kernel/vmx/vm_room.h"

_Static_assert(EPT_QUAL_READ == MMU_READ && EPT_QUAL_WRITE == MMU_WRITE &&
	       EPT_QUAL_FETCH == MMU_EXEC, "qualification bits 2:0 are the MMU's access bits");

/* The linear address is valid, and it is its translation, not a table, that was touched. */
#define QUAL_OWN_ACCESS (BIT64(7) | BIT64(8))

/* Entry information has the same layout, and no "NMI unblocking" bit 12. */
void redeliver(uint64_t info)
{
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, info & ~BIT64(12));
	if (info & INTR_INFO_HAS_ERROR)
		vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE));
	vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

static const char *access_name(uint64_t q)
{
	return q & EPT_QUAL_FETCH ? "fetch" : q & EPT_QUAL_WRITE ? "write" : "read";
}

static enum exit_action refused(struct vm_vcpu *v, uint64_t q, gpa_t gpa, int err)
{
	unsigned long long rip = vmcs_read(VMCS_GUEST_RIP), at = gpa.v;

	switch (err) {
	case -ENOENT:
		return leave(v, RUN_DEAD, "%s at %#llx, where it has no memory (RIP %#llx)",
			     access_name(q), at, rip);
	case -EACCES:
		return leave(v, RUN_DEAD, "write to read-only memory at %#llx (RIP %#llx)", at, rip);
	case -ENOMEM:
		return leave(v, RUN_DEAD, "the machine has no memory left for %#llx", at);
	default:
		return leave(v, RUN_DEAD, "its page tables are broken at %#llx (error %d)", at, err);
	}
}

enum exit_action exit_ept_violation(struct vm_vcpu *v)
{
	uint64_t q = vmcs_read(VMCS_EXIT_QUALIFICATION);
	gpa_t gpa = { vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS) };
	struct mmu_fault fault = {
		.gfn = gpa_to_gfn(gpa),
		.root = MMU_DIRECT,
		.access = (unsigned)(q & (EPT_QUAL_READ | EPT_QUAL_WRITE | EPT_QUAL_FETCH)),
	};

	if (likely(trace_on(TRACE_VMEXIT)))
		trace_exit(v, EXIT_REASON_EPT_VIOLATION, q, gpa.v);

	int err = mmu_handle_fault(&v->vm->mmu, &fault);

	/* Nobody's memory, or ROM: a device's, if an instruction's data access it was. */
	if ((err == -ENOENT || err == -EACCES) && !(q & EPT_QUAL_FETCH) && (q & QUAL_OWN_ACCESS) ==
	    QUAL_OWN_ACCESS && !(vmcs_read(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		return vm_mmio(v, gpa);
	/* -EAGAIN: another CPU is at this entry; the access is made again, or a kick comes first. */
	if (err && err != -EAGAIN)
		return refused(v, q, gpa, err);
	reinject_event();
	return EXIT_RESUME;
}

/* An entry that says "no memory here". What made the access, only its instruction can tell. */
enum exit_action exit_ept_misconfig(struct vm_vcpu *v)
{
	gpa_t gpa = { vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS) };
	int err = mmu_handle_misconfig(&v->vm->mmu, gpa_to_gfn(gpa));

	if (err == -ENOENT && !(vmcs_read(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		return vm_mmio(v, gpa);
	if (err)
		return refused(v, 0, gpa, err);
	reinject_event(); /* it was out of date, and is gone */
	return EXIT_RESUME;
}
