/*
 * report.c - what the module is and what was asked of it: for `doctor`, `info` and `stats`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "tdx/keyid.h"
#include "tdx/retry.h"
#include "tdx/seamcall.h"
#include "tdx/state.h"

typedef void (*line_fn)(void *ctx, const char *text);

static void describe_features(line_fn line, void *ctx)
{
	char buf[800];
	size_t at = (size_t)snprintf(buf, sizeof(buf), "features  0x%llx",
				     (unsigned long long)tdx_state.md.features0);

#define X(bit, name)                                                   \
	if ((tdx_state.md.features0 & BIT64(bit)) && at < sizeof(buf)) \
		at += (size_t)snprintf(buf + at, sizeof(buf) - at, " %s", #name);
	TDX_FEATURE_TABLE(X)
#undef X
	line(ctx, buf);
}

static void describe_memory(line_fn line, void *ctx)
{
	const struct tdx_state *s = &tdx_state;
	char buf[160];

	for (unsigned i = 0; i < s->plan->count; i++) {
		const struct tdmr_info *t = &s->plan->tdmr[i];
		unsigned areas = 0;

		while (areas < TDMR_INFO_RESERVED_MAX && t->reserved[areas].size)
			areas++;
		snprintf(buf, sizeof(buf),
			 "tdmr %-3u  0x%llx to 0x%llx, %u reserved areas, usable below 0x%llx", i,
			 (unsigned long long)t->base, (unsigned long long)(t->base + t->size),
			 areas, (unsigned long long)s->ready_end[i]);
		line(ctx, buf);
	}
}

void tdx_describe(line_fn line, void *ctx)
{
	const struct tdx_state *s = &tdx_state;
	struct keyid_counts k = keyid_counts();
	char buf[200];

	if (s->phase != TDX_READY) {
		line(ctx, "not ready:");
		line(ctx, s->reason[0] ? s->reason : "not started");
		return;
	}
	line(ctx, tdx_module_text(buf, sizeof(buf)));
	describe_features(line, ctx);
	snprintf(buf, sizeof(buf), "keyids    %u private from %u, %u in use by TDs, %u leaked",
		 k.total, k.first, k.used, k.leaked);
	line(ctx, buf);
	snprintf(buf, sizeof(buf),
		 "limits    %llu TDMRs, %llu reserved areas each, %llu CPUID entries",
		 (unsigned long long)s->md.max_tdmrs,
		 (unsigned long long)s->md.max_reserved_per_tdmr,
		 (unsigned long long)s->md.cpuid_config_count);
	line(ctx, buf);
	for (uint64_t i = 0; i < s->md.cmr_count; i++) {
		snprintf(buf, sizeof(buf), "cmr %-4llu  0x%llx to 0x%llx", (unsigned long long)i,
			 (unsigned long long)s->md.cmr[i].base,
			 (unsigned long long)(s->md.cmr[i].base + s->md.cmr[i].size));
		line(ctx, buf);
	}
	describe_memory(line, ctx);
}

/* One line "name count"; nothing for a zero. */
static void count_line(line_fn line, void *ctx, const char *name, const char *what, uint64_t count)
{
	char buf[96];

	if (!count)
		return;
	snprintf(buf, sizeof(buf), "%s%s%s %llu", name, what[0] ? " " : "", what,
		 (unsigned long long)count);
	line(ctx, buf);
}

bool tdx_leaf_counts(unsigned leaf, struct tdx_leaf_counts *out)
{
	struct seamcall_stats st;

	if (leaf >= TDH_LEAF_LIMIT)
		return false;
	seamcall_stats_read(leaf, &st);
	*out = (struct tdx_leaf_counts){
		.name = tdh_leaf_name(leaf),
		.calls = st.calls,
		.busy = st.busy,
		.errors = st.errors,
		.ticks_min = st.min,
		.ticks_median = seamcall_median(&st),
		.ticks_max = st.max,
	};
	return true;
}

uint64_t tdx_call_ticks(void)
{
	uint64_t ticks = 0;

	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++) {
		struct seamcall_stats st;

		seamcall_stats_read(leaf, &st);
		ticks += st.ticks;
	}
	return ticks;
}

void tdx_stats(line_fn line, void *ctx)
{
	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++) {
		const char *name = tdh_leaf_name(leaf);
		struct seamcall_stats st;

		seamcall_stats_read(leaf, &st);
		if (!st.calls || !name)
			continue;
		count_line(line, ctx, name, "calls", st.calls);
		count_line(line, ctx, name, "busy", st.busy);
		count_line(line, ctx, name, "errors", st.errors);
		count_line(line, ctx, name, "ticks: min", st.min);
		count_line(line, ctx, name, "ticks: median", seamcall_median(&st));
		count_line(line, ctx, name, "ticks: max", st.max);
	}
	count_line(line, ctx, "SEAMCALL", "retries", tdx_retries);
	count_line(line, ctx, "SEAMCALL", "retries given up", tdx_retries_exhausted);
}
