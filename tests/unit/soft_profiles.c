/*
 * soft_profiles.c - the versions of the software module: each row of data is legal.
 *
 * links: tdx/soft/[a-z]*.c tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/soft/cpuid.h"

static void check_row(const struct soft_profile *p)
{
	assert_ptr_equal(soft_profile_find(p->name), p);
	assert_in_range(p->max_tdmrs, 1, SOFT_MOST_TDMRS);
	assert_in_range(p->max_reserved, 1, SOFT_MOST_RESERVED);
	assert_in_range(p->config_count, 1, SOFT_MOST_CONFIGS);
	assert_in_range(p->cpuid_rows, 64, CPUID_ROWS);
	for (unsigned k = 0; k < p->config_count; k++)
		assert_in_range(p->config_row[k], 0, p->cpuid_rows - 1u);
	for (unsigned k = 0; k < p->patch_count; k++) {
		const struct cpuid_row *now = &p->patches[k].now;

		assert_int_equal(now->leaf, cpuid_rows[p->patches[k].row].leaf);
		assert_int_equal(now->sub, cpuid_rows[p->patches[k].row].sub);
	}
	for (unsigned l = 0; l < 3; l++)
		assert_true(p->pamt_entry_bytes[l] >= 16 && p->pamt_entry_bytes[l] % 8 == 0);
	assert_true(is_aligned(p->tdmr_init_bytes, SIZE_2M) && SIZE_1G % p->tdmr_init_bytes == 0);
	assert_in_range(p->tdcs_pages + 3 * p->tdcs_l2_pages, 6, SOFT_MOST_TDCS_PAGES);
	assert_in_range(p->tdvps_pages + 3 * p->tdvps_l2_pages, 6, SOFT_MOST_TDVPS_PAGES);
	assert_in_range(p->tdcx_bitmap, 2, p->tdcs_pages - 1u);
	assert_in_range(p->tdcx_root, 2, p->tdcs_pages - 1u);
	assert_in_range(p->tdcx_links, 2, p->tdcs_pages - 1u);
	assert_true(p->tdcx_bitmap != p->tdcx_root && p->tdcx_root != p->tdcx_links &&
		    p->tdcx_links != p->tdcx_bitmap);
	assert_true((p->attributes_fixed1 & ~p->attributes_fixed0) == 0);
	assert_true((p->flags_fixed1 & ~p->flags_fixed0) == 0);
	assert_true((p->xfam_fixed1 & ~p->xfam_fixed0) == 0);
	/* x2APIC ids lie in the pages before the ones with a use of their own. */
	if (p->features0 & SOFT_F_TOPOLOGY) {
		assert_int_not_equal(p->max_vcpus, 0);
		assert_true(TDCX_X2APIC + (p->max_vcpus - 1) / X2APIC_IDS_PER_PAGE < p->tdcx_bitmap);
	}
}

static void each_row_is_legal(void **state)
{
	(void)state;
	for (unsigned i = 0; i < soft_profile_count; i++)
		check_row(&soft_profiles[i]);
	assert_null(soft_profile_find("1.5.02"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_legal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
