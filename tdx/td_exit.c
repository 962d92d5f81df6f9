/*
 * td_exit.c - why a TD's vCPU came out: one table row per exit reason.
 *
 * Invariants
 *   - A reason without a row, or a status that is no exit, ends the TD with its name; no guessing.
 *   - The guest's registers are not visible at asynchronous exits, and nobody looks for them.
 *
 * Facts: TDX module 1.5 ABI, "TDH.VP.ENTER: Output Operands".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>

#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

typedef enum td_next (*exit_fn)(struct td_vcpu *v);

static enum td_next exit_again(struct td_vcpu *v)
{
	(void)v;
	return TD_NEXT_ENTER;
}

/*
 * An NMI was consumed by the exit: it is a kick. What it is for, the run loop finds out. Exceptions come out
 * of a debug TD for which a debugger asked.
 */
static enum td_next exit_nmi(struct td_vcpu *v)
{
	enum td_next next;

	if ((v->regs.r9 & TDX_INTR_TYPE) == TDX_INTR_TYPE_NMI) {
		if (tdx_state.host.nmi_taken)
			tdx_state.host.nmi_taken();
		return TD_NEXT_LEAVE;
	}
	if (td_debug_exception(v, &next))
		return next;
	return td_dead(v, "exception %llu came out of the TD",
		       (unsigned long long)(v->regs.r9 & TDX_INTR_VECTOR));
}

/* The module has acknowledged it: nobody else will run its handler. */
static enum td_next exit_interrupt(struct td_vcpu *v)
{
	if ((v->regs.r9 & TDX_INTR_VALID) && tdx_state.host.irq_deliver)
		tdx_state.host.irq_deliver((unsigned)(v->regs.r9 & TDX_INTR_VECTOR));
	return TD_NEXT_ENTER;
}

static enum td_next private_fault(struct td_vcpu *v, uint64_t gpa)
{
	uint64_t eeq = v->regs.rdx;
	uint8_t max_level = 0;

	bool was_shared = td_side_is_shared(v->td, (gpa_t){ gpa });

	if (tdx_eeq_type(eeq) == TDX_EEQ_PENDING_VIOLATION)
		return td_dead(v, "touched page 0x%llx before accepting it%s", (unsigned long long)gpa,
			       was_shared ? ", which it had made shared" : "");
	if (tdx_eeq_type(eeq) == TDX_EEQ_ACCEPT)
		max_level = (uint8_t)sept_to_level(tdx_eeq_level_asked(eeq));
	if (was_shared && max_level)
		td_mistake(v, TD_MISTAKE_ACCEPT_OF_SHARED,
			   "accepts page 0x%llx, which MapGPA made shared: it gets a private page too",
			   (unsigned long long)gpa);
	else if (was_shared)
		td_mistake(v, TD_MISTAKE_PRIVATE_OF_SHARED,
			   "uses page 0x%llx as private, which MapGPA made shared: it gets a new page, "
			   "to be accepted", (unsigned long long)gpa);
	if (v->fault.gfn.v != gpa >> PAGE_SHIFT)
		v->fruitless = 0;
	v->fault = (struct mmu_fault){
		.gfn = gpa_to_gfn((gpa_t){ gpa }),
		.root = MMU_MIRROR,
		.access = MMU_READ | MMU_WRITE | MMU_EXEC,
		.max_level = max_level,
	};
	v->has_fault = true;
	return TD_NEXT_ENTER; /* resolved before the entry */
}

static enum td_next shared_fault(struct td_vcpu *v, uint64_t gpa)
{
	uint64_t q = v->regs.rcx;
	struct mmu_fault fault = {
		.gfn = gpa_to_gfn((gpa_t){ gpa & ~shared_bit(v->td) }),
		.root = MMU_DIRECT,
		.access = q & TDX_EPTQ_WRITE ? MMU_READ | MMU_WRITE : MMU_READ,
	};
	int err;

	if (q & TDX_EPTQ_FETCH)
		return td_dead(v, "fetched an instruction from shared memory, at 0x%llx",
			       (unsigned long long)gpa);
	if (td_is_ram(v->td, gfn_to_gpa(fault.gfn)) && !td_side_is_shared(v->td, gfn_to_gpa(fault.gfn)))
		td_mistake(v, TD_MISTAKE_SHARED_OF_PRIVATE,
			   "uses page 0x%llx as shared, which is private: it gets a shared page beside it",
			   (unsigned long long)gfn_to_gpa(fault.gfn).v);
	err = td_memory_fault(v->td, &fault);
	if (!err || err == -EAGAIN)
		return TD_NEXT_ENTER;
	if (err == -ENOMEM)
		return td_dead(v, "the machine has no memory left for its shared page 0x%llx",
			       (unsigned long long)gpa);
	return td_dead(v, "shared page 0x%llx could not be mapped (%d)", (unsigned long long)gpa,
		       -err);
}

