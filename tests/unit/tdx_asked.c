/*
 * tdx_asked.c - what a TD's guest asks of the host, and how the host answers: TDVMCALLs, exits,
 * MSRs, CPUID and the local APIC, each called with the registers of an exit. The TD itself is built
 * and taken down by the module's logic. Rules of the MMU that tdx/ keeps: C9, C11, E6.
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
#include "tdx/td_impl.h"
#include "tdx/td_interrupt.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY (UINT64_C(256) << 20)
#define VCPUS  3
#define ANY    UINT64_C(0xa11ce)

static struct guest_config config;
static struct platform platform;
static struct vcpu_run runs[VCPUS];
static struct td *td;
static struct tdx_host host;
static unsigned delivered, nmis, kicks, notified;

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static void deliver(unsigned vector) { delivered = vector; }
static void nmi_taken(void) { nmis++; }
static void kick(unsigned cpu)
{
	(void)cpu;
	kicks++;
}
static void notify(unsigned cpu)
{
	(void)cpu;
	notified++;
}
static void notify_self(void) { notified++; }

static int set_up(void **state)
{
	const struct platform_config pc = { .name = "one",
					    .memory_bytes = UINT64_C(16) << 20,
					    .vcpus = VCPUS,
					    .console = console };
	char why[200] = "";

	(void)state;
	config = (struct guest_config){
		.name = "one",
		.kind = GUEST_TD,
		.memory = UINT64_C(16) << 20,
		.vcpus = VCPUS,
		.page_level = LEVEL_2M,
		.firmware = { .path = "one.fd",
			      .data = tdvf_image_make(),
			      .size = TDVF_IMAGE_SIZE },
	};
	softmod_start(MEMORY, 2, 52);
	host = *softmod_host();
	host.irq_deliver = deliver;
	host.nmi_taken = nmi_taken;
	host.kick = kick;
	host.notify = notify;
	host.notify_self = notify_self;
	assert_int_equal(tdx_init(&host), 0);
	assert_int_equal(platform_init(&platform, &pc), 0);
	memset(runs, 0, sizeof(runs));
	for (unsigned i = 0; i < VCPUS; i++)
		runs[i].slice_tsc = UINT64_C(1) << 40;
	if (td_create(&td, &config, &platform, runs, why, sizeof(why)))
		fail_msg("%s", why);
	machine_log_clear();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(td_destroy(td), 0);
	platform_fini(&platform);
	return 0;
}

/* A TDVMCALL of vCPU 0; its answer is in the registers. */
static enum td_next ask(uint64_t r11, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15)
{
	struct td_vcpu *v = &td->vcpus[0];

	v->regs = (struct seam_regs){ .rcx = TDVMCALL_MASK_USUAL,
				      .r11 = r11,
				      .r12 = r12,
				      .r13 = r13,
				      .r14 = r14,
				      .r15 = r15 };
	return td_vmcall(v);
}

#define R(n) (td->vcpus[0].regs.r##n)

