/*
 * cmd_inject.c - the command that makes this hypervisor fail, to show how it does.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/monitor/command.h"

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

static const struct {
	const char *name;
	void (*run)(void);
} injections[] = {
	{ "panic", inject_panic },       { "fault", inject_fault },     { "opcode", inject_opcode },
	{ "overflow", inject_overflow }, { "private", inject_private }, { "remote", inject_remote },
};

static int cmd_inject(struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(injections); i++)
		if (strcmp(c->argv[0], injections[i].name) == 0) {
			injections[i].run();
			return command_fail(c, "%s: this machine survived it", c->argv[0]);
		}
	return command_fail(c, "expected: inject panic|fault|opcode|overflow|private|remote");
}

/* clang-format off */
const struct command inject_commands[] = {
	{ "inject", "KIND", "crash on purpose, to see what a crash looks like", cmd_inject, 1, 1,
	  COMPLETE_NOTHING, 0,
	  "KIND is panic, fault, opcode, overflow (of the stack), private (a stray access to a page\n"
	  "that the TDX module owns) or remote (on another CPU). The machine stops." },
	{ NULL, NULL, NULL, NULL, 0, 0, COMPLETE_NOTHING, 0, NULL },
};
/* clang-format on */
