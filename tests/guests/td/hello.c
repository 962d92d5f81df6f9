/*
 * hello.c - a trust domain that says who it is, uses what a TD has, and leaves in good order.
 *
 * It prints its TDINFO, accepts a page, touches memory that is mapped on demand, shares a page with
 * the host, extends a register, makes a report and checks it, and powers off. Every step is one line
 * "ok   WHAT" or "FAIL WHAT"; with a failure the end is a fatal error instead of a power-off.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/sha384.h"
#include "tests/guests/td/tdg.h"

#define ACCEPTED_GPA UINT64_C(0x01000000) /* accepted first, then touched */
#define BIG_GPA      UINT64_C(0x01200000) /* accepted as 2 MiB if the host gives one */
#define DEMAND_GPA   UINT64_C(0x01400000) /* touched first: a #VE asks for the accept */
#define SHARED_GPA   UINT64_C(0x01600000) /* converted by MapGPA */
#define RTMR_INDEX   2
#define CPUID_TDX    0x21
#define CPUID_HOST   0x40000000 /* not the module's: #VE, the host answers */

/* Offsets in a TDREPORT. */
enum {
	REPORT_TYPE = 0x000,
	REPORT_TEE_INFO_HASH = 0x050,
	REPORT_DATA = 0x080,
	REPORT_TDINFO = 0x200,
	REPORT_ATTRIBUTES = 0x200,
	REPORT_MRTD = 0x210,
	REPORT_RTMR0 = 0x2d0,
};
#define REPORT_BYTES 1024
#define TDINFO_BYTES 512
#define HASH_BYTES   48

int memcmp(const void *a, const void *b, size_t n);

static uint8_t report[REPORT_BYTES] ALIGNED(1024);
static uint8_t report_data[64] ALIGNED(64);
static uint8_t extension[64] ALIGNED(64);

static void print_hash(const char *name, const uint8_t *hash)
{
	print("%s ", name);
	for (unsigned i = 0; i < HASH_BYTES; i++)
		print("%02x", hash[i]);
	print("\n");
}

static bool all_zero(const volatile uint64_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes / 8; i++)
		if (p[i])
			return false;
	return true;
}

static bool write_and_read(uint64_t at)
{
	volatile uint64_t *p = (volatile uint64_t *)(uintptr_t)at;

	p[0] = 0x5461696e;
	p[511] = ~at;
	return p[0] == 0x5461696e && p[511] == ~at;
}

static void try_accept(void)
{
	td_check(tdg_accept(ACCEPTED_GPA, 0) == 0, "accept a 4K page");
	td_check(all_zero((const uint64_t *)ACCEPTED_GPA, PAGE_SIZE), "the accepted page is zero");
	td_check(write_and_read(ACCEPTED_GPA), "write and read it");
	td_check(tdg_status(tdg_accept(ACCEPTED_GPA, 0)) == TDG_ALREADY_ACCEPTED,
		 "accepting it again is refused");
	td_check(write_and_read(ACCEPTED_GPA), "and its contents stay");
	td_check(tdg_status(tdg_accept(ACCEPTED_GPA + 8, 0)) == TDG_OPERAND_INVALID,
		 "a misaligned accept is refused");

	uint64_t big = tdg_accept(BIG_GPA, 1);

	print("     2M accept: status %lx\n", big);
	td_check(big == 0 || tdg_accept(BIG_GPA, 0) == 0, "accept a 2M page, or a 4K page of it");
	td_check(write_and_read(BIG_GPA), "write and read it");
}

static void try_demand(const struct td_info *me)
{
	if (me->attributes & TDG_ATTR_SEPT_VE_DISABLE) {
		print("     memory on demand: not with sept-ve-disable\n");
		return;
	}
	td_check(write_and_read(DEMAND_GPA), "touch memory that is mapped on demand");
	td_check(td_ve_count(VMCALL_MMIO) == 1, "one #VE asked for its accept");
}

static void try_shared(void)
{
	uint64_t shared = BIT64(td_info().width - 1);

	td_check(vmcall(VMCALL_MAP_GPA, SHARED_GPA | shared, PAGE_SIZE, 0, 0, NULL) == 0,
		 "MapGPA makes a page shared");
	td_check(write_and_read((uint64_t)(uintptr_t)map_shared(SHARED_GPA)),
		 "write and read the shared page");
	td_check(vmcall(VMCALL_MAP_GPA, SHARED_GPA, PAGE_SIZE, 0, 0, NULL) == 0,
		 "MapGPA makes it private again");
	td_check(tdg_accept(SHARED_GPA, 0) == 0, "accept it");
	td_check(all_zero((const uint64_t *)SHARED_GPA, PAGE_SIZE), "it is zero");
}

