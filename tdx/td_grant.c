/*
 * td_grant.c - what a TD was to have, what the module allows, what it has, and why these differ.
 *
 * Invariant: nothing here decides anything. What was asked for is in td->params, or asked of
 * td_params.c; what the TD has is read from the module.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/abi/md_fields.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

typedef void (*grant_fn)(void *ctx, const struct td_grant *g);

struct table {
	struct td *td;
	grant_fn row;
	void *ctx;
};

/* One or two reasons, each for the bits it holds for. */
static void add_why(struct td_grant *g, uint64_t bits, const char *why)
{
	size_t at = strlen(g->why);

	if (bits && at < sizeof(g->why))
		snprintf(g->why + at, sizeof(g->why) - at, "%s0x%llx %s", at ? "; " : "",
			 (unsigned long long)bits, why);
}

static void finish(const struct table *t, struct td_grant *g)
{
	if (!g->why[0])
		snprintf(g->why, sizeof(g->why), "as requested");
	t->row(t->ctx, g);
}

static bool read_field(struct td *td, uint64_t id, uint64_t *value)
{
	return tdx_ok(TDX_RETRY(tdh_mng_rd(td->tdr, id, value)));
}

/* ATTRIBUTES, XFAM, CONFIG_FLAGS: bits that may and that must be 1. */
static void mask_row(const struct table *t, const char *name, uint64_t id, uint64_t requested,
		     uint64_t may, uint64_t must)
{
	struct td_grant g = { .requested = requested, .allowed = may };

	snprintf(g.name, sizeof(g.name), "%s", name);
	if (!read_field(t->td, id, &g.granted)) {
		snprintf(g.why, sizeof(g.why), "the module does not say what was granted");
	} else {
		add_why(&g, requested & ~may, "not offered by the module");
		add_why(&g, requested & may & ~g.granted, "only together with what is missing");
		add_why(&g, g.granted & ~requested & must, "required by the module");
		add_why(&g, g.granted & ~requested & ~must, "set by the module");
	}
	finish(t, &g);
}

static void number_row(const struct table *t, const char *name, uint64_t id, uint64_t requested,
		       uint64_t most)
{
	struct td_grant g = { .requested = requested, .allowed = most };

	snprintf(g.name, sizeof(g.name), "%s", name);
	if (!read_field(t->td, id, &g.granted))
		snprintf(g.why, sizeof(g.why), "the module does not say what was granted");
	else if (g.granted != requested)
		snprintf(g.why, sizeof(g.why), "changed by the module");
	finish(t, &g);
}

static uint64_t cpuid_field(const struct tdx_cpuid_config *c, unsigned half)
{
	return md_element(MD_TD_CPUID_VALUES, md_cpuid_element(c->leaf, c->subleaf, half));
}

/* Registers that hold numbers, not bits: ids, counts and sizes. */
static bool holds_numbers(const struct tdx_cpuid_config *c, char reg)
{
	return c->leaf == 4 || (c->leaf == 1 && (reg == 'a' || reg == 'b'));
}

/* One register of a configurable leaf; nothing where no bit of it is configurable. */
static void cpuid_row(const struct table *t, const struct tdx_cpuid_config *c, char reg,
		      uint32_t mask, uint32_t cpu_has, uint32_t asked, uint64_t granted, bool known)
{
	struct td_grant g = { .requested = asked, .allowed = mask, .granted = granted & mask };

	if (!mask)
		return;
	snprintf(g.name, sizeof(g.name), "cpuid %x.%x e%cx", c->leaf,
		 c->subleaf == ~0u ? 0 : c->subleaf, reg);
	if (!known) {
		snprintf(g.why, sizeof(g.why), "the module does not say what was granted");
	} else if (holds_numbers(c, reg)) {
		if (g.granted != asked)
			snprintf(g.why, sizeof(g.why), "%s",
				 asked ? "changed by the module" : "0 asks for the CPU's own");
	} else {
		add_why(&g, mask & cpu_has & ~asked, "withheld: the host would have to serve it");
		add_why(&g, asked & ~g.granted & UINT32_MAX, "cleared by the module");
		add_why(&g, g.granted & ~(uint64_t)asked, "set by the module");
		add_why(&g, mask & ~cpu_has & ~asked & ~g.granted & UINT32_MAX, "not in this CPU");
	}
	finish(t, &g);
}

static void cpuid_rows(const struct table *t, uint64_t i)
{
	const struct tdx_cpuid_config *c = &tdx_state.md.cpuid_config[i];
	const struct tdx_cpuid_value *v = &t->td->params.cpuid[i];
	const uint32_t masks[4] = { c->mask.eax, c->mask.ebx, c->mask.ecx, c->mask.edx };
	const uint32_t asked[4] = { v->eax, v->ebx, v->ecx, v->edx };
	uint32_t native[4] = { 0 };
	uint64_t low = 0, high = 0;
	bool known = read_field(t->td, cpuid_field(c, 0), &low) &&
		     read_field(t->td, cpuid_field(c, 1), &high);
	const uint64_t granted[4] = { low & UINT32_MAX, low >> 32, high & UINT32_MAX, high >> 32 };

	td_params_native(t->td, c, native);
	for (unsigned r = 0; r < 4; r++)
		cpuid_row(t, c, "abcd"[r], masks[r], native[r], asked[r], granted[r], known);
}

void td_grants(struct td *td, grant_fn row, void *ctx)
{
	const struct tdx_metadata *md = &tdx_state.md;
	const struct table t = { td, row, ctx };

	mask_row(&t, "attributes", MD_TD_ATTRIBUTES, td_params_wanted_attributes(td),
		 md->attributes_fixed0, md->attributes_fixed1);
	mask_row(&t, "xfam", MD_TD_XFAM, td_params_wanted_xfam(), md->xfam_fixed0, md->xfam_fixed1);
	mask_row(&t, "config flags", MD_TD_CONFIG_FLAGS, td->params.config_flags, md->flags_fixed0,
		 md->flags_fixed1);
	number_row(&t, "vcpus at most", MD_TD_MAX_VCPUS, td->config->vcpus, md->max_vcpus);
	number_row(&t, "tsc in 25 MHz", MD_TD_TSC_FREQUENCY, td->params.tsc_frequency,
		   TSC_FREQUENCY_MAX);
	for (uint64_t i = 0; i < md->cpuid_config_count; i++)
		cpuid_rows(&t, i);
}

static void log_row(void *ctx, const struct td_grant *g)
{
	const struct td *td = ctx;

	/* Of CPUID something always differs: the CPU's own numbers, and what it has not. */
	if (g->requested != g->granted && strncmp(g->name, "cpuid", 5) != 0)
		log_info("tdx: %s: %s: requested 0x%llx, allowed 0x%llx, granted 0x%llx: %s",
			 td->name, g->name, (unsigned long long)g->requested,
			 (unsigned long long)g->allowed, (unsigned long long)g->granted, g->why);
	else
		log_debug("tdx: %s: %s: granted 0x%llx: %s", td->name, g->name,
			  (unsigned long long)g->granted, g->why);
}

int td_log_grants(struct td *td)
{
	td_grants(td, log_row, td);
	return 0;
}
