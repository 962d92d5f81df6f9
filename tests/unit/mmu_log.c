/*
 * mmu_log.c - the log bit by bit: slots that begin anywhere in a table, words that lie in two tables, and
 * neighbours that are not logged. Each test is about one function of mmu/dirty.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "tests/fake/rig.h"

static uint64_t page_round[4096 / 64 + 2];

static unsigned records, told;
static struct mmu_ops watched;
static gfn_t told_gfn;
static int told_level;
static spte_t told_old, told_new;

static void watch_trace(struct mmu *mmu, enum mmu_root root, gfn_t gfn, spte_t old, spte_t new, int level,
			unsigned count)
{
	(void)mmu;
	(void)root;
	records++;
	told += count;
	told_gfn = gfn;
	told_level = level;
	told_old = old;
	told_new = new;
}

static void watch(void)
{
	records = told = 0;
	watched = *s.mmu.ops;
	watched.trace = watch_trace;
	s.mmu.ops = &watched;
}

#define FAR  1536u /* frames of a neighbour, whose table follows in memory the one that @begin is in */
#define FARS 64u

/* Frames [begin, begin + frames) as slot2, all mapped and written. Neighbours on both sides are not
 * logged. */
static void neighbours(enum mmu_ad_policy ad, unsigned begin, unsigned frames)
{
	static struct fake_slot behind;

	vm(ad, begin);
	fake_slot_add(&s, &slot2, at(begin), frames);
	fake_slot_add(&s, &behind, at(begin + frames), 2048);
	slot2.largest = behind.largest = LEVEL_4K;
	memset(page_round, 0xff, sizeof(page_round));
	touch(begin - 1, MMU_WRITE);
	if (begin % M2 == 0)
		touch(begin, MMU_WRITE);
	for (unsigned i = 0; i < FARS; i++)
		touch(FAR + i, MMU_WRITE);
	for (unsigned i = begin - 10; i < begin + frames + 70; i++)
		touch(i, MMU_WRITE);
	mmu_log_start(&s.mmu, &slot2.slot, bitmap);
	for (unsigned i = begin; i < begin + frames; i++)
		touch(i, MMU_WRITE);
}

/* What shows that the next write to this page would be seen. */
static bool is_armed(unsigned frame)
{
	return (direct(frame).raw & (s.mmu.ad == MMU_AD_HARDWARE ? SPTE_DIRTY : SPTE_W)) == 0;
}

/* As if the CPU had written to it. */
static void write_page(unsigned frame)
{
	uint64_t gpa = gfn_to_gpa(at(frame)).v;

	if (s.mmu.ad != MMU_AD_HARDWARE) {
		touch(frame, MMU_WRITE);
		return;
	}
	walk_of(MMU_DIRECT, frame).entry->raw |= SPTE_DIRTY;
	mmu_log_pml(&s.mmu, &gpa, 1);
}

static const enum mmu_ad_policy policies[] = { MMU_AD_HARDWARE, MMU_AD_WRPROT, MMU_AD_NONE };
static const unsigned begins[] = { 448, 449, 500, 511, 512, 700 };

TEST(log_start_takes_W_and_D_of_a_large_leaf)
{
	for (size_t p = 0; p < ARRAY_LEN(policies); p++) {
		vm(policies[p], 4096);
		slot.largest = LEVEL_2M;
		touch(0, MMU_WRITE);
		mmu_log_start(&s.mmu, &slot.slot, bitmap);
		CHECK_INT(walk_of(MMU_DIRECT, 0).level, LEVEL_2M);
		CHECK_INT(direct(0).raw & (SPTE_W | SPTE_DIRTY), 0);
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), M2), 0);
		CHECK_INT(bits_in(bitmap, 66), 0); /* nobody wrote since */
		mmu_log_stop(&s.mmu, &slot.slot);
		sept_end(&s);
	}
}

TEST(log_clear_touches_no_page_outside_of_its_word)
{
	for (size_t p = 0; p < ARRAY_LEN(policies); p++)
		for (size_t b = 0; b < ARRAY_LEN(begins); b++) {
			unsigned begin = begins[b], frames = 300;

			neighbours(policies[p], begin, frames);
			for (unsigned i = 0; i < frames; i++)
				write_page(begin + i);
			CHECK_INT(bits_in(bitmap, 5), frames);
			CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 128, ~UINT64_C(0)), 64);
			CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 0, ~BIT64(30)), 63);
			CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 256, ~UINT64_C(0)), 300 - 256);
			for (unsigned i = begin - 10; i < begin + frames + 70; i++) {
				unsigned f = i - begin;
				bool cleared = (f < 64 && f != 30) || (f >= 128 && f < 192) ||
					       (f >= 256 && f < 300);

				CHECK_INT(is_armed(i), cleared);
				if (f < frames)
					CHECK_INT(bit(bitmap, f), !cleared);
			}
			for (unsigned i = 0; i < FARS; i++)
				CHECK(!is_armed(FAR + i));
			CHECK_INT(bitmap[5], 0);
			mmu_log_stop(&s.mmu, &slot2.slot);
			sept_end(&s);
		}
}

