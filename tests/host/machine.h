/*
 * machine.h - the desk machine: what a host test may do to the machine under the code it tests.
 *
 * tests/host/machine.c implements kernel/machine/port.h and kernel/base/log.h with one block of
 * reserved memory as RAM, pthreads as CPUs and stderr as the log. This header is the other side:
 * sizes, failures on demand, expected panics, what was logged.
 *
 * Invariants
 *   - Physical addresses start at MACHINE_BASE, so an address of zero or a pointer taken for an HPA
 *     is noticed. A freed page is poisoned (under ASAN) until it is allocated again.
 *   - All calls of port.h may come from any thread; those of this header from the main thread while
 *     no other runs, except machine_cpu().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_HOST_MACHINE_H
#define TAIN_TESTS_HOST_MACHINE_H

#include <setjmp.h>

#include "kernel/base/types.h"
#include "kernel/machine/port.h"

#define MACHINE_BASE         UINT64_C(0x100000000)
#define MACHINE_DEFAULT_SIZE (UINT64_C(4) << 30)
#define MACHINE_MAX_CPUS     512u

/*
 * Forget all memory and start anew with @bytes of RAM (only reserved: untouched pages cost nothing)
 * and @cpus CPUs. Without this call the machine has the default size and 4 CPUs.
 */
void machine_start(uint64_t bytes, unsigned cpus);

/* This thread is CPU @index from now on. The main thread is CPU 0 unless it says otherwise. */
void machine_cpu(unsigned index);

/* CPU @index did not answer at start. */
void machine_cpu_offline(unsigned index);

/* cpu_call_all() runs a thread for each CPU; without this call, one CPU after the other. */
void machine_threads(bool on);

/* The n-th page allocation from now on fails, once (1: the next). 0: none does. */
void machine_fail_alloc(unsigned n);

/* Who owns @page now. */
enum page_owner machine_owner(hpa_t page);

/* Was a line with @text logged since machine_log_clear()? The last 256 lines are kept. */
bool machine_logged(const char *text);
void machine_log_clear(void);
/* Show log lines on stderr too (also on if TAIN_LOG is set in the environment). */
void machine_log_show(bool show);

/*
 * Expect a panic: if (EXPECT_PANIC()) { statements that must panic; machine_no_panic(); }
 * After it machine_panicked() is the message, or NULL if there was none. A panic that nobody expects
 * prints its message and aborts. Locks that the panicking code held stay held: make new objects.
 */
extern _Thread_local jmp_buf machine_panic_jump;
extern _Thread_local bool machine_panic_expected;
#define EXPECT_PANIC() (machine_panic_expected = true, setjmp(machine_panic_jump) == 0)
void machine_no_panic(void);
const char *machine_panicked(void);

#endif
