/*
 * cmd_inject.c - the command that makes this hypervisor fail, to show how it does.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/base/trace.h"
#include "kernel/machine/console.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/crash.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/machine/trap.h"
#include "kernel/machine/watchdog.h"
#include "kernel/monitor/cmd_inject.h"
#include "tdx/abi/explain.h"
#include "tdx/abi/inject.h"
#include "tdx/abi/leaf.h"
#include "tdx/tdx.h"

/* ------------------------------------------------------------------ inject */

static void inject_panic(void) { panic("injected by the console"); }

static void inject_fault(void)
{
	/* An address that is in no map. */
	*(volatile uint64_t *)UINT64_C(0xfffff00000000000) = 1;
}

static void inject_opcode(void) { __builtin_trap(); }

/* Deeper than any stack: 256 bytes a call. */
static unsigned descend(unsigned calls)
{
	volatile unsigned here[64];

	here[0] = calls;
	return calls ? descend(calls - 1) + here[0] : 0;
}

static void inject_overflow(void)
{
	volatile unsigned calls = 1u << 20;

	calls = descend(calls);
}

/* What the software TDX module does to a page that becomes private, and then a stray access. */
static void inject_private(void)
{
	hpa_t page = page_alloc(PAGE_GUEST);

	if (hpa_is_none(page) || direct_map_reserve())
		return;
	port_page_hide(page, 0);
	*(volatile uint64_t *)hpa_to_ptr(page) = 1;
}

static void crash_there(void *unused)
{
	(void)unused;
	panic("injected by the console, on this CPU");
}

static void inject_remote(void)
{
	if (cpu_count() > 1 && cpu_is_online(1))
		cpu_call(1, crash_there, NULL);
}

/* With the locks held that every report would want. */
static void inject_locked(void) { console_panic_locked(); }

/* In the middle of a trace record: readers must not take it for one. */
static void inject_trace(void)
{
	uint64_t number;
	struct trace_slot *slot = trace_open(cpu_index(), &number);

	slot->record = (struct trace_record){ .tsc = tsc_now(), .kind = TRACE_KINDS + 1 };
	panic("injected by the console, inside trace record %llu", (unsigned long long)number);
}

static void break_report(void (*say)(const char *text))
{
	say("(this step of the report breaks, on purpose)\n");
	inject_fault();
}

/* The report itself breaks half way: the rest must come. */
static void inject_report(void)
{
	crash_add_report(break_report);
	panic("injected by the console, and again inside the report");
}

static const struct {
	const char *name;
	void (*run)(void);
} injections[] = {
	{ "panic", inject_panic },       { "fault", inject_fault },     { "opcode", inject_opcode },
	{ "overflow", inject_overflow }, { "private", inject_private }, { "remote", inject_remote },
	{ "locked", inject_locked },     { "trace", inject_trace },     { "report", inject_report },
	{ "machine-check", raise_machine_check },
};

/* ------------------------------------------------------------------ inject tdh */

static int parse_what(const char *word, struct tdx_inject *rule)
{
	rule->kind = TDX_INJECT_STATUS;
	if (strcmp(word, "interrupt") == 0)
		rule->kind = TDX_INJECT_INTERRUPT;
	else if (strcmp(word, "delay") == 0)
		rule->kind = TDX_INJECT_DELAY;
	else if (strcmp(word, "crash") == 0)
		rule->kind = TDX_INJECT_CRASH;
	else
		return tdx_parse_status(strcmp(word, "busy") == 0 ? "OPERAND_BUSY" : word,
					&rule->value);
	return 0;
}

/* nth=3, times=2, chance=100, seed=7, ticks=1000 */
static int parse_option(const char *word, struct tdx_inject *rule)
{
	const char *is = strchr(word, '=');
	char *end;
	uint64_t n;

	if (!is || !is[1])
		return -EINVAL;
	n = strtoull(is + 1, &end, 0);
	if (*end)
		return -EINVAL;
	if (strncmp(word, "nth=", 4) == 0)
		rule->nth = (uint32_t)n;
	else if (strncmp(word, "times=", 6) == 0)
		rule->times = (uint32_t)n;
	else if (strncmp(word, "chance=", 7) == 0)
		rule->chance = (uint32_t)n;
	else if (strncmp(word, "seed=", 5) == 0)
		rule->seed = n;
	else if (strncmp(word, "ticks=", 6) == 0 && rule->kind == TDX_INJECT_DELAY)
		rule->value = n;
	else
		return -EINVAL;
	return 0;
}

