/*
 * power.h - the ways out: exit, power off, reset.
 *
 * Each prints nothing itself, flushes the console, tries the ways this machine has in the order
 * emulator port, EFI runtime services, FADT, keyboard controller, and ends in HLT if all refuse.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_POWER_H
#define TAIN_MACHINE_POWER_H

#include "kernel/base/types.h"

NORETURN void power_off(void);
NORETURN void power_reset(void);

/* Print `tain: exit N` as the last line, then end the emulator or power off. */
NORETURN void power_exit(int n);

#endif
