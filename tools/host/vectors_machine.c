/*
 * vectors_machine.c - the vector player's machine and guest backend for the software module.
 *
 * Invariants
 *   - An LP's stack runs from vm_call() or vm_guest() until the guest is entered or the SEAMCALL is
 *     done, then control is back with the caller. A hook ("during") may start another LP in
 * between.
 *   - A VMCS is a table in its page; nothing is executed.
 *
 * Facts: tests/vectors/open/README.md.
 *
 * links: tdx/soft/[a-z]*.c tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/host/vectors_machine.h"
#include "tdx/soft/profile.h"
#include "tests/host/statuses.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define FIBER_START(save, bottom, size)  __sanitizer_start_switch_fiber((save), (bottom), (size))
#define FIBER_FINISH(save, bottom, size) __sanitizer_finish_switch_fiber((save), (bottom), (size))
#else
#define FIBER_START(save, bottom, size)  ((void)(save))
#define FIBER_FINISH(save, bottom, size) ((void)(save))
#endif

#define STACK_SIZE    (512u << 10)
#define ANY           UINT32_C(0xffffffff)
#define MAX_OVERRIDES 64

struct cpuid_entry {
	uint32_t leaf, sub;
	uint32_t regs[4];
};

/* clang-format off */
static const struct { uint32_t msr; uint64_t value; } reset_msrs[] = {
	{ 0x3b, UINT64_C(0x0) }, { 0x87, UINT64_C(0x200000001f) },
	{ 0x98, UINT64_C(0x4) }, { 0x99, UINT64_C(0x4) },
	{ 0xbc, UINT64_C(0x1) }, { 0xbd, UINT64_C(0x1) },
	{ 0xcf, UINT64_C(0x0) }, { 0xfe, UINT64_C(0x4d0a) },
	{ 0x10a, UINT64_C(0x20fdeb) }, { 0x1a0, UINT64_C(0x1) },
	{ 0x1f2, UINT64_C(0x3ff00006) }, { 0x1f3, UINT64_C(0xfff00c00) },
	{ 0x345, UINT64_C(0x2000) }, { 0x480, UINT64_C(0xd8040000000011) },
	{ 0x485, UINT64_C(0x7004c1e7) }, { 0x486, UINT64_C(0x80000021) },
	{ 0x487, UINT64_C(0xffffffff) }, { 0x488, UINT64_C(0x2000) },
	{ 0x489, UINT64_C(0x3ffffff) }, { 0x48b, UINT64_C(0xdf7dbffe00000000) },
	{ 0x48c, UINT64_C(0x101063340c1) }, { 0x48d, UINT64_C(0xa900000000) },
	{ 0x48e, UINT64_C(0xf9fa1e8c00000000) }, { 0x48f, UINT64_C(0x5f3c920400000000) },
	{ 0x490, UINT64_C(0x7ee20400000000) }, { 0x492, UINT64_C(0xae) },
	{ 0x981, UINT64_C(0x3f600000003) }, { 0x982, UINT64_C(0x3005600000003) },
	{ 0x1400, UINT64_C(0xf8000008) }, { 0x1401, UINT64_C(0xffffffe000c00) },
};

