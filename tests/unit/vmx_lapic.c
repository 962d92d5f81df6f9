/*
 * vmx_lapic.c - what the virtual local APIC promises.
 *
 * links: kernel/vmx/lapic.c kernel/vmx/lapic_timer.c kernel/machine/vtimer.c kernel/platform/intr.c
 * kernel/platform/ioapic.c kernel/platform/pic.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/machine/port.h"
#include "kernel/vmx/lapic.h"

static struct lapic l;
static unsigned wakes, eois;
static uint8_t last_eoi;
static struct intr_message last_sent;
static enum lapic_shorthand last_to;
static uint64_t armed_at;

static void on_wake(struct lapic *x) { (void)x, wakes++; }
static void on_eoi(struct lapic *x, uint8_t vector) { (void)x, eois++, last_eoi = vector; }
static void on_armed(struct lapic *x, uint64_t tsc) { (void)x, armed_at = tsc; }

static void on_send(struct lapic *x, const struct intr_message *m, enum lapic_shorthand to)
{
	(void)x;
	last_sent = *m;
	last_to = to;
}

static const struct lapic_ops ops = { on_wake, on_send, on_eoi, on_armed };

static int start(void **state)
{
	(void)state;
	wakes = eois = 0;
	lapic_init(&l, &ops, 3);
	lapic_mmio_write(&l, 0xf0, 0x1ff); /* on, spurious vector FFh */
	return 0;
}

static int stop(void **state)
{
	(void)state;
	lapic_fini(&l);
	return 0;
}

static void send(uint8_t vector, bool level)
{
	lapic_accept(&l, &(struct intr_message){ .dest = 3, .vector = vector, .level = level });
	lapic_pull(&l);
}

static void vectors_go_by_priority_and_nest(void **state)
{
	(void)state;
	send(0x31, false);
	send(0x55, false);
	assert_int_equal(lapic_pending(&l), 0x55);
	lapic_taken(&l, 0x55);
	assert_int_equal(lapic_pending(&l), -1); /* 31h is of a lower class */
	send(0x5f, false);
	assert_int_equal(lapic_pending(&l), -1); /* the same class does not nest */
	send(0x61, false);
	assert_int_equal(lapic_pending(&l), 0x61);
	lapic_taken(&l, 0x61);
	assert_int_equal(lapic_mmio_read(&l, 0xa0), 0x60); /* PPR */
	lapic_mmio_write(&l, 0xb0, 0);
	lapic_mmio_write(&l, 0xb0, 0);
	assert_int_equal(lapic_pending(&l), 0x5f);
	lapic_mmio_write(&l, 0x80, 0x50); /* TPR */
	assert_int_equal(lapic_pending(&l), -1);
	lapic_set_cr8(&l, 4);
	assert_int_equal(lapic_pending(&l), 0x5f);
	assert_int_equal(eois, 0);
}

static void a_level_tells_its_end(void **state)
{
	(void)state;
	send(0x40, true);
	assert_int_equal(lapic_mmio_read(&l, 0x1a0), 1); /* TMR, vectors 40h to 5Fh */
	lapic_taken(&l, 0x40);
	lapic_mmio_write(&l, 0xb0, 0);
	assert_int_equal(eois, 1);
	assert_int_equal(last_eoi, 0x40);
	send(0x40, false);
	lapic_taken(&l, 0x40);
	lapic_mmio_write(&l, 0xb0, 0);
	lapic_mmio_write(&l, 0xb0, 0); /* nothing is in service any more */
	assert_int_equal(eois, 1);
}

static void one_wake_for_what_was_not_seen_yet(void **state)
{
	(void)state;
	lapic_accept(&l, &(struct intr_message){ .vector = 0x41 });
	lapic_accept(&l, &(struct intr_message){ .vector = 0x41 });
	assert_int_equal(wakes, 1);
	lapic_pull(&l);
	lapic_accept(&l, &(struct intr_message){ .vector = 0x41 });
	assert_int_equal(wakes, 2);
	lapic_accept(&l, &(struct intr_message){ .vector = 3 }); /* no such interrupt */
	assert_int_equal(wakes, 2);
}

