/*
 * cpuid.c - CPUID: SYS.INIT's and LP.INIT's checks, and a TD's virtual values.
 *
 * Invariants
 *   - cpuid_configure() either fills all values or reports the first bad CPUID_CONFIG entry; the TD
 *     stays uninitialised then.
 *
 * Facts: ABI reference section 4.8, guest ABI reference section 3.4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tdx/soft/cpuid.h"

#include <string.h>

enum { EAX, EBX, ECX, EDX };

const struct cpuid_row *cpuid_row(const struct soft_module *m, unsigned i)
{
	const struct soft_profile *p = m->profile;

	for (unsigned n = 0; n < p->patch_count; n++)
		if (p->patches[n].row == i)
			return &p->patches[n].now;
	return &cpuid_rows[i];
}

/* Leaf and sub-leaf of a row are the same in all versions. */
static int row_of(unsigned rows, uint32_t leaf, uint32_t sub)
{
	for (unsigned i = 0; i < rows; i++)
		if (cpuid_rows[i].leaf == leaf &&
		    (cpuid_rows[i].sub == sub || cpuid_rows[i].sub == CPUID_ANY_SUB))
			return (int)i;
	return -1;
}

int cpuid_row_of(const struct soft_module *m, uint32_t leaf, uint32_t sub)
{
	return row_of(m->profile->cpuid_rows, leaf, sub);
}

uint64_t cpuid_row_id(unsigned row)
{
	return cpuid_rows[row].leaf | (uint64_t)cpuid_rows[row].sub << 32;
}

void cpuid_native(const struct call *c, uint32_t leaf, uint32_t sub, bool guest, uint32_t out[4])
{
	const struct soft_machine *mc = c->m->machine;
	uint32_t top[4];

	if (sub == CPUID_ANY_SUB)
		sub = 0;
	mc->ops->cpuid(mc->ctx, c->lp, leaf & BIT32(31), 0, top);
	memset(out, 0, 4 * sizeof(out[0]));
	if (leaf > top[EAX])
		return;
	if (guest && mc->ops->cpuid_guest)
		mc->ops->cpuid_guest(mc->ctx, c->lp, leaf, sub, out);
	else
		mc->ops->cpuid(mc->ctx, c->lp, leaf, sub, out);
}

static uint64_t pair(const uint32_t r[4], unsigned i) { return r[i] | (uint64_t)r[i + 1] << 32; }

/* A value that no mask can express: reported as if it were one. */
static tdx_status_t bad_value(struct call *c, unsigned row, unsigned reg, uint32_t mask,
			      uint32_t value)
{
	uint64_t *masks = reg < ECX ? &c->r->rdx : &c->r->r8,
		 *values = reg < ECX ? &c->r->r9 : &c->r->r10;

	c->r->rcx = cpuid_row_id(row);
	c->r->rdx = c->r->r8 = c->r->r9 = c->r->r10 = 0;
	*masks = (uint64_t)mask << (reg & 1 ? 32 : 0);
	*values = (uint64_t)value << (reg & 1 ? 32 : 0);
	return FAIL(INCORRECT_CPUID_VALUE, 0);
}

#define PERFMON_VERSION     UINT32_C(0xff)
#define PERFMON_MIN_VERSION 5
#define MAX_FIXED_COUNTERS  7
#define FIXED_COUNTERS      UINT32_C(0x1f)

static tdx_status_t check_perfmon(struct call *c, const uint32_t v[4])
{
	/* The mask shown is not the one used. */
	if ((v[EAX] & PERFMON_VERSION) < PERFMON_MIN_VERSION)
		return bad_value(c, ROW_A, EAX, 0xf, PERFMON_MIN_VERSION);
	if ((v[EDX] & FIXED_COUNTERS) > MAX_FIXED_COUNTERS)
		return bad_value(c, ROW_A, EDX, FIXED_COUNTERS, MAX_FIXED_COUNTERS);
	return OK;
}

#define LA57        BIT32(16)
#define LINEAR_BITS UINT32_C(0xff00)

