/*
 * vmx.c - VMX on and off, CPU by CPU, and what the CPUs can do.
 *
 * Invariants
 *   - vmx_available() is true only if every CPU that tried is in VMX operation; the first reason
 *     why one is not is kept, with the CPU it came from.
 *   - IA32_FEATURE_CONTROL is written only where the firmware left it unlocked.
 *
 * SDM volume 3C, "Enabling and Entering VMX Operation"; volume 3D, appendix "VMX Capability
 * Reporting Facility".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>

#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/vmx.h"
#include "kernel/machine/vmx_room.h"

#define MSR_FEATURE_CONTROL    0x3a
#define FEATURE_CONTROL_LOCKED BIT64(0)
#define FEATURE_CONTROL_VMXON  BIT64(2) /* outside SMX */

#define CPUID_1_ECX_VMX   BIT32(5)
#define CPUID_1_ECX_XSAVE BIT32(26)

#define MSR_VMX_BASIC      0x480
#define MSR_VMX_PROC2      0x48b
#define MSR_VMX_TRUE_FIRST 0x48d
#define BASIC_TRUE_CTLS    BIT64(55)
#define BASIC_REVISION     BITS64(30, 0)

#define VPID_COUNT 1024

static struct {
	struct vmx_caps caps;
	bool caps_known;
	uint32_t cpus_on; /* atomic */
	bool failed;
	char reason[160];
	spinlock_t lock; /* reason, vpids; a leaf */
	uint64_t vpids[VPID_COUNT / 64];
} vmx;

static void keep_reason(const char *text)
{
	spin_lock(&vmx.lock);
	if (!vmx.failed)
		snprintf(vmx.reason, sizeof(vmx.reason), "%s", text);
	vmx.failed = true;
	spin_unlock(&vmx.lock);
}

bool vmx_read_caps(struct vmx_caps *caps)
{
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX))
		return false;
	caps->basic = rdmsr(MSR_VMX_BASIC);
	/* The TRUE MSRs say which default-1 controls may be 0 after all. */
	uint32_t first = caps->basic & BASIC_TRUE_CTLS ? MSR_VMX_TRUE_FIRST : MSR_VMX_BASIC + 1;

	caps->pin = rdmsr(first);
	caps->proc = rdmsr(first + 1);
	caps->exit = rdmsr(first + 2);
	caps->entry = rdmsr(first + 3);
	caps->misc = rdmsr(MSR_VMX_BASIC + 5);
	caps->cr0_fixed0 = rdmsr(MSR_VMX_BASIC + 6);
	caps->cr0_fixed1 = rdmsr(MSR_VMX_BASIC + 7);
	caps->cr4_fixed0 = rdmsr(MSR_VMX_BASIC + 8);
	caps->cr4_fixed1 = rdmsr(MSR_VMX_BASIC + 9);
	caps->proc2 = (caps->proc >> 32) & PROC_SECONDARY ? rdmsr(MSR_VMX_PROC2) : 0;
	caps->ept_vpid = (caps->proc2 >> 32) & (PROC2_EPT | PROC2_VPID)
				 ? rdmsr(MSR_VMX_PROC2 + 1) : 0;
	return true;
}

/* IA32_FEATURE_CONTROL allows VMXON, now or by our hand. */
static bool feature_control_allows(void)
{
	uint64_t fc = rdmsr(MSR_FEATURE_CONTROL);

	if (!(fc & FEATURE_CONTROL_LOCKED)) {
		fc |= FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMXON;
		wrmsr(MSR_FEATURE_CONTROL, fc);
	}
	return (fc & FEATURE_CONTROL_VMXON) != 0;
}

/* CR0 and CR4 as VMXON wants them, and the extended state usable for guests. */
static void prepare_control_registers(const struct vmx_caps *caps)
{
	uint64_t cr4 = cr4_read() | CR4_VMXE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE;
	cr0_write((cr0_read() | caps->cr0_fixed0 | CR0_MP) & caps->cr0_fixed1 & ~(CR0_TS | CR0_EM));
	cr4_write((cr4 | caps->cr4_fixed0) & caps->cr4_fixed1);
}

static int fail(int err, const char *text)
{
	keep_reason(text);
	return err;
}

