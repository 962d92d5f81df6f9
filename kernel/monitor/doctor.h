/*
 * doctor.h - what this machine can do and, where it cannot, why and what to change.
 *
 * Invariants
 *   - Only reads; an MSR that is missing is a finding, never a fault.
 *   - A finding is said of what was read on this machine, raw: the software TDX module's stand-in
 *     answers do not count as hardware.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_H
#define TAIN_MONITOR_DOCTOR_H

#include "kernel/base/types.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_FAIL };

struct doctor_finding {
	const char *check;
	enum doctor_verdict verdict;
	char finding[120];
	const char *advice; /* never NULL, may be empty */
};

void doctor_examine(void (*row)(void *ctx, const struct doctor_finding *f), void *ctx);

#endif
