/*
 * mmu_lock.c - who may be inside, who waits, what a CPU remembers (rule E7; lock.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
/* links: mmu/[a-z]*.c tests/fake/sept.c */
#include <pthread.h>
#include <unistd.h>

#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "tests/fake/sept.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define BASE ((gfn_t){ 0x40000 })

static struct sept s;
static struct fake_slot slot;

static gfn_t at(uint64_t offset) { return gfn_add(BASE, offset); }

static void td(void)
{
	machine_start(UINT64_C(1) << 30, MMU_MAX_CPUS);
	machine_cpu(0);
	sept_start(&s, SEPT_TD);
	fake_slot_add(&s, &slot, BASE, 8192);
	slot.largest = LEVEL_4K;
	mmu_set_phase(&s.mmu, MMU_RUNNING);
}

static void fault(enum mmu_root root, uint64_t offset)
{
	struct mmu_fault f = { .gfn = at(offset), .root = root, .access = MMU_WRITE };

	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
}

static enum spte_kind kind(enum mmu_root root, uint64_t offset)
{
	int level;

	return spte_kind(mmu_lookup(&s.mmu, root, at(offset), &level));
}

TEST(a_remembered_table_is_not_entered_after_it_was_cut)
{
	for (unsigned root = MMU_DIRECT; root <= MMU_MIRROR; root++) {
		td();
		fault(root, 3);
		spte_t *entry = walk_to(&s.mmu, root, at(3), LEVEL_4K).entry;

		CHECK_INT(kind(root, 3), SPTE_IS_LEAF); /* by what CPU 0 remembers */
		CHECK(mmu_cpus[0].last_4k.entries == entry - (at(3).v & 511));
		CHECK_INT(mmu_zap_all(&s.mmu, root), 0);
		/* The page goes to another table, which has a leaf at the same place. */
		fault(root, 512 + 3);
		CHECK(walk_to(&s.mmu, root, at(512 + 3), LEVEL_4K).entry == entry);
		machine_cpu(0);
		CHECK_INT(kind(root, 3), SPTE_IS_NONE);
		fault(root, 3);
		CHECK(walk_to(&s.mmu, root, at(3), LEVEL_4K).level == LEVEL_4K);
		CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
		sept_end(&s);
	}
}

/* A walk that ends in a 2M table is remembered as well; its entries say whether it goes on below. */
TEST(a_2M_table_is_remembered_and_left_after_a_cut)
{
	for (unsigned root = MMU_DIRECT; root <= MMU_MIRROR; root++) {
		td();
		slot.largest = LEVEL_2M;
		fault(root, 3);
		spte_t *entry = walk_to(&s.mmu, root, at(3), LEVEL_2M).entry;

		CHECK_INT(kind(root, 512 + 3), SPTE_IS_NONE); /* by what CPU 0 remembers */
		CHECK(mmu_cpus[0].last_2m.entries == entry - (at(3).v >> 9 & 511));
		fault(root, 512 + 3);
		CHECK(walk_to(&s.mmu, root, at(512 + 3), LEVEL_2M).entry == entry + 1);
		/* Below it: a table of its own for a block that is not whole any more. */
		slot.largest = LEVEL_4K;
		fault(root, 1024 + 7);
		CHECK_INT(kind(root, 512 + 3), SPTE_IS_LEAF);
		CHECK_INT(kind(root, 1024 + 7), SPTE_IS_LEAF);
		CHECK_INT(kind(root, 1024 + 8), SPTE_IS_NONE);
		CHECK_INT(kind(root, 512 + 3), SPTE_IS_LEAF);
		CHECK_INT(mmu_zap_all(&s.mmu, root), 0);
		fault(root, 4096 + 3); /* the pages of those tables serve others now */
		machine_cpu(0);
		CHECK_INT(kind(root, 512 + 3), SPTE_IS_NONE);
		fault(root, 512 + 3);
		CHECK_INT(mmu_check(&s.mmu, NULL, NULL), 0);
		sept_end(&s);
	}
}

/* What another CPU remembers is void too. */
TEST(each_cpu_learns_of_a_cut)
{
	td();
	fault(MMU_DIRECT, 3);
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		machine_cpu(cpu);
		CHECK_INT(kind(MMU_DIRECT, 3), SPTE_IS_LEAF);
	}
	CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0);
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		machine_cpu(cpu);
		CHECK_INT(kind(MMU_DIRECT, 3), SPTE_IS_NONE);
	}
	machine_cpu(0);
	sept_end(&s);
}

