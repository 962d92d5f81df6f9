/*
 * mmu.c - life of an MMU: its roots, its phases, and looking from outside.
 *
 * Invariants
 *   - The first roots are all that is allocated at init.
 *   - The phase moves one way, under the write side, so no hook is running when it changes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmu/mmu.h"

#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/change.h"
#include "mmu/root.h"
#include "mmu/slot.h"
#include "mmu/walk.h"

#define EPTP_MEMTYPE_WB     UINT64_C(6)
#define EPTP_LEVELS_SHIFT   3
#define EPTP_ACCESSED_DIRTY BIT64(6)

static bool config_is_sound(const struct mmu_config *c)
{
	bool levels = c->levels == 4 || c->levels == 5;
	bool shared = c->has_mirror ? c->shared_bit > PAGE_SHIFT + 9 &&
					      c->shared_bit < PAGE_SHIFT + 9 * c->levels
				    : c->shared_bit == 0;
	bool max = c->max_level >= LEVEL_4K && c->max_level <= LEVEL_1G;
	bool mirror = !c->has_mirror ||
		      (c->mirror_max_level >= LEVEL_4K && c->mirror_max_level <= LEVEL_2M &&
		       c->ops->set_external_spte && c->ops->free_external_spt &&
		       c->ad == MMU_AD_NONE && c->mmio != MMU_MMIO_MISCONFIG);

	return levels && shared && max && mirror && c->ops->flush;
}

int mmu_init(struct mmu *mmu, const struct mmu_config *c)
{
	if (!config_is_sound(c))
		return -EINVAL;
	uint64_t shared = c->has_mirror ? BIT64(c->shared_bit - PAGE_SHIFT) : 0;

	*mmu = (struct mmu){
		.ops = c->ops,
		.name = c->name,
		.levels = (uint8_t)c->levels,
		.max_level = { [MMU_DIRECT] = c->max_level,
			       [MMU_DIRECT_2] = c->max_level,
			       [MMU_MIRROR] = c->mirror_max_level },
		.gfn_bits = { [MMU_DIRECT] = shared, [MMU_DIRECT_2] = shared },
		.plain_leaf = SPTE_PRESENT | SPTE_LEAF | SPTE_RWX | SPTE_HOST_WRITABLE |
			      SPTE_MMU_WRITABLE | SPTE_SUPPRESS_VE | c->memtype |
			      (c->ad != MMU_AD_NONE ? SPTE_ACCESSED | SPTE_DIRTY : 0),
		.ad = c->ad,
		.mmio = c->mmio,
	};
	mmu_lock_init(&mmu->lock);
	pool_init(&mmu->pool);
	for (unsigned root = MMU_DIRECT; root <= (c->has_mirror ? MMU_MIRROR : MMU_DIRECT);
	     root++) {
		mmu->root[root] = root_new(mmu, root);
		if (!mmu->root[root]) {
			if (root > 0)
				pool_put(mmu, mmu->root[0]);
			pool_fini(&mmu->pool);
			return -ENOMEM;
		}
	}
	return 0;
}

static void count_leaked(struct mmu_page *sp, void *arg)
{
	uint64_t *leaked = arg;

	(*leaked)++;
	log_error("mmu: a table of level %u for gfn %#llx is leaked", sp->level,
		  (unsigned long long)sp->gfn.v);
}

uint64_t mmu_fini(struct mmu *mmu)
{
	uint64_t leaked = 0;

	for (unsigned root = 0; root < MMU_ROOTS; root++) {
		if (!mmu->root[root])
			continue;
		int err = mmu_zap_all(mmu, root);

		/* A slot's MMIO entries may keep tables of the direct root; no page is in them. */
		if (err)
			log_error("mmu: %s: the %s root keeps entries (%d)", mmu->name,
				  root == MMU_MIRROR ? "mirror" : "direct", err);
		else
			pool_put(mmu, mmu->root[root]);
		mmu->root[root] = NULL;
	}
	roots_free_retired(mmu);
	pool_each(&mmu->pool, count_leaked, &leaked);
	leaked += mmu->leaked_tables;
	pool_fini(&mmu->pool);
	mmu->slot_count = 0;
	return leaked;
}

