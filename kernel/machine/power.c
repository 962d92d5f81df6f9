/*
 * power.c - the ways out of this machine.
 *
 * Keeps the promises of power.h. Firmware's ResetSystem runs on tables of its own: the kernel's
 * upper half plus everything below mapped one to one, as the firmware left it.
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

/* UEFI specification, "EFI Runtime Services Table": 24-byte header, then function pointers. */
#define SYSTEM_TABLE_SIGNATURE UINT64_C(0x5453595320494249)
#define RUNTIME_SIGNATURE      UINT64_C(0x56524553544e5552)
#define SYSTEM_TABLE_RUNTIME   88
#define RUNTIME_RESET_SYSTEM   104

enum efi_reset { EFI_RESET_COLD, EFI_RESET_WARM, EFI_RESET_SHUTDOWN };
typedef void (*efi_reset_fn)(enum efi_reset type, uint64_t status, uint64_t size, void *data)
	__attribute__((ms_abi));

static struct {
	uint64_t reset_system; /* physical; 0: no runtime services */
	bool bochs, emulated, has_fadt;
	struct acpi_fadt fadt;
} power;

static uint64_t read_u64(uint64_t hpa)
{
	uint64_t v = 0;

	if (copy_safe(&v, hpa_to_ptr((hpa_t){ hpa }), sizeof(v)))
		return 0;
	return v;
}

void power_init(const struct boot_info *bi, const struct acpi_fadt *fadt, bool has_fadt)
{
	uint64_t table = bi->efi_system_table;

	if (table && read_u64(table) == SYSTEM_TABLE_SIGNATURE) {
		uint64_t services = read_u64(table + SYSTEM_TABLE_RUNTIME);

		if (services && read_u64(services) == RUNTIME_SIGNATURE)
			power.reset_system = read_u64(services + RUNTIME_RESET_SYSTEM);
	}
	power.emulated = (cpuid(1, 0).ecx & BIT32(31)) != 0;
	/* Bochs has no ACPI tables under OVMF and does not say that it is an emulator. */
	power.bochs = !bi->rsdp && !power.emulated;
	power.has_fadt = has_fadt;
	if (has_fadt)
		power.fadt = *fadt;
}

static void efi_reset(enum efi_reset type)
{
	uint64_t cr3 = power.reset_system ? efi_call_cr3() : 0;

	if (!cr3)
		return;
	cr3_write(cr3);
	((efi_reset_fn)power.reset_system)(type, 0, 0, NULL);
	cr3_write(kernel_cr3());
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

NORETURN static void stop(void)
{
	crash_stop_here();
	__builtin_unreachable();
}

void power_off(void)
{
	console_flush();
	irq_disable();
	bochs_off();
	efi_reset(EFI_RESET_SHUTDOWN);
	fadt_off();
	stop();
}

void power_reset(void)
{
	console_flush();
	irq_disable();
	/* Firmware's reset ends in port CF9h, which hangs Bochs. */
	if (power.bochs)
		keyboard_reset();
	efi_reset(EFI_RESET_COLD);
	fadt_reset();
	keyboard_reset();
	stop();
}

void power_exit(int n)
{
	char text[32];

	snprintf(text, sizeof(text), "tain: exit %d\n", n);
	console_last_words(text);
	irq_disable();
	if (power.emulated)
		out8(QEMU_EXIT_PORT, (uint8_t)n);
	power_off();
}
