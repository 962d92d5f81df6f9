/*
 * platform_devices.c - what the virtual PC promises at its ports.
 *
 * links: kernel/machine/vtimer.c kernel/platform/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/machine/port.h"
#include "kernel/platform/platform.h"

static struct platform pc;
static char printed[64];
static unsigned printed_count, unclaimed_count;
static const uint8_t kernel_image[2048] = { [0x1f1] = 1, [0x1fe] = 0x55, [0x1ff] = 0xaa,
					    [1024] = 0x42 };

static void print(void *ctx, uint8_t byte)
{
	(void)ctx;
	printed[printed_count++ % sizeof(printed)] = (char)byte;
}

static void unclaimed(void *ctx, bool write, uint16_t port, unsigned bytes, uint32_t value)
{
	(void)ctx, (void)write, (void)port, (void)bytes, (void)value;
	unclaimed_count++;
}

static int start(void **state)
{
	const struct platform_config config = {
		.name = "t", .memory_bytes = UINT64_C(5) << 30, .vcpus = 3, .kernel = kernel_image,
		.kernel_size = sizeof(kernel_image), .cmdline = "quiet", .console = print,
		.unclaimed = unclaimed,
	};

	(void)state;
	printed_count = unclaimed_count = 0;
	memset(printed, 0, sizeof(printed));
	return platform_init(&pc, &config);
}

static uint8_t in8(uint16_t port) { return (uint8_t)platform_in(&pc, port, 1); }
static void out8(uint16_t port, uint8_t v) { platform_out(&pc, port, 1, v); }

/* ---- the table ---- */

static uint32_t offset_of(void *device, unsigned offset, unsigned bytes)
{
	(void)device, (void)bytes;
	return offset + 0x10;
}

static void ranges_that_overlap_are_refused(void **state)
{
	static struct port_table t;
	struct port_range r = { 0x100, 0x107, "a", offset_of, NULL, NULL, 0, 0 };

	(void)state;
	memset(&t, 0, sizeof(t));
	assert_int_equal(ports_add(&t, &r), 0);
	r.first = 0x107, r.last = 0x108;
	assert_int_equal(ports_add(&t, &r), -EEXIST);
	r.first = 0xf0, r.last = 0x200;
	assert_int_equal(ports_add(&t, &r), -EEXIST);
	r.first = 0x109, r.last = 0x108;
	assert_int_equal(ports_add(&t, &r), -EINVAL);
	r.first = 0xff, r.last = 0xff;
	assert_int_equal(ports_add(&t, &r), 0);
	assert_int_equal(t.range[0].first, 0xff); /* sorted */
	assert_int_equal(ports_in(&t, 0xff, 1), 0x10);
	assert_int_equal(ports_in(&t, 0x107, 1), 0x17);
}

static void an_access_that_leaves_a_range_is_split(void **state)
{
	static struct port_table t;
	struct port_range r = { 0x100, 0x101, "a", offset_of, NULL, NULL, 0, 0 };

	(void)state;
	memset(&t, 0, sizeof(t));
	assert_int_equal(ports_add(&t, &r), 0);
	assert_int_equal(ports_in(&t, 0x101, 4), 0xffffff11);
	assert_int_equal(ports_in(&t, 0xfe, 4), 0x1110ffff);
	assert_int_equal(t.unclaimed_reads, 5);
	assert_int_equal(ports_in(&t, 0xffff, 4), 0xffffffff); /* wraps, finds nobody */
}

static void nobody_reads_all_ones_and_is_counted(void **state)
{
	(void)state;
	assert_int_equal(platform_in(&pc, 0x2e8, 1), 0xff);
	assert_int_equal(platform_in(&pc, 0x2e8, 2), 0xffff);
	assert_int_equal(platform_in(&pc, 0x2e8, 4), 0xffffffff);
	platform_out(&pc, 0x2e9, 1, 0);
	assert_int_equal(pc.ports.unclaimed_reads, 3);
	assert_int_equal(pc.ports.unclaimed_writes, 1);
	assert_int_equal(pc.ports.last_unclaimed, 0x2e9);
	assert_int_equal(unclaimed_count, 4);
	assert_int_equal(platform_mmio_read(&pc, (gpa_t){ 0xfee00000 }, 8), ~UINT64_C(0));
	assert_int_equal(pc.mmio.unclaimed_reads, 1);
}

/* ---- devices ---- */

static void com1_prints_and_is_never_busy(void **state)
{
	(void)state;
	for (const char *c = "hi\n"; *c; c++) {
		assert_int_equal(in8(0x3fd) & 0x60, 0x60);
		out8(0x3f8, (uint8_t)*c);
	}
	assert_string_equal(printed, "hi\n");
	out8(0x3fb, 0x80); /* DLAB: the divisor is not text */
	out8(0x3f8, 12);
	out8(0x3fb, 3);
	assert_int_equal(printed_count, 3);
}

