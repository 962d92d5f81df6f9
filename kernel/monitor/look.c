/*
 * look.c - finding a guest and holding it for a look. Contract: look.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/look.h"

#include <errno.h>
#include <string.h>

#include "kernel/monitor/vars.h"

#define WHY_BYTES 200

struct guest *look_guest(struct call *c, int at)
{
	struct guest *g = guest_find(c->argv[at]);

	if (!g)
		command_fail(c, "no guest '%.40s': `guests` lists them", c->argv[at]);
	else if (g->state != GUEST_RUNNING)
		command_fail(c, "%s does not run: %s", g->config->name, guest_state_name(g->state));
	else
		return g;
	return NULL;
}

bool look_number(struct call *c, const char *word, uint64_t *value)
{
	char why[WHY_BYTES];

	if (expression(word, value, why, sizeof(why)) == 0)
		return true;
	command_fail(c, "%s", why);
	return false;
}

bool look_vcpu(struct call *c, const struct guest *g, const char *word, unsigned *vcpu)
{
	uint64_t value;

	if (!look_number(c, word, &value))
		return false;
	if (value >= g->config->vcpus) {
		command_fail(c, "%s has vCPUs 0 to %u", g->config->name, g->config->vcpus - 1);
		return false;
	}
	*vcpu = (unsigned)value;
	return true;
}

int look_begin(struct call *c, struct guest *g, bool *was_held)
{
	char why[WHY_BYTES];
	struct debug_stop ours;
	int err;

	*was_held = debug_held(g);
	if (*was_held)
		return 0;
	if (debug_allowed(g, why, sizeof(why)) != 0)
		return command_fail(c, "%s", why);
	err = debug_hold(g);
	if (err)
		return command_fail(c, "%s could not be held (error %d)", g->config->name, err);
	/* It may have stopped by itself just now: that is for whoever debugs it. */
	if (debug_last_stop(g) && debug_last_stop(g)->why == DEBUG_ASKED)
		(void)debug_stop_take(g, &ours);
	else
		*was_held = true;
	return 0;
}

void look_end(struct guest *g, bool was_held)
{
	if (!was_held)
		(void)!debug_go(g, DEBUG_NO_STEP, true); /* it may have ended: then there is nothing to do */
}

int look_regs(struct call *c, struct guest *g, unsigned vcpu, struct vcpu_regs *regs)
{
	switch (debug_regs(g, vcpu, regs)) {
	case 0:
		return 0;
	case -ENODATA:
		return command_fail(c, "vCPU %u waits for its start-up", vcpu);
	case -EBUSY:
		return command_fail(c, "%s runs: `hold %s` first", g->config->name,
				    g->config->name);
	default:
		return command_fail(c, "the registers of vCPU %u cannot be read", vcpu);
	}
}

int look_reg_by_name(const char *name)
{
	for (int i = 0; i < VCPU_REG_COUNT; i++)
		if (strcmp(debug_reg_name((enum vcpu_reg)i), name) == 0)
			return i;
	return -1;
}
