/*
 * pamt.c - the physical address metadata table: what each page is used for, and by whom.
 *
 * Invariants
 *   - The tables lie in the memory that TDH.SYS.CONFIG named; one entry, as large as the profile
 *     says, for each 4K page, 2M range and 1G range. A page is described by the highest entry whose type is PT_REG, else by
 *     its 4K entry. With dynamic PAMT the 4K entries are elsewhere, or nowhere: pair.c.
 *   - A walk holds the entries above its end shared, so that no split or merge passes beneath it.
 *
 * Facts: ABI reference sections 4.4 and 9.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/machine/cpu_insn.h"
#include "tdx/soft/module.h"

/* What one page of 4K entries describes, if they are no larger than they must be. */
#define PAMT_PAGE_SPAN (PAGE_SIZE / sizeof(struct pamt_entry) * PAGE_SIZE)

/* TDMRs ascend: binary search. */
struct tdmr *tdmr_find(struct soft_module *m, uint64_t pa)
{
	unsigned low = 0, high = m->tdmr_count;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		struct tdmr *t = &m->tdmr[mid];

		if (pa < t->base)
			high = mid;
		else if (pa - t->base >= t->size)
			low = mid + 1;
		else
			return t;
	}
	return NULL;
}

/* With dynamic PAMT a 4K entry is there only if its range has a pair. */
struct pamt_entry *pamt_entry_at(const struct call *c, const struct tdmr *t, uint64_t pa,
				 unsigned level)
{
	uint64_t index = (pa - t->base) >> (PAGE_SHIFT + 9 * level);

	if (level == 0 && c->m->dynamic_pamt)
		return pair_entry(c, pamt_entry_at(c, t, pa, 1), pa);
	return call_map(c, t->pamt[level] + index * c->m->profile->pamt_entry_bytes[level]);
}

/* TDMR.INIT has come past the 1 GiB around @pa; @t may be NULL. */
bool pamt_initialised(const struct tdmr *t, uint64_t pa)
{
	return t && pa < align_down(__atomic_load_n(&t->done, __ATOMIC_ACQUIRE), SIZE_1G);
}

/* Nothing below this entry describes the page: it is large, or there is no pair of 4K entries. */
static bool ends_walk(const struct call *c, const struct pamt_entry *e, unsigned level)
{
	return e->type == PT_REG || (level == 1 && c->m->dynamic_pamt && e->type != PT_PAMT);
}

/*
 * Down from the 1G entry to level @stop, ending early where nothing is below. The end is locked in
 * @mode, all above it shared.
 */
tdx_status_t pamt_walk(struct call *c, uint64_t pa, unsigned stop, enum lock_mode mode, uint32_t op,
		       struct pamt_ref *ref)
{
	const struct tdmr *t = tdmr_find(c->m, pa);

	if (!pamt_initialised(t, pa))
		return FAIL(OPERAND_ADDR_RANGE_ERROR, op);
	*ref = (struct pamt_ref){ 0 };
	for (unsigned level = 2;; level--) {
		struct pamt_entry *e = pamt_entry_at(c, t, pa, level);

		ref->e = e;
		ref->level = level;
		if (level == stop)
			return call_take(c, &e->lock, mode, HOST_PRIORITY, op);
		TRY(call_take(c, &e->lock, SHARED, HOST_PRIORITY, op));
		if (ends_walk(c, e, level)) {
			if (mode == SHARED)
				return OK;
			/* The walk ends here after all: this entry is the one to own. */
			if (!lock_promote(&e->lock))
				return FAIL(OPERAND_BUSY, op);
			c->hold[c->held - 1].kind = EXCLUSIVE;
			return OK;
		}
		ref->up[level - 1] = e;
	}
}

uint64_t pamt_owner(const struct pamt_entry *e)
{
	return ((uint64_t)e->owner_high << 8 | e->owner_low) << PAGE_SHIFT;
}

void pamt_set(struct pamt_entry *e, uint8_t type, uint64_t owner)
{
	uint64_t pfn = owner >> PAGE_SHIFT;

	e->type = type;
	e->owner_low = (uint8_t)pfn;
	e->owner_high = (uint32_t)(pfn >> 8);
}

/* The page at @pa becomes @owner's and leaves the host's sight. The caller holds @e. */
void page_assign(struct call *c, struct pamt_entry *e, uint64_t pa, unsigned level, uint8_t type,
		 uint64_t owner)
{
	pamt_set(e, type, owner);
	if (level == 0 && c->m->dynamic_pamt)
		(void)pair_count(pamt_entry_at(c, tdmr_find(c->m, pa), pa, 1), true);
	call_hide(c, pa, level);
}

/*
 * It is free again. The entry keeps its old owner, as in the real module. Returns the hint that leaves
 * put beside an address: no 4K page of the range is in use, its pair could go.
 */
uint64_t page_give_back(struct call *c, struct pamt_entry *e, uint64_t pa, unsigned level)
{
	bool last = false;

	e->type = PT_NDA;
	if (level == 0 && c->m->dynamic_pamt)
		last = pair_count(pamt_entry_at(c, tdmr_find(c->m, pa), pa, 1), false);
	call_unhide(c, pa, level);
	return last ? PAMT_REMOVAL_HINT : 0;
}

