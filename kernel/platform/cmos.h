/*
 * cmos.h - the RTC and the CMOS bytes behind ports 70h and 71h.
 *
 * The clock counts real seconds from an arbitrary start date. Memory sizes stand in the bytes
 * where PC firmware looks for them (34h/35h below 4 GiB, 5Bh-5Dh above).
 *
 * Registers: MC146818 data sheet; extended memory bytes as QEMU's documented pc layout.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_CMOS_H
#define TAIN_PLATFORM_CMOS_H

#include "kernel/base/guest_ram.h"
#include "kernel/base/types.h"

struct cmos {
	uint8_t index; /* bit 7 (NMI mask) stripped */
	uint8_t byte[128];
	uint64_t start_tsc;
};

void cmos_init(struct cmos *c, struct guest_ram ram, unsigned vcpus);
uint32_t cmos_read(void *cmos, unsigned offset, unsigned bytes);
void cmos_write(void *cmos, unsigned offset, unsigned bytes, uint32_t value);

#endif
