/*
 * cpu_table.c - see cpu_table.h. Searched from the end: lists come in order, so that adding the
 * next id and finding the newest are quick.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/cpu_table.h"

#include <errno.h>

void cpu_table_init(struct cpu_table *t, uint32_t boot_id)
{
	t->count = 1;
	t->apic_id[0] = boot_id;
}

int cpu_table_find(const struct cpu_table *t, uint32_t id)
{
	for (unsigned i = t->count; i-- > 0;)
		if (t->apic_id[i] == id)
			return (int)i;
	return -ENOENT;
}

int cpu_table_add(struct cpu_table *t, uint32_t id)
{
	int known = cpu_table_find(t, id);

	if (known >= 0)
		return known;
	if (t->count == CPU_MAX)
		return -ENOSPC;
	t->apic_id[t->count] = id;
	return (int)t->count++;
}
