/*
 * tdx_absurd.c - a module that says absurd things: each field of its metadata, and then any
 * register of any call. The host refuses clearly or lives with it; it never crashes, and its books
 * are right.
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

#include "tdx/abi/exit.h"
#include "tdx/abi/leaf.h"
#include "tdx/keyid.h"
#include "tdx/retry.h"
#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(256) << 20)

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[2];
static char why[200];

static void set_up(void)
{
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
}

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static void new_platform(void)
{
	const struct platform_config pc = { .name = "one",
					    .memory_bytes = config.memory,
					    .vcpus = config.vcpus,
					    .console = console };

	memset(runs, 0, sizeof(runs));
	runs[0].slice_tsc = runs[1].slice_tsc = 1000;
	assert_int_equal(platform_init(&platform, &pc), 0);
}

/* Every page has an owner, and none that the host could still use is lost. */
static void check_books(uint64_t total)
{
	uint64_t sum = 0;

	for (unsigned owner = 0; owner < PAGE_OWNER_COUNT; owner++)
		sum += page_count((enum page_owner)owner);
	assert_int_equal(sum, total);
	assert_int_equal(page_count(PAGE_TDX_CONTROL), 0);
	assert_int_equal(page_count(PAGE_TDX_SEPT), 0);
	assert_int_equal(page_count(PAGE_TDX_PRIVATE), 0);
	assert_int_equal(page_count(PAGE_MMU), 0);
}

/* ---- metadata ---- */

static uint64_t lie_id, lie_value;
static bool lied;

static bool lie(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_SYS_RD || r->rdx != lie_id)
		return false;
	r->rax = 0;
	r->rdx = MD_NULL;
	r->r8 = lie_value;
	lied = true;
	return true;
}

#define FIELD(name)                  \
	{                            \
#name, MD_SYS_##name \
	}
#define ELEMENT(name, index)                   \
	{                                      \
#name, MD_SYS_##name + (index) \
	}

/* All that the host reads. */
static const struct {
	const char *name;
	uint64_t id;
} fields[] = {
	FIELD(VENDOR_ID),
	FIELD(BUILD_DATE),
	FIELD(BUILD_NUM),
	FIELD(MAJOR_VERSION),
	FIELD(MINOR_VERSION),
	FIELD(UPDATE_VERSION),
	FIELD(TDX_FEATURES0),
	FIELD(MAX_TDMRS),
	FIELD(MAX_RESERVED_PER_TDMR),
	FIELD(PAMT_4K_ENTRY_SIZE),
	FIELD(PAMT_2M_ENTRY_SIZE),
	FIELD(PAMT_1G_ENTRY_SIZE),
	FIELD(TDCS_BASE_SIZE),
	FIELD(TDVPS_BASE_SIZE),
	FIELD(ATTRIBUTES_FIXED0),
	FIELD(ATTRIBUTES_FIXED1),
	FIELD(XFAM_FIXED0),
	FIELD(XFAM_FIXED1),
	FIELD(CONFIG_FLAGS_FIXED0),
	FIELD(CONFIG_FLAGS_FIXED1),
	FIELD(NUM_CPUID_CONFIG),
	FIELD(MAX_VCPUS_PER_TD),
	FIELD(NUM_CMRS),
	ELEMENT(CMR_BASE, 0),
	ELEMENT(CMR_SIZE, 0),
	ELEMENT(CMR_BASE, 1),
	ELEMENT(CMR_SIZE, 1),
	ELEMENT(CPUID_CONFIG_LEAVES, 0),
	ELEMENT(CPUID_CONFIG_VALUES, 0),
	ELEMENT(CPUID_CONFIG_VALUES, 3),
};

static const uint64_t values[] = {
	0,
	1,
	2,
	7,
	15,
	16,
	31,
	4095,
	4096,
	4097,
	0xffff,
	0x10000,
	0x7fffffff,
	0xffffffff,
	UINT64_C(0x100000000),
	UINT64_C(0xffffffffff000),
	UINT64_C(0x8000000000000000),
	UINT64_C(0xfffffffffffff000),
	UINT64_C(0xffffffffffffffff),
};

