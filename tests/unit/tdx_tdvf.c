/*
 * tdx_tdvf.c - firmware images, good and bad: each mistake is refused with its section and reason.
 *
 * links: tdx/tdvf.c tdx/tdhob.c tdx/measure.c kernel/base/sha384.c
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

#include "tdx/measure.h"
#include "tdx/tdhob.h"
#include "tdx/tdvf.h"

#define IMAGE  (64 * PAGE_SIZE)
#define OFFSET 0x800u
#define MIB    (UINT64_C(1) << 20)

struct section {
	uint32_t offset, raw;
	uint64_t gpa, bytes;
	uint32_t type, attributes;
};

struct image {
	uint8_t bytes[IMAGE];
	struct section s[8];
	uint32_t header[4]; /* signature, length, version, count */
	uint32_t offset;
	uint64_t size;
};

static struct image im;
static char why[TDVF_WHY_MAX];

/* A good one: code, variables, temporary memory, HOB. */
static void good(void)
{
	im = (struct image){
		.s = {
			{ IMAGE - 4 * PAGE_SIZE, 4 * PAGE_SIZE, TDVF_TOP - 4 * PAGE_SIZE, 4 * PAGE_SIZE,
			  TDVF_BFV, TDVF_EXTEND },
			{ 0, PAGE_SIZE, TDVF_TOP - IMAGE, PAGE_SIZE, TDVF_CFV, 0 },
			{ 0, 0, 0x800000, 2 * PAGE_SIZE, TDVF_TEMP_MEM, 0 },
			{ 0, 0, 0x809000, 2 * PAGE_SIZE, TDVF_TD_HOB, 0 },
		},
		.header = { 0x46564454, 0, 1, 4 },
		.offset = OFFSET,
		.size = IMAGE,
	};
	im.header[1] = 16 + 32 * im.header[3];
}

static int parse(struct tdvf *t)
{
	static const uint8_t guid[16] = { 0xf3, 0xf9, 0xea, 0xe9, 0x8e, 0x16, 0xd5, 0x44,
					  0xa8, 0xeb, 0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae };
	uint8_t *exact = malloc(im.size ? im.size : 1);
	int err;

	memcpy(im.bytes + IMAGE - OFFSET - 16, guid, 16);
	memcpy(im.bytes + IMAGE - OFFSET, im.header, 16);
	memcpy(im.bytes + IMAGE - OFFSET + 16, im.s, sizeof(im.s));
	memcpy(im.bytes + IMAGE - 0x20, &im.offset, 4);
	/* The end of the file, so that the sanitizer sees a byte too far. */
	memcpy(exact, im.bytes + IMAGE - im.size, im.size);
	why[0] = 0;
	err = tdvf_parse(exact, im.size, t, why);
	free(exact);
	return err;
}

static void a_good_image_is_taken(void **state)
{
	struct tdvf t;

	(void)state;
	good();
	assert_int_equal(parse(&t), 0);
	assert_int_equal(t.count, 4);
	assert_true(t.base == TDVF_TOP - IMAGE);
	assert_true(tdvf_hob(&t) == &t.section[3]);
	assert_int_equal(tdvf_check_memory(&t, guest_ram_usual(64 * MIB), why), 0);
	assert_int_equal(tdvf_check_memory(&t, guest_ram_usual(8 * MIB), why), -EINVAL);
	assert_non_null(strstr(why, "section 2 (TempMem)"));
}

