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

int cpuid_row_of(uint32_t leaf, uint32_t sub)
{
	for (unsigned i = 0; i < CPUID_ROWS; i++)
		if (cpuid_rows[i].leaf == leaf &&
		    (cpuid_rows[i].sub == sub || cpuid_rows[i].sub == CPUID_ANY_SUB))
			return (int)i;
	return -1;
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
	*masks = (uint64_t)mask << (reg & 1 ? 32 : 0);
	*values = (uint64_t)value << (reg & 1 ? 32 : 0);
	return FAIL(INCORRECT_CPUID_VALUE, 0);
}

#define MAX_FIXED_COUNTERS 7
#define FIXED_COUNTERS     UINT32_C(0x1f)
#define LA57               BIT32(16)
#define LINEAR_BITS        UINT32_C(0xff00)

static tdx_status_t check_special(struct call *c)
{
	const uint32_t(*v)[4] = (const uint32_t(*)[4])c->m->cpuid;
	uint32_t linear = v[ROW_7_0][ECX] & LA57 ? 57u << 8 : 48u << 8;

	if ((v[ROW_A][EDX] & FIXED_COUNTERS) > MAX_FIXED_COUNTERS)
		return bad_value(c, ROW_A, EDX, FIXED_COUNTERS, MAX_FIXED_COUNTERS);
	if ((v[ROW_80000008][EAX] & LINEAR_BITS) != linear)
		return bad_value(c, ROW_80000008, EAX, LINEAR_BITS, linear);
	if (!v[ROW_15][EAX] || !v[ROW_15][EBX] || !v[ROW_15][ECX])
		return FAIL(CPUID_LEAF_NOT_SUPPORTED, 0x15);
	return OK;
}

#define TOPOLOGY_LEVELS   6
#define TOPOLOGY_MAX_TYPE 5

/* Leaf 1F: levels of ascending type; the last one's shift gives the package of an x2APIC id. */
static tdx_status_t read_topology(struct call *c)
{
	uint32_t r[4], before = 0;

	for (unsigned i = 0; i < TOPOLOGY_LEVELS; i++) {
		cpuid_native(c, 0x1f, i, false, r);

		uint32_t type = r[ECX] >> 8 & 0xff;

		if (type == 0)
			break;
		if (type > TOPOLOGY_MAX_TYPE || type <= before)
			return FAIL(CPUID_LEAF_1F_FORMAT_UNRECOGNIZED, 0);
		before = type;
		c->m->pkg_shift = r[EAX] & 0x1f;
	}
	return before ? OK : FAIL(CPUID_LEAF_NOT_SUPPORTED, 0);
}

/* WBINVD must reach exactly a package: the last-level cache is shared by all its LPs. */
static tdx_status_t check_wbinvd_scope(struct call *c)
{
	uint32_t sharers = (c->m->cpuid[ROW_4_3][EAX] >> 14 & 0xfff) + 1;

	while ((sharers & (sharers - 1)) != 0)
		sharers += sharers & (0 - sharers);
	return sharers == BIT64(c->m->pkg_shift) ? OK : FAIL(INVALID_WBINVD_SCOPE, 0);
}

unsigned cpuid_package(const struct call *c)
{
	uint32_t r[4];

	cpuid_native(c, 0x1f, 0, false, r);
	return r[EDX] >> c->m->pkg_shift;
}

/* MAXPHYADDR is the one thing that a small machine may have smaller. */
static uint32_t verify_mask(const struct call *c, unsigned row, unsigned reg)
{
	uint32_t mask = cpuid_rows[row].verify[reg];

	if (row == ROW_80000008 && reg == EAX && c->m->machine->any_maxphyaddr)
		mask &= ~UINT32_C(0xff);
	return mask;
}

