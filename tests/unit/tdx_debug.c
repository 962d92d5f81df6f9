/*
 * tdx_debug.c - a debug TD under a debugger, on the software module: what is written into its VMCS, what
 * comes out, and that all is as before when the debugger has gone.
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

#include "kernel/machine/vmcs_fields.h"
#include "tdx/abi/exit.h"
#include "tdx/td.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(1) << 30)
#define TF     BIT64(8)
#define BIT_DB BIT32(1)
#define BIT_BP BIT32(3)

static struct guest_config config;
static struct platform platform;
static struct vcpu_run run[1];
static struct td *td;
static char why[200];
static struct soft_vcpu *vcpu; /* the guest's, as the module has it */
static struct {
	uint32_t reason, intr_info;
	uint64_t qualification;
	unsigned entries;
} next;

/* It comes out as the test says. */
static void guest(struct soft_vcpu *v, struct soft_exit *x)
{
	vcpu = v;
	next.entries++;
	*x = (struct soft_exit){ .reason = next.reason, .intr_info = next.intr_info,
				 .qualification = next.qualification };
}

static void comes_out(uint32_t reason, uint32_t info, uint64_t qualification)
{
	next.reason = reason;
	next.intr_info = info;
	next.qualification = qualification;
}

static int build(uint32_t attributes)
{
	config = (struct guest_config){
		.name = "one", .kind = GUEST_TD, .memory = UINT64_C(64) << 20, .vcpus = 1,
		.page_level = LEVEL_4K, .attributes = attributes,
		.firmware = { .path = "one.fd", .data = tdvf_image_make(), .size = TDVF_IMAGE_SIZE },
	};
	memset(run, 0, sizeof(run));
	memset(&next, 0, sizeof(next));
	run[0].slice_tsc = UINT64_C(1) << 40;
	softmod_start(MEMORY, 1, 40);
	assert_int_equal(tdx_init(softmod_host()), 0);

	const struct platform_config pc = { .name = "one", .memory_bytes = config.memory, .vcpus = 1 };

	assert_int_equal(platform_init(&platform, &pc), 0);
	assert_int_equal(td_create(&td, &config, &platform, run, why, sizeof(why)), 0);
	softmod_guest = guest;
	return 0;
}

static int debug_td(void **state)
{
	(void)state;
	return build(GUEST_ATTR_DEBUG);
}

static int tear_down(void **state)
{
	(void)state;
	softmod_guest = NULL;
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
	return 0;
}

static void follow(uint32_t exceptions)
{
	run[0].debug.exceptions = exceptions;
	run[0].debug.generation++;
}

static uint64_t reg(enum vcpu_reg r)
{
	struct vcpu_regs all;

	assert_int_equal(td_debug_read(td, 0, &all), 0);
	return all.r[r];
}

static void registers_are_the_modules(void **state)
{
	(void)state;
	assert_true(td_debuggable(td));
	assert_int_equal(reg(VCPU_RIP), 0xfffffff0);
	assert_int_equal(td_debug_write(td, 0, VCPU_RIP, 0x1234), 0);
	assert_int_equal(td_debug_write(td, 0, VCPU_R9, 0x77), 0);
	assert_int_equal(td_debug_write(td, 0, VCPU_RSP, 0x8000), 0);
	assert_int_equal(reg(VCPU_RIP), 0x1234);
	assert_int_equal(reg(VCPU_R9), 0x77);
	assert_int_equal(reg(VCPU_RSP), 0x8000);
	/* CR0 as the guest reads it; a bit that the module owns cannot be changed. */
	assert_int_equal(reg(VCPU_CR0), 0x21);
	assert_int_equal(td_debug_write(td, 0, VCPU_CR0, 0), -EINVAL);
	assert_int_equal(td_debug_write(td, 0, VCPU_KERNEL_GS_BASE, 1), -EINVAL);
}

