/*
 * softmod.c - a desk with a TDX module on it.
 *
 * links: tdx/soft/[a-z]*.c tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/host/tdx/softmod.h"
#include "tests/host/statuses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/port.h"
#include "kernel/machine/vtimer.h"
#include "tdx/seamcall.h"
#include "tdx/soft/xmm.h"
#include "tests/host/machine.h"

#define FIELDS_MAX     256
#define VMCS_EFER      0x2806
#define VMCS_CS_RIGHTS 0x4816

static struct soft_machine machine;
static struct soft_module *module;
static struct tdx_host host;
static struct boot_mem memory[1];
static unsigned maxphyaddr;
static char said[300];

void (*softmod_guest)(struct soft_vcpu *v, struct soft_exit *x);
bool (*softmod_intercept)(struct soft_regs *r);
void (*softmod_mapped)(uint64_t hpa);
bool softmod_interrupt;
unsigned softmod_keyids = 32;
unsigned softmod_keyid_bits;
const struct soft_profile *softmod_profile = &soft_profiles[0];

_Static_assert(sizeof(struct soft_regs) == sizeof(struct seam_regs), "the same sixteen registers");

/* clang-format off */
static const struct { uint32_t msr; uint64_t value; } msrs[] = {
	{ 0x3b, 0 }, { 0x98, 4 }, { 0x99, 4 }, { 0xbc, 1 },
	{ 0xbd, 1 }, { 0xcf, 0 }, { 0xfe, 0x4d0a }, { 0x10a, 0x20fdeb }, { 0x1a0, 0x40081 },
	{ 0x1f2, 0x3ff00006 }, { 0x1f3, 0xfff00c00 }, { 0x345, 0x3000 },
	{ 0x480, UINT64_C(0xd8040000000011) }, { 0x485, 0x7004c1e7 }, { 0x486, 0x80000021 },
	{ 0x487, 0xffffffff }, { 0x488, 0x2000 }, { 0x489, 0x3ffffff },
	{ 0x48b, UINT64_C(0xdf7dbffe00000000) }, { 0x48c, UINT64_C(0x101063340c1) },
	{ 0x48d, UINT64_C(0xa900000000) }, { 0x48e, UINT64_C(0xf9fa1e8c00000000) },
	{ 0x48f, UINT64_C(0x5f3c920400000000) }, { 0x490, UINT64_C(0x7ee20400000000) },
	{ 0x492, 0xae }, { 0x981, UINT64_C(0x3f600000003) }, { 0x982, UINT64_C(0x3005600000003) },
	{ 0x1400, 0xf8000008 }, { 0x1401, UINT64_C(0xffffffe000c00) },
};
/* clang-format on */

static void *op_map(void *ctx, uint64_t hpa)
{
	(void)ctx;
	if (softmod_mapped)
		softmod_mapped(hpa);
	return hpa_to_ptr((hpa_t){ hpa });
}

static void op_cpuid(void *ctx, unsigned lp, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)ctx;
	memset(out, 0, 4 * sizeof(out[0]));
	if (leaf == 0x1f && subleaf < 2) {
		out[0] = subleaf; /* two LPs of one thread share a package */
		out[1] = subleaf + 1;
		out[2] = subleaf | (subleaf + 1) << 8;
		out[3] = lp;
	} else if (leaf == 0) {
		out[0] = 0x23;
	} else if (leaf == 0x80000000) {
		out[0] = 0x80000008;
	} else if (leaf == 0x80000008) {
		out[0] = maxphyaddr | 48 << 8;
	} else if (leaf == 1) {
		out[0] = 0xc06f2;
	} else if (leaf == 4 && subleaf == 3) {
		out[0] = 0x4004163; /* the last-level cache: two LPs */
		out[1] = 0x380003f;
	} else if (leaf == 0x15) {
		out[0] = 2;
		out[1] = 160;
		out[2] = 25000000;
	} else if (leaf == 0xd && subleaf == 0) {
		out[0] = 0xe7;
		out[2] = 0xa80;
	}
	soft_cpuid_claim(leaf, subleaf, out);
}

static uint64_t op_rdmsr(void *ctx, unsigned lp, uint32_t msr)
{
	(void)ctx;
	(void)lp;
	if (msr == 0x982 && softmod_keyid_bits)
		return UINT64_C(0x3005000000003) | (uint64_t)softmod_keyid_bits << 32;
	if (msr == 0x87 && softmod_keyid_bits) /* few fit */
		return UINT64_C(2) << 32 | 3;
	if (msr == 0x87)
		return (uint64_t)softmod_keyids << 32 | 0x1f;
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++)
		if (msrs[i].msr == msr)
			return msrs[i].value;
	return 0;
}

