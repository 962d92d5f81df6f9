/*
 * run.c - one stay of a vCPU: its state onto this CPU, enter and dispatch until it is over, its
 * state back.
 *
 * The stay is bounded by the VMX-preemption timer, which counts down in the guest only and is saved
 * at each exit: it is set once per stay. A guest that exits all the time spends its time in root:
 * for its sake the clock is looked at, and interrupts are let in, every few hundred exits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

#define MISC_TIMER_SHIFT(misc) ((misc) & 0x1f) /* IA32_VMX_MISC: TSC ticks per count, log2 */
#define DR7_HOST UINT64_C(0x400)  /* no breakpoint of the guest fires in root */

/* Out of the way of the loop that every exit goes through. */
#define COLD __attribute__((noinline, cold))

/* One exit of so many is timed: the clock costs more than the quick ones. Of those one of so many looks at it. */
#define EXITS_PER_TIMED 128
#define TIMED_PER_LOOK  2

static const uint32_t switched_msr[SWITCH_COUNT] = {
	[SWITCH_KERNEL_GS] = 0xc0000102, [SWITCH_STAR] = 0xc0000081,
	[SWITCH_LSTAR] = 0xc0000082,     [SWITCH_CSTAR] = 0xc0000083,
	[SWITCH_FMASK] = 0xc0000084,     [SWITCH_TSC_AUX] = 0xc0000103,
};

static uint64_t timer_count(uint64_t ticks)
{
	uint64_t count = ticks >> MISC_TIMER_SHIFT(vmx_caps()->misc);

	return count > UINT32_MAX ? UINT32_MAX : count;
}

static void load_registers(struct vm_vcpu *v)
{
	for (unsigned i = 0; i < SWITCH_COUNT; i++)
		wrmsr(switched_msr[i], v->switched[i]);
	vm_debug_load(v);
	cr2_write(v->cr2);
	xsetbv(0, guest_xcr0_mask());
	xrstor64(hpa_to_ptr(v->xsave), guest_xcr0_mask());
	xsetbv(0, v->xcr0);
}

static void save_registers(struct vm_vcpu *v)
{
	xsetbv(0, guest_xcr0_mask());
	xsave64(hpa_to_ptr(v->xsave), guest_xcr0_mask());
	for (unsigned i = 0; i < SWITCH_COUNT; i++)
		v->switched[i] = rdmsr(switched_msr[i]);
	vm_debug_save(v);
	v->cr2 = cr2_read();
	dr7_write(DR7_HOST);
}

static void set_preemption(struct vm_vcpu *v, uint64_t tsc_ticks)
{
	v->timer_set = timer_count(tsc_ticks);
	vmcs_write(VMCS_PREEMPTION_TIMER, v->timer_set);
}

/* What the timer has counted since it was set was spent in the guest: no exit pays for the sum. */
static void settle_ticks(struct vm_vcpu *v)
{
	uint64_t counted = v->timer_set - vmcs_read(VMCS_PREEMPTION_TIMER);

	this_cpu()->vm_ticks += counted << MISC_TIMER_SHIFT(vmx_caps()->misc);
}

void vm_set_preemption(struct vm_vcpu *v, uint64_t tsc_ticks)
{
	settle_ticks(v);
	set_preemption(v, tsc_ticks);
}

static void begin(struct vm_vcpu *v)
{
	vm_arrive(v);
	if (unlikely(!v->configured)) {
		vmcs_setup(v);
		vmx_flush_vpid(v->vpid); /* after INIT: no translation of the old life */
	}
	vm_flush_if_asked(v);
	log_follow(v);
	set_preemption(v, v->run->slice_tsc);
	v->stay_end = tsc_now() + v->run->slice_tsc;
	v->exits_left = 1;
	v->looks_left = TIMED_PER_LOOK;
	if (unlikely(vm_debug_wanted(v)))
		vm_debug_begin(v);
	vm_inject(v);
	load_registers(v);
}

static inline enum vmx_entry enter(struct vm_vcpu *v)
{
	__atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);

	enum vmx_entry result = vmx_enter(&v->regs, v->vmcs.launched);

	__atomic_store_n(&v->in_guest, 0, __ATOMIC_RELEASE);
	return result;
}

