/*
 * doctor_scenarios.c - a healthy two-socket server, broken in every way that people reported or that
 * the TDX module refuses; each with the verdict and the failing rows that the doctor must give.
 *
 * `source` says where a scenario comes from: canonical#N is github.com/canonical/tdx issue N, tools#N
 * intel/tdx-tools, module#N intel/confidential-computing.tdx.tdx-module; "rule" is the TDX module 1.5
 * ABI (checks of TDH.SYS.INIT, LP.INIT, SYS.CONFIG).
 *
 * links: kernel/monitor/doctor_cpuid.c kernel/monitor/doctor_spread.c kernel/monitor/doctor_options.c
 * kernel/monitor/doctor_rules*.c kernel/monitor/doctor_text.c tdx/abi/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/monitor/doctor_cpuid.h"
#include "kernel/monitor/doctor_room.h"
#include "kernel/monitor/doctor_text.h"
#include "tdx/abi/status.h"

#define CPUS     16u
#define PACKAGES 2u

static struct doctor_cpu cpus[CPUS];
static struct boot_mem map[64];
static struct doctor_machine m;
static struct doctor_report report;

/* ---- the healthy machine ---- */

static uint32_t *reg(unsigned cpu, uint32_t leaf, uint32_t subleaf, unsigned r)
{
	int at = doctor_cpuid_index(leaf, subleaf);

	assert_true(at >= 0);
	return &cpus[cpu].cpuid[at][r];
}

static void set(enum doctor_msr_id id, uint64_t value)
{
	for (unsigned i = 0; i < CPUS; i++)
		cpus[i].msr[id] = (struct doctor_msr){ MSR_READ, value };
}
static void set_one(unsigned cpu, enum doctor_msr_id id, uint64_t value)
{
	cpus[cpu].msr[id] = (struct doctor_msr){ MSR_READ, value };
}
static void gone(enum doctor_msr_id id)
{
	for (unsigned i = 0; i < CPUS; i++)
		cpus[i].msr[id] = (struct doctor_msr){ MSR_FAULTS, 0 };
}
static void set_reg(uint32_t leaf, uint32_t subleaf, unsigned r, uint32_t clear, uint32_t with)
{
	for (unsigned i = 0; i < CPUS; i++)
		*reg(i, leaf, subleaf, r) = (*reg(i, leaf, subleaf, r) & ~clear) | with;
}

static void healthy_cpus(void)
{
	memset(cpus, 0, sizeof(cpus));
	for (unsigned i = 0; i < CPUS; i++) {
		struct doctor_cpu *c = &cpus[i];

		c->online = true;
		c->apic_id = i / (CPUS / PACKAGES) << 4 | i % (CPUS / PACKAGES);
		c->max_leaf = 0x20, c->max_extended = 0x80000008;
		strcpy(c->brand, "INTEL(R) XEON(R) PLATINUM 8558");
		for (int k = 0; k < DOCTOR_CPUID_LEAVES; k++)
			memcpy(c->cpuid[k], doctor_cpuid_rules[k].value, sizeof(c->cpuid[k]));
	}
	set_reg(1, 0, 0, ~0u, 0xc06f2); /* Emerald Rapids */
	set_reg(1, 0, 2, 0, BIT32(5));  /* VMX */
	set_reg(7, 0, 1, 0, BIT32(2));  /* SGX */
	set_reg(0x1f, 0, 0, ~0u, 1), set_reg(0x1f, 0, 1, ~0u, 2);
	set_reg(0x1f, 1, 0, ~0u, 4), set_reg(0x1f, 1, 1, ~0u, 8);
	set(DM_FEATURE_CONTROL, 0x60005);
	set(DM_TSC_ADJUST, 0);
	set(DM_KEYID_PARTITION, UINT64_C(32) << 32 | 31);
	set(DM_MICROCODE, UINT64_C(0x21000291) << 32);
	set(DM_WBINVDP, 0), set(DM_WBNOINVDP, 0);
	set(DM_PACKAGE_CTLS, 1), set(DM_XAPIC_DISABLE, 1), set(DM_CORE_CAPS, 0x20);
	set(DM_MTRRCAP, 0xfd0a), set(DM_ARCH_CAPS, 0x40fd6b | BIT64(21)), set(DM_TSX_CTRL, 0);
	set(DM_MISC_ENABLE, 0x850089), set(DM_PERF_CAPS, 0x33c5 | BIT64(13));
	gone(DM_SMRR_BASE), gone(DM_SMRR_MASK);
	for (int id = DM_VMX_BASIC; id <= DM_VMX_PROC3; id++)
		set((enum doctor_msr_id)id, 0x100 + (unsigned)id);
	set(DM_VMX_BASIC, 0x3da050000000013), set(DM_SGX_MCHECK, 0);
	set(DM_TME_CAPABILITY, 0x3f6c0000005), set(DM_TME_ACTIVATE, 0x0001005600000003);
	set(DM_SEAMRR_BASE, 0x3ffe000008), set(DM_SEAMRR_MASK, 0xffffffe000c00);
}

static void healthy_dimms(const char *maker)
{
	struct smbios *s = &m.smbios;

	memset(s, 0, sizeof(*s));
	s->found = s->complete = true;
	snprintf(s->manufacturer, sizeof(s->manufacturer), "%s", maker);
	snprintf(s->product, sizeof(s->product), "Server");
	for (unsigned i = 0; i < 32; i++) { /* two slots a channel, the first one filled */
		struct smbios_dimm *d = &s->dimm[s->dimms++];

		snprintf(d->locator, sizeof(d->locator), "P%u-DIMM%c%u", 1 + i / 16,
			 (char)('A' + i % 16 / 2), 1 + i % 2);
		d->size_mib = i % 2 ? 0 : 32768;
	}
}

