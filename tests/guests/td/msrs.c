/*
 * msrs.c - a trust domain that reads and writes each MSR that the ABI says something about, and looks
 * whether it is done, refused with #GP(0), or handed to the guest as a #VE.
 *
 * Rows are the ABI's own ranges; what depends on a feature is asked of CPUID and of the TD's XFAM and
 * attributes. One line a range.
 *
 * Facts: TDX module 1.5 ABI, "MSR Virtualization"; for MSRs outside of the table: #VE.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

enum { UD = 6, GP = 13, VE = 20, REASON_RDMSR = 31, REASON_WRMSR = 32 };

/* What must come of an access: DONE, one of the vectors, or not tried (it would do something). */
enum outcome { DONE = 0, SKIP = 1, IS_GP = GP, IS_VE = VE };

static uint64_t attributes, xfam;

static bool cpuid_bit(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
	uint32_t r[4];

	cpuid_leaf(leaf, subleaf, r);
	return r[reg] >> bit & 1;
}

enum { EAX, EBX, ECX, EDX };

/* Features that decide about a row. */
static bool always(void) { return true; }
static bool perfmon(void) { return attributes >> 63; }
static bool pks(void) { return attributes >> 30 & 1; }
static bool waitpkg(void) { return cpuid_bit(7, 0, ECX, 5); }
static bool dca(void) { return cpuid_bit(1, 0, ECX, 18); }
static bool deadline(void) { return cpuid_bit(1, 0, ECX, 24); }
static bool tme(void) { return cpuid_bit(7, 0, ECX, 13); }
static bool pconfig(void) { return cpuid_bit(7, 0, EDX, 18); }
static bool xfd(void) { return cpuid_bit(0xd, 1, EAX, 4); }
static bool pt(void) { return xfam >> 8 & 1; }
static bool cet(void) { return xfam >> 11 & 1; }
static bool uintr(void) { return xfam >> 14 & 1; }
static bool lbr(void) { return xfam >> 15 & 1; }

