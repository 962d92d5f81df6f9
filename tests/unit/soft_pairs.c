/*
 * soft_pairs.c - dynamic PAMT in the software module: PAMT.ADD and PAMT.REMOVE check in the documented
 * order, every leaf that takes a 4K page asks for its pair before it changes anything, and a page of a
 * pair is nothing else.
 *
 * Each row of a table breaks one rule and all that come after it: the status is that of the first.
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

#include "tdx/abi/explain.h"
#include "tdx/abi/leaf.h"
#include "tdx/state.h"
#include "tdx/td.h"
#include "tdx/tdh.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY  (UINT64_C(1) << 30)
#define OUTSIDE (MACHINE_BASE + (UINT64_C(64) << 30)) /* in no TDMR */
#define KEYED   BIT64(51)                             /* an address with a KeyID in it */
#define LEVEL_2 1

#define RAX 0u
#define RCX 1u
#define RDX 2u
#define R8  8u
#define R12 12u
#define R13 13u

static struct tdx_host host;

static bool dynamic(void) { return (softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT) != 0; }

static void ready(enum tdx_pamt_choice choice)
{
	softmod_start(MEMORY, 2, 52);
	host = *softmod_host();
	host.pamt = choice;
	assert_int_equal(tdx_init(&host), 0);
	machine_log_clear();
}

static tdx_status_t call(unsigned leaf, uint64_t rcx, uint64_t rdx, uint64_t r8, struct seam_regs *out)
{
	struct seam_regs r = { .rcx = rcx, .rdx = rdx, .r8 = r8 };
	tdx_status_t st = seamcall(leaf, &r);

	if (out)
		*out = r;
	return st;
}

static void expect(const char *what, tdx_status_t st, enum tdx_code code, uint32_t detail)
{
	char text[120];
	/* `odd` puts something where there is nothing to say. */
	bool any = !detail && (softmod_profile->answers & SOFT_A_ALL_DETAILS) && !tdx_ok(st) &&
		   code != TDX_OPERAND_INVALID;

	if (!tdx_is(st, code) || ((uint32_t)st.raw != detail && !any))
		fail_msg("%s, %s: %s", softmod_profile->name, what, tdx_status_text(st, text, sizeof(text)));
}

/* 2M of host memory that nothing is in, and single pages elsewhere. */
static uint64_t a_range(void)
{
	hpa_t range = tdx_pages_alloc_bare(PAGE_TDX_PRIVATE, 9);

	assert_false(hpa_is_none(range));
	return range.v;
}

static uint64_t a_page(void)
{
	hpa_t page = tdx_pages_alloc_bare(PAGE_TDX_CONTROL, 0);

	assert_false(hpa_is_none(page));
	return page.v;
}

/* What the module says of @page at @level: type, and the pair below if there is one. */
static uint64_t type_of(uint64_t page, unsigned level)
{
	struct seam_regs r;

	assert_true(tdx_ok(call(TDH_PHYMEM_PAGE_RDMD, page | level, 0, 0, &r)));
	return r.rcx;
}

#define NON_LEAF BIT64(63)

