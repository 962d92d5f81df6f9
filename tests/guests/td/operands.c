/*
 * operands.c - a trust domain that gives TDCALLs operands in every kind of memory (private, shared, pending,
 * nowhere), reads and writes each metadata field that it may see, and takes a trap whose delivery itself
 * meets a page that it has not accepted.
 *
 * Facts: TDX module 1.5 ABI, guest-side interface functions; "Metadata Access"; "#VE".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define INVALID(operand) (UINT64_C(0xC000010000000000) | (operand))
#define STATUS(high)     ((uint64_t)(high) << 32)
#define PRIVATE          UINT64_C(0x01000000) /* accepted as 4K */
#define LARGE            UINT64_C(0x01200000) /* accepted as 2M */
#define PENDING          UINT64_C(0x01400000) /* there, never accepted */
#define SHARED           UINT64_C(0x01600000) /* 4K */
#define HALF             UINT64_C(0x01800000) /* pending as 2M, accepted in 4K */
#define TABLE            UINT64_C(0x01a00000) /* the IDT: its first half pending */
#define NOWHERE          BIT64(51)            /* beyond all addresses */
#define ALL_ONES         (~UINT64_C(0))

enum { RAX = 0, RCX = 1, RDX = 2, R8 = 8 };
enum { IN_RCX = 1, IN_RDX = 2 }; /* the SHARED bit is set there */
enum { UD = 6, GP = 13, VE = 20 };

enum {
	NO_FIELD = 0xC0000C00, NOT_WRITABLE = 0xC0000C01, NOT_READABLE = 0xC0000C02,
	NOT_VALID = 0xC0000C03, FIRST_FIELD = 0x00000C0B, SIZE_MISMATCH = 0xC0000B0B,
	BAD_MAC = 0xC0001001,
};

static uint64_t shared, alias;
static uint8_t report[1024] ALIGNED(1024), data[64] ALIGNED(64), list[4096] ALIGNED(4096);

#define AT(object) ((uint64_t)(uintptr_t)(object))

static uint64_t leaf(uint64_t rax, struct td_regs *r)
{
	return tdcall(rax, r);
}

/* ---- operands ---- */

