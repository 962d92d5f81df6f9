/*
 * sept.c - the MMU's hooks: each step of a mirror entry is one operation of the module.
 *
 *     STEP_ADD_TABLE   SEPT.ADD             STEP_BLOCK    RANGE.BLOCK      STEP_SPLIT  PAGE.DEMOTE
 *     STEP_ADD_LEAF    PAGE.ADD, PAGE.AUG   STEP_UNBLOCK  RANGE.UNBLOCK    STEP_JOIN   PAGE.PROMOTE
 *     STEP_REMOVE_LEAF PAGE.REMOVE          STEP_REMOVE_TABLE SEPT.REMOVE  STEP_MOVE PAGE.RELOCATE
 *
 * Once the KeyID is released, leaves and tables come back by PHYMEM.PAGE.RECLAIM instead: they are
 * put into a batch (tdx/reclaim.h).
 *
 * Invariants
 *   - A hook either carries the whole step or leaves the S-EPT as it was (-EBUSY, -ENOMEM, -EIO).
 *   - A page that came back is written back under its KeyID before anyone else gets it; if that is
 *     refused, or the module keeps it, it is leaked and counted.
 *   - TRACK is serialised per TD, and the kick comes after it (rule C11).
 *   - td->tree_lock is held as the module holds its own tree lock for the leaf (rule C19): our CPUs
 *     never make each other busy. Guests, and the zero-step filter of VP.ENTER, still can.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "kernel/base/log.h"
#include "mmu/page.h"
#include "tdx/abi/explain.h"
#include "tdx/keyid.h"
#include "tdx/pairs.h"
#include "tdx/reclaim.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

/* Attempts within a hook before the MMU is told to try again later, without its locks. */
#define HOOK_BOUND 64
/* TRACK while a vCPU of the epoch before last is on its way out. */
#define TRACK_BOUND 1000
/* A CPU that was kicked between its look at the requests and the entry is kicked again. */
unsigned td_spins_between_kicks = 20000;

#define HOOK_RETRY(call)                                           \
	({                                                         \
		struct tdx_retry retry_ = { .bound = HOOK_BOUND }; \
		tdx_status_t st_;                                  \
		do                                                 \
			st_ = TDX_CALL(call);                      \
		while (tdx_retry_again(&retry_, st_));             \
		st_;                                               \
	})

/* The change being carried out, as the leaves want it. */
struct change {
	struct td *td;
	struct mmu *mmu;
	gpa_t gpa;
	spte_t old, new;
	int level;
	struct sept_fault fault;
};

static int hook_result(struct change *c, const char *leaf, tdx_status_t st)
{
	char text[120];
	struct sept_info info;
	int err = tdx_to_errno(st);

	if (err != -EIO)
		return err == -ENODEV ? -EIO : err;
	info = sept_decode(c->fault.rcx, c->fault.rdx);
	log_error("tdx: %s: %s of 0x%llx, level %d: %s; S-EPT entry %s at level %d", c->td->name,
		  leaf, (unsigned long long)c->gpa.v, c->level,
		  tdx_status_text(st, text, sizeof(text)),
		  sept_state_name(info.state) ? sept_state_name(info.state) : "?", info.level);
	return -EIO;
}

static unsigned order_of(int level) { return 9u * (unsigned)(level - 1); }

static void count_leak(struct td *td, unsigned order)
{
	__atomic_fetch_add(&td->leaked, BIT64(order), __ATOMIC_RELAXED);
}

/* Host caches hold nothing of the page under the TD's KeyID any more. */
static int write_back(struct td *td, hpa_t page, int level)
{
	for (uint64_t i = 0; i < level_frames(level); i++) {
		keyed_hpa_t at = keyed_hpa(hpa_add(page, i << PAGE_SHIFT), td->keyid);
		tdx_status_t st = TDX_RETRY(tdh_phymem_page_wbinvd(at));

		if (!tdx_ok(st))
			return tdx_refused(td->name, "TDH.PHYMEM.PAGE.WBINVD", st), -EIO;
	}
	return 0;
}

static hpa_t external_of(struct change *c, spte_t table)
{
	return mmu_page_of(c->mmu, table)->external;
}

static void flush_host_lines(hpa_t page)
{
	if (tdx_state.host.cache_flush)
		tdx_state.host.cache_flush(page, 0);
}

