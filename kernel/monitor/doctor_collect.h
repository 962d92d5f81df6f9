/*
 * doctor_collect.h - describe this machine: read every CPU's registers and the firmware's tables.
 *
 * Invariants
 *   - Reads only; every MSR read is guarded. SEAMCALLs are those of tdx/look.h.
 *   - All CPUs read their own registers, at the same time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_COLLECT_H
#define TAIN_MONITOR_DOCTOR_COLLECT_H

#include "kernel/monitor/doctor_machine.h"

/* The boot CPU calls it. NULL: out of memory. */
struct doctor_machine *doctor_collect(void) MUST_CHECK;
void doctor_collect_free(struct doctor_machine *m);

#endif
