/*
 * cfg_lex.h - tain.cfg cut into lines that mean something: [section name], key = value.
 *
 * Shared by the loader (which files are named?) and the kernel's parser (what do they mean?), so
 * that both read the same file the same way.
 *
 * Invariants
 *   - Items are spans of the caller's text: nothing is copied, allocated or written.
 *   - Any bytes are accepted; a line that fits no form is an item CFG_BAD with a reason, and the
 *     next call goes on with the next line. Every call that does not end consumes a line.
 *
 * Form: one item a line (LF or CR LF). '#' at the start of a line or after a blank begins a
 * comment, except between double quotes. Blanks around names and values do not count. A value
 * wholly in double quotes loses them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_CFG_LEX_H
#define TAIN_BASE_CFG_LEX_H

#include "kernel/base/types.h"

#define CFG_LINE_MAX 4096 /* bytes; a longer line is CFG_BAD */

struct cfg_span {
	const char *at; /* not NUL terminated */
	size_t len;
};

enum cfg_kind {
	CFG_END,     /* no more */
	CFG_SECTION, /* key: the word after '[', value: what follows it up to ']', may be empty */
	CFG_PAIR,    /* key, value; the value may be empty */
	CFG_BAD,     /* why says what is wrong; key is the whole line */
};

struct cfg_item {
	enum cfg_kind kind;
	unsigned line; /* from 1 */
	struct cfg_span key, value;
	const char *why;
};

struct cfg_lex {
	const char *text;
	size_t size, pos;
	unsigned line;
};

/* @text need not be NUL terminated; it must outlive @lex and the items. */
void cfg_lex_init(struct cfg_lex *lex, const char *text, size_t size);

/* The next item into *@item. False at the end, with item->kind CFG_END. */
bool cfg_lex_next(struct cfg_lex *lex, struct cfg_item *item);

/* Whether @span is exactly the C string @word. Case matters. */
bool cfg_span_is(struct cfg_span span, const char *word);

/*
 * Copy @span into @out with a NUL. False, and an empty string, when it does not fit.
 */
bool cfg_span_copy(struct cfg_span span, char *out, size_t out_size) MUST_CHECK;

/*
 * As cfg_span_copy, with every '/' turned into '\', a drive-less path from the root of the volume:
 * the one spelling under which boot_file.path names it.
 */
bool cfg_span_copy_path(struct cfg_span span, char *out, size_t out_size) MUST_CHECK;

/*
 * Which keys name a file that the loader has to bring, the table that loader and kernel share.
 * True if "@key = @value" in a section @section ("tain", "td", "vm") names a file.
 */
bool cfg_names_file(struct cfg_span section, struct cfg_span key, struct cfg_span value);

/* The next of a list's words, apart by blanks or commas, from *@s into @word; false at the end. Too long: cut. */
bool cfg_word(const char **s, char *word, size_t size);

#endif
