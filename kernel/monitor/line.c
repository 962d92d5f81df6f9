/*
 * line.c - the line editor. Contract and keys: line.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/line.h"

#include <stdio.h>
#include <string.h>

#define CTRL(c) ((c)&0x1f)
#define DEL_KEY 0x7f
#define ESC_KEY 0x1b

/* ------------------------------------------------------------------ what the terminal shows */

static void put(struct line *l, const char *text, size_t n)
{
	if (n)
		l->write(l->ctx, text, n);
}

static void put_string(struct line *l, const char *text) { put(l, text, strlen(text)); }

/* Move the cursor @n columns left. */
static void cursor_left(struct line *l, unsigned n)
{
	char seq[16];

	if (n == 0)
		return;
	snprintf(seq, sizeof(seq), "\x1b[%uD", n);
	put_string(l, seq);
}

/* Text from @from to the end has changed: write it, clear what was behind, go back to pos. */
static void show_tail(struct line *l, unsigned from)
{
	put(l, l->text + from, l->len - from);
	put_string(l, "\x1b[K");
	cursor_left(l, l->len - l->pos);
}

void line_redraw(struct line *l)
{
	put_string(l, "\r");
	put_string(l, l->prompt);
	show_tail(l, 0);
}

static void move_to(struct line *l, unsigned pos)
{
	if (pos < l->pos)
		cursor_left(l, l->pos - pos);
	else
		put(l, l->text + l->pos, pos - l->pos);
	l->pos = pos;
}

/* ------------------------------------------------------------------ changing the text */

static void insert(struct line *l, const char *text, unsigned n)
{
	if (l->len + n >= LINE_BYTES) {
		put_string(l, "\a");
		return;
	}
	memmove(l->text + l->pos + n, l->text + l->pos, l->len - l->pos + 1);
	memcpy(l->text + l->pos, text, n);
	l->len += n;
	l->pos += n;
	if (l->pos == l->len)
		put(l, text, n);
	else
		show_tail(l, l->pos - n);
}

/* Take [from, to) out; the cursor ends at @from. */
static void cut(struct line *l, unsigned from, unsigned to, bool keep)
{
	if (from == to)
		return;
	if (keep) {
		memcpy(l->killed, l->text + from, to - from);
		l->killed[to - from] = 0;
	}
	move_to(l, from);
	memmove(l->text + from, l->text + to, l->len - to + 1);
	l->len -= to - from;
	show_tail(l, from);
}

static void replace_all(struct line *l, const char *text)
{
	size_t n = strlen(text);

	memcpy(l->text, text, n + 1);
	l->len = l->pos = (unsigned)n;
	line_redraw(l);
}

static unsigned word_start(const struct line *l, unsigned at)
{
	while (at > 0 && l->text[at - 1] == ' ')
		at--;
	while (at > 0 && l->text[at - 1] != ' ')
		at--;
	return at;
}

/* ------------------------------------------------------------------ history */

static char *history_at(struct line *l, unsigned back)
{
	return l->history[(l->history_count - back) % LINE_HISTORY];
}

void line_remember(struct line *l, const char *text)
{
	if (!*text || strlen(text) >= LINE_BYTES)
		return;
	if (l->history_count && strcmp(history_at(l, 1), text) == 0)
		return;
	strcpy(l->history[l->history_count++ % LINE_HISTORY], text);
}

static void history_go(struct line *l, int step)
{
	unsigned kept = l->history_count < LINE_HISTORY ? l->history_count : LINE_HISTORY;

	if ((step > 0 && l->history_back == kept) || (step < 0 && l->history_back == 0)) {
		put_string(l, "\a");
		return;
	}
	if (l->history_back == 0)
		strcpy(l->typed, l->text);
	l->history_back += (unsigned)step;
	replace_all(l, l->history_back ? history_at(l, l->history_back) : l->typed);
}

/* ------------------------------------------------------------------ completion */

static void list_candidates(struct line *l, unsigned start)
{
	const char *word;
	unsigned column = 0;

	put_string(l, "\n");
	for (unsigned n = 0; (word = l->complete(l->ctx, l->text, start, l->pos, n)); n++) {
		char cell[64];

		snprintf(cell, sizeof(cell), "%-16s", word);
		put_string(l, cell);
		column = (column + 1) % 5;
		if (column == 0)
			put_string(l, "\n");
	}
	if (column)
		put_string(l, "\n");
	line_redraw(l);
}

static void complete(struct line *l)
{
	unsigned start = l->pos, have, common = 0, found = 0;
	const char *word, *first = NULL;

	if (!l->complete)
		return;
	while (start > 0 && l->text[start - 1] != ' ')
		start--;
	have = l->pos - start;
	for (; (word = l->complete(l->ctx, l->text, start, l->pos, found)); found++) {
		if (!first) {
			first = word;
			common = (unsigned)strlen(word);
		}
		for (unsigned i = 0; i < common; i++)
			if (word[i] != first[i])
				common = i;
	}
	if (common > have) {
		/* The candidate's storage may be the completer's own: copy before writing. */
		char more[LINE_BYTES];
		unsigned n = common - have < LINE_BYTES ? common - have : LINE_BYTES - 1;

		memcpy(more, first + have, n);
		insert(l, more, n);
	}
	if (found == 1)
		insert(l, " ", 1);
	else if (found > 1 && common <= have && l->last_was_tab)
		list_candidates(l, start);
	else if (common <= have)
		put_string(l, "\a");
}

