/*
 * vtd.c - VT-d's units off, as far as firmware left them on. Contract: vtd.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/net/vtd.h"

#include <errno.h>

#include "drivers/io.h"
#include "kernel/base/log.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/time.h"

#define REGISTERS_BYTES PAGE_SIZE
#define NOBODY          UINT32_MAX
#define WAIT_STEP_US    100u
#define WAIT_STEPS      1000u /* 100 ms */

enum { REG_COMMAND = 0x18, REG_STATUS = 0x1c, REG_PROTECTED = 0x64 };

#define TRANSLATION BIT32(31) /* of command and status */
#define INTERRUPTS  BIT32(25)
/* Status bits that stand for a state: the others are commands that act once. */
#define LASTING     UINT32_C(0x96ffffff)

#define PROTECT        BIT32(31)
#define PROTECT_STATUS BIT32(0)

static int wait_clear(const volatile uint8_t *reg, uint32_t bit)
{
	for (unsigned i = 0; mmio_read32(reg) & bit; i++) {
		if (i == WAIT_STEPS)
			return -EIO;
		delay_us(WAIT_STEP_US);
	}
	return 0;
}

/* One bit after the other: a command changes one thing. */
static int clear_state(volatile uint8_t *unit, uint32_t bit)
{
	uint32_t status = mmio_read32(unit + REG_STATUS);

	if (!(status & bit))
		return 0;
	mmio_write32(unit + REG_COMMAND, status & LASTING & ~bit);
	return wait_clear(unit + REG_STATUS, bit);
}

static int unprotect(volatile uint8_t *unit)
{
	uint32_t is = mmio_read32(unit + REG_PROTECTED);

	if (!(is & (PROTECT | PROTECT_STATUS)))
		return 0;
	mmio_write32(unit + REG_PROTECTED, is & ~(PROTECT | PROTECT_STATUS));
	return wait_clear(unit + REG_PROTECTED, PROTECT_STATUS);
}

static void one(void *ctx, const struct acpi_remapper *r)
{
	int *result = ctx;
	volatile uint8_t *unit =
		r->hpa && r->hpa % PAGE_SIZE == 0 ? mmio_map((hpa_t){ r->hpa }, REGISTERS_BYTES, MMIO_UNCACHED) : NULL;
	uint32_t status = unit ? mmio_read32(unit + REG_STATUS) : NOBODY, protect;

	if (status == NOBODY) {
		log_warn("net: the DMAR names a VT-d unit at %#llx, where none is", (unsigned long long)r->hpa);
		return;
	}
	protect = mmio_read32(unit + REG_PROTECTED);
	if (!(status & (TRANSLATION | INTERRUPTS)) && !(protect & (PROTECT | PROTECT_STATUS)))
		return;

	int err = clear_state(unit, TRANSLATION);

	err = err ? err : clear_state(unit, INTERRUPTS);
	err = err ? err : unprotect(unit);
	if (err)
		*result = err;
	log_warn("net: firmware left VT-d on at %#llx (DMA %u, interrupts %u, protected memory %u): %s",
		 (unsigned long long)r->hpa, (status & TRANSLATION) != 0, (status & INTERRUPTS) != 0,
		 protect & PROTECT_STATUS, err ? "it does not go off" : "it is off now");
}

int vtd_off(const struct acpi *a)
{
	int result = 0;

	return acpi_read_dmar(a, one, &result) == 0 ? result : 0;
}
