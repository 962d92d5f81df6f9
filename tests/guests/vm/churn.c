/*
 * churn.c - a plain guest that works on its memory and checks it, while somebody outside logs its
 * writes, takes pages away and moves its slots.
 *
 * A second vCPU, if there is one, does half of each phase, on every other page.
 *
 * One key on its serial line is one order:
 *     p   a phase: pages of the area at random, checked, and a quarter of them written. Ends with
 *         how many pages were written, their digest, and how many were wrong
 *     A   fill the window at 1 GiB      a, b   is it there, at 1 GiB, at 1.25 GiB?
 *     n   read, write and copy where nothing is: all ones, and writes are forgotten
 *     w   the same place: does it keep what is written?
 *     q   the end
 * It has no page tables of its own: every page that it writes is one that it meant to write, or its
 * stack and variables, which lie below 8 MiB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/guests/pattern.h"

#define COM1       0x3f8
#define COM1_LSR   0x3fd
#define LSR_READY  1

#define AREA       UINT32_C(0x00800000)
#define PAGES      2048u
#define STEPS      30000u
#define WINDOW     UINT32_C(0x40000000)
#define ELSEWHERE  UINT32_C(0x50000000)
#define NOWHERE    UINT32_C(0x60000000)
#define WIN_PAGES  512u
#define PAGE_BYTES 4096u

#define LAPIC      UINT32_C(0xfee00000)
#define LAPIC_SVR  0xf0u
#define LAPIC_ICR  0x300u
#define SVR_ON     0x1ffu
#define INIT_TO_OTHERS    UINT32_C(0xc4500)
#define STARTUP_TO_OTHERS (UINT32_C(0xc4600) | AP_PAGE >> 12)
#define AP_PAGE    UINT32_C(0x8000)
#define AP_WAIT    200000u

void out_byte(uint32_t port, uint32_t value);
uint32_t in_byte(uint32_t port);
void copy_words(volatile uint32_t *to, const volatile uint32_t *from, uint32_t words);
void vm_main(uint32_t magic, const void *info);
void vm_other(void);
extern const uint8_t ap_code[], ap_code_end[];
void *memset(void *to, int c, __SIZE_TYPE__ n);

static uint32_t tags[PAGES], phase, others, finished;
static bool over;
static bool written[PAGES]; /* of its page's vCPU, like the tag */
static struct worker {
	uint32_t random, sequence, wrong;
} workers[2] = { { .random = 2463534242u }, { .random = 88675123u, .sequence = 0x40000000 } };

void *memset(void *to, int c, __SIZE_TYPE__ n)
{
	for (__SIZE_TYPE__ i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = (uint8_t)c;
	return to;
}

static volatile uint32_t *page_at(uint32_t base, unsigned i)
{
	return (volatile uint32_t *)(base + i * PAGE_BYTES);
}

static void say(const char *text)
{
	for (; *text; text++)
		out_byte(COM1, (uint8_t)*text);
}

static void say_number(uint32_t v, uint32_t base)
{
	char digits[12];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		out_byte(COM1, (uint8_t)digits[--n]);
}

static uint8_t next_order(void)
{
	while (!(in_byte(COM1_LSR) & LSR_READY))
		__builtin_ia32_pause();
	return (uint8_t)in_byte(COM1);
}

/* Returns whether the page was what it must be. */
static bool step(struct worker *w, unsigned i)
{
	volatile uint32_t *page = page_at(AREA, i);
	bool good = pattern_is(page, tags[i]);

	if (pattern_chosen((uint32_t)(uintptr_t)page / PAGE_BYTES, phase)) {
		tags[i] = ++w->sequence;
		written[i] = true;
		pattern_write(page, tags[i]);
	}
	return good;
}

static void work(unsigned index)
{
	struct worker *w = &workers[index];
	unsigned vcpus = 1 + others;

	for (unsigned n = 0; n < STEPS / vcpus; n++) {
		unsigned i = (pattern_random(&w->random) >> 3) % PAGES;

		w->wrong += !step(w, i / vcpus * vcpus + index);
	}
}

static void run_phase(void)
{
	uint32_t wrong, count = 0, digest = 0;

	for (unsigned i = 0; i < PAGES; i++)
		written[i] = false;
	__atomic_store_n(&finished, 0, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&phase, 1, __ATOMIC_SEQ_CST);
	work(0);
	while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < others)
		__builtin_ia32_pause();
	wrong = workers[0].wrong + workers[1].wrong;
	for (unsigned i = 0; i < PAGES; i++) {
		wrong += !pattern_is(page_at(AREA, i), tags[i]);
		count += written[i];
		digest += written[i] ? pattern_digest(AREA / PAGE_BYTES + i) : 0;
	}
	say("churn: phase ");
	say_number(phase, 10);
	say(" written ");
	say_number(count, 10);
	say(" digest 0x");
	say_number(digest, 16);
	say(" wrong ");
	say_number(wrong, 10);
	say(" vcpus ");
	say_number(1 + others, 10);
	say("\n");
}