/* ------------------------------------------------------------------ keys */

static void key_left(struct line *l) { move_to(l, l->pos ? l->pos - 1 : 0); }
static void key_right(struct line *l) { move_to(l, l->pos < l->len ? l->pos + 1 : l->len); }
static void key_home(struct line *l) { move_to(l, 0); }
static void key_end(struct line *l) { move_to(l, l->len); }
static void key_up(struct line *l) { history_go(l, 1); }
static void key_down(struct line *l) { history_go(l, -1); }
static void key_backspace(struct line *l) { cut(l, l->pos ? l->pos - 1 : 0, l->pos, false); }
static void key_delete(struct line *l)
{
	cut(l, l->pos, l->pos < l->len ? l->pos + 1 : l->pos, false);
}
static void key_kill_end(struct line *l) { cut(l, l->pos, l->len, true); }
static void key_kill_start(struct line *l) { cut(l, 0, l->pos, true); }
static void key_kill_word(struct line *l) { cut(l, word_start(l, l->pos), l->pos, true); }
static void key_yank(struct line *l) { insert(l, l->killed, (unsigned)strlen(l->killed)); }
static void key_clear(struct line *l)
{
	put_string(l, "\x1b[H\x1b[2J");
	line_redraw(l);
}

typedef void (*key_fn)(struct line *l);

/* clang-format off */
static const key_fn control_keys[32] = {
	[CTRL('A')] = key_home,       [CTRL('B')] = key_left,      [CTRL('D')] = key_delete,
	[CTRL('E')] = key_end,        [CTRL('F')] = key_right,     [CTRL('H')] = key_backspace,
	[CTRL('I')] = complete,       [CTRL('K')] = key_kill_end,  [CTRL('L')] = key_clear,
	[CTRL('N')] = key_down,       [CTRL('P')] = key_up,        [CTRL('U')] = key_kill_start,
	[CTRL('W')] = key_kill_word,  [CTRL('Y')] = key_yank,
};

static const struct { char final; unsigned number; key_fn fn; } csi_keys[] = {
	{ 'A', 0, key_up },    { 'B', 0, key_down },   { 'C', 0, key_right }, { 'D', 0, key_left },
	{ 'H', 0, key_home },  { 'F', 0, key_end },    { '~', 1, key_home },  { '~', 7, key_home },
	{ '~', 4, key_end },   { '~', 8, key_end },    { '~', 3, key_delete },
};
/* clang-format on */

/* The rest of an escape sequence; @key is its next byte. */
static void escape_key(struct line *l, uint8_t key)
{
	if (l->escape == LINE_ESC) {
		l->escape = key == '[' ? LINE_CSI : key == 'O' ? LINE_SS3 : LINE_PLAIN;
		l->csi_number = 0;
		return;
	}
	if (key >= '0' && key <= '9' && l->csi_number < 100) {
		l->csi_number = l->csi_number * 10 + (key - '0');
		return;
	}
	if (key == ';')
		return;
	l->escape = LINE_PLAIN;
	for (size_t i = 0; i < ARRAY_LEN(csi_keys); i++)
		if (csi_keys[i].final == (char)key &&
		    (key != '~' || csi_keys[i].number == l->csi_number))
			csi_keys[i].fn(l);
}

static enum line_event end_line(struct line *l, enum line_event event)
{
	key_end(l);
	put_string(l, event == LINE_CANCEL ? "^C\n" : "\n");
	l->history_back = 0;
	return event;
}

void line_start(struct line *l)
{
	l->len = l->pos = 0;
	l->text[0] = 0;
	l->escape = LINE_PLAIN;
	l->history_back = 0;
	put_string(l, l->prompt);
}

enum line_event line_key(struct line *l, uint8_t key)
{
	bool after_cr = l->last_was_cr;

	l->last_was_cr = key == '\r';
	if (l->escape != LINE_PLAIN) {
		escape_key(l, key);
		return LINE_MORE;
	}
	if (key == '\r' || (key == '\n' && !after_cr))
		return end_line(l, LINE_DONE);
	if (key == CTRL('C'))
		return end_line(l, LINE_CANCEL);
	if (key == CTRL('D') && l->len == 0)
		return end_line(l, LINE_EOF);
	if (key == ESC_KEY)
		l->escape = LINE_ESC;
	else if (key == DEL_KEY)
		key_backspace(l);
	else if (key < 32 && control_keys[key])
		control_keys[key](l);
	else if (key >= 32 && key < DEL_KEY)
		insert(l, (const char *)&key, 1);
	l->last_was_tab = key == '\t';
	return LINE_MORE;
}
