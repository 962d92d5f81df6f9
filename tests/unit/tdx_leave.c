/*
 * tdx_leave.c - leaving the machine from every state: caches are written back on every CPU after the last
 * SEAMCALL, memory that was private is cleared where a CPU needs that, and nothing comes twice.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/leaf.h"
#include "tdx/by_hand.h"
#include "tdx/keyid.h"
#include "tdx/state.h"
#include "tdx/tdh.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(2) << 30)
#define CPUS   4u

static struct tdx_host host;
static unsigned written[CPUS]; /* WBINVDs of each CPU since the last SEAMCALL */
static unsigned calls, disables, cleared, refused_leaf;
static uint64_t disable_status, refused_status;
static unsigned disable_interrupts;

static void wbinvd(void) { written[cpu_index()]++; }

static void page_clear(hpa_t page, unsigned order)
{
	assert_true(machine_owner(page) == PAGE_TDX_PAMT || machine_owner(page) == PAGE_TDX_CONTROL);
	cleared += 1u << order;
}

static bool watch(struct soft_regs *r)
{
	unsigned leaf = r->rax & 0xffff;

	calls++;
	memset(written, 0, sizeof(written));
	if (leaf == TDH_SYS_DISABLE) {
		disables++;
		r->rax = disable_interrupts ? UINT64_C(0x8000000300000000) : disable_status;
		disable_interrupts -= disable_interrupts != 0;
		return true;
	}
	if (refused_leaf && leaf == refused_leaf) {
		r->rax = refused_status;
		return true;
	}
	return false;
}

static void machine(void)
{
	softmod_intercept = NULL;
	softmod_start(MEMORY, CPUS, 52);
	host = *softmod_host();
	host.wbinvd = wbinvd;
	host.page_clear = page_clear;
	calls = disables = cleared = refused_leaf = disable_interrupts = 0;
	disable_status = UINT64_C(0xC000010000000000); /* OPERAND_INVALID: no such leaf */
	memset(written, 0, sizeof(written));
	softmod_intercept = watch;
}

static void ready(void)
{
	machine();
	assert_int_equal(tdx_init(&host), 0);
}

static void require_left(unsigned times_disabled)
{
	unsigned so_far;

	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		assert_int_equal(written[cpu], 1);
	assert_int_equal(disables, times_disabled);
	assert_int_equal(tdx_phase(), TDX_SHUT_DOWN);
	so_far = calls;
	tdx_fini();
	assert_int_equal(calls, so_far);
	assert_int_equal(tdx_retry(), -ENODEV);
}

static void without_a_td(void **state)
{
	uint64_t pamts;

	(void)state;
	ready();
	pamts = page_count(PAGE_TDX_PAMT);
	assert_true(pamts > 0);
	tdx_fini();
	require_left(1);
	assert_int_equal(cleared, pamts);
	assert_int_equal(page_count(PAGE_LEAKED), pamts); /* this system's; the next one may use them */
}

static void a_module_that_can_is_disabled(void **state)
{
	(void)state;
	ready();
	disable_status = 0;
	disable_interrupts = 3;
	tdx_fini();
	require_left(4);
	assert_true(machine_logged("the module is disabled"));
}

static void a_module_that_refuses_is_told_of(void **state)
{
	(void)state;
	ready();
	disable_status = UINT64_C(0xC000050000000000);
	tdx_fini();
	require_left(1);
	assert_true(machine_logged("TDH.SYS.DISABLE: "));
}

/* Pages, a KeyID and a TDR of somebody who went away in the middle. */
static void with_a_td_built_half_by_hand(void **state)
{
	struct seam_regs r = { .rax = TDH_MNG_CREATE };
	uint64_t free_before;
	hpa_t page;
	uint16_t keyid;
	uint64_t ticks;

	(void)state;
	ready();
	free_before = page_count(PAGE_FREE);
	assert_int_equal(hand_pages(4, &page), 0);
	assert_int_equal(hand_keyid(&keyid), 0);
	r.rcx = page.v;
	r.rdx = keyid;
	assert_true(tdx_ok(hand_call(&r, 0, NULL, &ticks)));
	assert_int_equal(hand_lent().keyids, 1);
	tdx_fini();
	assert_int_equal(hand_lent().pages, 0);
	assert_int_equal(page_count(PAGE_TDX_CONTROL), 0);
	assert_true(page_count(PAGE_FREE) >= free_before);
	require_left(1);
}

/* Its successor has not come: it takes no leaf any more. */
static void after_the_module_was_shut_down(void **state)
{
	(void)state;
	ready();
	tdx_state.shut_down = true;
	tdx_fini();
	tdx_state.shut_down = false;
	require_left(0);
}

/* Each step of the bring-up refused once, and left there. */
static void after_a_bring_up_that_failed(void **state)
{
	static const struct {
		unsigned leaf;
		bool initialised, keyed;
	} steps[] = {
		{ TDH_SYS_INIT, false, false },    { TDH_SYS_LP_INIT, true, false },
		{ TDH_SYS_RD, true, false },	   { TDH_SYS_CONFIG, true, false },
		{ TDH_SYS_KEY_CONFIG, true, true }, { TDH_SYS_TDMR_INIT, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		machine();
		refused_leaf = steps[i].leaf;
		refused_status = UINT64_C(0xC000050800000000);
		assert_int_equal(tdx_init(&host), -EIO);
		tdx_fini();
		if (steps[i].initialised)
			require_left(1);
		assert_int_equal(disables, steps[i].initialised);
		assert_true((cleared != 0) == steps[i].keyed);
		assert_int_equal(page_count(PAGE_TDX_PAMT), 0);
		assert_true((page_count(PAGE_LEAKED) != 0) == steps[i].keyed);
	}
}

/* No module, or one that died. */
static void without_a_module(void **state)
{
	(void)state;
	machine();
	softmod_unload();
	assert_int_equal(tdx_init(&host), -ENODEV);
	tdx_fini();
	assert_int_equal(disables, 0);
	ready();
	softmod_unload();
	disable_status = TDX_SW_VMFAILINVALID;
	tdx_fini();
	require_left(1);
}

/* While Tain runs too: what a TD gives back is cleared before anybody writes a part of it. */
static void pages_that_come_back_are_cleared(void **state)
{
	hpa_t page;

	(void)state;
	ready();
	page = tdx_pages_get(PAGE_TDX_CONTROL, 0);
	tdx_pages_free(page, PAGE_TDX_CONTROL, 0);
	/* With dynamic PAMT the two pages that described it come back as well. */
	assert_int_equal(cleared, softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT ? 3 : 1);
	tdx_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_td),
		cmocka_unit_test(a_module_that_can_is_disabled),
		cmocka_unit_test(a_module_that_refuses_is_told_of),
		cmocka_unit_test(with_a_td_built_half_by_hand),
		cmocka_unit_test(after_the_module_was_shut_down),
		cmocka_unit_test(after_a_bring_up_that_failed),
		cmocka_unit_test(without_a_module),
		cmocka_unit_test(pages_that_come_back_are_cleared),
	};

	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
