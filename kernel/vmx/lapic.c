/*
 * lapic.c - registers, priorities and inbox of a virtual local APIC.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/vmx/lapic_room.h"

#include <string.h>

#define SVR_ENABLE    BIT32(8)
#define SVR_WRITABLE  0x1ffu
#define ESR_SEND_ILLEGAL BIT32(5)
#define VERSION       0x00050014u /* 14h, six local vectors */
#define DFR_FLAT      0xffffffffu
#define FIRST_VECTOR  16

#define LVT_MASKED    BIT32(16)
#define LVT_MODE(v)   (((v) >> 8) & 7)
#define LVT_EXTINT    0x700u

#define ICR_VECTOR(v)    ((uint8_t)(v))
#define ICR_MODE(v)      ((uint8_t)((v) >> 8) & 7)
#define ICR_LOGICAL      BIT64(11)
#define ICR_ASSERT       BIT64(14)
#define ICR_LEVEL        BIT64(15)
#define ICR_SHORTHAND(v) ((enum lapic_shorthand)(((v) >> 18) & 3))
#define ICR_WRITABLE     (BITS64(63, 32) | BITS64(19, 18) | BITS64(15, 14) | BITS64(11, 0))

#define MSR_APIC_BASE    0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC       0x800u
#define APIC_BASE_FIXED  (LAPIC_GPA) /* it cannot be moved */

