/*
 * tdx_life.c - the host side against the software module's logic: bring-up, a TD from its first
 * page to its last, with failures in the middle; every page comes back.
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
#include "tdx/soft/xmm.h"
#include "tdx/td.h"
#include "tdx/tdh.h"
#include "tdx/tdvf.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(2) << 30)
#define IMAGE  (64 * PAGE_SIZE)

static uint8_t image[IMAGE] ALIGNED(4096);

/* An image with a code section of 4 pages, a HOB and temporary memory. */
static void make_image(void)
{
	static const uint8_t guid[16] = { 0xf3, 0xf9, 0xea, 0xe9, 0x8e, 0x16, 0xd5, 0x44,
					  0xa8, 0xeb, 0x7f, 0x4d, 0x87, 0x38, 0xf6, 0xae };
	static const struct {
		uint32_t offset, raw;
		uint64_t gpa, bytes;
		uint32_t type, attributes;
	} sections[] = {
		{ IMAGE - 4 * PAGE_SIZE, 4 * PAGE_SIZE, TDVF_TOP - 4 * PAGE_SIZE, 4 * PAGE_SIZE,
		  TDVF_BFV, TDVF_EXTEND },
		{ 0, 0, 0x800000, 2 * PAGE_SIZE, TDVF_TEMP_MEM, 0 },
		{ 0, 0, 0x809000, 2 * PAGE_SIZE, TDVF_TD_HOB, 0 },
	};
	uint32_t header[4] = { 0x46564454, 16 + sizeof(sections), 1, ARRAY_LEN(sections) };
	uint32_t offset = 0x800;
	uint8_t *at = image + IMAGE - offset;

	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(at - 16, guid, 16);
	memcpy(at, header, sizeof(header));
	memcpy(at + sizeof(header), sections, sizeof(sections));
	memcpy(image + IMAGE - 0x20, &offset, sizeof(offset));
}

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[4];
static char why[200], printed[200];

static void console(void *ctx, uint8_t byte)
{
	size_t n = strlen(printed);

	(void)ctx;
	if (n + 1 < sizeof(printed))
		printed[n] = (char)byte;
}

static void set_up(unsigned vcpus)
{
	make_image();
	config = (struct guest_config){
		.name = "one",
		.kind = GUEST_TD,
		.memory = UINT64_C(64) << 20,
		.vcpus = vcpus,
		.page_level = LEVEL_2M,
		.firmware = { .path = "one.fd", .data = image, .size = IMAGE },
	};
	memset(printed, 0, sizeof(printed));
	memset(runs, 0, sizeof(runs));
	for (unsigned i = 0; i < 4; i++)
		runs[i].slice_tsc = UINT64_C(1) << 40;
}

static void new_platform(void)
{
	const struct platform_config pc = { .name = "one",
					    .memory_bytes = config.memory,
					    .vcpus = config.vcpus,
					    .console = console };

	assert_int_equal(platform_init(&platform, &pc), 0);
}

static void ready(unsigned cpus, unsigned bits)
{
	softmod_start(MEMORY, cpus, bits);
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(tdx_phase(), TDX_READY);
}

/* ---- bring-up ---- */

static void module_comes_up(void **state)
{
	char line[40];

	(void)state;
	machine_log_clear();
	ready(4, 52);
	snprintf(line, sizeof(line), "TDX module %u.%u", softmod_profile->major,
		 softmod_profile->minor);
	assert_true(machine_logged(line));
	if (!(softmod_profile->features0 & SOFT_F_DYNAMIC_PAMT))
		assert_true(page_count(PAGE_TDX_PAMT) >= MEMORY / 256 / PAGE_SIZE);
	else /* a bit, or some, for what took 16 bytes */
		assert_in_range(page_count(PAGE_TDX_PAMT), 1, MEMORY / 4096 / PAGE_SIZE);
}