/* Nothing ran. A kick is taken; a VMfail is our mistake, and this guest's end. */
static COLD enum exit_action not_entered(struct vm_vcpu *v, enum vmx_entry result)
{
	if (result == VMX_ENTRY_FAILED)
		return leave(v, RUN_DEAD, "VM entry refused: %s",
			     vmx_error_text((uint32_t)vmcs_read(VMCS_VM_INSTRUCTION_ERROR)));
	this_cpu()->wake = 0;
	irq_window();
	return EXIT_CHECK;
}

static inline enum exit_action dispatch(struct vm_vcpu *v, uint64_t reason)
{
	const struct exit_row *row = &exit_rows[reason];

	if (unlikely(reason >= EXIT_REASON_COUNT || !row->quiet))
		return exit_loud(v, reason);
	v->counts[reason]++;
	return row->handle(v);
}

/* What others asked for: looked at after each kick, for no request comes without one. */
static COLD enum exit_action requested(struct vm_vcpu *v)
{
	if (unlikely(v->stepping) && vm_debug_stepped(v))
		return EXIT_LEAVE;
	vm_flush_if_asked(v);
	log_follow(v);
	vcpu_attend(v->run, vcpu_take_requests(v->run, VCPU_REQ_KICK | VCPU_REQ_EVENT));
	vm_inject(v);
	if (!vcpu_requests(v->run) && !(lapic_events(&v->lapic) & (LAPIC_INIT | LAPIC_STARTUP)) &&
	    !__atomic_load_n(&v->vm->held, __ATOMIC_SEQ_CST))
		return EXIT_RESUME;
	v->outcome = RUN_AGAIN; /* stop: the one who asked decides; INIT: next time */
	return EXIT_LEAVE;
}

/* Many exits have gone by. */
static COLD enum exit_action look_at_clock(struct vm_vcpu *v)
{
	v->looks_left = TIMED_PER_LOOK;
	irq_window();
	if (tsc_now() < v->stay_end)
		return requested(v);
	v->outcome = RUN_AGAIN;
	return EXIT_LEAVE;
}

/* The exit that is timed. While single steps are made, each is, and looks whether its step is done. */
static COLD enum exit_action dispatch_timed(struct vm_vcpu *v, uint64_t reason)
{
	uint64_t start = tsc_now();
	enum exit_action action = dispatch(v, reason);

	if (reason < EXIT_REASON_COUNT)
		tick_stats_add(&v->ticks[reason], tsc_now() - start);
	v->exits_left = v->stepping ? 1 : EXITS_PER_TIMED;
	if (action == EXIT_RESUME && (!--v->looks_left || v->stepping))
		return look_at_clock(v);
	return action;
}

/* Enter and answer until the stay is over. Its own function: it keeps @v in a register and no more. */
static __attribute__((noinline)) void stay(struct vm_vcpu *v)
{
	enum exit_action action;

	do {
		enum vmx_entry result = enter(v);

		if (likely(result == VMX_EXITED)) {
			v->vmcs.launched = true;
			uint64_t reason = vmcs_read(VMCS_EXIT_REASON);

			action = likely(--v->exits_left) ? dispatch(v, reason)
							 : dispatch_timed(v, reason);
		} else {
			action = not_entered(v, result);
		}
		if (likely(action == EXIT_RESUME))
			continue;
		if (action == EXIT_CHECK)
			action = requested(v);
	} while (action != EXIT_LEAVE);
}

enum vcpu_outcome vm_vcpu_run(struct vm *vm, unsigned index)
{
	struct vm_vcpu *v = &vm->vcpu[index];
	const char *was;

	if (unlikely(!vm_may_run(v))) {
		vcpu_take_requests(v->run, VCPU_REQ_KICK);
		v->run->wake_tsc = WAKE_NEVER;
		return RUN_WAIT;
	}

	__atomic_store_n(&v->in_stay, 1, __ATOMIC_SEQ_CST);
	/* One of the two sees the other: who holds the VM waits for in_stay, or we see it. */
	if (unlikely(__atomic_load_n(&vm->held, __ATOMIC_SEQ_CST))) {
		__atomic_store_n(&v->in_stay, 0, __ATOMIC_RELEASE);
		return RUN_AGAIN;
	}
	was = cpu_running(vm->config->name);
	direct_map_sync();
	begin(v);
	stay(v);
	if (unlikely(v->stepping) && v->outcome == RUN_WAIT)
		(void)vm_debug_stepped(v); /* it halted: that was the step */
	settle_ticks(v);
	log_stay_ends(v);
	save_registers(v);
	__atomic_store_n(&v->in_stay, 0, __ATOMIC_RELEASE);
	cpu_running(was);
	return v->outcome;
}
