/*
 * text.h - a text that grows up to a bound: what a page or a message is made in.
 *
 * Invariants
 *   - Never more than the bound given; what goes beyond it, or finds no memory, sets .failed and is
 *     dropped with all that follows, so that nobody takes a part for the whole.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_TEXT_H
#define TAIN_NET_TEXT_H

#include "kernel/base/types.h"

struct text {
	char *bytes;
	size_t used, room, bound;
	bool failed;
};

void text_init(struct text *t, size_t bound);
void text_fini(struct text *t);

void text_put(struct text *t, const char *bytes, size_t count);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3); /* 500 bytes, then cut */

/* @s as it may stand between the quotes of a JSON string or a Prometheus label; in an HTML page. */
void text_quoted(struct text *t, const char *s);
void text_html(struct text *t, const char *s);

#endif
