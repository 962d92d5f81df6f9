/*
 * tdx_access.c - every metadata field of a TD and a vCPU, by name, held against the documents' table of
 * who may read and write which bits: of a debug TD and of a production TD, with each version of the
 * module. What is not allowed is refused with the module's own status, and changes nothing.
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
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/monitor/seam_words.h"
#include "tdx/abi/md_fields.h"
#include "tdx/td.h"
#include "tdx/td_look.h"
#include "tdx/tdh.h"
#include "tests/fake/access_rows.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY   (UINT64_C(1) << 30)
#define ID_CODE  BITS64(23, 0)
#define ID_CLASS BITS64(61, 56)
#define ID_SIZE  BITS64(33, 32)

static struct guest_config config;
static struct platform platform;
static struct vcpu_run run[1];
static struct td *td;
static char why[200];

static void build(uint32_t attributes)
{
	config = (struct guest_config){
		.name = "one", .kind = GUEST_TD, .memory = UINT64_C(64) << 20, .vcpus = 1,
		.page_level = LEVEL_4K, .attributes = attributes,
		.firmware = { .path = "one.fd", .data = tdvf_image_make(), .size = TDVF_IMAGE_SIZE },
	};
	memset(run, 0, sizeof(run));
	softmod_start(MEMORY, 1, 40);
	assert_int_equal(tdx_init(softmod_host()), 0);

	const struct platform_config pc = { .name = "one", .memory_bytes = config.memory, .vcpus = 1 };

	assert_int_equal(platform_init(&platform, &pc), 0);
	assert_int_equal(td_create(&td, &config, &platform, run, why, sizeof(why)), 0);
}

static void end(void)
{
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
}

/* ---- one element ---- */

/* One element of a field, as one reader may use it. */
struct subject {
	const char *reader;
	unsigned vcpu; /* or TD_LOOK_TD */
	uint64_t id;
	uint64_t rd, wr;
};

static unsigned long long looked_at; /* elements, over all versions */

static void wrong(const struct subject *s, const char *what, tdx_status_t st)
{
	fail_msg("%s: %s TD, field 0x%016llx: %s: 0x%llx", softmod_profile->name, s->reader,
		 (unsigned long long)s->id, what, (unsigned long long)st.raw);
}

static uint64_t width(const struct subject *s)
{
	return ALL >> (64 - (8u << ((s->id & ID_SIZE) >> 32)));
}

static uint64_t lowest(uint64_t bits) { return bits & (0 - bits); }

static void check_read(const struct subject *s)
{
	uint64_t value = 0;
	tdx_status_t st = td_look_field(td, s->vcpu, s->id, &value);

	if (s->rd == 0 && !tdx_is(st, TDX_METADATA_FIELD_NOT_READABLE))
		wrong(s, "may not be read, and is not refused", st);
	if (s->rd && (!tdx_ok(st) || (value & ~(s->rd & width(s)))))
		wrong(s, "may be read, in part", st);
}

static tdx_status_t set(const struct subject *s, uint64_t mask, uint64_t value)
{
	return td_look_set_field(td, s->vcpu, s->id, mask, value);
}

static uint64_t get(const struct subject *s)
{
	uint64_t value = 0;
	tdx_status_t st = td_look_field(td, s->vcpu, s->id, &value);

	if (!tdx_ok(st))
		wrong(s, "cannot be read again", st);
	return value;
}

static void check_refused(const struct subject *s)
{
	uint64_t before = s->rd ? get(s) : 0;
	tdx_status_t st = set(s, ALL, ~before);

	if (!tdx_is(st, TDX_METADATA_FIELD_NOT_WRITABLE))
		wrong(s, "may not be written, and is not refused", st);
	if (s->rd && get(s) != before)
		wrong(s, "was refused and has changed", st);
}

/* @outside does not change beside @bit; where it cannot be read, one of its values is the other one. */
static void check_outside(const struct subject *s, uint64_t bit, uint64_t outside, uint64_t now)
{
	tdx_status_t st = set(s, bit | outside, now ^ outside);

	if (tdx_ok(st) && !(s->rd & outside))
		st = set(s, bit | outside, now);
	if (!tdx_is(st, TDX_METADATA_FIELD_VALUE_NOT_VALID) || get(s) != now)
		wrong(s, "a bit that is not to be written is", st);
}

