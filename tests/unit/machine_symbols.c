/*
 * machine_symbols.c - names for addresses, as the crash report shows them.
 *
 * links: kernel/machine/symbols.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/base/boot_info.h"
#include "kernel/machine/symbols.h"

/* What tools/gen-symbols makes of three symbols and the image's end. */
extern const struct blob {
	uint32_t count;
	struct {
		uint32_t offset, name;
	} row[4];
	char names[16];
} symbol_blob;
const struct blob symbol_blob = {
	.count = 4,
	.row = { { 0x10, 0 }, { 0x40, 4 }, { 0x100, 8 }, { 0x200, 10 } },
	.names = "abc\0abd\0x\0end",
};

static void an_address_has_the_name_before_it(void **state)
{
	static const struct {
		uint64_t at;
		const char *name;
		uint64_t offset;
	} rows[] = {
		{ 0x10, "abc", 0 }, { 0x3f, "abc", 0x2f },  { 0x40, "abd", 0 },
		{ 0x100, "x", 0 },  { 0x1ff, "x", 0xff },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t offset = 0;
		const char *name = symbol_at(KERNEL_VIRT_BASE + rows[i].at, &offset);

		assert_non_null(name);
		assert_string_equal(name, rows[i].name);
		assert_int_equal(offset, rows[i].offset);
	}
}

static void outside_the_image_there_is_no_name(void **state)
{
	static const uint64_t outside[] = { 0, KERNEL_VIRT_BASE - 1, KERNEL_VIRT_BASE,
					    KERNEL_VIRT_BASE + 0xf, KERNEL_VIRT_BASE + 0x200,
					    UINT64_MAX };
	uint64_t offset;
	char text[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outside); i++)
		assert_null(symbol_at(outside[i], &offset));
	assert_string_equal(symbol_text(0x1234, text, sizeof(text)), "0x1234");
	assert_string_equal(symbol_text(KERNEL_VIRT_BASE + 0x42, text, sizeof(text)), "abd+0x2");
}

static void a_name_is_found_and_completed(void **state)
{
	uint64_t at = 0;

	(void)state;
	assert_int_equal(symbol_find("abd", &at), 0);
	assert_int_equal(at, KERNEL_VIRT_BASE + 0x40);
	assert_int_equal(symbol_find("ab", &at), -ENOENT);
	assert_string_equal(symbol_complete("ab", 2, 0), "abc");
	assert_string_equal(symbol_complete("ab", 2, 1), "abd");
	assert_null(symbol_complete("ab", 2, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_the_name_before_it),
		cmocka_unit_test(outside_the_image_there_is_no_name),
		cmocka_unit_test(a_name_is_found_and_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
