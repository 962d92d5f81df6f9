/*
 * tdx_sites.c - every place that calls a leaf fails in turn, with a status of each class.
 *
 * The places are the records of tdx/call_site.h: whatever the compiler found in tdx/. One scenario
 * goes through all of them: bring-up, a TD's build, a run with faults, conversions and a change of
 * CPU, split, join and move of private pages, removal, the self-check, teardown. It is repeated for
 * each place, status and choice of which calls there fail. Statuses are put in place of the call:
 * the module's state stays as it was.
 *
 * Afterwards: pages are all back, or leaked, and then as many as were reported; nothing that is
 * free is the module's by its own metadata; KeyIDs are free or leaked; another TD lives its life.
 * In the scenario without a failure every place is reached, and every step does what it should.
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
#include "tdx/call_site.h"
#include "tdx/keyid.h"
#include "tdx/pairs.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"
#include "tdx/td_interrupt.h"
#include "tdx/tdvf.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY      (UINT64_C(256) << 20)
#define FRAMES      (MEMORY / PAGE_SIZE)
#define CPUS        2
#define IMAGE       (16 * PAGE_SIZE)
#define NO_END      (~0u)
#define NDA         0 /* page type of the module: nobody's */
#define RUNS        64
#define LEAKED_MANY 8 /* pages: time for another machine */
#define PLAN_PAGES  16

/* ---- the records ---- */

extern struct tdx_site *__start_tdx_sites[], *__stop_tdx_sites[];

static size_t site_count(void) { return (size_t)(__stop_tdx_sites - __start_tdx_sites); }

static size_t site_number(const struct tdx_site *site)
{
	for (size_t i = 0; i < site_count(); i++)
		if (__start_tdx_sites[i] == site)
			return i;
	fail_msg("a leaf was called at no known place");
	return 0;
}

/* ---- failing ---- */

static struct {
	const struct tdx_site *site; /* NULL: none */
	uint64_t status;
	unsigned first, end; /* calls at that place which fail */
	unsigned calls, made;
	bool refused_remove; /* it was PAMT.REMOVE */
} failing;
static bool own_calls; /* the test itself asks the module */
static unsigned reached[128];

/* Frames that the module was ever offered in this machine. */
static bool offered[FRAMES];

static void offer(uint64_t hpa, uint64_t frames)
{
	uint64_t first = (align_down(hpa, PAGE_SIZE) - MACHINE_BASE) / PAGE_SIZE;

	for (uint64_t i = first; i < first + frames && i < FRAMES; i++)
		offered[i] = true;
}

static void note_offer(const struct soft_regs *r)
{
	switch (r->rax & 0xffff) {
	case TDH_MNG_CREATE:
	case TDH_MNG_ADDCX:
	case TDH_VP_CREATE:
	case TDH_VP_ADDCX:
		offer(r->rcx, 1);
		break;
	case TDH_MEM_PAGE_AUG:
		offer(r->r8, r->rcx & 7 ? TABLE_ENTRIES : 1);
		break;
	case TDH_PHYMEM_PAMT_ADD:
		offer(r->rdx, 1);
		offer(r->r8, 1);
		break;
	case TDH_MEM_PAGE_DEMOTE:
		if (r->r12) {
			offer(r->r12, 1);
			offer(r->r13, 1);
		}
		offer(r->r8, 1);
		break;
	case TDH_MEM_SEPT_ADD:
	case TDH_MEM_PAGE_ADD:
	case TDH_MEM_PAGE_RELOCATE:
		offer(r->r8, 1);
		break;
	default:
		break;
	}
}

/*
 * Rules C11 and C19: the host's lock is held as the module will hold its own. Only for a TD that was created:
 * before that nobody else knows it.
 */
static struct td *alive;
static unsigned tree_alone, tree_shared;