static void without_a_module_nothing_is_held(void **state)
{
	uint64_t before;

	(void)state;
	softmod_start(MEMORY, 2, 52);
	softmod_unload();
	before = page_count(PAGE_FREE);
	assert_int_equal(tdx_init(softmod_host()), -ENODEV);
	assert_int_equal(tdx_phase(), TDX_ABSENT);
	assert_non_null(strstr(tdx_reason(), "VMfailInvalid"));
	assert_true(before - page_count(PAGE_FREE) <= 64); /* counters stay */
}

static unsigned refuse_leaf;
static uint64_t refuse_status;

static bool refuse(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != refuse_leaf)
		return false;
	r->rax = refuse_status;
	return true;
}

/*
 * Each step refused: it names itself; what is held is the PAMT, once the module has the plan; and
 * another try on the same module comes through, where the step is not refused any more.
 */
static void a_refused_step_names_itself_and_is_retried(void **state)
{
	static const struct {
		unsigned leaf;
		const char *reason;
		bool keeps_pamt;
	} rows[] = {
		{ TDH_SYS_INIT, "TDH.SYS.INIT: TDX_INCORRECT_MSR_VALUE (MSR 0x122", false },
		{ TDH_SYS_LP_INIT, "TDH.SYS.LP.INIT", false },
		{ TDH_SYS_RD, "metadata", false },
		{ TDH_SYS_CONFIG, "TDH.SYS.CONFIG", false },
		{ TDH_SYS_KEY_CONFIG, "TDH.SYS.KEY.CONFIG", true },
		{ TDH_SYS_TDMR_INIT, "TDH.SYS.TDMR.INIT", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t before;

		softmod_start(MEMORY, 4, 52);
		before = page_count(PAGE_FREE);
		refuse_leaf = rows[i].leaf;
		refuse_status = UINT64_C(0xc000092100000122);
		softmod_intercept = refuse;
		assert_int_equal(tdx_init(softmod_host()), -EIO);
		for (unsigned again = 0; again < 2; again++) {
			assert_int_equal(tdx_phase(), TDX_FAILED);
			assert_non_null(strstr(tdx_reason(), rows[i].reason));
			assert_int_equal(page_count(PAGE_TDX_PAMT) != 0, rows[i].keeps_pamt);
			if (!rows[i].keeps_pamt)
				assert_int_equal(page_count(PAGE_FREE), before);
			assert_int_equal(tdx_retry(), -EIO);
		}
		softmod_intercept = NULL;
		assert_int_equal(tdx_retry(), 0);
		assert_int_equal(tdx_phase(), TDX_READY);
		assert_string_equal(tdx_reason(), "");
		assert_int_equal(tdx_retry(), -EALREADY);
		assert_int_equal(page_count(PAGE_LEAKED), 0);
		tdx_fini();
		assert_int_equal(tdx_retry(), -ENODEV);
		assert_int_equal(page_count(PAGE_TDX_PAMT), 0);
	}
}

/* One CPU of four is refused, one package of two: only what is missing is done again. */
static unsigned refuse_cpu, calls[TDH_LEAF_LIMIT];

static bool refuse_on_one_cpu(struct soft_regs *r)
{
	calls[r->rax & 0xffff]++;
	return cpu_index() == refuse_cpu && refuse(r);
}

static void what_a_cpu_has_done_is_not_done_again(void **state)
{
	static const struct {
		unsigned leaf, cpu, calls;
	} rows[] = {
		{ TDH_SYS_LP_INIT, 3, 8 },    /* done: it says so, and that is fine */
		{ TDH_SYS_KEY_CONFIG, 2, 3 }, /* one package, the other, the other again */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		softmod_start(MEMORY, 4, 52);
		memset(calls, 0, sizeof(calls));
		refuse_leaf = rows[i].leaf;
		refuse_cpu = rows[i].cpu;
		refuse_status = UINT64_C(0xc000092100000122);
		softmod_intercept = refuse_on_one_cpu;
		assert_int_equal(tdx_init(softmod_host()), -EIO);
		refuse_cpu = 99;
		assert_int_equal(tdx_retry(), 0);
		assert_int_equal(calls[rows[i].leaf], rows[i].calls);
		assert_int_equal(calls[TDH_SYS_INIT], 1);
		assert_int_equal(calls[TDH_SYS_CONFIG], 1);
	}
}

static void a_cpu_that_did_not_start_is_named(void **state)
{
	(void)state;
	softmod_start(MEMORY, 4, 52);
	machine_cpu_offline(2);
	assert_int_equal(tdx_init(softmod_host()), -EIO);
	assert_non_null(strstr(tdx_reason(), "CPU 2 did not start"));
	assert_int_equal(tdx_retry(), -EIO);
}

/* A module that somebody before us has initialised is taken; one that he has configured is not. */
static void somebody_was_here_before(void **state)
{
	struct seam_regs r;

	(void)state;
	softmod_start(MEMORY, 2, 52);
	assert_true(tdx_ok(tdh_sys_init(&r)));
	assert_true(tdx_ok(tdh_sys_lp_init(&r)));
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_true(machine_logged("initialised before"));
	/* The same module once more, by a host that remembers nothing. */
	tdx_fini();
	if (softmod_profile->features0 & SOFT_F_SYS_DISABLE) { /* it was disabled: all begins anew */
		assert_int_equal(tdx_init(softmod_host()), 0);
		return;
	}
	assert_int_equal(tdx_init(softmod_host()), -EIO);
	assert_non_null(strstr(tdx_reason(), "only a reset helps"));
}

/* ---- a TD ---- */

static void td_is_built_and_given_back(void **state)
{
	static const enum td_measure orders[] = { TD_MEASURE_PER_PAGE, TD_MEASURE_SECTION,
						  TD_MEASURE_TWO_PASS };
	static const enum td_accept modes[] = { TD_ACCEPT_LAZY, TD_ACCEPT_EAGER, TD_ACCEPT_ADDED,
						TD_ACCEPT_MEASURED };

	(void)state;
	set_up(2);
	config.memory = UINT64_C(10) << 20;
	for (size_t o = 0; o < ARRAY_LEN(orders); o++)
		for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
			struct td *td = NULL;
			uint64_t before;

			ready(2, o == 0 ? 40 : 52);
			new_platform();
			config.measure = orders[o];
			config.accept = modes[m];
			before = page_count(PAGE_FREE);
			assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)),
					 0);
			assert_non_null(strstr(softmod_said(), "tain: td one: MRTD "));
			assert_int_equal(td_destroy(td), 0);
			assert_int_equal(page_count(PAGE_FREE), before);
			assert_int_equal(page_count(PAGE_LEAKED), 0);
			platform_fini(&platform);
		}
}

