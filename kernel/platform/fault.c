/*
 * fault.c - the rules of wrong answers. Contract: fault.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/fault.h"

#include <errno.h>

int fault_add(struct fault_table *t, const struct fault_rule *rule)
{
	uint32_t n = t->count;

	if (rule->dice.nth == 0 || rule->dice.chance > DICE_ALWAYS)
		return -EINVAL;
	if (n == FAULT_RULES)
		return -ENOSPC;
	t->rule[n] = *rule;
	t->rule[n].dice.calls = t->rule[n].dice.hits = 0;
	__atomic_store_n(&t->count, n + 1, __ATOMIC_RELEASE);
	return 0;
}

void fault_clear(struct fault_table *t) { __atomic_store_n(&t->count, 0, __ATOMIC_RELEASE); }

bool fault_names_leaf(const struct fault_table *t, uint32_t leaf)
{
	uint32_t n = t ? __atomic_load_n(&t->count, __ATOMIC_ACQUIRE) : 0;

	for (uint32_t i = 0; i < n; i++)
		if (t->rule[i].kind == FAULT_CPUID && t->rule[i].key == leaf)
			return true;
	return false;
}

void fault_apply(struct fault_table *t, enum fault_kind kind, uint64_t key, unsigned reg,
		 uint64_t *value)
{
	uint32_t n = __atomic_load_n(&t->count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++) {
		struct fault_rule *r = &t->rule[i];

		if (r->kind == kind && r->key == key && r->reg == reg && dice_hit(&r->dice))
			*value = r->value;
	}
}
