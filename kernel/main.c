/*
 * main.c - the start order of the hypervisor: one call per floor, from the machine upwards.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/boot_info.h"
#include "kernel/base/lock.h"

NORETURN void kernel_entry(const struct boot_info *bi);

/* The loader jumps here with the boot record's direct-map address. */
NORETURN void kernel_entry(const struct boot_info *bi)
{
	(void)bi;
	for (;;)
		cpu_relax();
}
