/*
 * dirty.c - which pages were written, or used: logging, write tracking and ageing of direct leaves.
 *
 *                  log: what is taken so that the next write shows     a write shows by
 *     hardware     D of 4K leaves; W of large ones                     D bit or PML; a fault
 *     wrprot       W                                                   a fault
 *     none         W                                                   a fault
 *
 * Invariants
 *   - Only bits are taken from leaves, by compare-exchange, under the read side; no entry comes or
 *     goes, so no population changes and no hook is called.
 *   - The bitmap is cleared before the entry, and an entry is made writable after the bitmap is
 *     set: a write that is missed in this round is found in the next.
 *   - Stale D or W in a TLB is tolerated until the round's one flush (rule E2); switching on always
 *     ends with one (rule E4); write tracking flushes whenever MMU-writable was taken.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/dead.h"
#include "mmu/leaf.h"
#include "mmu/range.h"
#include "mmu/slot.h"
#include "mmu/split.h"

/* Take @bits from a leaf. *was: the leaf before. False: nothing to take. */
static inline bool take_bits(spte_t *entry, uint64_t bits, spte_t *was)
{
	spte_t s = spte_read(entry);

	do {
		if (!spte_is_accessible_leaf(s) || (s.raw & bits) == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&entry->raw, &s.raw, s.raw & ~bits, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	*was = s;
	return true;
}

/* What makes the next write to a leaf of @level visible. */
static inline uint64_t log_bits(const struct mmu *mmu, int level)
{
	if (log_by_dirty_bit(mmu) && level == LEVEL_4K)
		return SPTE_DIRTY;
	return SPTE_W | (mmu->ad == MMU_AD_NONE ? 0 : SPTE_DIRTY);
}

static void trace_part(struct mmu *mmu, const struct part *part, spte_t was, uint64_t bits,
		       unsigned count)
{
	if (unlikely(mmu->ops->trace != NULL) && count > 0)
		mmu->ops->trace(mmu, part->sp->root, part->gfn, was, (spte_t){ was.raw & ~bits },
				part->level, count);
}

struct sweep {
	struct memslot *slot; /* whose bitmap is marked, or NULL */
	uint64_t bits;        /* 0: log_bits() of the level */
	uint64_t count;
};

/* Take D from @count leaves from @entry on; bit i of the answer: leaf i had it. */
static inline uint64_t reap_64(spte_t *entry, unsigned count)
{
	const uint64_t kind = SPTE_PRESENT | SPTE_LEAF | SPTE_BLOCKED_FOR;
	const spte_t *end = entry + count;
	uint64_t dirty = 0;

	for (uint64_t bit = 1; entry < end; entry++, bit <<= 1) {
		uint64_t was = spte_read(entry).raw;

		while ((was & (kind | SPTE_DIRTY)) == (SPTE_PRESENT | SPTE_LEAF | SPTE_DIRTY))
			if (likely(__atomic_compare_exchange_n(&entry->raw, &was, was ^ SPTE_DIRTY,
							       true, __ATOMIC_ACQ_REL,
							       __ATOMIC_ACQUIRE))) {
				dirty |= bit;
				break;
			}
	}
	return dirty;
}

/*
 * Take @bits from @count leaves from @entry on. *last is one that was changed. One turn is what every
 * page of a log costs, so it is written out flat.
 */
static inline void sweep_64(spte_t *entry, unsigned count, uint64_t bits, unsigned *changed, spte_t *last)
{
	const uint64_t kind = SPTE_PRESENT | SPTE_LEAF | SPTE_BLOCKED_FOR;

	for (unsigned i = 0; i < count; i++) {
		uint64_t was = spte_read(&entry[i]).raw;

		while ((was & kind) == (SPTE_PRESENT | SPTE_LEAF) && (was & bits)) {
			if (unlikely(!__atomic_compare_exchange_n(&entry[i].raw, &was, was & ~bits,
								  true, __ATOMIC_ACQ_REL,
								  __ATOMIC_ACQUIRE)))
				continue;
			last->raw = was;
			++*changed;
			break;
		}
	}
}

/* Mark up to 64 frames from @gfn on, in a slot whose words may begin elsewhere than the tables'. */
static void mark_word(struct memslot *slot, gfn_t gfn, uint64_t dirty)
{
	uint64_t at = gfn.v - slot->base.v;
	unsigned shift = at % 64;
	uint64_t beyond = shift ? dirty >> (64 - shift) : 0;

	__atomic_fetch_or(&slot->dirty[at / 64], dirty << shift, __ATOMIC_RELAXED);
	if (beyond)
		__atomic_fetch_or(&slot->dirty[at / 64 + 1], beyond, __ATOMIC_RELAXED);
}

/* Take bits from all leaves of one table; mark what was dirty, if a slot wants to know. */
static int sweep_part(struct mmu *mmu, const struct part *part, void *arg)
{
	struct sweep *sweep = arg;
	uint64_t bits = sweep->bits ? sweep->bits : log_bits(mmu, part->level);
	spte_t last = SPTE_NONE;
	unsigned count = 0;

	if (sweep->slot && part->level != LEVEL_4K)
		return 0; /* a large leaf is not writable while it is logged */
	for (unsigned i = part->first; i < part->last; i += 64) {
		unsigned some = part->last - i < 64 ? part->last - i : 64;
		spte_t *entry = &part->sp->entries[i];

		if (bits != SPTE_DIRTY) {
			sweep_64(entry, some, bits, &count, &last);
			continue;
		}
		uint64_t dirty = reap_64(entry, some);

		if (!dirty)
			continue;
		count += (unsigned)__builtin_popcountll(dirty);
		last.raw = spte_read(&entry[__builtin_ctzll(dirty)]).raw | SPTE_DIRTY;
		if (sweep->slot)
			mark_word(sweep->slot, gfn_add(part->gfn, i - part->first), dirty);
	}
	trace_part(mmu, part, last, bits, count);
	sweep->count += count;
	return 0;
}

static void sweep_slot(struct mmu *mmu, struct memslot *slot, struct sweep *sweep)
{
	int err = range_each(mmu, slot->base, slot->frames, sweep_part, sweep);

	assert(!err);
}

static void flush_range(struct mmu *mmu, gfn_t start, uint64_t frames) MUST_HOLD_WRITE(mmu->lock)
{
	if (owed_flush(mmu, MMU_DIRECT, start, gfn_add(start, frames)))
		log_error("mmu: %s: a flush of the log failed", mmu->name);
}

void mmu_log_start(struct mmu *mmu, struct memslot *slot, uint64_t *bitmap)
{
	struct sweep sweep = { 0 };

	mmu_write_lock(&mmu->lock);
	slot->dirty = bitmap;
	mmu_write_unlock(&mmu->lock);
	/* From here on faults mark the bitmap before they make an entry writable. */
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	sweep_slot(mmu, slot, &sweep);
	mmu_read_unlock(&mmu->lock, me);
	mmu_log_flush(mmu, slot);
}

void mmu_log_stop(struct mmu *mmu, struct memslot *slot)
{
	mmu_write_lock(&mmu->lock);
	slot->dirty = NULL;
	mmu_write_unlock(&mmu->lock);
}

int mmu_set_ad_policy(struct mmu *mmu, enum mmu_ad_policy ad)
{
	int err = 0;

	mmu_write_lock(&mmu->lock);
	if ((ad == MMU_AD_NONE) != (mmu->ad == MMU_AD_NONE))
		err = -EINVAL;
	else if (slot_any_logged(mmu))
		err = -EBUSY;
	else
		mmu->ad = ad;
	mmu_write_unlock(&mmu->lock);
	return err;
}

uint64_t mmu_log_harvest(struct mmu *mmu, struct memslot *slot)
{
	struct sweep sweep = { .slot = slot, .bits = SPTE_DIRTY };

	if (!log_by_dirty_bit(mmu))
		return 0; /* faults marked the bitmap already */
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	if (slot->dirty)
		sweep_slot(mmu, slot, &sweep);
	mmu_read_unlock(&mmu->lock, me);
	if (sweep.count > 0)
		mmu_log_flush(mmu, slot);
	return sweep.count;
}

/*
 * Of @count leaves from @entry on those in @mask (bit i is leaf i) lose @bits. Returns how many did;
 * *was is what one of them was before.
 */
static unsigned arm_64(spte_t *entry, unsigned count, uint64_t mask, uint64_t bits, spte_t *was)
{
	unsigned changed = 0;

	if (bits == SPTE_DIRTY && mask == ~UINT64_C(0) && count == 64) {
		uint64_t dirty = reap_64(entry, 64);

		if (dirty)
			was->raw = spte_read(&entry[__builtin_ctzll(dirty)]).raw | SPTE_DIRTY;
		return (unsigned)__builtin_popcountll(dirty);
	}
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask);

		if (i >= count)
			break;
		changed += take_bits(&entry[i], bits, was);
	}
	return changed;
}

