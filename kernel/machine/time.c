/*
 * time.c - the TSC's rate, and waiting by it.
 *
 * The TSC is counted over a window of CALIBRATE_US of the ACPI PM timer where the FADT names one,
 * else of PIT channel 2. The same window measures the LAPIC's counter if there is no TSC deadline.
 *
 * Invariants (beside those of time.h)
 *   - Each sample of a device's counter is bracketed by two RDTSC; of a few tries the tightest
 *     counts, so that an interruption (an SMI, a busy emulator) does not spoil the result.
 *   - A device that does not count is noticed after a bounded number of reads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/time.h"

#include "kernel/base/boot_info.h"
#include "kernel/base/log.h"
#include "kernel/machine/apic.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/port.h"
#include "kernel/machine/room.h"

#define CALIBRATE_US 5000
#define GUESS_HZ     UINT64_C(2000000000) /* until it is known: delays too long are safe */

#define PM_TIMER_HZ  3579545u
#define PIT_HZ       1193182u
#define PIT_CH2      0x42
#define PIT_CMD      0x43
#define PIT_GATE     0x61
#define MAX_READS    2000000u
#define SAMPLE_TRIES 5

static struct {
	uint64_t hz, loader_entry, kernel_entry, waited;
	const char *source;
} clock = { .hz = GUESS_HZ, .source = "a guess" };

uint64_t tsc_now(void) { return rdtsc(); }
uint64_t tsc_hz(void) { return clock.hz; }
const char *tsc_source(void) { return clock.source; }

/* a * b / c without overflow for the values that occur: a 64-bit count, rates below 2^40. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c) { return a / c * b + a % c * b / c; }

uint64_t us_to_ticks(uint64_t us) { return scale(us, clock.hz, 1000000); }
uint64_t ticks_to_us(uint64_t ticks) { return scale(ticks, 1000000, clock.hz); }
uint64_t ticks_to_ns(uint64_t ticks)
{
	/* Remainder below 2^40 times 10^9 would overflow: in two steps. */
	return ticks / clock.hz * 1000000000 + ticks % clock.hz * 1000000 / clock.hz * 1000 +
	       ticks % clock.hz * 1000000 % clock.hz * 1000 / clock.hz;
}

uint64_t time_us(void) { return ticks_to_us(rdtsc() - clock.loader_entry); }
uint64_t ticks_since_entry(void) { return rdtsc() - clock.kernel_entry; }
uint64_t wait_ticks(void) { return __atomic_load_n(&clock.waited, __ATOMIC_RELAXED); }

void wait_ticks_add(uint64_t ticks)
{
	if (cpu_index() == 0)
		clock.waited += ticks;
}

void delay_us(uint64_t us)
{
	uint64_t start = rdtsc(), ticks = us_to_ticks(us);

	while (rdtsc() - start < ticks)
		cpu_pause();
	wait_ticks_add(rdtsc() - start);
}

void time_init(const struct boot_info *bi)
{
	clock.loader_entry = bi->tsc_loader_entry;
	clock.kernel_entry = bi->tsc_kernel_entry;
}

/* --- devices that count -------------------------------------------------------------------- */

struct counter {
	const char *name;
	uint32_t hz, mask;
	uint16_t port;
	uint32_t (*read)(const struct counter *c);
};

static uint32_t pm_timer_read(const struct counter *c) { return in32(c->port); }

/* Channel 2 counts down from 65535; latched, low byte first. Made to count up. */
static uint32_t pit_read(const struct counter *c)
{
	(void)c;
	out8(PIT_CMD, 0x80);
	uint32_t low = in8(PIT_CH2);

	return 0xffff - (low | (uint32_t)in8(PIT_CH2) << 8);
}

static void pit_start(void)
{
	out8(PIT_GATE, (uint8_t)((in8(PIT_GATE) & ~2) | 1)); /* gate on, speaker off */
	out8(PIT_CMD, 0xb0);                                 /* channel 2, both bytes, mode 0 */
	out8(PIT_CH2, 0xff);
	out8(PIT_CH2, 0xff);
}

struct sample {
	uint64_t tsc;
	uint32_t count, apic;
};

static struct sample sample(const struct counter *c)
{
	struct sample best = { 0 };
	uint64_t tightest = UINT64_MAX;

	for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = rdtsc();
		uint32_t count = c->read(c);
		uint32_t apic = apic_counter_now();
		uint64_t after = rdtsc();

		if (after - before < tightest) {
			tightest = after - before;
			best = (struct sample){ before + (after - before) / 2, count & c->mask,
						apic };
		}
	}
	return best;
}

/* TSC ticks per second by this counter, or 0 if it does not count. */
static uint64_t measure(const struct counter *c, bool apic_counts)
{
	uint32_t want = c->hz / (1000000 / CALIBRATE_US);
	struct sample first = sample(c), last;
	unsigned reads = 0;

	while (((c->read(c) - first.count) & c->mask) < want)
		if (++reads == MAX_READS)
			return 0;
	last = sample(c);
	uint32_t counted = (last.count - first.count) & c->mask;

	if (apic_counts)
		apic_counter_hz(scale(first.apic - last.apic, c->hz, counted));
	return scale(last.tsc - first.tsc, c->hz, counted);
}

/* CPUID 15h, for its precision: with a crystal frequency, and if the device agrees to 1 %. */
static uint64_t cpuid_hz(uint64_t measured)
{
	if (cpuid(0, 0).eax < 0x15)
		return 0;
	struct cpuid_regs r = cpuid(0x15, 0);

	if (!r.eax || !r.ebx || !r.ecx)
		return 0;
	uint64_t hz = (uint64_t)r.ecx * r.ebx / r.eax;
	uint64_t off = hz > measured ? hz - measured : measured - hz;

	return off < measured / 100 ? hz : 0;
}

void time_calibrate(const struct acpi_fadt *fadt)
{
	struct counter pit = { "PIT", PIT_HZ, 0xffff, 0, pit_read };
	struct counter pm = { "ACPI PM timer", PM_TIMER_HZ, 0xffffff, 0, pm_timer_read };
	uint64_t start = rdtsc(), hz = 0;
	bool apic_counts = apic_counter_calibrate_begin();

	if (fadt && fadt->pm_timer_port) {
		pm.port = fadt->pm_timer_port;
		hz = measure(&pm, apic_counts);
		clock.source = pm.name;
	}
	if (!hz) {
		pit_start();
		hz = measure(&pit, apic_counts);
		clock.source = pit.name;
	}
	wait_ticks_add(rdtsc() - start);
	if (!hz) {
		clock.source = "a guess";
		log_warn("time: neither PM timer nor PIT counts; the TSC's rate is a guess");
		return;
	}
	clock.hz = hz;
	uint64_t said = cpuid_hz(hz);

	if (said) {
		clock.hz = said;
		clock.source = "CPUID 15h, checked";
	}
}
