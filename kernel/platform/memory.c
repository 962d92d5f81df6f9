/*
 * memory.c - regions, chunks and frames of a guest's memory.
 *
 * A chunk is the 2 MiB of guest-physical space around a GFN, as far as it lies in one region. It
 * is backed whole (one 2 MiB block, or its part of a 1 GiB block) or by single pages, decided when the first
 * frame of it is asked for.
 *
 * Whatever is there is found without the lock: leaves, blocks, page lists and pages are published by
 * release stores under it, and none of them goes before guest_memory_fini().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/platform/memory.h"

#include <errno.h>
#include <string.h>

#include "kernel/machine/port.h"

#define CHUNK_FRAMES  UINT64_C(512)
#define CHUNK_ORDER   9
#define ORDER_1G      18
#define FRAMES_1G     BIT64(ORDER_1G)
#define LEAF_CHUNKS   UINT64_C(256) /* of one leaf: 512 MiB of guest memory, 4 KiB of ours */
#define GFN_END_LIMIT BIT64(40) /* 52-bit guest-physical addresses */

struct guest_chunk {
	pfn_t block;  /* whole backing; PFN_NONE: none (yet) */
	pfn_t *pages; /* CHUNK_FRAMES of them, PFN_NONE where there is none yet; NULL: none */
};

/* In the place of `pages`: the block is part of a whole GiB. */
static pfn_t in_1g[1];

void guest_memory_init(struct guest_memory *m)
{
	memset(m, 0, sizeof(*m));
}

int guest_memory_add(struct guest_memory *m, gfn_t base, uint64_t frames, bool rom)
{
	if (!frames || frames > GFN_END_LIMIT || base.v > GFN_END_LIMIT - frames)
		return -EINVAL;
	if (m->region_count == GUEST_REGIONS_MAX)
		return -ENOSPC;

	unsigned at = 0;

	while (at < m->region_count && m->regions[at].base.v + m->regions[at].frames <= base.v)
		at++;
	if (at < m->region_count && m->regions[at].base.v < base.v + frames)
		return -EINVAL;

	uint64_t first = base.v / CHUNK_FRAMES, last = (base.v + frames - 1) / CHUNK_FRAMES;
	uint64_t leaf_count = (last - first) / LEAF_CHUNKS + 1;
	struct guest_chunk **leaves = heap_alloc(leaf_count * sizeof(leaves[0]));

	if (!leaves)
		return -ENOMEM;
	memmove(&m->regions[at + 1], &m->regions[at],
		(m->region_count - at) * sizeof(m->regions[0]));
	m->regions[at] = (struct guest_region){ base, frames, rom, leaves, leaf_count, false };
	m->region_count++;
	return 0;
}

int guest_memory_add_ram(struct guest_memory *m, struct guest_ram ram)
{
	int err = guest_memory_add(m, (gfn_t){ 0 }, ram.low >> PAGE_SHIFT, false);

	if (err || !ram.high)
		return err;
	return guest_memory_add(m, gpa_to_gfn((gpa_t){ GUEST_HIGH_BASE }), ram.high >> PAGE_SHIFT,
				false);
}

const struct guest_region *guest_memory_find(const struct guest_memory *m, gfn_t gfn)
{
	for (unsigned i = 0; i < m->region_count; i++) {
		const struct guest_region *r = &m->regions[i];

		if (gfn.v - r->base.v < r->frames)
			return r;
	}
	return NULL;
}

/* The whole 2 MiB around @gfn lies in @r. */
static bool chunk_is_whole(const struct guest_region *r, gfn_t gfn)
{
	uint64_t start = align_down(gfn.v, CHUNK_FRAMES);

	return start >= r->base.v && start + CHUNK_FRAMES <= r->base.v + r->frames;
}

/* ---- what is there: no lock ---- */

static pfn_t seen_pfn(const pfn_t *p) { return (pfn_t){ __atomic_load_n(&p->v, __ATOMIC_ACQUIRE) }; }
static void publish(pfn_t *p, hpa_t page)
{
	__atomic_store_n(&p->v, hpa_to_pfn(page).v, __ATOMIC_RELEASE);
}