static void healthy_memory(void)
{
	static const struct boot_mem plain[] = {
		{ 0x1000, 0x9f000, BOOT_MEM_USABLE, 7, 0 },
		{ 0x100000, 0x77700000, BOOT_MEM_USABLE, 7, 0 },
		{ 0x77800000, 0x8800000, BOOT_MEM_RESERVED, 0, 0 },
		{ 0x100000000, 0x3efe000000, BOOT_MEM_USABLE, 7, 0 },
		{ 0x3ffe000000, 0x2000000, BOOT_MEM_RESERVED, 0, 0 },
		{ 0x4080000000, 0x3ffc000000, BOOT_MEM_USABLE, 7, 0 },
	};

	memcpy(map, plain, sizeof(plain));
	m.map = map, m.map_count = ARRAY_LEN(plain);
	m.node_count = 2;
	m.node[0] = (struct doctor_range){ 0, 0x4000000000, 0 };
	m.node[1] = (struct doctor_range){ 0x4080000000, 0x4000000000, 1 };
}

static void healthy_module(void)
{
	struct doctor_seam *s = &m.seam;

	*s = (struct doctor_seam){ .asked = true, .why_not = "", .step = "", .ready = true,
				   .has_metadata = true };
	s->loader = (struct doctor_loader){ .vendor = 0x8086, .build_date = 20230402, .major = 1,
					    .minor = 5, .module_ready = true, .loader_ready = true };
	s->vendor = 0x8086, s->build_date = 20240725, s->build_num = 784;
	s->major = 1, s->minor = 5, s->update = 8, s->features0 = 0xd0fbf;
	s->max_tdmrs = 64, s->max_reserved = 16;
	s->pamt_entry[0] = s->pamt_entry[1] = s->pamt_entry[2] = 16;
	s->cmr_count = 3;
	s->cmr[0] = (struct doctor_range){ 0x100000, 0x77700000, 0 };
	s->cmr[1] = (struct doctor_range){ 0x100000000, 0x3efe000000, 0 };
	s->cmr[2] = (struct doctor_range){ 0x4080000000, 0x3ffc000000, 0 };
	s->pamt_bytes = UINT64_C(0x80400000);
}

static void healthy(void)
{
	memset(&m, 0, sizeof(m));
	healthy_cpus();
	m.cpu = cpus, m.cpu_count = CPUS, m.firmware_cpus = CPUS;
	healthy_dimms("Supermicro");
	healthy_memory();
	healthy_module();
	m.self = (struct doctor_self){ .vmx_on = true, .tds_wanted = true, .free_pages = 1 << 20,
				       .module_text = "TDX module 1.5.08", .console = "com1" };
}

/* Nothing answers SEAMCALL. */
static void no_answer(void)
{
	m.seam = (struct doctor_seam){ .asked = true, .why_not = "", .step = "",
				       .loader_status = TDX_SW_VMFAILINVALID,
				       .module_status = TDX_SW_VMFAILINVALID };
}
static void not_asked(void)
{
	m.seam = (struct doctor_seam){ .why_not = "SEAMRR is not enabled", .step = "" };
}

/* ---- what can be wrong ---- */

static void nothing(void) {}

