/*
 * bringup_log.h - the SEAMCALLs of the last bring-up, for the report that goes back to whoever can
 * read it: leaf, answer, how often, how long.
 *
 * Invariants
 *   - Equal answers of one leaf are one row, in the order of their first appearance; what finds no
 *     room is counted.
 *   - Recording is on between start and stop only: other calls pay one load.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_BRINGUP_LOG_H
#define TAIN_TDX_BRINGUP_LOG_H

#include "kernel/base/types.h"
#include "tdx/abi/status.h"

struct bringup_row {
	uint64_t leaf; /* RAX going in */
	tdx_status_t status;
	uint64_t calls, ticks, ticks_max;
};

void bringup_log_start(void);
void bringup_log_stop(void);

/* The @nth row, or NULL. */
const struct bringup_row *bringup_log_row(unsigned nth);

/* Calls that found no room. */
uint64_t bringup_log_lost(void);

#endif