/* With the feature: @read and @write. Without: #GP both. */
static const struct msr_row {
	uint32_t first, last;
	bool (*has)(void);
	uint8_t read, write;
} rows[] = {
	{ 0x10, 0x10, always, DONE, IS_VE },
	{ 0x17, 0x17, always, IS_VE, IS_VE },
	{ 0x1b, 0x1b, always, IS_VE, IS_VE },
	{ 0x2a, 0x2a, always, IS_VE, IS_VE },
	{ 0x34, 0x34, always, IS_VE, IS_VE },
	{ 0x3a, 0x3b, always, IS_VE, IS_VE },
	{ 0x48, 0x48, always, DONE, SKIP },
	{ 0x79, 0x79, always, IS_VE, IS_VE },
	{ 0x87, 0x87, pconfig, IS_VE, IS_VE },
	{ 0x8b, 0x8b, always, IS_VE, IS_VE },
	{ 0x8c, 0x8f, always, IS_GP, IS_GP },
	{ 0x98, 0x9b, always, IS_GP, IS_GP },
	{ 0x9e, 0x9e, always, IS_GP, IS_GP },
	{ 0xbc, 0xbc, always, DONE, IS_VE },
	{ 0xbd, 0xbd, always, DONE, SKIP },
	{ 0xc1, 0xc8, perfmon, DONE, SKIP },
	{ 0xce, 0xcf, always, IS_VE, IS_VE },
	{ 0xe1, 0xe1, waitpkg, DONE, DONE },
	{ 0xe7, 0xe8, always, IS_VE, IS_VE },
	{ 0xfe, 0xfe, always, IS_VE, IS_VE },
	{ 0x10a, 0x10a, always, DONE, SKIP },
	{ 0x140, 0x140, always, IS_VE, IS_VE },
	{ 0x174, 0x176, always, DONE, DONE },
	{ 0x179, 0x17a, always, IS_VE, IS_VE },
	{ 0x186, 0x18d, perfmon, DONE, SKIP },
	{ 0x195, 0x195, always, IS_GP, IS_GP },
	{ 0x198, 0x19c, always, IS_VE, IS_VE },
	{ 0x1a0, 0x1a0, always, DONE, IS_VE },
	{ 0x1a6, 0x1a7, perfmon, DONE, SKIP },
	{ 0x1ad, 0x1ad, always, IS_VE, IS_VE },
	{ 0x1b0, 0x1b0, always, IS_VE, IS_VE },
	{ 0x1c4, 0x1c5, xfd, DONE, DONE },
	{ 0x1d9, 0x1d9, always, DONE, DONE },
	{ 0x1f8, 0x1fa, dca, IS_VE, IS_VE },
	{ 0x200, 0x26f, always, IS_VE, IS_VE },
	{ 0x276, 0x276, always, IS_GP, IS_GP },
	{ 0x277, 0x277, always, DONE, DONE },
	{ 0x280, 0x29f, always, IS_VE, IS_VE },
	{ 0x2ff, 0x2ff, always, IS_VE, IS_VE },
	{ 0x309, 0x310, perfmon, DONE, SKIP },
	{ 0x329, 0x329, perfmon, DONE, SKIP },
	{ 0x345, 0x345, always, DONE, IS_GP },
	{ 0x38d, 0x392, perfmon, DONE, SKIP },
	{ 0x3f1, 0x3f2, perfmon, DONE, SKIP },
	{ 0x3f6, 0x3f7, perfmon, DONE, SKIP },
	{ 0x400, 0x47f, always, IS_VE, IS_VE },
	{ 0x480, 0x480, always, DONE, IS_GP },
	{ 0x481, 0x484, always, IS_VE, IS_GP },
	{ 0x485, 0x489, always, DONE, IS_GP },
	{ 0x48a, 0x48a, always, IS_VE, IS_GP },
	{ 0x48b, 0x491, always, DONE, IS_GP },
	{ 0x4c1, 0x4c8, perfmon, DONE, SKIP },
	{ 0x500, 0x500, always, IS_GP, IS_GP },
	{ 0x560, 0x561, pt, DONE, SKIP },
	{ 0x570, 0x572, pt, DONE, SKIP },
	{ 0x580, 0x587, pt, DONE, SKIP },
	{ 0x600, 0x600, always, DONE, SKIP },
	{ 0x6a0, 0x6a0, cet, DONE, SKIP },
	{ 0x6a2, 0x6a2, cet, DONE, SKIP },
	{ 0x6a4, 0x6a8, cet, DONE, SKIP },
	{ 0x6e0, 0x6e0, deadline, IS_VE, IS_VE },
	{ 0x6e1, 0x6e1, pks, DONE, SKIP },
	{ 0x800, 0x801, always, IS_GP, IS_GP },
	{ 0x802, 0x803, always, IS_VE, IS_VE },
	{ 0x804, 0x807, always, IS_GP, IS_GP },
	{ 0x808, 0x808, always, DONE, DONE },
	{ 0x80a, 0x80a, always, DONE, SKIP },
	{ 0x80d, 0x80d, always, IS_VE, IS_VE },
	{ 0x80f, 0x80f, always, IS_VE, IS_VE },
	{ 0x810, 0x827, always, DONE, SKIP },
	{ 0x828, 0x828, always, IS_VE, IS_VE },
	{ 0x829, 0x82e, always, IS_GP, IS_GP },
	{ 0x82f, 0x830, always, IS_VE, IS_VE },
	{ 0x831, 0x831, always, IS_GP, IS_GP },
	{ 0x832, 0x83e, always, IS_VE, IS_VE },
	{ 0x840, 0x8ff, always, IS_GP, IS_GP },
	{ 0x981, 0x984, tme, IS_VE, IS_VE },
	{ 0x985, 0x98a, uintr, DONE, SKIP },
	{ 0xc80, 0xc80, always, DONE, IS_VE },
	{ 0xd90, 0xd90, always, IS_GP, IS_GP },
	{ 0xd93, 0xd93, always, IS_GP, IS_GP },
	{ 0xda0, 0xda0, always, DONE, DONE },
	{ 0x1200, 0x12ff, lbr, DONE, SKIP },
	{ 0x14ce, 0x14cf, lbr, DONE, SKIP },
	{ 0x1500, 0x16ff, lbr, DONE, SKIP },
	{ 0x1b01, 0x1b01, always, DONE, SKIP },
	{ 0xc0000080, 0xc0000082, always, DONE, DONE },
	{ 0xc0000083, 0xc0000083, always, IS_VE, IS_VE },
	{ 0xc0000084, 0xc0000084, always, DONE, DONE },
	{ 0xc0000101, 0xc0000103, always, DONE, DONE },
	/* In no table: the guest's business, at both ends of each range, and beyond. */
	{ 0x0, 0x1, always, IS_VE, IS_VE },
	{ 0x1fff, 0x2000, always, IS_VE, IS_VE },
	{ 0x40000000, 0x40000001, always, IS_VE, IS_VE },
	{ 0x4b564d00, 0x4b564d01, always, IS_VE, IS_VE },
	{ 0xbfffffff, 0xbfffffff, always, IS_VE, IS_VE },
	{ 0xc0001fff, 0xc0002000, always, IS_VE, IS_VE },
	{ 0xffffffff, 0xffffffff, always, IS_VE, IS_VE },
};

static const uint8_t rdmsr_code[] = { 0x0f, 0x32 }, wrmsr_code[] = { 0x0f, 0x30 };