/* The firmware's TDX switches, as they depend on each other. */
static void seam_off(void) { set(DM_SEAMRR_BASE, 0), set(DM_SEAMRR_MASK, 0), not_asked(); }
static void all_off(void)
{
	set(DM_TME_ACTIVATE, 0), set(DM_KEYID_PARTITION, 0), seam_off();
}
static void no_tme_msrs(void) { gone(DM_TME_CAPABILITY), gone(DM_TME_ACTIVATE), gone(DM_KEYID_PARTITION), seam_off(); }
static void tme_unlocked(void) { set(DM_TME_ACTIVATE, 0x0001005600000002); }
static void single_key(void) { set(DM_TME_ACTIVATE, 3), set(DM_KEYID_PARTITION, 0), seam_off(); }
static void key_split_zero(void) { set(DM_KEYID_PARTITION, 63), seam_off(); }
static void one_private(void) { set(DM_KEYID_PARTITION, UINT64_C(1) << 32 | 62); }
static void too_many_keys(void)
{
	set(DM_KEYID_PARTITION, UINT64_C(2047) << 32 | 1), set(DM_TME_ACTIVATE, 0x0001005b00000003);
}
static void keys_beyond_bits(void) { set(DM_KEYID_PARTITION, UINT64_C(64) << 32 | 32); }
static void partition_msr_gone(void) { gone(DM_KEYID_PARTITION), seam_off(); }
static void keyids_but_seam_off(void) { seam_off(); }
static void not_enabled(void) { set(DM_SEAMRR_MASK, 0xffffffe000400), not_asked(); }
static void not_locked(void) { set(DM_SEAMRR_MASK, 0xffffffe000800), no_answer(); }
static void bad_mask(void) { set(DM_SEAMRR_MASK, 0xffff0fe000c00); }
static void misaligned(void) { set(DM_SEAMRR_MASK, 0xffffffc000c00); }
static void seamrr_in_ram(void) { map[4].kind = BOOT_MEM_USABLE; }
static void seamrr_msrs_gone(void) { gone(DM_SEAMRR_BASE), gone(DM_SEAMRR_MASK), not_asked(); }
static void mcheck_error(void) { set(DM_SGX_MCHECK, 0x22), seam_off(); }
static void no_loader(void) { no_answer(); }
static void loader_refuses(void) { m.seam.loader_status = UINT64_C(0x8000000000010003); }
static void loader_faults(void) { no_answer(), m.seam.loader_status = TDX_SW_GP; }
static void no_module(void)
{
	m.seam.module_status = TDX_SW_VMFAILINVALID, m.seam.loader.module_ready = false;
	m.seam.ready = m.seam.has_metadata = false;
}
static void module_1_0(void)
{
	m.seam.module_status = UINT64_C(0xc000050500000000);
	m.seam.ready = m.seam.has_metadata = false;
}
static void module_old(void) { m.seam.minor = 0; }
static void module_shut_down(void)
{
	m.seam.module_status = UINT64_C(0xc000050600000000);
	m.seam.ready = m.seam.has_metadata = false;
}
static void stopped(const char *step, uint64_t status)
{
	m.seam.ready = m.seam.has_metadata = false, m.seam.pamt_bytes = 0;
	m.seam.step = step, m.seam.step_status = status;
	m.seam.module_status = UINT64_C(0xc000050200000000); /* LP.INIT not done */
}
static void init_cpuid(void) { stopped("TDH.SYS.INIT", UINT64_C(0xc000090000000000)); }
static void init_tsx(void)
{
	set_one(5, DM_TSX_CTRL, 2), set(DM_ARCH_CAPS, 0x40fdeb | BIT64(21));
	stopped("TDH.SYS.INIT", UINT64_C(0xc000092100000122));
}
static void reserved_exhausted(void) { stopped("memory plan", ~UINT64_C(0)); }
static void config_missing_lp(void)
{
	m.firmware_cpus = CPUS + 2, stopped("TDH.SYS.CONFIG", UINT64_C(0xc000050c00000000));
}

/* Processors. */
static void amd(void) { set_reg(0, 0, 1, ~0u, 0x68747541), set(DM_MTRRCAP, 0x508), all_off(); }
static void no_vmx(void)
{
	set_reg(1, 0, 2, BIT32(5), 0), m.self.vmx_on = false, set(DM_MTRRCAP, 0x508), all_off();
}
static void vmx_locked_off(void)
{
	set(DM_FEATURE_CONTROL, 0x40001), m.self.vmx_on = false;
	m.seam = (struct doctor_seam){ .why_not = "VMX is not on", .step = "" };
}
static void vmx_odd_cpu(void) { set_one(9, DM_FEATURE_CONTROL, 0x40001), m.self.vmx_on = false, not_asked(); }
static void workstation(void)
{
	set_reg(1, 0, 0, ~0u, 0x806f8), set(DM_MTRRCAP, 0x7d0a), all_off();
	for (unsigned i = 0; i < CPUS; i++)
		strcpy(cpus[i].brand, "Intel(R) Xeon(R) w3-2423");
}
static void retail_spr(void) { set_reg(1, 0, 0, ~0u, 0x806f8), set(DM_MTRRCAP, 0x7d0a), all_off(); }
static void old_xeon(void) { set_reg(1, 0, 0, ~0u, 0x606a6), set(DM_MTRRCAP, 0xd0a), all_off(); }
static void emr_hides_seam(void) { set(DM_MTRRCAP, 0x7d0a), all_off(); }
static void seam_odd_cpu(void) { set_one(11, DM_MTRRCAP, 0x7d0a); }
static void limit_46(void)
{
	set_reg(0x80000008, 0, 0, 0xff, 46), all_off();
}
static void mixed_steppings(void) { *reg(8, 1, 0, 0) = 0xc06f1; }
static void mixed_microcode(void)
{
	for (unsigned i = 8; i < CPUS; i++)
		set_one(i, DM_MICROCODE, UINT64_C(0x21000240) << 32);
}
static void cpu_off(void) { cpus[7].online = false; }
static void cpu_unlisted(void) { m.firmware_cpus = CPUS + 4; }
static void nine_packages(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		cpus[i].apic_id = i << 4;
}
static void sgx_off(void) { set(DM_FEATURE_CONTROL, 0x5), seam_off(); }
static void sgx_off_tdx_on(void) { set(DM_FEATURE_CONTROL, 0x5); }
static void odd_keyids(void)
{
	for (unsigned i = 8; i < CPUS; i++)
		set_one(i, DM_KEYID_PARTITION, UINT64_C(16) << 32 | 47);
}
static void odd_tme(void) { set_one(12, DM_TME_ACTIVATE, 0); }
static void odd_seamrr(void) { set_one(13, DM_SEAMRR_MASK, 0); }
static void odd_seamrr_fault(void) { cpus[3].msr[DM_SEAMRR_BASE] = (struct doctor_msr){ MSR_FAULTS, 0 }; }
static void odd_tsx(void) { set_one(5, DM_TSX_CTRL, 2), set(DM_ARCH_CAPS, 0x40fdeb | BIT64(21)); }
static void tsx_reserved(void) { set(DM_TSX_CTRL, 0x10), set(DM_ARCH_CAPS, 0x40fdeb | BIT64(21)); }
static void tsx_missing(void) { gone(DM_TSX_CTRL), set(DM_ARCH_CAPS, 0x40fdeb | BIT64(21)); }
static void no_arch_caps(void) { gone(DM_ARCH_CAPS); }
static void odd_arch_caps(void) { set_one(2, DM_ARCH_CAPS, BIT64(21)); }
static void no_xapic_status(void) { set(DM_ARCH_CAPS, 0x40fd6b & ~BIT64(21)); }
static void legacy_apic(void) { set(DM_XAPIC_DISABLE, 0); }
static void energy_filter(void) { set(DM_PACKAGE_CTLS, 0); }
static void full_width(void) { set(DM_PERF_CAPS, 0x33c5 & ~BIT64(13)); }
static void limit_cpuid(void) { set(DM_MISC_ENABLE, 0x850089 | BIT64(22)); }
static void wbinvd_scopes(void) { set(DM_WBNOINVDP, 4); }
static void odd_tsc_adjust(void) { set_one(15, DM_TSC_ADJUST, 0x1000); }
static void smrr_unlockable(void) { set(DM_MTRRCAP, 0xbd0a); }
static void smrr_unlocked(void) { set(DM_SMRR_BASE, 0x7b000006), set(DM_SMRR_MASK, 0xff800800); }
static void smrr_bad(void) { set(DM_SMRR_BASE, 0x7b000006), set(DM_SMRR_MASK, 0xff0f0c00); }
static void smrr_good(void) { set(DM_SMRR_BASE, 0x7b000006), set(DM_SMRR_MASK, 0xff800c00); }
static void no_movdir64b(void) { set_reg(7, 0, 2, BIT32(28), 0); }
static void short_cpuid(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		cpus[i].max_leaf = 0x16;
}
static void odd_cpuid(void) { *reg(10, 7, 0, 3) ^= BIT32(20) | BIT32(4); }
static void odd_vmx_caps(void) { set_one(10, DM_VMX_PROC2, 7); }

