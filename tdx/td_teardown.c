/*
 * td_teardown.c - undo a TD in any stage, and give every page back.
 *
 *   VP.FLUSH each vCPU - MNG.VPFLUSHDONE - CACHE.WB in each package - MNG.KEY.FREEID -
 *   PAGE.RECLAIM of all pages, on all CPUs, the TDR last - PAGE.WBINVD of the TDR under the global
 *   KeyID
 *
 * Invariants
 *   - If the KeyID cannot be released, all that the module holds is leaked, and the KeyID too: one
 *     set, reported once (rule C5).
 *   - The TDR stays with the module as long as one of its pages does.
 *
 * Facts: TDX module 1.5 ABI, "TD Teardown".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "tdx/keyid.h"
#include "tdx/pairs.h"
#include "tdx/reclaim.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"

static bool flush_vcpus(struct td *td)
{
	bool ok = true;

	for (unsigned i = 0; i < td->vcpu_count; i++)
		if (td->vcpus[i].created && td_vcpu_flush(&td->vcpus[i]))
			ok = false;
	return ok;
}

/* An interrupted write-back goes on where it stopped; one that never ends is given up. */
#define CACHE_WB_RESUMES_MAX 1000000u

static void cache_wb_here(void *arg)
{
	tdx_status_t st = TDX_RETRY(tdh_phymem_cache_wb(false));

	for (unsigned i = 0; tdx_is(st, TDX_INTERRUPTED_RESUMABLE) && i < CACHE_WB_RESUMES_MAX;
	     i++) {
		if (tdx_irq_window)
			tdx_irq_window();
		st = TDX_RETRY(tdh_phymem_cache_wb(true));
	}
	tdx_answer(arg, st);
}

static bool accepted(struct td *td, const char *leaf, tdx_status_t st)
{
	if (tdx_ok(st))
		return true;
	(void)tdx_refused(td->name, leaf, st);
	return false;
}

/* Rounds of what the module says is not complete yet: each does the step before it again. */
#define ROUNDS_MAX 3u

/* A vCPU that is associated where we do not know (a VP.RD does that too) is sought on all CPUs. */
static void flush_everywhere(struct td *td)
{
	for (unsigned i = 0; i < td->vcpu_count; i++)
		for (unsigned cpu = 0; cpu < cpu_count() && td->vcpus[i].created; cpu++) {
			td->vcpus[i].cpu = cpu;
			(void)!td_vcpu_flush(&td->vcpus[i]); /* said; VPFLUSHDONE is the judge */
		}
}

static bool flush_done(struct td *td)
{
	tdx_status_t st = { 0 };

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		st = TDX_RETRY(tdh_mng_vpflushdone(td->tdr));
		if (!tdx_is(st, TDX_FLUSHVP_NOT_DONE))
			break;
		flush_everywhere(td);
	}
	return accepted(td, "TDH.MNG.VPFLUSHDONE", st);
}

static bool free_keyid(struct td *td)
{
	tdx_status_t st = { 0 };

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		struct tdx_answers wb = { .lock = SPINLOCK_INIT };

		tdx_on_all_packages(cache_wb_here, &wb);
		if (!accepted(td, "TDH.PHYMEM.CACHE.WB", wb.st))
			return false;
		st = TDX_RETRY(tdh_mng_key_freeid(td->tdr));
		if (!tdx_is(st, TDX_WBCACHE_NOT_COMPLETE))
			break;
	}
	return accepted(td, "TDH.MNG.KEY.FREEID", st);
}

/* Leaves that meet at the module's key table: one TD at a time (ABI 5.6). */
static bool release_keyid(struct td *td)
{
	bool ok;

	spin_lock(&tdx_state.key_lock);
	ok = flush_done(td) && free_keyid(td);
	spin_unlock(&tdx_state.key_lock);
	return ok;
}

static void leak_control(struct td *td, unsigned from)
{
	for (unsigned i = from; i < td->control_count; i++) {
		tdx_pages_leak(td->control[i], PAGE_TDX_CONTROL, 0);
		td->leaked++;
	}
}

/* The TDR is mapped with the global KeyID: written back under that one. */
static bool give_back_tdr(struct td *td)
{
	keyed_hpa_t keyed = keyed_hpa(td->tdr.page, keyid_global());
	struct page_metadata md;

	return accepted(td, "TDH.PHYMEM.PAGE.RECLAIM",
			TDX_RETRY(tdh_phymem_page_reclaim(td->tdr.page, &md))) &&
	       accepted(td, "TDH.PHYMEM.PAGE.WBINVD", TDX_RETRY(tdh_phymem_page_wbinvd(keyed)));
}

/* Control pages, TDR last: it goes only if nothing of this TD was left behind. */
static void reclaim_control(struct td *td)
{
	for (unsigned i = 1; i < td->control_count; i++)
		reclaim_add(td, td->control[i], PAGE_TDX_CONTROL, 0);
	reclaim_flush(td);
	td->control_count = 1;
	if (td->leaked == 0 && give_back_tdr(td))
		tdx_pages_free(td->tdr.page, PAGE_TDX_CONTROL, 0);
	else
		leak_control(td, 0);
	td->control_count = 0;
}

static void report(const struct td *td, uint64_t ticks)
{
	const struct reclaim *r = td->reclaim;

	if (!r->done)
		return;
	log_info("tdx: %s: %llu pages are back after %llu ticks: %llu a page, %llu in the module",
		 td->name, (unsigned long long)r->done, (unsigned long long)ticks,
		 (unsigned long long)(ticks / r->done), (unsigned long long)(r->ticks / r->done));
}

uint64_t td_teardown(struct td *td)
{
	uint64_t start = tsc_now();

	if (td->stage >= TD_CREATED) {
		td->keep_all = !flush_vcpus(td) || !release_keyid(td);
		td_memory_fini(td);
		if (td->keep_all)
			leak_control(td, 0);
		else
			reclaim_control(td);
	} else {
		td_memory_fini(td);
	}
	if (td->stage >= TD_HAS_KEYID && td->keep_all)
		keyid_leak(td->keyid);
	else if (td->stage >= TD_HAS_KEYID)
		keyid_free(td->keyid);
	td->stage = TD_NOTHING;
	pairs_sweep();
	report(td, tsc_now() - start);
	return td->leaked;
}
