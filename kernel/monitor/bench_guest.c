/*
 * bench_guest.c - the guest of `bench mmu`. Contract: bench_guest.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/bench_guest.h"

#include <stdio.h>

#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/platform/memory.h"
#include "kernel/platform/platform.h"
#include "mmu/mmu.h"

#define LOAD_GPA   UINT64_C(0x100000)
#define BOX_GPA    UINT64_C(0x2000)
#define MEMORY     (BENCH_AREA + BENCH_BYTES)
#define STAY_TICKS (UINT64_C(1) << 21) /* the rest of the last one is spent waiting */
#define STAYS_MAX  1000

extern const char bench_guest_start[], bench_guest_end[];

struct box {
	uint32_t base, stride, count, ticks, working;
};

static struct bench_guest {
	struct guest_config config;
	struct platform platform;
	struct vcpu_run run;
	struct vm *vm;
	bool has_platform;
} guest;

static void no_console(void *ctx, uint8_t byte) { (void)ctx, (void)byte; }

struct vm *bench_guest_vm(void) { return guest.vm; }
struct mmu *bench_guest_mmu(void) { return vm_mmu(guest.vm); }

struct memslot *bench_guest_slot(void)
{
	return mmu_slot_find(bench_guest_mmu(), (gfn_t){ BENCH_AREA >> PAGE_SHIFT });
}

static enum vcpu_outcome run_once(void)
{
	uint64_t flags = irq_save();

	guest.run.slice_tsc = STAY_TICKS;

	enum vcpu_outcome outcome = vm_vcpu_run(guest.vm, 0);

	irq_restore(flags);
	return outcome;
}

static int write_once(uint64_t stride, uint64_t count, uint64_t *ticks)
{
	struct box box = { (uint32_t)BENCH_AREA, (uint32_t)stride, (uint32_t)count, 0, 1 };
	struct guest_memory *m = vm_memory(guest.vm);
	int err = guest_memory_write(m, (gpa_t){ BOX_GPA }, &box, sizeof(box));

	for (unsigned i = 0; i < STAYS_MAX && !err && box.working; i++)
		err = run_once() != RUN_AGAIN ||
		      guest_memory_read(m, &box, (gpa_t){ BOX_GPA }, sizeof(box));
	*ticks = box.ticks;
	return err || box.working ? -1 : 0;
}

int bench_guest_write(uint64_t stride, uint64_t count, uint64_t *ticks)
{
	uint64_t first, again;

	/* The second time nothing is in the way: what it costs is the loop. */
	if (write_once(stride, count, &first) || write_once(stride, count, &again))
		return -1;
	*ticks = first > again ? first - again : 0;
	return 0;
}

int bench_guest_open(int level, char *why, size_t why_size)
{
	const struct platform_config pc = {
		.name = "bench", .memory_bytes = MEMORY, .vcpus = 1, .console = no_console
	};
	uint64_t ticks;

	guest = (struct bench_guest){
		.config = { .name = "bench", .kind = GUEST_VM, .memory = MEMORY, .vcpus = 1,
			    .image = { .data = bench_guest_start,
				       .size = (uint64_t)(bench_guest_end - bench_guest_start) },
			    .image_load = LOAD_GPA, .page_level = level },
	};
	if (platform_init(&guest.platform, &pc))
		return -1;
	guest.has_platform = true;
	guest.vm = vm_create(&guest.config, &guest.platform, &guest.run, why, why_size);
	if (guest.vm)
		snprintf(why, why_size, "it did not do its work: %s", guest.run.reason);
	if (!guest.vm || bench_guest_write(PAGE_SIZE, BENCH_FRAMES, &ticks)) {
		bench_guest_close();
		return -1;
	}
	return 0;
}

void bench_guest_close(void)
{
	if (guest.vm)
		vm_destroy(guest.vm);
	guest.vm = NULL;
	if (guest.has_platform)
		platform_fini(&guest.platform);
	guest.has_platform = false;
}
