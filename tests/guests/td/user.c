/*
 * user.c - a trust domain with a user mode: TDCALL is not for it, and what is a #VE for the kernel is a #GP or
 * a #VE there too, as the ABI says.
 *
 * A page of code runs at CPL 3; each trap it makes ends it, and the kernel goes on behind the probe that
 * started it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define CODE_PAGE    UINT64_C(0x01000000)
#define USER_STACK   (CODE_PAGE + 0x1000)
#define USER_DATA    UINT64_C(0x1b) /* selectors */
#define USER_CODE    UINT64_C(0x23)
#define KERNEL_CODE  UINT64_C(0x08)
#define KERNEL_DATA  UINT64_C(0x10)
#define TSS_SELECTOR 0x28
#define PTE_USER     UINT64_C(4)
#define PTE_FRAME    BITS64(51, 12)
#define RFLAGS       UINT64_C(2)
#define RFLAGS_IOPL3 UINT64_C(0x3002)
#define CPUIDVE_USER 2

enum { UD = 6, GP = 13, VE = 20 };

struct tss {
	uint32_t reserved0;
	uint64_t rsp0; /* what a trap from user mode takes */
	uint8_t rest[90];
	uint16_t io_map; /* beyond the segment: no port is open */
} PACKED;
_Static_assert(sizeof(struct tss) == 104, "SDM: the 64-bit TSS");

static struct tss tss;
static uint64_t gdt[7] ALIGNED(16), kernel_rsp;
static struct {
	uint16_t limit;
	uint64_t base;
} PACKED gdt_pointer;
static uint8_t trap_stack[4096] ALIGNED(16);
static const uint8_t ret[] = { 0xc3 };

static struct {
	uint64_t vector, error, rip, reason;
	bool user;
} seen;

#define AT(object) ((uint64_t)(uintptr_t)(object))

/* A trap from user mode: note it, and go on in the kernel where the way out was left. */
static void on_trap(struct td_frame *f)
{
	struct td_regs r = { 0 };

	seen.vector = f->vector;
	seen.error = f->error;
	seen.rip = f->rip;
	seen.user = (f->cs & 3) == 3;
	if (f->vector == VE && tdcall(TDG_VP_VEINFO_GET, &r) == 0)
		seen.reason = r.rcx;
	if (!seen.user)
		td_fatal("user: a trap in the kernel");
	f->rip = AT(ret);
	f->cs = KERNEL_CODE;
	f->ss = KERNEL_DATA;
	f->rsp = kernel_rsp;
	f->rflags = RFLAGS;
}

static void run(const uint8_t *code, unsigned length, struct td_probe *regs)
{
	struct td_caught c = td_probe(code, length, regs, false);

	if (c.any)
		td_fatal("user: a kernel's instruction failed");
}

/* A GDT with segments for user mode, and a TSS whose stack traps from there take. */
static void make_segments(void)
{
	static const uint8_t lgdt[] = { 0x0f, 0x01, 0x16 }, ltr[] = { 0x0f, 0x00, 0xd8 };
	uint64_t base = AT(&tss);
	struct td_probe r = { .rsi = AT(&gdt_pointer), .rax = TSS_SELECTOR };

	tss.io_map = sizeof(tss);
	tss.rsp0 = AT(trap_stack + sizeof(trap_stack));
	gdt[1] = UINT64_C(0x00af9b000000ffff);
	gdt[2] = UINT64_C(0x00cf93000000ffff);
	gdt[3] = UINT64_C(0x00cff3000000ffff);
	gdt[4] = UINT64_C(0x00affb000000ffff);
	gdt[5] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xff) << 56;
	gdt[6] = base >> 32;
	gdt_pointer.limit = sizeof(gdt) - 1;
	gdt_pointer.base = AT(gdt);
	run(lgdt, sizeof(lgdt), &r);
	run(ltr, sizeof(ltr), &r);
}

/* The 2M around CODE_PAGE may be used at CPL 3. */
static void open_page(void)
{
	static const uint8_t invlpg[] = { 0x0f, 0x01, 0x3e };
	struct td_probe r = { .rsi = CODE_PAGE };
	uint64_t *pdpt = (uint64_t *)(uintptr_t)(pml4[0] & PTE_FRAME);
	uint64_t *pd = (uint64_t *)(uintptr_t)(pdpt[0] & PTE_FRAME);

	pml4[0] |= PTE_USER;
	pdpt[0] |= PTE_USER;
	pd[CODE_PAGE / SIZE_2M] |= PTE_USER;
	run(invlpg, sizeof(invlpg), &r);
}

