/*
 * rig.h - one guest to test with: a TD or a VM over a fake external table, a slot, two bitmaps; and the
 * few words in which tests of single promises speak about it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_RIG_H
#define TAIN_TESTS_FAKE_RIG_H

#include "mmu/change.h"
#include "mmu/leaf.h"
#include "mmu/mirror.h"
#include "mmu/mmu.h"
#include "mmu/slot.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE  ((gfn_t){ 0x40000 })
#define M2    UINT64_C(512)
#define G1    (M2 * 512)

static struct sept s;
static struct fake_slot slot;
static __attribute__((unused)) struct fake_slot slot2; /* for those who want a neighbour */
static uint64_t bitmap[4096 / 64 + 2], bitmap2[4096 / 64 + 2];

static inline gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static inline void td(void)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4 * G1);
	slot.largest = LEVEL_2M;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
}

static inline void vm(enum mmu_ad_policy ad, uint64_t frames)
{
	machine_start(UINT64_C(1) << 30, 4);
	machine_log_clear();
	sept_start_with(&s, (struct mmu_config){ .name = "vm",
						 .levels = 4,
						 .max_level = LEVEL_1G,
						 .memtype = SPTE_MEMTYPE_WB,
						 .ad = ad });
	fake_slot_add(&s, &slot, BASE, frames);
	slot.largest = LEVEL_4K;
	memset(bitmap, 0, sizeof(bitmap));
	memset(bitmap2, 0, sizeof(bitmap2));
}

static inline int fault_in(enum mmu_root root, gfn_t gfn, unsigned access, int max_level)
{
	struct mmu_fault f = {
		.gfn = gfn, .root = root, .access = access, .max_level = (uint8_t)max_level
	};

	return mmu_handle_fault(&s.mmu, &f);
}

static inline void map_private(uint64_t offset, int level)
{
	CHECK_INT(fault_in(MMU_MIRROR, at(offset), MMU_WRITE, level), 0);
}

static inline void touch(uint64_t offset, unsigned access)
{
	CHECK_INT(fault_in(MMU_DIRECT, at(offset), access, 0), 0);
}

static inline struct walk walk_of(enum mmu_root root, uint64_t offset)
{
	return walk_to(&s.mmu, root, at(offset), LEVEL_4K);
}

static inline spte_t direct(uint64_t offset) { return walk_of(MMU_DIRECT, offset).old; }
static inline spte_t mirror(uint64_t offset) { return walk_of(MMU_MIRROR, offset).old; }

static inline bool bit(const uint64_t *map, uint64_t i) { return map[i / 64] >> (i % 64) & 1; }

static inline unsigned bits_in(const uint64_t *map, size_t words)
{
	unsigned n = 0;

	for (size_t i = 0; i < words; i++)
		n += (unsigned)__builtin_popcountll(map[i]);
	return n;
}

#endif
