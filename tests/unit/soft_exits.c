/*
 * soft_exits.c - each exit of a production and of a debug TD ends where the TDX module says: with
 * the host, in the guest again with an event, or with the TD's death; and the XMM registers that a
 * TDVMCALL names go to the host and come back.
 *
 * links: tools/host/vectors_machine.c tdx/soft/[a-z]*.c tdx/abi/rsa.c kernel/base/sha384.c kernel/base/trace.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/soft/module.h"
#include "tools/host/vectors_machine.h"

#define TDR      UINT64_C(0x41000000)
#define VCPU     UINT64_C(0x41007000)
#define PARAMS   UINT64_C(0x210000)
#define DEBUG    UINT64_C(1)
#define FATAL    UINT64_C(0xe000060400000000)
#define DEAD     UINT64_C(0x6000000200000000) /* NON_RECOVERABLE_TD */
#define NO_WAY   UINT64_C(0x6000000500000000) /* NON_RECOVERABLE_TD_NON_ACCESSIBLE */
#define NOT_RUN  (~UINT64_C(0))               /* SEAMCALL fails: the module has shut itself down */
#define IN_GUEST UINT64_C(0x7777777777777777)

static uint64_t call(unsigned lp, uint64_t leaf, uint64_t rcx, uint64_t rdx, uint64_t r8)
{
	struct soft_regs r = { .rax = leaf, .rcx = rcx, .rdx = rdx, .r8 = r8 };
	enum vm_state st = vm_call(lp, &r);

	return st == VM_DONE ? vm_host_regs(lp)->rax : st == VM_IN_GUEST ? IN_GUEST : NOT_RUN;
}

static void bring_up(void)
{
	static const uint64_t info[8] = { 0x40000000, SIZE_1G, 0x10402000, 0x1000,
					  0x10400000, 0x2000,  0x10000000, 0x400000 };
	static const uint64_t table = 0x221000;

	vm_reset();
	memcpy(vm_memory(table, sizeof(info)), info, sizeof(info));
	memcpy(vm_memory(0x220000, 8), &table, 8);
	assert_int_equal(call(0, 33, 0, 0, 0), 0);
	for (unsigned lp = 0; lp < VM_LPS; lp++)
		assert_int_equal(call(lp, 35, 0, 0, 0), 0);
	assert_int_equal(call(0, 45, 0x220000, 1, 32), 0);
	assert_int_equal(call(0, 31, 0, 0, 0), 0);
	assert_int_equal(call(2, 31, 0, 0, 0), 0);
	while (call(0, 36, info[0], 0, 0) == 0)
		;
}

/* A TD with one vCPU, which LP 0 has entered. */
static void enter_td(uint64_t attributes)
{
	const uint64_t p[6] = { attributes, 3, 4, 0x1e, 0, 40 };

	bring_up();
	memcpy(vm_memory(PARAMS, sizeof(p)), p, sizeof(p));
	assert_int_equal(call(0, 9, TDR, 33, 0), 0);
	assert_int_equal(call(0, 8, TDR, 0, 0), 0);
	assert_int_equal(call(2, 8, TDR, 0, 0), 0);
	for (unsigned i = 1; i <= 6; i++)
		assert_int_equal(call(0, 1, TDR + i * PAGE_SIZE, TDR, 0), 0);
	assert_int_equal(call(0, 21, TDR, PARAMS, 0), 0);
	assert_int_equal(call(0, 10, VCPU, TDR, 0), 0);
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(call(0, 4, VCPU + i * PAGE_SIZE, VCPU, 0), 0);
	assert_int_equal(call(0, 22, VCPU, 0, 0), 0);
	assert_int_equal(call(0, 17, TDR, 0, 0), 0);
	assert_int_equal(call(0, 0, VCPU, 0, 0), IN_GUEST);
}

#define FAILED_ENTRY BIT32(31)
#define BUS_LOCK     BIT32(26)

