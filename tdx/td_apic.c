/*
 * td_apic.c - the registers of td_apic.h, one table row each.
 *
 * Invariants
 *   - Values that the guest writes are cut to the bits a register has; nothing of them is an index.
 *   - The timer's fields change under apic->lock only; interrupts are posted without it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/td_apic.h"

#include "kernel/base/log.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"
#include "tdx/td_interrupt.h"

enum {
	X2_ID = 0x802,
	X2_VERSION = 0x803,
	X2_LDR = 0x80d,
	X2_SPURIOUS = 0x80f,
	X2_ESR = 0x828,
	X2_LVT_CMCI = 0x82f,
	X2_ICR = 0x830,
	X2_LVT_TIMER = 0x832,
	X2_LVT_ERROR = 0x837,
	X2_INITIAL = 0x838,
	X2_CURRENT = 0x839,
	X2_DIVIDE = 0x83e,
	X2_SELF_IPI = 0x83f,
	MSR_TSC_DEADLINE = 0x6e0,
};

#define VERSION        UINT64_C(0x50014) /* 14h, six LVT entries after the first */
#define SPURIOUS_RESET 0xff
#define SPURIOUS_BITS  0x13ff
#define LVT_MASKED     BIT32(16)
#define LVT_BITS       UINT32_C(0x7f7ff)
#define LVT_VECTOR(l)  ((uint8_t)(l))
#define DIVIDE_BITS    0xb
#define MIN_PERIOD_US  100 /* a faster beat would leave no time for anybody */

/* LVT timer, bits 18:17. */
enum timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };
#define LVT_MODE(l) ((l) >> 17 & 3)

#define ICR_VECTOR(i)    ((uint8_t)(i))
#define ICR_MODE(i)      ((unsigned)((i) >> 8 & 7))
#define ICR_LOGICAL      BIT64(11)
#define ICR_SHORTHAND(i) ((unsigned)((i) >> 18 & 3))
#define ICR_DEST(i)      ((uint32_t)((i) >> 32))
#define ICR_BITS         (BITS64(63, 32) | BITS64(19, 18) | BIT64(15) | BIT64(14) | BITS64(11, 0))
#define DEST_ALL         UINT32_MAX

enum icr_mode { ICR_FIXED = 0, ICR_LOWEST = 1, ICR_NMI = 4 };
enum icr_shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

#define LVT_TIMER(a) ((a)->lvt[1])

/* ---- clocks ---- */

/* @x * @mul / @div, where @mul and @div are below 2^34. */
static uint64_t scale(uint64_t x, uint64_t mul, uint64_t div)
{
	uint64_t whole = x / div, rest = x % div;

	if (whole && mul > UINT64_MAX / whole)
		return UINT64_MAX;
	return whole * mul + rest * mul / div;
}

static uint64_t tsc_hz_of(const struct td *td)
{
	return (uint64_t)td->params.tsc_frequency * TSC_FREQUENCY_UNIT_HZ;
}

int td_apic_clock(struct td *td)
{
	const struct {
		uint64_t field, *value;
	} reads[] = {
		{ MD_TD_TSC_MULTIPLIER, &td->tsc_multiplier },
		{ MD_TD_TSC_OFFSET, &td->tsc_offset },
	};

	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		tdx_status_t st = TDX_RETRY(tdh_mng_rd(td->tdr, reads[i].field, reads[i].value));

		if (!tdx_ok(st))
			return td_refused(td, "TDH.MNG.RD of the TSC's rate", st);
	}
	return 0;
}

/* The TD's TSC when the host's reads @tsc. */
static uint64_t guest_tsc(const struct td *td, uint64_t tsc)
{
	return (uint64_t)((unsigned __int128)tsc * td->tsc_multiplier >> 48) + td->tsc_offset;
}

/* The host's TSC when the TD's reaches @deadline. */
static uint64_t host_deadline(const struct td *td, uint64_t deadline)
{
	uint64_t now = tsc_now(), there = guest_tsc(td, now), wait;

	if (deadline <= there)
		return now;
	wait = scale(deadline - there, tsc_hz(), tsc_hz_of(td));
	return wait < UINT64_MAX / 2 ? now + wait : VTIMER_NEVER - 1;
}