static void com1_receives_through_a_fifo_of_16(void **state)
{
	(void)state;
	assert_int_equal(in8(0x3fd) & 1, 0);
	for (unsigned i = 0; i < 16; i++)
		assert_true(platform_type(&pc, (uint8_t)('a' + i)));
	assert_false(platform_type(&pc, 'z'));
	out8(0x3f9, 1);
	assert_int_equal(in8(0x3fa) & 0x0f, 0x04);
	assert_true(serial_irq(&pc.com1));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in8(0x3f8), 'a' + i);
	assert_false(serial_irq(&pc.com1));
	assert_int_equal(in8(0x3fa) & 0x0f, 0x01);
	assert_int_equal(in8(0x3f8), 0);
}

static void com1_loopback_and_thr_interrupt(void **state)
{
	(void)state;
	out8(0x3fc, 0x1f);
	out8(0x3f8, 'x');
	assert_int_equal(printed_count, 0);
	assert_int_equal(in8(0x3f8), 'x');
	assert_int_equal(in8(0x3fe) & 0xf0, 0xf0);
	out8(0x3fc, 0);
	out8(0x3f9, 2);
	assert_int_equal(in8(0x3fa) & 0x0f, 0x02);
	assert_int_equal(in8(0x3fa) & 0x0f, 0x01); /* reading it took it back */
	out8(0x3ff, 0x5a);
	assert_int_equal(in8(0x3ff), 0x5a);
}

static uint32_t pci_read(unsigned device, unsigned function, unsigned reg)
{
	platform_out(&pc, 0xcf8, 4, 0x80000000 | device << 11 | function << 8 | reg);
	return platform_in(&pc, 0xcfc, 4);
}

static void pci_has_the_bridge_firmware_looks_for(void **state)
{
	(void)state;
	assert_int_equal(pci_read(0, 0, 0), 0x12378086);
	assert_int_equal(pci_read(1, 0, 0), 0x70008086);
	assert_int_equal(pci_read(1, 3, 0), 0x71138086);
	assert_int_equal(pci_read(1, 3, 0x40) & 0xffc0, PM_BASE);
	assert_int_equal(pci_read(2, 0, 0), 0xffffffff);
	assert_int_equal(pci_read(0, 0, 0x0e) >> 16 & 0x80, 0);
	assert_int_equal(pci_read(1, 0, 0x0c) >> 16 & 0x80, 0x80); /* more than one function */
	platform_out(&pc, 0xcf8, 4, 0); /* disabled */
	assert_int_equal(platform_in(&pc, 0xcfc, 4), 0xffffffff);
}

static void pci_writes_stay_inside_their_mask(void **state)
{
	(void)state;
	assert_int_equal(pci_read(0, 0, 0), 0x12378086);
	platform_out(&pc, 0xcfc, 4, 0xdeadbeef);
	assert_int_equal(pci_read(0, 0, 0), 0x12378086);
	assert_int_equal(pci_read(0, 0, 0x58), 0);
	platform_out(&pc, 0xcfd, 1, 0x33); /* PAM0, register 59h */
	assert_int_equal(pci_read(0, 0, 0x58), 0x3300);
	assert_int_equal(pci_read(0, 0, 0xfc), 0);
	assert_int_equal(platform_in(&pc, 0xcff, 4), 0xffffff00); /* one byte inside, three beyond */
}

static void select_item(uint16_t key) { platform_out(&pc, 0x510, 2, key); }

static uint64_t item_value(uint16_t key, unsigned bytes)
{
	uint64_t v = 0;

	select_item(key);
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)in8(0x511) << (8 * i);
	return v;
}

static void fwcfg_items_read_from_their_start_and_end_in_zeroes(void **state)
{
	(void)state;
	assert_int_equal(item_value(FWCFG_SIGNATURE, 8), 0x554d4551); /* "QEMU" */
	assert_int_equal(item_value(FWCFG_ID, 4), 1);                 /* no DMA */
	assert_int_equal(item_value(FWCFG_RAM_SIZE, 8), UINT64_C(5) << 30);
	assert_int_equal(item_value(FWCFG_NB_CPUS, 2), 3);
	assert_int_equal(item_value(FWCFG_FILE_DIR, 4), 0x04000000);
	assert_int_equal(item_value(0x7777, 4), 0);
	assert_int_equal(item_value(FWCFG_SETUP_SIZE, 4), 1024);
	assert_int_equal(item_value(FWCFG_KERNEL_SIZE, 4), 1024);
	assert_int_equal(item_value(FWCFG_KERNEL_DATA, 1), 0x42);
	assert_int_equal(item_value(FWCFG_CMDLINE_SIZE, 4), 6);
	assert_int_equal(item_value(FWCFG_CMDLINE_DATA, 6), 0x7465697571); /* "quiet" */
}

