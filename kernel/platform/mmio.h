/*
 * mmio.h - which device answers at which guest-physical address outside of memory.
 *
 * Invariants
 *   - Ranges do not overlap; the table is sorted, complete before the guest runs, then only read.
 *     What moves (PCI BARs) stands behind one range that does not.
 *   - A device sees (offset in its range, 1/2/4/8 bytes, value), never an access that leaves it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_MMIO_H
#define TAIN_PLATFORM_MMIO_H

#include "kernel/base/types.h"

#define MMIO_RANGES_MAX 8

typedef uint64_t (*mmio_read_fn)(void *device, uint64_t offset, unsigned bytes);
typedef void (*mmio_write_fn)(void *device, uint64_t offset, unsigned bytes, uint64_t value);

struct mmio_range {
	uint64_t first, last; /* GPA, inclusive */
	const char *name;
	mmio_read_fn read;
	mmio_write_fn write;
	void *device;
	uint64_t reads, writes;
	/* NULL: all of the range is the device's; else whether it answers there now. */
	bool (*claims)(void *device, uint64_t offset, unsigned bytes);
};

struct mmio_table {
	struct mmio_range range[MMIO_RANGES_MAX];
	unsigned count;
	uint64_t unclaimed_reads, unclaimed_writes, last_unclaimed;
};

/* Returns 0; -EEXIST: overlaps another; -ENOSPC; -EINVAL: first > last. */
int mmio_add(struct mmio_table *t, const struct mmio_range *range) MUST_CHECK;

/* The range that holds all of @bytes at @gpa and answers there, or NULL. */
const struct mmio_range *mmio_find(const struct mmio_table *t, uint64_t gpa, unsigned bytes);

/* False: nobody there (all ones in *@value, counted). */
bool mmio_read(struct mmio_table *t, uint64_t gpa, unsigned bytes, uint64_t *value);
bool mmio_write(struct mmio_table *t, uint64_t gpa, unsigned bytes, uint64_t value);

#endif