/* Whatever allocation fails: one line why, and nothing is held. */
static void out_of_memory_anywhere_is_undone(void **state)
{
	unsigned n = 0;

	(void)state;
	set_up(1);
	ready(1, 52);
	new_platform();
	for (;;) {
		uint64_t before = page_count(PAGE_FREE);
		struct td *td = NULL;

		machine_fail_alloc(++n);
		why[0] = 0;
		if (td_create(&td, &config, &platform, runs, why, sizeof(why)) == 0) {
			machine_fail_alloc(0);
			assert_int_equal(td_destroy(td), 0);
			break;
		}
		assert_true(strlen(why) > 0);
		assert_int_equal(page_count(PAGE_FREE), before);
		assert_int_equal(page_count(PAGE_LEAKED), 0);
	}
	assert_true(n > 20);
	platform_fini(&platform);
}

/* Every leaf that builds a TD, refused: undone, said, and the KeyID is free again. */
static void a_refused_build_is_undone(void **state)
{
	static const unsigned leaves[] = {
		TDH_MNG_CREATE,   TDH_MNG_KEY_CONFIG, TDH_MNG_ADDCX, TDH_MNG_INIT,
		TDH_VP_CREATE,    TDH_VP_ADDCX,       TDH_VP_INIT,   TDH_VP_WR,
		TDH_MEM_SEPT_ADD, TDH_MEM_PAGE_ADD,   TDH_MR_EXTEND, TDH_MR_FINALIZE,
		TDH_MNG_RD,
	};

	(void)state;
	set_up(1);
	ready(4, 52);
	new_platform();
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
		uint64_t before = page_count(PAGE_FREE);
		struct td *td = NULL;

		refuse_leaf = leaves[i];
		refuse_status = UINT64_C(0xc000010000000001);
		softmod_intercept = refuse;
		why[0] = 0;
		assert_int_not_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
		assert_true(strlen(why) > 0);
		softmod_intercept = NULL;
		assert_int_equal(page_count(PAGE_FREE), before);
		assert_int_equal(page_count(PAGE_LEAKED), 0);
	}
	platform_fini(&platform);
}

