/*
 * seamcall.h - one SEAMCALL: executed, counted, traced.
 *
 * Invariants
 *   - Every SEAMCALL of the tree passes through seamcall(), and no policy is in it: no retry.
 *   - Counters are per CPU: no two CPUs write one line.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_SEAMCALL_H
#define TAIN_TDX_SEAMCALL_H

#include "kernel/base/types.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/seamcall.h"
#include "tdx/abi/status.h"

/* The instruction: tdx/seamcall.asm; native programs call the software module instead. */
void seamcall_raw(struct seam_regs *regs);

/* @leaf: number, with a version in 23:16. Registers in and out in *@r; r->rax is the status. */
tdx_status_t seamcall(uint64_t leaf, struct seam_regs *r);

/* Who wants to see every call; NULL: nobody. @leaf as the wrapper gave it. Any CPU. */
extern void (*volatile seamcall_watch)(uint64_t leaf, tdx_status_t st, uint64_t ticks);

/* Ticks of a call fall into buckets, two for each power of two. */
#define SEAMCALL_BUCKETS 64

struct seamcall_stats {
	uint64_t calls, busy, errors;
	uint64_t ticks, min, max;
	uint32_t bucket[SEAMCALL_BUCKETS];
};

/* Of half the calls no more ticks than this, to the width of a bucket; 0: there were none. */
uint64_t seamcall_median(const struct seamcall_stats *st);

/* Calls of any leaf that this CPU has made. */
uint64_t seamcall_count_here(void);

/* Ticks that this CPU has spent in SEAMCALLs other than VP.ENTER. */
uint64_t seamcall_ticks_here(void);

/* Room for the counters of all CPUs; before it calls are not counted. 0 or -ENOMEM. */
int seamcall_stats_init(void) MUST_CHECK;
void seamcall_stats_fini(void);

/* Sum over all CPUs for @leaf. */
void seamcall_stats_read(unsigned leaf, struct seamcall_stats *out);

#endif
