/*
 * measure_known.c - a few predictions, the oldest replaced first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/measure_known.h"

#include <string.h>

#define KNOWN_MAX 16

static struct {
	uint64_t fingerprint;
	uint8_t mrtd[SHA384_BYTES];
	bool used;
} known[KNOWN_MAX];
static unsigned next_known;

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t mix_bytes(uint64_t h, const uint8_t *data, uint64_t bytes)
{
	uint64_t word = 0, at;

	for (at = 0; at + sizeof(word) <= bytes; at += sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, data + at, bytes - at);
	return mix(h, word);
}

uint64_t measure_fingerprint(const struct measure_plan *plan)
{
	uint64_t h = mix(plan->order, plan->count);

	for (unsigned i = 0; i < plan->count; i++) {
		const struct measure_run *r = &plan->run[i];

		h = mix(mix(mix(mix(h, r->gpa), r->bytes), r->data_bytes), r->extend);
		if (r->extend && r->data_bytes)
			h = mix_bytes(h, r->data, r->data_bytes);
	}
	return h;
}

bool measure_known_get(uint64_t fingerprint, uint8_t mrtd[SHA384_BYTES])
{
	for (unsigned i = 0; i < KNOWN_MAX; i++) {
		if (!known[i].used || known[i].fingerprint != fingerprint)
			continue;
		memcpy(mrtd, known[i].mrtd, SHA384_BYTES);
		return true;
	}
	return false;
}

void measure_known_put(uint64_t fingerprint, const uint8_t mrtd[SHA384_BYTES])
{
	unsigned i = next_known++ % KNOWN_MAX;

	known[i].fingerprint = fingerprint;
	memcpy(known[i].mrtd, mrtd, SHA384_BYTES);
	known[i].used = true;
}
