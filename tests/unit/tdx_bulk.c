/*
 * tdx_bulk.c - the host side in bulk: many TDs, few KeyIDs, memory that is initialised when it is
 * wanted, pages that come back on all CPUs at once; and what a GiB costs in SEAMCALLs.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/exit.h"
#include "tdx/abi/leaf.h"
#include "tdx/keyid.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define GIB SIZE_1G
#define MIB (UINT64_C(1) << 20)

/* ---- guests ---- */

#define TDS   4
#define VCPUS 4

static struct one {
	struct guest_config config;
	struct platform platform;
	struct vcpu_run runs[VCPUS];
	struct td *td;
} tds[TDS];
static char why[200];

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static int make(struct one *o, uint64_t memory, unsigned vcpus, enum td_accept accept, int level)
{
	const struct platform_config pc = {
		.name = "one", .memory_bytes = memory, .vcpus = vcpus, .console = console
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->config = (struct guest_config){
		.name = "one",
		.kind = GUEST_TD,
		.memory = memory,
		.vcpus = vcpus,
		.accept = accept,
		.page_level = level,
		.firmware = { .path = "one.fd",
			      .data = tdvf_image_make(),
			      .size = TDVF_IMAGE_SIZE },
	};
	for (unsigned i = 0; i < VCPUS; i++)
		o->runs[i].slice_tsc = UINT64_C(1) << 40;
	assert_int_equal(platform_init(&o->platform, &pc), 0);
	err = td_create(&o->td, &o->config, &o->platform, o->runs, why, sizeof(why));
	if (err)
		platform_fini(&o->platform);
	return err;
}

static void destroy(struct one *o)
{
	assert_int_equal(td_destroy(o->td), 0);
	platform_fini(&o->platform);
}

static void start_machine(uint64_t memory, unsigned cpus, bool lazy)
{
	softmod_start(memory, cpus, 52);
	if (lazy)
		softmod_lazy();
	assert_int_equal(tdx_init(softmod_host()), 0);
}

/* Every call is counted; pages that the module is offered must be of what is ready. */
static unsigned calls[TDH_LEAF_LIMIT];

static void check_ready(uint64_t page, uint64_t bytes)
{
	page = align_down(page, PAGE_SIZE);
	for (unsigned i = 0; i < tdx_state.plan->count; i++)
		if (page >= tdx_state.plan->tdmr[i].base && page + bytes <= tdx_state.ready_end[i])
			return;
	fail_msg("0x%llx is not initialised", (unsigned long long)page);
}

static bool watch(struct soft_regs *r)
{
	unsigned leaf = r->rax & 0xffff;

	__atomic_fetch_add(&calls[leaf], 1, __ATOMIC_RELAXED);
	switch (leaf) {
	case TDH_MNG_CREATE:
	case TDH_MNG_ADDCX:
	case TDH_VP_CREATE:
	case TDH_VP_ADDCX:
		check_ready(r->rcx, PAGE_SIZE);
		break;
	case TDH_MEM_PAGE_AUG:
	case TDH_MEM_PAGE_ADD:
	case TDH_MEM_SEPT_ADD:
	case TDH_MEM_PAGE_DEMOTE:
		check_ready(r->r8, leaf == TDH_MEM_PAGE_AUG && (r->rcx & 7) ? SIZE_2M : PAGE_SIZE);
		break;
	default:
		break;
	}
	return false;
}

static void guest_ends(struct soft_vcpu *v, struct soft_exit *x)
{
	(void)v;
	x->reason = SOFT_EXIT_TRIPLE_FAULT;
}

/* ---- KeyIDs ---- */

/* Two private KeyIDs: the module's, and one for a TD at a time, again and again. */
static void the_last_keyid_is_used_again(void **state)
{
	uint64_t before;

	(void)state;
	softmod_keyids = 2;
	start_machine(GIB, 4, false);
	before = page_count(PAGE_FREE);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(make(&tds[0], 16 * MIB, 1, TD_ACCEPT_LAZY, LEVEL_2M), 0);
		assert_int_equal(make(&tds[1], 16 * MIB, 1, TD_ACCEPT_LAZY, LEVEL_2M), -EBUSY);
		assert_non_null(strstr(why, "no private KeyID is free"));
		if (i % 2)
			assert_int_equal(td_vcpu_run(tds[0].td, 0), RUN_DEAD);
		destroy(&tds[0]);
		assert_int_equal(keyid_counts().used, 0);
		assert_int_equal(page_count(PAGE_FREE), before);
	}
	softmod_keyids = 32;
}

