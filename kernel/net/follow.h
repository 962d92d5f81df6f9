/*
 * follow.h - what guests print, for a reader far away: lines of several, or one guest's bytes.
 *
 * The last 8 KiB that a guest printed are kept anyhow (output.h): they are read from there when the reader has
 * room, so that no guest ever waits for one, and nobody is asked to keep more.
 *
 * Invariants
 *   - Whoever reads too slowly loses the oldest bytes; how many is said where they are missing.
 *   - Lines come whole, with the name before them; a line longer than OUTPUT_LINE_MAX in pieces.
 *
 * Boot CPU only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_FOLLOW_H
#define TAIN_NET_FOLLOW_H

#include "kernel/base/types.h"
#include "kernel/net/remote.h"

struct guest;

/* From now on: @g's lines; all guests' lines, also of those that come later; nobody's. */
void follow_guest(struct guest *g);
void follow_all(void);
void follow_nobody(void);
/* Is @g among them? */
bool follow_has(const struct guest *g);

/* The lines, as a session of the console reads them; and @g's bytes, from now on. */
const struct remote_source *follow_lines(void);
const struct remote_source *follow_console(struct guest *g);

#endif
