/*
 * bringup_log.c - what bringup_log.h promises.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/bringup_log.h"

#include "kernel/base/lock.h"
#include "tdx/seamcall.h"

#define ROWS_MAX 64

static struct {
	spinlock_t lock;
	struct bringup_row row[ROWS_MAX];
	unsigned count;
	uint64_t lost;
} record = { .lock = SPINLOCK_INIT };

static struct bringup_row *find(uint64_t leaf, tdx_status_t st)
{
	for (unsigned i = 0; i < record.count; i++)
		if (record.row[i].leaf == leaf && record.row[i].status.raw == st.raw)
			return &record.row[i];
	if (record.count == ROWS_MAX)
		return NULL;
	record.row[record.count] = (struct bringup_row){ .leaf = leaf, .status = st };
	return &record.row[record.count++];
}

static void add(uint64_t leaf, tdx_status_t st, uint64_t ticks)
{
	spin_lock(&record.lock);

	struct bringup_row *row = find(leaf, st);

	if (row) {
		row->calls++;
		row->ticks += ticks;
		if (ticks > row->ticks_max)
			row->ticks_max = ticks;
	} else {
		record.lost++;
	}
	spin_unlock(&record.lock);
}

void bringup_log_start(void)
{
	spin_lock(&record.lock);
	record.count = 0;
	record.lost = 0;
	spin_unlock(&record.lock);
	seamcall_watch = add;
}

void bringup_log_stop(void) { seamcall_watch = NULL; }

const struct bringup_row *bringup_log_row(unsigned nth)
{
	return nth < record.count ? &record.row[nth] : NULL;
}

uint64_t bringup_log_lost(void) { return record.lost; }