void mmu_set_phase(struct mmu *mmu, enum mmu_phase phase)
{
	mmu_write_lock(&mmu->lock);
	assert(phase >= mmu->phase);
	__atomic_store_n(&mmu->phase, phase, __ATOMIC_RELEASE);
	mmu_write_unlock(&mmu->lock);
}

hpa_t mmu_root_hpa(const struct mmu *mmu, enum mmu_root root) { return mmu->root[root]->table; }

uint64_t mmu_root_eptp(const struct mmu *mmu, const struct mmu_page *root)
{
	return root->table.v | EPTP_MEMTYPE_WB | (uint64_t)(mmu->levels - 1) << EPTP_LEVELS_SHIFT |
	       (mmu->ad != MMU_AD_NONE ? EPTP_ACCESSED_DIRTY : 0);
}

uint64_t mmu_eptp(const struct mmu *mmu) { return mmu_root_eptp(mmu, mmu->root[MMU_DIRECT]); }

spte_t mmu_lookup(struct mmu *mmu, enum mmu_root root, gfn_t gfn, int *level)
{
	struct mmu_cpu *me = mmu_look_begin(&mmu->lock);
	struct walk w = { .old = SPTE_NONE, .level = mmu->levels };

	if (mmu->root[root])
		w = walk_down(mmu, me, root, gfn);
	mmu_look_end(me);
	*level = w.level;
	return w.old;
}

unsigned mmu_walk(struct mmu *mmu, enum mmu_root root, gfn_t gfn, struct mmu_walk_step steps[5])
{
	unsigned n = 0;

	struct mmu_cpu *me = mmu_look_begin(&mmu->lock);
	for (int stop = mmu->levels; mmu->root[root] && stop >= LEVEL_4K; stop--) {
		struct walk w = walk_to(mmu, root, gfn, stop);

		if (w.level != stop)
			break;
		const struct mmu_page *sp = page_of_entry(w.entry);

		steps[n++] = (struct mmu_walk_step){ sp->table, (unsigned)(w.entry - sp->entries),
						     w.old, w.level };
	}
	mmu_look_end(me);
	return n;
}

static void add_page(struct mmu_page *sp, void *arg)
{
	struct mmu_stats *stats = arg;

	stats->tables[sp->root][sp->level]++;
	stats->leaves[sp->root][sp->level] += page_leaves(sp);
	stats->table_bytes += PAGE_SIZE + sizeof(*sp);
}

static void take_page(struct mmu_page *sp, void *arg)
{
	struct mmu_stats *stats = arg;

	stats->tables[sp->root][sp->level]--;
	stats->leaves[sp->root][sp->level] -= page_leaves(sp);
}

void mmu_stats(struct mmu *mmu, struct mmu_stats *stats)
{
	mmu_write_lock(&mmu->lock);
	*stats = (struct mmu_stats){ .flushes = mmu->flushes, .leaked_tables = mmu->leaked_tables };
	pool_each(&mmu->pool, add_page, stats);
	for (struct mmu_page *sp = mmu->retired; sp; sp = sp->next) {
		stats->retired_roots++;
		tree_each(mmu, sp, take_page, stats);
	}
	stats->pool_bytes = pool_bytes(&mmu->pool);
	mmu_write_unlock(&mmu->lock);
}

int mmu_read_external(struct mmu *mmu, gfn_t gfn, int level, struct mmu_external *e)
{
	int err = -ENOSYS;

	mmu_write_lock(&mmu->lock);
	if (mmu->ops->read_external && mmu->phase != MMU_RELEASED)
		err = mmu->ops->read_external(mmu, gfn, level, e);
	mmu_write_unlock(&mmu->lock);
	return err;
}

struct mmu_page *mmu_page_of(struct mmu *mmu, spte_t spte)
{
	return page_of_entry(table_of(mmu, spte));
}
