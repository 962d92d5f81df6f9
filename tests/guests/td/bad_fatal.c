/*
 * bad_fatal.c - a trust domain that gives up and says why: 64 bytes in registers, more in a shared page.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define PAGE     UINT64_C(0x01000000)
#define CODE     0x2a
#define HAS_PAGE BIT64(63)

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	static const char text[] = "the register file says: no way to go on from here, sorry.. [end]";
	static const char more[] = "the page says: ";
	uint64_t shared = BIT64((width & 0x3f) - 1);
	struct td_regs r = { .rcx = VMCALL_MASK, .r11 = VMCALL_FATAL_ERROR, .r12 = CODE | HAS_PAGE,
			     .r13 = PAGE | shared };

	(void)boot_parameter;
	if (index)
		td_halt();
	td_init();
	if (vmcall(VMCALL_MAP_GPA, PAGE | shared, PAGE_SIZE, 0, 0, NULL))
		td_fatal("bad_fatal: MapGPA");

	char *page = map_shared(PAGE);

	/* Longer than one line of the console, with a byte that is no text. */
	for (unsigned i = 0; i < 300; i++)
		page[i] = i < sizeof(more) - 1 ? more[i] : (char)('a' + i % 26);
	page[20] = '\n';
	page[300] = 0;
	__builtin_memcpy(&r.r14, text, 8);
	__builtin_memcpy(&r.r15, text + 8, 8);
	__builtin_memcpy(&r.rbx, text + 16, 8);
	__builtin_memcpy(&r.rdi, text + 24, 8);
	__builtin_memcpy(&r.rsi, text + 32, 8);
	__builtin_memcpy(&r.r8, text + 40, 8);
	__builtin_memcpy(&r.r9, text + 48, 8);
	__builtin_memcpy(&r.rdx, text + 56, 8);
	(void)tdcall(TDG_VP_VMCALL, &r);
	print("FAIL it went on\n");
	td_power_off();
}