static void each_call_is_answered(void **state)
{
	const uint64_t shared = BIT64(47);
	const struct {
		uint64_t in[5]; /* R11 to R15 */
		uint64_t status, r11;
	} rows[] = {
		/* I/O: sizes, directions and ports */
		{ { TDVMCALL_IO, 3, 0, 0x3f8, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_IO, 8, 0, 0x3f8, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_IO, 1, 2, 0x3f8, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_IO, 1, 0, 0x10000, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_IO, 1, 1, 0x3f8, 'x' }, TDVMCALL_SUCCESS, ANY },
		{ { TDVMCALL_IO, 1, 0, 0x3fd, 0 }, TDVMCALL_SUCCESS, 0x60 },
		{ { TDVMCALL_IO, 4, 0, 0x9999, 0 }, TDVMCALL_SUCCESS, 0xffffffff },
		/* MMIO: only of the shared half */
		{ { TDVMCALL_MMIO, 3, 0, shared | 0xc0000000, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_MMIO, 4, 2, shared | 0xc0000000, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_MMIO, 4, 0, 0xc0000000, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_MMIO, 4, 0, 2 * shared, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_MMIO, 4, 0, shared | 0xc0000000, 0 }, TDVMCALL_SUCCESS, 0xffffffff },
		{ { TDVMCALL_MMIO, 4, 1, shared | 0xc0000000, 7 }, TDVMCALL_SUCCESS, ANY },
		/* MSRs */
		{ { TDVMCALL_RDMSR, 0x1b, 0, 0, 0 }, TDVMCALL_SUCCESS, 0xfee00d00 },
		{ { TDVMCALL_RDMSR, 0xfe, 0, 0, 0 }, TDVMCALL_SUCCESS, 0 },
		{ { TDVMCALL_RDMSR, 0x2ff, 0, 0, 0 }, TDVMCALL_SUCCESS, 6 },
		{ { TDVMCALL_RDMSR, 0x12345, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_RDMSR, BIT64(32) | 0x1b, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_WRMSR, 0x1b, 0xfee00d00, 0, 0 }, TDVMCALL_SUCCESS, ANY },
		{ { TDVMCALL_WRMSR, 0x1b, 0xfee00800, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_WRMSR, 0xfe, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_WRMSR, 0x8b, 1, 0, 0 }, TDVMCALL_SUCCESS, ANY },
		{ { TDVMCALL_WRMSR, 0x2ff, 6, 0, 0 }, TDVMCALL_SUCCESS, ANY },
		{ { TDVMCALL_WRMSR, 0x2ff, 0xc00, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_WRMSR, 0x12345, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_WRMSR, BIT64(40), 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		/* the rest */
		{ { TDVMCALL_WBINVD, 0, 0, 0, 0 }, TDVMCALL_SUCCESS, ANY },
		{ { TDVMCALL_WBINVD, 2, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_GET_INFO, 0, 9, 9, 9 }, TDVMCALL_SUCCESS, 0 },
		{ { TDVMCALL_GET_INFO, 1, 9, 9, 9 }, TDVMCALL_SUCCESS, ANY },
		{ { TDVMCALL_GET_INFO, 2, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_GET_QUOTE, shared, 4096, 0, 0 }, TDVMCALL_SUBFUNC_UNSUPPORTED, ANY },
		{ { TDVMCALL_PCONFIG, 0, 0, 0, 0 }, TDVMCALL_SUBFUNC_UNSUPPORTED, ANY },
		{ { TDVMCALL_SERVICE, 0, 0, 0, 0 }, TDVMCALL_SUBFUNC_UNSUPPORTED, ANY },
		{ { TDVMCALL_MIGTD, 0, 0, 0, 0 }, TDVMCALL_SUBFUNC_UNSUPPORTED, ANY },
		{ { 0x7777, 0, 0, 0, 0 }, TDVMCALL_SUBFUNC_UNSUPPORTED, ANY },
		{ { TDVMCALL_SETUP_EVENT_NOTIFY, 31, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_SETUP_EVENT_NOTIFY, 256, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, ANY },
		{ { TDVMCALL_SETUP_EVENT_NOTIFY, 64, 0, 0, 0 }, TDVMCALL_SUCCESS, ANY },
		/* MapGPA: ranges that are none, misaligned ones, the firmware's, and a good one */
		{ { TDVMCALL_MAP_GPA, 0, 0, 0, 0 }, TDVMCALL_INVALID_OPERAND, 0 },
		{ { TDVMCALL_MAP_GPA, PAGE_SIZE, ~UINT64_C(0), 0, 0 },
		  TDVMCALL_INVALID_OPERAND,
		  ANY },
		{ { TDVMCALL_MAP_GPA, 4 * shared, PAGE_SIZE, 0, 0 },
		  TDVMCALL_INVALID_OPERAND,
		  ANY },
		{ { TDVMCALL_MAP_GPA, shared - PAGE_SIZE, 2 * PAGE_SIZE, 0, 0 },
		  TDVMCALL_INVALID_OPERAND,
		  ANY },
		{ { TDVMCALL_MAP_GPA, 0x1001, PAGE_SIZE, 0, 0 }, TDVMCALL_ALIGN_ERROR, 0x1001 },
		{ { TDVMCALL_MAP_GPA, 0x1000, 12, 0, 0 }, TDVMCALL_ALIGN_ERROR, 0x1000 },
		{ { TDVMCALL_MAP_GPA, shared | (TDVF_TOP - PAGE_SIZE), PAGE_SIZE, 0, 0 },
		  TDVMCALL_INVALID_OPERAND,
		  ANY },
		{ { TDVMCALL_MAP_GPA, shared | 0x200000, 0x3000, 0, 0 },
		  TDVMCALL_SUCCESS,
		  shared | 0x203000 },
		{ { TDVMCALL_MAP_GPA, 0x200000, 0x3000, 0, 0 }, TDVMCALL_SUCCESS, 0x203000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const uint64_t *in = rows[i].in;

		assert_int_equal(ask(in[0], in[1], in[2], in[3], in[4]), TD_NEXT_ENTER);
		if (R(10) != rows[i].status || (rows[i].r11 != ANY && R(11) != rows[i].r11))
			fail_msg("row %zu (%s): R10 0x%llx, R11 0x%llx", i, tdvmcall_name(in[0]),
				 (unsigned long long)R(10), (unsigned long long)R(11));
		/* Granted or refused, it is in the trace with its status. */
		struct trace_record last;

		assert_true(trace_newest(TRACE_TDVMCALL, &last));
		assert_int_equal(last.leaf, (uint32_t)in[0]);
		assert_true(last.status == rows[i].status);
	}
	assert_int_equal(td->vcpus[0].notify_vector, 64);
	/* Another vendor's calls are not ours. */
	td->vcpus[0].regs = (struct seam_regs){ .rcx = TDVMCALL_MASK_USUAL, .r10 = 1, .r11 = 12 };
	assert_int_equal(td_vmcall(&td->vcpus[0]), TD_NEXT_ENTER);
	assert_true(R(10) == TDVMCALL_INVALID_OPERAND);
	/* A mask that hides the answer is told, once. */
	for (unsigned i = 0; i < 2; i++) {
		td->vcpus[0].regs = (struct seam_regs){ .rcx = 0, .r11 = TDVMCALL_WBINVD };
		assert_int_equal(td_vmcall(&td->vcpus[0]), TD_NEXT_ENTER);
	}
	assert_true(machine_logged("hides R10 or R11"));
}

static void calls_that_end_it(void **state)
{
	(void)state;
	assert_int_equal(ask(TDVMCALL_IO, 2, 1, 0xb004, 0x2000), TD_NEXT_STOPPED);
	assert_non_null(strstr(runs[0].reason, "powered off"));
	td->vcpus[0].regs = (struct seam_regs){ .rcx = TDVMCALL_MASK_USUAL,
						.r11 = TDVMCALL_REPORT_FATAL_ERROR,
						.r12 = 3,
						.r14 = UINT64_C(0x0141424320666c61) };
	assert_int_equal(td_vmcall(&td->vcpus[0]), TD_NEXT_DEAD);
	assert_non_null(strstr(runs[0].reason, "fatal error 0x3: alf CBA."));
}

/* ReportFatalError with a page of text at @r13. */
static void give_up(uint64_t r13)
{
	td->vcpus[0].regs = (struct seam_regs){ .rcx = TDVMCALL_MASK_USUAL,
						.r11 = TDVMCALL_REPORT_FATAL_ERROR,
						.r12 = BIT64(63) | 5,
						.r13 = r13 };
	machine_log_clear();
	assert_int_equal(td_vmcall(&td->vcpus[0]), TD_NEXT_DEAD);
	assert_non_null(strstr(runs[0].reason, "fatal error 0x5"));
}

static void last_words_come_from_a_shared_page(void **state)
{
	const uint64_t shared = BIT64(47);
	char page[PAGE_SIZE];

	(void)state;
	memset(page, 'x', sizeof(page)); /* no zero in all of it */
	memcpy(page, "it was\x01the disk", 15);
	assert_int_equal(guest_memory_write(&td->shared, (gpa_t){ 0x300000 }, page, sizeof(page)), 0);
	give_up(shared | 0x300000);
	assert_true(machine_logged("adds: it was.the diskxx"));
	page[130] = 0;
	page[200] = 'z';
	assert_int_equal(guest_memory_write(&td->shared, (gpa_t){ 0x300000 }, page, sizeof(page)), 0);
	give_up(shared | 0x300000);
	assert_true(machine_logged("adds: xx"));
	assert_false(machine_logged("z"));
	give_up(0x300000); /* its private side is not ours to read */
	assert_true(machine_logged("not the address of a shared page"));
	assert_false(machine_logged("adds"));
	give_up(shared | 0x300008);
	assert_true(machine_logged("not the address of a shared page"));
	give_up(2 * shared);
	assert_true(machine_logged("not the address of a shared page"));
	give_up(shared | (shared - PAGE_SIZE));
	assert_true(machine_logged("no memory there"));
}

/* A conversion that the module will not carry out. */
static uint64_t block_status;
static bool refuse_block(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_MEM_RANGE_BLOCK)
		return false;
	r->rax = block_status;
	return true;
}

static void a_conversion_may_fail(void **state)
{
	struct mmu_fault f = { .gfn = { 0x200 }, .root = MMU_MIRROR };

	(void)state;
	assert_int_equal(td_memory_fault(td, &f), 0);
	softmod_intercept = refuse_block;
	block_status = UINT64_C(0xc000010000000001);
	assert_int_equal(ask(TDVMCALL_MAP_GPA, BIT64(47) | 0x200000, PAGE_SIZE, 0, 0),
			 TD_NEXT_DEAD);
	assert_non_null(strstr(runs[0].reason, "MapGPA of 0x800000200000"));
	softmod_intercept = NULL;
}

/* A stop that comes in the middle of a long conversion: the guest asks for the rest. */
static void a_long_conversion_is_cut(void **state)
{
	(void)state;
	runs[0].slice_tsc = 0;
	config.memory = UINT64_C(16) << 20;
	assert_int_equal(ask(TDVMCALL_MAP_GPA, BIT64(47), UINT64_C(64) << 20, 0, 0), TD_NEXT_LEAVE);
	assert_true(R(10) == TDVMCALL_RETRY);
	assert_true(R(11) == (BIT64(47) | UINT64_C(32) << 20));
}

static void cpuid_of_the_host(void **state)
{
	uint32_t out[4];

	(void)state;
	assert_int_equal(ask(TDVMCALL_CPUID, 0x40000000, 0, 0, 0), TD_NEXT_ENTER);
	assert_true(R(12) >= 0x40000000);
	td_cpuid(&td->vcpus[2], 0x40000100, 0, out);
	assert_memory_equal(&out[1], "TainTainTain", 12);
	td_cpuid(&td->vcpus[2], 0xb, 1, out);
	assert_int_equal(out[1], VCPUS);
	assert_int_equal(out[3], 2);
	td_cpuid(&td->vcpus[2], 0x1f, 5, out);
	assert_int_equal(out[1], 0);
	td_cpuid(&td->vcpus[2], 0x77, 0, out);
	assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
}

/* ---- HLT, interrupts, the local APIC ---- */

/* All of them in HLT with interrupts on, and no timer: they wait, and that is said once. */
static void nobody_is_left_to_wake_them(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < VCPUS; i++) {
			td->vcpus[i].regs = (struct seam_regs){ .rcx = TDVMCALL_MASK_USUAL,
								.r11 = TDVMCALL_HLT };
			assert_int_equal(td_vmcall(&td->vcpus[i]), TD_NEXT_WAIT);
			assert_int_equal(td->mistakes[TD_MISTAKE_ALL_ASLEEP],
					 round ? i + 2 : i + 1 == VCPUS);
		}
}

static void hlt_waits_for_what_is_posted(void **state)
{
	struct td_vcpu *v = &td->vcpus[0];

	(void)state;
	assert_true(td_vcpu_post(v, 0x40));
	assert_false(td_vcpu_post(v, 3)); /* exceptions are not posted */
	assert_true(td_interrupt_posted(v));
	assert_int_equal(ask(TDVMCALL_HLT, 0, 0, 0, 0), TD_NEXT_ENTER);
	notified = 0;
	td_interrupt_before_entry(v);
	assert_int_equal(notified, 1);
	/* With interrupts blocked it waits all the same; of three vCPUs, the last one ends it. */
	for (unsigned i = 0; i < VCPUS; i++) {
		td->vcpus[i].regs = (struct seam_regs){ .rcx = TDVMCALL_MASK_USUAL,
							.r11 = TDVMCALL_HLT,
							.r12 = 1 };
		assert_int_equal(td_vmcall(&td->vcpus[i]),
				 i + 1 < VCPUS ? TD_NEXT_WAIT : TD_NEXT_STOPPED);
	}
	assert_non_null(strstr(runs[VCPUS - 1].reason, "halted with interrupts blocked"));
	/* Only an NMI wakes it. */
	assert_false(td_interrupt_wakes(v));
	td_vcpu_post_nmi(v);
	assert_true(td_interrupt_wakes(v));
	assert_true(td_interrupt_nmi_deliver(v));
	assert_true(td_interrupt_nmi_deliver(v));
}

static void whoever_is_inside_is_told(void **state)
{
	struct td_vcpu *v = &td->vcpus[1];

	(void)state;
	notified = kicks = 0;
	v->inside = 1;
	assert_true(td_vcpu_post(v, 0x55));
	assert_true(td_vcpu_post(v, 0x56)); /* a notification is under way already */
	assert_int_equal(notified, 1);
	td_vcpu_post_nmi(v);
	assert_int_equal(kicks, 1);
	v->inside = 2;
}

static uint64_t rd(unsigned vcpu, uint32_t msr)
{
	uint64_t value = ANY;

	assert_true(td_msr_read(&td->vcpus[vcpu], msr, &value));
	return value;
}

static void wr(unsigned vcpu, uint32_t msr, uint64_t value)
{
	assert_true(td_msr_write(&td->vcpus[vcpu], msr, value));
}

static bool has(unsigned vcpu, unsigned vector)
{
	/* The SDM's posted-interrupt descriptor begins with one bit for each vector. */
	const uint64_t *pir = hpa_to_ptr(td->vcpus[vcpu].descriptor_page);

	return (pir[vector / 64] & BIT64(vector % 64)) != 0;
}

static void the_apic_keeps_its_registers(void **state)
{
	(void)state;
	assert_int_equal(rd(2, 0x802), 2);
	assert_int_equal(rd(2, 0x803) & 0xff, 0x14);
	assert_int_equal(rd(2, 0x80d), 4);
	assert_int_equal(rd(0, 0x80f), 0xff);
	wr(0, 0x80f, 0x1ff);
	assert_int_equal(rd(0, 0x80f), 0x1ff);
	assert_int_equal(rd(0, 0x828), 0);
	wr(0, 0x828, 0);
	for (uint32_t lvt = 0x832; lvt <= 0x837; lvt++) {
		assert_int_equal(rd(0, lvt), 0x10000);
		wr(0, lvt, 0x10040 + lvt);
		assert_int_equal(rd(0, lvt) & 0xff, (0x40 + lvt) & 0xff);
	}
	wr(0, 0x82f, 0x1004f);
	assert_int_equal(rd(0, 0x82f), 0x1004f);
	wr(0, 0x83e, 0xb);
	assert_int_equal(rd(0, 0x83e), 0xb);
	assert_int_equal(rd(0, 0x6e0), 0);
	assert_false(td_msr_write(&td->vcpus[0], 0x802, 1));
}

/* The timer: once, again and again, and at a value of the TSC. */
static void the_apic_timer_fires(void **state)
{
	struct td_vcpu *v = &td->vcpus[0];

	(void)state;
	wr(0, 0x83e, 0xb);
	wr(0, 0x832, 0x41);
	wr(0, 0x838, 1);
	assert_int_equal(rd(0, 0x838), 1);
	while (vtimer_armed(&v->apic.timer))
		vtimer_run();
	assert_true(has(0, 0x41));
	assert_int_equal(rd(0, 0x839), 0);
	wr(0, 0x838, 0xffffffff);
	assert_true(rd(0, 0x839) > 0x10000000);
	wr(0, 0x838, 0);
	assert_false(vtimer_armed(&v->apic.timer));
	/* periodic: armed again each time */
	wr(0, 0x832, 0x20042);
	wr(0, 0x838, 10);
	while (v->apic.fired < 4)
		vtimer_run();
	assert_true(has(0, 0x42));
	assert_true(vtimer_armed(&v->apic.timer));
	/* masked: it runs on, nothing is sent */
	memset(hpa_to_ptr(v->descriptor_page), 0, 32);
	wr(0, 0x832, 0x30042);
	assert_false(has(0, 0x42));
	/* into TSC-deadline mode: it stands; then a deadline of long ago, and one far away */
	wr(0, 0x832, 0x40043);
	assert_false(vtimer_armed(&v->apic.timer));
	wr(0, 0x838, 5); /* ignored in this mode */
	assert_int_equal(rd(0, 0x838), 0);
	wr(0, 0x6e0, 1);
	while (vtimer_armed(&v->apic.timer))
		vtimer_run();
	assert_true(has(0, 0x43));
	wr(0, 0x6e0, ~UINT64_C(0));
	assert_true(vtimer_armed(&v->apic.timer));
	assert_int_equal(rd(0, 0x839), 0);
	wr(0, 0x6e0, 0);
	assert_false(vtimer_armed(&v->apic.timer));
	/* and back: a deadline is ignored */
	wr(0, 0x832, 0x41);
	wr(0, 0x6e0, 1);
	assert_int_equal(rd(0, 0x6e0), 0);
}

static void ipis_reach_whom_they_mean(void **state)
{
	static const struct {
		uint64_t icr;
		unsigned to; /* a bit for each vCPU */
	} rows[] = {
		{ UINT64_C(2) << 32 | 0x60, 4 },             /* physical */
		{ UINT64_C(0xffffffff) << 32 | 0x61, 7 },    /* broadcast */
		{ UINT64_C(6) << 32 | BIT64(11) | 0x62, 6 }, /* logical */
		{ UINT64_C(0x10001) << 32 | BIT64(11) | 0x63, 0 },
		{ BIT64(18) | 0x64, 2 },                          /* self */
		{ BIT64(19) | 0x65, 7 },                          /* all */
		{ BIT64(19) | BIT64(18) | 0x66, 5 },              /* others */
		{ UINT64_C(0xffffffff) << 32 | 0x100 | 0x67, 1 }, /* lowest priority: one */
		{ UINT64_C(0xffffffff) << 32 | 0x500 | 0x68, 0 }, /* INIT means nothing */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wr(1, 0x830, rows[i].icr);
		for (unsigned to = 0; to < VCPUS; to++)
			assert_int_equal(has(to, rows[i].icr & 0xff), rows[i].to >> to & 1);
	}
	assert_int_equal(rd(1, 0x830) & 0xff, 0x68);
	wr(1, 0x83f, 0x70);
	assert_true(has(1, 0x70));
	/* NMI to vCPU 2 */
	wr(1, 0x830, UINT64_C(2) << 32 | 0x400);
	assert_true(td->vcpus[2].nmi_asked);
}

/* From the virtual PC's devices. */
static void devices_reach_vcpus(void **state)
{
	static const struct intr_message fixed = { .dest = 1, .vector = 0x71, .mode = INTR_FIXED },
					 low = { .dest = 2, .vector = 0x72, .mode = INTR_LOWEST },
					 nmi = { .dest = 0, .mode = INTR_NMI };

	(void)state;
	platform.intr.sink.deliver(platform.intr.sink.ctx, &fixed);
	platform.intr.sink.deliver(platform.intr.sink.ctx, &low);
	platform.intr.sink.deliver(platform.intr.sink.ctx, &nmi);
	assert_true(has(1, 0x71) && !has(0, 0x71) && !has(2, 0x71));
	assert_true(has(2, 0x72));
	assert_true(td->vcpus[0].nmi_asked);
}

/* ---- exits ---- */

static enum td_next leave(uint64_t status, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	td->vcpus[0].regs = (struct seam_regs){ .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9 };
	runs[0].reason[0] = 0;
	return td_exit(&td->vcpus[0], (tdx_status_t){ status });
}

static void each_exit_has_its_end(void **state)
{
	const uint64_t shared = BIT64(47), nmi = BIT64(31) | 2 << 8 | 2;
	const struct {
		uint64_t status, rcx, rdx, r8, r9;
		enum td_next next;
		const char *reason;
	} rows[] = {
		{ TDX_EXIT_EXCEPTION_NMI, 0, 0, 0, nmi, TD_NEXT_LEAVE, "" },
		{ TDX_EXIT_EXCEPTION_NMI, 0, 0, 0, BIT64(31) | 3 << 8 | 6, TD_NEXT_DEAD,
		  "exception 6 came out" },
		{ TDX_EXIT_EXTERNAL_INTERRUPT, 0, 0, 0, BIT64(31) | 0x33, TD_NEXT_ENTER, "" },
		{ TDX_EXIT_INIT, 0, 0, 0, 0, TD_NEXT_ENTER, "" },
		{ TDX_EXIT_BUS_LOCK, 0, 0, 0, 0, TD_NEXT_ENTER, "" },
		{ TDX_EXIT_TRIPLE_FAULT, 0, 0, 0, 0, TD_NEXT_DEAD, "triple fault" },
		{ TDX_EXIT_EPT_MISCONFIGURATION, 0, 0, 0x5000, 0, TD_NEXT_DEAD,
		  "misconfiguration at 0x5000" },
		{ TDX_EXIT_EPT_VIOLATION, 4, 0, shared | 0x5000, 0, TD_NEXT_DEAD,
		  "fetched an instruction from shared memory" },
		{ TDX_EXIT_EPT_VIOLATION, 1, 0, shared | 0x5000, 0, TD_NEXT_ENTER, "" },
		{ TDX_EXIT_EPT_VIOLATION, 2, 0, shared | 0x5000, 0, TD_NEXT_ENTER, "" },
		{ TDX_EXIT_EPT_VIOLATION, 2, TDX_EEQ_PENDING_VIOLATION, 0x5000, 0, TD_NEXT_DEAD,
		  "before accepting it" },
		{ 10, 0, 0, 0, 0, TD_NEXT_DEAD, "unexpected exit 10" },
		{ 12345, 0, 0, 0, 0, TD_NEXT_DEAD, "unexpected exit 12345" },
		{ UINT64_C(0x80000021), 0, 0, 0, 0, TD_NEXT_DEAD, "VM entry failed" },
		{ UINT64_C(0x8000020000000001), 0, 0, 0, 0, TD_NEXT_LEAVE, "" },
		{ UINT64_C(0x8000000300000000), 0, 0, 0, 0, TD_NEXT_ENTER, "" },
		{ UINT64_C(0xe000060400000000), 0, 0, 0, 0, TD_NEXT_DEAD, "TD_FATAL" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum td_next next =
			leave(rows[i].status, rows[i].rcx, rows[i].rdx, rows[i].r8, rows[i].r9);

		td->vcpus[0].has_fault = false;
		if (next != rows[i].next || !strstr(runs[0].reason, rows[i].reason))
			fail_msg("row %zu: %u, %s", i, next, runs[0].reason);
	}
	assert_int_equal(delivered, 0x33);
	assert_true(nmis > 0);
}

/* The guest uses one side of what it gave to the other: told, and served. */
static void sides_that_are_mixed_up_are_told(void **state)
{
	(void)state;
	assert_int_equal(ask(TDVMCALL_MAP_GPA, BIT64(47) | 0x400000, PAGE_SIZE, 0, 0),
			 TD_NEXT_ENTER);
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, 0, 0x400000, 0), TD_NEXT_ENTER);
	assert_true(machine_logged("as private, which MapGPA made shared"));
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, TDX_EEQ_ACCEPT, 0x400000, 0),
			 TD_NEXT_ENTER);
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, TDX_EEQ_PENDING_VIOLATION, 0x400000, 0),
			 TD_NEXT_DEAD);
	assert_non_null(strstr(runs[0].reason, "which it had made shared"));
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, 0, BIT64(47) | 0x600000, 0),
			 TD_NEXT_ENTER);
	assert_true(machine_logged("as shared, which is private"));
	td->vcpus[0].has_fault = false;
}