static void add_checks_in_order(void **state)
{
	uint64_t range, other, a, b, used, td_page;

	(void)state;
	ready(TDX_PAMT_AUTO);
	if (!dynamic()) {
		expect("no such leaf", call(TDH_PHYMEM_PAMT_ADD, 1, 1, 1, NULL), TDX_OPERAND_INVALID, RAX);
		return;
	}
	range = a_range();
	other = a_range();
	a = a_page();
	b = a_page();
	used = a_page();
	assert_true(tdx_ok(call(TDH_PHYMEM_PAMT_ADD, other | LEVEL_2, used, other, NULL)));
	/* A page that is in use, in a range of its own pair. */
	td_page = other + PAGE_SIZE;
	assert_true(tdx_ok(call(TDH_MNG_CREATE, td_page, 33, 0, NULL)));

	const struct {
		const char *what;
		uint64_t rcx, rdx, r8;
		enum tdx_code code;
		uint32_t detail;
	} rows[] = {
		{ "level 0", range, a + 1, b + 1, TDX_OPERAND_INVALID, RCX },
		{ "level 2", range | 2, a + 1, b + 1, TDX_OPERAND_INVALID, RCX },
		{ "reserved bits", range | LEVEL_2 | 8, a + 1, b + 1, TDX_OPERAND_INVALID, RCX },
		{ "not at 2M", (range + PAGE_SIZE) | LEVEL_2, a + 1, b + 1, TDX_OPERAND_INVALID, RCX },
		{ "a KeyID", range | KEYED | LEVEL_2, a + 1, b + 1, TDX_OPERAND_INVALID, RCX },
		{ "page 0 unaligned", OUTSIDE | LEVEL_2, a + 1, b + 1, TDX_OPERAND_INVALID, RDX },
		{ "page 0 keyed", OUTSIDE | LEVEL_2, a | KEYED, b + 1, TDX_OPERAND_INVALID, RDX },
		{ "page 0 outside", OUTSIDE | LEVEL_2, OUTSIDE, b + 1, TDX_OPERAND_ADDR_RANGE_ERROR, RDX },
		{ "page 1 unaligned", OUTSIDE | LEVEL_2, used, b + 1, TDX_OPERAND_INVALID, R8 },
		{ "page 1 keyed", OUTSIDE | LEVEL_2, used, b | KEYED, TDX_OPERAND_INVALID, R8 },
		{ "page 1 outside", OUTSIDE | LEVEL_2, used, OUTSIDE, TDX_OPERAND_ADDR_RANGE_ERROR, R8 },
		{ "range outside", OUTSIDE | LEVEL_2, used, used, TDX_OPERAND_ADDR_RANGE_ERROR, RCX },
		{ "has a pair", other | LEVEL_2, used, used, TDX_HPA_RANGE_NOT_FREE, RCX },
		{ "page 0 a TD's", range | LEVEL_2, td_page, td_page, TDX_PAGE_NOT_FREE, RDX },
		{ "page 1 a TD's", range | LEVEL_2, used, td_page, TDX_PAGE_NOT_FREE, R8 },
		{ "page 0 in a pair", range | LEVEL_2, used, used, TDX_PAGE_NOT_FREE, RDX },
		{ "page 1 in a pair", range | LEVEL_2, a, used, TDX_PAGE_NOT_FREE, R8 },
		{ "twice the same", range | LEVEL_2, a, a, TDX_PAGE_NOT_FREE, R8 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		expect(rows[i].what,
		       call(TDH_PHYMEM_PAMT_ADD, rows[i].rcx, rows[i].rdx, rows[i].r8, NULL),
		       rows[i].code, rows[i].detail);
		assert_int_equal(type_of(range, 1), PT_NDA);
		assert_int_equal(type_of(a, 0), PT_NDA);
	}
	expect("a pair", call(TDH_PHYMEM_PAMT_ADD, range | LEVEL_2, a, b, NULL), TDX_SUCCESS, 0);
	assert_true(type_of(range, 1) == (PT_PAMT | NON_LEAF));
}

static void remove_checks_in_order(void **state)
{
	uint64_t range, a, b;
	struct seam_regs r;

	(void)state;
	ready(TDX_PAMT_AUTO);
	if (!dynamic()) {
		expect("no such leaf", call(TDH_PHYMEM_PAMT_REMOVE, 1, 0, 0, NULL), TDX_OPERAND_INVALID,
		       RAX);
		return;
	}
	range = a_range();
	a = a_page();
	b = a_page();
	expect("level 0", call(TDH_PHYMEM_PAMT_REMOVE, OUTSIDE, 0, 0, NULL), TDX_OPERAND_INVALID, RCX);
	expect("not at 2M", call(TDH_PHYMEM_PAMT_REMOVE, (OUTSIDE + PAGE_SIZE) | LEVEL_2, 0, 0, NULL),
	       TDX_OPERAND_INVALID, RCX);
	expect("outside", call(TDH_PHYMEM_PAMT_REMOVE, OUTSIDE | LEVEL_2, 0, 0, NULL),
	       TDX_OPERAND_ADDR_RANGE_ERROR, RCX);
	expect("none there", call(TDH_PHYMEM_PAMT_REMOVE, range | LEVEL_2, 0, 0, NULL),
	       TDX_NO_PAMT_PAGE_PAIR, RCX);
	assert_true(tdx_ok(call(TDH_PHYMEM_PAMT_ADD, range | LEVEL_2, a, b, NULL)));
	for (unsigned half = 0; half < 2; half++) {
		uint64_t tdr = range + half * 256 * PAGE_SIZE + 5 * PAGE_SIZE;

		assert_true(tdx_ok(call(TDH_MNG_CREATE, tdr, 33 + half, 0, NULL)));
		expect("in use", call(TDH_PHYMEM_PAMT_REMOVE, range | LEVEL_2, 0, 0, NULL),
		       TDX_PAMT_PAGE_NOT_EMPTY, half);
		assert_true(tdx_ok(call(TDH_MNG_VPFLUSHDONE, tdr, 0, 0, NULL)));
		assert_true(tdx_ok(call(TDH_PHYMEM_CACHE_WB, 0, 0, 0, NULL)));
		assert_true(tdx_ok(call(TDH_MNG_KEY_FREEID, tdr, 0, 0, NULL)));
		expect("reclaimed", call(TDH_PHYMEM_PAGE_RECLAIM, tdr, 0, 0, &r), TDX_SUCCESS, 0);
		assert_true(r.r9 == BIT64(62)); /* the last one of the range */
	}
	expect("empty", call(TDH_PHYMEM_PAMT_REMOVE, range | LEVEL_2, 0, 0, &r), TDX_SUCCESS, 0);
	assert_true(r.rdx == a && r.r8 == b);
	assert_int_equal(type_of(range, 1), PT_NDA);
	assert_int_equal(type_of(a, 0), PT_NDA);
	expect("once", call(TDH_PHYMEM_PAMT_REMOVE, range | LEVEL_2, 0, 0, NULL), TDX_NO_PAMT_PAGE_PAIR,
	       RCX);
}

static void a_page_of_a_pair_is_nothing_else(void **state)
{
	uint64_t range, a, b, neighbour;
	struct seam_regs r;

	(void)state;
	ready(TDX_PAMT_AUTO);
	if (!dynamic())
		return;
	range = a_range();
	neighbour = a_range();
	a = range; /* in the range that it describes */
	b = neighbour + PAGE_SIZE;
	assert_true(tdx_ok(call(TDH_PHYMEM_PAMT_ADD, range | LEVEL_2, a, b, NULL)));
	assert_int_equal(type_of(a, 0), PT_PAMT);
	assert_int_equal(type_of(b, 0), PT_PAMT);
	assert_true(tdx_ok(call(TDH_PHYMEM_PAGE_RDMD, range | LEVEL_2, 0, 0, &r)));
	assert_true(r.rcx == (PT_PAMT | NON_LEAF) && r.rdx == 0 && r.r8 == 1 && r.r10 == a &&
		    r.r11 == b);
	expect("a TDR", call(TDH_MNG_CREATE, a, 33, 0, NULL), TDX_PAGE_METADATA_INCORRECT, RCX);
	expect("written back", call(TDH_PHYMEM_PAGE_WBINVD, a, 0, 0, NULL), TDX_PAGE_METADATA_INCORRECT,
	       RCX);
	expect("reclaimed", call(TDH_PHYMEM_PAGE_RECLAIM, b, 0, 0, NULL), TDX_PAGE_METADATA_INCORRECT, RCX);
	expect("without a pair", call(TDH_MNG_CREATE, neighbour, 33, 0, NULL), TDX_MISSING_PAMT_PAGE_PAIR,
	       RCX);
	expect("free without a pair", call(TDH_PHYMEM_PAGE_WBINVD, neighbour, 0, 0, NULL), TDX_SUCCESS, 0);
	expect("no TDR without a pair", call(TDH_MNG_VPFLUSHDONE, neighbour, 0, 0, NULL),
	       TDX_PAGE_METADATA_INCORRECT, RCX);
	expect("levels above 1G", call(TDH_PHYMEM_PAGE_RDMD, range | 3, 0, 0, NULL), TDX_OPERAND_INVALID,
	       RCX);
}

/* ---- leaves that take a page ---- */

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[1];
static char why[200];

static struct {
	unsigned leaf;
	uint64_t page; /* takes the place of the one that the host gives */
	unsigned reg;
	bool done;
	tdx_status_t st;
} swap;

/* The call is made here, with another page, and its answer noted; the host sees a refusal. */
static bool swapper(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != swap.leaf || swap.done)
		return false;

	struct seam_regs in = { .rcx = r->rcx, .rdx = r->rdx, .r8 = r->r8, .r9 = r->r9, .r10 = r->r10,
				.r11 = r->r11 };

	if (swap.reg == RCX)
		in.rcx = swap.page;
	else
		in.r8 = swap.page;
	swap.done = true;
	swap.st = seamcall(swap.leaf, &in);
	r->rax = swap.st.raw;
	return true;
}

