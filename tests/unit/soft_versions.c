/*
 * soft_versions.c - what versions of the software module answer differently is answered as the row of
 * data says.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/abi/leaf.h"
#include "tdx/abi/md_fields.h"
#include "tdx/td.h"
#include "tdx/td_look.h"
#include "tdx/tdh.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY    (UINT64_C(1) << 30)
#define VCPUS     2
#define VERSION_2 (UINT64_C(2) << 16)
#define ALL_ONES  (~UINT64_C(0))

#define ROW_1F_1       47 /* of the module's CPUID rows */
#define VCPU_DISABLED  8

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[VCPUS];
static struct td *td;
static char why[200];

/* ---- one TD, whose build a test spoils ---- */

static struct {
	unsigned leaf; /* 0xffff: none */
	unsigned nth;  /* which of its calls */
	void (*change)(struct soft_regs *r);
	unsigned seen;
} spoil;

static bool spoiler(struct soft_regs *r)
{
	if ((r->rax & 0xffff) == spoil.leaf && spoil.seen++ == spoil.nth)
		spoil.change(r);
	return false;
}

static int build(unsigned leaf, unsigned nth, void (*change)(struct soft_regs *r))
{
	config = (struct guest_config){
		.name = "one", .kind = GUEST_TD, .memory = UINT64_C(64) << 20, .vcpus = VCPUS,
		.page_level = LEVEL_4K,
		.firmware = { .path = "one.fd", .data = tdvf_image_make(), .size = TDVF_IMAGE_SIZE },
	};
	memset(runs, 0, sizeof(runs));
	softmod_start(MEMORY, 1, 40);
	assert_int_equal(tdx_init(softmod_host()), 0);

	const struct platform_config pc = { .name = "one", .memory_bytes = config.memory, .vcpus = VCPUS };

	assert_int_equal(platform_init(&platform, &pc), 0);
	spoil.leaf = leaf;
	spoil.nth = nth;
	spoil.change = change;
	spoil.seen = 0;
	softmod_intercept = spoiler;
	why[0] = 0;
	return td_create(&td, &config, &platform, runs, why, sizeof(why));
}

static void good(unsigned leaf, unsigned nth, void (*change)(struct soft_regs *r))
{
	if (build(leaf, nth, change) != 0)
		fail_msg("%s: %s", softmod_profile->name, why);
}

static void end(void)
{
	softmod_intercept = NULL;
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
}

/* The build is refused, and the reason has @status in it. */
static void bad(unsigned leaf, unsigned nth, void (*change)(struct soft_regs *r), const char *status)
{
	if (build(leaf, nth, change) == 0)
		fail_msg("%s: not refused with %s", softmod_profile->name, status);
	if (!strstr(why, status))
		fail_msg("%s: %s, not %s", softmod_profile->name, why, status);
	softmod_intercept = NULL;
	platform_fini(&platform);
}

static bool topology(void) { return (softmod_profile->features0 & SOFT_F_TOPOLOGY) != 0; }

static tdx_status_t td_field(unsigned class_code, uint32_t code, uint64_t *value)
{
	return td_look_field(td, TD_LOOK_TD,
			     (uint64_t)class_code << 56 | UINT64_C(1) << 52 | code, value);
}

/* ---- x2APIC ids ---- */

static void id_of_another(struct soft_regs *r) { r->r8 = 0; }
static void id_too_long(struct soft_regs *r) { r->r8 = BIT64(32); }
static void version_2(struct soft_regs *r) { r->rax = TDH_VP_INIT | VERSION_2; }
static void version_0(struct soft_regs *r) { r->rax = TDH_VP_INIT; }
static void id_of_its_own(struct soft_regs *r) { r->r8 = 77; }

static void vcpus_have_x2apic_ids_where_hosts_choose_them(void **state)
{
	uint64_t configured = 0, id = 0;

	(void)state;
	good(TDH_VP_INIT, 1, id_of_its_own);
	if (topology()) {
		assert_true(tdx_ok(td_field(17, 0x19, &configured)));
		assert_int_equal(configured, 1);
		assert_true(tdx_ok(td_field(28, 0, &id)));
		assert_int_equal(id, 0);
		assert_true(tdx_ok(td_field(28, 1, &id)));
		assert_int_equal(id, 77);
		assert_true(tdx_is(td_field(28, softmod_profile->max_vcpus, &id),
				   TDX_METADATA_FIELD_ID_INCORRECT));
	} else {
		assert_true(tdx_is(td_field(17, 0x19, &configured), TDX_METADATA_FIELD_ID_INCORRECT));
		assert_true(tdx_is(td_field(28, 0, &id), TDX_METADATA_FIELD_ID_INCORRECT));
	}
	end();
	if (!topology())
		return;
	good(TDH_VP_INIT, 1, version_0);
	assert_true(tdx_ok(td_field(17, 0x19, &configured)));
	assert_int_equal(configured, 0);
	end();
}

static void ids_are_checked(void **state)
{
	(void)state;
	bad(TDH_VP_INIT, 1, version_2, "TDX_OPERAND_INVALID (operand 0 RAX");
	if (!topology())
		return;
	bad(TDH_VP_INIT, 1, id_of_another, "TDX_X2APIC_ID_NOT_UNIQUE");
	bad(TDH_VP_INIT, 1, id_too_long, "TDX_OPERAND_INVALID (operand 8 R8");
}

/* ---- the topology that a guest asks for ---- */

#define TD_CTLS       UINT64_C(0x9110000300000017)
#define ENUM_TOPOLOGY BIT64(1)

