/*
 * sha256.c - SHA-256 as FIPS 180-4, "SHA-256 Hash Computation" has it. Contract: sha256.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/sha256.h"

#include <string.h>

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static uint32_t load(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* One round. The eight words stand still; their roles move on: D and H are those that change. */
static inline void step(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f,
			uint32_t g, uint32_t *h, uint32_t in)
{
	uint32_t t1 = *h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + (g ^ (e & (f ^ g))) + in;

	*d += t1;
	*h = t1 + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) | (c & (a | b)));
}

static void compress(uint32_t s[8], const uint8_t *block)
{
	uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7], w[64];

	for (unsigned i = 0; i < 16; i++)
		w[i] = load(block + 4 * i);
	for (unsigned i = 16; i < 64; i++) {
		uint32_t x = w[i - 15], y = w[i - 2];

		w[i] = w[i - 16] + (ror(x, 7) ^ ror(x, 18) ^ x >> 3) + w[i - 7] +
		       (ror(y, 17) ^ ror(y, 19) ^ y >> 10);
	}
	for (unsigned i = 0; i < 64; i += 8) {
		step(a, b, c, &d, e, f, g, &h, k[i] + w[i]);
		step(h, a, b, &c, d, e, f, &g, k[i + 1] + w[i + 1]);
		step(g, h, a, &b, c, d, e, &f, k[i + 2] + w[i + 2]);
		step(f, g, h, &a, b, c, d, &e, k[i + 3] + w[i + 3]);
		step(e, f, g, &h, a, b, c, &d, k[i + 4] + w[i + 4]);
		step(d, e, f, &g, h, a, b, &c, k[i + 5] + w[i + 5]);
		step(c, d, e, &f, g, h, a, &b, k[i + 6] + w[i + 6]);
		step(b, c, d, &e, f, g, h, &a, k[i + 7] + w[i + 7]);
	}
	s[0] += a;
	s[1] += b;
	s[2] += c;
	s[3] += d;
	s[4] += e;
	s[5] += f;
	s[6] += g;
	s[7] += h;
}

void sha256_init(struct sha256 *s)
{
	/* First 32 bits of the fractional parts of the square roots of the first 8 primes. */
	static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(s->h, initial, sizeof(initial));
	s->bytes = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes) {
		size_t used = s->bytes % SHA256_BLOCK, n = SHA256_BLOCK - used;

		if (n > bytes)
			n = bytes;
		if (n == SHA256_BLOCK) {
			compress(s->h, p);
		} else {
			memcpy(s->block + used, p, n);
			if (used + n == SHA256_BLOCK)
				compress(s->h, s->block);
		}
		s->bytes += n;
		p += n;
		bytes -= n;
	}
}

void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES])
{
	uint64_t bits = s->bytes * 8;
	uint8_t length[8];

	store(length, (uint32_t)(bits >> 32));
	store(length + 4, (uint32_t)bits);
	sha256_update(s, "\x80", 1);
	while (s->bytes % SHA256_BLOCK != SHA256_BLOCK - 8)
		sha256_update(s, "", 1);
	sha256_update(s, length, 8);
	for (unsigned i = 0; i < 8; i++)
		store(out + 4 * i, s->h[i]);
}