static const uint32_t lvt_writable[LVT_COUNT] = {
	[LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
	[LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

/* ---- sets of 256 vectors ---- */

static void set_bit(uint64_t *set, uint8_t v) { set[v / 64] |= BIT64(v % 64); }
static void clear_bit(uint64_t *set, uint8_t v) { set[v / 64] &= ~BIT64(v % 64); }
static bool test_bit(const uint64_t *set, uint8_t v) { return (set[v / 64] & BIT64(v % 64)) != 0; }

static int highest(const uint64_t *set)
{
	for (int i = 3; i >= 0; i--)
		if (set[i])
			return i * 64 + 63 - __builtin_clzll(set[i]);
	return -1;
}

/* ---- life ---- */

void lapic_reset(struct lapic *l)
{
	vtimer_cancel(&l->timer);
	memset(l->irr, 0, sizeof(l->irr));
	memset(l->isr, 0, sizeof(l->isr));
	memset(l->tmr, 0, sizeof(l->tmr));
	for (unsigned i = 0; i < 4; i++)
		__atomic_store_n(&l->inbox[i], 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		l->lvt[i] = LVT_MASKED;
	/* As firmware leaves it: the first CPU takes the 8259s' interrupts. */
	if (l->base & APIC_BASE_BSP)
		l->lvt[LVT_LINT0] = LVT_EXTINT;
	l->tpr = l->esr = l->divide = l->initial = 0;
	l->icr = l->deadline = l->period = 0;
	l->svr = 0xff;
	__atomic_store_n(&l->ldr, lapic_is_x2(l) ? lapic_x2_ldr(l) : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&l->dfr, DFR_FLAT, __ATOMIC_RELAXED);
}

void lapic_init(struct lapic *l, const struct lapic_ops *ops, uint32_t id)
{
	memset(l, 0, sizeof(*l));
	l->ops = ops;
	l->id = id;
	l->base = APIC_BASE_FIXED | APIC_BASE_ENABLE | (id == 0 ? APIC_BASE_BSP : 0);
	vtimer_init(&l->timer, lapic_timer_fired, l);
	lapic_reset(l);
}

void lapic_fini(struct lapic *l)
{
	vtimer_fini(&l->timer);
}

/* ---- senders ---- */

bool lapic_is_hit(const struct lapic *l, const struct intr_message *m)
{
	uint64_t base = __atomic_load_n(&l->base, __ATOMIC_RELAXED);
	uint32_t ldr = __atomic_load_n(&l->ldr, __ATOMIC_RELAXED);
	uint32_t dfr = __atomic_load_n(&l->dfr, __ATOMIC_RELAXED);

	if (!(base & APIC_BASE_ENABLE))
		return false;
	if (base & APIC_BASE_X2APIC)
		return intr_hits_x2apic(m, l->id);
	if (!m->logical)
		return m->dest == l->id || m->dest >= 0xff;
	if (dfr >> 28 == 0xf) /* flat */
		return (m->dest & (ldr >> 24)) != 0;
	return m->dest >> 4 == ldr >> 28 && (m->dest & (ldr >> 24) & 0xf) != 0;
}

void lapic_event(struct lapic *l, uint32_t event)
{
	__atomic_fetch_or(&l->events, event, __ATOMIC_SEQ_CST);
	l->ops->wake(l);
}

void lapic_event_off(struct lapic *l, uint32_t event)
{
	__atomic_fetch_and(&l->events, ~event, __ATOMIC_SEQ_CST);
}

static void post(struct lapic *l, uint8_t vector, bool level)
{
	uint64_t bit = BIT64(vector % 64);

	if (vector < FIRST_VECTOR)
		return;
	if (level)
		__atomic_fetch_or(&l->inbox_level[vector / 64], bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&l->inbox_level[vector / 64], ~bit, __ATOMIC_RELAXED);
	/* The one who finds the bit set need not wake: the vCPU has not looked yet. */
	if (!(__atomic_fetch_or(&l->inbox[vector / 64], bit, __ATOMIC_SEQ_CST) & bit))
		l->ops->wake(l);
}

void lapic_accept(struct lapic *l, const struct intr_message *m)
{
	switch (m->mode) {
	case INTR_FIXED:
	case INTR_LOWEST:
		post(l, m->vector, m->level);
		break;
	case INTR_NMI:
		lapic_event(l, LAPIC_NMI);
		break;
	case INTR_INIT:
		lapic_event(l, LAPIC_INIT);
		break;
	case INTR_STARTUP:
		__atomic_store_n(&l->startup_vector, m->vector, __ATOMIC_RELEASE);
		lapic_event(l, LAPIC_STARTUP);
		break;
	case INTR_EXTINT:
		lapic_event(l, LAPIC_EXTINT);
		break;
	default: /* no SMM here */
		break;
	}
}

/* ---- delivery ---- */

void lapic_pull(struct lapic *l)
{
	for (unsigned i = 0; i < 4; i++) {
		if (likely(!__atomic_load_n(&l->inbox[i], __ATOMIC_RELAXED)))
			continue;

		uint64_t came = __atomic_exchange_n(&l->inbox[i], 0, __ATOMIC_SEQ_CST);
		uint64_t level = __atomic_load_n(&l->inbox_level[i], __ATOMIC_RELAXED);

		if (!(l->svr & SVR_ENABLE))
			continue; /* switched off: nothing is accepted */
		l->irr[i] |= came;
		l->tmr[i] = (l->tmr[i] & ~came) | (level & came);
		l->accepted++;
	}
}

static uint32_t processor_priority(const struct lapic *l)
{
	int serving = highest(l->isr);
	uint32_t class = serving < 0 ? 0 : (uint32_t)serving & 0xf0;

	return (l->tpr & 0xf0) >= class ? l->tpr : class;
}

int lapic_pending(const struct lapic *l)
{
	int vector = highest(l->irr);

	if (vector < 0 || ((uint32_t)vector & 0xf0) <= (processor_priority(l) & 0xf0))
		return -1;
	return vector;
}

void lapic_taken(struct lapic *l, uint8_t vector)
{
	clear_bit(l->irr, vector);
	set_bit(l->isr, vector);
}

bool lapic_lets_extint(const struct lapic *l)
{
	if (!(l->base & APIC_BASE_ENABLE))
		return (l->base & APIC_BASE_BSP) != 0;
	return (l->lvt[LVT_LINT0] & (LVT_MASKED | LVT_EXTINT)) == LVT_EXTINT;
}

static void end_of_interrupt(struct lapic *l)
{
	int vector = highest(l->isr);

	if (vector < 0)
		return;
	clear_bit(l->isr, (uint8_t)vector);
	if (test_bit(l->tmr, (uint8_t)vector))
		l->ops->eoi(l, (uint8_t)vector);
}

/* ---- registers ---- */

static void send_ipi(struct lapic *l)
{
	uint64_t icr = l->icr;
	uint8_t mode = ICR_MODE(icr);
	const struct intr_message m = {
		.dest = lapic_is_x2(l) ? (uint32_t)(icr >> 32) : (uint32_t)(icr >> 56),
		.logical = (icr & ICR_LOGICAL) != 0,
		.mode = mode,
		.vector = ICR_VECTOR(icr),
	};

	if (mode == INTR_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
		return; /* the de-assert that only old CPUs knew */
	if (mode <= INTR_LOWEST && m.vector < FIRST_VECTOR) {
		l->esr |= ESR_SEND_ILLEGAL;
		return;
	}
	l->ops->send(l, &m, ICR_SHORTHAND(icr));
}

static void write_lvt(struct lapic *l, unsigned i, uint32_t v)
{
	uint32_t was = l->lvt[i];

	l->lvt[i] = v & lvt_writable[i];
	if (i == LVT_TIMER)
		lapic_timer_lvt(l, was);
}

static uint32_t vector_word(const uint64_t *set, unsigned index)
{
	return (uint32_t)(set[index / 2] >> (index % 2 * 32));
}

/* Register @reg: offset / 16 in memory, MSR - 800h. False: there is none to read. */
static bool read_register(struct lapic *l, unsigned reg, uint32_t *v)
{
	*v = 0;
	if (reg >= REG_ISR && reg < REG_ISR + 8)
		*v = vector_word(l->isr, reg - REG_ISR);
	else if (reg >= REG_TMR && reg < REG_TMR + 8)
		*v = vector_word(l->tmr, reg - REG_TMR);
	else if (reg >= REG_IRR && reg < REG_IRR + 8)
		*v = vector_word(l->irr, reg - REG_IRR);
	else if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT)
		*v = l->lvt[reg - REG_LVT];
	else
		switch (reg) {
		case REG_ID:
			*v = lapic_is_x2(l) ? l->id : l->id << 24;
			break;
		case REG_VERSION:
			*v = VERSION;
			break;
		case REG_TPR:
			*v = l->tpr;
			break;
		case REG_PPR:
			*v = processor_priority(l);
			break;
		case REG_LDR:
			*v = l->ldr;
			break;
		case REG_SVR:
			*v = l->svr;
			break;
		case REG_ESR:
			*v = l->esr;
			break;
		case REG_ICR_LOW:
			*v = (uint32_t)l->icr;
			break;
		case REG_INITIAL:
			*v = l->initial;
			break;
		case REG_CURRENT:
			*v = lapic_timer_count(l);
			break;
		case REG_DIVIDE:
			*v = l->divide;
			break;
		default:
			return false;
		}
	return true;
}

/* What both faces can write. False: no such register. */
static bool write_register(struct lapic *l, unsigned reg, uint32_t v)
{
	if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT) {
		write_lvt(l, reg - REG_LVT, v);
		return true;
	}
	switch (reg) {
	case REG_TPR:
		l->tpr = v & 0xff;
		break;
	case REG_EOI:
		end_of_interrupt(l);
		break;
	case REG_SVR:
		l->svr = v & SVR_WRITABLE;
		for (unsigned i = 0; !(v & SVR_ENABLE) && i < LVT_COUNT; i++)
			l->lvt[i] |= LVT_MASKED;
		break;
	case REG_ESR:
		l->esr = 0; /* what was collected would show now; nothing is kept but one bit */
		break;
	case REG_INITIAL:
		l->initial = v;
		lapic_timer_start(l);
		break;
	case REG_DIVIDE:
		l->divide = v & 0xb;
		break;
	default:
		return false;
	}
	return true;
}

uint32_t lapic_mmio_read(struct lapic *l, uint32_t offset)
{
	uint32_t v;
	unsigned reg = offset >> 4;

	if (offset & 0xc) /* registers are 16 bytes apart */
		return 0;
	if (reg == REG_DFR)
		return l->dfr;
	if (reg == REG_ICR_HIGH)
		return (uint32_t)(l->icr >> 32);
	(void)read_register(l, reg, &v);
	return v >> (offset & 3) * 8;
}

void lapic_mmio_write(struct lapic *l, uint32_t offset, uint32_t v)
{
	unsigned reg = offset >> 4;

	if (offset & 0xf)
		return;
	switch (reg) {
	case REG_LDR:
		__atomic_store_n(&l->ldr, v & 0xff000000, __ATOMIC_RELAXED);
		break;
	case REG_DFR:
		__atomic_store_n(&l->dfr, v | 0x0fffffff, __ATOMIC_RELAXED);
		break;
	case REG_ICR_HIGH:
		l->icr = (l->icr & BITS64(31, 0)) | (uint64_t)(v & 0xff000000) << 32;
		break;
	case REG_ICR_LOW:
		l->icr = (l->icr & BITS64(63, 32)) | (v & ICR_WRITABLE);
		send_ipi(l);
		break;
	default:
		(void)write_register(l, reg, v); /* others are read-only, and ignored */
		break;
	}
}

/* SDM: "x2APIC State Transitions": off, xAPIC, x2APIC; from x2APIC only to off. */
static bool write_base(struct lapic *l, uint64_t v)
{
	const uint64_t modes = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	uint64_t from = l->base & modes, to = v & modes;

	if ((v & ~modes) != (APIC_BASE_FIXED | (l->base & APIC_BASE_BSP)) || to == APIC_BASE_X2APIC)
		return false;
	if ((from == modes && to == APIC_BASE_ENABLE) || (from == 0 && to == modes))
		return false;
	__atomic_store_n(&l->base, v, __ATOMIC_RELAXED);
	if (!to)
		lapic_reset(l);
	if (to == modes && from != modes)
		__atomic_store_n(&l->ldr, lapic_x2_ldr(l), __ATOMIC_RELAXED);
	return true;
}

bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value)
{
	uint32_t low;

	if (msr == MSR_APIC_BASE) {
		*value = l->base;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = lapic_timer_deadline(l);
		return true;
	}
	if (!lapic_is_x2(l))
		return false;
	if (msr - MSR_X2APIC == REG_ICR_LOW) {
		*value = l->icr;
		return true;
	}
	if (!read_register(l, msr - MSR_X2APIC, &low))
		return false;
	*value = low;
	return true;
}

static bool write_x2(struct lapic *l, unsigned reg, uint64_t v)
{
	if (reg == REG_ICR_LOW) {
		l->icr = v & ICR_WRITABLE;
		send_ipi(l);
		return true;
	}
	if (v >> 32)
		return false;
	if (reg == REG_SELF_IPI) {
		post(l, (uint8_t)v, false);
		return true;
	}
	if ((reg == REG_EOI || reg == REG_ESR) && v)
		return false;
	return write_register(l, reg, (uint32_t)v);
}

bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value)
{
	if (msr == MSR_APIC_BASE)
		return write_base(l, value);
	if (msr == MSR_TSC_DEADLINE) {
		lapic_timer_set_deadline(l, value);
		return true;
	}
	return lapic_is_x2(l) && write_x2(l, msr - MSR_X2APIC, value);
}

uint32_t lapic_cr8(const struct lapic *l)
{
	return l->tpr >> 4;
}

void lapic_set_cr8(struct lapic *l, uint32_t cr8)
{
	l->tpr = (cr8 & 0xf) << 4;
}
