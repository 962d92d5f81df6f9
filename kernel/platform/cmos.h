/*
 * cmos.h - the RTC and the CMOS bytes behind ports 70h and 71h.
 *
 * The clock (rtc.h) counts real seconds from an arbitrary start date until the guest sets it. Memory sizes
 * stand in the bytes where PC firmware looks for them (34h/35h below 4 GiB, 5Bh-5Dh above): QEMU's
 * documented pc layout.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_CMOS_H
#define TAIN_PLATFORM_CMOS_H

#include "kernel/base/guest_ram.h"
#include "kernel/base/types.h"
#include "kernel/platform/rtc.h"

struct cmos {
	uint8_t index; /* bit 7 (NMI mask) stripped */
	uint8_t byte[128];
	struct rtc rtc;
};

/* @line and @tick as rtc_init() wants them. */
void cmos_init(struct cmos *c, struct guest_ram ram, unsigned vcpus, void (*line)(void *ctx, bool high),
	       void (*tick)(void *ctx), void *ctx);
uint32_t cmos_read(void *cmos, unsigned offset, unsigned bytes);
void cmos_write(void *cmos, unsigned offset, unsigned bytes, uint32_t value);

#endif