TEST(a_table_that_was_joined_is_not_remembered)
{
	int level;

	td();
	slot.largest = LEVEL_2M;
	struct mmu_fault f = { .gfn = at(0), .root = MMU_MIRROR, .max_level = LEVEL_2M };

	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	f.max_level = LEVEL_4K; /* demote it, and go through its table */
	CHECK_INT(mmu_handle_fault(&s.mmu, &f), 0);
	CHECK_INT(kind(MMU_MIRROR, 5), SPTE_IS_LEAF);
	CHECK_INT(mmu_join_private(&s.mmu, at(0), LEVEL_2M), 0);
	CHECK(spte_has_leaf(mmu_lookup(&s.mmu, MMU_MIRROR, at(5), &level)));
	CHECK_INT(level, LEVEL_2M);
	sept_end(&s);
}

TEST(a_lock_where_another_was_is_joined_anew)
{
	td();
	fault(MMU_DIRECT, 3);
	CHECK(s.mmu.lock.cpus[0] & 1);
	sept_end(&s);
	td(); /* in the same place */
	s.mmu.lock.cpus[0] = 0;
	mmu_lock_init(&s.mmu.lock);
	fault(MMU_DIRECT, 3);
	CHECK(s.mmu.lock.cpus[0] & 1);
	sept_end(&s);
}

/* Whatever lies behind the lock in memory. */
TEST(each_cpu_that_looks_is_noted)
{
	static struct {
		struct mmu_lock lock;
		uint64_t behind[MMU_MAX_CPUS * 64];
	} room;

	machine_start(UINT64_C(1) << 30, MMU_MAX_CPUS);
	memset(room.behind, 0xff, sizeof(room.behind));
	for (unsigned round = 0; round < 2; round++) { /* among others that are not there; all of them */
		unsigned step = round ? 1 : 7;

		mmu_lock_init(&room.lock);
		for (unsigned cpu = 0; cpu < MMU_MAX_CPUS; cpu += step) {
			machine_cpu(cpu);
			mmu_look_end(mmu_look_begin(&room.lock));
			CHECK(room.lock.cpus[cpu / 64] & BIT64(cpu % 64));
		}
	}
	machine_cpu(0);
}

/*
 * Waiting
 */
struct job {
	pthread_t thread;
	void (*run)(void);
	bool done;
};

