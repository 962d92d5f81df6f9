/*
 * seamldr.h - the software P-SEAMLDR: what answers a SEAMCALL with RAX bit 63, and decides whether one
 * without it reaches a module.
 *
 * It takes module files that tools/module-file makes: pages whose first says which profile of the
 * software module they are, with a signature structure under a key that everybody has. All checks are the
 * real loader's, in its order, and really made: hash, signature, key, CPU list.
 *
 * Invariants
 *   - One LP at a time is inside; a second one is answered VMfailInvalid.
 *   - INSTALL and SHUTDOWN are calls of all LPs: each may call once, the last one does the work. From the
 *     first call of INSTALL to its success no module is reachable.
 *   - It knows nothing of TDs: the module keeps what must outlive an update (tdx/soft/update.c).
 *
 * Facts: ABI reference section 10.4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_SEAMLDR_H
#define TAIN_SOFT_SEAMLDR_H

#include "tdx/abi/seamldr.h"
#include "tdx/soft/soft.h"

#define SOFT_MODULE_MAGIC "TAIN SOFT MODULE" /* 16 bytes, then 16 with the profile's name */

/* What the loader asks of who owns the module. @ctx: as given to soft_seamldr_init(). */
struct soft_seamldr_ops {
	/* Is there a profile of this name? (@name is NUL terminated.) */
	bool (*knows)(void *ctx, const char *name);
	/* Did the module that runs leave something for its successor, and of which version? */
	bool (*handoff)(void *ctx, uint16_t *version);
	/* A fresh module with this profile takes the place of the one before. */
	void (*install)(void *ctx, const char *name, enum seamldr_scenario scenario);
};

/* The next @times calls of @leaf by @lp end with @status (and @rdx), whatever they would have done. */
struct soft_seamldr_fault {
	unsigned lp, leaf, times;
	uint64_t status, rdx;
};

struct soft_seamldr {
	const struct soft_machine *machine;
	const struct soft_seamldr_ops *ops;
	void *ctx;
	uint32_t inside; /* atomic: an LP is in the loader */
	bool gone;       /* SHUTDOWN was completed */
	uint8_t ready;   /* a module can be reached; atomic */
	/* The call of all LPs that is under way. */
	bool installing, shutting_down, was_ready;
	unsigned called;
	bool lp_called[SOFT_MAX_LPS];
	/* The module in place. */
	uint16_t seamsvn;
	uint32_t updates_left;
	uint8_t mrseam[48];
	struct soft_seamldr_fault fault;
	/* Of the LP inside. */
	struct seamldr_params params;
	struct seam_sigstruct sig;
};

/* No module yet. All arguments are kept by reference. */
void soft_seamldr_init(struct soft_seamldr *l, const struct soft_machine *machine,
		       const struct soft_seamldr_ops *ops, void *ctx);

/* A module is there that firmware had loaded. */
void soft_seamldr_preloaded(struct soft_seamldr *l);

/* Can a SEAMCALL reach a module? Any LP. */
bool soft_seamldr_ready(const struct soft_seamldr *l);

/* One SEAMCALL with RAX bit 63 on @lp. As soft_seamcall(). */
bool soft_seamldr_call(struct soft_seamldr *l, unsigned lp, struct soft_regs *regs);

#endif