static const struct call_row {
	const char *what;
	uint64_t rax, rcx, rdx, r8, r9;
	unsigned side;
	uint64_t status;
} call_rows[] = {
	{ "VP.VMCALL that passes RCX", TDG_VP_VMCALL, BIT64(1), 0, 0, 0, 0, INVALID(RCX) },
	{ "RTMR.EXTEND by shared data", TDG_MR_RTMR_EXTEND, SHARED, 0, 0, 0, IN_RCX, INVALID(RCX) },
	{ "RTMR.EXTEND by data beyond all", TDG_MR_RTMR_EXTEND, NOWHERE, 0, 0, 0, 0, INVALID(RCX) },
	{ "RTMR.EXTEND of register 2^32", TDG_MR_RTMR_EXTEND, AT(data), BIT64(32), 0, 0, 0, INVALID(RDX) },
	{ "RTMR.EXTEND, all wrong: the address first", TDG_MR_RTMR_EXTEND, 0x1001, 9, 0, 0, 0, INVALID(RCX) },
	{ "REPORT of shared data", TDG_MR_REPORT, AT(report), SHARED, 0, 0, IN_RDX, 0 },
	{ "REPORT into shared memory", TDG_MR_REPORT, SHARED, AT(data), 0, 0, IN_RCX, 0 },
	{ "REPORT of data beyond all", TDG_MR_REPORT, AT(report), NOWHERE, 0, 0, 0, INVALID(RDX) },
	{ "REPORT to beyond all", TDG_MR_REPORT, NOWHERE, AT(data), 0, 0, 0, INVALID(RCX) },
	{ "REPORT of subtype 2^32", TDG_MR_REPORT, AT(report), AT(data), BIT64(32), 0, 0, INVALID(R8) },
	{ "REPORT, all wrong: the place first", TDG_MR_REPORT, 8, 8, 1, 0, 0, INVALID(RCX) },
	{ "REPORT, data and subtype wrong: the data first", TDG_MR_REPORT, AT(report), 8, 1, 0, 0,
	  INVALID(RDX) },
	{ "VERIFYREPORT in shared memory", TDG_MR_VERIFYREPORT, SHARED, 0, 0, 0, IN_RCX, INVALID(RCX) },
	{ "VERIFYREPORT beyond all", TDG_MR_VERIFYREPORT, NOWHERE, 0, 0, 0, 0, INVALID(RCX) },
	{ "VERIFYREPORT of zeroes", TDG_MR_VERIFYREPORT, AT(list), 0, 0, 0, 0, STATUS(BAD_MAC) },
	{ "CPUIDVE.SET for users", 5, 2, 0, 0, 0, 0, 0 },
	{ "CPUIDVE.SET off", 5, 0, 0, 0, 0, 0, 0 },
	{ "CPUIDVE.SET of upper bits", 5, BIT64(63), 0, 0, 0, 0, INVALID(RCX) },
	{ "ACCEPT of shared memory", TDG_MEM_PAGE_ACCEPT, SHARED, 0, 0, 0, IN_RCX, INVALID(RCX) },
	{ "ACCEPT of level 7", TDG_MEM_PAGE_ACCEPT, PRIVATE | 7, 0, 0, 0, 0, INVALID(RCX) },
	{ "ATTR.RD of a 4K page", TDG_MEM_PAGE_ATTR_RD, PRIVATE + 0x123, 0, 0, 0, 0, 0 },
	{ "ATTR.RD of a page in 2M", TDG_MEM_PAGE_ATTR_RD, LARGE + 0x5000, 0, 0, 0, 0, 0 },
	{ "ATTR.RD of shared memory", TDG_MEM_PAGE_ATTR_RD, SHARED, 0, 0, 0, IN_RCX, INVALID(RCX) },
	{ "ATTR.WR that changes nothing", TDG_MEM_PAGE_ATTR_WR, PRIVATE, 0, 0, 0, 0, 0 },
	{ "ATTR.WR of the TD's own attributes", TDG_MEM_PAGE_ATTR_WR, PRIVATE, 1, 0, 0, 0, INVALID(RDX) },
	{ "ATTR.WR of its flags", TDG_MEM_PAGE_ATTR_WR, PRIVATE, 0, 1, 0, 0, INVALID(R8) },
	{ "ATTR.WR of a nested VM's flags", TDG_MEM_PAGE_ATTR_WR, PRIVATE, 0, BIT64(16), 0, 0, INVALID(R8) },
	{ "ATTR.WR with reserved bits", TDG_MEM_PAGE_ATTR_WR, PRIVATE | 8, 0, 0, 0, 0, INVALID(RCX) },
	{ "ATTR.WR of shared memory", TDG_MEM_PAGE_ATTR_WR, SHARED, 0, 0, 0, IN_RCX, INVALID(RCX) },
	{ "ATTR.WR as 2M of what is mapped in 4K", TDG_MEM_PAGE_ATTR_WR, PRIVATE | 1, 0, 0, 0, 0,
	  STATUS(SIZE_MISMATCH) | 1 },
	{ "VM.RD of version 2", TDG_VM_RD | 2 << 16, 0, 0, 0, 0, 0, INVALID(RAX) },
	{ "VM.WR of version 1", TDG_VM_WR | 1 << 16, 0, 0, 0, 0, 0, INVALID(RAX) },
	{ "SYS.RDALL into shared memory", TDG_SYS_RDALL, 0, SHARED, ALL_ONES, 0, IN_RDX, INVALID(RDX) },
	{ "SYS.RDALL", TDG_SYS_RDALL, 0, AT(list), ALL_ONES, 0, 0, 0 },
	{ "INVEPT of no nested VM", 26, 0, 0, 0, 0, 0, 0 },
	{ "INVEPT of one that is not there", 26, 1, 0, 0, 0, 0, INVALID(RCX) },
	{ "INVVPID without nested VMs", 27, 0, 0, 0, 0, 0, INVALID(RCX) },
};