static void fwcfg_files_are_listed_big_endian(void **state)
{
	(void)state;
	assert_int_equal(fwcfg_add_file(&pc.fwcfg, "etc/x", "ab", 2), 0);
	assert_int_equal(item_value(FWCFG_FILE_DIR, 4), 0x05000000); /* four are always there */
	select_item(FWCFG_FILE_DIR);
	uint8_t entry[4 + 64];

	for (unsigned i = 0; i < 4 * 64; i++)
		(void)in8(0x511);

	for (unsigned i = 0; i < sizeof(entry); i++)
		entry[i] = in8(0x511);
	assert_int_equal(entry[7], 2);
	assert_int_equal(entry[9], FWCFG_FILE_FIRST + 4);
	assert_string_equal((char *)entry + 12, "etc/x");
	assert_int_equal(item_value(FWCFG_FILE_FIRST + 4, 3), 0x6261);
	assert_int_equal(fwcfg_add_file(&pc.fwcfg, "a-name-that-has-more-than-fifty-five-characters-in-it-xx",
					"", 0), -ENOSPC);
}

static uint8_t cmos(uint8_t index)
{
	out8(0x70, index);
	return in8(0x71);
}

static void cmos_tells_memory_and_time(void **state)
{
	(void)state;
	/* 3 GiB below 4 GiB, 2 GiB above. */
	assert_int_equal(cmos(0x34) | cmos(0x35) << 8, ((3u << 30) - (16u << 20)) >> 16);
	assert_int_equal(cmos(0x5b) | cmos(0x5c) << 8 | cmos(0x5d) << 16, (UINT64_C(2) << 30) >> 16);
	assert_int_equal(cmos(0x5f), 2);
	assert_int_equal(cmos(0x09), 0x26);
	assert_int_equal(cmos(0x32), 0x20);
	assert_int_equal(cmos(0x0d), 0x80);
	assert_int_equal(cmos(0x8a) & 0x7f, 0x26); /* NMI bit stripped */
	pc.cmos.rtc.base_tsc -= (UINT64_C(59) * 86400 + 3661) * tsc_hz();
	assert_int_equal(cmos(0x08), 0x03); /* 1 March 2026, 01:01:01, a Sunday */
	assert_int_equal(cmos(0x07), 0x01);
	assert_int_equal(cmos(0x06), 0x01);
	assert_int_equal(cmos(0x04), 0x01);
	assert_int_equal(cmos(0x02), 0x01);
	assert_int_equal(cmos(0x00), 0x01);
}

static void pm_timer_counts_at_its_rate(void **state)
{
	(void)state;
	pc.pm.start_tsc = tsc_now() - 3 * tsc_hz();
	uint32_t t = platform_in(&pc, PM_BASE + 8, 4);

	assert_true(t >= 3 * PM_TIMER_HZ && t < 3 * PM_TIMER_HZ + PM_TIMER_HZ / 10);
	pc.pm.start_tsc = tsc_now() - 5 * tsc_hz(); /* beyond 24 bits */
	assert_true(platform_in(&pc, PM_BASE + 8, 4) < (1u << 24));
}

static void the_ways_out_are_told_apart(void **state)
{
	char text[24];

	assert_int_equal(platform_ended(&pc), PLATFORM_RUNS);
	platform_out(&pc, PM_BASE + 4, 2, 1 << 13);
	assert_string_equal(platform_end_text(&pc, text, sizeof(text)), "powered off");
	assert_int_equal(platform_in(&pc, PM_BASE + 4, 2) & 1 << 13, 0);
	start(state);
	platform_out(&pc, 0xcf9, 1, 6);
	assert_string_equal(platform_end_text(&pc, text, sizeof(text)), "reset");
	start(state);
	platform_out(&pc, 0x64, 1, 0xfe);
	assert_string_equal(platform_end_text(&pc, text, sizeof(text)), "reset");
	start(state);
	platform_out(&pc, 0xf4, 4, 41);
	platform_out(&pc, 0xcf9, 1, 6); /* the first word counts */
	assert_string_equal(platform_end_text(&pc, text, sizeof(text)), "exit 41");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, start)
	const struct CMUnitTest tests[] = {
		T(ranges_that_overlap_are_refused), T(an_access_that_leaves_a_range_is_split),
		T(nobody_reads_all_ones_and_is_counted), T(com1_prints_and_is_never_busy),
		T(com1_receives_through_a_fifo_of_16), T(com1_loopback_and_thr_interrupt),
		T(pci_has_the_bridge_firmware_looks_for), T(pci_writes_stay_inside_their_mask),
		T(fwcfg_items_read_from_their_start_and_end_in_zeroes),
		T(fwcfg_files_are_listed_big_endian), T(cmos_tells_memory_and_time),
		T(pm_timer_counts_at_its_rate), T(the_ways_out_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