static uint64_t chunk_index(const struct guest_region *r, gfn_t gfn)
{
	return gfn.v / CHUNK_FRAMES - r->base.v / CHUNK_FRAMES;
}

/* The frame behind @gfn and the level of its chunk, if it was asked for before. */
static inline bool look_up(const struct guest_region *r, gfn_t gfn, pfn_t *pfn, int *level)
{
	uint64_t index = chunk_index(r, gfn);
	const struct guest_chunk *leaf =
		__atomic_load_n(&r->leaves[index / LEAF_CHUNKS], __ATOMIC_ACQUIRE);

	if (unlikely(!leaf))
		return false;

	const struct guest_chunk *chunk = &leaf[index % LEAF_CHUNKS];
	pfn_t block = seen_pfn(&chunk->block);

	if (likely(!pfn_is_none(block))) {
		*pfn = pfn_add(block, gfn.v % CHUNK_FRAMES);
		*level = unlikely(chunk->pages == in_1g) ? LEVEL_1G : LEVEL_2M;
		return true;
	}

	const pfn_t *pages = __atomic_load_n(&chunk->pages, __ATOMIC_ACQUIRE);

	*level = LEVEL_4K;
	if (!pages)
		return false;
	*pfn = seen_pfn(&pages[gfn.v % CHUNK_FRAMES]);
	return !pfn_is_none(*pfn);
}

bool guest_memory_peek(const struct guest_memory *m, gfn_t gfn, pfn_t *pfn)
{
	const struct guest_region *r = guest_memory_find(m, gfn);
	int level;

	return r && look_up(r, gfn, pfn, &level);
}

/* ---- what is made now: with the lock ---- */

/* Give @chunk its first backing: a block if it can and should be one, else room for single pages. */
static int back_chunk(struct guest_memory *m, const struct guest_region *r, gfn_t gfn,
		      struct guest_chunk *chunk, bool block_wanted)
{
	if (block_wanted && chunk_is_whole(r, gfn)) {
		hpa_t block = pages_alloc(PAGE_GUEST, CHUNK_ORDER);

		if (!hpa_is_none(block)) {
			m->chunks_2m++;
			m->pages += CHUNK_FRAMES;
			publish(&chunk->block, block);
			return 0;
		}
	}

	pfn_t *pages = heap_alloc(CHUNK_FRAMES * sizeof(pfn_t));

	if (!pages)
		return -ENOMEM;
	for (unsigned i = 0; i < CHUNK_FRAMES; i++)
		pages[i] = PFN_NONE;
	__atomic_store_n(&chunk->pages, pages, __ATOMIC_RELEASE);
	return 0;
}

/* The chunk around @gfn, made now if it was not there; NULL: no memory for it. */
static struct guest_chunk *find_chunk(const struct guest_region *r, gfn_t gfn)
{
	uint64_t index = chunk_index(r, gfn);
	struct guest_chunk **at = &r->leaves[index / LEAF_CHUNKS], *leaf = *at;

	if (!leaf) {
		leaf = heap_alloc(LEAF_CHUNKS * sizeof(*leaf));
		for (unsigned i = 0; leaf && i < LEAF_CHUNKS; i++)
			leaf[i].block = PFN_NONE;
		__atomic_store_n(at, leaf, __ATOMIC_RELEASE);
	}
	return leaf ? &leaf[index % LEAF_CHUNKS] : NULL;
}

/* All chunks of the GiB at @gfn, in which nothing is backed yet. */
static int back_gib(struct guest_memory *m, struct guest_region *r, gfn_t gfn)
{
	struct guest_chunk *chunk;
	hpa_t block = HPA_NONE;

	for (uint64_t at = 0; at < FRAMES_1G; at += CHUNK_FRAMES) {
		chunk = find_chunk(r, gfn_add(gfn, at));
		if (!chunk)
			return -ENOMEM;
		if (at == 0)
			block = pages_alloc(PAGE_GUEST, ORDER_1G);
		if (hpa_is_none(block))
			return 0;
		chunk->pages = in_1g;
		publish(&chunk->block, hpa_add(block, at << PAGE_SHIFT));
	}
	r->has_1g = true;
	m->blocks_1g++;
	m->pages += FRAMES_1G;
	return 0;
}