static void try_calls(void)
{
	for (size_t i = 0; i < ARRAY_LEN(call_rows); i++) {
		const struct call_row *row = &call_rows[i];
		struct td_regs r = { .rcx = row->rcx | (row->side & IN_RCX ? shared : 0),
				     .rdx = row->rdx | (row->side & IN_RDX ? shared : 0),
				     .r8 = row->r8, .r9 = row->r9 };
		uint64_t status = leaf(row->rax, &r);

		if (status != row->status)
			print("     status %lx, not %lx\n", status, row->status);
		(void)td_check(status == row->status, row->what);
	}
	td_check(((uint8_t *)(uintptr_t)(alias + SHARED))[0] == 0x81, "the report is in shared memory");
}

/* What a leaf gives back, and what it leaves alone. */
static void try_outputs(void)
{
	struct td_info me = td_info();
	struct td_regs r = { .rcx = 1, .rdx = 2, .rbx = 3, .rsi = 4, .rdi = 5, .r8 = 6, .r9 = 7, .r10 = 8,
			     .r11 = 9, .r12 = 10, .r13 = 11, .r14 = 12, .r15 = 13 };

	td_check(leaf(TDG_VP_INFO, &r) == 0 && r.rcx == me.width && r.rdx == me.attributes &&
			 r.r8 == (me.vcpus | (uint64_t)me.max_vcpus << 32) && r.r9 == 0 && r.r10 == 1 &&
			 r.r11 == 0,
		 "VP.INFO: width, attributes, vCPUs, index, SYS.RD");
	td_check(r.rbx == 3 && r.rsi == 4 && r.rdi == 5 && r.r12 == 10 && r.r13 == 11 && r.r14 == 12 &&
			 r.r15 == 13,
		 "and nothing else");
	r = (struct td_regs){ .rcx = 1, .rdx = 2, .r8 = 3, .r9 = 4, .r10 = 5, .r11 = 6 };
	td_check(tdg_status(leaf(TDG_VP_VEINFO_GET, &r)) == TDG_NO_VE_INFO && !r.rcx && !r.rdx && !r.r8 &&
			 !r.r9 && !r.r10 && r.r11 == 6,
		 "VEINFO.GET without a #VE says zeroes");
	r = (struct td_regs){ .rcx = PRIVATE + 0x123, .rdx = 5 };
	td_check(!leaf(TDG_MEM_PAGE_ATTR_RD, &r) && r.rcx == PRIVATE && !r.rdx, "ATTR.RD: a 4K page");
	r = (struct td_regs){ .rcx = LARGE + 0x5000, .rdx = 5 };
	td_check(!leaf(TDG_MEM_PAGE_ATTR_RD, &r) && r.rcx == (LARGE | 1) && !r.rdx, "ATTR.RD: a 2M page");
}

/* ---- metadata ---- */

static const struct field_row {
	const char *what;
	uint64_t id;
} fields[] = {
	{ "TD_UUID", 0x8010000300000020 },        { "NUM_VCPUS", 0x9010000200000001 },
	{ "NUM_L2_VMS", 0x9010000100000005 },     { "ATTRIBUTES", 0x1110000300000000 },
	{ "XFAM", 0x1110000300000001 },           { "MAX_VCPUS", 0x1110000200000002 },
	{ "GPAW", 0x1110000000000003 },           { "TSC_FREQUENCY", 0x111000010000000C },
	{ "NOTIFY_ENABLES", 0x9110000300000010 }, { "CONFIG_FLAGS", 0x1110000300000016 },
	{ "TD_CTLS", 0x1110000300000017 },        { "MRTD", 0x1310000300000000 },
	{ "MRCONFIGID", 0x1310000300000010 },     { "MROWNER", 0x1310000300000018 },
	{ "MROWNERCONFIG", 0x1310000300000020 },  { "RTMR", 0x1310000300000040 },
	{ "RTMR3's last word", 0x1310000300000057 }, { "SERVTD_HASH", 0x9910000300000000 },
	{ "SERVTD_NUM", 0x9910000100000006 },
};

