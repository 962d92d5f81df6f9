/*
 * fuzz_terminal.c - any bytes that a guest prints: the screen's grid keeps its bounds, and a drawing
 * of it stays inside the framebuffer.
 *
 * links: drivers/terminal.c drivers/framebuffer.c drivers/font.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>

#include "drivers/framebuffer.h"
#include "drivers/terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIDTH = 328, HEIGHT = 208 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct terminal t;
	static uint32_t pixels[WIDTH * HEIGHT];
	struct framebuffer fb;

	if (size < 2 || fb_init(&fb, pixels, sizeof(pixels), WIDTH, HEIGHT, WIDTH, data[0] % 3))
		return 0;
	terminal_init(&t, data[1] % fb.columns + 1, fb.rows);
	terminal_write(&t, (const char *)data + 2, size - 2);
	if (t.x >= t.columns || t.y >= t.rows || t.top >= t.rows)
		abort();
	for (unsigned y = 0; y < t.rows; y++)
		for (unsigned x = 0; x < t.columns; x++)
			fb_draw(&fb, x, y, terminal_row(&t, y)[x].c, terminal_row(&t, y)[x].colour);
	return 0;
}
