/*
 * churn.h - a test that the machine plays with its own running guests: take their memory away, put
 * it back in other sizes, move it, log it, while they work on it.
 *
 * Invariants
 *   - What a guest can see of it is nothing, except in the range that its user gave away: private
 *     pages that are removed there come back empty and wait for their ACCEPT, as the TDX ABI says.
 *   - The same seed makes the same choices; what they meet depends on the guests. What has not been
 *     done yet is preferred, so that a short run does something of everything.
 *   - On the boot CPU, between slices of the guests that it runs itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_GUEST_CHURN_H
#define TAIN_GUEST_CHURN_H

#include "kernel/base/types.h"

enum churn_op {
	CHURN_ZAP,         /* a range of a VM's memory, or of a TD's shared half */
	CHURN_MAP_AHEAD,
	CHURN_SPLIT,
	CHURN_RECOVER,
	CHURN_WRPROTECT,
	CHURN_AGE,
	CHURN_COLLECT,     /* if the guest is logged */
	CHURN_MOVE_SLOT,   /* a VM's slot goes and comes back at once, its vCPUs held off */
	CHURN_NEW_ROOT,    /* a VM's root is put out of use; its vCPUs load another */
	CHURN_DEMOTE,      /* private 2M leaf to 512 of 4K */
	CHURN_PROMOTE,     /* and back */
	CHURN_RELOCATE,    /* private 4K page into another frame */
	CHURN_REMOVE,      /* private pages of the range given away */
	CHURN_CHECK,       /* the MMU's self-check, under load */
	CHURN_OPS,
};

struct churn {
	uint64_t random;                   /* the seed, never 0 */
	gfn_t lossy;                       /* private GFNs that may be removed */
	uint64_t lossy_frames;             /* 0: none */
	uint64_t tried[CHURN_OPS], done[CHURN_OPS];
	enum churn_op last_missed;         /* the last that was chosen because it had not been done */
	unsigned findings;                 /* of CHURN_CHECK */
	int failed_op, error;              /* an error that no rule allows; 0: none */
};

extern const char *const churn_op_names[CHURN_OPS];

/* One operation on each running guest. */
void churn_round(struct churn *c);

#endif
