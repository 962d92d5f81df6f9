/*
 * soft_random.c - a hostile host and hostile guests: a million SEAMCALLs and guest events with
 * operands that are plausible more often than not, under the sanitizers.
 *
 * After each that succeeds the page metadata, the S-EPTs and the TDs' child counts are compared in
 * full: no page is mapped twice, none is mapped that its PAMT entry does not give to that TD, and
 * no lock is left behind. Now and then the module is told to fail, or to be interrupted.
 *
 * links: tools/host/vectors_machine.c tdx/soft/[a-z]*.c tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/soft/sept.h"
#include "tools/host/vectors_machine.h"

#define SMALL_BASE  UINT64_C(0x41000000)
#define SMALL_PAGES 96
#define LARGE_BASE  UINT64_C(0x80000000)
#define LARGE_PAGES 4
#define TDMRS       3
#define CALLS       1000000
#define CHECK_EVERY 64 /* calls that fail */
#define FRESH_EVERY 2500

static _Thread_local uint64_t seed;
static _Thread_local uint64_t calls, entered, succeeded;
static uint64_t checks;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t below(uint64_t n) { return rnd() % n; }
static bool one_in(unsigned n) { return below(n) == 0; }

/* ---- bring-up and a TD, so that chance starts from somewhere --------------------------------- */

static uint64_t call(unsigned lp, uint64_t leaf, uint64_t rcx, uint64_t rdx, uint64_t r8,
		     uint64_t r9)
{
	struct soft_regs r = { .rax = leaf, .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9 };

	return vm_call(lp, &r) == VM_DONE ? vm_host_regs(lp)->rax : ~UINT64_C(0);
}

static void put64(uint64_t pa, const uint64_t *v, unsigned n)
{
	memcpy(vm_memory(pa, n * 8), v, n * 8);
}

static void bring_up(void)
{
	static const uint64_t info[TDMRS][12] = {
		{ 0x40000000, SIZE_1G, 0x10402000, 0x1000, 0x10400000, 0x2000, 0x10000000,
		  0x400000 },
		{ 0x80000000, SIZE_1G, 0x11402000, 0x1000, 0x11400000, 0x2000, 0x11000000,
		  0x400000 },
		{ 0xc0000000, SIZE_1G, 0x12402000, 0x1000, 0x12400000, 0x2000, 0x12000000, 0x400000,
		  0, 0x1000000, 0x30000000, 0x10000000 },
	};
	const uint64_t table[TDMRS] = { 0x221000, 0x221200, 0x221400 };

	vm_reset();
	for (unsigned i = 0; i < TDMRS; i++)
		put64(table[i], info[i], 12);
	put64(0x220000, table, TDMRS);
	assert_int_equal(call(0, 33, 0, 0, 0, 0), 0);
	for (unsigned lp = 0; lp < VM_LPS; lp++)
		assert_int_equal(call(lp, 35, 0, 0, 0, 0), 0);
	assert_int_equal(call(0, 45, 0x220000, TDMRS, 32, 0), 0);
	assert_int_equal(call(0, 31, 0, 0, 0, 0), 0);
	assert_int_equal(call(2, 31, 0, 0, 0, 0), 0);
	for (unsigned i = 0; i < 2; i++)
		while (call(0, 36, info[i][0], 0, 0, 0) == 0)
			;
}

static uint64_t page(unsigned i) { return SMALL_BASE + i * PAGE_SIZE; }

static unsigned nested; /* VMs of the TD beside its own */
static unsigned spare;  /* the next page that nobody has while it is built */

static void td_params(void)
{
	uint64_t p[6] = { 0, 3, 4, 0x1e, 0, 40 };

	memset(vm_memory(0x210000, 1024), 0, 1024);
	p[0] = one_in(2) ? ATTR_DEBUG : one_in(2) ? ATTR_SEPT_VE_DISABLE : 0;
	p[2] |= (uint64_t)nested << 16;
	put64(0x210000, p, 6);
}

