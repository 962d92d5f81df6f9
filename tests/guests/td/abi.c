/*
 * abi.c - a trust domain that tries each TDCALL with good and bad operands, and each instruction that
 * is a #VE, a #GP or a #UD in a TD, and compares what it gets with what the ABI says.
 *
 * Rows are data: what is executed, and what must come of it. A row that differs is one line "FAIL ...".
 *
 * Facts: TDX module 1.5 ABI, guest-side interface functions; "CPU Virtualization".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define INVALID(operand) (UINT64_C(0xC000010000000000) | (operand))
#define STATUS(high)     ((uint64_t)(high) << 32)
#define PAGE_A           UINT64_C(0x01000000) /* accepted as 4K */
#define PAGE_2M          UINT64_C(0x01200000) /* accepted as 2M */
#define PENDING          UINT64_C(0x01400000) /* never accepted */
#define NOWHERE          UINT64_C(0x01600000) /* shared, then touched */
#define MMIO_GAP         UINT64_C(0xd0000000) /* no memory there */
#define LEVEL_MISMATCH   1

enum { RAX = 0, RCX = 1, RDX = 2, R8 = 8 };

static uint8_t report[1024] ALIGNED(1024), data[64] ALIGNED(64), mac[256] ALIGNED(256);
static uint64_t shared;

#define AT(object) ((uint64_t)(uintptr_t)(object))

/* ---- TDCALL ---- */

#define MD_TD_ATTRIBUTES  UINT64_C(0x1110000300000000)
#define MD_TD_GPAW        UINT64_C(0x1110000000000003)
#define MD_NOTIFY_ENABLES UINT64_C(0x9110000300000010)
#define MD_TD_HKID        UINT64_C(0x8110000100000001) /* the host's to know */
#define MD_VCPU_INDEX     UINT64_C(0xA020000200000002)
#define MD_VENDOR         UINT64_C(0x0800000200000000)
#define MD_NONE           UINT64_C(0x1110000300000fff)
#define ALL               (~UINT64_C(0))

