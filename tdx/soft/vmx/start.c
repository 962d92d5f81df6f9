/*
 * start.c - the software TDX module put in place of a missing one: its machine, its backend, and the
 * #UD handler by which a SEAMCALL instruction reaches it.
 *
 * Invariants
 *   - A SEAMCALL runs with interrupts off from #UD to IRET, on its LP; registers go in and out as
 *     the instruction has them; CF says VMfailInvalid.
 *   - When it returns, the host's VMCS that was current before is current again (a TD's may stay, if
 *     the host had none), and translations of pages that became private are gone from this CPU.
 *   - Nothing here can fail after the start.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "tdx/abi/leaf.h"
#include "tdx/soft/profile.h"
#include "tdx/soft/seamldr.h"
#include "tdx/soft/vmx/soft_vmx.h"
#include "tdx/soft/vmx/start.h"

#define RFLAGS_CF     BIT64(0)
#define OPCODE_BYTES  4
#define CPUID_RDRAND  BIT32(30)
#define CPUID_XSAVES  (BIT32(1) | BIT32(3)) /* XSAVEC, XSAVES of CPUID 0Dh.1 EAX */
#define ORDER_BY_LEVEL 9

static struct soft_machine machine;
static struct soft_module *module;
static struct soft_seamldr loader;
static struct svmx_lp *lps;
static bool has_rdrand;

struct svmx_lp *svmx_lp(unsigned lp) { return &lps[lp]; }

/* ---- services of the machine ---- */

static void *map_page(void *ctx, uint64_t hpa)
{
	(void)ctx;
	return alias(hpa);
}

/* The largest order that hiding takes at once is 2 MiB; a 1 GiB page is 512 of those. */
static void each_part(uint64_t hpa, unsigned level, void (*fn)(hpa_t base, unsigned order))
{
	unsigned order = level ? ORDER_BY_LEVEL : 0;
	uint64_t parts = level > 1 ? 512 : 1;

	for (uint64_t i = 0; i < parts; i++)
		fn((hpa_t){ hpa + i * SIZE_2M }, order);
}

static void hide_page(void *ctx, uint64_t hpa, unsigned level)
{
	(void)ctx;
	each_part(hpa, level, port_page_hide);
}

static void unhide_page(void *ctx, uint64_t hpa, unsigned level)
{
	(void)ctx;
	each_part(hpa, level, port_page_unhide);
}

static uint64_t read_tsc(void *ctx, unsigned lp)
{
	(void)ctx, (void)lp;
	return rdtsc();
}

/* Keys are make-believe: without RDRAND the time will do. */
static bool random_number(void *ctx, uint64_t *out)
{
	(void)ctx;
	if (has_rdrand)
		return rdrand64(out);
	*out = rdtsc() * UINT64_C(0x9e3779b97f4a7c15);
	return true;
}

static bool interrupt_pending(void *ctx, unsigned lp)
{
	bool pending = apic_irr(VEC_TIMER) || apic_irr(VEC_CALL) || apic_irr(VEC_SERIAL);

	(void)ctx;
	lps[lp].interrupt_seen |= pending; /* the next entry is to report it */
	return pending;
}

static enum soft_pconfig configure_key(void *ctx, unsigned lp, uint16_t hkid)
{
	(void)ctx, (void)lp, (void)hkid;
	return SOFT_PCONFIG_OK;
}

/* Nothing is encrypted: no cache line has to leave before a key is used again. */
static void write_back(void *ctx, unsigned lp, unsigned block) { (void)ctx, (void)lp, (void)block; }

static void halted(void *ctx, unsigned lp, const char *why)
{
	(void)ctx;
	log_error("soft: CPU %u: the module stopped: %s", lp, why);
}

static const struct soft_machine_ops machine_ops = {
	.map = map_page,
	.hide = hide_page,
	.unhide = unhide_page,
	.cpuid = describe_cpuid,
	.cpuid_guest = describe_cpuid_guest,
	.rdmsr = describe_rdmsr,
	.tsc = read_tsc,
	.random = random_number,
	.interrupt_pending = interrupt_pending,
	.pconfig = configure_key,
	.cache_wb = write_back,
	.halted = halted,
};

static const struct soft_backend backend = {
	.ops = &(const struct soft_backend_ops){
		.vcpu_init = svmx_vcpu_init,
		.vmread = svmx_vmread,
		.vmwrite = svmx_vmwrite,
		.enter = svmx_enter,
		.flush_tlb = svmx_flush_tlb,
		.vcpu_flush = svmx_vcpu_flush,
		.xmm_out = svmx_xmm_out,
		.xmm_in = svmx_xmm_in,
		.xsave_size = svmx_xsave_size,
	},
};

/* ---- the P-SEAMLDR ---- */

static void say_banner(const struct soft_profile *profile)
{
	char text[SOFT_BANNER];

	log_warn("%s", soft_banner(profile, text, sizeof(text)));
}

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
	say_banner(soft_profile_find(name));
}

static const struct soft_seamldr_ops loader_ops = { loader_knows, loader_handoff, loader_install };

/* As SEAMRET from the real one on many CPUs: there is no current VMCS any more. */
static void forget_vmcs(struct svmx_lp *me)
{
	if (vmptrld(&me->blank) != VMX_OK || vmclear(&me->blank) != VMX_OK)
		panic("soft: the blank VMCS was refused");
}

static bool answer_loader(unsigned lp, struct soft_regs *regs)
{
	bool done = soft_seamldr_call(&loader, lp, regs);

	forget_vmcs(svmx_here());
	return done;
}

/* ---- the instruction ---- */