/* A table of the TD's own tree at @level, and of each nested VM's. */
static void add_tables(unsigned level)
{
	struct soft_regs r = { .rax = 3 | UINT64_C(1) << 16, .rcx = level, .rdx = page(0) };

	r.r8 = page(16 - level);
	r.r9 = nested ? page(spare++) : ALL_ONES;
	r.r10 = nested ? page(spare++) : ALL_ONES;
	r.r11 = ALL_ONES;
	assert_int_equal(vm_call(0, &r), VM_DONE);
	assert_int_equal(vm_host_regs(0)->rax, 0);
}

static void build_td(void)
{
	nested = one_in(2) ? 2 : 0;
	spare = SMALL_PAGES / 2;
	td_params();
	call(0, 9, page(0), 33, 0, 0);
	call(0, 8, page(0), 0, 0, 0);
	call(2, 8, page(0), 0, 0, 0);
	for (unsigned i = 1; i <= 6; i++)
		call(0, 1, page(i), page(0), 0, 0);
	for (unsigned i = 0; i < nested; i++)
		call(0, 1, page(spare++), page(0), 0, 0);
	assert_int_equal(call(0, 21, page(0), 0x210000, 0, 0), 0);
	call(0, 10, page(7), page(0), 0, 0);
	for (unsigned i = 8; i <= 12; i++)
		call(0, 4, page(i), page(7), 0, 0);
	for (unsigned i = 0; i < 3 * nested; i++)
		call(0, 4, page(spare++), page(7), 0, 0);
	assert_int_equal(call(0, 22, page(7), 0, 0, 0), 0);
	for (unsigned level = 3; level >= 1; level--)
		add_tables(level);
	assert_int_equal(call(0, 2, 0, page(0), page(16), 0x300000), 0);
	if (one_in(2))
		assert_int_equal(call(0, 17, page(0), 0, 0, 0), 0);
}

/* ---- chance --------------------------------------------------------------------------------- */

static uint64_t any_page(void)
{
	if (one_in(40))
		return rnd();
	if (one_in(4))
		return LARGE_BASE + below(LARGE_PAGES) * SIZE_2M +
		       (one_in(4) ? below(512) * PAGE_SIZE : 0);
	return page((unsigned)below(one_in(3) ? SMALL_PAGES : 17));
}

static uint64_t any_gpa(void)
{
	uint64_t level = below(one_in(8) ? 8 : 3), gpa = below(one_in(3) ? 2048 : 12) * PAGE_SIZE;

	if (one_in(3))
		gpa = below(4) * SIZE_2M;
	if (one_in(50))
		gpa = rnd();
	return align_down(gpa, PAGE_SIZE << (9 * (level < 4 ? level : 0))) | level;
}

static const uint64_t field_ids[] = {
	0x8010000300000004, 0x9010000200000004, 0x1110000300000000,   0x9110000300000011,
	0x9410000300000000, 0x1310000300000000, 0x2010000300000000,   0x2110000300000000,
	0x202000000000000b, 0x0020000300002016, 0x002000010000000002, 0x0020000200004000,
	0x0020000300006804, 0x1020000300000003, 0xa020000300000010,   0x1220000300000000,
	0x0a00000300000008, 0x9900000300000500, 0x1110000300000017,   0xa120000000000000,
	0x002000020000401e, 0x0020000300002018, 0x0020000300004012,   0x002000030000600a,
	0x8a00000300000000, 0x9010000300000000, 0x9210000300000000,   0x9310000300000000,
	0x1120000300000000, 0x1320000300000000, 0xa020000300000000,   0xa220000300000000,
};

static uint64_t any_field(void)
{
	uint64_t id = field_ids[below(ARRAY_LEN(field_ids))] + below(one_in(4) ? 64 : 4);

	/* A guest's or a sequence's: what else an identifier says. */
	return one_in(12) ? id ^ BIT64(below(64)) : id;
}

static uint64_t any_value(void)
{
	switch (below(6)) {
	case 0:
		return rnd();
	case 1:
		return below(16);
	case 2:
		return any_field();
	case 3:
		return ~UINT64_C(0);
	default:
		return any_page();
	}
}

static uint64_t tdr_or_not(void) { return one_in(10) ? any_page() : page(0); }

