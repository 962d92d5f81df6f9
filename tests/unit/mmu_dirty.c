/*
 * mmu_dirty.c - what a log, a tracker and an ageing pass promise, under each A/D policy (A5, E2, E4).
 *
 * The guest is a function: guest_write() does to the entry what a CPU with that policy does, and
 * faults where it would. It keeps its own list of what was written since the last round.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE   ((gfn_t){ 0x40000 })
#define FRAMES 4096u

static struct sept s;
static struct fake_slot slot;
static uint64_t dirty[FRAMES / 64], tracked[FRAMES / 64];
static bool written[FRAMES];
static unsigned faults;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void vm(enum mmu_ad_policy ad)
{
	machine_start(UINT64_C(1) << 30, 4);
	sept_start_with(&s, (struct mmu_config){ .name = "vm",
						 .levels = 4,
						 .max_level = LEVEL_2M,
						 .memtype = SPTE_MEMTYPE_WB,
						 .ad = ad });
	fake_slot_add(&s, &slot, BASE, FRAMES);
	memset(dirty, 0, sizeof(dirty));
	memset(tracked, 0, sizeof(tracked));
	memset(written, 0, sizeof(written));
	faults = 0;
}

static struct walk leaf(unsigned i) { return walk_to(&s.mmu, MMU_DIRECT, at(i), LEVEL_4K); }

/* What a CPU does with an access to frame @i. 0, or what the fault said. */
static int guest(unsigned i, unsigned access)
{
	for (;;) {
		struct walk w = leaf(i);

		if (spte_is_accessible_leaf(w.old) && (w.old.raw & access) == access) {
			if (s.mmu.ad != MMU_AD_NONE)
				w.entry->raw |=
					SPTE_ACCESSED | (access & MMU_WRITE ? SPTE_DIRTY : 0);
			break;
		}
		struct mmu_fault f = { .gfn = at(i), .access = access };
		int err = mmu_handle_fault(&s.mmu, &f);

		faults++;
		if (err)
			return err;
	}
	if (access & MMU_WRITE)
		written[i] = true;
	return 0;
}

static bool logged(unsigned i) { return dirty[i / 64] >> (i % 64) & 1; }

/* The log says exactly what was written. */
static void log_is_exact(void)
{
	mmu_log_harvest(&s.mmu, &slot.slot);
	for (unsigned i = 0; i < FRAMES; i++)
		if (logged(i) != written[i])
			fail_msg("frame %u: written %d, logged %d", i, written[i], logged(i));
}

/* One round is over: all bits back, nothing written yet. */
static void new_round(void)
{
	unsigned flushes = s.flushes[MMU_DIRECT];

	static uint64_t before[FRAMES / 64], round[FRAMES / 64];
	static unsigned rounds;

	/* By masks and all at once in turn. */
	memcpy(before, dirty, sizeof(before));
	for (unsigned word = 0; rounds % 2 == 0 && word < FRAMES / 64; word++)
		mmu_log_clear(&s.mmu, &slot.slot, word * 64, dirty[word]);
	if (rounds++ % 2) {
		mmu_log_take(&s.mmu, &slot.slot, round);
		CHECK_INT(memcmp(before, round, sizeof(round)), 0);
	}
	CHECK_INT(s.flushes[MMU_DIRECT], flushes); /* E2: none per entry */
	mmu_log_flush(&s.mmu, &slot.slot);
	memset(written, 0, sizeof(written));
	for (unsigned word = 0; word < FRAMES / 64; word++)
		CHECK_INT(dirty[word], 0);
}

static void map_all(int largest)
{
	slot.largest = largest;
	for (unsigned i = 0; i < FRAMES; i++)
		CHECK_INT(guest(i, MMU_WRITE), 0);
	memset(written, 0, sizeof(written));
}

static void log_start(void)
{
	unsigned flushes = s.flushes[MMU_DIRECT];

	mmu_log_start(&s.mmu, &slot.slot, dirty);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1); /* E4: exactly one, always */
}

