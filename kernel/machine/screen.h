/*
 * screen.h - the framebuffer that firmware left, as a second place where the console's text shows.
 *
 * Invariants
 *   - screen_write() only changes a grid in memory; pixels are drawn by screen_draw(), on one CPU at
 *     a time, and only where a character changed. So printing never waits for video memory.
 *   - Without a framebuffer all of it does nothing.
 *
 * The owner of the console's lock serialises screen_write() and the copying of rows.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_SCREEN_H
#define TAIN_MACHINE_SCREEN_H

#include "kernel/base/boot_info.h"
#include "kernel/base/types.h"

/* Use the boot record's framebuffer, if there is one. After direct_map_init(). */
void screen_init(const struct boot_info *bi);
bool screen_present(void);

void screen_write(const char *text, size_t length);

/* Has text come since the last drawing? */
bool screen_stale(void);

/* Draw what changed. @lock and @unlock are the console's; called for each row. */
void screen_draw(uint64_t (*lock)(void), void (*unlock)(uint64_t flags));

/* Who was drawing may never go on: draw nevertheless. */
void screen_crash_mode(void);

/* "160x50 characters on 1280x800", or "none". */
const char *screen_text(void);
unsigned screen_rows(void); /* 0: none */

#endif