TEST(log_clear_takes_W_also_where_D_is_gone)
{
	neighbours(MMU_AD_WRPROT, 512, 64);
	walk_of(MMU_DIRECT, 515).entry->raw &= ~SPTE_DIRTY;
	CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 0, BIT64(3)), 1);
	CHECK(is_armed(515));
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

TEST(log_clear_of_a_hole_leaves_the_large_leaf_beside_it)
{
	vm(MMU_AD_HARDWARE, M2);
	fake_slot_add(&s, &slot2, at(M2), M2);
	slot2.largest = LEVEL_2M;
	touch(M2, MMU_WRITE);
	CHECK_INT(walk_of(MMU_DIRECT, M2).level, LEVEL_2M);
	spte_t was = direct(M2);

	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	CHECK_INT(mmu_log_clear(&s.mmu, &slot.slot, 0, ~UINT64_C(0)), 0);
	CHECK(spte_equal(direct(M2), was));
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

TEST(log_clear_tells_the_trace_of_one_page_too)
{
	neighbours(MMU_AD_HARDWARE, 512, 128);
	write_page(512 + 70);
	spte_t was = direct(512 + 70);

	watch();
	CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 64, BIT64(6)), 1);
	CHECK_INT(records, 1);
	CHECK_INT(told, 1);
	CHECK_INT(told_gfn.v, at(512 + 64).v);
	CHECK_INT(told_level, LEVEL_4K);
	CHECK_INT(told_old.raw, was.raw);
	CHECK_INT(told_new.raw, was.raw & ~SPTE_DIRTY);
	CHECK_INT(mmu_log_clear(&s.mmu, &slot2.slot, 64, BIT64(6)), 0); /* nothing changed: nothing told */
	CHECK_INT(records, 1);
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

TEST(log_take_moves_the_log_and_arms_what_was_in_it)
{
	for (size_t p = 0; p < ARRAY_LEN(policies); p++)
		for (size_t b = 0; b < ARRAY_LEN(begins); b++) {
			unsigned begin = begins[b], frames = 300, taken = 0;

			neighbours(policies[p], begin, frames);
			(void)mmu_log_take(&s.mmu, &slot2.slot, page_round);
			memset(page_round, 0xff, sizeof(page_round));
			/* Whole words, single bits, and the last frame. */
			for (unsigned f = 0; f < frames; f++)
				if (f < 128 || f == 131 || f == 255 || f == 299) {
					write_page(begin + f);
					taken++;
				}
			CHECK_INT(bits_in(bitmap, 5), taken);
			watch();
			CHECK_INT(mmu_log_take(&s.mmu, &slot2.slot, page_round), taken);
			CHECK_INT(told, taken);
			CHECK(spte_has_leaf(told_old) && spte_has_leaf(told_new));
			CHECK_INT(bits_in(bitmap, 66), 0);
			CHECK_INT(bits_in(page_round, 5), taken);
			CHECK_INT(page_round[5], ~UINT64_C(0)); /* not ours */
			CHECK(bit(page_round, 0) && bit(page_round, 63) && bit(page_round, 131) && bit(page_round, 299));
			for (unsigned f = 0; f < frames; f++)
				CHECK(is_armed(begin + f));
			for (unsigned i = 0; i < FARS; i++)
				CHECK(!is_armed(FAR + i));
			for (unsigned i = 0; i < 10; i++)
				CHECK(!is_armed(begin - 1 - i) && !is_armed(begin + frames + i));
			/* Nothing was written: nothing to take. */
			CHECK_INT(mmu_log_take(&s.mmu, &slot2.slot, page_round), 0);
			CHECK_INT(bits_in(page_round, 5), 0);
			mmu_log_stop(&s.mmu, &slot2.slot);
			memset(page_round, 0xff, sizeof(page_round));
			CHECK_INT(mmu_log_take(&s.mmu, &slot2.slot, page_round), 0);
			CHECK_INT(bits_in(page_round, 5), 0);
			sept_end(&s);
		}
}

/* What is dirty and was not in the log belongs to the next round. */
TEST(log_take_leaves_what_was_not_in_the_log)
{
	neighbours(MMU_AD_HARDWARE, 512, 300);
	(void)mmu_log_harvest(&s.mmu, &slot2.slot);
	(void)mmu_log_take(&s.mmu, &slot2.slot, page_round);
	for (unsigned f = 64; f < 128; f++) /* a whole word, and the frame behind it */
		write_page(512 + f);
	walk_of(MMU_DIRECT, 512 + 128).entry->raw |= SPTE_DIRTY;
	CHECK_INT(mmu_log_take(&s.mmu, &slot2.slot, page_round), 64);
	CHECK(!is_armed(512 + 128));
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot2.slot), 1);
	CHECK(bit(bitmap, 128));
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);

	neighbours(MMU_AD_HARDWARE, 500, 300);
	(void)mmu_log_harvest(&s.mmu, &slot2.slot);
	(void)mmu_log_take(&s.mmu, &slot2.slot, page_round);
	write_page(500 + 70);
	walk_of(MMU_DIRECT, 500 + 71).entry->raw |= SPTE_DIRTY;
	walk_of(MMU_DIRECT, 500 + 130).entry->raw |= SPTE_DIRTY;
	CHECK_INT(mmu_log_take(&s.mmu, &slot2.slot, page_round), 1);
	CHECK(is_armed(500 + 70) && !is_armed(500 + 71) && !is_armed(500 + 130));
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot2.slot), 2);
	CHECK(bit(bitmap, 71) && bit(bitmap, 130));
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