static bool as_said(const struct td_caught *c, uint8_t want, uint64_t reason)
{
	if (want == DONE)
		return !c->any;
	if (!c->any || c->vector != want || (want == GP && c->error))
		return false;
	return want != VE || (c->reason == reason && !c->qualification && !c->gla && !c->gpa &&
			      c->length == sizeof(rdmsr_code));
}

static bool try_one(uint32_t msr, uint8_t read, uint8_t write)
{
	struct td_probe r = { .rcx = msr };
	struct td_caught c;
	bool ok = true;

	if (read != SKIP) {
		c = td_probe(rdmsr_code, sizeof(rdmsr_code), &r, false);
		if (!as_said(&c, read, REASON_RDMSR)) {
			print("     RDMSR %x: vector %lu reason %lu, not %u\n", msr,
			      c.any ? c.vector : 0, c.reason, read);
			ok = false;
		}
	}
	if (write != SKIP) { /* what was read, or zero */
		r.rcx = msr;
		if (read != DONE)
			r.rax = r.rdx = 0;
		c = td_probe(wrmsr_code, sizeof(wrmsr_code), &r, false);
		if (!as_said(&c, write, REASON_WRMSR)) {
			print("     WRMSR %x: vector %lu reason %lu, not %u\n", msr,
			      c.any ? c.vector : 0, c.reason, write);
			ok = false;
		}
	}
	return ok;
}

static void try_row(const struct msr_row *row)
{
	bool has = row->has(), ok = true;

	for (uint64_t msr = row->first; msr <= row->last; msr++)
		ok &= try_one((uint32_t)msr, has ? row->read : IS_GP, has ? row->write : IS_GP);
	print("     MSRs %x to %x\n", row->first, row->last);
	(void)td_check(ok, "as the ABI says");
}

/* ---- values ---- */

static struct td_caught write_value(uint32_t msr, uint64_t value)
{
	struct td_probe r = { .rax = (uint32_t)value, .rcx = msr, .rdx = value >> 32 };

	return td_probe(wrmsr_code, sizeof(wrmsr_code), &r, false);
}

static void try_values(void)
{
	const uint64_t never = BITS64(11, 9) | BITS64(18, 16) | BITS64(23, 21) | BITS64(63, 25);
	const uint64_t required = BIT64(0) | BIT64(1) | BIT64(3) | BIT64(5) | BIT64(6) | BIT64(8) |
				  BITS64(15, 12);
	uint64_t caps = read_msr(0x10a), efer = read_msr(0xc0000080), debugctl = read_msr(0x1d9);

	print("     ARCH_CAPABILITIES %lx\n", caps);
	td_check(!(caps & never), "ARCH_CAPABILITIES without what a TD is not told");
	td_check((caps & required) == required, "and with what each TD has");
	td_check(read_msr(0xbd) == 1, "XAPIC_DISABLE_STATUS says x2APIC for good");
	td_check((read_msr(0x1a0) & (BIT64(7) | BIT64(12))) == BIT64(12), "MISC_ENABLE: no perfmon, no PEBS");
	td_check(perfmon() || read_msr(0x345) == 0, "PERF_CAPABILITIES: none");
	td_check(!(debugctl & BIT64(13)), "DEBUGCTL without the uncore's PMI");
	struct td_caught c = write_value(0x1d9, BIT64(3));

	td_check(c.vector == GP, "DEBUGCTL takes no reserved bits");
	c = write_value(0x1d9, BIT64(6));
	td_check(c.vector == VE && c.reason == REASON_WRMSR, "DEBUGCTL: a trace without a buffer is a #VE");
	td_check((efer & 0xd01) == 0xd01, "EFER: SCE, LME, LMA, NXE");
	c = write_value(0xc0000080, efer ^ 1);
	td_check(!c.any && read_msr(0xc0000080) == (efer ^ 1), "EFER.SCE goes");
	c = write_value(0xc0000080, efer);
	td_check(!c.any && read_msr(0xc0000080) == efer, "and comes back");
	c = write_value(0xc0000080, efer ^ BIT64(8));
	td_check(c.vector == VE && c.reason == REASON_WRMSR, "EFER.LME stays");
	c = write_value(0xda0, ~xfam);
	td_check(c.vector == GP, "XSS takes nothing that XFAM lacks");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	struct td_regs r = { .rdx = UINT64_C(0x1110000300000001) }; /* XFAM */

	(void)boot_parameter, (void)width;
	if (index)
		td_halt();
	td_init();
	attributes = td_info().attributes;
	if (!td_check(tdcall(TDG_VM_RD, &r) == 0, "XFAM is read"))
		td_fatal("msrs: no XFAM");
	xfam = r.r8;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		try_row(&rows[i]);
	try_values();
	if (td_failures())
		td_fatal("msrs: failed");
	print("msrs: all well\n");
	td_power_off();
}
