/*
 * pager.c - a screenful at a time. Contract: pager.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/monitor/pager.h"

#include <string.h>

#include "kernel/machine/port.h"

#define MORE      "--more-- (space: page, enter: line, q: end)"
#define ERASE     "\r\x1b[K"
#define FIRST_KEEP 16384
#define KEEP_MAX  (4u << 20)

void pager_begin(struct pager *p, unsigned rows)
{
	p->rows = rows;
	p->lines = 0;
	p->used = 0;
	p->through = rows < 2;
}

void pager_drop(struct pager *p)
{
	heap_free(p->kept);
	p->kept = NULL;
	p->used = p->room = 0;
}

static bool keep(struct pager *p, const char *text, size_t length)
{
	if (p->used + length > p->room) {
		size_t want = p->room ? 2 * p->room : FIRST_KEEP;
		char *bigger;

		while (want < p->used + length)
			want *= 2;
		bigger = want <= KEEP_MAX ? heap_alloc(want) : NULL;
		if (!bigger)
			return false;
		if (p->used)
			memcpy(bigger, p->kept, p->used);
		heap_free(p->kept);
		p->kept = bigger;
		p->room = want;
	}
	memcpy(p->kept + p->used, text, length);
	p->used += length;
	return true;
}

void pager_pass(struct pager *p)
{
	if (p->used)
		p->write(p->kept, p->used);
	pager_drop(p);
	p->through = true;
}

/* How much of @text goes on the screen before @lines lines are full. */
static size_t take_lines(const char *text, size_t length, unsigned lines)
{
	size_t n = 0;

	while (n < length && lines)
		lines -= text[n++] == '\n';
	return n;
}

static unsigned count_lines(const char *text, size_t length)
{
	unsigned n = 0;

	for (size_t i = 0; i < length; i++)
		n += text[i] == '\n';
	return n;
}

void pager_write(struct pager *p, const char *text, size_t length)
{
	size_t now = length;

	if (!p->through && !p->used)
		now = take_lines(text, length, p->rows - 1 - p->lines);
	else if (!p->through)
		now = 0;
	if (now) {
		p->write(text, now);
		p->lines += count_lines(text, now);
	}
	if (now < length && !keep(p, text + now, length - now)) {
		pager_pass(p);
		p->write(text + now, length - now);
	}
}

/* How many lines may come now; 0: no more at all. */
static unsigned ask(struct pager *p)
{
	int key;

	p->write(MORE, sizeof(MORE) - 1);
	do {
		key = p->key();
	} while (key >= 0 && !strchr(" \r\nqQ", key));
	p->write(ERASE, sizeof(ERASE) - 1);
	if (key < 0 || key == 'q' || key == 'Q')
		return 0;
	return key == ' ' ? p->rows - 1 : 1;
}

void pager_end(struct pager *p)
{
	size_t at = 0;

	while (at < p->used) {
		unsigned lines = ask(p);
		size_t n = take_lines(p->kept + at, p->used - at, lines);

		if (!lines)
			break;
		p->write(p->kept + at, n);
		at += n;
	}
	pager_drop(p);
}
