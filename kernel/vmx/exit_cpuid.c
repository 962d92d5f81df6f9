/*
 * exit_cpuid.c - the CPU that a plain guest sees: the real one, less what we do not virtualise.
 *
 * Subleaf 0 of the basic leaves is computed once per VM; what depends on the vCPU, on its
 * registers or on a subleaf is made on demand.
 *
 * Invariant: a feature is shown only if using it works. No VMX, SMX, MONITOR, PMU, SGX, PT or TDX
 * is shown. The TSC's rate is told truthfully, whatever the CPU itself says.
 *
 * SDM volume 2A, "CPUID".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/port.h"
#include "kernel/vmx/tsc_ratio.h"
#include "kernel/vmx/vm_room.h"

#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_EXTENDED   0x80000000u
#define LEAF_EXT_MAX    0x80000008u

/* Leaf 1 */
#define ECX_MONITOR      BIT32(3)
#define ECX_VMX          BIT32(5)
#define ECX_SMX          BIT32(6)
#define ECX_EST_TM2      (BIT32(7) | BIT32(8))
#define ECX_PDCM         BIT32(15)
#define ECX_DCA          BIT32(18)
#define ECX_X2APIC       BIT32(21)
#define ECX_TSC_DEADLINE BIT32(24)
#define ECX_OSXSAVE      BIT32(27)
#define ECX_HYPERVISOR   BIT32(31)
#define EDX_MCE_MCA      (BIT32(7) | BIT32(14))
#define EDX_APIC         BIT32(9)
#define EDX_MTRR         BIT32(12)
#define EDX_DS_ACPI_TM   (BIT32(21) | BIT32(22) | BIT32(29) | BIT32(31))
#define EDX_HTT          BIT32(28)

/* Leaf 6 */
#define EAX6_ARAT BIT32(2)

/* Leaf 7.0 */
#define EBX7_TSC_ADJUST BIT32(1)
#define EBX7_HIDE       (EBX7_TSC_ADJUST | BIT32(2) /* SGX */ | BIT32(12) | BIT32(15) /* RDT */ | \
			 BIT32(14) /* MPX */ | BIT32(25) /* PT */ | BIT32(10) /* INVPCID: below */)
#define EBX7_INVPCID    BIT32(10)
#define ECX7_HIDE       (BIT32(5) /* WAITPKG */ | BIT32(7) /* CET SS */ | BIT32(13) /* TME */ | \
			 BIT32(16) /* LA57 */ | BIT32(23) /* KL */ | BIT32(24) /* bus lock */ | \
			 BIT32(29) /* ENQCMD */ | BIT32(30) /* SGX_LC */)
#define EDX7_HIDE       (BIT32(18) /* PCONFIG */ | BIT32(19) /* LBR */ | BIT32(20) /* CET IBT */ | \
			 BIT32(22) | BIT32(24) | BIT32(25) /* AMX */ | BITS64(31, 26) /* speculation */)

/* Leaf 80000001h */
#define EDX_EXT_RDTSCP BIT32(27)

/* Leaves that read as zero: C-states, thermal, DCA, PMU, RDT, SGX, PT, and the like. */
static const uint8_t hidden[] = { 2, 3, 5, 9, 0xa, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x19, 0x1a,
				  0x1b, 0x1c, 0x1d, 0x1e, 0x1f };

uint64_t guest_xcr0_mask(void)
{
	struct cpuid_regs d = cpuid(0xd, 0);
	uint64_t host = ((uint64_t)d.edx << 32) | d.eax;

	return host & (BITS64(2, 0) | BITS64(7, 5) | BIT64(9)); /* x87 SSE AVX, AVX-512, PKRU */
}

static void build_leaf1(struct vm *vm, struct cpuid_regs *r)
{
	r->ebx = (r->ebx & 0xff00) | vm->vcpu_count << 16;
	r->ecx &= ~(ECX_MONITOR | ECX_VMX | ECX_SMX | ECX_EST_TM2 | ECX_PDCM | ECX_DCA |
		    ECX_OSXSAVE);
	r->ecx |= ECX_HYPERVISOR | ECX_X2APIC | ECX_TSC_DEADLINE;
	r->edx &= ~(EDX_MCE_MCA | EDX_DS_ACPI_TM | EDX_HTT);
	r->edx |= EDX_APIC | EDX_MTRR;
	if (vm->vcpu_count > 1)
		r->edx |= EDX_HTT;
}