static const struct call_row {
	const char *what;
	uint64_t rax, rcx, rdx, r8, r9;
	uint64_t status;
} call_rows[] = {
	{ "an unknown leaf", 13, 0, 0, 0, 0, INVALID(RAX) },
	{ "a leaf beyond all", 0xffff, 0, 0, 0, 0, INVALID(RAX) },
	{ "a version of a leaf that has none", TDG_VP_INFO | 1 << 16, 0, 0, 0, 0, INVALID(RAX) },
	{ "reserved bits of RAX", TDG_VP_INFO | 1 << 24, 0, 0, 0, 0, INVALID(RAX) },
	{ "VP.INFO", TDG_VP_INFO, 0, 0, 0, 0, 0 },
	{ "VP.VMCALL that passes RSP", TDG_VP_VMCALL, BIT64(4), 0, 0, 0, INVALID(RCX) },
	{ "VP.VMCALL that passes RAX", TDG_VP_VMCALL, BIT64(0), 0, 0, 0, INVALID(RCX) },
	{ "VP.VMCALL with reserved bits", TDG_VP_VMCALL, BIT64(32), 0, 0, 0, INVALID(RCX) },
	{ "VEINFO.GET without a #VE", TDG_VP_VEINFO_GET, 0, 0, 0, 0, STATUS(TDG_NO_VE_INFO) },
	{ "RTMR.EXTEND of unaligned data", TDG_MR_RTMR_EXTEND, 0x1001, 0, 0, 0, INVALID(RCX) },
	{ "RTMR.EXTEND of a fifth register", TDG_MR_RTMR_EXTEND, AT(data), 4, 0, 0, INVALID(RDX) },
	{ "RTMR.EXTEND", TDG_MR_RTMR_EXTEND, AT(data), 3, 0, 0, 0 },
	{ "REPORT to an unaligned place", TDG_MR_REPORT, AT(report) + 64, AT(data), 0, 0, INVALID(RCX) },
	{ "REPORT of unaligned data", TDG_MR_REPORT, AT(report), AT(data) + 8, 0, 0, INVALID(RDX) },
	{ "REPORT of another subtype", TDG_MR_REPORT, AT(report), AT(data), 1, 0, INVALID(R8) },
	{ "REPORT", TDG_MR_REPORT, AT(report), AT(data), 0, 0, 0 },
	{ "VERIFYREPORT of it", TDG_MR_VERIFYREPORT, AT(report), 0, 0, 0, 0 },
	{ "VERIFYREPORT of something else", TDG_MR_VERIFYREPORT, AT(mac), 0, 0, 0, STATUS(0xC0001001) },
	{ "VERIFYREPORT of an unaligned one", TDG_MR_VERIFYREPORT, AT(report) + 64, 0, 0, 0, INVALID(RCX) },
	{ "CPUIDVE.SET of reserved bits", 5, 4, 0, 0, 0, INVALID(RCX) },
	{ "ACCEPT of a 4K page", TDG_MEM_PAGE_ACCEPT, PAGE_A, 0, 0, 0, 0 },
	{ "ACCEPT of it again", TDG_MEM_PAGE_ACCEPT, PAGE_A, 0, 0, 0, STATUS(TDG_ALREADY_ACCEPTED) },
	{ "ACCEPT as 2M of what is mapped in 4K", TDG_MEM_PAGE_ACCEPT, PAGE_A | 1, 0,
	  0, 0, STATUS(0xC0000B0B) | LEVEL_MISMATCH },
	{ "ACCEPT of a 2M page", TDG_MEM_PAGE_ACCEPT, PAGE_2M | 1, 0, 0, 0, 0 },
	{ "ACCEPT of 4K in it", TDG_MEM_PAGE_ACCEPT, PAGE_2M + 0x5000, 0, 0, 0,
	  STATUS(TDG_ALREADY_ACCEPTED) | 1 },
	{ "ACCEPT as 1G", TDG_MEM_PAGE_ACCEPT, SIZE_1G | 2, 0, 0, 0, INVALID(RCX) },
	{ "ACCEPT of an unaligned 2M page", TDG_MEM_PAGE_ACCEPT, PAGE_A + 0x1000 + 1, 0, 0, 0, INVALID(RCX) },
	{ "ACCEPT with reserved bits", TDG_MEM_PAGE_ACCEPT, PAGE_A | 8, 0, 0, 0, INVALID(RCX) },
	{ "ACCEPT beyond all addresses", TDG_MEM_PAGE_ACCEPT, BIT64(52), 0, 0, 0, INVALID(RCX) },
	{ "VM.RD of ATTRIBUTES", TDG_VM_RD, 0, MD_TD_ATTRIBUTES, 0, 0, 0 },
	{ "VM.RD with RCX", TDG_VM_RD, 1, MD_TD_GPAW, 0, 0, INVALID(RCX) },
	{ "VM.RD of an unknown field", TDG_VM_RD, 0, MD_NONE, 0, 0, STATUS(0xC0000C00) },
	{ "VM.RD of the host's field", TDG_VM_RD, 0, MD_TD_HKID, 0, 0, STATUS(0xC0000C02) },
	{ "VM.WR of a read-only field", TDG_VM_WR, 0, MD_TD_ATTRIBUTES, 0, ALL, STATUS(0xC0000C01) },
	{ "VM.WR of NOTIFY_ENABLES", TDG_VM_WR, 0, MD_NOTIFY_ENABLES, 0, ALL, 0 },
	{ "VM.WR of its reserved bits", TDG_VM_WR, 0, MD_NOTIFY_ENABLES, 2, ALL, STATUS(0xC0000C03) },
	{ "VP.RD of the index", TDG_VP_RD, 0, MD_VCPU_INDEX, 0, 0, 0 },
	{ "VP.WR of the index", TDG_VP_WR, 0, MD_VCPU_INDEX, 1, ALL, STATUS(0xC0000C01) },
	{ "SYS.RD of the vendor", TDG_SYS_RD, 0, MD_VENDOR, 0, 0, 0 },
	{ "SYS.RDALL to an unaligned place", TDG_SYS_RDALL, 0, AT(report), 0, 0, INVALID(RDX) },
	{ "VP.ENTER without nested VMs", 25, 0, 0, 0, 0, INVALID(RCX) },
};