static void tdh_row(struct out *out, const struct tdx_inject *r)
{
	const char *leaf = r->leaf == TDX_INJECT_ANY_LEAF ? "any" : tdh_leaf_name(r->leaf);
	const struct dice d = { .nth = r->nth, .times = r->times, .chance = r->chance, .seed = r->seed,
				.calls = r->calls, .hits = r->hits };
	char text[96];

	if (r->kind == TDX_INJECT_STATUS)
		tdx_status_text((tdx_status_t){ r->value }, text, sizeof(text));
	else if (r->kind == TDX_INJECT_INTERRUPT || r->kind == TDX_INJECT_CRASH)
		snprintf(text, sizeof(text), "%s",
			 r->kind == TDX_INJECT_CRASH ? "crash" : "interrupt");
	else
		snprintf(text, sizeof(text), "delay %llu ticks", (unsigned long long)r->value);
	inject_row(out, leaf ? leaf : "?", text, &d);
}

unsigned inject_tdh_rows(struct out *out)
{
	const struct tdx_inject_ops *ops = tdx_injector();
	struct tdx_inject rules[TDX_INJECT_RULES];
	unsigned n = ops ? ops->list(rules) : 0;

	for (unsigned i = 0; i < n; i++)
		tdh_row(out, &rules[i]);
	return n;
}

void inject_tdh_off(void)
{
	const struct tdx_inject_ops *ops = tdx_injector();

	if (ops)
		ops->clear();
}

static int add_rule(struct call *c, const struct tdx_inject_ops *ops)
{
	struct tdx_inject rule = { .nth = 1, .times = 1, .chance = TDX_INJECT_ALWAYS };
	int64_t leaf = TDX_INJECT_ANY_LEAF;
	int err;

	if (c->argc < 3)
		return command_fail(c, "expected: inject tdh LEAF STATUS|busy|interrupt|delay|crash ...");
	if (strcmp(c->argv[1], "any") != 0 && tdx_parse_leaf(c->argv[1], &leaf) != 0)
		return command_fail(c, "'%.40s' is no leaf: expected its number, its name or any",
				    c->argv[1]);
	rule.leaf = (uint32_t)leaf;
	if (parse_what(c->argv[2], &rule) != 0)
		return command_fail(c,
				    "'%.40s' is no status: expected hexadecimal, a name, busy, "
				    "interrupt, delay or crash",
				    c->argv[2]);
	for (int i = 3; i < c->argc; i++)
		if (parse_option(c->argv[i], &rule) != 0)
			return command_fail(c,
					    "'%.40s': expected nth=, times=, chance=, seed= or, "
					    "of delay, ticks=",
					    c->argv[i]);
	err = ops->add(&rule);
	if (err == -ENOSPC)
		return command_fail(c, "%u rules are there already: inject tdh off",
				    TDX_INJECT_RULES);
	return err ? command_fail(c, "nth counts from 1, chance is of 1000") : 0;
}

static int inject_tdh(struct call *c)
{
	const struct tdx_inject_ops *ops = tdx_injector();

	if (!ops)
		return command_fail(c, "the TDX module in use cannot be told to fail");
	if (c->argc == 1) {
		out_table(c->out);
		(void)inject_tdh_rows(c->out);
		out_end(c->out);
		return 0;
	}
	if (c->argc == 2 && strcmp(c->argv[1], "off") == 0) {
		ops->clear();
		return 0;
	}
	return add_rule(c, ops);
}

/* ------------------------------------------------------------------ inject stuck */

static int inject_stuck(struct call *c)
{
	uint64_t cpu, us;
	char *end;

	if (c->argc != 3 || !command_seconds(c->argv[2], &us))
		return command_fail(c, "expected: inject stuck CPU SECONDS");
	cpu = strtoull(c->argv[1], &end, 0);
	if (*end || cpu >= cpu_count() || watchdog_inject((unsigned)cpu, us))
		return command_fail(c, "there is no CPU '%.20s', or one is stuck already", c->argv[1]);
	return 0;
}