/* The host comes up and a TD lives and dies, or either is refused with a reason. */
static void live_with_it(const char *what)
{
	struct td *td = NULL;
	uint64_t total = 0;

	for (unsigned owner = 0; owner < PAGE_OWNER_COUNT; owner++)
		total += page_count((enum page_owner)owner);
	if (tdx_init(softmod_host())) {
		assert_true(tdx_reason()[0] != 0);
		check_books(total);
		return;
	}
	new_platform();
	why[0] = 0;
	if (td_create(&td, &config, &platform, runs, why, sizeof(why)) == 0) {
		(void)td_vcpu_run(td, 0);
		(void)td_destroy(td);
	} else if (!why[0]) {
		fail_msg("%s: refused without a reason", what);
	}
	platform_fini(&platform);
	check_books(total);
}

/* A module that counts its CMRs has none behind them. */
static bool is_asked_for(uint64_t id)
{
	return !(softmod_profile->answers & SOFT_A_CMRS_COUNTED) ||
	       (id != MD_SYS_CMR_BASE + 1 && id != MD_SYS_CMR_SIZE + 1);
}

static void any_field_may_be_absurd(void **state)
{
	unsigned refused = 0, tried = 0;

	(void)state;
	set_up();
	for (size_t f = 0; f < ARRAY_LEN(fields); f++)
		for (size_t v = 0; v < ARRAY_LEN(values); v++) {
			softmod_start(MEMORY, 2, 52);
			lie_id = fields[f].id;
			lie_value = values[v];
			lied = false;
			softmod_intercept = lie;
			live_with_it(fields[f].name);
			assert_true(lied || !is_asked_for(fields[f].id));
			tried++;
			refused += tdx_phase() != TDX_READY;
		}
	printf("%u absurd values, %u refused at start\n", tried, refused);
	assert_true(refused > tried / 4);
}

/* What is said of the plainly impossible. */
static void the_refusal_names_the_field(void **state)
{
	static const struct {
		uint64_t id, value;
		const char *says;
	} rows[] = {
		{ MD_SYS_MAX_TDMRS, 0, "metadata: MAX_TDMRS is 0x0: absurd" },
		{ MD_SYS_MAX_TDMRS, 0x10000, "metadata: MAX_TDMRS is 0x10000: absurd" },
		{ MD_SYS_MAX_RESERVED_PER_TDMR, 0, "MAX_RESERVED_PER_TDMR is 0x0" },
		{ MD_SYS_PAMT_4K_ENTRY_SIZE, 0, "PAMT_4K_ENTRY_SIZE is 0x0" },
		{ MD_SYS_PAMT_1G_ENTRY_SIZE, 4096, "PAMT_1G_ENTRY_SIZE is 0x1000" },
		{ MD_SYS_TDCS_BASE_SIZE, 0, "TDCS_BASE_SIZE is 0x0" },
		{ MD_SYS_TDCS_BASE_SIZE, 4097, "TDCS_BASE_SIZE is 0x1001" },
		{ MD_SYS_TDVPS_BASE_SIZE, ~UINT64_C(0), "TDVPS_BASE_SIZE is 0xffffffffffffffff" },
		{ MD_SYS_NUM_CPUID_CONFIG, 1000, "NUM_CPUID_CONFIG is 0x3e8" },
		{ MD_SYS_NUM_CMRS, 65, "NUM_CMRS is 0x41" },
		{ MD_SYS_NUM_CMRS, 0, "NUM_CMRS is 0x0" },
		{ MD_SYS_ATTRIBUTES_FIXED1, BIT64(40), "ATTRIBUTES: 0x" },
		{ MD_SYS_XFAM_FIXED0, 1, "XFAM: 0x1 may be set, 0x3 must be: absurd" },
		{ MD_SYS_CONFIG_FLAGS_FIXED1, 1, "guest addresses of 52 bits" },
		{ MD_SYS_CONFIG_FLAGS_FIXED1, BIT64(20), "CONFIG_FLAGS: 0x" },
		{ MD_SYS_CMR_BASE, 4097, "CMR 0, 0x10000000 bytes at 0x1001: absurd" },
		{ MD_SYS_CMR_SIZE, UINT64_C(0xfffffffffffff000), "CMR 0, 0xfffffffffffff000" },
	};

	(void)state;
	set_up();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		softmod_start(MEMORY, 2, 52);
		lie_id = rows[i].id;
		lie_value = rows[i].value;
		softmod_intercept = lie;
		assert_int_equal(tdx_init(softmod_host()), -EIO);
		if (!strstr(tdx_reason(), rows[i].says))
			fail_msg("%s: expected %s", tdx_reason(), rows[i].says);
		/* Once it comes to its senses, it is taken. */
		softmod_intercept = NULL;
		assert_int_equal(tdx_retry(), 0);
	}
}

