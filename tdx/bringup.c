/*
 * bringup.c - from "is there a module" to the first memory that it takes pages from.
 *
 *   SYS.INIT - LP.INIT on each CPU - metadata - KeyIDs - memory plan - SYS.CONFIG - caches -
 *   SYS.KEY.CONFIG in each package - TDMR.INIT of the first blocks (the rest when it is needed)
 *
 * Invariants
 *   - One table row per step; the first that fails names itself in tdx_reason().
 *   - tdx_state.done says what the module has done since it was loaded and does not do twice. So a
 *     retry goes on where the attempt before it stopped.
 *   - Before SYS.CONFIG a failure leaves nothing behind; after it the plan is the module's, and is
 *     kept for the retry.
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
#include "tdx/bringup_log.h"
#include "tdx/keyid.h"
#include "tdx/retry.h"
#include "tdx/state.h"
#include "tdx/tdh.h"

#define MSR_KEYID_PARTITIONING 0x87
#define MSR_TME_ACTIVATE       0x982

struct tdx_state tdx_state;

int tdx_step_failed(int err, const char *step, const char *what)
{
	if (!tdx_state.reason[0])
		snprintf(tdx_state.reason, sizeof(tdx_state.reason), "%s: %s", step, what);
	return err;
}

static int refused(const char *leaf, tdx_status_t st)
{
	char text[120];

	tdx_state.failed_step = leaf;
	tdx_state.failed_status = st;
	return tdx_step_failed(tdx_is_unreachable(st) ? -ENODEV : -EIO, leaf,
		      tdx_status_text(st, text, sizeof(text)));
}

/* ---- packages ---- */

static int find_packages(void)
{
	struct tdx_state *s = &tdx_state;
	uint64_t seen[512 / 64] = { 0 };

	s->packages = 0;
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		if (!cpu_is_online(cpu)) {
			char what[60];

			snprintf(what, sizeof(what), "CPU %u did not start; the module wants all",
				 cpu);
			return tdx_step_failed(-EIO, "CPUs", what);
		}
		unsigned p = s->host.package_of(cpu) % 512;

		if (seen[p / 64] & BIT64(p % 64))
			continue;
		seen[p / 64] |= BIT64(p % 64);
		if (s->packages == TDX_MAX_PACKAGES)
			return tdx_step_failed(-EIO, "packages", "more than 8");
		s->package_cpu[s->packages++] = cpu;
	}
	return 0;
}

void tdx_on_each_package(void (*fn)(void *arg), void *arg)
{
	for (unsigned i = 0; i < tdx_state.packages; i++)
		cpu_call(tdx_state.package_cpu[i], fn, arg);
}

/* CPUs that lead a package run it, all at once. */
struct leaders_call {
	void (*fn)(void *arg);
	void *arg;
};

static void if_leader(void *arg)
{
	const struct leaders_call *call = arg;

	for (unsigned i = 0; i < tdx_state.packages; i++)
		if (tdx_state.package_cpu[i] == cpu_index())
			call->fn(call->arg);
}

void tdx_on_all_packages(void (*fn)(void *arg), void *arg)
{
	struct leaders_call call = { fn, arg };

	if (tdx_state.packages == 1)
		cpu_call(tdx_state.package_cpu[0], fn, arg);
	else
		cpu_call_all(if_leader, &call);
}

/* ---- the module itself ---- */

static int sys_init(void)
{
	struct seam_regs r;
	tdx_status_t st = { 0 };

	if (!tdx_state.done.sys_init)
		st = TDX_RETRY(tdh_sys_init(&r));
	if (tdx_is(st, TDX_SYS_INIT_NOT_PENDING))
		log_info("tdx: the module was initialised before: going on with it");
	if (tdx_ok(st) || tdx_is(st, TDX_SYS_INIT_NOT_PENDING)) {
		tdx_state.done.sys_init = true;
		return 0;
	}
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
	tdx_status_t st = TDX_RETRY(tdh_sys_lp_init(&r));

	if (!tdx_is(st, TDX_SYS_LP_INIT_DONE))
		tdx_answer(arg, st);
}

