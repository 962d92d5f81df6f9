/*
 * tdx_explain.c - statuses that people met and asked about, each explained with what a tool should
 * have said; and every code of the table.
 *
 * links: tdx/abi/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/explain.h"
#include "tdx/abi/leaf.h"
#include "tdx/abi/sept.h"

static char text[4096];

static void collect(void *ctx, const char *line)
{
	size_t n = strlen(text);

	(void)ctx;
	snprintf(text + n, sizeof(text) - n, "%s\n", line);
}

static const char *explain(uint64_t status, int64_t leaf)
{
	text[0] = 0;
	tdx_explain((tdx_status_t){ status }, leaf, collect, NULL);
	return text;
}

static void reported_statuses_are_explained(void **state)
{
	static const struct {
		uint64_t status;
		int64_t leaf;
		const char *says[4];
	} rows[] = {
		{ 0xc000090000000000, 33, { "INCORRECT_CPUID_VALUE", "TDH.SYS.INIT", "firmware" } },
		{ 0xc000092100000122, 33, { "INCORRECT_MSR_VALUE", "0x122", "IA32_TSX_CTRL" } },
		{ 0xc000050500000000, 34, { "SYS_NOT_READY", "TDH.SYS.RD", "too old" } },
		{ 0xc0000c0000000000, 34, { "METADATA_FIELD_ID_INCORRECT", "newer module" } },
		{ 0xc000010000000045,
		  21,
		  { "OPERAND_INVALID", "CPUID_CONFIG", "RCX", "sub-leaf" } },
		{ 0xc000030000000001,
		  28,
		  { "PAGE_METADATA_INCORRECT", "operand 1 RCX", "free already" } },
		{ 0xc0000b0800000001,
		  15,
		  { "TLB_TRACKING_NOT_DONE", "TRACK", "race in the host" } },
		{ 0x8000020000000092, 0, { "OPERAND_BUSY", "SEPT_TREE", "retry" } },
		{ 0x4000000100000002, 0, { "NON_RECOVERABLE_VCPU", "TRIPLE_FAULT" } },
		{ 0x8000ff00ffff0000, -1, { "VMfailInvalid" } },
		{ 0x8000000000020000, -1, { "P-SEAMLDR EBADSIG" } },
		{ 0x8000000000010001, -1, { "NP-SEAMLDR EBADPLATF" } },
		{ 0xe000060400000000, 0, { "TD_FATAL", "fatal to the TD" } },
		{ 0x00000a0300000000, 36, { "TDMR_ALREADY_INITIALIZED", "informational" } },
		{ 0xc0000a1200030201,
		  45,
		  { "PAMT_OVERLAP", "TDMR 1, PAMT level 1G, other TDMR 3" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t j = 0; j < ARRAY_LEN(rows[i].says) && rows[i].says[j]; j++)
			if (!strstr(explain(rows[i].status, rows[i].leaf), rows[i].says[j]))
				fail_msg("%016llx: no \"%s\" in:\n%s",
					 (unsigned long long)rows[i].status, rows[i].says[j], text);
}

static void every_code_has_a_name_and_a_meaning(void **state)
{
	static const uint32_t codes[] = {
#define X(hi, name, detail, hint) hi,
		TDX_STATUS_TABLE(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		tdx_status_t st = { (uint64_t)codes[i] << 32 };

		assert_non_null(tdx_status_name(st));
		assert_non_null(strstr(explain(st.raw, -1), "meaning"));
		assert_null(strstr(text, "unknown code"));
		for (size_t j = 0; j < i; j++)
			assert_true(codes[i] != codes[j]);
	}
}

static void unknown_codes_are_not_guessed(void **state)
{
	(void)state;
	assert_non_null(strstr(explain(0xc0000f7700000000, -1), "unknown code"));
	assert_non_null(strstr(text, "TDX-IO"));
	assert_null(tdx_status_name((tdx_status_t){ 0xc0000f7700000000 }));
}

static void what_people_type_is_read(void **state)
{
	uint64_t value;
	int64_t leaf;

	(void)state;
	assert_int_equal(tdx_parse_status("0xC000010000000045", &value), 0);
	assert_true(value == 0xc000010000000045);
	assert_int_equal(tdx_parse_status("c000010000000045", &value), 0);
	assert_true(tdx_parse_status("0x", &value) < 0);
	assert_true(tdx_parse_status("12345678901234567", &value) < 0);
	assert_true(tdx_parse_status("12g", &value) < 0);
	assert_int_equal(tdx_parse_leaf("TDH.MNG.INIT", &leaf), 0);
	assert_int_equal(leaf, TDH_MNG_INIT);
	assert_int_equal(tdx_parse_leaf("mng.init", &leaf), 0);
	assert_int_equal(tdx_parse_leaf("tdh_mng_init", &leaf), 0);
	assert_int_equal(leaf, TDH_MNG_INIT);
	assert_int_equal(tdx_parse_leaf("21", &leaf), 0);
	assert_int_equal(leaf, TDH_MNG_INIT);
	assert_true(tdx_parse_leaf("nothing", &leaf) < 0);
	assert_int_equal(tdx_parse_leaf("SEAMLDR.INSTALL", &leaf), 0);
	assert_non_null(strstr(explain(0x8000000000030001, leaf), "ENOENTROPY"));
}

static void levels_convert_both_ways(void **state)
{
	(void)state;
	for (int level = LEVEL_4K; level <= LEVEL_256T; level++)
		assert_int_equal(sept_to_level(sept_level(level)), level);
	assert_int_equal(sept_level(LEVEL_2M), 1);
	struct sept_info i = sept_decode(0x80000000401000f7, 0x0402);
	assert_int_equal(i.state, SEPT_MAPPED);
	assert_int_equal(i.level, LEVEL_1G);
	assert_true(i.page.v == 0x40100000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reported_statuses_are_explained),
		cmocka_unit_test(every_code_has_a_name_and_a_meaning),
		cmocka_unit_test(unknown_codes_are_not_guessed),
		cmocka_unit_test(what_people_type_is_read),
		cmocka_unit_test(levels_convert_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
