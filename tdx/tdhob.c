/*
 * tdhob.c - write the TD HOB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/tdhob.h"

#include <string.h>

enum { HOB_HANDOFF = 1, HOB_RESOURCE = 3, HOB_END = 0xffff };
enum { RESOURCE_SYSTEM_MEMORY = 0, RESOURCE_MEMORY_UNACCEPTED = 7 };

#define HANDOFF_VERSION     9
#define RESOURCE_ATTRIBUTES 7 /* present, initialised, tested */

struct hob_header {
	uint16_t type, length;
	uint32_t rsvd;
};

struct hob_handoff {
	struct hob_header header;
	uint32_t version, boot_mode;
	uint64_t memory_top, memory_bottom, free_top, free_bottom, end_of_list;
};
_Static_assert(sizeof(struct hob_handoff) == 56, "HANDOFF HOB is 56 bytes");

struct hob_resource {
	struct hob_header header;
	uint8_t owner[16];
	uint32_t type, attributes;
	uint64_t start, length;
};
_Static_assert(sizeof(struct hob_resource) == 48, "RESOURCE HOB is 48 bytes");

struct writer {
	uint8_t *to;
	uint64_t size, at;
	bool overflow;
};

static void put(struct writer *w, const void *hob, uint16_t bytes)
{
	if (w->size - w->at < bytes) {
		w->overflow = true;
		return;
	}
	memcpy(w->to + w->at, hob, bytes);
	w->at += bytes;
}

static void put_memory(struct writer *w, uint64_t start, uint64_t end, uint32_t type)
{
	const struct hob_resource hob = {
		.header = { HOB_RESOURCE, sizeof(hob), 0 },
		.type = type,
		.attributes = RESOURCE_ATTRIBUTES,
		.start = start,
		.length = end - start,
	};

	if (start < end)
		put(w, &hob, sizeof(hob));
}

/* The lowest added section in [gpa, end), or NULL. */
static const struct tdvf_section *next_added(const struct tdvf *t, uint64_t gpa, uint64_t end)
{
	const struct tdvf_section *best = NULL;

	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];

		if ((s->attributes & TDVF_AUG) || s->gpa < gpa || s->gpa >= end)
			continue;
		if (!best || s->gpa < best->gpa)
			best = s;
	}
	return best;
}

static void put_ram(struct writer *w, const struct tdvf *t, uint64_t gpa, uint64_t end,
		    uint32_t rest)
{
	while (gpa < end) {
		const struct tdvf_section *s = next_added(t, gpa, end);

		put_memory(w, gpa, s ? s->gpa : end, rest);
		if (!s)
			return;
		put_memory(w, s->gpa, s->gpa + s->bytes, RESOURCE_SYSTEM_MEMORY);
		gpa = s->gpa + s->bytes;
	}
}

uint64_t tdhob_build(uint8_t *to, uint64_t size, gpa_t gpa, const struct tdvf *tdvf,
		     struct guest_ram ram, enum td_accept accept)
{
	bool all_added = accept == TD_ACCEPT_ADDED || accept == TD_ACCEPT_MEASURED;
	uint32_t rest = all_added ? RESOURCE_SYSTEM_MEMORY : RESOURCE_MEMORY_UNACCEPTED;
	const struct hob_header end = { HOB_END, sizeof(end), 0 };
	struct hob_handoff handoff = {
		.header = { HOB_HANDOFF, sizeof(handoff), 0 },
		.version = HANDOFF_VERSION,
	};
	struct writer w = { to, size, 0, false };

	put(&w, &handoff, sizeof(handoff));
	put_ram(&w, tdvf, 0, ram.low, rest);
	put_ram(&w, tdvf, TDVF_TOP, TDVF_TOP + ram.high, rest);
	put(&w, &end, sizeof(end));
	if (w.overflow)
		return 0;
	handoff.end_of_list = gpa.v + w.at;
	memcpy(to, &handoff, sizeof(handoff));
	return w.at;
}