#define MD_NONE          UINT64_C(0x1110000300000fff)
#define MD_MRTD          UINT64_C(0x1310000300000000)
#define MD_NOTIFY        UINT64_C(0x9110000300000010)
#define MD_TD_CTLS       UINT64_C(0x1110000300000017)
#define MD_NUM_VCPUS     UINT64_C(0x9010000200000001)
#define MD_INDEX         UINT64_C(0xA020000200000002)
#define MD_SUPERVISOR_VE UINT64_C(0xA020000000000007)
#define MD_PEND_NMI      UINT64_C(0x202000000000000B)
#define MD_VENDOR        UINT64_C(0x0800000200000000)
#define REPORT_MRTD      0x210

static uint64_t read_field(uint64_t rax, uint64_t id, struct td_regs *r)
{
	*r = (struct td_regs){ .rdx = id, .r8 = 0x5a };
	return leaf(rax, r);
}

static uint64_t write_field(uint64_t rax, uint64_t id, uint64_t value, uint64_t mask, struct td_regs *r)
{
	*r = (struct td_regs){ .rdx = id, .r8 = value, .r9 = mask };
	return leaf(rax, r);
}

static void try_fields(void)
{
	struct td_regs r, w;
	bool same = true;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		uint64_t status = read_field(TDG_VM_RD, fields[i].id, &r);

		if (status)
			print("     status %lx\n", status);
		(void)td_check(status == 0, fields[i].what);
	}
	td_check(!read_field(TDG_VM_RD, MD_NUM_VCPUS, &r) && r.r8 == td_info().vcpus,
		 "NUM_VCPUS is VP.INFO's");
	for (unsigned i = 0; i < 6; i++) {
		uint64_t word;

		__builtin_memcpy(&word, report + REPORT_MRTD + 8 * i, 8);
		same &= !read_field(TDG_VM_RD, MD_MRTD + i, &r) && r.r8 == word;
	}
	td_check(same, "MRTD is the report's");
	td_check(read_field(TDG_VM_RD, MD_MRTD & ~(BITS64(54, 50) | BITS64(33, 32)), &r) == 0,
		 "an id without context and size matches, as Linux writes it");
	td_check(read_field(TDG_VM_RD, MD_NONE, &r) == STATUS(NO_FIELD) && r.r8 == 0,
		 "an unknown field of the TD reads as 0");
	td_check(!read_field(TDG_VM_RD | 1 << 16, MD_MRTD, &r) && r.rdx == MD_MRTD + 1,
		 "VM.RD of version 1 names the next one");
	td_check(write_field(TDG_VM_WR, MD_NONE, 0, ALL_ONES, &w) == STATUS(NO_FIELD), "a write of no field");
	td_check(write_field(TDG_VM_WR, MD_NOTIFY, 1, 0, &w) == STATUS(NOT_WRITABLE), "a write of no bit");
	td_check(!write_field(TDG_VM_WR, MD_NOTIFY, 1, 1, &w) && w.r8 == 0, "NOTIFY_ENABLES on");
	td_check(!write_field(TDG_VM_WR, MD_NOTIFY, 0, 1, &w) && w.r8 == 1, "and off, which says what it was");
	td_check(tdg_status(write_field(TDG_VM_WR, MD_TD_CTLS, 8, 8, &w)) == NOT_WRITABLE,
		 "TD_CTLS of a later module");
	w = (struct td_regs){ .rcx = 1, .rdx = MD_NOTIFY, .r9 = 1 };
	td_check(leaf(TDG_VM_WR, &w) == INVALID(RCX), "VM.WR with RCX");
}

