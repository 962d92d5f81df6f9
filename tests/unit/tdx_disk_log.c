/*
 * tdx_disk_log.c - the log of writes to a TD's shared half while its disk is at work: what a device
 * wrote is in the log, and nothing else; a copy that follows the log, made by another CPU all the time,
 * is in the end what the memory is.
 *
 * The writes of guests are in tests/e2e/test_mmu.py: a CPU's permissions cannot be modelled here.
 *
 * links: tests/host/tdx/softmod.c tdx/[a-z]*.c tdx/abi/[a-z]*.c tdx/soft/[a-z]*.c mmu/[a-z]*.c
 *   kernel/base/sha384.c kernel/base/trace.c kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tdx/td_impl.h"
#include "tests/fake/tdvf_image.h"
#include "tests/host/machine.h"
#include "tests/host/tdx/softmod.h"

#define MEMORY     (UINT64_C(2) << 30)
#define RAM        (UINT64_C(64) << 20)
#define FRAMES     (RAM / PAGE_SIZE)
#define SECTORS    256u
#define REQUESTS   2000u
#define ROUNDS     100u /* of the log, at least */
#define AREA_PAGES 64u

/* Where the driver has what: each in pages of its own, for who writes them differs. */
enum { PAGE_TABLE = 0x1000, PAGE_AVAIL, PAGE_USED, PAGE_HEADER, PAGE_STATUS, PAGE_AREA = 0x1100 };

#define GPA(page) ((uint64_t)(page) * PAGE_SIZE)
#define DISK      4u /* its slot on the bus */
#define BAR       UINT64_C(0xc0040000)
#define QUEUE     8u
enum { NEXT = 1, WRITE = 2 };

static struct guest_config config;
static struct platform pc;
static struct vcpu_run run;
static struct td *td;
static uint8_t image[SECTORS * 512];

static void console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

static int start(void **state)
{
	static char why[200];
	const struct platform_config p = { .name = "disk", .vcpus = 1, .console = console,
					   .memory_bytes = RAM, .disk = image,
					   .disk_size = sizeof(image) };

	(void)state;
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 31 + (i >> 9));
	config = (struct guest_config){ .name = "disk",
					.kind = GUEST_TD,
					.memory = RAM,
					.vcpus = 1,
					.page_level = LEVEL_2M,
					.firmware = { .path = "disk.fd",
						      .data = tdvf_image_make(),
						      .size = TDVF_IMAGE_SIZE } };
	softmod_start(MEMORY, 2, 52);
	assert_int_equal(tdx_init(softmod_host()), 0);
	assert_int_equal(platform_init(&pc, &p), 0);
	assert_int_equal(td_create(&td, &config, &pc, &run, why, sizeof(why)), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(td_destroy(td), 0);
	assert_int_equal(page_count(PAGE_LEAKED), 0);
	platform_fini(&pc);
	tdx_fini();
	return 0;
}

/* ---- the driver ---- */

static void put(uint64_t gpa, const void *from, uint64_t bytes)
{
	assert_int_equal(guest_memory_write(&td->shared, (gpa_t){ gpa }, from, bytes), 0);
}

static void bar_set(unsigned at, unsigned bytes, uint64_t v)
{
	platform_mmio_write(&pc, (gpa_t){ BAR + at }, bytes, v);
}

static void config_write(unsigned reg, uint32_t v)
{
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (DISK << 15) + reg }, 4, v);
}

static void bring_up(void)
{
	static const struct {
		uint16_t at, bytes;
		uint64_t value;
	} writes[] = {
		{ 20, 1, 0 }, { 20, 1, 3 }, { 8, 4, 0 }, { 12, 4, 0 }, { 8, 4, 1 }, { 12, 4, 3 },
		{ 20, 1, 11 }, { 22, 2, 0 }, { 24, 2, QUEUE }, { 32, 8, GPA(PAGE_TABLE) },
		{ 40, 8, GPA(PAGE_AVAIL) }, { 48, 8, GPA(PAGE_USED) }, { 28, 2, 1 }, { 20, 1, 15 },
	};

	config_write(0x10, (uint32_t)BAR);
	config_write(0x04, 0x06);
	for (size_t i = 0; i < ARRAY_LEN(writes); i++)
		bar_set(writes[i].at, writes[i].bytes, writes[i].value);
}

static void desc(unsigned i, uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next)
{
	uint8_t d[16];

	memcpy(d, &gpa, 8);
	memcpy(d + 8, &bytes, 4);
	memcpy(d + 12, &flags, 2);
	memcpy(d + 14, &next, 2);
	put(GPA(PAGE_TABLE) + 16 * i, d, sizeof(d));
}

/* Read @bytes of the disk from @sector on to @gpa. */
static void disk_read(uint64_t sector, uint64_t gpa, uint32_t bytes)
{
	static uint16_t avail;
	const uint32_t type = 0;
	const uint16_t head = 0;
	uint8_t status = 0xee, used[2];

	put(GPA(PAGE_HEADER), &type, sizeof(type));
	put(GPA(PAGE_HEADER) + 8, &sector, sizeof(sector));
	desc(0, GPA(PAGE_HEADER), 16, NEXT, 1);
	desc(1, gpa, bytes, NEXT | WRITE, 2);
	desc(2, GPA(PAGE_STATUS), 1, WRITE, 0);
	/* A device that is new counts from 0. */
	assert_int_equal(guest_memory_read(&td->shared, used, (gpa_t){ GPA(PAGE_USED) + 2 }, 2), 0);
	avail = (uint16_t)(used[0] | used[1] << 8);
	put(GPA(PAGE_AVAIL) + 4 + 2 * (avail % QUEUE), &head, sizeof(head));
	avail++;
	put(GPA(PAGE_AVAIL) + 2, &avail, sizeof(avail));
	bar_set(0x3000, 2, 0);
	assert_int_equal(guest_memory_read(&td->shared, &status, (gpa_t){ GPA(PAGE_STATUS) }, 1), 0);
	assert_int_equal(status, 0);
}

