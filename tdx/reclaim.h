/*
 * reclaim.h - how a TD's pages come back once its KeyID is released: in bulk, on all CPUs at once.
 *
 * TDH.PHYMEM.PAGE.RECLAIM takes pages in any order and locks little, so it goes as fast as there
 * are CPUs. Who gives pages up adds them here; a full batch is worked off by all CPUs together.
 *
 * Invariants
 *   - A page that was added is the batch's: it is freed, or leaked and counted, by nobody else.
 *   - The KeyID is released, and the caches are written back; the TDR is not added: it is the last.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_RECLAIM_H
#define TAIN_TDX_RECLAIM_H

#include "kernel/machine/port.h"

struct td;

#define RECLAIM_BATCH 2048u

struct reclaim {
	uint64_t done, ticks; /* pages that came back or are leaked, and what that took */
	unsigned count;
	unsigned next;                 /* first that no CPU has taken; atomic */
	uint64_t entry[RECLAIM_BATCH]; /* page, with its owner and order in the low bits */
};

/* Give 2^@order pages of @td up. One CPU adds. Works off the batch when it is full. */
void reclaim_add(struct td *td, hpa_t page, enum page_owner owner, unsigned order);

/* Work off what is left. Afterwards nothing of @td is in the batch. */
void reclaim_flush(struct td *td);

#endif
