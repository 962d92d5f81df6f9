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

	td_check(vmcall(0x99999, 0, 0, 0, 0, NULL) == VMCALL_UNSUPPORTED, "an unknown sub-function");
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
