/*
 * crash.c - the end of the road: stop every CPU, say everything that helps, keep it, and stop.
 *
 * Invariants
 *   - The first CPU that crashes reports; any other that gets here, by its own crash or by the NMI,
 *     stops in silence, leaving its registers for the report.
 *   - The report is a row of steps. A crash inside one goes on with the next: whatever is broken, the
 *     mark at the end is printed and the log is marked for the next boot.
 *   - Printing is synchronous and takes no lock. The line `tain: crash` marks it for programs;
 *     lines "  at ADDRESS" are what `tain symbolize` reads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/crash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/power.h"
#include "kernel/machine/room.h"
#include "kernel/machine/symbols.h"
#include "kernel/machine/time.h"

#define MAX_FRAMES   32
#define OTHER_FRAMES 12
#define LOG_TAIL     1024
#define SCAN_WORDS   24
#define STOP_US      100000 /* for the other CPUs to stop */

static uint32_t crashed; /* 1 + index of the CPU that reports */
static struct {
	char what[256];
	const struct trap_frame *frame; /* NULL: a panic */
	uint64_t rip, rbp;
	uint64_t log_end; /* before the report, which goes to the log as well */
	unsigned step;
	bool reboot;
	void (*more)(say_fn say);
} report;

static void (*leave)(void);

bool crash_under_way(void) { return __atomic_load_n(&crashed, __ATOMIC_RELAXED) != 0; }
void crash_add_report(void (*fn)(say_fn say)) { report.more = fn; }
void crash_set_reboot(bool reboot) { report.reboot = reboot; }
void crash_set_leave(void (*fn)(void)) { leave = fn; }

/* Nothing that it does may report: it would come back here. */
static void leave_once(void)
{
	static uint8_t left[CPU_MAX];
	unsigned cpu = cpu_index();

	if (leave && !__atomic_exchange_n(&left[cpu], 1, __ATOMIC_RELAXED))
		leave();
}

void crash_stop_here(void)
{
	this_cpu()->stopped = 1;
	leave_once();
	for (;;) {
		irq_disable();
		hlt();
	}
}

/* --- saying: to the console and to the log that is kept ------------------------------------- */

static void say(const char *text)
{
	log_append(text, strlen(text));
	console_puts(text);
}

static void sayf(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void sayf(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(text);
}

static bool is_text(uint64_t rip)
{
	return rip >= (uint64_t)kernel_text_start && rip < (uint64_t)kernel_text_end;
}

static void say_frame(say_fn to, uint64_t address)
{
	char line[120], name[80];

	snprintf(line, sizeof(line), "  at %016llx  %s\n", (unsigned long long)address,
		 symbol_text(address, name, sizeof(name)));
	to(line);
}

/* A frame pointer that can be one: above @below, on the same stack. */
static bool is_frame(uint64_t rbp, uint64_t below)
{
	return rbp % 8 == 0 && rbp > below && rbp - below < CPU_STACK_BYTES;
}

/* The first thing above @rsp that looks like a saved frame pointer and a return address; or 0. */
static uint64_t find_frame(uint64_t rsp)
{
	uint64_t pair[2];

	for (unsigned i = 0; i < SCAN_WORDS; i++, rsp += 8)
		if (copy_safe(pair, (const void *)rsp, sizeof(pair)))
			return 0;
		else if (is_text(pair[1]) && is_frame(pair[0], rsp))
			return rsp;
	return 0;
}

/*
 * The frame pointer of what the trap at @at interrupted. Code that uses RBP for something else (as
 * the stub of SEAMCALL does) has its caller's frame on the stack.
 */
static uint64_t leave_trap(say_fn to, uint64_t at)
{
	struct trap_frame f;

	if (copy_safe(&f, (const void *)at, sizeof(f)) || !is_text(f.rip))
		return 0;
	say_frame(to, f.rip);
	return is_frame(f.rbp, f.rsp) ? f.rbp : find_frame(f.rsp);
}

void backtrace_say(say_fn to, uint64_t rip, uint64_t rbp, unsigned frames)
{
	say_frame(to, rip);
	for (unsigned i = 0; i < frames; i++) {
		uint64_t frame[2], was = rbp;

		if (rbp == 0 || rbp % 8 || copy_safe(frame, (const void *)rbp, sizeof(frame)) ||
		    !is_text(frame[1]))
			return;
		/* The return address is after the call: its own line is one byte before. */
		say_frame(to, frame[1] - 1);
		rbp = frame[0];
		if (frame[1] >= (uint64_t)trap_common && frame[1] < (uint64_t)trap_common_end)
			rbp = leave_trap(to, rbp); /* maybe on another stack */
		else if (rbp <= was)
			return;
	}
}

/* --- the steps ----------------------------------------------------------------------------- */

static void say_what(void)
{
	const struct cpu *c = this_cpu();

	sayf("\n*** crash: %s\n", report.what);
	sayf("cpu %u (apic id %u), running: %s, %llu us after start\n", c->index, c->apic_id,
	     c->running, (unsigned long long)time_us());
}

static void say_registers(void)
{
	const struct trap_frame *f = report.frame;

	if (!f)
		return;
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
		sayf("%s %016llx%s", reg[i].name, (unsigned long long)reg[i].value,
		     i % 4 == 3 ? "\n" : "  ");
}

static void say_backtrace(void)
{
	say("backtrace (build/host/tain symbolize build/tain.elf LOG):\n");
	backtrace_say(say, report.rip, report.rbp, MAX_FRAMES);
}

static unsigned others_not_stopped(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu_count(); i++)
		n += i != cpu_index() && cpu_is_online(i) && !cpu_get(i)->stopped;
	return n;
}

