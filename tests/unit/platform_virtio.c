/*
 * platform_virtio.c - what the virtio devices promise, seen from a driver, good and bad.
 *
 * links: kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/machine/port.h"
#include "kernel/platform/platform.h"
#include "tests/fake/device_ram.h"

#define BAR   UINT64_C(0xc0000000)
#define TABLE UINT64_C(0x1000)
#define AVAIL UINT64_C(0x2000)
#define USED  UINT64_C(0x3000)
#define DATA  UINT64_C(0x4000)
#define SIZE  8

enum { CONSOLE = 2, RNG = 3, DISK = 4 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

static struct platform pc;
static uint8_t memory[64 * 1024];
static struct device_ram ram = { memory, sizeof(memory) };
static uint8_t image[9 * 512]; /* not a whole number of pages */
static char printed[256];
static unsigned printed_count, interrupts;
static struct intr_message last;
static bool endless; /* another vCPU adds an entry each time the device looks */

static void deliver(void *ctx, const struct intr_message *m)
{
	(void)ctx;
	interrupts++;
	last = *m;
}

static void print(void *ctx, uint8_t byte)
{
	(void)ctx;
	printed[printed_count++ % sizeof(printed)] = (char)byte;
}

static void entropy(uint8_t *to, size_t n) { memset(to, 0x5a, n); }

static int mem_read(void *ctx, uint64_t gpa, void *to, uint64_t n)
{
	if (endless && gpa == AVAIL + 2)
		memory[gpa]++;
	return device_ram_read(ctx, gpa, to, n);
}

static int start(void **state)
{
	const struct platform_config config = {
		.name = "t", .memory_bytes = 64 << 20, .vcpus = 1, .console = print, .disk = image,
		.disk_size = sizeof(image), .virtio_console = true, .entropy = entropy,
	};
	const struct intr_sink sink = { .deliver = deliver };
	const struct dma dma = { mem_read, device_ram_write, &ram };

	(void)state;
	printed_count = interrupts = 0;
	endless = false;
	memset(memory, 0, sizeof(memory));
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i / 512);
	if (platform_init(&pc, &config))
		return -1;
	platform_set_sink(&pc, &sink);
	platform_set_dma(&pc, &dma);
	return 0;
}

static int stop(void **state)
{
	uint64_t before = page_count(PAGE_GUEST);

	(void)state;
	(void)before;
	platform_fini(&pc);
	assert_int_equal(page_count(PAGE_GUEST), 0);
	return 0;
}

/* ---- a driver ---- */

static void config_write(unsigned slot, unsigned reg, uint32_t v)
{
	platform_mmio_write(&pc, (gpa_t){ PCI_ECAM_GPA + (slot << 15) + reg }, 4, v);
}

static uint64_t bar(unsigned slot, unsigned at, unsigned bytes)
{
	return platform_mmio_read(&pc, (gpa_t){ BAR + slot * 0x10000 + at }, bytes);
}

static void bar_set(unsigned slot, unsigned at, unsigned bytes, uint64_t v)
{
	platform_mmio_write(&pc, (gpa_t){ BAR + slot * 0x10000 + at }, bytes, v);
}

static void features(unsigned slot, uint32_t low, uint32_t high)
{
	bar_set(slot, 20, 1, 0);
	bar_set(slot, 20, 1, 3);
	bar_set(slot, 8, 4, 0);
	bar_set(slot, 12, 4, low);
	bar_set(slot, 8, 4, 1);
	bar_set(slot, 12, 4, high);
	bar_set(slot, 20, 1, 11);
}

static void queue(unsigned slot, unsigned index)
{
	bar_set(slot, 22, 2, index);
	bar_set(slot, 24, 2, SIZE);
	bar_set(slot, 32, 8, TABLE);
	bar_set(slot, 40, 4, AVAIL);
	bar_set(slot, 44, 4, 0);
	bar_set(slot, 48, 8, USED);
	bar_set(slot, 28, 2, 1);
}

static void bring_up(unsigned slot, unsigned index)
{
	config_write(slot, 0x10, (uint32_t)(BAR + slot * 0x10000));
	config_write(slot, 0x04, 0x06);
	features(slot, 0, 3);
	assert_int_equal(bar(slot, 20, 1), 11);
	queue(slot, index);
	bar_set(slot, 20, 1, 15);
}

static void desc(unsigned i, uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next)
{
	uint8_t *d = memory + TABLE + 16 * i;

	memcpy(d, &gpa, 8);
	memcpy(d + 8, &bytes, 4);
	memcpy(d + 12, &flags, 2);
	memcpy(d + 14, &next, 2);
}

static uint16_t *word(uint64_t gpa) { return (uint16_t *)(void *)(memory + gpa); }
static uint32_t *dword(uint64_t gpa) { return (uint32_t *)(void *)(memory + gpa); }

