/*
 * smp.c - start the application processors, all at once.
 *
 * Every CPU that firmware lists gets INIT, then SIPI; they race through ap_entry.asm, each takes a
 * ticket and with it a struct cpu and stacks that were prepared; then it finds its index by its
 * APIC id. Nobody waits for one CPU before starting the next.
 *
 * Invariants
 *   - The low pages, and the area of a CPU that did not come, stay reserved: it may come late.
 *   - An AP touches nothing shared before its ticket but the trampoline page.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/base/trace.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/paging.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"

#define AP_PARAMS      0x800 /* ap_entry.asm */
#define AREA_ORDER     4     /* struct cpu and its stacks: 64 KiB */
#define STACKS         4
#define SECOND_SIPI_US 1000
#define INIT_WAIT_US   10000 /* SDM volume 3A, "MP Initialization Protocol Algorithm" */
#define START_LIMIT_US 1000000

struct ap_params {
	uint64_t cr3_low, cr3, cr0, cr4, efer;
	struct cpu **areas;
	uint32_t count, ticket;
	void *entry;
	uint64_t stack_top_offset;
};
_Static_assert(offsetof(struct ap_params, areas) == 40, "ap_entry.asm");
_Static_assert(offsetof(struct ap_params, ticket) == 52, "ap_entry.asm");
_Static_assert(offsetof(struct ap_params, stack_top_offset) == 64, "ap_entry.asm");

#define MSR_EFER UINT32_C(0xc0000080)
#define EFER_LMA BIT64(10)

static struct cpu *areas[CPU_MAX];
static NORETURN void (*main_of_ap)(void);
static uint32_t ready; /* atomic: APs that are up */

_Static_assert(sizeof(struct cpu) + CPU_STACK_BYTES + CPU_NMI_BYTES + CPU_DF_BYTES + CPU_MC_BYTES <=
		       PAGE_SIZE << AREA_ORDER,
	       "an area holds all of it");

void ap_start(struct cpu *c); /* from ap_entry.asm */

void ap_start(struct cpu *c)
{
	direct_map_cpu();
	cpu_activate(c);
	apic_init_cpu();
	int index = cpu_by_apic_id(apic_id());

	if (index < 0)
		crash_stop_here(); /* not on the list: it must not take another's place */
	cpu_set_area((unsigned)index, c);
	c->online = 1;
	c->running = "run loop";
	__atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
	main_of_ap();
}

static struct cpu *make_area(unsigned number)
{
	hpa_t base = pages_alloc_raw(PAGE_KERNEL, AREA_ORDER);

	if (hpa_is_none(base))
		return NULL;
	struct cpu *c = hpa_to_ptr(base);
	const struct {
		uint8_t **top;
		uint64_t bytes;
	} stack[STACKS] = {
		{ &c->stack_top, CPU_STACK_BYTES },
		{ &c->nmi_stack_top, CPU_NMI_BYTES },
		{ &c->df_stack_top, CPU_DF_BYTES },
		{ &c->mc_stack_top, CPU_MC_BYTES },
	};
	hpa_t at = hpa_add(base, PAGE_SIZE << AREA_ORDER);

	memset(c, 0, sizeof(*c));
	c->running = "start-up";
	/* Any of the CPUs may take this area, so windows are made by number too. */
	if (window_prepare(number + 1))
		return NULL;
	for (unsigned i = 0; i < STACKS; i++) {
		at.v -= stack[i].bytes;
		if (stack_map(number * STACKS + i, at, stack[i].bytes, stack[i].top))
			return NULL;
	}
	return c;
}

/* Page 1: PML4 with the kernel's upper half; 2: PDPT; 3: PD with one 2 MiB page at 0. */
static void make_low_tables(hpa_t low)
{
	uint64_t *top = hpa_to_ptr(hpa_add(low, PAGE_SIZE));
	uint64_t *pdpt = hpa_to_ptr(hpa_add(low, 2 * PAGE_SIZE));
	uint64_t *pd = hpa_to_ptr(hpa_add(low, 3 * PAGE_SIZE));
	const uint64_t *kernel = hpa_to_ptr(kernel_pml4());

	memset(top, 0, 3 * PAGE_SIZE);
	memcpy(top + PAGING_ENTRIES / 2, kernel + PAGING_ENTRIES / 2, PAGE_SIZE / 2);
	top[0] = (low.v + 2 * PAGE_SIZE) | PTE_PRESENT | PTE_WRITE;
	pdpt[0] = (low.v + 3 * PAGE_SIZE) | PTE_PRESENT | PTE_WRITE;
	pd[0] = PTE_LARGE | PTE_PRESENT | PTE_WRITE;
}

