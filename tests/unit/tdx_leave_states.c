/*
 * tdx_leave_states.c - leaving from every state, with every version of the module: one that knows
 * TDH.SYS.DISABLE gives back all that it has, and could be brought up anew; of any other, each page that it
 * may still have is cleared, once, where a CPU needs that. Caches are written back once on every CPU, after
 * the last SEAMCALL and before the first page is cleared.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/leaf.h"
#include "tdx/by_hand.h"
#include "tdx/seamcall.h"
#include "tdx/state.h"
#include "tdx/td.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(1) << 30)
#define PAGES  (MEMORY >> PAGE_SHIFT)
#define CPUS   4u
#define REFUSED UINT64_C(0xC000050800000000) /* SYS_STATE_INCORRECT: nobody asks again */

static struct tdx_host host;
static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[1];
static struct td *td;
static unsigned refused_leaf;
static char why[200];

/* What the way out did, in its order. */
static unsigned calls, disables, written[CPUS];
static uint8_t times_cleared[PAGES], owners[PAGES]; /* once the caches are written back */
static uint64_t cleared;
static bool leaving;

static void wbinvd(void)
{
	assert_int_equal(cleared, 0);
	written[cpu_index()]++;
	for (uint64_t i = 0; cpu_index() == 0 && i < PAGES; i++)
		owners[i] = (uint8_t)page_owner_of((hpa_t){ MACHINE_BASE + (i << PAGE_SHIFT) });
}

static void page_clear(hpa_t base, unsigned order)
{
	for (uint64_t i = 0; leaving && i < UINT64_C(1) << order; i++) {
		times_cleared[((base.v - MACHINE_BASE) >> PAGE_SHIFT) + i]++;
		cleared++;
	}
}

static bool watch(struct soft_regs *r)
{
	unsigned leaf = r->rax & 0xffff;

	if (refused_leaf && leaf == refused_leaf) {
		r->rax = REFUSED;
		return true;
	}
	calls++;
	disables += leaf == TDH_SYS_DISABLE;
	memset(written, 0, sizeof(written));
	cleared = 0; /* what was given back until now is cleared like any page that comes back */
	memset(times_cleared, 0, sizeof(times_cleared));
	return false;
}

static void start(void)
{
	softmod_start(MEMORY, CPUS, 40);
	host = *softmod_host();
	host.wbinvd = wbinvd;
	host.page_clear = page_clear;
	softmod_intercept = watch;
	td = NULL;
	leaving = false;
	refused_leaf = 0;
	cleared = 0;
	memset(times_cleared, 0, sizeof(times_cleared));
	memset(owners, 0, sizeof(owners));
}

static void ready(void)
{
	start();
	assert_int_equal(tdx_init(&host), 0);
}

static int build(void)
{
	const struct platform_config pc = { .name = "one", .memory_bytes = UINT64_C(64) << 20,
					    .vcpus = 1 };

	config = (struct guest_config){
		.name = "one", .kind = GUEST_TD, .memory = pc.memory_bytes, .vcpus = 1,
		.page_level = LEVEL_4K,
		.firmware = { .path = "one.fd", .data = tdvf_image_make(), .size = TDVF_IMAGE_SIZE },
	};
	memset(runs, 0, sizeof(runs));
	assert_int_equal(platform_init(&platform, &pc), 0);
	return td_create(&td, &config, &platform, runs, why, sizeof(why));
}

static void built(void)
{
	ready();
	if (build() != 0)
		fail_msg("%s: %s", softmod_profile->name, why);
}

/* ---- the states ---- */

static void no_td(void) { ready(); }

static void a_td_that_ended(void)
{
	built();
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
	td = NULL;
}

static void a_td_that_never_ran(void) { built(); }

/* A stay that an interrupt ended: its vCPU is associated with this CPU. */
static void interrupted(struct soft_vcpu *v, struct soft_exit *x)
{
	(void)v;
	*x = (struct soft_exit){ .reason = SOFT_EXIT_INTR };
}