static void say_other(const struct cpu *c)
{
	const struct trap_frame *f = c->crash_frame;

	sayf("cpu %u: %s, running: %s\n", c->index, c->stopped ? "stopped" : "DID NOT STOP", c->running);
	if (f)
		backtrace_say(say, f->rip, f->rbp, OTHER_FRAMES);
}

/* Where the others were; those that slept are only counted. */
static void say_others(void)
{
	uint64_t start = tsc_now();
	unsigned idle = 0;

	while (others_not_stopped() && tsc_now() - start < us_to_ticks(STOP_US))
		cpu_pause();
	for (unsigned i = 0; i < cpu_count(); i++) {
		if (i == cpu_index() || !cpu_is_online(i))
			continue;
		const struct cpu *c = cpu_get(i);

		if (c->stopped && strcmp(c->running, "idle") == 0)
			idle++;
		else
			say_other(c);
	}
	if (cpu_online_count() > 1)
		sayf("other cpus: %u stopped, %u of them were idle; %u did not stop\n",
		     cpu_online_count() - 1 - others_not_stopped(), idle, others_not_stopped());
}

/* To the console only: it is the log. */
static void say_log_tail(void)
{
	static char text[LOG_TAIL];
	uint64_t pos = report.log_end > LOG_TAIL ? report.log_end - LOG_TAIL : 0;
	size_t n = (size_t)(report.log_end - pos), skip = 0;

	n = log_read(&pos, text, n);
	while (report.log_end > LOG_TAIL && skip < n && text[skip++] != '\n')
		;
	console_puts("last log lines:\n");
	console_write(text + skip, n - skip);
}

static void say_more(void)
{
	if (report.more)
		report.more(say);
}

static void mark(void)
{
	log_mark(KEPT_CRASHED);
	console_puts("tain: crash\n");
	console_flush();
}

static void keep(void)
{
	if (log_tail_to_variable(KEPT_CRASHED) && !log_is_kept())
		console_puts("(firmware gave no place to keep this log)\n");
	console_flush();
}

static void reboot(void)
{
	if (!report.reboot)
		return;
	leave_once();
	power_reset();
}

static void (*const steps[])(void) = { say_what,     say_registers, say_backtrace, say_others,
				       say_log_tail, say_more,	    mark,	   keep,
				       reboot };

NORETURN static void go_on(void)
{
	while (report.step < ARRAY_LEN(steps))
		steps[report.step++]();
	crash_stop_here();
	__builtin_unreachable();
}

/* --- ways in ------------------------------------------------------------------------------- */

/* Returns on the CPU that reports, the first time. */
static void claim(const char *what)
{
	uint32_t nobody = 0, me = cpu_index() + 1;

	irq_disable();
	if (!__atomic_compare_exchange_n(&crashed, &nobody, me, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_RELAXED)) {
		if (nobody != me)
			crash_stop_here();
		sayf("\n*** crash inside this report: %s\n", what);
		go_on();
	}
	/* By NMI, so that a CPU that spins with interrupts off stops too. */
	if (cpu_count() > 1)
		apic_send_nmi_all_others();
	report.log_end = log_end();
	console_crash_mode();
}

void crash(const char *what, const struct trap_frame *f)
{
	claim(what);
	snprintf(report.what, sizeof(report.what), "%s", what);
	report.frame = f;
	report.rip = f->rip;
	report.rbp = f->rbp;
	go_on();
}

void panic(const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	claim(what);
	memcpy(report.what, what, sizeof(what));
	report.rip = (uint64_t)__builtin_return_address(0) - 1;
	report.rbp = *(const uint64_t *)__builtin_frame_address(0);
	go_on();
}