static void try_calls(void)
{
	for (size_t i = 0; i < ARRAY_LEN(call_rows); i++) {
		const struct call_row *row = &call_rows[i];
		struct td_regs r = { .rcx = row->rcx, .rdx = row->rdx, .r8 = row->r8, .r9 = row->r9 };
		uint64_t status = tdcall(row->rax, &r);

		if (status != row->status)
			print("     status %lx, not %lx\n", status, row->status);
		(void)td_check(status == row->status, row->what);
	}
}

/* ---- XMM registers in a TDVMCALL ---- */

static const struct xmm_row {
	const char *what;
	uint16_t selected;
} xmm_rows[] = {
	{ "a TDVMCALL that selects no XMM keeps all", 0 },
	{ "one that selects XMM0 keeps the others", 0x0001 },
	{ "one that selects XMM15 keeps the others", 0x8000 },
	{ "one that selects half of them keeps the other half", 0x5a5a },
	{ "one that selects all of them", 0xffff },
};

/* This host answers with zeroes: it has nothing to say in them, and other guests' are not to show. */
static bool xmm_as_said(uint16_t selected, uint64_t in[16][2], uint64_t out[16][2])
{
	for (unsigned i = 0; i < 16; i++)
		for (unsigned j = 0; j < 2; j++)
			if (out[i][j] != (selected >> i & 1 ? 0 : in[i][j])) {
				print("     XMM%u %lx, was %lx\n", i, out[i][j], in[i][j]);
				return false;
			}
	return true;
}

static void try_xmm(void)
{
	uint64_t in[16][2], out[16][2];

	xmm_enable();
	for (size_t i = 0; i < ARRAY_LEN(xmm_rows); i++) {
		const struct xmm_row *row = &xmm_rows[i];
		struct td_regs r = { .rcx = VMCALL_MASK | (uint64_t)row->selected << 16,
				     .r11 = VMCALL_GET_INFO };

		for (unsigned n = 0; n < 16; n++) {
			in[n][0] = UINT64_C(0x1111111111111111) * n + i + 1;
			in[n][1] = ~in[n][0];
		}
		xmm_load(in);
		uint64_t status = tdcall(TDG_VP_VMCALL, &r);
		xmm_store(out);
		(void)td_check(!status && !r.r10 && xmm_as_said(row->selected, in, out), row->what);
	}
}

/* ---- instructions ---- */

enum { FINE = 0, UD = 6, GP = 13, VE = 20 };

#define MSR_READ  0x0f, 0x32
#define MSR_WRITE 0x0f, 0x30

