/*
 * inject.c - the software module fails when it is told to: a status, an interrupt or a delay on
 * the n-th call of a leaf.
 *
 * Invariants
 *   - Without rules a call pays for one load.
 *   - What happens to call n of a leaf depends on the rule and n, not on time or on the LP.
 *   - An injected status changes nothing: the leaf has not run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/module.h"

#include <errno.h>

#include "kernel/base/dice.h"
#include "kernel/base/log.h"

int soft_inject_add(struct soft_module *m, const struct tdx_inject *rule)
{
	unsigned n = m->inject_count;

	if (rule->nth == 0 || rule->chance > TDX_INJECT_ALWAYS)
		return -EINVAL;
	if (n == TDX_INJECT_RULES)
		return -ENOSPC;
	m->inject[n] = *rule;
	m->inject[n].calls = m->inject[n].hits = 0;
	__atomic_store_n(&m->inject_count, n + 1, __ATOMIC_RELEASE);
	return 0;
}

void soft_inject_clear(struct soft_module *m)
{
	__atomic_store_n(&m->inject_count, 0, __ATOMIC_RELEASE);
}

unsigned soft_inject_list(const struct soft_module *m, struct tdx_inject out[TDX_INJECT_RULES])
{
	unsigned n = __atomic_load_n(&m->inject_count, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < n; i++)
		out[i] = m->inject[i];
	return n;
}

static bool applies(struct tdx_inject *rule, unsigned leaf)
{
	uint64_t n;

	if (rule->leaf != TDX_INJECT_ANY_LEAF && rule->leaf != leaf)
		return false;
	n = __atomic_add_fetch(&rule->calls, 1, __ATOMIC_RELAXED);
	if (n < rule->nth || (rule->times && n - rule->nth >= rule->times) ||
	    dice_throw(rule->seed, n) >= rule->chance)
		return false;
	__atomic_fetch_add(&rule->hits, 1, __ATOMIC_RELAXED);
	return true;
}

/* Bounded also where the TSC stands still. */
static void delay(const struct call *c, uint64_t ticks)
{
	const struct soft_machine *mc = c->m->machine;
	uint64_t start = mc->ops->tsc(mc->ctx, c->lp);

	for (uint64_t i = 0; i < ticks && mc->ops->tsc(mc->ctx, c->lp) - start < ticks; i++)
		;
}

/* True: the call is answered with *@st and its leaf does not run. */
bool inject_before(struct call *c, tdx_status_t *st)
{
	unsigned n = __atomic_load_n(&c->m->inject_count, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < n; i++) {
		struct tdx_inject *rule = &c->m->inject[i];

		if (!applies(rule, c->leaf))
			continue;
		switch (rule->kind) {
		case TDX_INJECT_STATUS:
			*st = (tdx_status_t){ rule->value };
			return true;
		case TDX_INJECT_INTERRUPT:
			c->interrupted = true;
			break;
		case TDX_INJECT_DELAY:
			delay(c, rule->value);
			break;
		case TDX_INJECT_CRASH:
			panic("software TDX module: told to break in a call of leaf %u", c->leaf);
		}
	}
	return false;
}
