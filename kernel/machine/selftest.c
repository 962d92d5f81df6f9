/*
 * selftest.c - try the promises of trap.h, direct_map.h, cpu.h, apic.h and port.h.
 *
 * Each test returns NULL or what is wrong, leaves everything as it was, and waits at most WAIT_US.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/selftest.h"

#include <string.h>

#include "kernel/machine/apic.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"

#define WAIT_US     100000
#define TEST_VECTOR 0x3f

static bool wait_until(bool (*done)(void))
{
	uint64_t start = tsc_now(), limit = us_to_ticks(WAIT_US);

	while (!done() && tsc_now() - start < limit)
		cpu_pause();
	return done();
}

static const char *pages_add_up(void)
{
	const char *wrong = page_core_check(page_core_global());
	uint64_t free = page_count(PAGE_FREE);

	if (wrong)
		return wrong;
	hpa_t big = pages_alloc(PAGE_GUEST, 9);

	if (hpa_is_none(big))
		return "no 2 MiB free";
	for (uint64_t i = 0; i < 512; i++)
		page_free(hpa_add(big, i * PAGE_SIZE), PAGE_GUEST);
	return page_count(PAGE_FREE) == free ? page_core_check(page_core_global())
					     : "pages were lost";
}

static const char *page_is_zero(void)
{
	hpa_t page = page_alloc(PAGE_GUEST);

	if (hpa_is_none(page))
		return "no page";
	memset(hpa_to_ptr(page), 0x5a, PAGE_SIZE);
	page_free(page, PAGE_GUEST);
	hpa_t again = page_alloc(PAGE_GUEST);
	const uint64_t *p = hpa_to_ptr(again);
	const char *wrong = NULL;

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		if (p[i])
			wrong = "an allocated page is not zero";
	page_free(again, PAGE_GUEST);
	return wrong;
}

static const char *missing_msr_is_an_error(void)
{
	uint64_t v;

	if (msr_read_safe(0x1b, &v) || !(v & BIT64(11)))
		return "IA32_APIC_BASE cannot be read";
	/* An unknown MSR need not fault (Bochs: no); that we come back is what counts. */
	return msr_read_safe(0x4fffffff, &v) > 0 ? "a positive error" : NULL;
}

static const char *bad_address_is_an_error(void)
{
	char byte;

	if (copy_safe(&byte, (const void *)UINT64_C(0xfffff00000000000), 1) == 0)
		return "an absent address could be read";
	return copy_safe(&byte, kernel_start, 1) ? "the image cannot be read" : NULL;
}

static const char *text_is_read_only(void)
{
	hpa_t hpa;
	char byte = *kernel_text_start;

	if (kernel_translate(kernel_text_start, &hpa))
		return "the image is not mapped";
	if (copy_safe(kernel_text_start, &byte, 1) == 0)
		return "text can be written";
	return copy_safe(hpa_to_ptr(hpa), &byte, 1) == 0 ? "text can be written by the direct map"
							 : NULL;
}

/* --- hiding -------------------------------------------------------------------------------- */

static struct {
	uint64_t *ptr;
	volatile int error;
} probe;

static void probe_read(void *unused)
{
	uint64_t v;

	(void)unused;
	direct_map_sync();
	probe.error = copy_safe(&v, probe.ptr, sizeof(v));
}

static const char *hidden_page(unsigned order, uint64_t offset)
{
	hpa_t base = pages_alloc(PAGE_GUEST, order), page = hpa_add(base, offset);
	const char *wrong = NULL;

	if (hpa_is_none(base))
		return "no memory";
	probe.ptr = hpa_to_ptr(page);
	*probe.ptr = 0x1234;
	port_page_hide(base, order);
	uint64_t *window = window_map(0, page);

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		if (!cpu_is_online(cpu))
			continue;
		cpu_call(cpu, probe_read, NULL);
		if (!probe.error)
			wrong = "a hidden page could be read";
	}
	if (!page_is_hidden(page))
		wrong = "it does not know that it is hidden";
	if (*window != 0x1234)
		wrong = "the window shows something else";
	*window = 0x5678;
	port_page_unhide(base, order);
	probe_read(NULL);
	if (probe.error || *probe.ptr != 0x5678)
		wrong = "it did not come back";
	pages_free(base, PAGE_GUEST, order);
	return wrong;
}

static const char *hidden_4k_faults(void)
{
	return direct_map_reserve() ? "no memory for tables" : hidden_page(0, 0);
}

static const char *hidden_2m_faults(void)
{
	return direct_map_reserve() ? "no memory for tables" : hidden_page(9, 5 * PAGE_SIZE);
}