/* All CPUs at once: the module's lock is shared. */
static int lp_init(void)
{
	struct tdx_answers a = { .lock = SPINLOCK_INIT };

	if (tdx_state.done.configured)
		return 0; /* nothing is configured before all CPUs are initialised */
	cpu_call_all(lp_init_here, &a);
	if (tdx_ok(a.st))
		return 0;
	if (tdx_is(a.st, TDX_SYS_LP_INIT_NOT_PENDING))
		return tdx_step_failed(
			-EIO, "TDH.SYS.LP.INIT",
			"somebody before us has configured the module: only a reset helps");
	log_error("tdx: CPU %u does not fit the others", a.cpu);
	return refused("TDH.SYS.LP.INIT", a.st);
}

static int read_metadata(void)
{
	char why[TDX_METADATA_WHY];

	return tdx_metadata_read(&tdx_state.md, why) ? tdx_step_failed(-EIO, "metadata", why) : 0;
}

static int find_keyids(void)
{
	uint64_t partitioning = 0, activate = 0;

	if (tdx_state.done.configured)
		return 0; /* the module has the global one */
	if (tdx_state.host.msr_read(MSR_KEYID_PARTITIONING, &partitioning) ||
	    tdx_state.host.msr_read(MSR_TME_ACTIVATE, &activate))
		return tdx_step_failed(-EIO, "KeyIDs", "the CPU has no KeyID partitioning (MSR 0x87)");
	if (keyid_init(partitioning, activate))
		return tdx_step_failed(-EIO, "KeyIDs",
			      "no private KeyIDs: set the TME-MT/TDX key split in the firmware");
	return 0;
}

/* ---- memory ---- */

static int plan_memory(void) { return tdx_state.done.configured ? 0 : tdx_plan_make(); }

static int sys_config(void)
{
	struct tdx_state *s = &tdx_state;
	hpa_t page;
	uint64_t *list;
	tdx_status_t st;

	if (s->done.configured)
		return 0;
	page = page_alloc(PAGE_KERNEL);
	if (hpa_is_none(page))
		return tdx_step_failed(-EIO, "TDH.SYS.CONFIG", "out of memory");
	list = hpa_to_ptr(page);
	for (unsigned i = 0; i < s->plan->count; i++)
		list[i] = ptr_to_hpa(&s->plan->tdmr[i]).v;
	st = TDX_RETRY(tdh_sys_config(page, s->plan->count, keyid_global(), s->dynamic_pamt));
	page_free(page, PAGE_KERNEL);
	s->done.configured = tdx_ok(st);
	return tdx_ok(st) ? 0 : refused("TDH.SYS.CONFIG", st);
}

static void wbinvd_here(void *arg)
{
	(void)arg;
	tdx_state.host.wbinvd();
}

void tdx_write_back_caches(void)
{
	if (tdx_state.host.wbinvd)
		cpu_call_all(wbinvd_here, NULL);
}

/* KeyID-0 lines of the PAMTs must not come back later. */
static int write_back_caches(void)
{
	tdx_write_back_caches();
	return 0;
}

static void key_config_here(void *arg) { tdx_answer(arg, TDX_RETRY(tdh_sys_key_config())); }

/* One package after the other: key generation is shared by all. */
static int key_config(void)
{
	struct tdx_state *s = &tdx_state;

	for (unsigned i = 0; i < s->packages; i++) {
		struct tdx_answers a = { .lock = SPINLOCK_INIT };

		if (s->done.keyed & BIT64(i))
			continue;
		s->done.key_tried = true;
		cpu_call(s->package_cpu[i], key_config_here, &a);
		if (!tdx_ok(a.st))
			return refused("TDH.SYS.KEY.CONFIG", a.st);
		s->done.keyed |= BIT64(i);
	}
	return 0;
}

/* The first blocks if the allocator can be told where pages may come from, else all of it. */
static int first_memory(void)
{
	int err = tdx_pages_extend();

	while (!err && !tdx_state.host.restrict_pages)
		err = tdx_pages_extend();
	if (err == -ENOMEM && tdx_state.ready.count)
		err = 0;
	return err ? tdx_step_failed(-EIO, "TDH.SYS.TDMR.INIT", "no memory could be made usable")
		   : 0;
}

static int counters(void)
{
	return seamcall_stats_init() ? tdx_step_failed(-EIO, "counters", "out of memory") : 0;
}

