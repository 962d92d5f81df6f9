/*
 * platform_fault.c - wrong answers come for the calls that a rule names, and for no others.
 *
 * links: kernel/platform/fault.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/platform/fault.h"

static struct fault_table table;

static uint64_t answer(enum fault_kind kind, uint64_t key)
{
	uint64_t value = 7;

	fault_answer(&table, kind, key, &value);
	return value;
}

static void tell(enum fault_kind kind, uint64_t key, unsigned nth, unsigned times)
{
	const struct fault_rule rule = { .kind = kind,
					 .key = key,
					 .value = 99,
					 .dice = { .nth = nth, .times = times, .chance = DICE_ALWAYS } };

	assert_int_equal(fault_add(&table, &rule), 0);
}

static void the_nth_answer_is_wrong(void **state)
{
	(void)state;
	fault_clear(&table);
	tell(FAULT_PORT, 0x60, 2, 2);
	assert_int_equal(answer(FAULT_PORT, 0x60), 7);
	assert_int_equal(answer(FAULT_PORT, 0x61), 7);
	assert_int_equal(answer(FAULT_MSR, 0x60), 7);
	assert_int_equal(answer(FAULT_PORT, 0x60), 99);
	assert_int_equal(answer(FAULT_PORT, 0x60), 99);
	assert_int_equal(answer(FAULT_PORT, 0x60), 7);
	assert_int_equal(table.rule[0].dice.calls, 4);
	assert_int_equal(table.rule[0].dice.hits, 2);
	fault_clear(&table);
	assert_int_equal(answer(FAULT_PORT, 0x60), 7);
	fault_answer(NULL, FAULT_PORT, 0x60, &(uint64_t){ 0 });
}

static void one_register_of_a_leaf(void **state)
{
	uint32_t out[4] = { 1, 2, 3, 4 };
	struct fault_rule rule = { .kind = FAULT_CPUID, .key = 7, .reg = 2, .value = 99,
				   .dice = { .nth = 1, .chance = DICE_ALWAYS } };

	(void)state;
	fault_clear(&table);
	assert_false(fault_names_leaf(&table, 7));
	assert_int_equal(fault_add(&table, &rule), 0);
	assert_true(fault_names_leaf(&table, 7));
	assert_false(fault_names_leaf(&table, 8));
	assert_false(fault_names_leaf(NULL, 7));
	fault_cpuid(&table, 8, out);
	assert_int_equal(out[2], 3);
	fault_cpuid(&table, 7, out);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], 2);
	assert_int_equal(out[2], 99);
	assert_int_equal(out[3], 4);
}

/* Which of 64 calls are hit, as bits. */
static uint64_t pattern(uint64_t seed)
{
	struct dice d = { .nth = 1, .times = 0, .chance = 300, .seed = seed };
	uint64_t bits = 0;

	for (unsigned i = 0; i < 64; i++)
		bits |= dice_hit(&d) ? BIT64(i) : 0;
	return bits;
}

static void the_same_seed_is_the_same_run(void **state)
{
	(void)state;
	assert_int_equal(pattern(5), pattern(5));
	assert_int_not_equal(pattern(5), pattern(6));
	assert_in_range(__builtin_popcountll(pattern(5)), 8, 32);
}

static void nonsense_is_refused(void **state)
{
	struct fault_rule rule = { .dice = { .nth = 0, .chance = DICE_ALWAYS } };

	(void)state;
	fault_clear(&table);
	assert_int_equal(fault_add(&table, &rule), -EINVAL);
	rule.dice.nth = 1;
	rule.dice.chance = DICE_ALWAYS + 1;
	assert_int_equal(fault_add(&table, &rule), -EINVAL);
	rule.dice.chance = DICE_ALWAYS;
	for (unsigned i = 0; i < FAULT_RULES; i++)
		assert_int_equal(fault_add(&table, &rule), 0);
	assert_int_equal(fault_add(&table, &rule), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nth_answer_is_wrong),
		cmocka_unit_test(one_register_of_a_leaf),
		cmocka_unit_test(the_same_seed_is_the_same_run),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