static void a_td_that_runs(void)
{
	built();
	softmod_guest = interrupted;
	assert_int_not_equal(td_vcpu_run(td, 0), RUN_DEAD);
}

static void a_dead_td(void)
{
	built();
	assert_int_equal(td_vcpu_run(td, 0), RUN_DEAD);
}

/* The build is refused, and so is what should take it back: pages and KeyID are leaked. */
static void a_td_that_stuck(void)
{
	ready();
	refused_leaf = TDH_MNG_VPFLUSHDONE;
	assert_int_equal(build(), 0);
	assert_true(td_destroy(td) > 0);
	td = NULL;
	platform_fini(&platform);
	refused_leaf = 0;
}

static void half_built(void)
{
	ready();
	refused_leaf = TDH_MR_FINALIZE;
	assert_int_not_equal(build(), 0);
	platform_fini(&platform);
	refused_leaf = 0;
}

static void half_built_by_hand(void)
{
	struct seam_regs r = { .rax = TDH_MNG_CREATE };
	hpa_t page;
	uint16_t keyid;
	uint64_t ticks;

	ready();
	assert_int_equal(hand_pages(4, &page), 0);
	assert_int_equal(hand_keyid(&keyid), 0);
	r.rcx = page.v;
	r.rdx = keyid;
	assert_true(tdx_ok(hand_call(&r, 0, NULL, &ticks)));
}

static void failed_at(unsigned leaf)
{
	start();
	refused_leaf = leaf;
	assert_int_not_equal(tdx_init(&host), 0);
	refused_leaf = 0;
}

static void failed_at_sys_init(void) { failed_at(TDH_SYS_INIT); }
static void failed_at_lp_init(void) { failed_at(TDH_SYS_LP_INIT); }
static void failed_at_sys_rd(void) { failed_at(TDH_SYS_RD); }
static void failed_at_sys_config(void) { failed_at(TDH_SYS_CONFIG); }
static void failed_at_key_config(void) { failed_at(TDH_SYS_KEY_CONFIG); }
static void failed_at_tdmr_init(void) { failed_at(TDH_SYS_TDMR_INIT); }

static const struct state {
	const char *name;
	void (*make)(void);
	bool nothing; /* the module was never touched: nothing is to be done */
	bool keyless; /* no page was ever private */
	bool no_memory; /* the module takes no pages yet */
} states[] = {
	{ .name = "no TD", no_td },
	{ .name = "a TD that ended", a_td_that_ended },
	{ .name = "a TD that never ran", a_td_that_never_ran },
	{ .name = "a TD that runs", a_td_that_runs },
	{ .name = "a dead TD", a_dead_td },
	{ .name = "a TD that stuck in its teardown", a_td_that_stuck },
	{ .name = "a TD half built, and undone", half_built },
	{ .name = "a TD half built by hand", half_built_by_hand },
	{ .name = "refused at SYS.INIT", failed_at_sys_init, .nothing = true, .keyless = true, .no_memory = true },
	{ .name = "refused at LP.INIT", failed_at_lp_init, .keyless = true, .no_memory = true },
	{ .name = "refused at SYS.RD", failed_at_sys_rd, .keyless = true, .no_memory = true },
	{ .name = "refused at SYS.CONFIG", failed_at_sys_config, .keyless = true, .no_memory = true },
	{ .name = "refused at KEY.CONFIG", failed_at_key_config, .no_memory = true },
	{ .name = "refused at TDMR.INIT", failed_at_tdmr_init, .no_memory = true },
};

/* ---- what must be so afterwards ---- */

static bool can_disable(void) { return (softmod_profile->features0 & SOFT_F_SYS_DISABLE) != 0; }

static bool is_private(enum page_owner owner)
{
	return owner == PAGE_TDX_PAMT || owner == PAGE_TDX_CONTROL || owner == PAGE_TDX_SEPT ||
	       owner == PAGE_TDX_PRIVATE || owner == PAGE_LEAKED;
}