/* ---- the steps ---- */

/* The MMU's own allocation knows of no page pairs: a table gets its share when it is given. */
static int table_result(struct change *c, const char *leaf, hpa_t page, tdx_status_t st)
{
	if (tdx_ok(st))
		__atomic_fetch_add(&c->td->sept_pages, 1, __ATOMIC_RELAXED);
	else
		pairs_put(page, 1);
	return hook_result(c, leaf, st);
}

static int add_table(struct change *c)
{
	hpa_t page = external_of(c, c->new);
	int err = pairs_get(page, 1);

	if (err)
		return err;
	flush_host_lines(page);
	return table_result(
		c, "TDH.MEM.SEPT.ADD", page,
		HOOK_RETRY(tdh_mem_sept_add(c->td->tdr, c->gpa, c->level, page, &c->fault)));
}

static int add_leaf(struct change *c)
{
	struct td *td = c->td;
	hpa_t page = pfn_to_hpa(spte_pfn(c->new));
	tdx_status_t st;

	if (c->mmu->phase == MMU_BUILDING) {
		st = HOOK_RETRY(tdh_mem_page_add(td->tdr, c->gpa, page, td->add_source, &c->fault));
		if (tdx_ok(st))
			td->adds++;
		return hook_result(c, "TDH.MEM.PAGE.ADD", st);
	}
	st = HOOK_RETRY(tdh_mem_page_aug(td->tdr, c->gpa, c->level, page, &c->fault));
	if (tdx_ok(st))
		__atomic_fetch_add(&td->augs, 1, __ATOMIC_RELAXED);
	return hook_result(c, "TDH.MEM.PAGE.AUG", st);
}

static int block(struct change *c)
{
	tdx_status_t st = HOOK_RETRY(tdh_mem_range_block(c->td->tdr, c->gpa, c->level, &c->fault));

	return hook_result(c, "TDH.MEM.RANGE.BLOCK", st);
}

static int unblock(struct change *c)
{
	tdx_status_t st =
		HOOK_RETRY(tdh_mem_range_unblock(c->td->tdr, c->gpa, c->level, &c->fault));

	return hook_result(c, "TDH.MEM.RANGE.UNBLOCK", st);
}

static int leak_leaf(struct change *c, hpa_t page)
{
	unsigned order = order_of(c->level);

	tdx_pages_leak(page, PAGE_TDX_PRIVATE, order);
	__atomic_fetch_sub(&c->td->private_pages, BIT64(order), __ATOMIC_RELAXED);
	count_leak(c->td, order);
	return -EOWNERDEAD;
}

static int remove_leaf(struct change *c)
{
	hpa_t page = pfn_to_hpa(spte_pfn(c->old));
	tdx_status_t st;
	int err;

	if (c->mmu->phase == MMU_RELEASED) {
		if (c->td->keep_all)
			return leak_leaf(c, page);
		/* From now on it is the batch's: the slot's release() knows. */
		reclaim_add(c->td, page, PAGE_TDX_PRIVATE, order_of(c->level));
		return 0;
	}
	st = HOOK_RETRY(tdh_mem_page_remove(c->td->tdr, c->gpa, c->level, &c->fault));
	err = hook_result(c, "TDH.MEM.PAGE.REMOVE", st);
	if (!err && write_back(c->td, page, c->level))
		err = leak_leaf(c, page);
	return err;
}

static int remove_table(struct change *c)
{
	tdx_status_t st;

	if (c->mmu->phase == MMU_RELEASED)
		return 0;
	st = HOOK_RETRY(tdh_mem_sept_remove(c->td->tdr, c->gpa, c->level, &c->fault));
	return hook_result(c, "TDH.MEM.SEPT.REMOVE", st);
}

static int split(struct change *c)
{
	hpa_t page = external_of(c, c->new), range = pfn_to_hpa(spte_pfn(c->old));
	struct page_pair pair = NO_PAIR;
	bool to_4k = c->level == LEVEL_2M;
	int err = pairs_get(page, 1);

	if (err)
		return err;
	err = to_4k ? pairs_split_begin(range, &pair) : 0;
	if (err) {
		pairs_put(page, 1);
		return err;
	}
	flush_host_lines(page);
	tdx_status_t st = HOOK_RETRY(
		tdh_mem_page_demote(c->td->tdr, c->gpa, c->level, page, pair.page, &c->fault));

	if (!tdx_ok(st))
		pairs_split_failed(&pair);
	else if (to_4k)
		pairs_split_done(range, &pair);
	return table_result(c, "TDH.MEM.PAGE.DEMOTE", page, st);
}