static void build_leaf7(struct vm *vm, struct cpuid_regs *r)
{
	bool invpcid = (r->ebx & EBX7_INVPCID) &&
		       (vm->controls.value[VMX_CTL_PROC2] & PROC2_INVPCID);

	r->eax = 0;
	r->ebx &= ~(uint32_t)EBX7_HIDE;
	r->ebx |= invpcid ? EBX7_INVPCID : 0;
	r->ecx &= ~(uint32_t)ECX7_HIDE;
	r->edx &= ~(uint32_t)EDX7_HIDE;
}

/* Linux multiplies the ratio's numerator with the crystal's kHz in 32 bits. */
static struct cpuid_regs tsc_leaf(uint64_t hz)
{
	struct tsc_ratio r = tsc_ratio_nearest(hz, LAPIC_BUS_HZ, UINT32_MAX / (LAPIC_BUS_HZ / 1000));

	return (struct cpuid_regs){ .eax = r.den, .ebx = r.num, .ecx = (uint32_t)LAPIC_BUS_HZ };
}

/* Leaf 6: the timer never stops. Leaves 15h and 16h: crystal, TSC, and the base frequency by it. */
static void build_clocks(struct vm *vm)
{
	uint64_t hz = tsc_hz();

	vm->cpuid[6] = (struct cpuid_regs){ .eax = EAX6_ARAT };
	vm->cpuid[0x15] = tsc_leaf(hz);
	vm->cpuid[0x16] = (struct cpuid_regs){ .eax = (uint32_t)(hz / 1000000),
					       .ebx = (uint32_t)(hz / 1000000), .ecx = 100 };
}

/* Basic leaves whose answer is the same for each vCPU at any time, whatever the subleaf. */
#define FIXED_LEAVES (~(BIT64(1) | BIT64(4) | BIT64(7) | BIT64(0xb) | BIT64(0xd)))

void vm_cpuid_again(struct vm *vm)
{
	for (uint32_t leaf = 0; leaf < VM_CPUID_BASIC; leaf++) {
		const struct cpuid_regs *r = &vm->cpuid[leaf];
		bool fixed = (FIXED_LEAVES & BIT64(leaf)) != 0 &&
			     !fault_names_leaf(vm->platform->config.faults, leaf);

		vm->cpuid_answer[leaf] =
			(struct cpuid_gprs){ r->eax, r->ecx, r->edx, r->ebx, fixed };
	}
}

void cpuid_build(struct vm *vm)
{
	uint32_t max = cpuid(0, 0).eax;

	for (uint32_t leaf = 0; leaf < VM_CPUID_BASIC; leaf++)
		vm->cpuid[leaf] = leaf <= max ? cpuid(leaf, 0) : (struct cpuid_regs){ 0 };
	for (size_t i = 0; i < sizeof(hidden); i++)
		vm->cpuid[hidden[i]] = (struct cpuid_regs){ 0 };
	vm->cpuid[0].eax = 0x16;
	build_clocks(vm);
	build_leaf1(vm, &vm->cpuid[1]);
	build_leaf7(vm, &vm->cpuid[7]);
	vm_cpuid_again(vm);
}

/* Leaf Bh: one package, one thread a core. */
static struct cpuid_regs topology(const struct vm_vcpu *v, uint32_t subleaf)
{
	struct cpuid_regs r = { .ecx = subleaf, .edx = v->index };
	unsigned bits = 0;

	while (1u << bits < v->vm->vcpu_count)
		bits++;
	if (subleaf == 0) {
		r.ebx = 1;
		r.ecx |= 1 << 8;
	} else if (subleaf == 1) {
		r.eax = bits;
		r.ebx = v->vm->vcpu_count;
		r.ecx |= 2 << 8;
	}
	return r;
}

#define XSAVE_LEGACY_BYTES 576 /* x87, SSE and the header */

/* Bytes of a compacted area for what @xcr0 enables. Some CPUs tell the size of the other format. */
static uint32_t compacted_size(uint64_t xcr0)
{
	uint32_t size = XSAVE_LEGACY_BYTES;

	for (unsigned i = 2; i < 63; i++) {
		if (!(xcr0 & BIT64(i)))
			continue;

		struct cpuid_regs r = cpuid(0xd, i);

		if (r.ecx & 2) /* aligned to 64 */
			size = (uint32_t)align_up(size, 64);
		size += r.eax;
	}
	return size;
}

