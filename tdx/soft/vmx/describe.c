/*
 * describe.c - the machine that the software module finds: this computer, and in the places where a
 * TDX server has something that this one lacks, the words of a TDX server.
 *
 * Invariants
 *   - Features are claimed only where the module insists on seeing them; what a guest is told
 *     comes from the CPU itself (describe_cpuid_guest).
 *   - The description is the same on every LP and at every moment.
 *   - All is one package: there is one memory controller's worth of keys, and they are make-believe.
 *
 * MSR values: those of a fourth-generation Xeon as far as TDH.SYS.INIT looks at them; KeyIDs: six bits,
 * 31 shared ones and 32 private ones.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/base/boot_info.h"
#include "kernel/base/log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "tdx/soft/vmx/soft_vmx.h"
#include "tdx/soft/vmx/start.h"

#define LOW_MEMORY     UINT64_C(0x100000) /* nothing below is convertible */
#define RANGE_32M      UINT64_C(0x2000000)
#define SMRR_BASE      UINT64_C(0xfef00000) /* in the hole below 4 GiB, 1 MiB */
#define CRYSTAL_HZ     25000000
#define RATIO_UNIT     1000
#define MAX_BASE_LEAF  0x23
#define PACKAGE_SHIFT  12 /* of an x2APIC id: ids below 4096 are package 0 */
#define CACHE_SHARERS  (((UINT32_C(1) << PACKAGE_SHIFT) - 1) << 14) /* CPUID 4.3: all of a package */
#define CPUID_TOPOLOGY 0x1f
#define MISC_ENABLE    0x40081 /* fast strings, performance monitoring there; MONITOR works */
#define CPUID_TSC      0x15
#define CPUID_XSTATE   0xd
#define XSTATE_COMPACTED (BIT32(1) | BIT32(3)) /* XSAVEC, XSAVES */

enum {
	MSR_TSC_ADJUST = 0x3b,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_SEAMRR_BASE = 0x1400,
	MSR_SEAMRR_MASK = 0x1401,
};

static uint64_t seamrr_base;
static bool has_tsc_adjust;

/* clang-format off */
static const struct {
	uint32_t msr;
	uint64_t value;
} msrs[] = {
	{ 0x87,  UINT64_C(0x000000200000001f) }, /* IA32_MKTME_KEYID_PARTITIONING */
	{ 0x98,  1 },                            /* IA32_WBINVDP: one block */
	{ 0x99,  1 },                            /* IA32_WBNOINVDP */
	{ 0xbc,  1 },                            /* IA32_MISC_PACKAGE_CTLS */
	{ 0xbd,  1 },                            /* IA32_XAPIC_DISABLE_STATUS */
	{ 0xcf,  0 },                            /* IA32_CORE_CAPABILITIES */
	{ 0xfe,  0xcd0a },                       /* IA32_MTRRCAP: SEAMRR, SMRR and its lock */
	{ 0x10a, 0x20fdeb },                     /* IA32_ARCH_CAPABILITIES */
	{ MSR_MISC_ENABLE, MISC_ENABLE },
	{ 0x1f2, SMRR_BASE | 6 },                /* SMRR_BASE */
	{ 0x1f3, 0xfff00c00 },                   /* SMRR_MASK: locked, valid */
	{ 0x345, 0x3000 },                       /* IA32_PERF_CAPABILITIES */
	{ 0x480, UINT64_C(0x00d8040000000011) }, /* VMX capabilities */
	{ 0x485, 0x7004c1e7 },
	{ 0x486, 0x80000021 },
	{ 0x487, 0xffffffff },
	{ 0x488, 0x2000 },
	{ 0x489, 0x03ffffff },
	{ 0x48b, UINT64_C(0xdf7dbffe00000000) },
	{ 0x48c, UINT64_C(0x00000101063340c1) },
	{ 0x48d, UINT64_C(0x000000a900000000) },
	{ 0x48e, UINT64_C(0xf9fa1e8c00000000) },
	{ 0x48f, UINT64_C(0x5f3c920400000000) },
	{ 0x490, UINT64_C(0x007ee20400000000) },
	{ 0x492, 0xae },
	{ 0x981, UINT64_C(0x000003f600000003) }, /* IA32_TME_CAPABILITY */
	{ 0x982, UINT64_C(0x0003005600000003) }, /* IA32_TME_ACTIVATE: six KeyID bits, locked */
};
/* clang-format on */

static bool described(uint32_t msr, uint64_t *value)
{
	if (msr == MSR_SEAMRR_BASE || msr == MSR_SEAMRR_MASK) {
		*value = msr == MSR_SEAMRR_BASE ? seamrr_base | BIT64(3)
						: (BITS64(51, 25) | BIT64(11) | BIT64(10));
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++) {
		if (msrs[i].msr == msr) {
			*value = msrs[i].value;
			return true;
		}
	}
	return false;
}

uint64_t describe_rdmsr(void *ctx, unsigned lp, uint32_t msr)
{
	uint64_t value = 0;

	(void)ctx, (void)lp;
	/* At each VP.ENTER: */
	if (msr == MSR_MISC_ENABLE)
		return MISC_ENABLE;
	if (msr == MSR_TSC_ADJUST)
		return has_tsc_adjust ? rdmsr(msr) : 0;
	if (!described(msr, &value) && msr_read_safe(msr, &value))
		return 0;
	return value;
}

