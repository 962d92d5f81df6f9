/*
 * cmd_machine.c - commands about this computer: CPUs, memory, the machine's counters.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/guest/sched.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/port.h"
#include "kernel/machine/time.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/doctor.h"
#include "kernel/monitor/monitor.h"
#include "tdx/tdx.h"

static void cpu_that_is_off(struct call *c, unsigned i)
{
	static const char *const zeros[] = { "vcpus", "slices", "interrupts", "nmis", "idle_ms" };

	out_row(c->out);
	out_number(c->out, "cpu", i);
	out_number(c->out, "apic_id", cpu_apic_id(i));
	out_bool(c->out, "online", false);
	for (size_t k = 0; k < ARRAY_LEN(zeros); k++)
		out_number(c->out, zeros[k], 0);
	out_text(c->out, "runs", "did not answer at start");
}

static int cmd_cpus(struct call *c)
{
	out_table(c->out);
	for (unsigned i = 0; i < cpu_count(); i++) {
		struct sched_stats s;

		if (!cpu_is_online(i)) {
			cpu_that_is_off(c, i);
			continue;
		}
		const struct cpu *cpu = cpu_get(i);

		sched_stats(i, &s);
		out_row(c->out);
		out_number(c->out, "cpu", i);
		out_number(c->out, "apic_id", cpu->apic_id);
		out_bool(c->out, "online", cpu->online != 0);
		out_number(c->out, "vcpus", s.vcpus);
		out_number(c->out, "slices", s.slices);
		out_number(c->out, "interrupts", cpu->interrupt_count);
		out_number(c->out, "nmis", cpu->nmi_count);
		out_number(c->out, "idle_ms", ticks_to_us(s.idle_ticks) / 1000);
		out_text(c->out, "runs", cpu->running ? cpu->running : "");
	}
	out_end(c->out);
	out_printf(c->out, "%s, TSC %llu.%06llu MHz by %s\n", apic_is_x2() ? "x2APIC" : "xAPIC",
		   (unsigned long long)(tsc_hz() / 1000000),
		   (unsigned long long)(tsc_hz() % 1000000), tsc_source());
	return 0;
}

/* clang-format off */
static const char *const owner_names[PAGE_OWNER_COUNT] = {
	[PAGE_FREE] = "free",               [PAGE_KERNEL] = "kernel",
	[PAGE_TABLES] = "host-tables",      [PAGE_MMU] = "mmu",
	[PAGE_GUEST] = "guest",             [PAGE_VMX] = "vmx",
	[PAGE_TDX_PAMT] = "tdx-pamt",       [PAGE_TDX_CONTROL] = "tdx-control",
	[PAGE_TDX_SEPT] = "tdx-sept",       [PAGE_TDX_PRIVATE] = "tdx-private",
	[PAGE_SOFT] = "soft-module",        [PAGE_NET] = "network",
	[PAGE_LEAKED] = "leaked",
};
/* clang-format on */

/* What describes pages for the TDX module, and what it costs or would cost otherwise. */
static void print_pamt(struct call *c)
{
	struct tdx_pamt_cost p;
	uint64_t now;

	tdx_pamt_cost(&p);
	if (!p.fixed)
		return;
	if (!p.dynamic) {
		out_printf(c->out, "PAMT: static, %llu KiB\n", (unsigned long long)(p.fixed >> 10));
		return;
	}
	now = p.fixed + p.pair_bytes + p.table_bytes;
	out_printf(c->out, "PAMT: dynamic, %llu KiB and %llu page pairs of 8 KiB (%llu idle), "
		   "%llu KiB to count their users\n",
		   (unsigned long long)(p.fixed >> 10), (unsigned long long)p.pairs,
		   (unsigned long long)p.idle, (unsigned long long)(p.table_bytes >> 10));
	out_printf(c->out, "PAMT: static it would be %llu KiB: %s %llu KiB\n",
		   (unsigned long long)(p.if_static >> 10), now <= p.if_static ? "saves" : "costs",
		   (unsigned long long)((now <= p.if_static ? p.if_static - now : now - p.if_static) >>
					10));
}

static int memory_by_owner(struct call *c)
{
	uint64_t total = 0;

	out_table(c->out);
	for (unsigned i = 0; i < PAGE_OWNER_COUNT; i++) {
		uint64_t pages = page_count((enum page_owner)i);

		total += pages;
		out_row(c->out);
		out_text(c->out, "owner", owner_names[i] ? owner_names[i] : "?");
		out_number(c->out, "pages", pages);
		out_number(c->out, "kib", pages * 4);
	}
	out_end(c->out);
	out_printf(c->out, "%llu pages, %llu MiB in all\n", (unsigned long long)total,
		   (unsigned long long)(total >> 8));
	print_pamt(c);
	return 0;
}