static const enum mmu_ad_policy policies[] = { MMU_AD_HARDWARE, MMU_AD_WRPROT, MMU_AD_NONE };

TEST(A5_the_log_is_exactly_what_was_written_under_each_policy)
{
	for (unsigned p = 0; p < ARRAY_LEN(policies); p++)
		for (int largest = LEVEL_4K; largest <= LEVEL_2M; largest++) {
			vm(policies[p]);
			map_all(largest);
			log_start();
			for (unsigned round = 0; round < 4; round++) {
				for (unsigned i = round; i < FRAMES; i += 7 + 64 * round)
					CHECK_INT(guest(i, i % 3 ? MMU_WRITE : MMU_READ), 0);
				log_is_exact();
				new_round();
			}
			mmu_log_stop(&s.mmu, &slot.slot);
			CHECK_INT(guest(1, MMU_WRITE), 0);
			sept_end(&s);
		}
}

TEST(A5_the_policy_of_one_guest_changes_between_logs_and_each_log_is_exact)
{
	static const enum mmu_ad_policy turns[] = { MMU_AD_WRPROT, MMU_AD_HARDWARE, MMU_AD_WRPROT };

	vm(MMU_AD_HARDWARE);
	map_all(LEVEL_2M);
	for (unsigned turn = 0; turn < ARRAY_LEN(turns); turn++) {
		CHECK_INT(mmu_set_ad_policy(&s.mmu, turns[turn]), 0);
		log_start();
		CHECK_INT(mmu_set_ad_policy(&s.mmu, turns[!turn]), -EBUSY);
		for (unsigned i = turn; i < FRAMES; i += 11)
			CHECK_INT(guest(i, i % 3 ? MMU_WRITE : MMU_READ), 0);
		log_is_exact();
		new_round();
		mmu_log_stop(&s.mmu, &slot.slot);
		for (unsigned i = 0; i < FRAMES; i += 5)
			CHECK_INT(guest(i, MMU_WRITE), 0);
		memset(written, 0, sizeof(written));
	}
	CHECK_INT(mmu_set_ad_policy(&s.mmu, MMU_AD_NONE), -EINVAL);
	sept_end(&s);
}

TEST(the_log_sees_pages_that_are_mapped_while_it_is_on)
{
	for (unsigned p = 0; p < ARRAY_LEN(policies); p++) {
		vm(policies[p]);
		log_start();
		for (unsigned i = 0; i < FRAMES; i += 5)
			CHECK_INT(guest(i, i % 2 ? MMU_WRITE : MMU_READ), 0);
		log_is_exact();
		new_round();
		for (unsigned i = 0; i < FRAMES; i += 3)
			CHECK_INT(guest(i, MMU_WRITE), 0);
		log_is_exact();
		sept_end(&s);
	}
}

TEST(the_log_keeps_what_was_written_before_a_page_was_taken_away)
{
	for (unsigned p = 0; p < ARRAY_LEN(policies); p++) {
		vm(policies[p]);
		map_all(LEVEL_4K);
		log_start();
		for (unsigned i = 0; i < FRAMES; i += 5)
			CHECK_INT(guest(i, MMU_WRITE), 0);
		/* Some leaf by leaf, some by whole tables. */
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(3), 600), 0);
		CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(1024), 1024), 0);
		log_is_exact();
		sept_end(&s);
	}
}

TEST(A5_by_D_bits_a_write_while_logging_costs_no_fault)
{
	vm(MMU_AD_HARDWARE);
	map_all(LEVEL_4K);
	log_start();
	faults = 0;
	for (unsigned i = 0; i < FRAMES; i++)
		CHECK_INT(guest(i, MMU_WRITE), 0);
	CHECK_INT(faults, 0);
	sept_end(&s);
}