static void switched_off_it_accepts_nothing(void **state)
{
	(void)state;
	lapic_mmio_write(&l, 0xf0, 0xff);
	send(0x41, false);
	assert_int_equal(lapic_pending(&l), -1);
	lapic_mmio_write(&l, 0xf0, 0x1ff);
	assert_int_equal(lapic_pending(&l), -1);
}

static bool hit(uint32_t dest, bool logical)
{
	return lapic_is_hit(&l, &(struct intr_message){ .dest = dest, .logical = logical });
}

static void destinations(void **state)
{
	(void)state;
	assert_true(hit(3, false) && hit(0xff, false) && !hit(2, false));
	lapic_mmio_write(&l, 0xd0, 0x04000000);
	assert_true(hit(0x06, true) && !hit(0x03, true)); /* flat */
	lapic_mmio_write(&l, 0xe0, 0x0fffffff);
	lapic_mmio_write(&l, 0xd0, 0x24000000);
	assert_true(hit(0x24, true) && !hit(0x14, true) && !hit(0x22, true)); /* cluster */
	assert_true(lapic_msr_write(&l, 0x1b, LAPIC_GPA | 0xc00));
	assert_true(hit(0x00000008, true) && !hit(0x00010008, true) && hit(3, false));
	assert_true(hit(0xffffffff, false));
	assert_true(lapic_msr_write(&l, 0x1b, LAPIC_GPA));
	assert_false(hit(3, false)); /* off */
}

static void ipis_are_told_by_the_command_register(void **state)
{
	(void)state;
	lapic_mmio_write(&l, 0x310, 0x02000000);
	lapic_mmio_write(&l, 0x300, 0x00004500); /* INIT */
	assert_int_equal(last_sent.mode, INTR_INIT);
	assert_int_equal(last_sent.dest, 2);
	lapic_mmio_write(&l, 0x300, 0x00004608); /* start-up at 8000h */
	assert_int_equal(last_sent.mode, INTR_STARTUP);
	assert_int_equal(last_sent.vector, 8);
	memset(&last_sent, 0, sizeof(last_sent));
	lapic_mmio_write(&l, 0x300, 0x00008500); /* INIT level de-assert: nothing */
	assert_int_equal(last_sent.mode, 0);
	lapic_mmio_write(&l, 0x300, 0x000c00fd);
	assert_int_equal(last_to, LAPIC_TO_OTHERS);
	assert_int_equal(last_sent.vector, 0xfd);
}

static void start_up_reaches_the_one_it_is_for(void **state)
{
	(void)state;
	lapic_accept(&l, &(struct intr_message){ .mode = INTR_INIT });
	assert_int_equal(lapic_events(&l), LAPIC_INIT);
	lapic_accept(&l, &(struct intr_message){ .mode = INTR_STARTUP, .vector = 0x9a });
	assert_int_equal(lapic_events(&l), LAPIC_INIT | LAPIC_STARTUP);
	assert_int_equal(l.startup_vector, 0x9a);
	lapic_event_off(&l, LAPIC_INIT);
	assert_int_equal(lapic_events(&l), LAPIC_STARTUP);
}

static void x2apic_registers_are_msrs_and_bad_ones_fault(void **state)
{
	uint64_t v;

	(void)state;
	assert_false(lapic_msr_read(&l, 0x802, &v)); /* not in that mode yet */
	assert_false(lapic_msr_write(&l, 0x1b, LAPIC_GPA | 0x400)); /* x2APIC without enable */
	assert_false(lapic_msr_write(&l, 0x1b, 0xfed00800));        /* it cannot be moved */
	assert_true(lapic_msr_write(&l, 0x1b, LAPIC_GPA | 0xc00));
	assert_false(lapic_in_memory(&l));
	assert_true(lapic_msr_read(&l, 0x802, &v));
	assert_int_equal(v, 3);
	assert_true(lapic_msr_read(&l, 0x80d, &v));
	assert_int_equal(v, 8);
	assert_true(lapic_msr_write(&l, 0x830, UINT64_C(0x0000000700004031)));
	assert_int_equal(last_sent.dest, 7);
	assert_int_equal(last_sent.vector, 0x31);
	assert_true(lapic_msr_write(&l, 0x83f, 0x66));
	lapic_pull(&l);
	assert_int_equal(lapic_pending(&l), 0x66);
	assert_false(lapic_msr_write(&l, 0x80b, 1));          /* EOI takes 0 only */
	assert_false(lapic_msr_write(&l, 0x802, 1));          /* read-only */
	assert_false(lapic_msr_write(&l, 0x808, BIT64(32)));  /* reserved */
	assert_false(lapic_msr_read(&l, 0x80e, &v));          /* no DFR there */
	assert_false(lapic_msr_read(&l, 0x8ff, &v));
	assert_false(lapic_msr_write(&l, 0x1b, LAPIC_GPA | 0x800)); /* not back to xAPIC */
}