static struct {
	unsigned step;
	uint64_t status;
	uint64_t levels[4], features_ebx; /* CPUID 1F.1, 1 */
} asked;

static void asks_cpuid(struct soft_vcpu *v, struct soft_exit *x, uint32_t leaf, uint32_t subleaf)
{
	x->reason = SOFT_EXIT_CPUID;
	x->instr_len = 2;
	v->gpr.rax = leaf;
	v->gpr.rcx = subleaf;
}

/* TDG.VM.WR of TD_CTLS, then CPUID 1F.1 and 1. */
static void guest_asks(struct soft_vcpu *v, struct soft_exit *x)
{
	const struct soft_regs *g = &v->gpr;

	switch (asked.step++) {
	case 0:
		x->reason = SOFT_EXIT_TDCALL;
		x->instr_len = 4;
		v->gpr.rax = TDG_VM_WR;
		v->gpr.rcx = 0;
		v->gpr.rdx = TD_CTLS;
		v->gpr.r8 = v->gpr.r9 = ENUM_TOPOLOGY;
		break;
	case 1:
		asked.status = g->rax;
		asks_cpuid(v, x, 0x1f, 1);
		break;
	case 2:
		memcpy(asked.levels, (uint64_t[]){ g->rax, g->rbx, g->rcx, g->rdx },
		       sizeof(asked.levels));
		asks_cpuid(v, x, 1, 0);
		break;
	case 3:
		asked.features_ebx = g->rbx;
		break;
	default:
		break;
	}
}

static void a_guest_that_asks_sees_its_hosts_topology(void **state)
{
	(void)state;
	good(TDH_VP_INIT, 1, id_of_its_own);
	memset(&asked, 0, sizeof(asked));
	softmod_guest = guest_asks;
	(void)td_vcpu_run(td, 1);
	assert_true(asked.step >= 4);
	if (topology()) {
		assert_int_equal(asked.status, 0);
		assert_int_equal(asked.levels[0], 1); /* one bit of an id is the core's */
		assert_int_equal(asked.levels[1], VCPUS);
		assert_int_equal(asked.levels[2], 1 | 2 << 8);
		assert_int_equal(asked.levels[3], 77);
		assert_int_equal(asked.features_ebx >> 24, 77);
	} else {
		assert_int_equal(asked.status >> 32, 0xc0000c01); /* not writable */
		assert_int_equal(asked.levels[0], 0x1f); /* a #VE: registers are as they were */
		assert_int_equal(asked.features_ebx >> 24, 1);
	}
	softmod_guest = NULL;
	end();
}

/* ---- TD_PARAMS ---- */

static struct td_params *params(const struct soft_regs *r) { return hpa_to_ptr((hpa_t){ r->rdx }); }

static void too_many_vcpus(struct soft_regs *r)
{
	params(r)->max_vcpus = (uint16_t)(softmod_profile->max_vcpus + 1);
}

/* The entry of leaf 1F, sub-leaf 1: its level type goes. */
static void no_core(struct soft_regs *r)
{
	for (unsigned i = 0; i < softmod_profile->config_count; i++)
		if (softmod_profile->config_row[i] == ROW_1F_1)
			params(r)->cpuid[i].ecx &= 0xff;
}

static void attribute_more(struct soft_regs *r)
{
	params(r)->attributes |= ~softmod_profile->attributes_fixed0;
}

static void attribute_less(struct soft_regs *r)
{
	params(r)->attributes &= ~softmod_profile->attributes_fixed1;
}

static void entry_behind_the_last(struct soft_regs *r)
{
	params(r)->cpuid[softmod_profile->config_count].eax = 1;
}

static void parameters_are_judged_by_the_row(void **state)
{
	(void)state;
	bad(TDH_MNG_INIT, 0, attribute_more, "ATTRIBUTES");
	bad(TDH_MNG_INIT, 0, entry_behind_the_last, "operand 2 RDX");
	if (softmod_profile->attributes_fixed1)
		bad(TDH_MNG_INIT, 0, attribute_less, "ATTRIBUTES");
	if (softmod_profile->max_vcpus)
		bad(TDH_MNG_INIT, 0, too_many_vcpus, "MAX_VCPUS");
	if (topology())
		bad(TDH_MNG_INIT, 0, no_core, "TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED");
}

/* ---- details ---- */

static void a_vcpu_state_is_told_where_the_row_says(void **state)
{
	uint32_t detail;
	tdx_status_t st;

	(void)state;
	good(0xffff, 0, NULL);
	/* A vCPU that is READY takes no more pages; the TD is finalised, so ENTER tells of it: DISABLED. */
	assert_int_equal(td_vcpu_run(td, 0), RUN_DEAD); /* a triple fault */
	st = td_look_set_field(td, 0, md_vmcs_id(0x4024), ALL_ONES, 0);
	detail = (uint32_t)st.raw;
	assert_true(tdx_is(st, TDX_VCPU_STATE_INCORRECT));
	if (softmod_profile->answers & SOFT_A_VCPU_STATE)
		assert_int_equal(detail, VCPU_DISABLED);
	else
		assert_int_equal(detail, 0);
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vcpus_have_x2apic_ids_where_hosts_choose_them),
		cmocka_unit_test(ids_are_checked),
		cmocka_unit_test(a_guest_that_asks_sees_its_hosts_topology),
		cmocka_unit_test(parameters_are_judged_by_the_row),
		cmocka_unit_test(a_vcpu_state_is_told_where_the_row_says),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
