/*
 * main.c - the start order above the rooms.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/boot_info.h"
#include "kernel/base/log.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/power.h"
#include "kernel/machine/time.h"

NORETURN void kernel_main(const struct boot_info *bi);

/* What an AP does once it is up: nothing, until it is called or kicked. */
NORETURN static void ap_main(void)
{
	for (;;)
		cpu_idle();
}

void kernel_main(const struct boot_info *bi)
{
	machine_init(bi);
	machine_start_cpus(ap_main);
	log_info("cpus: %u of %u online; %llu ticks since kernel entry, %llu of them waiting",
		 cpu_online_count(), cpu_count(), (unsigned long long)ticks_since_entry(),
		 (unsigned long long)wait_ticks());
	console_puts("tain: ready\n");
	power_exit(0);
}