/* Memory. */
static void empty_channel(void) { m.smbios.dimm[4].size_mib = 0, seam_off(); }
static void empty_channel_tdx_on(void) { m.smbios.dimm[4].size_mib = 0; }
static void four_dimms_hpe(void)
{
	m.smbios.dimms = 0;
	for (unsigned i = 0; i < 32; i++) {
		struct smbios_dimm *d = &m.smbios.dimm[m.smbios.dimms++];

		snprintf(d->locator, sizeof(d->locator), "PROC %u DIMM %u", 1 + i / 16, 1 + i % 16);
		d->size_mib = i % 16 < 4 ? 65536 : 0;
	}
	snprintf(m.smbios.manufacturer, sizeof(m.smbios.manufacturer), "HPE");
	all_off();
}
static void dell_dimms(void)
{
	m.smbios.dimms = 0;
	for (unsigned i = 0; i < 32; i++) {
		struct smbios_dimm *d = &m.smbios.dimm[m.smbios.dimms++];

		snprintf(d->locator, sizeof(d->locator), "%c%u", 'A' + (int)(i / 16), 1 + i % 16);
		d->size_mib = i % 16 < 8 ? 32768 : 0;
	}
	snprintf(m.smbios.manufacturer, sizeof(m.smbios.manufacturer), "Dell Inc.");
}
static void dell_r760(void) { dell_dimms(), not_locked(); }
static void dell_asymmetric(void) { dell_dimms(), m.smbios.dimm[8].size_mib = 32768, seam_off(); }
static void mixed_dimms(void) { m.smbios.dimm[6].size_mib = 65536, seam_off(); }
static void ami_banks(void)
{
	for (unsigned i = 0; i < 32; i++) {
		struct smbios_dimm *d = &m.smbios.dimm[i];

		snprintf(d->locator, sizeof(d->locator), "CPU%u_DIMM_%c%u", i / 16, 'A' + (int)(i % 16 / 2),
			 1 + i % 2);
		snprintf(d->bank, sizeof(d->bank), "P%u_Node0_Channel%u_Dimm%u", i / 16, i % 16 / 2, i % 2);
	}
	m.smbios.dimm[30].size_mib = 0, seam_off();
}
static void no_smbios(void) { memset(&m.smbios, 0, sizeof(m.smbios)); }
static void interleaved(void) { m.node_count = 1, seam_off(); }
static void no_cmrs(void) { m.seam.cmr_count = 0; }
static void cmrs_overlap(void) { m.seam.cmr[1].base = 0x200000; }
static void many_holes(void)
{
	for (unsigned i = 6; i < 40; i++)
		map[i] = (struct boot_mem){ UINT64_C(0x8100000000) + i * 0x400000, 0x200000,
					    BOOT_MEM_USABLE, 7, 0 };
	m.map_count = 40;
}
static void bochs(void)
{
	set_reg(1, 0, 0, ~0u, 0x50654), set(DM_MTRRCAP, 0x508), all_off(), no_smbios();
	set(DM_TME_CAPABILITY, 0), set(DM_MICROCODE, 0);
	m.self.software_module = true;
}
static void probe(void)
{
	m.seam.ready = m.seam.has_metadata = false, m.seam.pamt_bytes = 0, m.self.probe = true;
	m.seam.module_status = UINT64_C(0xc000050200000000);
}

/* ---- the table ---- */