static void exceptions_come_out_that_were_asked_for(void **state)
{
	(void)state;
	follow(BIT_DB | BIT_BP);
	comes_out(SOFT_EXIT_EXCEPTION_NMI, UINT32_C(0x80000603), 0);
	assert_int_equal(td_vcpu_run(td, 0), RUN_TRAPPED);
	assert_int_equal(run[0].debug.vector, 3);
	assert_int_equal(softmod_field(vcpu, VMCS_EXCEPTION_BITMAP), BIT32(18) | BIT_DB | BIT_BP);
	comes_out(SOFT_EXIT_EXCEPTION_NMI, UINT32_C(0x80000301), 2);
	assert_int_equal(td_vcpu_run(td, 0), RUN_TRAPPED);
	assert_int_equal(run[0].debug.vector, 1);
	assert_int_equal(run[0].debug.qualification, 2);
	follow(0);
	comes_out(SOFT_EXIT_EXCEPTION_NMI, UINT32_C(0x80000301), 2);
	assert_int_equal(td_vcpu_run(td, 0), RUN_DEAD); /* nobody asks any more */
	assert_int_equal(softmod_field(vcpu, VMCS_EXCEPTION_BITMAP), BIT32(18));
}

static void a_step_sets_TF_and_takes_it_back(void **state)
{
	(void)state;
	follow(BIT_DB);
	run[0].debug.step = true;
	comes_out(SOFT_EXIT_EXCEPTION_NMI, UINT32_C(0x80000301), DEBUG_STEPPED);
	assert_int_equal(td_vcpu_run(td, 0), RUN_TRAPPED);
	assert_int_equal(run[0].debug.qualification, DEBUG_STEPPED);
	assert_int_equal(softmod_field(vcpu, VMCS_GUEST_RFLAGS) & TF, 0);
	run[0].debug.step = false;
	comes_out(SOFT_EXIT_TRIPLE_FAULT, 0, 0);
	assert_int_equal(td_vcpu_run(td, 0), RUN_DEAD);
	assert_int_equal(softmod_field(vcpu, VMCS_GUEST_RFLAGS) & TF, 0);
}

static void guest_sees_TF(struct soft_vcpu *v, struct soft_exit *x)
{
	assert_int_equal(softmod_field(v, VMCS_GUEST_RFLAGS) & TF, TF);
	guest(v, x);
}

static void a_step_that_meets_something_else_goes_on(void **state)
{
	(void)state;
	follow(BIT_DB);
	run[0].debug.step = true;
	run[0].slice_tsc = 0;
	softmod_guest = guest_sees_TF;
	comes_out(SOFT_EXIT_INTR, UINT32_C(0x800000f0), 0);
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	comes_out(SOFT_EXIT_EXCEPTION_NMI, UINT32_C(0x80000301), DEBUG_STEPPED);
	assert_int_equal(td_vcpu_run(td, 0), RUN_TRAPPED);
	run[0].debug.step = false;
	softmod_guest = guest;
}

static void the_debuggers_breakpoints_replace_the_guests_and_give_them_back(void **state)
{
	(void)state;
	assert_int_equal(td_debug_write(td, 0, VCPU_DR1, 0x1111), 0);
	assert_int_equal(td_debug_write(td, 0, VCPU_DR7, 0x404), 0);
	run[0].debug.dr[0] = 0x5000;
	run[0].debug.dr7 = 0x2;
	follow(BIT_DB);
	run[0].slice_tsc = 0;
	comes_out(SOFT_EXIT_INTR, UINT32_C(0x800000f0), 0);
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	assert_int_equal(vcpu->dr[0], 0x5000);
	assert_int_equal(vcpu->dr[1], 0);
	assert_int_equal(softmod_field(vcpu, VMCS_GUEST_DR7), 0x402);
	assert_int_equal(reg(VCPU_DR1), 0x1111); /* the guest's is shown */
	assert_int_equal(reg(VCPU_DR7), 0x404);
	run[0].debug.dr7 = 0;
	follow(0);
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	assert_int_equal(vcpu->dr[0], 0);
	assert_int_equal(vcpu->dr[1], 0x1111);
	assert_int_equal(softmod_field(vcpu, VMCS_GUEST_DR7), 0x404);
}

