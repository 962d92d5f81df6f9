/*
 * mmio.c - the range table of memory-mapped devices.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/mmio.h"

#include <errno.h>

static uint64_t all_ones(unsigned bytes)
{
	return bytes >= 8 ? ~UINT64_C(0) : BIT64(bytes * 8) - 1;
}

int mmio_add(struct mmio_table *t, const struct mmio_range *range)
{
	unsigned at = 0;

	if (range->first > range->last)
		return -EINVAL;
	if (t->count == MMIO_RANGES_MAX)
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

const struct mmio_range *mmio_find(const struct mmio_table *t, uint64_t gpa, unsigned bytes)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct mmio_range *r = &t->range[i];

		if (gpa < r->first || gpa > r->last)
			continue;
		if (bytes - 1 > r->last - gpa)
			return NULL;
		return !r->claims || r->claims(r->device, gpa - r->first, bytes) ? r : NULL;
	}
	return NULL;
}

bool mmio_read(struct mmio_table *t, uint64_t gpa, unsigned bytes, uint64_t *value)
{
	struct mmio_range *r = (struct mmio_range *)(uintptr_t)mmio_find(t, gpa, bytes);

	*value = all_ones(bytes);
	if (!r) {
		t->unclaimed_reads++;
		t->last_unclaimed = gpa;
		return false;
	}
	r->reads++;
	*value = r->read(r->device, gpa - r->first, bytes) & all_ones(bytes);
	return true;
}

bool mmio_write(struct mmio_table *t, uint64_t gpa, unsigned bytes, uint64_t value)
{
	struct mmio_range *r = (struct mmio_range *)(uintptr_t)mmio_find(t, gpa, bytes);

	if (!r) {
		t->unclaimed_writes++;
		t->last_unclaimed = gpa;
		return false;
	}
	r->writes++;
	r->write(r->device, gpa - r->first, bytes, value & all_ones(bytes));
	return true;
}
