/*
 * pool.c - table pages and their descriptors, in chunks. Invariants: see page.h.
 *
 * Chunks with room stand at the front of the list, full ones at the back; a wholly free chunk goes
 * back to the machine when another one still has room. The lock is held for a few instructions;
 * tables are filled outside of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/machine/port.h"
#include "mmu/mmu.h"
#include "mmu/page.h"

#define CHUNK_ALL_FREE (~UINT64_C(1)) /* page 0 holds the descriptors */

static struct mmu_chunk *chunk_of(const struct mmu_page *sp)
{
	return (struct mmu_chunk *)((uintptr_t)sp & ~(uintptr_t)(PAGE_SIZE - 1));
}

static unsigned place_of(const struct mmu_page *sp)
{
	return (unsigned)(((uintptr_t)sp % PAGE_SIZE) / sizeof(*sp));
}

static void list_remove(struct mmu_pool *pool, struct mmu_chunk *c)
{
	*(c->prev ? &c->prev->next : &pool->first) = c->next;
	*(c->next ? &c->next->prev : &pool->last) = c->prev;
	c->next = c->prev = NULL;
}

static void list_add_first(struct mmu_pool *pool, struct mmu_chunk *c)
{
	c->next = pool->first;
	c->prev = NULL;
	*(c->next ? &c->next->prev : &pool->last) = c;
	pool->first = c;
}

static void list_add_last(struct mmu_pool *pool, struct mmu_chunk *c)
{
	c->prev = pool->last;
	c->next = NULL;
	*(c->prev ? &c->prev->next : &pool->first) = c;
	pool->last = c;
}

static struct mmu_chunk *chunk_new(struct mmu_pool *pool)
{
	hpa_t base = pages_alloc_raw(PAGE_MMU, CHUNK_ORDER);

	if (hpa_is_none(base))
		return NULL;
	struct mmu_chunk *c = hpa_to_ptr(base);

	memset(c, 0, PAGE_SIZE);
	c->free = CHUNK_ALL_FREE;
	/* The arithmetic of page.h stands on these two. */
	assert(is_aligned((uintptr_t)c, CHUNK_SIZE));
	assert(pool->chunks == 0 || pool->direct_map == (uintptr_t)c - base.v);
	if (pool->chunks == 0)
		pool->direct_map = (uintptr_t)c - base.v;
	pool->chunks++;
	list_add_first(pool, c);
	return c;
}

static void chunk_free(struct mmu_pool *pool, struct mmu_chunk *c)
{
	list_remove(pool, c);
	pool->chunks--;
	pages_free(ptr_to_hpa(c), PAGE_MMU, CHUNK_ORDER);
}

static struct mmu_page *place_take(struct mmu_pool *pool)
{
	struct mmu_page *sp = NULL;

	spin_lock(&pool->lock);
	struct mmu_chunk *c = pool->first;

	if (!c || !c->free)
		c = chunk_new(pool);
	if (c) {
		unsigned place = (unsigned)__builtin_ctzll(c->free);

		c->free &= c->free - 1;
		sp = (struct mmu_page *)c + place;
		if (!c->free) {
			list_remove(pool, c);
			list_add_last(pool, c);
		}
	}
	spin_unlock(&pool->lock);
	return sp;
}

static void place_give(struct mmu_pool *pool, struct mmu_page *sp)
{
	struct mmu_chunk *c = chunk_of(sp);

	spin_lock(&pool->lock);
	assert(!pool_is_free(sp));
	if (!c->free) {
		list_remove(pool, c);
		list_add_first(pool, c);
	}
	c->free |= BIT64(place_of(sp));
	if (c->free == CHUNK_ALL_FREE && c->next && c->next->free)
		chunk_free(pool, c);
	spin_unlock(&pool->lock);
}

/* Eight at a time: a line. */
static void fill_none(spte_t *entries)
{
	for (unsigned i = 0; i < TABLE_ENTRIES; i += 8) {
		spte_t *e = entries + i;

		e[0] = e[1] = e[2] = e[3] = e[4] = e[5] = e[6] = e[7] = SPTE_NONE;
	}
}

static void fill_run(spte_t *entries, uint64_t raw, uint64_t step)
{
#pragma GCC unroll 8
	for (unsigned i = 0; i < TABLE_ENTRIES; i++, raw += step)
		entries[i].raw = raw;
}

void pool_init(struct mmu_pool *pool) { *pool = (struct mmu_pool){ .lock = SPINLOCK_INIT }; }

void pool_fini(struct mmu_pool *pool)
{
	while (pool->first) {
		struct mmu_chunk *c = pool->first;

		if (c->free == CHUNK_ALL_FREE) {
			chunk_free(pool, c);
		} else {
			list_remove(pool, c);
			pool->chunks--;
			pages_reown(ptr_to_hpa(c), CHUNK_ORDER, PAGE_MMU, PAGE_LEAKED);
		}
	}
}

/* Contents undefined. */
static struct mmu_page *get_raw(struct mmu *mmu, unsigned root, int level, gfn_t gfn)
{
	struct mmu_page *sp = place_take(&mmu->pool);

	if (!sp)
		return NULL;
	spte_t *entries = (spte_t *)((uintptr_t)chunk_of(sp) + place_of(sp) * PAGE_SIZE);

	*sp = (struct mmu_page){
		.entries = entries,
		.table = { (uintptr_t)entries - mmu->pool.direct_map },
		.external = HPA_NONE,
		.gfn = { align_down(gfn.v, level_frames(level + 1)) },
		.level = (uint8_t)level,
		.root = (uint8_t)root,
		.mark = __atomic_load_n(&mmu->pool.new_mark, __ATOMIC_RELAXED),
	};
	if (root == MMU_MIRROR && level < mmu->levels) {
		sp->external = page_alloc(PAGE_TDX_SEPT);
		if (hpa_is_none(sp->external)) {
			pool_put(mmu, sp);
			return NULL;
		}
	}
	return sp;
}

struct mmu_page *pool_get(struct mmu *mmu, unsigned root, int level, gfn_t gfn)
{
	struct mmu_page *sp = get_raw(mmu, root, level, gfn);

	if (sp)
		fill_none(sp->entries);
	return sp;
}

struct mmu_page *pool_get_run(struct mmu *mmu, unsigned root, int level, gfn_t gfn, spte_t first)
{
	struct mmu_page *sp = get_raw(mmu, root, level, gfn);

	if (!sp)
		return NULL;
	fill_run(sp->entries, first.raw, level_size(level));
	sp->population = TABLE_ENTRIES * POPULATION_LEAF;
	return sp;
}

void pool_put(struct mmu *mmu, struct mmu_page *sp)
{
	if (!hpa_is_none(sp->external))
		page_free(sp->external, PAGE_TDX_SEPT);
	sp->external = HPA_NONE;
	place_give(&mmu->pool, sp);
}

void pool_each(struct mmu_pool *pool, void (*fn)(struct mmu_page *sp, void *arg), void *arg)
{
	for (struct mmu_chunk *c = pool->first; c; c = c->next)
		for (uint64_t used = ~c->free & CHUNK_ALL_FREE; used; used &= used - 1)
			fn((struct mmu_page *)c + __builtin_ctzll(used), arg);
}

bool pool_is_free(const struct mmu_page *sp)
{
	return (chunk_of(sp)->free & BIT64(place_of(sp))) != 0;
}

uint64_t pool_bytes(struct mmu_pool *pool)
{
	spin_lock(&pool->lock);
	uint64_t bytes = pool->chunks * CHUNK_SIZE;

	spin_unlock(&pool->lock);
	return bytes;
}
