/*
 * soft_inject.c - the software module fails when it is told to, on the call it was told, and the
 * same way again; interrupted leaves keep what they have done.
 *
 * links: tools/host/vectors_machine.c tdx/soft/[a-z]*.c tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/soft/module.h"
#include "tools/host/vectors_machine.h"

#define LEAF_KEY_CONFIG 8
#define LEAF_CREATE     9
#define LEAF_FLUSHDONE  19
#define LEAF_FREEID     20
#define LEAF_RDMD       24
#define LEAF_SYS_RD     34
#define LEAF_CACHE_WB   40
#define BUSY            UINT64_C(0x8000020000000000)
#define INTERRUPTED     UINT64_C(0x8000000300000000)
#define NOT_COMPLETE    UINT64_C(0x8000081700000000)
#define NO_HKID_READY   UINT64_C(0x0000082100000000)
#define TDR             UINT64_C(0x41000000)
#define FEATURES0       UINT64_C(0x0a00000300000008)

static uint64_t call(unsigned lp, uint64_t leaf, uint64_t rcx, uint64_t rdx, uint64_t r8)
{
	struct soft_regs r = { .rax = leaf, .rcx = rcx, .rdx = rdx, .r8 = r8 };

	assert_int_equal(vm_call(lp, &r), VM_DONE);
	return vm_host_regs(lp)->rax;
}

static void bring_up(void)
{
	static const uint64_t info[8] = { 0x40000000, SIZE_1G, 0x10402000, 0x1000,
					  0x10400000, 0x2000,  0x10000000, 0x400000 };
	static const uint64_t table = 0x221000;

	vm_reset();
	memcpy(vm_memory(table, sizeof(info)), info, sizeof(info));
	memcpy(vm_memory(0x220000, 8), &table, 8);
	assert_int_equal(call(0, 33, 0, 0, 0), 0);
	for (unsigned lp = 0; lp < VM_LPS; lp++)
		assert_int_equal(call(lp, 35, 0, 0, 0), 0);
	assert_int_equal(call(0, 45, 0x220000, 1, 32), 0);
	assert_int_equal(call(0, 31, 0, 0, 0), 0);
	assert_int_equal(call(2, 31, 0, 0, 0), 0);
	while (call(0, 36, info[0], 0, 0) == 0)
		;
	soft_inject_clear(vm_module());
}

static void tell(enum tdx_inject_kind kind, uint32_t leaf, uint64_t value, uint32_t nth,
		 uint32_t times)
{
	const struct tdx_inject rule = { .kind = kind,
					 .leaf = leaf,
					 .value = value,
					 .nth = nth,
					 .times = times,
					 .chance = TDX_INJECT_ALWAYS };

	assert_int_equal(soft_inject_add(vm_module(), &rule), 0);
}

static uint64_t features(void) { return call(0, LEAF_SYS_RD, 0, FEATURES0, 0); }

static void the_nth_call_answers_as_told(void **state)
{
	struct tdx_inject rules[TDX_INJECT_RULES];

	(void)state;
	bring_up();
	tell(TDX_INJECT_STATUS, LEAF_SYS_RD, BUSY | 7, 3, 2);
	assert_int_equal(features(), 0);
	assert_int_equal(call(0, LEAF_RDMD, TDR, 0, 0), 0); /* another leaf does not count */
	assert_int_equal(features(), 0);
	assert_int_equal(features(), BUSY | 7);
	assert_int_equal(vm_host_regs(0)->rdx, FEATURES0); /* nothing was done, outputs neither */
	assert_int_equal(features(), BUSY | 7);
	assert_int_equal(features(), 0);
	assert_int_equal(soft_inject_list(vm_module(), rules), 1);
	assert_int_equal(rules[0].calls, 5);
	assert_int_equal(rules[0].hits, 2);
	soft_inject_clear(vm_module());
	assert_int_equal(soft_inject_list(vm_module(), rules), 0);
}

