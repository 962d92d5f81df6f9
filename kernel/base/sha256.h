/*
 * sha256.h - SHA-256 (FIPS 180-4), one running context.
 *
 * Invariants
 *   - The context is plain data: it may be copied, and lives wherever its owner lives.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_SHA256_H
#define TAIN_BASE_SHA256_H

#include "kernel/base/types.h"

#define SHA256_BYTES 32
#define SHA256_BLOCK 64

struct sha256 {
	uint32_t h[8];
	uint64_t bytes; /* hashed so far */
	uint8_t block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t bytes);
/* The digest; the context must be initialised again before further use. */
void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES]);

#endif
