/*
 * tdx_counts.c - what the work of the mirror costs in SEAMCALLs, tracks, kicks and BUSY answers,
 * with 1, 2 and 4 vCPUs of the TD inside: the host side as it is, on the software module's logic.
 *
 * vCPU 0 (or the host itself) does what is counted; the others stay in the guest until they are
 * kicked. They enter again when what was counted is over, so that the number of kicks is exact: one
 * for each CPU that was inside. In the last test nobody waits for anybody.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/exit.h"
#include "tdx/abi/leaf.h"
#include "tdx/retry.h"
#include "tdx/seamcall.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY    (UINT64_C(6) << 30)
#define MAX_VCPUS 4u
#define BLOCK     UINT64_C(0x40000000) /* what is converted: a 2M block at the start of 1 GiB */
#define INTR_NMI  0x80000202u

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[MAX_VCPUS];
static struct td *td;
static uint64_t shared;
static unsigned vcpus;

/* ---- guests ---- */

static struct {
	uint32_t kicked;  /* leave the guest now */
	uint32_t waiting; /* in the guest, until kicked */
} others[MAX_VCPUS] ALIGNED(64);
static uint32_t working, stopping; /* what is counted is under way; the end */

/* What a vCPU does next; false: out, to the run loop. */
typedef bool (*script_fn)(struct soft_vcpu *v, struct soft_exit *x, unsigned step);
static script_fn script;
static unsigned steps[MAX_VCPUS];

static uint32_t get(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static void set(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }

static void leave(struct soft_exit *x)
{
	*x = (struct soft_exit){ .reason = SOFT_EXIT_EXCEPTION_NMI, .intr_info = INTR_NMI };
}

static void stay(unsigned i, struct soft_exit *x)
{
	set(&others[i].waiting, 1);
	while (!get(&others[i].kicked) && !get(&stopping))
		sched_yield();
	set(&others[i].waiting, 0);
	set(&others[i].kicked, 0);
	leave(x);
}

static void others_are_inside(void)
{
	for (unsigned i = 1; i < vcpus; i++)
		while (!get(&others[i].waiting))
			sched_yield();
}

static void guest(struct soft_vcpu *v, struct soft_exit *x)
{
	if (v->index != 0) {
		stay(v->index, x);
		return;
	}
	set(&working, 0);
	others_are_inside();
	if (!script(v, x, steps[0]++))
		leave(x);
	set(&working, 1);
}

static void kick(unsigned cpu)
{
	const struct td_vcpu *v = &td->vcpus[cpu];
	uint32_t was = get(&v->inside);

	if (!(was & 1))
		return;
	set(&others[cpu].kicked, 1);
	while (get(&v->inside) == was)
		sched_yield();
}

static void *run_other(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	machine_cpu(i);
	while (!get(&stopping)) {
		if (!get(&working) && td_vcpu_run(td, i) != RUN_AGAIN)
			fail_msg("vCPU %u: %s", i, runs[i].reason);
		sched_yield();
	}
	return NULL;
}

static void tdvmcall_map_gpa(struct soft_vcpu *v, struct soft_exit *x, uint64_t gpa, uint64_t bytes)
{
	*x = (struct soft_exit){ .reason = SOFT_EXIT_TDCALL, .instr_len = 4 };
	v->gpr.rax = 0;
	v->gpr.rcx = TDVMCALL_MASK_USUAL;
	v->gpr.r10 = 0;
	v->gpr.r11 = TDVMCALL_MAP_GPA;
	v->gpr.r12 = gpa;
	v->gpr.r13 = bytes;
	v->gpr.r14 = v->gpr.r15 = 0;
}

static void accept(struct soft_vcpu *v, struct soft_exit *x, uint64_t gpa, unsigned level)
{
	*x = (struct soft_exit){ .reason = SOFT_EXIT_TDCALL, .instr_len = 4 };
	v->gpr.rax = TDG_MEM_PAGE_ACCEPT;
	v->gpr.rcx = gpa | level;
}

static void touch_shared(struct soft_exit *x, uint64_t gpa)
{
	*x = (struct soft_exit){ .reason = SOFT_EXIT_EPT_VIOLATION,
				 .qualification = 0x182,
				 .gpa = gpa | shared };
}

/* ---- counting ---- */

struct counts {
	uint64_t calls[TDH_LEAF_LIMIT], errors[TDH_LEAF_LIMIT];
	uint64_t tracks, kicks, retries;
};

static struct counts since, got;

static void read_counts(struct counts *c)
{
	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++) {
		struct seamcall_stats st;

		seamcall_stats_read(leaf, &st);
		c->calls[leaf] = st.calls;
		c->errors[leaf] = st.errors;
	}
	c->tracks = td->tracks;
	c->kicks = td->kicks;
	c->retries = tdx_retries;
}

