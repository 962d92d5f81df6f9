/*
 * drivers_smbios.c - what the reader of SMBIOS tables promises, with tables made here.
 *
 * links: drivers/smbios.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/smbios.h"

#define MEMORY 65536u
#define ENTRY  0x100u
#define TABLE  0x1000u

static uint8_t memory[MEMORY];
static uint32_t next;
static struct smbios s;

static const void *map(uint64_t hpa, uint64_t bytes)
{
	return hpa < MEMORY && bytes <= MEMORY - hpa ? memory + hpa : NULL;
}

static int start(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	next = TABLE;
	return 0;
}

/* A structure of @length bytes and its strings; its first byte. */
static uint8_t *add(uint8_t type, uint8_t length, const char *const *strings, unsigned count)
{
	uint8_t *p = memory + next;

	p[0] = type, p[1] = length;
	next += length;
	for (unsigned i = 0; i < count; i++) {
		strcpy((char *)memory + next, strings[i]);
		next += (uint32_t)strlen(strings[i]) + 1;
	}
	next += count ? 1 : 2;
	return p;
}

static void seal(unsigned at, unsigned from, unsigned bytes)
{
	uint8_t sum = 0;

	memory[at] = 0;
	for (unsigned i = from; i < from + bytes; i++)
		sum = (uint8_t)(sum + memory[i]);
	memory[at] = (uint8_t)-sum;
}

static void entry3(void)
{
	uint32_t length = next - TABLE;

	memcpy(memory + ENTRY, "_SM3_", 5);
	memory[ENTRY + 6] = 24, memory[ENTRY + 7] = 3, memory[ENTRY + 8] = 6;
	memcpy(memory + ENTRY + 12, &length, 4);
	memory[ENTRY + 17] = TABLE >> 8;
	seal(ENTRY + 5, ENTRY, 24);
}

static void entry_old(void)
{
	memcpy(memory + ENTRY, "_SM_", 4);
	memory[ENTRY + 6] = 2, memory[ENTRY + 7] = 8;
	memcpy(memory + ENTRY + 16, "_DMI_", 5);
	memory[ENTRY + 22] = (uint8_t)(next - TABLE), memory[ENTRY + 23] = (uint8_t)((next - TABLE) >> 8);
	memory[ENTRY + 25] = TABLE >> 8;
	seal(ENTRY + 21, ENTRY + 16, 15);
}

static void add_dimm(const char *locator, uint16_t size, uint32_t extended)
{
	const char *const strings[] = { locator, "NODE 1", "M321R4GA3BB6" };
	uint8_t *p = add(17, 0x22, strings, 3);

	memcpy(p + 0x0c, &size, 2);
	p[0x10] = 1, p[0x11] = 2, p[0x12] = 0x22, p[0x1a] = 3;
	p[0x15] = 0xc0, p[0x16] = 0x12;
	memcpy(p + 0x1c, &extended, 4);
}

static void a_server(void)
{
	static const char *const bios[] = { "Dell Inc.", "2.9.4", "01/27/2026" };
	static const char *const system[] = { "Dell Inc.", "PowerEdge R760  " };
	static const char *const cpu[] = { "CPU1", "Intel", "Intel(R) Xeon(R) Gold 6548Y+" };
	uint8_t *p = add(0, 0x18, bios, 3);

	p[4] = 1, p[5] = 2, p[8] = 3;
	p = add(1, 0x1b, system, 2), p[4] = 1, p[5] = 2;
	p = add(4, 0x30, cpu, 3), p[4] = 1, p[5] = 3, p[7] = 2, p[0x10] = 3, p[0x18] = 0x41;
	p = add(4, 0x30, cpu, 1), p[4] = 1, p[5] = 3, p[0x18] = 0;
	p = add(16, 0x17, NULL, 0), p[5] = 3;
	add_dimm("A1", 32767, 65536);
	add_dimm("A2", 0, 0);
	add_dimm("A3", 0xffff, 0);
	add_dimm("A4", 512, 0);
	add(127, 4, NULL, 0);
}

static void must_be_the_server(void)
{
	assert_true(s.found && s.complete);
	assert_string_equal(s.bios_version, "2.9.4");
	assert_string_equal(s.manufacturer, "Dell Inc.");
	assert_string_equal(s.product, "PowerEdge R760");
	assert_int_equal(s.sockets, 2);
	assert_true(s.socket[0].populated && s.socket[0].enabled && !s.socket[1].populated);
	assert_string_equal(s.socket[0].version, "Intel(R) Xeon(R) Gold 6548Y+");
	assert_int_equal(s.arrays, 1);
	assert_int_equal(s.dimms, 4);
	assert_string_equal(s.dimm[0].locator, "A1");
	assert_string_equal(s.dimm[0].part, "M321R4GA3BB6");
	assert_int_equal(s.dimm[0].size_mib, 65536);
	assert_int_equal(s.dimm[0].speed, 4800);
	assert_true(s.dimm[1].size_mib == 0 && !s.dimm[1].size_unknown);
	assert_true(s.dimm[2].size_unknown);
	assert_int_equal(s.dimm[3].size_mib, 512);
}

static void both_entry_points_lead_to_the_table(void **state)
{
	(void)state;
	a_server(), entry3();
	assert_int_equal(smbios_read(&s, ENTRY, 0, map), 0);
	assert_int_equal(s.major, 3);
	must_be_the_server();
	memset(memory + ENTRY, 0, 32), entry_old();
	assert_int_equal(smbios_read(&s, 0, ENTRY, map), 0);
	assert_int_equal(s.major, 2);
	must_be_the_server();
}

static void a_broken_entry_is_none(void **state)
{
	(void)state;
	a_server(), entry3();
	memory[ENTRY + 8]++;
	assert_int_equal(smbios_read(&s, ENTRY, 0, map), -ENOENT);
	assert_false(s.found);
	assert_int_equal(smbios_read(&s, 0, 0, map), -ENOENT);
	assert_int_equal(smbios_read(&s, MEMORY - 4, MEMORY - 4, map), -ENOENT);
}

/* Cut anywhere, the table gives what came before the cut, and says that it is not all. */
static void a_table_that_ends_early_is_told(void **state)
{
	(void)state;
	a_server();
	for (uint32_t whole = next; next > TABLE + 4; next--) {
		entry3();
		assert_int_equal(smbios_read(&s, ENTRY, 0, map), 0);
		assert_true(s.dimms <= 4);
		if (next + 6 < whole)
			assert_false(s.complete && s.dimms == 4);
	}
}

static void more_slots_than_room_are_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SMBIOS_DIMMS_MAX + 3; i++)
		add_dimm("A1", 1024, 0);
	add(127, 4, NULL, 0), entry3();
	assert_int_equal(smbios_read(&s, ENTRY, 0, map), 0);
	assert_int_equal(s.dimms, SMBIOS_DIMMS_MAX);
	assert_int_equal(s.dimms_lost, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(both_entry_points_lead_to_the_table, start),
		cmocka_unit_test_setup(a_broken_entry_is_none, start),
		cmocka_unit_test_setup(a_table_that_ends_early_is_told, start),
		cmocka_unit_test_setup(more_slots_than_room_are_counted, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