/* Of @count 4K leaves from @w on, those in @mask. */
static unsigned clear_in_table(struct mmu *mmu, const struct walk *w, unsigned count, uint64_t mask)
{
	uint64_t bits = log_bits(mmu, LEVEL_4K);
	spte_t was = SPTE_NONE;
	unsigned changed = arm_64(w->entry, count, mask, bits, &was);

	if (unlikely(mmu->ops->trace != NULL) && changed > 0)
		mmu->ops->trace(mmu, w->root, w->gfn, was, (spte_t){ was.raw & ~bits }, LEVEL_4K,
				changed);
	return changed;
}

/* Frames from @gfn on that are in @mask, and in the log: at most two 4K tables. */
static unsigned clear_word(struct mmu *mmu, enum mmu_root root, gfn_t gfn, uint64_t mask)
{
	unsigned count = 0;

	while (mask) {
		struct walk w = walk_to(mmu, root, gfn, LEVEL_4K);
		/* Up to the end of this table; a large leaf is not writable while it is logged. */
		unsigned left = TABLE_ENTRIES - (unsigned)(gfn.v % TABLE_ENTRIES);
		unsigned here = left < 64 ? left : 64;

		if (w.level == LEVEL_4K)
			count += clear_in_table(mmu, &w, here, mask);
		mask = here < 64 ? mask >> here : 0;
		gfn = gfn_add(gfn, here);
	}
	return count;
}