/* clang-format off */
static const struct exit_row {
	const char *what;
	uint64_t attributes;
	uint32_t reason, intr_info, idt_info;
	uint64_t qualification;
	uint64_t host;  /* what the host gets in RAX, or IN_GUEST */
	uint32_t event; /* that the guest is entered with: now, or when it is entered again */
	uint64_t again; /* what entering it again gives */
} rows[] = {
	{ "SMI", 0, 6, 0, 0, 0, 6, 0, IN_GUEST },
	{ "SMI for a machine check", 0, 6, 0, 0, 1, NO_WAY | 6, 0, FATAL },
	{ "WBINVD", 0, 54, 0, 0, 0, IN_GUEST, 0x314, IN_GUEST },
	{ "notification", 0, 75, 0, 0, 0, 75, 0, IN_GUEST },
	{ "notification in an IRET", 0, 75, 0, 0, BIT64(12), 75, 0, IN_GUEST },
	{ "notification, context invalid", 0, 75, 0, 0, 1, DEAD | 75, 0, FATAL },
	{ "machine check", 0, 0, 0x80000312, 0, 0, NO_WAY, 0, FATAL },
	{ "NMI", 0, 0, 0x80000202, 0, 0, 0, 0, IN_GUEST },
	{ "exception of a production TD", 0, 0, 0x80000306, 0, 0, NOT_RUN, 0, NOT_RUN },
	{ "exception of a debug TD", DEBUG, 0, 0x80000306, 0, 0, 0, 0, IN_GUEST },
	{ "entry failed: guest state", 0, 33 | FAILED_ENTRY, 0, 0, 0, DEAD | 33 | FAILED_ENTRY, 0, FATAL },
	{ "entry failed: guest state, debug", DEBUG, 33 | FAILED_ENTRY, 0, 0, 0, 33 | FAILED_ENTRY, 0, IN_GUEST },
	{ "entry failed: machine check", 0, 41 | FAILED_ENTRY, 0, 0, 0, NO_WAY | 41 | FAILED_ENTRY, 0, FATAL },
	{ "entry failed: MSRs", 0, 34 | FAILED_ENTRY, 0, 0, 0, NOT_RUN, 0, NOT_RUN },
	{ "task switch while an NMI is delivered", 0, 9, 0, 0x80000202, 0, 9, 0x202, IN_GUEST },
	{ "task switch while #PF is delivered", 0, 9, 0, 0x80000b0e, 0, 9, 0xb0e, IN_GUEST },
	{ "interrupt while an NMI is delivered", 0, 1, 0x800000f0, 0x80000202, 0, NOT_RUN, 0, NOT_RUN },
	{ "interrupt while an NMI is delivered, debug", DEBUG, 1, 0x800000f0, 0x80000202, 0, 1, 0, IN_GUEST },
	{ "RDPMC", 0, 15, 0, 0, 0, IN_GUEST, 0xb0d, IN_GUEST },
	{ "RDPMC, debug", DEBUG, 15, 0, 0, 0, IN_GUEST, 0xb0d, IN_GUEST },
	{ "page-modification log", 0, 62, 0, 0, 0, NOT_RUN, 0, NOT_RUN },
	{ "page-modification log, debug", DEBUG, 62, 0, 0, 0, 62, 0, IN_GUEST },
	{ "bus lock", 0, 74, 0, 0, 0, 74, 0, IN_GUEST },
	{ "HLT after a bus lock", 0, 12 | BUS_LOCK, 0, 0, 0, 74 | BUS_LOCK, 0x314, IN_GUEST },
	{ "TPR below threshold", 0, 43, 0, 0, 0, DEAD | 43, 0, FATAL },
	{ "TPR below threshold, debug", DEBUG, 43, 0, 0, 0, 43, 0, IN_GUEST },
	{ "GETSEC", 0, 11, 0, 0, 0, IN_GUEST, 0x306, IN_GUEST },
	{ "ENQCMD", 0, 72, 0, 0, 0, IN_GUEST, 0xb0d, IN_GUEST },
	{ "triple fault", 0, 2, 0, 0, 0, 0x4000000100000002, 0, 0xc000070000000000 },
	{ "triple fault, debug", DEBUG, 2, 0, 0, 0, 0x4000000100000002, 0, 0xc000070000000000 },
};
/* clang-format on */

static void exits_end_where_they_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct exit_row *r = &rows[i];
		struct vm_event ev = { .idt_info = r->idt_info };
		uint64_t host, again = IN_GUEST;

		enter_td(r->attributes);
		ev.x.reason = r->reason;
		ev.x.intr_info = r->intr_info;
		ev.x.qualification = r->qualification;
		ev.x.instr_len = 2;

		enum vm_state st = vm_guest(0, &ev);

		host = st == VM_IN_GUEST ? IN_GUEST
		       : st == VM_DONE   ? vm_host_regs(0)->rax
					 : NOT_RUN;
		if (st != VM_IN_GUEST)
			again = call(0, 0, VCPU, 0, 0);
		uint32_t event = again == IN_GUEST ? vm_guest_event(0) : 0;

		if (host != r->host || again != r->again || event != r->event)
			fail_msg("%s: host %llx, again %llx, event %x", r->what,
				 (unsigned long long)host, (unsigned long long)again, event);
	}
}

#define XMM(...)     ((uint64_t)(__VA_ARGS__) << 16)
#define GPRS         UINT64_C(0xffcc)
#define MARK(who, i) (UINT64_C(0x0101010101010101) * (i) + (who))
enum { GUEST = UINT64_C(0x100), HOST = UINT64_C(0x200), OTHER = UINT64_C(0x300) };

