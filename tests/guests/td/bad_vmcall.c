/*
 * bad_vmcall.c - a trust domain that asks for what nobody may give. Every request must be refused
 * with the status that the ABI names, and the domain must live on.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

static uint64_t leaf(uint64_t rax, uint64_t rcx, uint64_t rdx)
{
	struct td_regs r = { .rcx = rcx, .rdx = rdx };

	return tdcall(rax, &r);
}

/* A request with all registers set: its status must be @status, and what is no answer must stay. */
struct request {
	const char *what;
	uint64_t r11, r12, r13;
	uint64_t status;
};

static const struct request requests[] = {
	{ "an unknown sub-function", 0x99999, 1, 2, VMCALL_UNSUPPORTED },
	{ "one in the upper half of R11", BIT64(32) | VMCALL_CPUID, 1, 2, VMCALL_UNSUPPORTED },
	{ "PCONFIG", VMCALL_PCONFIG, 1, 2, VMCALL_UNSUPPORTED },
	{ "GetQuote, which is not offered", VMCALL_GET_QUOTE, 0x1000, 0x1000, VMCALL_UNSUPPORTED },
	{ "Service", VMCALL_SERVICE, 0x1000, 0x2000, VMCALL_UNSUPPORTED },
	{ "MigTD", VMCALL_MIGTD, 0, 0, VMCALL_UNSUPPORTED },
	{ "GetTdVmCallInfo of a third leaf", VMCALL_GET_INFO, 2, 0, VMCALL_INVALID_OPERAND },
	{ "a notification vector that is an exception's", VMCALL_EVENT_NOTIFY, 31, 0,
	  VMCALL_INVALID_OPERAND },
	{ "one beyond all vectors", VMCALL_EVENT_NOTIFY, 256, 0, VMCALL_INVALID_OPERAND },
	{ "a notification vector", VMCALL_EVENT_NOTIFY, 255, 0, 0 },
	{ "WBINVD of a third kind", VMCALL_WBINVD, 2, 0, VMCALL_INVALID_OPERAND },
	{ "WBINVD", VMCALL_WBINVD, 0, 0, 0 },
	{ "WBNOINVD", VMCALL_WBINVD, 1, 0, 0 },
	{ "I/O of 8 bytes", VMCALL_IO, 8, 0, VMCALL_INVALID_OPERAND },
	{ "I/O of no bytes", VMCALL_IO, 0, 0, VMCALL_INVALID_OPERAND },
	{ "MMIO of 3 bytes", VMCALL_MMIO, 3, 0, VMCALL_INVALID_OPERAND },
	{ "MMIO of 16 bytes", VMCALL_MMIO, 16, 0, VMCALL_INVALID_OPERAND },
	{ "MMIO in direction 2", VMCALL_MMIO, 4, 2, VMCALL_INVALID_OPERAND },
	{ "an MSR's number beyond 32 bits", VMCALL_RDMSR, BIT64(32) | 0x1b, 0, VMCALL_INVALID_OPERAND },
	{ "a WRMSR of an unknown MSR", VMCALL_WRMSR, 0x12345678, 1, VMCALL_INVALID_OPERAND },
};

static void try_request(const struct request *q)
{
	struct td_regs r = { .rcx = VMCALL_MASK, .rdx = 3, .rbx = 4, .rsi = 5, .rdi = 6, .r8 = 7, .r9 = 8,
			     .r11 = q->r11, .r12 = q->r12, .r13 = q->r13, .r14 = 14, .r15 = 15 };
	uint64_t status = tdcall(TDG_VP_VMCALL, &r);
	bool kept = r.rcx == VMCALL_MASK && r.rdx == 3 && r.rbx == 4 && r.rsi == 5 && r.rdi == 6 &&
		    r.r8 == 7 && r.r9 == 8 && r.r12 == q->r12 && r.r13 == q->r13 && r.r14 == 14 &&
		    r.r15 == 15;

	if (status || r.r10 != q->status || !kept)
		print("     RAX %lx R10 %lx, not %lx; registers kept: %u\n", status, r.r10, q->status, kept);
	(void)td_check(!status && r.r10 == q->status && kept, q->what);
}

