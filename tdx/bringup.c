/*
 * bringup.c - from "is there a module" to the first memory that it takes pages from.
 *
 *   SYS.INIT - LP.INIT on each CPU - metadata - KeyIDs - memory plan - SYS.CONFIG - caches -
 *   SYS.KEY.CONFIG in each package - TDMR.INIT of the first block (the rest when it is needed)
 *
 * Invariants
 *   - One table row per step; the first that fails names itself in tdx_reason().
 *   - PAMT memory is the host's again only if SYS.KEY.CONFIG was never called.
 *
 * Facts: TDX module 1.5 ABI, "Intel TDX Module Lifecycle: Initialization".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/log.h"
#include "tdx/abi/explain.h"
#include "tdx/keyid.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define MSR_KEYID_PARTITIONING 0x87
#define MSR_TME_ACTIVATE       0x982

struct tdx_state tdx_state;

/* Keep the first reason; returns @err. */
static int failed(int err, const char *step, const char *what)
{
	if (!tdx_state.reason[0])
		snprintf(tdx_state.reason, sizeof(tdx_state.reason), "%s: %s", step, what);
	return err;
}

static int refused(const char *leaf, tdx_status_t st)
{
	char text[120];

	return failed(tdx_is_unreachable(st) ? -ENODEV : -EIO, leaf,
		      tdx_status_text(st, text, sizeof(text)));
}

/* ---- packages ---- */

static int find_packages(void)
{
	struct tdx_state *s = &tdx_state;
	uint64_t seen[512 / 64] = { 0 };

	s->packages = 0;
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		unsigned p = s->host.package_of(cpu) % 512;

		if (seen[p / 64] & BIT64(p % 64))
			continue;
		seen[p / 64] |= BIT64(p % 64);
		if (s->packages == TDX_MAX_PACKAGES)
			return failed(-EIO, "packages", "more than 8");
		s->package_cpu[s->packages++] = cpu;
	}
	return 0;
}

void tdx_on_each_package(void (*fn)(void *arg), void *arg)
{
	for (unsigned i = 0; i < tdx_state.packages; i++)
		cpu_call(tdx_state.package_cpu[i], fn, arg);
}

/* ---- the module itself ---- */

static int sys_init(void)
{
	struct seam_regs r;
	tdx_status_t st = TDX_RETRY(tdh_sys_init(&r));

	if (tdx_ok(st))
		return 0;
	if (tdx_is(st, TDX_INCORRECT_CPUID_VALUE))
		log_error("tdx: CPUID %llx.%llx: mask %llx %llx, wanted %llx %llx",
			  (unsigned long long)(r.rcx & UINT32_MAX),
			  (unsigned long long)(r.rcx >> 32), (unsigned long long)r.rdx,
			  (unsigned long long)r.r8, (unsigned long long)r.r9,
			  (unsigned long long)r.r10);
	return refused("TDH.SYS.INIT", st);
}

static void lp_init_here(void *arg)
{
	struct seam_regs r;

	*(tdx_status_t *)arg = TDX_RETRY(tdh_sys_lp_init(&r));
}

static int lp_init(void)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		tdx_status_t st = { ~UINT64_C(0) };

		cpu_call(cpu, lp_init_here, &st);
		if (!tdx_ok(st)) {
			log_error("tdx: CPU %u does not fit the others", cpu);
			return refused("TDH.SYS.LP.INIT", st);
		}
	}
	return 0;
}

static int read_metadata(void)
{
	int err = tdx_metadata_read(&tdx_state.md);

	return err ? failed(-EIO, "metadata", "the module did not give what is needed") : 0;
}

static int find_keyids(void)
{
	uint64_t partitioning = 0, activate = 0;

	if (tdx_state.host.msr_read(MSR_KEYID_PARTITIONING, &partitioning) ||
	    tdx_state.host.msr_read(MSR_TME_ACTIVATE, &activate))
		return failed(-EIO, "KeyIDs", "the CPU has no KeyID partitioning (MSR 0x87)");
	if (keyid_init(partitioning, activate))
		return failed(-EIO, "KeyIDs",
			      "no private KeyIDs: set the TME-MT/TDX key split in the firmware");
	return 0;
}

/* ---- memory ---- */

/* Give [from, to) back in the largest aligned blocks: pages one by one would take their time. */
static void free_blocks(uint64_t from, uint64_t to)
{
	while (from < to) {
		unsigned order = 0;

		while (order < 18 && is_aligned(from, PAGE_SIZE << (order + 1)) &&
		       from + (PAGE_SIZE << (order + 1)) <= to)
			order++;
		pages_free((hpa_t){ from }, PAGE_TDX_PAMT, order);
		from += PAGE_SIZE << order;
	}
}