static unsigned divisor(const struct td_apic *a)
{
	unsigned code = (a->divide & 3) | (a->divide >> 1 & 4);

	return code == 7 ? 1 : 2u << code;
}

static uint64_t count_to_ticks(const struct td_apic *a, uint64_t count)
{
	return scale(count * divisor(a), tsc_hz(), TSC_FREQUENCY_UNIT_HZ);
}

static uint32_t ticks_to_count(const struct td_apic *a, uint64_t ticks)
{
	return (uint32_t)(scale(ticks, TSC_FREQUENCY_UNIT_HZ, tsc_hz()) / divisor(a));
}

/* ---- timer ---- */

static void stand(struct td_apic *a)
{
	a->expires = a->period = 0;
	vtimer_cancel(&a->timer);
}

static void start(struct td_apic *a, uint64_t expires, uint64_t period)
{
	a->expires = expires;
	a->period = period;
	vtimer_arm(&a->timer, expires);
}

/* A period that was slept through is not made up for: one interrupt, the next at its time. */
static void next_period(struct td_apic *a)
{
	uint64_t now = tsc_now(), next = a->expires + a->period;

	if (next <= now)
		next = now + a->period - (now - a->expires) % a->period;
	start(a, next, a->period);
}

static void on_timer(void *ctx)
{
	struct td_vcpu *v = ctx;
	struct td_apic *a = &v->apic;
	uint32_t lvt;
	bool due;

	spin_lock(&a->lock);
	lvt = LVT_TIMER(a);
	due = a->expires && tsc_now() >= a->expires;
	if (due && a->period) {
		next_period(a);
	} else if (due) {
		a->expires = 0;
		a->tsc_deadline = 0;
	}
	spin_unlock(&a->lock);
	if (!due || (lvt & LVT_MASKED))
		return;
	a->fired++;
	(void)td_vcpu_post(v, LVT_VECTOR(lvt));
}

/* The timer's period as its registers say; 0: it fires once. */
static uint64_t period_of(const struct td_apic *a)
{
	uint64_t ticks = count_to_ticks(a, a->initial), least = tsc_hz() / 1000000 * MIN_PERIOD_US;

	if (LVT_MODE(LVT_TIMER(a)) != TIMER_PERIODIC)
		return 0;
	return ticks > least ? ticks : least;
}

static void write_initial(struct td_apic *a, uint32_t count)
{

	if (LVT_MODE(LVT_TIMER(a)) == TIMER_DEADLINE)
		return; /* as the SDM says: ignored in this mode */
	a->initial = count;
	if (count)
		start(a, tsc_now() + count_to_ticks(a, count), period_of(a));
	else
		stand(a);
}

static uint32_t read_current(const struct td_apic *a)
{
	uint64_t now = tsc_now();

	if (LVT_MODE(LVT_TIMER(a)) == TIMER_DEADLINE || a->expires <= now)
		return 0;
	return ticks_to_count(a, a->expires - now);
}

static void write_deadline(struct td_vcpu *v, uint64_t deadline)
{
	struct td_apic *a = &v->apic;

	if (LVT_MODE(LVT_TIMER(a)) != TIMER_DEADLINE)
		return;
	a->tsc_deadline = deadline;
	if (deadline)
		start(a, host_deadline(v->td, deadline), 0);
	else
		stand(a);
}

static void write_lvt(struct td_apic *a, unsigned index, uint32_t value)
{
	uint32_t was = a->lvt[index];

	a->lvt[index] = value & LVT_BITS;
	if (index != 1)
		return;
	/* Into TSC-deadline mode or out of it, the timer stands. */
	if ((LVT_MODE(was) == TIMER_DEADLINE) != (LVT_MODE(value) == TIMER_DEADLINE)) {
		stand(a);
		a->tsc_deadline = 0;
		a->initial = 0;
	} else if (a->expires) {
		a->period = period_of(a);
	}
}

/* ---- interrupts to others ---- */

static uint32_t logical_id(unsigned index) { return BIT32(index % 16) | (index / 16) << 16; }

static bool is_meant(const struct td_vcpu *from, unsigned index, uint64_t icr)
{
	uint32_t dest = ICR_DEST(icr), mine = logical_id(index);

	switch ((enum icr_shorthand)ICR_SHORTHAND(icr)) {
	case TO_SELF:
		return index == from->index;
	case TO_ALL:
		return true;
	case TO_OTHERS:
		return index != from->index;
	case TO_DEST:
	default:
		break;
	}
	if (dest == DEST_ALL)
		return true;
	if (icr & ICR_LOGICAL)
		return dest >> 16 == mine >> 16 && (dest & mine & UINT16_MAX);
	return dest == index;
}

