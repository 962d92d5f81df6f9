/*
 * injected.h - what the guests for `inject` do, plain and trust domain alike: each key on the serial line is
 * an order.
 *
 *     l   look: an MSR, a CPUID register, a port and device memory where nothing is, on one line with how many
 *         interrupts, NMIs and machine checks have come
 *     q   the end
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_GUESTS_INJECTED_H
#define TAIN_TESTS_GUESTS_INJECTED_H

#include <stdbool.h>
#include <stdint.h>

#define ASKED_MSR    0x1a0u /* IA32_MISC_ENABLE */
#define ASKED_LEAF   0x40000000u
#define ASKED_PORT   0x2e8u /* COM4 */
#define ASKED_MMIO   0xfed40000u /* a TPM */
#define ASKED_VECTOR 0x51u

#define COM1      0x3f8u
#define COM1_LSR  0x3fdu
#define LSR_READY 1u

/* The guest's own ways to ask and to say. */
uint64_t ask_msr(void);
uint32_t ask_cpuid(void); /* EBX */
uint32_t ask_port(uint32_t port);
uint32_t ask_mmio(void);
void say_text(const char *text);
void say_hex(uint64_t v);

static volatile uint32_t irqs, nmis, machine_checks;

static void say_pair(const char *name, uint64_t v)
{
	say_text(name);
	say_hex(v);
}

static void look(void)
{
	say_pair("injected: msr ", ask_msr());
	say_pair(" cpuid ", ask_cpuid());
	say_pair(" port ", ask_port(ASKED_PORT));
	say_pair(" mmio ", ask_mmio());
	say_pair(" irq ", irqs);
	say_pair(" nmi ", nmis);
	say_pair(" mc ", machine_checks);
	say_text("\n");
}

/* False: that was the last order. */
static bool obey(void)
{
	uint32_t key;

	while (!(ask_port(COM1_LSR) & LSR_READY))
		__builtin_ia32_pause();
	key = ask_port(COM1);
	if (key == 'l')
		look();
	return key != 'q';
}

static void obey_all(void)
{
	say_text("injected: ready\n");
	while (obey())
		;
	say_text("injected: left\n");
}

#endif