static void offer(unsigned slot, unsigned index, uint16_t head)
{
	uint16_t *avail = word(AVAIL + 2);

	*word(AVAIL + 4 + 2 * (*avail % SIZE)) = head;
	++*avail;
	bar_set(slot, 0x3000 + 4 * index, 2, index);
}

static uint16_t used(void) { return *word(USED + 2); }

/* ---- promises ---- */

static void a_driver_must_take_what_protects_a_td(void **state)
{
	(void)state;
	config_write(RNG, 0x10, (uint32_t)(BAR + RNG * 0x10000));
	config_write(RNG, 0x04, 0x06);
	bar_set(RNG, 0, 4, 1);
	assert_int_equal(bar(RNG, 4, 4), 3); /* VERSION_1, ACCESS_PLATFORM */
	features(RNG, 0, 1);
	assert_int_equal(bar(RNG, 20, 1), 3); /* FEATURES_OK did not stick */
	features(RNG, 1, 3);                  /* nobody offered that one */
	assert_int_equal(bar(RNG, 20, 1), 3);
	features(RNG, 0, 3);
	assert_int_equal(bar(RNG, 20, 1), 11);
	assert_int_equal(bar(RNG, 18, 2), 1);
	bar_set(RNG, 22, 2, 7);
	assert_int_equal(bar(RNG, 24, 2), 0); /* there is no such queue */
}

static void rng_fills_what_it_is_given(void **state)
{
	(void)state;
	bring_up(RNG, 0);
	desc(0, DATA, 16, WRITE | NEXT, 1);
	desc(1, DATA + 0x100, 8, WRITE, 0);
	offer(RNG, 0, 0);
	assert_int_equal(used(), 1);
	assert_int_equal(*dword(USED + 8), 24);
	assert_int_equal(memory[DATA + 15], 0x5a);
	assert_int_equal(memory[DATA + 0x107], 0x5a);
	assert_int_equal(memory[DATA + 0x108], 0);
	assert_int_equal(bar(RNG, 0x1000, 1), 1); /* by INTx: the status is read, and gone */
	assert_int_equal(bar(RNG, 0x1000, 1), 0);
}

static void msix_tells_the_queue(void **state)
{
	(void)state;
	bring_up(RNG, 0);
	config_write(RNG, 0x40 + 16 + 20 + 16 + 16, 0x80000000); /* behind four capabilities */
	bar_set(RNG, 0x3810, 4, 0xfee00000);
	bar_set(RNG, 0x3814, 4, 0);
	bar_set(RNG, 0x3818, 4, 0x55);
	bar_set(RNG, 0x381c, 4, 0);
	bar_set(RNG, 26, 2, 1);
	assert_int_equal(bar(RNG, 26, 2), 1);
	bar_set(RNG, 26, 2, 9);
	assert_int_equal(bar(RNG, 26, 2), 0xffff); /* no such vector */
	bar_set(RNG, 26, 2, 1);
	desc(0, DATA, 4, WRITE, 0);
	offer(RNG, 0, 0);
	assert_int_equal(interrupts, 1);
	assert_int_equal(last.vector, 0x55);
	*word(AVAIL) = 1; /* no interrupt, please */
	offer(RNG, 0, 0);
	assert_int_equal(interrupts, 1);
	assert_int_equal(used(), 2);
}

static uint8_t disk(uint32_t type, uint64_t sector, uint32_t bytes, bool in)
{
	memcpy(memory + DATA, &type, 4);
	memcpy(memory + DATA + 8, &sector, 8);
	memory[DATA + 0x10] = 0xee;
	desc(0, DATA, 16, NEXT, 1);
	desc(1, DATA + 0x1000, bytes, (uint16_t)(NEXT | (in ? WRITE : 0)), 2);
	desc(2, DATA + 0x10, 1, WRITE, 0);
	offer(DISK, 0, 0);
	return memory[DATA + 0x10];
}

static void the_disk_reads_writes_and_keeps_its_image(void **state)
{
	(void)state;
	bring_up(DISK, 0);
	assert_int_equal(bar(DISK, 0x2000, 8), 9);
	assert_int_equal(disk(0, 7, 1024, true), 0);
	assert_int_equal(memory[DATA + 0x1000], 7);
	assert_int_equal(memory[DATA + 0x1200], 8);
	memset(memory + DATA + 0x1000, 0xcc, 1024);
	assert_int_equal(disk(1, 7, 1024, false), 0);
	memset(memory + DATA + 0x1000, 0, 1024);
	assert_int_equal(disk(0, 6, 1536, true), 0);
	assert_int_equal(memory[DATA + 0x1000], 6);
	assert_int_equal(memory[DATA + 0x1200], 0xcc);
	assert_int_equal(memory[DATA + 0x15ff], 0xcc);
	assert_int_equal(image[7 * 512], 7);
	assert_int_equal(disk(0, 9, 512, true), 1);  /* behind its end */
	assert_int_equal(disk(0, 8, 1024, true), 1);
	assert_int_equal(disk(0, ~UINT64_C(0), 512, true), 1);
	assert_int_equal(disk(0, 0, 100, true), 1);
	assert_int_equal(disk(77, 0, 512, true), 2);
	assert_int_equal(disk(4, 0, 0, false), 0);
	assert_int_equal(disk(8, 0, 20, true), 0);
	assert_string_equal((char *)memory + DATA + 0x1000, "tain-disk");
	assert_int_equal(pc.disk.written, 2);
}

