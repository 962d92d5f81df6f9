/*
 * status_page.h - what the two pages for people share: their looks, and how they write numbers.
 *
 * A page is one piece: no script, nothing fetched from elsewhere, light or dark as the reader's
 * screen is, and readable on a telephone's width.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_STATUS_PAGE_H
#define TAIN_NET_STATUS_PAGE_H

#include "kernel/net/state.h"

/* @reload_s: seconds after which a browser reads the page again, 0: never. */
void html_open(struct text *t, const struct state_source *s, unsigned reload_s);
void html_close(struct text *t);

/* 12 345 678, in groups that do not break. */
void html_count(struct text *t, uint64_t count);

/* "64 MiB", "1.5 GiB"; "42.5 s", "3 min 02 s", "5 h 07 min", "9 d 4 h". */
void html_bytes(struct text *t, uint64_t bytes);
void html_time(struct text *t, uint64_t us);

/* One counter in a list of such: a state_count_fn, @ctx is the text. */
void html_fact(void *ctx, const char *name, uint64_t count);

#endif
