/*
 * tdx_pairs.c - page pairs of dynamic PAMT, the host's side: a pair is there while 4K pages of its range
 * are the module's and no longer, whatever fails; memory may end at any allocation of a TD's life.
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
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/leaf.h"
#include "tdx/pairs.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(256) << 20)
#define CPUS   4
#define BUSY   UINT64_C(0x8000020000000001)

static unsigned dynamic(void) { return (softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT) != 0; }

static struct pairs_counts counts(void)
{
	struct pairs_counts n;

	pairs_read(&n);
	return n;
}

static void ready(void)
{
	softmod_start(MEMORY, CPUS, 40);
	assert_int_equal(tdx_init(softmod_host()), 0);
	machine_log_clear();
}

static unsigned refused_leaf, refuse_times;
static uint64_t refuse_with;

static bool refuse(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != refused_leaf || !refuse_times)
		return false;
	refuse_times--;
	r->rax = refuse_with;
	return true;
}

static void refusing(unsigned leaf, unsigned times, uint64_t status)
{
	refused_leaf = leaf;
	refuse_times = times;
	refuse_with = status;
	softmod_intercept = refuse;
}

/* ---- single pages ---- */

static hpa_t page_now(void) { return tdx_pages_alloc(PAGE_TDX_CONTROL, 0); }

/* In how many ranges of 2M these pages are. */
static unsigned ranges_of(const hpa_t *page, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		bool seen = false;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = align_down(page[k].v, SIZE_2M) == align_down(page[i].v, SIZE_2M);
		found += !seen;
	}
	return found;
}

static void a_pair_is_there_while_its_range_is_used(void **state)
{
	hpa_t block, page[600];
	uint64_t free;
	unsigned ranges;

	(void)state;
	ready();
	free = page_count(PAGE_FREE);
	for (unsigned i = 0; i < ARRAY_LEN(page); i++) {
		page[i] = page_now();
		assert_int_equal(counts().pairs, dynamic() ? ranges_of(page, i + 1) : 0);
	}
	ranges = ranges_of(page, ARRAY_LEN(page));
	assert_true(ranges > 1 && ranges < ARRAY_LEN(page));
	/* A page of 2M needs none. */
	block = tdx_pages_alloc(PAGE_TDX_PRIVATE, 9);
	assert_int_equal(counts().adds, dynamic() * ranges);
	/* Used in pieces it does; freed page by page it is gone again. */
	assert_int_equal(tdx_pages_use_small(block), 0);
	assert_int_equal(counts().pairs, dynamic() * (ranges + 1));
	for (unsigned i = 0; i < 512; i++)
		tdx_pages_free(hpa_add(block, i * PAGE_SIZE), PAGE_TDX_PRIVATE, 0);
	for (unsigned i = ARRAY_LEN(page); i > 0; i--) {
		assert_int_equal(counts().pairs, dynamic() ? ranges_of(page, i) : 0);
		tdx_pages_free(page[i - 1], PAGE_TDX_CONTROL, 0);
	}
	assert_int_equal(counts().pairs, 0);
	assert_int_equal(counts().removes, dynamic() * (ranges + 1));
	assert_int_equal(page_count(PAGE_FREE), free);
}

static void a_pair_that_is_refused_leaves_nothing_behind(void **state)
{
	uint64_t free;

	(void)state;
	ready();
	if (!dynamic())
		return;
	free = page_count(PAGE_FREE);
	refusing(TDH_PHYMEM_PAMT_ADD, 1, UINT64_C(0xc000030400000001));
	assert_true(hpa_is_none(page_now()));
	assert_int_equal(page_count(PAGE_FREE), free);
	assert_int_equal(counts().pairs, 0);
	assert_true(machine_logged("TDH.PHYMEM.PAMT.ADD: TDX_HPA_RANGE_NOT_FREE"));
	/* Busy is normal. */
	refusing(TDH_PHYMEM_PAMT_ADD, 5, BUSY);
	assert_false(hpa_is_none(page_now()));
	softmod_intercept = NULL;
	/* No memory for the pair: for its first page, for its second. */
	for (unsigned n = 2; n <= 3; n++) {
		hpa_t far = tdx_pages_alloc_bare(PAGE_TDX_PRIVATE, 9);

		free = page_count(PAGE_FREE);
		machine_fail_alloc(n - 1);
		assert_int_equal(pairs_get(far, 1), -ENOMEM);
		machine_fail_alloc(0);
		assert_int_equal(page_count(PAGE_FREE), free);
	}
}

/* The module keeps a pair: it serves the next page, is no place for 2M, and goes in the end. */
static void a_pair_that_is_kept_is_idle(void **state)
{
	hpa_t page, block;
	uint64_t free;

	(void)state;
	ready();
	if (!dynamic())
		return;
	tdx_retry_bound = 4;
	free = page_count(PAGE_FREE);
	block = tdx_pages_alloc(PAGE_TDX_PRIVATE, 9);
	assert_int_equal(tdx_pages_use_small(block), 0);
	refusing(TDH_PHYMEM_PAMT_REMOVE, ~0u, BUSY);
	for (unsigned i = 0; i < 512; i++)
		tdx_pages_free(hpa_add(block, i * PAGE_SIZE), PAGE_TDX_PRIVATE, 0);
	assert_int_equal(counts().pairs, 1);
	assert_int_equal(counts().idle, 1);
	assert_int_equal(page_count(PAGE_FREE), free - 2);
	/* The block is free for the allocator, but no page of 2M can be there. */
	assert_false(pairs_vacate(block, 9));
	page = tdx_pages_alloc(PAGE_TDX_PRIVATE, 9);
	assert_false(hpa_is_none(page));
	assert_true(page.v != block.v);
	tdx_pages_free(page, PAGE_TDX_PRIVATE, 9);
	/* A user comes and goes: nothing is added. */
	assert_int_equal(pairs_get(block, 1), 0);
	assert_int_equal(counts().idle, 0);
	assert_int_equal(counts().adds, 1);
	pairs_put(block, 1);
	assert_int_equal(counts().idle, 1);
	pairs_sweep();
	assert_int_equal(counts().pairs, 1);
	softmod_intercept = NULL;
	pairs_sweep();
	assert_int_equal(counts().pairs, 0);
	assert_int_equal(counts().idle, 0);
	assert_int_equal(page_count(PAGE_FREE), free);
	tdx_retry_bound = 1000;
}

