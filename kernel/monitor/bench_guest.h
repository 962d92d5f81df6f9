/*
 * bench_guest.h - the plain guest that `bench mmu` measures with: a VM that no section of tain.cfg
 * names, run by the command itself on the calling CPU.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MONITOR_BENCH_GUEST_H
#define TAIN_MONITOR_BENCH_GUEST_H

#include "kernel/base/types.h"
#include "kernel/vmx/vm.h"

#define BENCH_AREA   UINT64_C(0x1000000) /* GPA of the pages that are measured */
#define BENCH_BYTES  UINT64_C(0x2000000)
#define BENCH_FRAMES (BENCH_BYTES >> PAGE_SHIFT)
#define BENCH_BLOCKS (BENCH_BYTES / SIZE_2M)

struct mmu;
struct memslot;

/* Build it, largest page @level, and touch the area once, so that its frames are there. 0 or -1. */
int bench_guest_open(int level, char *why, size_t why_size) MUST_CHECK;
void bench_guest_close(void);

struct vm *bench_guest_vm(void);
struct mmu *bench_guest_mmu(void);
struct memslot *bench_guest_slot(void);

/*
 * Write @count words, @stride bytes apart, from BENCH_AREA on. *@ticks: TSC ticks of it inside the
 * guest, less what the loop alone costs. 0, or -1: the guest did not come to its end.
 */
int bench_guest_write(uint64_t stride, uint64_t count, uint64_t *ticks) MUST_CHECK;

#endif
