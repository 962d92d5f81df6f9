/*
 * watch.c - a guest that computes and computes and makes no exit of its own: said, not killed.
 *
 * Interrupts, kicks and the end of a slice are exits that the host makes; what counts is what the guest
 * does: I/O, CPUID, MSRs, HLT, TDVMCALLs, memory touched for the first time.
 *
 * Invariants
 *   - Said once until the vCPU makes an exit again. Time counts in which the vCPU really ran.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/time.h"
#include "kernel/vmx/vm.h"
#include "tdx/td.h"

static void watch_vcpu(const struct guest *g, struct sched_vcpu *v, uint64_t limit_ticks)
{
	uint64_t exits = g->vm ? vm_own_exits(g->vm, v->index) : td_own_exits(g->td, v->index);
	uint64_t ran = v->run_ticks - v->watch_ticks;

	if (exits != v->watch_exits) {
		if (v->watch_said)
			log_warn("watchdog: %s: vCPU %u makes exits again", g->config->name, v->index);
		v->watch_exits = exits;
		v->watch_ticks = v->run_ticks;
		v->watch_said = false;
	} else if (!v->watch_said && ran >= limit_ticks) {
		v->watch_said = true;
		log_warn("watchdog: %s: vCPU %u has run for %llu s without an exit of its own",
			 g->config->name, v->index, (unsigned long long)(ticks_to_us(ran) / 1000000));
	}
}

void guests_watch(uint64_t limit_ticks)
{
	for (unsigned i = 0; i < guest_count(); i++) {
		struct guest *g = guest_at(i);

		if (g->state != GUEST_RUNNING || (!g->vm && !g->td))
			continue;
		for (unsigned n = 0; n < g->config->vcpus; n++)
			watch_vcpu(g, &g->vcpus[n], limit_ticks);
	}
}