static void check_tree_lock(uint64_t leaf)
{
	if (!alive)
		return;
	switch (leaf) {
	case TDH_MEM_RANGE_BLOCK:
	case TDH_MEM_RANGE_UNBLOCK:
	case TDH_MEM_SEPT_REMOVE:
		assert_true(alive->tree_lock.state & RWLOCK_WRITER);
		tree_alone++;
		break;
	case TDH_MEM_SEPT_ADD:
	case TDH_MEM_PAGE_AUG:
	case TDH_MEM_PAGE_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
	case TDH_MEM_PAGE_DEMOTE:
	case TDH_MEM_PAGE_RELOCATE:
	case TDH_MEM_SEPT_RD:
	case TDH_MEM_RD:
		assert_int_equal(alive->tree_lock.state, 1); /* one reader, and no writer */
		tree_shared++;
		break;
	case TDH_MEM_TRACK: /* rule C11: one at a time */
		assert_true(alive->track_lock.next != alive->track_lock.owner);
		break;
	default: /* no leaf of the tree: the lock is not held */
		assert_true(!rwlock_held(&alive->tree_lock) ||
			    leaf == TDH_PHYMEM_PAGE_WBINVD || leaf == TDH_PHYMEM_PAGE_RECLAIM ||
			    leaf == TDH_PHYMEM_PAMT_ADD || leaf == TDH_PHYMEM_PAMT_REMOVE);
	}
}

static bool intercept(struct soft_regs *r)
{
	unsigned n;

	if (own_calls)
		return false;
	check_tree_lock(r->rax & 0xffff);
	reached[site_number(tdx_site_now)]++;
	note_offer(r);
	/* The first write-back of caches is interrupted, so that it is resumed. */
	softmod_interrupt = (r->rax & 0xffff) == TDH_PHYMEM_CACHE_WB && r->rcx == 0;
	if (tdx_site_now != failing.site)
		return false;
	n = failing.calls++;
	if (n < failing.first || n >= failing.end)
		return false;
	failing.made++;
	failing.refused_remove |= (r->rax & 0xffff) == TDH_PHYMEM_PAMT_REMOVE;
	r->rax = failing.status;
	return true;
}

/* ---- the guest ---- */

static uint8_t image[IMAGE] ALIGNED(4096);

/* Four pages of code, temporary memory and a HOB. */
static void make_image(void)
{
	static const uint8_t guid[16] = { 0xf3, 0xf9, 0xea, 0xe9, 0x8e, 0x16, 0xd5, 0x44,
					  0xa8, 0xeb, 0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae };
	static const struct {
		uint32_t offset, raw;
		uint64_t gpa, bytes;
		uint32_t type, attributes;
	} sections[] = {
		{ IMAGE - 4 * PAGE_SIZE, 4 * PAGE_SIZE, TDVF_TOP - 4 * PAGE_SIZE, 4 * PAGE_SIZE,
		  TDVF_BFV, TDVF_EXTEND },
		{ 0, 0, 0x800000, 2 * PAGE_SIZE, TDVF_TEMP_MEM, 0 },
		{ 0, 0, 0x809000, 2 * PAGE_SIZE, TDVF_TD_HOB, 0 },
	};
	uint32_t header[4] = { 0x46564454, 16 + sizeof(sections), 1, ARRAY_LEN(sections) };
	uint32_t offset = 0x800;
	uint8_t *at = image + IMAGE - offset;

	memcpy(at - 16, guid, 16);
	memcpy(at, header, sizeof(header));
	memcpy(at + sizeof(header), sections, sizeof(sections));
	memcpy(image + IMAGE - 0x20, &offset, sizeof(offset));
}

#define CONVERTED UINT64_C(0x1000000) /* 2M that the guest accepts, then converts in part */
#define MIXED     UINT64_C(0x1200000) /* 2M of which one page is accepted after a split */
#define PENDING   UINT64_C(0x1400000) /* 2M never accepted: split and joined */

static unsigned step;

static void tdvmcall(struct soft_vcpu *v, struct soft_exit *x, uint64_t r11, uint64_t r12,
		     uint64_t r13)
{
	x->reason = SOFT_EXIT_TDCALL;
	x->instr_len = 4;
	v->gpr.rax = 0;
	v->gpr.rcx = TDVMCALL_MASK_USUAL;
	v->gpr.r10 = 0;
	v->gpr.r11 = r11;
	v->gpr.r12 = r12;
	v->gpr.r13 = r13;
	v->gpr.r14 = 0;
	v->gpr.r15 = 0;
}

static void touch(struct soft_exit *x, uint64_t gpa)
{
	x->reason = SOFT_EXIT_EPT_VIOLATION;
	x->qualification = 0x182;
	x->gpa = gpa;
}