/* All LPs after the same few pages and entries of the same TD, so that they meet. */
static void crowded_call(unsigned lp)
{
	static const uint8_t leaves[] = { 2, 3, 5, 6, 6, 7, 10, 29, 30, 38, 39, 1 };
	struct soft_regs r = { .rax = leaves[below(ARRAY_LEN(leaves))], .rdx = page(0) };
	bool table = r.rax == 3 || r.rax == 30;

	r.rcx = table ? 1 | (1 + below(3)) * SIZE_2M : (4 + below(3)) * PAGE_SIZE;
	r.r8 = page(20 + (unsigned)below(4));
	r.r9 = 0x300000;
	if (r.rax == 10 || r.rax == 1)
		r.rcx = r.r8;
	if (r.rax == 38)
		r.rcx = page(0);
	calls++;
	if (vm_call(lp, &r) == VM_DONE)
		succeeded += vm_host_regs(lp)->rax >> 63 == 0;
}

static void random_call(unsigned lp)
{
	struct soft_regs r;

	for (unsigned i = 0; i < SOFT_GPRS; i++)
		r.r[i] = any_value();
	r.rax = below(one_in(20) ? 100 : 54) | (one_in(20) ? below(3) << 16 : 0);
	if (one_in(8))
		r.rax = 0;
	/* What ends a TD, or the module, comes seldom, so that there is something to end. */
	if ((r.rax == 52 && !one_in(1000)) ||
	    ((r.rax == 19 || r.rax == 18 || r.rax == 28) && !one_in(20)))
		r.rax = 0;
	switch (r.rax & 0xff) {
	case 2:
	case 3:
	case 5:
	case 6:
	case 7:
	case 12:
	case 14:
	case 15:
	case 16:
	case 23:
	case 25:
	case 29:
	case 30:
	case 39:
	case 66:
	case 75:
		r.rcx = any_gpa();
		r.rdx = tdr_or_not();
		r.r8 = any_page();
		r.r9 = one_in(4) ? rnd() : r.rax >> 16 ? ~UINT64_C(0) : 0x300000;
		r.r10 = r.r11 = ~UINT64_C(0);
		if (nested && one_in(2)) { /* tables of nested VMs */
			r.rax |= UINT64_C(1) << 16;
			r.r8 = one_in(3) ? ~UINT64_C(0) : r.r8;
			r.r9 = one_in(3) ? ~UINT64_C(0) : any_page();
			r.r10 = one_in(3) ? ~UINT64_C(0) : any_page();
		}
		break;
	case 0:
		r.rcx = one_in(10) ? any_page() : page(7);
		if (one_in(20))
			r.rcx |= BIT64(52 + below(2));
		break;
	case 18:
	case 22:
	case 26:
	case 43:
		r.rcx = one_in(10) ? any_page() : page(7);
		r.rdx = one_in(4) ? any_value() : any_field();
		break;
	case 1:
	case 10:
	case 96:
		r.rcx = any_page();
		r.rdx = tdr_or_not();
		break;
	case 9:
	case 21:
		r.rdx = one_in(4) ? rnd() : (r.rax == 9 ? 32 + below(34) : 0x210000);
		td_params();
		break;
	case 40:
		r.rcx = below(3);
		break;
	case 11:
	case 13:
		r.rcx = tdr_or_not();
		r.rdx = any_field();
		break;
	default:
		r.rcx = one_in(3) ? any_page() : page(0);
		break;
	}
	calls++;
	if (vm_call(lp, &r) == VM_IN_GUEST)
		entered++;
	else if (vm_state(lp) == VM_DONE)
		succeeded += vm_host_regs(lp)->rax >> 63 == 0;
}