static void wait_until(uint64_t tsc)
{
	while (tsc_now() < tsc)
		;
	vtimer_run();
	lapic_pull(&l);
}

static void the_timer_fires_once_or_again_and_again(void **state)
{
	uint64_t now = tsc_now(), ms = tsc_hz() / 1000;

	(void)state;
	lapic_mmio_write(&l, 0x320, 0x40);
	lapic_mmio_write(&l, 0x3e0, 0xb); /* divide by 1 */
	lapic_mmio_write(&l, 0x380, 1000000); /* 1 ms */
	assert_in_range(armed_at - now, ms * 9 / 10, ms * 50);
	assert_in_range(lapic_mmio_read(&l, 0x390), 0, 1000000);
	wait_until(armed_at);
	assert_int_equal(lapic_pending(&l), 0x40);
	lapic_taken(&l, 0x40);
	lapic_mmio_write(&l, 0xb0, 0);
	wait_until(armed_at + 2 * ms);
	assert_int_equal(lapic_pending(&l), -1);

	lapic_mmio_write(&l, 0x320, 0x20041); /* periodic */
	lapic_mmio_write(&l, 0x380, 1000000);
	for (unsigned i = 0; i < 3; i++) {
		wait_until(l.due);
		assert_int_equal(lapic_pending(&l), 0x41);
		lapic_taken(&l, 0x41);
		lapic_mmio_write(&l, 0xb0, 0);
	}
	lapic_mmio_write(&l, 0x320, 0x30041); /* masked */
	wait_until(l.due);
	assert_int_equal(lapic_pending(&l), -1);
	lapic_mmio_write(&l, 0x380, 0);
	assert_false(vtimer_armed(&l.timer));
}

static void a_deadline_is_in_the_guests_time(void **state)
{
	uint64_t v;

	(void)state;
	l.tsc_offset = -UINT64_C(1000000);
	assert_true(lapic_msr_write(&l, 0x6e0, 5));
	assert_false(vtimer_armed(&l.timer)); /* not in that mode */
	lapic_mmio_write(&l, 0x320, 0x40050);

	uint64_t host = tsc_now() + tsc_hz() / 1000;

	assert_true(lapic_msr_write(&l, 0x6e0, host - 1000000));
	assert_int_equal(armed_at, host);
	assert_true(lapic_msr_read(&l, 0x6e0, &v));
	assert_int_equal(v, host - 1000000);
	wait_until(host);
	assert_int_equal(lapic_pending(&l), 0x50);
	assert_true(lapic_msr_read(&l, 0x6e0, &v));
	assert_int_equal(v, 0);
	assert_true(lapic_msr_write(&l, 0x6e0, tsc_now() + tsc_hz()));
	assert_true(lapic_msr_write(&l, 0x6e0, 0));
	assert_false(vtimer_armed(&l.timer));
}

static void the_first_one_lets_the_8259s_through(void **state)
{
	static struct lapic first;

	(void)state;
	assert_false(lapic_lets_extint(&l));
	lapic_init(&first, &ops, 0);
	assert_true(lapic_lets_extint(&first));
	lapic_mmio_write(&first, 0x350, 0x10700);
	assert_false(lapic_lets_extint(&first));
	lapic_fini(&first);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vectors_go_by_priority_and_nest),
		T(a_level_tells_its_end),
		T(one_wake_for_what_was_not_seen_yet),
		T(switched_off_it_accepts_nothing),
		T(destinations),
		T(ipis_are_told_by_the_command_register),
		T(start_up_reaches_the_one_it_is_for),
		T(x2apic_registers_are_msrs_and_bad_ones_fault),
		T(the_timer_fires_once_or_again_and_again),
		T(a_deadline_is_in_the_guests_time),
		T(the_first_one_lets_the_8259s_through),
	};

	if (vtimer_start())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
