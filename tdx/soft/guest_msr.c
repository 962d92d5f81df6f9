/*
 * guest_msr.c - RDMSR and WRMSR in a TD, and the MSR bitmap that decides which of them exit.
 *
 * Invariants
 *   - One table; the bitmap is made from it, and an exit is answered from it, so they cannot
 * differ.
 *   - An MSR that is not in the table is #VE.
 *
 * Facts: guest ABI reference section 3.5.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/guest.h"

/* What happens. "If" actions are native when the TD has the feature. */
/* clang-format off */
enum action {
	VE, GP, NAT,
	IF_PERFMON, IF_METRICS, IF_WAITPKG, IF_TSX, IF_XFD, IF_PT, IF_CET, IF_UINTR, IF_LBR, IF_PKS, /* else #GP */
	VE_IF_DCA, VE_IF_TSC_DEADLINE, VE_IF_TME, VE_IF_MKTME,                           /* else #GP */
	VIRTUAL,           /* a value made by TDH.MNG.INIT */
	RD_XAPIC_STATUS, RD_MISC_ENABLE, RD_DEBUGCTL, RD_PERF_CAP,
	WR_DEBUGCTL, WR_XSS, WR_EFER,
};
/* clang-format on */

/* clang-format off */
static const struct msr_row {
	uint32_t first, last;
	uint8_t rd, wr;
} rows[] = {
	{ 0x10, 0x10, NAT, VE },          { 0x48, 0x49, NAT, NAT },
	{ 0x87, 0x87, VE_IF_MKTME, VE_IF_MKTME }, { 0x8c, 0x8f, GP, GP },
	{ 0x98, 0x9b, GP, GP },           { 0x9e, 0x9e, GP, GP },
	{ 0xbc, 0xbc, NAT, VE },          { 0xbd, 0xbd, RD_XAPIC_STATUS, NAT },
	{ 0xc1, 0xc8, IF_PERFMON, IF_PERFMON }, { 0xe1, 0xe1, IF_WAITPKG, IF_WAITPKG },
	{ 0x10a, 0x10a, VIRTUAL, NAT },   { 0x10b, 0x10b, NAT, NAT },
	{ 0x122, 0x122, IF_TSX, IF_TSX }, { 0x174, 0x176, NAT, NAT },
	{ 0x186, 0x18d, IF_PERFMON, IF_PERFMON }, { 0x195, 0x195, GP, GP },
	{ 0x1a0, 0x1a0, RD_MISC_ENABLE, VE }, { 0x1a6, 0x1a7, IF_PERFMON, IF_PERFMON },
	{ 0x1c4, 0x1c5, IF_XFD, IF_XFD }, { 0x1d9, 0x1d9, RD_DEBUGCTL, WR_DEBUGCTL },
	{ 0x1f8, 0x1fa, VE_IF_DCA, VE_IF_DCA }, { 0x276, 0x276, GP, GP },
	{ 0x277, 0x277, NAT, NAT },       { 0x309, 0x310, IF_PERFMON, IF_PERFMON },
	{ 0x329, 0x329, IF_METRICS, IF_METRICS }, { 0x345, 0x345, RD_PERF_CAP, IF_PERFMON },
	{ 0x38d, 0x392, IF_PERFMON, IF_PERFMON }, { 0x3f1, 0x3f2, IF_PERFMON, IF_PERFMON },
	{ 0x3f6, 0x3f7, IF_PERFMON, IF_PERFMON },
	{ 0x480, 0x480, VIRTUAL, GP },    { 0x481, 0x484, VE, GP },
	{ 0x485, 0x489, VIRTUAL, GP },    { 0x48a, 0x48a, VE, GP },
	{ 0x48b, 0x492, VIRTUAL, GP },    { 0x4c1, 0x4c8, IF_PERFMON, IF_PERFMON },
	{ 0x500, 0x500, GP, GP },         { 0x560, 0x561, IF_PT, IF_PT },
	{ 0x570, 0x572, IF_PT, IF_PT },   { 0x580, 0x587, IF_PT, IF_PT },
	{ 0x600, 0x600, NAT, NAT },       { 0x6a0, 0x6a0, IF_CET, IF_CET },
	{ 0x6a2, 0x6a2, IF_CET, IF_CET }, { 0x6a4, 0x6a8, IF_CET, IF_CET },
	{ 0x6e0, 0x6e0, VE_IF_TSC_DEADLINE, VE_IF_TSC_DEADLINE }, { 0x6e1, 0x6e1, IF_PKS, IF_PKS },
	{ 0x800, 0x801, GP, GP },         { 0x802, 0x803, VE, VE },
	{ 0x804, 0x807, GP, GP },         { 0x808, 0x80c, NAT, NAT },
	{ 0x80d, 0x80d, VE, VE },         { 0x80e, 0x80e, NAT, NAT },
	{ 0x80f, 0x80f, VE, VE },         { 0x810, 0x827, NAT, NAT },
	{ 0x828, 0x828, VE, VE },         { 0x829, 0x82e, GP, GP },
	{ 0x82f, 0x830, VE, VE },         { 0x831, 0x831, GP, GP },
	{ 0x832, 0x83e, VE, VE },         { 0x83f, 0x83f, NAT, NAT },
	{ 0x840, 0x8ff, GP, GP },         { 0x981, 0x984, VE_IF_TME, VE_IF_TME },
	{ 0x985, 0x98a, IF_UINTR, IF_UINTR }, { 0xc80, 0xc80, NAT, VE },
	{ 0xd90, 0xd90, GP, GP },         { 0xd93, 0xd93, GP, GP },
	{ 0xda0, 0xda0, NAT, WR_XSS },    { 0x1200, 0x12ff, IF_LBR, IF_LBR },
	{ 0x14ce, 0x14cf, IF_LBR, IF_LBR }, { 0x1500, 0x16ff, IF_LBR, IF_LBR },
	{ 0x1b01, 0x1b01, NAT, NAT },     { 0xc0000080, 0xc0000080, NAT, WR_EFER },
	{ 0xc0000081, 0xc0000082, NAT, NAT }, { 0xc0000084, 0xc0000084, NAT, NAT },
	{ 0xc0000100, 0xc0000103, NAT, NAT },
};
/* clang-format on */