static void try_vcpu_fields(void)
{
	static const uint8_t cpuid_code[] = { 0x0f, 0xa2 };
	struct td_probe p = { 0 };
	struct td_regs r;

	td_check(!read_field(TDG_VP_RD, MD_INDEX, &r) && r.r8 == 0 && r.rdx != ALL_ONES, "VP.RD: the index");
	td_check(read_field(TDG_VP_RD, UINT64_C(0xA020000200000fff), &r) == STATUS(NO_FIELD) && !r.r8 &&
			 r.rdx == ALL_ONES,
		 "an unknown field of the vCPU");
	td_check(tdg_status(read_field(TDG_VP_RD, ALL_ONES, &r)) == FIRST_FIELD && r.rdx != ALL_ONES,
		 "VP.RD of no field names the first");
	r = (struct td_regs){ .rcx = 1, .rdx = MD_INDEX };
	td_check(leaf(TDG_VP_RD, &r) == INVALID(RCX), "VP.RD with RCX");
	td_check(!write_field(TDG_VP_WR, MD_SUPERVISOR_VE, 1, 1, &r) && r.r8 == 0, "VP.WR: each CPUID a #VE");
	struct td_caught c = td_probe(cpuid_code, sizeof(cpuid_code), &p, false);

	td_check(c.vector == VE && c.reason == 10, "so it is");
	td_check(!write_field(TDG_VP_WR, MD_SUPERVISOR_VE, 0, 1, &r) && r.r8 == 1, "and back");
	c = td_probe(cpuid_code, sizeof(cpuid_code), &p, false);
	td_check(!c.any, "so it is, too");
	td_check(tdg_status(write_field(TDG_VP_WR, MD_PEND_NMI, 1, 1, &r)) >= NO_FIELD,
		 "nobody sends itself an NMI by VP.WR");
	td_check(tdg_status(read_field(TDG_SYS_RD, ALL_ONES, &r)) == FIRST_FIELD && r.rdx != ALL_ONES,
		 "SYS.RD of no field names the first");
	td_check(!read_field(TDG_SYS_RD, MD_VENDOR, &r) && r.r8 == 0x8086, "SYS.RD of the vendor");
	td_check(read_field(TDG_SYS_RD, UINT64_C(0x0800000200000fff), &r) == STATUS(NO_FIELD) &&
			 r.rdx == ALL_ONES,
		 "an unknown field of the module");
}

/* ---- memory that waits for its accept ---- */

static const uint8_t tdcall_code[] = { 0x66, 0x0f, 0x01, 0xcc };
static const uint8_t read_rsi[] = { 0x8b, 0x06 }; /* mov eax, [rsi] */

static void try_pending(void)
{
	const struct {
		const char *what;
		struct td_probe regs;
	} calls[] = {
		{ "RTMR.EXTEND by pending data is a #VE", { .rax = TDG_MR_RTMR_EXTEND, .rcx = PENDING } },
		{ "VERIFYREPORT in pending memory too", { .rax = TDG_MR_VERIFYREPORT, .rcx = PENDING } },
		{ "SYS.RDALL into pending memory too", { .rax = TDG_SYS_RDALL, .rdx = PENDING } },
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		struct td_probe r = calls[i].regs;
		struct td_caught c = td_probe(tdcall_code, sizeof(tdcall_code), &r, false);

		td_check(c.any && c.vector == VE && c.reason == 48 && align_down(c.gpa, PAGE_SIZE) == PENDING &&
				 r.rax == calls[i].regs.rax,
			 calls[i].what);
	}
	td_check(tdg_accept(PENDING, 0) == 0, "its accept");
	td_check(*(volatile uint64_t *)PENDING == 0, "nothing was written there");
}

/* 2M that came at a touch, accepted in small pieces: the host must split it. */
static void try_pieces(void)
{
	struct td_probe r = { .rsi = HALF };
	struct td_caught c = td_probe(read_rsi, sizeof(read_rsi), &r, false);

	td_check(c.vector == VE && c.reason == 48, "2M comes at a touch and waits");
	td_check(tdg_accept(HALF + 7 * PAGE_SIZE, 0) == 0, "4K in the middle of it is accepted");
	td_check(tdg_accept(HALF, 0) == 0 && tdg_accept(HALF + SIZE_2M - PAGE_SIZE, 0) == 0, "both ends too");
	td_check(tdg_accept(HALF, 1) == (STATUS(SIZE_MISMATCH) | 1), "as 2M it is not there any more");
	*(volatile uint64_t *)HALF = 1;
	r = (struct td_probe){ .rsi = HALF + PAGE_SIZE };
	c = td_probe(read_rsi, sizeof(read_rsi), &r, false);
	td_check(c.vector == VE && c.reason == 48 && align_down(c.gpa, PAGE_SIZE) == HALF + PAGE_SIZE,
		 "what lies between still waits");
}

