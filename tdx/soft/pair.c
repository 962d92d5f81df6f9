/*
 * pair.c - dynamic PAMT: 4K entries of a 2M range lie in two pages that the host gives and takes
 * back, TDH.PHYMEM.PAMT.ADD and PAMT.REMOVE.
 *
 *     2M entry  PT_NDA    no 4K page of the range can be used; the range is free for one of 2M
 *               PT_REG    a page of 2M
 *               PT_PAMT   256 entries in each page of the pair, and how many of them are in use
 *
 * Invariants
 *   - Instead of 4K entries a TDMR has a bitmap: the lowest bit of a page's entry is set while the
 *     page is half of a pair, and for good if it is reserved. Such a page is nothing else.
 *   - The pair's addresses stand in the 2M entry: one where an owner is, one in BEPOCH's low bits;
 *     BEPOCH's upper 16 bits count the pages in use.
 *   - A pair comes and goes with the 2M entry held exclusively; walks below hold it shared.
 *
 * Facts: ABI reference section 12.2; TDX module 2.0 as published, pamt_manager.c and
 * tdh_phymem_pamt_add.c, for the order of checks.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "tdx/soft/module.h"

#define COUNT_ONE    BIT64(48)
#define SECOND_PFN   BITS64(39, 0)
#define PAGE_ENTRIES (PAGE_SIZE / sizeof(struct pamt_entry))

_Static_assert(2 * PAGE_ENTRIES == 512, "a pair describes 2 MiB");

/* ---- the bitmap ---- */

static uint8_t *bitmap_byte(const struct call *c, uint64_t pa, uint8_t *bit)
{
	const struct tdmr *t = tdmr_find(c->m, pa);
	uint64_t at = ((pa - t->base) >> PAGE_SHIFT) * c->m->profile->pamt_bitmap_bits;

	*bit = (uint8_t)(1u << at % 8);
	return call_map(c, t->pamt[0] + at / 8);
}

bool pamt_bit(const struct call *c, uint64_t pa)
{
	uint8_t bit, *byte = bitmap_byte(c, pa, &bit);

	return (__atomic_load_n(byte, __ATOMIC_ACQUIRE) & bit) != 0;
}

/* False: it was set already. */
static bool set_bit(const struct call *c, uint64_t pa)
{
	uint8_t bit, *byte = bitmap_byte(c, pa, &bit);

	return (__atomic_fetch_or(byte, bit, __ATOMIC_ACQ_REL) & bit) == 0;
}

static void clear_bit(const struct call *c, uint64_t pa)
{
	uint8_t bit, *byte = bitmap_byte(c, pa, &bit);

	__atomic_fetch_and(byte, (uint8_t)~bit, __ATOMIC_ACQ_REL);
}

/* TDMR.INIT: only reserved pages are marked. The caller holds the TDMR. */
void pamt_init_bitmap(struct call *c, const struct tdmr *t, uint64_t pa, uint64_t end)
{
	for (; pa < end; pa += PAGE_SIZE) {
		if (pamt_is_reserved(t, pa - t->base, PAGE_SIZE))
			(void)set_bit(c, pa);
		else
			clear_bit(c, pa);
	}
}

bool pamt_range_unmarked(const struct call *c, uint64_t pa)
{
	for (unsigned i = 0; i < 512; i++)
		if (pamt_bit(c, pa + i * PAGE_SIZE))
			return false;
	return true;
}

/* ---- the pair in a 2M entry ---- */

uint64_t pair_page(const struct pamt_entry *e, unsigned which)
{
	return which == 0 ? pamt_owner(e) : (e->bepoch & SECOND_PFN) << PAGE_SHIFT;
}

static void pair_set(struct pamt_entry *e, const uint64_t page[2], unsigned used)
{
	pamt_set(e, PT_PAMT, page[0]);
	e->bepoch = page[1] >> PAGE_SHIFT | used * COUNT_ONE;
}

struct pamt_entry *pair_entry(const struct call *c, const struct pamt_entry *e, uint64_t pa)
{
	unsigned i = (unsigned)(pa >> PAGE_SHIFT) % 512;
	struct pamt_entry *first = call_map(c, pair_page(e, i / PAGE_ENTRIES));

	return first + i % PAGE_ENTRIES;
}

/* One 4K page of the range more is in use, or one less. True: that was the last. */
bool pair_count(struct pamt_entry *e, bool more)
{
	uint64_t was = more ? __atomic_fetch_add(&e->bepoch, COUNT_ONE, __ATOMIC_ACQ_REL)
			    : __atomic_fetch_sub(&e->bepoch, COUNT_ONE, __ATOMIC_ACQ_REL);

	return !more && was >> 48 == 1;
}

/* A page offered as half of a pair for the range at @range: free, and in no pair. */
static tdx_status_t check_unused(struct call *c, uint64_t page, uint64_t range, uint32_t op)
{
	struct pamt_ref ref;

	if (align_down(page, SIZE_2M) == range)
		return OK; /* held exclusively, and free as a whole */
	TRY(pamt_walk(c, page, 0, SHARED, op, &ref));
	return ref.e->type == PT_NDA ? OK : FAIL(PAGE_NOT_FREE, op);
}

static tdx_status_t take_bits(struct call *c, const uint64_t page[2], const uint32_t op[2])
{
	if (!set_bit(c, page[0]))
		return FAIL(PAGE_NOT_FREE, op[0]);
	if (set_bit(c, page[1]))
		return OK;
	clear_bit(c, page[0]);
	return FAIL(PAGE_NOT_FREE, op[1]);
}