/* Leaf Dh: what the guest may enable, and the size that its own XCR0 needs. */
static struct cpuid_regs extended_state(const struct vm_vcpu *v, uint32_t subleaf)
{
	uint64_t mask = guest_xcr0_mask();
	struct cpuid_regs r = cpuid(0xd, subleaf);

	if (subleaf == 0) {
		r.eax = (uint32_t)mask;
		r.edx = (uint32_t)(mask >> 32);
	} else if (subleaf == 1) {
		r.eax &= 0xf; /* XSAVEOPT, XSAVEC, XGETBV1, XSAVES; no XSS bits */
		r.ebx = compacted_size(v->xcr0);
		r.ecx = r.edx = 0;
	} else if (subleaf > 63 || !(mask & BIT64(subleaf))) {
		r = (struct cpuid_regs){ 0 };
	}
	return r;
}

static struct cpuid_regs extended(uint32_t leaf)
{
	struct cpuid_regs r = cpuid(leaf, 0);

	if (leaf == LEAF_EXTENDED && r.eax > LEAF_EXT_MAX)
		r.eax = LEAF_EXT_MAX;
	if (leaf == 0x80000008)
		r.ebx = r.ecx = r.edx = 0;
	return r;
}

/* "TainTainTain", and nothing more behind it. */
static struct cpuid_regs hypervisor(uint32_t leaf)
{
	if (leaf != LEAF_HYPERVISOR)
		return (struct cpuid_regs){ 0 };
	return (struct cpuid_regs){ LEAF_HYPERVISOR, 0x6e696154, 0x6e696154, 0x6e696154 };
}

static struct cpuid_regs on_demand(const struct vm_vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = { 0 };

	if (leaf - LEAF_HYPERVISOR < 0x100)
		return hypervisor(leaf);
	if (leaf >= LEAF_EXTENDED && leaf <= LEAF_EXT_MAX)
		return extended(leaf);
	switch (leaf) {
	case 1:
		r = v->vm->cpuid[1];
		r.ebx |= v->index << 24;
		if (vmcs_read(VMCS_GUEST_CR4) & CR4_OSXSAVE)
			r.ecx |= ECX_OSXSAVE;
		if (!(v->lapic.base & APIC_BASE_ENABLE))
			r.edx &= ~EDX_APIC;
		return r;
	case 4:
		r = cpuid(4, subleaf);
		r.eax &= 0x3fff; /* no sharing between cores */
		return r;
	case 7:
		return subleaf == 0 ? v->vm->cpuid[7] : r;
	case 0xb:
		return topology(v, subleaf);
	case 0xd:
		return extended_state(v, subleaf);
	default: /* a leaf without subleaves, or none at all */
		return leaf < VM_CPUID_BASIC ? v->vm->cpuid[leaf] : r;
	}
}

static __attribute__((noinline)) enum exit_action made_on_demand(struct vm_vcpu *v)
{
	uint64_t *gpr = v->regs.gpr;
	struct cpuid_regs r = on_demand(v, (uint32_t)gpr[REG_RAX], (uint32_t)gpr[REG_RCX]);

	uint32_t out[4] = { r.eax, r.ebx, r.ecx, r.edx };

	fault_cpuid(v->vm->platform->config.faults, (uint32_t)gpr[REG_RAX], out);
	gpr[REG_RAX] = out[0];
	gpr[REG_RBX] = out[1];
	gpr[REG_RCX] = out[2];
	gpr[REG_RDX] = out[3];
	return skip_instruction(v);
}

enum exit_action exit_cpuid(struct vm_vcpu *v)
{
	uint64_t *gpr = v->regs.gpr;
	uint64_t leaf = (uint32_t)gpr[REG_RAX];

	const struct cpuid_gprs *answer = &v->vm->cpuid_answer[leaf];

	if (unlikely(leaf >= VM_CPUID_BASIC || !answer->fixed))
		return made_on_demand(v);
	gpr[REG_RAX] = answer->rax;
	gpr[REG_RCX] = answer->rcx;
	gpr[REG_RDX] = answer->rdx;
	gpr[REG_RBX] = answer->rbx;
	return skip_instruction(v);
}