/* What is offered, and what is not: bit 0 GetQuote, bit 1 SetupEventNotifyInterrupt. */
static void what_is_offered(void)
{
	struct td_regs base = { .rcx = VMCALL_MASK, .r11 = VMCALL_GET_INFO, .r12 = 0, .r13 = 1, .r14 = 1 };
	struct td_regs more = { .rcx = VMCALL_MASK, .r11 = VMCALL_GET_INFO, .r12 = 1, .r13 = 1, .r14 = 1 };
	struct td_regs vendor = { .rcx = VMCALL_MASK, .r10 = 1, .r11 = VMCALL_CPUID };

	td_check(!tdcall(TDG_VP_VMCALL, &base) && !base.r10 && !base.r11 && !base.r12 && !base.r13 &&
			 !base.r14,
		 "GetTdVmCallInfo: the base set");
	td_check(!tdcall(TDG_VP_VMCALL, &more) && !more.r10 && more.r11 == 2 && !more.r12 && !more.r13 &&
			 !more.r14,
		 "GetTdVmCallInfo: no quotes, but notifications");
	td_check(!tdcall(TDG_VP_VMCALL, &vendor) && vendor.r10 == VMCALL_INVALID_OPERAND,
		 "a vendor's own call");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	uint64_t shared, invalid = (uint64_t)TDG_OPERAND_INVALID << 32;

	(void)index, (void)boot_parameter, (void)width;
	td_init();
	shared = BIT64(td_info().width - 1);

	td_check(leaf(TDG_VP_VMCALL, VMCALL_MASK | BIT64(0), 0) == (invalid | 1), "mask with RAX");
	td_check(leaf(TDG_VP_VMCALL, VMCALL_MASK | BIT64(4), 0) == (invalid | 1), "mask with RSP");
	td_check(leaf(TDG_VP_VMCALL, VMCALL_MASK | BIT64(40), 0) == (invalid | 1),
		 "mask with upper bits");
	td_check(leaf(0x1234, 0, 0) == invalid, "an unknown leaf");
	td_check(leaf(BIT64(40) | TDG_VP_INFO, 0, 0) == invalid, "reserved bits of RAX");
	td_check(leaf(TDG_MEM_PAGE_ACCEPT, shared, 0) == (invalid | 1), "accept a shared page");
	td_check(leaf(TDG_MEM_PAGE_ACCEPT, 2, 0) == (invalid | 1), "accept 1 GiB");
	td_check(leaf(TDG_MR_RTMR_EXTEND, 0xffff0000, 4) == (invalid | 2), "extend RTMR4");
	td_check(tdg_status(leaf(TDG_VP_VEINFO_GET, 0, 0)) == TDG_NO_VE_INFO, "no #VE information");

	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		try_request(&requests[i]);
	what_is_offered();
	td_check(vmcall(VMCALL_IO, 1, 0, 0x10000, 0, NULL) == VMCALL_INVALID_OPERAND, "a port beyond all");
	td_check(vmcall(VMCALL_MMIO, 8, 0, 2 * shared - 4, 0, NULL) == VMCALL_INVALID_OPERAND,
		 "MMIO that leaves the address space");
	td_check(vmcall(VMCALL_MMIO, 8, 0, shared - 4, 0, NULL) == VMCALL_INVALID_OPERAND,
		 "MMIO from one half into the other");
	td_check(vmcall(VMCALL_IO, 3, 1, 0x80, 0, NULL) == VMCALL_INVALID_OPERAND, "I/O of 3 bytes");
	td_check(vmcall(VMCALL_IO, 1, 2, 0x80, 0, NULL) == VMCALL_INVALID_OPERAND, "I/O direction 2");
	td_check(vmcall(VMCALL_MMIO, 4, 0, 0x01000000, 0, NULL) == VMCALL_INVALID_OPERAND,
		 "MMIO to a private address");
	td_check(vmcall(VMCALL_MAP_GPA, 1, PAGE_SIZE, 0, 0, NULL) == VMCALL_ALIGN_ERROR,
		 "MapGPA, misaligned");
	td_check(vmcall(VMCALL_MAP_GPA, ~UINT64_C(0xfff), 2 * PAGE_SIZE, 0, 0, NULL) ==
			 VMCALL_INVALID_OPERAND,
		 "MapGPA that wraps");
	td_check(vmcall(VMCALL_RDMSR, 0x12345678, 0, 0, 0, NULL) == VMCALL_INVALID_OPERAND,
		 "an unknown MSR");
	if (td_failures())
		td_fatal("bad_vmcall: something was not refused");
	print("bad_vmcall: all refused\n");
	td_power_off();
}