TEST(log_harvest_takes_nothing_of_a_slot_that_is_not_logged)
{
	neighbours(MMU_AD_HARDWARE, 512, 64);
	mmu_log_stop(&s.mmu, &slot2.slot);
	write_page(512);
	CHECK_INT(mmu_log_harvest(&s.mmu, &slot2.slot), 0);
	CHECK(!is_armed(512));
	sept_end(&s);
}

TEST(wrprotect_takes_nothing_beside_its_range)
{
	vm(MMU_AD_HARDWARE, 4096);
	for (unsigned i = 80; i < 160; i++)
		touch(i, MMU_WRITE);
	CHECK_INT(mmu_wrprotect(&s.mmu, at(90), 1), 1);
	CHECK_INT(mmu_wrprotect(&s.mmu, at(92), 66), 66);
	for (unsigned i = 80; i < 160; i++)
		CHECK_INT((direct(i).raw & SPTE_W) == 0, i == 90 || (i >= 92 && i < 158));
	sept_end(&s);
}

static void pml(unsigned count, const unsigned *frames)
{
	uint64_t gpas[8];

	for (unsigned i = 0; i < count; i++)
		gpas[i] = gfn_to_gpa(at(frames[i])).v;
	mmu_log_pml(&s.mmu, gpas, count);
}

TEST(pml_goes_from_word_to_word)
{
	static const unsigned frames[] = { 1, 64, 4096 + 5, 1, 63, 62 };

	vm(MMU_AD_HARDWARE, 4200);
	mmu_log_start(&s.mmu, &slot.slot, bitmap);
	pml(6, frames);
	CHECK_INT(bits_in(bitmap, 66), 5);
	for (unsigned i = 0; i < 6; i++)
		CHECK(bit(bitmap, frames[i]));
	mmu_log_stop(&s.mmu, &slot.slot);
	sept_end(&s);
}

TEST(pml_goes_from_slot_to_slot)
{
	static const unsigned frames[] = { 99, 100, 98, 164 };

	vm(MMU_AD_HARDWARE, 100);
	fake_slot_add(&s, &slot2, at(100), 100);
	/* A word on each side of both logs shows a mark outside of them. */
	mmu_log_start(&s.mmu, &slot.slot, bitmap + 1);
	mmu_log_start(&s.mmu, &slot2.slot, bitmap2 + 1);
	pml(4, frames);
	CHECK_INT(bits_in(bitmap, 66), 2);
	CHECK_INT(bits_in(bitmap2, 66), 2);
	CHECK(bit(bitmap + 1, 99) && bit(bitmap + 1, 98));
	CHECK(bit(bitmap2 + 1, 0) && bit(bitmap2 + 1, 64));
	mmu_log_stop(&s.mmu, &slot.slot);
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

TEST(pml_knows_the_first_frame_of_the_guest)
{
	uint64_t gpa = 0;

	vm(MMU_AD_HARDWARE, 100);
	fake_slot_add(&s, &slot2, (gfn_t){ 0 }, 100);
	mmu_log_start(&s.mmu, &slot2.slot, bitmap);
	mmu_log_pml(&s.mmu, &gpa, 1);
	CHECK_INT(bitmap[0], 1);
	mmu_log_stop(&s.mmu, &slot2.slot);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_start_takes_W_and_D_of_a_large_leaf),
		cmocka_unit_test(log_clear_touches_no_page_outside_of_its_word),
		cmocka_unit_test(log_clear_takes_W_also_where_D_is_gone),
		cmocka_unit_test(log_clear_of_a_hole_leaves_the_large_leaf_beside_it),
		cmocka_unit_test(log_clear_tells_the_trace_of_one_page_too),
		cmocka_unit_test(log_take_moves_the_log_and_arms_what_was_in_it),
		cmocka_unit_test(log_take_leaves_what_was_not_in_the_log),
		cmocka_unit_test(log_harvest_takes_nothing_of_a_slot_that_is_not_logged),
		cmocka_unit_test(wrprotect_takes_nothing_beside_its_range),
		cmocka_unit_test(pml_goes_from_word_to_word),
		cmocka_unit_test(pml_goes_from_slot_to_slot),
		cmocka_unit_test(pml_knows_the_first_frame_of_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
