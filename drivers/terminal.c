/*
 * terminal.c - text and escape sequences into cells. Contract: terminal.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/terminal.h"

#include <string.h>

#define ESC 0x1b
#define BEL 0x07

static struct terminal_cell *cells(struct terminal *t, unsigned row)
{
	return t->cell[(t->top + row) % t->rows];
}

const struct terminal_cell *terminal_row(const struct terminal *t, unsigned row)
{
	return t->cell[(t->top + row) % t->rows];
}

static uint8_t colour_now(const struct terminal *t)
{
	uint8_t fore = t->colour & 0x0f, back = t->colour >> 4;

	if (t->bold)
		fore |= 8;
	return t->reverse ? (uint8_t)(fore << 4 | back) : (uint8_t)(back << 4 | fore);
}

static void clear(struct terminal *t, unsigned row, unsigned from, unsigned to)
{
	struct terminal_cell *c = cells(t, row);

	for (unsigned x = from; x < to && x < t->columns; x++)
		c[x] = (struct terminal_cell){ ' ', (uint8_t)(t->colour & 0xf0) | 7 };
	t->changed[row] = true;
}

static void reset(struct terminal *t)
{
	t->x = t->y = t->saved_x = t->saved_y = t->top = 0;
	t->colour = TERMINAL_COLOUR;
	t->bold = t->reverse = t->full = false;
	t->state = TERMINAL_TEXT;
	for (unsigned row = 0; row < t->rows; row++)
		clear(t, row, 0, t->columns);
}

void terminal_init(struct terminal *t, unsigned columns, unsigned rows)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns < TERMINAL_COLUMNS ? columns : TERMINAL_COLUMNS;
	t->rows = rows < TERMINAL_ROWS ? rows : TERMINAL_ROWS;
	reset(t);
}

static void line_feed(struct terminal *t)
{
	if (t->y + 1 < t->rows) {
		t->y++;
		return;
	}
	t->top = (t->top + 1) % t->rows;
	clear(t, t->rows - 1, 0, t->columns);
	memset(t->changed, true, t->rows);
}

static void put(struct terminal *t, uint8_t c)
{
	if (t->full) {
		t->x = 0;
		line_feed(t);
	}
	cells(t, t->y)[t->x] = (struct terminal_cell){ c, colour_now(t) };
	t->changed[t->y] = true;
	t->full = t->x + 1 == t->columns;
	if (!t->full)
		t->x++;
}

static void move_to(struct terminal *t, unsigned x, unsigned y)
{
	t->x = x < t->columns ? x : t->columns - 1;
	t->y = y < t->rows ? y : t->rows - 1;
	t->full = false;
}

static void control(struct terminal *t, uint8_t c)
{
	switch (c) {
	case '\r':
		move_to(t, 0, t->y);
		break;
	case '\n':
		move_to(t, 0, t->y);
		line_feed(t);
		break;
	case '\b':
		move_to(t, t->x ? t->x - 1 : 0, t->y);
		break;
	case '\t':
		move_to(t, (t->x | 7) + 1, t->y);
		break;
	case ESC:
		t->state = TERMINAL_ESC;
		break;
	default:
		break;
	}
}

/* --- CSI sequences: ESC [ numbers letter -------------------------------------------------- */

/* Number @n of the sequence, @absent where it is missing or 0. */
static unsigned param(const struct terminal *t, unsigned n, unsigned absent)
{
	return n < t->params && t->param[n] ? t->param[n] : absent;
}

static void erase_display(struct terminal *t, unsigned how)
{
	unsigned first = how == 0 ? t->y + 1 : 0, end = how == 1 ? t->y : t->rows;

	for (unsigned row = first; row < end; row++)
		clear(t, row, 0, t->columns);
	if (how == 0)
		clear(t, t->y, t->x, t->columns);
	else if (how == 1)
		clear(t, t->y, 0, t->x + 1);
}

static void erase_line(struct terminal *t, unsigned how)
{
	clear(t, t->y, how == 0 ? t->x : 0, how == 1 ? t->x + 1 : t->columns);
}

