/*
 * power.c - the ways out of this machine.
 *
 * Keeps the promises of power.h. Each of them is an orderly end: the log says so to the next boot.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/power.h"

#include <stdio.h>

#include "drivers/acpi.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/log.h"
#include "kernel/machine/console.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/cpu_insn.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/room.h"
#include "kernel/machine/time.h"

#define BOCHS_PORT      0x8900 /* write "Shutdown": Bochs ends */
#define QEMU_EXIT_PORT  0xf4   /* isa-debug-exit */
#define KEYBOARD_PORT   0x64
#define KEYBOARD_RESET  0xfe
#define PM_SLEEP_ENABLE BIT32(13)

static struct {
	bool bochs, emulated, has_fadt;
	struct acpi_fadt fadt;
} power;

void power_init(const struct boot_info *bi, const struct acpi_fadt *fadt, bool has_fadt)
{
	firmware_init(bi);
	power.emulated = (cpuid(1, 0).ecx & BIT32(31)) != 0;
	/* Bochs has no ACPI tables under OVMF and does not say that it is an emulator. */
	power.bochs = !bi->rsdp && !power.emulated;
	power.has_fadt = has_fadt;
	if (has_fadt)
		power.fadt = *fadt;
}

static void gas_write16(const struct acpi_gas *g, uint16_t value)
{
	if (g->address && g->space == ACPI_SPACE_IO)
		out16((uint16_t)g->address, value);
}

static void fadt_off(void)
{
	if (!power.has_fadt || !power.fadt.has_s5)
		return;
	gas_write16(&power.fadt.pm1a_control, (uint16_t)(power.fadt.s5_a << 10 | PM_SLEEP_ENABLE));
	gas_write16(&power.fadt.pm1b_control, (uint16_t)(power.fadt.s5_b << 10 | PM_SLEEP_ENABLE));
	delay_us(100000);
}

static void fadt_reset(void)
{
	if (!power.has_fadt || !power.fadt.reset_supported)
		return;
	if (power.fadt.reset.space == ACPI_SPACE_IO)
		out8((uint16_t)power.fadt.reset.address, power.fadt.reset_value);
	delay_us(100000);
}

static void bochs_off(void)
{
	if (!power.bochs)
		return;
	for (const char *s = "Shutdown"; *s; s++)
		out8(BOCHS_PORT, (uint8_t)*s);
}

static void keyboard_reset(void)
{
	out8(KEYBOARD_PORT, KEYBOARD_RESET);
	delay_us(100000);
}

/* Unless `log save` asked for it, or a crash is the reason, the next boot has nothing to write. */
static void leave_log(void)
{
	if (log_state() == KEPT_RUNNING)
		log_mark(KEPT_LEFT);
}

NORETURN static void stop(void)
{
	crash_stop_here();
	__builtin_unreachable();
}

void power_off(void)
{
	leave_log();
	console_flush();
	irq_disable();
	bochs_off();
	firmware_reset(EFI_RESET_SHUTDOWN);
	fadt_off();
	stop();
}

void power_reset(void)
{
	leave_log();
	console_flush();
	irq_disable();
	/* Firmware's reset ends in port CF9h, which hangs Bochs. */
	if (power.bochs)
		keyboard_reset();
	firmware_reset(EFI_RESET_COLD);
	fadt_reset();
	keyboard_reset();
	stop();
}

void power_exit(int n)
{
	char text[32];

	leave_log();
	snprintf(text, sizeof(text), "tain: exit %d\n", n);
	console_last_words(text);
	irq_disable();
	if (power.emulated)
		out8(QEMU_EXIT_PORT, (uint8_t)n);
	power_off();
}
