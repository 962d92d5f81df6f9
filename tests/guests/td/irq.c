/*
 * irq.c - a trust domain that lives on interrupts: self-IPIs, priorities, the local APIC's timer in
 * each mode, HLT in each way, IPIs and NMIs between vCPUs, and state that must survive all of it.
 *
 * Each step is one line "ok   WHAT" or "FAIL WHAT". vCPU 0 leads; others wait for interrupts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

enum {
	X2_TPR = 0x808,
	X2_PPR = 0x80a,
	X2_ICR = 0x830,
	X2_LVT_TIMER = 0x832,
	X2_INITIAL = 0x838,
	X2_CURRENT = 0x839,
	X2_DIVIDE = 0x83e,
	X2_SELF_IPI = 0x83f,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_XSS = 0xda0,
};
#define VEC_LOW     0x40
#define VEC_HIGH    0x80
#define VEC_TIMER   0x90
#define VEC_OTHER   0xa0 /* from vCPU 0 to the others */
#define VEC_NMI     2
#define VEC_UD      6
#define LVT_MASKED  BIT64(16)
#define PERIODIC    BIT64(17)
#define DEADLINE    BIT64(18)
#define DIVIDE_BY_1 0xb
#define CRYSTAL_HZ  25000000
#define ICR_NMI     0x400
#define ICR_OTHERS  0xc0000
#define ICR_LOGICAL 0x800
#define FRESH       UINT64_C(0x01000000) /* never touched: shared pages, each a stack once */
#define UD2_BYTES   2

static volatile uint32_t low, high, timer, other, nmi, order, low_at, high_at, awake;
static volatile uint64_t last_tsc;
static volatile bool send_high, fault_inside;
static volatile uint32_t undefined;
static uint64_t fresh = FRESH;
static uint64_t tsc_hz;

static void on_high(struct td_frame *f)
{
	(void)f;
	last_tsc = read_tsc();
	high++;
	high_at = ++order;
}

/*
 * The end of a shared page that the host has not mapped yet: what is pushed there first meets an EPT
 * violation in the middle of its delivery.
 */
static void *fresh_stack(void)
{
	uint64_t shared = BIT64(td_info().width - 1), at = fresh, next;

	fresh += PAGE_SIZE;
	if (vmcall(VMCALL_MAP_GPA, at | shared, PAGE_SIZE, 0, 0, &next))
		td_fatal("irq: a page would not be shared");
	return (char *)map_shared(at) + PAGE_SIZE;
}

static void on_undefined(struct td_frame *f)
{
	undefined++;
	f->rip += UD2_BYTES;
}

static void on_low(struct td_frame *f)
{
	(void)f;
	if (fault_inside) { /* an exception of the handler, cut short as well */
		fault_inside = false;
		undefined_at(fresh_stack());
	}
	if (send_high) { /* a higher one may come between */
		send_high = false;
		write_msr(X2_SELF_IPI, VEC_HIGH);
		irq_enable();
		irq_disable();
	}
	low++;
	low_at = ++order;
}

static void on_timer(struct td_frame *f)
{
	(void)f;
	last_tsc = read_tsc();
	timer++;
}

static void on_other(struct td_frame *f)
{
	(void)f;
	__atomic_fetch_add(&other, 1, __ATOMIC_SEQ_CST);
}

static void on_nmi(struct td_frame *f)
{
	(void)f;
	__atomic_fetch_add(&nmi, 1, __ATOMIC_SEQ_CST);
}

static bool host_write(uint32_t msr, uint64_t value)
{
	return vmcall(VMCALL_WRMSR, msr, value, 0, 0, NULL) == 0;
}

static uint64_t host_read(uint32_t msr)
{
	uint64_t value = 0;

	(void)vmcall(VMCALL_RDMSR, msr, 0, 0, 0, &value);
	return value;
}

static bool spin_until(volatile uint32_t *count, uint32_t least, uint64_t ms)
{
	uint64_t end = read_tsc() + tsc_hz / 1000 * ms;

	while (*count < least && read_tsc() < end)
		__builtin_ia32_pause();
	return *count >= least;
}

/* ---- the CPU's own virtual APIC ---- */

