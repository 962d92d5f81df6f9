/*
 * time.h - how fast the TSC runs, and waiting by it.
 *
 * Invariants
 *   - The rate is measured against a device (ACPI PM timer, HPET or PIT); CPUID's word is used
 *     only where it agrees, for its precision. tsc_hz() is never 0 after time_init().
 *   - Every wait is bounded and is counted in wait_ticks(), so that busy time can be told apart.
 *
 * tsc_now() and tsc_hz() are in port.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_TIME_H
#define TAIN_MACHINE_TIME_H

#include "kernel/base/types.h"

uint64_t us_to_ticks(uint64_t us);
uint64_t ticks_to_us(uint64_t ticks);
uint64_t ticks_to_ns(uint64_t ticks);

/* Microseconds since the loader was entered: the log's time stamp. */
uint64_t time_us(void);

/* Spin (with PAUSE) for at least @us. */
void delay_us(uint64_t us);

/* Ticks the boot CPU has spent waiting for devices and other CPUs since kernel entry. */
uint64_t wait_ticks(void);
void wait_ticks_add(uint64_t ticks);

/* Ticks from kernel entry to now, on the boot CPU. */
uint64_t ticks_since_entry(void);

/* Where the rate comes from, for `cpus` and doctor: "acpi pm timer", "pit", "cpuid 15h". */
const char *tsc_source(void);

#endif
