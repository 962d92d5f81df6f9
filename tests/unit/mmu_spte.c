/*
 * mmu_spte.c - one entry: every value is exactly one kind (rules A1 to A4), every step is known.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/spte.c */
#include "mmu/spte.h"
#include "tests/fake/test.h"

static const hpa_t table = { 0x123456000 };
static const pfn_t pfn = { 0x654321 };

static const struct {
	const char *what;
	spte_t s;
	enum spte_kind kind;
} values[] = {
	{ "none", { SPTE_NONE_RAW }, SPTE_IS_NONE },
	{ "frozen", { SPTE_FROZEN_RAW }, SPTE_IS_FROZEN },
};

TEST(A2_each_value_is_one_kind)
{
	spte_t t = spte_make_table(table), l = spte_make_private(pfn);

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		CHECK_INT(spte_kind(values[i].s), values[i].kind);
	CHECK_INT(spte_kind(t), SPTE_IS_TABLE);
	CHECK_INT(spte_kind(l), SPTE_IS_LEAF);
	for (enum spte_purpose p = SPTE_FOR_REMOVAL; p < SPTE_PURPOSE_COUNT; p++) {
		spte_t bt = spte_make_blocked(t, p), bl = spte_make_blocked(l, p);

		CHECK_INT(spte_kind(bt), SPTE_IS_BLOCKED_TABLE);
		CHECK_INT(spte_kind(bl), SPTE_IS_BLOCKED_LEAF);
		CHECK_INT(spte_blocked_for(bt), p);
		CHECK_INT(spte_blocked_for(bl), p);
		CHECK(spte_equal(spte_make_unblocked(bt), t));
		CHECK(spte_equal(spte_make_unblocked(bl), l));
		CHECK((bl.raw & SPTE_RWX) == 0 && (bt.raw & SPTE_RWX) == 0);
		CHECK(spte_has_leaf(bl) && !spte_is_accessible_leaf(bl));
		CHECK(spte_has_table(bt) && !spte_is_open_table(bt));
		CHECK(spte_pfn(bl).v == pfn.v && spte_table(bt).v == table.v);
	}
	for (unsigned gen = 0; gen <= SPTE_MMIO_GEN_MASK; gen += 31) {
		spte_t vm = spte_make_mmio((gfn_t){ 0xfee00 }, gen, gen & 1);
		spte_t td = spte_make_mmio_ve((gfn_t){ 0xfee00 }, gen);

		CHECK_INT(spte_kind(vm), SPTE_IS_MMIO);
		CHECK_INT(spte_kind(td), SPTE_IS_MMIO);
		CHECK_INT(spte_mmio_generation(vm), gen);
		CHECK_INT(spte_mmio_generation(td), gen);
		CHECK(spte_pfn(vm).v == 0xfee00 && spte_pfn(td).v == 0xfee00);
	}
}

TEST(A2_mmio_of_a_vm_is_a_misconfiguration_and_of_a_td_a_ve)
{
	spte_t vm = spte_make_mmio((gfn_t){ 1 }, 5, false), td = spte_make_mmio_ve((gfn_t){ 1 }, 5);

	/* SDM: writable and not readable is a misconfiguration. */
	CHECK((vm.raw & SPTE_W) && !(vm.raw & SPTE_R) && (vm.raw & SPTE_SUPPRESS_VE));
	CHECK((td.raw & SPTE_RWX) == 0 && !(td.raw & SPTE_SUPPRESS_VE));
}

TEST(A3_absent_entries_suppress_ve)
{
	CHECK(SPTE_NONE_RAW & SPTE_SUPPRESS_VE);
	CHECK(SPTE_FROZEN_RAW & SPTE_SUPPRESS_VE);
	CHECK(spte_make_private(pfn).raw & SPTE_SUPPRESS_VE);
	CHECK(spte_make_table(table).raw & SPTE_SUPPRESS_VE);
}

TEST(C8_private_leaves_are_rwx)
{
	spte_t leaf = spte_make_private(pfn);

	CHECK_INT(leaf.raw & SPTE_RWX, SPTE_RWX);
	/* And say that nobody took W away. */
	CHECK(leaf.raw & SPTE_HOST_WRITABLE);
	CHECK(leaf.raw & SPTE_MMU_WRITABLE);
}