int guest_memory_back_1g(struct guest_memory *m)
{
	for (unsigned i = 0; i < m->region_count; i++) {
		struct guest_region *r = &m->regions[i];
		gfn_t gfn = { align_up(r->base.v, FRAMES_1G) };

		for (; gfn.v + FRAMES_1G <= r->base.v + r->frames; gfn.v += FRAMES_1G) {
			int err = back_gib(m, r, gfn);

			if (err)
				return err;
		}
	}
	return 0;
}

static int make_frame(struct guest_memory *m, const struct guest_region *r, gfn_t gfn,
		      bool block_wanted)
{
	struct guest_chunk *chunk = find_chunk(r, gfn);
	unsigned index = (unsigned)(gfn.v % CHUNK_FRAMES);
	int err = 0;

	if (!chunk || page_count(PAGE_FREE) < GUEST_RESERVE_PAGES)
		return -ENOMEM;
	if (pfn_is_none(chunk->block) && !chunk->pages)
		err = back_chunk(m, r, gfn, chunk, block_wanted);
	if (err || !pfn_is_none(chunk->block) || !pfn_is_none(chunk->pages[index]))
		return err;

	hpa_t page = page_alloc(PAGE_GUEST);

	if (hpa_is_none(page))
		return -ENOMEM;
	m->pages++;
	publish(&chunk->pages[index], page);
	return 0;
}

/* The first time that somebody asks for it, or nothing is there. */
static __attribute__((noinline, cold)) int new_frame(struct guest_memory *m, gfn_t gfn,
						     bool block_wanted, pfn_t *pfn, int *level)
{
	const struct guest_region *r = guest_memory_find(m, gfn);

	if (!r)
		return -ENOENT;
	spin_lock(&m->lock);
	int err = make_frame(m, r, gfn, block_wanted);
	spin_unlock(&m->lock);
	if (!err && !look_up(r, gfn, pfn, level))
		err = -ENOMEM;
	return err;
}

static inline int frame(struct guest_memory *m, gfn_t gfn, bool block_wanted, pfn_t *pfn, int *level)
{
	const struct guest_region *r = m->regions, *end = r + m->region_count;

	for (; r < end; r++)
		if (gfn.v - r->base.v < r->frames)
			return likely(look_up(r, gfn, pfn, level))
				       ? 0
				       : new_frame(m, gfn, block_wanted, pfn, level);
	return -ENOENT;
}

int guest_memory_frame(struct guest_memory *m, gfn_t gfn, int max_level, pfn_t *pfn, int *level)
{
	int found, err = frame(m, gfn, true, pfn, &found);

	if (!err)
		*level = found > max_level ? max_level : found;
	return err;
}

/*
 * The host's address of @gpa; valid to the end of its page. A block is zeroed for @bytes from there
 * on only if they fill a good part of it: a small guest starts without waiting for 2 MiB of zeroes.
 */
static int host_address(struct guest_memory *m, gpa_t gpa, uint64_t bytes, char **at)
{
	pfn_t pfn;
	int level, err = frame(m, gpa_to_gfn(gpa), bytes >= SIZE_2M / 4, &pfn, &level);

	if (!err)
		*at = (char *)hpa_to_ptr(pfn_to_hpa(pfn)) + gpa.v % PAGE_SIZE;
	return err;
}

static uint64_t to_page_end(gpa_t gpa, uint64_t bytes)
{
	uint64_t rest = PAGE_SIZE - gpa.v % PAGE_SIZE;

	return bytes < rest ? bytes : rest;
}