/* Blocks are powers of two; what lies behind @bytes goes back at once. */
static hpa_t pamt_alloc(void *ctx, uint64_t bytes)
{
	unsigned order = 0;
	hpa_t base;

	(void)ctx;
	while ((PAGE_SIZE << order) < bytes)
		order++;
	base = pages_alloc_raw(PAGE_TDX_PAMT, order);
	if (hpa_is_none(base))
		return base;
	free_blocks(base.v + bytes, base.v + (PAGE_SIZE << order));
	return base;
}

static void pamt_free(void *ctx, hpa_t base, uint64_t bytes)
{
	(void)ctx;
	free_blocks(base.v, base.v + bytes);
}

static int list_memory(struct tdmr_memory *m)
{
	const struct tdx_state *s = &tdx_state;
	int err = 0;

	for (size_t i = 0; i < s->host.memory_count && !err; i++) {
		const struct boot_mem *b = &s->host.memory[i];

		if (b->kind == BOOT_MEM_USABLE || b->kind == BOOT_MEM_TAIN)
			err = ranges_add(&m->ram, b->base, b->base + b->size);
	}
	for (uint64_t i = 0; i < s->md.cmr_count && !err; i++)
		err = ranges_add(&m->cmr, s->md.cmr[i].base, s->md.cmr[i].base + s->md.cmr[i].size);
	return err;
}

#define PLAN_ORDER 4
_Static_assert(sizeof(struct tdmr_plan) <= PAGE_SIZE << PLAN_ORDER, "the plan fits its pages");

static int make_plan(const struct tdmr_limits *limits, struct tdmr_memory *m)
{
	hpa_t pages = pages_alloc(PAGE_KERNEL, PLAN_ORDER);
	int err;

	if (hpa_is_none(pages))
		return failed(-EIO, "memory plan", "out of memory");
	tdx_state.plan = hpa_to_ptr(pages);
	err = tdmr_plan_make(tdx_state.plan, m, limits);
	if (!err)
		return 0;
	pages_free(pages, PAGE_KERNEL, PLAN_ORDER);
	tdx_state.plan = NULL;
	return failed(-EIO, "memory plan",
		      err == -ENODATA ? "no convertible memory (CMRs of the module)"
				      : "no memory for the PAMT");
}

static int plan_memory(void)
{
	struct tdx_state *s = &tdx_state;
	struct tdmr_limits limits = {
		s->md.max_tdmrs,
		s->md.max_reserved_per_tdmr,
		{ s->md.pamt_entry_bytes[0], s->md.pamt_entry_bytes[1], s->md.pamt_entry_bytes[2] },
	};
	struct tdmr_memory m = { .alloc = pamt_alloc, .free = pamt_free };
	uint64_t why;
	int err = list_memory(&m);

	err = err ? failed(-EIO, "memory plan", "out of memory") : make_plan(&limits, &m);
	if (!err && tdmr_check(s->plan->tdmr, s->plan->count, &m.cmr, &limits, &why)) {
		char text[120];

		err = failed(-EIO, "memory plan",
			     tdx_status_text((tdx_status_t){ why }, text, sizeof(text)));
	}
	for (unsigned i = 0; !err && i < s->plan->count; i++)
		s->ready_end[i] = s->plan->tdmr[i].base;
	ranges_free(&m.ram);
	ranges_free(&m.cmr);
	return err;
}

/*
 * Forget the plan. PAMTs are ordinary memory before SYS.KEY.CONFIG; afterwards they stay the
 * module's: never reused.
 */
static void drop_plan(bool keys_configured)
{
	struct tdx_state *s = &tdx_state;
	const struct tdmr_memory m = { .alloc = pamt_alloc, .free = pamt_free };

	ranges_free(&s->ready);
	if (!s->plan)
		return;
	for (unsigned i = 0; i < s->plan->count && keys_configured; i++)
		for (uint64_t at = s->plan->pamt[i].base; at < s->plan->pamt[i].end;
		     at += PAGE_SIZE)
			tdx_pages_leak((hpa_t){ at }, PAGE_TDX_PAMT, 0);
	if (keys_configured)
		s->plan->count = 0; /* nothing to give back but the lists */
	tdmr_plan_free(s->plan, &m);
	pages_free(ptr_to_hpa(s->plan), PAGE_KERNEL, PLAN_ORDER);
	s->plan = NULL;
}

static int sys_config(void)
{
	struct tdx_state *s = &tdx_state;
	hpa_t page = page_alloc(PAGE_KERNEL);
	uint64_t *list;
	tdx_status_t st;

	if (hpa_is_none(page))
		return failed(-EIO, "TDH.SYS.CONFIG", "out of memory");
	list = hpa_to_ptr(page);
	for (unsigned i = 0; i < s->plan->count; i++)
		list[i] = ptr_to_hpa(&s->plan->tdmr[i]).v;
	st = TDX_RETRY(tdh_sys_config(page, s->plan->count, keyid_global()));
	page_free(page, PAGE_KERNEL);
	return tdx_ok(st) ? 0 : refused("TDH.SYS.CONFIG", st);
}