/* Run @code at CPL 3 until it traps; it is followed by UD2. */
static void in_user_mode(const uint8_t *code, unsigned length, uint64_t rflags, uint64_t rax, uint64_t rcx,
			 uint64_t rdx)
{
	/* mov [rdi], rsp; mov rsp, rsi; iretq */
	static const uint8_t leave[] = { 0x48, 0x89, 0x27, 0x48, 0x89, 0xf4, 0x48, 0xcf };
	const uint64_t frame[5] = { CODE_PAGE, USER_CODE, rflags, USER_STACK, USER_DATA };
	struct td_probe r = { .rax = rax, .rcx = rcx, .rdx = rdx, .rsi = AT(frame), .rdi = AT(&kernel_rsp) };
	uint8_t *to = (uint8_t *)(uintptr_t)CODE_PAGE;

	for (unsigned i = 0; i < length; i++)
		to[i] = code[i];
	to[length] = 0x0f;
	to[length + 1] = 0x0b;
	seen.vector = seen.error = seen.rip = seen.reason = 0;
	seen.user = false;
	(void)td_probe(leave, sizeof(leave), &r, false);
}

static const struct user_row {
	const char *what;
	uint8_t length, code[4];
	uint64_t rflags, rax, rcx, rdx;
	uint8_t vector; /* UD: it was done, the UD2 behind it came */
	uint8_t reason; /* of a #VE */
} rows[] = {
	{ "nothing at all", 1, { 0x90 }, RFLAGS, 0, 0, 0, UD, 0 },
	{ "TDCALL is #GP", 4, { 0x66, 0x0f, 0x01, 0xcc }, RFLAGS, TDG_VP_INFO, 0, 0, GP, 0 },
	{ "a TDVMCALL too", 4, { 0x66, 0x0f, 0x01, 0xcc }, RFLAGS, TDG_VP_VMCALL, VMCALL_MASK, 0, GP, 0 },
	{ "CPUID of the module's table", 2, { 0x0f, 0xa2 }, RFLAGS, 0, 0, 0, UD, 0 },
	{ "CPUID that the host answers", 2, { 0x0f, 0xa2 }, RFLAGS, 0x40000000, 0, 0, VE, 10 },
	{ "VMCALL", 3, { 0x0f, 0x01, 0xc1 }, RFLAGS, 0, 0, 0, VE, 18 },
	{ "HLT is privileged", 1, { 0xf4 }, RFLAGS, 0, 0, 0, GP, 0 },
	{ "RDMSR is, also where the kernel gets a #VE", 2, { 0x0f, 0x32 }, RFLAGS, 0, 0x1b, 0, GP, 0 },
	{ "IN without I/O privilege", 1, { 0xec }, RFLAGS, 0, 0, 0x80, GP, 0 },
	{ "IN with it", 1, { 0xec }, RFLAGS_IOPL3, 0, 0, 0x80, VE, 30 },
	{ "RDTSC", 2, { 0x0f, 0x31 }, RFLAGS, 0, 0, 0, UD, 0 },
};

static bool as_said(const struct user_row *row)
{
	uint64_t at = row->vector == UD ? CODE_PAGE + row->length : CODE_PAGE;

	return seen.user && seen.vector == row->vector && !seen.error && seen.rip == at &&
	       (row->vector != VE || seen.reason == row->reason);
}

static void try_rows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct user_row *row = &rows[i];

		in_user_mode(row->code, row->length, row->rflags, row->rax, row->rcx, row->rdx);
		if (!as_said(row))
			print("     vector %lu error %lx at %lx reason %lu\n", seen.vector, seen.error, seen.rip,
			      seen.reason);
		(void)td_check(as_said(row), row->what);
	}
}

static void try_cpuid_ve(void)
{
	static const uint8_t cpuid_code[] = { 0x0f, 0xa2 };
	struct td_regs on = { .rcx = CPUIDVE_USER }, off = { 0 };
	struct td_probe r = { 0 };

	td_check(tdcall(5, &on) == 0, "CPUIDVE.SET for users");
	in_user_mode(cpuid_code, sizeof(cpuid_code), RFLAGS, 0, 0, 0);
	td_check(seen.vector == VE && seen.reason == 10, "each CPUID of theirs is a #VE");
	td_check(!td_probe(cpuid_code, sizeof(cpuid_code), &r, false).any, "the kernel's is not");
	td_check(tdcall(5, &off) == 0, "and off");
	in_user_mode(cpuid_code, sizeof(cpuid_code), RFLAGS, 0, 0, 0);
	td_check(seen.vector == UD, "theirs neither");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter, (void)width;
	if (index)
		td_halt();
	td_init();
	if (!td_check(tdg_accept(CODE_PAGE, 0) == 0, "a page for user mode"))
		td_fatal("user: accept");
	make_segments();
	open_page();
	td_on_interrupt(UD, on_trap);
	td_on_interrupt(GP, on_trap);
	td_on_interrupt(VE, on_trap);
	try_rows();
	try_cpuid_ve();
	if (td_failures())
		td_fatal("user: failed");
	print("user: all well\n");
	td_power_off();
}
