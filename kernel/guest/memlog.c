/*
 * memlog.c - the log of a guest's writes, and the copy that follows it. Contract: memlog.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/guest/memlog.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/log.h"
#include "kernel/guest/guest.h"
#include "kernel/machine/port.h"
#include "kernel/platform/memory.h"
#include "mmu/mmu.h"

/* One logged slot. */
struct part {
	struct memslot *slot;
	uint64_t words;
	uint64_t *dirty; /* the MMU's: written since the last collection */
	uint64_t *round; /* of the collection that is under way */
	uint64_t *seen;  /* collected since the last report */
	hpa_t *copy;     /* a page each, HPA_NONE: no frame was there yet; NULL: no copy */
};

struct memlog {
	struct part parts[MMU_MAX_SLOTS];
	unsigned count;
	uint64_t collections; /* since the last report */
	bool copy_failed;
};

static uint64_t *new_map(uint64_t words) { return heap_alloc(words * sizeof(uint64_t)); }

static gfn_t part_gfn(const struct part *p, uint64_t i) { return gfn_add(p->slot->base, i); }

/* ---- the copy ---- */

static bool copy_page(struct guest *g, struct part *p, uint64_t i)
{
	pfn_t pfn;

	if (!guest_memory_peek(guest_ram(g), part_gfn(p, i), &pfn))
		return true; /* nothing was ever there */
	if (hpa_is_none(p->copy[i]))
		p->copy[i] = pages_alloc_raw(PAGE_KERNEL, 0);
	if (hpa_is_none(p->copy[i]))
		return false;
	memcpy(hpa_to_ptr(p->copy[i]), hpa_to_ptr(pfn_to_hpa(pfn)), PAGE_SIZE);
	return true;
}

static bool copy_all(struct guest *g, struct part *p)
{
	p->copy = heap_alloc(p->slot->frames * sizeof(p->copy[0]));
	if (!p->copy)
		return false;
	for (uint64_t i = 0; i < p->slot->frames; i++)
		p->copy[i] = HPA_NONE;
	for (uint64_t i = 0; i < p->slot->frames; i++)
		if (!copy_page(g, p, i))
			return false;
	return true;
}

static bool is_zero(const uint64_t *page)
{
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*page); i++)
		if (page[i])
			return false;
	return true;
}

static bool same(struct guest *g, const struct part *p, uint64_t i)
{
	pfn_t pfn;

	if (!guest_memory_peek(guest_ram(g), part_gfn(p, i), &pfn))
		return hpa_is_none(p->copy[i]);

	const void *now = hpa_to_ptr(pfn_to_hpa(pfn));

	if (hpa_is_none(p->copy[i])) /* it came into being, and was only read */
		return is_zero(now);
	return memcmp(hpa_to_ptr(p->copy[i]), now, PAGE_SIZE) == 0;
}

int64_t memlog_differences(struct guest *g, gfn_t *first)
{
	int64_t differences = 0;

	if (!g->memlog || !g->memlog->parts[0].copy || g->memlog->copy_failed)
		return -1;
	for (unsigned n = 0; n < g->memlog->count; n++) {
		const struct part *p = &g->memlog->parts[n];

		for (uint64_t i = 0; i < p->slot->frames; i++)
			if (!same(g, p, i) && differences++ == 0)
				*first = part_gfn(p, i);
	}
	return differences;
}

/* ---- start and stop ---- */

static void free_part(struct part *p)
{
	for (uint64_t i = 0; p->copy && i < p->slot->frames; i++)
		if (!hpa_is_none(p->copy[i]))
			page_free(p->copy[i], PAGE_KERNEL);
	heap_free(p->copy);
	heap_free(p->seen);
	heap_free(p->round);
	heap_free(p->dirty);
}

void memlog_stop(struct guest *g)
{
	struct memlog *log = g->memlog;

	if (!log)
		return;
	for (unsigned n = 0; n < log->count; n++) {
		mmu_log_stop(guest_mmu(g), log->parts[n].slot);
		free_part(&log->parts[n]);
	}
	heap_free(log);
	g->memlog = NULL;
	/* The CPU's own log is off again where it was on. */
	if (g->vm && vm_log_is_pml(g->vm) && vm_log_by(g->vm, VM_LOG_BY_AD))
		log_warn("%s: its CPU goes on logging writes", g->config->name);
}

