/*
 * tdx_measured.c - what a TD was given: the log of its build, its MRTD as predicted and as the
 * module has it, and its parameters as requested, allowed and granted.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/leaf.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(256) << 20)

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[2];
static char why[200];

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static void set_up(void)
{
	const struct platform_config pc = {
		.name = "one", .memory_bytes = UINT64_C(16) << 20, .vcpus = 2, .console = console
	};

	config = (struct guest_config){
		.name = "one",
		.kind = GUEST_TD,
		.memory = UINT64_C(16) << 20,
		.vcpus = 2,
		.page_level = LEVEL_2M,
		.firmware = { .path = "one.fd",
			      .data = tdvf_image_make(),
			      .size = TDVF_IMAGE_SIZE },
	};
	softmod_start(MEMORY, 2, 52);
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(platform_init(&platform, &pc), 0);
}

static int make(struct td **td)
{
	*td = NULL;
	return td_create(td, &config, &platform, runs, why, sizeof(why));
}

/* ---- the log against what the module was really asked ---- */

#define RECORDS 200000

static struct record {
	bool extended;
	uint64_t gpa;
} asked[RECORDS], logged[RECORDS];
static unsigned asked_count, logged_count;

static bool note_records(struct soft_regs *r)
{
	unsigned leaf = r->rax & 0xffff;

	if (leaf == TDH_MEM_PAGE_ADD || leaf == TDH_MR_EXTEND)
		asked[asked_count++] = (struct record){ leaf == TDH_MR_EXTEND, r->rcx };
	return false;
}

static void note_logged(void *ctx, bool extended, gpa_t gpa)
{
	(void)ctx;
	logged[logged_count++] = (struct record){ extended, gpa.v };
}

static unsigned line_count, same_lines;
static char lines[4000];

static void note_line(void *ctx, const char *text)
{
	(void)ctx;
	line_count++;
	same_lines += strcmp(text, "they are the same") == 0;
	if (strlen(lines) + strlen(text) + 2 < sizeof(lines)) {
		strcat(lines, text);
		strcat(lines, "\n");
	}
}

/* In every order and mode the log, expanded, is what the module was asked, record by record. */
static void the_log_is_what_was_measured(void **state)
{
	(void)state;
	for (unsigned order = TD_MEASURE_PER_PAGE; order <= TD_MEASURE_TWO_PASS; order++)
		for (unsigned accept = TD_ACCEPT_LAZY; accept <= TD_ACCEPT_MEASURED; accept++) {
			struct td *td;

			set_up();
			config.measure = (enum td_measure)order;
			config.accept = (enum td_accept)accept;
			asked_count = logged_count = line_count = same_lines = 0;
			softmod_intercept = note_records;
			assert_int_equal(make(&td), 0);
			assert_int_equal(td->log->lost, 0);
			measure_log_records(td->log, note_logged, NULL);
			assert_int_equal(asked_count, logged_count);
			for (unsigned i = 0; i < asked_count; i++) {
				assert_int_equal(asked[i].extended, logged[i].extended);
				assert_int_equal(asked[i].gpa, logged[i].gpa);
			}
			td_measured(td, false, note_line, NULL);
			assert_int_equal(same_lines, 1);
			assert_true(line_count < 20);
			td_measured(td, true, note_line, NULL);
			assert_true(line_count > asked_count);
			assert_int_equal(td_destroy(td), 0);
			platform_fini(&platform);
		}
}

/* A log that is full says so, and stays exact as far as it goes. */
static void a_full_log_says_so(void **state)
{
	static struct measure_log log;

	(void)state;
	memset(&log, 0, sizeof(log));
	for (uint64_t i = 0; i < MEASURE_LOG_MAX + 5; i++)
		measure_log_add(&log, (gpa_t){ i * 2 * PAGE_SIZE });
	measure_log_extend(&log, (gpa_t){ 0 });
	assert_int_equal(log.count, MEASURE_LOG_MAX);
	assert_int_equal(log.lost, 6);
	lines[0] = 0;
	measure_log_runs(&log, note_line, NULL);
	logged_count = 0;
	measure_log_records(&log, note_logged, NULL);
	assert_int_equal(logged_count, MEASURE_LOG_MAX);
}

/* ---- a module that measures something else ---- */

static unsigned skip_call;

/* The n-th MR.EXTEND is said to be done, and is not. */
static bool skip_one_extend(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_MR_EXTEND || skip_call-- != 0)
		return false;
	r->rax = 0;
	return true;
}

static bool change_mrtd(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_MNG_RD || r->rdx != MD_TD_MRTD + 3)
		return false;
	r->rax = 0;
	r->r8 = 1;
	return true;
}

static void another_mrtd_is_shouted(void **state)
{
	static bool (*const plants[])(struct soft_regs *) = { skip_one_extend, change_mrtd };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(plants); i++) {
		struct td *td;
		uint64_t before;

		set_up();
		before = page_count(PAGE_FREE);
		skip_call = 17;
		softmod_intercept = plants[i];
		assert_int_equal(make(&td), -EIO);
		assert_non_null(strstr(softmod_said(), "tain: td one: MRTD DIFFERS, predicted "));
		assert_non_null(strstr(why, "the module's MRTD is not what was added"));
		assert_int_equal(page_count(PAGE_FREE), before);
		platform_fini(&platform);
	}
}