static const struct cpuid_entry reset_cpuid[] = {
	{ 0x0, ANY, { 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 } },
	{ 0x1, ANY, { 0x806f8, 0x20800, 0x7ffefbff, 0xbfebfbff } },
	{ 0x4, 0x0, { 0x4000121, 0x2c0003f, 0x3f, 0x0 } },
	{ 0x4, 0x1, { 0x4000122, 0x1c0003f, 0x3f, 0x0 } },
	{ 0x4, 0x2, { 0x4000143, 0x3c0003f, 0x7ff, 0x0 } },
	{ 0x4, 0x3, { 0x4004163, 0x380003f, 0xdfff, 0x4 } },
	{ 0x5, ANY, { 0x40, 0x40, 0x3, 0x10102020 } },
	{ 0x6, ANY, { 0x1f8ff7, 0x2, 0x9, 0x0 } },
	{ 0x7, 0x0, { 0x2, 0xf3bfb7eb, 0xfb417ffe, 0xffdd4432 } },
	{ 0x7, 0x1, { 0x1c30, 0x0, 0x0, 0x0 } },
	{ 0x7, 0x2, { 0x0, 0x0, 0x0, 0x17 } },
	{ 0xa, ANY, { 0x7300805, 0x0, 0xf, 0x8604 } },
	{ 0xd, 0x0, { 0x602e7, 0x2b00, 0x2b00, 0x0 } },
	{ 0xd, 0x1, { 0x1f, 0x2cb0, 0xdd00, 0x0 } },
	{ 0xd, 0x2, { 0x100, 0x240, 0x0, 0x0 } },
	{ 0xd, 0x5, { 0x40, 0x440, 0x0, 0x0 } },
	{ 0xd, 0x6, { 0x200, 0x480, 0x0, 0x0 } },
	{ 0xd, 0x7, { 0x400, 0x680, 0x0, 0x0 } },
	{ 0xd, 0x8, { 0x80, 0x0, 0x1, 0x0 } },
	{ 0xd, 0x9, { 0x8, 0xa80, 0x0, 0x0 } },
	{ 0xd, 0xa, { 0x8, 0x0, 0x1, 0x0 } },
	{ 0xd, 0xb, { 0x10, 0x0, 0x1, 0x0 } },
	{ 0xd, 0xc, { 0x18, 0x0, 0x1, 0x0 } },
	{ 0xd, 0xe, { 0x30, 0x0, 0x1, 0x0 } },
	{ 0xd, 0xf, { 0x328, 0x0, 0x1, 0x0 } },
	{ 0xd, 0x11, { 0x40, 0xac0, 0x2, 0x0 } },
	{ 0xd, 0x12, { 0x2000, 0xb00, 0x6, 0x0 } },
	{ 0x14, 0x0, { 0x1, 0x5f, 0x7, 0x0 } },
	{ 0x14, 0x1, { 0x2490002, 0x3f003f, 0x0, 0x0 } },
	{ 0x15, ANY, { 0x2, 0xa0, 0x17d7840, 0x0 } },
	{ 0x1c, ANY, { 0x4000000b, 0x7, 0x7, 0x0 } },
	{ 0x1d, 0x0, { 0x1, 0x0, 0x0, 0x0 } },
	{ 0x1d, 0x1, { 0x4002000, 0x80040, 0x10, 0x0 } },
	{ 0x1e, ANY, { 0x0, 0x4010, 0x0, 0x0 } },
	{ 0x1f, 0x0, { 0x0, 0x1, 0x100, 0x0 } },
	{ 0x1f, 0x1, { 0x1, 0x2, 0x201, 0x0 } },
	{ 0x1f, 0x2, { 0x0, 0x0, 0x2, 0x0 } },
	{ 0x1f, 0x3, { 0x0, 0x0, 0x3, 0x0 } },
	{ 0x1f, 0x4, { 0x0, 0x0, 0x4, 0x0 } },
	{ 0x1f, 0x5, { 0x0, 0x0, 0x5, 0x0 } },
	{ 0x80000000, ANY, { 0x80000008, 0x0, 0x0, 0x0 } },
	{ 0x80000001, ANY, { 0x0, 0x0, 0x121, 0x2c100800 } },
	{ 0x80000006, ANY, { 0x0, 0x0, 0x8007040, 0x0 } },
	{ 0x80000007, ANY, { 0x0, 0x0, 0x0, 0x100 } },
	{ 0x80000008, ANY, { 0x3934, 0x200, 0x0, 0x0 } },
};
/* clang-format on */

struct lp {
	enum vm_state state;
	struct soft_regs regs;  /* the host's */
	struct soft_vcpu *vcpu; /* in the guest */
	struct fx_area fx;      /* the host's XMM registers */
	uint32_t event;
	const struct vm_event *pending;
	ucontext_t ctx, caller;
	uint8_t *stack;
	void *fake_stack; /* ASAN's, of this LP */
	const void *caller_bottom;
	size_t caller_size;
	bool irq;
};

static struct machine {
	uint8_t *memory;
	void *module_memory;
	struct soft_module *module;
	struct soft_machine mc;
	struct soft_backend be;
	struct lp lp[VM_LPS];
	struct {
		int lp;
		uint32_t msr;
		uint64_t value;
	} msr[MAX_OVERRIDES];
	unsigned msrs;
	struct {
		int lp;
		struct cpuid_entry e;
	} cpuid[MAX_OVERRIDES];
	unsigned cpuids;
	uint64_t tsc, random, rip;
	bool no_entropy;
	unsigned pconfig_code;
	unsigned jitter;
	struct {
		bool armed, copy;
		void (*fn)(void *arg);
		void *arg;
	} during;
} vm;

static uint8_t scratch_page[4096] __attribute__((aligned(4096)));

struct soft_module *vm_module(void) { return vm.module; }

uint8_t *vm_memory(uint64_t pa, uint64_t bytes)
{
	return pa < VM_MEMORY && bytes <= VM_MEMORY - pa ? vm.memory + pa : NULL;
}

