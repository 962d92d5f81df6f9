/*
 * ports.h - which device answers at which I/O port.
 *
 * Invariants
 *   - Ranges do not overlap; the table is sorted by first port, complete before the guest runs,
 *     and then only read.
 *   - A device sees (offset in its range, 1/2/4 bytes, value) and never an access that leaves its
 *     range: such a one is split into bytes, each looked up by itself, as an ISA bus does.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PORTS_H
#define TAIN_PLATFORM_PORTS_H

#include "kernel/base/types.h"

#define PORT_RANGES_MAX 40

typedef uint32_t (*port_read_fn)(void *device, unsigned offset, unsigned bytes);
typedef void (*port_write_fn)(void *device, unsigned offset, unsigned bytes, uint32_t value);

struct port_range {
	uint16_t first, last;
	const char *name;
	port_read_fn read;   /* NULL: reads all ones */
	port_write_fn write; /* NULL: ignored */
	void *device;
	uint64_t reads, writes;
};

struct port_table {
	struct port_range range[PORT_RANGES_MAX];
	unsigned count;
	uint64_t unclaimed_reads, unclaimed_writes;
	uint16_t last_unclaimed; /* the port, for `stats` */
	void (*unclaimed)(void *ctx, bool write, uint16_t port, unsigned bytes, uint32_t value);
	void *unclaimed_ctx;
};

/* Returns 0; -EEXIST: overlaps another; -ENOSPC; -EINVAL: first > last. */
int ports_add(struct port_table *t, const struct port_range *range) MUST_CHECK;

uint32_t ports_in(struct port_table *t, uint16_t port, unsigned bytes);
void ports_out(struct port_table *t, uint16_t port, unsigned bytes, uint32_t value);

#endif
