/*
 * apic.c - the local APIC by MSRs (x2APIC) or by its page (xAPIC).
 *
 * Keeps the invariants of apic.h. Registers: SDM volume 3A, "Local APIC Register Address Map"; in
 * x2APIC mode register offset >> 4 is the MSR number from 800h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/trace.h"
#include "kernel/machine/apic.h"

#include "kernel/base/log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"
#include "kernel/machine/trap.h"

#define MSR_APIC_BASE    UINT32_C(0x1b)
#define APIC_BASE_X2     BIT64(10)
#define APIC_BASE_ON     BIT64(11)
#define MSR_TSC_DEADLINE UINT32_C(0x6e0)
#define MSR_X2APIC       UINT32_C(0x800)
#define MSR_X2APIC_ICR   UINT32_C(0x830)

/* clang-format off */
enum apic_reg { APIC_ID = 0x20, APIC_TPR = 0x80, APIC_EOI = 0xb0, APIC_SVR = 0xf0, APIC_ISR = 0x100,
		APIC_IRR = 0x200, APIC_ESR = 0x280, APIC_ICR_LOW = 0x300, APIC_ICR_HIGH = 0x310,
		APIC_TIMER = 0x320, APIC_LINT0 = 0x350, APIC_LINT1 = 0x360, APIC_ERROR = 0x370,
		APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3e0 };
/* clang-format on */

#define SVR_ENABLE       BIT32(8)
#define LVT_MASKED       BIT32(16)
#define LVT_EXTINT       UINT32_C(0x700)
#define LVT_NMI          UINT32_C(0x400)
#define LVT_DEADLINE     UINT32_C(0x40000)
#define DIVIDE_BY_1      UINT32_C(0xb)
#define ICR_BUSY         BIT32(12)
#define ICR_NMI          UINT32_C(0x400)
#define ICR_INIT         UINT32_C(0x500)
#define ICR_SIPI         UINT32_C(0x600)
#define ICR_ASSERT       BIT32(14)
#define ICR_ALL_BUT_SELF UINT32_C(0xc0000)

static struct {
	bool x2, deadline;
	volatile uint32_t *page; /* xAPIC registers */
	uint64_t counter_hz;     /* of the counter, divided by 1 */
	void (*tick)(void);
} apic;

static uint32_t reg_read(enum apic_reg r)
{
	return apic.x2 ? (uint32_t)rdmsr(MSR_X2APIC + ((uint32_t)r >> 4)) : apic.page[r / 4];
}

static void reg_write(enum apic_reg r, uint32_t v)
{
	if (apic.x2)
		wrmsr(MSR_X2APIC + ((uint32_t)r >> 4), v);
	else
		apic.page[r / 4] = v;
}

bool apic_is_x2(void) { return apic.x2; }
uint32_t apic_id(void) { return apic.x2 ? reg_read(APIC_ID) : reg_read(APIC_ID) >> 24; }
void apic_eoi(void) { reg_write(APIC_EOI, 0); }

static bool vector_bit(enum apic_reg first, uint8_t vector)
{
	uint32_t r = (uint32_t)first + vector / 32 * 0x10u;

	return (reg_read((enum apic_reg)r) & BIT32(vector % 32)) != 0;
}

bool apic_irr(uint8_t vector) { return vector_bit(APIC_IRR, vector); }
bool apic_isr(uint8_t vector) { return vector_bit(APIC_ISR, vector); }

/* --- set-up -------------------------------------------------------------------------------- */

static void timer_interrupt(unsigned vector)
{
	(void)vector;
	if (apic.tick)
		apic.tick();
}

/* Firmware may have left some CPUs in x2APIC mode: it is never left again, only entered. */
void apic_init_cpu(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ON | (apic.x2 ? APIC_BASE_X2 : 0));
	reg_write(APIC_TPR, 0);
	reg_write(APIC_TIMER, LVT_MASKED | VEC_TIMER);
	reg_write(APIC_LINT0, LVT_MASKED);
	reg_write(APIC_LINT1, LVT_NMI);
	reg_write(APIC_ERROR, LVT_MASKED);
	reg_write(APIC_DIVIDE, DIVIDE_BY_1);
	reg_write(APIC_SVR, SVR_ENABLE | VEC_SPURIOUS);
	if (apic.deadline)
		reg_write(APIC_TIMER, LVT_DEADLINE | VEC_TIMER);
}