static const struct scenario {
	const char *name, *source;
	void (*breaks)(void);
	enum doctor_overall overall;
	const char *fails; /* exactly these rows, blanks between */
	const char *row;   /* in this row (first of `fails` if NULL) ... */
	const char *says;  /* ... stands this */
} scenarios[] = {
	{ "a healthy server", "-", nothing, TDX_IS_READY, "", "bringup", "initialised" },
	{ "SMRR seen and good", "rule", smrr_good, TDX_IS_READY, "", "mtrr", "locked" },
	{ "healthy Dell", "canonical#425 spelling", dell_dimms, TDX_IS_READY, "", "dimms", "every channel" },
	{ "SGX off, TDX on", "canonical README", sgx_off_tdx_on, TDX_IS_READY, "", "sgx", "attestation" },
	{ "a channel empty, TDX on", "user report", empty_channel_tdx_on, TDX_IS_READY, "", "dimms", "channel C" },
	{ "many holes in the map", "canonical#135, #415", many_holes, TDX_IS_READY, "", "memory", "reserved areas" },
	{ "no SMBIOS", "firmware without", no_smbios, TDX_IS_READY, "", "dimms", "does not list" },
	{ "bringup = probe", "user choice", probe, TDX_IS_READY, "", "module", "SYS.LP.INIT" },

	{ "everything off in the firmware", "tools#398", all_off, TDX_CAN_BE_READY, "tme", NULL, "off" },
	{ "TME does not show", "tools#234", no_tme_msrs, TDX_CAN_BE_READY, "tme", NULL, "does not show" },
	{ "TME not locked", "rule", tme_unlocked, TDX_CAN_BE_READY, "tme", NULL, "not locked" },
	{ "TME with one key", "Dell: Memory Encryption Single Key", single_key, TDX_CAN_BE_READY, "tme", NULL, "single key" },
	{ "key split 0", "canonical README: non-zero", key_split_zero, TDX_CAN_BE_READY, "keyids", NULL, "no private KeyIDs" },
	{ "a single private KeyID", "rule: the first is global", one_private, TDX_CAN_BE_READY, "keyids", NULL, "none is left" },
	{ "2047 private KeyIDs", "rule: NUM_ACTIVATED_HKIDS", too_many_keys, TDX_CAN_BE_READY, "keyids", NULL, "2047" },
	{ "more KeyIDs than bits", "rule", keys_beyond_bits, TDX_CAN_BE_READY, "keyids", NULL, "6 bits" },
	{ "no partitioning MSR", "tools#371", partition_msr_gone, TDX_CAN_BE_READY, "keyids", NULL, "not there" },
	{ "KeyIDs, but SEAMRR off", "canonical#33, #102", keyids_but_seam_off, TDX_CAN_BE_READY, "seamrr", NULL, "not configured" },
	{ "SEAMRR not enabled", "canonical#260", not_enabled, TDX_CAN_BE_READY, "seamrr", NULL, "not enabled" },
	{ "SEAMRR not locked (R760)", "canonical#425", dell_r760, TDX_CAN_BE_READY, "seamrr", NULL, "no SEAM loader ran" },
	{ "SEAMRR mask with a hole", "rule", bad_mask, TDX_CAN_BE_READY, "seamrr", NULL, "not valid" },
	{ "SEAMRR base misaligned", "rule", misaligned, TDX_CAN_BE_READY, "seamrr", NULL, "not valid" },
	{ "SEAMRR in usable memory", "rule", seamrr_in_ram, TDX_CAN_BE_READY, "seamrr", NULL, "overlaps" },
	{ "SEAMRR MSRs missing", "canonical#33", seamrr_msrs_gone, TDX_CAN_BE_READY, "seamrr", NULL, "not there" },
	{ "SEAMRR off on one CPU", "canonical#83: one odd socket", odd_seamrr, TDX_CAN_BE_READY, "seamrr", NULL, "CPU 13 (package 1)" },
	{ "SEAMRR faults on one CPU", "one odd CPU", odd_seamrr_fault, TDX_CAN_BE_READY, "seamrr", NULL, "not there on CPU 3" },
	{ "MCHECK failed", "canonical system-report.sh: 0x503", mcheck_error, TDX_CAN_BE_READY, "mcheck", NULL, "0x22" },
	{ "no P-SEAMLDR", "canonical#331, #382", no_loader, TDX_CAN_BE_READY, "seamldr", NULL, "no P-SEAMLDR" },
	{ "P-SEAMLDR refuses", "rule: EUNSPECERR", loader_refuses, TDX_CAN_BE_READY, "seamldr", NULL, "SEAMLDR.INFO answers" },
	{ "SEAMCALL faults", "rule: #GP with SEAM off", loader_faults, TDX_CAN_BE_READY, "seamldr", NULL, "exception 13" },
	{ "loader, but no module", "canonical#425: module not loaded; tinfoil-go PR 111", no_module, TDX_CAN_BE_READY, "module", NULL, "no TDX module" },
	{ "module 1.0 by SYS.RD", "canonical#331", module_1_0, TDX_CAN_BE_READY, "module", NULL, "module 1.0" },
	{ "module 1.0 by version", "canonical#331, module#28", module_old, TDX_CAN_BE_READY, "module", NULL, "too old" },
	{ "module shut down before", "rule", module_shut_down, TDX_CAN_BE_READY, "module", NULL, "shut down" },
	{ "SYS.INIT: CPUID value", "canonical#161", init_cpuid, TDX_CAN_BE_READY, "bringup", NULL, "INCORRECT_CPUID_VALUE" },
	{ "SYS.INIT: MSR 122h", "canonical#25", init_tsx, TDX_CAN_BE_READY, "tsx bringup", "bringup", "IA32_TSX_CTRL" },
	{ "reserved areas exhausted", "canonical#135, #415", reserved_exhausted, TDX_CAN_BE_READY, "bringup", NULL, "memory plan" },
	{ "SYS.CONFIG: a CPU is missing", "rule", config_missing_lp, TDX_CAN_BE_READY, "cpus bringup", NULL, "18" },
	{ "46-bit limit", "canonical#343, Intel guide", limit_46, TDX_CAN_BE_READY, "width", NULL, "46 bits" },
	{ "VMX locked off", "firmware default", vmx_locked_off, TDX_CAN_BE_READY, "vmx", NULL, "locked off" },
	{ "VMX locked off on one CPU", "one odd CPU", vmx_odd_cpu, TDX_CAN_BE_READY, "vmx", NULL, "CPU 9" },
	{ "SEAM hidden on 5th generation", "canonical#343", emr_hides_seam, TDX_CAN_BE_READY, "seam", NULL, "Emerald Rapids" },
	{ "SEAM on all CPUs but one", "one odd CPU", seam_odd_cpu, TDX_CAN_BE_READY, "seam", NULL, "CPU 11" },
	{ "two steppings", "rule: INCONSISTENT_CPUID", mixed_steppings, TDX_CAN_BE_READY, "cpu", NULL, "CPU 8" },
	{ "two microcodes", "rule: INCONSISTENT_*", mixed_microcode, TDX_CAN_BE_READY, "microcode", NULL, "0x21000240" },
	{ "a CPU did not start", "rule: SYS.CONFIG_NOT_PENDING", cpu_off, TDX_CAN_BE_READY, "cpus", NULL, "CPU 7" },
	{ "CPUs that nobody started", "rule", cpu_unlisted, TDX_CAN_BE_READY, "cpus", NULL, "MADT lists 20" },
	{ "SGX off, TDX greyed out", "canonical#144, HPE guide", sgx_off, TDX_CAN_BE_READY, "sgx seamrr", NULL, "SGX is off" },
	{ "key split differs by socket", "rule: INCONSISTENT_MSR 87h", odd_keyids, TDX_CAN_BE_READY, "keyids", NULL, "package 1" },
	{ "TME off on one CPU", "one odd CPU", odd_tme, TDX_CAN_BE_READY, "tme", NULL, "CPU 12" },
	{ "TSX_CTRL on one CPU", "canonical#25", odd_tsx, TDX_CAN_BE_READY, "tsx", NULL, "CPU 5" },
	{ "TSX_CTRL reserved bits", "canonical#25", tsx_reserved, TDX_CAN_BE_READY, "tsx", NULL, "0x10" },
	{ "TSX_CTRL promised, missing", "rule", tsx_missing, TDX_CAN_BE_READY, "tsx", NULL, "122h" },
	{ "no ARCH_CAPABILITIES", "rule", no_arch_caps, TDX_CAN_BE_READY, "archcaps", NULL, "not there" },
	{ "odd ARCH_CAPABILITIES", "rule", odd_arch_caps, TDX_CAN_BE_READY, "archcaps", NULL, "CPU 2" },
	{ "no XAPIC_DISABLE_STATUS", "rule", no_xapic_status, TDX_CAN_BE_READY, "archcaps", NULL, "0x" },
	{ "legacy APIC mode", "Dell: x2APIC Mode", legacy_apic, TDX_CAN_BE_READY, "archcaps", NULL, "XAPIC_DISABLE" },
	{ "no energy filter", "rule: MSR BCh", energy_filter, TDX_CAN_BE_READY, "msrs", NULL, "PACKAGE_CTLS" },
	{ "no full-width counters", "rule: MSR 345h", full_width, TDX_CAN_BE_READY, "msrs", NULL, "PERF_CAPABILITIES" },
	{ "CPUID limited", "rule: LIMIT_CPUID_MAXVAL", limit_cpuid, TDX_CAN_BE_READY, "msrs", NULL, "MISC_ENABLE" },
	{ "WBINVD scopes differ", "rule: MSR 99h", wbinvd_scopes, TDX_CAN_BE_READY, "msrs", NULL, "0x4" },
	{ "TSC_ADJUST differs", "rule: INCONSISTENT_MSR 3Bh", odd_tsc_adjust, TDX_CAN_BE_READY, "msrs", NULL, "CPU 15" },
	{ "SMRR cannot be locked", "rule: SMRR_LOCK_NOT_SUPPORTED", smrr_unlockable, TDX_CAN_BE_READY, "mtrr", NULL, "0xbd0a" },
	{ "SMRR not locked", "rule: SMRR_NOT_LOCKED", smrr_unlocked, TDX_CAN_BE_READY, "mtrr", NULL, "0xff800800" },
	{ "SMRR mask wrong", "rule: INVALID_SMRR", smrr_bad, TDX_CAN_BE_READY, "mtrr", NULL, "0xff0f0c00" },
	{ "no MOVDIR64B", "rule: INCORRECT_CPUID", no_movdir64b, TDX_CAN_BE_READY, "cpuid", NULL, "MOVDIR64B" },
	{ "CPUID ends early", "rule: CPUID_LEAF_NOT_SUPPORTED", short_cpuid, TDX_CAN_BE_READY, "cpuid", NULL, "16h" },
	{ "one CPU's CPUID differs", "rule: INCONSISTENT_CPUID", odd_cpuid, TDX_CAN_BE_READY, "same", NULL, "CPU 10" },
	{ "one CPU's VMX differs", "rule: INCONSISTENT_MSR", odd_vmx_caps, TDX_CAN_BE_READY, "same", NULL, "PROCBASED_CTLS2" },
	{ "a channel empty, TDX off", "OpenMetal: one empty channel of eight", empty_channel, TDX_CAN_BE_READY, "dimms seamrr", NULL, "channel C" },
	{ "a channel empty (AMI banks)", "OpenMetal", ami_banks, TDX_CAN_BE_READY, "dimms seamrr", NULL, "channel H" },
	{ "four modules a socket (HPE)", "Dell, OpenMetal: 8 a socket", four_dimms_hpe, TDX_CAN_BE_READY, "tme dimms", "dimms", "4 memory modules" },
	{ "sockets populated differently", "OpenMetal: symmetric", dell_asymmetric, TDX_CAN_BE_READY, "dimms seamrr", NULL, "differ" },
	{ "modules of two sizes", "OpenMetal: identical", mixed_dimms, TDX_CAN_BE_READY, "dimms seamrr", NULL, "65536" },
	{ "node interleaving", "Dell: Node Interleaving", interleaved, TDX_CAN_BE_READY, "numa seamrr", NULL, "interleaved" },
	{ "no CMR", "rule", no_cmrs, TDX_CAN_BE_READY, "cmrs", NULL, "no CMR" },
	{ "CMRs overlap", "rule: CMR_LIST_INVALID", cmrs_overlap, TDX_CAN_BE_READY, "cmrs", NULL, "overlaps" },

	{ "an AMD processor", "Bareflank#872", amd, TDX_NEVER, "cpu", NULL, "not Intel" },
	{ "no VMX", "QEMU's TCG", no_vmx, TDX_NEVER, "vmx seam", NULL, "no VMX" },
	{ "a Xeon W", "tools#348", workstation, TDX_NEVER, "seam", NULL, "Sapphire Rapids" },
	{ "a retail 4th generation Xeon", "tools#371", retail_spr, TDX_NEVER, "seam", NULL, "Sapphire Rapids" },
	{ "an older Xeon", "open-tdx#1", old_xeon, TDX_NEVER, "seam", NULL, "no SEAM" },
	{ "nine packages and more", "rule: INVALID_PKG_ID", nine_packages, TDX_NEVER, "threads", NULL, "16 packages" },
	{ "Bochs", "the emulator", bochs, TDX_NEVER, "seam", NULL, "no SEAM" },
};