static void any_leaf_and_for_ever(void **state)
{
	(void)state;
	bring_up();
	tell(TDX_INJECT_STATUS, TDX_INJECT_ANY_LEAF, BUSY, 1, 0);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(features(), BUSY);
		assert_int_equal(call(1, LEAF_CREATE, TDR, 33, 0), BUSY);
	}
	soft_inject_clear(vm_module());
	assert_int_equal(call(1, LEAF_CREATE, TDR, 33, 0), 0);
}

static void an_interrupted_cache_wb_is_resumed(void **state)
{
	(void)state;
	bring_up();
	assert_int_equal(call(0, LEAF_CREATE, TDR, 33, 0), 0);
	assert_int_equal(call(0, LEAF_KEY_CONFIG, TDR, 0, 0), 0);
	assert_int_equal(call(0, LEAF_FLUSHDONE, TDR, 0, 0), 0);
	tell(TDX_INJECT_INTERRUPT, LEAF_CACHE_WB, 0, 1, 2);
	assert_int_equal(call(0, LEAF_CACHE_WB, 0, 0, 0), INTERRUPTED);
	assert_int_equal(call(0, LEAF_FREEID, TDR, 0, 0), NOT_COMPLETE);
	assert_int_equal(call(0, LEAF_CACHE_WB, 1, 0, 0), INTERRUPTED);
	assert_int_equal(call(0, LEAF_CACHE_WB, 1, 0, 0), 0);
	assert_int_equal(call(2, LEAF_CACHE_WB, 0, 0, 0), 0);
	assert_int_equal(call(0, LEAF_FREEID, TDR, 0, 0), 0);
	assert_int_equal(call(2, LEAF_CACHE_WB, 0, 0, 0), NO_HKID_READY);
}

/* Which of a thousand calls failed, as a checksum. */
static uint64_t dice_pattern(uint64_t seed, unsigned *failed)
{
	const struct tdx_inject rule = { .kind = TDX_INJECT_STATUS,
					 .leaf = LEAF_SYS_RD,
					 .value = BUSY,
					 .nth = 1,
					 .chance = 100,
					 .seed = seed };
	uint64_t sum = 0;

	bring_up();
	assert_int_equal(soft_inject_add(vm_module(), &rule), 0);
	*failed = 0;
	for (unsigned i = 0; i < 1000; i++) {
		bool bad = features() == BUSY;

		*failed += bad;
		sum = sum * 31 + (bad ? i : 0);
	}
	return sum;
}

static void dice_fall_the_same_way_again(void **state)
{
	unsigned first, second, other;
	uint64_t a = dice_pattern(1, &first), b = dice_pattern(1, &second);

	(void)state;
	assert_int_equal(a, b);
	assert_int_equal(first, second);
	assert_true(first > 60 && first < 140);
	assert_int_not_equal(a, dice_pattern(2, &other));
}

static void a_delay_ends_also_when_time_stands_still(void **state)
{
	(void)state;
	bring_up();
	tell(TDX_INJECT_DELAY, LEAF_SYS_RD, 1000, 1, 1);
	assert_int_equal(features(), 0);
}

static void nonsense_is_refused(void **state)
{
	struct tdx_inject rule = { .leaf = 0, .nth = 0, .chance = 1000 };

	(void)state;
	bring_up();
	assert_int_equal(soft_inject_add(vm_module(), &rule), -EINVAL);
	rule.nth = 1;
	rule.chance = 1001;
	assert_int_equal(soft_inject_add(vm_module(), &rule), -EINVAL);
	rule.chance = 1000;
	rule.leaf = 99;
	for (unsigned i = 0; i < TDX_INJECT_RULES; i++)
		assert_int_equal(soft_inject_add(vm_module(), &rule), 0);
	assert_int_equal(soft_inject_add(vm_module(), &rule), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nth_call_answers_as_told),
		cmocka_unit_test(any_leaf_and_for_ever),
		cmocka_unit_test(an_interrupted_cache_wb_is_resumed),
		cmocka_unit_test(dice_fall_the_same_way_again),
		cmocka_unit_test(a_delay_ends_also_when_time_stands_still),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
