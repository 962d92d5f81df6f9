/*
 * cpuid_topology.c - the topology that a TD's guest is shown, in versions that let the host choose
 * one: CPUID leaf 1F, and leaf 0B made from it.
 *
 * Invariants
 *   - What a guest can see is consistent: level types ascend, the first is valid, one is a core.
 *   - All zero means the CPU's own.
 *
 * Facts: ABI reference section 12.1, "MNG.INIT" and "CPUID_CONFIG".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"

#include <string.h>

enum { EAX, EBX, ECX, EDX };

#define TYPE_NONE   0
#define TYPE_CORE   2
#define TYPE_MOST   5
#define SHIFT_BITS  UINT32_C(0x1f)
#define LEVEL_TYPE(ecx) ((ecx) >> 8 & 0xff)

bool topology_row(unsigned row)
{
	return (row >= ROW_1F_0 && row <= ROW_1F_5) || (row >= ROW_B_0 && row <= ROW_B_2);
}

static bool all_zero(const struct tdcs *t)
{
	for (unsigned i = ROW_1F_0; i <= ROW_1F_5; i++)
		for (unsigned r = EAX; r <= ECX; r++)
			if (t->cpuid[i][r])
				return false;
	return true;
}

static void take_native(const struct call *c, struct tdcs *t)
{
	for (unsigned i = ROW_1F_0; i <= ROW_1F_5; i++) {
		const struct cpuid_row *row = cpuid_row(c->m, i);
		uint32_t native[4];

		cpuid_native(c, row->leaf, row->sub, true, native);
		for (unsigned r = EAX; r <= ECX; r++)
			t->cpuid[i][r] = native[r] & ~row->fixed0[r];
	}
}

static bool recognized(const struct tdcs *t)
{
	uint32_t before = TYPE_NONE;
	bool core = false;

	for (unsigned i = ROW_1F_0; i <= ROW_1F_5; i++) {
		uint32_t type = LEVEL_TYPE(t->cpuid[i][ECX]);

		if (type == TYPE_NONE)
			return i != ROW_1F_0 && core;
		if (type <= before || type > TYPE_MOST)
			return false;
		core |= type == TYPE_CORE;
		before = type;
	}
	return false; /* one must end the list */
}

/* Leaf 0B knows two levels: threads, and all the rest as one. */
static void make_leaf_0b(struct tdcs *t)
{
	unsigned last = ROW_1F_0;

	while (last < ROW_1F_5 && LEVEL_TYPE(t->cpuid[last + 1][ECX]) != TYPE_NONE)
		last++;
	memcpy(t->cpuid[ROW_B_0], t->cpuid[ROW_1F_0], sizeof(t->cpuid[0]));
	memcpy(t->cpuid[ROW_B_1], t->cpuid[last], sizeof(t->cpuid[0]));
	t->cpuid[ROW_B_0][EAX] &= SHIFT_BITS;
	t->cpuid[ROW_B_1][EAX] &= SHIFT_BITS;
	t->cpuid[ROW_B_0][ECX] = 1 << 8; /* level 0, threads */
	t->cpuid[ROW_B_1][ECX] = 1 | TYPE_CORE << 8;
	memset(t->cpuid[ROW_B_2], 0, sizeof(t->cpuid[0]));
	t->cpuid[ROW_B_2][ECX] = 2;
}

tdx_status_t topology_configure(struct call *c, struct tdcs *t)
{
	if (!(c->m->profile->features0 & SOFT_F_TOPOLOGY))
		return OK;
	if (all_zero(t))
		take_native(c, t);
	if (!recognized(t))
		return FAIL(CPUID_LEAF_1F_FORMAT_UNRECOGNIZED, 0);
	if (c->m->profile->cpuid_rows > ROW_B_2)
		make_leaf_0b(t);
	t->topology_configured = 1;
	return OK;
}
