/*
 * measure_log.c - the record of a TD's build.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/measure_log.h"

#include <stdio.h>

#include "tdx/abi/layout.h"

static uint64_t end_of(const struct measure_entry *e) { return e->gpa + (e->pages << PAGE_SHIFT); }

static struct measure_entry *last(struct measure_log *log)
{
	return log->count ? &log->entry[log->count - 1] : NULL;
}

/* One page more of @what: at the end of the last entry, or a new one. */
static void append(struct measure_log *log, gpa_t page, enum measure_what what)
{
	struct measure_entry *e = last(log);

	if (e && e->what == what && end_of(e) == page.v)
		e->pages++;
	else if (log->count < MEASURE_LOG_MAX && !log->lost)
		log->entry[log->count++] = (struct measure_entry){ page.v, 1, what };
	else
		log->lost++;
}

void measure_log_add(struct measure_log *log, gpa_t page) { append(log, page, MEASURE_ADD); }

/* Right after its add, when nothing else was added in that run: both, and the run goes on. */
void measure_log_extend(struct measure_log *log, gpa_t page)
{
	struct measure_entry *e = last(log);

	if (e && !log->lost && e->what == MEASURE_ADD && e->pages == 1 && e->gpa == page.v) {
		log->count--;
		append(log, page, MEASURE_BOTH);
	} else {
		append(log, page, MEASURE_EXTEND);
	}
}

const char *measure_record_name(bool extended) { return extended ? "MR.EXTEND" : "MEM.PAGE.ADD"; }

void measure_log_runs(const struct measure_log *log, void (*line)(void *ctx, const char *text),
		      void *ctx)
{
	static const char *const names[] = {
		[MEASURE_ADD] = "MEM.PAGE.ADD",
		[MEASURE_EXTEND] = "MR.EXTEND",
		[MEASURE_BOTH] = "MEM.PAGE.ADD, MR.EXTEND of each page",
	};
	char text[120];

	for (unsigned i = 0; i < log->count; i++) {
		const struct measure_entry *e = &log->entry[i];

		snprintf(text, sizeof(text), "0x%llx to 0x%llx, %llu pages: %s",
			 (unsigned long long)e->gpa, (unsigned long long)end_of(e),
			 (unsigned long long)e->pages, names[e->what]);
		line(ctx, text);
	}
	if (log->lost) {
		snprintf(text, sizeof(text), "and %llu steps more that found no room in the log",
			 (unsigned long long)log->lost);
		line(ctx, text);
	}
}

void measure_log_records(const struct measure_log *log,
			 void (*record)(void *ctx, bool extended, gpa_t gpa), void *ctx)
{
	for (unsigned i = 0; i < log->count; i++) {
		const struct measure_entry *e = &log->entry[i];

		for (uint64_t page = e->gpa; page < end_of(e); page += PAGE_SIZE) {
			if (e->what & MEASURE_ADD)
				record(ctx, false, (gpa_t){ page });
			for (uint64_t at = 0; at < PAGE_SIZE && (e->what & MEASURE_EXTEND);
			     at += MR_CHUNK_BYTES)
				record(ctx, true, (gpa_t){ page + at });
		}
	}
}
