/*
 * framebuffer.h - a linear framebuffer as a grid of characters.
 *
 * Invariants
 *   - Only writes: reading back video memory is slow. Who needs to know what is shown remembers it.
 *   - No write lies outside width x height; fb_init() refuses what does not fit into its memory.
 *
 * Pixel formats: UEFI specification, "EFI_GRAPHICS_PIXEL_FORMAT". With a bit mask (format 2) the
 * masks are not known here: colours become black and white.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_FRAMEBUFFER_H
#define TAIN_DRIVERS_FRAMEBUFFER_H

#include "kernel/base/types.h"

#define FONT_FIRST  0x20
#define FONT_GLYPHS 95
#define FONT_ROWS   13
extern const uint8_t font_glyph[FONT_GLYPHS][FONT_ROWS]; /* bit 7 is the left pixel */

#define FB_CELL_WIDTH  8
#define FB_CELL_HEIGHT 16

struct framebuffer {
	uint32_t *pixels;
	uint32_t width, height, pixels_per_line;
	uint32_t scale; /* 2 on screens so fine that 8x16 pixels cannot be read */
	uint32_t columns, rows;
	uint32_t colour[16]; /* of the terminal, as this framebuffer wants them */
};

/*
 * Use @bytes of memory at @pixels (not touched yet). 0; -EINVAL: the numbers contradict each other
 * or the screen is too small for text.
 */
int fb_init(struct framebuffer *fb, void *pixels, uint64_t bytes, uint32_t width, uint32_t height,
	    uint32_t pixels_per_line, uint32_t format) MUST_CHECK;

/* Draw @c at column and row; @colour has the background in bits 7:4. What is no ASCII is a box. */
void fb_draw(const struct framebuffer *fb, unsigned column, unsigned row, uint8_t c, uint8_t colour);

#endif
