/*
 * sha384.h - SHA-384 (FIPS 180-4), one running context.
 *
 * Invariants
 *   - The context is plain data: it may be copied, and lives wherever its owner lives.
 *   - Nothing but the C library's memcpy and memset is needed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_SHA384_H
#define TAIN_BASE_SHA384_H

#include "kernel/base/types.h"

#define SHA384_BYTES 48
#define SHA384_BLOCK 128

struct sha384 {
	uint64_t h[8];
	uint64_t bytes; /* hashed so far */
	uint8_t block[SHA384_BLOCK];
};

void sha384_init(struct sha384 *s);
void sha384_update(struct sha384 *s, const void *data, size_t bytes);
/* The digest; the context must be initialised again before further use. */
void sha384_final(struct sha384 *s, uint8_t out[SHA384_BYTES]);

#endif
