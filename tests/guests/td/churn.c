/*
 * churn.c - a trust domain whose vCPUs work on private and shared memory and check it, convert pages
 * to and fro, and lose some, while somebody outside logs the shared half and changes its page tables.
 *
 * Each vCPU has its own part of each area:
 *     KEPT     private, must keep what was written
 *     COMMON   shared, likewise; a quarter of it is written in each phase, and digested for the log
 *     TURNED   converted by MapGPA, a page or the whole 2 MiB; empty after each conversion to private
 *     LARGE    private, accepted as 2 MiB, every other page: split and joined from outside while both
 *              vCPUs use it; the first vCPU converts the last page of it to and fro
 *     LOSSY    private, taken away from outside at any time: each word is what it was, or zero
 * The key `p` on its serial line starts a phase on all vCPUs, `q` ends it all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/pattern.h"
#include "tests/guests/td/tdg.h"

#define VCPUS_MAX 2u
#define STEPS     3000u

#define KEPT   UINT64_C(0x02000000)
#define TURNED UINT64_C(0x03000000)
#define COMMON UINT64_C(0x04000000)
#define LOSSY  UINT64_C(0x05000000)
#define LARGE  UINT64_C(0x05800000)

#define KEPT_PAGES   512u  /* of each vCPU */
#define COMMON_PAGES 1024u
#define LOSSY_PAGES  512u
#define TURNED_PAGES 512u
#define LARGE_BLOCKS 1u
#define LARGE_PAGES  (LARGE_BLOCKS * 512u / VCPUS_MAX - 1)
#define LARGE_LAST   (LARGE + LARGE_BLOCKS * SIZE_2M - PAGE_SIZE)

#define COM1       0x3f8
#define COM1_LSR   0x3fd
#define LSR_READY  1
#define TURN_ONE_IN 16u /* of the steps that would convert: it is slow */
#define TURN_BLOCK_ONE_IN 8u
#define TURN_LAST_ONE_IN  256u

static struct part {
	uint32_t index, random, sequence;
	uint32_t kept[KEPT_PAGES], common[COMMON_PAGES], lossy[LOSSY_PAGES], turned[TURNED_PAGES];
	uint32_t large[LARGE_PAGES];
	bool is_shared[TURNED_PAGES];
	bool written[COMMON_PAGES];
	uint32_t wrong, conversions, lost, touched;
} parts[VCPUS_MAX];

static uint32_t phase, finished;
static uint64_t shared_bit;
static char *alias; /* where shared memory is seen */

static uint64_t gpa_of(uint64_t area, unsigned pages, const struct part *p, unsigned i)
{
	return area + ((uint64_t)p->index * pages + i) * PAGE_SIZE;
}

static volatile uint32_t *private_page(uint64_t gpa) { return (volatile uint32_t *)gpa; }
static volatile uint32_t *shared_page(uint64_t gpa) { return (volatile uint32_t *)(alias + gpa); }

/* Counts what is not as it must be, and tells of the first one. */
static void expect(struct part *p, bool good, const char *what, uint64_t gpa, uint32_t tag)
{
	static uint32_t told;

	if (good)
		return;
	p->wrong++;
	if (__atomic_fetch_add(&told, 1, __ATOMIC_SEQ_CST) == 0) {
		const volatile uint32_t *page =
			gpa & shared_bit ? shared_page(gpa & ~shared_bit) : private_page(gpa);

		print("churn: %s at %lx, tag %x: %x %x %x ... %x\n", what, gpa, tag, page[0],
		      page[PATTERN_STEP] ^ PATTERN_STEP * PATTERN_MIX,
		      page[2 * PATTERN_STEP] ^ 2 * PATTERN_STEP * PATTERN_MIX,
		      page[14 * PATTERN_STEP] ^ 14 * PATTERN_STEP * PATTERN_MIX);
	}
}

static void use_kept(struct part *p, uint32_t r)
{
	unsigned i = r % KEPT_PAGES;
	uint64_t gpa = gpa_of(KEPT, KEPT_PAGES, p, i);
	volatile uint32_t *page = private_page(gpa);

	expect(p, pattern_is(page, p->kept[i]), "kept page", gpa, p->kept[i]);
	if (r & 0x10000)
		pattern_write(page, p->kept[i] = ++p->sequence);
}

static void use_common(struct part *p, uint32_t r)
{
	unsigned i = r % COMMON_PAGES;
	uint64_t gpa = gpa_of(COMMON, COMMON_PAGES, p, i);

	expect(p, pattern_is(shared_page(gpa), p->common[i]), "common page", gpa | shared_bit,
	       p->common[i]);
	if (pattern_chosen((uint32_t)(gpa / PAGE_SIZE), phase)) {
		p->written[i] = true;
		pattern_write(shared_page(gpa), p->common[i] = ++p->sequence);
	}
}

