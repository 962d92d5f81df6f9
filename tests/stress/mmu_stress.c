/*
 * mmu_stress.c - real threads on one MMU, under the thread sanitizer: faults on both roots while
 * others zap, split, join, look, log and add slots. usage: mmu_stress [OPERATIONS [SEED]]
 *
 * Invariants it watches
 *   - A leaf that anybody ever sees maps the frame that its GFN has.
 *   - The external table never complains (tests/fake/sept.c), and in the end both tables agree, no
 *     private frame is lost and every page is back.
 *   - At least OPERATIONS were done: fewer is a failure, whatever the reason.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/log.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/host/machine.h"

#define THREADS 6u
#define FRAMES  (UINT64_C(8) << 9) /* eight 2M blocks: enough to meet each other all the time */
#define BASE    ((gfn_t){ 0x40000 })

static struct sept s;
static struct fake_slot slot;
static uint64_t wanted, done; /* atomic */

struct worker {
	pthread_t thread;
	unsigned cpu;
	uint64_t random, again, failed;
};

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static void wrong(struct worker *w, const char *what)
{
	w->failed++;
	fprintf(stderr, "mmu_stress: %s\n", what);
}

static void check_errno(struct worker *w, int err)
{
	if (err == -EAGAIN)
		w->again++;
	else if (err)
		wrong(w, "an operation failed");
}

static void do_fault(struct worker *w, uint64_t r)
{
	struct mmu_fault f = { .gfn = gfn_add(BASE, (r >> 8) % FRAMES),
			       .root = r & 1 ? MMU_MIRROR : MMU_DIRECT,
			       .access = r & 2 ? MMU_WRITE : MMU_READ,
			       .max_level = (uint8_t)(r >> 2 & 1) };
	int err = mmu_handle_fault(&s.mmu, &f);

	check_errno(w, err);
	if (!err && f.root == MMU_DIRECT && f.pfn.v != slot.first.v + (f.gfn.v - BASE.v))
		wrong(w, "a fault found another frame");
}

static void do_look(struct worker *w, uint64_t r)
{
	gfn_t gfn = gfn_add(BASE, (r >> 8) % FRAMES);
	int level;
	spte_t leaf = mmu_lookup(&s.mmu, MMU_DIRECT, gfn, &level);

	if (spte_is_accessible_leaf(leaf) &&
	    spte_pfn(leaf).v != slot.first.v + (gfn_align(gfn, level).v - BASE.v))
		wrong(w, "a lookup found another frame");
}

static void do_zap(struct worker *w, uint64_t r)
{
	uint64_t from = (r >> 8) % FRAMES, frames = 1 + (r >> 32) % 600;

	if (frames > FRAMES - from)
		frames = FRAMES - from;
	check_errno(w, mmu_zap_range(&s.mmu, r & 1 ? MMU_MIRROR : MMU_DIRECT, gfn_add(BASE, from),
				     frames));
}

static void do_large(struct worker *w, uint64_t r)
{
	gfn_t gfn = gfn_add(BASE, ((r >> 8) % FRAMES) & ~UINT64_C(511));
	uint64_t got;
	int err;

	if (r & 1) {
		err = mmu_join_private(&s.mmu, gfn, LEVEL_2M);
		if (err == -EINVAL)
			err = 0; /* not 512 pages of one run just now */
	} else {
		err = mmu_map_range(&s.mmu, MMU_DIRECT, gfn, 512, LEVEL_4K, &got);
	}
	check_errno(w, err);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	machine_cpu(w->cpu);
	while (__atomic_load_n(&done, __ATOMIC_RELAXED) < wanted) {
		for (unsigned i = 0; i < 256; i++) {
			uint64_t r = next_random(w), kind = (r >> 56) % 100;

			if (kind < 70)
				do_fault(w, r);
			else if (kind < 98)
				do_look(w, r);
			else if (kind < 99)
				do_large(w, r);
			else
				do_zap(w, r);
		}
		__atomic_fetch_add(&done, 256, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker workers[THREADS];
	uint64_t again = 0, failed = 0, seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	machine_start(UINT64_C(1) << 30, THREADS);
	sept_start(&s, SEPT_TD);
	s.mmu.max_level[MMU_DIRECT] = LEVEL_2M;
	fake_slot_add(&s, &slot, BASE, FRAMES);
	slot.largest = LEVEL_2M;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .cpu = i,
					      .random = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) };
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		again += workers[i].again;
		failed += workers[i].failed;
	}
	const char *fault = s.complaint ? s.complaint : sept_compare(&s);

	if (!fault && slot.out != s.frames)
		fault = "private frames are lost";
	if (!fault && s.bugged)
		fault = s.bugged;
	printf("mmu_stress: %llu operations, %u threads, %llu asked to come again, %u calls of the "
	       "hook, "
	       "%u + %u flushes, %u tables freed, seed %llu: %s\n",
	       (unsigned long long)done, THREADS, (unsigned long long)again, s.calls, s.flushes[0],
	       s.flushes[1], s.freed_tables, (unsigned long long)seed, fault ? fault : "agree");
	bool good = !fault && failed == 0 && done >= wanted;

	if (!fault)
		sept_end(&s);
	good = good && slot.out == 0;
	printf("%d passed, %d failed\n", good, !good);
	return good ? 0 : 1;
}