unsigned mmu_log_clear(struct mmu *mmu, struct memslot *slot, uint64_t first, uint64_t mask)
{
	unsigned count = 0;

	assert(is_aligned(first, 64) && first < slot->frames);
	if (slot->frames - first < 64)
		mask &= BIT64(slot->frames - first) - 1;
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	if (slot->dirty) {
		__atomic_fetch_and(&slot->dirty[first / 64], ~mask, __ATOMIC_SEQ_CST);
		for_each_direct_root(mmu, r)
			count += clear_word(mmu, (enum mmu_root)r, gfn_add(slot->base, first), mask);
	}
	mmu_read_unlock(&mmu->lock, me);
	return count;
}

struct take {
	const struct memslot *slot;
	const uint64_t *round; /* pages to arm again */
	uint64_t count;
};

static int take_part(struct mmu *mmu, const struct part *part, void *arg)
{
	struct take *take = arg;
	uint64_t bits = log_bits(mmu, part->level), at = part->gfn.v - take->slot->base.v;
	spte_t *entry = &part->sp->entries[part->first];
	unsigned left = part->last - part->first, changed = 0;
	spte_t was = SPTE_NONE;

	if (part->level != LEVEL_4K)
		return 0; /* a large leaf is not writable while it is logged */
	while (left > 0) {
		unsigned in_word = 64 - (unsigned)(at % 64), some = left < in_word ? left : in_word;
		uint64_t mask = take->round[at / 64] >> (at % 64);

		changed += arm_64(entry, some, mask, bits, &was);
		entry += some;
		at += some;
		left -= some;
	}
	trace_part(mmu, part, was, bits, changed);
	take->count += changed;
	return 0;
}

uint64_t mmu_log_take(struct mmu *mmu, struct memslot *slot, uint64_t *round)
{
	struct take take = { .slot = slot, .round = round };
	uint64_t words = (slot->frames + 63) / 64;
	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	/* The bitmap before the entries: a write in between is found in the next round. */
	for (uint64_t w = 0; w < words; w++)
		round[w] = slot->dirty ? __atomic_exchange_n(&slot->dirty[w], 0, __ATOMIC_SEQ_CST) : 0;
	if (slot->dirty) {
		int err = range_each(mmu, slot->base, slot->frames, take_part, &take);

		assert(!err);
	}
	mmu_read_unlock(&mmu->lock, me);
	return take.count;
}

void mmu_log_flush(struct mmu *mmu, struct memslot *slot)
{
	mmu_write_lock(&mmu->lock);
	flush_range(mmu, slot->base, slot->frames);
	mmu_write_unlock(&mmu->lock);
}

/* Frames of one word of a slot's bitmap that are to be marked: a CPU logs in runs. */
struct pml_word {
	struct memslot *slot;
	uint64_t at, bits; /* index of the word; UINT64_MAX: none yet */
};

static void pml_mark(const struct pml_word *w)
{
	if (w->slot && w->bits && w->slot->dirty)
		__atomic_fetch_or(&w->slot->dirty[w->at], w->bits, __ATOMIC_RELAXED);
}

void mmu_log_pml(struct mmu *mmu, const uint64_t *gpas, unsigned count)
{
	struct pml_word w = { .at = UINT64_MAX };
	uint64_t base = 0, frames = 0;

	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	for (unsigned i = 0; i < count; i++) {
		gfn_t gfn = { (gpas[i] >> PAGE_SHIFT) & ~mmu->gfn_bits[MMU_DIRECT] };

		if (unlikely(gfn.v - base >= frames)) {
			struct memslot *slot = slot_find(mmu, gfn);

			if (!slot)
				continue;
			pml_mark(&w);
			w = (struct pml_word){ slot, UINT64_MAX, 0 };
			base = slot->base.v;
			frames = slot->frames;
		}
		uint64_t bit = gfn.v - base;

		if (bit / 64 != w.at) {
			pml_mark(&w);
			w.at = bit / 64;
			w.bits = 0;
		}
		w.bits |= BIT64(bit % 64);
	}
	pml_mark(&w);
	mmu_read_unlock(&mmu->lock, me);
}