static bool in_tdmr(const struct call *c, uint64_t pa)
{
	return pamt_initialised(tdmr_find(c->m, pa), pa);
}

static void give_back(struct call *c, uint64_t page)
{
	clear_bit(c, page);
	call_unhide(c, page, 0);
}

static void take_pages(struct call *c, const uint64_t page[2])
{
	call_filling(c);
	for (unsigned i = 0; i < 2; i++)
		call_hide(c, page[i], 0);
}

tdx_status_t pair_split(struct call *c, struct pamt_entry *large, uint64_t range,
			const uint64_t page[2])
{
	static const uint32_t op[2] = { OP_R12, OP_R13 };

	for (unsigned i = 0; i < 2; i++)
		TRY(check_pa(c, page[i], PAGE_SIZE, op[i]));
	for (unsigned i = 0; i < 2; i++)
		if (!in_tdmr(c, page[i]))
			return FAIL(OPERAND_ADDR_RANGE_ERROR, op[i]);
	for (unsigned i = 0; i < 2; i++) {
		/* What the large page itself covers is no page to take. */
		if (align_down(page[i], SIZE_2M) == range)
			return FAIL(OPERAND_BUSY, op[i]);
		TRY(check_unused(c, page[i], range, op[i]));
	}
	TRY(take_bits(c, page, op));
	take_pages(c, page);

	uint64_t owner = pamt_owner(large);

	for (unsigned i = 0; i < 512; i++) {
		struct pamt_entry *e =
			(struct pamt_entry *)call_map(c, page[i / PAGE_ENTRIES]) + i % PAGE_ENTRIES;

		*e = (struct pamt_entry){ 0 };
		pamt_set(e, PT_REG, owner);
	}
	pair_set(large, page, 512);
	return OK;
}

/* The 512 pages of the range become one of 2M; the pair is the host's: page[]. */
void pair_merge(struct call *c, struct pamt_entry *e, uint64_t owner, uint64_t page[2])
{
	for (unsigned i = 0; i < 2; i++)
		page[i] = pair_page(e, i);
	pamt_set(e, PT_REG, owner);
	e->bepoch = 0;
	for (unsigned i = 0; i < 2; i++)
		give_back(c, page[i]);
}

void pair_drop(struct call *c, struct pamt_entry *e)
{
	const uint64_t page[2] = { pair_page(e, 0), pair_page(e, 1) };

	for (unsigned i = 0; i < 2; i++) {
		call_page_fill(call_map(c, page[i]), 0);
		give_back(c, page[i]);
	}
	*e = (struct pamt_entry){ .lock = e->lock, .type = PT_NDA };
}

/* ---- the leaves ---- */

#define LEVEL_BITS BITS64(2, 0)

/* RCX of both: a 2M range and its level. */
static tdx_status_t check_range(const struct call *c, uint64_t *range)
{
	if (!c->m->dynamic_pamt)
		return FAIL(OPERAND_INVALID, OP_RAX);
	*range = c->in.rcx & ~LEVEL_BITS;
	if ((c->in.rcx & LEVEL_BITS) != 1)
		return FAIL(OPERAND_INVALID, OP_RCX);
	return check_pa(c, *range, SIZE_2M, OP_RCX);
}

tdx_status_t leaf_phymem_pamt_add(struct call *c)
{
	static const uint32_t op[2] = { OP_RDX, OP_R8 };
	const uint64_t page[2] = { c->in.rdx, c->in.r8 };
	struct pamt_ref ref;
	uint64_t range;

	TRY(check_range(c, &range));
	for (unsigned i = 0; i < 2; i++) {
		TRY(check_pa(c, page[i], PAGE_SIZE, op[i]));
		if (!in_tdmr(c, page[i]))
			return FAIL(OPERAND_ADDR_RANGE_ERROR, op[i]);
	}
	TRY(pamt_walk(c, range, 1, EXCLUSIVE, OP_RCX, &ref));
	if (ref.level != 1 || ref.e->type != PT_NDA)
		return FAIL(HPA_RANGE_NOT_FREE, OP_RCX);
	for (unsigned i = 0; i < 2; i++)
		TRY(check_unused(c, page[i], range, op[i]));
	TRY(take_bits(c, page, op));

	take_pages(c, page);
	for (unsigned i = 0; i < 2; i++)
		call_page_fill(call_map(c, page[i]), 0);
	pair_set(ref.e, page, 0);
	return OK;
}

tdx_status_t leaf_phymem_pamt_remove(struct call *c)
{
	struct pamt_ref ref;
	uint64_t range, page[2];

	TRY(check_range(c, &range));
	TRY(pamt_walk(c, range, 1, EXCLUSIVE, OP_RCX, &ref));
	if (ref.level != 1 || ref.e->type != PT_PAMT)
		return FAIL(NO_PAMT_PAGE_PAIR, OP_RCX);
	for (unsigned i = 0; i < 512; i++)
		if (pair_entry(c, ref.e, range + i * PAGE_SIZE)->type != PT_NDA)
			return FAIL(PAMT_PAGE_NOT_EMPTY, i / PAGE_ENTRIES);
	assert(ref.e->bepoch >> 48 == 0);

	for (unsigned i = 0; i < 2; i++)
		page[i] = pair_page(ref.e, i);
	*ref.e = (struct pamt_entry){ .lock = ref.e->lock, .type = PT_NDA };
	for (unsigned i = 0; i < 2; i++)
		give_back(c, page[i]);
	c->r->rdx = page[0];
	c->r->r8 = page[1];
	return OK;
}
