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

uint64_t cpuid_row_id(unsigned row) { return cpuid_rows[row].leaf | (uint64_t)cpuid_rows[row].sub << 32; }

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
	return OK;
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

/* Bits that the configuration may carry at all. */
static tdx_status_t check_config(struct call *c, const struct tdcs *t, unsigned row, const uint32_t config[4])
{
	const struct cpuid_row *d = &cpuid_rows[row];
	uint32_t native[4];
	bool bad = false;

	for (unsigned r = 0; r < 4; r++)
		bad |= (config[r] & ~(d->allow[r] | d->direct[r])) != 0;
	if (row == ROW_1 && config[EAX] != 0 && !bad) {
		cpuid_native(c, 1, 0, true, native);
		bad = config[EAX] != (native[EAX] & d->direct[EAX]);
	}
	(void)t;
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

static void zero_row(struct tdcs *t, unsigned row) { memset(t->cpuid[row], 0, sizeof(t->cpuid[row])); }

/* Size of the compacted or standard XSAVE area for XFAM. */
static uint32_t xsave_max(const struct call *c, const struct tdcs *t)
{
	uint32_t size = 576, r[4];

	for (unsigned i = 2; i < MAX_XFAM_BIT; i++) {
		if (!(t->xfam >> i & 1))
			continue;
		cpuid_native(c, 0xd, i, true, r);
		/* Supervisor components have no place in the standard format: their offset is 0. */
		if (r[EBX] + r[EAX] > size && !(r[ECX] & 1))
			size = r[EBX] + r[EAX];
	}
	return size;
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
	uint32_t (*v)[4] = t->cpuid;

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
	v[ROW_D_0][ECX] = xsave_max(c, t);
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
		for (unsigned i = ROW_1D_0; i <= ROW_1E; i++)
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

#define HLE BIT32(4)
#define RTM BIT32(11)
#define MSR_ARCH_CAPABILITIES 0x10a
#define ARCH_CAP_TSX_CTRL     BIT64(7)

static tdx_status_t check_tsx(struct call *c, const uint32_t config[4])
{
	bool hle = (config[EBX] & HLE) != 0, rtm = (config[EBX] & RTM) != 0;

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
		if (i == ROW_7_0)
			TRY(check_tsx(c, config[n]));
		for (unsigned r = 0; r < 4; r++) {
			v[r] = (v[r] & ~row->direct[r]) | (config[n][r] & row->direct[r]);
			v[r] &= ~(row->allow[r] & ~config[n][r]);
		}
		if (i == ROW_1 && config[n][EAX] == 0) {
			uint32_t native[4];

			cpuid_native(c, 1, 0, true, native);
			v[EAX] = native[EAX] & ~row->fixed0[EAX];
		}
	}
	apply_xfam(t);
	special_rules(c, t);
	note_features(t);
	return OK;
}
