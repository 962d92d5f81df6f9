/*
 * vm.c - life of a VM: everything that can fail happens in vm_create(), before anything runs.
 *
 * Invariants
 *   - vm_destroy() takes any VM that vm_create() began, at any step: each part knows whether it is
 *     there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/base/trace.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

#define MXCSR_OFFSET 24 /* in the XSAVE area */
#define MXCSR_RESET  0x1f80u
#define DR6_RESET    0xffff0ff0u

/* IA32_VMX_EPT_VPID_CAP */
#define CAP_WALK_4 BIT64(6)
#define CAP_WB     BIT64(14)
#define CAP_2M     BIT64(16)
#define CAP_1G     BIT64(17)
#define CAP_AD     BIT64(21)

/* ---- what the MMU asks ---- */

static void no_external_spt(struct mmu *mmu, struct mmu_page *sp)
{
	(void)mmu, (void)sp; /* a plain VM has no mirror */
}

static void vm_trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new,
		     int level, unsigned count)
{
	(void)root;
	if (!trace_on(TRACE_EPT))
		return;

	uint64_t n;
	struct trace_slot *slot = trace_open(this_cpu()->index, &n);
	struct trace_record *r = &slot->record;

	r->tsc = rdtsc();
	r->ticks = 0;
	r->leaf = (uint32_t)level;
	r->kind = TRACE_EPT;
	r->vcpu = 0;
	r->guest = container_of(mmu, struct vm, mmu)->trace_id;
	r->cpu = this_cpu()->index;
	r->status = 0;
	r->a[0] = gfn.v;
	r->a[1] = old.raw;
	r->a[2] = new.raw;
	r->a[3] = count;
	r->a[4] = r->a[5] = 0;
	trace_close(slot, n);
}

static const struct mmu_ops mmu_ops = {
	.free_external_spt = no_external_spt,
	.flush = vm_flush,
	.trace = vm_trace,
};

static int slot_resolve(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	struct vm *vm = slot->owner;
	int max = *level;

	(void)root;
	return guest_memory_frame(&vm->memory, gfn, max, pfn, level);
}

const struct memslot_ops vm_slot_ops = { .resolve = slot_resolve };

/* ---- creation ---- */

static bool say(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return false;
}

static bool check_machine(struct vm *vm, char *why, size_t size)
{
	uint64_t ept = vmx_caps()->ept_vpid;

	if (!vmx_available())
		return say(why, size, vmx_reason());
	if (vm_controls_choose(&vm->controls, why, size))
		return false;
	if (!(ept & CAP_WALK_4) || !(ept & CAP_WB))
		return say(why, size, "this CPU's EPT lacks 4-level walks or write-back tables");
	if (!guest_xcr0_mask())
		return say(why, size, "this CPU lacks XSAVE");
	return true;
}

/* What tain.cfg asks for, as far as the CPU has it. */
static int largest_page(const struct vm *vm)
{
	uint64_t ept = vmx_caps()->ept_vpid;
	int wanted = vm->config->page_level;

	if (wanted >= LEVEL_1G && (ept & CAP_1G))
		return LEVEL_1G;
	return wanted >= LEVEL_2M && (ept & CAP_2M) ? LEVEL_2M : LEVEL_4K;
}

static bool add_memory(struct vm *vm, char *why, size_t size)
{
	const struct guest_config *c = vm->config;
	int err = guest_memory_add_ram(&vm->memory, guest_config_ram(c));

	if (!err && c->firmware.data) {
		uint64_t frames = align_up(c->firmware.size, PAGE_SIZE) >> PAGE_SHIFT;

		err = guest_memory_add(&vm->memory,
				       (gfn_t){ (GUEST_HIGH_BASE >> PAGE_SHIFT) - frames }, frames,
				       true);
	}
	if (!err && largest_page(vm) == LEVEL_1G)
		err = guest_memory_back_1g(&vm->memory);
	if (err)
		return say(why, size, err == -ENOMEM ? "no memory for its memory map"
						     : "its memory map does not fit");
	return true;
}

static bool build_mmu(struct vm *vm, char *why, size_t size)
{
	uint64_t ept = vmx_caps()->ept_vpid;
	const struct mmu_config config = {
		.ops = &mmu_ops,
		.name = vm->config->name,
		.levels = 4,
		.max_level = (uint8_t)largest_page(vm),
		.memtype = SPTE_MEMTYPE_WB,
		.ad = ept & CAP_AD ? MMU_AD_HARDWARE : MMU_AD_NONE,
		.mmio = MMU_MMIO_MISCONFIG,
	};

	if (mmu_init(&vm->mmu, &config))
		return say(why, size, "no memory for its page tables");
	vm->has_mmu = true;
	for (unsigned i = 0; i < vm->memory.region_count; i++)
		if (vm_slot_serve(vm, i))
			return say(why, size, "its memory slots were refused");
	return true;
}

