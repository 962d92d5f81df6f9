/*
 * fetch.h - one file from the network into memory: by HTTP or TFTP, bounded, checked.
 *
 * Invariants
 *   - One fetch at a time. It ends once, by its done function from fetch_poll(): with the whole file,
 *     whose SHA-256 is the one that was asked for, or with a reason; then no memory of it is left.
 *   - A server that falls silent ends it within FETCH_QUIET_US.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_FETCH_H
#define TAIN_NET_FETCH_H

#include "kernel/base/sha256.h"
#include "kernel/base/types.h"

#define FETCH_QUIET_US UINT64_C(30000000)

struct fetch_want {
	const char *url; /* stays until the end */
	uint64_t limit;  /* bytes */
	const uint8_t *sha256; /* SHA256_BYTES of it, or NULL: any file is good */
};

/* The file is the receiver's from now on (pages of PAGE_KERNEL). */
struct fetched {
	uint8_t *bytes;
	uint64_t size, took_us;
	uint8_t sha256[SHA256_BYTES];
};

/* @file NULL: it failed, @why says how. */
typedef void (*fetch_done_fn)(void *ctx, const struct fetched *file, const char *why);

/* 0; -EBUSY: another one is under way; -EINVAL: *@why says what is wrong with the URL. */
int fetch_begin(const struct fetch_want *want, fetch_done_fn done, void *ctx, const char **why) MUST_CHECK;

/* Its done function is called with "given up" in the next round. */
void fetch_cancel(void);

/* Each round; and: is there nothing to do in it? */
void fetch_poll(void);
bool fetch_quiet(void);

struct fetch_progress {
	const char *url; /* NULL: none is under way */
	uint64_t got, total; /* total 0: not known */
};
void fetch_progress(struct fetch_progress *out);

#endif
