/*
 * memlog.h - which pages a running guest writes: a log that can be collected while it runs, and a
 * copy of its memory that is kept up to date by that log, as a migration would keep one.
 *
 * A VM's whole RAM is logged, by D bits, by PML or by write protection; of a TD the shared half, by
 * write protection (its EPTP is the module's).
 *
 * Invariants
 *   - A collection takes what was noted, arms those pages again and flushes once, before it copies:
 *     a write that came too late for the copy is in the next collection.
 *   - So when a guest has stopped writing and one more collection is done, copy and memory agree.
 *   - All on the boot CPU, from the console; the guest may run on any CPU meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_MEMLOG_H
#define TAIN_GUEST_MEMLOG_H

#include "kernel/base/types.h"
#include "kernel/vmx/vm.h"

struct guest;
struct memlog;

/*
 * Log the writes of @g, which runs; @copy: keep a copy of its memory too. 0; -EBUSY: it is logged
 * already; -ENOTSUP: not in this way; -ENOMEM.
 */
int memlog_start(struct guest *g, enum vm_log_by by, bool copy) MUST_CHECK;

/* The end of it. Also for a guest that is not logged. Before the guest's memory goes. */
void memlog_stop(struct guest *g);

/* Pages written since the last collection (or the start); -1: not logged; -2: no memory to copy. */
int64_t memlog_collect(struct guest *g);

/* All pages collected since the last report, inside [start, start + frames). */
struct memlog_report {
	uint64_t pages, collections;
	uint32_t digest; /* memlog_mix() of each GFN, added up */
};
/* False: not logged. The next report begins anew. */
bool memlog_report(struct guest *g, gfn_t start, uint64_t frames, struct memlog_report *out);

/* Pages of the copy that differ from memory, and the first of them; -1: no copy is kept. */
int64_t memlog_differences(struct guest *g, gfn_t *first);

/* One GFN's part of a digest; guests of ours compute the same. */
static inline uint32_t memlog_mix(uint64_t gfn)
{
	uint32_t h = (uint32_t)gfn * UINT32_C(2654435761);

	return h ^ h >> 15;
}

#endif
