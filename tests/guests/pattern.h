/*
 * pattern.h - how test guests fill pages so that what is lost, mixed up or stale shows; shared by
 * plain guests (32-bit) and trust domains (64-bit).
 *
 * A page carries a tag in words spread over it. Each guest keeps the tags that it wrote elsewhere.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_GUESTS_PATTERN_H
#define TAIN_TESTS_GUESTS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define PATTERN_WORDS 1024u
#define PATTERN_STEP  73u
#define PATTERN_MIX   UINT32_C(2654435761)

static inline uint32_t pattern_word(uint32_t tag, unsigned i)
{
	return tag ^ (uint32_t)i * PATTERN_MIX;
}

static inline void pattern_write(volatile uint32_t *page, uint32_t tag)
{
	for (unsigned i = 0; i < PATTERN_WORDS; i += PATTERN_STEP)
		page[i] = pattern_word(tag, i);
}

/* Does it carry @tag? Tag 0: has never been written, all zero. */
static inline bool pattern_is(const volatile uint32_t *page, uint32_t tag)
{
	for (unsigned i = 0; i < PATTERN_WORDS; i += PATTERN_STEP)
		if (page[i] != (tag ? pattern_word(tag, i) : 0))
			return false;
	return true;
}

/* The same for a page that may have been taken away at any time: each word is there or zero. */
static inline bool pattern_is_or_zero(const volatile uint32_t *page, uint32_t tag)
{
	for (unsigned i = 0; i < PATTERN_WORDS; i += PATTERN_STEP) {
		uint32_t word = page[i];

		if (word && (!tag || word != pattern_word(tag, i)))
			return false;
	}
	return true;
}

static inline uint32_t pattern_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* The same as memlog_mix() of the hypervisor: one page's part of a digest. */
static inline uint32_t pattern_digest(uint32_t gfn)
{
	uint32_t h = gfn * PATTERN_MIX;

	return h ^ h >> 15;
}

/* One page in four is written in each phase: so a log that says too much shows as well. */
static inline bool pattern_chosen(uint32_t gfn, uint32_t phase)
{
	return (pattern_digest(gfn + phase * UINT32_C(7919)) >> 7 & 3) == 0;
}

#endif