static uint64_t op_tsc(void *ctx, unsigned lp)
{
	(void)ctx;
	(void)lp;
	return tsc_now();
}

static bool op_random(void *ctx, uint64_t *out)
{
	static uint64_t state = 88172645463325252u;

	(void)ctx;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	*out = state;
	return true;
}

static bool op_pending(void *ctx, unsigned lp)
{
	(void)ctx;
	(void)lp;
	return softmod_interrupt;
}

static enum soft_pconfig op_pconfig(void *ctx, unsigned lp, uint16_t hkid)
{
	(void)ctx;
	(void)lp;
	(void)hkid;
	return SOFT_PCONFIG_OK;
}

static void op_cache_wb(void *ctx, unsigned lp, unsigned block)
{
	(void)ctx;
	(void)lp;
	(void)block;
}

static void op_halted(void *ctx, unsigned lp, const char *why)
{
	(void)ctx;
	fprintf(stderr, "module halted on LP %u: %s\n", lp, why);
	abort();
}

static const struct soft_machine_ops machine_ops = {
	.map = op_map,
	.cpuid = op_cpuid,
	.rdmsr = op_rdmsr,
	.tsc = op_tsc,
	.random = op_random,
	.interrupt_pending = op_pending,
	.pconfig = op_pconfig,
	.cache_wb = op_cache_wb,
	.halted = op_halted,
};

/* ---- guests ---- */

struct field {
	uint32_t id;
	uint64_t value;
};

/* A VMCS is a table in its page. */
static struct field *fields_of(struct soft_vcpu *v) { return hpa_to_ptr((hpa_t){ v->page[1] }); }

static struct field *find_field(struct soft_vcpu *v, uint32_t id, bool make)
{
	struct field *f = fields_of(v);

	for (unsigned i = 0; i < FIELDS_MAX; i++) {
		if (f[i].id == id + 1)
			return &f[i];
		if (f[i].id == 0) {
			if (!make)
				return NULL;
			f[i].id = id + 1;
			return &f[i];
		}
	}
	abort();
}

uint64_t softmod_field(struct soft_vcpu *v, uint32_t field)
{
	struct field *f = find_field(v, field, false);

	return f ? f->value : 0;
}

static void be_init(void *ctx, unsigned lp, struct soft_vcpu *v)
{
	(void)ctx;
	(void)lp;
	memset(fields_of(v), 0, PAGE_SIZE);
}

static uint64_t be_read(void *ctx, struct soft_vcpu *v, uint32_t field)
{
	(void)ctx;
	return softmod_field(v, field);
}

static bool be_write(void *ctx, struct soft_vcpu *v, uint32_t field, uint64_t value)
{
	(void)ctx;
	find_field(v, field, true)->value = value;
	return true;
}

static void be_enter(void *ctx, unsigned lp, struct soft_vcpu *v, struct soft_exit *x)
{
	(void)ctx;
	(void)lp;
	*x = (struct soft_exit){ .reason = SOFT_EXIT_TRIPLE_FAULT };
	/* Scripted guests are in 64-bit mode from the start. */
	find_field(v, VMCS_EFER, true)->value = 0xd01;
	find_field(v, VMCS_CS_RIGHTS, true)->value = 0xa09b;
	if (softmod_guest)
		softmod_guest(v, x);
}

static void be_nothing(void *ctx, unsigned lp, struct soft_vcpu *v)
{
	(void)ctx;
	(void)lp;
	(void)v;
}

static uint32_t be_xsave_size(void *ctx, unsigned lp, struct soft_vcpu *v, unsigned subleaf)
{
	(void)ctx;
	(void)lp;
	(void)v;
	(void)subleaf;
	return 0x240;
}

static struct fx_area host_fx[SOFT_MAX_LPS]; /* XMM registers of each LP */

static void be_xmm_out(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask)
{
	(void)ctx;
	xmm_to_host(hpa_to_ptr((hpa_t){ v->page[3] }), mask, &host_fx[lp]);
}

static void be_xmm_in(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask)
{
	(void)ctx;
	xmm_to_vcpu(hpa_to_ptr((hpa_t){ v->page[3] }), mask, &host_fx[lp]);
}

static void host_xmm_clear(void)
{
	memset(host_fx[cpu_index()].xmm, 0, sizeof(host_fx[0].xmm));
}

static const struct soft_backend_ops backend_ops = {
	.vcpu_init = be_init,
	.vmread = be_read,
	.vmwrite = be_write,
	.enter = be_enter,
	.flush_tlb = be_nothing,
	.vcpu_flush = be_nothing,
	.xmm_out = be_xmm_out,
	.xmm_in = be_xmm_in,
	.xsave_size = be_xsave_size,
};
static const struct soft_backend backend = { &backend_ops, NULL };

