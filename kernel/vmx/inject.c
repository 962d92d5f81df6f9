/*
 * inject.c - events into a plain guest: interrupts of its local APIC and of the 8259s, NMIs, INIT and
 * start-up; and when to sleep.
 *
 * Invariants
 *   - At most one event is in the VMCS for the next entry; who waits behind it gets a window exit.
 *   - A vCPU sleeps only after it looked at its inbox with the request bit taken: who posts later
 *     finds the bit clear and wakes it.
 *
 * SDM volume 3C, "Event Injection" and "Interrupt-Window Exiting".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/machine/port.h"
#include "kernel/vmx/vm_room.h"

#define BLOCKED_BY_NMI BIT64(3) /* of GUEST_INTERRUPTIBILITY */
#define VECTOR_NMI     2
#define VECTOR_MC      18
#define VECTOR_FIRST   16 /* of those that a local APIC delivers */

/* ---- between the local APICs and the platform ---- */

static struct vm_vcpu *owner(struct lapic *l)
{
	return container_of(l, struct vm_vcpu, lapic);
}

static void on_wake(struct lapic *l)
{
	vcpu_wake(owner(l)->run);
}

static void on_eoi(struct lapic *l, uint8_t vector)
{
	platform_eoi(owner(l)->vm->platform, vector);
}

/* A deadline within this stay ends it. */
void vm_stay_until(struct vm_vcpu *v, uint64_t tsc)
{
	uint64_t now = tsc_now();

	if (tsc >= v->stay_end)
		return;
	v->stay_end = tsc;
	vm_set_preemption(v, tsc > now ? tsc - now : 0);
}

static void on_armed(struct lapic *l, uint64_t tsc)
{
	vm_stay_until(owner(l), tsc);
}

/* To all that @m hits; of a lowest-priority one to the first. */
static void deliver(struct vm *vm, const struct intr_message *m)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct lapic *l = &vm->vcpu[i].lapic;

		if (!lapic_is_hit(l, m))
			continue;
		lapic_accept(l, m);
		if (m->mode == INTR_LOWEST)
			return;
	}
}

static void on_send(struct lapic *from, const struct intr_message *m, enum lapic_shorthand to)
{
	struct vm *vm = owner(from)->vm;

	if (to == LAPIC_TO_DEST) {
		deliver(vm, m);
		return;
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct lapic *l = &vm->vcpu[i].lapic;

		if (to == LAPIC_TO_SELF ? l == from : to == LAPIC_TO_ALL || l != from)
			lapic_accept(l, m);
	}
}

static void on_message(void *ctx, const struct intr_message *m)
{
	deliver(ctx, m);
}

static void on_pic(void *ctx, bool asserted)
{
	struct vm *vm = ctx;

	if (asserted)
		lapic_event(&vm->vcpu[0].lapic, LAPIC_EXTINT);
	else
		lapic_event_off(&vm->vcpu[0].lapic, LAPIC_EXTINT);
}

static const struct lapic_ops lapic_ops = {
	.wake = on_wake, .send = on_send, .eoi = on_eoi, .armed = on_armed,
};

void vm_interrupts_init(struct vm *vm)
{
	const struct intr_sink sink = { .deliver = on_message, .pic = on_pic, .ctx = vm };

	for (unsigned i = 0; i < vm->vcpu_count; i++)
		lapic_init(&vm->vcpu[i].lapic, &lapic_ops, i);
	platform_set_sink(vm->platform, &sink);
}

void vm_interrupts_fini(struct vm *vm)
{
	platform_set_sink(vm->platform, NULL);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpu[i].lapic.ops)
			lapic_fini(&vm->vcpu[i].lapic);
}

/* ---- into the guest ---- */

static bool extint_waits(const struct lapic *l)
{
	return (lapic_events(l) & LAPIC_EXTINT) && lapic_lets_extint(l);
}

static bool interrupt_waits(const struct lapic *l)
{
	return extint_waits(l) || lapic_pending(l) >= 0;
}

static bool may_interrupt(void)
{
	return (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_STI_OR_MOV_SS);
}

static void inject(unsigned type, unsigned vector)
{
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, INTR_INFO_VALID | type << 8 | vector);
}

static void inject_interrupt(struct vm_vcpu *v)
{
	struct lapic *l = &v->lapic;
	uint8_t vector;

	if (extint_waits(l)) {
		lapic_event_off(l, LAPIC_EXTINT);
		vector = platform_pic_acknowledge(v->vm->platform);
	} else {
		vector = (uint8_t)lapic_pending(l);
		lapic_taken(l, vector);
	}
	inject(INTR_TYPE_EXTERNAL, vector);
}

static bool inject_nmi(struct vm_vcpu *v)
{
	if (vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_NMI | BLOCKED_BY_STI_OR_MOV_SS))
		return false;
	lapic_event_off(&v->lapic, LAPIC_NMI);
	inject(INTR_TYPE_NMI, VECTOR_NMI);
	return true;
}

static void set_windows(struct vm_vcpu *v, uint32_t windows)
{
	if (likely(v->windows == windows))
		return;
	v->windows = windows;
	vmcs_write(VMCS_PROC_BASED_CONTROLS,
		   v->vm->controls.value[VMX_CTL_PROC] | vm_debug_controls(v) | windows);
}