/* @bit of it is written, and nothing else; a bit that may not be is refused beside it. */
static void check_written(const struct subject *s, uint64_t bit)
{
	uint64_t before = get(s), outside = lowest(width(s) & ~s->wr);
	tdx_status_t st = set(s, bit, ~before);

	if (!tdx_ok(st) || get(s) != (before ^ bit))
		wrong(s, "a bit of it is not written", st);
	if (outside)
		check_outside(s, bit, outside, before ^ bit);
	st = set(s, bit, before);
	if (!tdx_ok(st) || get(s) != before)
		wrong(s, "its bit does not go back", st);
}

/* ---- fields with a rule of their own ---- */

/* The first write is a whole address. */
static void write_address(const struct subject *s)
{
	tdx_status_t st = set(s, s->wr, MACHINE_BASE);

	if (!tdx_ok(st))
		wrong(s, "an address is refused", st);
	check_written(s, lowest(s->wr));
}

static void write_timeout(const struct subject *s)
{
	tdx_status_t st = set(s, 1, 20000);

	if (!tdx_is(st, TDX_METADATA_WR_MASK_NOT_VALID))
		wrong(s, "written in part", st);
	st = set(s, ALL, 9999);
	if (!tdx_is(st, TDX_METADATA_FIELD_VALUE_NOT_VALID))
		wrong(s, "too short", st);
	st = set(s, ALL, 20000);
	if (!tdx_ok(st))
		wrong(s, "a good time is refused", st);
}

/* The tables give it a write mask; the module takes nothing all the same. */
static void write_nothing(const struct subject *s) { check_refused(s); }

static uint64_t vmcs(uint32_t encoding)
{
	const struct subject s = { .reader = "debug", .vcpu = 0, .id = md_vmcs_id(encoding), .rd = ALL };

	return get(&s);
}

/*
 * A control register, written as a whole and as the guest sees it: bits that the module owns must read
 * as the guest reads them, and stay.
 */
static void write_cr(const struct subject *s, uint32_t mask_field, uint32_t shadow_field, uint64_t bit)
{
	uint64_t owned = vmcs(mask_field), raw = get(s);
	uint64_t seen = (raw & ~owned) | (vmcs(shadow_field) & owned);
	tdx_status_t st = set(s, ALL, seen ^ bit);

	if (!tdx_ok(st) || get(s) != (raw ^ bit))
		wrong(s, "a bit of it is not written", st);
	st = set(s, ALL, seen ^ lowest(owned));
	if (!tdx_is(st, TDX_METADATA_FIELD_VALUE_NOT_VALID) || get(s) != (raw ^ bit))
		wrong(s, "a bit that the module owns is written", st);
	st = set(s, ALL, seen);
	if (!tdx_ok(st) || get(s) != raw)
		wrong(s, "its bit does not go back", st);
}

static void write_cr0(const struct subject *s) { write_cr(s, 0x6000, 0x6004, BIT64(1)); }
static void write_cr4(const struct subject *s) { write_cr(s, 0x6002, 0x6006, BIT64(2)); }

static void write_xbuff(const struct subject *s)
{
	uint64_t word = s->id & ID_CODE;

	if (word >= 64 && word < 72)
		check_refused(s); /* the XSAVE header is the module's */
	else
		check_written(s, BIT64(0));
}

static const struct rule {
	uint64_t id;
	void (*write)(const struct subject *s);
} rules[] = {
	{ UINT64_C(0x9110000300000011), write_timeout }, /* HP_LOCK_TIMEOUT */
	{ UINT64_C(0x202000030000000c), write_nothing }, /* XFAM, the vCPU's copy */
	{ UINT64_C(0x002000030000200e), write_address }, /* PML address */
	{ UINT64_C(0x0020000300006800), write_cr0 },     /* CR0 */
	{ UINT64_C(0x0020000300006804), write_cr4 },     /* CR4 */
	{ UINT64_C(0x1220000300000000), write_xbuff },   /* XBUFF */
};

static void check_write(const struct subject *s, uint64_t first_id)
{
	if ((s->wr & width(s)) == 0) {
		check_refused(s);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].id == first_id) {
			rules[i].write(s);
			return;
		}
	}
	check_written(s, lowest(s->wr));
}

/* ---- names ---- */