#define EFER_SCE BIT64(0)
#define EFER_LMA BIT64(10)

#define DEBUGCTL_LEGAL      (BITS64(2, 0) | BITS64(15, 6))
#define DEBUGCTL_TR         BIT64(6)
#define DEBUGCTL_BTS        BIT64(7)
#define DEBUGCTL_UNCORE_PMI BIT64(13)
#define XSS_BITS            (BIT64(8) | BIT64(10) | BIT64(11) | BIT64(12) | BIT64(13) | BIT64(14) | BIT64(15))

#define MSR_PERF_CAP        0x345
#define PERF_CAP_METRICS    BIT64(15)
#define PERF_CAP_PEBS_TO_PT BIT64(16)

static bool has_feature(const struct call *c, const struct tdcs *t, uint8_t action)
{
	bool perfmon = (t->attributes & ATTR_PERFMON) != 0;

	switch (action) {
	case IF_PERFMON:
		return perfmon;
	case IF_METRICS:
		return perfmon && (call_rdmsr(c, MSR_PERF_CAP) & PERF_CAP_METRICS);
	case IF_PKS:
		return (t->attributes & ATTR_PKS) != 0;
	case IF_WAITPKG:
		return (t->cpuid_flags & HAS_WAITPKG) != 0;
	case IF_TSX:
		return (t->cpuid_flags & HAS_TSX) != 0;
	case IF_XFD:
		return (t->cpuid_flags & HAS_XFD) != 0;
	case IF_PT:
		return (t->xfam & BIT64(8)) != 0;
	case IF_CET:
		return (t->xfam & BIT64(11)) != 0;
	case IF_UINTR:
		return (t->xfam & BIT64(14)) != 0;
	case IF_LBR:
		return (t->xfam & BIT64(15)) != 0;
	case VE_IF_DCA:
		return (t->cpuid_flags & HAS_DCA) != 0;
	case VE_IF_TSC_DEADLINE:
		return (t->cpuid_flags & HAS_TSC_DEADLINE) != 0;
	case VE_IF_TME:
		return (t->cpuid_flags & HAS_TME) != 0;
	case VE_IF_MKTME:
		return (t->cpuid_flags & HAS_MKTME) != 0;
	default:
		return true;
	}
}

