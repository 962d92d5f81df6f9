/*
 * bench_trace.h - what a trace record costs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_BENCH_TRACE_H
#define TAIN_MONITOR_BENCH_TRACE_H

#include "kernel/monitor/command.h"

/* `bench trace` */
int bench_trace(struct call *c) MUST_CHECK;

#endif
