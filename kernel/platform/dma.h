/*
 * dma.h - how devices reach the guest's memory: all of a plain guest's, the shared half of a TD's.
 *
 * Invariant: a guest-physical address from the guest is checked by these functions alone: -ENOENT
 * where there is no memory that a device may touch. Nothing is copied beyond what was asked for.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_DMA_H
#define TAIN_PLATFORM_DMA_H

#include <errno.h>

#include "kernel/base/types.h"

struct dma {
	/* 0; -ENOENT, -ENOMEM: part may have been copied. NULL: devices reach no memory. */
	int (*read)(void *ctx, uint64_t gpa, void *to, uint64_t bytes);
	int (*write)(void *ctx, uint64_t gpa, const void *from, uint64_t bytes);
	void *ctx;
};

static inline int dma_read(const struct dma *d, uint64_t gpa, void *to, uint64_t bytes)
{
	return d->read ? d->read(d->ctx, gpa, to, bytes) : -ENOENT;
}

static inline int dma_write(const struct dma *d, uint64_t gpa, const void *from, uint64_t bytes)
{
	return d->write ? d->write(d->ctx, gpa, from, bytes) : -ENOENT;
}

#endif