/* One line of change each, and what must be said. */
#define BAD_IMAGES(X)                                                              \
	X(im.size = 100, "100 bytes")                                              \
	X(im.size = 0, "0 bytes")                                                  \
	X(im.size = IMAGE - 100, "not whole pages")                                \
	X(im.size = 4 * PAGE_SIZE; im.offset = 5 * PAGE_SIZE, "outside the image") \
	X(im.offset = 0, "outside the image")                                      \
	X(im.offset = 8, "outside the image")                                      \
	X(im.offset = UINT32_MAX, "outside the image")                             \
	X(im.offset = OFFSET + 16, "no descriptor")                                \
	X(im.header[0] = 0, "no descriptor")                                       \
	X(im.header[2] = 2, "version 2")                                           \
	X(im.header[3] = 0, "0 sections")                                          \
	X(im.header[3] = 65, "65 sections")                                        \
	X(im.header[3] = UINT32_MAX, "sections")                                   \
	X(im.header[1] = 16, "length 16")                                          \
	X(im.header[3] = 64; im.header[1] = 16 + 64 * 32, "beyond the image")      \
	X(im.s[0].type = 9, "section 0: unknown type 9")                           \
	X(im.s[1].attributes = 4, "section 1 (CFV): unknown attributes")           \
	X(im.s[2].gpa += 1, "section 2 (TempMem): address")                        \
	X(im.s[2].bytes += 1, "section 2 (TempMem): address")                      \
	X(im.s[2].bytes = 0, "section 2 (TempMem): is empty")                      \
	X(im.s[2].gpa = ~UINT64_C(0xfff), "section 2 (TempMem)")                   \
	X(im.s[2].bytes = ~UINT64_C(0xfff), "wraps")                               \
	X(im.s[1].raw = 2 * PAGE_SIZE, "section 1 (CFV)")                          \
	X(im.s[0].offset = UINT32_MAX, "beyond the image")                         \
	X(im.s[1].offset = IMAGE - 1, "beyond the image")                          \
	X(im.s[3].raw = 16, "section 3 (TD_HOB): must not have data")              \
	X(im.s[0].raw = 0, "section 0 (BFV): has no data")                         \
	X(im.s[2].gpa = 0x80a000, "overlap at 0x80a000")                           \
	X(im.s[2].type = TDVF_TD_HOB, "both TD_HOB")                               \
	X(im.s[0].type = TDVF_CFV, "no BFV")                                       \
	X(im.s[0].attributes = TDVF_AUG, "not added cannot have contents")