static void self_ipis(void)
{
	write_msr(X2_SELF_IPI, VEC_LOW);
	td_check(low == 0, "a self-IPI waits while interrupts are off");
	irq_enable();
	irq_disable();
	td_check(low == 1, "and comes when they are on");

	write_msr(X2_SELF_IPI, VEC_LOW);
	write_msr(X2_SELF_IPI, VEC_HIGH);
	irq_enable();
	irq_disable();
	td_check(low == 2 && high == 1 && high_at < low_at, "the higher one of two comes first");

	send_high = true;
	write_msr(X2_SELF_IPI, VEC_LOW);
	irq_enable();
	irq_disable();
	td_check(low == 3 && high == 2 && high_at < low_at, "a higher one comes within a lower one");

	write_msr(X2_TPR, 0x50);
	td_check(read_msr(X2_PPR) == 0x50, "PPR follows TPR");
	write_msr(X2_SELF_IPI, VEC_LOW);
	irq_enable();
	irq_disable();
	td_check(low == 3, "TPR keeps a lower one back");
	write_msr(X2_TPR, 0);
	irq_enable();
	irq_disable();
	td_check(low == 4, "until it is lowered");
}

/* The host's way: posted, with the guest's interrupts off and on. */
static void posted(void)
{
	uint64_t start;

	td_check(host_write(X2_SELF_IPI, VEC_LOW) && low == 4, "a posted one waits");
	irq_enable();
	irq_disable();
	td_check(low == 5, "and comes");
	td_check(host_write(X2_ICR, VEC_HIGH | UINT64_C(0x40000)), "the host takes an ICR write");
	irq_enable();
	irq_disable();
	td_check(high == 3, "to self");

	write_msr(X2_TPR, 0x50);
	td_check(host_write(X2_SELF_IPI, VEC_LOW), "one is posted below the priority");
	irq_enable();
	irq_disable();
	td_check(low == 5, "it waits");
	write_msr(X2_TPR, 0);
	irq_enable();
	irq_disable();
	td_check(low == 6, "it comes later");

	irq_enable();
	(void)read_tsc();
	start = read_tsc();
	(void)host_write(X2_SELF_IPI, VEC_HIGH);
	irq_disable();
	print("irq: one virtual interrupt: %lu ticks from TDVMCALL to handler\n", last_tsc - start);
	td_check(high == 4, "one comes as the TDVMCALL returns");
}

/*
 * A delivery that the host's own faults cut short is made good: the same event, once, whatever event
 * came before it.
 */
static void cut_short(void)
{
	uint32_t out[4], before = low;
	void *stack = fresh_stack();

	cpuid_leaf(0x40000000, 0, out); /* #VE: the event before */
	write_msr(X2_SELF_IPI, VEC_LOW);
	irq_window_at(stack);
	td_check(low == before + 1, "a self-IPI whose delivery was cut short comes once");

	stack = fresh_stack();
	cpuid_leaf(0x40000000, 0, out);
	(void)host_write(X2_SELF_IPI, VEC_LOW);
	irq_window_at(stack);
	td_check(low == before + 2, "a posted one likewise");

	undefined_at(fresh_stack());
	td_check(undefined == 1, "an exception likewise");

	fault_inside = true;
	write_msr(X2_SELF_IPI, VEC_LOW);
	irq_enable();
	irq_disable();
	td_check(low == before + 3 && undefined == 2, "and one within a handler");

	write_msr(X2_SELF_IPI, VEC_LOW);
	irq_enable();
	irq_disable();
	td_check(low == before + 4, "nothing is left in service");
}

/* ---- timers ---- */

static uint64_t us(uint64_t from, uint64_t to) { return (to - from) * 1000 / (tsc_hz / 1000); }

static bool near(uint64_t value, uint64_t wanted) { return value >= wanted && value < wanted * 3 + 3000; }

static void one_shot(void)
{
	uint64_t start, left;

	timer = 0;
	td_check(host_write(X2_DIVIDE, DIVIDE_BY_1) && host_write(X2_LVT_TIMER, VEC_TIMER),
		 "set the timer up");
	start = read_tsc();
	(void)host_write(X2_INITIAL, CRYSTAL_HZ / 1000 * 5);
	left = host_read(X2_CURRENT);
	td_check(left > 0 && left <= CRYSTAL_HZ / 1000 * 5, "its count goes down");
	irq_enable();
	td_check(spin_until(&timer, 1, 2000), "a one-shot timer ends a loop without exits");
	irq_disable();
	print("     5 ms took %lu us\n", us(start, last_tsc));
	td_check(near(us(start, last_tsc), 5000), "after its time");
	td_check(host_read(X2_CURRENT) == 0, "its count is 0 then");

	(void)host_write(X2_LVT_TIMER, VEC_TIMER | LVT_MASKED);
	(void)host_write(X2_INITIAL, 1000);
	irq_enable();
	td_check(!spin_until(&timer, 2, 10), "a masked timer stays silent");
	irq_disable();
}

