/*
 * drivers_screen.c - the terminal's grid, the glyphs in the framebuffer, and the keyboard.
 *
 * links: drivers/terminal.c drivers/framebuffer.c drivers/font.c drivers/keyboard.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/framebuffer.h"
#include "drivers/io.h"
#include "drivers/keyboard.h"
#include "drivers/terminal.h"

static struct terminal term;

/* What row @row shows, blanks at the end left out. */
static const char *shown(unsigned row)
{
	static char text[TERMINAL_COLUMNS + 1];
	const struct terminal_cell *c = terminal_row(&term, row);
	size_t n = term.columns;

	while (n && c[n - 1].c == ' ')
		n--;
	for (size_t i = 0; i < n; i++)
		text[i] = (char)c[i].c;
	text[n] = 0;
	return text;
}

static void print(const char *text) { terminal_write(&term, text, strlen(text)); }

static void text_wraps_and_scrolls(void **state)
{
	(void)state;
	terminal_init(&term, 10, 3);
	print("0123456789");
	assert_int_equal(term.y, 0); /* a full line waits for the next character */
	print("ab\nc\nd");
	assert_string_equal(shown(0), "ab");
	assert_string_equal(shown(1), "c");
	assert_string_equal(shown(2), "d");
	assert_int_equal(term.x, 1);
	assert_int_equal(term.y, 2);
}

/* What the line editor sends for "help", cursor left twice, an insertion, and Enter. */
static void an_edited_line_looks_as_it_is(void **state)
{
	(void)state;
	terminal_init(&term, 20, 3);
	print("> hep\x1b[1Dlp\x1b[K\x1b[1D\r> help!\x1b[K");
	assert_string_equal(shown(0), "> help!");
	print("\r\x1b[2C\x1b[K");
	assert_string_equal(shown(0), ">");
	print("\x1b[H\x1b[2Jtop");
	assert_string_equal(shown(0), "top");
}

static void sequences_move_and_clear(void **state)
{
	static const struct {
		const char *text, *row0, *row1;
	} rows[] = {
		{ "ab\x1b[2;3Hx", "ab", "  x" },
		{ "ab\ncd\x1b[1Ax", "abx", "cd" },
		{ "abcd\x1b[2Dx", "abxd", "" },
		{ "abcd\x1b[1G\x1b[0Kx", "x", "" },
		{ "abcd\x1b[3G\x1b[1K", "   d", "" },
		{ "ab\ncd\x1b[1J", "", "" },
		{ "ab\ncd\x1b[H\x1b[0J", "", "" },
		{ "\x1b]0;title\x07ok", "ok", "" },
		{ "\x1b]0;title\x1b\\ok", "ok", "" },
		{ "\x1b[?25h\x1b(Bok\x1b[38;5;1mz", "okz", "" },
		{ "\x1b" "7ab\x1b" "8c", "cb", "" },
		{ "\xc3\xa4x", "\xc3x", "" },
		{ "a\tb", "a       b", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		terminal_init(&term, 20, 2);
		print(rows[i].text);
		assert_string_equal(shown(0), rows[i].row0);
		assert_string_equal(shown(1), rows[i].row1);
	}
}

static void colours_come_and_go(void **state)
{
	(void)state;
	terminal_init(&term, 20, 2);
	print("\x1b[31mr\x1b[1mb\x1b[0;7mi\x1b[mn\x1b[97;44mw");
	const struct terminal_cell *c = terminal_row(&term, 0);

	assert_int_equal(c[0].colour, 0x01);
	assert_int_equal(c[1].colour, 0x09);
	assert_int_equal(c[2].colour, 0x70);
	assert_int_equal(c[3].colour, 0x07);
	assert_int_equal(c[4].colour, 0x4f);
}

static void any_bytes_leave_the_cursor_inside(void **state)
{
	(void)state;
	srand(1);
	terminal_init(&term, 7, 5);
	for (unsigned i = 0; i < 200000; i++) {
		static const char often[] = "\x1b[;019ABCDGHJKdfm\r\n\b\t78c]x";
		char c = rand() % 4 ? often[(unsigned)rand() % (sizeof(often) - 1)] : (char)rand();

		terminal_write(&term, &c, 1);
		assert_in_range(term.x, 0, 6);
		assert_in_range(term.y, 0, 4);
	}
}

/* ---- framebuffer ---- */

static void a_glyph_is_where_it_belongs(void **state)
{
	enum { WIDTH = 330, HEIGHT = 210, LINE = 336 };
	uint32_t *pixels = calloc(LINE * HEIGHT, sizeof(*pixels));
	struct framebuffer fb;
	unsigned lit = 0, bits = 0;

	(void)state;
	assert_int_equal(fb_init(&fb, pixels, LINE * HEIGHT * 4, WIDTH, HEIGHT, LINE, 1), 0);
	assert_int_equal(fb.columns, WIDTH / 8);
	assert_int_equal(fb.rows, HEIGHT / 16);
	fb_draw(&fb, 3, 2, 'A', 0x0f);
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 0; x < LINE; x++)
			if (pixels[y * LINE + x]) {
				assert_in_range(x, 24, 31);
				assert_in_range(y, 32, 47);
				assert_int_equal(pixels[y * LINE + x], 0xffffff);
				lit++;
			}
	for (unsigned i = 0; i < FONT_ROWS; i++)
		bits += (unsigned)__builtin_popcount(font_glyph['A' - FONT_FIRST][i]);
	assert_int_equal(lit, bits);
	fb_draw(&fb, fb.columns, 0, 'A', 0x0f); /* outside: nothing */
	fb_draw(&fb, 0, fb.rows, 'A', 0x0f);
	free(pixels);
}