static void the_console_prints_and_takes_what_is_typed(void **state)
{
	(void)state;
	bring_up(CONSOLE, 1);
	memcpy(memory + DATA, "hello", 5);
	desc(0, DATA, 2, NEXT, 1);
	desc(1, DATA + 2, 3, 0, 0);
	offer(CONSOLE, 1, 0);
	assert_memory_equal(printed, "hello", 5);
	assert_int_equal(printed_count, 5);
	assert_true(platform_type(&pc, 'x')); /* no buffer yet: it waits */

	bring_up(CONSOLE, 0);
	memset(memory + AVAIL, 0, 64);
	memset(memory + USED, 0, 64);
	desc(2, DATA + 0x100, 4, WRITE, 0);
	offer(CONSOLE, 0, 2);
	assert_int_equal(used(), 1);
	assert_int_equal(memory[DATA + 0x100], 'x');
	offer(CONSOLE, 0, 2);
	assert_int_equal(used(), 1);
	assert_true(platform_type(&pc, 'y'));
	assert_int_equal(used(), 2);
	assert_int_equal(memory[DATA + 0x100], 'y');
}

static void needs_reset(unsigned slot)
{
	assert_int_equal(bar(slot, 20, 1) & 64, 64);
	assert_int_equal(used(), 0);
	bar_set(slot, 20, 1, 0);
	assert_int_equal(bar(slot, 20, 1), 0);
	memset(memory, 0, sizeof(memory));
}

static void broken_rings_stop_the_device_alone(void **state)
{
	(void)state;
	bring_up(RNG, 0);
	desc(0, DATA, 4, WRITE | NEXT, 0); /* a loop */
	offer(RNG, 0, 0);
	needs_reset(RNG);
	bring_up(RNG, 0);
	offer(RNG, 0, 9); /* no such descriptor */
	needs_reset(RNG);
	bring_up(RNG, 0);
	desc(0, DATA, 4, WRITE | NEXT, 8);
	offer(RNG, 0, 0);
	needs_reset(RNG);
	bring_up(RNG, 0);
	desc(0, DATA, 4, WRITE | NEXT, 1);
	desc(1, DATA, 4, 0, 0); /* to be read behind what is to be written */
	offer(RNG, 0, 0);
	needs_reset(RNG);
	bring_up(RNG, 0);
	desc(0, DATA, 4, INDIRECT, 0);
	offer(RNG, 0, 0);
	needs_reset(RNG);
	bring_up(RNG, 0);
	*word(AVAIL + 2) = 100; /* more than there can be */
	offer(RNG, 0, 0);
	needs_reset(RNG);
	bring_up(RNG, 0);
	bar_set(RNG, 20, 1, 0);
	features(RNG, 0, 3);
	bar_set(RNG, 22, 2, 0);
	bar_set(RNG, 32, 8, UINT64_C(1) << 40); /* rings outside of memory */
	bar_set(RNG, 40, 8, UINT64_C(1) << 40);
	bar_set(RNG, 48, 8, UINT64_C(1) << 40);
	bar_set(RNG, 28, 2, 1);
	bar_set(RNG, 20, 1, 15);
	bar_set(RNG, 0x3000, 2, 0);
	needs_reset(RNG);
	bring_up(RNG, 0);
	desc(0, ~UINT64_C(0) - 1, 4, WRITE, 0); /* a buffer that wraps: an empty answer */
	offer(RNG, 0, 0);
	assert_int_equal(used(), 1);
	assert_int_equal(*dword(USED + 8), 0);
}

static void a_ring_that_never_runs_dry_does_not_hold_the_device(void **state)
{
	(void)state;
	bring_up(RNG, 0);
	desc(0, DATA, 4, WRITE, 0);
	endless = true;
	bar_set(RNG, 0x3000, 2, 0);
	assert_int_equal(used(), 128);
	bring_up(CONSOLE, 0);
	memset(memory + AVAIL, 0, 64);
	memset(memory + USED, 0, 64);
	desc(0, DATA, 0, WRITE, 0); /* takes no byte */
	assert_true(virtio_console_receive(&pc.console, 'x'));
	assert_int_equal(used(), 128);
}