static void periodic(void)
{
	uint64_t start = read_tsc();
	uint32_t after;

	timer = 0;
	(void)host_write(X2_LVT_TIMER, VEC_TIMER | PERIODIC);
	(void)host_write(X2_INITIAL, CRYSTAL_HZ / 1000 * 2);
	while (timer < 5)
		wait_interrupt();
	print("     5 periods of 2 ms took %lu us\n", us(start, last_tsc));
	td_check(near(us(start, last_tsc), 10000), "a periodic timer ends HLT each time");
	(void)host_write(X2_INITIAL, 0);
	irq_enable();
	after = timer;
	td_check(!spin_until(&timer, after + 2, 10), "a count of 0 stops it");
	irq_disable();
}

static void deadline(void)
{
	uint64_t at;

	timer = 0;
	(void)host_write(X2_LVT_TIMER, VEC_TIMER | DEADLINE);
	at = read_tsc() + tsc_hz / 20; /* further than a neighbour's time slice */
	td_check(host_write(MSR_TSC_DEADLINE, at), "a TSC deadline is taken");
	td_check(host_read(MSR_TSC_DEADLINE) == at, "and read back");
	while (!timer)
		wait_interrupt();
	td_check(last_tsc >= at, "it does not come early");
	print("     %lu us after its deadline\n", us(at, last_tsc));
	td_check(host_read(MSR_TSC_DEADLINE) == 0, "then it is 0");
	(void)host_write(MSR_TSC_DEADLINE, read_tsc() - 1);
	irq_enable();
	td_check(spin_until(&timer, 2, 1000), "one that has passed comes at once");
	(void)host_write(MSR_TSC_DEADLINE, read_tsc() + tsc_hz / 100);
	(void)host_write(MSR_TSC_DEADLINE, 0);
	td_check(!spin_until(&timer, 3, 20), "0 cancels");
	irq_disable();
	(void)host_write(X2_LVT_TIMER, LVT_MASKED);
}

/* ---- HLT ---- */

static void halts(void)
{
	uint64_t start;

	timer = 0;
	(void)host_write(X2_SELF_IPI, VEC_LOW);
	(void)vmcall(VMCALL_HLT, 0, 0, 0, 0, NULL);
	td_check(true, "HLT returns at once when one is posted");
	(void)vmcall(VMCALL_HLT, 0, 0, 0, 0, NULL);
	td_check(true, "and when one waits in the virtual APIC");
	irq_enable();
	irq_disable();

	(void)host_write(X2_LVT_TIMER, VEC_TIMER);
	start = read_tsc();
	(void)host_write(X2_INITIAL, CRYSTAL_HZ / 1000 * 20);
	(void)vmcall(VMCALL_HLT, 0, 0, 0, 0, NULL); /* as Linux idles: flag off, not blocked */
	td_check(us(start, read_tsc()) >= 20000, "HLT with the flag off sleeps till the timer");
	irq_enable();
	irq_disable();
	td_check(timer == 1, "whose interrupt comes with STI");
	(void)host_write(X2_LVT_TIMER, LVT_MASKED);
}

/* ---- state ---- */