/* ---- the machine ---------------------------------------------------------------------------- */

static void *op_map(void *ctx, uint64_t pa)
{
	static _Thread_local unsigned turn;

	(void)ctx;
	if (vm.jitter && ++turn % vm.jitter == 0)
		sched_yield();
	return pa < VM_MEMORY ? vm.memory + pa : scratch_page + (pa & 4095);
}

static void op_cpuid(void *ctx, unsigned lp, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	const struct cpuid_entry *e = NULL;
	bool reset = true;

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(reset_cpuid); i++)
		if (reset_cpuid[i].leaf == leaf &&
		    (reset_cpuid[i].sub == ANY || reset_cpuid[i].sub == sub))
			e = &reset_cpuid[i];
	for (unsigned i = 0; i < vm.cpuids; i++)
		if ((vm.cpuid[i].lp < 0 || vm.cpuid[i].lp == (int)lp) &&
		    vm.cpuid[i].e.leaf == leaf &&
		    (vm.cpuid[i].e.sub == ANY || vm.cpuid[i].e.sub == sub)) {
			e = &vm.cpuid[i].e;
			reset = false;
		}
	memset(out, 0, 16);
	if (e)
		memcpy(out, e->regs, 16);
	if (reset && leaf == 1)
		out[1] = (out[1] & 0xffffff) | lp << 24;
	if (reset && leaf == 0x1f)
		out[3] = lp;
}

static uint64_t op_rdmsr(void *ctx, unsigned lp, uint32_t msr)
{
	uint64_t v = 0;

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(reset_msrs); i++)
		if (reset_msrs[i].msr == msr)
			v = reset_msrs[i].value;
	for (unsigned i = 0; i < vm.msrs; i++)
		if ((vm.msr[i].lp < 0 || vm.msr[i].lp == (int)lp) && vm.msr[i].msr == msr)
			v = vm.msr[i].value;
	return v;
}

static uint64_t op_tsc(void *ctx, unsigned lp)
{
	(void)ctx;
	(void)lp;
	return vm.tsc += 100;
}

static bool op_random(void *ctx, uint64_t *out)
{
	(void)ctx;
	vm.random ^= vm.random << 13;
	vm.random ^= vm.random >> 7;
	vm.random ^= vm.random << 17;
	*out = vm.random;
	return !vm.no_entropy;
}

static bool op_interrupt_pending(void *ctx, unsigned lp)
{
	(void)ctx;
	return vm.lp[lp].irq;
}

static void reach(bool copy)
{
	if (!vm.during.armed || vm.during.copy != copy)
		return;
	vm.during.armed = false;
	vm.during.fn(vm.during.arg);
}

static enum soft_pconfig op_pconfig(void *ctx, unsigned lp, uint16_t hkid)
{
	unsigned code = vm.pconfig_code;

	(void)ctx;
	(void)lp;
	(void)hkid;
	reach(false);
	vm.pconfig_code = 0;
	return (enum soft_pconfig)code;
}

static void op_cache_wb(void *ctx, unsigned lp, unsigned block)
{
	(void)ctx;
	(void)lp;
	(void)block;
	reach(false);
}

static void op_page_write(void *ctx, unsigned lp)
{
	(void)ctx;
	(void)lp;
	if (vm.jitter)
		sched_yield();
	reach(true);
}

static const struct soft_machine_ops machine_ops = {
	.map = op_map,
	.cpuid = op_cpuid,
	.rdmsr = op_rdmsr,
	.tsc = op_tsc,
	.random = op_random,
	.interrupt_pending = op_interrupt_pending,
	.pconfig = op_pconfig,
	.cache_wb = op_cache_wb,
	.page_write = op_page_write,
};

/* ---- the backend: a VMCS is 512 words; guests are scripts ----------------------------------- */

#define F_ENTRY_INTR 0x4016
#define F_RIP        0x681e
#define MAX_FIELD    0x8000

static uint64_t *vmcs_word(const struct soft_vcpu *v, uint32_t field)
{
	static uint16_t slot[MAX_FIELD], used;

	if (field >= MAX_FIELD)
		return NULL;
	if (!slot[field] && used < 510)
		slot[field] = ++used;
	return slot[field] ? (uint64_t *)(void *)(vm.memory + v->page[1]) + slot[field] : NULL;
}

static uint64_t op_vmread(void *ctx, struct soft_vcpu *v, uint32_t field)
{
	const uint64_t *w = vmcs_word(v, field);

	(void)ctx;
	return w ? *w : 0;
}

