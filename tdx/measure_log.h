/*
 * measure_log.h - what was measured into a TD, in the order it was: the record of a build, small
 * because runs of pages that were treated alike are one entry.
 *
 * Invariants
 *   - The log is exact: expanded, it is each TDH.MEM.PAGE.ADD and each TDH.MR.EXTEND that the
 * module carried out, in order. What no longer fits is counted as lost, and said.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_MEASURE_LOG_H
#define TAIN_TDX_MEASURE_LOG_H

#include "kernel/base/types.h"
#include "tdx/measure.h"

enum measure_what { MEASURE_ADD = 1, MEASURE_EXTEND = 2, MEASURE_BOTH = 3 };

/* Pages in a row: all added, all extended, or each added and then extended. */
struct measure_entry {
	uint64_t gpa, pages;
	enum measure_what what;
};

#define MEASURE_LOG_MAX (2 * MEASURE_RUNS_MAX + 2)

struct measure_log {
	struct measure_entry entry[MEASURE_LOG_MAX];
	unsigned count;
	uint64_t lost; /* steps that found no room */
};

/* @page was added; all of @page was extended. */
void measure_log_add(struct measure_log *log, gpa_t page);
void measure_log_extend(struct measure_log *log, gpa_t page);

/* One line for each entry: "MEM.PAGE.ADD 0x.. to 0x.., 4 pages". */
void measure_log_runs(const struct measure_log *log, void (*line)(void *ctx, const char *text),
		      void *ctx);

/*
 * One call for each record of the module, in order: 0 the page at @gpa was added, 1 the chunk at
 * @gpa was extended.
 */
void measure_log_records(const struct measure_log *log,
			 void (*record)(void *ctx, bool extended, gpa_t gpa), void *ctx);

/* "MEM.PAGE.ADD" or "MR.EXTEND", as the module's record begins. */
const char *measure_record_name(bool extended);

#endif