int vmx_cpu_on(void)
{
	struct vmx_caps caps;

	if (!vmx_read_caps(&caps))
		return fail(-ENODEV, "this CPU has no VMX (CPUID.1:ECX bit 5 is 0)");
	if (!feature_control_allows())
		return fail(-EPERM, "VMX is locked off by the firmware (IA32_FEATURE_CONTROL bit 2 "
				    "is 0; look for \"Intel Virtualization Technology\" in its setup)");
	if (this_cpu()->index == 0) {
		vmx.caps = caps;
		vmx.caps_known = true;
	}

	struct vmx_cpu *me = heap_alloc(sizeof(*me));
	hpa_t region = page_alloc(PAGE_VMX);

	if (!me || hpa_is_none(region)) {
		heap_free(me);
		if (!hpa_is_none(region))
			page_free(region, PAGE_VMX);
		return fail(-ENOMEM, "no memory for a VMXON region");
	}
	*(uint32_t *)hpa_to_ptr(region) = (uint32_t)(caps.basic & BASIC_REVISION);
	prepare_control_registers(&caps);
	if (vmxon(&region.v) != VMX_OK) {
		heap_free(me);
		page_free(region, PAGE_VMX);
		return fail(-EPERM, "VMXON failed");
	}
	me->region = region;
	me->current = NULL;
	this_cpu()->slot[CPU_SLOT_VMX] = me;
	__atomic_fetch_add(&vmx.cpus_on, 1, __ATOMIC_ACQ_REL);
	return 0;
}

void vmx_cpu_off(void)
{
	struct vmx_cpu *me = this_cpu()->slot[CPU_SLOT_VMX];

	if (!me)
		return;
	if (me->current)
		vmcs_clear(me->current);
	if (vmxoff() != VMX_OK)
		log_warn("vmx: VMXOFF failed on CPU %u", this_cpu()->index);
	cr4_write(cr4_read() & ~CR4_VMXE);
	this_cpu()->slot[CPU_SLOT_VMX] = NULL;
	page_free(me->region, PAGE_VMX);
	heap_free(me);
	__atomic_fetch_sub(&vmx.cpus_on, 1, __ATOMIC_ACQ_REL);
}

void vmx_cpu_abandon(void)
{
	if (!this_cpu()->slot[CPU_SLOT_VMX] || !(cr4_read() & CR4_VMXE))
		return;
	if (vmxoff() == VMX_OK)
		cr4_write(cr4_read() & ~CR4_VMXE);
}

bool vmx_available(void)
{
	return __atomic_load_n(&vmx.cpus_on, __ATOMIC_ACQUIRE) != 0 && !vmx.failed;
}

const char *vmx_reason(void)
{
	if (vmx.failed)
		return vmx.reason;
	return vmx.cpus_on ? "" : "VMX was not started";
}

const struct vmx_caps *vmx_caps(void) { return &vmx.caps; }

/* ---- translations ---- */

/* IA32_VMX_EPT_VPID_CAP */
#define CAP_INVEPT_SINGLE  BIT64(25)
#define CAP_INVVPID_SINGLE BIT64(41)
#define INV_SINGLE         1
#define INV_ALL            2

void vmx_flush_ept(uint64_t eptp)
{
	struct inv_descriptor d = { .context = eptp };
	bool single = (vmx.caps.ept_vpid & CAP_INVEPT_SINGLE) != 0;

	if (invept(single ? INV_SINGLE : INV_ALL, &d) != VMX_OK)
		panic("INVEPT of %#llx refused", (unsigned long long)eptp);
}

void vmx_flush_vpid(uint16_t vpid)
{
	struct inv_descriptor d = { .context = vpid };
	bool single = (vmx.caps.ept_vpid & CAP_INVVPID_SINGLE) != 0;

	if (vpid && invvpid(single ? INV_SINGLE : INV_ALL, &d) != VMX_OK)
		panic("INVVPID of %u refused", vpid);
}

uint16_t vmx_vpid_alloc(void)
{
	uint16_t got = 0;

	if (!((vmx.caps.proc2 >> 32) & PROC2_VPID))
		return 0;
	spin_lock(&vmx.lock);
	for (uint16_t i = 1; i < VPID_COUNT && !got; i++) {
		if (vmx.vpids[i / 64] & BIT64(i % 64))
			continue;
		vmx.vpids[i / 64] |= BIT64(i % 64);
		got = i;
	}
	spin_unlock(&vmx.lock);
	return got;
}

void vmx_vpid_free(uint16_t vpid)
{
	if (!vpid)
		return;
	spin_lock(&vmx.lock);
	vmx.vpids[vpid / 64] &= ~BIT64(vpid % 64);
	spin_unlock(&vmx.lock);
}