/* All KeyIDs but one in use, and the one in the middle comes back. */
static void keyids_come_back_in_any_order(void **state)
{
	uint64_t before;

	(void)state;
	softmod_keyids = TDS;
	start_machine(GIB, 2, false);
	before = page_count(PAGE_FREE);
	for (unsigned i = 0; i < TDS - 1; i++)
		assert_int_equal(make(&tds[i], 16 * MIB, 1, TD_ACCEPT_LAZY, LEVEL_2M), 0);
	assert_int_equal(make(&tds[TDS - 1], 16 * MIB, 1, TD_ACCEPT_LAZY, LEVEL_2M), -EBUSY);
	destroy(&tds[1]);
	assert_int_equal(make(&tds[1], 16 * MIB, 1, TD_ACCEPT_LAZY, LEVEL_2M), 0);
	for (unsigned i = 0; i < TDS - 1; i++)
		destroy(&tds[i]);
	assert_int_equal(page_count(PAGE_FREE), before);
	softmod_keyids = 32;
}

/* ---- several TDs, more vCPUs than CPUs ---- */

static void vcpus_move_between_cpus(void **state)
{
	uint64_t before, flushes;

	(void)state;
	start_machine(2 * GIB, 2, false);
	before = page_count(PAGE_FREE);
	softmod_intercept = watch;
	softmod_guest = guest_ends;
	for (unsigned i = 0; i < TDS; i++)
		assert_int_equal(make(&tds[i], 16 * MIB, VCPUS, TD_ACCEPT_LAZY, LEVEL_2M), 0);
	flushes = calls[TDH_VP_FLUSH];
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < TDS; i++)
			for (unsigned v = 0; v < VCPUS; v++) {
				machine_cpu((i + v + round) % 2);
				/* It ends, and is asked again: the module lets a dead one in no
				 * more. */
				(void)td_vcpu_run(tds[i].td, v);
			}
	machine_cpu(0);
	/* Each change of CPU is one flush. */
	assert_int_equal(calls[TDH_VP_FLUSH] - flushes, 2 * TDS * VCPUS);
	for (unsigned i = 0; i < TDS; i++)
		destroy(&tds[TDS - 1 - i]);
	assert_int_equal(page_count(PAGE_FREE), before);
	assert_int_equal(page_count(PAGE_LEAKED), 0);
}

/* A vCPU that the host believes to be nowhere, and which the module has with CPU 1. */
static void a_vcpu_is_sought_on_all_cpus(void **state)
{
	uint64_t before, word;
	tdx_status_t st;

	(void)state;
	start_machine(GIB, 4, false);
	before = page_count(PAGE_FREE);
	assert_int_equal(make(&tds[0], 16 * MIB, 2, TD_ACCEPT_LAZY, LEVEL_2M), 0);
	machine_cpu(3);
	st = tdh_vp_rd(tds[0].td->vcpus[1].vp, MD_VP_VCPU_STATE_DETAILS, &word);
	machine_cpu(0);
	assert_true(tdx_ok(st));
	destroy(&tds[0]);
	assert_int_equal(page_count(PAGE_FREE), before);
}

/* ---- memory when it is wanted ---- */

static uint64_t gib_ready(void) { return ranges_bytes(&tdx_state.ready, 0, UINT64_MAX) >> 30; }

