/*
 * cpu.c - the table of CPUs, what each loads at start, and calls and kicks between them.
 *
 * Keeps the invariants of cpu.h. A call to another CPU is served at points where that CPU holds no
 * lock: in irq_window(), in cpu_idle(), and while it waits for a call of its own.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/cpu.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"
#include "kernel/machine/watchdog.h"

#define MSR_GS_BASE UINT32_C(0xc0000101)
#define MSR_FS_BASE UINT32_C(0xc0000100)

static struct cpu_table table;
static struct cpu *area[CPU_MAX]; /* NULL until the CPU has started */

static struct cpu boot_cpu;
static uint8_t boot_ist[CPU_NMI_BYTES + CPU_DF_BYTES + CPU_MC_BYTES] ALIGNED(4096);

/* --- what each CPU loads ------------------------------------------------------------------- */

static void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, sizeof(v)); }

/* SDM volume 3, "Task Management in 64-bit Mode": IST1 at byte 36; I/O map base at 102. */
static void tss_fill(struct cpu *c)
{
	uint16_t no_io_map = sizeof(c->tss);

	memset(c->tss, 0, sizeof(c->tss));
	put64(c->tss + 36, (uint64_t)c->nmi_stack_top);
	put64(c->tss + 44, (uint64_t)c->df_stack_top);
	put64(c->tss + 52, (uint64_t)c->mc_stack_top);
	memcpy(c->tss + 102, &no_io_map, sizeof(no_io_map));
}

static void gdt_fill(struct cpu *c)
{
	uint64_t base = (uint64_t)c->tss, limit = sizeof(c->tss) - 1;

	memset(c->gdt, 0, sizeof(c->gdt));
	c->gdt[1] = UINT64_C(0x00af9b000000ffff); /* code, 64 bit */
	c->gdt[2] = UINT64_C(0x00cf93000000ffff); /* data */
	c->gdt[3] =
		limit | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xff) << 56;
	c->gdt[4] = base >> 32;
}

void cpu_activate(struct cpu *c)
{
	c->self = c;
	c->captured = -1;
	tss_fill(c);
	gdt_fill(c);
	struct table_register gdt = { sizeof(c->gdt) - 1, (uint64_t)c->gdt };

	gdt_activate(&gdt, CPU_GDT_CODE, CPU_GDT_DATA, CPU_GDT_TSS);
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, (uint64_t)c);
	trap_init_cpu();
}

void cpu_init_boot(void)
{
	struct cpu *c = &boot_cpu;

	c->running = "start-up";
	c->stack_top = (uint8_t *)boot_stack_top;
	c->nmi_stack_top = boot_ist + CPU_NMI_BYTES;
	c->df_stack_top = c->nmi_stack_top + CPU_DF_BYTES;
	c->mc_stack_top = c->df_stack_top + CPU_MC_BYTES;
	c->online = 1;
	cpu_table_init(&table, 0);
	area[0] = c;
	cpu_activate(c);
}

/* --- the table ----------------------------------------------------------------------------- */

int cpu_add(uint32_t id) { return cpu_table_add(&table, id); }
int cpu_by_apic_id(uint32_t id) { return cpu_table_find(&table, id); }

void cpu_set_area(unsigned index, struct cpu *c)
{
	assert(index < table.count);
	c->index = index;
	c->apic_id = table.apic_id[index];
	__atomic_store_n(&area[index], c, __ATOMIC_RELEASE);
}

uint32_t cpu_apic_id(unsigned index)
{
	assert(index < table.count);
	return table.apic_id[index];
}

struct cpu *cpu_get(unsigned index)
{
	assert(index < table.count && area[index]);
	return area[index];
}

unsigned cpu_index(void) { return this_cpu()->index; }
unsigned cpu_count(void) { return table.count; }

bool cpu_is_online(unsigned index)
{
	struct cpu *c = __atomic_load_n(&area[index], __ATOMIC_ACQUIRE);

	return c && c->online;
}

unsigned cpu_online_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < table.count; i++)
		n += cpu_is_online(i);
	return n;
}