static void random_guest_event(unsigned lp)
{
	static const uint32_t reasons[] = { 77, 77, 77, 77, 77, 48, 48, 48, 1,  10, 12,
					    30, 31, 32, 28, 55, 0,  6,  8,  13, 14, 15,
					    16, 29, 36, 39, 40, 49, 18, 54, 74, 75 };
	/* These end a vCPU, or the TD. */
	static const uint32_t last_reasons[] = { 2, 3, 33, 43, 62, 65 };
	struct vm_event ev = { .cpl = (unsigned)below(2) * 3, .same_rip = one_in(2) };

	for (unsigned i = 0; i < SOFT_GPRS; i++)
		ev.gpr.r[i] = one_in(3) ? rnd() : any_gpa();
	ev.x.reason = one_in(300) ? last_reasons[below(ARRAY_LEN(last_reasons))]
				  : reasons[below(ARRAY_LEN(reasons))];
	ev.x.instr_len = 4;
	ev.x.gpa = one_in(4) ? rnd() & BITS64(51, 0) : any_gpa();
	ev.x.qualification = one_in(2) ? 0x181 : rnd() & 0x3ffff;
	if (ev.x.reason == 0)
		ev.x.intr_info = 0x80000202;
	if (ev.x.reason == 1)
		ev.x.intr_info = 0x800000f0;
	if (ev.x.reason == 49)
		ev.x.gpa |= BIT64(47);
	if (ev.x.reason == 28 || ev.x.reason == 29)
		ev.x.qualification = rnd() & (one_in(2) ? 0xf3f : 0xffffff3f);
	if (ev.x.reason == 31 || ev.x.reason == 32)
		ev.gpr.rcx = below(0x1000) | (one_in(2) ? UINT64_C(0xc0000000) : 0);
	if (ev.x.reason == 77)
		ev.gpr.rax = below(one_in(20) ? 40 : 28);
	if (ev.x.reason == 77 && ev.gpr.rax >= 7 && one_in(2))
		ev.gpr.rdx = any_field();
	if (ev.x.reason == 77 && one_in(2)) {
		ev.gpr.rax = 6;
		ev.gpr.rcx = any_gpa();
	}
	if (nested && ev.x.reason == 77 && one_in(3)) { /* an alias, or an end of one */
		ev.gpr.rax = 24;
		if (one_in(2))
			ev.gpr.rcx = 0;
		ev.gpr.rdx = (0x80008000 | (rnd() & 0x7f007f)) << 16;
		ev.gpr.r8 = UINT64_C(0x7f007f) << 16;
	}
	calls++;
	(void)vm_guest(lp, &ev);
}

/* The module is told to fail, in one of the ways there are, or no more. */
static void random_orders(void)
{
	static const uint64_t statuses[] = { 0x8000020000000092, 0x8000000300000000,
					     0xc000010000000001, 0x8000020300000000 };
	struct tdx_inject rule = {
		.kind = (enum tdx_inject_kind)below(3),
		.leaf = one_in(2) ? TDX_INJECT_ANY_LEAF : (uint32_t)below(54),
		.value = statuses[below(ARRAY_LEN(statuses))],
		.nth = 1 + (uint32_t)below(5),
		.times = 1 + (uint32_t)below(20),
		.chance = one_in(2) ? TDX_INJECT_ALWAYS : (uint32_t)below(200),
		.seed = rnd(),
	};

	if (rule.kind == TDX_INJECT_DELAY)
		rule.value = below(1000);
	soft_inject_clear(vm_module());
	if (one_in(2))
		assert_int_equal(soft_inject_add(vm_module(), &rule), 0);
}

/* ---- what must hold at every moment ---------------------------------------------------------- */

static uint64_t aliases; /* of nested VMs, that checks came upon */

struct area {
	uint64_t base;
	unsigned pages; /* of 4K */
};
static const struct area areas[] = { { SMALL_BASE, SMALL_PAGES },
				     { LARGE_BASE, LARGE_PAGES * 512 } };

static struct pamt_entry *pamt(uint64_t pa, unsigned level)
{
	static const uint64_t tables[2][3] = { { 0x10000000, 0x10400000, 0x10402000 },
					       { 0x11000000, 0x11400000, 0x11402000 } };
	unsigned t = pa >= 0x80000000;
	uint64_t base = t ? 0x80000000 : 0x40000000;

	return (struct pamt_entry *)(void *)vm_memory(
		tables[t][level] + ((pa - base) >> (12 + 9 * level)) * sizeof(struct pamt_entry),
		16);
}