static enum td_next exit_ept_violation(struct td_vcpu *v)
{
	uint64_t gpa = v->regs.r8 & BITS64(51, 12);

	return is_shared(v->td, gpa) ? shared_fault(v, gpa) : private_fault(v, gpa);
}

static enum td_next exit_ept_misconfiguration(struct td_vcpu *v)
{
	return td_dead(v, "EPT misconfiguration at 0x%llx", (unsigned long long)v->regs.r8);
}

static enum td_next exit_triple_fault(struct td_vcpu *v)
{
	uint64_t rip;

	if (!td_log_registers(v, &rip))
		return td_dead(v, "triple fault");
	return td_dead(v, "triple fault at rip 0x%llx", (unsigned long long)rip);
}

static enum td_next exit_tdcall(struct td_vcpu *v)
{
	v->fruitless = 0;
	return td_vmcall(v);
}

/* clang-format off */
static const exit_fn exit_rows[TDX_EXIT_LIMIT] = {
	[TDX_EXIT_EXCEPTION_NMI]        = exit_nmi,
	[TDX_EXIT_EXTERNAL_INTERRUPT]   = exit_interrupt,
	[TDX_EXIT_TRIPLE_FAULT]         = exit_triple_fault,
	[TDX_EXIT_INIT]                 = exit_again,
	[TDX_EXIT_OTHER_SMI]            = exit_again,
	[TDX_EXIT_C_STATE_SMI]          = exit_again,
	[TDX_EXIT_EPT_VIOLATION]        = exit_ept_violation,
	[TDX_EXIT_EPT_MISCONFIGURATION] = exit_ept_misconfiguration,
	[TDX_EXIT_BUS_LOCK]             = exit_again,
	[TDX_EXIT_NOTIFICATION]         = exit_again,
	[TDX_EXIT_TDCALL]               = exit_tdcall,
};
/* clang-format on */

/* Time slices are only counted: some hundred a second would push everything else out of the ring.
 */
static void trace_exit(const struct td_vcpu *v, tdx_status_t st)
{
	if (!trace_on(TRACE_TDEXIT) || (st.raw & TDX_EXIT_BASIC) == TDX_EXIT_EXTERNAL_INTERRUPT)
		return;
	trace_add(&(struct trace_record){
		.tsc = tsc_now(),
		.ticks = v->last_ticks,
		.cpu = cpu_index(),
		.kind = TRACE_TDEXIT,
		.vcpu = (uint8_t)v->index,
		.guest = v->td->keyid,
		.leaf = (uint32_t)(st.raw & TDX_EXIT_BASIC),
		.status = st.raw,
		.a = { v->regs.rcx, v->regs.rdx, v->regs.r8, v->regs.r9 },
	});
}

static enum td_next exit_by_reason(struct td_vcpu *v, tdx_status_t st)
{
	uint32_t basic = (uint32_t)(st.raw & TDX_EXIT_BASIC);
	const char *name = tdx_exit_name(basic);

	if (basic >= TDX_EXIT_LIMIT || !exit_rows[basic] || (st.raw & TDX_EXIT_ENTRY_FAILED))
		return td_dead(v, "unexpected exit %u %s%s", basic, name ? name : "",
			       st.raw & TDX_EXIT_ENTRY_FAILED ? ", VM entry failed" : "");
	v->exits[basic]++;
	if (basic != TDX_EXIT_TDCALL)
		trace_exit(v, st);
	uint64_t start = tsc_now();
	enum td_next next = exit_rows[basic](v);

	tick_stats_add(&v->exit_ticks[basic], tsc_now() - start);
	return next;
}

/* No exit: the module did not enter, or the TD came to its end. */
static enum td_next exit_by_status(struct td_vcpu *v, tdx_status_t st)
{
	char text[100];

	trace_exit(v, st);
	if (tdx_is_transient(st)) {
		v->enter_busy++;
		return TD_NEXT_LEAVE;
	}
	switch (tdx_code(st)) {
	case TDX_HOST_PRIORITY_BUSY_TIMEOUT:
	case TDX_INTERRUPTED_RESUMABLE:
		return TD_NEXT_ENTER;
	case TDX_NON_RECOVERABLE_VCPU:
		if ((st.raw & TDX_EXIT_BASIC) == TDX_EXIT_TRIPLE_FAULT)
			return exit_triple_fault(v);
		break;
	default:
		break;
	}
	return td_dead(v, "%s", tdx_status_text(st, text, sizeof(text)));
}

enum td_next td_exit(struct td_vcpu *v, tdx_status_t st)
{
	bool is_call = tdx_is(st, TDX_SUCCESS) && (st.raw & TDX_EXIT_BASIC) == TDX_EXIT_TDCALL;

	if (!tdx_is_transient(st)) /* a failed entry took no reply */
		v->reply_mask = is_call ? v->regs.rcx : 0;
	return tdx_is(st, TDX_SUCCESS) ? exit_by_reason(v, st) : exit_by_status(v, st);
}
