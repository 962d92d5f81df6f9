/*
 * lib.c - what every test trust domain needs: TDCALLs, TDVMCALLs, print, and a #VE handler.
 *
 * Invariants
 *   - The handler serves what it understands (port output, CPUID, HLT, a page not yet accepted) and
 *     reports anything else as a fatal error: a guest never continues from a trap by luck.
 *   - VEINFO.GET is the first thing that the handler does: until then a second #VE is a double fault.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>

#include "tests/guests/td/tdg.h"

#define COM1_DATA      0x3f8
#define PM1A_CONTROL   0xb004 /* PM base 0xb000 + 4, as the platform's PIIX4 has it */
#define PM1_SLEEP      0x2000 /* SLP_EN with SLP_TYP 0: off */
#define VECTOR_VE      20
#define VE_REASONS     80
#define GATE_INTERRUPT UINT64_C(0x8e00)
#define CODE_SELECTOR  UINT64_C(0x08)
#define PTE_TABLE      UINT64_C(0x03)
#define STUB_BYTES     16
#define X2APIC_EOI     0x80b
#define VECTOR_DF      8
#define FIRST_IRQ      32
#define OPCODE_RET     0xc3

extern const char trap_stubs[];
void td_trap(struct td_frame *f); /* called by entry.asm */
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

static struct {
	uint64_t low, high;
} idt[256] ALIGNED(16);
static unsigned ve_served[VE_REASONS], failures;
static uint64_t alias_pdpt[512] ALIGNED(4096), alias_pd[512] ALIGNED(4096);

/* The compiler may call these. */
void *memset(void *to, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile unsigned char *)to)[i] = (unsigned char)c;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

/* ---- TDCALL and TDVMCALL ---- */

uint32_t tdg_status(uint64_t rax) { return (uint32_t)(rax >> 32); }

struct td_info td_info(void)
{
	struct td_regs r = { 0 };

	if (tdcall(TDG_VP_INFO, &r))
		td_fatal("VP.INFO failed");
	return (struct td_info){
		.width = (unsigned)(r.rcx & 0x3f),
		.attributes = r.rdx,
		.vcpus = (uint32_t)r.r8,
		.max_vcpus = (uint32_t)(r.r8 >> 32),
		.index = (uint32_t)r.r9,
	};
}

uint64_t tdg_accept(uint64_t gpa, unsigned level)
{
	struct td_regs r = { .rcx = gpa | level };

	return tdcall(TDG_MEM_PAGE_ACCEPT, &r);
}

uint64_t vmcall(uint64_t function, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15,
		uint64_t *r11_out)
{
	struct td_regs r = {
		.rcx = VMCALL_MASK, .r11 = function, .r12 = r12, .r13 = r13, .r14 = r14, .r15 = r15,
	};

	if (tdcall(TDG_VP_VMCALL, &r))
		return ~UINT64_C(0);
	if (r11_out)
		*r11_out = r.r11;
	return r.r10;
}

/* ---- printing ---- */

void put_char(char c)
{
	if (c == '\n')
		put_char('\r');
	(void)vmcall(VMCALL_IO, 1, 1, COM1_DATA, (unsigned char)c, NULL);
}

static void put_number(uint64_t v, unsigned base, unsigned width, char pad)
{
	char text[24];
	unsigned n = 0;

	do {
		text[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n < width && n < sizeof(text))
		text[n++] = pad;
	while (n)
		put_char(text[--n]);
}

static void put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		unsigned width = 0, longs = 0;
		char pad = ' ';

		if (*fmt != '%') {
			put_char(*fmt);
			continue;
		}
		if (*++fmt == '0')
			pad = '0';
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (unsigned)(*fmt - '0');
		for (; *fmt == 'l'; fmt++)
			longs++;
		if (*fmt == 's')
			put_string(va_arg(ap, const char *));
		else if (*fmt == 'c')
			put_char((char)va_arg(ap, int));
		else if (*fmt == 'x' || *fmt == 'u' || *fmt == 'd')
			put_number(longs ? va_arg(ap, uint64_t) : va_arg(ap, uint32_t),
				   *fmt == 'x' ? 16 : 10, width, pad);
		else
			put_char(*fmt);
	}
	va_end(ap);
}

