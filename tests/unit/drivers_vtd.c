/*
 * drivers_vtd.c - VT-d as firmware may leave it, against a model of its registers, by a DMAR made here.
 *
 * links: drivers/acpi.c drivers/net/vtd.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>

#include "tests/fake/test.h"

#include "drivers/io.h"
#include "drivers/net/vtd.h"
#include "kernel/machine/direct_map.h"
#include "kernel/machine/time.h"
#include "tests/host/machine.h"

#define UNIT_BASE UINT64_C(0xfed90000)
#define DMAR_AT   0x1000u

enum { COMMAND = 0x18, STATUS = 0x1c, PROTECTED = 0x64 };
#define TES BIT32(31)
#define QIES BIT32(26)
#define IRES BIT32(25)
#define EPM BIT32(31)
#define PRS BIT32(0)

/* ---- the units ---- */

static struct unit {
	bool there;
	uint32_t status, protect, stuck; /* stuck: status bits that stay */
	uint8_t window[PAGE_SIZE];       /* only addresses in it matter */
	unsigned writes;
} unit[2];
static uint64_t waited_us;
static bool wrong;

void *mmio_map(hpa_t base, uint64_t bytes, enum mmio_kind kind)
{
	uint64_t i = (base.v - UNIT_BASE) / PAGE_SIZE;

	(void)kind;
	return i < ARRAY_LEN(unit) && bytes == PAGE_SIZE ? unit[i].window : NULL;
}

static struct unit *unit_of(const volatile uint8_t *reg, uint32_t *at)
{
	for (size_t i = 0; i < ARRAY_LEN(unit); i++)
		if (reg >= unit[i].window && reg < unit[i].window + PAGE_SIZE) {
			*at = (uint32_t)(reg - unit[i].window);
			return &unit[i];
		}
	abort();
}

uint32_t mmio_read32(const volatile void *reg)
{
	uint32_t at;
	const struct unit *u = unit_of(reg, &at);

	if (!u->there)
		return UINT32_MAX;
	return at == STATUS ? u->status : at == PROTECTED ? u->protect : 0;
}

/* Translation, interrupts and the queue can be turned off; a command must not change two. */
void mmio_write32(volatile void *reg, uint32_t value)
{
	uint32_t at, lasting = TES | QIES | IRES;
	struct unit *u = unit_of(reg, &at);

	u->writes++;
	if (at == COMMAND) {
		uint32_t changed = (u->status ^ value) & lasting;

		wrong |= (value & ~lasting) || (changed & (changed - 1)) || (changed & QIES);
		u->status = (value & lasting) | (u->status & u->stuck);
	} else if (at == PROTECTED) {
		u->protect = value & EPM ? value | PRS : value & ~PRS;
	} else {
		wrong = true;
	}
}

void delay_us(uint64_t us) { waited_us += us; }

/* ---- the table ---- */

static uint8_t table[256];
static uint32_t length;

static const void *map(uint64_t hpa, uint64_t bytes)
{
	return hpa == DMAR_AT && bytes <= sizeof(table) ? table : NULL;
}

static void put(uint32_t at, uint64_t v, unsigned bytes) { memcpy(table + at, &v, bytes); }

static void add_entry(unsigned type, unsigned bytes, uint64_t hpa)
{
	put(length, type, 2);
	put(length + 2, bytes, 2);
	put(length + 8, hpa, 8);
	length += bytes;
}

static int run(void)
{
	struct acpi acpi = { .map = map, .count = 1, .table = { { "DMAR", DMAR_AT, length } } };

	machine_log_clear();
	waited_us = 0;
	wrong = false;
	return vtd_off(&acpi);
}

static void begin(void)
{
	memset(unit, 0, sizeof(unit));
	memset(table, 0, sizeof(table));
	length = 48;
	add_entry(1, 24, 7); /* reserved memory: none of ours */
	add_entry(0, 24, UNIT_BASE);
	add_entry(0, 16, UNIT_BASE + PAGE_SIZE);
	unit[0].there = unit[1].there = true;
}

/* ---- */

TEST(without_a_table_nothing_is_touched)
{
	const struct acpi none = { .map = map };

	begin();
	unit[0].status = TES;
	CHECK_INT(vtd_off(&none), 0);
	CHECK_INT(unit[0].writes, 0);
}

TEST(units_that_are_off_are_only_read)
{
	begin();
	unit[1].status = QIES;
	CHECK_INT(run(), 0);
	CHECK_INT(unit[0].writes + unit[1].writes, 0);
	CHECK(!machine_logged("VT-d"));
}

TEST(what_is_on_goes_off_one_thing_after_the_other_and_it_is_said)
{
	begin();
	unit[0].status = TES | QIES | IRES;
	unit[1].protect = EPM | PRS;
	CHECK_INT(run(), 0);
	CHECK(!wrong);
	CHECK_INT(unit[0].status, QIES); /* the queue harms nobody */
	CHECK_INT(unit[1].protect, 0);
	CHECK(machine_logged("0xfed90000 (DMA 1, interrupts 1, protected memory 0): it is off now"));
	CHECK(machine_logged("0xfed91000 (DMA 0, interrupts 0, protected memory 1): it is off now"));
}

TEST(one_that_stays_on_is_told_after_a_bounded_time)
{
	begin();
	unit[0].status = unit[1].status = TES;
	unit[0].stuck = TES;
	CHECK_INT(run(), -EIO);
	CHECK_INT(unit[1].status, 0); /* the other one all the same */
	CHECK(machine_logged("it does not go off"));
	CHECK(waited_us <= 200000);
}

TEST(a_table_that_lies_harms_nobody)
{
	begin();
	unit[0].there = false;
	CHECK_INT(run(), 0);
	CHECK(machine_logged("where none is"));
	begin();
	add_entry(0, 16, 0);
	add_entry(0, 16, UNIT_BASE + 8);
	add_entry(0, 8, UNIT_BASE); /* too short to have an address */
	put(length, 0, 2);
	put(length + 2, 3, 2); /* a length that is none */
	length += 4;
	CHECK_INT(run(), 0);
	CHECK_INT(unit[0].writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_table_nothing_is_touched),
		cmocka_unit_test(units_that_are_off_are_only_read),
		cmocka_unit_test(what_is_on_goes_off_one_thing_after_the_other_and_it_is_said),
		cmocka_unit_test(one_that_stays_on_is_told_after_a_bounded_time),
		cmocka_unit_test(a_table_that_lies_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
