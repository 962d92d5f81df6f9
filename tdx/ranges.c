/*
 * ranges.c - small sets of address ranges.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/ranges.h"

#include <errno.h>
#include <string.h>

#include "kernel/machine/port.h"

void ranges_free(struct ranges *l)
{
	heap_free(l->r);
	*l = (struct ranges){ 0 };
}

static int reserve(struct ranges *l, size_t count)
{
	struct range *bigger;
	size_t capacity = l->capacity ? 2 * l->capacity : 16;

	if (count <= l->capacity)
		return 0;
	bigger = heap_alloc(capacity * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	if (l->count)
		memcpy(bigger, l->r, l->count * sizeof(*bigger));
	heap_free(l->r);
	l->r = bigger;
	l->capacity = capacity;
	return 0;
}

/* Replace @drop ranges from index @at by @put. There is room. */
static void splice(struct ranges *l, size_t at, size_t drop, const struct range *put, size_t puts)
{
	memmove(&l->r[at + puts], &l->r[at + drop], (l->count - at - drop) * sizeof(*l->r));
	if (puts)
		memcpy(&l->r[at], put, puts * sizeof(*put));
	l->count = l->count - drop + puts;
}

int ranges_add(struct ranges *l, uint64_t base, uint64_t end)
{
	struct range whole = { base, end };
	size_t first = 0, last;
	int err = reserve(l, l->count + 1);

	if (err || base >= end)
		return err;
	while (first < l->count && l->r[first].end < base)
		first++;
	for (last = first; last < l->count && l->r[last].base <= end; last++) {
		if (l->r[last].base < whole.base)
			whole.base = l->r[last].base;
		if (l->r[last].end > whole.end)
			whole.end = l->r[last].end;
	}
	splice(l, first, last - first, &whole, 1);
	return 0;
}

int ranges_remove(struct ranges *l, uint64_t base, uint64_t end)
{
	int err = reserve(l, l->count + 1);

	if (err || base >= end)
		return err;
	for (size_t i = 0; i < l->count;) {
		const struct range was = l->r[i];
		struct range left[2];
		size_t n = 0;

		if (was.end <= base || was.base >= end) {
			i++;
			continue;
		}
		if (was.base < base)
			left[n++] = (struct range){ was.base, base };
		if (was.end > end)
			left[n++] = (struct range){ end, was.end };
		splice(l, i, 1, left, n);
		i += n;
	}
	return 0;
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

int ranges_intersect(const struct ranges *a, const struct ranges *b, struct ranges *out)
{
	size_t i = 0, j = 0;

	while (i < a->count && j < b->count) {
		uint64_t base = larger(a->r[i].base, b->r[j].base);
		uint64_t end = smaller(a->r[i].end, b->r[j].end);
		int err = base < end ? ranges_add(out, base, end) : 0;

		if (err)
			return err;
		if (a->r[i].end < b->r[j].end)
			i++;
		else
			j++;
	}
	return 0;
}

int ranges_holes(const struct ranges *l, uint64_t base, uint64_t end, struct ranges *out)
{
	uint64_t at = base;

	for (size_t i = 0; i < l->count && at < end; i++) {
		if (l->r[i].end <= at)
			continue;
		if (l->r[i].base > at) {
			int err = ranges_add(out, at, smaller(l->r[i].base, end));

			if (err)
				return err;
		}
		at = l->r[i].end;
	}
	return at < end ? ranges_add(out, at, end) : 0;
}

uint64_t ranges_bytes(const struct ranges *l, uint64_t base, uint64_t end)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->count; i++) {
		uint64_t from = larger(l->r[i].base, base), to = smaller(l->r[i].end, end);

		if (from < to)
			sum += to - from;
	}
	return sum;
}

size_t ranges_hole_count(const struct ranges *l, uint64_t base, uint64_t end)
{
	uint64_t at = base;
	size_t holes = 0;

	for (size_t i = 0; i < l->count && at < end; i++) {
		if (l->r[i].end <= at || l->r[i].base >= end)
			continue;
		holes += l->r[i].base > at;
		at = l->r[i].end;
	}
	return holes + (at < end);
}