bool td_check(bool ok, const char *what)
{
	print("%s %s\n", ok ? "ok  " : "FAIL", what);
	failures += !ok;
	return ok;
}

unsigned td_failures(void) { return failures; }

unsigned td_ve_count(uint32_t reason) { return reason < VE_REASONS ? ve_served[reason] : 0; }

/* ---- ends ---- */

void td_halt(void)
{
	for (;;)
		(void)vmcall(VMCALL_HLT, 1, 0, 0, 0, NULL);
}

void td_power_off(void)
{
	(void)vmcall(VMCALL_IO, 2, 1, PM1A_CONTROL, PM1_SLEEP, NULL);
	td_halt();
}

/* The message lies in R14 R15 RBX RDI RSI R8 R9 RDX, lowest byte first (GHCI, ReportFatalError). */
void td_fatal(const char *message)
{
	uint64_t text[8] = { 0 };

	for (unsigned i = 0; i < sizeof(text) && message[i]; i++)
		text[i / 8] |= (uint64_t)(unsigned char)message[i] << (i % 8 * 8);
	for (;;) {
		struct td_regs r = {
			.rcx = VMCALL_MASK, .r11 = VMCALL_FATAL_ERROR, .r12 = 0,
			.r14 = text[0], .r15 = text[1], .rbx = text[2], .rdi = text[3],
			.rsi = text[4], .r8 = text[5], .r9 = text[6], .rdx = text[7],
		};

		(void)tdcall(TDG_VP_VMCALL, &r);
	}
}

/* ---- traps ---- */

static void serve_cpuid(struct td_frame *f)
{
	struct td_regs r = {
		.rcx = VMCALL_MASK, .r11 = VMCALL_CPUID,
		.r12 = (uint32_t)f->rax, .r13 = (uint32_t)f->rcx,
	};

	if (tdcall(TDG_VP_VMCALL, &r) || r.r10)
		td_fatal("the host refused a CPUID leaf");
	f->rax = (uint32_t)r.r12;
	f->rbx = (uint32_t)r.r13;
	f->rcx = (uint32_t)r.r14;
	f->rdx = (uint32_t)r.r15;
}

/* Exit qualification of an I/O instruction: size-1 in 2:0, IN in 3, string in 4, port in 31:16. */
static void serve_io(struct td_frame *f, uint64_t qualification)
{
	uint64_t size = (qualification & 7) + 1, port = qualification >> 16 & 0xffff;

	if (qualification & (BIT64(3) | BIT64(4)))
		td_fatal("a kind of port access that is not served");
	(void)vmcall(VMCALL_IO, size, 1, port, f->rax & BITS64(size * 8 - 1, 0), NULL);
}

/* The host or another vCPU may be at the same entry, or have been faster. */
static void serve_pending(uint64_t gpa)
{
	uint64_t s;

	do
		s = tdg_accept(gpa, 0);
	while (tdg_status(s) == TDG_OPERAND_BUSY);
	if (s && tdg_status(s) != TDG_ALREADY_ACCEPTED)
		td_fatal("a page would not be accepted");
}

static void serve_ve(struct td_frame *f)
{
	struct td_regs r = { 0 };

	if (tdcall(TDG_VP_VEINFO_GET, &r))
		td_fatal("#VE without information");

	uint32_t reason = (uint32_t)r.rcx, length = (uint32_t)r.r10;

	switch (reason) {
	case VMCALL_CPUID:
		serve_cpuid(f);
		break;
	case VMCALL_HLT:
		(void)vmcall(VMCALL_HLT, !(f->rflags & BIT64(9)), 0, 0, 0, NULL);
		break;
	case VMCALL_IO:
		serve_io(f, r.rdx);
		break;
	case VMCALL_MMIO: /* EPT violation: a private page that waits for its ACCEPT; run again */
		serve_pending(align_down(r.r9, PAGE_SIZE));
		length = 0;
		break;
	default:
		print("#VE reason %u qualification %lx at %lx\n", reason, r.rdx, f->rip);
		td_fatal("#VE of an unknown kind");
	}
	ve_served[reason]++;
	f->rip += length;
}

