/*
 * store.h - memory for a file whose size may be known only when it is there.
 *
 * Invariants
 *   - The file lies in one piece of the direct map; never more than .limit bytes are kept, and pages
 *     behind the last byte go back when it is complete.
 *   - Every failure leaves a phrase in .why and can be followed by store_drop() alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_STORE_H
#define TAIN_NET_STORE_H

#include "kernel/base/types.h"

struct store {
	uint8_t *bytes;
	uint64_t used, limit;
	uint64_t room_pages; /* pages that are ours, from .bytes on */
	const char *why;
};

void store_init(struct store *s, uint64_t limit);

/* @expected bytes will come (~0: nobody knows). False: .why. */
bool store_expect(struct store *s, uint64_t expected) MUST_CHECK;
bool store_put(struct store *s, const uint8_t *bytes, size_t count) MUST_CHECK;

/* No more comes: what is not needed goes back, and the rest of the last page is zero. */
void store_finish(struct store *s);
/* All of it goes back. */
void store_drop(struct store *s);
/* A file of @size bytes at @bytes, from a store that was finished, goes back. */
void store_free(const void *bytes, uint64_t size);

#endif
