/*
 * state.c - processor state that a VM entry does not load and an exit does not save: extended state,
 * debug registers, CR2, and the MSRs that a TD reaches without an exit.
 *
 * Invariants
 *   - The kernel uses no extended state, so only XCR0 and XSS of the host are kept; the registers
 *     are left in their initial state, as a TDX module leaves them, but for the XMM registers that a
 *     TDVMCALL passes. Those that the host made its SEAMCALL with are in the CPU until a vCPU's
 *     state is loaded.
 *   - Extended state is saved and restored under XCR0 = all of XFAM's user bits: the guest's own
 *     XCR0 may hide components that still hold its data.
 *   - Where the CPU gets the compacted format wrong (Bochs 2.7 puts YMM registers 160 bytes too low,
 *     and what follows them over the header), the standard format is used, and guests are not told
 *     of the other.
 *   - What the module never looks at between two stays of one SEAMCALL stays in the registers until
 *     that SEAMCALL ends; CR2, DR6, XCR0 and XSS, which it may change, are exchanged at each stay.
 *   - An MSR is switched only if the CPU has it; the list is made once.
 *
 * SDM volume 1, chapter "Managing State Using the XSAVE Feature Set".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "kernel/base/log.h"
#include "kernel/machine/direct_map.h"
#include "tdx/soft/vmx/soft_vmx.h"
#include "tdx/soft/xmm.h"

#define MSR_XSS      0xda0
#define XFAM_USER    (BITS64(7, 0) | BIT64(9) | BIT64(17) | BIT64(18)) /* XCR0's; the rest is XSS's */
#define XCR0_YMM     7
/* 64-bit words of an XSAVE area. */
#define XSTATE_BV    64
#define XCOMP_BV     65
#define XSAVE_YMM    72
#define XSAVE_WINDOW 0 /* first of three window slots, for areas of more than a page */
#define XSAVE_PAGES  3

/* Reached by every TD on every CPU, and used by no code of the kernel: no host value to bring back. */
enum {
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_FMASK = 0xc0000084,
	MSR_KERNEL_GS_BASE = 0xc0000102,
};

struct switched {
	uint32_t msr;
	uint16_t offset; /* in struct soft_guest_msrs */
};
#define AT(field) offsetof(struct soft_guest_msrs, field)

/* clang-format off */
/* The CPUID bit that brings each of the others. Their host values come back. */
static const struct {
	struct switched msr;
	uint32_t leaf, subleaf;
	enum { EAX, EBX, ECX, EDX } reg;
	uint8_t bit;
} known[] = {
	{ { 0xc0000103, AT(tsc_aux) },        0x80000001, 0, EDX, 27 },
	{ { 0x48,       AT(spec_ctrl) },      7,          0, EDX, 26 },
	{ { 0xe1,       AT(umwait_control) }, 7,          0, ECX, 5 },
	{ { 0x1c4,      AT(xfd) },            0xd,        1, EAX, 4 },
	{ { 0x1c5,      AT(xfd_err) },        0xd,        1, EAX, 4 },
	{ { 0x600,      AT(ds_area) },        1,          0, EDX, 21 },
};
/* clang-format on */
_Static_assert(ARRAY_LEN(known) <= SWITCHED_MSRS, "svmx_lp.host_msr");

static struct switched list[SWITCHED_MSRS];
static unsigned list_count;
static bool compacts;

static uint32_t pick(const struct cpuid_regs *r, unsigned reg)
{
	const uint32_t all[] = { r->eax, r->ebx, r->ecx, r->edx };

	return all[reg];
}

/* The host may have come back from a plain guest with XSAVE off in its CR4. */
static void enable_xsave(void)
{
	uint64_t cr4 = cr4_read();

	if (!(cr4 & CR4_OSXSAVE))
		cr4_write(cr4 | CR4_OSXSAVE);
}