/* ---- rules of the MMU that are kept here ---- */

/* The page at @gpa after the fault that vCPU 0 brought: how many SEAMCALLs it took. */
static uint64_t resolve_fault(uint64_t gpa, int level)
{
	struct td_vcpu *v = &td->vcpus[0];
	uint64_t calls = seamcall_count_here();
	int found;

	assert_true(v->has_fault);
	v->has_fault = false;
	assert_int_equal(td_memory_fault(td, &v->fault), 0);
	assert_true(spte_is_accessible_leaf(
		mmu_lookup(&td->mmu, MMU_MIRROR, gpa_to_gfn((gpa_t){ gpa }), &found)));
	assert_int_equal(found, level);
	return seamcall_count_here() - calls;
}

static void C9_the_extended_qualification_says_what_to_do(void **state)
{
	const uint64_t asks_4k = TDX_EEQ_ACCEPT, asks_2m = TDX_EEQ_ACCEPT | UINT64_C(1) << 32;
	const uint64_t gpa = 0xa00000, other = 0xc00000;

	(void)state;
	/* Nothing mapped: at the wanted level. */
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, asks_2m, gpa, 0), TD_NEXT_ENTER);
	assert_true(resolve_fault(gpa, LEVEL_2M) > 0);
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, asks_4k, other, 0), TD_NEXT_ENTER);
	assert_true(resolve_fault(other, LEVEL_4K) > 0);
	/* Pending at the wanted level: two vCPUs raced, nothing is done. */
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, asks_2m, gpa, 0), TD_NEXT_ENTER);
	assert_int_equal(resolve_fault(gpa, LEVEL_2M), 0);
	/* Pending, larger than wanted: demoted, once. */
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, asks_4k, gpa, 0), TD_NEXT_ENTER);
	assert_true(resolve_fault(gpa, LEVEL_4K) > 0);
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, asks_4k, gpa, 0), TD_NEXT_ENTER);
	assert_int_equal(resolve_fault(gpa, LEVEL_4K), 0);
	/* Touched before it was accepted: the guest's bug. */
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, TDX_EEQ_PENDING_VIOLATION, gpa, 0),
			 TD_NEXT_DEAD);
	assert_false(td->vcpus[0].has_fault);
	assert_non_null(strstr(runs[0].reason, "0xa00000 before accepting it"));
}

