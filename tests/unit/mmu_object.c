/*
 * mmu_object.c - the MMU as a whole: its configuration, its end, what it tells about itself, and the pool
 * of its tables; promises that single conditions keep. Each test is about one function of mmu/.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include "tests/fake/rig.h"

static int init_mirror(uint8_t mirror_max_level, enum mmu_ad_policy ad, enum mmu_mmio_policy mmio,
		       const struct mmu_ops *ops)
{
	static struct mmu other;
	int err = mmu_init(&other, &(struct mmu_config){ .ops = ops,
							  .name = "other",
							  .levels = 4,
							  .shared_bit = 47,
							  .has_mirror = true,
							  .max_level = LEVEL_1G,
							  .mirror_max_level = mirror_max_level,
							  .memtype = SPTE_MEMTYPE_WB,
							  .ad = ad,
							  .mmio = mmio });

	if (!err)
		CHECK_INT(mmu_fini(&other), 0);
	return err;
}

TEST(config_of_a_mirror)
{
	struct mmu_ops ops;

	td();
	ops = *s.mmu.ops;
	ops.trace = NULL;
	CHECK_INT(init_mirror(LEVEL_4K, MMU_AD_NONE, MMU_MMIO_VE, &ops), 0);
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_NONE, MMU_MMIO_REPORT, &ops), 0);
	CHECK_INT(init_mirror(LEVEL_1G, MMU_AD_NONE, MMU_MMIO_VE, &ops), -EINVAL);
	CHECK_INT(init_mirror(0, MMU_AD_NONE, MMU_MMIO_VE, &ops), -EINVAL);
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_WRPROT, MMU_MMIO_VE, &ops), -EINVAL);
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_NONE, MMU_MMIO_MISCONFIG, &ops), -EINVAL);
	ops.set_external_spte = NULL;
	CHECK_INT(init_mirror(LEVEL_2M, MMU_AD_NONE, MMU_MMIO_VE, &ops), -EINVAL);
	sept_end(&s);
}

TEST(init_makes_leaves_that_cause_no_VE)
{
	td();
	touch(0, MMU_WRITE);
	CHECK(direct(0).raw & SPTE_SUPPRESS_VE);
	CHECK_INT(mmu_eptp(&s.mmu), mmu_root_hpa(&s.mmu, MMU_DIRECT).v | 6 | 3 << 3);
	sept_end(&s);
}

TEST(fini_leaks_what_an_external_table_keeps)
{
	td();
	map_private(0, LEVEL_4K);
	sept_fail(&s, STEP_BLOCK, 1, ~0u, SEPT_BUSY);
	CHECK_INT(mmu_fini(&s.mmu), 4); /* the mirror's tables of all levels */
	CHECK(page_count(PAGE_LEAKED) > 0);
	CHECK(s.mmu.root[MMU_DIRECT] == NULL && s.mmu.root[MMU_MIRROR] == NULL);
	CHECK_INT(s.mmu.slot_count, 0);
	free(s.entries);
}

TEST(lookup_in_a_root_that_is_not_there_finds_nothing)
{
	int level;

	vm(MMU_AD_HARDWARE, 4096);
	CHECK(spte_equal(mmu_lookup(&s.mmu, MMU_DIRECT_2, at(0), &level), SPTE_NONE));
	CHECK_INT(level, 4);
	sept_end(&s);
}

TEST(stats_leave_retired_roots_out)
{
	struct mmu_stats stats;

	vm(MMU_AD_HARDWARE, 4096);
	struct mmu_page *two = mmu_root_get(&s.mmu, MMU_DIRECT_2);

	touch(0, MMU_WRITE);
	CHECK_INT(fault_in(MMU_DIRECT_2, at(1), MMU_WRITE, 0), 0);
	CHECK_INT(fault_in(MMU_DIRECT_2, at(2), MMU_WRITE, 0), 0);
	s.mmu.root[MMU_DIRECT_2] = NULL;
	s.mmu.retired = two;
	mmu_stats(&s.mmu, &stats);
	CHECK_INT(stats.leaves[MMU_DIRECT_2][LEVEL_4K], 0);
	CHECK_INT(stats.tables[MMU_DIRECT_2][LEVEL_4K], 0);
	CHECK_INT(stats.leaves[MMU_DIRECT][LEVEL_4K], 1);
	CHECK_INT(stats.retired_roots, 1);
	s.mmu.root[MMU_DIRECT_2] = two;
	s.mmu.retired = NULL;
	mmu_root_put(&s.mmu, two);
	sept_end(&s);
}

TEST(read_external_asks_while_there_is_a_key)
{
	struct mmu_external e = { .kind = SPTE_IS_FROZEN };
	struct mmu_ops silent;
	const struct mmu_ops *was;

	machine_start(UINT64_C(1) << 30, 4);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 4096);
	CHECK_INT(mmu_map_private(&s.mmu, at(0), (pfn_t){ 0x777000 }), 0);
	slot.out++;
	for (unsigned phase = MMU_BUILDING; phase <= MMU_RUNNING; phase++) {
		mmu_set_phase(&s.mmu, phase);
		e.kind = SPTE_IS_FROZEN;
		CHECK_INT(mmu_read_external(&s.mmu, at(0), LEVEL_4K, &e), 0);
		CHECK_INT(e.kind, SPTE_IS_LEAF);
		CHECK_INT(e.pfn.v, 0x777000);
	}
	was = s.mmu.ops;
	silent = *was;
	silent.read_external = NULL;
	s.mmu.ops = &silent;
	CHECK_INT(mmu_read_external(&s.mmu, at(0), LEVEL_4K, &e), -ENOSYS);
	s.mmu.ops = was;
	mmu_set_phase(&s.mmu, MMU_RELEASED);
	CHECK_INT(mmu_read_external(&s.mmu, at(0), LEVEL_4K, &e), -ENOSYS);
	sept_end(&s);
}

static unsigned chunks(void)
{
	unsigned n = 0;

	for (struct mmu_chunk *c = s.mmu.pool.first; c; c = c->next)
		n++;
	CHECK_INT(pool_bytes(&s.mmu.pool), n * CHUNK_SIZE);
	return n;
}

TEST(pool_fills_what_became_free)
{
	vm(MMU_AD_HARDWARE, 4 * G1);
	for (unsigned i = 0; i < 186; i++) /* with three above them all of three chunks */
		touch(i * M2, MMU_WRITE);
	CHECK_INT(chunks(), 3);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), 40 * M2), 0);
	for (unsigned i = 0; i < 40; i++)
		touch((200 + i) * M2, MMU_WRITE);
	CHECK_INT(chunks(), 3);
	CHECK_INT(mmu_zap_range(&s.mmu, MMU_DIRECT, at(0), 4 * G1), 0);
	CHECK(chunks() <= 2);
	touch(0, MMU_WRITE);
	CHECK(chunks() <= 2);
	CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_of_a_mirror),
		cmocka_unit_test(init_makes_leaves_that_cause_no_VE),
		cmocka_unit_test(fini_leaks_what_an_external_table_keeps),
		cmocka_unit_test(lookup_in_a_root_that_is_not_there_finds_nothing),
		cmocka_unit_test(stats_leave_retired_roots_out),
		cmocka_unit_test(read_external_asks_while_there_is_a_key),
		cmocka_unit_test(pool_fills_what_became_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