/* Linear address bits go with LA57 of leaf 7, which has been read before. */
static tdx_status_t check_linear_bits(struct call *c, const uint32_t v[4])
{
	uint32_t linear = c->m->cpuid[ROW_7_0][ECX] & LA57 ? 57u << 8 : 48u << 8;

	return (v[EAX] & LINEAR_BITS) == linear
		       ? OK
		       : bad_value(c, ROW_80000008, EAX, LINEAR_BITS, linear);
}

/* Leaf 15: the crystal's rate and its ratio to the TSC. */
static tdx_status_t check_tsc_leaf(struct call *c, const uint32_t v[4])
{
	(void)c;
	return v[EAX] && v[EBX] && v[ECX] ? OK : FAIL(CPUID_LEAF_NOT_SUPPORTED, 0x15);
}

/* Leaf 1F, sub-leaf by sub-leaf: what has been seen so far. */
struct topology {
	uint32_t type, shift;
	bool core;
};

#define TOPOLOGY_CORE 2
#define TOPOLOGY_DIE  5 /* the highest level type there is */

/* WBINVD must reach exactly a package: the last-level cache is shared by all its LPs. */
static tdx_status_t check_wbinvd_scope(const struct call *c, uint32_t shift)
{
	uint32_t sharers = c->m->cpuid[ROW_4_3][EAX] >> 14 & 0xfff;

	return shift && sharers >> (shift - 1) == 1 ? OK : FAIL(INVALID_WBINVD_SCOPE, 0);
}

/* Level types ascend; after the last valid one its shift gives the package of an x2APIC id. */
static tdx_status_t check_topology(struct call *c, struct topology *t, unsigned sub,
				   const uint32_t v[4])
{
	uint32_t type = v[ECX] >> 8 & 0xff, before = t->type;

	t->type = type;
	if (type) {
		if (type <= before || type > TOPOLOGY_DIE)
			return FAIL(CPUID_LEAF_1F_FORMAT_UNRECOGNIZED, 0);
		t->shift = v[EAX] & 0x1f;
		t->core |= type == TOPOLOGY_CORE;
		return OK;
	}
	if (sub == 0 || !t->core)
		return FAIL(CPUID_LEAF_NOT_SUPPORTED, OP_RAX);
	if (!before)
		return OK;
	c->m->pkg_shift = t->shift;
	return check_wbinvd_scope(c, t->shift);
}

/* What no mask can say about row @i. */
static tdx_status_t check_special(struct call *c, unsigned i, struct topology *t)
{
	const uint32_t *v = c->m->cpuid[i];

	switch (i) {
	case ROW_A:
		return check_perfmon(c, v);
	case ROW_15:
		return check_tsc_leaf(c, v);
	case ROW_80000008:
		return check_linear_bits(c, v);
	default:
		return i >= ROW_1F_0 && i <= ROW_1F_5 ? check_topology(c, t, i - ROW_1F_0, v) : OK;
	}
}

/* MAXPHYADDR is the one thing that a small machine may have smaller. */
static uint32_t verify_mask(const struct call *c, unsigned row, unsigned reg)
{
	uint32_t mask = cpuid_row(c->m, row)->verify[reg];

	if (row == ROW_80000008 && reg == EAX && c->m->machine->any_maxphyaddr)
		mask &= ~UINT32_C(0xff);
	return mask;
}

tdx_status_t cpuid_check(struct call *c)
{
	const struct soft_machine *mc = c->m->machine;
	struct topology topology = { 0 };
	uint32_t top[4];

	mc->ops->cpuid(mc->ctx, c->lp, 0, 0, top);
	if (top[EAX] < 0x1f)
		return FAIL(CPUID_LEAF_NOT_SUPPORTED, 0x1f);
	mc->ops->cpuid(mc->ctx, c->lp, 0x80000000, 0, top);
	if (top[EAX] < 0x80000008)
		return FAIL(CPUID_LEAF_NOT_SUPPORTED, 0x80000008);
	c->m->max_ext_leaf = top[EAX];
	for (unsigned i = 0; i < c->m->profile->cpuid_rows; i++) {
		const struct cpuid_row *row = cpuid_row(c->m, i);
		bool bad = false;

		cpuid_native(c, row->leaf, row->sub, false, c->m->cpuid[i]);
		for (unsigned r = 0; r < 4; r++)
			bad |= (c->m->cpuid[i][r] & verify_mask(c, i, r)) !=
			       (row->value[r] & verify_mask(c, i, r));
		if (!bad) {
			TRY(check_special(c, i, &topology));
			continue;
		}
		c->r->rcx = cpuid_row_id(i);
		c->r->rdx = pair(row->verify, EAX);
		c->r->r8 = pair(row->verify, ECX);
		c->r->r9 = pair(row->value, EAX);
		c->r->r10 = pair(row->value, ECX);
		return FAIL(INCORRECT_CPUID_VALUE, 0);
	}
	return OK;
}