/* YMM0 in by the standard format, out by the compacted one: does it stand where the SDM says? */
static bool try_compaction(void)
{
	static struct {
		uint64_t word[XSAVE_YMM + 64];
	} area ALIGNED(64);
	const uint64_t mark = UINT64_C(0x5461696e);
	uint64_t host;
	bool right;

	if ((cpuid(0xd, 0).eax & XCR0_YMM) == 0)
		return true;
	enable_xsave();
	host = xgetbv(0);
	xsetbv(0, XCR0_YMM);
	area.word[XSTATE_BV] = BIT64(2);
	area.word[XSAVE_YMM] = mark;
	xrstor64(&area, XCR0_YMM);
	area.word[XSAVE_YMM] = 0;
	xsaves64(&area, XCR0_YMM);
	right = area.word[XSAVE_YMM] == mark;
	area = (typeof(area)){ 0 };
	xrstor64(&area, XCR0_YMM); /* all to its initial state */
	xsetbv(0, host);
	return right;
}

bool state_compacts(void) { return compacts; }

void state_init(void)
{
	compacts = try_compaction();
	if (!compacts)
		log_debug("soft: this CPU's XSAVES is wrong: XSAVE is used, and guests see no XSAVES");
	list_count = 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct cpuid_regs max = cpuid(known[i].leaf & 0x80000000, 0);
		struct cpuid_regs r = cpuid(known[i].leaf, known[i].subleaf);

		if (known[i].leaf <= max.eax && (pick(&r, known[i].reg) & BIT32(known[i].bit)))
			list[list_count++] = known[i].msr;
	}
}

static uint64_t *guest_msr(struct soft_vcpu *v, const struct switched *s)
{
	return (uint64_t *)(void *)((char *)&v->msr + s->offset);
}

/* The vCPU's XSAVE area at one linear address: a page of the alias, or three windows in a row. */
static void *xsave_area(const struct soft_vcpu *v)
{
	char *first;

	if (!(v->xfam & (BIT64(17) | BIT64(18)))) /* without AMX tiles it fits one page */
		return alias(v->page[3]);
	first = window_map(XSAVE_WINDOW, (hpa_t){ v->page[3] });
	for (unsigned i = 1; i < XSAVE_PAGES; i++)
		if ((char *)window_map(XSAVE_WINDOW + i, (hpa_t){ v->page[3 + i] }) !=
		    first + i * PAGE_SIZE)
			panic("soft: window slots are not in a row");
	return first;
}

static void set_xcr0(uint64_t value)
{
	if (xgetbv(0) != value)
		xsetbv(0, value);
}

static void set_xss(const struct soft_vcpu *v, uint64_t value)
{
	if (v->xfam & ~XFAM_USER)
		wrmsr(MSR_XSS, value);
}

/* The area's first contents are the module's: nothing in use, in the compacted format. */
static void restore(const struct soft_vcpu *v)
{
	if (compacts)
		xrstors64(xsave_area(v), v->xfam);
	else
		xrstor64(xsave_area(v), v->xfam);
}

static void save(const struct soft_vcpu *v)
{
	uint64_t *area = xsave_area(v);

	if (compacts) {
		xsaves64(area, v->xfam);
		return;
	}
	xsave64(area, v->xfam);
	area[XCOMP_BV] = 0;
}

static void load_extended(struct svmx_lp *me, struct soft_vcpu *v)
{
	enable_xsave();
	me->host_xcr0 = xgetbv(0);
	if (v->xfam & ~XFAM_USER)
		me->host_xss = rdmsr(MSR_XSS);
	set_xcr0(v->xfam & XFAM_USER);
	set_xss(v, v->xfam & ~XFAM_USER);
	restore(v);
	set_xcr0(v->xcr0);
	set_xss(v, v->xss);
}

static void save_extended(struct svmx_lp *me, struct soft_vcpu *v)
{
	static const uint64_t initial[72] ALIGNED(64) = { [65] = BIT64(63) };

	enable_xsave();
	set_xcr0(v->xfam & XFAM_USER);
	set_xss(v, v->xfam & ~XFAM_USER);
	save(v);
	xrstors64(initial, v->xfam); /* XSTATE_BV is 0: everything to its initial state */
	set_xss(v, me->host_xss);
	set_xcr0(me->host_xcr0);
}

