/*
 * vmx_vmcs.c - life of a VMCS, and the host state that every exit comes back to.
 *
 * Invariants
 *   - The current VMCS of a CPU is the one in its struct vmx_cpu, and active there.
 *   - Host state is written when a VMCS becomes active on a CPU, from that CPU's own registers:
 *     nothing in it changes while the CPU runs (CR3 included: one host address space).
 *
 * SDM volume 3C, "Host-State Area" and "Initializing a VMCS".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/vmx.h"
#include "kernel/machine/vmx_exit.h"
#include "kernel/machine/vmx_room.h"

_Static_assert(offsetof(struct vmx_regs, host_rsp) == 128, "REGS in vmx_entry.asm");
_Static_assert(offsetof(struct vmx_regs, kick) == 136, "REGS in vmx_entry.asm");
_Static_assert(VMX_EXITED == 0 && VMX_ENTRY_FAILED == 1 && VMX_KICKED == 2, "vmx_entry.asm");

#define MSR_EFER    0xc0000080
#define MSR_PAT     0x277
#define MSR_FS_BASE 0xc0000100

extern char vmx_exit_point[];

static struct vmx_cpu *vmx_this_cpu(void)
{
	struct vmx_cpu *me = this_cpu()->slot[CPU_SLOT_VMX];

	assert(me);
	return me;
}

int vmcs_init(struct vmcs *v)
{
	v->cpu = VMCS_NOWHERE;
	v->launched = false;
	v->page = page_alloc(PAGE_VMX);
	if (hpa_is_none(v->page))
		return -ENOMEM;
	*(uint32_t *)hpa_to_ptr(v->page) = (uint32_t)(vmx_caps()->basic & BITS64(30, 0));
	/* The CPU may keep parts of a VMCS: this makes the state of a new one known. */
	if (vmclear(&v->page.v) != VMX_OK)
		panic("VMCLEAR of a fresh VMCS refused");
	return 0;
}

void vmcs_fini(struct vmcs *v)
{
	assert(v->cpu == VMCS_NOWHERE);
	page_free(v->page, PAGE_VMX);
	v->page = HPA_NONE;
}

static void write_host_state(void)
{
	const struct cpu *me = this_cpu();
	struct table_register gdt, idt;

	sgdt(&gdt);
	sidt(&idt);

	const struct {
		enum vmcs_field field;
		uint64_t value;
	} host[] = {
		{ VMCS_HOST_CR0, cr0_read() },
		{ VMCS_HOST_CR3, cr3_read() },
		{ VMCS_HOST_CR4, cr4_read() },
		{ VMCS_HOST_CS_SELECTOR, CPU_GDT_CODE },
		{ VMCS_HOST_SS_SELECTOR, CPU_GDT_DATA },
		{ VMCS_HOST_DS_SELECTOR, 0 },
		{ VMCS_HOST_ES_SELECTOR, 0 },
		{ VMCS_HOST_FS_SELECTOR, 0 },
		{ VMCS_HOST_GS_SELECTOR, 0 },
		{ VMCS_HOST_TR_SELECTOR, CPU_GDT_TSS },
		{ VMCS_HOST_FS_BASE, rdmsr(MSR_FS_BASE) },
		{ VMCS_HOST_GS_BASE, (uint64_t)me },
		{ VMCS_HOST_TR_BASE, (uint64_t)me->tss },
		{ VMCS_HOST_GDTR_BASE, gdt.base },
		{ VMCS_HOST_IDTR_BASE, idt.base },
		{ VMCS_HOST_IA32_SYSENTER_CS, 0 },
		{ VMCS_HOST_IA32_SYSENTER_ESP, 0 },
		{ VMCS_HOST_IA32_SYSENTER_EIP, 0 },
		{ VMCS_HOST_IA32_EFER, rdmsr(MSR_EFER) },
		{ VMCS_HOST_IA32_PAT, rdmsr(MSR_PAT) },
		{ VMCS_HOST_RIP, (uint64_t)vmx_exit_point },
	};

	for (size_t i = 0; i < ARRAY_LEN(host); i++)
		vmcs_write(host[i].field, host[i].value);
}

bool vmcs_load(struct vmcs *v)
{
	struct vmx_cpu *me = vmx_this_cpu();
	unsigned cpu = this_cpu()->index;
	bool fresh = v->cpu == VMCS_NOWHERE;

	if (me->current == v)
		return false;
	assert(fresh || v->cpu == cpu);
	if (vmptrld(&v->page.v) != VMX_OK)
		panic("VMPTRLD of %#llx refused", (unsigned long long)v->page.v);
	me->current = v;
	v->cpu = cpu;
	if (fresh)
		write_host_state();
	return fresh;
}

void vmcs_clear(struct vmcs *v)
{
	struct vmx_cpu *me = vmx_this_cpu();

	if (v->cpu == VMCS_NOWHERE)
		return;
	assert(v->cpu == this_cpu()->index);
	if (vmclear(&v->page.v) != VMX_OK)
		panic("VMCLEAR of %#llx refused", (unsigned long long)v->page.v);
	if (me->current == v)
		me->current = NULL;
	v->cpu = VMCS_NOWHERE;
	v->launched = false;
}

struct vmcs *vmcs_current(void)
{
	return vmx_this_cpu()->current;
}

void vmcs_reload(void)
{
	struct vmcs *v = vmx_this_cpu()->current;

	if (v && vmptrld(&v->page.v) != VMX_OK)
		panic("VMPTRLD of %#llx refused", (unsigned long long)v->page.v);
}

NORETURN void vmcs_access_failed(const char *instruction, enum vmcs_field field)
{
	uint64_t error = 0;

	if (vmread_fails(VMCS_VM_INSTRUCTION_ERROR, &error))
		panic("%s of field %#x: no current VMCS", instruction, field);
	panic("%s of field %#x: %s", instruction, field, vmx_error_text((uint32_t)error));
}