static void accept_page(struct soft_vcpu *v, struct soft_exit *x, uint64_t gpa, unsigned level)
{
	x->reason = SOFT_EXIT_TDCALL;
	x->instr_len = 4;
	v->gpr.rax = TDG_MEM_PAGE_ACCEPT;
	v->gpr.rcx = gpa | level;
}

/* What it sees is not looked at: it depends on what failed. */
static void guest(struct soft_vcpu *v, struct soft_exit *x)
{
	const uint64_t shared = BIT64(39);

	switch (step++) {
	case 0:
		touch(x, CONVERTED);
		break;
	case 1:
		accept_page(v, x, CONVERTED, 1);
		break;
	case 2:
		tdvmcall(v, x, TDVMCALL_MAP_GPA, (CONVERTED + 0x1000) | shared, 0x3000);
		break;
	case 3:
		touch(x, (CONVERTED + 0x1000) | shared);
		break;
	case 4:
		tdvmcall(v, x, TDVMCALL_MAP_GPA, CONVERTED + 0x1000, 0x3000);
		break;
	case 5: /* nothing is there: the host adds a page, and it is done again */
	case 6:
		accept_page(v, x, CONVERTED + 0x1000, 0);
		break;
	case 7:
		touch(x, MIXED);
		break;
	case 8:
		touch(x, PENDING);
		break;
	case 9: /* by now the fault before is resolved */
		tdvmcall(v, x, TDVMCALL_CPUID, 0x40000000, 0);
		break;
	case 10: /* the host has split it */
		accept_page(v, x, MIXED, 0);
		break;
	case 11: /* an interrupt and an NMI wait: it does not sleep */
		tdvmcall(v, x, TDVMCALL_HLT, 0, 0);
		break;
	default:
		x->reason = SOFT_EXIT_TRIPLE_FAULT;
	}
}

/* ---- the scenario ---- */

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[2];
static char why[200];
static uint64_t leaked_at_start, in_pairs_at_start;

static void start_machine(void)
{
	softmod_start(MEMORY, CPUS, 40);
	memset(offered, 0, sizeof(offered));
	softmod_intercept = intercept;
	softmod_guest = guest;
}

static void new_platform(void)
{
	const struct platform_config pc = { .name = "one",
					    .memory_bytes = config.memory,
					    .vcpus = config.vcpus };

	memset(runs, 0, sizeof(runs));
	assert_int_equal(platform_init(&platform, &pc), 0);
}

static int split(struct td *td, uint64_t gpa)
{
	struct mmu_fault f = { .gfn = gpa_to_gfn((gpa_t){ gpa }),
			       .root = MMU_MIRROR,
			       .max_level = LEVEL_4K };

	return td_memory_fault(td, &f);
}

static gfn_t frame(uint64_t gpa) { return gpa_to_gfn((gpa_t){ gpa }); }

/* Move one 4K page to another frame; who gives a frame counts it. */
static int move(struct td *td, uint64_t gpa)
{
	hpa_t to = tdx_pages_get(PAGE_TDX_PRIVATE, 0);
	int err;

	if (hpa_is_none(to))
		return -ENOMEM;
	td->private_pages++;
	err = mmu_move_private(&td->mmu, frame(gpa), hpa_to_pfn(to));
	if (!err)
		return 0;
	td->private_pages--;
	tdx_pages_free(to, PAGE_TDX_PRIVATE, 0);
	return err;
}

/* What the scenario's steps came to; check_all_well() says what is wanted of them. */
struct results {
	int create, split_mixed, split_pending, join_pending, join_mixed, move, zap, identity, read;
	unsigned findings;
	enum vcpu_outcome outcome;
	uint64_t leaked;
};

static void host_part(struct td *td, struct results *r)
{
	r->split_pending = split(td, PENDING);
	r->join_pending = mmu_join_private(&td->mmu, frame(PENDING), LEVEL_2M);
	r->split_mixed = split(td, MIXED);
}

