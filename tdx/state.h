/*
 * state.h - what tdx/ knows of this machine's module; private to tdx/.
 *
 * Invariants
 *   - Written by tdx_init() and tdx_retry() on the boot CPU before any TD exists; later only
 *     `ready` grows, by whoever has `extending`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_STATE_H
#define TAIN_TDX_STATE_H

#include "kernel/base/lock.h"
#include "kernel/machine/port.h"
#include "tdx/abi/status.h"
#include "tdx/metadata.h"
#include "tdx/tdmr.h"
#include "tdx/tdx.h"

#define TDX_MAX_PACKAGES 8

/* What the module does once after it was loaded, and has done. Survives a retry. */
struct tdx_progress {
	bool sys_init;
	bool configured; /* SYS.CONFIG: the plan is the module's */
	bool key_tried;  /* SYS.KEY.CONFIG was called: PAMTs may hold keyed lines */
	uint64_t keyed;  /* by index in package_cpu[] */
};

struct tdx_state {
	struct tdx_host host;
	struct tdx_progress done;
	struct tdx_metadata md;
	enum tdx_phase phase;
	char reason[160];
	const char *failed_step; /* of the last attempt: a leaf or a step; NULL: none */
	tdx_status_t failed_status; /* what the module said; ~0: it was not the module */
	struct tdmr_plan *plan; /* in pages of its own; NULL before */
	bool dynamic_pamt;      /* the plan is made for it: tdx/pairs.h */
	/* One CPU of each package: where per-package leaves run. */
	unsigned packages;
	unsigned package_cpu[TDX_MAX_PACKAGES];

	unsigned building, living; /* TDs; atomic */
	bool shut_down;            /* by TDH.SYS.SHUTDOWN: its successor has not taken over */
	uint64_t handoff;          /* version of the data that it left then */
	bool install_open;         /* some CPUs have called SEAMLDR.INSTALL, and not all */

	uint32_t extending;                /* somebody makes more memory usable; atomic */
	uint64_t ready_end[TDMR_PLAN_MAX]; /* of each TDMR: usable below this */
	uint64_t refusing;                 /* TDMRs whose last TDMR.INIT failed, a bit each */
	struct ranges ready;               /* memory the module takes pages from */
	spinlock_t key_lock; /* leaves that the module serialises on its key table (ABI 5.6) */
};

_Static_assert(TDMR_PLAN_MAX <= 64, "a bit for each TDMR");

extern struct tdx_state tdx_state;

/* Run @fn on one CPU of each package: one after the other, or all at once. */
void tdx_on_each_package(void (*fn)(void *arg), void *arg);
void tdx_on_all_packages(void (*fn)(void *arg), void *arg);

/* Keep the first reason why bring-up failed; returns @err. */
int tdx_step_failed(int err, const char *step, const char *what);

/* WBINVD on all CPUs, where that matters. */
void tdx_write_back_caches(void);

/* Another module was loaded: what the one before had, it keeps; nothing is initialised. */
void tdx_forget_module(void);

/* ---- the memory plan: tdx/platform_memory.c ---- */

/* Make tdx_state.plan and its PAMTs. 0, or -EIO (said). */
int tdx_plan_make(void) MUST_CHECK;

/* Forget it. @keyed: SYS.KEY.CONFIG was called, and the PAMTs are never used again. */
void tdx_plan_drop(bool keyed);

/* ---- pages for the module: tdx/pages.c ---- */

/*
 * 2^@order pages (0 or 9) that the module takes, contents undefined, no KeyID-0 line of them
 * cached; HPA_NONE: there are none usable; tdx_pages_extend() may help. Any lock may be held.
 */
hpa_t tdx_pages_alloc(enum page_owner owner, unsigned order) MUST_CHECK;

/* The same without what the module needs to know of 4K pages: for pages of page pairs themselves. */
hpa_t tdx_pages_alloc_bare(enum page_owner owner, unsigned order) MUST_CHECK;

/*
 * A block of 2M that was allocated as such is used, and freed, in pages of 4K from now on. 0, or an errno
 * of pairs_get(): it is as before.
 */
int tdx_pages_use_small(hpa_t block) MUST_CHECK;

/* The same with no lock held: makes more memory usable when what is usable runs out. */
hpa_t tdx_pages_get(enum page_owner owner, unsigned order) MUST_CHECK;

/* The module has given them up: they are the host's. In the orders they were allocated for. */
void tdx_pages_free(hpa_t base, enum page_owner owner, unsigned order);

/* The module would not: never to be used again. */
void tdx_pages_leak(hpa_t base, enum page_owner owner, unsigned order);

/*
 * Make the next 1 GiB block of some TDMRs usable, each on a CPU of its own. 0: there is more than
 * before; -ENOMEM: there is no more; -EIO. No lock held: other CPUs take part.
 */
int tdx_pages_extend(void) MUST_CHECK;

/* Is there memory that tdx_pages_extend() has not made usable yet? */
bool tdx_pages_more(void);

/* Extend if little is left, so that whoever holds locks meanwhile finds enough. No lock held. */
void tdx_pages_provide(void);

#endif