/* 3 GiB in one TDMR, one CPU: each GiB is initialised when the one before is used up. */
static void memory_is_initialised_when_it_is_wanted(void **state)
{
	uint64_t before;

	(void)state;
	start_machine(3 * GIB, 1, true);
	softmod_intercept = watch;
	assert_true(gib_ready() <= 1);
	before = page_count(PAGE_FREE);
	assert_int_equal(make(&tds[0], 512 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), 0);
	assert_true(gib_ready() <= 1);
	assert_int_equal(make(&tds[1], 1024 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), 0);
	assert_true(gib_ready() >= 1 && gib_ready() <= 2);
	assert_int_equal(make(&tds[2], 2048 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), -ENOMEM);
	assert_false(tdx_pages_more());
	destroy(&tds[1]);
	destroy(&tds[0]);
	assert_int_equal(page_count(PAGE_FREE), before);
	assert_int_equal(page_count(PAGE_LEAKED), 0);
}

/* 2M pages stay 2M pages when the first GiB is used up. */
static void a_full_gib_does_not_make_pages_small(void **state)
{
	uint64_t small;

	(void)state;
	start_machine(3 * GIB, 1, true);
	memset(calls, 0, sizeof(calls));
	softmod_intercept = watch;
	assert_int_equal(make(&tds[0], 1536 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), 0);
	small = calls[TDH_MEM_PAGE_AUG];
	assert_in_range(small, 1536 / 2 - 2, 1536 / 2 + 1024);
	destroy(&tds[0]);
}

/* A TDMR that is refused: the others serve, and it is asked again when they are used up. */
static unsigned refused_calls;
static bool refuse_second(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_SYS_TDMR_INIT || r->rcx != tdx_state.plan->tdmr[1].base)
		return false;
	refused_calls++;
	r->rax = UINT64_C(0xc000010000000001);
	return true;
}

static void a_refused_tdmr_does_not_stop_the_others(void **state)
{
	uint64_t before;

	(void)state;
	softmod_start(32 * GIB, 2, 52);
	softmod_lazy();
	softmod_intercept = NULL;
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_true(tdx_state.plan->count >= 2);
	softmod_intercept = refuse_second;
	refused_calls = 0;
	before = gib_ready();
	assert_int_equal(tdx_pages_extend(), 0);
	assert_int_equal(refused_calls, 1);
	assert_true(gib_ready() > before);
	while (tdx_pages_more())
		assert_int_equal(tdx_pages_extend(), 0);
	assert_int_equal(refused_calls, 1);
	assert_int_equal(tdx_pages_extend(), -EIO);
	assert_int_equal(refused_calls, 2);
	softmod_intercept = NULL;
	assert_int_equal(tdx_pages_extend(), 0);
	assert_true(tdx_pages_more());
}

/* Four TDMRs, four CPUs as threads: a GiB of each at a time. */
static void tdmrs_are_initialised_side_by_side(void **state)
{
	const uint64_t calls_per_gib = GIB / softmod_profile->tdmr_init_bytes;
	uint64_t before;

	(void)state;
	softmod_start(32 * GIB, 4, 52);
	softmod_lazy();
	machine_threads(true);
	softmod_intercept = watch;
	memset(calls, 0, sizeof(calls));
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(tdx_state.plan->count, 4);
	assert_int_equal(calls[TDH_SYS_TDMR_INIT], 4 * calls_per_gib);
	before = page_count(PAGE_FREE);
	assert_int_equal(make(&tds[0], 6 * GIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), 0);
	assert_int_equal(calls[TDH_SYS_TDMR_INIT], 8 * calls_per_gib);
	destroy(&tds[0]);
	assert_int_equal(page_count(PAGE_FREE), before);
	/* The rest, and then there is no more. */
	while (tdx_pages_more())
		assert_int_equal(tdx_pages_extend(), 0);
	assert_int_equal(calls[TDH_SYS_TDMR_INIT], 32 * calls_per_gib);
	assert_int_equal(tdx_pages_extend(), -ENOMEM);
}

