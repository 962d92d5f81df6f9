/*
 * sept.h - a fake external table: what stands behind the hooks when the MMU is tested on a desk.
 *
 * It keeps its own model of a Secure EPT, one entry per (GFN, level), and refuses what the real one
 * refuses: a child without its parent, a parent with children, whatever must be blocked and tracked
 * and is not, a page that is in use already. It logs every call, fails any chosen one, and, when
 * asked to, compares the mirror with itself before and after each.
 *
 * Invariants that sept_compare() proves between any two writes of an operation
 *   - the external table never holds a child without its parent (its own rules see to that);
 *   - the mirror never claims less than the external table and never more: entry by entry both say
 *     the same, except under an entry that is FROZEN.
 *
 * Trace records must say something, flushes must lie inside the guest, and in the end the trace has
 * told of as many leaves that went as of leaves that came.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_FAKE_SEPT_H
#define TAIN_TESTS_FAKE_SEPT_H

#include <pthread.h>

#include "mmu/mmu.h"

#define SEPT_LOG 65536u

enum sept_fail { SEPT_BUSY, SEPT_REFUSE, SEPT_KEEP_PAGE, SEPT_NOT_JOINABLE, SEPT_NO_MEMORY };

struct sept_call {
	enum spte_step step; /* STEP_NOTHING: a flush of the mirror */
	gfn_t gfn;
	int level;
	int result;
};

struct sept_entry {
	uint64_t key; /* 0: free place; else gfn * 8 + level */
	bool leaf, blocked;
	uint64_t blocked_in; /* epoch */
	pfn_t pfn;           /* leaf: frame; table: the S-EPT page */
	unsigned children;
};

struct sept {
	struct mmu mmu; /* under test; the hooks find us by container_of */
	pthread_mutex_t lock;
	struct sept_entry *entries;   /* hash table, power of two */
	uint64_t room, count, frames; /* places; entries; 4K frames in leaves */
	uint64_t epoch;               /* counts tracks */
	struct sept_call log[SEPT_LOG];
	unsigned calls;             /* ever made; the log keeps the first SEPT_LOG */
	unsigned steps[STEP_COUNT]; /* that succeeded */
	unsigned flushes[MMU_ROOTS];
	unsigned freed_tables;
	unsigned traced[STEP_COUNT]; /* mirror, by step */
	unsigned traced_direct;
	int64_t traced_leaves[MMU_ROOTS][6]; /* by level: what the trace says is mapped */
	gfn_t flushed;                       /* the last flush: its first frame and how many */
	uint64_t flushed_frames;
	int flush_result;   /* of the next flushes */
	const char *bugged; /* why, or NULL */
	bool compare;       /* compare both tables around each call */
	/* On demand: from the fail_in-th call of fail_step on (1: the next), fail_times calls fail.
	 */
	enum spte_step fail_step;
	enum sept_fail fail_how;
	unsigned fail_in, fail_times;
	bool keep_tables;      /* free_external_spt leaks */
	const char *complaint; /* first rule of the external table that a call broke */
};

/* A TD (with mirror, SHARED bit 47) or a VM behind @s->mmu, in phase MMU_BUILDING. */
enum sept_kind { SEPT_TD, SEPT_VM };
void sept_start(struct sept *s, enum sept_kind kind);
/* As sept_start(), with the caller's configuration; ops are ours. */
void sept_start_with(struct sept *s, struct mmu_config config);
/* Release the TD, take the MMU down, check that nothing is left anywhere. */
void sept_end(struct sept *s);

/* The next @times calls of @step, starting with the @nth from now, end as @how says. */
void sept_fail(struct sept *s, enum spte_step step, unsigned nth, unsigned times,
	       enum sept_fail how);

/* NULL: mirror and external table agree; else what is wrong. */
const char *sept_compare(struct sept *s);

/* NULL: the leaves that the trace told of are those that the statistics count; else what is wrong.
 */
const char *sept_account(struct sept *s);

const struct sept_entry *sept_find(struct sept *s, gfn_t gfn, int level);

/*
 * Backing: direct frames lie at first + (gfn - base), mirror frames come from a counter. No memory
 * is behind them.
 */
struct fake_slot {
	struct memslot slot;
	pfn_t first;
	uint64_t next_private; /* atomic */
	uint64_t out;          /* private frames given and not released; atomic */
	int largest;           /* level of the runs that resolve() offers */
	int fail;              /* what resolve() returns, if not 0 */
};

void fake_slot_add(struct sept *s, struct fake_slot *f, gfn_t base, uint64_t frames);

#endif
