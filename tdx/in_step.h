/*
 * in_step.h - all CPUs go through a list of phases together: none enters a phase before all have left
 * the one before, and none does anything else meanwhile.
 *
 * Invariants
 *   - While it lasts no CPU is in a guest and none makes a SEAMCALL but those of the phases.
 *   - In a phase one CPU at a time calls: the P-SEAMLDR wants it so.
 *   - After a refusal the phases that follow are skipped by all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_IN_STEP_H
#define TAIN_TDX_IN_STEP_H

#include "kernel/base/types.h"
#include "tdx/abi/status.h"

enum in_step_who { STEP_ONE_CPU, STEP_EACH_CPU };

struct in_step_phase {
	const char *name; /* of the leaf */
	enum in_step_who who;
	tdx_status_t (*call)(void *ctx);
};

struct in_step_end {
	const struct in_step_phase *failed; /* NULL: none */
	tdx_status_t st;
	unsigned cpu;
};

/*
 * Phases of @phases, up to one without a name. In each CPU's turn the CPUs come by number, but for
 * @last, which comes last. Boot CPU, no lock held, all CPUs online.
 */
void tdx_in_step(const struct in_step_phase *phases, unsigned last, void *ctx, struct in_step_end *end);

#endif
