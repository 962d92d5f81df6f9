/*
 * convert.c - a trust domain that moves memory between its private and its shared half, with several
 * vCPUs at work, and checks every time what it finds there.
 *
 * Private memory that went comes back zero and waits for its accept; memory beside it keeps its
 * contents, also where a 2M page was split for it; shared memory is reached through the alias only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/td/tdg.h"

#define AREA     UINT64_C(0x01000000) /* 16 MiB: blocks of 2M */
#define BLOCKS   8
#define OTHERS   UINT64_C(0x02000000) /* 64 KiB for each other vCPU */
#define OWN      UINT64_C(0x10000)
#define ROUNDS   20
#define FIRMWARE UINT64_C(0xfffff000)

static uint64_t shared, alias;
static volatile uint32_t stop, busy, wrong;

static uint64_t map_gpa(uint64_t gpa, uint64_t bytes, uint64_t *next)
{
	uint64_t end = gpa + bytes, at = gpa, status;

	for (;;) {
		status = vmcall(VMCALL_MAP_GPA, at, end - at, 0, 0, next);
		if (status != 1 || *next < at || *next >= end)
			return status;
		at = *next;
	}
}

static bool convert(uint64_t gpa, uint64_t bytes, bool to_shared)
{
	uint64_t next;

	return map_gpa(to_shared ? gpa | shared : gpa, bytes, &next) == 0;
}

static volatile uint64_t *word(uint64_t at) { return (volatile uint64_t *)(uintptr_t)at; }

static void fill(uint64_t base, uint64_t gpa, uint64_t bytes, uint64_t seed)
{
	for (uint64_t o = 0; o < bytes; o += PAGE_SIZE)
		*word(base + gpa + o) = (gpa + o) ^ seed;
}

static bool holds(uint64_t base, uint64_t gpa, uint64_t bytes, uint64_t seed)
{
	for (uint64_t o = 0; o < bytes; o += PAGE_SIZE)
		if (*word(base + gpa + o) != ((gpa + o) ^ seed))
			return false;
	return true;
}

static bool zero(uint64_t base, uint64_t gpa, uint64_t bytes)
{
	for (uint64_t o = 0; o < bytes; o += PAGE_SIZE)
		if (*word(base + gpa + o))
			return false;
	return true;
}

static bool accept(uint64_t gpa, uint64_t bytes)
{
	for (uint64_t at = gpa; at < gpa + bytes;) {
		bool big = is_aligned(at, SIZE_2M) && gpa + bytes - at >= SIZE_2M;

		if (big && tdg_accept(at, 1) == 0) {
			at += SIZE_2M;
			continue;
		}
		if (tdg_accept(at, 0))
			return false;
		at += PAGE_SIZE;
	}
	return true;
}

static void whole_blocks(void)
{
	td_check(accept(AREA, BLOCKS * SIZE_2M), "accept 16 MiB in 2M pages");
	fill(0, AREA, BLOCKS * SIZE_2M, 1);
	td_check(convert(AREA, 2 * SIZE_2M, true), "share two blocks");
	td_check(zero(alias, AREA, 2 * SIZE_2M), "their shared side is not what was private");
	fill(alias, AREA, 2 * SIZE_2M, 2);
	td_check(holds(alias, AREA, 2 * SIZE_2M, 2), "and keeps what is written");
	td_check(holds(0, AREA + 2 * SIZE_2M, 6 * SIZE_2M, 1), "the rest is as it was");
	td_check(convert(AREA, 2 * SIZE_2M, false), "take them back");
	td_check(accept(AREA, 2 * SIZE_2M), "accept them");
	td_check(zero(0, AREA, 2 * SIZE_2M), "they are zero");
	fill(0, AREA, 2 * SIZE_2M, 1);
}

