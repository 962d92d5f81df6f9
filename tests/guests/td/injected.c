/*
 * injected.c - a trust domain that tells what `inject` did to it: injected.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/injected.h"
#include "tests/guests/td/tdg.h"

#define VECTOR_NMI 2

static uint64_t shared_bit;

static void on_irq(struct td_frame *f)
{
	(void)f;
	irqs++;
}

static void on_nmi(struct td_frame *f)
{
	(void)f;
	nmis++;
}

uint64_t ask_msr(void)
{
	uint64_t value = 0;

	(void)vmcall(VMCALL_RDMSR, ASKED_MSR, 0, 0, 0, &value);
	return value;
}

uint32_t ask_cpuid(void)
{
	struct td_regs r = { .rcx = VMCALL_MASK, .r11 = VMCALL_CPUID, .r12 = ASKED_LEAF };

	return tdcall(TDG_VP_VMCALL, &r) ? 0 : (uint32_t)r.r13;
}

uint32_t ask_port(uint32_t port)
{
	uint64_t value = 0;

	(void)vmcall(VMCALL_IO, 1, 0, port, 0, &value);
	return (uint32_t)value;
}

uint32_t ask_mmio(void)
{
	uint64_t value = 0;

	(void)vmcall(VMCALL_MMIO, 4, 0, ASKED_MMIO | shared_bit, 0, &value);
	return (uint32_t)value;
}

void say_text(const char *text) { print("%s", text); }
void say_hex(uint64_t v) { print("%lx", v); }

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)index, (void)boot_parameter;
	shared_bit = UINT64_C(1) << (width - 1);
	td_on_interrupt(ASKED_VECTOR, on_irq);
	td_on_interrupt(VECTOR_NMI, on_nmi);
	td_init();
	irq_enable();
	obey_all();
	irq_disable();
	td_power_off();
}
