/*
 * watchdog.h - says when a CPU is stuck in Tain. It kills nothing.
 *
 * The boot CPU watches all others, the first other CPU watches the boot CPU: a machine with one CPU
 * watches nobody. A CPU that sleeps is not stuck.
 *
 * Invariants
 *   - A CPU's beat moves in each round of its loop and whenever it goes to sleep; it is stuck when the
 *     beat stood still for the configured time. That is said once, and once more when it goes on.
 *   - The report is printed by the CPU that watches, also where the stuck one is the one that feeds
 *     the console. If the console itself is held by the stuck CPU, that is a crash.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_WATCHDOG_H
#define TAIN_MACHINE_WATCHDOG_H

#include "kernel/base/types.h"

/*
 * Watch from now on, all CPUs being there. @seconds: 0: never. @more is called on the boot CPU from
 * time to time, in its run loop, with no lock held: others who watch something. After vtimer_start().
 */
void watchdog_start(unsigned seconds, void (*more)(uint64_t limit_ticks));

/* For loops that wait for another CPU: the watching goes on there. Cheap. */
void watchdog_poll(void);

/* For `inject`: CPU @cpu does nothing else for @us, interrupts off. -ENODEV: no such CPU. */
int watchdog_inject(unsigned cpu, uint64_t us) MUST_CHECK;

#endif