static bool build_vcpus(struct vm *vm, struct vcpu_run *runs, char *why, size_t size)
{
	vm->msr_bitmap = page_alloc(PAGE_VMX);
	if (hpa_is_none(vm->msr_bitmap))
		return say(why, size, "no memory for its MSR bitmap");
	msr_bitmap_build(hpa_to_ptr(vm->msr_bitmap));
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vm_vcpu *v = &vm->vcpu[i];

		v->root = mmu_root_get(&vm->mmu, MMU_DIRECT);
		v->xsave = pages_alloc(PAGE_VMX, VM_XSAVE_ORDER);
		if (vmcs_init(&v->vmcs) || hpa_is_none(v->xsave))
			return say(why, size, "no memory for its vCPUs");
		memcpy((char *)hpa_to_ptr(v->xsave) + MXCSR_OFFSET, &(uint32_t){ MXCSR_RESET }, 4);
		v->run = &runs[i];
		v->vpid = vmx_vpid_alloc();
		v->xcr0 = 1;
		v->dr6 = DR6_RESET;
		v->start.mode = START_WAIT;
		v->sleep = i ? SLEEP_STARTUP : SLEEP_NOT;
	}
	return true;
}

static struct vm *vm_new(const struct guest_config *config, struct platform *platform)
{
	static uint16_t made; /* VMs since the start; boot CPU */
	struct vm *vm = heap_alloc(sizeof(*vm) + config->vcpus * sizeof(vm->vcpu[0]));

	if (!vm)
		return NULL;
	vm->config = config;
	vm->trace_id = (uint16_t)(TRACE_PLAIN_GUEST | (++made & (TRACE_PLAIN_GUEST - 1)));
	vm->platform = platform;
	vm->vcpu_count = config->vcpus;
	vm->msr_bitmap = HPA_NONE;
	vm->flush_gen = 1;
	guest_memory_init(&vm->memory);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vm_vcpu *v = &vm->vcpu[i];

		v->vm = vm;
		v->index = i;
		v->xsave = HPA_NONE;
		v->pml_page = HPA_NONE;
		v->vmcs = (struct vmcs){ .page = HPA_NONE, .cpu = VMCS_NOWHERE };
	}
	return vm;
}

static int on_dma_read(void *ctx, uint64_t gpa, void *to, uint64_t bytes)
{
	struct vm *vm = ctx;

	return guest_memory_read(&vm->memory, to, (gpa_t){ gpa }, bytes);
}

static int on_dma_write(void *ctx, uint64_t gpa, const void *from, uint64_t bytes)
{
	struct vm *vm = ctx;

	return vm_memory_write(vm, (gpa_t){ gpa }, from, bytes);
}

struct vm *vm_create(const struct guest_config *config, struct platform *platform,
		     struct vcpu_run *runs, char *why, size_t why_size)
{
	struct vm *vm = vm_new(config, platform);

	if (!vm) {
		say(why, why_size, "no memory");
		return NULL;
	}
	if (check_machine(vm, why, why_size) && add_memory(vm, why, why_size) &&
	    build_mmu(vm, why, why_size) && build_vcpus(vm, runs, why, why_size) &&
	    !vm_load(vm, &vm->vcpu[0].start, why, why_size)) {
		cpuid_build(vm);
		vm_interrupts_init(vm);
		platform_set_dma(platform, &(struct dma){ on_dma_read, on_dma_write, vm });
		return vm;
	}
	vm_destroy(vm);
	return NULL;
}

/* ---- the end ---- */

static void clear_here(void *arg)
{
	vmcs_clear(arg);
}

static void free_vcpu(struct vm_vcpu *v)
{
	if (v->vmcs.cpu != VMCS_NOWHERE)
		cpu_call(v->vmcs.cpu, clear_here, &v->vmcs);
	if (!hpa_is_none(v->vmcs.page))
		vmcs_fini(&v->vmcs);
	if (!hpa_is_none(v->xsave))
		pages_free(v->xsave, PAGE_VMX, VM_XSAVE_ORDER);
	if (!hpa_is_none(v->pml_page))
		page_free(v->pml_page, PAGE_VMX);
	if (v->root)
		mmu_root_put(&v->vm->mmu, v->root);
	vmx_vpid_free(v->vpid);
}

void vm_destroy(struct vm *vm)
{
	platform_set_dma(vm->platform, NULL);
	vm_interrupts_fini(vm);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		free_vcpu(&vm->vcpu[i]);
	if (vm->has_mmu)
		mmu_fini(&vm->mmu);
	for (unsigned i = 0; i < vm->slot_count; i++)
		heap_free(vm->slots[i]);
	guest_memory_fini(&vm->memory);
	if (!hpa_is_none(vm->msr_bitmap))
		page_free(vm->msr_bitmap, PAGE_VMX);
	heap_free(vm);
}

struct guest_memory *vm_memory(struct vm *vm)
{
	return &vm->memory;
}

struct mmu *vm_mmu(struct vm *vm)
{
	return &vm->mmu;
}

uint64_t vm_own_exits(const struct vm *vm, unsigned index)
{
	const uint64_t *counts = vm->vcpu[index].counts;
	uint64_t sum = 0;

	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		sum += counts[i];
	return sum - counts[EXIT_REASON_EXCEPTION_NMI] - counts[EXIT_REASON_EXTERNAL_INTERRUPT] -
	       counts[EXIT_REASON_PREEMPTION_TIMER];
}

uint64_t vm_exit_count(const struct vm *vm, uint32_t basic_reason)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < vm->vcpu_count && basic_reason < EXIT_REASON_COUNT; i++)
		sum += vm->vcpu[i].counts[basic_reason];
	return sum;
}

uint16_t vm_trace_id(const struct vm *vm) { return vm->trace_id; }
