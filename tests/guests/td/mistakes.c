/*
 * mistakes.c - a trust domain that does what guests do wrong, one thing after the other, so that the
 * console can say each by name. None of it ends it but the last: a triple fault.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define PAGE_A   UINT64_C(0x01000000)
#define PAGE_B   UINT64_C(0x01200000)
#define PAGE_C   UINT64_C(0x01400000)
#define NO_PORT  0x5678
#define NO_MMIO  UINT64_C(0xfed00000)
#define WITH_RBP BIT64(5)

static uint64_t shared, alias;

static void share(uint64_t gpa)
{
	if (vmcall(VMCALL_MAP_GPA, gpa | shared, PAGE_SIZE, 0, 0, NULL))
		td_fatal("mistakes: MapGPA");
}

static void touch(uint64_t at) { (void)*(volatile uint32_t *)(uintptr_t)at; }

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	struct td_regs r = { .rcx = VMCALL_MASK | WITH_RBP, .r11 = VMCALL_GET_INFO };

	(void)boot_parameter;
	if (index)
		td_halt();
	td_init();
	shared = BIT64((width & 0x3f) - 1);
	alias = (uint64_t)(uintptr_t)map_shared(0);

	if (tdg_accept(PAGE_A, 0))
		td_fatal("mistakes: accept");
	(void)tdg_accept(PAGE_A, 0);  /* accepted already */
	touch(alias + PAGE_A);        /* private, used as shared */
	share(PAGE_B);
	touch(PAGE_B);                /* shared, used as private: #VE, accepted by lib.c */
	share(PAGE_C);
	(void)tdg_accept(PAGE_C, 0);  /* shared, accepted */
	(void)tdcall(TDG_VP_VMCALL, &r);
	(void)vmcall(VMCALL_IO, 1, 0, NO_PORT, 0, NULL);
	(void)vmcall(VMCALL_MMIO, 4, 0, NO_MMIO | shared, 0, NULL);
	print("mistakes: made\n");
	load_idt((const void *)0, 0);
	undefined_instruction();
}
