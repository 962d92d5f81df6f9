/*
 * store.c - memory for a file that comes in. Contract: store.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/store.h"

#include <string.h>

#include "kernel/machine/port.h"

#define FIRST_BYTES (UINT64_C(1) << 20)
/* So much stays for the others. */
#define RESERVE_PAGES (UINT64_C(4) * GUEST_RESERVE_PAGES)

void store_init(struct store *s, uint64_t limit) { *s = (struct store){ .limit = limit }; }

static uint64_t pages_of(uint64_t bytes) { return align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT; }

static void give_back(const uint8_t *from, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		page_free(ptr_to_hpa(from + (i << PAGE_SHIFT)), PAGE_KERNEL);
}

/* Room for @bytes in one piece; what is there moves. */
static bool make_room(struct store *s, uint64_t bytes)
{
	unsigned order = 0;
	hpa_t page;

	while (PAGE_SIZE << order < bytes)
		order++;
	if (page_count(PAGE_FREE) < (UINT64_C(1) << order) + RESERVE_PAGES) {
		s->why = "no memory for it";
		return false;
	}
	page = pages_alloc_raw(PAGE_KERNEL, order);
	if (hpa_is_none(page)) {
		s->why = "no memory for it in one piece";
		return false;
	}

	uint8_t *to = hpa_to_ptr(page);

	if (s->used)
		memcpy(to, s->bytes, s->used);
	give_back(s->bytes, s->room_pages);
	s->bytes = to;
	s->room_pages = UINT64_C(1) << order;
	return true;
}

bool store_expect(struct store *s, uint64_t expected)
{
	bool known = expected != ~UINT64_C(0);

	if (known && expected > s->limit) {
		s->why = "larger than fetch_limit";
		return false;
	}
	return make_room(s, known && expected ? expected : FIRST_BYTES);
}

bool store_put(struct store *s, const uint8_t *bytes, size_t count)
{
	if (count > s->limit - s->used) {
		s->why = "larger than fetch_limit";
		return false;
	}
	if (s->used + count > s->room_pages << PAGE_SHIFT && !make_room(s, s->used + count))
		return false;
	memcpy(s->bytes + s->used, bytes, count);
	s->used += count;
	return true;
}

void store_finish(struct store *s)
{
	uint64_t keep = pages_of(s->used);

	if (s->room_pages > keep)
		give_back(s->bytes + (keep << PAGE_SHIFT), s->room_pages - keep);
	s->room_pages = keep;
	if (s->used % PAGE_SIZE)
		memset(s->bytes + s->used, 0, PAGE_SIZE - s->used % PAGE_SIZE);
}

void store_free(const void *bytes, uint64_t size) { give_back(bytes, pages_of(size)); }

void store_drop(struct store *s)
{
	give_back(s->bytes, s->room_pages);
	s->bytes = NULL;
	s->used = s->room_pages = 0;
}
