/*
 * pairs_stress.c - page pairs (tdx/pairs.c) wanted and given up by many threads at once, under the thread
 * sanitizer, on a module that says what it must never be asked.
 *
 * usage: pairs_stress OPERATIONS [SEED]; the last line is 'N passed, N failed'.
 *
 * What must hold at each call of the module: one thread at a range; a pair is added only where none is,
 * taken away only while nobody uses it, and is what was added. It is busy, or refuses, now and then. In the
 * end all that was refused is asked for again and every page is back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/machine/port.h"
#include "tdx/abi/leaf.h"
#include "tdx/pairs.h"
#include "tdx/seamcall.h"
#include "tdx/state.h"
#include "tests/host/machine.h"

#define THREADS 6u
#define RANGES  5u /* few: they meet */
#define HELD    8u /* pages that a thread has at a time */

struct tdx_state tdx_state;

/* The module's own books, and the users that there really are. */
static struct {
	uint32_t inside; /* calls at this range now; atomic */
	int64_t users;   /* atomic */
	hpa_t page[2];   /* of the pair; 0: none. Written inside only */
} range[RANGES];

static uint64_t base, wrong, adds, refused;
static _Thread_local uint64_t dice;

static unsigned roll(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % sides);
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	if (__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) == 0)
		fprintf(stderr, "%s\n", what);
}

hpa_t tdx_pages_alloc_bare(enum page_owner owner, unsigned order)
{
	return roll(50) ? pages_alloc_raw(owner, order) : HPA_NONE;
}

static tdx_status_t pamt_add(unsigned i, const struct seam_regs *r)
{
	must(range[i].page[0].v == 0, "a pair is added where one is");
	must(__atomic_load_n(&range[i].users, __ATOMIC_ACQUIRE) == 0, "pages are used without a pair");
	if (!roll(40))
		return tdx_status(TDX_OPERAND_INVALID, 2);
	range[i].page[0].v = r->rdx;
	range[i].page[1].v = r->r8;
	__atomic_fetch_add(&adds, 1, __ATOMIC_RELAXED);
	return tdx_status(TDX_SUCCESS, 0);
}

static tdx_status_t pamt_remove(unsigned i, struct seam_regs *r)
{
	must(range[i].page[0].v != 0, "a pair is taken where none is");
	must(__atomic_load_n(&range[i].users, __ATOMIC_ACQUIRE) == 0, "a pair is taken that is used");
	if (!roll(10)) {
		__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
		return tdx_status(TDX_PAMT_PAGE_NOT_EMPTY, 0);
	}
	r->rdx = range[i].page[0].v;
	r->r8 = range[i].page[1].v;
	range[i].page[0].v = range[i].page[1].v = 0;
	return tdx_status(TDX_SUCCESS, 0);
}

tdx_status_t seamcall(uint64_t leaf, struct seam_regs *r)
{
	unsigned i = (unsigned)((align_down(r->rcx, SIZE_2M) - base) / SIZE_2M);
	tdx_status_t st;

	must(i < RANGES && (r->rcx & 7) == 1, "a range that nobody asked for");
	if (!roll(4))
		return tdx_status(TDX_OPERAND_BUSY, 1);
	must(__atomic_fetch_add(&range[i].inside, 1, __ATOMIC_ACQ_REL) == 0, "two at a range at once");
	st = leaf == TDH_PHYMEM_PAMT_ADD ? pamt_add(i, r) : pamt_remove(i, r);
	__atomic_fetch_sub(&range[i].inside, 1, __ATOMIC_ACQ_REL);
	return st;
}

struct worker {
	pthread_t thread;
	unsigned cpu;
	uint64_t operations, seed;
};

static hpa_t page_in(unsigned i) { return (hpa_t){ base + i * SIZE_2M + roll(512) * PAGE_SIZE }; }

static void give_up(unsigned i)
{
	__atomic_fetch_sub(&range[i].users, 1, __ATOMIC_ACQ_REL);
	pairs_put(page_in(i), 1);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned held[HELD], n = 0;

	machine_cpu(w->cpu);
	dice = w->seed;
	for (uint64_t op = 0; op < w->operations; op++) {
		unsigned i = roll(RANGES);

		if (!roll(200)) {
			pairs_sweep();
		} else if (n < HELD && roll(2)) {
			int err = pairs_get(page_in(i), 1);

			must(!err || err == -ENOMEM || err == -EIO, "an error that nobody knows");
			if (err)
				continue;
			__atomic_fetch_add(&range[i].users, 1, __ATOMIC_ACQ_REL);
			held[n++] = i;
		} else if (n) {
			give_up(held[--n]);
		}
	}
	while (n)
		give_up(held[--n]);
	return NULL;
}

static struct tdmr_plan plan;

int main(int argc, char **argv)
{
	uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1, free;
	struct worker w[THREADS];
	struct pairs_counts n;
	hpa_t block;

	machine_start(UINT64_C(256) << 20, THREADS);
	block = pages_alloc_raw(PAGE_TDX_PRIVATE, 9 + 3);
	base = block.v;
	plan.count = 1;
	plan.tdmr[0] = (struct tdmr_info){ .base = align_down(base, SIZE_1G), .size = SIZE_1G };
	dice = seed;
	if (pairs_init(&plan))
		return 1;
	free = page_count(PAGE_FREE);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .cpu = i, .operations = operations / THREADS,
					.seed = (seed + i + 1) * UINT64_C(0x9e3779b97f4a7c15) };
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	for (unsigned i = 0; i < 100; i++)
		pairs_sweep();
	pairs_read(&n);
	must(n.pairs == 0 && n.idle == 0, "pairs are left");
	must(page_count(PAGE_FREE) == free && page_count(PAGE_TDX_PAMT) == 0, "pages are left");
	fprintf(stderr, "%llu pairs added, %llu races lost, %llu times refused\n",
		(unsigned long long)adds, (unsigned long long)n.races, (unsigned long long)refused);
	pairs_fini(false);
	printf("%d passed, %d failed\n", wrong == 0, wrong != 0);
	return wrong != 0;
}
