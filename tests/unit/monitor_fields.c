/*
 * monitor_fields.c - metadata and VMCS fields by name: every field that the software module has can be
 * called by its name, and finds its id again.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *   kernel/monitor/vars.c kernel/monitor/seam_words.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/monitor/seam_words.h"
#include "tdx/abi/metadata.h"
#include "tdx/soft/md.h"

/* The name of the element with @code, or NULL. */
static const struct md_name *name_of(unsigned scope, unsigned class_code, uint32_t code)
{
	const struct md_name *n;

	for (unsigned i = 0; (n = md_field((enum md_scope)scope, i)); i++)
		if (n->class_code == class_code && n->code <= code && code < n->code + n->elements)
			return n;
	return NULL;
}

static void look_for_names(const struct soft_module *m, unsigned scope)
{
	const struct md_table *tables[] = { &md_sys, &md_td, &md_vp };

	for (unsigned i = 0; i < tables[scope]->count; i++) {
		const struct md_field *f = &tables[scope]->rows[i];
		unsigned count = f->kind == K_CPUID ? 1 : md_elements(m, f);

		for (unsigned k = 0; k < count && f->kind != K_VMCS; k++) {
			const struct md_name *n = name_of(scope, f->cls, f->code + k);

			if (!n || n->size_code != f->size)
				fail_msg("%s: scope %u class %u code %x has no good name",
					 m->profile->name, scope, f->cls, f->code + k);
		}
	}
}

static void every_field_of_each_version_has_a_name(void **state)
{
	static struct soft_module m;

	(void)state;
	for (unsigned p = 0; p < soft_profile_count; p++) {
		m.profile = &soft_profiles[p];
		for (unsigned scope = 0; scope < 3; scope++)
			look_for_names(&m, scope);
	}
	for (unsigned i = 0; i < md_vmcs_count; i++)
		if (!vmcs_field_name(md_vmcs_fields[i].encoding))
			fail_msg("VMCS field %x has no name", md_vmcs_fields[i].encoding);
}

static void a_name_finds_the_id_that_the_tables_have(void **state)
{
	static const struct {
		enum md_scope scope;
		const char *name;
		uint64_t id;
	} rows[] = {
#define X(name, id) { MD_SCOPE_SYS, #name, UINT64_C(id) },
		MD_SYS_TABLE(X)
#undef X
#define X(name, id) { MD_SCOPE_TD, #name, UINT64_C(id) },
		MD_TD_TABLE(X)
#undef X
		{ MD_SCOPE_VP, "VCPU_STATE_DETAILS", 0x9120000300000100 },
		{ MD_SCOPE_VP, "r15", 0x102000030000000f },
		{ MD_SCOPE_VP, "VMCS.GUEST_RIP", 0x002000030000681e },
		{ MD_SCOPE_VP, "vmcs.guest_es_selector", 0x0020000100000800 },
		{ MD_SCOPE_VP, "GUEST_RFLAGS", 0x0020000300006820 },
		{ MD_SCOPE_TD, "mrtd[5]", 0x1310000300000005 },
	};
	const uint64_t looked_at = MD_FIELD_CODE | MD_CLASS | MD_CONTEXT;
	/* Names that the documents and this table spell differently. */
	static const char *const others[] = { "PAMT_PAGE_BITMAP_BITS", "ARCH_CAP_CONFIG_MASK" };
	char why[120];
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, others[0]) == 0 || strcmp(rows[i].name, others[1]) == 0)
			continue;
		if (seam_field(rows[i].scope, rows[i].name, &id, why, sizeof(why)) != 0)
			fail_msg("%s", why);
		if ((id & looked_at) != (rows[i].id & looked_at))
			fail_msg("%s is %llx, not %llx", rows[i].name, (unsigned long long)id,
				 (unsigned long long)rows[i].id);
	}
	assert_int_equal(seam_field(MD_SCOPE_TD, "0x1110000300000000", &id, why, sizeof(why)), 0);
	assert_int_equal(id, 0x1110000300000000);
	assert_int_not_equal(seam_field(MD_SCOPE_TD, "GUEST_RIP", &id, why, sizeof(why)), 0);
}

static void cpuid_values_are_named_by_leaf_and_subleaf(void **state)
{
	static const struct {
		const char *name;
		uint64_t code; /* 0: it is none */
	} rows[] = {
		{ "CPUID_VALUES[1]", 0x3fe },
		{ "cpuid_values[1][1]", 0x3ff },
		{ "CPUID_VALUES[7.0]", 0xe00 },
		{ "CPUID_VALUES[0xd.18][1]", 0x1a25 },
		{ "CPUID_VALUES[0x80000008]", 0x111fe },
		{ "CPUID_VALUES[]", 0 }, { "CPUID_VALUES[7.]", 0 }, { "CPUID_VALUES[7.0", 0 },
		{ "CPUID_VALUES[7.0][2]", 0 }, { "CPUID_VALUES[7.0][1", 0 }, { "CPUID_VALUES[7.0][1]x", 0 },
		{ "CPUID_VALUES[7.128]", 0 }, { "CPUID_VALUES[0x80]", 0 }, { "MRTD[6]", 0 }, { "MRTD[1][1]", 0 },
	};
	char why[120];
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int err = seam_field(MD_SCOPE_TD, rows[i].name, &id, why, sizeof(why));

		if ((err == 0) != (rows[i].code != 0) || (!err && (id & MD_FIELD_CODE) != rows[i].code))
			fail_msg("%s: %d %llx", rows[i].name, err, (unsigned long long)id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_each_version_has_a_name),
		cmocka_unit_test(a_name_finds_the_id_that_the_tables_have),
		cmocka_unit_test(cpuid_values_are_named_by_leaf_and_subleaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