static void each_leaf_that_takes_a_page_wants_its_pair(void **state)
{
	static const struct {
		unsigned leaf, reg;
	} rows[] = {
		{ TDH_MNG_CREATE, RCX }, { TDH_MNG_ADDCX, RCX },   { TDH_VP_CREATE, RCX },
		{ TDH_VP_ADDCX, RCX },   { TDH_MEM_SEPT_ADD, R8 }, { TDH_MEM_PAGE_ADD, R8 },
		{ TDH_MEM_PAGE_AUG, R8 },
	};

	(void)state;
	if (!dynamic())
		return;
	config = (struct guest_config){
		.name = "one", .kind = GUEST_TD, .memory = UINT64_C(32) << 20, .vcpus = 1,
		.page_level = LEVEL_4K, .accept = TD_ACCEPT_EAGER,
		.firmware = { .path = "one.fd", .data = tdvf_image_make(), .size = TDVF_IMAGE_SIZE },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct platform_config pc = { .name = "one", .memory_bytes = config.memory,
						    .vcpus = 1 };
		struct td *td = NULL;
		uint64_t free;

		ready(TDX_PAMT_AUTO);
		memset(&swap, 0, sizeof(swap));
		swap.leaf = rows[i].leaf;
		swap.reg = rows[i].reg;
		swap.page = a_range();
		assert_int_equal(platform_init(&platform, &pc), 0);
		softmod_intercept = swapper;
		free = page_count(PAGE_FREE);
		if (td_create(&td, &config, &platform, runs, why, sizeof(why)) == 0)
			(void)td_destroy(td);
		softmod_intercept = NULL;
		assert_true(swap.done);
		expect("a page", swap.st, TDX_MISSING_PAMT_PAGE_PAIR, rows[i].reg);
		assert_int_equal(type_of(swap.page, 1), PT_NDA);
		assert_int_equal(page_count(PAGE_FREE), free);
		platform_fini(&platform);
	}
}