static void try_virtual_cpu(void)
{
	uint32_t r[4];

	cpuid_leaf(CPUID_TDX, 0, r);
	td_check(r[1] == 0x65746e49 && r[3] == 0x5844546c && r[2] == 0x20202020,
		 "CPUID 21h says \"IntelTDX    \"");
	td_check(td_ve_count(VMCALL_CPUID) == 0, "without a #VE");
	cpuid_leaf(CPUID_HOST, 0, r);
	td_check(td_ve_count(VMCALL_CPUID) == 1, "CPUID 40000000h is a #VE, the host answers");

	static const char text[] = "     this line is written by OUT, one #VE a byte\r\n";

	for (const char *c = text; *c; c++)
		out_byte(0x3f8, (uint8_t)*c);
	td_check(td_ve_count(VMCALL_IO) == sizeof(text) - 1, "OUT works through #VE");
}

static uint64_t make_report(uint64_t data)
{
	struct td_regs r = { .rcx = (uint64_t)(uintptr_t)report, .rdx = data };

	return tdcall(TDG_MR_REPORT, &r);
}

static void try_report(const struct td_info *me)
{
	uint8_t want[HASH_BYTES];
	struct sha384 sha;

	for (unsigned i = 0; i < sizeof(report_data); i++)
		report_data[i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 0; i < HASH_BYTES; i++)
		extension[i] = (uint8_t)(0xa0 + i);

	td_check(tdg_status(make_report((uint64_t)(uintptr_t)report_data + 1)) == TDG_OPERAND_INVALID,
		 "a report with misaligned data is refused");
	if (!td_check(make_report((uint64_t)(uintptr_t)report_data) == 0, "make a report"))
		return;
	td_check(report[REPORT_TYPE] == 0x81, "its type is TDX");
	td_check(memcmp(report + REPORT_DATA, report_data, sizeof(report_data)) == 0,
		 "it carries our data");
	td_check(memcmp(report + REPORT_ATTRIBUTES, &me->attributes, 8) == 0, "and our attributes");
	print_hash("     MRTD ", report + REPORT_MRTD);
	sha384_init(&sha);
	sha384_update(&sha, report + REPORT_TDINFO, TDINFO_BYTES);
	sha384_final(&sha, want);
	td_check(memcmp(report + REPORT_TEE_INFO_HASH, want, HASH_BYTES) == 0,
		 "TEE_INFO_HASH is the hash of TDINFO");

	const uint8_t *rtmr = report + REPORT_RTMR0 + RTMR_INDEX * HASH_BYTES;

	sha384_init(&sha);
	sha384_update(&sha, rtmr, HASH_BYTES);
	sha384_update(&sha, extension, HASH_BYTES);
	sha384_final(&sha, want);

	struct td_regs r = { .rcx = (uint64_t)(uintptr_t)extension, .rdx = RTMR_INDEX };

	td_check(tdcall(TDG_MR_RTMR_EXTEND, &r) == 0, "extend RTMR2");
	td_check(make_report((uint64_t)(uintptr_t)report_data) == 0, "make another report");
	print_hash("     RTMR2", rtmr);
	td_check(memcmp(rtmr, want, HASH_BYTES) == 0, "RTMR2 is what we computed");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	struct td_info me = td_info();

	if (index)
		td_halt();
	td_init();
	print("hello from a trust domain\n");
	print("     vCPU %u of %u (at most %u), attributes %016lx\n", me.index, me.vcpus,
	      me.max_vcpus, me.attributes);
	print("     addresses of %u bits, SHARED is bit %u, boot parameter %lx\n", me.width,
	      me.width - 1, boot_parameter);
	td_check(me.width == (width & 0x3f), "EBX at the start said the same width");

	try_virtual_cpu();
	try_accept();
	try_demand(&me);
	try_shared();
	try_report(&me);

	if (td_failures())
		td_fatal("hello: some steps failed");
	print("goodbye\n");
	td_power_off();
}