int guest_memory_write(struct guest_memory *m, gpa_t to, const void *from, uint64_t bytes)
{
	const char *source = from;

	while (bytes) {
		uint64_t part = to_page_end(to, bytes);
		char *at;
		int err = host_address(m, to, bytes, &at);

		if (err)
			return err;
		memcpy(at, source, part);
		to = gpa_add(to, part);
		source += part;
		bytes -= part;
	}
	return 0;
}

int guest_memory_read(struct guest_memory *m, void *to, gpa_t from, uint64_t bytes)
{
	char *target = to;

	while (bytes) {
		uint64_t part = to_page_end(from, bytes);
		char *at;
		int err = host_address(m, from, bytes, &at);

		if (err)
			return err;
		memcpy(target, at, part);
		from = gpa_add(from, part);
		target += part;
		bytes -= part;
	}
	return 0;
}

static void free_chunk(struct guest_memory *m, struct guest_chunk *chunk)
{
	if (chunk->pages == in_1g) {
		if (chunk->block.v % FRAMES_1G != 0)
			return; /* goes with the first chunk of its GiB */
		pages_free(pfn_to_hpa(chunk->block), PAGE_GUEST, ORDER_1G);
		m->blocks_1g--;
		m->pages -= FRAMES_1G;
		return;
	}
	if (!pfn_is_none(chunk->block)) {
		pages_free(pfn_to_hpa(chunk->block), PAGE_GUEST, CHUNK_ORDER);
		m->chunks_2m--;
		m->pages -= CHUNK_FRAMES;
	}
	for (unsigned i = 0; chunk->pages && i < CHUNK_FRAMES; i++)
		if (!pfn_is_none(chunk->pages[i])) {
			page_free(pfn_to_hpa(chunk->pages[i]), PAGE_GUEST);
			m->pages--;
		}
	heap_free(chunk->pages);
}

static void free_region(struct guest_memory *m, struct guest_region *r)
{
	for (uint64_t l = 0; l < r->leaf_count; l++) {
		for (unsigned c = 0; r->leaves[l] && c < LEAF_CHUNKS; c++)
			free_chunk(m, &r->leaves[l][c]);
		heap_free(r->leaves[l]);
	}
	heap_free(r->leaves);
}

static unsigned region_at(const struct guest_memory *m, gfn_t base)
{
	unsigned i = 0;

	while (i < m->region_count && m->regions[i].base.v != base.v)
		i++;
	return i;
}

static void take_out(struct guest_memory *m, unsigned at)
{
	m->region_count--;
	memmove(&m->regions[at], &m->regions[at + 1],
		(m->region_count - at) * sizeof(m->regions[0]));
}

void guest_memory_remove(struct guest_memory *m, gfn_t base)
{
	unsigned at = region_at(m, base);

	if (at == m->region_count)
		return;
	free_region(m, &m->regions[at]);
	take_out(m, at);
}

int guest_memory_move(struct guest_memory *m, gfn_t base, gfn_t to)
{
	unsigned at = region_at(m, base), place = 0;

	if (at == m->region_count)
		return -ENOENT;

	struct guest_region r = m->regions[at];

	if ((base.v ^ to.v) % (r.has_1g ? FRAMES_1G : CHUNK_FRAMES) || to.v > GFN_END_LIMIT - r.frames)
		return -EINVAL;
	take_out(m, at);
	while (place < m->region_count && m->regions[place].base.v + m->regions[place].frames <= to.v)
		place++;

	bool free = place == m->region_count || to.v + r.frames <= m->regions[place].base.v;

	if (free)
		r.base = to;
	else
		place = at;
	memmove(&m->regions[place + 1], &m->regions[place],
		(m->region_count - place) * sizeof(m->regions[0]));
	m->regions[place] = r;
	m->region_count++;
	return free ? 0 : -EINVAL;
}

void guest_memory_fini(struct guest_memory *m)
{
	for (unsigned i = 0; i < m->region_count; i++)
		free_region(m, &m->regions[i]);
	guest_memory_init(m);
}