/* What happened, in order: T a TRACK, B one that the module refused, K a kick. */
static char happened[32];
static unsigned busy_tracks;
static uint32_t inside_after; /* kicks: what they make of vCPU 1's `inside` */
static unsigned kicks_needed;

static void note(char what)
{
	size_t n = strlen(happened);

	if (n + 1 < sizeof(happened))
		happened[n] = what;
}

static void kick_out_slowly(unsigned cpu)
{
	(void)cpu;
	note('K');
	if (kicks_needed > 0 && --kicks_needed == 0)
		td->vcpus[1].inside = inside_after;
}

static bool track_is_seen(struct soft_regs *r)
{
	if ((r->rax & 0xffff) != TDH_MEM_TRACK)
		return false;
	assert_true(td->track_lock.next != td->track_lock.owner); /* one at a time */
	if (busy_tracks > 0) {
		busy_tracks--;
		note('B');
		r->rax = (uint64_t)TDX_PREVIOUS_TLB_EPOCH_BUSY << 32;
		return true;
	}
	note('T');
	return false;
}

/* vCPU 1 is inside until it was kicked @needed times. */
static void watch(unsigned needed, uint32_t after)
{
	memset(happened, 0, sizeof(happened));
	td->vcpus[1].inside = 1;
	kicks_needed = needed;
	inside_after = after;
	tdx_state.host.kick = kick_out_slowly;
	softmod_intercept = track_is_seen;
}