/* ---- the P-SEAMLDR ---- */

struct soft_seamldr softmod_loader;

static bool loader_knows(void *ctx, const char *name)
{
	(void)ctx;
	return soft_profile_find(name) != NULL;
}

static bool loader_handoff(void *ctx, uint16_t *version)
{
	(void)ctx;
	return soft_handoff(module, version);
}

static void loader_install(void *ctx, const char *name, enum seamldr_scenario scenario)
{
	(void)ctx;
	soft_reload(module, soft_profile_find(name), scenario == SEAMLDR_UPDATE);
}

static const struct soft_seamldr_ops loader_ops = { loader_knows, loader_handoff, loader_install };

void softmod_empty(void) { soft_seamldr_init(&softmod_loader, &machine, &loader_ops, NULL); }

/* ---- the host's side ---- */

void seamcall_raw(struct seam_regs *regs)
{
	struct soft_regs r;

	memcpy(&r, regs, sizeof(r));
	if (softmod_intercept && softmod_intercept(&r)) {
		memcpy(regs, &r, sizeof(r));
		return;
	}
	if (r.rax & TDX_RAX_SEAMLDR) {
		if (!soft_seamldr_call(&softmod_loader, cpu_index(), &r))
			r.rax = TDX_SW_VMFAILINVALID;
	} else if (module && soft_seamldr_ready(&softmod_loader) &&
		   soft_seamcall(module, cpu_index(), &r)) {
		statuses_note(r.rax);
	} else {
		r.rax = TDX_SW_VMFAILINVALID;
	}
	memcpy(regs, &r, sizeof(r));
}

static int host_msr_read(uint32_t msr, uint64_t *value)
{
	*value = op_rdmsr(NULL, 0, msr);
	return 0;
}

static unsigned host_package_of(unsigned cpu) { return machine.package_of[cpu]; }

static uint32_t host_apic_id(unsigned cpu) { return machine.x2apic_id[cpu]; }

static void host_kick(unsigned cpu) { (void)cpu; }

static void host_say(const char *line) { snprintf(said, sizeof(said), "%s", line); }

static void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	op_cpuid(NULL, 0, leaf, subleaf, out);
}

void softmod_start(uint64_t bytes, unsigned cpus, unsigned bits)
{
	unsigned order = 0;

	tdx_fini(); /* the machine before */
	machine_start(bytes, cpus);
	if (vtimer_start() != 0)
		abort();
	maxphyaddr = bits;
	softmod_guest = NULL;
	softmod_intercept = NULL;
	softmod_mapped = NULL;
	softmod_interrupt = false;
	said[0] = 0;
	machine = (struct soft_machine){
		.ops = &machine_ops,
		.lp_count = cpus,
		.package_count = (cpus + 1) / 2,
		.cmr = { { MACHINE_BASE, bytes } },
		.seamrr = { 0xf8000000, 0x2000000 },
		.any_maxphyaddr = bits != 52,
	};
	for (unsigned i = 0; i < cpus; i++) {
		machine.package_of[i] = (uint8_t)(i / 2);
		machine.x2apic_id[i] = i;
	}
	while ((PAGE_SIZE << order) < soft_module_size())
		order++;
	module = soft_init(hpa_to_ptr(pages_alloc(PAGE_SOFT, order)), &machine, &backend,
			   softmod_profile);
	softmod_empty();
	soft_seamldr_preloaded(&softmod_loader);
	memory[0] =
		(struct boot_mem){ .base = MACHINE_BASE, .size = bytes, .kind = BOOT_MEM_USABLE };
	host = (struct tdx_host){
		.msr_read = host_msr_read,
		.package_of = host_package_of,
		.apic_id = host_apic_id,
		.kick = host_kick,
		.notify_vector = 0xf2,
		.say = host_say,
		.xmm_clear = host_xmm_clear,
		.cpuid = host_cpuid,
		.maxphyaddr = bits,
		.memory = memory,
		.memory_count = 1,
	};
}

bool softmod_next_version(void)
{
	static unsigned next;
	const char *only = getenv("TAIN_PROFILE");

	while (next < soft_profile_count) {
		softmod_profile = &soft_profiles[next++];
		if (!only || strcmp(only, softmod_profile->name) == 0)
			return true;
	}
	return false;
}

const struct tdx_host *softmod_host(void) { return &host; }

void softmod_lazy(void) { host.restrict_pages = page_restrict_tdx; }

void softmod_unload(void) { module = NULL; }

const char *softmod_said(void) { return said; }