static void judge(void)
{
	if (!m.seam.ready)
		snprintf(m.self.module_text, sizeof(m.self.module_text), "none: not brought up");
	doctor_judge(&m, &report);
}

/* The names of the rows that fail, in the report's order. */
static const char *failing(void)
{
	static char names[200];
	size_t used = 0;

	names[0] = 0;
	for (unsigned i = 0; i < report.rows; i++)
		if (!report.row[i].own && (report.row[i].verdict == DOCTOR_FAIL ||
					   report.row[i].verdict == DOCTOR_NEVER))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used ? " " : "", report.row[i].name);
	return names;
}

static void print_report(void)
{
	print_message("  %s\n", report.verdict);
	for (unsigned i = 0; i < report.rows; i++)
		print_message("  %-10s %-7s %s\n", report.row[i].name,
			      doctor_verdict_name(report.row[i].verdict), report.row[i].found);
}

/* On a machine whose module would refuse, it has not come up. */
static void module_has_not_come_up(const struct scenario *s)
{
	static const char *const judged[] = { "cpuid", "same", "tsx", "archcaps", "msrs", "mtrr",
					      "microcode", "mcheck", "width" };

	for (size_t i = 0; i < ARRAY_LEN(judged); i++)
		if (m.seam.ready && strncmp(s->fails, judged[i], strlen(judged[i])) == 0)
			m.seam.ready = m.seam.has_metadata = false;
}