/* What can be written by the guest and seen by us. */
static bool is_logged(struct guest *g, const struct memslot *slot)
{
	return !(slot->flags & MEMSLOT_READONLY) &&
	       guest_memory_find(guest_ram(g), slot->base) != NULL;
}

static int start_part(struct guest *g, struct memlog *log, struct memslot *slot, bool copy)
{
	struct part *p = &log->parts[log->count];

	*p = (struct part){ .slot = slot, .words = (slot->frames + 63) / 64 };
	p->dirty = new_map(p->words);
	p->round = new_map(p->words);
	p->seen = new_map(p->words);
	if (!p->dirty || !p->round || !p->seen) {
		free_part(p);
		return -ENOMEM;
	}
	log->count++;
	mmu_log_start(guest_mmu(g), slot, p->dirty);
	return copy && !copy_all(g, p) ? -ENOMEM : 0;
}

static int choose_way(struct guest *g, enum vm_log_by by)
{
	if (g->vm)
		return vm_log_by(g->vm, by);
	return by == VM_LOG_BY_WRPROT ? 0 : -ENOTSUP;
}

int memlog_start(struct guest *g, enum vm_log_by by, bool copy)
{
	struct mmu *mmu = guest_mmu(g);
	struct memslot *slot;

	if (g->memlog)
		return -EBUSY;

	int err = choose_way(g, by);

	if (err)
		return err;
	g->memlog = heap_alloc(sizeof(*g->memlog));
	if (!g->memlog)
		return -ENOMEM;
	for (unsigned n = 0; !err && (slot = mmu_slot_at(mmu, n)); n++)
		if (is_logged(g, slot))
			err = start_part(g, g->memlog, slot, copy);
	if (err)
		memlog_stop(g);
	return err;
}

/* ---- collection ---- */

static unsigned ones(uint64_t word) { return (unsigned)__builtin_popcountll(word); }

/* Take the bits out of the MMU's map into p->round, and arm their pages again if they are not yet. */
static uint64_t take(struct mmu *mmu, struct part *p, bool armed)
{
	uint64_t pages = 0;

	if (!armed)
		(void)mmu_log_take(mmu, p->slot, p->round);
	for (uint64_t w = 0; w < p->words; w++) {
		if (armed)
			p->round[w] = __atomic_exchange_n(&p->dirty[w], 0, __ATOMIC_SEQ_CST);
		p->seen[w] |= p->round[w];
		pages += ones(p->round[w]);
	}
	return pages;
}

static bool copy_round(struct guest *g, struct part *p)
{
	for (uint64_t w = 0; p->copy && w < p->words; w++)
		for (uint64_t bits = p->round[w]; bits; bits &= bits - 1)
			if (!copy_page(g, p, w * 64 + (unsigned)__builtin_ctzll(bits)))
				return false;
	return true;
}

int64_t memlog_collect(struct guest *g)
{
	struct memlog *log = g->memlog;
	struct mmu *mmu = guest_mmu(g);
	uint64_t pages = 0;

	if (!log)
		return -1;
	if (g->vm && vm_log_is_pml(g->vm))
		vm_log_drain(g->vm);
	for (unsigned n = 0; n < log->count; n++) {
		struct part *p = &log->parts[n];

		/* By D bits a harvest has armed and flushed. */
		bool by_d = g->vm && vm_log_by_d_bits(g->vm);

		if (by_d)
			(void)mmu_log_harvest(mmu, p->slot);

		uint64_t found = take(mmu, p, by_d);

		if (found > 0 && !by_d)
			mmu_log_flush(mmu, p->slot);
		if (!copy_round(g, p))
			log->copy_failed = true;
		pages += found;
	}
	log->collections++;
	return log->copy_failed ? -2 : (int64_t)pages;
}

bool memlog_report(struct guest *g, gfn_t start, uint64_t frames, struct memlog_report *out)
{
	struct memlog *log = g->memlog;

	if (!log)
		return false;
	*out = (struct memlog_report){ .collections = log->collections };
	for (unsigned n = 0; n < log->count; n++) {
		struct part *p = &log->parts[n];

		for (uint64_t i = 0; i < p->slot->frames; i++) {
			uint64_t gfn = part_gfn(p, i).v;

			if (!(p->seen[i / 64] >> (i % 64) & 1) || gfn - start.v >= frames)
				continue;
			out->pages++;
			out->digest += memlog_mix(gfn);
		}
		memset(p->seen, 0, p->words * sizeof(p->seen[0]));
	}
	log->collections = 0;
	return true;
}