static int join(struct change *c)
{
	struct page_pair back;
	tdx_status_t st = HOOK_RETRY(
		tdh_mem_page_promote(c->td->tdr, c->gpa, c->level, back.page, &c->fault));

	if (tdx_is(st, TDX_EPT_INVALID_PROMOTE_CONDITIONS))
		return -EOPNOTSUPP;
	if (tdx_ok(st) && c->level == LEVEL_2M)
		pairs_joined(pfn_to_hpa(spte_pfn(c->new)), &back);
	return hook_result(c, "TDH.MEM.PAGE.PROMOTE", st);
}

static int move(struct change *c)
{
	hpa_t from = pfn_to_hpa(spte_pfn(c->old)), to = pfn_to_hpa(spte_pfn(c->new));
	tdx_status_t st = HOOK_RETRY(tdh_mem_page_relocate(c->td->tdr, c->gpa, to, &c->fault));
	int err = hook_result(c, "TDH.MEM.PAGE.RELOCATE", st);

	if (!err && write_back(c->td, from, LEVEL_4K))
		err = leak_leaf(c, from);
	return err;
}

static int nothing(struct change *c)
{
	(void)c;
	return 0;
}

/* One row per step; a step without a row is a bug of the MMU. */
/* clang-format off */
static const struct step {
	int (*carry)(struct change *c);
	bool alone; /* the leaf takes the module's S-EPT tree lock exclusively */
	enum td_work_kind work; /* TD_WORK_KINDS: it is not counted */
	bool moves_leaf;
} steps[STEP_COUNT] = {
	[STEP_NOTHING]      = { nothing,      false, TD_WORK_KINDS, false },
	[STEP_ADD_TABLE]    = { add_table,    false, TD_POPULATE,   false },
	[STEP_ADD_LEAF]     = { add_leaf,     false, TD_POPULATE,   true },
	[STEP_BLOCK]        = { block,        true,  TD_REMOVE,     false },
	[STEP_UNBLOCK]      = { unblock,      true,  TD_REMOVE,     false },
	[STEP_REMOVE_LEAF]  = { remove_leaf,  false, TD_REMOVE,     true },
	[STEP_REMOVE_TABLE] = { remove_table, true,  TD_REMOVE,     false },
	[STEP_SPLIT]        = { split,        false, TD_WORK_KINDS, false },
	[STEP_JOIN]         = { join,         false, TD_WORK_KINDS, false },
	[STEP_MOVE]         = { move,         false, TD_WORK_KINDS, false },
};
/* clang-format on */

static int carry_alone(const struct step *step, struct change *c)
{
	write_lock(&c->td->tree_lock);
	int err = step->carry(c);

	write_unlock(&c->td->tree_lock);
	return err;
}

static int carry_beside_others(const struct step *step, struct change *c)
{
	read_lock(&c->td->tree_lock);
	int err = step->carry(c);

	read_unlock(&c->td->tree_lock);
	return err;
}

/* Its calls count for what it belongs to; if it moves a leaf, the pages of that too. */
static void count_work(const struct change *c, const struct step *step, uint64_t calls, int err)
{
	struct td_work *w = &c->td->work[step->work];

	if (step->work == TD_WORK_KINDS || c->mmu->phase == MMU_RELEASED)
		return;
	__atomic_fetch_add(&w->calls, calls, __ATOMIC_RELAXED);
	if (!err && step->moves_leaf)
		__atomic_fetch_add(&w->pages, level_frames(c->level), __ATOMIC_RELAXED);
}

static int set_external_spte(struct mmu *mmu, gfn_t gfn, spte_t old, spte_t new, int level)
{
	struct change c = {
		.td = td_of(mmu),
		.mmu = mmu,
		.gpa = gfn_to_gpa(gfn),
		.old = old,
		.new = new,
		.level = level,
	};
	const struct step *step = &steps[spte_step(old, new)];

	uint64_t calls = seamcall_count_here();
	int err;

	if (!step->carry)
		return -EIO;
	err = step->alone ? carry_alone(step, &c) : carry_beside_others(step, &c);
	count_work(&c, step, seamcall_count_here() - calls, err);
	return err;
}