/* Parts of 2M pages: at an end, in the middle, and across a border. */
static void parts(void)
{
	static const struct {
		uint64_t offset, bytes;
	} part[] = {
		{ 0, PAGE_SIZE },
		{ SIZE_2M - PAGE_SIZE, PAGE_SIZE },
		{ SIZE_2M / 2, 16 * PAGE_SIZE },
		{ SIZE_2M - 3 * PAGE_SIZE, 7 * PAGE_SIZE },
		{ SIZE_2M - PAGE_SIZE, 2 * PAGE_SIZE + SIZE_2M },
	};

	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		uint64_t at = AREA + part[i].offset, end = at + part[i].bytes;
		uint64_t first = AREA, last = AREA + 4 * SIZE_2M;
		bool ok = convert(at, part[i].bytes, true) && zero(alias, at, 0);

		fill(alias, at, part[i].bytes, 3);
		ok = ok && holds(alias, at, part[i].bytes, 3);
		ok = ok && holds(0, first, at - first, 1) && holds(0, end, last - end, 1);
		ok = ok && convert(at, part[i].bytes, false) && accept(at, part[i].bytes) &&
		     zero(0, at, part[i].bytes);
		fill(0, at, part[i].bytes, 1);
		ok = ok && holds(0, first, last - first, 1);
		print("     %lu pages at page %lu\n", part[i].bytes / PAGE_SIZE, part[i].offset / PAGE_SIZE);
		td_check(ok, "a part goes and comes back, the rest stays");
	}
}

static void refusals(void)
{
	uint64_t next = 0;

	td_check(map_gpa((AREA + 8) | shared, PAGE_SIZE, &next) == VMCALL_ALIGN_ERROR &&
			 next == ((AREA + 8) | shared),
		 "an unaligned start is refused and told");
	td_check(map_gpa(AREA, 100, &next) == VMCALL_ALIGN_ERROR, "an unaligned size");
	td_check(map_gpa(AREA, 0, &next) == VMCALL_INVALID_OPERAND, "nothing at all");
	td_check(map_gpa(shared - PAGE_SIZE, 2 * PAGE_SIZE, &next) == VMCALL_INVALID_OPERAND,
		 "a range in both halves");
	td_check(map_gpa(2 * shared, PAGE_SIZE, &next) == VMCALL_INVALID_OPERAND, "beyond all addresses");
	td_check(map_gpa(FIRMWARE | shared, PAGE_SIZE, &next) == VMCALL_INVALID_OPERAND,
		 "the firmware's own memory");
}

/* The others write and read their own memory while blocks beside it come and go. */
static NORETURN void work(uint32_t index)
{
	uint64_t at = OTHERS + index * OWN, seed = 0;

	if (!accept(at, OWN))
		td_fatal("convert: accept");
	__atomic_fetch_add(&busy, 1, __ATOMIC_SEQ_CST);
	while (!stop) {
		fill(0, at, OWN, ++seed);
		if (!holds(0, at, OWN, seed))
			wrong = 1;
	}
	__atomic_fetch_sub(&busy, 1, __ATOMIC_SEQ_CST);
	td_halt();
}

static void under_load(uint32_t vcpus)
{
	bool ok = true;

	while (busy + 1 < vcpus)
		__builtin_ia32_pause();
	for (unsigned i = 0; i < ROUNDS && ok; i++) {
		uint64_t at = AREA + i % BLOCKS * SIZE_2M, bytes = i % 3 ? SIZE_2M : 5 * PAGE_SIZE;

		ok = convert(at, bytes, true) && convert(at, bytes, false) && accept(at, bytes) &&
		     zero(0, at, bytes);
	}
	stop = 1;
	while (busy)
		__builtin_ia32_pause();
	td_check(ok && !wrong, "conversions while other vCPUs work beside");
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	(void)boot_parameter;
	td_init();
	if (index)
		work(index);
	shared = BIT64((width & 0x3f) - 1);
	alias = (uint64_t)(uintptr_t)map_shared(0);
	whole_blocks();
	parts();
	refusals();
	under_load(td_info().vcpus);
	if (td_failures())
		td_fatal("convert: failed");
	print("convert: all well\n");
	td_power_off();
}