int soft_vmx_msr_read(uint32_t msr, uint64_t *value)
{
	return described(msr, value) ? 0 : msr_read_safe(msr, value);
}

unsigned soft_vmx_package_of(unsigned cpu)
{
	(void)cpu;
	return 0;
}

/* CPUID 1Fh: one thread a core, all cores in package 0. */
static void topology(unsigned lp, uint32_t subleaf, uint32_t out[4])
{
	(void)lp;
	memset(out, 0, 4 * sizeof(out[0]));
	out[2] = subleaf & 0xff;
	out[3] = this_cpu()->apic_id;
	if (subleaf == 0) {
		out[1] = 1;
		out[2] |= 1 << 8; /* SMT */
	} else if (subleaf == 1) {
		out[0] = PACKAGE_SHIFT;
		out[1] = cpu_count();
		out[2] |= 2 << 8; /* core */
	}
}

/* The rate of the TSC as measured: emulators and old CPUs say nothing useful here. */
static void tsc_rate(uint32_t out[4])
{
	out[0] = RATIO_UNIT;
	out[1] = (uint32_t)(tsc_hz() / (CRYSTAL_HZ / RATIO_UNIT));
	out[2] = CRYSTAL_HZ;
	out[3] = 0;
}

void describe_cpuid_guest(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct cpuid_regs max = cpuid(leaf & 0x80000000, 0), r = { 0 };

	(void)ctx;
	if (leaf == CPUID_TOPOLOGY) {
		topology(lp, subleaf, out);
		return;
	}
	if (leaf == CPUID_TSC) {
		tsc_rate(out);
		return;
	}
	if (leaf <= max.eax)
		r = cpuid(leaf, subleaf);
	out[0] = r.eax;
	out[1] = r.ebx;
	out[2] = r.ecx;
	out[3] = r.edx;
	if (leaf == 0 && out[0] < MAX_BASE_LEAF)
		out[0] = MAX_BASE_LEAF;
	if (leaf == CPUID_XSTATE && subleaf == 1 && !state_compacts())
		out[0] &= ~XSTATE_COMPACTED;
}

void describe_cpuid(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	describe_cpuid_guest(ctx, lp, leaf, subleaf, out);
	soft_cpuid_claim(leaf, subleaf, out);
	if (leaf == 4 && subleaf == 3)
		out[0] |= CACHE_SHARERS;
}

static bool is_convertible(uint32_t kind)
{
	return kind != BOOT_MEM_MMIO && kind != BOOT_MEM_RESERVED && kind != BOOT_MEM_UNUSABLE &&
	       kind != BOOT_MEM_ACPI_NVS;
}

static unsigned smallest_cmr(const struct soft_machine *m)
{
	unsigned least = 0;

	for (unsigned i = 1; i < SOFT_MAX_CMRS; i++)
		if (m->cmr[i].size < m->cmr[least].size)
			least = i;
	return least;
}

/* Append a CMR; with all places taken, the smallest of them gives way: its memory is not convertible. */
static void add_cmr(struct soft_machine *m, unsigned *count, uint64_t base, uint64_t size)
{
	if (*count == SOFT_MAX_CMRS) {
		unsigned least = smallest_cmr(m);

		if (m->cmr[least].size >= size)
			return;
		memmove(&m->cmr[least], &m->cmr[least + 1],
			(SOFT_MAX_CMRS - 1 - least) * sizeof(m->cmr[0]));
		--*count;
	}
	m->cmr[(*count)++] = (struct soft_range){ base, size };
}

/* All RAM but the first MiB. Returns the end of the highest entry of the memory map. */
static uint64_t describe_memory(struct soft_machine *m)
{
	size_t n;
	const struct boot_mem *map = boot_mem_map(&n);
	unsigned count = 0;
	uint64_t top = UINT64_C(1) << 32;

	for (size_t i = 0; i < n;) {
		uint64_t base = map[i].base, end = base;

		for (; i < n && map[i].base == end && is_convertible(map[i].kind); i++)
			end += map[i].size;
		if (base == end) {
			end = map[i].base + map[i].size;
			i++;
		} else if (end > LOW_MEMORY) {
			base = base < LOW_MEMORY ? LOW_MEMORY : base;
			add_cmr(m, &count, base, end - base);
		}
		top = end > top ? end : top;
	}
	return top;
}

void describe_init(struct soft_machine *m)
{
	uint32_t out[4];

	m->lp_count = cpu_count() < SOFT_MAX_LPS ? cpu_count() : SOFT_MAX_LPS;
	m->package_count = 1;
	for (unsigned i = 0; i < m->lp_count; i++)
		m->x2apic_id[i] = cpu_get(i)->apic_id;
	seamrr_base = align_up(describe_memory(m), RANGE_32M);
	m->seamrr = (struct soft_range){ seamrr_base, RANGE_32M };
	m->any_maxphyaddr = true;
	describe_cpuid_guest(NULL, 0, 7, 0, out);
	has_tsc_adjust = (out[1] & BIT32(1)) != 0;
}