/* TDMR.INIT that goes on too far, or never. */
static uint64_t next_address;
static bool wrong_next(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_SYS_TDMR_INIT)
		return false;
	r->rax = 0;
	r->rdx = next_address;
	return true;
}

static void a_block_that_never_ends_is_given_up(void **state)
{
	static const uint64_t nexts[] = { 0, MACHINE_BASE, MACHINE_BASE + 0x1000, ~UINT64_C(0),
					  MACHINE_BASE + 4 * SIZE_1G };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nexts); i++) {
		softmod_start(MEMORY, 2, 52);
		next_address = nexts[i];
		softmod_intercept = wrong_next;
		assert_int_equal(tdx_init(softmod_host()), -EIO);
		assert_non_null(strstr(tdx_reason(), "TDH.SYS.TDMR.INIT"));
	}
}

/* A module that lets nobody in: a page is missing, whatever the host maps there. */
static bool no_entry(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_VP_ENTER)
		return false;
	r->rax = TDX_EXIT_EPT_VIOLATION;
	r->rcx = 2;
	r->rdx = 0;
	r->r8 = SIZE_2M;
	return true;
}

static void a_vcpu_that_is_never_let_in_ends_with_the_page(void **state)
{
	struct td *td = NULL;
	enum vcpu_outcome outcome = RUN_AGAIN;

	(void)state;
	set_up();
	softmod_start(MEMORY, 2, 52);
	softmod_intercept = NULL;
	assert_int_equal(tdx_init(softmod_host()), 0);
	new_platform();
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	softmod_intercept = no_entry;
	for (unsigned i = 0; i < 100000 && outcome == RUN_AGAIN; i++)
		outcome = td_vcpu_run(td, 0);
	softmod_intercept = NULL;
	assert_int_equal(outcome, RUN_DEAD);
	assert_non_null(strstr(runs[0].reason, "page 0x200000 for ever, though it is mapped"));
	assert_int_equal(td->augs, 1);
	(void)td_destroy(td);
	platform_fini(&platform);
}

/* ---- any register of any call ---- */

static uint64_t seed;
static unsigned one_in, lies_told;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Statuses that exist, details that do not matter, and nonsense. */
static uint64_t any_status(void)
{
	static const uint64_t statuses[] = {
		0,
		UINT64_C(0x8000020000000001), /* operand busy */
		UINT64_C(0x8000000300000000), /* interrupted, resumable */
		UINT64_C(0x8000000400000000), /* interrupted, restartable */
		UINT64_C(0xc000010000000001), /* operand invalid */
		UINT64_C(0xc000030000000001), /* page metadata incorrect */
		UINT64_C(0x0000000500000000), /* TDMR already initialised, or what it says */
		UINT64_C(0xe000060400000000), /* TD fatal */
		UINT64_C(0x1100000000000000), /* a TDCALL exit */
		UINT64_C(0x6000000700000000), /* non-recoverable VCPU */
	};
	uint64_t n = draw() % (ARRAY_LEN(statuses) + 2);

	return n < ARRAY_LEN(statuses) ? statuses[n] : draw();
}