static void judge_one(const struct scenario *s)
{
	char first[20];

	healthy();
	s->breaks();
	module_has_not_come_up(s);
	judge();
	if (strcmp(failing(), s->fails) != 0 || report.overall != s->overall) {
		print_report();
		fail_msg("%s: failing rows are \"%s\", expected \"%s\"", s->name, failing(), s->fails);
	}
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(s->fails, " "), s->fails);
	const struct doctor_row *row = doctor_row_find(&report, s->row ? s->row : first);

	assert_non_null(row);
	if (!strstr(row->found, s->says)) {
		print_report();
		fail_msg("%s: row %s does not say \"%s\"", s->name, row->name, s->says);
	}
}

static void each_fault_has_its_own_verdict(void **state)
{
	(void)state;
	assert_true(ARRAY_LEN(scenarios) > 60);
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		judge_one(&scenarios[i]);
}

/* A failing row tells what to do; an option is named unless the firmware has none for it. */
static void failing_rows_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		healthy();
		scenarios[i].breaks();
		judge();
		for (unsigned k = 0; k < report.rows; k++) {
			const struct doctor_row *r = &report.row[k];
			bool fails = r->verdict == DOCTOR_FAIL || r->verdict == DOCTOR_NEVER;

			assert_true(r->found[0]);
			if (fails && (!r->expected[0] || !r->next[0]))
				fail_msg("%s: row %s is not complete", scenarios[i].name, r->name);
			if (r->verdict == DOCTOR_SKIPPED)
				assert_non_null(doctor_row_find(&report, r->because));
		}
	}
}