/* Leaves and tables of one TD's tree: each must be the TD's own by the PAMT; they are counted. */
static void check_tree(uint64_t tdr, uint64_t table, unsigned level, int64_t *pages)
{
	const uint64_t *t = (const uint64_t *)(void *)vm_memory(table, PAGE_SIZE);

	for (unsigned i = 0; i < 512; i++) {
		enum sept_state s = sept_state(t[i]);
		uint64_t pa = sept_frame(t[i], level);

		assert_int_not_equal(s, S_INVALID);
		assert_false(t[i] & SE_LOCK);
		if (s == S_FREE || s == S_REMOVED)
			continue;
		if (sept_is_leaf(t[i])) {
			assert_true(level <= 2);
			assert_int_equal(pamt(pa, level)->type, PT_REG);
			assert_int_equal(pamt_owner(pamt(pa, level)), tdr);
			*pages += (int64_t)1 << (9 * level);
			continue;
		}
		assert_true(level > 0);
		assert_int_equal(pamt(pa, 0)->type, PT_EPT);
		assert_int_equal(pamt_owner(pamt(pa, 0)), tdr);
		*pages += 1;
		check_tree(tdr, pa, level - 1, pages);
	}
}

/*
 * A nested VM's tree: a table only where the TD's own tree has one, an alias only beside a leaf, and of the
 * same page; tables are counted.
 */
static void check_nested(uint64_t tdr, uint64_t table, const uint64_t *own, unsigned level,
			 int64_t *pages)
{
	const uint64_t *t = (const uint64_t *)(void *)vm_memory(table, PAGE_SIZE);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t pa = t[i] & SE_PFN;

		if (sept_is_leaf(t[i])) {
			assert_true(sept_is_leaf(own[i]));
			assert_int_equal(pa, sept_frame(own[i], level));
			aliases++;
		} else if (!sept_is_free(t[i])) {
			assert_false(sept_is_leaf(own[i]) || sept_is_free(own[i]));
			assert_int_equal(pamt(pa, 0)->type, PT_EPT);
			assert_int_equal(pamt_owner(pamt(pa, 0)), tdr);
			*pages += 1;
			check_nested(tdr, pa,
				     (const uint64_t *)(void *)vm_memory(own[i] & SE_PFN, PAGE_SIZE),
				     level - 1, pages);
		}
	}
}

/* Pages that the PAMT gives to @tdr: by kind, in 4K. */
static void count_owned(uint64_t tdr, int64_t *mapped, int64_t *control)
{
	for (unsigned a = 0; a < ARRAY_LEN(areas); a++)
		for (unsigned i = 0; i < areas[a].pages; i++) {
			uint64_t pa = areas[a].base + i * PAGE_SIZE;
			const struct pamt_entry *e = pamt(pa, 0), *large = pamt(pa, 1);

			if (large->type == PT_REG) {
				*mapped += pamt_owner(large) == tdr;
				continue;
			}
			if (pamt_owner(e) != tdr)
				continue;
			*mapped += e->type == PT_REG || e->type == PT_EPT;
			*control += e->type == PT_TDCX || e->type == PT_TDVPR;
		}
}

static bool any_in_guest(void)
{
	for (unsigned lp = 0; lp < VM_LPS; lp++)
		if (vm_state(lp) == VM_IN_GUEST)
			return true;
	return false;
}

static void check_td(uint64_t pa)
{
	const struct tdr *tdr = (const struct tdr *)(void *)vm_memory(pa, PAGE_SIZE);
	int64_t in_tree = 0, mapped = 0, control = 0;

	count_owned(pa, &mapped, &control);
	assert_int_equal(tdr->chldcnt, mapped + control);
	if (tdr->num_tdcx < soft_profiles[0].tdcs_pages || tdr->lifecycle == TEARDOWN)
		return;
	const struct tdcs *t = (const struct tdcs *)(void *)vm_memory(tdr->tdcx_pa[0], PAGE_SIZE);

	if (t->op_state == OPS_UNINITIALIZED)
		return;
	check_tree(pa, tdr->tdcx_pa[soft_profiles[0].tdcx_root], t->root_level, &in_tree);
	for (unsigned vm = 0; vm < t->num_l2; vm++)
		check_nested(pa, tdr->tdcx_pa[soft_profiles[0].tdcs_pages + vm],
			     (const uint64_t *)(void *)vm_memory(
				     tdr->tdcx_pa[soft_profiles[0].tdcx_root], PAGE_SIZE),
			     t->root_level, &in_tree);
	assert_int_equal(in_tree, mapped);
	if (any_in_guest())
		return;
	assert_int_equal(t->op_lock & ~LOCK_HP, 0);
	assert_int_equal(t->tree_lock & ~LOCK_HP, 0);
	assert_int_equal(t->epoch.refcount[0] + t->epoch.refcount[1], 0);
}