static void run(struct td *td, struct results *r)
{
	bool done = false;

	r->outcome = RUN_AGAIN;
	for (unsigned i = 0; i < RUNS && r->outcome == RUN_AGAIN; i++) {
		machine_cpu(step >= 7); /* in the middle it moves to the other CPU */
		if (step == 10 && !done) {
			host_part(td, r);
			assert_true(td_vcpu_post(td_vcpu_at(td, 0), 0x40));
			td_vcpu_post_nmi(td_vcpu_at(td, 0));
			done = true;
		}
		r->outcome = td_vcpu_run(td, 0); /* no time: one round each */
	}
	machine_cpu(0);
}

static void ignore_finding(void *arg, const struct mmu_finding *f)
{
	(void)arg;
	if (getenv("TAIN_LOG"))
		fprintf(stderr, "G%u: %s\n", f->rule, f->what);
}

static struct results live(void)
{
	struct results r = { 0 };
	struct td_identity id;
	struct td *td = NULL;
	uint64_t word;

	step = 0;
	why[0] = 0;
	r.create = td_create(&td, &config, &platform, runs, why, sizeof(why));
	if (r.create) {
		assert_true(why[0] != 0);
		return r;
	}
	alive = td;
	run(td, &r);
	r.join_mixed = mmu_join_private(&td->mmu, frame(MIXED), LEVEL_2M);
	r.move = move(td, MIXED + PAGE_SIZE);
	r.identity = td_identity(td, &id);
	r.read = td_private_read(td, (gpa_t){ MIXED }, &word);
	r.findings = mmu_check(&td->mmu, ignore_finding, NULL);
	r.zap = mmu_zap_range(&td->mmu, MMU_MIRROR, frame(MIXED), TABLE_ENTRIES);
	alive = NULL;
	r.leaked = td_destroy(td);
	return r;
}

/* ---- what must hold afterwards ---- */

static void check_ownership(void)
{
	own_calls = true;
	for (uint64_t i = 0; i < FRAMES; i++) {
		hpa_t page = { MACHINE_BASE + i * PAGE_SIZE };
		struct page_metadata md;

		if (!offered[i] || machine_owner(page) != PAGE_FREE)
			continue;
		assert_true(tdx_ok(tdh_phymem_page_rdmd(page, &md)));
		if (md.type != NDA)
			fail_msg("0x%llx is free, but of type %llu for the module",
				 (unsigned long long)page.v, (unsigned long long)md.type);
	}
	own_calls = false;
}

/* Pages that describe 4K pages: of what was leaked, and what the module would not give back. */
static uint64_t in_pairs(void)
{
	struct pairs_counts n;

	pairs_read(&n);
	return 2 * n.pairs;
}

static void note_start(void)
{
	leaked_at_start = page_count(PAGE_LEAKED);
	in_pairs_at_start = in_pairs();
}

/*
 * All pages are back but those that were leaked, and those were reported; page pairs stay only with leaked
 * pages, or if the module was asked and refused.
 */
static void check_pages(uint64_t before, const struct results *r)
{
	uint64_t leaked = page_count(PAGE_LEAKED) - leaked_at_start;
	char line[80];

	assert_int_equal(page_count(PAGE_TDX_CONTROL), 0);
	assert_int_equal(page_count(PAGE_TDX_SEPT), 0);
	assert_int_equal(page_count(PAGE_TDX_PRIVATE), 0);
	assert_int_equal(page_count(PAGE_FREE) + leaked + in_pairs() - in_pairs_at_start, before);
	if (!leaked && !failing.refused_remove)
		assert_int_equal(in_pairs(), in_pairs_at_start);
	snprintf(line, sizeof(line), ": %llu pages are leaked", (unsigned long long)leaked);
	if (leaked)
		assert_true(machine_logged(line));
	if (r->create == 0)
		assert_int_equal(r->leaked, leaked);
}

static void check_keyids(void)
{
	struct keyid_counts k = keyid_counts();

	assert_int_equal(k.used, k.leaked);
}

static void set_up(void)
{
	make_image();
	config = (struct guest_config){
		.name = "one",
		.kind = GUEST_TD,
		.memory = UINT64_C(32) << 20,
		.vcpus = 1,
		.page_level = LEVEL_2M,
		.firmware = { .path = "one.fd", .data = image, .size = IMAGE },
	};
}

