/*
 * terminal.h - what a stream of text with VT100 sequences looks like: a grid of characters.
 *
 * Understands: CR, LF, BS, HT; ESC [ with A B C D G H J K d f m (eight colours, bright, reverse);
 * ESC 7, ESC 8, ESC c; ESC ] up to BEL or ESC \. Everything else is swallowed without a trace.
 *
 * Invariants
 *   - The cursor is inside the grid. A line that is full wraps when its next character comes.
 *   - Knows no pixels: who shows the grid compares it with what is on the screen, for the rows
 *     marked as changed.
 *
 * Sequences: ECMA-48; DEC VT100 user guide.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_DRIVERS_TERMINAL_H
#define TAIN_DRIVERS_TERMINAL_H

#include "kernel/base/types.h"

#define TERMINAL_COLUMNS 256
#define TERMINAL_ROWS    128
#define TERMINAL_COLOUR  0x07 /* white on black */
#define TERMINAL_PARAMS  8

struct terminal_cell {
	uint8_t c, colour; /* background in bits 7:4 */
};

struct terminal {
	unsigned columns, rows;
	unsigned x, y, saved_x, saved_y;
	unsigned top; /* the cell row that is shown as row 0: scrolling moves it */
	uint8_t colour;
	bool bold, reverse, full; /* full: the last column was written; the next one wraps */
	bool changed[TERMINAL_ROWS]; /* by shown row */

	enum { TERMINAL_TEXT, TERMINAL_ESC, TERMINAL_CSI, TERMINAL_OSC, TERMINAL_SKIP } state;
	unsigned param[TERMINAL_PARAMS], params;
	bool private_sequence;

	struct terminal_cell cell[TERMINAL_ROWS][TERMINAL_COLUMNS];
};

/* Blank, of at most TERMINAL_COLUMNS x TERMINAL_ROWS. */
void terminal_init(struct terminal *t, unsigned columns, unsigned rows);

void terminal_write(struct terminal *t, const char *text, size_t length);

/* The cells of shown row @row. */
const struct terminal_cell *terminal_row(const struct terminal *t, unsigned row);

#endif