/* Does this LP have the leaf at all? */
static bool cpuid_has_leaf(const struct call *c, uint32_t leaf)
{
	const struct soft_machine *mc = c->m->machine;
	uint32_t top[4];

	mc->ops->cpuid(mc->ctx, c->lp, leaf & BIT32(31), 0, top);
	return leaf <= top[EAX];
}

/* Also learns nothing new: the package number of this LP only has to be one that fits. */
tdx_status_t cpuid_compare(struct call *c)
{
	for (unsigned i = 0; i < c->m->profile->cpuid_rows; i++) {
		const struct cpuid_row *row = cpuid_row(c->m, i);
		uint32_t now[4];
		bool differs = false;

		cpuid_native(c, row->leaf, row->sub, false, now);
		for (unsigned r = 0; r < 4; r++)
			differs |= ((now[r] ^ c->m->cpuid[i][r]) & row->same[r]) != 0;
		if (!differs || !cpuid_has_leaf(c, row->leaf)) {
			if (i == ROW_1F_0 && now[EDX] >> c->m->pkg_shift >= SOFT_MAX_PACKAGES)
				return FAIL(INVALID_PKG_ID, now[EDX] >> c->m->pkg_shift);
			continue;
		}
		c->r->rcx = cpuid_row_id(i);
		c->r->rdx = pair(row->same, EAX);
		c->r->r8 = pair(row->same, ECX);
		return FAIL(INCONSISTENT_CPUID_FIELD, 0);
	}
	return OK;
}

void soft_cpuid_claim(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	int row = row_of(CPUID_ROWS, leaf, subleaf);

	if (leaf == 0 && out[EAX] < 0x20)
		out[EAX] = 0x20;
	if (leaf == 0x80000000 && out[EAX] < 0x80000008)
		out[EAX] = 0x80000008;
	if (leaf == 0xa && (out[EAX] & PERFMON_VERSION) < PERFMON_MIN_VERSION)
		out[EAX] = (out[EAX] & ~PERFMON_VERSION) | PERFMON_MIN_VERSION;
	if (row < 0)
		return;
	for (unsigned r = 0; r < 4; r++) {
		uint32_t mask = cpuid_rows[row].verify[r];

		if (row == ROW_80000008 && r == EAX)
			mask = 0;
		out[r] = (out[r] & ~mask) | (cpuid_rows[row].value[r] & mask);
	}
}

#define FMS_STEPPING UINT32_C(0xf)

/* Models that this module knows, newest first, each with its latest stepping. */
static const uint32_t known_fms[] = { 0xd06d0, 0xa06e0, 0xa06d0, 0xa06f0, 0xc06f2, 0x806f8 };

static bool same_model(uint32_t a, uint32_t b) { return ((a ^ b) & ~FMS_STEPPING) == 0; }

static uint32_t platform_fms(const struct call *c)
{
	uint32_t native[4];

	cpuid_native(c, 1, 0, true, native);
	return native[EAX] & cpuid_rows[ROW_1].direct[EAX];
}

/* Where the list of models that a migratable TD may claim begins; its end if this CPU is unknown.
 */
static unsigned first_fms(const struct call *c)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(known_fms) && !same_model(known_fms[i], platform_fms(c)))
		i++;
	return i;
}

unsigned cpuid_fms_count(const struct call *c)
{
	unsigned first = first_fms(c);

	return first < ARRAY_LEN(known_fms) ? (unsigned)ARRAY_LEN(known_fms) - first : 1;
}

/* Entry 0 is this CPU, the rest are older models with the stepping allowed at most. */
uint32_t cpuid_fms_entry(const struct call *c, unsigned i)
{
	if (i == 0)
		return platform_fms(c);
	return i < cpuid_fms_count(c) ? known_fms[first_fms(c) + i] : 0;
}

