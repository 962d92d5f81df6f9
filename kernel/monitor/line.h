/*
 * line.h - one line typed at a terminal: editing, history, completion.
 *
 * Keys   Enter, Backspace, Delete, arrows, Home/End, Tab, and as in a shell ^A ^B ^C ^D ^E ^F ^H
 *        ^K ^L ^N ^P ^U ^W ^Y. Escape sequences of VT100 and xterm; an unknown one does nothing.
 *
 * Invariants
 *   - The buffer is always NUL terminated, and pos <= len < LINE_BYTES.
 *   - Nothing is sent but what the key needs: a character typed at the end is echoed alone, so a
 *     log of the terminal reads as what was typed.
 *   - Knows no console: text goes out through @write, keys come in through line_key().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_LINE_H
#define TAIN_MONITOR_LINE_H

#include "kernel/base/types.h"

#define LINE_BYTES   512
#define LINE_HISTORY 64

enum line_event {
	LINE_MORE,   /* still typing */
	LINE_DONE,   /* Enter: line.text is the line */
	LINE_CANCEL, /* ^C: the line was dropped */
	LINE_EOF,    /* ^D on an empty line */
};

struct line {
	const char *prompt;
	void (*write)(void *ctx, const char *text, size_t length);
	/*
	 * The @nth word that completes the word that starts at @text + @start and ends at @end;
	 * NULL: no more. May be NULL.
	 */
	const char *(*complete)(void *ctx, const char *text, unsigned start, unsigned end,
				unsigned nth);
	void *ctx;

	char text[LINE_BYTES];
	unsigned len, pos;
	char killed[LINE_BYTES]; /* what ^Y brings back */

	char history[LINE_HISTORY][LINE_BYTES];
	unsigned history_count; /* lines ever kept; newest is (count - 1) % LINE_HISTORY */
	unsigned history_back;  /* how far ^P went; 0: the line being typed */
	char typed[LINE_BYTES]; /* the line being typed, while history is looked at */

	enum { LINE_PLAIN, LINE_ESC, LINE_CSI, LINE_SS3 } escape;
	unsigned csi_number;
	bool last_was_cr;
	bool last_was_tab;
};

/* Set prompt, write, complete and ctx first; the rest is zero. Shows the prompt. */
void line_start(struct line *l);

/* One byte from the terminal. After anything but LINE_MORE call line_start() for the next line. */
enum line_event line_key(struct line *l, uint8_t key);

/* Show prompt and text again, for instance after other text was printed over them. */
void line_redraw(struct line *l);

/* Add a line to the history; an empty one or the newest one again is not kept twice. */
void line_remember(struct line *l, const char *text);

#endif