/* The table's action made definite for this TD. */
static uint8_t resolve(const struct call *c, const struct tdcs *t, uint8_t action)
{
	bool perfmon = (t->attributes & ATTR_PERFMON) != 0;

	if (action >= IF_PERFMON && action <= IF_PKS)
		return has_feature(c, t, action) ? NAT : GP;
	if (action >= VE_IF_DCA && action <= VE_IF_MKTME)
		return has_feature(c, t, action) ? VE : GP;
	if (action == RD_MISC_ENABLE)
		return perfmon ? NAT : action;
	if (action == RD_PERF_CAP)
		return perfmon && has_feature(c, t, IF_PT) ? NAT : action;
	return action;
}

static const struct msr_row *row_of(uint32_t msr)
{
	unsigned low = 0, high = ARRAY_LEN(rows);

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (msr < rows[mid].first)
			high = mid;
		else if (msr > rows[mid].last)
			low = mid + 1;
		else
			return &rows[mid];
	}
	return NULL;
}

bool vmsr_index(uint32_t msr, unsigned *index)
{
	*index = msr == 0x10a ? 0 : msr - 0x480 + 1;
	return msr == 0x10a || (msr >= 0x480 && msr - 0x480 + 1 < VMSR_COUNT);
}

/* One bit for each MSR of both ranges, reads first (SDM: "MSR-Bitmap Address"). */
static void allow(uint64_t *bitmap, uint32_t msr, bool write)
{
	uint32_t bit = (msr & 0x1fff) + (msr & BIT32(31) ? 8192u : 0) + (write ? 16384u : 0);

	bitmap[bit / 64] &= ~BIT64(bit % 64);
}

/* A capability MSR of the kind "must be 1 below, may be 1 above", and one that lists what may be.
 */
static uint64_t controls(uint32_t init, uint32_t variable)
{
	return (init & ~variable) | (uint64_t)(init | variable) << 32;
}

static uint32_t with(uint32_t v, uint32_t bits, bool on) { return on ? v | bits : v & ~bits; }

/* Bits of the controls that follow from what the TD has. */
#define PRIMARY_MWAIT_MONITOR (BIT32(10) | BIT32(29))
#define PRIMARY_RDPMC         BIT32(11)
#define SECONDARY_WAITPKG     BIT32(26)
#define SECONDARY_PCONFIG     BIT32(27)
#define EXIT_PERF_GLOBAL      (BIT32(12) | BIT32(30))
#define ENTRY_PERF_GLOBAL     BIT32(13)
#define ENTRY_PKRS            BIT32(22)

static uint64_t virtual_primary(const struct tdcs *t)
{
	bool perfmon = (t->attributes & ATTR_PERFMON) != 0;
	uint32_t init = with(0x91220088, PRIMARY_MWAIT_MONITOR, !(t->cpuid_flags & HAS_MONITOR));

	return controls(with(init, PRIMARY_RDPMC, !perfmon),
			with(0x48d99a04, PRIMARY_RDPMC, perfmon));
}