/*
 * A lost page is touched first in one of these two. The module takes six faults in a row at one
 * instruction for an attack, and then wants the page accepted before it enters the guest again: so
 * no instruction of ours faults twice running.
 */
static __attribute__((noinline)) uint32_t touch(const volatile uint32_t *page) { return page[0]; }
static __attribute__((noinline)) uint32_t touch_too(const volatile uint32_t *page)
{
	return page[PATTERN_STEP];
}

static void use_lossy(struct part *p, uint32_t r)
{
	unsigned i = r % LOSSY_PAGES;
	uint64_t gpa = gpa_of(LOSSY, LOSSY_PAGES, p, i);
	volatile uint32_t *page = private_page(gpa);

	(void)(p->touched++ & 1 ? touch(page) : touch_too(page));
	expect(p, pattern_is_or_zero(page, p->lossy[i]), "lossy page", gpa, p->lossy[i]);
	p->lost += !pattern_is(page, p->lossy[i]);
	pattern_write(page, p->lossy[i] = ++p->sequence);
}

static bool map_gpa(uint64_t start, uint64_t bytes)
{
	uint64_t end = start + bytes, stopped = start, status;

	do {
		start = stopped;
		status = vmcall(VMCALL_MAP_GPA, start, end - start, 0, 0, &stopped);
	} while (status == 1); /* RETRY: the rest from R11 on */
	return status == 0;
}

static bool accept_page(uint64_t gpa)
{
	uint64_t s;

	do
		s = tdg_accept(gpa, 0);
	while (tdg_status(s) == TDG_OPERAND_BUSY);
	return s == 0 || tdg_status(s) == TDG_ALREADY_ACCEPTED;
}

/* To the other side, which begins empty if it is the private one. */
static void turn(struct part *p, unsigned first, unsigned count)
{
	uint64_t gpa = gpa_of(TURNED, TURNED_PAGES, p, first);
	bool to_shared = !p->is_shared[first];

	expect(p, map_gpa(gpa | (to_shared ? shared_bit : 0), count * PAGE_SIZE), "MapGPA", gpa, 0);
	for (unsigned i = first; i < first + count; i++, gpa += PAGE_SIZE) {
		if (!to_shared && !p->is_shared[i])
			continue; /* it was on that side, and stays as it is */
		p->is_shared[i] = to_shared;
		if (to_shared) {
			/* The host's frames: whatever was written there last. */
			pattern_write(shared_page(gpa), p->turned[i] = ++p->sequence);
			continue;
		}
		expect(p, accept_page(gpa), "accept", gpa, 0);
		expect(p, pattern_is(private_page(gpa), 0), "accepted page", gpa, 0);
		p->turned[i] = 0;
	}
	p->conversions++;
}

static void use_turned(struct part *p, uint32_t r)
{
	unsigned i = r % TURNED_PAGES;
	uint64_t gpa = gpa_of(TURNED, TURNED_PAGES, p, i);
	volatile uint32_t *page = p->is_shared[i] ? shared_page(gpa) : private_page(gpa);

	expect(p, pattern_is(page, p->turned[i]), "turned page",
	       gpa | (p->is_shared[i] ? shared_bit : 0), p->turned[i]);
	if (r >> 20 & (TURN_ONE_IN - 1))
		pattern_write(page, p->turned[i] = ++p->sequence);
	else if (r >> 24 & (TURN_BLOCK_ONE_IN - 1))
		turn(p, i, 1);
	else
		turn(p, i & ~15u, 16);
}

/* To shared and back: what it held is gone, the pages around it are not. */
static void turn_last(struct part *p)
{
	expect(p, map_gpa(LARGE_LAST | shared_bit, PAGE_SIZE), "MapGPA", LARGE_LAST, 0);
	pattern_write(shared_page(LARGE_LAST), ++p->sequence);
	expect(p, map_gpa(LARGE_LAST, PAGE_SIZE), "MapGPA", LARGE_LAST, 0);
	expect(p, accept_page(LARGE_LAST), "accept", LARGE_LAST, 0);
	expect(p, pattern_is(private_page(LARGE_LAST), 0), "accepted page", LARGE_LAST, 0);
	pattern_write(private_page(LARGE_LAST), p->sequence);
	p->conversions++;
}

static void use_large(struct part *p, uint32_t r)
{
	unsigned i = r % LARGE_PAGES;
	uint64_t gpa = LARGE + ((uint64_t)i * VCPUS_MAX + p->index) * PAGE_SIZE;

	expect(p, pattern_is(private_page(gpa), p->large[i]), "large page", gpa, p->large[i]);
	if (r & 0x10000)
		pattern_write(private_page(gpa), p->large[i] = ++p->sequence);
	if (p->index == 0 && (r >> 20 & (TURN_LAST_ONE_IN - 1)) == 0)
		turn_last(p);
}

