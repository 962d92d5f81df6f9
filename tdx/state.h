/*
 * state.h - what tdx/ knows of this machine's module; private to tdx/.
 *
 * Invariants
 *   - Written by tdx_init() on the boot CPU before any TD exists; later only `ready` grows,
 *     under lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_STATE_H
#define TAIN_TDX_STATE_H

#include "kernel/base/lock.h"
#include "kernel/machine/port.h"
#include "tdx/metadata.h"
#include "tdx/tdmr.h"
#include "tdx/tdx.h"

#define TDX_MAX_PACKAGES 8

struct tdx_state {
	struct tdx_host host;
	struct tdx_metadata md;
	enum tdx_phase phase;
	char reason[160];
	struct tdmr_plan *plan; /* in pages of its own; NULL before */
	/* One CPU of each package: where per-package leaves run. */
	unsigned packages;
	unsigned package_cpu[TDX_MAX_PACKAGES];

	spinlock_t lock;                   /* platform lock: see kernel/base/lock.h */
	uint64_t ready_end[TDMR_PLAN_MAX]; /* of each TDMR: usable below this */
	struct ranges ready;               /* memory the module takes pages from */
	spinlock_t key_lock; /* leaves that the module serialises on its key table (ABI 5.6) */
};

extern struct tdx_state tdx_state;

/* Run @fn on one CPU of each package, one after the other. */
void tdx_on_each_package(void (*fn)(void *arg), void *arg);

/* ---- pages for the module: tdx/pages.c ---- */

/*
 * 2^@order pages (0 or 9) that the module takes, contents undefined, no KeyID-0 line of them
 * cached; HPA_NONE. Makes more memory usable when what is usable runs out.
 */
hpa_t tdx_pages_alloc(enum page_owner owner, unsigned order) MUST_CHECK;

/* The module has given them up: they are the host's. */
void tdx_pages_free(hpa_t base, enum page_owner owner, unsigned order);

/* The module would not: never to be used again. */
void tdx_pages_leak(hpa_t base, enum page_owner owner, unsigned order);

/* Make the next 1 GiB block usable. 0; -ENOMEM: there is no more; -EIO. */
int tdx_pages_extend(void) MUST_CHECK;

#endif