static uint64_t virtual_secondary(const struct tdcs *t)
{
	bool wait = (t->cpuid_flags & HAS_WAITPKG) != 0, mktme = (t->cpuid_flags & HAS_MKTME) != 0;
	uint32_t features = (wait ? SECONDARY_WAITPKG : 0) | (mktme ? SECONDARY_PCONFIG : 0);
	const uint32_t both = SECONDARY_WAITPKG | SECONDARY_PCONFIG;

	return controls((0x1338b3fa & ~both) | features, (0x0c513e0c & ~both) | features);
}

static uint64_t virtual_exit(const struct tdcs *t)
{
	bool perf = (t->attributes & (ATTR_PERFMON | ATTR_DEBUG)) != 0;

	return controls(with(0x1f3c8204, EXIT_PERF_GLOBAL, perf), 0);
}

static uint64_t virtual_entry(const struct tdcs *t)
{
	bool perf = (t->attributes & (ATTR_PERFMON | ATTR_DEBUG)) != 0;
	bool pks = (t->attributes & (ATTR_PKS | ATTR_DEBUG)) != 0;
	uint32_t init = with(0x003ec004, ENTRY_PERF_GLOBAL, perf);

	return controls(with(init, ENTRY_PKRS, pks), 0x200);
}

#define CR4_L2_INIT     UINT64_C(0x2040)
#define CR4_L2_WRITABLE UINT64_C(0x03ff1fbf)

/* CR4 bits that a nested VM may set. */
static uint64_t virtual_cr4_fixed1(const struct call *c, const struct tdcs *t)
{
	uint64_t may = CR4_L2_WRITABLE & ~call_rdmsr(c, 0x488) & call_rdmsr(c, 0x489) & ~BIT64(19);

	if (!(t->xfam & BIT64(9)))
		may &= ~BIT64(22);
	if ((t->xfam & BITS64(12, 11)) != BITS64(12, 11))
		may &= ~BIT64(23);
	if (!(t->attributes & ATTR_PKS))
		may &= ~BIT64(24);
	if (!(t->xfam & BIT64(14)))
		may &= ~BIT64(25);
	return CR4_L2_INIT | may;
}

#define EPT_CAP_SSS       BIT64(23)
#define EPT_CAP_HLAT_SIZE BITS64(53, 48)

/* The VMX capabilities that a TD reads: what it could give to nested VMs. */
static void set_virtual_vmx(const struct call *c, struct tdcs *t)
{
	uint64_t ept = 0x430001 | (call_rdmsr(c, 0x48c) & EPT_CAP_HLAT_SIZE);
	const struct {
		uint32_t msr;
		uint64_t value;
	} rows480[] = {
		{ 0x480, UINT64_C(0x1c0000000000000) },
		{ 0x485, 0x600440e0 },
		{ 0x486, 0x20 },
		{ 0x487, 0x8005003f },
		{ 0x488, CR4_L2_INIT & ~(virtual_cr4_fixed1(c, t) & ~CR4_L2_INIT) },
		{ 0x489, virtual_cr4_fixed1(c, t) },
		{ 0x48b, virtual_secondary(t) },
		{ 0x48c, t->xfam & BIT64(12) ? ept | EPT_CAP_SSS : ept },
		{ 0x48d, controls(0x29, 0) },
		{ 0x48e, virtual_primary(t) },
		{ 0x48f, virtual_exit(t) },
		{ 0x490, virtual_entry(t) },
		{ 0x491, 0 },
		{ 0x492, 0x8e },
	};
	unsigned index;

	for (unsigned i = 0; i < ARRAY_LEN(rows480); i++)
		if (vmsr_index(rows480[i].msr, &index))
			t->vmsr[index] = rows480[i].value;
}

void guest_msr_init(struct call *c, struct tdcs *t, uint64_t *bitmap)
{
	set_virtual_vmx(c, t);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		for (uint32_t m = rows[i].first; m <= rows[i].last; m++) {
			if (resolve(c, t, rows[i].rd) == NAT)
				allow(bitmap, m, false);
			if (resolve(c, t, rows[i].wr) == NAT)
				allow(bitmap, m, true);
		}
}

