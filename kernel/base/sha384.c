/*
 * sha384.c - SHA-384 as FIPS 180-4 defines it: SHA-512's rounds from another start, cut to 48
 * bytes.
 *
 * Invariants
 *   - block[] holds the bytes % 128 bytes that do not yet fill a block.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/sha384.h"

#include <string.h>

/* Fractional parts of the cube roots of the first 80 primes (FIPS 180-4, 4.2.3). */
static const uint64_t round_constant[80] = {
	UINT64_C(0x428a2f98d728ae22), UINT64_C(0x7137449123ef65cd), UINT64_C(0xb5c0fbcfec4d3b2f),
	UINT64_C(0xe9b5dba58189dbbc), UINT64_C(0x3956c25bf348b538), UINT64_C(0x59f111f1b605d019),
	UINT64_C(0x923f82a4af194f9b), UINT64_C(0xab1c5ed5da6d8118), UINT64_C(0xd807aa98a3030242),
	UINT64_C(0x12835b0145706fbe), UINT64_C(0x243185be4ee4b28c), UINT64_C(0x550c7dc3d5ffb4e2),
	UINT64_C(0x72be5d74f27b896f), UINT64_C(0x80deb1fe3b1696b1), UINT64_C(0x9bdc06a725c71235),
	UINT64_C(0xc19bf174cf692694), UINT64_C(0xe49b69c19ef14ad2), UINT64_C(0xefbe4786384f25e3),
	UINT64_C(0x0fc19dc68b8cd5b5), UINT64_C(0x240ca1cc77ac9c65), UINT64_C(0x2de92c6f592b0275),
	UINT64_C(0x4a7484aa6ea6e483), UINT64_C(0x5cb0a9dcbd41fbd4), UINT64_C(0x76f988da831153b5),
	UINT64_C(0x983e5152ee66dfab), UINT64_C(0xa831c66d2db43210), UINT64_C(0xb00327c898fb213f),
	UINT64_C(0xbf597fc7beef0ee4), UINT64_C(0xc6e00bf33da88fc2), UINT64_C(0xd5a79147930aa725),
	UINT64_C(0x06ca6351e003826f), UINT64_C(0x142929670a0e6e70), UINT64_C(0x27b70a8546d22ffc),
	UINT64_C(0x2e1b21385c26c926), UINT64_C(0x4d2c6dfc5ac42aed), UINT64_C(0x53380d139d95b3df),
	UINT64_C(0x650a73548baf63de), UINT64_C(0x766a0abb3c77b2a8), UINT64_C(0x81c2c92e47edaee6),
	UINT64_C(0x92722c851482353b), UINT64_C(0xa2bfe8a14cf10364), UINT64_C(0xa81a664bbc423001),
	UINT64_C(0xc24b8b70d0f89791), UINT64_C(0xc76c51a30654be30), UINT64_C(0xd192e819d6ef5218),
	UINT64_C(0xd69906245565a910), UINT64_C(0xf40e35855771202a), UINT64_C(0x106aa07032bbd1b8),
	UINT64_C(0x19a4c116b8d2d0c8), UINT64_C(0x1e376c085141ab53), UINT64_C(0x2748774cdf8eeb99),
	UINT64_C(0x34b0bcb5e19b48a8), UINT64_C(0x391c0cb3c5c95a63), UINT64_C(0x4ed8aa4ae3418acb),
	UINT64_C(0x5b9cca4f7763e373), UINT64_C(0x682e6ff3d6b2b8a3), UINT64_C(0x748f82ee5defb2fc),
	UINT64_C(0x78a5636f43172f60), UINT64_C(0x84c87814a1f0ab72), UINT64_C(0x8cc702081a6439ec),
	UINT64_C(0x90befffa23631e28), UINT64_C(0xa4506cebde82bde9), UINT64_C(0xbef9a3f7b2c67915),
	UINT64_C(0xc67178f2e372532b), UINT64_C(0xca273eceea26619c), UINT64_C(0xd186b8c721c0c207),
	UINT64_C(0xeada7dd6cde0eb1e), UINT64_C(0xf57d4f7fee6ed178), UINT64_C(0x06f067aa72176fba),
	UINT64_C(0x0a637dc5a2c898a6), UINT64_C(0x113f9804bef90dae), UINT64_C(0x1b710b35131c471b),
	UINT64_C(0x28db77f523047d84), UINT64_C(0x32caab7b40c72493), UINT64_C(0x3c9ebe0a15c9bebc),
	UINT64_C(0x431d67c49c100d4c), UINT64_C(0x4cc5d4becb3e42b6), UINT64_C(0x597f299cfc657e2a),
	UINT64_C(0x5fcb6fab3ad6faec), UINT64_C(0x6c44198c4a475817),
};

