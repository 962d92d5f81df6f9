/*
 * cpu_table.h - which CPUs there are: index and APIC id. Plain data, also tested on a desk.
 *
 * Invariants
 *   - Index 0 is the boot CPU; an id has one index and keeps it. Ids are 32 bits wide.
 *   - Entries are only added, and only before the other CPUs run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_CPU_TABLE_H
#define TAIN_MACHINE_CPU_TABLE_H

#include "kernel/base/types.h"

#define CPU_MAX 1024

struct cpu_table {
	unsigned count;
	uint32_t apic_id[CPU_MAX];
};

/* Start with the boot CPU alone. */
void cpu_table_init(struct cpu_table *t, uint32_t boot_id);

/* Index of the CPU with @id, entered if it is new. -ENOSPC: the table is full. */
int cpu_table_add(struct cpu_table *t, uint32_t id);

/* Index, or -ENOENT. */
int cpu_table_find(const struct cpu_table *t, uint32_t id);

#endif