/* Before the KeyID's release SEPT.REMOVE has given the page up; after it, it is reclaimed. */
static void free_external_spt(struct mmu *mmu, struct mmu_page *sp)
{
	struct td *td = td_of(mmu);
	hpa_t page = sp->external;

	sp->external = HPA_NONE;
	if (mmu->phase == MMU_RELEASED && !td->keep_all) {
		reclaim_add(td, page, PAGE_TDX_SEPT, 0);
		return;
	}
	__atomic_fetch_sub(&td->sept_pages, 1, __ATOMIC_RELAXED);
	if (mmu->phase != MMU_RELEASED && write_back(td, page, LEVEL_4K) == 0) {
		tdx_pages_free(page, PAGE_TDX_SEPT, 0);
		return;
	}
	tdx_pages_leak(page, PAGE_TDX_SEPT, 0);
	count_leak(td, 0);
	sp->external_leaked = true;
}

/* ---- flushing ---- */

/* Wait until @v is out of the guest stay that it was in, if any. */
static void kick_out(struct td *td, struct td_vcpu *v)
{
	uint32_t was = __atomic_load_n(&v->inside, __ATOMIC_SEQ_CST);

	if (!(was & 1))
		return;
	while (__atomic_load_n(&v->inside, __ATOMIC_SEQ_CST) == was) {
		vcpu_request(v->run, VCPU_REQ_KICK);
		tdx_state.host.kick(__atomic_load_n(&v->cpu, __ATOMIC_RELAXED));
		td->kicks++;
		for (unsigned i = 0; i < td_spins_between_kicks; i++) {
			if (__atomic_load_n(&v->inside, __ATOMIC_SEQ_CST) != was)
				return;
			cpu_relax();
		}
	}
}

void td_kick_out(struct td *td)
{
	for (unsigned i = 0; i < td->vcpu_count; i++)
		kick_out(td, &td->vcpus[i]);
}

static int track(struct td *td)
{
	tdx_status_t st;
	unsigned attempts = 0;

	spin_lock(&td->track_lock);
	for (;;) {
		st = TDX_RETRY(tdh_mem_track(td->tdr));
		if (!tdx_is(st, TDX_PREVIOUS_TLB_EPOCH_BUSY) || ++attempts > TRACK_BOUND)
			break;
		td_kick_out(td);
	}
	td->tracks++;
	__atomic_fetch_add(&td->work[TD_REMOVE].calls, 1, __ATOMIC_RELAXED);
	if (tdx_ok(st))
		td_kick_out(td);
	spin_unlock(&td->track_lock);
	return tdx_ok(st) ? 0 : (tdx_refused(td->name, "TDH.MEM.TRACK", st), -EIO);
}

static int flush(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	struct td *td = td_of(mmu);

	(void)start;
	(void)frames;
	if (root == MMU_MIRROR)
		return mmu->phase == MMU_RUNNING ? track(td) : 0;
	for (unsigned i = 0; i < td->vcpu_count; i++)
		__atomic_store_n(&td->vcpus[i].flush_shared, 1, __ATOMIC_SEQ_CST);
	td_kick_out(td);
	return 0;
}

static void bugged(struct mmu *mmu, const char *why)
{
	log_error("tdx: %s: %s: it must not run again", td_of(mmu)->name, why);
}

static void trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
		  unsigned count)
{
	enum trace_kind kind = root == MMU_MIRROR ? TRACE_MIRROR : TRACE_EPT;

	if (!trace_on(kind))
		return;
	trace_add(&(struct trace_record){
		.tsc = tsc_now(),
		.cpu = cpu_index(),
		.kind = (uint8_t)kind,
		.guest = td_of(mmu)->keyid,
		.leaf = (uint32_t)level,
		.a = { gfn.v, old.raw, new.raw, count },
	});
}

const struct mmu_ops td_mmu_ops = {
	.set_external_spte = set_external_spte,
	.free_external_spt = free_external_spt,
	.flush = flush,
	.bugged = bugged,
	.trace = trace,
	.read_external = td_read_external,
	.external_pages = td_external_pages,
};
