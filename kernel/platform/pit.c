/*
 * pit.c - modes 0, 2, 3 and 4 of the 8254; modes 1 and 5, which need a rising gate, count like 0 and
 * 4 from the moment that the gate rises.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/pit.h"

#include <string.h>

#include "kernel/machine/port.h"

#define CONTROL            3
#define CONTROL_CHANNEL(v) (((v) >> 6) & 3)
#define CONTROL_ACCESS(v)  (((v) >> 4) & 3)
#define CONTROL_MODE(v)    (((v) >> 1) & 7)
#define READ_BACK          3
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STATUS 0x10
#define STATUS_OUTPUT      0x80
#define STATUS_NULL        0x40

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

#define PORT61_GATE2   0x01
#define PORT61_SPEAKER 0x02
#define PORT61_REFRESH 0x10
#define PORT61_OUT2    0x20
#define REFRESH_TICKS  18 /* of 1.19 MHz: the toggling bit */

static uint64_t elapsed(uint64_t since)
{
	uint64_t ticks = tsc_now() - since, hz = tsc_hz();

	return ticks / hz * PIT_HZ + ticks % hz * PIT_HZ / hz;
}

static uint64_t to_tsc(uint64_t counts)
{
	return counts / PIT_HZ * tsc_hz() + counts % PIT_HZ * tsc_hz() / PIT_HZ;
}

static bool periodic(const struct pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static bool output(const struct pit_channel *c)
{
	uint64_t n = elapsed(c->start_tsc);

	if (!c->gate)
		return c->mode != 0;
	switch (c->mode) {
	case 2:
		return n % c->reload != c->reload - 1;
	case 3:
		return n % c->reload < (c->reload + 1) / 2;
	case 4:
	case 5:
		return n != c->reload;
	default:
		return n >= c->reload;
	}
}

static uint16_t to_bcd(uint32_t v)
{
	return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint32_t v)
{
	return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000;
}

static uint16_t count(const struct pit_channel *c)
{
	uint64_t n = c->gate ? elapsed(c->start_tsc) : 0;
	uint64_t range = c->bcd ? 10000 : 65536, value;

	if (c->mode == 3)
		value = c->reload - 2 * n % c->reload;
	else if (periodic(c))
		value = c->reload - n % c->reload;
	else
		value = c->reload + range - n % range; /* goes on below 0 */
	value %= range;
	return c->bcd ? to_bcd((uint32_t)value) : (uint16_t)value;
}

void pit_next_tick(struct pit *p)
{
	const struct pit_channel *c = &p->channel[0];
	uint64_t n = elapsed(c->start_tsc), next = c->reload;

	if (periodic(c))
		next = (n / c->reload + 1) * c->reload;
	else if (n >= c->reload)
		return;
	/* One count later: rounding never fires a tick before its time. */
	vtimer_arm(&p->timer, c->start_tsc + to_tsc(next) + to_tsc(1));
}

static void on_timer(void *ctx)
{
	struct pit *p = ctx;

	p->tick(p->ctx);
}

void pit_init(struct pit *p, void (*tick)(void *ctx), void *ctx)
{
	memset(p, 0, sizeof(*p));
	for (unsigned i = 0; i < 3; i++)
		p->channel[i] = (struct pit_channel){ .reload = 65536, .access = ACCESS_BOTH,
						      .mode = 0, .gate = i != 2,
						      .start_tsc = tsc_now() };
	vtimer_init(&p->timer, on_timer, p);
	p->tick = tick;
	p->ctx = ctx;
}

void pit_fini(struct pit *p)
{
	vtimer_fini(&p->timer);
}

/* ---- registers ---- */

static void latch_count(struct pit_channel *c)
{
	if (c->count_latched)
		return;
	c->latch = count(c);
	c->count_latched = true;
	c->read_high = false;
}

static void latch_status(struct pit_channel *c)
{
	if (c->status_latched)
		return;
	c->latched_status = (uint8_t)((output(c) ? STATUS_OUTPUT : 0) |
				      (c->null_count ? STATUS_NULL : 0) | c->access << 4 |
				      c->mode << 1 | c->bcd);
	c->status_latched = true;
}

static void read_back(struct pit *p, uint8_t v)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!(v & BIT32(i + 1)))
			continue;
		if (!(v & READ_BACK_NO_COUNT))
			latch_count(&p->channel[i]);
		if (!(v & READ_BACK_NO_STATUS))
			latch_status(&p->channel[i]);
	}
}