/* Fractional parts of the square roots of the ninth to sixteenth primes (FIPS 180-4, 5.3.4). */
static const uint64_t start[8] = {
	UINT64_C(0xcbbb9d5dc1059ed8), UINT64_C(0x629a292a367cd507), UINT64_C(0x9159015a3070dd17),
	UINT64_C(0x152fecd8f70e5939), UINT64_C(0x67332667ffc00b31), UINT64_C(0x8eb44a8768581511),
	UINT64_C(0xdb0c2e0d64f98fa7), UINT64_C(0x47b5481dbefa4fa4),
};

static inline uint64_t rotr(uint64_t v, unsigned n) { return v >> n | v << (64 - n); }

/* One round. The eight words keep their places and change their names from round to round. */
#define ROUND(a, b, c, d, e, f, g, h, k, w)                                                      \
	do {                                                                                     \
		h += (rotr(rotr(rotr(e, 23) ^ e, 4) ^ e, 14)) + (g ^ (e & (f ^ g))) + (k) + (w); \
		d += h;                                                                          \
		h += (rotr(rotr(rotr(a, 5) ^ a, 6) ^ a, 28)) + ((a & b) | (c & (a | b)));        \
	} while (0)

/* Word i + 16 of the schedule in the place of word i: sixteen are alive at any time. */
static inline void extend(uint64_t w[16], unsigned i)
{
	uint64_t a = w[(i + 1) % 16], b = w[(i + 14) % 16];

	w[i] += w[(i + 9) % 16] + (rotr(rotr(a, 7) ^ a, 1) ^ a >> 7) +
		(rotr(rotr(b, 42) ^ b, 19) ^ b >> 6);
}

static void hash_block(uint64_t state[8], const uint8_t *p)
{
	uint64_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint64_t e = state[4], f = state[5], g = state[6], h = state[7], w[16];

	for (unsigned i = 0; i < 16; i++) {
		uint64_t v;

		memcpy(&v, p + i * sizeof(v), sizeof(v));
		w[i] = __builtin_bswap64(v);
	}
	for (const uint64_t *k = round_constant;; k += 16) {
		ROUND(a, b, c, d, e, f, g, h, k[0], w[0]);
		ROUND(h, a, b, c, d, e, f, g, k[1], w[1]);
		ROUND(g, h, a, b, c, d, e, f, k[2], w[2]);
		ROUND(f, g, h, a, b, c, d, e, k[3], w[3]);
		ROUND(e, f, g, h, a, b, c, d, k[4], w[4]);
		ROUND(d, e, f, g, h, a, b, c, k[5], w[5]);
		ROUND(c, d, e, f, g, h, a, b, k[6], w[6]);
		ROUND(b, c, d, e, f, g, h, a, k[7], w[7]);
		ROUND(a, b, c, d, e, f, g, h, k[8], w[8]);
		ROUND(h, a, b, c, d, e, f, g, k[9], w[9]);
		ROUND(g, h, a, b, c, d, e, f, k[10], w[10]);
		ROUND(f, g, h, a, b, c, d, e, k[11], w[11]);
		ROUND(e, f, g, h, a, b, c, d, k[12], w[12]);
		ROUND(d, e, f, g, h, a, b, c, k[13], w[13]);
		ROUND(c, d, e, f, g, h, a, b, k[14], w[14]);
		ROUND(b, c, d, e, f, g, h, a, k[15], w[15]);
		if (k == round_constant + 64)
			break;
#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++)
			extend(w, i);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

void sha384_init(struct sha384 *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->h, start, sizeof(start));
}

void sha384_update(struct sha384 *s, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes) {
		size_t used = (size_t)(s->bytes % SHA384_BLOCK);
		size_t n = SHA384_BLOCK - used;

		if (n > bytes)
			n = bytes;
		if (n == SHA384_BLOCK) {
			hash_block(s->h, p);
		} else {
			memcpy(s->block + used, p, n);
			if (used + n == SHA384_BLOCK)
				hash_block(s->h, s->block);
		}
		s->bytes += n;
		p += n;
		bytes -= n;
	}
}

void sha384_final(struct sha384 *s, uint8_t out[SHA384_BYTES])
{
	static const uint8_t pad[SHA384_BLOCK] = { 0x80 };
	uint64_t bits = __builtin_bswap64(s->bytes << 3);
	uint64_t high = __builtin_bswap64(s->bytes >> 61);
	size_t used = (size_t)(s->bytes % SHA384_BLOCK);

	sha384_update(s, pad, (used < 112 ? 112 : 240) - used);
	sha384_update(s, &high, sizeof(high));
	sha384_update(s, &bits, sizeof(bits));
	for (unsigned i = 0; i < SHA384_BYTES / 8; i++) {
		uint64_t v = __builtin_bswap64(s->h[i]);

		memcpy(out + i * sizeof(v), &v, sizeof(v));
	}
}