static void set_colour(struct terminal *t, unsigned n)
{
	uint8_t fore = t->colour & 0x0f, back = t->colour >> 4;

	if (n == 0) {
		t->bold = t->reverse = false;
		fore = 7, back = 0;
	} else if (n == 1 || n == 22) {
		t->bold = n == 1;
	} else if (n == 7 || n == 27) {
		t->reverse = n == 7;
	} else if ((n >= 30 && n <= 37) || n == 39) {
		fore = n == 39 ? 7 : (uint8_t)(n - 30);
	} else if ((n >= 40 && n <= 47) || n == 49) {
		back = n == 49 ? 0 : (uint8_t)(n - 40);
	} else if (n >= 90 && n <= 97) {
		fore = (uint8_t)(n - 90 + 8);
	}
	t->colour = (uint8_t)(back << 4 | fore);
}

static unsigned less(unsigned from, unsigned by) { return from > by ? from - by : 0; }

static void sequence(struct terminal *t, uint8_t final)
{
	unsigned n = param(t, 0, 1);

	switch (final) {
	case 'A':
		move_to(t, t->x, less(t->y, n));
		break;
	case 'B':
		move_to(t, t->x, t->y + n);
		break;
	case 'C':
		move_to(t, t->x + n, t->y);
		break;
	case 'D':
		/* From behind a full line the first step is to its last column. */
		move_to(t, less(t->x + t->full, n), t->y);
		break;
	case 'G':
		move_to(t, n - 1, t->y);
		break;
	case 'd':
		move_to(t, t->x, n - 1);
		break;
	case 'H':
	case 'f':
		move_to(t, param(t, 1, 1) - 1, n - 1);
		break;
	case 'J':
		erase_display(t, param(t, 0, 0));
		break;
	case 'K':
		erase_line(t, param(t, 0, 0));
		break;
	case 'm':
		for (unsigned i = 0; i < t->params; i++)
			set_colour(t, t->param[i]);
		break;
	default:
		break;
	}
}

static void csi(struct terminal *t, uint8_t c)
{
	if (c >= '0' && c <= '9') {
		unsigned *p = &t->param[t->params - 1];

		if (*p < 10000)
			*p = *p * 10 + (c - '0');
	} else if (c == ';') {
		if (t->params < TERMINAL_PARAMS)
			t->param[t->params++] = 0;
	} else if (c == '?' || c == '>' || c == '=') {
		t->private_sequence = true;
	} else if (c >= 0x40) {
		t->state = TERMINAL_TEXT;
		if (!t->private_sequence)
			sequence(t, c);
	} else if (c == ESC) {
		t->state = TERMINAL_ESC;
	}
}

static void escape(struct terminal *t, uint8_t c)
{
	t->state = TERMINAL_TEXT;
	switch (c) {
	case '[':
		t->state = TERMINAL_CSI;
		t->params = 1;
		t->param[0] = 0;
		t->private_sequence = false;
		break;
	case ']':
		t->state = TERMINAL_OSC;
		break;
	case '(':
	case ')':
	case '#':
		t->state = TERMINAL_SKIP;
		break;
	case '7':
		t->saved_x = t->x, t->saved_y = t->y;
		break;
	case '8':
		move_to(t, t->saved_x, t->saved_y);
		break;
	case 'c':
		reset(t);
		break;
	default:
		break;
	}
}

static void take(struct terminal *t, uint8_t c)
{
	switch (t->state) {
	case TERMINAL_ESC:
		escape(t, c);
		return;
	case TERMINAL_CSI:
		csi(t, c);
		return;
	case TERMINAL_OSC:
		if (c == BEL || c == ESC)
			t->state = c == ESC ? TERMINAL_SKIP : TERMINAL_TEXT;
		return;
	case TERMINAL_SKIP:
		t->state = TERMINAL_TEXT;
		return;
	case TERMINAL_TEXT:
	default:
		break;
	}
	if (c < 0x20 || c == 0x7f)
		control(t, c);
	else if (c < 0x80 || c >= 0xc0) /* of a UTF-8 character the first byte stands for all */
		put(t, c);
}

void terminal_write(struct terminal *t, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		take(t, (uint8_t)text[i]);
}