static uint64_t any_value(void)
{
	switch (draw() % 4) {
	case 0:
		return draw() % 64;
	case 1:
		return MACHINE_BASE + (draw() % MEMORY & ~UINT64_C(0xfff));
	case 2:
		return values[draw() % ARRAY_LEN(values)];
	default:
		return draw();
	}
}

/* Instead of the call: as if it had been made, or not, with any answer. */
static bool babble(struct soft_regs *r)
{
	uint64_t *const outputs[] = { &r->rcx, &r->rdx, &r->r8,  &r->r9,  &r->r10, &r->r11,
				      &r->r12, &r->r13, &r->r14, &r->r15, &r->rbx, &r->rdi };

	if (draw() % one_in)
		return false;
	lies_told++;
	r->rax = any_status();
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++)
		if (draw() % 2)
			*outputs[i] = any_value();
	return true;
}

static void guest_touches(struct soft_vcpu *v, struct soft_exit *x)
{
	(void)v;
	*x = (struct soft_exit){ .reason = SOFT_EXIT_EPT_VIOLATION,
				 .qualification = 0x182,
				 .gpa = draw() % config.memory };
	if (draw() % 40 == 0)
		x->reason = SOFT_EXIT_TRIPLE_FAULT;
}

static void live_through_it(void)
{
	struct td *td = NULL;

	new_platform();
	why[0] = 0;
	if (td_create(&td, &config, &platform, runs, why, sizeof(why)) == 0) {
		for (unsigned i = 0; i < 20; i++) {
			machine_cpu((unsigned)(draw() % 2));
			if (td_vcpu_run(td, i % 2) != RUN_AGAIN)
				break;
		}
		machine_cpu(0);
		(void)!mmu_zap_range(&td->mmu, MMU_MIRROR, (gfn_t){ draw() % 4096 }, 700);
		(void)td_destroy(td);
	} else {
		assert_true(why[0] != 0);
	}
	platform_fini(&platform);
}

/* Two lives for each seed: 400, or TAIN_LIVES; TAIN_SEED repeats one. */
static void any_answer_is_lived_with(void **state)
{
	const char *only = getenv("TAIN_SEED"), *many = getenv("TAIN_LIVES");
	uint64_t last = many ? strtoull(many, NULL, 0) : 400;
	unsigned lives = 0, refused = 0;

	(void)state;
	set_up();
	tdx_retry_bound = 50;
	for (uint64_t s = 1; s <= last; s++) {
		uint64_t total = 0;

		if (only && strtoull(only, NULL, 0) != s)
			continue;
		softmod_start(MEMORY, 2, s % 2 ? 52 : 40);
		softmod_lazy();
		for (unsigned owner = 0; owner < PAGE_OWNER_COUNT; owner++)
			total += page_count((enum page_owner)owner);
		seed = s * UINT64_C(0x9e3779b97f4a7c15);
		one_in = 5u << s % 9;
		softmod_guest = guest_touches;
		softmod_intercept = s % 4 ? NULL : babble;
		if (tdx_init(softmod_host()))
			refused++;
		softmod_intercept = babble;
		if (tdx_phase() == TDX_READY) {
			live_through_it();
			live_through_it();
			lives += 2;
		}
		softmod_intercept = NULL;
		check_books(total);
		/* What it really has is not what the host was told: it is not asked to give that back. */
		softmod_unload();
	}
	printf("%u lives, %u bring-ups refused, %u lies\n", lives, refused, lies_told);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_field_may_be_absurd),
		cmocka_unit_test(the_refusal_names_the_field),
		cmocka_unit_test(a_block_that_never_ends_is_given_up),
		cmocka_unit_test(a_vcpu_that_is_never_let_in_ends_with_the_page),
		cmocka_unit_test(any_answer_is_lived_with),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
