/*
 * by_hand.h - SEAMCALLs that a person or a script makes, and what keeps the host alive meanwhile.
 *
 * Whoever works by hand borrows pages and KeyIDs here. Any leaf may be called with any registers,
 * but a register that hands a page to the module, or lets it write there, must name a borrowed one:
 * otherwise the host would lose memory that it uses. by_hand_cleanup() takes back what can be taken.
 *
 * Invariants
 *   - A borrowed page is lent from hand_pages() to cleanup. It is freed only after the module said
 *     that it has nothing of it (PHYMEM.PAGE.RDMD: NDA), or if it was never offered to the module;
 *     else it is leaked and counted.
 *   - The host touches a page that was offered to the module only after asking whose it is.
 *   - A KeyID lent here goes back only when no page of the TD that had it is left.
 *   - One caller at a time: the boot CPU.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_BY_HAND_H
#define TAIN_TDX_BY_HAND_H

#include "kernel/base/types.h"
#include "tdx/abi/seamcall.h"
#include "tdx/abi/status.h"

#define HAND_PAGES_MAX 512u /* in one piece */

/* @count zeroed pages in a row, aligned to their size rounded up to a power of two. 0; -ENOMEM;
 * -ENOSPC: too many pieces; -ENODEV: no module is ready. */
int hand_pages(unsigned count, hpa_t *base) MUST_CHECK;

/* A free KeyID: 0; -EBUSY: none is left; -ENOSPC; -ENODEV. */
int hand_keyid(uint16_t *keyid) MUST_CHECK;

/*
 * Memory of borrowed pages as the host sees it, [at, at + bytes) within one page; NULL: not borrowed,
 * or the module has it.
 */
void *hand_memory(uint64_t at, uint64_t bytes);

/*
 * May this call be made? NULL, or why not, in words. @r: registers, with the leaf (and version) in
 * RAX. @why holds the words.
 */
const char *hand_refusal(struct seam_regs *r, char *why, size_t why_size);

/* What bounds a stay in a guest: called on the CPU that enters, before and after. */
struct hand_bounds {
	uint64_t (*begin)(void);
	void (*end)(uint64_t from_begin);
};

/* Make it on CPU @cpu, once, without retry. *@ticks: that it took. */
tdx_status_t hand_call(struct seam_regs *r, unsigned cpu, const struct hand_bounds *bounds,
		       uint64_t *ticks);

/* Registers and status of the last hand_call(); false: there was none. */
bool hand_last(struct seam_regs *r);

struct hand_counts {
	uint64_t pages, freed, reclaimed, leaked;
	unsigned keyids, keyids_leaked;
};
/* What is lent now: pages and keyids. */
struct hand_counts hand_lent(void);
/* Tear down TDs made by hand, take everything back. Other CPUs serve cpu_call(). */
struct hand_counts hand_cleanup(void);

#endif
