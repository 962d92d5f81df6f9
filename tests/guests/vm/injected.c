/*
 * injected.c - a plain guest that tells what `inject` did to it: injected.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/injected.h"

#define GATES          256u
#define GATE_INTERRUPT UINT64_C(0x8e00)
#define CODE_SELECTOR  UINT64_C(8)
#define VECTOR_NMI     2u
#define VECTOR_MC      18u
#define LAPIC(offset)  (*(volatile uint32_t *)(0xfee00000u + (offset)))
#define LAPIC_EOI      0xb0u
#define LAPIC_SVR      0xf0u
#define SVR_ON         0x1ffu

struct frame;

/* centry.asm */
void out_byte(uint32_t port, uint32_t value);
uint32_t in_byte(uint32_t port);
uint64_t read_msr(uint32_t msr);
uint32_t cpuid_ebx(uint32_t leaf);
void load_tables(const void *idt, uint32_t limit);
void irq_enable(void);
void vm_main(uint32_t magic, const void *info);

static uint64_t idt[GATES];

__attribute__((interrupt)) static void on_irq(struct frame *f)
{
	(void)f;
	irqs++;
	LAPIC(LAPIC_EOI) = 0;
}

__attribute__((interrupt)) static void on_nmi(struct frame *f)
{
	(void)f;
	nmis++;
}

__attribute__((interrupt)) static void on_machine_check(struct frame *f)
{
	(void)f;
	machine_checks++;
}

static void gate(unsigned vector, void (*handler)(struct frame *f))
{
	uint64_t at = (uint32_t)handler;

	idt[vector] = (at & 0xffff) | CODE_SELECTOR << 16 | GATE_INTERRUPT << 32 | (at >> 16) << 48;
}

uint64_t ask_msr(void) { return read_msr(ASKED_MSR); }
uint32_t ask_cpuid(void) { return cpuid_ebx(ASKED_LEAF); }
uint32_t ask_port(uint32_t port) { return in_byte(port); }
uint32_t ask_mmio(void) { return *(volatile uint32_t *)ASKED_MMIO; }

void say_text(const char *text)
{
	for (; *text; text++)
		out_byte(COM1, (uint8_t)*text);
}

void say_hex(uint64_t v)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		if (v >> shift || !shift)
			out_byte(COM1, (uint8_t)"0123456789abcdef"[v >> shift & 15]);
}

void vm_main(uint32_t magic, const void *info)
{
	(void)magic, (void)info;
	gate(ASKED_VECTOR, on_irq);
	gate(VECTOR_NMI, on_nmi);
	gate(VECTOR_MC, on_machine_check);
	load_tables(idt, sizeof(idt) - 1);
	LAPIC(LAPIC_SVR) = SVR_ON;
	irq_enable();
	obey_all();
}