/* What tain.cfg names is compared with the module's; with another the TD does not run. */
static void the_mrtd_of_the_configuration_is_the_one(void **state)
{
	uint8_t its_own[TDX_HASH_BYTES];
	struct td *td;

	(void)state;
	set_up();
	assert_int_equal(make(&td), 0);
	memcpy(its_own, td->mrtd, sizeof(its_own));
	(void)td_destroy(td);
	platform_fini(&platform);
	for (unsigned spoiled = 0; spoiled < 2; spoiled++) {
		set_up();
		memcpy(config.mrtd, its_own, sizeof(its_own));
		config.mrtd[47] = (uint8_t)(config.mrtd[47] ^ spoiled);
		config.has_mrtd = true;
		assert_int_equal(make(&td), spoiled ? -EIO : 0);
		if (spoiled)
			assert_non_null(strstr(why, "the module's MRTD is not what tain.cfg says"));
		else
			(void)td_destroy(td);
		platform_fini(&platform);
	}
}

/* ---- requested, allowed, granted ---- */

static struct td_grant grants[200];
static unsigned grant_count;

static void note_grant(void *ctx, const struct td_grant *g)
{
	(void)ctx;
	assert_true(grant_count < ARRAY_LEN(grants));
	grants[grant_count++] = *g;
}

static const struct td_grant *grant(const char *name)
{
	for (unsigned i = 0; i < grant_count; i++)
		if (strcmp(grants[i].name, name) == 0)
			return &grants[i];
	fail_msg("no row %s", name);
	return NULL;
}

static bool not_telling;

static void list_grants(void)
{
	struct td *td;

	grant_count = 0;
	if (make(&td))
		fail_msg("%s", why);
	not_telling = true;
	td_grants(td, note_grant, NULL);
	not_telling = false;
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
}

static void what_is_granted_is_told_with_reasons(void **state)
{
	const struct td_grant *g;

	(void)state;
	set_up();
	config.attributes = GUEST_ATTR_DEBUG;
	list_grants();
	g = grant("attributes");
	assert_int_equal(g->requested, 1);
	assert_int_equal(g->granted, 1 | softmod_profile->attributes_fixed1);
	if (!softmod_profile->attributes_fixed1)
		assert_string_equal(g->why, "as requested");
	g = grant("xfam");
	assert_int_equal(g->requested, 0x2e7);
	assert_int_equal(g->granted & ~g->allowed, 0);
	g = grant("vcpus at most");
	assert_int_equal(g->granted, 2);
	g = grant("tsc in 25 MHz");
	assert_int_equal(g->requested, g->granted);
	/* Family, model and stepping: 0 asks for the CPU's own. */
	g = grant("cpuid 1.0 eax");
	assert_int_equal(g->requested, 0);
	assert_int_equal(g->granted, 0xc06f2);
	assert_non_null(strstr(g->why, "the CPU's own"));
	for (unsigned i = 0; i < grant_count; i++) {
		assert_true(grants[i].why[0] != 0);
		if (strncmp(grants[i].name, "cpuid", 5) == 0)
			assert_int_equal(grants[i].granted & ~grants[i].allowed, 0);
	}
}

/* A module that offers less, and one that insists on more. */
static uint64_t field_id, field_value;
static bool say_of_field(struct soft_regs *r)
{
	unsigned leaf = r->rax & 0xffff;

	if ((leaf != TDH_SYS_RD && leaf != TDH_MNG_RD) || r->rdx != field_id)
		return false;
	r->rax = 0;
	r->r8 = field_value;
	return true;
}

static void differences_have_their_reasons(void **state)
{
	static const struct {
		uint64_t id, value;
		bool at_start;
		const char *row, *why;
	} rows[] = {
		{ MD_SYS_XFAM_FIXED0, 0x7, true, "xfam", "0x2e0 not offered by the module" },
		{ MD_SYS_XFAM_FIXED0, 0xe3, true, "xfam",
		  "0x204 not offered by the module; 0xe0 only" },
		{ MD_TD_XFAM, 0x103, false, "xfam", "0x100 set by the module" },
		{ MD_TD_ATTRIBUTES, BIT64(30), false, "attributes",
		  "0x40000000 set by the module" },
		{ MD_TD_MAX_VCPUS, 1, false, "vcpus at most", "changed by the module" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		set_up();
		field_id = rows[i].id;
		field_value = rows[i].value;
		if (rows[i].at_start) {
			softmod_start(MEMORY, 2, 52);
			softmod_intercept = say_of_field;
			assert_int_equal(tdx_init(softmod_host()), 0);
		}
		softmod_intercept = say_of_field;
		machine_log_clear();
		list_grants();
		if (!strstr(grant(rows[i].row)->why, rows[i].why))
			fail_msg("%s: %s", rows[i].row, grant(rows[i].row)->why);
		assert_true(machine_logged(rows[i].why));
	}
}

/* A module that does not tell: said in each row, and nothing else breaks. */
static bool refuse_mng_rd(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_MNG_RD || !not_telling)
		return false;
	r->rax = UINT64_C(0xc0000c0000000000);
	return true;
}

static void what_is_not_told_is_said(void **state)
{
	(void)state;
	set_up();
	softmod_intercept = refuse_mng_rd;
	list_grants();
	for (unsigned i = 0; i < grant_count; i++)
		assert_non_null(strstr(grants[i].why, "does not say"));
	assert_true(grant_count > 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_is_what_was_measured),
		cmocka_unit_test(a_full_log_says_so),
		cmocka_unit_test(another_mrtd_is_shouted),
		cmocka_unit_test(the_mrtd_of_the_configuration_is_the_one),
		cmocka_unit_test(what_is_granted_is_told_with_reasons),
		cmocka_unit_test(differences_have_their_reasons),
		cmocka_unit_test(what_is_not_told_is_said),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
