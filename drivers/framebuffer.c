/*
 * framebuffer.c - glyphs into pixels. Contract: framebuffer.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/framebuffer.h"

#include <errno.h>

#define GLYPH_TOP  1    /* blank rows over a glyph: 1 + 13 + 2 = 16 */
#define FINE_WIDTH 2000 /* from here on glyphs are doubled */
enum { FORMAT_RGB, FORMAT_BGR, FORMAT_MASK };

/* The terminal's colours, 0xRRGGBB: black red green yellow blue magenta cyan white, then bright. */
static const uint32_t palette[16] = {
	0x000000, 0xcd3131, 0x0dbc79, 0xe5e510, 0x3b78d8, 0xbc3fbc, 0x11a8cd, 0xd0d0d0,
	0x666666, 0xf14c4c, 0x23d18b, 0xf5f543, 0x5b9bf5, 0xd670d6, 0x29b8db, 0xffffff,
};

static const uint8_t box[FONT_ROWS] = { 0, 0, 0x7e, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x7e };

static uint32_t pixel_of(uint32_t rgb, uint32_t format)
{
	if (format == FORMAT_BGR)
		return rgb;
	if (format == FORMAT_RGB)
		return (rgb & 0xff) << 16 | (rgb & 0xff00) | rgb >> 16;
	return (rgb & 0xff00) > 0x7f00 || (rgb >> 16) > 0x7f || (rgb & 0xff) > 0x7f ? UINT32_MAX : 0;
}

int fb_init(struct framebuffer *fb, void *pixels, uint64_t bytes, uint32_t width, uint32_t height,
	    uint32_t pixels_per_line, uint32_t format)
{
	uint32_t scale = width >= FINE_WIDTH ? 2 : 1;

	if (format > FORMAT_MASK || width > pixels_per_line || width > 1u << 15 || height > 1u << 15 ||
	    width < 320 || height < 200 || pixels_per_line > 1u << 16 ||
	    (uint64_t)pixels_per_line * height * sizeof(*fb->pixels) > bytes)
		return -EINVAL;
	*fb = (struct framebuffer){
		.pixels = pixels,
		.width = width,
		.height = height,
		.pixels_per_line = pixels_per_line,
		.scale = scale,
		.columns = width / (FB_CELL_WIDTH * scale),
		.rows = height / (FB_CELL_HEIGHT * scale),
	};
	for (unsigned i = 0; i < ARRAY_LEN(palette); i++)
		fb->colour[i] = pixel_of(palette[i], format);
	return 0;
}

static void draw_line(volatile uint32_t *at, uint8_t bits, uint32_t scale, uint32_t on, uint32_t off)
{
	for (unsigned x = 0; x < FB_CELL_WIDTH; x++, bits = (uint8_t)(bits << 1))
		for (unsigned i = 0; i < scale; i++)
			*at++ = bits & 0x80 ? on : off;
}

void fb_draw(const struct framebuffer *fb, unsigned column, unsigned row, uint8_t c, uint8_t colour)
{
	const uint8_t *glyph = box;
	volatile uint32_t *at;

	if (column >= fb->columns || row >= fb->rows)
		return;
	if (c >= FONT_FIRST && c < FONT_FIRST + FONT_GLYPHS)
		glyph = font_glyph[c - FONT_FIRST];
	at = fb->pixels + (size_t)row * FB_CELL_HEIGHT * fb->scale * fb->pixels_per_line +
	     column * FB_CELL_WIDTH * fb->scale;
	for (unsigned y = 0; y < FB_CELL_HEIGHT * fb->scale; y++, at += fb->pixels_per_line) {
		unsigned line = y / fb->scale - GLYPH_TOP;

		draw_line(at, line < FONT_ROWS ? glyph[line] : 0, fb->scale, fb->colour[colour & 15],
			  fb->colour[colour >> 4]);
	}
}