void apic_init(const struct acpi_madt *madt)
{
	struct cpuid_regs features = cpuid(1, 0);
	uint64_t base = rdmsr(MSR_APIC_BASE);

	apic.x2 = (features.ecx & BIT32(21)) != 0;
	apic.deadline = (features.ecx & BIT32(24)) != 0;
	if (!apic.x2) {
		uint64_t hpa = base & BITS64(51, 12);

		if (madt && madt->lapic_hpa && madt->lapic_hpa != hpa)
			log_debug("apic: MADT says %#llx, the CPU %#llx",
				  (unsigned long long)madt->lapic_hpa, (unsigned long long)hpa);
		apic.page = mmio_map((hpa_t){ hpa }, PAGE_SIZE, MMIO_UNCACHED);
		if (!apic.page)
			panic("no memory to map the local APIC");
	}
	irq_register(VEC_TIMER, timer_interrupt);
	apic_init_cpu();
	cpu_boot_id(apic_id());
}

void apic_extint(bool on) { reg_write(APIC_LINT0, on ? LVT_EXTINT : LVT_MASKED); }

/* --- to other CPUs ------------------------------------------------------------------------- */

/* In xAPIC mode two writes: an NMI between them does no harm, for ours sends nothing. */
static void icr_write(uint32_t id, uint32_t low)
{
	if (apic.x2) {
		/* An x2APIC write does not wait for earlier stores: make them visible first. */
		mfence();
		wrmsr(MSR_X2APIC_ICR, (uint64_t)id << 32 | low);
		return;
	}
	uint64_t flags = irq_save();

	for (unsigned i = 0; (reg_read(APIC_ICR_LOW) & ICR_BUSY) && i < 100000; i++)
		cpu_pause();
	reg_write(APIC_ICR_HIGH, id << 24);
	reg_write(APIC_ICR_LOW, low);
	irq_restore(flags);
}

#define VECTOR_NMI 2

static void trace_ipi(uint32_t id, uint8_t vector)
{
	if (trace_on(TRACE_IPI))
		trace_add_run(&(struct trace_record){
			.tsc = rdtsc(),
			.leaf = vector,
			.kind = TRACE_IPI,
			.cpu = this_cpu()->index,
			.a = { id },
		});
}

void apic_send_ipi(uint32_t id, uint8_t vector)
{
	trace_ipi(id, vector);
	icr_write(id, ICR_ASSERT | vector);
}

void apic_send_nmi(uint32_t id)
{
	trace_ipi(id, VECTOR_NMI);
	icr_write(id, ICR_ASSERT | ICR_NMI);
}

void apic_send_nmi_all_others(void) { icr_write(0, ICR_ASSERT | ICR_NMI | ICR_ALL_BUT_SELF); }
void apic_send_init(uint32_t id) { icr_write(id, ICR_ASSERT | ICR_INIT); }
void apic_send_sipi(uint32_t id, uint8_t page) { icr_write(id, ICR_ASSERT | ICR_SIPI | page); }

/* --- timer --------------------------------------------------------------------------------- */

/* Let the counter run freely while time.c measures; false where TSC deadline makes it needless. */
bool apic_counter_calibrate_begin(void)
{
	if (apic.deadline)
		return false;
	reg_write(APIC_INITIAL, UINT32_MAX);
	return true;
}

uint32_t apic_counter_now(void) { return apic.deadline ? 0 : reg_read(APIC_CURRENT); }
void apic_counter_hz(uint64_t hz) { apic.counter_hz = hz; }

void timer_set(uint64_t deadline)
{
	if (apic.deadline) {
		wrmsr(MSR_TSC_DEADLINE, deadline);
		return;
	}
	if (!deadline) {
		reg_write(APIC_TIMER, LVT_MASKED | VEC_TIMER);
		reg_write(APIC_INITIAL, 0);
		return;
	}
	uint64_t now = rdtsc(), us = deadline > now ? ticks_to_us(deadline - now) : 0;
	uint64_t count = us < 1000000 ? us * apic.counter_hz / 1000000 : apic.counter_hz;

	/* Early by at most a second's rounding: who waits looks at the clock again. */
	reg_write(APIC_TIMER, VEC_TIMER);
	reg_write(APIC_INITIAL, count == 0 ? 1 : count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
}

void timer_on_tick(void (*fn)(void)) { apic.tick = fn; }
