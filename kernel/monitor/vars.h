/*
 * vars.h - variables of the console and of scripts, and arithmetic with them.
 *
 * A variable is a name and a 64-bit number. `$name` and `${name}` stand for its value anywhere in a
 * line outside double quotes; an expression is numbers (0x for hexadecimal; K, M, G behind), the
 * operators of C on unsigned 64-bit numbers, and parentheses.
 *
 * Invariants
 *   - The boot CPU's monitor is the only user: no lock.
 *   - What is wrong with an expression or a line is said in words; nothing is half done then.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_VARS_H
#define TAIN_MONITOR_VARS_H

#include "kernel/base/types.h"

#define VAR_NAME_BYTES 24

/* 0; -EINVAL: no good name (a letter, then letters, digits, '_'); -ENOSPC: too many. */
int vars_set(const char *name, uint64_t value) MUST_CHECK;
bool vars_get(const char *name, uint64_t *value);

/* Forget it, or all. False: there was none. */
bool vars_unset(const char *name);
void vars_clear(void);

/* The @nth in the order of their first setting: its name, or NULL. */
const char *vars_at(unsigned nth, uint64_t *value);

/*
 * @line with the values of its variables (in hexadecimal) in their places. 0; -ENOENT: no such
 * variable; -E2BIG: @out is too small: @why says which.
 */
int vars_expand(const char *line, char *out, size_t size, char *why, size_t why_size) MUST_CHECK;

/* 0 and *@value, or -EINVAL and @why. */
int expression(const char *text, uint64_t *value, char *why, size_t why_size) MUST_CHECK;

#endif