static void fill(uint64_t xmm[XMM_COUNT][2], uint64_t who)
{
	for (unsigned i = 0; i < XMM_COUNT; i++) {
		xmm[i][0] = MARK(who, i);
		xmm[i][1] = ~MARK(who, i);
	}
}

/* Where @mask has a bit: @selected's mark; else @other's. 0: the register is zero. */
static void expect_xmm(uint64_t xmm[XMM_COUNT][2], uint64_t mask, uint64_t selected, uint64_t other)
{
	for (unsigned i = 0; i < XMM_COUNT; i++) {
		uint64_t who = mask >> (16 + i) & 1 ? selected : other;

		assert_int_equal(xmm[i][0], who ? MARK(who, i) : 0);
		assert_int_equal(xmm[i][1], who ? ~MARK(who, i) : 0);
	}
}

/* The guest's TDVMCALL, and the host's answer with its own registers. */
static void vmcall_out(uint64_t mask)
{
	const struct vm_event ev = { .gpr = { .rcx = mask },
				     .x = { .reason = SOFT_EXIT_TDCALL, .instr_len = 4 } };

	assert_int_equal(vm_guest(0, &ev), VM_DONE);
	assert_int_equal(vm_host_regs(0)->rax, SOFT_EXIT_TDCALL);
	assert_int_equal(vm_host_regs(0)->rcx, mask);
}

static void vmcall_back(uint64_t host)
{
	fill(vm_host_fx(0)->xmm, host);
	assert_int_equal(call(0, 0, VCPU, 0, 0), IN_GUEST);
}

static const uint64_t masks[] = {
	GPRS, XMM(1), XMM(0x8000), XMM(0x8009) | GPRS, XMM(0xfffe), XMM(0xffff) | GPRS,
};

static void xmm_goes_where_the_mask_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		enter_td(0);

		struct xsave_head *guest = vm_guest_xsave(0);

		fill(guest->fx.xmm, GUEST);
		guest->xstate_bv |= XSTATE_SSE;
		guest->fx.mxcsr = 0x1fa0;
		fill(vm_host_fx(0)->xmm, OTHER);
		vmcall_out(masks[i]);
		expect_xmm(vm_host_fx(0)->xmm, masks[i], GUEST, 0);
		expect_xmm(guest->fx.xmm, masks[i], GUEST, GUEST);
		vmcall_back(HOST);
		expect_xmm(guest->fx.xmm, masks[i], HOST, GUEST);
		assert_int_equal(guest->fx.mxcsr, 0x1fa0);
	}
}

/* An exit that is no TDVMCALL shows nothing and takes nothing, also after one that did. */
static void xmm_stays_at_other_exits(void **state)
{
	const struct vm_event interrupt = { .x = { .reason = SOFT_EXIT_INTR } };
	struct xsave_head *guest;

	(void)state;
	enter_td(0);
	guest = vm_guest_xsave(0);
	fill(guest->fx.xmm, GUEST);
	guest->xstate_bv |= XSTATE_SSE;
	vmcall_out(XMM(0x0ff0));
	vmcall_back(HOST);
	assert_int_equal(vm_guest(0, &interrupt), VM_DONE);
	expect_xmm(vm_host_fx(0)->xmm, 0, 0, 0);
	vmcall_back(OTHER);
	expect_xmm(guest->fx.xmm, XMM(0x0ff0), HOST, GUEST);
}

/* A guest whose SSE state is initial has zeroes, whatever stands in its area. */
static void xmm_of_a_guest_that_used_none(void **state)
{
	static const struct {
		uint64_t xcomp_bv;
		uint32_t mxcsr; /* 0xabcd before */
	} formats[] = { { XCOMP_COMPACTED | 3, 0x1f80 }, { 0, 0xabcd } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		enter_td(0);

		struct xsave_head *guest = vm_guest_xsave(0);

		fill(guest->fx.xmm, OTHER);
		guest->xstate_bv = 0;
		guest->xcomp_bv = formats[i].xcomp_bv;
		guest->fx.mxcsr = 0xabcd;
		vmcall_out(XMM(0x00f3));
		expect_xmm(vm_host_fx(0)->xmm, 0, 0, 0);
		vmcall_back(HOST);
		expect_xmm(guest->fx.xmm, XMM(0x00f3), HOST, 0);
		assert_int_equal(guest->xstate_bv, XSTATE_SSE);
		assert_int_equal(guest->fx.mxcsr, formats[i].mxcsr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exits_end_where_they_should),
		cmocka_unit_test(xmm_goes_where_the_mask_says),
		cmocka_unit_test(xmm_stays_at_other_exits),
		cmocka_unit_test(xmm_of_a_guest_that_used_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