/* A module that keeps a page: that page and the TDR are leaked, nothing else. */
static void a_kept_page_is_leaked_not_reused(void **state)
{
	struct td *td = NULL;

	(void)state;
	set_up(1);
	ready(1, 52);
	new_platform();
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	refuse_leaf = TDH_MNG_KEY_FREEID;
	refuse_status = UINT64_C(0xc000060700000000);
	softmod_intercept = refuse;
	assert_true(td_destroy(td) > 0);
	assert_true(page_count(PAGE_LEAKED) > 8);
	assert_int_equal(page_count(PAGE_TDX_PRIVATE), 0);
	assert_int_equal(page_count(PAGE_TDX_SEPT), 0);
	assert_int_equal(page_count(PAGE_TDX_CONTROL), 0);
	platform_fini(&platform);
}

/* ---- running: a guest of a few scripted steps ---- */

static unsigned step;

static void tdvmcall(struct soft_vcpu *v, struct soft_exit *x, uint64_t r11, uint64_t r12,
		     uint64_t r13, uint64_t r14, uint64_t r15)
{
	x->reason = SOFT_EXIT_TDCALL;
	x->instr_len = 4;
	v->gpr.rax = 0;
	v->gpr.rcx = TDVMCALL_MASK_USUAL;
	v->gpr.r10 = 0;
	v->gpr.r11 = r11;
	v->gpr.r12 = r12;
	v->gpr.r13 = r13;
	v->gpr.r14 = r14;
	v->gpr.r15 = r15;
}

static void ept_violation(struct soft_exit *x, uint64_t gpa)
{
	x->reason = SOFT_EXIT_EPT_VIOLATION;
	x->qualification = 0x182;
	x->gpa = gpa;
}

static void accept_page(struct soft_vcpu *v, struct soft_exit *x, uint64_t gpa, unsigned level)
{
	x->reason = SOFT_EXIT_TDCALL;
	x->instr_len = 4;
	v->gpr.rax = TDG_MEM_PAGE_ACCEPT;
	v->gpr.rcx = gpa | level;
}

static void guest_story(struct soft_vcpu *v, struct soft_exit *x)
{
	switch (step++) {
	case 0:
		tdvmcall(v, x, TDVMCALL_IO, 1, 1, 0x3f8, 'h');
		break;
	case 1:
		assert_int_equal(v->gpr.r10, 0);
		tdvmcall(v, x, TDVMCALL_IO, 1, 1, 0x3f8, 'i');
		break;
	case 2:
		ept_violation(x, 0x1234000);
		break; /* free: the host AUGs */
	case 3:
		tdvmcall(v, x, 0x99999, 0, 0, 0, 0);
		break; /* unknown */
	case 4:
		assert_true(v->gpr.r10 == TDVMCALL_SUBFUNC_UNSUPPORTED);
		tdvmcall(v, x, TDVMCALL_MAP_GPA, 1, PAGE_SIZE, 0, 0);
		break;
	case 5:
		assert_true(v->gpr.r10 == TDVMCALL_ALIGN_ERROR);
		tdvmcall(v, x, TDVMCALL_CPUID, 0x40000000, 0, 0, 0);
		break;
	case 6:
		assert_int_equal(v->gpr.r12, 0x40000001);
		tdvmcall(v, x, TDVMCALL_RDMSR, 0x1b, 0, 0, 0);
		break;
	case 7:
		assert_true(v->gpr.r11 == 0xfee00d00);
		tdvmcall(v, x, TDVMCALL_IO, 2, 1, 0xb004, 0x2000);
		break;
	default:
		x->reason = SOFT_EXIT_TRIPLE_FAULT;
	}
}

