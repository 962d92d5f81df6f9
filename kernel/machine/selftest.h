/*
 * selftest.h - promises of this room, tried on the machine it runs on.
 *
 * Harmless to whatever runs: pages are allocated and given back, interrupts are ours.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_SELFTEST_H
#define TAIN_MACHINE_SELFTEST_H

/* Calls @report for each promise, @wrong NULL when it is kept. Returns how many are broken. */
unsigned machine_selftest(void (*report)(const char *promise, const char *wrong));

#endif
