/*
 * ports.c - the range table: sorted, found by bisection.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/ports.h"

#include <errno.h>

#define PORT_COUNT 0x10000u

static uint32_t all_ones(unsigned bytes)
{
	return bytes == 4 ? ~UINT32_C(0) : BIT32(bytes * 8) - 1;
}

/* The range that holds @port, or NULL. */
static struct port_range *find(struct port_table *t, uint32_t port)
{
	unsigned low = 0, high = t->count;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		struct port_range *r = &t->range[mid];

		if (port < r->first)
			high = mid;
		else if (port > r->last)
			low = mid + 1;
		else
			return r;
	}
	return NULL;
}

int ports_add(struct port_table *t, const struct port_range *range)
{
	unsigned at = 0;

	if (range->first > range->last)
		return -EINVAL;
	if (t->count == PORT_RANGES_MAX)
		return -ENOSPC;
	while (at < t->count && t->range[at].last < range->first)
		at++;
	if (at < t->count && t->range[at].first <= range->last)
		return -EEXIST;
	for (unsigned i = t->count; i > at; i--)
		t->range[i] = t->range[i - 1];
	t->range[at] = *range;
	t->count++;
	return 0;
}

static void note_unclaimed(struct port_table *t, bool write, uint16_t port, unsigned bytes,
			   uint32_t value)
{
	if (write)
		t->unclaimed_writes++;
	else
		t->unclaimed_reads++;
	t->last_unclaimed = port;
	if (t->unclaimed)
		t->unclaimed(t->unclaimed_ctx, write, port, bytes, value);
}

/* An access that some range holds part of: byte by byte, ports wrapping as on the bus. */
static bool is_split(struct port_table *t, uint16_t port, unsigned bytes)
{
	for (unsigned i = 1; i < bytes; i++)
		if (find(t, (port + i) % PORT_COUNT))
			return true;
	return false;
}

uint32_t ports_in(struct port_table *t, uint16_t port, unsigned bytes)
{
	struct port_range *r = find(t, port);

	if (r && port + bytes - 1 <= r->last) {
		r->reads++;
		return r->read ? r->read(r->device, port - r->first, bytes) & all_ones(bytes)
			       : all_ones(bytes);
	}
	if (bytes > 1 && (r || is_split(t, port, bytes))) {
		uint32_t value = 0;

		for (unsigned i = 0; i < bytes; i++)
			value |= ports_in(t, (uint16_t)(port + i), 1) << (i * 8);
		return value;
	}
	note_unclaimed(t, false, port, bytes, all_ones(bytes));
	return all_ones(bytes);
}

void ports_out(struct port_table *t, uint16_t port, unsigned bytes, uint32_t value)
{
	struct port_range *r = find(t, port);

	value &= all_ones(bytes);
	if (r && port + bytes - 1 <= r->last) {
		r->writes++;
		if (r->write)
			r->write(r->device, port - r->first, bytes, value);
		return;
	}
	if (bytes > 1 && (r || is_split(t, port, bytes))) {
		for (unsigned i = 0; i < bytes; i++)
			ports_out(t, (uint16_t)(port + i), 1, (value >> (i * 8)) & 0xff);
		return;
	}
	note_unclaimed(t, true, port, bytes, value);
}