static bool op_vmwrite(void *ctx, struct soft_vcpu *v, uint32_t field, uint64_t value)
{
	uint64_t *w = vmcs_word(v, field);

	(void)ctx;
	if (w)
		*w = value;
	return w != NULL;
}

static void op_nothing(void *ctx, unsigned lp, struct soft_vcpu *v)
{
	(void)ctx;
	(void)lp;
	(void)v;
}

static uint32_t op_xsave_size(void *ctx, unsigned lp, struct soft_vcpu *v, unsigned sub)
{
	uint32_t r[4];

	(void)v;
	op_cpuid(ctx, lp, 0xd, sub, r);
	return r[1];
}

static void yield_to_caller(struct lp *l)
{
	FIBER_START(&l->fake_stack, l->caller_bottom, l->caller_size);
	swapcontext(&l->ctx, &l->caller);
	FIBER_FINISH(l->fake_stack, &l->caller_bottom, &l->caller_size);
}

/* The guest's mode at every exit, as the vectors define it. */
static void set_guest_mode(struct soft_vcpu *v, const struct vm_event *ev)
{
	const struct {
		uint32_t field;
		uint64_t value;
	} mode[] = {
		{ 0x6800, 0x80000033 },   { 0x6804, 0x2668 },
		{ 0x2806, 0xd01 },        { 0x6820, 2 },
		{ 0x4816, 0xa09b },       { 0x4818, 0xc093 | (uint64_t)ev->cpl << 5 },
		{ 0x4408, ev->idt_info }, { F_RIP, ev->same_rip ? 0x5000 : (vm.rip += 0x100) },
	};

	for (size_t i = 0; i < ARRAY_LEN(mode); i++)
		(void)op_vmwrite(NULL, v, mode[i].field, mode[i].value);
}

static void op_enter(void *ctx, unsigned lp, struct soft_vcpu *v, struct soft_exit *x)
{
	struct lp *l = &vm.lp[lp];
	uint64_t info = op_vmread(ctx, v, F_ENTRY_INTR);

	l->vcpu = v;
	l->event = info >> 31 & 1 ? (uint32_t)(info & 0xfff) : 0;
	(void)op_vmwrite(ctx, v, F_ENTRY_INTR, 0);
	l->state = VM_IN_GUEST;
	yield_to_caller(l);
	memset(&l->fx, 0, sizeof(l->fx)); /* an exit leaves the host nothing but what is passed */
	set_guest_mode(v, l->pending);
	v->gpr = l->pending->gpr;
	*x = l->pending->x;
}

static struct xsave_head *xsave_head(const struct soft_vcpu *v)
{
	return (struct xsave_head *)(void *)(vm.memory + v->page[3]);
}

static void op_xmm_out(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask)
{
	(void)ctx;
	xmm_to_host(xsave_head(v), mask, &vm.lp[lp].fx);
}

static void op_xmm_in(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask)
{
	(void)ctx;
	xmm_to_vcpu(xsave_head(v), mask, &vm.lp[lp].fx);
}

static const struct soft_backend_ops backend_ops = {
	.vcpu_init = op_nothing,
	.vmread = op_vmread,
	.vmwrite = op_vmwrite,
	.enter = op_enter,
	.flush_tlb = op_nothing,
	.vcpu_flush = op_nothing,
	.xmm_out = op_xmm_out,
	.xmm_in = op_xmm_in,
	.xsave_size = op_xsave_size,
};

/* ---- LPs ------------------------------------------------------------------------------------ */

static void lp_main(unsigned index)
{
	struct lp *l = &vm.lp[index];

	FIBER_FINISH(NULL, &l->caller_bottom, &l->caller_size);
	l->state = soft_seamcall(vm.module, index, &l->regs) ? VM_DONE : VM_FAILED;
	if (l->state == VM_DONE)
		statuses_note(l->regs.rax);
	FIBER_START(NULL, l->caller_bottom, l->caller_size);
	swapcontext(&l->ctx, &l->caller);
	abort();
}

static void resume(struct lp *l)
{
	void *fake = NULL;

	FIBER_START(&fake, l->stack, STACK_SIZE);
	swapcontext(&l->caller, &l->ctx);
	FIBER_FINISH(fake, NULL, NULL);
}

enum vm_state vm_call(unsigned lp, const struct soft_regs *in)
{
	struct lp *l = &vm.lp[lp];

	l->regs = *in;
	getcontext(&l->ctx);
	l->ctx.uc_stack.ss_sp = l->stack;
	l->ctx.uc_stack.ss_size = STACK_SIZE;
	l->ctx.uc_link = NULL;
	makecontext(&l->ctx, (void (*)(void))lp_main, 1, lp);
	resume(l);
	return l->state;
}