TEST(a_2M_page_costs_one_fault_and_is_logged_in_4K)
{
	vm(MMU_AD_HARDWARE);
	map_all(LEVEL_2M);
	log_start();
	faults = 0;
	for (unsigned i = 0; i < 512; i += 2)
		CHECK_INT(guest(i, MMU_WRITE), 0);
	CHECK_INT(faults, 1);
	log_is_exact();
	sept_end(&s);
}

TEST(the_page_modification_log_marks_what_it_names)
{
	uint64_t gpas[] = { gfn_to_gpa(at(5)).v, gfn_to_gpa(at(4095)).v, 0x1000,
			    ~UINT64_C(0) << 12 };

	vm(MMU_AD_HARDWARE);
	map_all(LEVEL_4K);
	mmu_log_pml(&s.mmu, gpas, ARRAY_LEN(gpas)); /* not logged: ignored */
	log_start();
	mmu_log_pml(&s.mmu, gpas, ARRAY_LEN(gpas));
	written[5] = written[4095] = true;
	log_is_exact();
	sept_end(&s);
}

/* Whatever the CPU uses: a device's write sets no D bit and makes no fault. */
TEST(a_write_by_the_host_for_a_device_is_in_the_log)
{
	for (unsigned p = 0; p < ARRAY_LEN(policies); p++) {
		vm(policies[p]);
		map_all(LEVEL_4K);
		log_start();
		mmu_log_host_write(&s.mmu, (gpa_t){ gfn_to_gpa(at(9)).v + 0xfff });
		written[9] = true;
		log_is_exact();
		sept_end(&s);
	}
}

TEST(E2_clearing_by_mask_touches_the_mask_only)
{
	vm(MMU_AD_WRPROT);
	map_all(LEVEL_4K);
	log_start();
	for (unsigned i = 64; i < 128; i++)
		CHECK_INT(guest(i, MMU_WRITE), 0);
	CHECK_INT(mmu_log_clear(&s.mmu, &slot.slot, 64, 0xff00), 8);
	for (unsigned i = 64; i < 128; i++) {
		bool cleared = i >= 72 && i < 80;

		CHECK_INT(logged(i), !cleared);
		CHECK_INT((leaf(i).old.raw & SPTE_W) == 0, cleared);
	}
	sept_end(&s);
}

TEST(D7_a_write_to_a_tracked_page_is_reported_until_it_is_untracked)
{
	for (unsigned p = 0; p < ARRAY_LEN(policies); p++)
		for (int largest = LEVEL_4K; largest <= LEVEL_2M; largest++) {
			vm(policies[p]);
			map_all(largest);
			mmu_track_start(&s.mmu, &slot.slot, tracked);
			unsigned flushes = s.flushes[MMU_DIRECT];

			CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(7)), 0);
			CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
			CHECK_INT(guest(7, MMU_READ), 0);
			CHECK_INT(guest(7, MMU_WRITE), -EACCES);
			CHECK_INT(guest(6, MMU_WRITE), 0);
			/* Also when the page comes back after it was taken away. */
			CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(7), 1), 0);
			CHECK_INT(guest(7, MMU_WRITE), -EACCES);
			mmu_untrack(&s.mmu, &slot.slot, at(7));
			CHECK_INT(guest(7, MMU_WRITE), 0);
			sept_end(&s);
		}
}

TEST(E2_tracking_flushes_even_if_the_page_was_read_only_already)
{
	vm(MMU_AD_WRPROT);
	map_all(LEVEL_4K);
	mmu_track_start(&s.mmu, &slot.slot, tracked);
	CHECK_INT(mmu_wrprotect(&s.mmu, at(0), 64), 64);
	unsigned flushes = s.flushes[MMU_DIRECT];

	CHECK_INT(mmu_track(&s.mmu, &slot.slot, at(3)), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], flushes + 1);
	sept_end(&s);
}

