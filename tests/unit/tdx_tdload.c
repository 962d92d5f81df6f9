/*
 * tdx_tdload.c - what the plan of a TD without firmware promises: all RAM accounted for, once; a kernel
 * told the truth; bad kernels refused.
 *
 * links: tdx/tdload_plan.c tdx/tdload_image.c tdx/tdvf.c tdx/measure.c tdx/measure_known.c kernel/base/sha384.c
 *   kernel/platform/acpi_tables.c kernel/platform/aml.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tdx/measure.h"
#include "tdx/measure_known.h"
#include "tdx/tdload_plan.h"

#define MIB          (UINT64_C(1) << 20)
#define KERNEL_BYTES (5 * 512 + 3 * 4096 + 100)
#define LOAD         (16 * MIB)
#define INIT_BYTES   (40 * MIB)

static struct tdload_plan plan;
static struct tdvf t;
static struct guest_config config;
static uint8_t kernel[KERNEL_BYTES], initrd[70000];
static char why[TDVF_WHY_MAX];

static void set(unsigned at, uint64_t v, unsigned bytes) { memcpy(kernel + at, &v, bytes); }

static int start(void **state)
{
	(void)state;
	memset(kernel, 0x5a, sizeof(kernel));
	memset(kernel + 0x1f1, 0, 0x268 - 0x1f1);
	set(0x1f1, 4, 1);
	set(0x1fe, 0xaa55, 2);
	set(0x200, 0x66eb, 2);
	set(0x202, 0x53726448, 4);
	set(0x206, 0x20f, 2);
	set(0x22c, 0x7fffffff, 4);
	set(0x236, 0x7f, 2);
	set(0x238, 2047, 4);
	set(0x258, LOAD, 8);
	set(0x260, INIT_BYTES, 4);
	memset(initrd, 0xa5, sizeof(initrd));
	memset(&config, 0, sizeof(config));
	strcpy(config.kernel.path, "vmlinuz");
	config.kernel.data = kernel;
	config.kernel.size = sizeof(kernel);
	strcpy(config.initrd.path, "initrd");
	config.initrd.data = initrd;
	config.initrd.size = sizeof(initrd);
	strcpy(config.cmdline, "console=ttyS0");
	config.memory = 256 * MIB;
	config.vcpus = 2;
	return 0;
}

static int make(void) { return tdload_plan_make(&plan, &t, &config, why); }

/* Pieces of address space, sorted; nothing may overlap. */
struct piece {
	uint64_t start, end;
};
static struct piece pieces[128];
static unsigned piece_count;

static void add(uint64_t start_at, uint64_t end)
{
	pieces[piece_count++] = (struct piece){ start_at, end };
}

static int by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Bytes in [from, to) that the pieces cover; each at most once. */
static uint64_t covered(uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	qsort(pieces, piece_count, sizeof(pieces[0]), by_start);
	for (unsigned i = 0; i < piece_count; i++) {
		assert_true(pieces[i].start < pieces[i].end);
		if (i)
			assert_true(pieces[i - 1].end <= pieces[i].start);
		if (pieces[i].start >= from && pieces[i].end <= to)
			bytes += pieces[i].end - pieces[i].start;
	}
	return bytes;
}

static void all_ram_is_added_or_accepted_once(void **state)
{
	static const struct {
		uint64_t memory, low;
	} sizes[] = { { 64 * MIB, 0 },   { 256 * MIB, 0 },  { 257 * MIB + 4096, 0 }, { 3072 * MIB, 0 },
		      { 5000 * MIB, 0 }, { 5000 * MIB, 512 * MIB } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		config.memory = sizes[i].memory;
		config.memory_low = sizes[i].low;

		const struct guest_ram ram = guest_config_ram(&config);

		assert_int_equal(make(), 0);
		assert_int_equal(tdvf_check_memory(&t, ram, why), 0);
		piece_count = 0;
		for (unsigned s = 0; s < t.count; s++)
			add(t.section[s].gpa, t.section[s].gpa + t.section[s].bytes);
		for (unsigned r = 0; r < plan.params.range_count; r++)
			add(plan.params.range[r].start, plan.params.range[r].end);
		assert_int_equal(covered(0, ram.low), ram.low);
		assert_int_equal(covered(TDLOAD_TOP, TDLOAD_TOP + ram.high), ram.high);
		assert_int_equal(covered(ram.low, TDLOAD_TOP), TDLOAD_TOP - TDLOAD_BOTTOM);
	}
}

static void added_memory_is_not_accepted_again(void **state)
{
	(void)state;
	config.accept = TD_ACCEPT_ADDED;
	assert_int_equal(make(), 0);
	assert_int_equal(plan.params.range_count, 0);
}

static uint64_t param(unsigned at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, plan.boot_params + at, bytes);
	return v;
}