/* tdx_memory: the module gets the top of memory only, in whole GiB, and all else is spared. */
static void only_part_is_given(void **state)
{
	struct tdx_host host;

	(void)state;
	softmod_start(8 * GIB, 2, 52);
	host = *softmod_host();
	host.restrict_pages = page_restrict_tdx;
	host.memory_wanted = 1536 * MIB;
	assert_int_equal(tdx_init(&host), 0);
	assert_int_equal(tdx_state.plan->count, 1);
	assert_int_equal(tdx_state.plan->tdmr[0].base, MACHINE_BASE + 6 * GIB);
	assert_int_equal(tdx_state.plan->tdmr[0].size, 2 * GIB);
	assert_int_equal(tdx_state.plan->spared_bytes, 6 * GIB);
	softmod_intercept = watch;
	assert_int_equal(make(&tds[0], 1024 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), 0);
	assert_int_equal(make(&tds[1], 1024 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_2M), -ENOMEM);
	destroy(&tds[0]);
}

/* ---- teardown ---- */

/* With a thread for each CPU: all pages are back, and the CPUs shared the work. */
static unsigned by_cpu[8], cpus_now;

/* CPU 0 waits for another one's first call: it would be done alone on a machine that is busy. */
static bool note_cpu(struct soft_regs *r)
{
	uint64_t limit = tsc_now() + 20 * tsc_hz();
	unsigned others = cpus_now == 1;

	if ((r->rax & 0xffff) != TDH_PHYMEM_PAGE_RECLAIM)
		return false;
	__atomic_fetch_add(&by_cpu[cpu_index()], 1, __ATOMIC_RELAXED);
	while (cpu_index() == 0 && !others && tsc_now() < limit) {
		for (unsigned i = 1; i < cpus_now; i++)
			others += __atomic_load_n(&by_cpu[i], __ATOMIC_RELAXED);
		cpu_relax();
	}
	return false;
}

static void pages_come_back_on_all_cpus(void **state)
{
	static const unsigned cpus[] = { 1, 2, 4 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cpus); i++) {
		uint64_t before, start, ticks, pages;
		unsigned took_part = 0;

		start_machine(GIB, cpus[i], true);
		machine_threads(true);
		before = page_count(PAGE_FREE);
		assert_int_equal(make(&tds[0], 256 * MIB, cpus[i], TD_ACCEPT_EAGER, LEVEL_4K), 0);
		memset(by_cpu, 0, sizeof(by_cpu));
		cpus_now = cpus[i];
		softmod_intercept = note_cpu;
		pages = tds[0].td->private_pages + tds[0].td->sept_pages;
		start = tsc_now();
		destroy(&tds[0]);
		ticks = tsc_now() - start;
		for (unsigned c = 0; c < cpus[i]; c++)
			took_part += by_cpu[c] > 0;
		printf("teardown of %llu pages with %u CPUs and vCPUs: %llu ns a page, %u CPUs "
		       "took "
		       "part\n",
		       (unsigned long long)pages, cpus[i], (unsigned long long)(ticks / pages),
		       took_part);
		assert_int_equal(page_count(PAGE_FREE), before);
		assert_int_equal(page_count(PAGE_LEAKED), 0);
		assert_true(took_part >= (cpus[i] > 1 ? 2 : 1));
	}
}

/* Every n-th page is kept by the module: so many are leaked, no more, and the TDR with them. */
static unsigned nth;
static bool keep_some(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_PHYMEM_PAGE_RECLAIM ||
	    __atomic_fetch_add(&nth, 1, __ATOMIC_RELAXED) % 1000)
		return false;
	r->rax = UINT64_C(0xc000030000000001);
	return true;
}

static void kept_pages_are_leaked_one_by_one(void **state)
{
	uint64_t before, leaked;

	(void)state;
	start_machine(GIB, 4, true);
	machine_threads(true);
	/* Page pairs that describe what is leaked stay with it. */
	before = page_count(PAGE_FREE) + page_count(PAGE_TDX_PAMT);
	assert_int_equal(make(&tds[0], 64 * MIB, 1, TD_ACCEPT_EAGER, LEVEL_4K), 0);
	nth = 0;
	softmod_intercept = keep_some;
	leaked = td_destroy(tds[0].td);
	softmod_intercept = NULL;
	platform_fini(&tds[0].platform);
	assert_in_range(leaked, 16, 20);
	assert_int_equal(page_count(PAGE_LEAKED), leaked);
	assert_int_equal(page_count(PAGE_FREE) + page_count(PAGE_TDX_PAMT) + leaked, before);
	assert_int_equal(keyid_counts().used, 0);
}