void vm_other(void)
{
	uint32_t done = phase;

	__atomic_store_n(&others, 1, __ATOMIC_SEQ_CST);
	for (;; done++) {
		while (__atomic_load_n(&phase, __ATOMIC_SEQ_CST) == done) {
			if (__atomic_load_n(&over, __ATOMIC_SEQ_CST))
				return;
			__builtin_ia32_pause();
		}
		work(1);
		__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
	}
}

static volatile uint32_t *lapic(uint32_t reg) { return (volatile uint32_t *)(LAPIC + reg); }

/* Nobody may be there to answer. */
static void start_other(void)
{
	volatile uint8_t *to = (volatile uint8_t *)AP_PAGE;

	for (const uint8_t *from = ap_code; from < ap_code_end; from++)
		*to++ = *from;
	*lapic(LAPIC_SVR) = SVR_ON;
	*lapic(LAPIC_ICR) = INIT_TO_OTHERS;
	*lapic(LAPIC_ICR) = STARTUP_TO_OTHERS;
	for (unsigned n = 0; n < AP_WAIT && !__atomic_load_n(&others, __ATOMIC_SEQ_CST); n++)
		__builtin_ia32_pause();
}

static void fill_window(void)
{
	for (unsigned i = 0; i < WIN_PAGES; i++)
		pattern_write(page_at(WINDOW, i), i + 1);
	say("churn: window filled\n");
}

static void check_window(uint32_t base)
{
	uint32_t wrong = 0;

	for (unsigned i = 0; i < WIN_PAGES; i++)
		wrong += !pattern_is(page_at(base, i), i + 1);
	say("churn: window at ");
	say_number(base, 16);
	say(" wrong ");
	say_number(wrong, 10);
	say("\n");
}

#define COPIED 8u

/* Through a string copy whose one side is nothing, in each direction, and by single accesses. */
static void use_nowhere(void)
{
	static uint32_t here[COPIED];
	volatile uint32_t *there = page_at(NOWHERE, 0);
	uint32_t sum = 0;

	for (unsigned n = 0; n < 4; n++)
		sum |= ~*page_at(NOWHERE, n % 2);
	for (unsigned i = 0; i < COPIED; i++)
		here[i] = i;
	copy_words(there + 1, here, COPIED);
	there[0] &= 5;
	copy_words(here, there, COPIED);
	for (unsigned i = 0; i < COPIED; i++)
		sum |= ~here[i];
	say("churn: nowhere reads ");
	say(sum ? "something" : "all ones");
	say("\n");
}

static void keep_nowhere(void)
{
	pattern_write(page_at(NOWHERE, 1), 77);
	say("churn: nowhere ");
	say(pattern_is(page_at(NOWHERE, 1), 77) ? "keeps" : "forgets");
	say(" what is written\n");
}

static bool obey(uint8_t order)
{
	switch (order) {
	case 'p':
		run_phase();
		return true;
	case 'A':
		fill_window();
		return true;
	case 'a':
		check_window(WINDOW);
		return true;
	case 'b':
		check_window(ELSEWHERE);
		return true;
	case 'n':
		use_nowhere();
		return true;
	case 'w':
		keep_nowhere();
		return true;
	default:
		return order != 'q';
	}
}

void vm_main(uint32_t magic, const void *info)
{
	(void)magic;
	(void)info;
	start_other();
	say("churn: ready\n");
	while (obey(next_order()))
		continue;
	__atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
	say("churn: good-bye\n");
}
