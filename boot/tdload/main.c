/*
 * main.c - the TD loader: accept the RAM, all vCPUs together; then the first enters the kernel and the
 * others wait at the mailbox.
 *
 * Runs inside the TD, at the top of the first 4 GiB. Its memory is zero at the start; there is no IDT,
 * so it touches nothing but its own pages, and asks the host for nothing but the end.
 *
 * Invariants
 *   - The parameters are measured, so whoever trusts the MRTD trusts them; they are checked all
 *     the same, for a mistake here would be hard to find.
 *   - A page that is accepted already is the end: a host that puts a second page in the place of
 *     one that is in use would go unnoticed otherwise.
 *   - The kernel runs only when all RAM is accepted and every vCPU is at the mailbox or on its way.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/tdload.h"

/* TDCALL leaves and statuses: TDX module 1.5 ABI. */
enum { TDG_VP_VMCALL = 0, TDG_VP_INFO = 1, TDG_MR_RTMR_EXTEND = 2, TDG_MEM_PAGE_ACCEPT = 6 };
#define STATUS(rax)             ((uint32_t)((rax) >> 32))
#define STATUS_BUSY             UINT32_C(0x80000200)
#define STATUS_SIZE_MISMATCH    UINT32_C(0xC0000B0B)
#define VMCALL_FATAL_ERROR      UINT64_C(0x10003)
#define VMCALL_MASK             UINT64_C(0xffcc) /* RDX RBX RSI RDI R8-R15 */
#define WIDTH_MASK              UINT64_C(0x3f)

#define RTMR_CMDLINE            2

enum { ACCEPT_4K = 0, ACCEPT_2M = 1 };

struct tdload_regs {
	uint64_t rcx, rdx, rbx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};
_Static_assert(sizeof(struct tdload_regs) == 13 * 8, "entry.asm: tdcall");

/* entry.asm */
uint64_t tdcall(uint64_t rax, struct tdload_regs *r);
NORETURN void kernel_enter(uint64_t entry, uint64_t boot_params);
NORETURN void mailbox_wait(uint32_t apic_id);

NORETURN void tdload_main(uint32_t index);

static struct {
	uint32_t lock;
	uint32_t range;     /* the one that is being shared out; lock */
	uint64_t next;      /* first address of it that nobody has taken; 0: its start; lock */
	uint32_t finished;  /* vCPUs that found nothing left to accept; atomic */
} work;

static void relax(void) { __builtin_ia32_pause(); }

/* The message lies in R14 R15 RBX RDI RSI R8 R9 RDX, lowest byte first (GHCI, ReportFatalError). */
NORETURN static void fatal(const char *message)
{
	uint64_t text[8] = { 0 };

	for (unsigned i = 0; i < sizeof(text) && message[i]; i++)
		text[i / 8] |= (uint64_t)(unsigned char)message[i] << (i % 8 * 8);
	for (;;) {
		struct tdload_regs r = {
			.rcx = VMCALL_MASK, .r11 = VMCALL_FATAL_ERROR, .r14 = text[0],
			.r15 = text[1], .rbx = text[2], .rdi = text[3], .rsi = text[4],
			.r8 = text[5], .r9 = text[6], .rdx = text[7],
		};

		(void)tdcall(TDG_VP_VMCALL, &r);
	}
}

static uint32_t accept_page(uint64_t gpa, unsigned level)
{
	uint32_t st;

	do {
		struct tdload_regs r = { .rcx = gpa | level };

		st = STATUS(tdcall(TDG_MEM_PAGE_ACCEPT, &r));
	} while (st == STATUS_BUSY);
	return st;
}

static void accept_range(uint64_t gpa, uint64_t end)
{
	if (end - gpa == SIZE_2M) {
		uint32_t st = accept_page(gpa, ACCEPT_2M);

		if (st == 0)
			return;
		if (st != STATUS_SIZE_MISMATCH)
			fatal("tdload: 2M of memory would not be accepted");
	}
	for (; gpa < end; gpa += PAGE_SIZE)
		if (accept_page(gpa, ACCEPT_4K) != 0)
			fatal("tdload: a page would not be accepted");
}

/* A piece that nobody else takes: a whole 2M page or less. False: none is left. */
static bool take_piece(const struct tdload_params *p, uint64_t *start, uint64_t *end)
{
	bool found;

	while (__atomic_exchange_n(&work.lock, 1, __ATOMIC_ACQUIRE))
		relax();
	found = work.range < p->range_count;
	if (found) {
		uint64_t limit = p->range[work.range].end;

		*start = work.next ? work.next : p->range[work.range].start;
		*end = align_down(*start, SIZE_2M) + SIZE_2M;
		if (*end > limit)
			*end = limit;
		work.next = *end;
		if (*end == limit) {
			work.range++;
			work.next = 0;
		}
	}
	__atomic_store_n(&work.lock, 0, __ATOMIC_RELEASE);
	return found;
}

static void extend_rtmr(unsigned index, const uint8_t digest[48])
{
	uint64_t rax;

	do {
		struct tdload_regs r = { .rcx = (uintptr_t)digest, .rdx = index };

		rax = tdcall(TDG_MR_RTMR_EXTEND, &r);
	} while (STATUS(rax) == STATUS_BUSY);
	if (rax)
		fatal("tdload: an RTMR would not be extended");
}

static void check(const struct tdload_params *p, uint32_t index)
{
	struct tdload_regs r = { 0 };
	uint64_t shared;

	if (tdcall(TDG_VP_INFO, &r))
		fatal("tdload: VP.INFO failed");
	shared = BIT64((r.rcx & WIDTH_MASK) - 1);
	if (p->magic != TDLOAD_MAGIC || p->range_count > TDLOAD_RANGES_MAX)
		fatal("tdload: these are no parameters of mine");
	if ((uint32_t)r.r8 != p->vcpus || (uint32_t)r.r9 != index)
		fatal("tdload: not the number of vCPUs that was measured");
	for (uint32_t i = 0; i < p->range_count; i++)
		if (p->range[i].start >= p->range[i].end || p->range[i].end > shared)
			fatal("tdload: memory beyond the private half");
}

void tdload_main(uint32_t index)
{
	const struct tdload_params *p = (const struct tdload_params *)TDLOAD_PARAMS;
	uint64_t start, end;

	check(p, index);
	while (take_piece(p, &start, &end))
		accept_range(start, end);
	__atomic_add_fetch(&work.finished, 1, __ATOMIC_ACQ_REL);
	if (index != 0)
		mailbox_wait(index);
	while (__atomic_load_n(&work.finished, __ATOMIC_ACQUIRE) != p->vcpus)
		relax();
	extend_rtmr(RTMR_CMDLINE, p->cmdline_digest);
	kernel_enter(p->entry, p->boot_params);
}
