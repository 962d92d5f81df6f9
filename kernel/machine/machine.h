/*
 * machine.h - the front door of kernel/machine: bring this computer up, then use port.h and the
 * headers named here.
 *
 *   port.h        pages, heap, CPUs, time: what mmu/ and tdx/ see
 *   cpu.h         per-CPU area, kicks, cpu_idle      trap.h     exceptions and interrupts
 *   console.h     output ring, keys                  time.h     TSC, delays
 *   direct_map.h  final tables, hiding, windows      apic.h     LAPIC, IPIs, timer
 *   power.h       reset, power off, exit             cpu_insn.h instructions
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_MACHINE_H
#define TAIN_MACHINE_MACHINE_H

#include "kernel/base/boot_info.h"
#include "kernel/base/types.h"

/*
 * From kernel entry to: console, traps, final tables, memory, ACPI, time, LAPIC. Only the boot CPU
 * runs. Cannot fail in a way that could be reported otherwise: panics.
 */
void machine_init(const struct boot_info *bi);

/*
 * Start the other CPUs, all at once; each runs @ap_main when it is ready, and never returns from
 * it. Returns when all are up or have had their time; those that did not answer are reported.
 */
void machine_start_cpus(NORETURN void (*ap_main)(void));

/* The boot record (a copy whose pointers stay valid) and its parts, by direct-map pointers. */
const struct boot_info *boot_info(void);
const struct boot_mem *boot_mem_map(size_t *count);
const struct boot_file *boot_files(size_t *count);

/* The file that tain.cfg calls @path, whatever its status; NULL if the loader was not told of it. */
const struct boot_file *boot_file_find(const char *path);

/* Its bytes into @file by the path that stands there; NULL, or why they are not there. */
struct guest_file;
const char *boot_file_attach(struct guest_file *file);
/* One phrase about a file that the loader could not bring. */
const char *boot_file_status_text(const struct boot_file *f);

/* The firmware's tables lie in RAM: @bytes of them at @hpa, or NULL where there is none. */
const void *machine_map_table(uint64_t hpa, uint64_t bytes);

/* The machine's ACPI tables (none: count 0), for the console and for platform drivers. */
struct acpi;
const struct acpi *machine_acpi(void);

#endif