static const struct code_row {
	const char *what;
	uint8_t length, code[8];
	uint64_t rax, rcx, rdx;
	uint8_t vector;        /* FINE: none */
	uint8_t reason;        /* of a #VE */
	uint64_t qualification; /* of a #VE */
} code_rows[] = {
	{ "HLT", 1, { 0xf4 }, 0, 0, 0, VE, 12, 0 },
	{ "INVD", 2, { 0x0f, 0x08 }, 0, 0, 0, VE, 13, 0 },
	{ "WBINVD", 2, { 0x0f, 0x09 }, 0, 0, 0, VE, 54, 0 },
	{ "VMCALL", 3, { 0x0f, 0x01, 0xc1 }, 0, 0, 0, VE, 18, 0 },
	{ "MONITOR", 3, { 0x0f, 0x01, 0xc8 }, AT(data), 0, 0, VE, 39, 0 },
	{ "MWAIT", 3, { 0x0f, 0x01, 0xc9 }, 0, 0, 0, VE, 36, 0 },
	{ "IN AL, 80h", 2, { 0xe4, 0x80 }, 0, 0, 0, VE, 30, 0x800048 },
	{ "IN EAX, DX", 1, { 0xed }, 0, 0, 0x1234, VE, 30, 0x1234000b },
	{ "OUT DX, AX", 2, { 0x66, 0xef }, 0, 0, 0x80, VE, 30, 0x800001 },
	{ "OUTSB", 1, { 0x6e }, 0, 0, 0x80, VE, 30, 0x800010 },
	{ "REP INSD", 2, { 0xf3, 0x6d }, 0, 1, 0x80, VE, 30, 0x80003b },
	{ "CPUID 0", 2, { 0x0f, 0xa2 }, 0, 0, 0, FINE, 0, 0 },
	{ "CPUID 2", 2, { 0x0f, 0xa2 }, 2, 0, 0, VE, 10, 0 },
	{ "CPUID 6", 2, { 0x0f, 0xa2 }, 6, 0, 0, VE, 10, 0 },
	{ "CPUID 7.3", 2, { 0x0f, 0xa2 }, 7, 3, 0, VE, 10, 0 },
	{ "CPUID Bh", 2, { 0x0f, 0xa2 }, 0xb, 0, 0, VE, 10, 0 },
	{ "CPUID 15h", 2, { 0x0f, 0xa2 }, 0x15, 0, 0, FINE, 0, 0 },
	{ "CPUID 21h", 2, { 0x0f, 0xa2 }, 0x21, 0, 0, FINE, 0, 0 },
	{ "CPUID 40000000h", 2, { 0x0f, 0xa2 }, 0x40000000, 0, 0, VE, 10, 0 },
	{ "CPUID 80000006h", 2, { 0x0f, 0xa2 }, 0x80000006, 0, 0, VE, 10, 0 },
	{ "RDMSR TSC", 2, { MSR_READ }, 0, 0x10, 0, FINE, 0, 0 },
	{ "WRMSR TSC", 2, { MSR_WRITE }, 0, 0x10, 0, VE, 32, 0 },
	{ "RDMSR APIC_BASE", 2, { MSR_READ }, 0, 0x1b, 0, VE, 31, 0 },
	{ "WRMSR APIC_BASE", 2, { MSR_WRITE }, 0, 0x1b, 0, VE, 32, 0 },
	{ "RDMSR FEATURE_CONTROL", 2, { MSR_READ }, 0, 0x3a, 0, VE, 31, 0 },
	{ "RDMSR BIOS_SIGN_ID", 2, { MSR_READ }, 0, 0x8b, 0, VE, 31, 0 },
	{ "RDMSR SGX hash", 2, { MSR_READ }, 0, 0x8c, 0, GP, 0, 0 },
	{ "RDMSR WBINVDP", 2, { MSR_READ }, 0, 0x98, 0, GP, 0, 0 },
	{ "RDMSR PMC0", 2, { MSR_READ }, 0, 0xc1, 0, GP, 0, 0 },
	{ "RDMSR MTRRCAP", 2, { MSR_READ }, 0, 0xfe, 0, VE, 31, 0 },
	{ "RDMSR SYSENTER_CS", 2, { MSR_READ }, 0, 0x174, 0, FINE, 0, 0 },
	{ "RDMSR MISC_ENABLE", 2, { MSR_READ }, 0, 0x1a0, 0, FINE, 0, 0 },
	{ "WRMSR MISC_ENABLE", 2, { MSR_WRITE }, 0, 0x1a0, 0, VE, 32, 0 },
	{ "RDMSR PAT", 2, { MSR_READ }, 0, 0x277, 0, FINE, 0, 0 },
	{ "RDMSR MTRR_DEF_TYPE", 2, { MSR_READ }, 0, 0x2ff, 0, VE, 31, 0 },
	{ "RDMSR VMX_BASIC", 2, { MSR_READ }, 0, 0x480, 0, FINE, 0, 0 },
	{ "WRMSR VMX_BASIC", 2, { MSR_WRITE }, 0, 0x480, 0, GP, 0, 0 },
	{ "RDMSR VMX_PINBASED_CTLS", 2, { MSR_READ }, 0, 0x481, 0, VE, 31, 0 },
	{ "RDMSR XAPIC_DISABLE_STATUS", 2, { MSR_READ }, 0, 0xbd, 0, FINE, 0, 0 },
	{ "RDMSR x2APIC id", 2, { MSR_READ }, 0, 0x802, 0, VE, 31, 0 },
	{ "RDMSR x2APIC TPR", 2, { MSR_READ }, 0, 0x808, 0, FINE, 0, 0 },
	{ "RDMSR x2APIC ISR0", 2, { MSR_READ }, 0, 0x810, 0, FINE, 0, 0 },
	{ "RDMSR x2APIC 800h", 2, { MSR_READ }, 0, 0x800, 0, GP, 0, 0 },
	{ "RDMSR x2APIC 831h", 2, { MSR_READ }, 0, 0x831, 0, GP, 0, 0 },
	{ "WRMSR x2APIC ICR", 2, { MSR_WRITE }, 0, 0x830, 0, VE, 32, 0 },
	{ "WRMSR x2APIC LVT timer", 2, { MSR_WRITE }, 0x10000, 0x832, 0, VE, 32, 0 },
	{ "RDMSR TSC_DEADLINE", 2, { MSR_READ }, 0, 0x6e0, 0, VE, 31, 0 },
	{ "RDMSR BNDCFGS", 2, { MSR_READ }, 0, 0xd90, 0, GP, 0, 0 },
	{ "RDMSR XSS", 2, { MSR_READ }, 0, 0xda0, 0, FINE, 0, 0 },
	{ "WRMSR XSS with what XFAM lacks", 2, { MSR_WRITE }, 0x100, 0xda0, 0, GP, 0, 0 },
	{ "RDMSR EFER", 2, { MSR_READ }, 0, 0xc0000080, 0, FINE, 0, 0 },
	{ "WRMSR EFER without NXE", 2, { MSR_WRITE }, 0x501, 0xc0000080, 0, VE, 32, 0 },
	{ "WRMSR EFER as it is", 2, { MSR_WRITE }, 0xd01, 0xc0000080, 0, FINE, 0, 0 },
	{ "RDMSR CSTAR", 2, { MSR_READ }, 0, 0xc0000083, 0, VE, 31, 0 },
	{ "RDMSR of no range", 2, { MSR_READ }, 0, 0x20000, 0, VE, 31, 0 },
	{ "WRMSR of a hypervisor's", 2, { MSR_WRITE }, 0, 0x4b564d00, 0, VE, 32, 0 },
	{ "MOV CR0 without PE", 3, { 0x0f, 0x22, 0xc0 }, 0x30, 0, 0, VE, 28, 0 },
	{ "MOV CR0 with CD", 3, { 0x0f, 0x22, 0xc0 }, 0xc0000031, 0, 0, VE, 28, 0 },
	{ "MOV CR4 without MCE", 3, { 0x0f, 0x22, 0xe0 }, 0x20, 0, 0, VE, 28, 4 },
	{ "MOV CR4 with VMXE", 3, { 0x0f, 0x22, 0xe0 }, 0x2060, 0, 0, VE, 28, 4 },
	{ "MOV CR4 with reserved bits", 3, { 0x0f, 0x22, 0xe0 }, 0x40000060, 0, 0, GP, 0, 0 },
	{ "MOV CR4 as it is", 3, { 0x0f, 0x22, 0xe0 }, 0x60, 0, 0, FINE, 0, 0 },
	{ "RDTSC", 2, { 0x0f, 0x31 }, 0, 0, 0, FINE, 0, 0 },
	{ "RDTSCP", 3, { 0x0f, 0x01, 0xf9 }, 0, 0, 0, FINE, 0, 0 },
	{ "RDPMC", 2, { 0x0f, 0x33 }, 0, 0, 0, GP, 0, 0 },
	{ "RDRAND", 3, { 0x0f, 0xc7, 0xf0 }, 0, 0, 0, FINE, 0, 0 },
	{ "PAUSE", 2, { 0xf3, 0x90 }, 0, 0, 0, FINE, 0, 0 },
	{ "MOV from DR7", 3, { 0x0f, 0x21, 0xf8 }, 0, 0, 0, FINE, 0, 0 },
	{ "CLTS", 2, { 0x0f, 0x06 }, 0, 0, 0, FINE, 0, 0 },
	{ "VMLAUNCH", 3, { 0x0f, 0x01, 0xc2 }, 0, 0, 0, UD, 0, 0 },
	{ "VMXOFF", 3, { 0x0f, 0x01, 0xc4 }, 0, 0, 0, UD, 0, 0 },
	{ "VMFUNC", 3, { 0x0f, 0x01, 0xd4 }, 0, 0, 0, UD, 0, 0 },
	{ "SEAMCALL", 4, { 0x66, 0x0f, 0x01, 0xcf }, 0, 0, 0, UD, 0, 0 },
	{ "GETSEC", 2, { 0x0f, 0x37 }, 0, 0, 0, UD, 0, 0 },
	{ "RSM", 2, { 0x0f, 0xaa }, 0, 0, 0, UD, 0, 0 },
	{ "UD2", 2, { 0x0f, 0x0b }, 0, 0, 0, UD, 0, 0 },
};