/* ---- figures ---- */

static unsigned all_calls(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TDH_LEAF_LIMIT; i++)
		n += calls[i];
	return n;
}

/* What a GiB costs, populated and removed, in 2M and in 4K pages: bounds that hold for good. */
static void a_gib_costs_so_many_seamcalls(void **state)
{
	static const struct {
		int level;
		unsigned populate, remove; /* at most */
	} rows[] = {
		{ LEVEL_2M, 512 + 64, 4 * 512 },
		{ LEVEL_4K, 262144 + 512 + 64, 3 * 262144 + 4096 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const bool small = rows[i].level == LEVEL_4K;
		uint64_t done = 0, before;
		unsigned populate, remove, reclaim, pairs;
		struct td *td;

		start_machine(3 * GIB, 1, false);
		before = page_count(PAGE_FREE);
		assert_int_equal(make(&tds[0], 2 * GIB, 1, TD_ACCEPT_LAZY, rows[i].level), 0);
		td = tds[0].td;
		softmod_intercept = watch;
		memset(calls, 0, sizeof(calls));
		assert_int_equal(mmu_map_range(&td->mmu, MMU_MIRROR, gpa_to_gfn((gpa_t){ GIB }),
					       GIB >> PAGE_SHIFT, rows[i].level, &done),
				 0);
		assert_int_equal(done, GIB >> PAGE_SHIFT);
		populate = all_calls();
		pairs = calls[TDH_PHYMEM_PAMT_ADD];
		memset(calls, 0, sizeof(calls));
		assert_int_equal(td_memory_convert(td, (gpa_t){ GIB }, GIB, true), 0);
		remove = all_calls() - calls[TDH_PHYMEM_PAGE_WBINVD];
		printf("1 GiB in %s pages: %u SEAMCALLs to populate, %u to remove (and %u "
		       "PAGE.WBINVD), %u of them TRACK\n",
		       small ? "4K" : "2M", populate, remove, calls[TDH_PHYMEM_PAGE_WBINVD],
		       calls[TDH_MEM_TRACK]);
		/* With dynamic PAMT a pair for each 2M, and none for pages of 2M. */
		assert_in_range(pairs, 0, small ? 512 + 64 : 64);
		assert_in_range(populate - pairs, 1, rows[i].populate);
		assert_in_range(remove, 1, rows[i].remove);
		assert_int_equal(td->work[TD_CONVERT].pages, GIB >> PAGE_SHIFT);
		assert_int_equal(mmu_map_range(&td->mmu, MMU_MIRROR, gpa_to_gfn((gpa_t){ GIB }),
					       GIB >> PAGE_SHIFT, rows[i].level, &done),
				 0);
		memset(calls, 0, sizeof(calls));
		destroy(&tds[0]);
		reclaim = calls[TDH_PHYMEM_PAGE_RECLAIM];
		printf("1 GiB in %s pages: %u PAGE.RECLAIM at teardown\n", small ? "4K" : "2M",
		       reclaim);
		assert_int_equal(page_count(PAGE_FREE), before);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_keyid_is_used_again),
		cmocka_unit_test(keyids_come_back_in_any_order),
		cmocka_unit_test(vcpus_move_between_cpus),
		cmocka_unit_test(a_vcpu_is_sought_on_all_cpus),
		cmocka_unit_test(memory_is_initialised_when_it_is_wanted),
		cmocka_unit_test(a_full_gib_does_not_make_pages_small),
		cmocka_unit_test(a_refused_tdmr_does_not_stop_the_others),
		cmocka_unit_test(tdmrs_are_initialised_side_by_side),
		cmocka_unit_test(only_part_is_given),
		cmocka_unit_test(pages_come_back_on_all_cpus),
		cmocka_unit_test(kept_pages_are_leaked_one_by_one),
		cmocka_unit_test(a_gib_costs_so_many_seamcalls),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