/* What we know of a module's wishes may be old: one that came up is right. */
static void a_module_that_came_up_is_right(void **state)
{
	static void (*const breaks[])(void) = { no_movdir64b, legacy_apic, energy_filter, odd_cpuid,
						smrr_unlocked, tsx_reserved, wbinvd_scopes, mixed_microcode };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
		healthy(), breaks[i](), judge();
		assert_int_equal(report.overall, TDX_IS_READY);
		assert_string_equal(failing(), "");
		m.seam.ready = m.seam.has_metadata = false, judge();
		assert_int_equal(report.overall, TDX_CAN_BE_READY);
	}
	/* Another model's table is not ours. */
	healthy(), set_reg(1, 0, 0, ~0u, 0xa06d1), no_movdir64b();
	m.seam.ready = m.seam.has_metadata = false, judge();
	assert_string_equal(failing(), "");
}

static void verdicts_read_as_promised(void **state)
{
	(void)state;
	healthy();
	doctor_judge(&m, &report);
	assert_string_equal(report.verdict, "TDX is ready");
	sgx_off();
	doctor_judge(&m, &report);
	assert_string_equal(report.verdict, "TDX can be made ready: 2 things: sgx, seamrr");
	healthy(), workstation();
	doctor_judge(&m, &report);
	assert_true(strncmp(report.verdict, "this machine cannot have TDX: ", 30) == 0);
	healthy(), no_smbios();
	doctor_judge(&m, &report);
	assert_string_equal(report.verdict, "TDX is ready; not determined: platform, dimms");
}

static void options_are_spelt_as_the_vendor_does(void **state)
{
	static const struct {
		const char *maker, *says;
	} makers[] = {
		{ "Dell Inc.", "EnableTdx" },
		{ "HPE", "Intel Security Options" },
		{ "Lenovo", "Processors: \"Trust Domain Extension (TDX)\"" },
		{ "Supermicro", "\"Trust Domain Extension (TDX)\" Enabled" },
		{ "Quanta Cloud Technology Inc.", "TME, TME-MT, TDX:" },
	};
	char text[224];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		healthy();
		snprintf(m.smbios.manufacturer, sizeof(m.smbios.manufacturer), "%s", makers[i].maker);
		doctor_option_text(&m, OPTION_TDX, text, sizeof(text));
		assert_non_null(strstr(text, makers[i].says));
		for (int o = OPTION_VMX; o < DOCTOR_OPTIONS; o++)
			assert_true(strlen(doctor_option_text(&m, (enum doctor_option)o, text,
							      sizeof(text))) > 0);
	}
	healthy(), snprintf(m.smbios.manufacturer, sizeof(m.smbios.manufacturer), "HPE");
	doctor_option_text(&m, OPTION_SEAMLDR, text, sizeof(text));
	assert_non_null(strstr(text, "as Intel's firmware calls it"));
}

/* ---- the screen ---- */

static unsigned lines, longest;

static void measure(void *ctx, const char *text)
{
	(void)ctx;
	lines++;
	if (strlen(text) > longest)
		longest = (unsigned)strlen(text);
}

static void every_scenario_fits_a_screen(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		healthy();
		scenarios[i].breaks();
		judge();
		lines = longest = 0;
		doctor_screen(&report, measure, NULL);
		if (lines > 25 || longest > 79)
			fail_msg("%s: %u lines, %u columns", scenarios[i].name, lines, longest);
	}
}

static void print_line(void *ctx, const char *text)
{
	(void)ctx;
	puts(text);
}

/* `doctor_scenarios NAME`: the screen of that scenario, for the documentation. */
static int show(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		if (strcmp(scenarios[i].name, name) == 0) {
			healthy();
			scenarios[i].breaks();
			judge();
			doctor_screen(&report, print_line, NULL);
			return 0;
		}
	return 1;
}

/* Whatever a machine answers, the doctor ends and its strings do. */
static void any_registers_are_survived(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 3000; round++) {
		healthy();
		for (unsigned n = 0; n < 1 + round % 40; n++) {
			unsigned c = (unsigned)rand() % CPUS, id = (unsigned)rand() % DOCTOR_MSRS;
			uint64_t v = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();

			cpus[c].msr[id].value = v;
			cpus[c].msr[id].state = (unsigned)rand() % 3;
			cpus[c].cpuid[(unsigned)rand() % DOCTOR_CPUID_LEAVES][rand() & 3] = (uint32_t)v;
			cpus[c].apic_id ^= (uint32_t)v & 0x3f;
			m.seam.loader_status = rand() & 1 ? v : 0;
			m.seam.module_status = rand() & 1 ? v : 0;
		}
		doctor_judge(&m, &report);
		assert_true(report.verdict[0]);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_has_its_own_verdict),
		cmocka_unit_test(failing_rows_are_complete),
		cmocka_unit_test(a_module_that_came_up_is_right),
		cmocka_unit_test(verdicts_read_as_promised),
		cmocka_unit_test(options_are_spelt_as_the_vendor_does),
		cmocka_unit_test(any_registers_are_survived),
		cmocka_unit_test(every_scenario_fits_a_screen),
	};

	if (argc == 2)
		return show(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
