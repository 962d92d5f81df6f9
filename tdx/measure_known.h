/*
 * measure_known.h - predictions of MRTDs that were worked out before, so that a TD that is started
 * again is not hashed again by us; the module hashes it each time.
 *
 * Invariants
 *   - A prediction is kept only once the module's MRTD has agreed with it.
 *   - The key is a fingerprint of all that is measured. Two contents with one fingerprint would make
 *     a good TD be refused, never a wrong one pass: what is compared is the module's MRTD.
 *
 * Locking  none: TDs are built on the boot CPU.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_MEASURE_KNOWN_H
#define TAIN_TDX_MEASURE_KNOWN_H

#include "tdx/measure.h"

uint64_t measure_fingerprint(const struct measure_plan *plan);

/* True, and @mrtd: it was kept. */
bool measure_known_get(uint64_t fingerprint, uint8_t mrtd[SHA384_BYTES]);
void measure_known_put(uint64_t fingerprint, const uint8_t mrtd[SHA384_BYTES]);

#endif