static void a_framebuffer_that_cannot_be_is_refused(void **state)
{
	static const struct {
		uint64_t bytes;
		uint32_t width, height, line, format;
	} rows[] = {
		{ 640 * 480 * 4 - 1, 640, 480, 640, 1 }, /* memory too small */
		{ 640 * 480 * 4, 640, 480, 639, 1 },	 /* line shorter than the picture */
		{ 640 * 480 * 4, 640, 480, 640, 3 },	 /* no pixels */
		{ 640 * 480 * 4, 64, 48, 640, 1 },	 /* no room for text */
		{ UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 1 },
	};
	struct framebuffer fb;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(fb_init(&fb, &fb, rows[i].bytes, rows[i].width, rows[i].height,
					 rows[i].line, rows[i].format),
				 -EINVAL);
}

/* ---- keyboard: a controller whose queue is @codes ---- */

static struct {
	bool there, stuck;
	uint8_t codes[16], config;
	unsigned next, count, commands;
	bool config_read, config_write;
} i8042;

uint8_t io_in8(uint16_t port)
{
	if (!i8042.there)
		return 0xff;
	if (port == 0x64)
		return (uint8_t)((i8042.next < i8042.count || i8042.config_read) |
				 (i8042.stuck ? 2 : 0));
	if (i8042.config_read) {
		i8042.config_read = false;
		return i8042.config;
	}
	return i8042.next < i8042.count ? i8042.codes[i8042.next++] : 0;
}

void io_out8(uint16_t port, uint8_t v)
{
	i8042.commands++;
	if (port == 0x64) {
		i8042.config_read = v == 0x20;
		i8042.config_write = v == 0x60;
	} else if (i8042.config_write) {
		i8042.config = v;
	}
}

uint8_t mmio_read8(const volatile void *r) { return (void)r, 0xff; }
void mmio_write8(volatile void *r, uint8_t v) { (void)r, (void)v; }
uint32_t mmio_read32(const volatile void *r) { return (void)r, 0; }
void mmio_write32(volatile void *r, uint32_t v) { (void)r, (void)v; }

static struct keyboard started(void)
{
	struct keyboard k;

	memset(&i8042, 0, sizeof(i8042));
	i8042.there = true;
	i8042.config = 0x10;
	keyboard_init(&k);
	return k;
}

static void a_keyboard_is_switched_on(void **state)
{
	struct keyboard k = started();

	(void)state;
	assert_true(k.present);
	assert_int_equal(i8042.config, 0x41); /* interrupt, translation, not disabled */
}

static void an_absent_or_stuck_controller_is_left_alone(void **state)
{
	struct keyboard k;

	(void)state;
	memset(&i8042, 0, sizeof(i8042));
	keyboard_init(&k);
	assert_false(k.present);
	assert_int_equal(keyboard_get(&k), -1);
	i8042.there = i8042.stuck = true;
	keyboard_init(&k);
	assert_false(k.present);
	assert_int_equal(i8042.commands, 0);
	k = started();
	i8042.there = false; /* it goes away */
	assert_int_equal(keyboard_get(&k), -1);
	assert_false(k.present);
}

static void keys_type_what_is_on_them(void **state)
{
	static const struct {
		const char *codes, *typed;
	} rows[] = {
		{ "\x1e\x9e", "a" },
		{ "\x2a\x1e\x9e\xaa\x1e", "Aa" },
		{ "\x3a\xba\x1e\x9e\x02", "A1" },          /* Caps Lock: letters only */
		{ "\x1d\x2e\xae\x9d\x2e", "\x03""c" },     /* ^C */
		{ "\x1d\x1b", "\x1d" },                    /* ^] */
		{ "\xe0\x48\xe0\xc8", "\x1b[A" },
		{ "\xe0\x2a\xe0\x53\xe0\xd3\xe0\xaa", "\x1b[3~" },
		{ "\x0e\x0f\x1c\x39", "\x7f\t\r " },
		{ "\x2a\x28\x2b\x35\x0c", "\"|?_" },
		{ "\xe0\x1d\x26\xe0\x9d\x26", "\x0cl" },   /* the right Ctrl */
		{ "\x3b\x58\x7f\x00", "" },                /* F1, F12, nonsense */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct keyboard k = started();
		char typed[32] = "";
		int c;

		i8042.count = (unsigned)strlen(rows[i].codes);
		memcpy(i8042.codes, rows[i].codes, i8042.count);
		for (size_t n = 0; (c = keyboard_get(&k)) >= 0 && n + 1 < sizeof(typed); n++)
			typed[n] = (char)c;
		assert_string_equal(typed, rows[i].typed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_wraps_and_scrolls),
		cmocka_unit_test(an_edited_line_looks_as_it_is),
		cmocka_unit_test(sequences_move_and_clear),
		cmocka_unit_test(colours_come_and_go),
		cmocka_unit_test(any_bytes_leave_the_cursor_inside),
		cmocka_unit_test(a_glyph_is_where_it_belongs),
		cmocka_unit_test(a_framebuffer_that_cannot_be_is_refused),
		cmocka_unit_test(a_keyboard_is_switched_on),
		cmocka_unit_test(an_absent_or_stuck_controller_is_left_alone),
		cmocka_unit_test(keys_type_what_is_on_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