static void bad_images_are_refused_by_name(void **state)
{
	struct tdvf t;

	(void)state;
#define X(change, says)                       \
	good();                               \
	change;                               \
	assert_int_equal(parse(&t), -EINVAL); \
	if (!strstr(why, says))               \
		fail_msg("%s: \"%s\" does not say \"%s\"", #change, why, says);
	BAD_IMAGES(X)
#undef X
}

/* A GUID table in place of the plain offset, and broken ones. */
static void a_guid_table_is_followed(void **state)
{
	static const uint8_t footer[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
					    0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
	static const uint8_t entry[16] = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
					   0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };
	uint8_t *end = im.bytes + IMAGE - 0x20;
	struct tdvf t;

	(void)state;
	for (unsigned broken = 0; broken < 5; broken++) {
		uint16_t table = 18 + 22, length = 22;

		good();
		memcpy(end - 16, footer, 16);
		memcpy(end - 18 - 16, entry, 16);
		memcpy(end - 18 - 22, &im.offset, 4);
		table = broken == 1 ? 17 : broken == 2 ? 20 : broken == 3 ? 18 : table;
		length = broken == 4 ? 400 : length;
		memcpy(end - 18, &table, 2);
		memcpy(end - 18 - 18, &length, 2);
		im.offset = OFFSET;
		assert_int_equal(parse(&t), broken == 0 ? 0 : -EINVAL);
	}
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#define SYSTEM_MEMORY 0
#define UNACCEPTED    7

static uint32_t get32(const uint8_t *p) { return (uint32_t)get64(p); }

/* What the builder adds is memory, all else waits to be accepted: each piece is wholly one of the two. */
static void piece_is_true(const struct tdvf *t, uint64_t start, uint64_t end, uint32_t type)
{
	bool within = false;

	for (unsigned i = 0; i < t->count; i++) {
		const struct tdvf_section *s = &t->section[i];

		if (s->attributes & TDVF_AUG)
			continue;
		within |= start >= s->gpa && end <= s->gpa + s->bytes;
		if (type == UNACCEPTED)
			assert_true(end <= s->gpa || start >= s->gpa + s->bytes);
	}
	assert_true(type == (within ? SYSTEM_MEMORY : UNACCEPTED));
}

/* The pieces of the HOB list are the guest's RAM, ascending and without a gap, each what it says. */
static void hob_is_true(const struct tdvf *t, uint64_t memory, uint64_t low, enum td_accept accept)
{
	static uint8_t hob[TDHOB_MAX];
	const struct guest_ram ram = guest_ram_split(memory, low);
	uint64_t n = tdhob_build(hob, sizeof(hob), (gpa_t){ 0x809000 }, t, ram, accept);
	uint64_t at = 56, sum = 0, last = 0;

	assert_true(n > 56 + 8);
	assert_true(get64(hob + 48) == 0x809000 + n);
	while (hob[at] == 3) {
		uint64_t start = get64(hob + at + 32), length = get64(hob + at + 40);
		uint32_t type = get32(hob + at + 24);

		assert_true(start == last || (last == ram.low && start == TDVF_TOP));
		assert_true(start >= TDVF_TOP || start + length <= TDVF_TOP);
		assert_int_equal(start % PAGE_SIZE + length % PAGE_SIZE, 0);
		if (accept == TD_ACCEPT_LAZY)
			piece_is_true(t, start, start + length, type);
		else
			assert_int_equal(type, SYSTEM_MEMORY);
		sum += length;
		last = start + length;
		at += 48;
	}
	assert_int_equal(hob[at], 0xff);
	assert_true(at + 8 == n);
	assert_true(sum == memory);
}

static void the_hob_tells_all_memory_as_it_is(void **state)
{
	static const struct {
		uint64_t memory, low;
	} sizes[] = { { 64 * MIB, 0 }, { 256 * MIB, 0 }, { 300 * MIB, 0 }, { 301 * MIB, 0 },
		      { 1024 * MIB, 0 }, { 1025 * MIB, 0 }, { 1536 * MIB + PAGE_SIZE, 0 },
		      { 3071 * MIB, 0 }, { 3072 * MIB, 0 }, { 3073 * MIB, 0 }, { 8192 * MIB, 0 },
		      { 5120 * MIB, 512 * MIB } };
	struct tdvf t;

	(void)state;
	good();
	assert_int_equal(parse(&t), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		hob_is_true(&t, sizes[i].memory, sizes[i].low, TD_ACCEPT_LAZY);
		hob_is_true(&t, sizes[i].memory, sizes[i].low, TD_ACCEPT_ADDED);
	}
	static uint8_t hob[TDHOB_MAX];

	assert_true(tdhob_build(hob, 100, (gpa_t){ 0 }, &t, guest_ram_usual(64 * MIB), TD_ACCEPT_LAZY) == 0);
}

static int count_step(void *ctx, const struct measure_run *run, gpa_t page)
{
	(void)run;
	(void)page;
	++*(unsigned *)ctx;
	return 0;
}

static int stop_at_ten(void *ctx, const struct measure_run *run, gpa_t page)
{
	(void)run;
	(void)page;
	return ++*(unsigned *)ctx == 10 ? -ENOMEM : 0;
}

static void the_plan_covers_what_is_added(void **state)
{
	static const struct measure_ops count = { count_step, count_step };
	static const struct measure_ops stop = { stop_at_ten, stop_at_ten };
	static struct measure_plan plan;
	struct tdvf t;
	struct measure_input in = { &t, im.bytes, im.bytes, 0, guest_ram_usual(16 * MIB), TD_ACCEPT_LAZY, 0 };
	unsigned n = 0;

	(void)state;
	good();
	assert_int_equal(parse(&t), 0);
	measure_plan_make(&plan, &in);
	assert_int_equal(measure_walk(&plan, &count, &n), 0);
	assert_int_equal(n, 9 + 4); /* adds, and extends of the code */
	in.accept = TD_ACCEPT_MEASURED;
	measure_plan_make(&plan, &in);
	n = 0;
	assert_int_equal(measure_walk(&plan, &count, &n), 0);
	assert_int_equal(n, 9 + 4 + 2 * (4096 - 4)); /* all RAM but the sections in it, twice */
	n = 0;
	assert_int_equal(measure_walk(&plan, &stop, &n), -ENOMEM);
	assert_int_equal(n, 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_image_is_taken),
		cmocka_unit_test(bad_images_are_refused_by_name),
		cmocka_unit_test(a_guid_table_is_followed),
		cmocka_unit_test(the_hob_tells_all_memory_as_it_is),
		cmocka_unit_test(the_plan_covers_what_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
