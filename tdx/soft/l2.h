/*
 * l2.h - the S-EPT trees of nested VMs: one beside the TD's own for each VM that it may have.
 *
 * No nested VM is ever entered, so no CPU walks these trees; they are kept because leaves check, tell of
 * and move what is in them.
 *
 * Invariants
 *   - A table of a nested VM has the TD's own table above the same range; a leaf (an alias) stands
 *     beside a leaf of the TD's own tree, of the same size, and names the same page.
 *   - Whoever changes an entry holds the lock of the TD's own entry for the same range.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_SOFT_L2_H
#define TAIN_SOFT_L2_H

#include "tdx/soft/sept.h"

/* One entry, and the VM's number (1 to 3). */
struct l2_ref {
	uint64_t *entry;
	uint64_t copy;
	unsigned level, vm;
};

/* Attributes of one VM, 16 bits (TDG.MEM.PAGE.ATTR.RD and WR, TDH.MEM.SEPT.RD). */
#define L2_ATTR_RWX   UINT64_C(7)
#define L2_ATTR_BITS  UINT64_C(0x7f) /* R, W, X, X for users, verify, paging write, shadow stack */
#define L2_ATTR_VALID UINT64_C(0x8000)
#define L2_LANE_BITS  16

/* Trees without entries, for MNG.INIT. */
void l2_start(struct call *c, const struct td *td);

/* Down to @level; false if it stopped above. */
bool l2_walk(const struct call *c, const struct td *td, unsigned vm, uint64_t gpa, unsigned level,
	     struct l2_ref *at);
bool l2_is_free(const struct l2_ref *at);

/* ---- tables ---- */

/* R8 to R11 of SEPT.ADD and DEMOTE: [0] is the TD's own; what of them is used, and where. */
struct l2_tables {
	uint64_t page[MAX_L2_VMS + 1]; /* ALL_ONES: none */
	bool wanted[MAX_L2_VMS + 1];
	struct l2_ref at[MAX_L2_VMS + 1];
	struct pamt_ref pamt[MAX_L2_VMS + 1];
};

/* SEPT.ADD: may the pages become tables below the entries at @level? Nothing is changed. */
tdx_status_t l2_check_tables(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			     bool allow_existing, struct l2_tables *t);
/* They become tables. INTERRUPTED_RESUMABLE after the first (@added: one was before), page[] says which. */
tdx_status_t l2_add_tables(struct call *c, const struct td *td, bool added, struct l2_tables *t);

/* The tables below the entries at @level, whose ranges have nothing mapped any more. */
tdx_status_t l2_lock_tables(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			    struct l2_tables *t);
/* They are given back; page[] says which. */
void l2_drop_tables(struct call *c, const struct td *td, struct l2_tables *t);

/* ---- aliases, and tables that are blocked with the TD's own ---- */

void l2_block(const struct call *c, const struct td *td, uint64_t gpa, unsigned level);
void l2_unblock(const struct call *c, const struct td *td, uint64_t gpa, unsigned level);
/* The TD's page is gone, or at @pa now. */
void l2_drop_aliases(const struct call *c, const struct td *td, uint64_t gpa, unsigned level);
void l2_move_aliases(const struct call *c, const struct td *td, uint64_t gpa, uint64_t pa,
		     bool pending);

/* PROMOTE: can the tables at @level be merged as the TD's own is? And: they are, with @pa. */
bool l2_uniform(const struct call *c, const struct l2_tables *t);
void l2_merge(struct call *c, const struct td *td, uint64_t pa, struct l2_tables *t);

/* DEMOTE: each alias needs a table; with @add_mode VMs without one may have it, too. */
tdx_status_t l2_check_split(struct call *c, const struct td *td, uint64_t gpa, unsigned level,
			    bool add_mode, struct l2_tables *t);
void l2_split(struct call *c, const struct td *td, struct l2_tables *t);

/* Attributes of all VMs that have an alias there: a lane of 16 bits each. */
uint64_t l2_attributes(const struct call *c, const struct td *td, uint64_t gpa, unsigned level);
/* TDG.MEM.PAGE.ATTR.WR, checked so far: lanes of *@attr under those of @mask; *@attr: as they are then. */
tdx_status_t l2_set_attributes(const struct call *c, const struct td *td, uint64_t gpa,
			       const struct sept_ref *own, uint64_t mask, uint64_t *attr);

#endif