static void guest_runs_to_power_off(void **state)
{
	struct td *td = NULL;
	struct td_identity id;
	uint64_t before;

	(void)state;
	set_up(1);
	ready(2, 40);
	new_platform();
	before = page_count(PAGE_FREE);
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	step = 0;
	softmod_guest = guest_story;
	assert_int_equal(td_vcpu_run(td, 0), RUN_STOPPED);
	assert_string_equal(printed, "hi");
	assert_int_equal(step, 8);
	assert_int_equal(td_identity(td, &id), 0);
	assert_int_equal(id.shared_bit, 39);
	assert_true(id.mrtd_valid);
	assert_int_equal(td_destroy(td), 0);
	assert_int_equal(page_count(PAGE_FREE), before);
	platform_fini(&platform);
}

#define MARK UINT64_C(0x7461696e00000000)

/* What it passes in XMM registers is gone when it takes them back: so is what another guest left. */
static void guest_passes_xmm(struct soft_vcpu *v, struct soft_exit *x)
{
	struct xsave_head *area = hpa_to_ptr((hpa_t){ v->page[3] });

	if (step++) {
		for (unsigned i = 0; i < XMM_COUNT; i++)
			assert_int_equal(area->fx.xmm[i][0], i < 8 ? 0 : MARK + i);
		tdvmcall(v, x, TDVMCALL_IO, 2, 1, 0xb004, 0x2000);
		return;
	}
	for (unsigned i = 0; i < XMM_COUNT; i++)
		area->fx.xmm[i][0] = MARK + i;
	area->xstate_bv |= XSTATE_SSE;
	tdvmcall(v, x, TDVMCALL_IO, 1, 1, 0x3f8, 'x');
	v->gpr.rcx |= UINT64_C(0x00ff0000);
}

static void guest_triple_fault(struct soft_vcpu *v, struct soft_exit *x)
{
	(void)v;
	x->reason = SOFT_EXIT_TRIPLE_FAULT;
}

static void guest_far_away(struct soft_vcpu *v, struct soft_exit *x)
{
	(void)v;
	ept_violation(x, UINT64_C(0x80000000));
}

static unsigned attended;
static void on_attend(struct vcpu_run *run) { attended += run == &runs[0]; }

/* A flush, then input, come while it runs. */
static void guest_is_interrupted(struct soft_vcpu *v, struct soft_exit *x)
{
	static const uint32_t requests[] = { VCPU_REQ_KICK, VCPU_REQ_EVENT };

	assert_int_equal(attended, step > 1);
	if (step < ARRAY_LEN(requests)) {
		vcpu_request(&runs[0], requests[step]);
		tdvmcall(v, x, TDVMCALL_IO, 1, 1, 0x3f8, 'x');
	} else {
		tdvmcall(v, x, TDVMCALL_IO, 2, 1, 0xb004, 0x2000);
	}
	step++;
}

static void guest_fatal(struct soft_vcpu *v, struct soft_exit *x)
{
	tdvmcall(v, x, TDVMCALL_REPORT_FATAL_ERROR, 7, 0, 0x6f6f6221, 0);
	v->gpr.rbx = v->gpr.rdi = v->gpr.rsi = v->gpr.r8 = v->gpr.r9 = v->gpr.rdx = 0;
}

static void guest_halts(struct soft_vcpu *v, struct soft_exit *x)
{
	tdvmcall(v, x, TDVMCALL_HLT, 1, 0, 0, 0);
}

