/*
 * screen.c - grid and pixels of the console's screen. Contract: screen.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/screen.h"

#include <stdio.h>
#include <string.h>

#include "drivers/framebuffer.h"
#include "drivers/terminal.h"
#include "kernel/machine/direct_map.h"

static struct {
	bool present;
	uint32_t stale;   /* atomic */
	uint32_t drawing; /* atomic: one draws, others leave it to him */
	struct framebuffer fb;
	struct terminal terminal; /* the console's lock */
	unsigned cursor_y; /* the row in which the cursor was drawn last */
	struct terminal_cell shown[TERMINAL_ROWS][TERMINAL_COLUMNS]; /* who draws */
	char text[64];
} screen;

bool screen_present(void) { return screen.present; }
bool screen_stale(void) { return __atomic_load_n(&screen.stale, __ATOMIC_RELAXED) != 0; }
const char *screen_text(void) { return screen.present ? screen.text : "none"; }
unsigned screen_rows(void) { return screen.present ? screen.terminal.rows : 0; }

void screen_init(const struct boot_info *bi)
{
	const struct terminal_cell blank = { ' ', TERMINAL_COLOUR };
	void *pixels;

	if (!bi->fb_hpa || bi->fb_bytes == 0 || bi->fb_bytes > SIZE_1G)
		return;
	pixels = mmio_map((hpa_t){ bi->fb_hpa }, bi->fb_bytes, MMIO_WRITE_COMBINING);
	if (!pixels || fb_init(&screen.fb, pixels, bi->fb_bytes, bi->fb_width, bi->fb_height,
			       bi->fb_pixels_per_line, bi->fb_format))
		return;
	terminal_init(&screen.terminal, screen.fb.columns, screen.fb.rows);
	/* The loader has cleared the screen. */
	for (unsigned y = 0; y < TERMINAL_ROWS; y++)
		for (unsigned x = 0; x < TERMINAL_COLUMNS; x++)
			screen.shown[y][x] = blank;
	snprintf(screen.text, sizeof(screen.text), "%ux%u characters on %ux%u",
		 screen.terminal.columns, screen.terminal.rows, screen.fb.width, screen.fb.height);
	screen.present = true;
}

void screen_write(const char *text, size_t length)
{
	if (!screen.present)
		return;
	terminal_write(&screen.terminal, text, length);
	__atomic_store_n(&screen.stale, 1, __ATOMIC_RELAXED);
}

/* A copy of row @y, with the cursor if it is at column @x of it; false: it is as it was drawn. */
static bool row_take(unsigned y, struct terminal_cell *row, bool cursor, unsigned x)
{
	struct terminal *t = &screen.terminal;

	if (!t->changed[y] && !cursor && y != screen.cursor_y)
		return false;
	t->changed[y] = false;
	memcpy(row, terminal_row(t, y), t->columns * sizeof(*row));
	if (cursor)
		row[x].colour = (uint8_t)(row[x].colour << 4 | row[x].colour >> 4);
	return true;
}

static void draw_row(unsigned y, const struct terminal_cell *row)
{
	struct terminal_cell *shown = screen.shown[y];

	for (unsigned x = 0; x < screen.terminal.columns; x++) {
		if (row[x].c == shown[x].c && row[x].colour == shown[x].colour)
			continue;
		fb_draw(&screen.fb, x, y, row[x].c, row[x].colour);
		shown[x] = row[x];
	}
}

void screen_draw(uint64_t (*lock)(void), void (*unlock)(uint64_t flags))
{
	static struct terminal_cell row[TERMINAL_COLUMNS];

	if (!screen.present || __atomic_exchange_n(&screen.drawing, 1, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&screen.stale, 0, __ATOMIC_RELAXED);
	uint64_t flags = lock();
	unsigned cursor_x = screen.terminal.x, cursor_y = screen.terminal.y;

	unlock(flags);
	for (unsigned y = 0; y < screen.terminal.rows; y++) {
		flags = lock();
		bool changed = row_take(y, row, y == cursor_y, cursor_x);

		unlock(flags);
		if (changed)
			draw_row(y, row);
	}
	screen.cursor_y = cursor_y;
	__atomic_store_n(&screen.drawing, 0, __ATOMIC_RELEASE);
}

void screen_crash_mode(void) { screen.drawing = 0; }