/* 0 is native. A migratable TD may also ask for an earlier stepping, or an older model. */
static bool fms_ok(const struct call *c, const struct tdcs *t, uint32_t fms)
{
	uint32_t native = platform_fms(c);

	if (fms == 0 || fms == native)
		return true;
	if (!(t->attributes & ATTR_MIGRATABLE) || (same_model(fms, native) && fms > native))
		return false;
	for (unsigned i = first_fms(c); i < ARRAY_LEN(known_fms); i++)
		if (same_model(fms, known_fms[i]))
			return fms <= known_fms[i];
	return same_model(fms, native);
}

/* Bits that the configuration may carry at all. */
static tdx_status_t check_config(struct call *c, const struct tdcs *t, unsigned row,
				 const uint32_t config[4])
{
	const struct cpuid_row *d = cpuid_row(c->m, row);
	bool bad = row == ROW_1 && !fms_ok(c, t, config[EAX]);

	for (unsigned r = 0; r < 4; r++)
		bad |= (config[r] & ~(d->allow[r] | d->direct[r])) != 0;
	if (!bad)
		return OK;
	c->r->rcx = cpuid_row_id(row);
	return FAIL(OPERAND_INVALID, OP_CPUID_CONFIG);
}

static void apply_xfam(struct tdcs *t)
{
	for (unsigned i = 0; i < cpuid_xfam_count; i++) {
		const struct cpuid_xfam *x = &cpuid_xfam[i];

		if ((t->xfam & x->xfam) == x->xfam)
			continue;
		for (unsigned r = 0; r < 4; r++)
			t->cpuid[x->row][r] &= ~x->bits[r];
	}
}

static void zero_row(struct tdcs *t, unsigned row)
{
	memset(t->cpuid[row], 0, sizeof(t->cpuid[row]));
}

/* The XSAVES area of the TD: compacted, in the order of the components. */
static void lay_out_xbuff(const struct call *c, struct tdcs *t)
{
	uint32_t size = 576, r[4];

	for (unsigned i = 2; i < MAX_XFAM_BIT; i++) {
		if (!(t->xfam >> i & 1))
			continue;
		cpuid_native(c, 0xd, i, true, r);
		if (r[ECX] & 2) /* aligned to 64 bytes when compacted */
			size = (uint32_t)align_up(size, 64);
		t->xbuff_offsets[i] = size;
		size += r[EAX];
	}
	t->xbuff_size = size;
}

#define XFAM_AMX (BIT64(17) | BIT64(18))

static bool any_xfd(const struct call *c, const struct tdcs *t)
{
	uint32_t r[4];

	for (unsigned i = 2; i < MAX_XFAM_BIT; i++) {
		if (!(t->xfam >> i & 1))
			continue;
		cpuid_native(c, 0xd, i, true, r);
		if (r[ECX] & 4)
			return true;
	}
	return false;
}

/* Rules that are not bit by bit. */
static void special_rules(const struct call *c, struct tdcs *t)
{
	uint32_t(*v)[4] = t->cpuid;

	if (!(v[ROW_1][ECX] & BIT32(3)))
		zero_row(t, ROW_5);
	if (t->attributes & ATTR_PKS)
		v[ROW_7_0][ECX] |= BIT32(31);
	else
		v[ROW_7_0][ECX] &= ~BIT32(31);
	v[ROW_7_0][ECX] &= ~BIT32(23);
	if (!(t->attributes & ATTR_PERFMON)) {
		zero_row(t, ROW_A);
		for (unsigned i = ROW_23_0; i <= ROW_23_3; i++)
			zero_row(t, i);
	}
	if (!any_xfd(c, t))
		v[ROW_D_1][EAX] &= ~BIT32(4);
	for (unsigned i = 2; i < MAX_XFAM_BIT; i++)
		if (!(t->xfam >> i & 1))
			zero_row(t, ROW_D_2 + i - 2);
	if (!(t->xfam & BIT64(8))) {
		zero_row(t, ROW_14_0);
		zero_row(t, ROW_14_1);
	}
	v[ROW_15][EBX] = t->tsc_frequency;
	zero_row(t, ROW_19);
	if (!(t->xfam & BIT64(15)))
		zero_row(t, ROW_1C);
	if ((t->xfam & XFAM_AMX) != XFAM_AMX)
		for (unsigned i = ROW_1D_0; i <= ROW_1D_1; i++)
			zero_row(t, i);
	v[ROW_80000008][EAX] &= ~UINT32_C(0xff00);
	v[ROW_80000008][EAX] |= (v[ROW_7_0][ECX] & BIT32(16) ? 57u : 48u) << 8;
}