/* ---- probes ---- */

static uint8_t probe_code[PROBE_BYTES + 1];
static unsigned probe_length;
static bool probe_nested;
static struct td_caught caught;

static void catch_ve(void)
{
	struct td_regs r = { 0 };

	if (probe_nested)
		cpu_halt();
	if (tdcall(TDG_VP_VEINFO_GET, &r))
		td_fatal("#VE without information");
	caught.reason = r.rcx;
	caught.qualification = r.rdx;
	caught.gla = r.r8;
	caught.gpa = r.r9;
	caught.length = (uint32_t)r.r10;
	caught.info = (uint32_t)(r.r10 >> 32);
}

/* True: the trap was what a probe waits for. */
static bool probe_trap(struct td_frame *f)
{
	uint64_t at = (uint64_t)(uintptr_t)probe_code;

	if (!probe_length)
		return false;
	if (f->rip == (uint64_t)(uintptr_t)cpu_halt && probe_nested && f->vector != VECTOR_VE) {
		caught.nested = f->vector;
		f->rip++;
		return true;
	}
	if (f->rip < at || f->rip > at + probe_length)
		return false;
	caught.any = true;
	caught.vector = f->vector;
	caught.error = f->error;
	if (f->vector == VECTOR_VE)
		catch_ve();
	f->rip = at + probe_length;
	return true;
}

struct td_caught td_probe(const uint8_t *code, unsigned length, struct td_probe *regs, bool nested)
{
	memcpy(probe_code, code, length);
	probe_code[length] = OPCODE_RET;
	memset(&caught, 0, sizeof(caught));
	probe_nested = nested;
	probe_length = length;
	probe_run(probe_code, regs);
	probe_length = 0;
	return caught;
}

/* ---- interrupts ---- */

static void (*on_interrupt[256])(struct td_frame *f);

void td_on_interrupt(unsigned vector, void (*fn)(struct td_frame *f)) { on_interrupt[vector] = fn; }

void td_trap(struct td_frame *f)
{
	if (probe_trap(f))
		return;
	if (on_interrupt[f->vector]) {
		on_interrupt[f->vector](f);
		if (f->vector >= FIRST_IRQ)
			write_msr(X2APIC_EOI, 0);
		return;
	}
	if (f->vector == VECTOR_VE) {
		serve_ve(f);
		return;
	}
	print("trap %lu error %lx at %lx, CR2 %lx\n", f->vector, f->error, f->rip, read_cr2());
	td_fatal("unexpected trap");
}

void td_init(void)
{
	for (unsigned v = 0; v < ARRAY_LEN(idt); v++) {
		uint64_t at = (uint64_t)(uintptr_t)trap_stubs + (uint64_t)v * STUB_BYTES;

		idt[v].low = (at & 0xffff) | CODE_SELECTOR << 16 | GATE_INTERRUPT << 32 |
			     (at >> 16 & 0xffff) << 48;
		idt[v].high = at >> 32;
	}
	load_idt(idt, sizeof(idt) - 1);
}

void td_move_idt(void *to)
{
	memcpy(to, idt, sizeof(idt));
	load_idt(to, sizeof(idt) - 1);
}

/* PML4 entry 1 maps, in 2 MiB pages, the first GiB of guest-physical memory with SHARED set. */
void *map_shared(uint64_t gpa)
{
	uint64_t shared = BIT64(td_info().width - 1);

	for (unsigned i = 0; i < ARRAY_LEN(alias_pd); i++)
		alias_pd[i] = (uint64_t)i * SIZE_2M | shared | 0x83;
	alias_pdpt[0] = (uint64_t)(uintptr_t)alias_pd | PTE_TABLE;
	pml4[1] = (uint64_t)(uintptr_t)alias_pdpt | PTE_TABLE;
	return (void *)(uintptr_t)(BIT64(39) + gpa);
}