/* Each page that the module has, once; no other. */
static void require_cleared(const char *state)
{
	for (uint64_t i = 0; i < PAGES; i++)
		if (times_cleared[i] != is_private((enum page_owner)owners[i]))
			fail_msg("%s, %s: page %llu of owner %u was cleared %u times",
				 softmod_profile->name, state, (unsigned long long)i, owners[i],
				 times_cleared[i]);
}

static void require_caches(const struct state *s)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		if (written[cpu] != !s->nothing)
			fail_msg("%s, %s: CPU %u wrote its caches back %u times",
				 softmod_profile->name, s->name, cpu, written[cpu]);
}

/* The next system finds a module as it was loaded. */
static void require_fresh(const struct state *s)
{
	if (!machine_logged("the module is disabled"))
		fail_msg("%s, %s: not disabled", softmod_profile->name, s->name);
	assert_int_equal(page_count(PAGE_TDX_PAMT), 0);
	assert_int_equal(tdx_init(&host), 0);
	a_td_that_ended();
	tdx_fini();
}

static void leave_from(const struct state *s, bool interrupts)
{
	unsigned so_far;

	machine_log_clear();
	s->make();
	leaving = true;
	softmod_interrupt = interrupts;
	disables = 0;
	memset(written, 0, sizeof(written));
	tdx_fini();
	leaving = softmod_interrupt = false;
	so_far = calls;
	require_caches(s);
	assert_true((disables != 0) == !s->nothing);
	assert_true((disables > 1) == (interrupts && can_disable() && !s->no_memory));
	if (can_disable() || s->keyless)
		assert_int_equal(cleared, 0);
	else
		require_cleared(s->name);
	tdx_fini();
	assert_int_equal(calls, so_far);
	if (s->nothing)
		return;
	assert_int_equal(tdx_phase(), TDX_SHUT_DOWN);
	assert_false(machine_logged("TDH.SYS.DISABLE: "));
	if (td) {
		(void)td_destroy(td);
		platform_fini(&platform);
	}
	if (can_disable())
		require_fresh(s);
}

static void leaving_from_every_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		leave_from(&states[i], false);
}

static void leaving_while_interrupts_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		leave_from(&states[i], true);
}

static tdx_status_t call(unsigned leaf)
{
	struct seam_regs r = { .rax = leaf };

	seamcall_raw(&r);
	return (tdx_status_t){ r.rax };
}

/* What the model says to others meanwhile, and afterwards; the old ones do not know the leaf. */
static void nobody_is_let_in_while_a_module_is_disabled(void **state)
{
	unsigned n = 0;

	(void)state;
	ready();
	if (!can_disable()) {
		assert_true(tdx_is(call(TDH_SYS_DISABLE), TDX_OPERAND_INVALID));
		assert_true(tdx_ok(call(TDH_SYS_LP_SHUTDOWN)));
		tdx_fini();
		return;
	}
	softmod_interrupt = true;
	for (; tdx_is(call(TDH_SYS_DISABLE), TDX_INTERRUPTED_RESUMABLE); n++) {
		assert_true(tdx_is(call(TDH_SYS_RD), TDX_SYS_NOT_READY));
		assert_true(tdx_is(call(TDH_SYS_INIT), TDX_SYS_NOT_READY));
		assert_true(tdx_is(call(TDH_MNG_CREATE), TDX_SYS_NOT_READY));
	}
	softmod_interrupt = false;
	assert_true(n > 1 && n <= MEMORY / SIZE_2M);
	assert_true(tdx_is(call(TDH_SYS_RD), TDX_SYS_LP_INIT_NOT_DONE));
	assert_true(tdx_is(call(TDH_SYS_LP_INIT), TDX_SYS_LP_INIT_NOT_PENDING));
	assert_true(tdx_ok(call(TDH_SYS_INIT)));
	assert_true(tdx_ok(call(TDH_SYS_DISABLE)));
	assert_true(tdx_ok(call(TDH_SYS_INIT)));
	tdx_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaving_from_every_state),
		cmocka_unit_test(leaving_while_interrupts_come),
		cmocka_unit_test(nobody_is_let_in_while_a_module_is_disabled),
	};

	return softmod_run_versions(tests);
}
