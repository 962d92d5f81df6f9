/*
 * tdg.h - what a test trust domain can say and ask: TDCALL leaves, TDVMCALLs, printing, traps.
 *
 * Each guest is one C file with td_main(); entry.asm starts it and lib.c serves it.
 *
 * Invariants
 *   - Nothing here knows the width of addresses: it comes from TDG.VP.INFO, and the SHARED bit is
 *     bit width-1.
 *   - No guest includes anything of the hypervisor but kernel/base: a disagreement about the ABI
 *     must show.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TESTS_GUESTS_TD_TDG_H
#define TAIN_TESTS_GUESTS_TD_TDG_H

#include "kernel/base/types.h"

/* TDCALL leaves. */
enum {
	TDG_VP_VMCALL = 0,
	TDG_VP_INFO = 1,
	TDG_MR_RTMR_EXTEND = 2,
	TDG_VP_VEINFO_GET = 3,
	TDG_MR_REPORT = 4,
	TDG_MEM_PAGE_ACCEPT = 6,
	TDG_VM_RD = 7,
	TDG_VM_WR = 8,
	TDG_VP_RD = 9,
	TDG_VP_WR = 10,
	TDG_SYS_RD = 11,
	TDG_SYS_RDALL = 12,
	TDG_MR_VERIFYREPORT = 22,
	TDG_MEM_PAGE_ATTR_RD = 23,
	TDG_MEM_PAGE_ATTR_WR = 24,
};

/* Completion statuses, bits 63:32. */
#define TDG_OPERAND_INVALID  UINT32_C(0xC0000100)
#define TDG_OPERAND_BUSY     UINT32_C(0x80000200)
#define TDG_ALREADY_ACCEPTED UINT32_C(0x00000B0A)
#define TDG_NO_VE_INFO       UINT32_C(0xC0000704)

#define TDG_ATTR_SEPT_VE_DISABLE BIT64(28)

/* TDVMCALL sub-functions (R11) and statuses (R10). */
enum {
	VMCALL_CPUID = 10,
	VMCALL_HLT = 12,
	VMCALL_IO = 30,
	VMCALL_RDMSR = 31,
	VMCALL_WRMSR = 32,
	VMCALL_MMIO = 48,
	VMCALL_WBINVD = 54,
	VMCALL_PCONFIG = 65,
	VMCALL_GET_INFO = 0x10000,
	VMCALL_MAP_GPA = 0x10001,
	VMCALL_GET_QUOTE = 0x10002,
	VMCALL_FATAL_ERROR = 0x10003,
	VMCALL_EVENT_NOTIFY = 0x10004,
	VMCALL_SERVICE = 0x10005,
	VMCALL_MIGTD = 0x10006,
};
#define VMCALL_INVALID_OPERAND     UINT64_C(0x8000000000000000)
#define VMCALL_ALIGN_ERROR         UINT64_C(0x8000000000000002)
#define VMCALL_UNSUPPORTED         UINT64_C(0x8000000000000003)
#define VMCALL_MASK                UINT64_C(0xffcc) /* RDX RBX RSI RDI R8-R15 */

/* The registers of a TDCALL but RAX; entry.asm knows the layout. */
struct td_regs {
	uint64_t rcx, rdx, rbx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};
_Static_assert(sizeof(struct td_regs) == 13 * 8, "entry.asm: tdcall");

/* What a trap stub leaves on the stack. */
struct td_frame {
	uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct td_info {
	unsigned width; /* of guest-physical addresses: SHARED is bit width-1 */
	uint64_t attributes;
	uint32_t vcpus, max_vcpus, index;
};

/* entry.asm */
uint64_t tdcall(uint64_t rax, struct td_regs *r);
void load_idt(const void *base, uint16_t limit);
void cpu_halt(void);
uint64_t read_cr2(void);
uint64_t read_tsc(void);
void out_byte(uint16_t port, uint8_t value);
void cpuid_leaf(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void undefined_instruction(void);
uint64_t read_msr(uint32_t msr);
void write_msr(uint32_t msr, uint64_t value);
void irq_enable(void);
void irq_disable(void);
void irq_window_at(void *stack); /* a moment on, on another stack */
void undefined_at(void *stack);  /* likewise UD2 */
void wait_interrupt(void); /* STI; HLT; CLI */
void xmm_enable(void);     /* CR4.OSFXSR */
void xmm_load(const uint64_t xmm[16][2]);
void xmm_store(uint64_t xmm[16][2]);
extern uint64_t pml4[512];

/* The guest: called once on each vCPU. */
void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width);

/* lib.c */
void td_init(void); /* IDT and #VE handler; each vCPU calls it */
void td_move_idt(void *to);   /* the same handlers by a table at @to, 4 KiB, which counts from now on */
struct td_info td_info(void);
uint32_t tdg_status(uint64_t rax);
uint64_t tdg_accept(uint64_t gpa, unsigned level);
uint64_t vmcall(uint64_t function, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15,
		uint64_t *r11_out);
void put_char(char c);
void print(const char *fmt, ...) PRINTF_LIKE(1, 2); /* %s %d %u %x %lx %llx %c, widths with 0 */
NORETURN void td_fatal(const char *message);        /* ReportFatalError, at most 64 bytes */
NORETURN void td_power_off(void);                   /* the platform's ACPI power-off, then HLT */
NORETURN void td_halt(void);                        /* HLT with interrupts blocked, for ever */
void *map_shared(uint64_t gpa);                     /* the SHARED alias of a page below 1 GiB */

/* Prints "ok   WHAT" or "FAIL WHAT" and remembers failures for td_verdict(). */
bool td_check(bool ok, const char *what);
unsigned td_failures(void);

/* Vectors 32 to 255: @fn runs with interrupts off, then the interrupt is ended (EOI). NULL: fatal. */
void td_on_interrupt(unsigned vector, void (*fn)(struct td_frame *f));

/*
 * Run one instruction with these registers and see what became of it: nothing, or a trap, after which
 * the instruction is stepped over. For a #VE what VEINFO.GET said; with @nested a HLT comes before
 * that call, and `nested` is the vector that it got.
 */
struct td_probe {
	uint64_t rax, rcx, rdx, rbx, rsi, rdi;
};
struct td_caught {
	bool any;
	uint64_t vector, error, nested;
	uint64_t reason, qualification, gla, gpa;
	uint32_t length, info;
};
#define PROBE_BYTES 15
struct td_caught td_probe(const uint8_t *code, unsigned length, struct td_probe *regs, bool nested);
void probe_run(const void *code, struct td_probe *regs);

/* How often lib.c served a #VE of that exit reason. */
unsigned td_ve_count(uint32_t reason);

#endif