/* ---- SYS.CONFIG ---- */

static uint64_t config_r8;

static bool note_config(struct soft_regs *r)
{
	if ((r->rax & 0xffff) == TDH_SYS_CONFIG)
		config_r8 = r->r8;
	return false;
}

static unsigned start_with(enum tdx_pamt_choice choice, unsigned keyid_bits)
{
	softmod_keyid_bits = keyid_bits;
	softmod_start(MEMORY, 2, 52);
	softmod_intercept = note_config;
	host = *softmod_host();
	host.pamt = choice;
	machine_log_clear();
	assert_int_equal(tdx_init(&host), 0);
	softmod_intercept = NULL;
	softmod_keyid_bits = 0;
	return (unsigned)(config_r8 >> 16);
}

static void it_is_chosen_where_it_can_be(void **state)
{
	struct tdx_pamt_cost cost;

	(void)state;
	assert_int_equal(start_with(TDX_PAMT_AUTO, 0), dynamic());
	tdx_pamt_cost(&cost);
	assert_int_equal(cost.dynamic, dynamic());
	assert_int_equal(cost.fixed, page_count(PAGE_TDX_PAMT) * PAGE_SIZE);
	assert_true(dynamic() ? cost.fixed * 20 < cost.if_static : cost.fixed == cost.if_static);
	assert_int_equal(start_with(TDX_PAMT_STATIC, 0), 0);
	tdx_pamt_cost(&cost);
	assert_true(!cost.dynamic && cost.fixed == cost.if_static && cost.table_bytes == 0);
	assert_int_equal(start_with(TDX_PAMT_DYNAMIC, 0), dynamic());
	assert_int_equal(machine_logged("pamt = dynamic: the module has none"), !dynamic());
	/* KeyIDs from bit 48 on do, from bit 49 on they do not. */
	assert_int_equal(start_with(TDX_PAMT_AUTO, 4), dynamic());
	assert_int_equal(start_with(TDX_PAMT_DYNAMIC, 3), 0);
	assert_true(machine_logged(dynamic() ? "pamt = dynamic: with so few KeyID bits"
					      : "pamt = dynamic: the module has none"));
}

static void force_dynamic(struct soft_regs *r) { r->r8 |= BIT64(16); }

static bool forced(struct soft_regs *r)
{
	if ((r->rax & 0xffff) == TDH_SYS_CONFIG)
		force_dynamic(r);
	return false;
}

/* The module itself refuses what it cannot do. */
static void config_refuses_what_cannot_be(void **state)
{
	for (unsigned bits = 3; bits <= 4; bits++) {
		softmod_keyid_bits = bits;
		softmod_start(MEMORY, 2, 52);
		softmod_intercept = forced;
		host = *softmod_host();
		host.pamt = TDX_PAMT_STATIC; /* areas are larger than a bitmap: that is allowed */
		if (dynamic() && bits == 4) {
			assert_int_equal(tdx_init(&host), 0);
		} else {
			assert_int_equal(tdx_init(&host), -EIO);
			assert_non_null(strstr(tdx_reason(), "TDH.SYS.CONFIG: TDX_OPERAND_INVALID"));
			assert_non_null(strstr(tdx_reason(), "R8"));
		}
		softmod_intercept = NULL;
		softmod_keyid_bits = 0;
	}
	(void)state;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_checks_in_order),
		cmocka_unit_test(remove_checks_in_order),
		cmocka_unit_test(a_page_of_a_pair_is_nothing_else),
		cmocka_unit_test(each_leaf_that_takes_a_page_wants_its_pair),
		cmocka_unit_test(it_is_chosen_where_it_can_be),
		cmocka_unit_test(config_refuses_what_cannot_be),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
