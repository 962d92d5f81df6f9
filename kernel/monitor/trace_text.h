/*
 * trace_text.h - one trace record as a line for people.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_TRACE_TEXT_H
#define TAIN_MONITOR_TRACE_TEXT_H

#include "kernel/base/trace.h"
#include "kernel/base/types.h"

/* "seamcall", "tdexit", ... ; NULL: no such kind. */
const char *trace_kind_name(unsigned kind);

/* Its name in a few letters: "TDH.MEM.PAGE.AUG", "EPT violation". Returns @buf. */
const char *trace_short(const struct trace_record *r, char *buf, size_t size);

/* What happened, decoded: "TDH.MEM.PAGE.AUG RCX 100000 RDX 3f000: TDX_SUCCESS". Returns @buf. */
const char *trace_text(const struct trace_record *r, char *buf, size_t size);

#endif
