/*
 * device_ram.h - a guest's memory for tests of devices: bytes from address 0, and nothing beyond.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_DEVICE_RAM_H
#define TAIN_TESTS_DEVICE_RAM_H

#include <errno.h>
#include <string.h>

#include "kernel/platform/dma.h"

struct device_ram {
	uint8_t *bytes;
	uint64_t size;
};

static inline int device_ram_read(void *ctx, uint64_t gpa, void *to, uint64_t n)
{
	const struct device_ram *m = ctx;

	if (gpa > m->size || n > m->size - gpa)
		return -ENOENT;
	memcpy(to, m->bytes + gpa, n);
	return 0;
}

static inline int device_ram_write(void *ctx, uint64_t gpa, const void *from, uint64_t n)
{
	const struct device_ram *m = ctx;

	if (gpa > m->size || n > m->size - gpa)
		return -ENOENT;
	memcpy(m->bytes + gpa, from, n);
	return 0;
}

#endif