/* The boot CPU's own id becomes known when its LAPIC does. */
void cpu_boot_id(uint32_t id)
{
	table.apic_id[0] = id;
	boot_cpu.apic_id = id;
}

/* --- between CPUs -------------------------------------------------------------------------- */

void cpu_kick(unsigned index)
{
	struct cpu *c = cpu_get(index);

	if (c == this_cpu())
		return;
	__atomic_store_n(&c->wake, 1, __ATOMIC_SEQ_CST);
	apic_send_nmi(c->apic_id);
}

void cpu_kick_all_others(void)
{
	for (unsigned i = 0; i < table.count; i++)
		if (cpu_is_online(i))
			cpu_kick(i);
}

void cpu_serve_calls(void)
{
	struct cpu *me = this_cpu();

	/* The NMI of a crash only ended a stay in a guest: here it is seen. */
	if (unlikely(crash_under_way()))
		crash_stop_here();
	void (*fn)(void *) = __atomic_load_n(&me->call_fn, __ATOMIC_ACQUIRE);

	if (likely(!fn))
		return;
	fn(me->call_arg);
	__atomic_store_n(&me->call_fn, NULL, __ATOMIC_RELEASE);
}

/* Whoever waits serves calls meanwhile, so that two CPUs may call each other. */
static void call_begin(struct cpu *c, void (*fn)(void *arg), void *arg) ACQUIRES(c->call_lock) NO_TSA
{
	while (!spin_trylock(&c->call_lock)) {
		cpu_serve_calls();
		watchdog_poll();
		cpu_pause();
	}
	c->call_arg = arg;
	__atomic_store_n(&c->call_fn, fn, __ATOMIC_RELEASE);
	cpu_kick(c->index);
}

static void call_end(struct cpu *c) RELEASES(c->call_lock) NO_TSA
{
	while (__atomic_load_n(&c->call_fn, __ATOMIC_ACQUIRE)) {
		cpu_serve_calls();
		watchdog_poll();
		cpu_pause();
	}
	spin_unlock(&c->call_lock);
}

void cpu_call(unsigned index, void (*fn)(void *arg), void *arg)
{
	struct cpu *c = cpu_get(index);

	if (c == this_cpu()) {
		fn(arg);
		return;
	}
	call_begin(c, fn, arg);
	call_end(c);
}

/*
 * Call locks are taken in the order of the CPUs' numbers, by everybody: two who call all at once
 * do not wait for each other in a circle.
 */
void cpu_call_all(void (*fn)(void *arg), void *arg) NO_TSA
{
	uint64_t called[(CPU_MAX + 63) / 64] = { 0 };
	struct cpu *me = this_cpu();

	for (unsigned i = 0; i < table.count; i++)
		if (cpu_is_online(i) && area[i] != me) {
			called[i / 64] |= BIT64(i % 64);
			call_begin(area[i], fn, arg);
		}
	fn(arg);
	for (unsigned i = 0; i < table.count; i++)
		if (called[i / 64] & BIT64(i % 64))
			call_end(area[i]);
}

static void beat(struct cpu *c) { __atomic_store_n(&c->beat, c->beat + 1, __ATOMIC_RELAXED); }

void irq_window(void)
{
	beat(this_cpu());
	irq_open_once();
	direct_map_sync();
	cpu_serve_calls();
}

void cpu_idle(void)
{
	struct cpu *me = this_cpu();
	uint64_t start = tsc_now();
	const char *was = cpu_running("idle");

	beat(me);
	__atomic_store_n(&me->asleep, 1, __ATOMIC_RELAXED);
	cpu_sleep(&me->wake);
	__atomic_store_n(&me->asleep, 0, __ATOMIC_RELAXED);
	/* An exchange: what was published before the wake-up is seen by whoever looks after it. */
	__atomic_exchange_n(&me->wake, 0, __ATOMIC_SEQ_CST);
	cpu_running(was);
	direct_map_sync();
	cpu_serve_calls();
	me->idle_ticks += tsc_now() - start;
}