/* ---- a trap within the delivery of a trap ---- */

/*
 * The IDT begins in a page that waits for its accept, with the gates of vectors 0 to 15; those from 16 on,
 * the #VE's among them, lie in the next page. The delivery of #UD meets the first page: the guest gets the
 * #VE in its place, at the same instruction, and #UD when it comes there again.
 */
static void try_delivery(void)
{
	static const uint8_t ud2[] = { 0x0f, 0x0b };
	uint64_t gates = TABLE + PAGE_SIZE - 16 * 16;
	struct td_probe r = { 0 };

	td_check(tdg_accept(TABLE, 0) == 0 && tdg_accept(TABLE + PAGE_SIZE, 0) == 0, "two pages for an IDT");
	td_move_idt((void *)(uintptr_t)gates);
	struct td_caught c = td_probe(ud2, sizeof(ud2), &r, false);

	td_check(c.vector == UD, "it serves");
	/* Private memory that goes and comes back waits again, and is zero. */
	td_check(vmcall(VMCALL_MAP_GPA, TABLE | shared, PAGE_SIZE, 0, 0, NULL) == 0 &&
			 vmcall(VMCALL_MAP_GPA, TABLE, PAGE_SIZE, 0, 0, NULL) == 0,
		 "its first page goes");
	c = td_probe(ud2, sizeof(ud2), &r, false);
	td_check(c.vector == VE && c.reason == 48 && align_down(c.gpa, PAGE_SIZE) == TABLE &&
			 c.gla == gates + UD * 16,
		 "a #UD whose gate waits for its accept is a #VE there");
	td_check(tdg_accept(TABLE, 0) == 0, "accept it");
	td_move_idt((void *)(uintptr_t)gates);
	c = td_probe(ud2, sizeof(ud2), &r, false);
	td_check(c.vector == UD, "then #UD comes");
	td_init();
}

/* ---- debug registers ---- */

static void try_breakpoint(void)
{
	static const uint8_t set_dr0[] = { 0x0f, 0x23, 0xc0 }, set_dr7[] = { 0x0f, 0x23, 0xf8 };
	static const uint8_t write_rdi[] = { 0x48, 0x89, 0x07 }; /* mov [rdi], rax */
	struct td_probe r = { .rax = AT(data) };
	struct td_caught c;

	td_check(!td_probe(set_dr0, sizeof(set_dr0), &r, false).any, "set DR0");
	r.rax = 0x90402; /* G0, on writes, of eight bytes */
	td_check(!td_probe(set_dr7, sizeof(set_dr7), &r, false).any, "set DR7");
	r = (struct td_probe){ .rdi = AT(data) };
	c = td_probe(write_rdi, sizeof(write_rdi), &r, false);
	td_check(c.any && c.vector == 1, "a write there is a #DB");
	(void)vmcall(VMCALL_CPUID, 0x40000000, 0, 0, 0, NULL);
	c = td_probe(write_rdi, sizeof(write_rdi), &r, false);
	td_check(c.any && c.vector == 1, "also after the host was there");
	r.rax = 0x400;
	(void)td_probe(set_dr7, sizeof(set_dr7), &r, false);
	r = (struct td_probe){ .rdi = AT(data) };
	c = td_probe(write_rdi, sizeof(write_rdi), &r, false);
	td_check(!c.any, "and none when it is off");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter;
	if (index)
		td_halt();
	td_init();
	shared = BIT64((width & 0x3f) - 1);
	alias = AT(map_shared(0));
	td_check(tdg_accept(PRIVATE, 0) == 0 && tdg_accept(LARGE, 1) == 0 &&
			 vmcall(VMCALL_MAP_GPA, SHARED | shared, PAGE_SIZE, 0, 0, NULL) == 0,
		 "memory of each kind");
	*(volatile uint64_t *)(uintptr_t)(alias + SHARED) = 0;
	try_calls();
	try_outputs();
	try_fields();
	try_vcpu_fields();
	try_pending();
	try_pieces();
	try_delivery();
	try_breakpoint();
	if (td_failures())
		td_fatal("operands: failed");
	print("operands: all well\n");
	td_power_off();
}
