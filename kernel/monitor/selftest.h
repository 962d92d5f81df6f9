/*
 * selftest.h - promises of the rooms above the machine, tried on this machine without any file: its
 * memory, the MMU under a plain guest, the way to the TDX module, a trust domain.
 *
 * Invariants
 *   - Leaves what it found: pages come back, guests of the user are not touched.
 *   - What cannot be tried is not said to be kept: it is counted apart, with the reason.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_SELFTEST_H
#define TAIN_MONITOR_SELFTEST_H

struct selftest_sink {
	/* @wrong NULL: kept. */
	void (*promise)(const char *promise, const char *wrong);
	/* Not tried, because of @why. */
	void (*untried)(const char *promise, const char *why);
};

void rooms_selftest(const struct selftest_sink *sink);

#endif