static void control(struct pit *p, uint8_t v)
{
	unsigned channel = CONTROL_CHANNEL(v);

	if (channel == READ_BACK) {
		read_back(p, v);
		return;
	}

	struct pit_channel *c = &p->channel[channel];

	if (CONTROL_ACCESS(v) == ACCESS_LATCH) {
		latch_count(c);
		return;
	}
	c->access = CONTROL_ACCESS(v);
	c->mode = CONTROL_MODE(v) > 5 ? CONTROL_MODE(v) & 3 : CONTROL_MODE(v);
	c->bcd = v & 1;
	c->write_high = c->read_high = c->count_latched = c->status_latched = false;
	c->null_count = true;
	if (channel == 0)
		vtimer_cancel(&p->timer);
}

static void load(struct pit *p, struct pit_channel *c, uint32_t value)
{
	if (c->bcd)
		value = from_bcd(value);
	c->reload = value ? value : c->bcd ? 10000 : 65536;
	if (periodic(c) && c->reload == 1)
		c->reload = 2; /* 1 is illegal there */
	c->start_tsc = tsc_now();
	c->null_count = false;
	if (c == &p->channel[0])
		pit_next_tick(p);
}

static void write_count(struct pit *p, struct pit_channel *c, uint8_t v)
{
	switch (c->access) {
	case ACCESS_LOW:
		load(p, c, v);
		break;
	case ACCESS_HIGH:
		load(p, c, (uint32_t)v << 8);
		break;
	default:
		if (c->write_high)
			load(p, c, (uint32_t)v << 8 | c->low_written);
		else
			c->low_written = v;
		c->write_high = !c->write_high;
		break;
	}
}

static uint8_t read_count(struct pit_channel *c)
{
	uint16_t value = c->count_latched ? c->latch : count(c);
	bool upper = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

	if (c->status_latched) {
		c->status_latched = false;
		return c->latched_status;
	}
	if (c->access == ACCESS_BOTH)
		c->read_high = !c->read_high;
	if (c->access != ACCESS_BOTH || upper)
		c->count_latched = false;
	return (uint8_t)(upper ? value >> 8 : value);
}

uint32_t pit_read(void *device, unsigned offset, unsigned bytes)
{
	struct pit *p = device;

	(void)bytes;
	return offset == CONTROL ? 0xff : read_count(&p->channel[offset]);
}

void pit_write(void *device, unsigned offset, unsigned bytes, uint32_t value)
{
	struct pit *p = device;

	(void)bytes;
	if (offset == CONTROL)
		control(p, (uint8_t)value);
	else
		write_count(p, &p->channel[offset], (uint8_t)value);
}

uint32_t port61_read(void *device, unsigned offset, unsigned bytes)
{
	const struct pit *p = device;
	uint32_t v = p->port61;

	(void)offset, (void)bytes;
	if (elapsed(0) / REFRESH_TICKS % 2)
		v |= PORT61_REFRESH;
	if (output(&p->channel[2]))
		v |= PORT61_OUT2;
	return v;
}

void port61_write(void *device, unsigned offset, unsigned bytes, uint32_t value)
{
	struct pit *p = device;
	bool gate = value & PORT61_GATE2;

	(void)offset, (void)bytes;
	if (gate && !p->channel[2].gate)
		p->channel[2].start_tsc = tsc_now();
	p->channel[2].gate = gate;
	p->port61 = value & (PORT61_GATE2 | PORT61_SPEAKER);
}
