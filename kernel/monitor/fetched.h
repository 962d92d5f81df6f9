/*
 * fetched.h - what the monitor itself has from the network: a file that somebody waits for, more of the
 * configuration, a TDX module.
 *
 *     stick's tain.cfg --`config =`--> fetched, parsed, checked as a whole --> guests take their places
 *                                                \--> one mistake: nothing changes, one line says so
 *
 * Invariants
 *   - Nobody waits for ever: all fetches for the boot together end after FETCHED_BOOT_US, and ^C ends any.
 *   - Only guests and `start` come that way: who may reach the machine, and what it trusts, is the stick's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_FETCHED_H
#define TAIN_MONITOR_FETCHED_H

#include "kernel/base/guest_config.h"
#include "kernel/base/sha256.h"
#include "kernel/base/types.h"

#define FETCHED_BOOT_US (UINT64_C(90) * 1000000)
#define FETCHED_WHY     200

/*
 * Fetch @file, whose path is a URL, and let the guests run meanwhile. @most: its bytes; @timeout_us: 0: as long as the
 * server says something. 0: its data is there, to be given back by fetched_drop(); -1: @why.
 */
int fetched_get(struct guest_file *file, uint64_t most, uint64_t timeout_us, char why[FETCHED_WHY]) MUST_CHECK;
void fetched_drop(struct guest_file *file);

/*
 * More of the configuration, from @source (fetched here). @timeout_us: for the boot: who calls starts the guests
 * then; 0: at the console: those of its `start` are started. 0; -1: @why, and nothing has changed.
 */
int fetched_config(const struct guest_file *source, uint64_t timeout_us, char why[FETCHED_WHY]) MUST_CHECK;

/* The one that was taken over last; NULL: none has been. */
struct fetched_source {
	char url[GUEST_PATH_MAX + 1];
	uint64_t bytes;
	uint8_t sha256[SHA256_BYTES];
	unsigned guests;
};
const struct fetched_source *fetched_last(void);

#define FETCHED_HASH_TEXT (2 * SHA256_BYTES + 1)
const char *fetched_hash_text(const uint8_t sha256[SHA256_BYTES], char text[FETCHED_HASH_TEXT]);

/* What tain.cfg has on the network besides the guests' files: the configuration and the module. */
void fetched_at_start(void);

#endif