/* ---- the log, and who follows it ---- */

static uint64_t dirty[FRAMES / 64], taken[FRAMES / 64], ever[FRAMES / 64];
static uint8_t copy[FRAMES][PAGE_SIZE];
static uint32_t over;
static uint64_t rounds, copied;

static struct memslot *low_ram(void) { return mmu_slot_at(&td->mmu, 0); }

static bool in(const uint64_t *map, uint64_t frame) { return (map[frame / 64] >> (frame % 64) & 1) != 0; }

static void follow(void)
{
	memset(taken, 0, sizeof(taken));
	(void)mmu_log_take(&td->mmu, low_ram(), taken);
	mmu_log_flush(&td->mmu, low_ram());
	for (uint64_t f = 0; f < FRAMES; f++) {
		if (!in(taken, f))
			continue;
		ever[f / 64] |= BIT64(f % 64);
		assert_int_equal(guest_memory_read(&td->shared, copy[f], (gpa_t){ GPA(f) }, PAGE_SIZE),
				 0);
		copied++;
	}
	__atomic_store_n(&rounds, rounds + 1, __ATOMIC_RELAXED);
}

static void *follower(void *arg)
{
	(void)arg;
	machine_cpu(1);
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		follow();
		sched_yield();
	}
	return NULL;
}

static uint64_t rnd(uint64_t below)
{
	static uint64_t seed = 0x9e3779b97f4a7c15;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void read_at_random(uint64_t *touched)
{
	uint64_t sectors = 1 + rnd(24), sector = rnd(SECTORS - sectors);
	uint64_t bytes = sectors * 512, gpa = GPA(PAGE_AREA) + rnd(AREA_PAGES * PAGE_SIZE - bytes);

	disk_read(sector, gpa, (uint32_t)bytes);
	for (uint64_t f = gpa / PAGE_SIZE; f <= (gpa + bytes - 1) / PAGE_SIZE; f++)
		touched[f / 64] |= BIT64(f % 64);
}

static bool same(uint64_t frame)
{
	uint8_t now[PAGE_SIZE];

	assert_int_equal(guest_memory_read(&td->shared, now, (gpa_t){ GPA(frame) }, PAGE_SIZE), 0);
	return memcmp(now, copy[frame], PAGE_SIZE) == 0;
}

static void a_copy_follows_what_the_disk_writes(void **state)
{
	static uint64_t touched[FRAMES / 64];
	pthread_t other;

	(void)state;
	memset(touched, 0, sizeof(touched));
	over = 0;
	bring_up();
	mmu_log_start(&td->mmu, low_ram(), dirty);
	assert_int_equal(pthread_create(&other, NULL, follower, NULL), 0);
	for (unsigned i = 0; i < REQUESTS || __atomic_load_n(&rounds, __ATOMIC_RELAXED) < ROUNDS; i++) {
		read_at_random(touched);
		if (i % 8 == 0)
			sched_yield();
	}
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	pthread_join(other, NULL);
	follow();
	touched[PAGE_USED / 64] |= BIT64(PAGE_USED % 64);
	touched[PAGE_STATUS / 64] |= BIT64(PAGE_STATUS % 64);
	printf("%llu rounds, %llu pages copied\n", (unsigned long long)rounds, (unsigned long long)copied);
	for (uint64_t f = 0; f < FRAMES; f++) {
		if (in(ever, f) != in(touched, f))
			fail_msg("page %#llx: %s", (unsigned long long)f,
				 in(ever, f) ? "in the log, and nobody wrote to it" : "not in the log");
		if (in(touched, f) && !same(f))
			fail_msg("page %#llx: the copy is older than the memory", (unsigned long long)f);
	}
	assert_true(copied > ROUNDS);
	mmu_log_stop(&td->mmu, low_ram());
}

static void after_the_end_of_the_log_the_disk_goes_on(void **state)
{
	(void)state;
	bring_up();
	mmu_log_start(&td->mmu, low_ram(), dirty);
	disk_read(1, GPA(PAGE_AREA) + PAGE_SIZE - 1, 512);
	assert_true(in(dirty, PAGE_AREA) && in(dirty, PAGE_AREA + 1) && !in(dirty, PAGE_AREA + 2));
	mmu_log_stop(&td->mmu, low_ram());
	memset(dirty, 0, sizeof(dirty));
	disk_read(2, GPA(PAGE_AREA), 512);
	for (size_t i = 0; i < ARRAY_LEN(dirty); i++)
		assert_int_equal(dirty[i], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_copy_follows_what_the_disk_writes, start, stop),
		cmocka_unit_test_setup_teardown(after_the_end_of_the_log_the_disk_goes_on, start, stop),
	};

	return softmod_run_versions(tests);
}