static void load_msrs(struct svmx_lp *me, struct soft_vcpu *v)
{
	wrmsr(MSR_STAR, v->msr.star);
	wrmsr(MSR_LSTAR, v->msr.lstar);
	wrmsr(MSR_FMASK, v->msr.fmask);
	wrmsr(MSR_KERNEL_GS_BASE, v->msr.kernel_gs_base);
	for (unsigned i = 0; i < list_count; i++) {
		me->host_msr[i] = rdmsr(list[i].msr);
		wrmsr(list[i].msr, *guest_msr(v, &list[i]));
	}
}

static void save_msrs(struct svmx_lp *me, struct soft_vcpu *v)
{
	v->msr.star = rdmsr(MSR_STAR);
	v->msr.lstar = rdmsr(MSR_LSTAR);
	v->msr.fmask = rdmsr(MSR_FMASK);
	v->msr.kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	for (unsigned i = 0; i < list_count; i++) {
		*guest_msr(v, &list[i]) = rdmsr(list[i].msr);
		wrmsr(list[i].msr, me->host_msr[i]);
	}
}

void state_load(struct svmx_lp *me, struct soft_vcpu *v)
{
	if (me->loaded != v) {
		assert(!me->loaded);
		load_extended(me, v);
		load_msrs(me, v);
		dr0_write(v->dr[0]);
		dr1_write(v->dr[1]);
		dr2_write(v->dr[2]);
		dr3_write(v->dr[3]);
		me->loaded = v;
	} else {
		set_xcr0(v->xcr0);
		set_xss(v, v->xss);
	}
	cr2_write(v->cr2);
	dr6_write(v->dr6);
}

void state_save(struct soft_vcpu *v)
{
	v->cr2 = cr2_read();
	v->dr6 = dr6_read();
}

void state_unload(struct svmx_lp *me)
{
	struct soft_vcpu *v = me->loaded;

	if (!v)
		return;
	me->loaded = NULL;
	v->dr[0] = dr0_read();
	v->dr[1] = dr1_read();
	v->dr[2] = dr2_read();
	v->dr[3] = dr3_read();
	save_msrs(me, v);
	save_extended(me, v);
}

/* XMM registers are in the first page, also of a larger area. */
static struct xsave_head *xsave_head(const struct soft_vcpu *v) { return alias(v->page[3]); }

/* The SEAMCALL ends soon: the guest's state is put away now, and nothing uses XMM registers till then. */
void svmx_xmm_out(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask)
{
	struct fx_area host ALIGNED(64);

	(void)ctx;
	assert(svmx_lp(lp)->loaded == v);
	state_unload(svmx_lp(lp));
	xmm_to_host(xsave_head(v), mask, &host);
	fxrstor64(&host);
}

void svmx_xmm_in(void *ctx, unsigned lp, struct soft_vcpu *v, uint16_t mask)
{
	struct fx_area host ALIGNED(64);

	(void)ctx;
	assert(!svmx_lp(lp)->loaded);
	fxsave64(&host);
	xmm_to_vcpu(xsave_head(v), mask, &host);
}

#define XSAVE_LEGACY_BYTES 576 /* legacy area and header */
#define XSAVE_ALIGNED      BIT32(1)

/* SDM volume 1, "Compacted Format of Extended Region": leaf Dh, sub-leaf 1 is wrong on some emulators. */
static uint32_t compacted_size(uint64_t features)
{
	uint64_t at = XSAVE_LEGACY_BYTES;

	for (unsigned i = 2; i < 63; i++) {
		if (!(features >> i & 1))
			continue;

		struct cpuid_regs r = cpuid(0xd, i);

		at = (r.ecx & XSAVE_ALIGNED ? align_up(at, 64) : at) + r.eax;
	}
	return (uint32_t)at;
}

uint32_t svmx_xsave_size(void *ctx, unsigned lp, struct soft_vcpu *v, unsigned subleaf)
{
	uint64_t host;
	uint32_t size;

	(void)ctx, (void)lp;
	if (subleaf == 1)
		return compacted_size(v->xcr0 | v->xss);
	enable_xsave();
	host = xgetbv(0); /* the host's, or the guest's after a stay: it comes back as it was */
	set_xcr0(v->xcr0);
	set_xss(v, v->xss);
	size = cpuid(0xd, subleaf).ebx;
	set_xcr0(host);
	return size;
}