/* Values for the rows and columns of the step table. */
static spte_t sample(enum spte_kind kind, pfn_t frame)
{
	spte_t t = spte_make_table(pfn_to_hpa(frame)), l = spte_make_private(frame);

	switch (kind) {
	case SPTE_IS_NONE:
		return SPTE_NONE;
	case SPTE_IS_MMIO:
		return spte_make_mmio((gfn_t){ 3 }, 0, false);
	case SPTE_IS_FROZEN:
		return SPTE_FROZEN;
	case SPTE_IS_TABLE:
		return t;
	case SPTE_IS_LEAF:
		return l;
	case SPTE_IS_BLOCKED_TABLE:
		return spte_make_blocked(t, SPTE_FOR_JOIN);
	default:
		return spte_make_blocked(l, SPTE_FOR_MOVE);
	}
}

/* clang-format off */
static const struct {
	enum spte_kind from, to;
	enum spte_step same_frame, other_frame;
} legal[] = {
	{ SPTE_IS_NONE,          SPTE_IS_NONE,          STEP_NOTHING,      STEP_NOTHING },
	{ SPTE_IS_NONE,          SPTE_IS_TABLE,         STEP_ADD_TABLE,    STEP_ADD_TABLE },
	{ SPTE_IS_NONE,          SPTE_IS_LEAF,          STEP_ADD_LEAF,     STEP_ADD_LEAF },
	{ SPTE_IS_TABLE,         SPTE_IS_NONE,          STEP_REMOVE_TABLE, STEP_REMOVE_TABLE },
	{ SPTE_IS_TABLE,         SPTE_IS_BLOCKED_TABLE, STEP_BLOCK,        STEP_ILLEGAL },
	{ SPTE_IS_LEAF,          SPTE_IS_NONE,          STEP_REMOVE_LEAF,  STEP_REMOVE_LEAF },
	{ SPTE_IS_LEAF,          SPTE_IS_BLOCKED_LEAF,  STEP_BLOCK,        STEP_ILLEGAL },
	{ SPTE_IS_BLOCKED_TABLE, SPTE_IS_NONE,          STEP_REMOVE_TABLE, STEP_REMOVE_TABLE },
	{ SPTE_IS_BLOCKED_TABLE, SPTE_IS_TABLE,         STEP_UNBLOCK,      STEP_ILLEGAL },
	{ SPTE_IS_BLOCKED_TABLE, SPTE_IS_LEAF,          STEP_JOIN,         STEP_JOIN },
	{ SPTE_IS_BLOCKED_LEAF,  SPTE_IS_NONE,          STEP_REMOVE_LEAF,  STEP_REMOVE_LEAF },
	{ SPTE_IS_BLOCKED_LEAF,  SPTE_IS_LEAF,          STEP_UNBLOCK,      STEP_MOVE },
	{ SPTE_IS_BLOCKED_LEAF,  SPTE_IS_TABLE,         STEP_SPLIT,        STEP_SPLIT },
};
/* clang-format on */

TEST(every_pair_of_kinds_is_a_known_step_or_illegal)
{
	const pfn_t other = { 0x99999 };

	for (enum spte_kind from = 0; from < SPTE_KIND_COUNT; from++)
		for (enum spte_kind to = 0; to < SPTE_KIND_COUNT; to++) {
			enum spte_step same = STEP_ILLEGAL, moved = STEP_ILLEGAL;

			for (size_t i = 0; i < ARRAY_LEN(legal); i++)
				if (legal[i].from == from && legal[i].to == to) {
					same = legal[i].same_frame;
					moved = legal[i].other_frame;
				}
			CHECK_INT(spte_step(sample(from, pfn), sample(to, pfn)), same);
			CHECK_INT(spte_step(sample(from, pfn), sample(to, other)), moved);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A2_each_value_is_one_kind),
		cmocka_unit_test(A2_mmio_of_a_vm_is_a_misconfiguration_and_of_a_td_a_ve),
		cmocka_unit_test(A3_absent_entries_suppress_ve),
		cmocka_unit_test(C8_private_leaves_are_rwx),
		cmocka_unit_test(every_pair_of_kinds_is_a_known_step_or_illegal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
