/*
 * rsa.h - is this an RSA-3072 signature of that digest? (RFC 8017, RSASSA-PKCS1-v1_5 with SHA-384,
 * public exponent 65537.)
 *
 * Invariants
 *   - Everything here is public: nothing is secret, so nothing runs in constant time.
 *   - Any bytes are answered yes or no; no allocation, some 2 KiB of stack.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_RSA_H
#define TAIN_TDX_ABI_RSA_H

#include "kernel/base/sha384.h"
#include "kernel/base/types.h"

#define RSA_BYTES    384
#define RSA_EXPONENT 0x10001

/* Modulus and signature with the least significant byte first. */
bool rsa_verify(const uint8_t modulus[RSA_BYTES], const uint8_t signature[RSA_BYTES],
		const uint8_t digest[SHA384_BYTES]) MUST_CHECK;

#endif
