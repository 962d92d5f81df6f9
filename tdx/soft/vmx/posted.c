/*
 * posted.c - interrupts out of a posted-interrupt descriptor and into the virtual APIC, on a CPU that
 * does not do it itself.
 *
 * An emulator delivers a virtual interrupt that waits for the guest's IF as soon as a host interrupt
 * comes, IF or not (Bochs 2.7: HandleExtInterrupt() looks at what is pending, not at what is masked).
 * So nothing is left waiting for IF in the CPU: vectors stand in `held` until the guest can take one at
 * entry, and until then the CPU does not know of them; the interrupt window, and an exit at the end of
 * the one in service, say when to look again.
 *
 * Invariants
 *   - At an entry RVI is above zero only if the guest can take an interrupt at once, or if its own
 *     task priority keeps that one back.
 *   - Of those that were posted, one at a time is in the virtual IRR.
 *   - What waits is told to the module as the CPU would: svmx_vmread() of the interrupt status.
 *
 * Facts: SDM volume 3C, "Posted-Interrupt Processing", "Virtual-Interrupt Delivery".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/vmx/soft_vmx.h"

#define TPR_OFFSET      0x80
#define VIRR_OFFSET     0x200
#define APIC_STRIDE     0x10 /* 32 vectors each */
#define PID_ON          BIT32(0)
#define PID_CONTROL     8 /* 32-bit index of the descriptor's ON and SN bits */
#define CLASS           0xf0u
#define RVI_MASK        UINT64_C(0xff)
#define RFLAGS_IF       BIT64(9)
#define SHADOW          UINT64_C(3) /* STI, MOV SS */
#define PROC_WINDOW     BIT64(2)

static uint32_t *apic_word(struct soft_vcpu *v, unsigned offset)
{
	return (uint32_t *)(void *)((char *)alias(v->page[2]) + offset);
}

/* Highest bit of a non-zero word. */
static unsigned top_bit(uint64_t v) { return 63 - (unsigned)__builtin_clzll(v); }

static unsigned highest_held(const struct svmx_vcpu *b)
{
	for (unsigned i = 4; i-- > 0;)
		if (b->held[i])
			return i * 64 + top_bit(b->held[i]);
	return 0;
}

static unsigned highest_irr(struct soft_vcpu *v)
{
	for (unsigned i = 8; i-- > 0;) {
		uint32_t word = *apic_word(v, VIRR_OFFSET + i * APIC_STRIDE);

		if (word)
			return i * 32 + top_bit(word);
	}
	return 0;
}

void posted_take(struct soft_vcpu *v)
{
	struct svmx_vcpu *b = svmx_of(v);
	uint32_t *descriptor = alias(v->posted_desc);
	uint64_t *requests = (uint64_t *)(void *)descriptor;

	if (!v->posted_desc ||
	    !(__atomic_fetch_and(&descriptor[PID_CONTROL], ~PID_ON, __ATOMIC_ACQ_REL) & PID_ON))
		return;
	for (unsigned i = 0; i < 4; i++)
		b->held[i] |= __atomic_exchange_n(&requests[i], 0, __ATOMIC_ACQ_REL);
}

/* The vector goes from `held` into the virtual IRR. */
static void request(struct soft_vcpu *v, unsigned vector)
{
	svmx_of(v)->held[vector / 64] &= ~BIT64(vector % 64);
	*apic_word(v, VIRR_OFFSET + vector / 32 * APIC_STRIDE) |= BIT32(vector % 32);
}

static bool takes_interrupts(void)
{
	return (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & SHADOW) &&
	       !(vmcs_read(VMCS_ENTRY_INTERRUPTION_INFO) & INTR_INFO_VALID);
}

static void set_window(struct svmx_vcpu *b, bool on)
{
	uint64_t controls = vmcs_read(VMCS_PROC_BASED_CONTROLS);

	b->window = on;
	(void)vmwrite(VMCS_PROC_BASED_CONTROLS, on ? controls | PROC_WINDOW : controls & ~PROC_WINDOW);
}

/* An exit when the guest ends @vector; 0: none. */
static void set_eoi_exit(struct svmx_vcpu *b, unsigned vector)
{
	if (b->eoi_exit == vector)
		return;
	(void)vmwrite(VMCS_EOI_EXIT_BITMAP_0 + 2 * (b->eoi_exit / 64u), 0);
	b->eoi_exit = (uint8_t)vector;
	if (vector)
		(void)vmwrite(VMCS_EOI_EXIT_BITMAP_0 + 2 * (vector / 64), BIT64(vector % 64));
}

/*
 * What the task priority keeps back may stand in RVI: the guest lowers it without a word. What waits
 * for the end of one in service, or for IF, is kept from the CPU.
 */
void posted_feed(struct soft_vcpu *v)
{
	struct svmx_vcpu *b = svmx_of(v);
	uint64_t status = vmcs_read(VMCS_GUEST_INTERRUPT_STATUS);
	unsigned rvi = b->hidden ? highest_irr(v) : (unsigned)(status & RVI_MASK);
	unsigned held = highest_held(b), svi = (unsigned)(status >> 8 & RVI_MASK);
	unsigned tpr = *apic_word(v, TPR_OFFSET) & CLASS, top;
	bool now, show;

	if (!rvi && !held && !b->window && !b->eoi_exit)
		return;
	now = takes_interrupts();
	if (held && !rvi && (held & CLASS) > (svi & CLASS) && (now || (held & CLASS) <= tpr)) {
		request(v, held);
		rvi = held;
		held = highest_held(b);
	}
	show = now || (rvi & CLASS) <= tpr;
	b->hidden = rvi && !show;
	(void)vmwrite(VMCS_GUEST_INTERRUPT_STATUS, (status & ~RVI_MASK) | (show ? rvi : 0));
	top = b->hidden && rvi > held ? rvi : held; /* of what the CPU does not know of */
	set_window(b, !now && (top & CLASS) > tpr && (top & CLASS) > (svi & CLASS));
	set_eoi_exit(b, top && (top & CLASS) <= (svi & CLASS) ? svi : 0);
}

uint64_t posted_status(struct soft_vcpu *v)
{
	const struct svmx_vcpu *b = svmx_of(v);
	uint64_t status = vmcs_read(VMCS_GUEST_INTERRUPT_STATUS);
	unsigned rvi = b->hidden ? highest_irr(v) : (unsigned)(status & RVI_MASK);
	unsigned held = highest_held(b);

	return (status & ~RVI_MASK) | (rvi > held ? rvi : held);
}