static void nothing_runs_before_the_driver_is_ready(void **state)
{
	(void)state;
	bring_up(RNG, 0);
	bar_set(RNG, 20, 1, 0);
	features(RNG, 0, 3);
	queue(RNG, 0);
	desc(0, DATA, 4, WRITE, 0);
	offer(RNG, 0, 0);
	assert_int_equal(used(), 0);
	bar_set(RNG, 20, 1, 15);
	config_write(RNG, 0x04, 0x02); /* no bus master */
	bar_set(RNG, 0x3000, 2, 0);
	assert_int_equal(used(), 0);
	config_write(RNG, 0x04, 0x06);
	bar_set(RNG, 0x3000, 2, 0);
	assert_int_equal(used(), 1);
	bar_set(RNG, 24, 2, 4); /* an enabled queue is fixed */
	assert_int_equal(bar(RNG, 24, 2), SIZE);
}

/* ---- the window in configuration space ---- */

static uint32_t config_read(unsigned slot, unsigned reg, unsigned bytes)
{
	return (uint32_t)platform_mmio_read(&pc, (gpa_t){ PCI_ECAM_GPA + (slot << 15) + reg }, bytes);
}

/* The capability of @type, by the list that a driver walks; 0: none. */
static unsigned capability(unsigned slot, uint8_t type)
{
	for (unsigned at = config_read(slot, 0x34, 1); at; at = config_read(slot, at + 1, 1))
		if (config_read(slot, at, 1) == 0x09 && config_read(slot, at + 3, 1) == type)
			return at;
	return 0;
}

static void aim(unsigned slot, unsigned window, uint32_t bar_index, uint32_t offset, uint32_t length)
{
	config_write(slot, window + 4, bar_index);
	config_write(slot, window + 8, offset);
	config_write(slot, window + 12, length);
}

static void a_driver_without_a_mapping_uses_configuration_space(void **state)
{
	unsigned window = capability(RNG, 5);

	(void)state;
	assert_int_not_equal(window, 0);
	assert_int_equal(config_read(RNG, window + 2, 1), 20);
	/* The BAR is nowhere yet: features are read and the status is written all the same. */
	aim(RNG, window, 0, 0, 4);
	config_write(RNG, window + 16, 1);
	aim(RNG, window, 0, 4, 4);
	assert_int_equal(config_read(RNG, window + 16, 4), 3); /* VERSION_1, ACCESS_PLATFORM */
	aim(RNG, window, 0, 20, 1);
	config_write(RNG, window + 16, 0xffffff03);
	assert_int_equal(config_read(RNG, window + 16, 4), 3); /* one byte of four */
	assert_int_equal(config_read(RNG, window + 16, 1), 3);
	config_write(RNG, 0x10, (uint32_t)(BAR + RNG * 0x10000));
	config_write(RNG, 0x04, 0x06);
	assert_int_equal(bar(RNG, 20, 1), 3);
}

static void its_window_leads_nowhere_else(void **state)
{
	static const struct {
		uint32_t bar, offset, length;
	} bad[] = { { 1, 20, 1 }, { 6, 20, 1 }, { 255, 20, 1 }, { 0, 20, 0 }, { 0, 20, 3 }, { 0, 20, 8 },
		    { 0, 21, 4 }, { 0, 0x4000, 1 }, { 0, 0xffffffff, 1 }, { 0, 0xfffffffc, 4 } };
	unsigned window = capability(RNG, 5);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		aim(RNG, window, bad[i].bar, bad[i].offset, bad[i].length);
		config_write(RNG, window + 16, 0x3);
		assert_int_equal(config_read(RNG, window + 16, 4), 0xffffffff);
	}
	aim(RNG, window, 0, 20, 1);
	assert_int_equal(config_read(RNG, window + 16, 4), 0); /* the status is as it was */
	/* An access beside the data touches nothing. */
	bring_up(RNG, 0);
	aim(RNG, window, 0, 20, 1);
	config_write(RNG, window + 16, 15);
	config_write(RNG, window + 12, 1);
	assert_int_equal(bar(RNG, 20, 1), 15);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_driver_must_take_what_protects_a_td),
		T(rng_fills_what_it_is_given),
		T(msix_tells_the_queue),
		T(the_disk_reads_writes_and_keeps_its_image),
		T(the_console_prints_and_takes_what_is_typed),
		T(broken_rings_stop_the_device_alone),
		T(a_ring_that_never_runs_dry_does_not_hold_the_device),
		T(nothing_runs_before_the_driver_is_ready),
		T(a_driver_without_a_mapping_uses_configuration_space),
		T(its_window_leads_nowhere_else),
	};

	if (vtimer_start())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