/* Interrupts that nobody expects, or NMIs, for every CPU: nothing may come of it. */
static int inject_spurious(struct call *c)
{
	bool nmi = c->argc == 2 && strcmp(c->argv[1], "nmi") == 0;
	unsigned cpus = 0;
	uint64_t vector = 0xe0;
	char *end = NULL;

	if (c->argc == 2 && !nmi)
		vector = strtoull(c->argv[1], &end, 0);
	if (c->argc > 2 || (end && *end) || vector < VEC_DYNAMIC || vector >= VEC_SPURIOUS)
		return command_fail(c, "expected: inject spurious [nmi, or a vector from 0x30 to 0xfe]");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		if (!cpu_is_online(cpu))
			continue;
		if (nmi)
			apic_send_nmi(cpu_apic_id(cpu));
		else
			apic_send_ipi(cpu_apic_id(cpu), (uint8_t)vector);
		cpus++;
	}
	out_printf(c->out, "sent to %u CPUs\n", cpus);
	return 0;
}

static int cmd_inject(struct call *c)
{
	if (strcmp(c->argv[0], "stuck") == 0)
		return inject_stuck(c);
	if (strcmp(c->argv[0], "spurious") == 0)
		return inject_spurious(c);
	for (const struct injection *row = guest_injections; row->name; row++)
		if (strcmp(c->argv[0], row->name) == 0)
			return row->run(c);
	if (strcmp(c->argv[0], "tdh") == 0)
		return inject_tdh(c);
	if (c->argc != 1)
		return command_fail(c, "%s takes no more words", c->argv[0]);
	for (size_t i = 0; i < ARRAY_LEN(injections); i++)
		if (strcmp(c->argv[0], injections[i].name) == 0) {
			injections[i].run();
			return command_fail(c, "%s: this machine survived it", c->argv[0]);
		}
	return command_fail(c, "expected: inject panic|fault|opcode|overflow|private|remote|locked|trace|report|"
			       "machine-check|spurious|stuck|tdh, or of a guest irq|nmi|mc|page|cpuid|msr|port|mmio, "
			       "memory, list, off");
}

/* clang-format off */
const struct command inject_commands[] = {
	{ "inject", "KIND [...]", "fail on purpose, to see what that looks like", cmd_inject, 1, 10,
	  COMPLETE_NOTHING, COMMAND_JSON,
	  "KIND is panic, fault, opcode, overflow (of the stack), private (a stray access to a page\n"
	  "that the TDX module owns), remote (on another CPU), locked (with the console's locks held),\n"
	  "trace (inside a trace record) or report (and again inside the report). The machine stops.\n"
	  "machine-check: by INT 18. spurious [nmi|VECTOR]: an interrupt that nobody expects, to all CPUs.\n"
	  "stuck CPU SECONDS: that CPU does nothing else. Both are survived; the watchdog tells of the last.\n"
	  "Of a guest: irq NAME VECTOR [VCPU], nmi NAME [VCPU], mc NAME [VCPU], page NAME GPA (taken from\n"
	  "under it). Wrong answers: cpuid NAME LEAF eax|ebx|ecx|edx VALUE, msr|port|mmio NAME WHERE VALUE,\n"
	  "each with [nth=N] [times=N] [chance=N] [seed=N] as below; they stay over the guest's end.\n"
	  "memory [nth=N] ...: that allocation of pages or heap fails. list: all rules and what they\n"
	  "did; off [NAME]: none any more.\n"
	  "tdh: make the software TDX module fail. inject tdh LEAF|any WHAT [nth=N] [times=N]\n"
	  "[chance=N] [seed=N] [ticks=N]: WHAT is a status (hexadecimal or name), busy, interrupt,\n"
	  "delay or crash (of the module). It concerns times=1 calls (0: all) from the nth=1 next one on, each with chance=1000\n"
	  "of 1000, thrown by seed. inject tdh: the rules so far; inject tdh off: none." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
