/*
 * walk.h - from a GFN to its entry.
 *
 *     root (level 4 or 5) --> 512G --> 1G --> 2M --> 4K
 *
 * A walk goes down through open tables and stops at the first entry that is none: a leaf, a hole,
 * an entry that is FROZEN or blocked, or the level asked for.
 *
 * Invariants
 *   - A walk reads each entry once, with acquire order: what a table held when it was linked is
 *     seen. It stays valid while the CPU is inside the lock (lock.h), looking at least.
 *   - `gfn` is the guest's, without the SHARED bit; tables are indexed with mmu->gfn_bits[root]
 *     added. Nothing else ever adds that bit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MMU_WALK_H
#define TAIN_MMU_WALK_H

#include "mmu/mmu.h"
#include "mmu/page.h"

/* One entry, as it was when we read it. */
struct walk {
	spte_t *entry;
	spte_t old;
	gfn_t gfn; /* the first GFN that the entry maps */
	int level;
	enum mmu_root root;
};

static inline spte_t spte_read(const spte_t *entry)
{
	return (spte_t){ __atomic_load_n(&entry->raw, __ATOMIC_ACQUIRE) };
}

#define TABLE_BITS 9u

static inline unsigned table_shift(int level) { return TABLE_BITS * (unsigned)(level - 1); }

static inline unsigned table_index(uint64_t gfn, int level)
{
	return (unsigned)(gfn >> table_shift(level)) % TABLE_ENTRIES;
}

static inline gfn_t gfn_align(gfn_t gfn, int level)
{
	return (gfn_t){ align_down(gfn.v, level_frames(level)) };
}

static inline spte_t *table_of(const struct mmu *mmu, spte_t s)
{
	return pool_entries(&mmu->pool, spte_table(s));
}

/* Go on from a table @entries of @level, to @stop at most. */
static inline struct walk walk_from(const struct mmu *mmu, enum mmu_root root, spte_t *entries,
				    int level, gfn_t gfn, int stop)
{
	uint64_t at = gfn.v | mmu->gfn_bits[root];

	for (unsigned shift = table_shift(level);; level--, shift -= TABLE_BITS) {
		spte_t *entry = &entries[(at >> shift) % TABLE_ENTRIES];
		spte_t s = spte_read(entry);

		if (level == stop || !spte_is_open_table(s))
			return (struct walk){ entry, s, { gfn.v >> shift << shift }, level, root };
		entries = table_of(mmu, s);
	}
}

/* From the root to @gfn, not below level @stop. */
static inline struct walk walk_to(const struct mmu *mmu, enum mmu_root root, gfn_t gfn, int stop)
{
	return walk_from(mmu, root, mmu->root[root]->entries, mmu->levels, gfn, stop);
}

/*
 * From a root of four levels to the 2M entry over @gfn, or where the way ends. The same as walk_to();
 * written out by the compiler, because faults come this way.
 */
static inline ALWAYS_INLINE struct walk walk_three_levels(const struct mmu *mmu, enum mmu_root root,
							  gfn_t gfn)
{
	uint64_t at = gfn.v | mmu->gfn_bits[root];
	spte_t *entries = mmu->root[root]->entries, *entry = entries;
	spte_t s = SPTE_NONE;

#pragma GCC unroll 3
	for (int level = LEVEL_512G; level >= LEVEL_2M; level--) {
		entry = &entries[(at >> table_shift(level)) % TABLE_ENTRIES];
		s = spte_read(entry);
		if (level > LEVEL_2M && !spte_is_open_table(s))
			return (struct walk){ entry, s, gfn_align(gfn, level), level, root };
		entries = table_of(mmu, s);
	}
	return (struct walk){ entry, s, gfn_align(gfn, LEVEL_2M), LEVEL_2M, root };
}

/* Names the table of @level over @gfn: the root's number above all bits of a GFN. */
static inline ALWAYS_INLINE uint64_t block_of(enum mmu_root root, gfn_t gfn, int level)
{
	return gfn.v >> table_shift(level + 1) | (uint64_t)root << 62;
}
_Static_assert(MMU_ROOTS <= 4, "two bits hold a root's number");

/* On from a 2M table, whose @entry was read as @s. */
static inline ALWAYS_INLINE struct walk walk_below_2m(const struct mmu *mmu, struct mmu_cpu *me,
						      enum mmu_root root, gfn_t gfn, spte_t *entry,
						      spte_t s)
{
	if (!spte_is_open_table(s))
		return (struct walk){ entry, s, gfn_align(gfn, LEVEL_2M), LEVEL_2M, root };
	spte_t *entries = table_of(mmu, s);

	me->last_4k = (struct mmu_note){ block_of(root, gfn, LEVEL_4K), entries };
	entry = &entries[gfn.v % TABLE_ENTRIES];
	return (struct walk){ entry, spte_read(entry), gfn, LEVEL_4K, root };
}

/* From the root. */
static inline ALWAYS_INLINE struct walk walk_all_down(const struct mmu *mmu, struct mmu_cpu *me,
						      enum mmu_root root, gfn_t gfn)
{
	struct walk w = likely(mmu->levels == 4) ? walk_three_levels(mmu, root, gfn)
						 : walk_to(mmu, root, gfn, LEVEL_2M);

	if (w.level != LEVEL_2M)
		return w;
	me->last_2m = (struct mmu_note){ block_of(root, gfn, LEVEL_2M),
					 w.entry - (gfn.v >> TABLE_BITS) % TABLE_ENTRIES };
	return walk_below_2m(mmu, me, root, gfn, w.entry, w.old);
}

/*
 * To the 4K entry over @gfn, or where the way ends, by a CPU that is inside and remembers the last
 * tables that it went through.
 */
static inline ALWAYS_INLINE struct walk walk_down(const struct mmu *mmu, struct mmu_cpu *me,
						  enum mmu_root root, gfn_t gfn)
{
	uint64_t cuts = __atomic_load_n(&mmu->lock.cuts, __ATOMIC_ACQUIRE);

	if (unlikely(me->last_cuts != cuts)) {
		me->last_4k.block = me->last_2m.block = MMU_NO_BLOCK;
		me->last_cuts = cuts;
	}
	if (me->last_4k.block == block_of(root, gfn, LEVEL_4K)) {
		spte_t *entry = (spte_t *)me->last_4k.entries + gfn.v % TABLE_ENTRIES;

		return (struct walk){ entry, spte_read(entry), gfn, LEVEL_4K, root };
	}
	if (me->last_2m.block == block_of(root, gfn, LEVEL_2M)) {
		spte_t *entry = (spte_t *)me->last_2m.entries +
				(gfn.v >> TABLE_BITS) % TABLE_ENTRIES;

		return walk_below_2m(mmu, me, root, gfn, entry, spte_read(entry));
	}
	return walk_all_down(mmu, me, root, gfn);
}

/* The frame behind @gfn, if the walk ended at a leaf. */
static inline pfn_t walk_pfn(const struct walk *w, gfn_t gfn)
{
	return pfn_add(spte_pfn(w->old), gfn.v - w->gfn.v);
}

#endif