static int memory_map(struct call *c)
{
	static const char *const kinds[] = { "usable", "tain", "runtime",  "acpi",
					     "nvs",    "mmio", "reserved", "unusable" };
	size_t count;
	const struct boot_mem *map = boot_mem_map(&count);

	out_table(c->out);
	for (size_t i = 0; i < count; i++) {
		out_row(c->out);
		out_hex(c->out, "base", map[i].base);
		out_hex(c->out, "end", map[i].base + map[i].size);
		out_number(c->out, "kib", map[i].size >> 10);
		out_text(c->out, "kind", map[i].kind < ARRAY_LEN(kinds) ? kinds[map[i].kind] : "?");
		out_number(c->out, "efi_type", map[i].efi_type);
	}
	out_end(c->out);
	return 0;
}

static int cmd_memory(struct call *c)
{
	if (c->argc == 0)
		return memory_by_owner(c);
	if (strcmp(c->argv[0], "map") != 0)
		return command_fail(c, "expected: memory [map]");
	return memory_map(c);
}

static void stat_line(void (*line)(void *ctx, const char *text), void *ctx, const char *name,
		      uint64_t value)
{
	char text[80];

	snprintf(text, sizeof(text), "%s %llu", name, (unsigned long long)value);
	line(ctx, text);
}

/* Whose the CPUs' time was since they entered the run loop. */
struct owner_ticks {
	uint64_t total, busy, idle, guest, td;
};

/*
 * What a TDX module of the CPU's own does inside VP.ENTER is not told apart from its guest: then
 * td is 0 and both are the module's. The round that prints this is not in `busy` yet.
 */
static void owner_lines(const struct owner_ticks *t, void (*line)(void *ctx, const char *text),
			void *ctx)
{
	uint64_t calls = tdx_phase() == TDX_READY ? tdx_call_ticks() : 0;
	uint64_t module = calls > t->td ? calls - t->td : 0;
	uint64_t theirs = t->guest + module;

	stat_line(line, ctx, "total_ticks", t->total);
	stat_line(line, ctx, "idle_ticks", t->idle);
	stat_line(line, ctx, "guest_ticks", t->guest);
	stat_line(line, ctx, "module_ticks", module);
	stat_line(line, ctx, "tain_ticks", t->busy > theirs ? t->busy - theirs : 0);
}

void monitor_machine_stats(void (*line)(void *ctx, const char *text), void *ctx)
{
	uint64_t slices = 0, interrupts = 0, nmis = 0;
	struct owner_ticks t = { 0 };
	struct console_stats con;

	for (unsigned i = 0; i < cpu_count(); i++) {
		struct sched_stats s;

		if (!cpu_is_online(i))
			continue;
		const struct cpu *cpu = cpu_get(i);

		sched_stats(i, &s);
		slices += s.slices;
		t.total += s.total_ticks;
		t.idle += s.idle_ticks;
		t.busy += s.busy_ticks;
		t.guest += cpu->vm_ticks + cpu->td_ticks;
		t.td += cpu->td_ticks;
		interrupts += cpu->interrupt_count;
		nmis += cpu->nmi_count;
	}
	console_stats(&con);
	stat_line(line, ctx, "uptime_us", time_us());
	stat_line(line, ctx, "slices", slices);
	stat_line(line, ctx, "interrupts", interrupts);
	stat_line(line, ctx, "nmis", nmis);
	owner_lines(&t, line, ctx);
	stat_line(line, ctx, "console_bytes", con.tx_bytes);
	stat_line(line, ctx, "console_dropped", con.tx_dropped);
	stat_line(line, ctx, "console_high_water", con.ring_high_water);
	stat_line(line, ctx, "free_pages", page_count(PAGE_FREE));
	stat_line(line, ctx, "leaked_pages", page_count(PAGE_LEAKED));
	stat_line(line, ctx, "log_errors", log_count(LOG_ERROR));
	stat_line(line, ctx, "log_warnings", log_count(LOG_WARN));
	if (tdx_phase() == TDX_READY)
		tdx_stats(line, ctx);
}

/* clang-format off */
const struct command machine_commands[] = {
	{ "cpus", "", "the CPUs and what they did", cmd_cpus, 0, 0, COMPLETE_NOTHING, COMMAND_JSON,
	  NULL },
	{ "memory", "[map]", "pages by owner, or the memory map of the firmware", cmd_memory, 0, 1,
	  COMPLETE_NOTHING, COMMAND_JSON, NULL },
	{ "doctor", "[ROW|all]", "can this machine have TDX; if not, what is wrong and what to set",
	  cmd_doctor, 0, 1, COMPLETE_NOTHING, COMMAND_JSON,
	  "    Every CPU is asked, and compared with the others. --json gives all rows." },
	{ "report", "", "one block to send to whoever helps: doctor, registers, bring-up, log", cmd_report,
	  0, 0, COMPLETE_NOTHING, 0,
	  "    No serial numbers are in it. A terminal's log keeps it: cut between BEGIN and END." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
