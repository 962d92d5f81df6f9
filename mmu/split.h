/*
 * split.h - one direct leaf into 512, and back.
 *
 * Invariant: the table that takes a leaf's place maps the same frames with the same or fewer rights,
 * so a split owes no flush (rule E4). Joining owes one and has the write side.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_SPLIT_H
#define TAIN_MMU_SPLIT_H

#include "mmu/mmu.h"
#include "mmu/walk.h"

/* Read side. 0, -EBUSY (somebody was faster), -ENOMEM. *w is still the entry of the upper level. */
int split_shared(struct mmu *mmu, struct walk *w) MUST_CHECK;

/* Write side. 0 or -ENOMEM. */
int split_exclusive(struct mmu *mmu, struct walk *w) MUST_HOLD_WRITE(mmu->lock) MUST_CHECK;

#endif