static void regs_in(struct soft_regs *r, const struct trap_frame *f)
{
	*r = (struct soft_regs){
		.rax = f->rax, .rcx = f->rcx, .rdx = f->rdx, .rbx = f->rbx,
		.rsp = f->rsp, .rbp = f->rbp, .rsi = f->rsi, .rdi = f->rdi,
		.r8 = f->r8, .r9 = f->r9, .r10 = f->r10, .r11 = f->r11,
		.r12 = f->r12, .r13 = f->r13, .r14 = f->r14, .r15 = f->r15,
	};
}

static void regs_out(struct trap_frame *f, const struct soft_regs *r)
{
	f->rax = r->rax, f->rcx = r->rcx, f->rdx = r->rdx, f->rbx = r->rbx;
	f->rbp = r->rbp, f->rsi = r->rsi, f->rdi = r->rdi;
	f->r8 = r->r8, f->r9 = r->r9, f->r10 = r->r10, f->r11 = r->r11;
	f->r12 = r->r12, f->r13 = r->r13, f->r14 = r->r14, f->r15 = r->r15;
}

/* #UD in the kernel: is it SEAMCALL? */
static bool on_undefined(struct trap_frame *f)
{
	static const uint8_t seamcall[OPCODE_BYTES] = { 0x66, 0x0f, 0x01, 0xcf };
	unsigned lp = cpu_index();
	struct svmx_lp *me;
	struct soft_regs regs;

	if (memcmp((const void *)f->rip, seamcall, sizeof(seamcall)) || lp >= machine.lp_count)
		return false;
	me = svmx_here();
	me->in_use = NULL;
	me->host_vmcs = vmcs_current() == me->td_vmcs ? NULL : vmcs_current();
	regs_in(&regs, f);
	if (regs.rax & TDX_RAX_SEAMLDR ? answer_loader(lp, &regs)
				       : soft_seamldr_ready(&loader) && soft_seamcall(module, lp, &regs))
		f->rflags &= ~RFLAGS_CF;
	else
		f->rflags |= RFLAGS_CF;
	state_unload(me);
	regs_out(f, &regs);
	f->rip += OPCODE_BYTES;
	if (me->host_vmcs && vmcs_current() != me->host_vmcs)
		vmcs_load(me->host_vmcs);
	direct_map_sync();
	return true;
}

/* ---- start ---- */

static int check_cpu(void)
{
	char missing[200] = "";

	if (!vmx_available()) {
		log_error("soft: no TDX without VMX: %s", vmx_reason());
		return -ENODEV;
	}
	if (svmx_controls_check(missing, sizeof(missing))) {
		log_error("soft: this CPU cannot run a TD, its VMX lacks: %s", missing);
		return -ENOTSUP;
	}
	if (cpuid(0, 0).eax < 0xd || (cpuid(0xd, 1).eax & CPUID_XSAVES) != CPUID_XSAVES) {
		log_error("soft: this CPU cannot run a TD, it lacks XSAVES");
		return -ENOTSUP;
	}
	return 0;
}

static int make_blanks(void)
{
	for (unsigned i = 0; i < machine.lp_count; i++) {
		hpa_t page = page_alloc(PAGE_SOFT);

		if (hpa_is_none(page))
			return -ENOMEM;
		*(uint32_t *)hpa_to_ptr(page) = (uint32_t)(vmx_caps()->basic & BITS64(30, 0));
		lps[i].blank = page.v;
	}
	return 0;
}

static int allocate(void **memory)
{
	unsigned order = 0;
	hpa_t page;

	while ((PAGE_SIZE << order) < soft_module_size())
		order++;
	page = pages_alloc(PAGE_SOFT, order);
	lps = heap_alloc(machine.lp_count * sizeof(*lps));
	if (hpa_is_none(page) || !lps || make_blanks() || alias_init() || direct_map_reserve()) {
		log_error("soft: no memory for the module");
		return -ENOMEM;
	}
	*memory = alias(page.v);
	return 0;
}

static int start(const struct soft_profile *profile)
{
	void *memory;
	int err = check_cpu();

	if (err)
		return err;
	machine.ops = &machine_ops;
	describe_init(&machine);
	err = allocate(&memory);
	if (err)
		return err;
	for (unsigned i = 0; i < machine.lp_count; i++)
		cpu_get(i)->slot[CPU_SLOT_SOFT] = &lps[i];
	has_rdrand = (cpuid(1, 0).ecx & CPUID_RDRAND) != 0;
	state_init();
	module = soft_init(memory, &machine, &backend, profile);
	soft_seamldr_init(&loader, &machine, &loader_ops, NULL);
	register_ud_handler(on_undefined);
	return 0;
}

int soft_vmx_start(const char *version)
{
	const struct soft_profile *profile = soft_profile_find(version);
	int err;

	if (!profile) {
		log_error("soft: there is no version '%s' of the module", version);
		return -EINVAL;
	}
	err = start(profile);
	if (err)
		return err;
	soft_seamldr_preloaded(&loader);
	say_banner(profile);
	return 0;
}

int soft_vmx_start_loader(void)
{
	int err = start(soft_profile_find(NULL));

	if (!err)
		log_info("soft: a P-SEAMLDR, and no module yet");
	return err;
}

static int inject_add(const struct tdx_inject *rule) { return soft_inject_add(module, rule); }
static void inject_clear(void) { soft_inject_clear(module); }
static unsigned inject_list(struct tdx_inject out[TDX_INJECT_RULES])
{
	return soft_inject_list(module, out);
}

const struct tdx_inject_ops soft_vmx_inject = { inject_add, inject_clear, inject_list };