TEST(A5_ageing_counts_what_was_used_since_last_time)
{
	for (unsigned p = 0; p < ARRAY_LEN(policies); p++) {
		vm(policies[p]);
		map_all(LEVEL_4K);
		CHECK_INT(mmu_age(&s.mmu, BASE, FRAMES), FRAMES);
		CHECK_INT(mmu_age(&s.mmu, BASE, FRAMES), 0);
		for (unsigned i = 0; i < 100; i++)
			CHECK_INT(guest(i * 3, i % 2 ? MMU_READ : MMU_WRITE), 0);
		CHECK_INT(guest(1, MMU_EXEC), 0);
		CHECK_INT(mmu_age(&s.mmu, BASE, FRAMES), 101);
		sept_end(&s);
	}
}

TEST(E4_an_eager_split_owes_no_flush_and_recovery_owes_one)
{
	vm(MMU_AD_HARDWARE);
	map_all(LEVEL_2M);
	CHECK_INT(mmu_split_range(&s.mmu, BASE, FRAMES, LEVEL_4K), 0);
	CHECK_INT(s.flushes[MMU_DIRECT], 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		CHECK_INT(leaf(i).level, LEVEL_4K);
		CHECK_INT(spte_pfn(leaf(i).old).v, slot.first.v + i);
	}
	CHECK_INT(mmu_recover_range(&s.mmu, BASE, FRAMES), FRAMES / 512);
	CHECK_INT(s.flushes[MMU_DIRECT], 1);
	for (unsigned i = 0; i < FRAMES; i += 512) {
		CHECK_INT(leaf(i).level, LEVEL_2M);
		CHECK_INT(spte_pfn(leaf(i).old).v, slot.first.v + i);
	}
	struct mmu_stats stats;

	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_2M], FRAMES / 512);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 0);
	CHECK_INT(stats.tables[MMU_DIRECT][LEVEL_4K], 0);
	sept_end(&s);
}

TEST(nothing_is_recovered_while_it_is_logged_or_tracked)
{
	vm(MMU_AD_HARDWARE);
	map_all(LEVEL_4K);
	slot.largest = LEVEL_2M;
	log_start();
	CHECK_INT(mmu_recover_range(&s.mmu, BASE, FRAMES), 0);
	mmu_log_stop(&s.mmu, &slot.slot);
	mmu_track_start(&s.mmu, &slot.slot, tracked);
	CHECK_INT(mmu_recover_range(&s.mmu, BASE, FRAMES), 0);
	mmu_track_start(&s.mmu, &slot.slot, NULL);
	CHECK_INT(mmu_recover_range(&s.mmu, BASE, FRAMES), FRAMES / 512);
	CHECK_INT(guest(9, MMU_WRITE), 0);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A5_the_log_is_exactly_what_was_written_under_each_policy),
		cmocka_unit_test(A5_the_policy_of_one_guest_changes_between_logs_and_each_log_is_exact),
		cmocka_unit_test(the_log_sees_pages_that_are_mapped_while_it_is_on),
		cmocka_unit_test(the_log_keeps_what_was_written_before_a_page_was_taken_away),
		cmocka_unit_test(A5_by_D_bits_a_write_while_logging_costs_no_fault),
		cmocka_unit_test(a_2M_page_costs_one_fault_and_is_logged_in_4K),
		cmocka_unit_test(the_page_modification_log_marks_what_it_names),
		cmocka_unit_test(a_write_by_the_host_for_a_device_is_in_the_log),
		cmocka_unit_test(E2_clearing_by_mask_touches_the_mask_only),
		cmocka_unit_test(D7_a_write_to_a_tracked_page_is_reported_until_it_is_untracked),
		cmocka_unit_test(E2_tracking_flushes_even_if_the_page_was_read_only_already),
		cmocka_unit_test(A5_ageing_counts_what_was_used_since_last_time),
		cmocka_unit_test(E4_an_eager_split_owes_no_flush_and_recovery_owes_one),
		cmocka_unit_test(nothing_is_recovered_while_it_is_logged_or_tracked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