static void each_end_has_its_reason(void **state)
{
	static const struct {
		void (*guest)(struct soft_vcpu *, struct soft_exit *);
		enum vcpu_outcome outcome;
		const char *reason;
	} rows[] = {
		{ guest_triple_fault, RUN_DEAD, "triple fault" },
		{ guest_far_away, RUN_DEAD, "0x80000000" },
		{ guest_fatal, RUN_DEAD, "fatal error 0x7: !boo" },
		{ guest_halts, RUN_STOPPED, "halted" },
		{ guest_passes_xmm, RUN_STOPPED, "powered off" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct td *td = NULL;
		uint64_t before;

		set_up(1);
		ready(1, 52);
		new_platform();
		before = page_count(PAGE_FREE);
		assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
		step = 0;
		softmod_guest = rows[i].guest;
		assert_int_equal(td_vcpu_run(td, 0), rows[i].outcome);
		assert_non_null(strstr(runs[0].reason, rows[i].reason));
		assert_int_equal(td_destroy(td), 0);
		assert_int_equal(page_count(PAGE_FREE), before);
		platform_fini(&platform);
	}
}

/* A guest that converts memory back and forth, after it has accepted some of it. */
static void guest_converts(struct soft_vcpu *v, struct soft_exit *x)
{
	const uint64_t shared = BIT64(39);

	switch (step++) {
	case 0:
		ept_violation(x, 0x1000000);
		break;
	case 1:
		accept_page(v, x, 0x1000000, 1);
		break;
	case 2:
		assert_int_equal(v->gpr.rax, 0);
		tdvmcall(v, x, TDVMCALL_MAP_GPA, 0x1001000 | shared, 0x3000, 0, 0);
		break;
	case 3:
		assert_int_equal(v->gpr.r10, 0);
		ept_violation(x, 0x1001000 | shared);
		break;
	case 4:
		tdvmcall(v, x, TDVMCALL_MAP_GPA, 0x1001000, 0x3000, 0, 0);
		break;
	case 5:
		assert_int_equal(v->gpr.r10, 0);
		accept_page(v, x, 0x1001000,
			    0); /* nothing is there: the host AUGs, and it is repeated */
		break;
	case 6:
		accept_page(v, x, 0x1001000, 0);
		break;
	case 7:
		assert_int_equal(v->gpr.rax, 0);
		tdvmcall(v, x, TDVMCALL_IO, 2, 1, 0xb004, 0x2000);
		break;
	default:
		x->reason = SOFT_EXIT_TRIPLE_FAULT;
	}
}

static void memory_is_converted_and_comes_back(void **state)
{
	struct td *td = NULL;
	uint64_t before;

	(void)state;
	set_up(1);
	ready(1, 40);
	new_platform();
	before = page_count(PAGE_FREE);
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	step = 0;
	softmod_guest = guest_converts;
	assert_int_equal(td_vcpu_run(td, 0), RUN_STOPPED);
	assert_int_equal(step, 8);
	assert_int_equal(td_destroy(td), 0);
	assert_int_equal(page_count(PAGE_FREE), before);
	platform_fini(&platform);
}

static void input_is_handed_over_in_the_middle_of_a_stay(void **state)
{
	struct td *td = NULL;

	(void)state;
	set_up(1);
	ready(1, 40);
	new_platform();
	assert_int_equal(td_create(&td, &config, &platform, runs, why, sizeof(why)), 0);
	step = attended = 0;
	softmod_guest = guest_is_interrupted;
	runs[0].attend = on_attend;
	assert_int_equal(td_vcpu_run(td, 0), RUN_STOPPED);
	assert_int_equal(step, 3);
	assert_int_equal(attended, 1);
	runs[0].attend = NULL;
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(module_comes_up),
		cmocka_unit_test(without_a_module_nothing_is_held),
		cmocka_unit_test(a_refused_step_names_itself_and_is_retried),
		cmocka_unit_test(what_a_cpu_has_done_is_not_done_again),
		cmocka_unit_test(a_cpu_that_did_not_start_is_named),
		cmocka_unit_test(somebody_was_here_before),
		cmocka_unit_test(td_is_built_and_given_back),
		cmocka_unit_test(out_of_memory_anywhere_is_undone),
		cmocka_unit_test(a_refused_build_is_undone),
		cmocka_unit_test(a_kept_page_is_leaked_not_reused),
		cmocka_unit_test(guest_runs_to_power_off),
		cmocka_unit_test(each_end_has_its_reason),
		cmocka_unit_test(memory_is_converted_and_comes_back),
		cmocka_unit_test(input_is_handed_over_in_the_middle_of_a_stay),
	};

	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
