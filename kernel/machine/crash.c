/*
 * crash.c - the end of the road: say everything that helps, stop every CPU, and stop.
 *
 * Invariants
 *   - The first CPU that crashes reports; any other that gets here, by its own crash or by the NMI,
 *     stops in silence. A crash inside the report stops at once.
 *   - Printing is synchronous and takes no lock. The line `tain: crash` marks it for programs;
 *     lines "  at ADDRESS" are what `tain symbolize` reads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/room.h"
#include "kernel/machine/symbols.h"
#include "kernel/machine/time.h"

#define MAX_FRAMES 32
#define LOG_TAIL   1024

static uint32_t crashed; /* 1 + index of the CPU that reports */

bool crash_under_way(void) { return __atomic_load_n(&crashed, __ATOMIC_RELAXED) != 0; }

void crash_stop_here(void)
{
	for (;;) {
		irq_disable();
		hlt();
	}
}

static void claim(void)
{
	uint32_t nobody = 0;

	irq_disable();
	if (!__atomic_compare_exchange_n(&crashed, &nobody, cpu_index() + 1, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		crash_stop_here();
	/* By NMI, so that a CPU that spins with interrupts off stops too. */
	if (cpu_count() > 1)
		apic_send_nmi_all_others();
	console_crash_mode();
}

static bool is_text(uint64_t rip)
{
	return rip >= (uint64_t)kernel_text_start && rip < (uint64_t)kernel_text_end;
}

static void print_frame(uint64_t address)
{
	char name[80];

	console_printf("  at %016llx  %s\n", (unsigned long long)address,
		       symbol_text(address, name, sizeof(name)));
}

static void print_backtrace(uint64_t rip, uint64_t rbp)
{
	console_puts("backtrace (build/host/tain symbolize build/tain.elf LOG):\n");
	print_frame(rip);
	for (unsigned i = 0; i < MAX_FRAMES; i++) {
		uint64_t frame[2];

		if (rbp == 0 || rbp % 8 || copy_safe(frame, (const void *)rbp, sizeof(frame)) ||
		    !is_text(frame[1]))
			return;
		/* The return address is after the call: its own line is one byte before. */
		print_frame(frame[1] - 1);
		if (frame[0] <= rbp)
			return;
		rbp = frame[0];
	}
}

static void print_registers(const struct trap_frame *f)
{
	/* clang-format off */
	const struct {
		const char *name;
		uint64_t value;
	} reg[] = {
		{ "rax", f->rax }, { "rbx", f->rbx }, { "rcx", f->rcx }, { "rdx", f->rdx },
		{ "rsi", f->rsi }, { "rdi", f->rdi }, { "rbp", f->rbp }, { "rsp", f->rsp },
		{ "r8 ", f->r8 },  { "r9 ", f->r9 },  { "r10", f->r10 }, { "r11", f->r11 },
		{ "r12", f->r12 }, { "r13", f->r13 }, { "r14", f->r14 }, { "r15", f->r15 },
		{ "rip", f->rip }, { "cs ", f->cs },  { "flg", f->rflags }, { "err", f->error },
		{ "cr0", cr0_read() }, { "cr2", cr2_read() },
		{ "cr3", cr3_read() }, { "cr4", cr4_read() },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(reg); i++)
		console_printf("%s %016llx%s", reg[i].name, (unsigned long long)reg[i].value,
			       i % 4 == 3 ? "\n" : "  ");
}

static void print_log_tail(void)
{
	static char text[LOG_TAIL];
	uint64_t end = 0, pos;
	size_t n;

	/* Read through to learn where the end is, then the last piece again. */
	while ((n = log_read(&end, text, sizeof(text))) != 0)
		;
	pos = end > LOG_TAIL ? end - LOG_TAIL : 0;
	n = log_read(&pos, text, sizeof(text));
	size_t skip = 0;

	while (end > LOG_TAIL && skip < n && text[skip++] != '\n')
		;
	console_puts("last log lines:\n");
	console_write(text + skip, n - skip);
}

NORETURN static void finish(void)
{
	console_puts("tain: crash\n");
	console_flush();
	crash_stop_here();
	__builtin_unreachable();
}

NORETURN static void report(const char *what, const struct trap_frame *f, uint64_t rip,
			    uint64_t rbp)
{
	struct cpu *c = this_cpu();

	console_printf("\n*** crash: %s\n", what);
	console_printf("cpu %u (apic id %u), running: %s, %llu us after start\n", c->index,
		       c->apic_id, c->running, (unsigned long long)time_us());
	if (f)
		print_registers(f);
	print_backtrace(rip, rbp);
	print_log_tail();
	finish();
}

void crash(const char *what, const struct trap_frame *f)
{
	claim();
	report(what, f, f->rip, f->rbp);
}

void panic(const char *fmt, ...)
{
	char what[256];
	va_list ap;

	claim();
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	report(what, NULL, (uint64_t)__builtin_return_address(0) - 1,
	       *(const uint64_t *)__builtin_frame_address(0));
}