/* INIT and start-up IPIs mean nothing to a TD's vCPUs; SMI and the rest cannot reach them. */
static void send(struct td_vcpu *from, uint64_t icr)
{
	unsigned mode = ICR_MODE(icr);

	for (unsigned i = 0; i < from->td->vcpu_count; i++) {
		struct td_vcpu *to = &from->td->vcpus[i];

		if (!is_meant(from, i, icr))
			continue;
		if (mode == ICR_NMI)
			td_vcpu_post_nmi(to);
		else if (mode == ICR_FIXED || mode == ICR_LOWEST)
			(void)td_vcpu_post(to, ICR_VECTOR(icr));
		from->apic.ipis++;
		if (mode == ICR_LOWEST)
			break;
	}
}

/* ---- registers ---- */

bool td_apic_read(struct td_vcpu *v, uint32_t msr, uint64_t *value)
{
	struct td_apic *a = &v->apic;
	bool known = true;

	spin_lock(&a->lock);
	switch (msr) {
	case X2_ID:
		*value = v->index;
		break;
	case X2_VERSION:
		*value = VERSION;
		break;
	case X2_LDR:
		*value = logical_id(v->index);
		break;
	case X2_SPURIOUS:
		*value = a->spurious;
		break;
	case X2_ESR:
		*value = 0;
		break;
	case X2_ICR:
		*value = a->icr;
		break;
	case X2_LVT_CMCI:
		*value = a->lvt[0];
		break;
	case X2_LVT_TIMER ... X2_LVT_ERROR:
		*value = a->lvt[1 + msr - X2_LVT_TIMER];
		break;
	case X2_INITIAL:
		*value = a->initial;
		break;
	case X2_CURRENT:
		*value = read_current(a);
		break;
	case X2_DIVIDE:
		*value = a->divide;
		break;
	case MSR_TSC_DEADLINE:
		*value = a->tsc_deadline;
		break;
	default:
		known = false;
		break;
	}
	spin_unlock(&a->lock);
	return known;
}

/* What only changes this APIC. */
static bool write_register(struct td_vcpu *v, uint32_t msr, uint64_t value)
{
	struct td_apic *a = &v->apic;

	switch (msr) {
	case X2_SPURIOUS:
		a->spurious = (uint32_t)value & SPURIOUS_BITS;
		return true;
	case X2_ESR: /* there are no errors to latch */
		return true;
	case X2_LVT_CMCI:
		write_lvt(a, 0, (uint32_t)value);
		return true;
	case X2_LVT_TIMER ... X2_LVT_ERROR:
		write_lvt(a, 1 + msr - X2_LVT_TIMER, (uint32_t)value);
		return true;
	case X2_INITIAL:
		write_initial(a, (uint32_t)value);
		return true;
	case X2_DIVIDE:
		a->divide = (uint32_t)value & DIVIDE_BITS;
		return true;
	case MSR_TSC_DEADLINE:
		write_deadline(v, value);
		return true;
	case X2_ICR:
		a->icr = value & ICR_BITS;
		return true;
	default:
		return msr == X2_SELF_IPI;
	}
}

bool td_apic_write(struct td_vcpu *v, uint32_t msr, uint64_t value)
{
	bool known;

	spin_lock(&v->apic.lock);
	known = write_register(v, msr, value);
	spin_unlock(&v->apic.lock);
	if (msr == X2_ICR)
		send(v, value);
	else if (msr == X2_SELF_IPI)
		(void)td_vcpu_post(v, (uint8_t)value);
	return known;
}

void td_apic_init(struct td_vcpu *v)
{
	struct td_apic *a = &v->apic;

	*a = (struct td_apic){ .spurious = SPURIOUS_RESET };
	for (unsigned i = 0; i < TD_APIC_LVTS; i++)
		a->lvt[i] = LVT_MASKED;
	vtimer_init(&a->timer, on_timer, v);
}

void td_apic_fini(struct td_vcpu *v) { vtimer_fini(&v->apic.timer); }
