/*
 * crash.h - what others add to a crash report, and backtraces for reports that are no crash.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_CRASH_H
#define TAIN_MACHINE_CRASH_H

#include "kernel/base/types.h"

/* Takes a piece of a report: whole lines or parts of them. */
typedef void (*say_fn)(const char *text);

/*
 * Near the end of a crash report call @fn, which says what it knows. All CPUs stand, locks may be
 * held by nobody who lives: it takes none and allocates nothing. If it crashes, the report goes on.
 */
void crash_add_report(void (*fn)(say_fn say));

/* After a crash: reset the machine instead of stopping it. */
void crash_set_reboot(bool reboot);

/* What each CPU does when it stops for good, the one that reports as well: leave VMX, write caches back. */
void crash_set_leave(void (*fn)(void));

/* One line "  at ADDRESS  name+offset" for @rip and for each caller, at most @frames. */
void backtrace_say(say_fn say, uint64_t rip, uint64_t rbp, unsigned frames);

#endif