void vm_inject(struct vm_vcpu *v)
{
	bool virtual_nmi = (v->vm->controls.value[VMX_CTL_PIN] & PIN_VIRTUAL_NMI) != 0;
	bool taken = (vmcs_read(VMCS_ENTRY_INTERRUPTION_INFO) & INTR_INFO_VALID) != 0;
	uint32_t windows = 0;

	lapic_pull(&v->lapic);
	if (unlikely(v->stepping)) { /* one instruction, not one of a handler */
		set_windows(v, 0);
		return;
	}
	if (unlikely(__atomic_load_n(&v->machine_check, __ATOMIC_ACQUIRE)) && !taken) {
		__atomic_store_n(&v->machine_check, 0, __ATOMIC_RELEASE);
		inject(INTR_TYPE_HW_EXCEPTION, VECTOR_MC);
		taken = true;
	}
	if (unlikely(lapic_events(&v->lapic) & LAPIC_NMI)) {
		if (!taken && inject_nmi(v))
			taken = true;
		else if (virtual_nmi)
			windows |= PROC_NMI_WINDOW;
	}
	if (interrupt_waits(&v->lapic)) {
		if (!taken && may_interrupt()) {
			inject_interrupt(v);
			taken = true;
		}
		if (interrupt_waits(&v->lapic))
			windows |= PROC_INTERRUPT_WINDOW;
	}
	set_windows(v, windows);
}

int vm_inject_event(struct vm *vm, unsigned vcpu, enum vm_event event, uint8_t vector)
{
	const struct intr_message m = { .vector = vector, .mode = INTR_FIXED };
	struct vm_vcpu *v = &vm->vcpu[vcpu];

	if (event == VM_EVENT_IRQ && vector < VECTOR_FIRST)
		return -EINVAL;
	if (event == VM_EVENT_IRQ)
		lapic_accept(&v->lapic, &m);
	else if (event == VM_EVENT_NMI)
		lapic_event(&v->lapic, LAPIC_NMI);
	else
		__atomic_store_n(&v->machine_check, 1, __ATOMIC_RELEASE);
	vcpu_wake(v->run);
	return 0;
}

/* ---- sleeping and starting ---- */

/* Something would wake a vCPU that halted, with interrupts on (@open) or off. */
static bool wakes(struct vm_vcpu *v, bool open)
{
	lapic_pull(&v->lapic);
	if ((lapic_events(&v->lapic) & (LAPIC_NMI | LAPIC_INIT)) ||
	    __atomic_load_n(&v->machine_check, __ATOMIC_ACQUIRE))
		return true;
	return open && interrupt_waits(&v->lapic);
}

/* Nobody is left who could wake another. */
static bool all_halted(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		enum vm_sleep s = __atomic_load_n(&vm->vcpu[i].sleep, __ATOMIC_SEQ_CST);

		if (s != SLEEP_CLOSED && s != SLEEP_STARTUP)
			return false;
	}
	return true;
}

enum exit_action exit_hlt(struct vm_vcpu *v)
{
	bool open = (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF) != 0;

	skip_instruction(v);
	vcpu_take_requests(v->run, VCPU_REQ_EVENT);
	if (wakes(v, open))
		return EXIT_CHECK;
	__atomic_store_n(&v->sleep, open ? SLEEP_OPEN : SLEEP_CLOSED, __ATOMIC_SEQ_CST);
	if (!open && all_halted(v->vm))
		return leave(v, RUN_STOPPED, "halted");
	v->run->wake_tsc = WAKE_NEVER;
	v->outcome = RUN_WAIT;
	return EXIT_LEAVE;
}

/* INIT: the first vCPU starts anew, others wait for a start-up. */
static void take_init(struct vm_vcpu *v)
{
	lapic_event_off(&v->lapic, LAPIC_INIT | LAPIC_NMI);
	lapic_reset(&v->lapic);
	v->configured = false;
	v->start = (struct start_state){ .mode = v->index ? START_WAIT : START_REAL,
					 .rip = RESET_RIP };
	__atomic_store_n(&v->sleep, v->index ? SLEEP_STARTUP : SLEEP_NOT, __ATOMIC_SEQ_CST);
}

static void take_startup(struct vm_vcpu *v)
{
	uint8_t vector = __atomic_load_n(&v->lapic.startup_vector, __ATOMIC_ACQUIRE);

	lapic_event_off(&v->lapic, LAPIC_STARTUP);
	if (v->sleep != SLEEP_STARTUP)
		return; /* the second of the two that software sends */
	v->start = (struct start_state){ .mode = START_SIPI, .rip = vector };
	__atomic_store_n(&v->sleep, SLEEP_NOT, __ATOMIC_SEQ_CST);
}

bool vm_may_run(struct vm_vcpu *v)
{
	vcpu_take_requests(v->run, VCPU_REQ_EVENT);

	uint32_t events = lapic_events(&v->lapic);

	if (unlikely(events & LAPIC_INIT))
		take_init(v);
	if (unlikely(events & LAPIC_STARTUP))
		take_startup(v);
	if (v->sleep == SLEEP_NOT)
		return true;
	if (v->sleep == SLEEP_STARTUP || !wakes(v, v->sleep == SLEEP_OPEN))
		return false;
	__atomic_store_n(&v->sleep, SLEEP_NOT, __ATOMIC_SEQ_CST);
	return true;
}