uint64_t mmu_wrprotect(struct mmu *mmu, gfn_t start, uint64_t frames)
{
	struct sweep sweep = { .bits = SPTE_W };

	mmu_write_lock(&mmu->lock);
	int err = range_each(mmu, start, frames, sweep_part, &sweep);

	assert(!err);
	if (sweep.count > 0)
		flush_range(mmu, start, frames);
	mmu_write_unlock(&mmu->lock);
	return sweep.count;
}

/*
 * Write tracking
 */
void mmu_track_start(struct mmu *mmu, struct memslot *slot, uint64_t *bitmap)
{
	mmu_write_lock(&mmu->lock);
	slot->tracked = bitmap;
	mmu_write_unlock(&mmu->lock);
}

static void set_bit_of(uint64_t *map, uint64_t i, bool on)
{
	if (on)
		__atomic_fetch_or(&map[i / 64], BIT64(i % 64), __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&map[i / 64], ~BIT64(i % 64), __ATOMIC_SEQ_CST);
}

/* What maps @gfn is a 4K leaf, or nothing. */
static int split_down(struct mmu *mmu, enum mmu_root root, gfn_t gfn) MUST_HOLD_WRITE(mmu->lock)
{
	struct walk w = walk_to(mmu, root, gfn, LEVEL_4K);
	int err = 0;

	while (!err && spte_is_accessible_leaf(w.old) && w.level > LEVEL_4K) {
		err = split_exclusive(mmu, &w);
		w = walk_to(mmu, root, gfn, LEVEL_4K);
	}
	return err;
}

int mmu_track(struct mmu *mmu, struct memslot *slot, gfn_t gfn)
{
	bool taken = false;
	int err = 0;

	mmu_write_lock(&mmu->lock);
	for_each_direct_root(mmu, r) {
		if (!err)
			err = split_down(mmu, (enum mmu_root)r, gfn);
	}
	if (!err) {
		set_bit_of(slot->tracked, gfn.v - slot->base.v, true);
		for_each_direct_root(mmu, r) {
			struct walk w = walk_to(mmu, (enum mmu_root)r, gfn, LEVEL_4K);
			spte_t was;

			/* Also if W is gone already: a CPU may have it in its TLB (rule E2). */
			taken |= take_bits(w.entry, SPTE_W | SPTE_MMU_WRITABLE, &was);
		}
	}
	if (taken)
		flush_range(mmu, gfn, 1);
	mmu_write_unlock(&mmu->lock);
	return err;
}

void mmu_untrack(struct mmu *mmu, struct memslot *slot, gfn_t gfn)
{
	mmu_write_lock(&mmu->lock);
	set_bit_of(slot->tracked, gfn.v - slot->base.v, false);
	for_each_direct_root(mmu, r) {
		struct walk w = walk_to(mmu, (enum mmu_root)r, gfn, LEVEL_4K);

		if (spte_is_accessible_leaf(w.old) && (w.old.raw & SPTE_HOST_WRITABLE))
			__atomic_fetch_or(&w.entry->raw, SPTE_MMU_WRITABLE, __ATOMIC_ACQ_REL);
	}
	mmu_write_unlock(&mmu->lock);
}

/*
 * Ageing
 */

/* Without A bits: take all access and remember R and X. False: unused since last time. */
static bool age_by_access(spte_t *entry)
{
	spte_t s = spte_read(entry), aged;

	do {
		if (!spte_is_accessible_leaf(s) || (s.raw & SPTE_AGED) != 0)
			return false;
		aged.raw = (s.raw & ~SPTE_RWX) | SPTE_AGED | ((s.raw & SPTE_R) ? SPTE_SAVED_R : 0) |
			   ((s.raw & SPTE_X) ? SPTE_SAVED_X : 0);
	} while (!__atomic_compare_exchange_n(&entry->raw, &s.raw, aged.raw, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	return true;
}

static int age_part(struct mmu *mmu, const struct part *part, void *arg)
{
	uint64_t *young = arg;
	spte_t was;

	for (unsigned i = part->first; i < part->last; i++)
		*young += mmu->ad == MMU_AD_NONE
				  ? age_by_access(&part->sp->entries[i])
				  : take_bits(&part->sp->entries[i], SPTE_ACCESSED, &was);
	return 0;
}

/* No flush: a stale translation makes a page look older than it is, and nothing worse. */
uint64_t mmu_age(struct mmu *mmu, gfn_t start, uint64_t frames)
{
	uint64_t young = 0;

	struct mmu_cpu *me = mmu_read_lock(&mmu->lock);

	int err = range_each(mmu, start, frames, age_part, &young);

	assert(!err);
	mmu_read_unlock(&mmu->lock, me);
	return young;
}
