/*
 * explain_words.h - the words after `explain`, on the console and in the host program alike.
 *
 *     explain STATUS [LEAF] [rcx=VALUE rdx=... r8=... r9=... r10=...]
 *     explain seamldr STATUS [LEAF]       explain exit REASON [QUALIFICATION]
 *     explain vmerr NUMBER                explain ve REASON [QUALIFICATION [GPA]]
 *     explain ghci [FUNCTION [STATUS]]
 *
 * Invariants
 *   - Pure: nothing but the words decides what is said.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_EXPLAIN_WORDS_H
#define TAIN_MONITOR_EXPLAIN_WORDS_H

#include "kernel/base/types.h"

#define EXPLAIN_USAGE "STATUS [LEAF] [rcx=VALUE]... | seamldr|exit|vmerr|ve|ghci WORDS"

/* For `help explain`: lines with four blanks before. */
extern const char explain_details[];

/* 0, or -EINVAL and @why: one line that says what was expected. @argc is 1 or more. */
int explain_words(int argc, char **argv, void (*line)(void *ctx, const char *text), void *ctx,
		  char *why, size_t why_size) MUST_CHECK;

#endif