static void map_and_remove(uint64_t gpa)
{
	struct mmu_fault f = { .gfn = gpa_to_gfn((gpa_t){ gpa }),
			       .root = MMU_MIRROR,
			       .max_level = LEVEL_4K };

	assert_int_equal(td_memory_fault(td, &f), 0);
	assert_int_equal(mmu_zap_range(&td->mmu, MMU_MIRROR, f.gfn, 1), 0);
}

static void C11_the_kick_comes_after_the_track(void **state)
{
	(void)state;
	/* A neighbour keeps the table: one leaf, one track. */
	assert_int_equal(leave(TDX_EXIT_EPT_VIOLATION, 2, TDX_EEQ_ACCEPT, 0xa01000, 0),
			 TD_NEXT_ENTER);
	assert_true(resolve_fault(0xa01000, LEVEL_4K) > 0);
	watch(1, 2);
	map_and_remove(0xa00000);
	assert_string_equal(happened, "TK");
	/* Somebody is inside since an epoch ago: out with him, and the track again. */
	watch(1, 2);
	busy_tracks = 1;
	map_and_remove(0xa00000);
	assert_string_equal(happened, "BKT");
}

static void E6_a_kick_waits_until_the_vcpu_is_out(void **state)
{
	static const struct {
		enum mmu_root root;
		uint32_t after; /* out; or out and in again, which is as good */
	} rows[] = { { MMU_MIRROR, 2 }, { MMU_MIRROR, 3 }, { MMU_DIRECT, 2 }, { MMU_DIRECT, 3 } };

	(void)state;
	td_spins_between_kicks = 20; /* natively each of them gives the CPU away to whoever is there */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gfn_t gfn = gpa_to_gfn((gpa_t){ 0xa00000 });

		watch(3, rows[i].after);
		mmu_write_lock(&td->mmu.lock); /* awaited with it: no handler of that CPU runs */
		assert_int_equal(td->mmu.ops->flush(&td->mmu, rows[i].root, gfn, 1), 0);
		mmu_write_unlock(&td->mmu.lock);
		assert_string_equal(happened, rows[i].root == MMU_MIRROR ? "TKKK" : "KKK");
		assert_int_equal(td->vcpus[1].inside, rows[i].after);
		assert_true(vcpu_requests(&runs[1]) & VCPU_REQ_KICK);
		assert_int_equal(vcpu_requests(&runs[0]), 0); /* it was not inside */
	}
	td->vcpus[1].inside = 2;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		T(each_call_is_answered),
		T(calls_that_end_it),
		T(last_words_come_from_a_shared_page),
		T(a_conversion_may_fail),
		T(a_long_conversion_is_cut),
		T(cpuid_of_the_host),
		T(nobody_is_left_to_wake_them),
		T(hlt_waits_for_what_is_posted),
		T(whoever_is_inside_is_told),
		T(the_apic_keeps_its_registers),
		T(the_apic_timer_fires),
		T(ipis_reach_whom_they_mean),
		T(devices_reach_vcpus),
		T(each_exit_has_its_end),
		T(sides_that_are_mixed_up_are_told),
		T(C9_the_extended_qualification_says_what_to_do),
		T(C11_the_kick_comes_after_the_track),
		T(E6_a_kick_waits_until_the_vcpu_is_out),
	};
	int failures = softmod_run_versions(tests);

	tdx_fini();
	return failures;
}