static void (*const uses[])(struct part *p, uint32_t r) = {
	use_kept, use_large, use_common, use_common, use_lossy, use_turned, use_large, use_kept,
};

static void run_phase(struct part *p)
{
	for (unsigned i = 0; i < COMMON_PAGES; i++)
		p->written[i] = false;
	for (unsigned n = 0; n < STEPS; n++) {
		uint32_t r = pattern_random(&p->random);

		uses[r >> 29](p, r);
	}
	for (unsigned i = 0; i < KEPT_PAGES; i++) {
		uint64_t gpa = gpa_of(KEPT, KEPT_PAGES, p, i);

		expect(p, pattern_is(private_page(gpa), p->kept[i]), "kept page", gpa, p->kept[i]);
	}
	for (unsigned i = 0; i < COMMON_PAGES; i++) {
		uint64_t gpa = gpa_of(COMMON, COMMON_PAGES, p, i);

		expect(p, pattern_is(shared_page(gpa), p->common[i]), "common page",
		       gpa | shared_bit, p->common[i]);
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static uint8_t read_port(uint16_t port)
{
	uint64_t value = 0, status = vmcall(VMCALL_IO, 1, 0, port, 0, &value);

	if (status)
		print("churn: port %x: status %lx\n", port, status);
	return status ? 0 : (uint8_t)value;
}

/* `p` or `q`; ends of lines are dropped, anything else is told. */
static uint8_t next_order(void)
{
	for (;;) {
		uint8_t lsr = read_port(COM1_LSR);

		if (!(lsr & LSR_READY))
			continue;

		uint8_t order = read_port(COM1);

		if (order == 'p' || order == 'q')
			return order;
		if (order != '\n' && order != '\r')
			print("churn: LSR %x, order %x is none\n", lsr, order);
	}
}

static void report(uint32_t vcpus)
{
	uint32_t wrong = 0, count = 0, digest = 0, conversions = 0, lost = 0;

	for (unsigned v = 0; v < vcpus; v++) {
		const struct part *p = &parts[v];

		wrong += p->wrong;
		conversions += p->conversions;
		lost += p->lost;
		for (unsigned i = 0; i < COMMON_PAGES; i++) {
			uint64_t gpa = gpa_of(COMMON, COMMON_PAGES, p, i);

			count += p->written[i];
			digest += p->written[i] ? pattern_digest((uint32_t)(gpa / PAGE_SIZE)) : 0;
		}
	}
	print("churn: phase %u written %u digest 0x%x wrong %u conversions %u lost %u\n", phase,
	      count, digest, wrong, conversions, lost);
}

static void accept_large(void)
{
	for (unsigned b = 0; b < LARGE_BLOCKS; b++) {
		uint64_t s;

		do
			s = tdg_accept(LARGE + b * SIZE_2M, 1);
		while (tdg_status(s) == TDG_OPERAND_BUSY);
		if (s)
			td_fatal("churn: LARGE would not be accepted in 2 MiB");
	}
}

static void lead(uint32_t vcpus)
{
	print("churn: ready\n");
	while (next_order() == 'p') {
		__atomic_store_n(&finished, 0, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&phase, 1, __ATOMIC_SEQ_CST);
		run_phase(&parts[0]);
		while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < vcpus)
			__builtin_ia32_pause();
		report(vcpus);
	}
	print("churn: good-bye\n");
	td_power_off();
}

static NORETURN void follow(struct part *p)
{
	for (uint32_t done = 0;; done++) {
		while (__atomic_load_n(&phase, __ATOMIC_SEQ_CST) == done)
			__builtin_ia32_pause();
		run_phase(p);
	}
}

void td_main(uint32_t index, uint64_t boot_parameter, uint32_t width)
{
	static uint32_t prepared;
	struct td_info me = td_info();

	(void)boot_parameter, (void)width;
	td_init();
	if (index >= VCPUS_MAX)
		td_halt();
	parts[index].index = index;
	parts[index].random = 2463534242u + index;
	if (index) {
		while (!__atomic_load_n(&prepared, __ATOMIC_SEQ_CST))
			__builtin_ia32_pause();
		follow(&parts[index]);
	}

	uint32_t vcpus = me.vcpus < VCPUS_MAX ? me.vcpus : VCPUS_MAX;
	uint64_t bytes = (uint64_t)vcpus * COMMON_PAGES * PAGE_SIZE;

	shared_bit = BIT64(me.width - 1);
	alias = map_shared(0);
	if (!map_gpa(COMMON | shared_bit, bytes))
		td_fatal("churn: COMMON would not be shared");
	accept_large();
	__atomic_store_n(&prepared, 1, __ATOMIC_SEQ_CST);
	lead(vcpus);
}
