/*
 * machine_mc.c - what the banks of a machine check mean: the machine goes on only for a guest's page, and
 * only if the CPU says that it can.
 *
 * links: kernel/machine/mc_judge.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/machine/mc.h"

#define GOOD (MCI_VALID | MCI_UC | MCI_EN | MCI_MISCV | MCI_ADDRV | MCI_S | MCI_AR)

/* The page's number is its owner. */
static enum page_owner owner_of(hpa_t page) { return (enum page_owner)(page.v >> PAGE_SHIFT); }

static struct mc_finding judge(uint64_t mcg, uint64_t status, uint64_t owner)
{
	const struct mc_bank bank = { status, owner << PAGE_SHIFT | 0x40 };
	struct mc_finding f;

	mc_judge(mcg, &bank, 1, owner_of, &f);
	return f;
}

static void a_guests_page_is_borne(void **state)
{
	struct mc_finding f = judge(MCG_RIPV | MCG_MCIP, GOOD, PAGE_TDX_PRIVATE);
	char text[160];

	(void)state;
	assert_int_equal(f.verdict, MC_GUEST_PAGE);
	assert_int_equal(f.page.v, (uint64_t)PAGE_TDX_PRIVATE << PAGE_SHIFT);
	assert_int_equal(f.owner, PAGE_TDX_PRIVATE);
	assert_non_null(strstr(mc_text(&f, text, sizeof(text)), "(a TD's private memory)"));
	assert_int_equal(judge(MCG_RIPV, GOOD, PAGE_GUEST).verdict, MC_GUEST_PAGE);
	assert_int_equal(judge(MCG_RIPV, GOOD & ~MCI_AR, PAGE_GUEST).verdict, MC_GUEST_PAGE);
}

static void every_other_page_is_fatal(void **state)
{
	(void)state;
	for (unsigned owner = 0; owner < PAGE_OWNER_COUNT; owner++)
		if (owner != PAGE_GUEST && owner != PAGE_TDX_PRIVATE)
			assert_int_equal(judge(MCG_RIPV, GOOD, owner).verdict, MC_FATAL);
	assert_int_equal(judge(MCG_RIPV, GOOD, 0xff).verdict, MC_FATAL);
}

static void what_cannot_go_on_is_fatal_and_says_why(void **state)
{
	static const struct {
		uint64_t mcg, status;
		const char *why;
	} rows[] = {
		{ MCG_RIPV, GOOD | MCI_PCC, "state is lost" },
		{ MCG_RIPV, GOOD | MCI_OVER, "another error before" },
		{ 0, GOOD, "cannot be resumed" },
		{ MCG_RIPV, GOOD & ~MCI_ADDRV, "names no page" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mc_finding f = judge(rows[i].mcg, rows[i].status, PAGE_TDX_PRIVATE);

		assert_int_equal(f.verdict, MC_FATAL);
		assert_non_null(strstr(f.why, rows[i].why));
	}
}

static void corrected_and_silent_errors_are_none(void **state)
{
	struct mc_finding f;

	(void)state;
	assert_int_equal(judge(MCG_RIPV, GOOD & ~MCI_UC, PAGE_KERNEL).verdict, MC_NOTHING);
	assert_int_equal(judge(MCG_RIPV, GOOD & ~MCI_VALID, PAGE_KERNEL).verdict, MC_NOTHING);
	assert_int_equal(judge(MCG_RIPV, MCI_VALID | MCI_UC | MCI_ADDRV, PAGE_KERNEL).verdict, MC_NOTHING);
	mc_judge(MCG_RIPV, NULL, 0, owner_of, &f); /* another CPU's, told to all */
	assert_int_equal(f.verdict, MC_NOTHING);
	mc_judge(0, NULL, 0, owner_of, &f);
	assert_int_equal(f.verdict, MC_FATAL);
}

/* Among several banks the worst counts; the same page twice is one page. */
static void banks_are_judged_together(void **state)
{
	const struct mc_bank guest = { GOOD, (uint64_t)PAGE_TDX_PRIVATE << PAGE_SHIFT },
			     other = { GOOD, (uint64_t)PAGE_GUEST << PAGE_SHIFT },
			     ours = { GOOD, (uint64_t)PAGE_KERNEL << PAGE_SHIFT }, none = { 0, 0 };
	struct mc_bank banks[3] = { none, guest, guest };
	struct mc_finding f;

	(void)state;
	mc_judge(MCG_RIPV, banks, 3, owner_of, &f);
	assert_int_equal(f.verdict, MC_GUEST_PAGE);
	banks[2] = other;
	mc_judge(MCG_RIPV, banks, 3, owner_of, &f);
	assert_int_equal(f.verdict, MC_FATAL);
	banks[2] = ours;
	mc_judge(MCG_RIPV, banks, 3, owner_of, &f);
	assert_int_equal(f.verdict, MC_FATAL);
	assert_int_equal(f.bank, 2);
	banks[0] = ours;
	banks[2] = guest;
	mc_judge(MCG_RIPV, banks, 3, owner_of, &f);
	assert_int_equal(f.verdict, MC_FATAL);
	assert_int_equal(f.bank, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guests_page_is_borne),
		cmocka_unit_test(every_other_page_is_fatal),
		cmocka_unit_test(what_cannot_go_on_is_fatal_and_says_why),
		cmocka_unit_test(corrected_and_silent_errors_are_none),
		cmocka_unit_test(banks_are_judged_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