static uint64_t virtual_value(const struct tdcs *t, uint32_t msr)
{
	unsigned index;

	return vmsr_index(msr, &index) ? t->vmsr[index] : 0;
}

/* Only asked when the TD has not both performance monitoring and the trace unit. */
static uint64_t perf_capabilities(const struct guest *g)
{
	return g->td.tdcs->attributes & ATTR_PERFMON
		       ? call_rdmsr(g->c, MSR_PERF_CAP) & ~PERF_CAP_PEBS_TO_PT
		       : 0;
}

static enum guest_next answer(struct guest *g, uint64_t value)
{
	g->vp->v.gpr.rax = (uint32_t)value;
	g->vp->v.gpr.rdx = value >> 32;
	guest_advance(g);
	return RESUME;
}

enum guest_next guest_rdmsr(struct guest *g)
{
	const struct tdcs *t = g->td.tdcs;
	uint32_t msr = (uint32_t)g->vp->v.gpr.rcx;
	const struct msr_row *row = row_of(msr);

	switch (row ? resolve(g->c, t, row->rd) : VE) {
	case VIRTUAL:
		return answer(g, virtual_value(t, msr));
	case RD_XAPIC_STATUS:
		return answer(g, 1);
	case RD_MISC_ENABLE:
		return answer(g, (call_rdmsr(g->c, msr) & ~BIT64(7)) | BIT64(12));
	case RD_DEBUGCTL:
		return answer(g, guest_vmread(g, F_DEBUGCTL) & ~DEBUGCTL_UNCORE_PMI);
	case RD_PERF_CAP:
		return answer(g, perf_capabilities(g));
	case VE:
		return guest_inject_ve(g, 0, 0);
	default:
		return guest_inject(g, VEC_GP, true);
	}
}

static enum guest_next write_debugctl(struct guest *g, uint64_t value)
{
	if (value & ~DEBUGCTL_LEGAL)
		return guest_inject(g, VEC_GP, true);
	if ((value & DEBUGCTL_TR) && !(value & DEBUGCTL_BTS))
		return guest_inject_ve(g, 0, 0);

	guest_vmwrite(g, F_DEBUGCTL,
		      (value & ~DEBUGCTL_UNCORE_PMI) |
			      (guest_vmread(g, F_DEBUGCTL) & DEBUGCTL_UNCORE_PMI));
	guest_advance(g);
	return RESUME;
}

static enum guest_next write_xss(struct guest *g, uint64_t value)
{
	if (value & ~(g->td.tdcs->xfam & XSS_BITS))
		return guest_inject(g, VEC_GP, true);
	g->vp->v.xss = value;
	guest_advance(g);
	return RESUME;
}

static enum guest_next write_efer(struct guest *g, uint64_t value)
{
	uint64_t efer = guest_vmread(g, F_EFER);

	if ((value ^ efer) & ~(EFER_SCE | EFER_LMA))
		return guest_inject_ve(g, 0, 0);
	guest_vmwrite(g, F_EFER, (efer & ~EFER_SCE) | (value & EFER_SCE));
	guest_advance(g);
	return RESUME;
}

enum guest_next guest_wrmsr(struct guest *g)
{
	const struct soft_regs *gpr = &g->vp->v.gpr;
	uint64_t value = (uint32_t)gpr->rax | gpr->rdx << 32;
	const struct msr_row *row = row_of((uint32_t)gpr->rcx);

	switch (row ? resolve(g->c, g->td.tdcs, row->wr) : VE) {
	case WR_DEBUGCTL:
		return write_debugctl(g, value);
	case WR_XSS:
		return write_xss(g, value);
	case WR_EFER:
		return write_efer(g, value);
	case VE:
		return guest_inject_ve(g, 0, 0);
	default:
		return guest_inject(g, VEC_GP, true);
	}
}