static void *job_main(void *arg)
{
	struct job *job = arg;

	machine_cpu(1);
	job->run();
	__atomic_store_n(&job->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void begin(struct job *job, void (*run)(void))
{
	*job = (struct job){ .run = run };
	CHECK_INT(pthread_create(&job->thread, NULL, job_main, job), 0);
}

#define PATIENCE 500u /* rounds of 10 ms: a loaded machine fails no test */

static bool is_done(const struct job *job)
{
	return __atomic_load_n(&job->done, __ATOMIC_SEQ_CST);
}

static bool is_done_soon(const struct job *job)
{
	for (unsigned i = 0; i < 20 && !is_done(job); i++)
		usleep(1000);
	return is_done(job);
}

static void cut_all(void) { CHECK_INT(mmu_zap_all(&s.mmu, MMU_DIRECT), 0); }
static void fault_one(void) { fault(MMU_DIRECT, 700); }
static void look_only(void) { CHECK_INT(kind(MMU_DIRECT, 3), SPTE_IS_LEAF); }

TEST(E7_a_table_is_not_freed_under_a_cpu_that_looks)
{
	struct job job;

	td();
	fault(MMU_DIRECT, 3);
	uint64_t free_before = page_count(PAGE_FREE);
	struct mmu_cpu *me = mmu_look_begin(&s.mmu.lock);

	begin(&job, cut_all);
	CHECK(!is_done_soon(&job));
	CHECK_INT(page_count(PAGE_FREE), free_before);
	mmu_look_end(me);
	pthread_join(job.thread, NULL);
	sept_end(&s);
}

/* And one that looks again does not keep it waiting, even if it is never seen outside. */
TEST(E7_a_grace_period_ends_with_the_visits_that_it_began_with)
{
	struct job job;

	td();
	fault(MMU_DIRECT, 3);
	struct mmu_cpu *me = mmu_look_begin(&s.mmu.lock);

	begin(&job, cut_all);
	CHECK(!is_done_soon(&job));
	for (unsigned i = 0; i < PATIENCE && !is_done(&job); i++) {
		me = mmu_look_begin(&s.mmu.lock);
		usleep(10000);
	}
	CHECK(is_done(&job));
	mmu_look_end(me);
	pthread_join(job.thread, NULL);
	sept_end(&s);
}

static struct mmu_cpu *looking;
static void invalidate(void) { CHECK_INT(mmu_invalidate(&s.mmu, MMU_DIRECT), 0); }

/* In the middle of it, CPU 2 begins to look: maybe at the root that goes. */
static int flush_meanwhile(struct mmu *mmu, enum mmu_root root, gfn_t start, uint64_t frames)
{
	(void)root, (void)start, (void)frames;
	machine_cpu(2);
	__atomic_store_n(&looking, mmu_look_begin(&mmu->lock), __ATOMIC_SEQ_CST);
	machine_cpu(1);
	return 0;
}

TEST(E7_an_invalid_root_is_not_taken_apart_under_a_cpu_that_looks)
{
	static struct mmu_ops ops;
	struct job job;

	td();
	fault(MMU_DIRECT, 3);
	ops = *s.mmu.ops;
	ops.flush = flush_meanwhile;
	s.mmu.ops = &ops;
	struct mmu_page *table = page_of_entry(walk_to(&s.mmu, MMU_DIRECT, at(3), LEVEL_4K).entry);

	looking = NULL;
	begin(&job, invalidate);
	for (unsigned i = 0; i < PATIENCE && !__atomic_load_n(&looking, __ATOMIC_SEQ_CST); i++)
		usleep(10000);
	CHECK(looking != NULL);
	CHECK(!is_done_soon(&job));
	CHECK(!pool_is_free(table));
	mmu_look_end(looking);
	pthread_join(job.thread, NULL);
	sept_end(&s);
}

TEST(a_writer_keeps_readers_out_and_not_those_who_look)
{
	struct job reader, looker;

	td();
	fault(MMU_DIRECT, 3);
	mmu_write_lock(&s.mmu.lock);
	begin(&looker, look_only);
	pthread_join(looker.thread, NULL);
	begin(&reader, fault_one);
	CHECK(!is_done_soon(&reader));
	/* It says that it waits, and is let in at a yield. */
	uint32_t *waiting = &s.mmu.lock.waiting;

	for (unsigned i = 0; i < PATIENCE && __atomic_load_n(waiting, __ATOMIC_SEQ_CST) == 0; i++)
		usleep(10000);
	CHECK_INT(__atomic_load_n(waiting, __ATOMIC_SEQ_CST), 1);
	for (unsigned i = 0; i < PATIENCE * 100 && !is_done(&reader); i++) {
		mmu_write_yield(&s.mmu.lock);
		usleep(100);
	}
	CHECK(is_done(&reader));
	mmu_write_unlock(&s.mmu.lock);
	pthread_join(reader.thread, NULL);
	CHECK_INT(s.mmu.lock.waiting, 0);
	sept_end(&s);
}

TEST(a_writer_waits_for_the_last_of_many_cpus_and_asks_no_other)
{
	struct job job;

	td();
	for (unsigned cpu = 0; cpu < MMU_MAX_CPUS; cpu += 73) {
		machine_cpu(cpu);
		(void)kind(MMU_DIRECT, 3);
	}
	machine_cpu(511);
	struct mmu_cpu *me = mmu_look_begin(&s.mmu.lock);

	begin(&job, cut_all);
	CHECK(!is_done_soon(&job));
	mmu_look_end(me);
	pthread_join(job.thread, NULL);
	machine_cpu(0);
	/* CPU 300 never was in this MMU: whatever its slot says, nobody asks. */
	mmu_cpus[300].inside = &s.mmu.lock;
	mmu_write_lock(&s.mmu.lock);
	mmu_write_unlock(&s.mmu.lock);
	mmu_cpus[300].inside = NULL;
	sept_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_remembered_table_is_not_entered_after_it_was_cut),
		cmocka_unit_test(a_2M_table_is_remembered_and_left_after_a_cut),
		cmocka_unit_test(each_cpu_learns_of_a_cut),
		cmocka_unit_test(a_table_that_was_joined_is_not_remembered),
		cmocka_unit_test(a_lock_where_another_was_is_joined_anew),
		cmocka_unit_test(each_cpu_that_looks_is_noted),
		cmocka_unit_test(E7_a_table_is_not_freed_under_a_cpu_that_looks),
		cmocka_unit_test(E7_a_grace_period_ends_with_the_visits_that_it_began_with),
		cmocka_unit_test(E7_an_invalid_root_is_not_taken_apart_under_a_cpu_that_looks),
		cmocka_unit_test(a_writer_keeps_readers_out_and_not_those_who_look),
		cmocka_unit_test(a_writer_waits_for_the_last_of_many_cpus_and_asks_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
