/*
 * base_kept_log.c - the log that is to be found again: whole, or not taken for one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/base/kept_log.h"

static struct kept_log *started(uint64_t bytes)
{
	struct kept_log *k = malloc(sizeof(*k));

	memset(k, 0xa5, sizeof(*k));
	kept_log_start(k);
	srand(1);
	for (uint64_t i = 0; i < bytes; i++)
		kept_log_put(k, (uint8_t)rand());
	return k;
}

static void a_log_is_valid_however_full(void **state)
{
	static const uint64_t fills[] = { 0, 1, KEPT_LOG_TEXT - 1, KEPT_LOG_TEXT, KEPT_LOG_TEXT + 1,
					  3 * KEPT_LOG_TEXT + 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		struct kept_log *k = started(fills[i]);

		assert_true(kept_log_valid(k));
		assert_int_equal(k->end - kept_log_begin(k),
				 fills[i] < KEPT_LOG_TEXT ? fills[i] : KEPT_LOG_TEXT);
		free(k);
	}
}

static void memory_that_is_none_is_not_taken_for_a_log(void **state)
{
	struct kept_log *k = started(100);

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		k->magic ^= BIT64(bit);
		assert_false(kept_log_valid(k));
		k->magic ^= BIT64(bit);
	}
	k->state = KEPT_CRASHED + 1;
	assert_false(kept_log_valid(k));
	memset(k, 0, sizeof(*k));
	assert_false(kept_log_valid(k));
	memset(k, 0xff, sizeof(*k));
	assert_false(kept_log_valid(k));
	free(k);
}

static void one_damaged_byte_is_seen(void **state)
{
	struct kept_log *k = started(1000);

	(void)state;
	for (unsigned i = 0; i < KEPT_LOG_TEXT; i += 97) {
		k->text[i] ^= 0x10;
		assert_false(kept_log_valid(k));
		k->text[i] ^= 0x10;
	}
	uint8_t first = k->text[0]; /* two bytes that change places */

	assert_true(first != k->text[1]);
	k->text[0] = k->text[1], k->text[1] = first;
	assert_false(kept_log_valid(k));
	free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_is_valid_however_full),
		cmocka_unit_test(memory_that_is_none_is_not_taken_for_a_log),
		cmocka_unit_test(one_damaged_byte_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