static const struct md_name *name_of(enum md_scope scope, uint64_t id)
{
	const struct md_name *n;
	uint32_t code = (uint32_t)(id & ID_CODE);

	for (unsigned i = 0; (n = md_field(scope, i)); i++)
		if (n->class_code == (id & ID_CLASS) >> 56 && n->code <= code &&
		    code < n->code + n->elements)
			return n;
	return NULL;
}

/* The field has a name, and by that name its id is found. */
static void check_name(enum md_scope scope, uint64_t id)
{
	const uint64_t matters = ID_CODE | ID_CLASS | ID_SIZE;
	char text[80];
	uint64_t found = 0;

	if (scope == MD_SCOPE_VP && !(id & ID_CLASS)) {
		const char *name = vmcs_field_name((uint32_t)(id & ID_CODE));

		snprintf(text, sizeof(text), "VMCS.%s", name ? name : "?");
	} else {
		const struct md_name *n = name_of(scope, id);

		snprintf(text, sizeof(text), n && n->elements > 1 ? "%s[%u]" : "%s",
			 n ? n->name : "?", n ? (unsigned)(id & ID_CODE) - n->code : 0);
	}
	if (seam_field(scope, text, &found, why, sizeof(why)) != 0 || (found ^ id) & matters)
		fail_msg("0x%016llx is called %s: 0x%llx, %s", (unsigned long long)id, text,
			 (unsigned long long)found, why);
}

/* ---- tables ---- */

/* Of a long array: the ends, the XSAVE header's, and the middle. */
static bool worth_looking(unsigned element, unsigned elements)
{
	return elements <= 32 || element < 2 || element + 2 >= elements || element == elements / 2 ||
	       (element >= 63 && element <= 72);
}

static void check_table(const struct access_row *rows, size_t n, bool of_vcpu, bool debug)
{
	for (size_t i = 0; i < n; i++) {
		const struct access_bits *may = debug ? &rows[i].debug : &rows[i].production;

		for (unsigned k = 0; k < rows[i].elements; k++) {
			const struct subject s = {
				.reader = debug ? "debug" : "production",
				.vcpu = of_vcpu ? 0 : TD_LOOK_TD,
				.id = rows[i].id + k,
				.rd = may->rd,
				.wr = may->wr,
			};

			if (!worth_looking(k, rows[i].elements))
				continue;
			check_name(of_vcpu ? MD_SCOPE_VP : MD_SCOPE_TD, s.id);
			check_read(&s);
			check_write(&s, rows[i].id);
			check_read(&s);
			looked_at++;
		}
	}
}

static void check_all(bool debug)
{
	check_table(td_fields, ARRAY_LEN(td_fields), false, debug);
	check_table(vp_fields, ARRAY_LEN(vp_fields), true, debug);
	check_table(vmcs_fields, ARRAY_LEN(vmcs_fields), true, debug);
}

static void a_debug_td_shows_and_takes_what_the_tables_allow(void **state)
{
	(void)state;
	build(GUEST_ATTR_DEBUG);
	check_all(true);
	end();
}

static void a_production_td_shows_and_takes_what_the_tables_allow(void **state)
{
	(void)state;
	build(0);
	check_all(false);
	end();
}

static void private_memory_is_a_debug_tds_only(void **state)
{
	const gpa_t at = { UINT64_C(0xfffffff0) };
	uint64_t was, now;
	tdr_t tdr;

	(void)state;
	build(GUEST_ATTR_DEBUG);
	tdr.page = td_look_tdr(td);
	assert_true(tdx_ok(tdh_mem_rd(tdr, at, &was)));
	assert_true(tdx_ok(tdh_mem_wr(tdr, at, ~was)));
	assert_true(tdx_ok(tdh_mem_rd(tdr, at, &now)));
	assert_true(now == ~was);
	end();
	build(0);
	tdr.page = td_look_tdr(td);
	assert_true(tdx_is(tdh_mem_rd(tdr, at, &was), TDX_TD_NON_DEBUG));
	assert_true(tdx_is(tdh_mem_wr(tdr, at, 0), TDX_TD_NON_DEBUG));
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_debug_td_shows_and_takes_what_the_tables_allow),
		cmocka_unit_test(a_production_td_shows_and_takes_what_the_tables_allow),
		cmocka_unit_test(private_memory_is_a_debug_tds_only),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	printf("%llu elements\n", looked_at);
	return failures;
}
