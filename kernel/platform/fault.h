/*
 * fault.h - wrong answers for one guest, on demand: what CPUID, RDMSR, IN or a read of device memory
 * gives is replaced, for calls that a rule names.
 *
 * Invariants
 *   - Without rules an access pays for one load. Rules stay over the guest's ends and starts, until
 *     they are cleared.
 *   - Added and cleared on the boot CPU; read on any.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_FAULT_H
#define TAIN_PLATFORM_FAULT_H

#include "kernel/base/dice.h"
#include "kernel/base/types.h"

#define FAULT_RULES 8

enum fault_kind { FAULT_CPUID, FAULT_MSR, FAULT_PORT, FAULT_MMIO, FAULT_KINDS };

struct fault_rule {
	enum fault_kind kind;
	uint64_t key;    /* leaf, index, port, address */
	unsigned reg;    /* of CPUID: 0 EAX, 1 EBX, 2 ECX, 3 EDX */
	uint64_t value;  /* the answer */
	struct dice dice;
};

struct fault_table {
	uint32_t count; /* atomic */
	struct fault_rule rule[FAULT_RULES];
};

/* 0; -ENOSPC: FAULT_RULES are there; -EINVAL: nth 0, a chance above 1000. */
int fault_add(struct fault_table *t, const struct fault_rule *rule) MUST_CHECK;
void fault_clear(struct fault_table *t);

/* Does some rule concern that leaf? (So that nobody answers it from a table.) */
bool fault_names_leaf(const struct fault_table *t, uint32_t leaf);

/* The slow half of fault_answer(): replaces *@value if a rule says so. */
void fault_apply(struct fault_table *t, enum fault_kind kind, uint64_t key, unsigned reg,
		 uint64_t *value);

/* @t may be NULL: no table. */
static inline void fault_answer(struct fault_table *t, enum fault_kind kind, uint64_t key, uint64_t *value)
{
	if (unlikely(t && __atomic_load_n(&t->count, __ATOMIC_ACQUIRE)))
		fault_apply(t, kind, key, 0, value);
}

/* The four registers of a CPUID answer. */
static inline void fault_cpuid(struct fault_table *t, uint32_t leaf, uint32_t out[4])
{
	if (likely(!t || !__atomic_load_n(&t->count, __ATOMIC_ACQUIRE)))
		return;
	for (unsigned reg = 0; reg < 4; reg++) {
		uint64_t value = out[reg];

		fault_apply(t, FAULT_CPUID, leaf, reg, &value);
		out[reg] = (uint32_t)value;
	}
}

#endif