static void wbinvd_here(void *arg)
{
	(void)arg;
	tdx_state.host.wbinvd();
}

/* KeyID-0 lines of the PAMTs must not come back later. */
static int write_back_caches(void)
{
	for (unsigned cpu = 0; tdx_state.host.wbinvd && cpu < cpu_count(); cpu++)
		cpu_call(cpu, wbinvd_here, NULL);
	return 0;
}

static void key_config_here(void *arg)
{
	tdx_status_t *first_error = arg;
	tdx_status_t st = TDX_RETRY(tdh_sys_key_config());

	if (!tdx_ok(st) && tdx_ok(*first_error))
		*first_error = st;
}

static int key_config(void)
{
	tdx_status_t st = { 0 };

	tdx_on_each_package(key_config_here, &st);
	return tdx_ok(st) ? 0 : refused("TDH.SYS.KEY.CONFIG", st);
}

/* One block if the allocator can be told where pages may come from, else all of it. */
static int first_memory(void)
{
	int err = tdx_pages_extend();

	while (!err && !tdx_state.host.restrict_pages)
		err = tdx_pages_extend();
	if (err == -ENOMEM && tdx_state.ready.count)
		err = 0;
	return err ? failed(-EIO, "TDH.SYS.TDMR.INIT", "no memory could be made usable") : 0;
}

static int counters(void)
{
	return seamcall_stats_init() ? failed(-EIO, "counters", "out of memory") : 0;
}

/* clang-format off */
static const struct step {
	const char *name;
	int (*run)(void);
	bool keyed; /* from here on PAMTs may hold keyed lines */
} steps[] = {
	{ "counters",     counters,          false },
	{ "packages",     find_packages,     false },
	{ "SYS.INIT",     sys_init,          false },
	{ "LP.INIT",      lp_init,           false },
	{ "metadata",     read_metadata,     false },
	{ "KeyIDs",       find_keyids,       false },
	{ "memory plan",  plan_memory,       false },
	{ "SYS.CONFIG",   sys_config,        false },
	{ "caches",       write_back_caches, false },
	{ "KEY.CONFIG",   key_config,        true },
	{ "TDMR.INIT",    first_memory,      true },
};
/* clang-format on */

static void report_ready(void)
{
	const struct tdx_state *s = &tdx_state;
	struct keyid_counts k = keyid_counts();
	char text[100];

	log_info("tdx: %s", tdx_module_text(text, sizeof(text)));
	log_info("tdx: %u KeyIDs from %u, %u TDMRs, PAMT %llu KiB, %llu of %llu MiB for TDs",
		 k.total, k.first, s->plan->count, (unsigned long long)(s->plan->pamt_bytes >> 10),
		 (unsigned long long)((s->plan->ram_bytes - s->plan->lost_bytes) >> 20),
		 (unsigned long long)(s->plan->ram_bytes >> 20));
	if (s->plan->lost_bytes)
		log_warn("tdx: %llu KiB of memory are given up: TDMR limits of the module",
			 (unsigned long long)(s->plan->lost_bytes >> 10));
}

int tdx_init(const struct tdx_host *host)
{
	struct tdx_state *s = &tdx_state;

	*s = (struct tdx_state){ .host = *host, .phase = TDX_ABSENT };
	tdx_irq_window = host->irq_window;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		uint64_t start = tsc_now();
		int err = steps[i].run();

		log_debug("tdx: %s took %llu ticks", steps[i].name,
			  (unsigned long long)(tsc_now() - start));
		if (!err)
			continue;
		drop_plan(steps[i].keyed);
		seamcall_stats_fini();
		s->phase = err == -ENODEV ? TDX_ABSENT : TDX_FAILED;
		log_warn("tdx: not ready: %s", s->reason);
		return err;
	}
	s->phase = TDX_READY;
	report_ready();
	return 0;
}

void tdx_fini(void)
{
	if (tdx_state.phase != TDX_READY)
		return;
	tdx_state.phase = TDX_SHUT_DOWN;
	(void)write_back_caches();
	drop_plan(true);
	seamcall_stats_fini();
}

enum tdx_phase tdx_phase(void) { return tdx_state.phase; }
const char *tdx_reason(void) { return tdx_state.reason; }

const char *tdx_module_text(char *buf, size_t size)
{
	const struct tdx_metadata *md = &tdx_state.md;
	const char *label = tdx_state.host.module_label;

	if (tdx_state.phase == TDX_ABSENT)
		snprintf(buf, size, "no TDX module");
	else
		snprintf(buf, size, "%s %llu.%llu.%02llu, build %llu.%llu, vendor %llx",
			 label ? label : "TDX module", (unsigned long long)md->major,
			 (unsigned long long)md->minor, (unsigned long long)md->update,
			 (unsigned long long)md->build_date, (unsigned long long)md->build_num,
			 (unsigned long long)md->vendor);
	return buf;
}