/* A port read: the answer is in the host's hands until the next entry. */
static void guest_reads_a_port(struct soft_vcpu *v, struct soft_exit *x)
{
	guest(v, x);
	*x = (struct soft_exit){ .reason = SOFT_EXIT_TDCALL, .instr_len = 4 };
	v->gpr.rax = 0;
	v->gpr.rcx = 0xfc00; /* R10 to R15 */
	v->gpr.r10 = 0;
	v->gpr.r11 = 30;
	v->gpr.r12 = 1;
	v->gpr.r13 = 0;
	v->gpr.r14 = 0x2e8;
	v->gpr.rbx = 0xb0b;
}

static void registers_of_an_answer_are_those_that_the_guest_will_find(void **state)
{
	(void)state;
	run[0].slice_tsc = 0;
	softmod_guest = guest_reads_a_port;
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	assert_int_equal(reg(VCPU_R11), 0xff); /* no device there */
	assert_int_equal(reg(VCPU_R10), 0);
	assert_int_equal(reg(VCPU_RBX), 0xb0b);
	assert_int_equal(td_debug_write(td, 0, VCPU_R11, 0x42), 0);
	softmod_guest = guest;
	comes_out(SOFT_EXIT_INTR, UINT32_C(0x800000f0), 0);
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	assert_int_equal(vcpu->gpr.r11, 0x42);
	assert_int_equal(reg(VCPU_R11), 0x42);
}

static void private_memory_is_read_and_written(void **state)
{
	const gpa_t at = { UINT64_C(0xfffffff0) };
	uint64_t was, now;

	(void)state;
	assert_int_equal(td_private_read(td, at, &was), 0);
	assert_int_equal(td_private_write(td, at, ~was), 0);
	assert_int_equal(td_private_read(td, at, &now), 0);
	assert_int_equal(now, ~was);
	assert_int_equal(td_private_write(td, (gpa_t){ UINT64_C(0x7000000000) }, 0), -EFAULT);
}

static void of_another_td_nothing_is_shown(void **state)
{
	struct vcpu_regs all;
	uint64_t word;

	(void)state;
	build(0);
	assert_false(td_debuggable(td));
	assert_int_equal(td_debug_read(td, 0, &all), -EIO);
	assert_int_equal(td_debug_write(td, 0, VCPU_RIP, 0), -EINVAL);
	assert_int_equal(td_private_read(td, (gpa_t){ UINT64_C(0xfffffff0) }, &word), -EACCES);
	assert_int_equal(td_private_write(td, (gpa_t){ UINT64_C(0xfffffff0) }, 0), -EACCES);
}

static void a_held_vcpu_is_not_entered(void **state)
{
	(void)state;
	vcpu_request(&run[0], VCPU_REQ_HOLD);
	assert_int_equal(td_vcpu_run(td, 0), RUN_AGAIN);
	assert_int_equal(next.entries, 0);
}

#define D(test) cmocka_unit_test_setup_teardown(test, debug_td, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		D(registers_are_the_modules),
		D(exceptions_come_out_that_were_asked_for),
		D(a_step_sets_TF_and_takes_it_back),
		D(a_step_that_meets_something_else_goes_on),
		D(the_debuggers_breakpoints_replace_the_guests_and_give_them_back),
		D(registers_of_an_answer_are_those_that_the_guest_will_find),
		D(private_memory_is_read_and_written),
		D(a_held_vcpu_is_not_entered),
		cmocka_unit_test_teardown(of_another_td_nothing_is_shown, tear_down),
	};

	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