static bool as_said(const struct code_row *row, const struct td_caught *c)
{
	if (row->vector == FINE)
		return !c->any;
	if (!c->any || c->vector != row->vector || (row->vector == GP && c->error))
		return false;
	return row->vector != VE || (c->reason == row->reason && c->qualification == row->qualification &&
				     c->length == row->length && !c->gla && !c->gpa);
}

static void try_instructions(void)
{
	for (size_t i = 0; i < ARRAY_LEN(code_rows); i++) {
		const struct code_row *row = &code_rows[i];
		struct td_probe r = { .rax = row->rax, .rcx = row->rcx, .rdx = row->rdx,
				      .rsi = AT(data), .rdi = AT(data) };
		struct td_caught c = td_probe(row->code, row->length, &r, false);

		if (!as_said(row, &c))
			print("     vector %lu error %lx reason %lu qualification %lx length %u gpa %lx\n",
			      c.any ? c.vector : 0, c.error, c.reason, c.qualification, c.length, c.gpa);
		(void)td_check(as_said(row, &c), row->what);
	}
}

/* ---- memory, and one trap within another ---- */

static const uint8_t read_rsi[] = { 0x8b, 0x06 };        /* mov eax, [rsi] */
static const uint8_t write_rdi[] = { 0x48, 0x89, 0x07 }; /* mov [rdi], rax */
static const uint8_t halt[] = { 0xf4 };

