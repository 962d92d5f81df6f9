/*
 * tsc_ratio.h - the TSC's rate as a fraction of a crystal's, as CPUID leaf 15h tells it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_TSC_RATIO_H
#define TAIN_VMX_TSC_RATIO_H

#include "kernel/base/types.h"

struct tsc_ratio {
	uint32_t num, den;
};

/*
 * The fraction nearest to @hz / @crystal_hz with a numerator of at most @num_max; @hz is at most
 * @num_max times @crystal_hz, and neither is 0.
 */
struct tsc_ratio tsc_ratio_nearest(uint64_t hz, uint64_t crystal_hz, uint32_t num_max);

#endif