static void the_kernel_is_told_the_truth(void **state)
{
	uint64_t ram = 0;

	(void)state;
	config.memory = 4096 * MIB;
	assert_int_equal(make(), 0);
	assert_int_equal(param(0x202, 4), 0x53726448);
	assert_int_equal(param(0x218, 4), 0x80000000 - align_up(sizeof(initrd), 4096));
	assert_int_equal(param(0x21c, 4), sizeof(initrd));
	assert_int_equal(param(0x70, 8), TDLOAD_RSDP);
	assert_memory_equal(plan.acpi.rsdp, "RSD PTR ", 8);
	piece_count = 0;
	for (unsigned i = 0; i < param(0x1e8, 1); i++) {
		uint64_t at = param(0x2d0 + i * 20, 8), bytes = param(0x2d8 + i * 20, 8);
		uint64_t type = param(0x2e0 + i * 20, 4);

		add(at, at + bytes);
		ram += type == 1 ? bytes : 0;
		if (at == TDLOAD_MAILBOX)
			assert_int_equal(type, 4);
	}
	(void)covered(0, 1); /* none overlaps another */
	assert_int_equal(ram, config.memory - 0x60000);
	assert_int_equal(plan.params.entry, LOAD + 0x200);
}

static void every_byte_that_decides_is_measured(void **state)
{
	static struct measure_plan m;
	uint8_t first[SHA384_BYTES], other[SHA384_BYTES];
	const struct measure_input in = { .tdvf = &t, .ram = guest_ram_usual(256 * MIB) };
	uint8_t *const bytes[] = { &kernel[KERNEL_BYTES - 1], &initrd[5],
				   (uint8_t *)&config.cmdline[3] };

	(void)state;
	assert_int_equal(make(), 0);
	measure_plan_make(&m, &in);
	measure_mrtd(&m, first);
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		*bytes[i] ^= 1;
		assert_int_equal(make(), 0);
		measure_plan_make(&m, &in);
		measure_mrtd(&m, other);
		assert_memory_not_equal(first, other, sizeof(first));
		*bytes[i] ^= 1;
	}
	config.vcpus = 3;
	assert_int_equal(make(), 0);
	measure_plan_make(&m, &in);
	measure_mrtd(&m, other);
	assert_memory_not_equal(first, other, sizeof(first));
}

/* A prediction is found again only for the very same contents, order and places. */
static void a_prediction_belongs_to_its_contents(void **state)
{
	static struct measure_plan m;
	const struct measure_input in = { .tdvf = &t, .ram = guest_ram_usual(256 * MIB) };
	uint8_t kept[SHA384_BYTES] = { 42 }, out[SHA384_BYTES] = { 0 };
	uint64_t key;

	(void)state;
	assert_int_equal(make(), 0);
	measure_plan_make(&m, &in);
	key = measure_fingerprint(&m);
	assert_false(measure_known_get(key, out));
	measure_known_put(key, kept);
	assert_true(measure_known_get(measure_fingerprint(&m), out));
	assert_memory_equal(out, kept, sizeof(out));
	kernel[KERNEL_BYTES - 1] ^= 1; /* in the last bytes, less than a word */
	assert_int_not_equal(measure_fingerprint(&m), key);
	kernel[KERNEL_BYTES - 1] ^= 1;
	m.order = TD_MEASURE_TWO_PASS;
	assert_int_not_equal(measure_fingerprint(&m), key);
	m.order = TD_MEASURE_PER_PAGE;
	m.run[2].gpa += PAGE_SIZE;
	assert_int_not_equal(measure_fingerprint(&m), key);
	m.run[2].gpa -= PAGE_SIZE;
	assert_int_equal(measure_fingerprint(&m), key);
}

static void refused(const char *reason)
{
	assert_int_not_equal(make(), 0);
	if (!strstr(why, reason))
		fail_msg("'%s' does not say '%s'", why, reason);
	assert_int_equal(start(NULL), 0);
}

static void bad_kernels_are_refused_with_a_reason(void **state)
{
	(void)state;
	set(0x1fe, 0, 2);
	refused("not a Linux bzImage");
	set(0x202, 0, 4);
	refused("not a Linux bzImage");
	config.kernel.size = 600;
	refused("not a Linux bzImage");
	set(0x206, 0x205, 2);
	refused("without 64-bit entry");
	set(0x236, 0x7e, 2);
	refused("without 64-bit entry");
	set(0x1f1, 0xff, 1);
	refused("cut off");
	set(0x258, 4096, 8);
	refused("wants to be loaded");
	set(0x258, LOAD + 5, 8);
	refused("wants to be loaded");
	set(0x260, 4096, 4);
	refused("wants to be loaded");
	config.memory = 32 * MIB;
	refused("needs memory up to");
	config.memory = LOAD + INIT_BYTES + 4096;
	refused("no room");
	set(0x238, 5, 4);
	refused("cmdline");
}

/* Whatever stands in the header: refused, or a plan that fits the guest. */
static void no_header_leads_out_of_the_guest(void **state)
{
	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(start(NULL), 0);
		for (unsigned n = 1 + (unsigned)rand() % 4; n; n--)
			set(0x1f1 + (unsigned)rand() % (0x268 - 0x1f1), (uint64_t)rand(), 1);
		if (make())
			continue;
		assert_int_equal(tdvf_check_memory(&t, guest_ram_usual(config.memory), why), 0);
		piece_count = 0;
		for (unsigned s = 0; s < t.count; s++)
			add(t.section[s].gpa, t.section[s].gpa + t.section[s].bytes);
		(void)covered(0, 1);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, start)
	const struct CMUnitTest tests[] = {
		T(all_ram_is_added_or_accepted_once),    T(added_memory_is_not_accepted_again),
		T(the_kernel_is_told_the_truth),         T(every_byte_that_decides_is_measured),
		T(a_prediction_belongs_to_its_contents), T(bad_kernels_are_refused_with_a_reason), T(no_header_leads_out_of_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