static void begin(void) { read_counts(&since); }

static void stop_counting(void)
{
	read_counts(&got);
	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++) {
		got.calls[leaf] -= since.calls[leaf];
		got.errors[leaf] -= since.errors[leaf];
	}
	got.tracks -= since.tracks;
	got.kicks -= since.kicks;
	got.retries -= since.retries;
}

struct expected {
	unsigned leaf, calls;
};

/* Page pairs come and go by ranges of 2M, not by pages: how many depends on where pages lie. */
static bool is_for_few_pairs(unsigned leaf, uint64_t done)
{
	return (softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT) && done <= 2 * vcpus &&
	       (leaf == TDH_PHYMEM_PAMT_ADD || leaf == TDH_PHYMEM_PAMT_REMOVE);
}

/* These leaves, carried out so often, and no other; entries of vCPUs are theirs to make. */
static void expect_calls(const struct expected *rows, size_t n)
{
	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++) {
		uint64_t want = 0, done = got.calls[leaf] - got.errors[leaf];

		if (leaf == TDH_VP_ENTER || leaf == TDH_VP_FLUSH || is_for_few_pairs(leaf, done))
			continue;
		for (size_t i = 0; i < n; i++)
			if (rows[i].leaf == leaf)
				want = rows[i].calls;
		if (done != want)
			fail_msg("%u vCPUs: leaf %u: done %llu times, %llu expected", vcpus, leaf,
				 (unsigned long long)done, (unsigned long long)want);
	}
}
#define EXPECT(...)                                              \
	do {                                                     \
		const struct expected rows_[] = { __VA_ARGS__ }; \
		expect_calls(rows_, ARRAY_LEN(rows_));           \
	} while (0)

/* Nobody was in anybody's way. */
static void expect_no_refusal(void)
{
	uint64_t errors = 0;

	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++)
		errors += leaf == TDH_VP_FLUSH ? 0 : got.errors[leaf];
	assert_int_equal(errors + got.retries, 0);
}

static uint64_t all_calls(void)
{
	uint64_t n = 0;

	for (unsigned leaf = 0; leaf < TDH_LEAF_LIMIT; leaf++)
		if (leaf != TDH_VP_ENTER && leaf != TDH_VP_FLUSH)
			n += got.calls[leaf];
	return n;
}

static void tell(const char *what)
{
	printf("%s, %u vCPUs: %llu SEAMCALLs, %llu tracks, %llu kicks, %llu BUSY answers\n", what,
	       vcpus, (unsigned long long)all_calls(), (unsigned long long)got.tracks,
	       (unsigned long long)got.kicks, (unsigned long long)got.retries);
}

/* ---- a TD with @n vCPUs ---- */

