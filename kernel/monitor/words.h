/*
 * words.h - a command line cut into words.
 *
 * Invariants
 *   - Words are cut in place: they point into the caller's line and end where it ends.
 *   - Double quotes keep blanks together and vanish; between them \" and \\ stand for one
 *     character. A backslash elsewhere is itself, since paths are full of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_WORDS_H
#define TAIN_MONITOR_WORDS_H

#include "kernel/base/types.h"

#define WORDS_MAX 32

/* The number of words in @line, with argv[] pointing to them; -EINVAL: quote not closed;
 * -E2BIG: more than WORDS_MAX. A word that starts with '#' ends the line. */
int words_split(char *line, char *argv[WORDS_MAX]) MUST_CHECK;

#endif
