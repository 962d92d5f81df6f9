/*
 * kept_log.h - the log as it lies in memory, where the next boot's loader can find it.
 *
 * The loader reserves a place of the same address in every boot, if memory is free there, and looks at
 * what the boot before left in it. The kernel's log is that place. A machine that is reset without
 * losing its memory thus brings its last words along; the tail is also in a UEFI variable.
 *
 * Invariants
 *   - sum is the sum over all bytes of text of (byte + 1) * (index + 1), modulo 2^64, and is kept up
 *     with each byte written: what does not add up is no log.
 *   - magic is set last by who starts a log, and cleared by who has taken it away.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_KEPT_LOG_H
#define TAIN_BASE_KEPT_LOG_H

#include "kernel/base/types.h"

#define KEPT_LOG_MAGIC UINT64_C(0x31474f4c4e494154) /* "TAINLOG1" */
#define KEPT_LOG_TEXT  65536u

enum kept_state {
	KEPT_RUNNING, /* found so: the machine was reset in the middle of something */
	KEPT_LEFT,    /* an orderly end: nothing is to be written */
	KEPT_SAVED,   /* by `log save` */
	KEPT_CRASHED,
};

struct kept_log {
	uint64_t magic;
	uint64_t end; /* absolute position after the newest byte; byte n is text[n % KEPT_LOG_TEXT] */
	uint64_t sum;
	uint32_t state; /* enum kept_state */
	uint32_t rsvd[9];
	uint8_t text[KEPT_LOG_TEXT];
};
_Static_assert(offsetof(struct kept_log, text) == 64, "loader and kernel agree");

/* The variable with the tail: its first byte is enum kept_state, the rest text. */
#define KEPT_VARIABLE_NAME  u"TainLog"
#define KEPT_VARIABLE_BYTES 4096
#define KEPT_VARIABLE_GUID                                                                     \
	{                                                                                      \
		0x7f5d3c1e, 0x90a4, 0x4b62, { 0xa3, 0x18, 0x5c, 0xe0, 0x2f, 0x71, 0xd4, 0x8b } \
	}

static inline void kept_log_start(struct kept_log *k)
{
	k->magic = 0;
	k->end = 0;
	k->state = KEPT_RUNNING;
	for (uint64_t i = 0; i < KEPT_LOG_TEXT; i++)
		k->text[i] = 0;
	k->sum = (uint64_t)KEPT_LOG_TEXT * (KEPT_LOG_TEXT + 1) / 2;
	__atomic_store_n(&k->magic, KEPT_LOG_MAGIC, __ATOMIC_RELEASE);
}

static inline void kept_log_put(struct kept_log *k, uint8_t byte)
{
	uint64_t at = k->end++ % KEPT_LOG_TEXT;

	k->sum += ((uint64_t)byte - k->text[at]) * (at + 1);
	k->text[at] = byte;
}

/* Is it a log, whole and not damaged? */
static inline bool kept_log_valid(const struct kept_log *k)
{
	uint64_t sum = 0;

	if (k->magic != KEPT_LOG_MAGIC || k->state > KEPT_CRASHED)
		return false;
	for (uint64_t i = 0; i < KEPT_LOG_TEXT; i++)
		sum += (uint64_t)(k->text[i] + 1) * (i + 1);
	return sum == k->sum;
}

/* Position of the oldest byte kept. */
static inline uint64_t kept_log_begin(const struct kept_log *k)
{
	return k->end > KEPT_LOG_TEXT ? k->end - KEPT_LOG_TEXT : 0;
}

#endif
