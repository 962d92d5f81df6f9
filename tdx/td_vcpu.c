/*
 * td_vcpu.c - a vCPU: its pages, its CPU, and one bounded stay.
 *
 * Invariants
 *   - `inside` is odd from before the look at the requests until VP.ENTER has returned: whoever
 *     sets a request and then finds it even need not kick.
 *   - A private fault is resolved before the next entry (rule B2); a stop or kick gets through
 *     meanwhile.
 *   - The vCPU is associated with v->cpu; it is flushed there before another CPU enters it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/retry.h"
#include "tdx/seamcall.h"
#include "tdx/td_impl.h"

enum td_next td_dead(struct td_vcpu *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->run->reason, sizeof(v->run->reason), fmt, ap);
	va_end(ap);
	return TD_NEXT_DEAD;
}

enum td_next td_stopped(struct td_vcpu *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->run->reason, sizeof(v->run->reason), fmt, ap);
	va_end(ap);
	return TD_NEXT_STOPPED;
}

/* ---- life ---- */

static int add_page(struct td_vcpu *v)
{
	struct td *td = v->td;
	hpa_t page = td_control_page(td);
	tdx_status_t st;

	if (hpa_is_none(page))
		return td_fail(td, -ENOMEM, "vCPU %u: no memory for control pages", v->index);
	st = TDX_RETRY(tdh_vp_addcx(v->vp, page));
	if (tdx_ok(st)) {
		v->pages++;
		return 0;
	}
	td_control_drop(td);
	return td_refused(td, "TDH.VP.ADDCX", st);
}

int td_vcpu_create(struct td_vcpu *v)
{
	struct td *td = v->td;
	unsigned pages = (unsigned)(tdx_state.md.tdvps_bytes / PAGE_SIZE);
	tdx_status_t st;
	int err = 0;

	v->vp.page = td_control_page(td);
	if (hpa_is_none(v->vp.page))
		return td_fail(td, -ENOMEM, "vCPU %u: no memory for control pages", v->index);
	st = TDX_RETRY(tdh_vp_create(td->tdr, v->vp));
	if (!tdx_ok(st)) {
		td_control_drop(td);
		return td_refused(td, "TDH.VP.CREATE", st);
	}
	v->created = true;
	for (v->pages = 1; v->pages < pages && !err;)
		err = add_page(v);
	return err;
}

int td_vcpu_init(struct td_vcpu *v, uint64_t initial)
{
	struct td *td = v->td;
	const uint32_t id = (uint32_t)v->index;
	bool topology = (tdx_state.md.features0 & TDX_FEATURE_TOPOLOGY_ENUM) != 0;
	tdx_status_t st = TDX_RETRY(tdh_vp_init(v->vp, initial, topology ? &id : NULL));

	if (!tdx_ok(st))
		return td_refused(td, "TDH.VP.INIT", st);
	v->initialized = true;
	v->cpu = cpu_index();
	st = TDX_RETRY(tdh_vp_wr(v->vp, MD_VP_VMCS_SHARED_EPTP,
				 mmu_root_hpa(&td->mmu, MMU_DIRECT).v, BITS64(51, 12)));
	if (!tdx_ok(st))
		return td_refused(td, "TDH.VP.WR of the shared EPTP", st);
	return td_interrupt_init(v);
}

struct flush_call {
	struct td_vcpu *v;
	tdx_status_t st;
};

static void flush_here(void *arg)
{
	struct flush_call *call = arg;

	call->st = TDX_RETRY(tdh_vp_flush(call->v->vp));
}

int td_vcpu_flush(struct td_vcpu *v)
{
	struct flush_call call = { .v = v };

	if (v->cpu == NO_CPU)
		return 0;
	cpu_call(v->cpu, flush_here, &call);
	if (!tdx_ok(call.st) && !tdx_is(call.st, TDX_VCPU_NOT_ASSOCIATED))
		return tdx_refused(v->td->name, "TDH.VP.FLUSH", call.st), -EIO;
	__atomic_store_n(&v->cpu, NO_CPU, __ATOMIC_RELAXED);
	return 0;
}

/* ---- running ---- */

/*
 * A page that our tables hold, and on which the vCPU faults again and again with nothing in between:
 * the module sees it otherwise, or refuses entry for fear of zero-stepping. It would never end.
 */
#define FRUITLESS_MAX 5000

static bool gets_on(struct td_vcpu *v)
{
	v->fruitless = v->fault.spurious ? v->fruitless + 1 : 0;
	return v->fruitless < FRUITLESS_MAX;
}

