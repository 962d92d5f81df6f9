/*
 * doctor_text.h - the doctor's findings as a person reads them: lines of at most 79 columns.
 *
 * Invariants
 *   - Pure: a report goes in, lines come out.
 *   - A healthy machine takes a handful of lines; what is wrong comes first, in full.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_DOCTOR_TEXT_H
#define TAIN_MONITOR_DOCTOR_TEXT_H

#include "kernel/monitor/doctor_rules.h"

typedef void (*doctor_line_fn)(void *ctx, const char *text);

/* The verdict, then what is wrong, then the names of the rest. */
void doctor_screen(const struct doctor_report *r, doctor_line_fn line, void *ctx);

/* The verdict and every row in full. */
void doctor_all_rows(const struct doctor_report *r, doctor_line_fn line, void *ctx);

void doctor_one_row(const struct doctor_row *row, doctor_line_fn line, void *ctx);

#endif
