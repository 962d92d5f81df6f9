/*
 * pager.h - the output of a command a screenful at a time, for who types by hand.
 *
 * Invariants
 *   - The first screenful goes out as it comes; what follows is kept until the command is done and
 *     then shown page by page. A command that waits is not held up: what was kept goes out at once.
 *   - Memory for keeping runs out: the rest goes out unpaged.
 *   - Knows neither console nor keys: text goes to @write, keys come from @key.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_PAGER_H
#define TAIN_MONITOR_PAGER_H

#include "kernel/base/types.h"

struct pager {
	void (*write)(const char *text, size_t length);
	/* The next key, waited for; -1: the user has had enough. */
	int (*key)(void);
	unsigned rows; /* of a screen; 0: no paging */

	unsigned lines; /* that have gone out since the last stop */
	char *kept;
	size_t used, room;
	bool through; /* everything goes out now */
};

/* A command begins; @rows 0: its output is not paged. */
void pager_begin(struct pager *p, unsigned rows);
void pager_write(struct pager *p, const char *text, size_t length);

/* The command waits for something: let out what was kept, and page nothing more of it. */
void pager_pass(struct pager *p);

/* The command is done: show what was kept. Space and Enter go on by a page or a line, q ends. */
void pager_end(struct pager *p);

/* Let go what was kept. */
void pager_drop(struct pager *p);

#endif