/* Who says that all went well but names other pages is not believed. */
static bool other_pages(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_PHYMEM_PAMT_REMOVE)
		return false;
	r->rax = 0;
	r->rdx = MACHINE_BASE;
	return true;
}

static void a_pair_that_comes_back_as_another_is_leaked(void **state)
{
	hpa_t page;

	(void)state;
	ready();
	if (!dynamic())
		return;
	page = page_now();
	softmod_intercept = other_pages;
	tdx_pages_free(page, PAGE_TDX_CONTROL, 0);
	softmod_intercept = NULL;
	assert_int_equal(page_count(PAGE_LEAKED), 2);
	assert_true(machine_logged("2 pages are leaked"));
	assert_int_equal(counts().pairs, 0);
	softmod_unload(); /* what it has is not what it said */
}

/* ---- many at once ---- */

#define ROUNDS 3000u

static hpa_t contended;
static unsigned failures;

static void get_and_put(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		hpa_t page = hpa_add(contended, (cpu_index() * 7 + i) % 512 * PAGE_SIZE);

		if (pairs_get(page, 1)) {
			__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
			continue;
		}
		pairs_put(page, 1);
	}
}

static void cpus_share_a_pair(void **state)
{
	uint64_t free;

	(void)state;
	ready();
	contended = tdx_pages_alloc_bare(PAGE_TDX_PRIVATE, 9);
	free = page_count(PAGE_FREE);
	failures = 0;
	machine_threads(true);
	cpu_call_all(get_and_put, NULL);
	machine_threads(false);
	assert_int_equal(failures, 0);
	assert_int_equal(counts().pairs, 0);
	assert_int_equal(counts().idle, 0);
	assert_int_equal(counts().adds, counts().removes);
	assert_int_equal(page_count(PAGE_FREE), free);
}

/* ---- a TD whose memory ends anywhere ---- */

#define PART UINT64_C(0x1000000) /* 2M of the guest */

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[1];
static char why[200];

static int touch(struct td *td, uint64_t gpa, int level)
{
	struct mmu_fault f = { .gfn = gpa_to_gfn((gpa_t){ gpa }), .root = MMU_MIRROR, .max_level = level };

	return td_memory_fault(td, &f);
}

/* Memory comes in 2M, is split, moved, joined, scattered and gathered, converted. How many steps failed. */
static unsigned live(struct td *td)
{
	gfn_t part = gpa_to_gfn((gpa_t){ PART });
	unsigned failed = 0;

	failed += touch(td, PART, LEVEL_2M) != 0;
	failed += touch(td, PART, LEVEL_4K) != 0; /* DEMOTE */
	failed += td_promote(td, part) != 0;
	failed += touch(td, PART, LEVEL_4K) != 0;
	failed += td_relocate(td, gfn_add(part, 3)) != 0;
	failed += td_promote(td, part) != 0; /* gathered first */
	failed += td_memory_convert(td, (gpa_t){ PART }, 3 * PAGE_SIZE, true) != 0;
	failed += touch(td, PART + SIZE_2M, LEVEL_4K) != 0;
	return failed;
}

static void memory_may_end_anywhere(void **state)
{
	unsigned n = 0, failed = 1;

	(void)state;
	config = (struct guest_config){
		.name = "one", .kind = GUEST_TD, .memory = UINT64_C(32) << 20, .vcpus = 1,
		.page_level = LEVEL_2M,
		.firmware = { .path = "one.fd", .data = tdvf_image_make(), .size = TDVF_IMAGE_SIZE },
	};
	ready();

	const struct platform_config pc = { .name = "one", .memory_bytes = config.memory, .vcpus = 1 };

	assert_int_equal(platform_init(&platform, &pc), 0);
	while (failed) {
		uint64_t free = page_count(PAGE_FREE);
		struct td *td = NULL;

		failed = 0;
		if (td_create(&td, &config, &platform, runs, why, sizeof(why)) != 0)
			fail_msg("%s", why);
		machine_fail_alloc(++n);
		failed = live(td);
		machine_fail_alloc(0);
		assert_false(td->mmu.is_bugged);
		assert_int_equal(td_destroy(td), 0);
		assert_int_equal(page_count(PAGE_FREE), free);
		assert_int_equal(page_count(PAGE_LEAKED), 0);
		assert_int_equal(counts().pairs, 0);
	}
	assert_true(n > 3);
	platform_fini(&platform);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_there_while_its_range_is_used),
		cmocka_unit_test(a_pair_that_is_refused_leaves_nothing_behind),
		cmocka_unit_test(a_pair_that_is_kept_is_idle),
		cmocka_unit_test(a_pair_that_comes_back_as_another_is_leaked),
		cmocka_unit_test(cpus_share_a_pair),
		cmocka_unit_test(memory_may_end_anywhere),
	};
	int failures_seen = softmod_run_versions(tests);

	tdx_fini();
	return failures_seen;
}