enum vm_state vm_guest(unsigned lp, const struct vm_event *ev)
{
	struct lp *l = &vm.lp[lp];

	l->pending = ev;
	resume(l);
	if (l->state == VM_IN_GUEST && (ev->x.reason & 0xffff) == SOFT_EXIT_TDCALL && !l->event)
		statuses_note(l->vcpu->gpr.rax);
	return l->state;
}

enum vm_state vm_state(unsigned lp) { return vm.lp[lp].state; }
const struct soft_regs *vm_host_regs(unsigned lp) { return &vm.lp[lp].regs; }
const struct soft_regs *vm_guest_regs(unsigned lp) { return &vm.lp[lp].vcpu->gpr; }
struct fx_area *vm_host_fx(unsigned lp) { return &vm.lp[lp].fx; }
struct xsave_head *vm_guest_xsave(unsigned lp) { return xsave_head(vm.lp[lp].vcpu); }
uint32_t vm_guest_event(unsigned lp) { return vm.lp[lp].event; }

void vm_during(bool copy, void (*fn)(void *arg), void *arg)
{
	vm.during.armed = fn != NULL;
	vm.during.copy = copy;
	vm.during.fn = fn;
	vm.during.arg = arg;
}

bool vm_during_pending(void) { return vm.during.armed; }

void vm_set_msr(int lp, uint32_t msr, uint64_t value)
{
	for (unsigned i = 0; i < vm.msrs; i++)
		if (vm.msr[i].lp == lp && vm.msr[i].msr == msr) {
			vm.msr[i].value = value;
			return;
		}
	if (vm.msrs == MAX_OVERRIDES)
		abort();
	vm.msr[vm.msrs].lp = lp;
	vm.msr[vm.msrs].msr = msr;
	vm.msr[vm.msrs++].value = value;
}

void vm_set_cpuid(int lp, uint32_t leaf, uint32_t sub, const uint32_t regs[4])
{
	if (vm.cpuids == MAX_OVERRIDES)
		abort();
	vm.cpuid[vm.cpuids].lp = lp;
	vm.cpuid[vm.cpuids].e =
		(struct cpuid_entry){ leaf, sub, { regs[0], regs[1], regs[2], regs[3] } };
	vm.cpuids++;
}

void vm_set_irq(unsigned lp, bool pending) { vm.lp[lp].irq = pending; }
void vm_set_entropy(bool works) { vm.no_entropy = !works; }
void vm_jitter(unsigned every) { vm.jitter = every; }
void vm_tick(uint64_t ticks) { vm.tsc += ticks; }
void vm_fail_pconfig(unsigned code) { vm.pconfig_code = code; }

static void describe(struct soft_machine *mc)
{
	memset(mc, 0, sizeof(*mc));
	mc->ops = &machine_ops;
	mc->lp_count = VM_LPS;
	mc->package_count = 2;
	for (unsigned i = 0; i < VM_LPS; i++) {
		mc->package_of[i] = (uint8_t)(i / 2);
		mc->x2apic_id[i] = i;
	}
	mc->cmr[0] = (struct soft_range){ 0x100000, 0x3fe00000 };
	mc->cmr[1] = (struct soft_range){ 0x40000000, 0x80000000 };
	mc->cmr[2] = (struct soft_range){ 0xc1000000, 0x2f000000 };
	mc->seamrr = (struct soft_range){ 0xf8000000, 0x2000000 };
}

void vm_reset(void)
{
	uint8_t *memory = vm.memory, *stacks[VM_LPS];
	void *module = vm.module_memory;

	if (!memory) {
		memory = mmap(NULL, VM_MEMORY, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		module = aligned_alloc(4096, soft_module_size());
		if (memory == MAP_FAILED || !module)
			abort();
	} else {
		madvise(memory, VM_MEMORY, MADV_DONTNEED);
	}
	for (unsigned i = 0; i < VM_LPS; i++) {
		stacks[i] = vm.lp[i].stack ? vm.lp[i].stack : malloc(STACK_SIZE);
		if (!stacks[i])
			abort();
	}
	memset(&vm, 0, sizeof(vm));
	vm.memory = memory;
	vm.module_memory = module;
	for (unsigned i = 0; i < VM_LPS; i++)
		vm.lp[i].stack = stacks[i];
	vm.tsc = UINT64_C(1) << 40;
	vm.random = UINT64_C(0x9e3779b97f4a7c15);
	describe(&vm.mc);
	vm.be.ops = &backend_ops;
	vm.module = soft_init(module, &vm.mc, &vm.be, &soft_profiles[0]);
}
