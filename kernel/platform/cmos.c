/*
 * cmos.c - the index, and the CMOS bytes around the clock's registers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/cmos.h"

#include <string.h>

#define CMOS_EXT_LOW   0x17 /* KiB above 1 MiB, at most 63 MiB; again at 30h */
#define CMOS_EXT_LOW2  0x30
#define CMOS_ABOVE_16M 0x34 /* 64 KiB units, below 4 GiB */
#define CMOS_ABOVE_4G  0x5b /* 64 KiB units, three bytes */
#define CMOS_CPUS      0x5f /* besides the first */

static void put16(uint8_t *at, uint64_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

void cmos_init(struct cmos *c, struct guest_ram ram, unsigned vcpus, void (*line)(void *ctx, bool high),
	       void (*tick)(void *ctx), void *ctx)
{
	uint64_t low = ram.low, high = ram.high;
	uint64_t ext_kib = low > (1u << 20) ? (low - (1u << 20)) / 1024 : 0;

	memset(c, 0, sizeof(*c));
	rtc_init(&c->rtc, line, tick, ctx);
	put16(&c->byte[0x15], 640);
	put16(&c->byte[CMOS_EXT_LOW], ext_kib < 0xfc00 ? ext_kib : 0xfc00);
	put16(&c->byte[CMOS_EXT_LOW2], ext_kib < 0xfc00 ? ext_kib : 0xfc00);
	put16(&c->byte[CMOS_ABOVE_16M], low > (16u << 20) ? (low - (16u << 20)) >> 16 : 0);
	put16(&c->byte[CMOS_ABOVE_4G], high >> 16);
	c->byte[CMOS_ABOVE_4G + 2] = (uint8_t)(high >> 32);
	c->byte[CMOS_CPUS] = (uint8_t)(vcpus - 1);
}

uint32_t cmos_read(void *cmos, unsigned offset, unsigned bytes)
{
	struct cmos *c = cmos;

	(void)bytes;
	if (offset == 0)
		return 0xff; /* the index is write-only */
	return rtc_owns(c->index) ? rtc_read(&c->rtc, c->index) : c->byte[c->index];
}

void cmos_write(void *cmos, unsigned offset, unsigned bytes, uint32_t value)
{
	struct cmos *c = cmos;

	(void)bytes;
	if (offset == 0)
		c->index = value & 0x7f;
	else if (rtc_owns(c->index))
		rtc_write(&c->rtc, c->index, (uint8_t)value);
	else
		c->byte[c->index] = (uint8_t)value;
}