static void check_all_well(const struct results *r)
{
	assert_int_equal(r->create, 0);
	assert_int_equal(r->split_pending, 0);
	assert_int_equal(r->join_pending, 0);
	assert_int_equal(r->split_mixed, 0);
	assert_int_equal(r->join_mixed, -EOPNOTSUPP);
	assert_int_equal(r->move, 0);
	assert_int_equal(r->zap, 0);
	assert_int_equal(r->identity, 0);
	assert_int_equal(r->read, -EACCES);
	assert_int_equal(r->findings, 0);
	assert_int_equal(r->outcome, RUN_DEAD);
	assert_non_null(strstr(runs[0].reason, "triple fault"));
	assert_int_equal(step, 13);
	assert_int_equal(r->leaked, 0);
}

/*
 * Places that only somebody who looks in or calls by hand gets to: what a refusal there means is said to
 * that person, and no TD's life depends on it. tests/unit/monitor_seamcall.c, tests/e2e/test_inside.py
 * and the debugger's tests have them. Nor is a module replaced or left in this scenario: tdx_seamldr.c,
 * tdx_leave.c.
 */
static bool is_for_people(const struct tdx_site *s)
{
	static const char *const files[] = { "tdx/by_hand.c", "tdx/td_look.c", "tdx/td_debug.c",
					     "tdx/seamldr.c", "tdx/leave.c" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(s->file, files[i]) == 0)
			return true;
	return strstr(s->call, "tdh_mem_wr(") != NULL;
}

/* Page pairs are of modules with dynamic PAMT. */
static bool is_for_this_module(const struct tdx_site *s)
{
	return !strstr(s->call, "tdh_phymem_pamt_") ||
	       (softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT);
}

static bool *in_bring_up; /* by place: reached before the first TD */

/* Without a failure: all goes well, and no place is missed. */
static void C19_every_place_is_reached_under_its_lock(void **state)
{
	struct results r;
	uint64_t before;
	unsigned missed = 0;

	(void)state;
	set_up();
	assert_in_range(site_count(), 30, ARRAY_LEN(reached));
	free(in_bring_up);
	in_bring_up = calloc(site_count(), sizeof(*in_bring_up));
	memset(reached, 0, sizeof(reached)); /* by the version before */
	start_machine();
	assert_int_equal(tdx_init(softmod_host()), 0);
	for (size_t i = 0; i < site_count(); i++)
		in_bring_up[i] = reached[i] != 0;
	new_platform();
	before = page_count(PAGE_FREE);
	r = live();
	check_all_well(&r);
	check_pages(before, &r);
	check_ownership();
	check_keyids();
	platform_fini(&platform);
	for (size_t i = 0; i < site_count(); i++) {
		const struct tdx_site *s = __start_tdx_sites[i];

		if (reached[i] || is_for_people(s) || !is_for_this_module(s))
			continue;
		fprintf(stderr, "never reached: %s:%d %s\n", s->file, s->line, s->call);
		missed++;
	}
	assert_int_equal(missed, 0);
	assert_true(tree_alone > 0 && tree_shared > 0);
}

/* ---- failures ---- */

static const struct class
{
	const char *name;
	uint64_t status;
	bool transient;
} classes[] = {
	{ "operand busy", UINT64_C(0x8000020000000001), true },
	{ "system busy", UINT64_C(0x8000020200000000), true },
	{ "interrupted, restartable", UINT64_C(0x8000000400000000), true },
	{ "operand invalid", UINT64_C(0xc000010000000001), false },
	{ "page metadata incorrect", UINT64_C(0xc000030000000001), false },
	{ "life cycle state incorrect", UINT64_C(0xc000060700000000), false },
	{ "TD fatal", UINT64_C(0xe000060400000000), false },
	{ "unknown error", UINT64_C(0xc0007fff00000000), false },
	{ "no module", TDX_SW_VMFAILINVALID, false },
};

/* Which calls at the place fail. For ever is for a transient status: longer than it is retried. */
static const struct choice {
	const char *name;
	unsigned first, end, end_transient;
} choices[] = {
	{ "first", 0, 1, 3 },
	{ "second", 1, 2, 4 },
	{ "from the first", 0, NO_END, 200 },
};

/* A machine that is ready and has lost little: leaks make memory too fragmented for 2M pages. */
static void need_machine(void)
{
	if (tdx_phase() == TDX_READY && page_count(PAGE_LEAKED) < LEAKED_MANY && !in_pairs() &&
	    keyid_counts().leaked == 0)
		return;
	start_machine();
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(tdx_phase(), TDX_READY);
}