static void state(void)
{
	static const uint8_t load[] = { 0xc5, 0xfc, 0x10, 0x06 };  /* vmovups ymm0, [rsi] */
	static const uint8_t store[] = { 0xc5, 0xfc, 0x11, 0x07 }; /* vmovups [rdi], ymm0 */
	static const uint8_t set_dr[] = { 0x0f, 0x23, 0xc0 };      /* mov dr0, rax */
	static const uint8_t get_dr[] = { 0x0f, 0x21, 0xc0 };
	static const uint8_t set_cr4[] = { 0x0f, 0x22, 0xe0 };
	static const uint8_t get_cr4[] = { 0x0f, 0x20, 0xe0 };
	static const uint8_t set_xcr[] = { 0x0f, 0x01, 0xd1 };
	static const uint8_t get_xcr[] = { 0x0f, 0x01, 0xd0 };
	static uint64_t in[4] = { 0x1111, 0x2222, 0x3333, 0x4444 }, out[4];
	struct td_probe r = { 0 };

	(void)td_probe(get_cr4, 3, &r, false);
	r.rax |= BIT64(18) | BIT64(9); /* OSXSAVE, OSFXSR */
	td_check(!td_probe(set_cr4, 3, &r, false).any, "switch XSAVE on");
	r = (struct td_probe){ .rax = 7 };
	if (!td_probe(set_xcr, 3, &r, false).any) {
		r = (struct td_probe){ .rsi = (uint64_t)(uintptr_t)in, .rdi = (uint64_t)(uintptr_t)out };
		td_check(!td_probe(load, 4, &r, false).any, "load YMM0");
		(void)host_write(X2_LVT_TIMER, VEC_TIMER);
		(void)host_write(X2_INITIAL, CRYSTAL_HZ / 1000 * 20);
		(void)vmcall(VMCALL_HLT, 0, 0, 0, 0, NULL); /* another vCPU or the host runs */
		irq_enable();
		irq_disable();
		r = (struct td_probe){ .rsi = (uint64_t)(uintptr_t)in, .rdi = (uint64_t)(uintptr_t)out };
		(void)td_probe(store, 4, &r, false);
		print("     %lx %lx %lx %lx\n", out[0], out[1], out[2], out[3]);
		td_check(out[0] == in[0] && out[1] == in[1] && out[2] == in[2] && out[3] == in[3],
			 "YMM0 survives a sleep");
		r = (struct td_probe){ 0 };
		(void)td_probe(get_xcr, 3, &r, false);
		td_check((uint32_t)r.rax == 7, "and XCR0");
	}
	r = (struct td_probe){ .rax = 0x123456 };
	(void)td_probe(set_dr, 3, &r, false);
	(void)vmcall(VMCALL_GET_INFO, 0, 0, 0, 0, NULL);
	r.rax = 0;
	(void)td_probe(get_dr, 3, &r, false);
	td_check(r.rax == 0x123456, "DR0 survives an exit");
}

/* ---- other vCPUs ---- */

static void others(uint32_t count)
{
	uint32_t rest = count - 1;

	if (!rest)
		return;
	td_check(spin_until(&awake, rest, 5000), "the other vCPUs are there");
	td_check(host_write(X2_ICR, VEC_OTHER | ICR_OTHERS) && spin_until(&other, rest, 5000),
		 "an IPI to all others wakes each");
	td_check(host_write(X2_ICR, UINT64_C(1) << 32 | VEC_OTHER) &&
			 spin_until(&other, rest + 1, 5000),
		 "an IPI to one id comes once");
	td_check(host_write(X2_ICR, UINT64_C(2) << 32 | ICR_LOGICAL | VEC_OTHER) &&
			 spin_until(&other, rest + 2, 5000),
		 "an IPI to a logical id comes once");
	td_check(!spin_until(&other, rest + 3, 10), "and none too many");
	td_check(host_write(X2_ICR, UINT64_C(1) << 32 | ICR_NMI) && spin_until(&nmi, 1, 5000),
		 "an NMI wakes one");
}

static NORETURN void serve(void)
{
	__atomic_fetch_add(&awake, 1, __ATOMIC_SEQ_CST);
	for (;;)
		wait_interrupt();
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	struct td_regs r = { .rdx = UINT64_C(0x111000010000000C) };
	struct td_info me = td_info();

	(void)boot_parameter, (void)width;
	td_on_interrupt(VEC_LOW, on_low);
	td_on_interrupt(VEC_HIGH, on_high);
	td_on_interrupt(VEC_TIMER, on_timer);
	td_on_interrupt(VEC_OTHER, on_other);
	td_on_interrupt(VEC_NMI, on_nmi);
	td_on_interrupt(VEC_UD, on_undefined);
	td_init();
	if (index)
		serve();
	if (tdcall(TDG_VM_RD, &r))
		td_fatal("irq: the TSC's rate");
	tsc_hz = r.r8 * CRYSTAL_HZ;
	print("irq: TSC of %lu MHz, %u vCPUs\n", tsc_hz / 1000000, me.vcpus);
	self_ipis();
	posted();
	cut_short();
	one_shot();
	periodic();
	deadline();
	halts();
	state();
	others(me.vcpus);
	if (td_failures())
		td_fatal("irq: failed");
	print("irq: all well\n");
	td_power_off();
}
