/*
 * main.c - the start order of the hypervisor: one call per floor, from the machine upwards.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/boot_info.h"
#include "kernel/base/lock.h"

NORETURN void kernel_main(const struct boot_info *bi);

/* entry.asm calls this with the boot record, on the boot stack. */
NORETURN void kernel_main(const struct boot_info *bi)
{
	(void)bi;
	for (;;)
		cpu_relax();
}