static void make_trampoline(hpa_t low, uint32_t count)
{
	char *page = hpa_to_ptr(low);
	size_t bytes = (uintptr_t)ap_blob_end - (uintptr_t)ap_blob;

	assert(bytes <= AP_PARAMS);
	memcpy(page, ap_blob, bytes);
	*(struct ap_params *)(void *)(page + AP_PARAMS) = (struct ap_params){
		.cr3_low = low.v + PAGE_SIZE,
		.cr3 = kernel_cr3(),
		.cr0 = cr0_read(),
		.cr4 = cr4_read() & ~CR4_VMXE,
		.efer = rdmsr(MSR_EFER) & ~EFER_LMA,
		.areas = areas,
		.count = count,
		.entry = ap_enter,
		.stack_top_offset = offsetof(struct cpu, stack_top),
	};
	make_low_tables(low);
}

/* Wait until @want APs are up, at most @us. */
static bool wait_ready(uint32_t want, uint64_t us)
{
	uint64_t start = tsc_now(), limit = us_to_ticks(us);

	while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < want && tsc_now() - start < limit)
		cpu_pause();
	wait_ticks_add(tsc_now() - start);
	return __atomic_load_n(&ready, __ATOMIC_ACQUIRE) >= want;
}

/*
 * The 10 ms after INIT are for buses of old: CPUs with x2APIC (and the emulators) do not need them,
 * and a CPU that misses the first SIPI gets a second one.
 */
static void wake_all(uint8_t page, uint32_t want)
{
	for (unsigned i = 1; i < cpu_count(); i++)
		apic_send_init(cpu_apic_id(i));
	delay_us(apic_is_x2() ? 10 : INIT_WAIT_US);
	for (unsigned i = 1; i < cpu_count(); i++)
		apic_send_sipi(cpu_apic_id(i), page);
	if (wait_ready(want, SECOND_SIPI_US))
		return;
	for (unsigned i = 1; i < cpu_count(); i++)
		if (!cpu_is_online(i))
			apic_send_sipi(cpu_apic_id(i), page);
	wait_ready(want, START_LIMIT_US);
}

#define RECORDS_OF_FEW  UINT64_C(4096) /* in a trace ring, on a machine of few CPUs */
#define RECORDS_OF_MANY UINT64_C(512)
#define MANY_CPUS       64u

/* A CPU without a ring of its own runs as well, and is not traced. */
static void give_trace_rings(void)
{
	uint64_t records = cpu_count() > MANY_CPUS ? RECORDS_OF_MANY : RECORDS_OF_FEW;
	unsigned order = 0;

	while ((PAGE_SIZE << order) < records * sizeof(struct trace_slot))
		order++;
	for (unsigned i = 1; i < cpu_count() && i < TRACE_CPUS; i++) {
		hpa_t ring = cpu_is_online(i) ? pages_alloc(PAGE_KERNEL, order) : HPA_NONE;

		if (!hpa_is_none(ring))
			trace_give_ring(i, hpa_to_ptr(ring), records);
	}
}

void machine_start_cpus(NORETURN void (*ap_main)(void))
{
	uint32_t want = cpu_count() - 1;
	hpa_t low = page_low_memory();

	if (!want)
		return;
	if (hpa_is_none(low)) {
		log_warn("cpus: no free memory below 640 KiB to start %u CPUs from", want);
		return;
	}
	main_of_ap = ap_main;
	for (uint32_t i = 0; i < want; i++) {
		areas[i] = make_area(i);
		if (!areas[i]) {
			log_warn("cpus: memory for %u of %u CPUs only", i, want);
			want = i;
		}
	}
	make_trampoline(low, want);
	wake_all((uint8_t)(low.v >> PAGE_SHIFT), want);
	give_trace_rings();
	for (unsigned i = 1; i < cpu_count(); i++)
		if (!cpu_is_online(i))
			log_warn("cpus: no answer from CPU %u (APIC id %u)", i, cpu_apic_id(i));
}