static pthread_t threads[MAX_VCPUS];

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static void start(unsigned n)
{
	static char why[200];
	struct platform_config pc = { .name = "counted", .vcpus = n, .console = console };
	struct tdx_host host;

	vcpus = n;
	config = (struct guest_config){ .name = "counted",
					.kind = GUEST_TD,
					.memory = UINT64_C(3) << 30,
					.vcpus = n,
					.page_level = LEVEL_2M,
					.firmware = { .path = "counted.fd",
						      .data = tdvf_image_make(),
						      .size = TDVF_IMAGE_SIZE } };
	pc.memory_bytes = config.memory;
	memset(runs, 0, sizeof(runs));
	memset(others, 0, sizeof(others));
	memset(steps, 0, sizeof(steps));
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		runs[i].slice_tsc = UINT64_C(1) << 60;
	set(&working, 1);
	set(&stopping, 0);
	softmod_start(MEMORY, MAX_VCPUS, 52);
	host = *softmod_host();
	host.kick = kick;
	assert_int_equal(tdx_init(&host), 0);
	assert_int_equal(platform_init(&platform, &pc), 0);
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	shared = BIT64(td->gpa_width - 1);
	softmod_guest = guest;
}

static void start_others(void)
{
	set(&working, 0);
	for (unsigned i = 1; i < vcpus; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_other, (void *)(uintptr_t)i),
				 0);
	others_are_inside();
	set(&working, 1);
}

