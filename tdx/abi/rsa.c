/*
 * rsa.c - signature^65537 mod modulus, by Montgomery's multiplication on 48 words, and the padding that
 * must come out.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/abi/rsa.h"

#include <string.h>

#define WORDS (RSA_BYTES / 8)

typedef unsigned __int128 wide_t;

struct number {
	uint64_t w[WORDS]; /* least significant first */
};

static int compare(const struct number *a, const struct number *b)
{
	for (int i = WORDS - 1; i >= 0; i--)
		if (a->w[i] != b->w[i])
			return a->w[i] < b->w[i] ? -1 : 1;
	return 0;
}

static void subtract(struct number *a, const struct number *b)
{
	uint64_t borrow = 0;

	for (int i = 0; i < WORDS; i++) {
		wide_t d = (wide_t)a->w[i] - b->w[i] - borrow;

		a->w[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
}

/* a = 2a mod n, for a < n. */
static void twice(struct number *a, const struct number *n)
{
	uint64_t carry = 0;

	for (int i = 0; i < WORDS; i++) {
		uint64_t next = a->w[i] >> 63;

		a->w[i] = a->w[i] << 1 | carry;
		carry = next;
	}
	if (carry || compare(a, n) >= 0)
		subtract(a, n);
}

/* -1 / n mod 2^64, for odd n: each round doubles the bits that are right. */
static uint64_t inverse(uint64_t n)
{
	uint64_t x = n;

	for (int i = 0; i < 5; i++)
		x *= 2 - n * x;
	return 0 - x;
}

/* *out = a * b / 2^3072 mod n, for a and b below n. */
static void multiply(struct number *out, const struct number *a, const struct number *b,
		     const struct number *n, uint64_t n_inverse)
{
	uint64_t t[WORDS + 2] = { 0 };

	for (int i = 0; i < WORDS; i++) {
		wide_t sum = 0;
		uint64_t m;

		for (int j = 0; j < WORDS; j++) {
			sum += (wide_t)a->w[j] * b->w[i] + t[j];
			t[j] = (uint64_t)sum;
			sum >>= 64;
		}
		sum += t[WORDS];
		t[WORDS] = (uint64_t)sum;
		t[WORDS + 1] = (uint64_t)(sum >> 64);

		m = t[0] * n_inverse;
		sum = ((wide_t)m * n->w[0] + t[0]) >> 64;
		for (int j = 1; j < WORDS; j++) {
			sum += (wide_t)m * n->w[j] + t[j];
			t[j - 1] = (uint64_t)sum;
			sum >>= 64;
		}
		sum += t[WORDS];
		t[WORDS - 1] = (uint64_t)sum;
		t[WORDS] = t[WORDS + 1] + (uint64_t)(sum >> 64);
	}
	memcpy(out->w, t, sizeof(out->w));
	if (t[WORDS] || compare(out, n) >= 0)
		subtract(out, n);
}

/* value = value^65537 mod n, for value < n and n odd with its highest bit set. */
static void power(struct number *value, const struct number *n)
{
	const uint64_t n_inverse = inverse(n->w[0]);
	struct number square, one = { { 1 } }, x;

	/* 2^6144 mod n, from 2^3072 mod n, which is 2^3072 - n. */
	memset(&square, 0, sizeof(square));
	subtract(&square, n);
	for (int i = 0; i < RSA_BYTES * 8; i++)
		twice(&square, n);
	multiply(value, value, &square, n, n_inverse);
	x = *value;
	for (int i = 0; i < 16; i++)
		multiply(&x, &x, &x, n, n_inverse);
	multiply(&x, &x, value, n, n_inverse);
	multiply(value, &x, &one, n, n_inverse);
}

/* 00 01 FF .. FF 00, DER of "SHA-384", digest: the most significant byte first. */
static void padded(uint8_t out[RSA_BYTES], const uint8_t digest[SHA384_BYTES])
{
	static const uint8_t der[] = { 0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				       0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30 };
	uint8_t *at = out + RSA_BYTES - SHA384_BYTES - sizeof(der);

	memset(out, 0xff, RSA_BYTES);
	out[0] = 0;
	out[1] = 1;
	at[-1] = 0;
	memcpy(at, der, sizeof(der));
	memcpy(at + sizeof(der), digest, SHA384_BYTES);
}

bool rsa_verify(const uint8_t modulus[RSA_BYTES], const uint8_t signature[RSA_BYTES],
		const uint8_t digest[SHA384_BYTES])
{
	struct number n, s;
	uint8_t want[RSA_BYTES];
	const uint8_t *got = (const uint8_t *)s.w; /* this CPU's words are in that order */

	memcpy(n.w, modulus, sizeof(n.w));
	memcpy(s.w, signature, sizeof(s.w));
	if (!(n.w[0] & 1) || !(n.w[WORDS - 1] >> 63) || compare(&s, &n) >= 0)
		return false;
	power(&s, &n);
	padded(want, digest);
	for (int i = 0; i < RSA_BYTES; i++)
		if (got[i] != want[RSA_BYTES - 1 - i])
			return false;
	return true;
}