static void try_memory(void)
{
	struct td_probe r = { .rsi = PENDING + 0x123 };
	struct td_caught c;

	if (!(td_info().attributes & TDG_ATTR_SEPT_VE_DISABLE)) {
		c = td_probe(read_rsi, sizeof(read_rsi), &r, false);
		td_check(c.vector == VE && c.reason == 48 && c.gla == PENDING + 0x123 &&
				 align_down(c.gpa, PAGE_SIZE) == PENDING,
			 "a read of a pending page is a #VE with its addresses");
		td_check((c.qualification & 7) == 1, "that says read");
		r = (struct td_probe){ .rdi = PENDING + 8 };
		c = td_probe(write_rdi, sizeof(write_rdi), &r, false);
		td_check(c.vector == VE && c.reason == 48 && (c.qualification & 7) == 2,
			 "a write says write");
	}
	uint64_t alias = AT(map_shared(0));

	r = (struct td_probe){ .rsi = alias + NOWHERE };
	td_check(vmcall(VMCALL_MAP_GPA, NOWHERE | shared, PAGE_SIZE, 0, 0, NULL) == 0, "share a page");
	c = td_probe(read_rsi, sizeof(read_rsi), &r, false);
	td_check(!c.any && r.rax == 0, "shared memory comes as it is touched, zero");
}

static void try_nested(void)
{
	struct td_probe r = { 0 };
	struct td_caught c = td_probe(halt, sizeof(halt), &r, true);

	td_check(c.vector == VE && c.nested == 8, "a #VE before VEINFO.GET is a double fault");
	td_check(c.reason == 12, "and the first one's information stays");
}

static void try_cpuid_ve(void)
{
	static const uint8_t cpuid_code[] = { 0x0f, 0xa2 };
	struct td_regs on = { .rcx = 1 }, off = { .rcx = 0 };
	struct td_probe r = { 0 };

	td_check(tdcall(5, &on) == 0, "CPUIDVE.SET for the supervisor");
	struct td_caught c = td_probe(cpuid_code, sizeof(cpuid_code), &r, false);

	td_check(c.vector == VE && c.reason == 10, "each CPUID is a #VE then");
	td_check(tdcall(5, &off) == 0, "CPUIDVE.SET back");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter;
	if (index)
		td_halt();
	shared = BIT64((width & 0x3f) - 1);
	td_init();
	try_calls();
	try_instructions();
	try_xmm();
	try_cpuid_ve();
	try_nested();
	try_memory();
	if (td_failures())
		td_fatal("abi: failed");
	print("abi: all well\n");
	td_power_off();
}