static void note_features(struct tdcs *t)
{
	/* clang-format off */
	static const struct { uint8_t row, reg, bit; uint32_t flag; } features[] = {
		{ ROW_1, ECX, 3, HAS_MONITOR },   { ROW_1, ECX, 18, HAS_DCA },
		{ ROW_1, ECX, 24, HAS_TSC_DEADLINE }, { ROW_7_0, ECX, 5, HAS_WAITPKG },
		{ ROW_7_0, EBX, 11, HAS_TSX },    { ROW_7_0, ECX, 13, HAS_TME },
		{ ROW_7_0, EDX, 18, HAS_MKTME },  { ROW_7_0, ECX, 16, HAS_LA57 },
		{ ROW_D_1, EAX, 4, HAS_XFD },     { ROW_7_2, EDX, 3, HAS_DDPD },
	};
	/* clang-format on */
	t->cpuid_flags = 0;
	for (unsigned i = 0; i < ARRAY_LEN(features); i++)
		if (t->cpuid[features[i].row][features[i].reg] >> features[i].bit & 1)
			t->cpuid_flags |= features[i].flag;
}

#define HLE                   BIT32(4)
#define RTM                   BIT32(11)
#define MSR_ARCH_CAPABILITIES 0x10a
#define ARCH_CAP_TSX_CTRL     BIT64(7)

/* @v: leaf 7.0 as the guest would see it. */
static tdx_status_t check_tsx(struct call *c, const uint32_t v[4])
{
	bool hle = (v[EBX] & HLE) != 0, rtm = (v[EBX] & RTM) != 0;

	if (hle != rtm) {
		c->r->rcx = answers(c->m, SOFT_A_TSX_NAMES_LEAF) ? cpuid_row_id(ROW_7_0) : 0;
		return FAIL(OPERAND_INVALID, OP_CPUID_CONFIG);
	}
	if (rtm && !(call_rdmsr(c, MSR_ARCH_CAPABILITIES) & ARCH_CAP_TSX_CTRL))
		return FAIL(INCORRECT_MSR_VALUE, MSR_ARCH_CAPABILITIES);
	return OK;
}

tdx_status_t cpuid_configure(struct call *c, struct tdcs *t, const uint32_t (*config)[4])
{
	for (unsigned i = 0; i < c->m->profile->cpuid_rows; i++) {
		const struct cpuid_row *row = cpuid_row(c->m, i);
		uint32_t *v = t->cpuid[i], native[4];

		cpuid_native(c, row->leaf, row->sub, true, native);
		for (unsigned r = 0; r < 4; r++)
			v[r] = (native[r] & ~row->fixed0[r]) | row->fixed1[r];
		t->cpuid_valid[i] = 1;
	}
	for (unsigned n = 0; n < c->m->profile->config_count; n++) {
		unsigned i = c->m->profile->config_row[n];
		const struct cpuid_row *row = cpuid_row(c->m, i);
		uint32_t *v = t->cpuid[i];

		TRY(check_config(c, t, i, config[n]));
		for (unsigned r = 0; r < 4; r++) {
			v[r] = (v[r] & ~row->direct[r]) | (config[n][r] & row->direct[r]);
			v[r] &= ~(row->allow[r] & ~config[n][r]);
		}
		if (i == ROW_7_0)
			TRY(check_tsx(c, v));
		if (i == ROW_1 && config[n][EAX] == 0) {
			uint32_t native[4];

			cpuid_native(c, 1, 0, true, native);
			v[EAX] = native[EAX] & ~row->fixed0[EAX];
		}
	}
	TRY(topology_configure(c, t));
	apply_xfam(t);
	special_rules(c, t);
	lay_out_xbuff(c, t);
	note_features(t);
	return OK;
}
