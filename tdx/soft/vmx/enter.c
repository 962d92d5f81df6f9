/*
 * enter.c - one stay in a guest, from the module's word to enter to an exit that it must see.
 *
 * Invariants
 *   - The guest's state is exchanged before and after a stay, however many exits of our own it has.
 *   - A kick of this CPU (cpu.h) that comes before the guest runs ends the stay before it begins and
 *     is reported as the NMI that it is; one that comes in the guest is an exit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "tdx/soft/vmx/soft_vmx.h"

_Static_assert((int)REG_RSI == (int)SOFT_RSI && (int)REG_R15 == (int)SOFT_R15 &&
		       (int)REG_COUNT == (int)SOFT_GPRS,
	       "one order of registers on both sides");

static bool is_nmi(const struct soft_exit *x)
{
	return x->reason == EXIT_REASON_EXCEPTION_NMI &&
	       INTR_INFO_TYPE(x->intr_info) == INTR_TYPE_NMI;
}

/* One entry and its exit. True: @x is to be reported. */
static bool stay(struct svmx_lp *me, struct soft_vcpu *v, struct soft_exit *x)
{
	struct svmx_vcpu *b = svmx_of(v);
	enum vmx_entry how;
	uint64_t start;

	me->entries++;
	start = rdtsc();
	how = vmx_enter(&me->regs, b->vmcs.launched);
	this_cpu()->td_ticks += rdtsc() - start;
	direct_map_sync();
	if (how == VMX_EXITED) {
		bool report = exit_decode(me, v, x);

		b->vmcs.launched |= !(x->reason & EXIT_ENTRY_FAILED);
		return report;
	}
	if (how == VMX_KICKED)
		exit_kicked(x);
	else
		exit_entry_failed(v, x);
	return true;
}

/*
 * Is it the host's turn before the guest's? A TDX CPU would not enter while an interrupt waits; this
 * one may (an emulator lets a guest with IF = 0 ignore it), and each entry starts the timer anew.
 */
static bool host_first(struct svmx_lp *me, const struct soft_vcpu *v)
{
	if (me->loaded != v)
		me->began = rdtsc();
	else if (rdtsc() - me->began > svmx_slice())
		return true;
	return me->interrupt_seen;
}

void svmx_enter(void *ctx, unsigned lp, struct soft_vcpu *v, struct soft_exit *x)
{
	struct svmx_lp *me = svmx_lp(lp);
	struct svmx_vcpu *b = svmx_of(v);

	(void)ctx;
	if (unlikely(host_first(me, v))) {
		me->interrupt_seen = false;
		exit_to_host(x);
		return;
	}
	svmx_use(v);
	(void)shared_root_sync(b, v, false);
	if (!b->posted_by_cpu) {
		if (b->control[VMX_CTL_PIN] & BIT32(7))
			posted_take(v);
		posted_feed(v);
	}
	rep_movsq(me->regs.gpr, v->gpr.r, REG_COUNT);
	me->regs.host_rsp = b->host_rsp;
	me->regs.kick = &this_cpu()->wake;
	state_load(me, v);
	while (!stay(me, v, x))
		;
	/* A kick ends one stay, as an NMI does; what was asked for was published before it. */
	if (is_nmi(x))
		__atomic_exchange_n(&this_cpu()->wake, 0, __ATOMIC_SEQ_CST);
	state_save(v);
	rep_movsq(v->gpr.r, me->regs.gpr, REG_COUNT);
	b->host_rsp = me->regs.host_rsp;
}

void svmx_flush_tlb(void *ctx, unsigned lp, struct soft_vcpu *v)
{
	struct inv_descriptor d = { 0 };

	(void)ctx;
	tlb_drop(svmx_lp(lp));
	svmx_use(v);
	(void)vmread(VMCS_EPTP, &d.context);
	if (invept(INVEPT_CONTEXT, &d) != VMX_OK)
		(void)invept(INVEPT_ALL, &d);
}

void svmx_vcpu_flush(void *ctx, unsigned lp, struct soft_vcpu *v)
{
	svmx_flush_tlb(ctx, lp, v);
	vmcs_clear(&svmx_of(v)->vmcs);
	svmx_lp(lp)->td_vmcs = NULL;
	svmx_lp(lp)->in_use = NULL;
}