/* A PT_REG page held exclusively at @ref becomes 512 of the next smaller size. */
void pamt_split(struct call *c, struct pamt_ref *ref, uint64_t pa)
{
	const struct tdmr *t = tdmr_find(c->m, pa);
	uint64_t owner = pamt_owner(ref->e);
	uint64_t step = PAGE_SIZE << (9 * (ref->level - 1));

	for (unsigned i = 0; i < 512; i++) {
		struct pamt_entry *e = pamt_entry_at(c, t, pa + i * step, ref->level - 1);

		pamt_set(e, PT_REG, owner);
		e->bepoch = 0;
	}
	ref->e->type = PT_NDA;
}

/* 512 PT_REG pages from @pa become the one whose entry @ref holds exclusively. */
void pamt_merge(struct call *c, struct pamt_ref *ref, uint64_t pa, uint64_t owner)
{
	const struct tdmr *t = tdmr_find(c->m, pa);
	uint64_t step = PAGE_SIZE << (9 * (ref->level - 1));

	for (unsigned i = 0; i < 512; i++)
		pamt_entry_at(c, t, pa + i * step, ref->level - 1)->type = PT_NDA;
	pamt_set(ref->e, PT_REG, owner); /* its BEPOCH stays as the range last had it */
}

bool pamt_is_reserved(const struct tdmr *t, uint64_t offset, uint64_t size)
{
	for (unsigned i = 0; i < SOFT_MOST_RESERVED && t->reserved[i].size; i++)
		if (offset < t->reserved[i].base + t->reserved[i].size &&
		    t->reserved[i].base < offset + size)
			return true;
	return false;
}

static bool is_all_reserved(const struct tdmr *t, uint64_t offset, uint64_t size)
{
	for (unsigned i = 0; i < SOFT_MOST_RESERVED && t->reserved[i].size; i++)
		if (offset >= t->reserved[i].base &&
		    offset + size <= t->reserved[i].base + t->reserved[i].size)
			return true;
	return false;
}

static void init_entry(struct call *c, const struct tdmr *t, uint64_t pa, unsigned level,
		       uint8_t type)
{
	struct pamt_entry *e = pamt_entry_at(c, t, pa, level);

	*e = (struct pamt_entry){ .type = type };
}

static void init_small_by_one(struct call *c, const struct tdmr *t, uint64_t pa, uint64_t end)
{
	for (uint64_t a = pa; a < end; a += PAGE_SIZE)
		init_entry(c, t, a, 0, pamt_is_reserved(t, a - t->base, PAGE_SIZE) ? PT_RSVD : PT_NDA);
}

/* The 4K entries of one page of PAMT: 1 MiB from @pa. Most of it is the same throughout. */
static void init_small(struct call *c, const struct tdmr *t, uint64_t pa)
{
	struct pamt_entry *e = pamt_entry_at(c, t, pa, 0);
	bool any = pamt_is_reserved(t, pa - t->base, PAMT_PAGE_SPAN);

	_Static_assert(PT_NDA == 0, "a page of free entries is a page of zeroes");
	if (!any) {
		call_page_fill(e, 0);
	} else if (is_all_reserved(t, pa - t->base, PAMT_PAGE_SPAN)) {
		/* Each entry is copied from the one before it. */
		e[0] = (struct pamt_entry){ .type = PT_RSVD };
		rep_movsq(e + 1, e, (PAGE_SIZE - sizeof(*e)) / sizeof(uint64_t));
	} else {
		init_small_by_one(c, t, pa, pa + PAMT_PAGE_SPAN);
	}
}

/* The entries of one piece of memory from @pa; the caller holds the TDMR. */
void pamt_init_block(struct call *c, struct tdmr *t, uint64_t pa)
{
	uint64_t end = pa + c->m->profile->tdmr_init_bytes;

	if (is_aligned(pa, SIZE_1G))
		init_entry(c, t, pa, 2, PT_NDA);
	for (uint64_t a = pa; a < end; a += SIZE_2M)
		init_entry(c, t, a, 1, PT_NDA);
	if (c->m->dynamic_pamt) {
		pamt_init_bitmap(c, t, pa, end);
		return;
	}
	if (c->m->profile->pamt_entry_bytes[0] != sizeof(struct pamt_entry)) {
		init_small_by_one(c, t, pa, end);
		return;
	}
	for (uint64_t a = pa; a < end; a += PAMT_PAGE_SPAN)
		init_small(c, t, a);
}

static bool in_pamt(const struct soft_module *m, uint64_t pa)
{
	for (unsigned i = 0; i < m->tdmr_count; i++)
		for (unsigned l = 0; l < ARRAY_LEN(m->tdmr[i].pamt); l++)
			if (pa - m->tdmr[i].pamt[l] < m->tdmr[i].pamt_size[l])
				return true;
	return false;
}

/* Does a TD, or the module, have the page at @pa now? A look without locks. */
bool pamt_is_private(const struct call *c, uint64_t pa)
{
	const struct tdmr *t = tdmr_find(c->m, pa);

	if (in_pamt(c->m, pa))
		return true;
	if (!pamt_initialised(t, pa))
		return false;
	for (unsigned level = 2; level > 0; level--)
		if (pamt_entry_at(c, t, pa, level)->type == PT_REG)
			return true;
	if (!c->m->dynamic_pamt)
		return pamt_entry_at(c, t, pa, 0)->type >= PT_REG;
	if (pamt_bit(c, pa))
		return !pamt_is_reserved(t, pa - t->base, PAGE_SIZE);

	const struct pamt_entry *range = pamt_entry_at(c, t, pa, 1);

	return range->type == PT_PAMT && pair_entry(c, range, pa)->type >= PT_REG;
}

void chldcnt_add(struct tdr *tdr, int64_t n)
{
	__atomic_fetch_add(&tdr->chldcnt, (uint64_t)n, __ATOMIC_RELAXED);
}
