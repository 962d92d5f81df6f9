/*
 * follow.c - positions in what guests have printed. Contract: follow.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/net/follow.h"

#include <stdio.h>
#include <string.h>

#include "kernel/guest/guest.h"

#define PIECE     256u
_Static_assert(PIECE > OUTPUT_LINE_MAX, "a piece holds a line and its end");
#define NOTE_MAX  (GUEST_NAME_MAX + 48u)
#define LINE_ROOM (GUEST_NAME_MAX + 2u + OUTPUT_LINE_MAX + 1u)

struct place {
	uint64_t from, starts; /* the next byte, and the guest's life that it belongs to */
};

static struct {
	bool all;
	struct follower {
		bool on;
		struct place at;
	} of[GUESTS_MAX];
	unsigned turn; /* whose lines come first the next time */

	struct guest *console;
	struct place console_at;
} fl;

/* ---- positions ---- */

static struct place here(const struct guest *g)
{
	return (struct place){ __atomic_load_n(&g->output.total, __ATOMIC_ACQUIRE), g->starts };
}

/* A guest that was started again prints from byte 0 on. */
static size_t read_on(struct guest *g, struct place *at, char *to, size_t size, uint64_t *lost)
{
	if (at->starts != g->starts)
		*at = (struct place){ 0, g->starts };
	return output_read(&g->output, &at->from, to, size, lost);
}

static size_t note_lost(char *to, size_t size, const char *before, uint64_t lost)
{
	int n = lost ? snprintf(to, size, "%s[%llu bytes lost]\n", before, (unsigned long long)lost) : 0;

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* ---- lines ---- */

void follow_guest(struct guest *g)
{
	for (unsigned i = 0; i < guest_count(); i++)
		if (guest_at(i) == g && !fl.of[i].on)
			fl.of[i] = (struct follower){ .on = true, .at = here(g) };
}

void follow_all(void)
{
	for (unsigned i = 0; i < guest_count(); i++)
		follow_guest(guest_at(i));
	fl.all = true;
}

void follow_nobody(void)
{
	fl.all = false;
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		fl.of[i].on = false;
}

bool follow_has(const struct guest *g)
{
	for (unsigned i = 0; i < guest_count(); i++)
		if (guest_at(i) == g)
			return fl.all || fl.of[i].on;
	return false;
}

/* A line's text out of @piece, up to its newline or OUTPUT_LINE_MAX; how many bytes it took: 0: it is not whole. */
static size_t cut_line(const char *piece, size_t count, char line[OUTPUT_LINE_MAX], int *length)
{
	*length = 0;
	for (size_t i = 0; i < count; i++) {
		if (piece[i] == '\n')
			return i + 1;
		if (piece[i] != '\t' && ((uint8_t)piece[i] < ' ' || piece[i] == 0x7f))
			continue;
		if (*length == OUTPUT_LINE_MAX)
			return i;
		line[(*length)++] = piece[i];
	}
	return count == PIECE ? count : 0; /* so much that is not shown */
}

/* What has become whole of @g's lines; the rest stays where it is. */
static size_t lines_of(struct follower *f, struct guest *g, char *to, size_t size)
{
	char piece[PIECE], line[OUTPUT_LINE_MAX], name[GUEST_NAME_MAX + 3];
	size_t used = 0, got, took;
	uint64_t lost;
	int length;

	snprintf(name, sizeof(name), "%s| ", g->config->name);
	while (size - used > LINE_ROOM + NOTE_MAX && (got = read_on(g, &f->at, piece, sizeof(piece), &lost))) {
		used += note_lost(to + used, size - used, name, lost);
		took = cut_line(piece, got, line, &length);
		if (!took && guest_ended(g))
			took = got;
		f->at.from -= got - took;
		if (!took)
			break;
		used += (size_t)snprintf(to + used, size - used, "%s%.*s\n", name, length, line);
	}
	return used;
}

static size_t read_lines(void *ctx, char *to, size_t size)
{
	unsigned count = guest_count();
	size_t used = 0;

	(void)ctx;
	for (unsigned i = 0; i < count; i++) {
		unsigned index = (fl.turn + i) % count;
		struct follower *f = &fl.of[index];

		if (!f->on && fl.all) /* it came later */
			*f = (struct follower){ .on = true };
		if (f->on)
			used += lines_of(f, guest_at(index), to + used, size - used);
	}
	fl.turn = count ? (fl.turn + 1) % count : 0;
	return used;
}

static void lines_left(void *ctx)
{
	(void)ctx;
	follow_nobody();
}

const struct remote_source *follow_lines(void)
{
	static const struct remote_source lines = { .read = read_lines, .left = lines_left };

	return &lines;
}

/* ---- a console ---- */

static size_t read_console(void *ctx, char *to, size_t size)
{
	uint64_t lost = 0;
	size_t got;

	(void)ctx;
	if (size <= 2 * NOTE_MAX)
		return 0;
	got = read_on(fl.console, &fl.console_at, to + NOTE_MAX, size - NOTE_MAX, &lost);

	size_t note = note_lost(to, NOTE_MAX, "\n", lost);

	memmove(to + note, to + NOTE_MAX, got);
	return note + got;
}

static bool type_console(void *ctx, uint8_t key)
{
	(void)ctx;
	return guest_type(fl.console, key);
}

static bool console_over(void *ctx)
{
	(void)ctx;
	return guest_ended(fl.console);
}

const struct remote_source *follow_console(struct guest *g)
{
	static const struct remote_source console = { .read = read_console, .type = type_console,
						      .over = console_over };

	fl.console = g;
	fl.console_at = here(g);
	return &console;
}