/* False: a fault of this vCPU is still open; *next says what to do about that. */
static bool fault_resolved(struct td_vcpu *v, enum td_next *next)
{
	int err;

	if (!v->has_fault)
		return true;
	err = td_memory_fault(v->td, &v->fault);
	if (!err) {
		v->has_fault = false;
		if (gets_on(v))
			return true;
		*next = td_dead(v, "faults on page 0x%llx for ever, though it is mapped: the module "
				   "lets it not get on (zero-step defence?)",
				(unsigned long long)gfn_to_gpa(v->fault.gfn).v);
		return false;
	}
	if (err == -EAGAIN) {
		cpu_relax();
		*next = TD_NEXT_ENTER;
	} else if (err == -ENOENT) {
		*next = td_dead(v, "touched private memory that it does not have, at 0x%llx",
				(unsigned long long)gfn_to_gpa(v->fault.gfn).v);
	} else if (err == -ENOMEM) {
		*next = td_dead(v, "the machine has no memory left for its page 0x%llx",
				(unsigned long long)gfn_to_gpa(v->fault.gfn).v);
	} else {
		*next = td_dead(v, "page 0x%llx could not be mapped (%d)",
				(unsigned long long)gfn_to_gpa(v->fault.gfn).v, -err);
	}
	return false;
}

/* One VP.ENTER. False: a request came first. */
static bool enter(struct td_vcpu *v, tdx_status_t *st)
{
	uint32_t inside = v->inside;
	uint64_t start;

	if (__atomic_exchange_n(&v->flush_shared, 0, __ATOMIC_SEQ_CST) && tdx_state.host.flush_ept)
		tdx_state.host.flush_ept();
	__atomic_store_n(&v->cpu, cpu_index(), __ATOMIC_RELAXED);
	__atomic_store_n(&v->inside, inside + 1, __ATOMIC_SEQ_CST);
	if (vcpu_requests(v->run) || __atomic_load_n(&v->flush_shared, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&v->inside, inside + 2, __ATOMIC_SEQ_CST);
		return false;
	}
	td_interrupt_before_entry(v);
	if (unlikely(v->xmm_selected) && tdx_state.host.xmm_clear)
		tdx_state.host.xmm_clear();
	start = tsc_now();
	*st = TDX_CALL(tdh_vp_enter(v->vp, 0, &v->regs));
	uint64_t ticks = tsc_now() - start;

	v->enter_ticks += ticks;
	v->last_ticks = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
	__atomic_store_n(&v->inside, inside + 2, __ATOMIC_SEQ_CST);
	v->entries++;
	return true;
}

/* If another CPU has it, take it away there. False: that CPU's module would not. */
static bool belongs_here(struct td_vcpu *v)
{
	return v->cpu == NO_CPU || v->cpu == cpu_index() || td_vcpu_flush(v) == 0;
}

static enum td_next one_round(struct td_vcpu *v)
{
	enum td_next next = TD_NEXT_ENTER;
	tdx_status_t st;

	vcpu_attend(v->run, vcpu_take_requests(v->run, VCPU_REQ_KICK | VCPU_REQ_EVENT));
	if (!fault_resolved(v, &next))
		return next;
	if (!belongs_here(v))
		return td_dead(v, "vCPU %u could not be moved to CPU %u", v->index, cpu_index());
	if (!td_interrupt_nmi_deliver(v))
		return td_dead(v, "the module would not take an NMI for vCPU %u", v->index);
	if (!enter(v, &st))
		return TD_NEXT_ENTER;
	return td_exit(v, st);
}

static enum vcpu_outcome outcome_of(enum td_next next)
{
	switch (next) {
	case TD_NEXT_WAIT:
		return RUN_WAIT;
	case TD_NEXT_STOPPED:
		return RUN_STOPPED;
	case TD_NEXT_DEAD:
		return RUN_DEAD;
	case TD_NEXT_TRAPPED:
		return RUN_TRAPPED;
	case TD_NEXT_ENTER:
	case TD_NEXT_LEAVE:
		break;
	}
	return RUN_AGAIN;
}

static enum vcpu_outcome stay(struct td_vcpu *v)
{
	uint64_t end = tsc_now() + v->run->slice_tsc;
	enum td_next next = TD_NEXT_ENTER;

	if (v->waiting) {
		vcpu_take_requests(v->run, VCPU_REQ_KICK | VCPU_REQ_EVENT);
		v->run->wake_tsc = WAKE_NEVER;
		if (!td_interrupt_wakes(v))
			return RUN_WAIT;
		v->wakes++;
	}
	if (unlikely(td_debug_wanted(v)) && (!belongs_here(v) || td_debug_begin(v)))
		return outcome_of(td_dead(v, "the module would not let it be debugged"));
	while (next == TD_NEXT_ENTER) {
		if (vcpu_requests(v->run) & (VCPU_REQ_STOP | VCPU_REQ_HOLD))
			return RUN_AGAIN;
		next = one_round(v);
		if (tsc_now() >= end)
			break;
	}
	if (unlikely(v->stepping) && next == TD_NEXT_WAIT && td_debug_stepped(v))
		next = TD_NEXT_TRAPPED;
	return outcome_of(next);
}

enum vcpu_outcome td_vcpu_run(struct td *td, unsigned index)
{
	struct td_vcpu *v = &td->vcpus[index];
	uint64_t calls = seamcall_ticks_here();
	enum vcpu_outcome outcome = stay(v);

	v->call_ticks += seamcall_ticks_here() - calls;
	return outcome;
}