static void end(void)
{
	set(&stopping, 1);
	for (unsigned i = 1; i < vcpus; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(mmu_check(&td->mmu, NULL, NULL), 0);
	assert_int_equal(td_destroy(td), 0);
	assert_int_equal(page_count(PAGE_LEAKED), 0);
	platform_fini(&platform);
}

/* vCPU 0 goes through its script, from where the guest is now to where it leaves by itself. */
static void run_script(script_fn fn)
{
	const struct td_vcpu *v = &td->vcpus[0];
	uint64_t began = tsc_now(), module = v->enter_ticks + v->call_ticks, calls = v->call_ticks;

	script = fn;
	steps[0] = 0;
	if (td_vcpu_run(td, 0) != RUN_AGAIN)
		fail_msg("vCPU 0: %s", runs[0].reason);
	/* What the module had of that, in entries and in other calls, is a part of it. */
	assert_true(v->call_ticks >= calls);
	assert_true(v->enter_ticks + v->call_ticks - module <= tsc_now() - began);
	/* Those that were kicked come back. */
	set(&working, 0);
	others_are_inside();
	set(&working, 1);
}

static gfn_t block(uint64_t offset) { return gfn_add(gpa_to_gfn((gpa_t){ BLOCK }), offset); }

/* The host maps ahead, as large as it goes. */
static void map(uint64_t offset, uint64_t frames, int level)
{
	for (uint64_t i = 0; i < frames; i += level_frames(level)) {
		struct mmu_fault f = { .gfn = block(offset + i),
				       .root = MMU_MIRROR,
				       .max_level = (uint8_t)level };

		assert_int_equal(td_memory_fault(td, &f), 0);
		assert_int_equal(f.level, level);
	}
}

static void zap(uint64_t offset, uint64_t frames)
{
	assert_int_equal(mmu_zap_range(&td->mmu, MMU_MIRROR, block(offset), frames), 0);
	set(&working, 0);
	others_are_inside();
	set(&working, 1);
}

static const unsigned vcpu_counts[] = { 1, 2, 4 };

#define FOR_EACH_VCPU_COUNT(n) \
	for (const unsigned *n = vcpu_counts; n < vcpu_counts + ARRAY_LEN(vcpu_counts); n++)

#define M2 UINT64_C(512)
#define G1 (M2 * 512)

/* ---- 1 GiB by the host ---- */

static void populating_and_removing_1GiB_at_2M(void **state)
{
	(void)state;
	FOR_EACH_VCPU_COUNT(n)
	{
		start(*n);
		start_others();
		/* A first page brings the upper table, and more memory of the module into use. */
		map(G1 - M2, M2, LEVEL_2M);
		begin();
		for (uint64_t i = 0; i < G1 - M2; i += M2)
			map(i, M2, LEVEL_2M);
		stop_counting();
		got.calls[TDH_SYS_TDMR_INIT] = 0;
		EXPECT({ TDH_MEM_PAGE_AUG, 511 });
		assert_int_equal(got.tracks + got.kicks, 0);
		begin();
		zap(0, G1);
		stop_counting();
		tell("removing 1 GiB at 2M");
		/* The pages, and the table that they were in; each page is written back. */
		EXPECT({ TDH_MEM_RANGE_BLOCK, 512 + 1 }, { TDH_MEM_TRACK, 1 + 1 },
		       { TDH_MEM_PAGE_REMOVE, 512 }, { TDH_MEM_SEPT_REMOVE, 1 },
		       { TDH_PHYMEM_PAGE_WBINVD, 512 * 512 + 1 });
		expect_no_refusal();
		assert_int_equal(got.tracks, 2);
		assert_int_equal(got.kicks, *n - 1);
		end();
	}
}

/* ---- 2M out of 512 pages in whatever frames (rule C18) ---- */

static void promoting_2M_of_scattered_pages(void **state)
{
	(void)state;
	FOR_EACH_VCPU_COUNT(n)
	{
		int level;

		start(*n);
		start_others();
		map(0, M2, LEVEL_4K);

		uint64_t pages = td->private_pages;

		begin();
		assert_int_equal(td_promote(td, block(77)), 0);
		stop_counting();
		tell("promoting 2M of scattered pages");
		/* All move behind one track, then the table becomes a page; old frames are written back. */
		EXPECT({ TDH_MEM_RANGE_BLOCK, 512 + 1 }, { TDH_MEM_TRACK, 1 + 1 },
		       { TDH_MEM_PAGE_RELOCATE, 512 }, { TDH_MEM_PAGE_PROMOTE, 1 },
		       { TDH_PHYMEM_PAGE_WBINVD, 512 + 1 });
		expect_no_refusal();
		assert_int_equal(got.kicks, *n - 1);
		assert_int_equal(td->private_pages, pages);
		assert_true(spte_is_accessible_leaf(
			mmu_lookup(&td->mmu, MMU_MIRROR, block(0), &level)));
		assert_int_equal(level, LEVEL_2M);
		assert_int_equal(td_promote(td, block(0)), -EINVAL); /* it is one already */
		assert_int_equal(td_promote(td, block(G1)), -EINVAL);
		assert_int_equal(td->private_pages, pages);
		set(&working, 0);
		others_are_inside();
		set(&working, 1);
		end();
	}
}

/* ---- 1G out of 512 pages of 2M that lie in one GiB of frames (rules D1, C18) ---- */

static hpa_t gib; /* where the test's slot has its frames */

static int resolve_in_gib(struct memslot *slot, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	(void)slot;
	if (root != MMU_MIRROR)
		return -ENOMEM;
	assert_int_equal(*level, LEVEL_2M); /* rule D1: nothing larger is ever asked for */
	*pfn = pfn_add(hpa_to_pfn(gib), gfn.v % G1);
	__atomic_fetch_add(&td->private_pages, M2, __ATOMIC_RELAXED);
	return 0;
}

static int level_at(uint64_t offset)
{
	int level;

	assert_true(spte_is_accessible_leaf(
		mmu_lookup(&td->mmu, MMU_MIRROR, block(offset), &level)));
	return level;
}

static void promoting_1G_that_lies_in_one_GiB(void **state)
{
	struct memslot_ops ops;
	struct memslot *slot;

	(void)state;
	start(2);
	start_others();
	slot = mmu_slot_find(&td->mmu, block(0));
	assert_non_null(slot);
	ops = *slot->ops;
	ops.resolve = resolve_in_gib;
	slot->ops = &ops;
	/* All the memory that the module will take, so that there is a GiB in one piece. */
	while (tdx_pages_extend() == 0)
		continue;
	gib = tdx_pages_alloc(PAGE_TDX_PRIVATE, 18);
	assert_false(hpa_is_none(gib));

	uint64_t pages = td->private_pages;

	map(0, G1 - M2, LEVEL_2M);
	assert_int_equal(mmu_join_private(&td->mmu, block(0), LEVEL_1G), -EINVAL);
	map(G1 - M2, M2, LEVEL_2M);
	begin();
	assert_int_equal(mmu_join_private(&td->mmu, block(5), LEVEL_1G), 0);
	stop_counting();
	tell("promoting 1G");
	EXPECT({ TDH_MEM_RANGE_BLOCK, 1 }, { TDH_MEM_TRACK, 1 }, { TDH_MEM_PAGE_PROMOTE, 1 },
	       { TDH_PHYMEM_PAGE_WBINVD, 1 });
	expect_no_refusal();
	assert_int_equal(got.kicks, 1);
	assert_int_equal(level_at(0), LEVEL_1G);
	assert_int_equal(mmu_check(&td->mmu, NULL, NULL), 0);
	set(&working, 0);
	others_are_inside();
	set(&working, 1);

	/* What the guest accepts in smaller pieces is taken apart again, to that level and no further. */
	begin();
	struct mmu_fault f = { .gfn = block(3 * M2), .root = MMU_MIRROR, .max_level = LEVEL_2M };

	assert_int_equal(td_memory_fault(td, &f), 0);
	stop_counting();
	EXPECT({ TDH_MEM_RANGE_BLOCK, 1 }, { TDH_MEM_TRACK, 1 }, { TDH_MEM_PAGE_DEMOTE, 1 });
	assert_int_equal(level_at(0), LEVEL_2M);
	assert_int_equal(level_at(G1 - 1), LEVEL_2M);
	assert_int_equal(td->private_pages, pages + G1);
	set(&working, 0);
	others_are_inside();
	set(&working, 1);

	/* And it goes as one page, if it is one. */
	assert_int_equal(mmu_join_private(&td->mmu, block(0), LEVEL_1G), 0);
	zap(0, G1);
	assert_int_equal(td->private_pages, pages);
	end();
}

/* ---- conversions by the guest ---- */

static uint64_t piece; /* bytes of one MapGPA */

static bool to_shared(struct soft_vcpu *v, struct soft_exit *x, unsigned step)
{
	uint64_t at = step * piece;

	if (step > 0)
		assert_int_equal(v->gpr.r10, 0);
	if (at >= SIZE_2M)
		return false;
	tdvmcall_map_gpa(v, x, (BLOCK + at) | shared, piece);
	return true;
}

static bool to_private(struct soft_vcpu *v, struct soft_exit *x, unsigned step)
{
	uint64_t at = step * piece;

	if (step > 0)
		assert_int_equal(v->gpr.r10, 0);
	if (at >= SIZE_2M)
		return false;
	tdvmcall_map_gpa(v, x, BLOCK + at, piece);
	return true;
}

static bool touch_shared_block(struct soft_vcpu *v, struct soft_exit *x, unsigned step)
{
	(void)v;
	if (step > 0)
		return false;
	touch_shared(x, BLOCK);
	return true;
}

/* Accept 2M: if nothing is there, the host adds it and the guest is asked again. */
static bool accept_2M(struct soft_vcpu *v, struct soft_exit *x, unsigned step)
{
	if (step > 0 && v->gpr.rax != TDG_MEM_PAGE_ACCEPT)
		return false;
	accept(v, x, BLOCK, 1);
	return true;
}

static void a_2M_block_becomes_shared_and_private_again(void **state)
{
	(void)state;
	piece = SIZE_2M;
	FOR_EACH_VCPU_COUNT(n)
	{
		start(*n);
		map(M2, M2, LEVEL_2M); /* a neighbour keeps the tables */
		start_others();
		run_script(accept_2M);
		begin();
		run_script(to_shared);
		run_script(touch_shared_block);
		run_script(to_private);
		run_script(accept_2M);
		stop_counting();
		tell("a 2M block to shared and back");
		assert_true(td->vcpus[0].call_ticks > 0);
		EXPECT({ TDH_MEM_RANGE_BLOCK, 1 }, { TDH_MEM_TRACK, 1 }, { TDH_MEM_PAGE_REMOVE, 1 },
		       { TDH_PHYMEM_PAGE_WBINVD, 512 }, { TDH_MEM_PAGE_AUG, 1 });
		expect_no_refusal();
		assert_int_equal(got.tracks, 1);
		/* One to lose the private page, one to lose the shared page: the vCPUs inside. */
		assert_int_equal(got.kicks, 2 * (*n - 1));
		end();
	}
}

static void a_2M_block_becomes_shared_in_4K_pieces(void **state)
{
	(void)state;
	piece = PAGE_SIZE;
	FOR_EACH_VCPU_COUNT(n)
	{
		start(*n);
		map(M2, M2, LEVEL_2M);
		start_others();
		run_script(accept_2M);
		begin();
		run_script(to_shared);
		stop_counting();
		tell("MapGPA of 2M in 4K pieces");
		/* Split once; a page a piece; the table that is empty in the end. */
		EXPECT({ TDH_MEM_RANGE_BLOCK, 1 + 512 + 1 }, { TDH_MEM_TRACK, 1 + 512 + 1 },
		       { TDH_MEM_PAGE_DEMOTE, 1 }, { TDH_MEM_PAGE_REMOVE, 512 },
		       { TDH_MEM_SEPT_REMOVE, 1 }, { TDH_PHYMEM_PAGE_WBINVD, 512 + 1 });
		expect_no_refusal();
		assert_int_equal(got.tracks, 1 + 512 + 1);
		assert_int_equal(got.kicks, 512 * (*n - 1));
		begin();
		run_script(to_private);
		stop_counting();
		tell("and back");
		/* Nothing was mapped on either side: nothing to do, nobody to disturb. */
		assert_int_equal(all_calls() + got.tracks + got.kicks, 0);
		end();
	}
}

/* ---- a 2M accept after a 4K hole ---- */

static bool one_page_to_shared_and_back(struct soft_vcpu *v, struct soft_exit *x, unsigned step)
{
	const uint64_t gpa = BLOCK + 7 * PAGE_SIZE;

	if (step == 2)
		return false;
	tdvmcall_map_gpa(v, x, step == 0 ? gpa | shared : gpa, PAGE_SIZE);
	return true;
}

/*
 * As a guest does it: 2M, which does not fit; then 4K after 4K, all but one of which it has
 * accepted before. An answer other than the leaf's own number is the module's.
 */
static bool accept_by_size(struct soft_vcpu *v, struct soft_exit *x, unsigned step)
{
	static unsigned next; /* 0: all of it; else page next - 1 */
	bool answered = step > 0 && v->gpr.rax != TDG_MEM_PAGE_ACCEPT;
	tdx_status_t st = { v->gpr.rax };

	if (step == 0)
		next = 0;
	if (answered) {
		if (next == 0)
			assert_true(tdx_is(st, TDX_PAGE_SIZE_MISMATCH));
		else if (next == 8)
			assert_true(tdx_is(st, TDX_SUCCESS));
		else
			assert_true(tdx_is(st, TDX_PAGE_ALREADY_ACCEPTED));
		next++;
	}
	if (next > M2)
		return false;
	accept(v, x, BLOCK + (next ? next - 1 : 0) * PAGE_SIZE, next ? 0 : 1);
	return true;
}

static void a_2M_accept_after_one_4K_hole(void **state)
{
	(void)state;
	FOR_EACH_VCPU_COUNT(n)
	{
		start(*n);
		map(M2, M2, LEVEL_2M);
		start_others();
		run_script(accept_2M);
		run_script(one_page_to_shared_and_back);
		begin();
		run_script(accept_by_size);
		stop_counting();
		tell("a 2M accept after a 4K hole");
		EXPECT({ TDH_MEM_PAGE_AUG, 1 });
		expect_no_refusal();
		assert_int_equal(got.tracks + got.kicks, 0);
		end();
	}
}

/* ---- nobody waits for anybody ---- */

/* Every vCPU on a 2M block of its own: accept it, give it away in 4K pieces, and once more. */
enum phase { ACCEPT, GIVE, TAKE, ACCEPT_AGAIN, DONE };

static struct {
	enum phase phase;
	bool asked; /* an ACCEPT is under way */
	unsigned n; /* pieces converted */
} alone[MAX_VCPUS] ALIGNED(64);
static uint32_t finished;

/* It is repeated until the page is there and nobody is in the way. */
static bool accepted(const struct soft_vcpu *v)
{
	tdx_status_t st = { v->gpr.rax };

	return v->gpr.rax != TDG_MEM_PAGE_ACCEPT && !tdx_is(st, TDX_OPERAND_BUSY) &&
	       !tdx_is(st, TDX_OPERAND_BUSY_HOST_PRIORITY);
}

static void guest_alone(struct soft_vcpu *v, struct soft_exit *x)
{
	unsigned i = v->index;
	uint64_t gpa = BLOCK + SIZE_2M * i;

	if (alone[i].asked && accepted(v)) {
		if (v->gpr.rax != 0)
			fail_msg("vCPU %u: ACCEPT said %#llx", i, (unsigned long long)v->gpr.rax);
		alone[i].asked = false;
		alone[i].phase++;
	}
	if (alone[i].n == M2) {
		alone[i].n = 0;
		alone[i].phase++;
	}
	switch (alone[i].phase) {
	case ACCEPT:
	case ACCEPT_AGAIN:
		alone[i].asked = true;
		accept(v, x, gpa, 1);
		return;
	case GIVE:
	case TAKE:
		gpa += PAGE_SIZE * alone[i].n++;
		tdvmcall_map_gpa(v, x, alone[i].phase == GIVE ? gpa | shared : gpa, PAGE_SIZE);
		return;
	case DONE:
		alone[i].phase++;
		__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
		break;
	default:
		break;
	}
	leave(x);
}

static void no_kick(unsigned cpu) { (void)cpu; }

static void *run_alone(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	machine_cpu(i);
	while (get(&finished) < vcpus)
		if (td_vcpu_run(td, i) != RUN_AGAIN)
			fail_msg("vCPU %u: %s", i, runs[i].reason);
	return NULL;
}

static void all_vcpus_convert_at_once(void **state)
{
	(void)state;
	FOR_EACH_VCPU_COUNT(n)
	{
		start(*n);
		map(MAX_VCPUS * M2, M2, LEVEL_2M);
		memset(alone, 0, sizeof(alone));
		finished = 0;
		softmod_guest = guest_alone;
		tdx_state.host.kick = no_kick; /* nobody stays */
		begin();
		for (unsigned i = 1; i < *n; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, run_alone, (void *)(uintptr_t)i),
				0);
		run_alone(NULL);
		for (unsigned i = 1; i < *n; i++)
			pthread_join(threads[i], NULL);
		stop_counting();
		tell("all vCPUs convert 2M in 4K pieces at once");
		/* As many steps for each as for one alone. */
		EXPECT({ TDH_MEM_RANGE_BLOCK, *n * (1 + 512 + 1) },
		       { TDH_MEM_TRACK, *n * (1 + 512 + 1) }, { TDH_MEM_PAGE_DEMOTE, *n },
		       { TDH_MEM_PAGE_REMOVE, *n * 512 }, { TDH_MEM_SEPT_REMOVE, *n },
		       { TDH_PHYMEM_PAGE_WBINVD, *n * (512 + 1) }, { TDH_MEM_PAGE_AUG, 2 * *n });
		assert_int_equal(got.tracks, *n * (1 + 512 + 1));
		assert_true(got.retries < all_calls() / 2);
		vcpus = 1; /* the others have ended */
		end();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(populating_and_removing_1GiB_at_2M),
		cmocka_unit_test(promoting_2M_of_scattered_pages),
		cmocka_unit_test(promoting_1G_that_lies_in_one_GiB),
		cmocka_unit_test(a_2M_block_becomes_shared_and_private_again),
		cmocka_unit_test(a_2M_block_becomes_shared_in_4K_pieces),
		cmocka_unit_test(a_2M_accept_after_one_4K_hole),
		cmocka_unit_test(all_vcpus_convert_at_once),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
