/*
 * lock.h - who may be inside an MMU, and who waits.
 *
 * A CPU that maps, and a CPU that only looks, announces itself in its own slot: one exchange on a
 * line nobody else writes. A writer raises its flag, then waits until no slot names this MMU. So two
 * CPUs that fault at the same time write no word in common, and the same slots are the grace period:
 * a table that was cut is freed when every slot has moved on.
 *
 * Invariants
 *   - Reader: slot := mmu, full barrier, then look at the flag. Writer: flag := 1, full barrier, then
 *     look at the slots. One of the two sees the other.
 *   - Writers wait their turn by ticket; a raised flag keeps new readers out (writer preference).
 *   - A walker that only looks does not wait for the flag: it may see FROZEN, cut and blocked
 *     entries, but no table is freed under it (mmu_grace_period).
 *   - A CPU is inside at most one MMU, once; nothing blocks inside. Guest mode and idle are outside.
 *   - Slots of CPUs that never entered this MMU are not looked at.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_LOCK_H
#define TAIN_MMU_LOCK_H

#include "kernel/base/lock.h"
#include "kernel/base/types.h"

#define MMU_MAX_CPUS 512

struct TSA(capability("mmu_lock")) mmu_lock {
	spinlock_t writers;  /* their queue */
	uint32_t writing;    /* the flag readers look at */
	uint64_t cpus[MMU_MAX_CPUS / 64]; /* that were ever inside */
};

void mmu_read_lock(struct mmu_lock *l) ACQUIRES_READ(*l);
void mmu_read_unlock(struct mmu_lock *l) RELEASES_READ(*l);
void mmu_write_lock(struct mmu_lock *l) ACQUIRES(*l);
void mmu_write_unlock(struct mmu_lock *l) RELEASES(*l);

/* Only to look: keeps tables from being freed, keeps nobody waiting long. */
void mmu_look_begin(struct mmu_lock *l);
void mmu_look_end(struct mmu_lock *l);

/* Wait until every CPU that is looking now has looked away. With the write side held. */
void mmu_grace_period(struct mmu_lock *l) MUST_HOLD_WRITE(*l);

/* For assertions. */
bool mmu_write_held(const struct mmu_lock *l);
bool mmu_lock_held(const struct mmu_lock *l);

#endif