/* clang-format off */
static const struct step {
	const char *name;
	int (*run)(void);
	const char *changes; /* for who is asked first; NULL: changes nothing for good */
} steps[] = {
	{ "counters",     counters,      NULL },
	{ "CPUs",         find_packages, NULL },
	{ "SYS.INIT",     sys_init,      "initialises the module, once until it is loaded again" },
	{ "LP.INIT",      lp_init,       "prepares every CPU for SEAMCALLs" },
	{ "metadata",     read_metadata, NULL },
	{ "KeyIDs",       find_keyids,   NULL },
	{ "memory plan",  plan_memory,   NULL },
	{ "SYS.CONFIG",   sys_config,    "gives the module its memory map and its PAMTs, until a reset" },
	{ "caches",       write_back_caches, NULL },
	{ "KEY.CONFIG",   key_config,    "makes the module's own key on each package" },
	{ "TDMR.INIT",    first_memory,  "makes the first memory usable for TDs" },
};
/* clang-format on */

/* The host may want to decide before each step that changes something. */
static int may_go_on(const struct step *step)
{
	if (!step->changes || !tdx_state.host.may_go_on ||
	    tdx_state.host.may_go_on(step->name, step->changes))
		return 0;
	return tdx_step_failed(-EIO, step->name, "stopped before it, as asked: `tdx retry` goes on");
}

static void report_ready(void)
{
	const struct tdx_state *s = &tdx_state;
	struct keyid_counts k = keyid_counts();
	char text[100];

	log_info("tdx: %s", tdx_module_text(text, sizeof(text)));
	log_info("tdx: %u KeyIDs from %u, %u TDMRs, %sPAMT %llu KiB, %llu of %llu MiB for TDs",
		 k.total, k.first, s->plan->count, s->dynamic_pamt ? "dynamic " : "", (unsigned long long)(s->plan->pamt_bytes >> 10),
		 (unsigned long long)((s->plan->ram_bytes - s->plan->lost_bytes) >> 20),
		 (unsigned long long)(s->plan->ram_bytes >> 20));
	if (s->plan->spared_bytes)
		log_info("tdx: %llu MiB more are not given to it, by tdx_memory",
			 (unsigned long long)(s->plan->spared_bytes >> 20));
	if (s->plan->lost_bytes)
		log_warn("tdx: %llu KiB of memory are given up: TDMR limits of the module",
			 (unsigned long long)(s->plan->lost_bytes >> 10));
}

/* What an attempt that failed has taken goes back, but for what the module has. */
static void undo(int err)
{
	struct tdx_state *s = &tdx_state;

	s->phase = err == -ENODEV ? TDX_ABSENT : TDX_FAILED;
	log_warn("tdx: not ready: %s", s->reason);
	if (!s->done.configured)
		tdx_plan_drop(false);
	else
		log_warn("tdx: the module has its memory map: %llu KiB of PAMT stay with it",
			 (unsigned long long)(s->plan->pamt_bytes >> 10));
	seamcall_stats_fini();
}

static int bring_up(void)
{
	struct tdx_state *s = &tdx_state;

	s->reason[0] = 0;
	s->failed_step = NULL;
	bringup_log_start();
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		uint64_t start = tsc_now();
		int err = may_go_on(&steps[i]);

		err = err ? err : steps[i].run();

		log_debug("tdx: %s took %llu ticks", steps[i].name,
			  (unsigned long long)(tsc_now() - start));
		if (err) {
			bringup_log_stop();
			if (!s->failed_step) {
				s->failed_step = steps[i].name;
				s->failed_status = (tdx_status_t){ ~UINT64_C(0) };
			}
			undo(err);
			return err;
		}
	}
	bringup_log_stop();
	s->phase = TDX_READY;
	report_ready();
	return 0;
}

void tdx_forget_module(void)
{
	struct tdx_state *s = &tdx_state;

	/* Lines of the old keys in caches go before new keys are made: the step "caches". */
	tdx_plan_drop(s->done.key_tried);
	if (s->phase != TDX_ABSENT)
		seamcall_stats_fini();
	s->done = (struct tdx_progress){ 0 };
	s->shut_down = false;
	s->refusing = 0;
}

int tdx_init(const struct tdx_host *host)
{
	tdx_state = (struct tdx_state){ .host = *host, .phase = TDX_ABSENT };
	tdx_irq_window = host->irq_window;
	return bring_up();
}

int tdx_retry(void)
{
	if (tdx_state.phase == TDX_READY)
		return -EALREADY;
	if (!tdx_state.host.say || tdx_state.phase == TDX_SHUT_DOWN)
		return -ENODEV;
	if (tdx_state.shut_down) /* tdx_reason() says how it came to that */
		return -EIO;
	return bring_up();
}

const struct tdx_inject_ops *tdx_injector(void) { return tdx_state.host.inject; }

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
