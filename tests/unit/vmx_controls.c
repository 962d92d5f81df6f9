/*
 * vmx_controls.c - what control adjustment promises, on the capability MSRs of a real emulator CPU
 * (Bochs 2.7, corei7_skylake_x) and on broken ones.
 *
 * links: kernel/machine/vmx_ctl.c kernel/machine/vmx_exit.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/machine/vmx.h"
#include "kernel/machine/vmx_ctl.h"
#include "kernel/machine/vmx_exit.h"

static const struct vmx_caps bochs = {
	.pin = 0x7f00000016, .proc = 0xf7f9fffe04006172, .proc2 = 0x2177fff00000000,
	.exit = 0x7fffff00036dfb, .entry = 0xffff000011fb,
};

static void controls_contain_what_the_cpu_insists_on(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_int_equal(vmx_adjust(&bochs, VMX_CTL_PIN, PIN_NMI, 0, 0, &value, NULL, 0), 0);
	assert_int_equal(value, 0x16 | PIN_NMI);
}

static void wanted_controls_are_taken_where_they_exist(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_int_equal(vmx_adjust(&bochs, VMX_CTL_PIN, PIN_NMI,
				    PIN_PREEMPTION_TIMER | PIN_POSTED_INTERRUPTS, 0, &value, NULL, 0),
			 0);
	assert_true(value & PIN_PREEMPTION_TIMER);
	assert_false(value & PIN_POSTED_INTERRUPTS); /* this CPU has none */
}

static void a_lacking_control_is_named(void **state)
{
	uint32_t value = 0x5a5a;
	char missing[80];

	(void)state;
	assert_int_equal(vmx_adjust(&bochs, VMX_CTL_PIN, PIN_POSTED_INTERRUPTS, 0, 0, &value, missing,
				    sizeof(missing)), -ENOTSUP);
	assert_string_equal(missing, "lacks process posted interrupts");
	assert_int_equal(value, 0x5a5a);
	assert_int_equal(vmx_adjust(&bochs, VMX_CTL_PROC2, PROC2_EPT | PROC2_MBE | BIT32(27), 0, 0,
				    &value, missing, sizeof(missing)), -ENOTSUP);
	assert_string_equal(missing, "lacks mode-based execute control, a reserved bit");
}

static void a_forbidden_control_that_must_be_on_is_named(void **state)
{
	struct vmx_caps old = bochs;
	uint32_t value;
	char missing[80];

	(void)state;
	old.proc |= PROC_CR3_LOAD; /* a CPU without the TRUE MSRs */
	assert_int_equal(vmx_adjust(&old, VMX_CTL_PROC, PROC_HLT, 0, PROC_CR3_LOAD | PROC_CR3_STORE,
				    &value, missing, sizeof(missing)), -ENOTSUP);
	assert_string_equal(missing, "insists on CR3-load exiting");
}

static void names_are_cut_to_the_room_there_is(void **state)
{
	struct vmx_caps none = { 0 };
	uint32_t value;
	char missing[12];

	(void)state;
	assert_int_equal(vmx_adjust(&none, VMX_CTL_PROC2, ~UINT32_C(0), 0, 0, &value, missing,
				    sizeof(missing)), -ENOTSUP);
	assert_true(strlen(missing) < sizeof(missing));
}

static void exits_and_errors_have_names(void **state)
{
	(void)state;
	assert_string_equal(vmx_exit_name(EXIT_REASON_CPUID), "CPUID");
	assert_string_equal(vmx_exit_name(77), "TDCALL");
	assert_string_equal(vmx_exit_name(35), "reserved");
	assert_string_equal(vmx_exit_name(0xffff), "reserved");
	assert_string_equal(vmx_error_text(7), "VM entry with invalid control fields");
	assert_string_equal(vmx_error_text(999), "unknown VM-instruction error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls_contain_what_the_cpu_insists_on),
		cmocka_unit_test(wanted_controls_are_taken_where_they_exist),
		cmocka_unit_test(a_lacking_control_is_named),
		cmocka_unit_test(a_forbidden_control_that_must_be_on_is_named),
		cmocka_unit_test(names_are_cut_to_the_room_there_is),
		cmocka_unit_test(exits_and_errors_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
