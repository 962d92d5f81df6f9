/*
 * guest_walk.h - from a guest's linear address to its guest-physical one, by the guest's own page
 * tables and current control registers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_VMX_GUEST_WALK_H
#define TAIN_VMX_GUEST_WALK_H

#include "kernel/base/types.h"

struct guest_memory;

struct guest_paging {
	uint64_t cr0, cr3, cr4, efer;
	bool user; /* CPL 3 asks */
};

/*
 * 0 and *@gpa; -EFAULT: not mapped, not writable where @write asks for it (CR0.WP as the guest set it),
 * or not a user's where one asks; -ENOENT: a table lies where there is no memory. Sets no A and D bits.
 */
int guest_walk(struct guest_memory *m, const struct guest_paging *p, uint64_t linear, bool write,
	       gpa_t *gpa) MUST_CHECK;

#endif
