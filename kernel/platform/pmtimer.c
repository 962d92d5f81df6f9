/*
 * pmtimer.c - PM1a event and control registers, and the PM timer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/pmtimer.h"

#include <string.h>

#include "kernel/machine/port.h"

enum { PM1_STATUS = 0, PM1_ENABLE = 2, PM1_CONTROL = 4, PM_TIMER = 8 };

#define PM1_CONTROL_SLP_EN  BIT32(13)
#define PM1_CONTROL_SLP_TYP(v) (((v) >> 10) & 7)
#define PM_TIMER_MASK       BITS64(23, 0)

void pmtimer_init(struct pmtimer *pm, void (*sleep)(void *ctx, unsigned type), void *ctx)
{
	memset(pm, 0, sizeof(*pm));
	pm->start_tsc = tsc_now();
	pm->pm1_control = 1; /* SCI_EN: there is no legacy mode to leave */
	pm->sleep = sleep;
	pm->ctx = ctx;
}

static uint32_t timer_value(const struct pmtimer *pm)
{
	uint64_t ticks = tsc_now() - pm->start_tsc, hz = tsc_hz();
	/* Seconds and the rest apart, so that the product stays in 64 bits. */
	uint64_t count = ticks / hz * PM_TIMER_HZ + ticks % hz * PM_TIMER_HZ / hz;

	return (uint32_t)(count & PM_TIMER_MASK);
}

/* The block as bytes: what an access of any size and offset sees. */
static uint8_t byte_at(const struct pmtimer *pm, unsigned offset, uint32_t timer)
{
	if (offset >= PM_TIMER && offset < PM_TIMER + 4)
		return (uint8_t)(timer >> (8 * (offset - PM_TIMER)));

	uint16_t word = 0;

	switch (offset & ~1u) {
	case PM1_STATUS:
		word = pm->pm1_status;
		break;
	case PM1_ENABLE:
		word = pm->pm1_enable;
		break;
	case PM1_CONTROL:
		word = pm->pm1_control;
		break;
	default:
		break;
	}
	return (uint8_t)(offset & 1 ? word >> 8 : word);
}

uint32_t pmtimer_read(void *device, unsigned offset, unsigned bytes)
{
	const struct pmtimer *pm = device;
	uint32_t timer = timer_value(pm), value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)byte_at(pm, offset + i, timer) << (8 * i);
	return value;
}

/* One byte written into the 16-bit register *@reg. */
static void set_byte(uint16_t *reg, unsigned offset, uint8_t v)
{
	*reg = offset & 1 ? (uint16_t)((*reg & 0x00ff) | v << 8) : (uint16_t)((*reg & 0xff00) | v);
}

static void write_byte(struct pmtimer *pm, unsigned offset, uint8_t v)
{
	switch (offset & ~1u) {
	case PM1_STATUS: /* write 1 to clear */
		pm->pm1_status &= (uint16_t) ~(offset & 1 ? v << 8 : v);
		break;
	case PM1_ENABLE:
		set_byte(&pm->pm1_enable, offset, v);
		break;
	case PM1_CONTROL:
		set_byte(&pm->pm1_control, offset, v);
		break;
	default:
		break;
	}
}

void pmtimer_write(void *device, unsigned offset, unsigned bytes, uint32_t value)
{
	struct pmtimer *pm = device;

	for (unsigned i = 0; i < bytes; i++)
		write_byte(pm, offset + i, (uint8_t)(value >> (8 * i)));
	if (pm->pm1_control & PM1_CONTROL_SLP_EN) {
		unsigned type = PM1_CONTROL_SLP_TYP(pm->pm1_control);

		pm->pm1_control &= (uint16_t)~PM1_CONTROL_SLP_EN; /* reads as 0 */
		pm->sleep(pm->ctx, type);
	}
}