static void set_failing(const struct tdx_site *site, const struct class *c, const struct choice *w)
{
	failing.site = site;
	failing.status = c->status;
	failing.first = w->first;
	failing.end = c->transient ? w->end_transient : w->end;
	failing.calls = failing.made = 0;
	failing.refused_remove = false;
}

/*
 * Bring-up fails, or not: then it holds nothing but the PAMT that the module has been told of, says
 * why, and TDs are refused with a reason. Without the failure another try comes through.
 */
static void fail_bring_up(const struct class *c, const struct choice *w)
{
	uint64_t before;
	int err;
	struct results r;

	softmod_interrupt = false;
	before = page_count(PAGE_FREE);
	err = tdx_init(softmod_host());
	if (failing.made && c->transient && w->end != NO_END)
		assert_int_equal(err, 0);
	if (!err)
		return;
	assert_true(tdx_phase() == TDX_FAILED || tdx_phase() == TDX_ABSENT);
	assert_true(tdx_reason()[0] != 0);
	if (!tdx_state.done.configured)
		assert_int_equal(page_count(PAGE_TDX_PAMT), 0);
	assert_int_equal(page_count(PAGE_LEAKED), 0);
	r = live();
	assert_int_equal(r.create, -ENODEV);
	check_keyids();
	failing.site = NULL;
	assert_int_equal(tdx_retry(), 0);
	before -= page_count(PAGE_TDX_PAMT) + PLAN_PAGES + pairs_table_bytes() / PAGE_SIZE;
	assert_int_equal(page_count(PAGE_FREE), before);
	note_start();
	r = live();
	check_all_well(&r);
	check_pages(before, &r);
}

/* The life of a TD meets the failure; the next one does not. */
static void fail_life(const struct class *c, const struct choice *w)
{
	struct results r;
	uint64_t before = page_count(PAGE_FREE);

	note_start();
	machine_log_clear();
	r = live();
	failing.site = NULL;
	if (failing.made && c->transient && w->end != NO_END)
		check_all_well(&r);
	check_pages(before, &r);
	check_ownership();
	check_keyids();

	before = page_count(PAGE_FREE);
	note_start();
	failing.refused_remove = false;
	r = live();
	check_all_well(&r);
	check_pages(before, &r);
}

static unsigned scenarios, failures_made;

static void fail_once(size_t i, const struct class *c, const struct choice *w)
{
	const struct tdx_site *site = __start_tdx_sites[i];

	if (getenv("TAIN_SITES"))
		fprintf(stderr, "%s:%d %s: %s, %s\n", site->file, site->line, site->call, c->name,
			w->name);
	failing.site = NULL;
	if (in_bring_up[i]) {
		start_machine();
		set_failing(site, c, w);
		new_platform();
		fail_bring_up(c, w);
	} else {
		need_machine();
		set_failing(site, c, w);
		new_platform();
		fail_life(c, w);
	}
	failing.site = NULL;
	platform_fini(&platform);
	if (w->first == 0)
		assert_true(failing.made > 0);
	scenarios++;
	failures_made += failing.made;
}

/* All with the first version of the module; of the others a sample, unless TAIN_LONG asks for all. */
static bool wanted(size_t w)
{
	if (softmod_profile == &soft_profiles[0] || getenv("TAIN_LONG"))
		return true;
	return w == 0; /* the first call at the place */
}

static void any_place_may_fail(void **state)
{
	(void)state;
	set_up();
	tdx_retry_bound = 100; /* patience takes time */
	for (size_t i = 0; i < site_count(); i++)
		for (size_t c = 0; c < ARRAY_LEN(classes) && !is_for_people(__start_tdx_sites[i]) &&
				   is_for_this_module(__start_tdx_sites[i]); c++)
			for (size_t w = 0; w < ARRAY_LEN(choices); w++)
				if (wanted(w))
					fail_once(i, &classes[c], &choices[w]);
	printf("%zu places, %u scenarios, %u failed calls\n", site_count(), scenarios,
	       failures_made);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(C19_every_place_is_reached_under_its_lock),
		cmocka_unit_test(any_place_may_fail),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	free(in_bring_up);
	return failures;
}