/* A part of a hidden 2 MiB comes back alone: the large entry splits while it is absent. */
static const char *hidden_2m_splits(void)
{
	hpa_t base = direct_map_reserve() ? HPA_NONE : pages_alloc(PAGE_GUEST, 9);
	const char *wrong = NULL;

	if (hpa_is_none(base))
		return "no memory";
	hpa_t one = hpa_add(base, 7 * PAGE_SIZE), other = hpa_add(base, 8 * PAGE_SIZE);

	port_page_hide(base, 9);
	port_page_unhide(one, 0);
	if (page_is_hidden(one) || !page_is_hidden(other))
		wrong = "the wrong page came back";
	port_page_unhide(base, 9);
	if (page_is_hidden(other))
		wrong = "the rest did not come back";
	pages_free(base, PAGE_GUEST, 9);
	return wrong;
}

/* --- interrupts ---------------------------------------------------------------------------- */

static volatile unsigned delivered;

static void count_delivery(unsigned vector)
{
	(void)vector;
	delivered++;
}

static const char *captured_vector_waits(void)
{
	irq_register(TEST_VECTOR, count_delivery);
	delivered = 0;
	int got = trap_capture_interrupt();

	if (got == TEST_VECTOR)
		return "a vector nobody sent";
	if (got >= 0) /* the UART's, for instance: it is in service and wants its end */
		irq_deliver((unsigned)got);
	apic_send_ipi(apic_id(), TEST_VECTOR);

	for (unsigned i = 0; i < 1000 && got != TEST_VECTOR; i++) {
		got = trap_capture_interrupt();
		if (got >= 0 && got != TEST_VECTOR)
			irq_deliver((unsigned)got);
	}
	if (got != TEST_VECTOR)
		return "no vector was taken";
	if (delivered)
		return "its handler ran";
	if (!apic_isr(TEST_VECTOR))
		return "it is not in service";
	irq_deliver(TEST_VECTOR);
	return delivered == 1 && !apic_isr(TEST_VECTOR) ? NULL : "delivery did not finish";
}

static bool timer_done(void)
{
	irq_window();
	return this_cpu()->interrupt_count > (uint64_t)probe.error;
}

static const char *timer_fires(void)
{
	probe.error = (int)this_cpu()->interrupt_count;
	uint64_t start = tsc_now(), want = us_to_ticks(1000);

	timer_set(start + want);
	while (timer_done() == false && tsc_now() - start < us_to_ticks(WAIT_US))
		;
	uint64_t took = tsc_now() - start;

	timer_set(0);
	if (took >= us_to_ticks(WAIT_US))
		return "it did not fire";
	/* The UART may have interrupted earlier; only a timer that is much too slow is wrong. */
	return took > want * 20 ? "it fired late" : NULL;
}

static uint64_t nmis_before;
static unsigned nmi_cpu;

static bool nmi_arrived(void) { return cpu_get(nmi_cpu)->nmi_count > nmis_before; }

static const char *kicks_arrive(void)
{
	for (nmi_cpu = 0; nmi_cpu < cpu_count(); nmi_cpu++) {
		if (nmi_cpu == cpu_index() || !cpu_is_online(nmi_cpu))
			continue;
		nmis_before = cpu_get(nmi_cpu)->nmi_count;
		cpu_kick(nmi_cpu);
		/* In a guest the NMI is an exit, not counted here; cpu_call covers it. */
		if (strcmp(cpu_get(nmi_cpu)->running, "idle") == 0 && !wait_until(nmi_arrived))
			return "an idle CPU got no NMI";
	}
	return NULL;
}

static volatile unsigned ran_on;

static void note_cpu(void *unused)
{
	(void)unused;
	ran_on = cpu_index();
}

static const char *calls_run_there(void)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		if (!cpu_is_online(cpu))
			continue;
		ran_on = CPU_MAX;
		cpu_call(cpu, note_cpu, NULL);
		if (ran_on != cpu)
			return "a call ran on another CPU";
	}
	return NULL;
}

unsigned machine_selftest(void (*report)(const char *promise, const char *wrong))
{
	static const struct {
		const char *promise;
		const char *(*test)(void);
	} tests[] = {
		{ "pages add up", pages_add_up },
		{ "an allocated page is zero", page_is_zero },
		{ "a missing MSR is an error, not a crash", missing_msr_is_an_error },
		{ "a bad address is an error, not a crash", bad_address_is_an_error },
		{ "text is read-only", text_is_read_only },
		{ "a hidden page faults on every CPU", hidden_4k_faults },
		{ "a hidden 2 MiB faults on every CPU", hidden_2m_faults },
		{ "a part of a hidden 2 MiB comes back alone", hidden_2m_splits },
		{ "a captured vector waits for its delivery", captured_vector_waits },
		{ "the timer fires", timer_fires },
		{ "kicks arrive", kicks_arrive },
		{ "calls run where they should", calls_run_there },
	};
	unsigned broken = 0;
	uint64_t flags = irq_save();

	for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
		const char *wrong = tests[i].test();

		broken += wrong != NULL;
		report(tests[i].promise, wrong);
	}
	irq_restore(flags);
	return broken;
}