static void check_all(void)
{
	checks++;
	for (unsigned i = 0; i < SMALL_PAGES; i++) {
		const struct pamt_entry *e = pamt(page(i), 0);

		if (!any_in_guest())
			assert_int_equal(e->lock & ~LOCK_HP, 0);
		if (e->type == PT_TDR)
			check_td(page(i));
	}
}

static void a_million_calls_leave_the_books_straight(void **state)
{
	const char *want = getenv("TAIN_SOFT_CALLS");
	uint64_t total = want ? strtoull(want, NULL, 0) : CALLS;

	(void)state;
	seed = UINT64_C(0x2545f4914f6cdd1d);
	while (calls < total) {
		if (calls % FRESH_EVERY == 0) {
			bring_up();
			build_td();
		}
		unsigned lp = (unsigned)below(VM_LPS);
		uint64_t before = succeeded;

		if (one_in(100))
			vm_set_irq(lp, one_in(2));
		if (one_in(500))
			random_orders();
		if (vm_state(lp) == VM_IN_GUEST)
			random_guest_event(lp);
		else
			random_call(lp);
		if (succeeded != before || calls % CHECK_EVERY == 0)
			check_all();
	}
	printf("%llu calls and events, %llu succeeded, %llu entries, %llu checks, %llu aliases seen\n",
	       (unsigned long long)calls, (unsigned long long)succeeded,
	       (unsigned long long)entered, (unsigned long long)checks,
	       (unsigned long long)aliases);
	assert_true(aliases > 0);
	assert_true(entered > calls / 1000);
	assert_true(succeeded > calls / 20);
}

/* ---- four LPs at once ------------------------------------------------------------------------ */

#define ROUNDS        200
#define ROUND_CALLS   250
#define ROUNDS_OF_ONE 20 /* then a new machine */

static pthread_barrier_t gate;

static void one_step(unsigned lp)
{
	if (vm_state(lp) == VM_IN_GUEST)
		random_guest_event(lp);
	else if (one_in(200))
		random_call(lp);
	else
		crowded_call(lp);
}

static void *one_lp(void *arg)
{
	unsigned lp = (unsigned)(uintptr_t)arg;

	seed = UINT64_C(0x9e3779b97f4a7c15) * (lp + 1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&gate);
		for (unsigned i = 0; i < ROUND_CALLS; i++)
			one_step(lp);
		pthread_barrier_wait(&gate);
	}
	return NULL;
}

/* Each LP is a thread: locks are taken and refused for real. The books are compared at rest. */
static void four_lps_at_once_leave_the_books_straight(void **state)
{
	pthread_t thread[VM_LPS];

	(void)state;
	seed = 7;
	assert_int_equal(pthread_barrier_init(&gate, NULL, VM_LPS + 1), 0);
	for (unsigned lp = 0; lp < VM_LPS; lp++)
		assert_int_equal(pthread_create(&thread[lp], NULL, one_lp, (void *)(uintptr_t)lp),
				 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (round % ROUNDS_OF_ONE == 0) {
			bring_up();
			build_td();
			vm_jitter(3);
		}
		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
		check_all();
	}
	for (unsigned lp = 0; lp < VM_LPS; lp++)
		pthread_join(thread[lp], NULL);
	pthread_barrier_destroy(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_calls_leave_the_books_straight),
		cmocka_unit_test(four_lps_at_once_leave_the_books_straight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