tdx_status_t cpuid_check(struct call *c)
{
	const struct soft_machine *mc = c->m->machine;
	uint32_t top[4];

	mc->ops->cpuid(mc->ctx, c->lp, 0, 0, top);
	if (top[EAX] < 0x1f)
		return FAIL(CPUID_LEAF_NOT_SUPPORTED, 0x1f);
	mc->ops->cpuid(mc->ctx, c->lp, 0x80000000, 0, top);
	if (top[EAX] < 0x80000008)
		return FAIL(CPUID_LEAF_NOT_SUPPORTED, 0x80000008);
	c->m->max_ext_leaf = top[EAX];
	for (unsigned i = 0; i < CPUID_ROWS; i++) {
		const struct cpuid_row *row = &cpuid_rows[i];
		bool bad = false;

		cpuid_native(c, row->leaf, row->sub, false, c->m->cpuid[i]);
		for (unsigned r = 0; r < 4; r++)
			bad |= (c->m->cpuid[i][r] & verify_mask(c, i, r)) !=
			       (row->value[r] & verify_mask(c, i, r));
		if (!bad)
			continue;
		c->r->rcx = cpuid_row_id(i);
		c->r->rdx = pair(row->verify, EAX);
		c->r->r8 = pair(row->verify, ECX);
		c->r->r9 = pair(row->value, EAX);
		c->r->r10 = pair(row->value, ECX);
		return FAIL(INCORRECT_CPUID_VALUE, 0);
	}
	TRY(check_special(c));
	TRY(read_topology(c));
	return check_wbinvd_scope(c);
}

tdx_status_t cpuid_compare(struct call *c)
{
	for (unsigned i = 0; i < CPUID_ROWS; i++) {
		const struct cpuid_row *row = &cpuid_rows[i];
		uint32_t now[4];
		bool differs = false;

		cpuid_native(c, row->leaf, row->sub, false, now);
		for (unsigned r = 0; r < 4; r++)
			differs |= ((now[r] ^ c->m->cpuid[i][r]) & row->same[r]) != 0;
		if (!differs)
			continue;
		c->r->rcx = cpuid_row_id(i);
		c->r->rdx = pair(row->same, EAX);
		c->r->r8 = pair(row->same, ECX);
		return FAIL(INCONSISTENT_CPUID_FIELD, 0);
	}
	return OK;
}

void soft_cpuid_claim(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	int row = cpuid_row_of(leaf, subleaf);

	if (leaf == 0 && out[EAX] < 0x20)
		out[EAX] = 0x20;
	if (leaf == 0x80000000 && out[EAX] < 0x80000008)
		out[EAX] = 0x80000008;
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

/* 0 is native. A migratable TD may also ask for an earlier stepping of the same model. */
static bool fms_ok(const struct call *c, const struct tdcs *t, uint32_t fms)
{
	uint32_t native[4];

	cpuid_native(c, 1, 0, true, native);
	native[EAX] &= cpuid_rows[ROW_1].direct[EAX];
	if (fms == 0 || fms == native[EAX])
		return true;
	return (t->attributes & ATTR_MIGRATABLE) && ((fms ^ native[EAX]) & ~FMS_STEPPING) == 0 &&
	       fms < native[EAX];
}

/* Bits that the configuration may carry at all. */
static tdx_status_t check_config(struct call *c, const struct tdcs *t, unsigned row,
				 const uint32_t config[4])
{
	const struct cpuid_row *d = &cpuid_rows[row];
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
		c->r->rcx = 0;
		return FAIL(OPERAND_INVALID, OP_CPUID_CONFIG);
	}
	if (rtm && !(call_rdmsr(c, MSR_ARCH_CAPABILITIES) & ARCH_CAP_TSX_CTRL))
		return FAIL(INCORRECT_MSR_VALUE, MSR_ARCH_CAPABILITIES);
	return OK;
}

tdx_status_t cpuid_configure(struct call *c, struct tdcs *t, const uint32_t (*config)[4])
{
	for (unsigned i = 0; i < CPUID_ROWS; i++) {
		const struct cpuid_row *row = &cpuid_rows[i];
		uint32_t *v = t->cpuid[i], native[4];

		cpuid_native(c, row->leaf, row->sub, true, native);
		for (unsigned r = 0; r < 4; r++)
			v[r] = (native[r] & ~row->fixed0[r]) | row->fixed1[r];
		t->cpuid_valid[i] = 1;
	}
	for (unsigned n = 0; n < CPUID_CONFIGS; n++) {
		unsigned i = cpuid_config_row[n];
		const struct cpuid_row *row = &cpuid_rows[i];
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
	apply_xfam(t);
	special_rules(c, t);
	lay_out_xbuff(c, t);
	note_features(t);
	return OK;
}
